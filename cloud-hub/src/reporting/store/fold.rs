//! Writing what is folded: each function adds to one table, and the sums come out the same in any order.

use percolate_common::crdt::stock::StockTotal;
use percolate_common::domain::event::{Header, StoreDescribed};
use percolate_common::ids::{StockItemId, StoreId, TicketId};
use percolate_common::journal::JournalId;
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_runtime::params;
use percolate_runtime::storage::{StorageError, WriteTx};

use super::{SourceMark, TABLES, TicketRow};
use crate::kernel::db::{journal_columns, seq_column};
use crate::reporting::measures::{CountedLine, Measures};

pub(crate) fn clear(tx: &WriteTx<'_>) -> Result<(), StorageError> {
    TABLES.iter().try_for_each(|table| tx.execute(&format!("DELETE FROM {table}"), &[]).map(drop))
}

/// Inserts a ticket and tells whether it was new.
pub(crate) fn ticket_insert(tx: &WriteTx<'_>, header: &Header, ticket: &TicketRow) -> Result<bool, StorageError> {
    let sums = &ticket.measures;
    let inserted = tx.execute(
        "INSERT INTO ticket (id, store, day, at_ms, receipt, lines, units, net_minor, tax_minor, total_minor,
            tax_unknown)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (id) DO NOTHING",
        params![
            &ticket.id.to_bytes(),
            header.store.get(),
            header.business_day.days(),
            header.at.get(),
            ticket.receipt.as_deref(),
            sums.lines,
            sums.units,
            sums.net,
            sums.tax,
            sums.total,
            sums.tax_unknown_tickets
        ],
    )?;
    Ok(inserted == 1)
}

/// Adds what later lines bring to a ticket.
pub(crate) fn ticket_add(tx: &WriteTx<'_>, id: TicketId, sums: &Measures) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE ticket SET lines = lines + ?2, units = units + ?3, net_minor = net_minor + ?4,
            total_minor = total_minor + ?5 WHERE id = ?1",
        params![&id.to_bytes(), sums.lines, sums.units, sums.net, sums.total],
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
        "INSERT INTO import_line (ticket, source_row, item_key, category_key) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (ticket, source_row) DO NOTHING",
        params![&ticket.to_bytes(), source_row, &line.item_key, &line.category_key],
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
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (scope, kind, day, key) DO UPDATE SET tickets = rollup.tickets + excluded.tickets,
            lines = rollup.lines + excluded.lines, units = rollup.units + excluded.units,
            net_minor = rollup.net_minor + excluded.net_minor, tax_minor = rollup.tax_minor + excluded.tax_minor,
            total_minor = rollup.total_minor + excluded.total_minor,
            tax_unknown_tickets = rollup.tax_unknown_tickets + excluded.tax_unknown_tickets",
        params![
            scope.get(),
            *kind,
            day.days(),
            key,
            sums.tickets,
            sums.lines,
            sums.units,
            sums.net,
            sums.tax,
            sums.total,
            sums.tax_unknown_tickets
        ],
    )?;
    Ok(())
}

/// The highest rank wins; of equal rank the name that sorts first: the same whatever came first.
pub(crate) fn name_upsert(tx: &WriteTx<'_>, key: &str, name: &str, unit: &str, rank: u64) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO name (key, name, unit, rank) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (key) DO UPDATE SET name = excluded.name, unit = excluded.unit, rank = excluded.rank
         WHERE (-excluded.rank, excluded.name, excluded.unit) < (-name.rank, name.name, name.unit)",
        params![key, name, unit, seq_column(rank)],
    )?;
    Ok(())
}

/// As [`name_upsert`]: what was said last wins, and of two nodes at the same moment the row that sorts first.
pub(crate) fn store_upsert(tx: &WriteTx<'_>, header: &Header, described: &StoreDescribed) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO store (store, name, zone, cutover_hour, currency, rank)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (store) DO UPDATE SET name = excluded.name, zone = excluded.zone,
            cutover_hour = excluded.cutover_hour, currency = excluded.currency, rank = excluded.rank
         WHERE (-excluded.rank, excluded.name, excluded.zone, excluded.cutover_hour, excluded.currency)
             < (-store.rank, store.name, store.zone, store.cutover_hour, store.currency)",
        params![
            header.store.get(),
            &described.name,
            &described.zone,
            described.cutover_hour,
            described.currency.as_str(),
            seq_column(header.hlc.packed())
        ],
    )?;
    Ok(())
}

pub(crate) fn mark_upsert(tx: &WriteTx<'_>, journal: &JournalId, mark: &SourceMark) -> Result<(), StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.execute(
        "INSERT INTO source_mark (author, incarnation, stream, store, receipt, at_ms, parked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (author, incarnation, stream) DO UPDATE SET store = excluded.store, receipt = excluded.receipt,
            at_ms = excluded.at_ms, parked = excluded.parked",
        params![
            author,
            incarnation,
            stream,
            mark.store.map(StoreId::get),
            mark.receipt.as_deref(),
            mark.at.map(UtcMillis::get),
            seq_column(mark.parked)
        ],
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
        "INSERT INTO stock_fold (store, stock_item, received, used) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (store, stock_item) DO UPDATE SET received = stock_fold.received + excluded.received,
            used = stock_fold.used + excluded.used",
        params![store.get(), item.get(), seq_column(total.received), seq_column(total.used)],
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
        "INSERT INTO stock_alias (store, stock_item, received, used) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (store, stock_item) DO UPDATE SET received = stock_alias.received + excluded.received,
            used = stock_alias.used + excluded.used",
        params![store.get(), item.get(), seq_column(total.received), seq_column(total.used)],
    )?;
    Ok(())
}
