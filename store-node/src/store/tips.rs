//! Tips that were written down after the sale, and those of parts of open tickets.

use percolate_common::domain::tickets::tips::{TipCard, TipOn};
use percolate_common::ids::{PaymentId, StaffId, TicketId, TipId};
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use super::LIST_ROWS_MAX;

/// What was said of a ticket's tip, where it came in the order of all that was said here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TipRow {
    pub(crate) arrived: i64,
    pub(crate) ticket: TicketId,
    pub(crate) on: TipOn,
}

const TIP: &str = "SELECT arrived, id, ticket, turn, day, card, sold_minor, tip_minor, seller FROM ticket_tip";

const fn card_number(card: TipCard) -> i64 {
    match card {
        TipCard::External => 1,
        TipCard::Driver => 2,
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<TipRow> {
    let on = TipOn {
        id: TipId::from_bytes(row.get("id")?),
        turn: row.get("turn")?,
        day: BusinessDay::from_days(row.get("day")?),
        card: if row.get::<_, i64>("card")? == card_number(TipCard::External) {
            TipCard::External
        } else {
            TipCard::Driver
        },
        sold: Minor::new(row.get("sold_minor")?),
        tip: Minor::new(row.get("tip_minor")?),
        seller: row.get::<_, Option<u32>>("seller")?.map(StaffId::new),
    };
    Ok(TipRow { arrived: row.get("arrived")?, ticket: TicketId::from_bytes(row.get("ticket")?), on })
}

/// Keeps what was said of a ticket's tip; tells whether it was new.
pub(crate) fn tip_insert(tx: &WriteTx<'_>, ticket: TicketId, on: &TipOn) -> Result<bool, StorageError> {
    let rows = tx.execute(
        "INSERT INTO ticket_tip (id, ticket, turn, day, card, sold_minor, tip_minor, seller)
         VALUES (:id, :ticket, :turn, :day, :card, :sold, :tip, :seller) ON CONFLICT DO NOTHING",
        named_params! {
            ":id": on.id.to_bytes(), ":ticket": ticket.to_bytes(), ":turn": on.turn, ":day": on.day.days(),
            ":card": card_number(on.card), ":sold": on.sold.get(), ":tip": on.tip.get(),
            ":seller": on.seller.map(StaffId::get),
        },
    )?;
    Ok(rows > 0)
}

/// All that was said of a ticket's tip, in the order in which it came here.
pub(crate) fn tip_list(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Vec<TipRow>, StorageError> {
    tx.query_list(
        &format!("{TIP} WHERE ticket = :ticket ORDER BY arrived LIMIT :limit"),
        named_params! {":ticket": ticket.to_bytes(), ":limit": LIST_ROWS_MAX},
        row,
    )
}

/// What was said under a key; see [`TipId::key_part`].
pub(crate) fn tip_by_key(tx: &ReadTx<'_>, key_part: [u8; 8]) -> Result<Option<TipRow>, StorageError> {
    tx.query_optional(
        &format!("{TIP} WHERE substr(id, 9, 8) = :key ORDER BY arrived LIMIT 1"),
        named_params! {":key": key_part},
        row,
    )
}

/// Tickets of whose tips something was said that counts on a day.
pub(crate) fn tipped_ticket_list(tx: &ReadTx<'_>, day: BusinessDay) -> Result<Vec<TicketId>, StorageError> {
    tx.query_list(
        "SELECT DISTINCT ticket FROM ticket_tip WHERE day = :day ORDER BY ticket LIMIT :limit",
        named_params! {":day": day.days(), ":limit": LIST_ROWS_MAX},
        |row| row.get("ticket").map(TicketId::from_bytes),
    )
}

/// Keeps the tip of a part.
pub(crate) fn part_tip_insert(
    tx: &WriteTx<'_>,
    payment: PaymentId,
    day: BusinessDay,
    (seller, tip): (Option<StaffId>, Minor),
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO part_tip (payment, day, seller, tip_minor) VALUES (:payment, :day, :seller, :tip)
         ON CONFLICT DO NOTHING",
        named_params! {
            ":payment": payment.to_bytes(), ":day": day.days(), ":seller": seller.map(StaffId::get),
            ":tip": tip.get(),
        },
    )?;
    Ok(())
}

/// Tips of the parts that were paid on a day.
pub(crate) fn part_tip_list(tx: &ReadTx<'_>, day: BusinessDay) -> Result<Vec<(Option<StaffId>, i64)>, StorageError> {
    tx.query_list(
        "SELECT seller, tip_minor FROM part_tip WHERE day = :day ORDER BY payment LIMIT :limit",
        named_params! {":day": day.days(), ":limit": LIST_ROWS_MAX},
        |row| Ok((row.get::<_, Option<u32>>("seller")?.map(StaffId::new), row.get("tip_minor")?)),
    )
}
