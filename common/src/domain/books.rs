//! A shop's books, folded anew from its journals: what every total kept elsewhere must come to.
//!
//! An event counts once, whichever life of the shop's box wrote it how often: tickets and movements are told apart by their
//! ids, imported lines by their rows.

use std::collections::{BTreeMap, BTreeSet};

use super::cash::books::CashBooks;
use super::event::{Event, Header};
use super::imports::ImportedLine;
use super::stock::MovementLine;
use super::tickets::open::OpenFact;
use super::tickets::receipt::ReceiptNumber;
use super::tickets::refund::TicketRefunded;
use super::tickets::{TicketClass, TicketSold};
use crate::ids::{MovementId, RefundId, StockItemId, TicketId};
use crate::money::Minor;
use crate::time::BusinessDay;

/// A business day's sums; practice is in none of them but its own count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DayBooks {
    /// Tickets, practice apart.
    pub tickets: i64,
    /// Practice tickets.
    pub training_tickets: i64,
    /// How often something was given back; it is taken off all that follows but the lines.
    pub refunds: i64,
    /// Lines.
    pub lines: i64,
    /// Pieces.
    pub units: i64,
    /// Before tax, in minor units.
    pub net_minor: i64,
    /// Tax.
    pub tax_minor: i64,
    /// With tax.
    pub total_minor: i64,
}

/// A shop's books.
#[derive(Debug, Clone, Default)]
pub struct Books {
    tickets: BTreeSet<TicketId>,
    refunds: BTreeSet<RefundId>,
    movements: BTreeSet<MovementId>,
    imported_rows: BTreeSet<(TicketId, String)>,
    days: BTreeMap<BusinessDay, DayBooks>,
    stock: BTreeMap<StockItemId, i64>,
    receipts: BTreeMap<String, BTreeMap<u64, u32>>,
    cash: CashBooks,
}

/// A series of receipt numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesBooks {
    /// Terminal and series, as in `T1-A`.
    pub series: String,
    /// The last number.
    pub last: u64,
    /// The first number that is missing.
    pub gap_at: Option<u64>,
    /// Numbers that two tickets carry.
    pub doubled: Vec<u64>,
}

impl Books {
    /// Adds an event.
    pub fn add(&mut self, header: &Header, event: &Event) {
        match event {
            Event::TicketSold(sold) => self.add_sale(header.business_day, sold),
            Event::TicketImported(ticket) => {
                if self.tickets.insert(ticket.id) {
                    self.days.entry(header.business_day).or_default().tickets += 1;
                }
                self.add_imported(header.business_day, ticket.id, &ticket.lines);
            }
            Event::ImportAmended(amended) => self.add_imported(header.business_day, amended.id, &amended.lines),
            Event::TicketRefunded(refund) => self.add_refund(header.business_day, refund),
            Event::StockMoved(moved) => {
                if self.movements.insert(moved.id) {
                    self.move_stock(&moved.lines);
                }
            }
            Event::OpenTicket(OpenFact::Paid(payment)) => self.cash.paid(payment),
            Event::CardSettled(settled) => self.cash.settled(settled),
            Event::DrawerOpened(opened) => self.cash.opened(opened),
            Event::CashMoved(moved) => self.cash.moved(moved),
            Event::DrawerClosed(closed) => self.cash.closed(closed),
            Event::DayClosed(closed) => self.cash.read(closed),
            Event::SeriesOpened(_)
            | Event::OpenTicket(_)
            | Event::StoreDescribed(_)
            | Event::LifeBegan(_)
            | Event::StaffLocked(_)
            | Event::TipAdjusted(_)
            | Event::Catalog(_) => {}
        }
    }

    fn add_sale(&mut self, day: BusinessDay, sold: &TicketSold) {
        if !self.tickets.insert(sold.id) {
            return;
        }
        self.add_receipt(&sold.receipt);
        let sums = self.days.entry(day).or_default();
        match sold.class {
            TicketClass::Training => sums.training_tickets += 1,
            TicketClass::Sale => {
                sums.tickets += 1;
                sums.lines += i64::try_from(sold.lines.len()).unwrap_or(i64::MAX);
                sums.units += sold.lines.iter().map(|line| i64::from(line.quantity)).sum::<i64>();
                sums.net_minor += sold.totals.net.get();
                sums.tax_minor += sold.totals.tax.get();
                sums.total_minor += sold.totals.total.get();
                self.move_stock(&sold.stock_effects);
                self.cash.sold(sold);
            }
        }
    }

    fn add_refund(&mut self, day: BusinessDay, refund: &TicketRefunded) {
        if !self.refunds.insert(refund.id) {
            return;
        }
        self.add_receipt(&refund.receipt);
        if refund.class == TicketClass::Training {
            return;
        }
        let sums = self.days.entry(day).or_default();
        sums.refunds += 1;
        sums.units -= refund.lines.iter().map(|line| i64::from(line.quantity)).sum::<i64>();
        sums.net_minor -= refund.totals.net.get();
        sums.tax_minor -= refund.totals.tax.get();
        sums.total_minor -= refund.totals.total.get();
        self.move_stock(&refund.stock_effects);
        self.cash.refunded(refund);
    }

    fn add_imported(&mut self, day: BusinessDay, ticket: TicketId, lines: &[ImportedLine]) {
        let sums = self.days.entry(day).or_default();
        for line in lines {
            if self.imported_rows.insert((ticket, line.row.clone())) {
                let total = line.total().map_or(0, Minor::get);
                sums.lines += 1;
                sums.units += i64::from(line.quantity);
                sums.net_minor += total;
                sums.total_minor += total;
            }
        }
    }

    fn add_receipt(&mut self, receipt: &ReceiptNumber) {
        let series = format!("{}-{}", receipt.terminal, receipt.series);
        *self.receipts.entry(series).or_default().entry(receipt.number).or_default() += 1;
    }

    fn move_stock(&mut self, lines: &[MovementLine]) {
        for line in lines {
            let sum = self.stock.entry(line.stock_item).or_default();
            *sum = sum.saturating_add(line.quantity.get());
        }
    }

    /// Drawers and readings.
    #[must_use]
    pub const fn cash(&self) -> &CashBooks {
        &self.cash
    }

    /// The days, in order.
    pub fn days(&self) -> impl Iterator<Item = (BusinessDay, DayBooks)> + '_ {
        self.days.iter().map(|(day, sums)| (*day, *sums))
    }

    /// What is on hand of every item that ever moved, in order.
    pub fn stock(&self) -> impl Iterator<Item = (StockItemId, i64)> + '_ {
        self.stock.iter().map(|(item, on_hand)| (*item, *on_hand))
    }

    /// The series of receipts, in order.
    pub fn series(&self) -> impl Iterator<Item = SeriesBooks> + '_ {
        self.receipts.iter().map(|(series, numbers)| {
            let gap = numbers.keys().zip(1_u64..).find(|(number, expected)| *number != expected);
            SeriesBooks {
                series: series.clone(),
                last: numbers.keys().last().copied().unwrap_or(0),
                gap_at: gap.map(|(_, expected)| expected),
                doubled: numbers.iter().filter(|(_, times)| **times > 1).map(|(number, _)| *number).collect(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::event::ClockQuality;
    use crate::domain::imports::{ImportAmended, LegacyItem, TicketImported};
    use crate::domain::stock::{MovementReason, StockMoved};
    use crate::domain::tickets::{SoldLine, TicketDetails, Totals};
    use crate::hlc::Hlc;
    use crate::ids::{CategoryId, ItemId, StoreId, TaxClassId};
    use crate::money::Currency;
    use crate::quantity::Quantity;
    use crate::time::UtcMillis;

    use super::*;

    fn header(day: i32) -> Header {
        Header {
            store: StoreId::new(1),
            at: UtcMillis::new(0),
            hlc: Hlc::default(),
            business_day: BusinessDay::from_days(day),
            clock: ClockQuality::Good,
            zone: "America/New_York".to_owned(),
        }
    }

    fn sale(key: &str, receipt: &str, class: TicketClass) -> Event {
        let effect = MovementLine { stock_item: StockItemId::new(1), quantity: Quantity::new(-10) };
        Event::TicketSold(TicketSold {
            id: TicketId::sold(0, 11, key),
            class,
            receipt: receipt.parse().unwrap(),
            currency: Currency::USD,
            catalog_revision: 1,
            lines: vec![sold_line(2), sold_line(3)],
            taxes: Vec::new(),
            totals: Totals { net: Minor::new(100), tax: Minor::new(9), total: Minor::new(109) },
            tenders: Vec::new(),
            change: Minor::ZERO,
            stock_effects: if class == TicketClass::Sale { vec![effect] } else { Vec::new() },
            details: TicketDetails::default(),
            sold_by: None,
            drawer: None,
        })
    }

    fn sold_line(quantity: u32) -> SoldLine {
        SoldLine {
            item: ItemId::new(101),
            category: CategoryId::new(1),
            tax_class: TaxClassId::new(1),
            quantity,
            unit_price: Minor::new(20),
            total: Minor::new(20 * i64::from(quantity)),
            menu_price: None,
            extras: Vec::new(),
            reductions: Vec::new(),
        }
    }

    fn line(row: &str, quantity: u32) -> ImportedLine {
        let item = LegacyItem { id: "1".to_owned(), name: "Tea".to_owned(), category: "Tea".to_owned() };
        ImportedLine { row: row.to_owned(), item, quantity, unit_price: Minor::new(300) }
    }

    #[test]
    fn everything_counts_once_however_often_it_was_written() {
        let id = TicketId::imported("past", StoreId::new(1), "1");
        let source = || "past".to_owned();
        let events = [
            sale("k1", "T1-A-1", TicketClass::Sale),
            sale("k2", "T1-TRN-1", TicketClass::Training),
            Event::TicketImported(TicketImported {
                id,
                source: source(),
                currency: Currency::USD,
                lines: vec![line("1", 2)],
            }),
            Event::ImportAmended(ImportAmended {
                id,
                source: source(),
                currency: Currency::USD,
                lines: vec![line("2", 1)],
            }),
            Event::StockMoved(StockMoved {
                id: MovementId::moved(0, 11, "m"),
                reason: MovementReason::Received,
                lines: vec![MovementLine { stock_item: StockItemId::new(1), quantity: Quantity::new(500) }],
                by: None,
                approval: None,
            }),
        ];
        let mut once = Books::default();
        events.iter().for_each(|event| once.add(&header(5), event));
        let expected = DayBooks {
            tickets: 2,
            training_tickets: 1,
            refunds: 0,
            lines: 2 + 2,
            units: 5 + 3,
            net_minor: 100 + 900,
            tax_minor: 9,
            total_minor: 109 + 900,
        };
        assert_eq!(once.days().collect::<Vec<_>>(), [(BusinessDay::from_days(5), expected)]);
        assert_eq!(once.stock().collect::<Vec<_>>(), [(StockItemId::new(1), 490)]);
        let mut twice = once.clone();
        events.iter().rev().for_each(|event| twice.add(&header(5), event));
        assert!(once.days().eq(twice.days()) && once.stock().eq(twice.stock()) && once.series().eq(twice.series()));
    }

    #[test]
    fn a_gap_in_a_series_and_a_number_that_was_given_twice_are_told() {
        let mut books = Books::default();
        for (key, receipt) in [("a", "T1-A-1"), ("b", "T1-A-3"), ("c", "T1-A-3"), ("d", "T2-A-1")] {
            books.add(&header(5), &sale(key, receipt, TicketClass::Sale));
        }
        let series: Vec<_> = books.series().collect();
        assert_eq!(series[0], SeriesBooks { series: "T1-A".to_owned(), last: 3, gap_at: Some(2), doubled: vec![3] });
        assert_eq!(series[1], SeriesBooks { series: "T2-A".to_owned(), last: 1, gap_at: None, doubled: vec![] });
    }
}
