//! What drawers and readings come to, folded anew from the journals in whatever order they are read.

use std::collections::{BTreeMap, BTreeSet};

use super::{CashMoved, CashMovementKind, DayClosed, DrawerClosed, DrawerOpened, ReadRange, ReadingNumber};
use crate::domain::tenders::card::CardSettled;
use crate::domain::tickets::TicketSold;
use crate::domain::tickets::open::PaymentTaken;
use crate::domain::tickets::refund::TicketRefunded;
use crate::ids::{CardPaymentId, CashMovementId, DrawerSessionId, PaymentId};
use crate::journal::Incarnation;
use crate::money::Minor;

/// What one drawer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DrawerBooks {
    /// What should be in it.
    pub expected_minor: i64,
    /// What was said to be expected and what was counted, if it is closed.
    pub closed: Option<(Minor, Minor)>,
}

/// The readings of one life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingBooks {
    /// The letters of the life.
    pub series: String,
    /// The last number.
    pub last: u64,
    /// The first number that is missing.
    pub gap_at: Option<u64>,
    /// Numbers that two readings carry.
    pub doubled: Vec<u64>,
    /// The first reading that does not begin where one before it ended.
    pub discontinued_at: Option<u64>,
}

/// Drawers and readings of a shop.
#[derive(Debug, Clone, Default)]
pub struct CashBooks {
    drawers: BTreeMap<DrawerSessionId, DrawerBooks>,
    movements: BTreeSet<CashMovementId>,
    payments: BTreeSet<PaymentId>,
    exchanged: BTreeSet<CardPaymentId>,
    opened: BTreeSet<DrawerSessionId>,
    readings: BTreeMap<ReadingNumber, Vec<Vec<ReadRange>>>,
}

impl CashBooks {
    fn add(&mut self, session: DrawerSessionId, amount: i64) {
        let drawer = self.drawers.entry(session).or_default();
        drawer.expected_minor = drawer.expected_minor.saturating_add(amount);
    }

    /// Adds the cash of a ticket that counts.
    pub fn sold(&mut self, sold: &TicketSold) {
        if let Some(session) = sold.drawer {
            self.add(session, sold.cash().get());
        }
    }

    /// Takes the cash off that was given back.
    pub fn refunded(&mut self, refund: &TicketRefunded) {
        if let Some(session) = refund.drawer {
            self.add(session, -refund.cash().get());
        }
    }

    /// Adds the cash of a part of an open ticket.
    pub fn paid(&mut self, payment: &PaymentTaken) {
        if let (Some(session), true) = (payment.drawer, self.payments.insert(payment.id)) {
            self.add(session, payment.cash().get());
        }
    }

    /// Takes the cash off that a guest got back for a card that was charged late.
    pub fn settled(&mut self, settled: &CardSettled) {
        let Some(exchange) = &settled.exchange else { return };
        if self.exchanged.insert(settled.payment)
            && let Some(session) = exchange.drawer
        {
            self.add(session, -exchange.cash.get());
        }
    }

    /// Adds a float.
    pub fn opened(&mut self, opened: &DrawerOpened) {
        if self.opened.insert(opened.session) {
            self.add(opened.session, opened.float.get());
        }
    }

    /// Adds what was put in or taken out.
    pub fn moved(&mut self, moved: &CashMoved) {
        if !self.movements.insert(moved.id) {
            return;
        }
        let amount = moved.amount.get();
        match moved.kind {
            CashMovementKind::PayIn => self.add(moved.session, amount),
            CashMovementKind::PayOut | CashMovementKind::Drop => self.add(moved.session, -amount),
            CashMovementKind::NoSale => {}
        }
    }

    /// Notes a count; the first one of a drawer stands.
    pub fn closed(&mut self, closed: &DrawerClosed) {
        let drawer = self.drawers.entry(closed.session).or_default();
        drawer.closed.get_or_insert((closed.expected, closed.counted));
    }

    /// Notes a reading.
    pub fn read(&mut self, closed: &DayClosed) {
        let said = self.readings.entry(closed.number.clone()).or_default();
        if !said.contains(&closed.ranges) {
            said.push(closed.ranges.clone());
        }
    }

    /// Every drawer.
    pub fn drawers(&self) -> impl Iterator<Item = (DrawerSessionId, DrawerBooks)> + '_ {
        self.drawers.iter().map(|(session, drawer)| (*session, *drawer))
    }

    /// The readings, life by life.
    #[must_use]
    pub fn readings(&self) -> Vec<ReadingBooks> {
        let mut all: Vec<ReadingBooks> = Vec::new();
        let mut ends: BTreeMap<Incarnation, u64> = BTreeMap::new();
        for (ReadingNumber { series, number }, said) in &self.readings {
            let series = series.to_string();
            if all.last().is_none_or(|last| last.series != series) {
                ends.clear();
                let (gap_at, doubled, discontinued_at) = (None, Vec::new(), None);
                all.push(ReadingBooks { series, last: 0, gap_at, doubled, discontinued_at });
            }
            let Some(books) = all.last_mut() else { continue };
            if *number != books.last + 1 {
                books.gap_at.get_or_insert(books.last + 1);
            }
            if said.len() > 1 {
                books.doubled.push(*number);
            }
            books.last = *number;
            for range in said.iter().flatten() {
                let before = ends.insert(range.incarnation, range.to);
                if before.is_some_and(|end| range.from != end + 1) {
                    books.discontinued_at.get_or_insert(*number);
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cash::reading::ReadingSums;
    use crate::domain::cash::{CashReason, OpenTickets};
    use crate::journal::ShortHash;
    use crate::money::Currency;

    fn reading(number: &str, ranges: &[(u64, u64, u64)]) -> DayClosed {
        let range = |(life, from, to): &(u64, u64, u64)| ReadRange {
            incarnation: Incarnation::new(*life),
            from: *from,
            to: *to,
        };
        DayClosed {
            number: number.parse().unwrap(),
            ranges: ranges.iter().map(range).collect(),
            late: 0,
            currency: Currency::USD,
            sums: ReadingSums::default(),
            drawers: Vec::new(),
            carried: Vec::new(),
            open_tickets: OpenTickets::default(),
            head: ShortHash::from_bytes([1; 8]),
            by: None,
            approval: None,
        }
    }

    fn books(readings: &[DayClosed]) -> Vec<ReadingBooks> {
        let mut books = CashBooks::default();
        readings.iter().rev().chain(readings).for_each(|closed| books.read(closed));
        books.readings()
    }

    fn sound(series: &str, last: u64) -> ReadingBooks {
        ReadingBooks { series: series.to_owned(), last, gap_at: None, doubled: vec![], discontinued_at: None }
    }

    #[test]
    fn p12_readings_go_on_from_each_other_within_a_life_and_a_gap_or_an_overlap_is_found() {
        let first = reading("A-1", &[(7, 1, 40)]);
        let second = reading("A-2", &[(7, 41, 40), (5, 1, 9)]);
        let third = reading("A-3", &[(7, 41, 60), (5, 10, 12)]);
        let other = reading("BKQX-1", &[(8, 1, 3), (7, 50, 60)]);
        let all = [first.clone(), second.clone(), third, other];
        assert_eq!(books(&all), [sound("A", 3), sound("BKQX", 1)]);
        for (third, what) in [((7, 42, 60), "a gap"), ((7, 40, 60), "an overlap")] {
            let found = books(&[first.clone(), second.clone(), reading("A-3", &[third])]);
            assert_eq!(found, [ReadingBooks { discontinued_at: Some(3), ..sound("A", 3) }], "{what}");
        }
    }

    #[test]
    fn a_number_that_is_missing_or_was_given_twice_is_found() {
        let gap = books(&[reading("A-1", &[(7, 1, 2)]), reading("A-3", &[(7, 3, 4)])]);
        assert_eq!(gap, [ReadingBooks { gap_at: Some(2), ..sound("A", 3) }]);
        let twice = books(&[reading("A-1", &[(7, 1, 2)]), reading("A-1", &[(7, 3, 4)])]);
        assert_eq!((twice[0].doubled.as_slice(), twice[0].last), ([1].as_slice(), 1));
    }

    #[test]
    fn a_drawer_comes_to_the_same_in_whatever_order_and_however_often_its_facts_are_read() {
        let session = DrawerSessionId::opened(1, 11, "k");
        let opened = DrawerOpened { session, terminal: "T1".parse().unwrap(), float: Minor::new(1_000), by: None };
        let moved = |key: &str, kind, amount| CashMoved {
            id: CashMovementId::moved(1, 11, key),
            session,
            kind,
            amount: Minor::new(amount),
            reason: CashReason::Other,
            by: None,
            approval: None,
            beyond_expected: false,
        };
        let movements = [
            moved("a", CashMovementKind::PayIn, 500),
            moved("b", CashMovementKind::PayOut, 200),
            moved("c", CashMovementKind::Drop, 300),
            moved("d", CashMovementKind::NoSale, 0),
        ];
        let mut books = CashBooks::default();
        for _again in 0..2 {
            movements.iter().for_each(|moved| books.moved(moved));
            books.opened(&opened);
        }
        let expected = DrawerBooks { expected_minor: 1_000, closed: None };
        assert_eq!(books.drawers().collect::<Vec<_>>(), [(session, expected)]);
    }
}
