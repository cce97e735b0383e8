//! What a range of the sales journal comes to, entry by entry: the sums of readings X and Z.

use std::collections::BTreeMap;

use crate::domain::event::Event;
use crate::domain::tenders::card::CardSettled;
use crate::domain::tickets::tender::TenderKind;
use crate::domain::tickets::{TicketClass, TicketSold};
use crate::ids::TaxClassId;
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

/// Sums of a reading, in minor units. They stop at the largest number there is instead of failing: nothing may keep a day
/// from being closed. Practice and what was brought in from other systems is in none of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadingSums {
    /// Tickets.
    pub tickets: u64,
    /// Before tax.
    pub net: i64,
    /// Tax.
    pub tax: i64,
    /// What guests paid.
    pub gross: i64,
    /// By tax class.
    pub taxes: BTreeMap<TaxClassId, TaxSum>,
    /// By means of payment; cash less the change.
    pub tenders: BTreeMap<String, i64>,
    /// By hour on the shop's wall.
    pub hours: BTreeMap<u8, HourSum>,
    /// What was given back.
    pub refunds: i64,
    /// What was taken off prices.
    pub discounts: i64,
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
            Event::CashMoved(moved) => self.moved(moved),
            Event::DrawerClosed(closed) => self.counted(closed),
            Event::CardSettled(settled) => self.settled(settled),
            Event::TicketSold(_)
            | Event::DrawerOpened(_)
            | Event::DayClosed(_)
            | Event::SeriesOpened(_)
            | Event::TicketImported(_)
            | Event::ImportAmended(_)
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
            add(&mut sums.discounts, reduction.amount);
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
        let of_hour = sums.hours.entry(hour).or_default();
        of_hour.tickets = of_hour.tickets.saturating_add(1);
        add(&mut of_hour.gross, sold.totals.total);
        if sold.drawer.is_none() {
            add(&mut sums.no_drawer, sold.cash());
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
