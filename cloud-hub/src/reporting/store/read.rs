//! Reading what was folded.

use std::collections::BTreeMap;

use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::{StockItemId, StoreId, TicketId};
use percolate_common::journal::JournalId;
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError};

use super::{ListedTicket, REPORT_ROWS_MAX, SourceMark, Span, StoreRow, listed, measures, source_mark, stock_total};
use crate::kernel::db::{journal_columns, journal_taken};
use crate::reporting::measures::{Keys, Kind, Measures};

pub(crate) fn ticket_exists(tx: &ReadTx<'_>, id: TicketId) -> Result<bool, StorageError> {
    let found = tx.query_optional("SELECT 1 FROM ticket WHERE id = ?1", params![&id.to_bytes()], |_row| Ok(()))?;
    Ok(found.is_some())
}

/// The item and category keys that an imported ticket is counted under.
pub(crate) fn import_keys(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Keys, StorageError> {
    let pairs: Vec<[String; 2]> = tx.query_list(
        "SELECT item_key, category_key FROM import_line WHERE ticket = ?1 LIMIT ?2",
        params![&ticket.to_bytes(), REPORT_ROWS_MAX],
        |row| Ok([row.take()?, row.take()?]),
    )?;
    Ok(pairs.into_iter().flat_map(|[item, category]| [(Kind::Item, item), (Kind::Category, category)]).collect())
}

pub(super) const ROLLUP_BY_KEY: &str =
    "SELECT key, CAST(sum(tickets) AS BIGINT), CAST(sum(lines) AS BIGINT), CAST(sum(units) AS BIGINT),
        CAST(sum(net_minor) AS BIGINT), CAST(sum(tax_minor) AS BIGINT), CAST(sum(total_minor) AS BIGINT),
        CAST(sum(tax_unknown_tickets) AS BIGINT)
     FROM rollup WHERE scope = ?1 AND kind = ?2 AND day BETWEEN ?3 AND ?4 GROUP BY key ORDER BY key LIMIT ?5";

/// Sums by key over days, keys in order.
pub(crate) fn rollup_by_key(
    tx: &ReadTx<'_>,
    scope: StoreId,
    kind: Kind,
    span: Span,
) -> Result<Vec<(String, Measures)>, StorageError> {
    tx.query_list(
        ROLLUP_BY_KEY,
        params![scope.get(), kind.number(), span.from.days(), span.to.days(), REPORT_ROWS_MAX],
        |row| Ok((row.take()?, measures(row)?)),
    )
}

pub(super) const ROLLUP_BY_DAY: &str =
    "SELECT day, tickets, lines, units, net_minor, tax_minor, total_minor, tax_unknown_tickets
     FROM rollup WHERE scope = ?1 AND kind = ?2 AND day BETWEEN ?3 AND ?4 ORDER BY day LIMIT ?5";

/// Sums by day, in order.
pub(crate) fn rollup_by_day(
    tx: &ReadTx<'_>,
    scope: StoreId,
    span: Span,
) -> Result<Vec<(BusinessDay, Measures)>, StorageError> {
    tx.query_list(
        ROLLUP_BY_DAY,
        params![scope.get(), Kind::Day.number(), span.from.days(), span.to.days(), REPORT_ROWS_MAX],
        |row| Ok((BusinessDay::from_days(row.take()?), measures(row)?)),
    )
}

/// Grouped by what is fixed anyway, so that days without sales give no row.
pub(super) const ROLLUP_TOTAL: &str =
    "SELECT CAST(sum(tickets) AS BIGINT), CAST(sum(lines) AS BIGINT), CAST(sum(units) AS BIGINT),
        CAST(sum(net_minor) AS BIGINT), CAST(sum(tax_minor) AS BIGINT), CAST(sum(total_minor) AS BIGINT),
        CAST(sum(tax_unknown_tickets) AS BIGINT)
     FROM rollup WHERE scope = ?1 AND kind = ?2 AND day BETWEEN ?3 AND ?4 GROUP BY scope";

/// The sums of all days, if there is one with sales.
pub(crate) fn rollup_total(tx: &ReadTx<'_>, scope: StoreId, span: Span) -> Result<Option<Measures>, StorageError> {
    tx.query_optional(
        ROLLUP_TOTAL,
        params![scope.get(), Kind::Day.number(), span.from.days(), span.to.days()],
        measures,
    )
}

/// From one store to the next by the primary key: a step a store, whatever the number of rows.
pub(super) const ROLLUP_STORES: &str = "WITH RECURSIVE seen (store) AS (
        SELECT min(scope) FROM rollup WHERE scope > 0
        UNION ALL SELECT (SELECT min(scope) FROM rollup WHERE scope > seen.store) FROM seen
            WHERE seen.store IS NOT NULL)
     SELECT store FROM seen WHERE store IS NOT NULL LIMIT ?1";

/// The stores that have ever sold, by number.
pub(crate) fn rollup_stores(tx: &ReadTx<'_>) -> Result<Vec<StoreId>, StorageError> {
    tx.query_list(ROLLUP_STORES, params![REPORT_ROWS_MAX], |row| Ok(StoreId::new(row.take()?)))
}

pub(super) const NEWEST_DAY: &str = "SELECT max(day) FROM rollup WHERE scope = ?1 AND kind = ?2";

/// The newest business day that any store has sold on.
pub(crate) fn newest_day(tx: &ReadTx<'_>) -> Result<Option<BusinessDay>, StorageError> {
    tx.query_one(NEWEST_DAY, params![StoreId::CHAIN.get(), Kind::Day.number()], |row| {
        Ok(row.take::<Option<i32>>()?.map(BusinessDay::from_days))
    })
}

pub(crate) fn store_list(tx: &ReadTx<'_>) -> Result<Vec<StoreRow>, StorageError> {
    tx.query_list(
        "SELECT store, name, zone, currency FROM store ORDER BY store LIMIT ?1",
        params![REPORT_ROWS_MAX],
        |row| {
            Ok(StoreRow {
                store: StoreId::new(row.take()?),
                name: row.take()?,
                zone: row.take()?,
                currency: row.take()?,
            })
        },
    )
}

pub(super) const NAME_FETCH: &str = "SELECT name, unit FROM name WHERE key = ?1";

/// What a key is called, and its unit.
pub(crate) fn name_fetch(tx: &ReadTx<'_>, key: &str) -> Result<Option<(String, String)>, StorageError> {
    tx.query_optional(NAME_FETCH, params![key], |row| Ok((row.take()?, row.take()?)))
}

pub(crate) fn mark_fetch(tx: &ReadTx<'_>, journal: &JournalId) -> Result<Option<SourceMark>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT store, receipt, at_ms, parked FROM source_mark WHERE author = ?1 AND incarnation = ?2 AND stream = ?3",
        params![author, incarnation, stream],
        source_mark,
    )
}

/// The marks of all journals.
pub(crate) fn mark_map(tx: &ReadTx<'_>) -> Result<BTreeMap<JournalId, SourceMark>, StorageError> {
    let rows = tx.query_list(
        "SELECT author, incarnation, stream, store, receipt, at_ms, parked FROM source_mark LIMIT ?1",
        params![REPORT_ROWS_MAX],
        |row| Ok((journal_taken(row)?, source_mark(row)?)),
    )?;
    Ok(rows.into_iter().filter_map(|(journal, mark)| Some((journal?, mark))).collect())
}

pub(super) const TICKET_LIST: &str =
    "SELECT id, store, day, at_ms, receipt, 1, lines, units, net_minor, tax_minor, total_minor, tax_unknown
     FROM ticket WHERE store = ?1 AND day BETWEEN ?2 AND ?3 AND (day, at_ms, id) > (?4, ?5, ?6)
     ORDER BY day, at_ms, id LIMIT ?7";

/// Tickets of one store and some days after a cursor, oldest first.
pub(crate) fn ticket_list(
    tx: &ReadTx<'_>,
    store: StoreId,
    span: Span,
    after: (BusinessDay, UtcMillis, Vec<u8>),
    limit: u32,
) -> Result<Vec<ListedTicket>, StorageError> {
    let (day, at, id) = after;
    tx.query_list(
        TICKET_LIST,
        // Days before the cursor's need not be passed over one by one.
        params![store.get(), span.from.max(day).days(), span.to.days(), day.days(), at.get(), &id[..], limit],
        listed,
    )
}

pub(super) const TICKET_RECENT: &str =
    "SELECT id, store, day, at_ms, receipt, 1, lines, units, net_minor, tax_minor, total_minor, tax_unknown
     FROM ticket WHERE day = ?1 ORDER BY at_ms DESC, id DESC LIMIT ?2";

/// The latest tickets of a day in all stores.
pub(crate) fn ticket_recent(tx: &ReadTx<'_>, day: BusinessDay, limit: u32) -> Result<Vec<ListedTicket>, StorageError> {
    tx.query_list(TICKET_RECENT, params![day.days(), limit], listed)
}

/// What was ever received and used, folded from the events, by store and item.
pub(crate) fn stock_fold_map(
    tx: &ReadTx<'_>,
    only: Option<StoreId>,
) -> Result<BTreeMap<(StoreId, StockItemId), StockTotal>, StorageError> {
    let rows = tx.query_list(
        "SELECT store, stock_item, received, used FROM stock_fold WHERE store BETWEEN ?1 AND ?2 LIMIT ?3",
        params![only.map_or(0, StoreId::get), only.map_or(u32::MAX, StoreId::get), REPORT_ROWS_MAX],
        |row| {
            let key = (StoreId::new(row.take()?), StockItemId::new(row.take()?));
            Ok((key, stock_total(row)?))
        },
    )?;
    Ok(rows.into_iter().collect())
}

/// What the authors' totals count twice, by store and item.
pub(crate) fn stock_alias_map(
    tx: &ReadTx<'_>,
    only: Option<StoreId>,
) -> Result<BTreeMap<(StoreId, StockItemId), StockTotal>, StorageError> {
    let rows = tx.query_list(
        "SELECT store, stock_item, received, used FROM stock_alias WHERE store BETWEEN ?1 AND ?2 LIMIT ?3",
        params![only.map_or(0, StoreId::get), only.map_or(u32::MAX, StoreId::get), REPORT_ROWS_MAX],
        |row| {
            let key = (StoreId::new(row.take()?), StockItemId::new(row.take()?));
            Ok((key, stock_total(row)?))
        },
    )?;
    Ok(rows.into_iter().collect())
}
