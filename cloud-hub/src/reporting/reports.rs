//! The reports: which rows, under which names, with which totals and marks.

use std::collections::BTreeMap;

use percolate_common::ids::StoreId;
use percolate_runtime::sqlite::{ReadTx, StorageError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::completeness::{CompletenessMark, Known, marks};
use super::measures::{Kind, Measures};
use super::store::{self, Span};

/// What a sales report is by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dimension {
    /// A row for each store.
    Store,
    /// A row for each business day.
    Day,
    /// A row for each month.
    Month,
    /// A row for each hour on the shop's wall.
    Hour,
    /// A row for each item.
    Item,
    /// A row for each category of the menu.
    Category,
}

/// One row of a sales report. Amounts are minor units of the report's currency.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SalesRow {
    /// What programs know it by.
    pub(crate) key: String,
    /// What people read.
    pub(crate) label: String,
    /// Its sums.
    #[serde(flatten)]
    pub(crate) sums: SalesSums,
}

/// Sums of a report or of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SalesSums {
    /// Tickets; in rows by item and category, tickets that hold such a line.
    pub(crate) tickets: i64,
    /// Lines.
    pub(crate) lines: i64,
    /// Pieces.
    pub(crate) units: i64,
    /// Before tax.
    pub(crate) net_minor: i64,
    /// Tax. It is charged on tickets: rows by item and category have none.
    pub(crate) tax_minor: i64,
    /// With tax; in rows by item and category 0.
    pub(crate) total_minor: i64,
    /// Tickets brought in from other systems, whose tax is not known; their total counts what was sold before tax.
    pub(crate) tax_unknown_tickets: i64,
}

impl From<Measures> for SalesSums {
    fn from(measures: Measures) -> Self {
        Self {
            tickets: measures.tickets,
            lines: measures.lines,
            units: measures.units,
            net_minor: measures.net,
            tax_minor: measures.tax,
            total_minor: measures.total,
            tax_unknown_tickets: measures.tax_unknown_tickets,
        }
    }
}

/// A sales report.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SalesReport {
    /// What the rows are by.
    pub(crate) by: Dimension,
    /// Whose sales; all stores if absent.
    pub(crate) store: Option<u32>,
    /// First business day, if limited.
    pub(crate) from: Option<String>,
    /// Last business day, if limited.
    pub(crate) to: Option<String>,
    /// What the amounts are in; absent before any store is known.
    pub(crate) currency: Option<String>,
    /// The rows.
    pub(crate) rows: Vec<SalesRow>,
    /// All tickets of the report, each once.
    pub(crate) totals: SalesSums,
    /// How complete each store's part is.
    pub(crate) completeness: Vec<CompletenessMark>,
}

/// What a report is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) by: Dimension,
    pub(crate) store: Option<StoreId>,
    pub(crate) from: Option<percolate_common::time::BusinessDay>,
    pub(crate) to: Option<percolate_common::time::BusinessDay>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    #[error("the report could not be read")]
    Storage(#[from] StorageError),
    #[error("store {0} is not known")]
    StoreUnknown(StoreId),
    #[error("the stores sell in several currencies")]
    MixedCurrencies,
}

/// The currency of one store or of the whole chain.
pub(crate) fn currency(tx: &ReadTx<'_>, store: Option<StoreId>) -> Result<Option<String>, ReportError> {
    let rows = store::store_list(tx)?;
    let mut currencies =
        rows.iter().filter(|row| store.is_none_or(|store| row.store == store)).map(|row| &row.currency);
    let first = currencies.next().cloned();
    if currencies.any(|other| Some(other) != first.as_ref()) {
        return Err(ReportError::MixedCurrencies);
    }
    Ok(first)
}

/// Refuses a store that nobody has heard of.
pub(crate) fn known_store(marks: &[CompletenessMark], store: Option<StoreId>) -> Result<(), ReportError> {
    match store {
        Some(store) if !marks.iter().any(|mark| mark.store == store.get()) => Err(ReportError::StoreUnknown(store)),
        Some(_) | None => Ok(()),
    }
}

/// Makes a sales report from one snapshot.
pub(crate) fn sales(tx: &ReadTx<'_>, known: &Known, question: Question) -> Result<SalesReport, ReportError> {
    let completeness = marks(tx, known, question.store)?;
    known_store(&completeness, question.store)?;
    let whole = Span::default();
    let span = Span { from: question.from.unwrap_or(whole.from), to: question.to.unwrap_or(whole.to) };
    let scope = question.store.unwrap_or(StoreId::CHAIN);
    let rows = rows(tx, question, scope, span, &completeness)?;
    let mut totals = Measures::default();
    for (_day, measures) in store::rollup_by_day(tx, scope, span)? {
        totals.add(&measures);
    }
    Ok(SalesReport {
        by: question.by,
        store: question.store.map(StoreId::get),
        from: question.from.map(|day| day.to_string()),
        to: question.to.map(|day| day.to_string()),
        currency: currency(tx, question.store)?,
        rows,
        totals: totals.into(),
        completeness,
    })
}

fn row(key: String, label: String, measures: Measures) -> SalesRow {
    SalesRow { key, label, sums: measures.into() }
}

fn rows(
    tx: &ReadTx<'_>,
    question: Question,
    scope: StoreId,
    span: Span,
    stores: &[CompletenessMark],
) -> Result<Vec<SalesRow>, StorageError> {
    match question.by {
        Dimension::Store => by_store(tx, span, stores),
        Dimension::Day => {
            let days = store::rollup_by_day(tx, scope, span)?;
            Ok(days.into_iter().map(|(day, sums)| row(day.to_string(), day.to_string(), sums)).collect())
        }
        Dimension::Month => {
            let mut by_month: BTreeMap<String, Measures> = BTreeMap::new();
            for (day, measures) in store::rollup_by_day(tx, scope, span)? {
                by_month.entry(day.month()).or_default().add(&measures);
            }
            Ok(by_month.into_iter().map(|(month, sums)| row(month.clone(), month, sums)).collect())
        }
        Dimension::Hour => {
            let mut hours = store::rollup_by_key(tx, scope, Kind::Hour, span)?;
            hours.sort_by_key(|(hour, _)| hour.parse::<u8>().unwrap_or(u8::MAX));
            Ok(hours.into_iter().map(|(hour, sums)| row(hour.clone(), hour_label(&hour), sums)).collect())
        }
        Dimension::Item => named(tx, store::rollup_by_key(tx, scope, Kind::Item, span)?),
        Dimension::Category => named(tx, store::rollup_by_key(tx, scope, Kind::Category, span)?),
    }
}

fn hour_label(hour: &str) -> String {
    format!("{hour:0>2}:00")
}

fn by_store(tx: &ReadTx<'_>, span: Span, stores: &[CompletenessMark]) -> Result<Vec<SalesRow>, StorageError> {
    let mut rows = Vec::new();
    for mark in stores {
        let mut sums = Measures::default();
        let days = store::rollup_by_day(tx, StoreId::new(mark.store), span)?;
        if days.is_empty() {
            continue;
        }
        days.iter().for_each(|(_day, measures)| sums.add(measures));
        rows.push(row(mark.store.to_string(), mark.name.clone(), sums));
    }
    Ok(rows)
}

/// Rows under the names that people read, best sellers first.
fn named(tx: &ReadTx<'_>, sums: Vec<(String, Measures)>) -> Result<Vec<SalesRow>, StorageError> {
    let mut rows = Vec::with_capacity(sums.len());
    for (key, measures) in sums {
        let name = store::name_fetch(tx, &key)?.map(|(name, _unit)| name);
        let tail = key.splitn(3, ':').last().unwrap_or(&key).to_owned();
        rows.push(row(key, name.unwrap_or(tail), measures));
    }
    rows.sort_by(|a, b| b.sums.net_minor.cmp(&a.sums.net_minor).then_with(|| a.key.cmp(&b.key)));
    Ok(rows)
}

/// One stock item at one store.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StockReportRow {
    /// Store number.
    pub(crate) store: u32,
    /// Stock item number.
    pub(crate) stock_item: u32,
    /// What people read.
    pub(crate) name: String,
    /// `each`, `mg` or `ul`.
    pub(crate) unit: String,
    /// What is there by the store's own totals, joined; negative if more was used than was ever booked in.
    pub(crate) on_hand: i64,
    /// What came in, by the events.
    pub(crate) received: i64,
    /// What went out, by the events.
    pub(crate) used: i64,
}

/// A stock report.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StockReport {
    /// The rows, by store and item.
    pub(crate) rows: Vec<StockReportRow>,
    /// How complete each store's part is.
    pub(crate) completeness: Vec<CompletenessMark>,
}

/// Makes a stock report from one snapshot, and counts where totals and events differ in complete stores.
pub(crate) fn stock(tx: &ReadTx<'_>, known: &Known, only: Option<StoreId>) -> Result<(StockReport, u32), ReportError> {
    let completeness = marks(tx, known, only)?;
    known_store(&completeness, only)?;
    let mut rows = Vec::new();
    let mut diverged = 0_u32;
    for mark in &completeness {
        let place = StoreId::new(mark.store);
        let joined = store::stock_joined(tx, place)?;
        let doubled = store::stock_alias_map(tx, place)?;
        for fold in store::stock_fold_list(tx, Some(place))? {
            let on_hand = joined.on_hand(fold.item).get() - doubled.get(&fold.item).copied().unwrap_or(0);
            if mark.behind_events == 0 && on_hand != fold.received - fold.used {
                diverged += 1;
            }
            let named = store::name_fetch(tx, &format!("s:{}", fold.item))?;
            let (name, unit) = named.unwrap_or_else(|| (format!("stock item {}", fold.item), String::new()));
            rows.push(StockReportRow {
                store: fold.store.get(),
                stock_item: fold.item.get(),
                name,
                unit,
                on_hand,
                received: fold.received,
                used: fold.used,
            });
        }
    }
    Ok((StockReport { rows, completeness }, diverged))
}
