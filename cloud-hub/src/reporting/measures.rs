//! What is counted, and the rollups that it is added up in before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::ids::StoreId;
use percolate_common::time::BusinessDay;

/// A sum that does not fit into 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sum is out of range")]
pub(crate) struct SumOverflow;

/// Sums of a set of tickets or lines. Integers only; amounts in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Measures {
    /// Tickets; in an item's or a category's row, tickets that hold such a line.
    pub(crate) tickets: i64,
    /// Lines.
    pub(crate) lines: i64,
    /// Pieces.
    pub(crate) units: i64,
    /// Before tax.
    pub(crate) net: i64,
    /// Tax; charged on tickets, so that lines have none.
    pub(crate) tax: i64,
    /// With tax.
    pub(crate) total: i64,
    /// Tickets of other systems, whose tax is unknown.
    pub(crate) tax_unknown_tickets: i64,
}

impl Measures {
    /// The sum of two sets.
    ///
    /// # Errors
    /// [`SumOverflow`] if one of its numbers does not fit.
    pub(crate) fn plus(&self, other: &Self) -> Result<Self, SumOverflow> {
        let sum = |a: i64, b: i64| a.checked_add(b).ok_or(SumOverflow);
        Ok(Self {
            tickets: sum(self.tickets, other.tickets)?,
            lines: sum(self.lines, other.lines)?,
            units: sum(self.units, other.units)?,
            net: sum(self.net, other.net)?,
            tax: sum(self.tax, other.tax)?,
            total: sum(self.total, other.total)?,
            tax_unknown_tickets: sum(self.tax_unknown_tickets, other.tax_unknown_tickets)?,
        })
    }

    /// The sum of many sets.
    ///
    /// # Errors
    /// [`SumOverflow`] if one of its numbers does not fit.
    pub(crate) fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Result<Self, SumOverflow> {
        all.into_iter().try_fold(Self::default(), |sum, next| sum.plus(next))
    }
}

/// What a rollup is by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Day,
    Hour,
    Item,
    Category,
    Tender,
    Person,
    Tax,
    /// Tips, by whoever sold.
    Tip,
    /// What is owed, by house account.
    House,
}

impl Kind {
    /// Its number in the table.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Day => 1,
            Self::Hour => 2,
            Self::Item => 3,
            Self::Category => 4,
            Self::Tender => 5,
            Self::Person => 6,
            Self::Tax => 7,
            Self::Tip => 8,
            Self::House => 9,
        }
    }
}

/// Rows of the rollup table by their primary key: scope, kind, day, key.
pub(crate) type RollupRows = BTreeMap<(StoreId, i64, BusinessDay, String), Measures>;

/// A slice's sums: each is added to its row once, whatever the number of tickets.
#[derive(Debug, Default)]
pub(crate) struct Rollups {
    rows: RollupRows,
}

impl Rollups {
    /// Adds to a store's row and to the chain's.
    ///
    /// # Errors
    /// [`SumOverflow`] if a sum does not fit.
    pub(crate) fn add(
        &mut self,
        store: StoreId,
        kind: Kind,
        day: BusinessDay,
        key: &str,
        measures: &Measures,
    ) -> Result<(), SumOverflow> {
        for scope in [store, StoreId::CHAIN] {
            let row = self.rows.entry((scope, kind.number(), day, key.to_owned())).or_default();
            *row = row.plus(measures)?;
        }
        Ok(())
    }

    /// The rows, in the order of their keys.
    pub(crate) fn into_rows(self) -> RollupRows {
        self.rows
    }
}

/// The key of the hour rollup for events of a zone that this program does not know.
pub(crate) const HOUR_UNKNOWN: &str = "unknown";

/// The key of whoever sold while nobody had signed in.
pub(crate) const NOBODY: &str = "p:nobody";
/// The key of whoever sold what was brought in from other systems.
pub(crate) const PERSON_UNKNOWN: &str = "p:unknown";

/// Item and category keys that a ticket has been counted under. An old system may call both by the same word.
pub(crate) type Keys = BTreeSet<(Kind, String)>;

/// A line as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CountedLine {
    pub(crate) item_key: String,
    pub(crate) category_key: String,
    pub(crate) units: i64,
    pub(crate) net: i64,
}

/// What lines add to their ticket, whose own number, tax and total are the caller's to set.
///
/// # Errors
/// [`SumOverflow`] if a sum does not fit.
pub(crate) fn lines_sum(lines: &[CountedLine]) -> Result<Measures, SumOverflow> {
    let line = |line: &CountedLine| Measures { lines: 1, units: line.units, net: line.net, ..Measures::default() };
    lines.iter().map(line).try_fold(Measures::default(), |sum, next| sum.plus(&next))
}

/// Adds lines to the item and category rollups; a key in `counted_before` has been counted for this ticket already.
///
/// # Errors
/// [`SumOverflow`] if a sum does not fit.
pub(crate) fn add_lines(
    rollups: &mut Rollups,
    store: StoreId,
    day: BusinessDay,
    lines: &[CountedLine],
    counted_before: &Keys,
) -> Result<(), SumOverflow> {
    let mut by_key: BTreeMap<(Kind, &str), Measures> = BTreeMap::new();
    for line in lines {
        for (kind, key) in [(Kind::Item, &line.item_key), (Kind::Category, &line.category_key)] {
            let first = i64::from(!counted_before.contains(&(kind, key.clone())));
            let row = by_key.entry((kind, key)).or_insert(Measures { tickets: first, ..Measures::default() });
            *row = row.plus(&Measures { lines: 1, units: line.units, net: line.net, ..Measures::default() })?;
        }
    }
    by_key.into_iter().try_for_each(|((kind, key), measures)| rollups.add(store, kind, day, key, &measures))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: BusinessDay = BusinessDay::from_days(20_000);

    fn line(item: &str, category: &str, units: i64, net: i64) -> CountedLine {
        CountedLine { item_key: item.to_owned(), category_key: category.to_owned(), units, net }
    }

    fn row(rollups: Rollups, scope: u32, kind: Kind, key: &str) -> Measures {
        let key = (StoreId::new(scope), kind.number(), DAY, key.to_owned());
        rollups.into_rows().get(&key).copied().unwrap_or_default()
    }

    fn added(lines: &[CountedLine], before: &[(Kind, &str)]) -> Rollups {
        let mut rollups = Rollups::default();
        let before = before.iter().map(|(kind, key)| (*kind, (*key).to_owned())).collect();
        add_lines(&mut rollups, StoreId::new(3), DAY, lines, &before).unwrap();
        rollups
    }

    #[test]
    fn a_ticket_counts_once_in_each_key_however_many_lines_it_has_there() {
        let lines = [line("i:1", "c:1", 2, 600), line("i:2", "c:1", 1, 350), line("i:1", "c:1", 1, 300)];
        let espresso = Measures { tickets: 1, lines: 2, units: 3, net: 900, ..Measures::default() };
        let coffee = Measures { tickets: 1, lines: 3, units: 4, net: 1_250, ..Measures::default() };
        for scope in [3, 0] {
            assert_eq!(row(added(&lines, &[]), scope, Kind::Item, "i:1"), espresso, "scope {scope}");
            assert_eq!(row(added(&lines, &[]), scope, Kind::Category, "c:1"), coffee, "scope {scope}");
        }
    }

    #[test]
    fn a_key_that_was_counted_before_gets_the_lines_but_not_the_ticket() {
        let lines = [line("i:1", "c:1", 2, 600)];
        let before = [(Kind::Item, "i:1")];
        assert_eq!(row(added(&lines, &before), 3, Kind::Item, "i:1").tickets, 0);
        assert_eq!(row(added(&lines, &before), 3, Kind::Item, "i:1").net, 600);
        assert_eq!(row(added(&lines, &before), 3, Kind::Category, "c:1").tickets, 1);
    }

    #[test]
    fn an_item_and_a_category_of_the_same_name_are_two_keys() {
        let lines = [line("l:past:Coffee", "l:past:Beans", 1, 300)];
        let before = [(Kind::Category, "l:past:Coffee")];
        assert_eq!(row(added(&lines, &before), 3, Kind::Item, "l:past:Coffee").tickets, 1);
    }

    #[test]
    fn a_sum_that_does_not_fit_is_an_error_and_never_wraps() {
        let most = Measures { net: i64::MAX, ..Measures::default() };
        let one = Measures { net: 1, ..Measures::default() };
        assert_eq!(most.plus(&one), Err(SumOverflow));
        assert_eq!(Measures::sum([&most, &one]), Err(SumOverflow));
        let lines = [line("i:1", "c:1", 1, i64::MAX), line("i:1", "c:1", 1, 1)];
        assert_eq!(lines_sum(&lines), Err(SumOverflow));
        let none = Keys::new();
        assert_eq!(add_lines(&mut Rollups::default(), StoreId::new(1), DAY, &lines, &none), Err(SumOverflow));
    }
}
