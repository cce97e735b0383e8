//! The books: what of tickets did not come out the same when it was computed again, and which clocks were wrong.

use percolate_common::ids::{StoreId, TicketId};
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};
use serde::Serialize;
use utoipa::ToSchema;

use super::completeness::{CompletenessMark, Known, marks};
use super::reports::{ReportError, known_store};
use super::store::Span;
use super::store::books::{self as store, ClockDoubt, ListedDifference, Settlement, Which};

/// What did not come out the same when every ticket was computed again.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DifferencesReport {
    /// How many differences there are.
    differences: i64,
    /// How many of them nobody has settled.
    open: i64,
    /// Tickets that wait for the menu that they name: it has not come yet, or cannot be read.
    waiting_tickets: i64,
    /// The oldest first, at most 1000.
    rows: Vec<DifferenceRow>,
    /// Where clocks were known to be wrong.
    clocks: Vec<ClockRow>,
    /// How complete each store's part is.
    completeness: Vec<CompletenessMark>,
}

/// A difference between what a ticket says and what it comes to.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct DifferenceRow {
    /// Of which ticket.
    ticket_id: String,
    /// Its receipt number.
    receipt: String,
    /// Store number.
    store: u32,
    /// Its business day, YYYY-MM-DD.
    business_day: String,
    /// When it was paid, UTC milliseconds: as old is the difference.
    at_ms: i64,
    /// Of what, as `tax`, `unit_price` or `total`: see docs/books.md.
    part: String,
    /// Which line, counted from 0, discount or tax class; null where there is one.
    number: Option<u32>,
    /// What the ticket says: minor units, a rate in millionths, or a number.
    said: i64,
    /// What it comes to.
    computed: i64,
    /// What somebody has decided about it; null while it is open.
    settled: Option<SettledRow>,
}

/// What somebody has decided about a difference. It changes no figure.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct SettledRow {
    /// Who.
    by: String,
    /// When, UTC milliseconds.
    at_ms: i64,
    /// Why it is there, and what became of it.
    reason: String,
}

/// Entries of a day whose clock was known to be wrong.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct ClockRow {
    /// Store number.
    store: u32,
    /// Node number.
    node: u32,
    /// The business day that they stand on, YYYY-MM-DD.
    business_day: String,
    /// How many.
    events: i64,
    /// The last one's moment as it was stamped, UTC milliseconds.
    last_at_ms: i64,
}

fn row(listed: ListedDifference) -> DifferenceRow {
    let ListedDifference { ticket, part, number, said, computed, settled } = listed;
    DifferenceRow {
        ticket_id: ticket.id.to_string(),
        receipt: ticket.receipt,
        store: ticket.store.get(),
        business_day: ticket.day.to_string(),
        at_ms: ticket.at.get(),
        part,
        number,
        said,
        computed,
        settled: settled.map(|Settlement { who, at, reason }| SettledRow { by: who, at_ms: at.get(), reason }),
    }
}

fn clock(doubt: ClockDoubt) -> ClockRow {
    let ClockDoubt { store, day, node, events, last_at_ms } = doubt;
    ClockRow { store: store.get(), node, business_day: day.to_string(), events, last_at_ms }
}

/// Makes the report from one snapshot.
pub(super) fn report(
    tx: &ReadTx<'_>,
    known: &Known,
    (only, span): (Option<StoreId>, Span),
    which: Which,
) -> Result<DifferencesReport, ReportError> {
    let completeness = marks(tx, known, only)?;
    known_store(&completeness, only)?;
    Ok(DifferencesReport {
        differences: store::difference_count(tx, (only, span), Which::All)?,
        open: store::difference_count(tx, (only, span), Which::Open)?,
        waiting_tickets: store::waiting_count(tx, only, span)?,
        rows: store::difference_list(tx, (only, span), which)?.into_iter().map(row).collect(),
        clocks: store::clock_doubt_list(tx, only, span)?.into_iter().map(clock).collect(),
        completeness,
    })
}

/// Why nothing was settled.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettleError {
    #[error("the settlement could not be written")]
    Storage(#[from] StorageError),
    #[error("ticket {0} has no differences")]
    NothingDiffers(TicketId),
    #[error("the differences of ticket {0} were settled before")]
    SettledBefore(TicketId),
}

/// Settles what differs of a ticket as it stands now. What differs of it later is open again.
pub(super) fn settle(tx: &WriteTx<'_>, ticket: TicketId, settlement: &Settlement) -> Result<usize, SettleError> {
    match store::settle(tx, ticket, settlement)? {
        0 if store::difference_count_of(tx, ticket)? == 0 => Err(SettleError::NothingDiffers(ticket)),
        0 => Err(SettleError::SettledBefore(ticket)),
        settled => Ok(settled),
    }
}
