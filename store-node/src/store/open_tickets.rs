//! Tickets that are open: where their events stand, how far they are, and what people call them.

use percolate_common::domain::tickets::open::fold::{OpenTicket, Stage};
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::ids::{PaymentId, StaffId, TicketId};
use percolate_common::journal::StreamKind;
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use super::sales::Place;
use super::{LIST_ROWS_MAX, column, count};

/// Events of one ticket that are read: what a ticket may ever have is far below.
const EVENTS_MAX: u32 = 20_000;

/// What people call a ticket. It is in no journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) name: Option<String>,
    pub(crate) note: Option<String>,
}

/// A ticket's row.
#[derive(Debug, Clone)]
pub(crate) struct OpenTicketRow {
    pub(crate) opened_at_ms: Option<i64>,
    pub(crate) label: Label,
}

/// Which tickets are listed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed {
    pub(crate) held: Option<bool>,
    pub(crate) terminal: Option<TerminalName>,
    pub(crate) staff: Option<StaffId>,
}

const fn number(stage: Stage) -> i64 {
    match stage {
        Stage::Open => 1,
        Stage::Held => 2,
        Stage::Abandoned => 3,
        Stage::Paid => 4,
    }
}

/// Notes that an event at a place is about a ticket.
pub(crate) fn event_insert(tx: &WriteTx<'_>, ticket: TicketId, at: Place) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO open_ticket_event (ticket, life, seq) VALUES (:ticket, :life, :seq) ON CONFLICT DO NOTHING",
        named_params! {":ticket": ticket.to_bytes(), ":life": at.life, ":seq": column(at.seq)},
    )?;
    Ok(())
}

/// The events of a ticket, as they stand in the sales journals.
pub(crate) fn event_list(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Vec<(Place, Vec<u8>)>, StorageError> {
    tx.query_list(
        "SELECT e.life, e.seq, j.event FROM open_ticket_event e
         JOIN journal j ON j.life = e.life AND j.stream = :stream AND j.seq = e.seq
         WHERE e.ticket = :ticket ORDER BY e.life, e.seq LIMIT :limit",
        named_params! {
            ":ticket": ticket.to_bytes(), ":stream": StreamKind::Sales.number(), ":limit": EVENTS_MAX,
        },
        |row| Ok((place(row)?, row.get("event")?)),
    )
}

/// Tickets that events after a sequence number of a life are about, with the places of the events.
pub(crate) fn event_after(
    tx: &ReadTx<'_>,
    life: i64,
    after: u64,
    limit: u32,
) -> Result<Vec<(u64, TicketId)>, StorageError> {
    tx.query_list(
        "SELECT seq, ticket FROM open_ticket_event WHERE life = :life AND seq > :after ORDER BY seq, ticket LIMIT :limit",
        named_params! {":life": life, ":after": column(after), ":limit": limit},
        |row| Ok((count(row.get("seq")?), row.get("ticket").map(TicketId::from_bytes)?)),
    )
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { life: row.get("life")?, seq: count(row.get("seq")?) })
}

/// Keeps how far a ticket is, and who has it.
pub(crate) fn row_put(tx: &WriteTx<'_>, ticket: &OpenTicket, opened_at: Option<UtcMillis>) -> Result<(), StorageError> {
    let standing = ticket.standing();
    tx.execute(
        "INSERT INTO open_ticket (id, opened_at_ms, stage, terminal, staff)
         VALUES (:id, :opened_at_ms, :stage, :terminal, :staff)
         ON CONFLICT (id) DO UPDATE SET opened_at_ms = coalesce(excluded.opened_at_ms, opened_at_ms),
            stage = excluded.stage, terminal = excluded.terminal, staff = excluded.staff",
        named_params! {
            ":id": ticket.id.to_bytes(), ":opened_at_ms": opened_at.map(UtcMillis::get),
            ":stage": number(ticket.stage()),
            ":terminal": standing.as_ref().map(|standing| standing.terminal.to_string()),
            ":staff": standing.and_then(|standing| standing.staff).map(StaffId::get),
        },
    )?;
    Ok(())
}

pub(crate) fn label_put(tx: &WriteTx<'_>, ticket: TicketId, label: &Label) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE open_ticket SET name = :name, note = :note WHERE id = :id",
        named_params! {":id": ticket.to_bytes(), ":name": label.name, ":note": label.note},
    )?;
    Ok(())
}

pub(crate) fn row_fetch(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Option<OpenTicketRow>, StorageError> {
    tx.query_optional(
        "SELECT opened_at_ms, name, note FROM open_ticket WHERE id = :id",
        named_params! {":id": ticket.to_bytes()},
        |row| {
            let label = Label { name: row.get("name")?, note: row.get("note")? };
            Ok(OpenTicketRow { opened_at_ms: row.get("opened_at_ms")?, label })
        },
    )
}

/// The ticket that was opened under a key.
pub(crate) fn by_key(tx: &ReadTx<'_>, key_part: [u8; 8]) -> Result<Option<TicketId>, StorageError> {
    tx.query_optional(
        "SELECT id FROM open_ticket WHERE substr(id, 9, 8) = :key ORDER BY id LIMIT 1",
        named_params! {":key": key_part},
        |row| row.get("id").map(TicketId::from_bytes),
    )
}

/// Tickets that have not ended, the oldest first.
pub(crate) fn live_list(tx: &ReadTx<'_>, listed: &Listed) -> Result<Vec<TicketId>, StorageError> {
    tx.query_list(
        "SELECT id FROM open_ticket WHERE stage <= 2 AND (:stage IS NULL OR stage = :stage)
            AND (:terminal IS NULL OR terminal = :terminal) AND (:staff IS NULL OR staff = :staff)
         ORDER BY opened_at_ms, id LIMIT :limit",
        named_params! {
            ":stage": listed.held.map(|held| number(if held { Stage::Held } else { Stage::Open })),
            ":terminal": listed.terminal.as_ref().map(ToString::to_string), ":staff": listed.staff.map(StaffId::get),
            ":limit": LIST_ROWS_MAX,
        },
        |row| row.get("id").map(TicketId::from_bytes),
    )
}

/// How many tickets have not ended.
pub(crate) fn live_count(tx: &ReadTx<'_>) -> Result<u64, StorageError> {
    tx.query_one("SELECT count(*) AS live FROM open_ticket WHERE stage <= 2", [], |row| Ok(count(row.get("live")?)))
}

/// Notes a payment; says whether it is new.
pub(crate) fn payment_insert(tx: &WriteTx<'_>, id: PaymentId, ticket: TicketId) -> Result<bool, StorageError> {
    let rows = tx.execute(
        "INSERT INTO ticket_payment (id, ticket) VALUES (:id, :ticket) ON CONFLICT DO NOTHING",
        named_params! {":id": id.to_bytes(), ":ticket": ticket.to_bytes()},
    )?;
    Ok(rows > 0)
}

/// The ticket that a payment was taken for under a key.
pub(crate) fn payment_by_key(tx: &ReadTx<'_>, key_part: [u8; 8]) -> Result<Option<TicketId>, StorageError> {
    tx.query_optional(
        "SELECT ticket FROM ticket_payment WHERE substr(id, 9, 8) = :key ORDER BY id LIMIT 1",
        named_params! {":key": key_part},
        |row| row.get("ticket").map(TicketId::from_bytes),
    )
}

/// An event stands elsewhere now.
pub(crate) fn move_place(tx: &WriteTx<'_>, from: Place, to: Place) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE open_ticket_event SET life = :life, seq = :seq WHERE life = :old_life AND seq = :old_seq",
        named_params! {
            ":life": to.life, ":seq": column(to.seq), ":old_life": from.life, ":old_seq": column(from.seq),
        },
    )?;
    Ok(())
}
