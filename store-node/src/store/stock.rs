//! Stock totals of each life, and what they join to.

use percolate_common::crdt::stock::{StockOnHand, StockTotal};
use percolate_common::ids::StockItemId;
use percolate_common::journal::{AuthorId, Incarnation};
use percolate_runtime::sqlite::{ReadTx, StorageError, WriteTx};
use rusqlite::named_params;

use super::journal::Life;
use super::{LIST_ROWS_MAX, column, count};

pub(crate) fn total_fetch(tx: &ReadTx<'_>, life: Life, item: StockItemId) -> Result<StockTotal, StorageError> {
    let total = tx.query_optional(
        "SELECT received, used FROM stock_total WHERE life = :life AND stock_item = :item",
        named_params! {":life": life.number, ":item": item.get()},
        |row| Ok(StockTotal { received: count(row.get("received")?), used: count(row.get("used")?) }),
    )?;
    Ok(total.unwrap_or_default())
}

pub(crate) fn total_put(
    tx: &WriteTx<'_>,
    life: Life,
    item: StockItemId,
    total: StockTotal,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO stock_total (life, stock_item, received, used) VALUES (:life, :item, :received, :used)
         ON CONFLICT (life, stock_item) DO UPDATE SET received = excluded.received, used = excluded.used",
        named_params! {
            ":life": life.number, ":item": item.get(), ":received": column(total.received), ":used": column(total.used),
        },
    )?;
    Ok(())
}

/// All lives joined, and the sums of what came in and went out.
pub(crate) fn on_hand(
    tx: &ReadTx<'_>,
    author: AuthorId,
) -> Result<(StockOnHand, Vec<(StockItemId, StockTotal)>), StorageError> {
    let rows = tx.query_list(
        "SELECT incarnation, stock_item, received, used FROM stock_total JOIN author_life USING (life)
         ORDER BY stock_item, life LIMIT :limit",
        named_params! {":limit": LIST_ROWS_MAX},
        |row| {
            let incarnation = Incarnation::new(row.get::<_, i64>("incarnation")?.cast_unsigned());
            let total = StockTotal { received: count(row.get("received")?), used: count(row.get("used")?) };
            Ok((StockItemId::new(row.get("stock_item")?), incarnation, total))
        },
    )?;
    let mut stock = StockOnHand::default();
    let mut sums: Vec<(StockItemId, StockTotal)> = Vec::new();
    for (item, incarnation, total) in rows {
        stock.join_total(item, (author, incarnation), total);
        match sums.last_mut() {
            Some((last, sum)) if *last == item => {
                sum.received = sum.received.saturating_add(total.received);
                sum.used = sum.used.saturating_add(total.used);
            }
            Some(_) | None => sums.push((item, total)),
        }
    }
    Ok((stock, sums))
}
