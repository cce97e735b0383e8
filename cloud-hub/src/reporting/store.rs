//! The tables of reporting.

use std::collections::BTreeMap;

use percolate_common::crdt::stock::{StockOnHand, StockTotal};
use percolate_common::domain::event::{Header, StoreDescribed};
use percolate_common::ids::{StockItemId, StoreId, TicketId};
use percolate_common::journal::{AuthorId, Incarnation, JournalId};
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_runtime::sqlite::{ReadTx, StorageError, WriteTx};
use rusqlite::{Row, named_params};

use super::measures::{Kind, Measures};
use crate::kernel::db::journal_columns;

/// Rows of one report: a year of days in a thousand shops, or every item of a large menu.
pub(crate) const REPORT_ROWS_MAX: i64 = 400_000;

/// Every table that is folded.
const TABLES: [&str; 8] =
    ["ticket", "rollup", "name", "store", "source_mark", "stock_fold", "stock_cell", "stock_alias"];

/// A ticket as it is listed.
#[derive(Debug, Clone)]
pub(crate) struct TicketRow {
    pub(crate) id: TicketId,
    pub(crate) receipt: Option<String>,
    pub(crate) measures: Measures,
    pub(crate) import_keys: Option<String>,
}

/// Where a journal stands.
#[derive(Debug, Clone)]
pub(crate) struct SourceMark {
    pub(crate) store: StoreId,
    pub(crate) receipt: Option<String>,
    pub(crate) at: UtcMillis,
}

/// A store as its node described it.
#[derive(Debug, Clone)]
pub(crate) struct StoreRow {
    pub(crate) store: StoreId,
    pub(crate) name: String,
    pub(crate) zone: String,
    pub(crate) currency: String,
}

/// A listed ticket with its place and time.
#[derive(Debug, Clone)]
pub(crate) struct ListedTicket {
    pub(crate) id: TicketId,
    pub(crate) store: StoreId,
    pub(crate) day: BusinessDay,
    pub(crate) at: UtcMillis,
    pub(crate) receipt: Option<String>,
    pub(crate) measures: Measures,
}

/// One stock item at one place.
#[derive(Debug, Clone)]
pub(crate) struct StockRow {
    pub(crate) store: StoreId,
    pub(crate) item: StockItemId,
    pub(crate) received: i64,
    pub(crate) used: i64,
}

/// Days from and to, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: BusinessDay,
    pub(crate) to: BusinessDay,
}

impl Default for Span {
    fn default() -> Self {
        Self { from: BusinessDay::from_days(i32::MIN), to: BusinessDay::from_days(i32::MAX) }
    }
}

pub(crate) fn clear(tx: &WriteTx<'_>) -> Result<(), StorageError> {
    TABLES.iter().try_for_each(|table| tx.execute(&format!("DELETE FROM {table}"), []).map(drop))
}

/// Inserts a ticket, or replaces it where lines came later.
pub(crate) fn ticket_insert(tx: &WriteTx<'_>, header: &Header, ticket: &TicketRow) -> Result<(), StorageError> {
    let sums = &ticket.measures;
    tx.execute(
        "INSERT INTO ticket (id, store, day, at_ms, receipt, lines, units, net_minor, tax_minor, total_minor, tax_unknown, import_keys)
         VALUES (:id, :store, :day, :at, :receipt, :lines, :units, :net, :tax, :total, :unknown, :keys)
         ON CONFLICT (id) DO UPDATE SET lines = excluded.lines, units = excluded.units, net_minor = excluded.net_minor,
            tax_minor = excluded.tax_minor, total_minor = excluded.total_minor, import_keys = excluded.import_keys",
        named_params! {
            ":id": ticket.id.to_bytes(), ":store": header.store.get(), ":day": header.business_day.days(),
            ":at": header.at.get(), ":receipt": ticket.receipt, ":lines": sums.lines, ":units": sums.units,
            ":net": sums.net, ":tax": sums.tax, ":total": sums.total, ":unknown": sums.tax_unknown_tickets,
            ":keys": ticket.import_keys,
        },
    )?;
    Ok(())
}

/// The sums and counted keys of an imported ticket.
pub(crate) fn import_fetch(tx: &ReadTx<'_>, id: TicketId) -> Result<Option<(Measures, Vec<String>)>, StorageError> {
    tx.query_optional(
        "SELECT 1 AS tickets, lines, units, net_minor, tax_minor, total_minor, tax_unknown AS tax_unknown_tickets, import_keys
         FROM ticket WHERE id = :id",
        named_params! {":id": id.to_bytes()},
        |row| {
            let keys: Option<String> = row.get("import_keys")?;
            let keys = keys.unwrap_or_default().lines().map(str::to_owned).collect();
            Ok((measures(row)?, keys))
        },
    )
}

pub(crate) fn rollup_add(
    tx: &WriteTx<'_>,
    (scope, kind, day, key): &(StoreId, i64, BusinessDay, String),
    sums: &Measures,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO rollup (scope, kind, day, key, tickets, lines, units, net_minor, tax_minor, total_minor, tax_unknown_tickets)
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
         WHERE excluded.rank > rank OR (excluded.rank = rank AND excluded.name < name)",
        named_params! {":key": key, ":name": name, ":unit": unit, ":rank": i64::try_from(rank).unwrap_or(i64::MAX)},
    )?;
    Ok(())
}

pub(crate) fn store_upsert(tx: &WriteTx<'_>, header: &Header, described: &StoreDescribed) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO store (store, name, zone, cutover_hour, currency, rank)
         VALUES (:store, :name, :zone, :cutover, :currency, :rank)
         ON CONFLICT (store) DO UPDATE SET name = excluded.name, zone = excluded.zone,
            cutover_hour = excluded.cutover_hour, currency = excluded.currency, rank = excluded.rank
         WHERE excluded.rank > rank",
        named_params! {
            ":store": header.store.get(), ":name": described.name, ":zone": described.zone,
            ":cutover": described.cutover_hour, ":currency": described.currency.as_str(),
            ":rank": header.hlc.packed().cast_signed(),
        },
    )?;
    Ok(())
}

pub(crate) fn mark_upsert(tx: &WriteTx<'_>, journal: &JournalId, mark: &SourceMark) -> Result<(), StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.execute(
        "INSERT INTO source_mark (author, incarnation, stream, store, receipt, at_ms)
         VALUES (:author, :incarnation, :stream, :store, :receipt, :at)
         ON CONFLICT (author, incarnation, stream) DO UPDATE SET store = excluded.store,
            receipt = coalesce(excluded.receipt, receipt), at_ms = excluded.at_ms",
        named_params! {
            ":author": author, ":incarnation": incarnation, ":stream": stream, ":store": mark.store.get(),
            ":receipt": mark.receipt, ":at": mark.at.get(),
        },
    )?;
    Ok(())
}

pub(crate) fn stock_fold_add(
    tx: &WriteTx<'_>,
    store: StoreId,
    item: StockItemId,
    received: i64,
    used: i64,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO stock_fold (store, stock_item, received, used) VALUES (:store, :item, :received, :used)
         ON CONFLICT (store, stock_item) DO UPDATE SET received = received + excluded.received, used = used + excluded.used",
        named_params! {":store": store.get(), ":item": item.get(), ":received": received, ":used": used},
    )?;
    Ok(())
}

/// Adds what aliases moved: the authors' totals have it twice.
pub(crate) fn stock_alias_add(
    tx: &WriteTx<'_>,
    store: StoreId,
    item: StockItemId,
    received: i64,
    used: i64,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO stock_alias (store, stock_item, received, used) VALUES (:store, :item, :received, :used)
         ON CONFLICT (store, stock_item) DO UPDATE SET received = received + excluded.received, used = used + excluded.used",
        named_params! {":store": store.get(), ":item": item.get(), ":received": received, ":used": used},
    )?;
    Ok(())
}

/// Joins an author's totals by maximum.
pub(crate) fn stock_cell_join(
    tx: &WriteTx<'_>,
    store: StoreId,
    item: StockItemId,
    journal: &JournalId,
    total: StockTotal,
) -> Result<(), StorageError> {
    let (author, incarnation, _stream) = journal_columns(journal);
    tx.execute(
        "INSERT INTO stock_cell (store, stock_item, author, incarnation, received, used)
         VALUES (:store, :item, :author, :incarnation, :received, :used)
         ON CONFLICT (store, stock_item, author, incarnation) DO UPDATE SET
            received = max(received, excluded.received), used = max(used, excluded.used)",
        named_params! {
            ":store": store.get(), ":item": item.get(), ":author": author, ":incarnation": incarnation,
            ":received": i64::try_from(total.received).unwrap_or(i64::MAX),
            ":used": i64::try_from(total.used).unwrap_or(i64::MAX),
        },
    )?;
    Ok(())
}

/// Sums by key over days, keys in order. Read from the rollups' primary key alone.
pub(crate) fn rollup_by_key(
    tx: &ReadTx<'_>,
    scope: StoreId,
    kind: Kind,
    span: Span,
) -> Result<Vec<(String, Measures)>, StorageError> {
    tx.query_list(
        "SELECT key, sum(tickets) AS tickets, sum(lines) AS lines, sum(units) AS units, sum(net_minor) AS net_minor,
                sum(tax_minor) AS tax_minor, sum(total_minor) AS total_minor, sum(tax_unknown_tickets) AS tax_unknown_tickets
         FROM rollup WHERE scope = :scope AND kind = :kind AND day BETWEEN :from AND :to
         GROUP BY key ORDER BY key LIMIT :limit",
        named_params! {
            ":scope": scope.get(), ":kind": kind.number(), ":from": span.from.days(), ":to": span.to.days(),
            ":limit": REPORT_ROWS_MAX,
        },
        |row| Ok((row.get("key")?, measures(row)?)),
    )
}

/// Sums by day, in order.
pub(crate) fn rollup_by_day(
    tx: &ReadTx<'_>,
    scope: StoreId,
    span: Span,
) -> Result<Vec<(BusinessDay, Measures)>, StorageError> {
    tx.query_list(
        "SELECT day, tickets, lines, units, net_minor, tax_minor, total_minor, tax_unknown_tickets
         FROM rollup WHERE scope = :scope AND kind = :kind AND day BETWEEN :from AND :to ORDER BY day LIMIT :limit",
        named_params! {
            ":scope": scope.get(), ":kind": Kind::Day.number(), ":from": span.from.days(), ":to": span.to.days(),
            ":limit": REPORT_ROWS_MAX,
        },
        |row| Ok((BusinessDay::from_days(row.get("day")?), measures(row)?)),
    )
}

/// The newest business day that any store has sold on.
pub(crate) fn newest_day(tx: &ReadTx<'_>) -> Result<Option<BusinessDay>, StorageError> {
    tx.query_one(
        "SELECT max(day) AS day FROM rollup WHERE scope = 0 AND kind = :kind",
        named_params! {":kind": Kind::Day.number()},
        |row| Ok(row.get::<_, Option<i32>>("day")?.map(BusinessDay::from_days)),
    )
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

/// What a key is called, and its unit.
pub(crate) fn name_fetch(tx: &ReadTx<'_>, key: &str) -> Result<Option<(String, String)>, StorageError> {
    tx.query_optional("SELECT name, unit FROM name WHERE key = :key", named_params! {":key": key}, |row| {
        Ok((row.get("name")?, row.get("unit")?))
    })
}

pub(crate) fn mark_fetch(tx: &ReadTx<'_>, journal: &JournalId) -> Result<Option<SourceMark>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT store, receipt, at_ms FROM source_mark
         WHERE author = :author AND incarnation = :incarnation AND stream = :stream",
        named_params! {":author": author, ":incarnation": incarnation, ":stream": stream},
        |row| {
            Ok(SourceMark {
                store: StoreId::new(row.get("store")?),
                receipt: row.get("receipt")?,
                at: UtcMillis::new(row.get("at_ms")?),
            })
        },
    )
}

/// Tickets of one store and day after a cursor, oldest first.
pub(crate) fn ticket_list(
    tx: &ReadTx<'_>,
    store: StoreId,
    span: Span,
    after: (BusinessDay, UtcMillis, Vec<u8>),
    limit: u32,
) -> Result<Vec<ListedTicket>, StorageError> {
    let (day, at, id) = after;
    tx.query_list(
        "SELECT id, store, day, at_ms, receipt, 1 AS tickets, lines, units, net_minor, tax_minor, total_minor,
                tax_unknown AS tax_unknown_tickets
         FROM ticket WHERE store = :store AND day BETWEEN :from AND :to AND (day, at_ms, id) > (:day, :at, :id)
         ORDER BY day, at_ms, id LIMIT :limit",
        named_params! {
            ":store": store.get(), ":from": span.from.days(), ":to": span.to.days(), ":day": day.days(),
            ":at": at.get(), ":id": id, ":limit": limit,
        },
        listed,
    )
}

/// The latest tickets of a day in all stores.
pub(crate) fn ticket_recent(tx: &ReadTx<'_>, day: BusinessDay, limit: u32) -> Result<Vec<ListedTicket>, StorageError> {
    tx.query_list(
        "SELECT id, store, day, at_ms, receipt, 1 AS tickets, lines, units, net_minor, tax_minor, total_minor,
                tax_unknown AS tax_unknown_tickets
         FROM ticket WHERE day = :day ORDER BY at_ms DESC, id DESC LIMIT :limit",
        named_params! {":day": day.days(), ":limit": limit},
        listed,
    )
}

/// Stock as folded from the events, of one store or all.
pub(crate) fn stock_fold_list(tx: &ReadTx<'_>, store: Option<StoreId>) -> Result<Vec<StockRow>, StorageError> {
    tx.query_list(
        "SELECT store, stock_item, received, used FROM stock_fold WHERE :store IS NULL OR store = :store
         ORDER BY store, stock_item LIMIT :limit",
        named_params! {":store": store.map(StoreId::get), ":limit": REPORT_ROWS_MAX},
        |row| {
            Ok(StockRow {
                store: StoreId::new(row.get("store")?),
                item: StockItemId::new(row.get("stock_item")?),
                received: row.get("received")?,
                used: row.get("used")?,
            })
        },
    )
}

/// How much the authors' totals of one store count twice, by item: what came in less what went out.
pub(crate) fn stock_alias_map(tx: &ReadTx<'_>, store: StoreId) -> Result<BTreeMap<StockItemId, i64>, StorageError> {
    let rows = tx.query_list(
        "SELECT stock_item, received - used AS doubled FROM stock_alias WHERE store = :store LIMIT :limit",
        named_params! {":store": store.get(), ":limit": REPORT_ROWS_MAX},
        |row| Ok((StockItemId::new(row.get("stock_item")?), row.get("doubled")?)),
    )?;
    Ok(rows.into_iter().collect())
}

/// Stock of one store as its authors' totals say, joined.
pub(crate) fn stock_joined(tx: &ReadTx<'_>, store: StoreId) -> Result<StockOnHand, StorageError> {
    let mut stock = StockOnHand::default();
    let cells = tx.query_list(
        "SELECT stock_item, author, incarnation, received, used FROM stock_cell WHERE store = :store LIMIT :limit",
        named_params! {":store": store.get(), ":limit": REPORT_ROWS_MAX},
        |row| {
            let author = AuthorId::from_number(row.get("author")?);
            let incarnation = Incarnation::new(row.get::<_, i64>("incarnation")?.cast_unsigned());
            let total = StockTotal {
                received: row.get::<_, i64>("received")?.unsigned_abs(),
                used: row.get::<_, i64>("used")?.unsigned_abs(),
            };
            Ok((StockItemId::new(row.get("stock_item")?), (author, incarnation), total))
        },
    )?;
    for (item, actor, total) in cells {
        stock.join_total(item, actor, total);
    }
    Ok(stock)
}

/// A hash over each table's rows in the order of their keys.
pub(crate) fn digest(tx: &ReadTx<'_>) -> Result<Vec<(&'static str, String)>, StorageError> {
    let mut all = blake3::Hasher::new();
    let mut digests = Vec::new();
    for table in TABLES {
        let mut statement = tx.prepare_cached(&format!("SELECT * FROM {table} ORDER BY 1, 2, 3, 4"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut hasher = blake3::Hasher::new();
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                hasher.update(format!("{:?}\u{1f}", row.get_ref(column)?).as_bytes());
            }
            hasher.update(b"\n");
        }
        let hash = hasher.finalize().to_hex().to_string();
        all.update(hash.as_bytes());
        digests.push((table, hash));
    }
    digests.push(("all", all.finalize().to_hex().to_string()));
    Ok(digests)
}

fn listed(row: &Row<'_>) -> rusqlite::Result<ListedTicket> {
    Ok(ListedTicket {
        id: TicketId::from_bytes(row.get("id")?),
        store: StoreId::new(row.get("store")?),
        day: BusinessDay::from_days(row.get("day")?),
        at: UtcMillis::new(row.get("at_ms")?),
        receipt: row.get("receipt")?,
        measures: measures(row)?,
    })
}

fn measures(row: &Row<'_>) -> rusqlite::Result<Measures> {
    Ok(Measures {
        tickets: row.get("tickets")?,
        lines: row.get("lines")?,
        units: row.get("units")?,
        net: row.get("net_minor")?,
        tax: row.get("tax_minor")?,
        total: row.get("total_minor")?,
        tax_unknown_tickets: row.get("tax_unknown_tickets")?,
    })
}
