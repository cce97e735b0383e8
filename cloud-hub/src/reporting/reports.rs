//! The reports: which rows, under which names, with which totals and marks.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::ids::StoreId;
use percolate_common::time::BusinessDay;
use percolate_runtime::storage::{ReadTx, StorageError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::completeness::{CompletenessMark, Known, marks};
use super::measures::{Kind, Measures, SumOverflow};
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
    /// A row for each means of payment: what was paid, with tips and rounding.
    Tender,
    /// A row for whoever sold or gave back, by number.
    Person,
    /// A row for each tax class: what it was charged on, and what it came to.
    Tax,
    /// A row for whoever sold, by number: their tips.
    Tip,
    /// A row for each house account: what was put on it, less what was given back.
    HouseAccount,
}

impl Dimension {
    /// Whether a row has lines of tickets, and not whole tickets.
    const fn is_of_lines(self) -> bool {
        match self {
            Self::Item | Self::Category => true,
            Self::Store
            | Self::Day
            | Self::Month
            | Self::Hour
            | Self::Tender
            | Self::Person
            | Self::Tax
            | Self::Tip
            | Self::HouseAccount => false,
        }
    }
}

/// One row of a sales report. Amounts are minor units of the report's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SalesRow {
    /// What programs know it by.
    pub(crate) key: String,
    /// What people read.
    pub(crate) label: String,
    /// Its sums.
    #[serde(flatten)]
    pub(crate) sums: RowSums,
}

/// Sums of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct RowSums {
    /// Tickets; by item and category, tickets that hold such a line; by means of payment and tax, tickets that have it; by tip and house
    /// account, none. A refund is none, and is taken off all amounts and pieces on the day that it was given back on.
    pub(crate) tickets: i64,
    /// Lines.
    pub(crate) lines: i64,
    /// Pieces.
    pub(crate) units: i64,
    /// Before tax; zero by means of payment, tip and house account.
    pub(crate) net_minor: i64,
    /// Tax. It is charged on tickets: null by item and category.
    pub(crate) tax_minor: Option<i64>,
    /// With tax; null by item and category.
    pub(crate) total_minor: Option<i64>,
    /// Tickets brought in from other systems, whose tax is not known; their total counts what was sold before tax.
    pub(crate) tax_unknown_tickets: i64,
}

impl RowSums {
    fn new(by: Dimension, sums: Measures) -> Self {
        let SalesSums { tickets, lines, units, net_minor, tax_minor, total_minor, tax_unknown_tickets } = sums.into();
        let of_tickets = |amount| (!by.is_of_lines()).then_some(amount);
        let (tax_minor, total_minor) = (of_tickets(tax_minor), of_tickets(total_minor));
        Self { tickets, lines, units, net_minor, tax_minor, total_minor, tax_unknown_tickets }
    }
}

/// Sums of a report or of a ticket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SalesSums {
    /// Tickets.
    pub(crate) tickets: i64,
    /// Lines.
    pub(crate) lines: i64,
    /// Pieces.
    pub(crate) units: i64,
    /// Before tax.
    pub(crate) net_minor: i64,
    /// Tax.
    pub(crate) tax_minor: i64,
    /// With tax.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
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
    /// The sum of the rows. A ticket with two items stands in two rows: by item and category, tickets and what is
    /// charged on tickets are counted here once.
    pub(crate) totals: SalesSums,
    /// How complete each store's part is.
    pub(crate) completeness: Vec<CompletenessMark>,
}

/// What a report is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) by: Dimension,
    pub(crate) store: Option<StoreId>,
    pub(crate) from: Option<BusinessDay>,
    pub(crate) to: Option<BusinessDay>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    #[error("the report could not be read")]
    Storage(#[from] StorageError),
    #[error("the report could not be added up")]
    Sum(#[from] SumOverflow),
    #[error("store {0} is not known")]
    StoreUnknown(StoreId),
    #[error("the stores sell in several currencies")]
    MixedCurrencies,
}

/// The currency of one store or of the whole chain.
pub(crate) fn currency(tx: &ReadTx<'_>, store: Option<StoreId>) -> Result<Option<String>, ReportError> {
    let rows = store::store_list(tx)?;
    let asked = rows.into_iter().filter(|row| store.is_none_or(|store| row.store == store));
    let mut currencies: BTreeSet<String> = asked.map(|row| row.currency).collect();
    if currencies.len() > 1 {
        return Err(ReportError::MixedCurrencies);
    }
    Ok(currencies.pop_first())
}

/// Refuses a store that nobody has heard of.
pub(crate) fn known_store(marks: &[CompletenessMark], store: Option<StoreId>) -> Result<(), ReportError> {
    match store {
        Some(store) if !marks.iter().any(|mark| mark.store == store.get()) => Err(ReportError::StoreUnknown(store)),
        Some(_) | None => Ok(()),
    }
}

/// A row before it is written out.
struct Line {
    key: String,
    label: String,
    sums: Measures,
}

/// Makes a sales report from one snapshot.
pub(crate) fn sales(tx: &ReadTx<'_>, known: &Known, question: Question) -> Result<SalesReport, ReportError> {
    let completeness = marks(tx, known, question.store)?;
    known_store(&completeness, question.store)?;
    let currency = currency(tx, question.store)?;
    let whole = Span::default();
    let span = Span { from: question.from.unwrap_or(whole.from), to: question.to.unwrap_or(whole.to) };
    let scope = question.store.unwrap_or(StoreId::CHAIN);
    let lines = lines(tx, question, span, &completeness)?;
    let mut totals = Measures::sum(lines.iter().map(|line| &line.sums))?;
    let tickets = || store::rollup_total(tx, scope, span).map(Option::unwrap_or_default);
    let Measures { lines: all_lines, units, net, tax, total, .. } = totals;
    totals = match question.by {
        Dimension::Item | Dimension::Category => Measures { lines: all_lines, units, net, ..tickets()? },
        // A ticket may be paid by several means, and have several taxes.
        Dimension::Tender => Measures { total, ..tickets()? },
        Dimension::Tip | Dimension::HouseAccount => totals,
        Dimension::Tax => Measures { net, tax, total, ..tickets()? },
        Dimension::Store | Dimension::Day | Dimension::Month | Dimension::Hour | Dimension::Person => totals,
    };
    let row = |line: Line| SalesRow { key: line.key, label: line.label, sums: RowSums::new(question.by, line.sums) };
    Ok(SalesReport {
        by: question.by,
        store: question.store.map(StoreId::get),
        from: question.from.map(|day| day.to_string()),
        to: question.to.map(|day| day.to_string()),
        currency,
        rows: lines.into_iter().map(row).collect(),
        totals: totals.into(),
        completeness,
    })
}

fn lines(
    tx: &ReadTx<'_>,
    question: Question,
    span: Span,
    marks: &[CompletenessMark],
) -> Result<Vec<Line>, ReportError> {
    let scope = question.store.unwrap_or(StoreId::CHAIN);
    match question.by {
        Dimension::Store => by_store(tx, question.store, span, marks),
        Dimension::Day => {
            let days = store::rollup_by_day(tx, scope, span)?.into_iter();
            Ok(days.map(|(day, sums)| Line { key: day.to_string(), label: day.to_string(), sums }).collect())
        }
        Dimension::Month => {
            let mut by_month: BTreeMap<String, Measures> = BTreeMap::new();
            for (day, sums) in store::rollup_by_day(tx, scope, span)? {
                let month = by_month.entry(day.month()).or_default();
                *month = month.plus(&sums)?;
            }
            Ok(by_month.into_iter().map(|(month, sums)| Line { key: month.clone(), label: month, sums }).collect())
        }
        Dimension::Hour => {
            let mut hours = store::rollup_by_key(tx, scope, Kind::Hour, span)?;
            hours.sort_by_key(|(hour, _)| hour.parse::<u8>().unwrap_or(u8::MAX));
            let line = |(key, sums): (String, Measures)| Line { label: hour_label(&key), key, sums };
            Ok(hours.into_iter().map(line).collect())
        }
        Dimension::Item => Ok(named(tx, store::rollup_by_key(tx, scope, Kind::Item, span)?)?),
        Dimension::Category => Ok(named(tx, store::rollup_by_key(tx, scope, Kind::Category, span)?)?),
        Dimension::Tender => Ok(in_order(tx, store::rollup_by_key(tx, scope, Kind::Tender, span)?)?),
        Dimension::Person => Ok(in_order(tx, store::rollup_by_key(tx, scope, Kind::Person, span)?)?),
        Dimension::Tax => Ok(in_order(tx, store::rollup_by_key(tx, scope, Kind::Tax, span)?)?),
        Dimension::Tip => Ok(in_order(tx, store::rollup_by_key(tx, scope, Kind::Tip, span)?)?),
        Dimension::HouseAccount => Ok(in_order(tx, store::rollup_by_key(tx, scope, Kind::House, span)?)?),
    }
}

fn hour_label(hour: &str) -> String {
    hour.parse::<u8>().map_or_else(|_not_an_hour| hour.to_owned(), |hour| format!("{hour:02}:00"))
}

fn by_store(
    tx: &ReadTx<'_>,
    only: Option<StoreId>,
    span: Span,
    marks: &[CompletenessMark],
) -> Result<Vec<Line>, ReportError> {
    let stores = only.map_or_else(|| store::rollup_stores(tx), |store| Ok(vec![store]))?;
    let mut lines = Vec::new();
    for place in stores {
        let Some(sums) = store::rollup_total(tx, place, span)? else { continue };
        let name = marks.iter().find(|mark| mark.store == place.get() && !mark.name.is_empty());
        let label = name.map_or_else(|| format!("Store {place}"), |mark| mark.name.clone());
        lines.push(Line { key: place.to_string(), label, sums });
    }
    Ok(lines)
}

/// What people read for a key; of one without a name, the end of the key.
pub(crate) fn label(tx: &ReadTx<'_>, key: &str) -> Result<String, StorageError> {
    let name = store::name_fetch(tx, key)?.map(|(name, _unit)| name).filter(|name| !name.is_empty());
    Ok(name.unwrap_or_else(|| key.splitn(3, ':').last().unwrap_or(key).to_owned()))
}

/// Best sellers first.
pub(crate) fn best_first(sums: &mut [(String, Measures)]) {
    sums.sort_by(|(a_key, a), (b_key, b)| b.net.cmp(&a.net).then_with(|| a_key.cmp(b_key)));
}

/// Rows under the names that people read, best sellers first.
fn named(tx: &ReadTx<'_>, mut sums: Vec<(String, Measures)>) -> Result<Vec<Line>, StorageError> {
    best_first(&mut sums);
    sums.into_iter().map(|(key, sums)| Ok(Line { label: label(tx, &key)?, key, sums })).collect()
}

/// Rows under the names that people read, by key.
fn in_order(tx: &ReadTx<'_>, sums: Vec<(String, Measures)>) -> Result<Vec<Line>, StorageError> {
    sums.into_iter().map(|(key, sums)| Ok(Line { label: label(tx, &key)?, key, sums })).collect()
}

/// One stock item at one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StockReportRow {
    /// Store number.
    pub(crate) store: u32,
    /// Stock item number.
    pub(crate) stock_item: u32,
    /// What people read.
    pub(crate) name: String,
    /// `each`, `mg` or `ul`; empty if the menu does not have it.
    pub(crate) unit: String,
    /// What is there by the events, as far as the marks say; negative if more was used than was ever booked in.
    pub(crate) on_hand: i64,
    /// What came in, by the events.
    pub(crate) received: i64,
    /// What went out, by the events.
    pub(crate) used: i64,
}

/// A stock report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StockReport {
    /// The rows, by store and item.
    pub(crate) rows: Vec<StockReportRow>,
    /// How complete each store's part is.
    pub(crate) completeness: Vec<CompletenessMark>,
}

/// Makes a stock report from one snapshot.
pub(crate) fn stock(tx: &ReadTx<'_>, known: &Known, only: Option<StoreId>) -> Result<StockReport, ReportError> {
    let completeness = marks(tx, known, only)?;
    known_store(&completeness, only)?;
    let folded = store::stock_fold_map(tx, only)?;
    let mut rows = Vec::with_capacity(folded.len());
    for ((place, item), total) in folded {
        let named = store::name_fetch(tx, &format!("s:{item}"))?;
        let (name, unit) = named.unwrap_or_else(|| (format!("Stock item {item}"), String::new()));
        rows.push(StockReportRow {
            store: place.get(),
            stock_item: item.get(),
            name,
            unit,
            on_hand: amount(total.received).saturating_sub(amount(total.used)),
            received: amount(total.received),
            used: amount(total.used),
        });
    }
    Ok(StockReport { rows, completeness })
}

pub(super) fn amount(total: u64) -> i64 {
    i64::try_from(total).unwrap_or(i64::MAX)
}
