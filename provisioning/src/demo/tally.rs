//! What the tills have done so far, for whoever looks on while they sell.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::servers::Who;
use super::till::add;
use crate::client::Measures;

/// What the tills at one server have done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShopTally {
    /// What they were answered.
    pub sold: Measures,
    /// Sales that they have asked for, answered or not.
    pub asked: i64,
    /// Taps that got no answer and were repeated.
    pub repeated: i64,
}

/// All tills.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<Who, ShopTally>>);

impl Tally {
    /// A till asks for a sale.
    pub fn asked(&self, who: Who) {
        self.lock().entry(who).or_default().asked += 1;
    }

    /// A till repeats a request that got no answer.
    pub fn repeated(&self, who: Who) {
        self.lock().entry(who).or_default().repeated += 1;
    }

    /// A till has its answer.
    pub fn sold(&self, who: Who, sums: &Measures) {
        add(&mut self.lock().entry(who).or_default().sold, sums);
    }

    /// What was done at one server.
    #[must_use]
    pub fn at(&self, who: Who) -> ShopTally {
        self.lock().get(&who).copied().unwrap_or_default()
    }

    /// What was done in one store, at its box and at copies of it.
    #[must_use]
    pub fn in_store(&self, store: u32) -> ShopTally {
        self.sum(|who| matches!(who, Who::Shop(at) | Who::Copy { store: at, .. } if at == store))
    }

    /// What was done in all stores.
    #[must_use]
    pub fn total(&self) -> ShopTally {
        self.sum(|_| true)
    }

    fn sum(&self, belongs: impl Fn(Who) -> bool) -> ShopTally {
        let mut sum = ShopTally::default();
        for (_, tally) in self.lock().iter().filter(|(who, _)| belongs(**who)) {
            add(&mut sum.sold, &tally.sold);
            sum.asked += tally.asked;
            sum.repeated += tally.repeated;
        }
        sum
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Who, ShopTally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copys_sales_are_the_stores_and_not_its_boxs() {
        let tally = Tally::default();
        let copy = Who::Copy { store: 2, number: 1 };
        let ticket = Measures { tickets: 1, total_minor: 500, ..Measures::default() };
        for who in [Who::Shop(1), Who::Shop(2), copy, copy] {
            tally.asked(who);
            tally.sold(who, &ticket);
        }
        tally.repeated(Who::Shop(2));
        assert_eq!(tally.at(Who::Shop(2)).sold.tickets, 1);
        assert_eq!((tally.in_store(2).sold.tickets, tally.in_store(2).repeated), (3, 1));
        assert_eq!((tally.total().asked, tally.total().sold.total_minor), (4, 2_000));
        assert_eq!(tally.at(Who::Shop(9)), ShopTally::default());
    }
}
