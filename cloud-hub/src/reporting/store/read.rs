//! Reading what was folded.

use std::collections::BTreeMap;

use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::{StockItemId, StoreId, TicketId};
use percolate_common::journal::JournalId;
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_runtime::sqlite::ReadTx;
use percolate_runtime::storage::StorageError;
use rusqlite::named_params;

use super::{ListedTicket, REPORT_ROWS_MAX, SourceMark, Span, StoreRow, listed, measures, source_mark, stock_total};
use crate::kernel::db::{journal_columns, journal_from_columns};
use crate::reporting::measures::{Keys, Kind, Measures};

pub(crate) fn ticket_exists(tx: &ReadTx<'_>, id: TicketId) -> Result<bool, StorageError> {
    let found = tx.query_optional(
        "SELECT 1 AS found FROM ticket WHERE id = :id",
        named_params! {":id": id.to_bytes()},
        |_row| Ok(()),
    )?;
    Ok(found.is_some())
}

/// The item and category keys that an imported ticket is counted under.
pub(crate) fn import_keys(tx: &ReadTx<'_>, ticket: TicketId) -> Result<Keys, StorageError> {
    let pairs: Vec<[String; 2]> = tx.query_list(
        "SELECT item_key, category_key FROM import_line WHERE ticket = :ticket LIMIT :limit",
        named_params! {":ticket": ticket.to_bytes(), ":limit": REPORT_ROWS_MAX},
        |row| Ok([row.get("item_key")?, row.get("category_key")?]),
    )?;
    Ok(pairs.into_iter().flat_map(|[item, category]| [(Kind::Item, item), (Kind::Category, category)]).collect())
}

pub(super) const ROLLUP_BY_KEY: &str =
    "SELECT key, sum(tickets) AS tickets, sum(lines) AS lines, sum(units) AS units, sum(net_minor) AS net_minor,
        sum(tax_minor) AS tax_minor, sum(total_minor) AS total_minor, sum(tax_unknown_tickets) AS tax_unknown_tickets
     FROM rollup WHERE scope = :scope AND kind = :kind AND day BETWEEN :from AND :to
     GROUP BY key ORDER BY key LIMIT :limit";

/// Sums by key over days, keys in order.
pub(crate) fn rollup_by_key(
    tx: &ReadTx<'_>,
    scope: StoreId,
    kind: Kind,
    span: Span,
) -> Result<Vec<(String, Measures)>, StorageError> {
    tx.query_list(
        ROLLUP_BY_KEY,
        named_params! {
            ":scope": scope.get(), ":kind": kind.number(), ":from": span.from.days(), ":to": span.to.days(),
            ":limit": REPORT_ROWS_MAX,
        },
        |row| Ok((row.get("key")?, measures(row)?)),
    )
}

pub(super) const ROLLUP_BY_DAY: &str =
    "SELECT day, tickets, lines, units, net_minor, tax_minor, total_minor, tax_unknown_tickets
     FROM rollup WHERE scope = :scope AND kind = :kind AND day BETWEEN :from AND :to ORDER BY day LIMIT :limit";

/// Sums by day, in order.
pub(crate) fn rollup_by_day(
    tx: &ReadTx<'_>,
    scope: StoreId,
    span: Span,
) -> Result<Vec<(BusinessDay, Measures)>, StorageError> {
    tx.query_list(
        ROLLUP_BY_DAY,
        named_params! {
            ":scope": scope.get(), ":kind": Kind::Day.number(), ":from": span.from.days(), ":to": span.to.days(),
            ":limit": REPORT_ROWS_MAX,
        },
        |row| Ok((BusinessDay::from_days(row.get("day")?), measures(row)?)),
    )
}

/// Grouped by what is fixed anyway, so that days without sales give no row.
pub(super) const ROLLUP_TOTAL: &str =
    "SELECT sum(tickets) AS tickets, sum(lines) AS lines, sum(units) AS units, sum(net_minor) AS net_minor,
        sum(tax_minor) AS tax_minor, sum(total_minor) AS total_minor, sum(tax_unknown_tickets) AS tax_unknown_tickets
     FROM rollup WHERE scope = :scope AND kind = :kind AND day BETWEEN :from AND :to GROUP BY scope";

/// The sums of all days, if there is one with sales.
pub(crate) fn rollup_total(tx: &ReadTx<'_>, scope: StoreId, span: Span) -> Result<Option<Measures>, StorageError> {
    tx.query_optional(
        ROLLUP_TOTAL,
        named_params! {
            ":scope": scope.get(), ":kind": Kind::Day.number(), ":from": span.from.days(), ":to": span.to.days(),
        },
        measures,
    )
}

/// From one store to the next by the primary key: a step a store, whatever the number of rows.
pub(super) const ROLLUP_STORES: &str = "WITH RECURSIVE seen (store) AS (
        SELECT min(scope) FROM rollup WHERE scope > 0
        UNION ALL SELECT (SELECT min(scope) FROM rollup WHERE scope > seen.store) FROM seen
            WHERE seen.store IS NOT NULL)
     SELECT store FROM seen WHERE store IS NOT NULL LIMIT :limit";

/// The stores that have ever sold, by number.
pub(crate) fn rollup_stores(tx: &ReadTx<'_>) -> Result<Vec<StoreId>, StorageError> {
    let limit = named_params! {":limit": REPORT_ROWS_MAX};
    tx.query_list(ROLLUP_STORES, limit, |row| Ok(StoreId::new(row.get("store")?)))
}

pub(super) const NEWEST_DAY: &str = "SELECT max(day) AS day FROM rollup WHERE scope = :scope AND kind = :kind";

/// The newest business day that any store has sold on.
pub(crate) fn newest_day(tx: &ReadTx<'_>) -> Result<Option<BusinessDay>, StorageError> {
    tx.query_one(NEWEST_DAY, named_params! {":scope": StoreId::CHAIN.get(), ":kind": Kind::Day.number()}, |row| {
        Ok(row.get::<_, Option<i32>>("day")?.map(BusinessDay::from_days))
    })
}

pub(crate) fn store_list(tx: &ReadTx<'_>) -> Result<Vec<StoreRow>, StorageError> {
    tx.query_list(
        "SELECT store, name, zone, currency FROM store ORDER BY store LIMIT :limit",
        named_params! {":limit": REPORT_ROWS_MAX},
        |row| {
            Ok(StoreRow {
                store: StoreId::new(row.get("store")?),
                name: row.get("name")?,
                zone: row.get("zone")?,
                currency: row.get("currency")?,
            })
        },
    )
}

pub(super) const NAME_FETCH: &str = "SELECT name, unit FROM name WHERE key = :key";

/// What a key is called, and its unit.
pub(crate) fn name_fetch(tx: &ReadTx<'_>, key: &str) -> Result<Option<(String, String)>, StorageError> {
    tx.query_optional(NAME_FETCH, named_params! {":key": key}, |row| Ok((row.get("name")?, row.get("unit")?)))
}

pub(crate) fn mark_fetch(tx: &ReadTx<'_>, journal: &JournalId) -> Result<Option<SourceMark>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT store, receipt, at_ms, parked FROM source_mark
         WHERE author = :author AND incarnation = :incarnation AND stream = :stream",
        named_params! {":author": author, ":incarnation": incarnation, ":stream": stream},
        source_mark,
    )
}

/// The marks of all journals.
pub(crate) fn mark_map(tx: &ReadTx<'_>) -> Result<BTreeMap<JournalId, SourceMark>, StorageError> {
    let rows = tx.query_list(
        "SELECT author, incarnation, stream, store, receipt, at_ms, parked FROM source_mark LIMIT :limit",
        named_params! {":limit": REPORT_ROWS_MAX},
        |row| {
            let journal = journal_from_columns(row.get("author")?, row.get("incarnation")?, row.get("stream")?);
            Ok((journal, source_mark(row)?))
        },
    )?;
    Ok(rows.into_iter().filter_map(|(journal, mark)| Some((journal?, mark))).collect())
}

pub(super) const TICKET_LIST: &str =
    "SELECT id, store, day, at_ms, receipt, 1 AS tickets, lines, units, net_minor, tax_minor, total_minor,
        tax_unknown AS tax_unknown_tickets
     FROM ticket WHERE store = :store AND day BETWEEN :from AND :to AND (day, at_ms, id) > (:day, :at, :id)
     ORDER BY day, at_ms, id LIMIT :limit";

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
        named_params! {
            // Days before the cursor's need not be passed over one by one.
            ":store": store.get(), ":from": span.from.max(day).days(), ":to": span.to.days(), ":day": day.days(),
            ":at": at.get(), ":id": id, ":limit": limit,
        },
        listed,
    )
}

pub(super) const TICKET_RECENT: &str =
    "SELECT id, store, day, at_ms, receipt, 1 AS tickets, lines, units, net_minor, tax_minor, total_minor,
        tax_unknown AS tax_unknown_tickets
     FROM ticket WHERE day = :day ORDER BY at_ms DESC, id DESC LIMIT :limit";

/// The latest tickets of a day in all stores.
pub(crate) fn ticket_recent(tx: &ReadTx<'_>, day: BusinessDay, limit: u32) -> Result<Vec<ListedTicket>, StorageError> {
    tx.query_list(TICKET_RECENT, named_params! {":day": day.days(), ":limit": limit}, listed)
}

/// What was ever received and used, folded from the events, by store and item.
pub(crate) fn stock_fold_map(
    tx: &ReadTx<'_>,
    only: Option<StoreId>,
) -> Result<BTreeMap<(StoreId, StockItemId), StockTotal>, StorageError> {
    let rows = tx.query_list(
        "SELECT store, stock_item, received, used FROM stock_fold WHERE store BETWEEN :first AND :last LIMIT :limit",
        named_params! {
            ":first": only.map_or(0, StoreId::get), ":last": only.map_or(u32::MAX, StoreId::get),
            ":limit": REPORT_ROWS_MAX,
        },
        |row| {
            let key = (StoreId::new(row.get("store")?), StockItemId::new(row.get("stock_item")?));
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
        "SELECT store, stock_item, received, used FROM stock_alias WHERE store BETWEEN :first AND :last LIMIT :limit",
        named_params! {
            ":first": only.map_or(0, StoreId::get), ":last": only.map_or(u32::MAX, StoreId::get),
            ":limit": REPORT_ROWS_MAX,
        },
        |row| {
            let key = (StoreId::new(row.get("store")?), StockItemId::new(row.get("stock_item")?));
            Ok((key, stock_total(row)?))
        },
    )?;
    Ok(rows.into_iter().collect())
}
