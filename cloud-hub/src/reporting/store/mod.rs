//! The tables of reporting: their rows, written by [`fold`] and read by [`read`].

pub(super) mod books;
pub(super) mod closings;
mod fold;
mod postgres;
mod read;
pub(super) mod tips;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::{StockItemId, StoreId, TicketId};
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_runtime::storage::{ReadTx, Row, StorageError, Value};

pub(crate) use fold::{
    Between, between_insert, clear, import_line_insert, mark_upsert, name_upsert, refund_insert, rollups_add,
    stock_aliases_add, stock_folds_add, store_upsert, ticket_add, tickets_insert,
};
pub(crate) use read::{
    import_keys, mark_fetch, mark_map, name_fetch, newest_day, rollup_by_day, rollup_by_key, rollup_stores,
    rollup_total, stock_alias_map, stock_fold_map, store_list, ticket_exists, ticket_list, ticket_recent,
};

use super::measures::Measures;
use crate::kernel::db::seq_from_column;

/// Rows of one report, and of what it is made from: a year of days in a thousand shops, or every item of a large menu.
pub(crate) const REPORT_ROWS_MAX: i64 = 400_000;

/// Every table that is folded.
const TABLES: [&str; 20] = [
    "ticket",
    "refund",
    "ticket_tip",
    "money_between",
    "import_line",
    "rollup",
    "name",
    "store",
    "source_mark",
    "stock_fold",
    "stock_alias",
    "closing",
    "closing_part",
    "closing_range",
    "sales_sum",
    "sales_sum_at",
    "ticket_flag",
    "ticket_unmatched",
    "menu_said",
    "clock_doubt",
];

/// A ticket that agrees with no menu that is here.
#[derive(Debug, Clone)]
pub(crate) struct Unmatched {
    pub(crate) id: TicketId,
    pub(crate) revision: u32,
    pub(crate) store: StoreId,
    pub(crate) day: BusinessDay,
    pub(crate) event: Vec<u8>,
}

/// Stock by store and item.
pub(crate) type StockTotals = BTreeMap<(StoreId, StockItemId), StockTotal>;

/// What was seen of a node's journal, up to where it is folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SourceMark {
    /// Whose journal it is; unknown as long as no entry could be read.
    pub(crate) store: Option<StoreId>,
    pub(crate) receipt: Option<String>,
    pub(crate) at: Option<UtcMillis>,
    /// Entries that were passed over because this program cannot read them: they are in no figure.
    pub(crate) parked: u64,
}

/// A store as its node described it.
#[derive(Debug, Clone)]
pub(crate) struct StoreRow {
    pub(crate) store: StoreId,
    pub(crate) name: String,
    pub(crate) zone: String,
    pub(crate) currency: String,
}

/// A ticket as it is kept and listed.
#[derive(Debug, Clone)]
pub(crate) struct ListedTicket {
    pub(crate) id: TicketId,
    pub(crate) store: StoreId,
    pub(crate) day: BusinessDay,
    pub(crate) at: UtcMillis,
    pub(crate) receipt: Option<String>,
    pub(crate) measures: Measures,
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

/// A hash over each table's rows in the order of their keys, and one over all of them.
pub(crate) fn digest(tx: &ReadTx<'_>) -> Result<Vec<(&'static str, String)>, StorageError> {
    let mut all = blake3::Hasher::new();
    let mut digests = Vec::new();
    for table in TABLES {
        let mut hasher = blake3::Hasher::new();
        let order = match table {
            "refund" => "1",
            "money_between" => "1, 2",
            _more_columns => "1, 2, 3, 4",
        };
        tx.query_while(&format!("SELECT * FROM {table} ORDER BY {order}"), &[], |row| {
            while row.left() > 0 {
                hasher.update(format!("{:?}\u{1f}", row.take::<Value<'_>>()?).as_bytes());
            }
            hasher.update(b"\n");
            Ok(ControlFlow::Continue(()))
        })?;
        let hash = hasher.finalize().to_hex().to_string();
        all.update(hash.as_bytes());
        digests.push((table, hash));
    }
    digests.push(("all", all.finalize().to_hex().to_string()));
    Ok(digests)
}

fn source_mark(row: &mut Row<'_>) -> Result<SourceMark, StorageError> {
    Ok(SourceMark {
        store: row.take::<Option<u32>>()?.map(StoreId::new),
        receipt: row.take()?,
        at: row.take::<Option<i64>>()?.map(UtcMillis::new),
        parked: seq_from_column(row.take()?),
    })
}

fn stock_total(row: &mut Row<'_>) -> Result<StockTotal, StorageError> {
    Ok(StockTotal { received: seq_from_column(row.take()?), used: seq_from_column(row.take()?) })
}

fn listed(row: &mut Row<'_>) -> Result<ListedTicket, StorageError> {
    Ok(ListedTicket {
        id: TicketId::from_bytes(row.take()?),
        store: StoreId::new(row.take()?),
        day: BusinessDay::from_days(row.take()?),
        at: UtcMillis::new(row.take()?),
        receipt: row.take()?,
        measures: measures(row)?,
    })
}

fn measures(row: &mut Row<'_>) -> Result<Measures, StorageError> {
    Ok(Measures {
        tickets: row.take()?,
        lines: row.take()?,
        units: row.take()?,
        net: row.take()?,
        tax: row.take()?,
        total: row.take()?,
        tax_unknown_tickets: row.take()?,
    })
}
