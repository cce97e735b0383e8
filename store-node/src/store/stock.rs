//! Stock totals of each life, and what they join to.

use std::collections::BTreeMap;

use percolate_common::crdt::stock::{StockOnHand, StockTotal};
use percolate_common::ids::StockItemId;
use percolate_common::journal::{AuthorId, Incarnation};
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::named_params;

use super::lives::Life;
use super::sales::Place;
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

/// All totals of a life.
pub(crate) fn total_list(tx: &ReadTx<'_>, life: Life) -> Result<Vec<(StockItemId, StockTotal)>, StorageError> {
    tx.query_list(
        "SELECT stock_item, received, used FROM stock_total WHERE life = :life ORDER BY stock_item LIMIT :limit",
        named_params! {":life": life.number, ":limit": LIST_ROWS_MAX},
        |row| {
            let total = StockTotal { received: count(row.get("received")?), used: count(row.get("used")?) };
            Ok((StockItemId::new(row.get("stock_item")?), total))
        },
    )
}

/// Adds to a life's total of an item.
pub(crate) fn total_add(tx: &WriteTx<'_>, life: Life, item: StockItemId, more: StockTotal) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO stock_total (life, stock_item, received, used) VALUES (:life, :item, :received, :used)
         ON CONFLICT (life, stock_item) DO UPDATE SET received = received + excluded.received,
            used = used + excluded.used",
        named_params! {
            ":life": life.number, ":item": item.get(), ":received": column(more.received), ":used": column(more.used),
        },
    )?;
    Ok(())
}

/// Takes off a life's total of an item what no longer stands in its journals.
pub(crate) fn total_subtract(
    tx: &WriteTx<'_>,
    life: Life,
    item: StockItemId,
    less: StockTotal,
) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE stock_total SET received = received - :received, used = used - :used
         WHERE life = :life AND stock_item = :item",
        named_params! {
            ":life": life.number, ":item": item.get(), ":received": column(less.received), ":used": column(less.used),
        },
    )?;
    Ok(())
}

/// Counts what an event moves that stands in two journals, and is in the totals of both.
pub(crate) fn alias_add(tx: &WriteTx<'_>, item: StockItemId, twice: StockTotal) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO stock_alias (stock_item, received, used) VALUES (:item, :received, :used)
         ON CONFLICT (stock_item) DO UPDATE SET received = received + excluded.received, used = used + excluded.used",
        named_params! {":item": item.get(), ":received": column(twice.received), ":used": column(twice.used)},
    )?;
    Ok(())
}

/// Takes note of a movement that came back, by its key. Of two under one key the first stays.
pub(crate) fn movement_returned(tx: &WriteTx<'_>, key_part: [u8; 8], at: Place) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO movement_returned (key_part, life, seq) VALUES (:key_part, :life, :seq)
         ON CONFLICT (key_part) DO NOTHING",
        named_params! {":key_part": key_part, ":life": at.life, ":seq": column(at.seq)},
    )?;
    Ok(())
}

/// Where the movement stands that was booked under a key and came back.
pub(crate) fn movement_by_key(tx: &ReadTx<'_>, key_part: [u8; 8]) -> Result<Option<Place>, StorageError> {
    tx.query_optional(
        "SELECT life, seq FROM movement_returned WHERE key_part = :key_part",
        named_params! {":key_part": key_part},
        |row| Ok(Place { life: row.get("life")?, seq: count(row.get("seq")?) }),
    )
}

/// What all totals together count twice, by item.
pub(crate) fn alias_list(tx: &ReadTx<'_>) -> Result<BTreeMap<StockItemId, StockTotal>, StorageError> {
    let rows = tx.query_list(
        "SELECT stock_item, received, used FROM stock_alias ORDER BY stock_item LIMIT :limit",
        named_params! {":limit": LIST_ROWS_MAX},
        |row| {
            let total = StockTotal { received: count(row.get("received")?), used: count(row.get("used")?) };
            Ok((StockItemId::new(row.get("stock_item")?), total))
        },
    )?;
    Ok(rows.into_iter().collect())
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
