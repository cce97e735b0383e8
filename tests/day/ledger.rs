//! What the script itself added up: it never asks a server for a sum.

use std::collections::BTreeMap;

/// The columns of a sales report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    pub(crate) tickets: i64,
    pub(crate) lines: i64,
    pub(crate) units: i64,
    pub(crate) net: i64,
    pub(crate) tax: i64,
    pub(crate) total: i64,
    pub(crate) tax_unknown_tickets: i64,
}

impl Sums {
    pub(crate) fn add(&mut self, more: &Self) {
        self.tickets += more.tickets;
        self.lines += more.lines;
        self.units += more.units;
        self.net += more.net;
        self.tax += more.tax;
        self.total += more.total;
        self.tax_unknown_tickets += more.tax_unknown_tickets;
    }
}

/// A ticket that a till was answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slip {
    pub(crate) receipt: Option<String>,
    pub(crate) total: i64,
}

/// What is booked of one ticket, whoever sold it.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) day: &'a str,
    pub(crate) hour: i64,
    /// Of the ticket as a whole, except for lines, units and net, which its lines say.
    pub(crate) whole: Sums,
    /// Item and category keys as reports have them, pieces, amount before tax.
    pub(crate) lines: Vec<(String, String, i64, i64)>,
}

/// Books of a till, a shop or the chain.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) all: Sums,
    pub(crate) by_day: BTreeMap<String, Sums>,
    pub(crate) by_hour: BTreeMap<String, Sums>,
    pub(crate) by_item: BTreeMap<String, Sums>,
    pub(crate) by_category: BTreeMap<String, Sums>,
    /// Today's money by means of payment, cash less the change.
    pub(crate) tenders: BTreeMap<String, i64>,
    /// Today's tax by class.
    pub(crate) taxes: BTreeMap<String, i64>,
    /// What guests paid today, by hour.
    pub(crate) hours_today: BTreeMap<String, i64>,
    /// Today's tickets, by id.
    pub(crate) tickets: BTreeMap<String, Slip>,
    /// Practice tickets, by id.
    pub(crate) practice: BTreeMap<String, Slip>,
    /// Tickets of the past that were brought in.
    pub(crate) imported: i64,
    /// By stock item: what came in and what went out.
    pub(crate) stock: BTreeMap<i64, (i64, i64)>,
}

fn add_all(into: &mut BTreeMap<String, Sums>, from: &BTreeMap<String, Sums>) {
    for (key, sums) in from {
        into.entry(key.clone()).or_default().add(sums);
    }
}

impl Ledger {
    /// Books one ticket under its day, hour, items and categories.
    pub(crate) fn book(&mut self, entry: &Entry<'_>) {
        let mut whole = entry.whole;
        let mut items: BTreeMap<&str, Sums> = BTreeMap::new();
        let mut categories: BTreeMap<&str, Sums> = BTreeMap::new();
        for (item, category, units, net) in &entry.lines {
            let line = Sums { lines: 1, units: *units, net: *net, ..Sums::default() };
            whole.add(&line);
            // A ticket stands once in the row of an item, however many of its lines are that item.
            items.entry(item).or_insert(Sums { tickets: 1, ..Sums::default() }).add(&line);
            categories.entry(category).or_insert(Sums { tickets: 1, ..Sums::default() }).add(&line);
        }
        self.all.add(&whole);
        self.by_day.entry(entry.day.to_owned()).or_default().add(&whole);
        self.by_hour.entry(entry.hour.to_string()).or_default().add(&whole);
        for (key, sums) in items {
            self.by_item.entry(key.to_owned()).or_default().add(&sums);
        }
        for (key, sums) in categories {
            self.by_category.entry(key.to_owned()).or_default().add(&sums);
        }
    }

    /// Books a movement of stock: in if it is positive, else out.
    pub(crate) fn move_stock(&mut self, item: i64, quantity: i64) {
        let (received, used) = self.stock.entry(item).or_default();
        if quantity >= 0 {
            *received += quantity;
        } else {
            *used -= quantity;
        }
    }

    pub(crate) fn pay(&mut self, kind: &str, amount: i64) {
        *self.tenders.entry(kind.to_owned()).or_default() += amount;
    }

    /// Books the tax of a ticket of today, and its hour.
    pub(crate) fn tax(&mut self, taxes: &BTreeMap<i64, i64>, hour: i64, total: i64) {
        for (class, tax) in taxes {
            *self.taxes.entry(class.to_string()).or_default() += tax;
        }
        *self.hours_today.entry(hour.to_string()).or_default() += total;
    }

    /// Adds other books to these.
    pub(crate) fn add(&mut self, more: &Self) {
        self.all.add(&more.all);
        add_all(&mut self.by_day, &more.by_day);
        add_all(&mut self.by_hour, &more.by_hour);
        add_all(&mut self.by_item, &more.by_item);
        add_all(&mut self.by_category, &more.by_category);
        for (kind, amount) in &more.tenders {
            self.pay(kind, *amount);
        }
        for (into, from) in [(&mut self.taxes, &more.taxes), (&mut self.hours_today, &more.hours_today)] {
            for (key, amount) in from {
                *into.entry(key.clone()).or_default() += amount;
            }
        }
        self.tickets.extend(more.tickets.clone());
        self.practice.extend(more.practice.clone());
        self.imported += more.imported;
        for (item, (received, used)) in &more.stock {
            let (sum_received, sum_used) = self.stock.entry(*item).or_default();
            *sum_received += received;
            *sum_used += used;
        }
    }
}
