//! Writing what is folded: each function adds to one table, and the sums come out the same in any order.

use percolate_common::crdt::stock::StockTotal;
use percolate_common::domain::event::{Header, StoreDescribed};
use percolate_common::ids::{StockItemId, StoreId, TicketId};
use percolate_common::journal::JournalId;
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_runtime::sqlite::WriteTx;
use percolate_runtime::storage::StorageError;
use rusqlite::named_params;

use super::{SourceMark, TABLES, TicketRow};
use crate::kernel::db::{journal_columns, seq_column};
use crate::reporting::measures::{CountedLine, Measures};

pub(crate) fn clear(tx: &WriteTx<'_>) -> Result<(), StorageError> {
    TABLES.iter().try_for_each(|table| tx.execute(&format!("DELETE FROM {table}"), []).map(drop))
}

/// Inserts a ticket and tells whether it was new.
pub(crate) fn ticket_insert(tx: &WriteTx<'_>, header: &Header, ticket: &TicketRow) -> Result<bool, StorageError> {
    let sums = &ticket.measures;
    let inserted = tx.execute(
        "INSERT INTO ticket (id, store, day, at_ms, receipt, lines, units, net_minor, tax_minor, total_minor,
            tax_unknown)
         VALUES (:id, :store, :day, :at, :receipt, :lines, :units, :net, :tax, :total, :unknown)
         ON CONFLICT (id) DO NOTHING",
        named_params! {
            ":id": ticket.id.to_bytes(), ":store": header.store.get(), ":day": header.business_day.days(),
            ":at": header.at.get(), ":receipt": ticket.receipt, ":lines": sums.lines, ":units": sums.units,
            ":net": sums.net, ":tax": sums.tax, ":total": sums.total, ":unknown": sums.tax_unknown_tickets,
        },
    )?;
    Ok(inserted == 1)
}

/// Adds what later lines bring to a ticket.
pub(crate) fn ticket_add(tx: &WriteTx<'_>, id: TicketId, sums: &Measures) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE ticket SET lines = lines + :lines, units = units + :units, net_minor = net_minor + :net,
            total_minor = total_minor + :total WHERE id = :id",
        named_params! {
            ":id": id.to_bytes(), ":lines": sums.lines, ":units": sums.units, ":net": sums.net, ":total": sums.total,
        },
    )?;
    Ok(())
}

/// Takes note of a row of an imported ticket and tells whether it was new.
pub(crate) fn import_line_insert(
    tx: &WriteTx<'_>,
    ticket: TicketId,
    source_row: &str,
    line: &CountedLine,
) -> Result<bool, StorageError> {
    let inserted = tx.execute(
        "INSERT INTO import_line (ticket, source_row, item_key, category_key) VALUES (:ticket, :row, :item, :category)
         ON CONFLICT (ticket, source_row) DO NOTHING",
        named_params! {
            ":ticket": ticket.to_bytes(), ":row": source_row, ":item": line.item_key, ":category": line.category_key,
        },
    )?;
    Ok(inserted == 1)
}

pub(crate) fn rollup_add(
    tx: &WriteTx<'_>,
    (scope, kind, day, key): &(StoreId, i64, BusinessDay, String),
    sums: &Measures,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO rollup (scope, kind, day, key, tickets, lines, units, net_minor, tax_minor, total_minor,
            tax_unknown_tickets)
         VALUES (:scope, :kind, :day, :key, :tickets, :lines, :units, :net, :tax, :total, :unknown)
         ON CONFLICT (scope, kind, day, key) DO UPDATE SET tickets = tickets + excluded.tickets,
            lines = lines + excluded.lines, units = units + excluded.units, net_minor = net_minor + excluded.net_minor,
            tax_minor = tax_minor + excluded.tax_minor, total_minor = total_minor + excluded.total_minor,
            tax_unknown_tickets = tax_unknown_tickets + excluded.tax_unknown_tickets",
        named_params! {
            ":scope": scope.get(), ":kind": kind, ":day": day.days(), ":key": key, ":tickets": sums.tickets,
            ":lines": sums.lines, ":units": sums.units, ":net": sums.net, ":tax": sums.tax, ":total": sums.total,
            ":unknown": sums.tax_unknown_tickets,
        },
    )?;
    Ok(())
}

/// The highest rank wins; of equal rank the name that sorts first: the same whatever came first.
pub(crate) fn name_upsert(tx: &WriteTx<'_>, key: &str, name: &str, unit: &str, rank: u64) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO name (key, name, unit, rank) VALUES (:key, :name, :unit, :rank)
         ON CONFLICT (key) DO UPDATE SET name = excluded.name, unit = excluded.unit, rank = excluded.rank
         WHERE (-excluded.rank, excluded.name, excluded.unit) < (-rank, name, unit)",
        named_params! {":key": key, ":name": name, ":unit": unit, ":rank": seq_column(rank)},
    )?;
    Ok(())
}

/// As [`name_upsert`]: what was said last wins, and of two nodes at the same moment the row that sorts first.
pub(crate) fn store_upsert(tx: &WriteTx<'_>, header: &Header, described: &StoreDescribed) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO store (store, name, zone, cutover_hour, currency, rank)
         VALUES (:store, :name, :zone, :cutover, :currency, :rank)
         ON CONFLICT (store) DO UPDATE SET name = excluded.name, zone = excluded.zone,
            cutover_hour = excluded.cutover_hour, currency = excluded.currency, rank = excluded.rank
         WHERE (-excluded.rank, excluded.name, excluded.zone, excluded.cutover_hour, excluded.currency)
             < (-rank, name, zone, cutover_hour, currency)",
        named_params! {
            ":store": header.store.get(), ":name": described.name, ":zone": described.zone,
            ":cutover": described.cutover_hour, ":currency": described.currency.as_str(),
            ":rank": seq_column(header.hlc.packed()),
        },
    )?;
    Ok(())
}

pub(crate) fn mark_upsert(tx: &WriteTx<'_>, journal: &JournalId, mark: &SourceMark) -> Result<(), StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.execute(
        "INSERT INTO source_mark (author, incarnation, stream, store, receipt, at_ms, parked)
         VALUES (:author, :incarnation, :stream, :store, :receipt, :at, :parked)
         ON CONFLICT (author, incarnation, stream) DO UPDATE SET store = excluded.store, receipt = excluded.receipt,
            at_ms = excluded.at_ms, parked = excluded.parked",
        named_params! {
            ":author": author, ":incarnation": incarnation, ":stream": stream, ":store": mark.store.map(StoreId::get),
            ":receipt": mark.receipt, ":at": mark.at.map(UtcMillis::get), ":parked": seq_column(mark.parked),
        },
    )?;
    Ok(())
}

pub(crate) fn stock_fold_add(
    tx: &WriteTx<'_>,
    store: StoreId,
    item: StockItemId,
    total: StockTotal,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO stock_fold (store, stock_item, received, used) VALUES (:store, :item, :received, :used)
         ON CONFLICT (store, stock_item) DO UPDATE SET received = received + excluded.received,
            used = used + excluded.used",
        named_params! {
            ":store": store.get(), ":item": item.get(), ":received": seq_column(total.received),
            ":used": seq_column(total.used),
        },
    )?;
    Ok(())
}

/// Adds what aliases moved: the authors' totals have it twice.
pub(crate) fn stock_alias_add(
    tx: &WriteTx<'_>,
    store: StoreId,
    item: StockItemId,
    total: StockTotal,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO stock_alias (store, stock_item, received, used) VALUES (:store, :item, :received, :used)
         ON CONFLICT (store, stock_item) DO UPDATE SET received = received + excluded.received,
            used = used + excluded.used",
        named_params! {
            ":store": store.get(), ":item": item.get(), ":received": seq_column(total.received),
            ":used": seq_column(total.used),
        },
    )?;
    Ok(())
}
