//! What is counted, and the rollups that it is added up in before anything is written.

use std::collections::BTreeMap;

use percolate_common::ids::StoreId;
use percolate_common::time::BusinessDay;

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
    /// Adds another set.
    pub(crate) fn add(&mut self, other: &Self) {
        self.tickets += other.tickets;
        self.lines += other.lines;
        self.units += other.units;
        self.net += other.net;
        self.tax += other.tax;
        self.total += other.total;
        self.tax_unknown_tickets += other.tax_unknown_tickets;
    }
}

/// What a rollup is by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Day,
    Hour,
    Item,
    Category,
}

impl Kind {
    /// Its number in the table.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Day => 1,
            Self::Hour => 2,
            Self::Item => 3,
            Self::Category => 4,
        }
    }
}

/// Rows of the rollup table by their primary key.
pub(crate) type RollupRows = BTreeMap<(StoreId, i64, BusinessDay, String), Measures>;

/// A slice's sums: each is added to its row once, whatever the number of tickets.
#[derive(Debug, Default)]
pub(crate) struct Rollups {
    rows: RollupRows,
}

impl Rollups {
    /// Adds to a store's row and to the chain's.
    pub(crate) fn add(&mut self, store: StoreId, kind: Kind, day: BusinessDay, key: &str, measures: &Measures) {
        for scope in [store, StoreId::CHAIN] {
            self.rows.entry((scope, kind.number(), day, key.to_owned())).or_default().add(measures);
        }
    }

    /// The rows, in the order of their keys.
    pub(crate) fn into_rows(self) -> RollupRows {
        self.rows
    }
}

/// A line as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CountedLine {
    pub(crate) item_key: String,
    pub(crate) category_key: String,
    pub(crate) units: i64,
    pub(crate) net: i64,
}

/// Adds lines to the item and category rollups; a key in `counted_before` has been counted for this ticket already.
pub(crate) fn add_lines(
    rollups: &mut Rollups,
    store: StoreId,
    day: BusinessDay,
    lines: &[CountedLine],
    counted_before: &[String],
) {
    let mut by_key: BTreeMap<(Kind, &str), Measures> = BTreeMap::new();
    for line in lines {
        for (kind, key) in [(Kind::Item, &line.item_key), (Kind::Category, &line.category_key)] {
            let first = i64::from(!counted_before.contains(key));
            let row = by_key.entry((kind, key)).or_insert(Measures { tickets: first, ..Measures::default() });
            row.add(&Measures { lines: 1, units: line.units, net: line.net, ..Measures::default() });
        }
    }
    for ((kind, key), measures) in by_key {
        rollups.add(store, kind, day, key, &measures);
    }
}
