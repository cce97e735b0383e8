//! What was said of tickets' tips after their sale.

use percolate_common::domain::tickets::tips::{TipCard, TipOn};
use percolate_common::ids::{StaffId, StoreId, TicketId, TipId};
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, Row, StorageError, WriteTx};

use super::REPORT_ROWS_MAX;

const fn card_number(card: TipCard) -> i64 {
    match card {
        TipCard::External => 1,
        TipCard::Driver => 2,
    }
}

fn tip(row: &mut Row<'_>) -> Result<TipOn, StorageError> {
    Ok(TipOn {
        id: TipId::from_bytes(row.take()?),
        turn: row.take()?,
        day: BusinessDay::from_days(row.take()?),
        card: if row.take::<i64>()? == card_number(TipCard::External) { TipCard::External } else { TipCard::Driver },
        sold: Minor::new(row.take()?),
        tip: Minor::new(row.take()?),
        seller: row.take::<Option<u32>>()?.map(StaffId::new),
    })
}

/// All that was said of a ticket's tip.
pub(crate) fn list(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Vec<TipOn>, StorageError> {
    tx.query_list(
        "SELECT id, turn, day, card, sold_minor, tip_minor, seller FROM ticket_tip WHERE ticket = ?1
         ORDER BY turn, id LIMIT ?2",
        params![&ticket.to_bytes(), REPORT_ROWS_MAX],
        tip,
    )
}

/// Keeps what was said of a ticket's tip.
pub(crate) fn insert(tx: &WriteTx<'_>, (store, ticket): (StoreId, TicketId), on: &TipOn) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO ticket_tip (ticket, id, turn, store, day, card, sold_minor, tip_minor, seller)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (ticket, id) DO NOTHING",
        params![
            &ticket.to_bytes(),
            &on.id.to_bytes(),
            on.turn,
            store.get(),
            on.day.days(),
            card_number(on.card),
            on.sold.get(),
            on.tip.get(),
            on.seller.map(StaffId::get)
        ],
    )?;
    Ok(())
}
