//! What a range of the sales journal comes to, entry by entry: the sums of readings X and Z.

use std::collections::BTreeMap;

use crate::domain::event::Event;
use crate::domain::tenders::card::CardSettled;
use crate::domain::tickets::open::{OpenFact, PaymentTaken};
use crate::domain::tickets::refund::TicketRefunded;
use crate::domain::tickets::tender::TenderKind;
use crate::domain::tickets::{ReductionCause, TicketClass, TicketSold};
use crate::ids::{StaffId, TaxClassId};
use crate::money::Minor;

use super::{CashMoved, CashMovementKind, CountedDrawer, DRAWERS_TOLD_MAX, DrawerClosed};

/// Base and tax of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaxSum {
    /// What it was charged on.
    pub base: i64,
    /// What it came to.
    pub tax: i64,
}

/// Tickets and what guests paid in one hour on the shop's wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HourSum {
    /// Tickets.
    pub tickets: u64,
    /// With tax.
    pub gross: i64,
}

/// What was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RefundSums {
    /// How often.
    pub count: u64,
    /// Before tax.
    pub net: i64,
    /// Tax.
    pub tax: i64,
    /// With tax.
    pub gross: i64,
}

/// Why prices came to less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiscountSums {
    /// Somebody gave a discount.
    pub given: i64,
    /// It was cheaper at that hour.
    pub happy_hours: i64,
    /// It was part of a set.
    pub sets: i64,
}

/// Sums of a reading, in minor units. They stop at the largest number there is instead of failing: nothing may keep a day
/// from being closed. Practice and what was brought in from other systems is in none of them. What was given back is taken off
/// every sum but the number of tickets and the discounts: net and tax by class come to net and tax; hours and people to gross;
/// tenders to gross, tips and rounding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadingSums {
    /// Tickets.
    pub tickets: u64,
    /// Before tax.
    pub net: i64,
    /// Tax.
    pub tax: i64,
    /// What guests paid, less what they were given back.
    pub gross: i64,
    /// By tax class.
    pub taxes: BTreeMap<TaxClassId, TaxSum>,
    /// By means of payment; cash less the change.
    pub tenders: BTreeMap<String, i64>,
    /// By hour on the shop's wall.
    pub hours: BTreeMap<u8, HourSum>,
    /// By whoever sold or gave back; none is nobody who had signed in.
    pub people: BTreeMap<Option<StaffId>, HourSum>,
    /// What was given back; it is taken off above.
    pub refunds: RefundSums,
    /// What was taken off prices.
    pub discounts: DiscountSums,
    /// Charges for service, before tax; they are in the net.
    pub service_charges: i64,
    /// For those who work there: no revenue, and in the tenders.
    pub tips: i64,
    /// What cash was rounded by; below zero in the guests' favour.
    pub cash_rounding: i64,
    /// Cash of tickets that were sold where no drawer was open; it is in the tenders, too.
    pub no_drawer: i64,
    /// Put into drawers.
    pub paid_in: i64,
    /// Taken out of drawers and spent.
    pub paid_out: i64,
    /// Taken from drawers to the safe.
    pub dropped: i64,
    /// How often a drawer was opened without a sale.
    pub no_sales: u64,
    /// Drawers that were counted.
    pub drawers_closed: u64,
    /// All their differences: below zero what is missing.
    pub difference: i64,
}

fn add(sum: &mut i64, amount: Minor) {
    *sum = sum.saturating_add(amount.get());
}

fn take(sum: &mut i64, amount: Minor) {
    *sum = sum.saturating_sub(amount.get());
}

impl DiscountSums {
    /// All of them.
    #[must_use]
    pub const fn all(&self) -> i64 {
        self.given.saturating_add(self.happy_hours).saturating_add(self.sets)
    }
}

/// A reading as it adds up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// The sums.
    pub sums: ReadingSums,
    /// Drawers that were counted, as many as are told one by one.
    pub drawers: Vec<CountedDrawer>,
}

impl Reading {
    /// Adds a fact that happened in this hour on the shop's wall.
    pub fn add(&mut self, hour: u8, event: &Event) {
        match event {
            Event::TicketSold(sold) if sold.class == TicketClass::Sale => self.sold(hour, sold),
            Event::TicketRefunded(refund) if refund.class == TicketClass::Sale => self.refunded(hour, refund),
            Event::OpenTicket(OpenFact::Paid(payment)) => self.paid(payment),
            Event::CashMoved(moved) => self.moved(moved),
            Event::DrawerClosed(closed) => self.counted(closed),
            Event::CardSettled(settled) => self.settled(settled),
            Event::TicketSold(_)
            | Event::TicketRefunded(_)
            | Event::DrawerOpened(_)
            | Event::DayClosed(_)
            | Event::SeriesOpened(_)
            | Event::TicketImported(_)
            | Event::ImportAmended(_)
            | Event::OpenTicket(_)
            | Event::StockMoved(_)
            | Event::StoreDescribed(_)
            | Event::LifeBegan(_)
            | Event::StaffLocked(_)
            | Event::Catalog(_) => {}
        }
    }

    fn sold(&mut self, hour: u8, sold: &TicketSold) {
        let sums = &mut self.sums;
        sums.tickets = sums.tickets.saturating_add(1);
        add(&mut sums.net, sold.totals.net);
        add(&mut sums.tax, sold.totals.tax);
        add(&mut sums.gross, sold.totals.total);
        for reduction in sold.lines.iter().flat_map(|line| &line.reductions) {
            let cause = match reduction.cause {
                ReductionCause::Given(_) => &mut sums.discounts.given,
                ReductionCause::HappyHour(_) => &mut sums.discounts.happy_hours,
                ReductionCause::Combo(_) => &mut sums.discounts.sets,
            };
            add(cause, reduction.amount);
        }
        for line in &sold.taxes {
            let class = sums.taxes.entry(line.tax_class).or_default();
            add(&mut class.base, line.base);
            add(&mut class.tax, line.tax);
        }
        for tender in &sold.tenders {
            add(sums.tenders.entry(tender.kind.as_str().to_owned()).or_default(), tender.amount);
        }
        if sold.change > Minor::ZERO {
            add(sums.tenders.entry(TenderKind::Cash.as_str().to_owned()).or_default(), Minor::new(-sold.change.get()));
        }
        for part in [sums.hours.entry(hour).or_default(), sums.people.entry(sold.sold_by).or_default()] {
            part.tickets = part.tickets.saturating_add(1);
            add(&mut part.gross, sold.totals.total);
        }
        if let Some(charge) = sold.details.service_charge {
            add(&mut sums.service_charges, charge.amount);
        }
        add(&mut sums.tips, sold.details.tip);
        add(&mut sums.cash_rounding, sold.details.cash_rounding);
        if sold.drawer.is_none() {
            add(&mut sums.no_drawer, sold.cash());
        }
    }

    fn refunded(&mut self, hour: u8, refund: &TicketRefunded) {
        let sums = &mut self.sums;
        let totals = &refund.totals;
        sums.refunds.count = sums.refunds.count.saturating_add(1);
        add(&mut sums.refunds.net, totals.net);
        add(&mut sums.refunds.tax, totals.tax);
        add(&mut sums.refunds.gross, totals.total);
        take(&mut sums.net, totals.net);
        take(&mut sums.tax, totals.tax);
        take(&mut sums.gross, totals.total);
        for line in &refund.taxes {
            let class = sums.taxes.entry(line.tax_class).or_default();
            take(&mut class.base, line.base);
            take(&mut class.tax, line.tax);
        }
        for tender in &refund.tenders {
            take(sums.tenders.entry(tender.kind.as_str().to_owned()).or_default(), tender.amount);
        }
        take(&mut sums.hours.entry(hour).or_default().gross, totals.total);
        take(&mut sums.people.entry(refund.by).or_default().gross, totals.total);
        take(&mut sums.service_charges, refund.service_charge);
        take(&mut sums.tips, refund.tip);
        take(&mut sums.cash_rounding, refund.cash_rounding);
        if refund.drawer.is_none() {
            take(&mut sums.no_drawer, refund.cash());
        }
    }

    /// A part of an open ticket: money of the day on which it was paid.
    fn paid(&mut self, payment: &PaymentTaken) {
        if payment.class == TicketClass::Training {
            return;
        }
        let kind = payment.tender.kind.as_str().to_owned();
        add(self.sums.tenders.entry(kind).or_default(), payment.kept());
        add(&mut self.sums.tips, payment.tip);
        add(&mut self.sums.cash_rounding, payment.cash_rounding);
        if payment.drawer.is_none() {
            add(&mut self.sums.no_drawer, payment.cash());
        }
    }

    /// What was taken on trust has become money, or is lost. A payment that no ticket counts was in no sum.
    fn settled(&mut self, settled: &CardSettled) {
        for (kind, amount) in settled.moves() {
            add(self.sums.tenders.entry(kind.to_owned()).or_default(), amount);
        }
    }

    fn moved(&mut self, moved: &CashMoved) {
        let sums = &mut self.sums;
        match moved.kind {
            CashMovementKind::PayIn => add(&mut sums.paid_in, moved.amount),
            CashMovementKind::PayOut => add(&mut sums.paid_out, moved.amount),
            CashMovementKind::Drop => add(&mut sums.dropped, moved.amount),
            CashMovementKind::NoSale => sums.no_sales = sums.no_sales.saturating_add(1),
        }
    }

    fn counted(&mut self, closed: &DrawerClosed) {
        self.sums.drawers_closed = self.sums.drawers_closed.saturating_add(1);
        add(&mut self.sums.difference, closed.difference());
        if self.drawers.len() < DRAWERS_TOLD_MAX {
            self.drawers.push(CountedDrawer {
                session: closed.session,
                terminal: closed.terminal.clone(),
                expected: closed.expected,
                counted: closed.counted,
            });
        }
    }
}
