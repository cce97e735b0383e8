//! A chain that trades at random, the same for the same seed, and the ledger of what it did.
//!
//! Two nodes share a store, one node has two lives, baskets of an old system come in parts and from several nodes, a
//! second life tells again what the first one sold, people train, and some entries are of types that nobody knows yet.

use percolate_common::domain::event::Event;
use percolate_common::domain::tickets::TicketSold;
use percolate_common::entropy::{Entropy, SeededEntropy};
use percolate_common::ids::{StoreId, TicketId};
use percolate_common::journal::StreamKind;
use percolate_common::money::Currency;
use percolate_common::time::StoreCalendar;
use percolate_common::wire::envelope::Batch;

use super::ledger::Ledger;
use super::life::{LegacyRow, Life, Moment, Product, SaleLine, amended, described, imported, moved, sale, training};

/// Local dates, each with the day before it: before 4 in the morning that is the business day. The night to the first
/// of November has 25 hours in the United States.
const DATES: [(&str, &str); 4] = [
    ("2026-10-31", "2026-10-30"),
    ("2026-11-01", "2026-10-31"),
    ("2026-11-02", "2026-11-01"),
    ("2026-12-01", "2026-11-30"),
];

/// Zones of stores 1, 2 and 3; the last one is 5 hours and 45 minutes ahead.
const ZONES: [&str; 3] = ["America/New_York", "America/Los_Angeles", "Asia/Kathmandu"];

/// Names that a spreadsheet would stumble over, and one product under two names.
const PRODUCTS: [Product; 5] = [
    ("32", "Ethiopia, Rg", "Coffee"),
    ("32", "Ethiopia Rg", "Coffee"),
    ("45", "=1+1", "Loose \"Tea\""),
    ("71", "Chocolate\nCroissant", "Bakery"),
    ("9", "@Home", "+Drinking Chocolate"),
];

/// A chain and its ledger.
pub(crate) struct Trade {
    pub(crate) lives: Vec<Life>,
    pub(crate) ledger: Ledger,
    chance: SeededEntropy,
    /// Tickets that the first life of node 21 sold: when, what, tax.
    retold: Vec<(Moment, TicketSold)>,
    baskets: Vec<Basket>,
}

struct Basket {
    store: u32,
    id: TicketId,
    when: Moment,
    rows: Vec<LegacyRow>,
}

impl Trade {
    /// A chain that has done so many things.
    pub(crate) fn new(seed: u64, deeds: u32) -> Self {
        let lives = [(11, 1), (12, 2), (21, 3), (21, 4), (31, 5)];
        let mut trade = Self {
            lives: lives.map(|(node, incarnation)| Life::new(node, incarnation)).into(),
            ledger: Ledger::default(),
            chance: SeededEntropy::new(seed),
            retold: Vec::new(),
            baskets: Vec::new(),
        };
        for at in 0..trade.lives.len() {
            trade.describe(at);
        }
        for store in [1, 2, 2, 3, 3] {
            trade.basket(store);
        }
        for number in 1..=u64::from(deeds) {
            trade.deed(number);
        }
        trade
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.chance.next_u64() % limit
    }

    fn some<T: Clone>(&mut self, of: &[T]) -> T {
        let at = self.below(of.len() as u64);
        of[usize::try_from(at).unwrap()].clone()
    }

    fn moment(&mut self, store: u32) -> Moment {
        let zone = ZONES[store as usize - 1];
        let calendar = StoreCalendar::new(zone, 4).unwrap();
        let (date, before) = self.some(&DATES);
        let (hour, minute, second) = (self.below(24), self.below(60), self.below(60));
        let local = calendar.resolve_local(date, &format!("{hour:02}:{minute:02}:{second:02}")).unwrap();
        let day = if hour < 4 { before } else { date };
        Moment { at_ms: local.at.get(), day: day.to_owned(), hour: u8::try_from(hour).unwrap(), zone }
    }

    fn describe(&mut self, at: usize) {
        let store = self.lives[at].store;
        let when = self.moment(store);
        let name = format!("Shop {store}, \"the best\"");
        self.lives[at].write(&when, &described(&name, when.zone, Currency::USD), &[]);
        self.ledger.described(store, &name);
    }

    fn basket(&mut self, store: u32) {
        let first = u32::try_from(self.baskets.len()).unwrap() * 10 + 1;
        let count = u32::try_from(self.below(4)).unwrap() + 2;
        let rows = (first..first + count)
            .map(|row| (row, self.some(&PRODUCTS), u32::try_from(self.below(4)).unwrap() + 1, 100 + i64::from(row)))
            .collect();
        let id = TicketId::imported("past", StoreId::new(store), &first.to_string());
        let when = self.moment(store);
        self.baskets.push(Basket { store, id, when, rows });
    }

    fn deed(&mut self, number: u64) {
        let lives = self.lives.len() as u64;
        let at = usize::try_from(self.below(lives)).unwrap();
        let when = self.moment(self.lives[at].store);
        match self.below(100) {
            0..55 => self.sell(at, number, &when),
            55..63 => {
                let lines = self.sale_lines();
                let ticket = training(&self.lives[at], number, &lines);
                self.lives[at].write(&when, &Event::TicketSold(ticket), &[]);
            }
            63..80 => self.import(at),
            80..90 => {
                let lines = self.stock_lines();
                let event = moved(&self.lives[at], number, &lines);
                self.lives[at].write(&when, &event, &lines);
                self.ledger.moved(self.lives[at].store, &lines);
            }
            90..96 => self.tell_again(),
            _ => {
                // Whose journal it is can be read somewhere in it: nobody is in session here who would tell.
                let begun = self.lives[at].journals().filter(|journal| journal.head().seq > 0);
                let streams: Vec<StreamKind> = begun.map(|journal| journal.id.stream).collect();
                let stream = self.some(&streams);
                self.lives[at].write_unreadable(stream);
                self.ledger.parked(self.lives[at].store);
            }
        }
    }

    fn sale_lines(&mut self) -> Vec<SaleLine> {
        let count = self.below(3) + 1;
        (0..count)
            .map(|_| {
                let item = self.some(&[101, 102, 201, 202, 301]);
                (item, u32::try_from(self.below(3)).unwrap() + 1, i64::try_from(self.below(900)).unwrap())
            })
            .collect()
    }

    /// Up or down, each item once.
    fn stock_lines(&mut self) -> Vec<(u32, i64)> {
        let first = u32::try_from(self.below(4)).unwrap() + 1;
        let amount = |trade: &mut Self| i64::try_from(trade.below(20_001)).unwrap() - 10_000;
        vec![(first, amount(self)), (first + 1, amount(self))]
    }

    fn sell(&mut self, at: usize, number: u64, when: &Moment) {
        let (lines, tax) = (self.sale_lines(), i64::try_from(self.below(99)).unwrap());
        let used: Vec<_> = self.stock_lines().into_iter().map(|(item, amount)| (item, -amount.abs())).collect();
        let ticket = sale(&self.lives[at], number, &lines, tax, &used);
        self.ledger.sold(self.lives[at].store, ticket.id, when, &lines, tax);
        self.ledger.moved(self.lives[at].store, &used);
        if at == 2 {
            self.retold.push((when.clone(), ticket.clone()));
        }
        self.lives[at].write(when, &Event::TicketSold(ticket), &used);
    }

    /// Some rows of some basket of the store: whole, in part, again; from whichever of its nodes.
    fn import(&mut self, at: usize) {
        let store = self.lives[at].store;
        let own: Vec<usize> = (0..self.baskets.len()).filter(|index| self.baskets[*index].store == store).collect();
        let index = self.some(&own);
        let basket = &self.baskets[index];
        let (id, when, all) = (basket.id, basket.when.clone(), basket.rows.clone());
        let skip = usize::try_from(self.below(all.len() as u64)).unwrap();
        let (event, rows) = if self.below(2) == 0 {
            let rows = all[..all.len() - skip].to_vec();
            (imported(id, &rows), rows)
        } else {
            let rows = all[skip..].to_vec();
            (amended(id, &rows), rows)
        };
        self.lives[at].write(&when, &event, &[]);
        self.ledger.imported(store, id, &when, &rows);
    }

    /// What the first life of node 21 has sold, as its second life says it after the repair of a fork: the same ticket,
    /// whose stock the second life does not count.
    fn tell_again(&mut self) {
        if self.retold.is_empty() {
            return;
        }
        let known = self.retold.clone();
        let (when, ticket) = self.some(&known);
        self.lives[3].write(&when, &Event::TicketSold(ticket), &[]);
    }

    /// All batches, each journal in order, the journals in any order among each other.
    pub(crate) fn batches(&mut self) -> Vec<Batch> {
        let mut cursors: Vec<(usize, StreamKind, u64, u64)> = Vec::new();
        for (at, life) in self.lives.iter().enumerate() {
            let journals = life.journals().filter(|journal| journal.head().seq > 0);
            cursors.extend(journals.map(|journal| (at, journal.id.stream, 1, journal.head().seq)));
        }
        let mut batches = Vec::new();
        while !cursors.is_empty() {
            let open = cursors.len() as u64;
            let chosen = usize::try_from(self.below(open)).unwrap();
            let (at, stream, lo, last) = cursors[chosen];
            let hi = (lo + self.below(7)).min(last);
            let later = usize::try_from(self.below(40)).unwrap();
            batches.push(self.lives[at].batch(stream, (lo, hi), 1, later));
            cursors[chosen].2 = hi + 1;
            if hi == last {
                cursors.swap_remove(chosen);
            }
        }
        batches
    }
}
