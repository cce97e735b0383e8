//! What of tickets does not add up, which tickets wait for their menu, and what the catalog has said.

use percolate_common::domain::pricing::recompute::Difference;
use percolate_common::ids::{StoreId, TicketId};
use percolate_common::journal::{Incarnation, JournalId};
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_runtime::params;
use percolate_runtime::storage::{EngineKind, ReadTx, Row, StorageError, WriteTx};

use super::{REPORT_ROWS_MAX, Span, Unmatched, postgres};
use crate::kernel::db::{incarnation_taken, journal_columns, seq_column, seq_from_column};

/// Differences of one report, and tickets that are looked at again at a time.
pub(crate) const PAGE_ROWS: i64 = 1_000;

/// Where in the catalog's journals a revision was published.
pub(crate) type MenuPlace = (Incarnation, u64);

/// What the catalog said at a place of its journal; nothing if it cannot be read.
pub(crate) type MenuSaid = (u64, Option<Vec<u8>>);

/// A ticket that a difference is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlaggedTicket {
    pub(crate) id: TicketId,
    pub(crate) store: StoreId,
    pub(crate) day: BusinessDay,
    pub(crate) at: UtcMillis,
    pub(crate) receipt: String,
}

/// A difference as it is listed.
#[derive(Debug, Clone)]
pub(crate) struct ListedDifference {
    pub(crate) ticket: FlaggedTicket,
    pub(crate) part: String,
    pub(crate) number: Option<u32>,
    pub(crate) said: i64,
    pub(crate) computed: i64,
    pub(crate) settled: Option<Settlement>,
}

/// What somebody has decided about a difference.
#[derive(Debug, Clone)]
pub(crate) struct Settlement {
    pub(crate) who: String,
    pub(crate) at: UtcMillis,
    pub(crate) reason: String,
}

/// Which differences are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// Those that nobody has settled.
    Open,
}

/// Differences with what was decided about each: about the same part with the same numbers.
const DIFFERENCES: &str = "ticket_flag AS flag LEFT JOIN difference_settled AS settled ON settled.ticket = flag.ticket
    AND settled.part = flag.part AND settled.number = flag.number AND settled.said = flag.said
    AND settled.computed = flag.computed";

/// Events of a shop's day whose clock was known to be wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockDoubt {
    pub(crate) store: StoreId,
    pub(crate) day: BusinessDay,
    pub(crate) node: u32,
    pub(crate) events: i64,
    pub(crate) last_at_ms: i64,
}

fn number_column(number: Option<u32>) -> i64 {
    number.map_or(-1, i64::from)
}

/// Keeps what the catalog said at a place, and which revision it published there; nothing if it cannot be read.
pub(crate) fn menu_said_insert(
    tx: &WriteTx<'_>,
    (journal, seq): (&JournalId, u64),
    revision: Option<u32>,
    event: Option<&[u8]>,
) -> Result<(), StorageError> {
    let (_author, incarnation, _stream) = journal_columns(journal);
    tx.execute(
        "INSERT INTO menu_said (incarnation, seq, revision, event) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (incarnation, seq) DO NOTHING",
        params![incarnation, seq_column(seq), revision, event],
    )?;
    Ok(())
}

/// What the catalog said in a life from after one place up to another, a page of it, in order.
pub(crate) fn menu_said_page(
    tx: &ReadTx<'_>,
    (incarnation, to): MenuPlace,
    after: u64,
) -> Result<Vec<MenuSaid>, StorageError> {
    tx.query_list(
        "SELECT seq, event FROM menu_said WHERE incarnation = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4",
        params![incarnation.get().cast_signed(), seq_column(after), seq_column(to), PAGE_ROWS],
        |row| Ok((seq_from_column(row.take()?), row.take()?)),
    )
}

/// Where a revision was published: more than once if the hub was put back in between.
pub(crate) fn menu_place_list(tx: &ReadTx<'_>, revision: u32) -> Result<Vec<MenuPlace>, StorageError> {
    tx.query_list(
        "SELECT incarnation, seq FROM menu_said WHERE revision = ?1 ORDER BY incarnation, seq LIMIT ?2",
        params![revision, PAGE_ROWS],
        |row| Ok((incarnation_taken(row)?, seq_from_column(row.take()?))),
    )
}

/// Keeps tickets until a menu comes that they agree with.
pub(crate) fn unmatched_insert(tx: &WriteTx<'_>, rows: &[Unmatched]) -> Result<(), StorageError> {
    if tx.engine() == EngineKind::Postgres && !rows.is_empty() {
        return postgres::unmatched_insert(tx, rows);
    }
    for row in rows {
        tx.execute(
            "INSERT INTO ticket_unmatched (revision, ticket, store, day, event) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (revision, ticket) DO NOTHING",
            params![row.revision, &row.id.to_bytes(), row.store.get(), row.day.days(), &row.event[..]],
        )?;
    }
    Ok(())
}

/// Some of the tickets of a revision that agree with no menu, after one of them.
pub(crate) fn unmatched_page(
    tx: &ReadTx<'_>,
    revision: u32,
    after: &[u8],
) -> Result<Vec<(TicketId, Vec<u8>)>, StorageError> {
    tx.query_list(
        "SELECT ticket, event FROM ticket_unmatched WHERE revision = ?1 AND ticket > ?2 ORDER BY ticket LIMIT ?3",
        params![revision, after, PAGE_ROWS],
        |row| Ok((TicketId::from_bytes(row.take()?), row.take()?)),
    )
}

/// A ticket agrees with its menu.
pub(crate) fn unmatched_delete(tx: &WriteTx<'_>, revision: u32, ticket: TicketId) -> Result<(), StorageError> {
    tx.execute(
        "DELETE FROM ticket_unmatched WHERE revision = ?1 AND ticket = ?2",
        params![revision, &ticket.to_bytes()],
    )?;
    Ok(())
}

/// Writes down what of a ticket differs.
pub(crate) fn flag_insert(
    tx: &WriteTx<'_>,
    ticket: &FlaggedTicket,
    of_menu: bool,
    difference: &Difference,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO ticket_flag (ticket, part, number, of_menu, store, day, at_ms, receipt, said, computed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (ticket, part, number) DO NOTHING",
        params![
            &ticket.id.to_bytes(),
            difference.part.as_str(),
            number_column(difference.part.number()),
            of_menu,
            ticket.store.get(),
            ticket.day.days(),
            ticket.at.get(),
            &ticket.receipt,
            difference.said,
            difference.computed
        ],
    )?;
    Ok(())
}

/// Takes back what differed from one menu, for there is another of the same number.
pub(crate) fn menu_flags_delete(tx: &WriteTx<'_>, ticket: TicketId) -> Result<(), StorageError> {
    tx.execute("DELETE FROM ticket_flag WHERE ticket = ?1 AND of_menu = 1", params![&ticket.to_bytes()])?;
    Ok(())
}

/// Adds events whose clock was known to be wrong.
pub(crate) fn clock_doubt_add(tx: &WriteTx<'_>, doubt: &ClockDoubt) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO clock_doubt (store, day, author, events, last_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (store, day, author) DO UPDATE SET events = clock_doubt.events + excluded.events,
            last_at_ms = CASE WHEN excluded.last_at_ms > clock_doubt.last_at_ms
                THEN excluded.last_at_ms ELSE clock_doubt.last_at_ms END",
        params![doubt.store.get(), doubt.day.days(), doubt.node, doubt.events, doubt.last_at_ms],
    )?;
    Ok(())
}

/// Whose rows: one store's or, with 0, all.
fn scope(only: Option<StoreId>) -> u32 {
    only.unwrap_or(StoreId::CHAIN).get()
}

fn difference(row: &mut Row<'_>) -> Result<ListedDifference, StorageError> {
    let ticket = FlaggedTicket {
        id: TicketId::from_bytes(row.take()?),
        store: StoreId::new(row.take()?),
        day: BusinessDay::from_days(row.take()?),
        at: UtcMillis::new(row.take()?),
        receipt: row.take()?,
    };
    Ok(ListedDifference {
        ticket,
        part: row.take()?,
        number: u32::try_from(row.take::<i64>()?).ok(),
        said: row.take()?,
        computed: row.take()?,
        settled: settlement(row)?,
    })
}

fn settlement(row: &mut Row<'_>) -> Result<Option<Settlement>, StorageError> {
    let (who, at_ms, reason) = (row.take::<Option<String>>()?, row.take::<Option<i64>>()?, row.take()?);
    let settled = who.zip(at_ms).zip(reason);
    Ok(settled.map(|((who, at_ms), reason)| Settlement { who, at: UtcMillis::new(at_ms), reason }))
}

/// Differences of days, the oldest first.
pub(crate) fn difference_list(
    tx: &ReadTx<'_>,
    (only, span): (Option<StoreId>, Span),
    which: Which,
) -> Result<Vec<ListedDifference>, StorageError> {
    let sql = format!(
        "SELECT flag.ticket, store, day, flag.at_ms, receipt, flag.part, flag.number, flag.said, flag.computed,
            settled.who, settled.at_ms, settled.reason FROM {DIFFERENCES}
         WHERE (?1 = 0 OR store = ?1) AND day BETWEEN ?2 AND ?3 AND (?4 = 0 OR settled.ticket IS NULL)
         ORDER BY day, flag.at_ms, flag.ticket, flag.part, flag.number LIMIT ?5"
    );
    let only_open = which == Which::Open;
    tx.query_list(
        &sql,
        params![scope(only), span.from.days(), span.to.days(), i64::from(only_open), PAGE_ROWS],
        difference,
    )
}

/// How many differences there are in those days.
pub(crate) fn difference_count(
    tx: &ReadTx<'_>,
    (only, span): (Option<StoreId>, Span),
    which: Which,
) -> Result<i64, StorageError> {
    let sql = format!(
        "SELECT count(*) FROM {DIFFERENCES} WHERE (?1 = 0 OR store = ?1) AND day BETWEEN ?2 AND ?3
            AND (?4 = 0 OR settled.ticket IS NULL)"
    );
    let only_open = i64::from(which == Which::Open);
    tx.query_one(&sql, params![scope(only), span.from.days(), span.to.days(), only_open], |row| row.take())
}

/// How many differences a ticket has.
pub(crate) fn difference_count_of(tx: &ReadTx<'_>, ticket: TicketId) -> Result<i64, StorageError> {
    tx.query_one("SELECT count(*) FROM ticket_flag WHERE ticket = ?1", params![&ticket.to_bytes()], |row| row.take())
}

/// Settles what differs of a ticket as it stands now, and tells of how many differences that was not done before.
pub(crate) fn settle(tx: &WriteTx<'_>, ticket: TicketId, settlement: &Settlement) -> Result<usize, StorageError> {
    tx.execute(
        "INSERT INTO difference_settled (ticket, part, number, said, computed, who, at_ms, reason)
         SELECT ticket, part, number, said, computed, ?2, ?3, ?4 FROM ticket_flag WHERE ticket = ?1
         ON CONFLICT (ticket, part, number, said, computed) DO NOTHING",
        params![&ticket.to_bytes(), &settlement.who, settlement.at.get(), &settlement.reason],
    )
}

/// How many tickets of those days wait for the menu that they name.
pub(crate) fn waiting_count(tx: &ReadTx<'_>, only: Option<StoreId>, span: Span) -> Result<i64, StorageError> {
    tx.query_one(
        "SELECT count(*) FROM ticket_unmatched WHERE (?1 = 0 OR store = ?1) AND day BETWEEN ?2 AND ?3
            AND NOT EXISTS (SELECT 1 FROM ticket_flag WHERE ticket_flag.ticket = ticket_unmatched.ticket AND of_menu = 1)",
        params![scope(only), span.from.days(), span.to.days()],
        |row| row.take(),
    )
}

/// Where clocks were known to be wrong in those days.
pub(crate) fn clock_doubt_list(
    tx: &ReadTx<'_>,
    only: Option<StoreId>,
    span: Span,
) -> Result<Vec<ClockDoubt>, StorageError> {
    tx.query_list(
        "SELECT store, day, author, events, last_at_ms FROM clock_doubt
         WHERE (?1 = 0 OR store = ?1) AND day BETWEEN ?2 AND ?3 ORDER BY day, store, author LIMIT ?4",
        params![scope(only), span.from.days(), span.to.days(), REPORT_ROWS_MAX],
        |row| {
            Ok(ClockDoubt {
                store: StoreId::new(row.take()?),
                day: BusinessDay::from_days(row.take()?),
                node: row.take()?,
                events: row.take()?,
                last_at_ms: row.take()?,
            })
        },
    )
}
