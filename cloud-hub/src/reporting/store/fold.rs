//! Writing what is folded: each function adds to one table, and the sums come out the same in any order.

use std::collections::BTreeSet;

use percolate_common::domain::event::{Header, StoreDescribed};
use percolate_common::ids::{RefundId, StoreId, TicketId};
use percolate_common::journal::JournalId;
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_runtime::params;
use percolate_runtime::storage::{EngineKind, StorageError, WriteTx};

use super::{ListedTicket, SourceMark, StockTotals, TABLES, postgres};
use crate::kernel::db::{journal_columns, seq_column};
use crate::reporting::measures::{CountedLine, Measures, RollupRows};

pub(crate) fn clear(tx: &WriteTx<'_>) -> Result<(), StorageError> {
    TABLES.iter().try_for_each(|table| tx.execute(&format!("DELETE FROM {table}"), &[]).map(drop))
}

/// Inserts tickets and tells which of them are new. One that stands twice among them is inserted once.
pub(crate) fn tickets_insert(tx: &WriteTx<'_>, tickets: &[ListedTicket]) -> Result<BTreeSet<TicketId>, StorageError> {
    match tx.engine() {
        EngineKind::Postgres => postgres::tickets_insert(tx, tickets),
        EngineKind::Sqlite => {
            let mut new = BTreeSet::new();
            for ticket in tickets {
                if ticket_insert(tx, ticket)? {
                    new.insert(ticket.id);
                }
            }
            Ok(new)
        }
    }
}

fn ticket_insert(tx: &WriteTx<'_>, ticket: &ListedTicket) -> Result<bool, StorageError> {
    let sums = &ticket.measures;
    let inserted = tx.execute(
        "INSERT INTO ticket (id, store, day, at_ms, receipt, lines, units, net_minor, tax_minor, total_minor,
            tax_unknown)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (id) DO NOTHING",
        params![
            &ticket.id.to_bytes(),
            ticket.store.get(),
            ticket.day.days(),
            ticket.at.get(),
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

/// Takes note of a refund and tells whether it was new.
pub(crate) fn refund_insert(tx: &WriteTx<'_>, id: RefundId) -> Result<bool, StorageError> {
    let inserted =
        tx.execute("INSERT INTO refund (id) VALUES (?1) ON CONFLICT (id) DO NOTHING", params![&id.to_bytes()])?;
    Ok(inserted == 1)
}

/// Money that is no sale and no refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    /// A part of an open ticket was paid.
    Part,
    /// A card that was taken on trust is approved.
    Forwarded,
    /// A card that was taken on trust is declined.
    Lost,
    /// Money back that no card took.
    Owed,
    /// A card took the place of cash.
    Exchanged,
}

impl Between {
    /// Its number in the table.
    const fn number(self) -> i64 {
        match self {
            Self::Part => 1,
            Self::Forwarded => 2,
            Self::Lost => 3,
            Self::Owed => 4,
            Self::Exchanged => 5,
        }
    }
}

/// Takes note of such money, by the id of its payment, and tells whether it was new.
pub(crate) fn between_insert(tx: &WriteTx<'_>, id: [u8; 16], what: Between) -> Result<bool, StorageError> {
    let inserted = tx.execute(
        "INSERT INTO money_between (id, what) VALUES (?1, ?2) ON CONFLICT (id, what) DO NOTHING",
        params![&id, what.number()],
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

/// Adds to rows of the rollups.
pub(crate) fn rollups_add(tx: &WriteTx<'_>, rows: &RollupRows) -> Result<(), StorageError> {
    match tx.engine() {
        _ if rows.is_empty() => Ok(()),
        EngineKind::Postgres => postgres::rollups_add(tx, rows),
        EngineKind::Sqlite => rows.iter().try_for_each(|(key, sums)| rollup_add(tx, key, sums)),
    }
}

fn rollup_add(
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

/// Adds what the events moved.
pub(crate) fn stock_folds_add(tx: &WriteTx<'_>, totals: &StockTotals) -> Result<(), StorageError> {
    stock_add(tx, "stock_fold", totals)
}

/// Adds what aliases moved: the authors' totals have it twice.
pub(crate) fn stock_aliases_add(tx: &WriteTx<'_>, totals: &StockTotals) -> Result<(), StorageError> {
    stock_add(tx, "stock_alias", totals)
}

fn stock_add(tx: &WriteTx<'_>, table: &str, totals: &StockTotals) -> Result<(), StorageError> {
    if totals.is_empty() {
        return Ok(());
    }
    if tx.engine() == EngineKind::Postgres {
        return postgres::stock_add(tx, table, totals);
    }
    let sql = format!(
        "INSERT INTO {table} (store, stock_item, received, used) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (store, stock_item) DO UPDATE SET received = {table}.received + excluded.received,
            used = {table}.used + excluded.used"
    );
    for ((store, item), total) in totals {
        tx.execute(&sql, params![store.get(), item.get(), seq_column(total.received), seq_column(total.used)])?;
    }
    Ok(())
}
