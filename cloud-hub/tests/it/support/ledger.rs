//! What reports must say, found out the slow way: every ticket is kept, and every figure is a loop over all of them.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::ids::TicketId;
use serde_json::{Value, json};

use super::life::{LegacyRow, Moment, SaleLine};

/// A line as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    item: String,
    category: String,
    units: i64,
    net: i64,
}

/// A ticket as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ticket {
    store: u32,
    when: Moment,
    tax: i64,
    imported: bool,
    /// By row; the lines of a sale of ours have their places for rows.
    lines: BTreeMap<u32, Line>,
}

/// Everything that was ever sold, moved and set aside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    tickets: BTreeMap<TicketId, Ticket>,
    /// Names of the old system's products: of several, the one that sorts first.
    names: BTreeMap<String, String>,
    shops: BTreeMap<u32, String>,
    /// Received and used, by store and stock item.
    stock: BTreeMap<(u32, u32), (i64, i64)>,
    /// Entries that cannot be read, by store.
    parked: BTreeMap<u32, u64>,
}

/// A question: by what, of which store, between which days.
pub(crate) type Question<'q> = (&'q str, Option<u32>, Option<(&'q str, &'q str)>);

impl Ledger {
    /// A sale. Told again, it changes nothing.
    pub(crate) fn sold(&mut self, store: u32, id: TicketId, when: &Moment, lines: &[SaleLine], tax: i64) -> bool {
        let line = |(row, (item, quantity, price)): (u32, &SaleLine)| {
            let units = i64::from(*quantity);
            (row, Line { item: format!("i:{item}"), category: format!("c:{}", item / 100), units, net: units * price })
        };
        let lines = (0_u32..).zip(lines).map(line).collect();
        self.tickets.insert(id, Ticket { store, when: when.clone(), tax, imported: false, lines }).is_none()
    }

    /// A basket of the old system, or more rows of it. A row that is told again changes nothing.
    pub(crate) fn imported(&mut self, store: u32, id: TicketId, when: &Moment, rows: &[LegacyRow]) {
        let empty = Ticket { store, when: when.clone(), tax: 0, imported: true, lines: BTreeMap::new() };
        let ticket = self.tickets.entry(id).or_insert(empty);
        for (row, (number, name, category), quantity, price) in rows {
            let (item, units) = (format!("l:past:{number}"), i64::from(*quantity));
            let known = self.names.entry(item.clone()).or_insert_with(|| (*name).to_owned());
            if *name < known.as_str() {
                *known = (*name).to_owned();
            }
            ticket.lines.insert(*row, Line { item, category: format!("l:past:{category}"), units, net: units * price });
        }
    }

    pub(crate) fn moved(&mut self, store: u32, lines: &[(u32, i64)]) {
        for (item, amount) in lines {
            let (received, used) = self.stock.entry((store, *item)).or_default();
            if *amount >= 0 { *received += amount } else { *used -= amount }
        }
    }

    pub(crate) fn described(&mut self, store: u32, name: &str) {
        self.shops.insert(store, name.to_owned());
    }

    pub(crate) fn parked(&mut self, store: u32) {
        *self.parked.entry(store).or_default() += 1;
    }

    /// Entries of a store that cannot be read.
    pub(crate) fn parked_events(&self, store: u32) -> u64 {
        self.parked.get(&store).copied().unwrap_or(0)
    }

    pub(crate) fn ticket_count(&self) -> usize {
        self.tickets.len()
    }

    /// (store, stock item, on hand, received, used) of every item that ever moved.
    pub(crate) fn stock_rows(&self) -> Vec<(u32, u32, i64, i64, i64)> {
        let row = |((store, item), (received, used)): (&(u32, u32), &(i64, i64))| {
            (*store, *item, received - used, *received, *used)
        };
        self.stock.iter().map(row).collect()
    }

    /// The rows and the totals of a sales report, in their order.
    pub(crate) fn report(&self, question: Question<'_>) -> (Vec<Value>, Value) {
        let (by, store, days) = question;
        let asked: Vec<&Ticket> = self
            .tickets
            .values()
            .filter(|ticket| store.is_none_or(|store| store == ticket.store))
            .filter(|ticket| days.is_none_or(|(from, to)| (from..=to).contains(&ticket.when.day.as_str())))
            .collect();
        let keys: BTreeSet<String> = asked.iter().flat_map(|ticket| keys_of(ticket, by)).collect();
        let mut rows: Vec<(String, Sums)> = keys.into_iter().map(|key| (key.clone(), sums(&asked, by, &key))).collect();
        match by {
            "store" | "hour" => rows.sort_by_key(|(key, _)| key.parse::<u32>().unwrap()),
            "item" | "category" => rows.sort_by(|(a_key, a), (b_key, b)| b.net.cmp(&a.net).then(a_key.cmp(b_key))),
            _ => {}
        }
        let written = rows.into_iter().map(|(key, sums)| sums.written(by, &key, &self.label(by, &key))).collect();
        (written, all(&asked).as_object())
    }

    fn label(&self, by: &str, key: &str) -> String {
        match by {
            "store" => self.shops.get(&key.parse().unwrap()).cloned().unwrap_or_else(|| format!("Store {key}")),
            "hour" => format!("{key:0>2}:00"),
            "item" | "category" => {
                self.names.get(key).cloned().unwrap_or_else(|| key.rsplit(':').next().unwrap().to_owned())
            }
            _ => key.to_owned(),
        }
    }
}

/// What a row counts.
#[derive(Debug, Default)]
struct Sums {
    tickets: i64,
    lines: i64,
    units: i64,
    net: i64,
    tax: i64,
    total: i64,
    unknown: i64,
}

impl Sums {
    fn as_object(&self) -> Value {
        json!({"tickets": self.tickets, "lines": self.lines, "units": self.units, "net_minor": self.net,
               "tax_minor": self.tax, "total_minor": self.total, "tax_unknown_tickets": self.unknown})
    }

    fn written(&self, by: &str, key: &str, label: &str) -> Value {
        let mut row = self.as_object();
        if matches!(by, "item" | "category") {
            // A line knows nothing of what is charged on its ticket.
            (row["tax_minor"], row["total_minor"]) = (Value::Null, Value::Null);
        }
        row["key"] = json!(key);
        row["label"] = json!(label);
        row
    }

    fn add_ticket(&mut self, ticket: &Ticket) {
        let net: i64 = ticket.lines.values().map(|line| line.net).sum();
        self.tickets += 1;
        self.tax += ticket.tax;
        self.total += net + ticket.tax;
        self.unknown += i64::from(ticket.imported);
    }

    fn add_line(&mut self, line: &Line) {
        self.lines += 1;
        self.units += line.units;
        self.net += line.net;
    }
}

fn keys_of(ticket: &Ticket, by: &str) -> Vec<String> {
    match by {
        "store" => vec![ticket.store.to_string()],
        "day" => vec![ticket.when.day.clone()],
        "month" => vec![ticket.when.day[..7].to_owned()],
        "hour" => vec![ticket.when.hour.to_string()],
        "item" => ticket.lines.values().map(|line| line.item.clone()).collect(),
        "category" => ticket.lines.values().map(|line| line.category.clone()).collect(),
        other => panic!("nothing is reported by {other}"),
    }
}

fn sums(asked: &[&Ticket], by: &str, key: &str) -> Sums {
    let mut sums = Sums::default();
    for ticket in asked.iter().filter(|ticket| keys_of(ticket, by).iter().any(|own| own == key)) {
        match by {
            "item" | "category" => {
                sums.tickets += 1;
                let own = |line: &&Line| if by == "item" { line.item == key } else { line.category == key };
                ticket.lines.values().filter(own).for_each(|line| sums.add_line(line));
            }
            _ => {
                sums.add_ticket(ticket);
                ticket.lines.values().for_each(|line| sums.add_line(line));
            }
        }
    }
    sums
}

fn all(asked: &[&Ticket]) -> Sums {
    let mut sums = Sums::default();
    for ticket in asked {
        sums.add_ticket(ticket);
        ticket.lines.values().for_each(|line| sums.add_line(line));
    }
    sums
}
