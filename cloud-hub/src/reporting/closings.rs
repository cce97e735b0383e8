//! How shops closed their days, and whether reporting's own fold of the same entries comes to the same.

use percolate_common::domain::event::Event;
use percolate_common::domain::tickets::TicketClass;
use percolate_common::ids::StoreId;
use percolate_common::journal::{JournalId, StreamKind};
use percolate_common::wire::event::Recorded;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};
use serde::Serialize;
use utoipa::ToSchema;

use super::completeness::{CompletenessMark, Known, marks};
use super::reports::{ReportError, known_store};
use super::store::Span;
use super::store::closings::{self as store, ClosingRow, Part, PartKind, SumsAt};

/// What all sales of one journal come to while a slice of it is folded, and what they came to where days were closed.
#[derive(Debug)]
pub(super) struct JournalSums {
    now: SumsAt,
    at_closings: Vec<SumsAt>,
}

impl JournalSums {
    pub(super) fn fetch(tx: &ReadTx<'_>, journal: &JournalId) -> Result<Self, StorageError> {
        let is_sales = journal.stream == StreamKind::Sales && journal.author.as_node().is_some();
        let now = if is_sales { store::sum_fetch(tx, journal.author, journal.incarnation)? } else { None };
        Ok(Self { now: now.unwrap_or_default(), at_closings: Vec::new() })
    }

    /// Adds the next entry. Sums wrap rather than fail: they are compared, and never shown.
    pub(super) fn add(&mut self, seq: u64, recorded: Option<&Recorded>) {
        let before = self.now;
        let now = &mut self.now;
        now.seq = seq;
        let Some(recorded) = recorded else {
            now.unsure += 1;
            return;
        };
        if recorded.origin.is_some() {
            now.unsure += 1;
        }
        match &recorded.event {
            Event::TicketSold(sold) if sold.class == TicketClass::Sale => {
                now.tickets = now.tickets.wrapping_add(1);
                now.net = now.net.wrapping_add(sold.totals.net.get());
                now.tax = now.tax.wrapping_add(sold.totals.tax.get());
                now.total = now.total.wrapping_add(sold.totals.total.get());
            }
            Event::TicketRefunded(refund) if refund.class == TicketClass::Sale => {
                now.net = now.net.wrapping_sub(refund.totals.net.get());
                now.tax = now.tax.wrapping_sub(refund.totals.tax.get());
                now.total = now.total.wrapping_sub(refund.totals.total.get());
            }
            Event::DayClosed(_) => self.at_closings.push(before),
            Event::TicketSold(_)
            | Event::TicketRefunded(_)
            | Event::SeriesOpened(_)
            | Event::TicketImported(_)
            | Event::ImportAmended(_)
            | Event::OpenTicket(_)
            | Event::StockMoved(_)
            | Event::DrawerOpened(_)
            | Event::CashMoved(_)
            | Event::DrawerClosed(_)
            | Event::StoreDescribed(_)
            | Event::LifeBegan(_)
            | Event::StaffLocked(_)
            | Event::CardSettled(_)
            | Event::TipAdjusted(_)
            | Event::Catalog(_) => {}
        }
    }

    pub(super) fn keep(&self, tx: &WriteTx<'_>, journal: &JournalId) -> Result<(), StorageError> {
        if journal.stream != StreamKind::Sales {
            return Ok(());
        }
        for at in &self.at_closings {
            store::sum_at_insert(tx, journal, at)?;
        }
        store::sum_upsert(tx, journal, &self.now)
    }
}

/// Closing readings of shops.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ClosingsReport {
    /// The newest first, at most 1000.
    rows: Vec<ClosingAnswer>,
    /// How complete each store's part is.
    completeness: Vec<CompletenessMark>,
}

/// A closing reading as its shop made it. Amounts are minor units of its currency.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct ClosingAnswer {
    /// Store number.
    store: u32,
    /// The box that made it.
    node: u32,
    /// Its number, as in `A-17`.
    number: String,
    /// The business day that it was made on, YYYY-MM-DD.
    business_day: String,
    /// When, UTC milliseconds.
    at_ms: i64,
    /// What amounts are in.
    currency: String,
    /// Tickets.
    tickets: i64,
    /// Before tax.
    net_minor: i64,
    /// Tax.
    tax_minor: i64,
    /// What guests paid, less what they were given back.
    total_minor: i64,
    /// What was given back, with tax; it is taken off every sum but the tickets and the discounts.
    refunds_minor: i64,
    /// What was taken off prices.
    discounts_minor: i64,
    /// Cash of tickets that were sold where no drawer was open.
    no_drawer_cash_minor: i64,
    /// Put into drawers.
    paid_in_minor: i64,
    /// Taken out of drawers and spent.
    paid_out_minor: i64,
    /// Taken to the safe.
    dropped_minor: i64,
    /// How often a drawer was opened without a sale.
    no_sales: i64,
    /// Drawers that were counted.
    drawers_closed: i64,
    /// All their differences: below zero what was missing.
    difference_minor: i64,
    /// By means of payment; cash less the change.
    tenders: Vec<ClosingTender>,
    /// By tax class.
    taxes: Vec<ClosingTax>,
    /// By hour on the shop's wall.
    hours: Vec<ClosingHour>,
    /// By whoever sold or gave back.
    people: Vec<ClosingPerson>,
    /// What was given back, discounts by why, charges for service, tips and rounding: by word.
    figures: Vec<ClosingFigure>,
    /// Drawers that were counted.
    drawers: Vec<ClosingDrawer>,
    /// Terminals and drawers that were open, and stayed so.
    carried_over: Vec<String>,
    /// The first 16 hexadecimal digits of the chain hash that it was made at, as printed.
    head: String,
    /// Whether reporting's own sum of the same entries is equal; null where it cannot tell: not all of them are here, or some were
    /// written again after a repair.
    agrees: Option<bool>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct ClosingTender {
    kind: String,
    amount_minor: i64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct ClosingTax {
    tax_class: String,
    base_minor: i64,
    tax_minor: i64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct ClosingHour {
    hour: String,
    tickets: i64,
    total_minor: i64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct ClosingPerson {
    /// By number; null for nobody who had signed in.
    staff: Option<u32>,
    tickets: i64,
    total_minor: i64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct ClosingFigure {
    /// `refunds_net`, `refunds_tax`, `discounts_given`, `happy_hours`, `sets`, `service_charges`, `tips` or `cash_rounding`.
    figure: String,
    /// How often, where that is counted.
    count: i64,
    amount_minor: i64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct ClosingDrawer {
    /// Terminal and id.
    drawer: String,
    expected_minor: i64,
    counted_minor: i64,
    difference_minor: i64,
}

/// Whether the sums of a reading are those of the same entries here.
fn agrees(tx: &ReadTx<'_>, row: &ClosingRow) -> Result<Option<bool>, StorageError> {
    if row.late > 0 {
        return Ok(None);
    }
    let mut ours = SumsAt::default();
    for range in store::range_list(tx, &row.closing)? {
        if range.to < range.from {
            continue;
        }
        let place = |seq| store::sum_at(tx, (row.author, range.incarnation), seq);
        let before = if range.from <= 1 { Some(SumsAt::default()) } else { place(range.from - 1)? };
        let Some((before, after)) = before.zip(place(range.to)?) else { return Ok(None) };
        ours.tickets = ours.tickets.wrapping_add(after.tickets.wrapping_sub(before.tickets));
        ours.net = ours.net.wrapping_add(after.net.wrapping_sub(before.net));
        ours.tax = ours.tax.wrapping_add(after.tax.wrapping_sub(before.tax));
        ours.total = ours.total.wrapping_add(after.total.wrapping_sub(before.total));
        if after.unsure != before.unsure {
            return Ok(None);
        }
    }
    Ok(Some((ours.tickets, ours.net, ours.tax, ours.total) == (row.tickets, row.net, row.tax, row.total)))
}

fn answer(tx: &ReadTx<'_>, row: ClosingRow) -> Result<ClosingAnswer, StorageError> {
    let agrees = agrees(tx, &row)?;
    let (mut tenders, mut taxes, mut hours) = (Vec::new(), Vec::new(), Vec::new());
    let (mut drawers, mut carried_over) = (Vec::new(), Vec::new());
    let (mut people, mut figures) = (Vec::new(), Vec::new());
    for Part { kind, key, count, amount, other } in store::part_list(tx, &row.closing)? {
        match kind {
            PartKind::Tender => tenders.push(ClosingTender { kind: key, amount_minor: amount }),
            PartKind::Tax => taxes.push(ClosingTax { tax_class: key, base_minor: other, tax_minor: amount }),
            PartKind::Hour => hours.push(ClosingHour { hour: key, tickets: count, total_minor: amount }),
            PartKind::Drawer => drawers.push(ClosingDrawer {
                drawer: key,
                expected_minor: other,
                counted_minor: amount,
                difference_minor: amount.saturating_sub(other),
            }),
            PartKind::Carried => carried_over.push(key),
            PartKind::Person => {
                people.push(ClosingPerson { staff: key.parse().ok(), tickets: count, total_minor: amount });
            }
            PartKind::Figure => figures.push(ClosingFigure { figure: key, count, amount_minor: amount }),
        }
    }
    Ok(ClosingAnswer {
        store: row.store.get(),
        node: row.author,
        number: row.number,
        business_day: row.day.to_string(),
        at_ms: row.at_ms,
        currency: row.currency,
        tickets: row.tickets,
        net_minor: row.net,
        tax_minor: row.tax,
        total_minor: row.total,
        refunds_minor: row.refunds,
        discounts_minor: row.discounts,
        no_drawer_cash_minor: row.no_drawer,
        paid_in_minor: row.paid_in,
        paid_out_minor: row.paid_out,
        dropped_minor: row.dropped,
        no_sales: row.no_sales,
        drawers_closed: row.drawers_closed,
        difference_minor: row.difference,
        tenders,
        taxes,
        hours,
        people,
        figures,
        drawers,
        carried_over,
        head: row.head,
        agrees,
    })
}

/// Makes the report from one snapshot.
pub(super) fn report(
    tx: &ReadTx<'_>,
    known: &Known,
    only: Option<StoreId>,
    span: Span,
) -> Result<ClosingsReport, ReportError> {
    let completeness = marks(tx, known, only)?;
    known_store(&completeness, only)?;
    let rows = store::list(tx, only, span)?.into_iter().map(|row| answer(tx, row));
    Ok(ClosingsReport { rows: rows.collect::<Result<_, _>>()?, completeness })
}
