//! A node's books as they are in its file: the journals are recomputed, and everything else is folded from them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use percolate_common::crdt::stock::StockTotal;
use percolate_common::domain::event::Event;
use percolate_common::domain::pricing::recompute::differences;
use percolate_common::domain::stock::MovementLine;
use percolate_common::domain::tickets::open::OpenFact;
use percolate_common::domain::tickets::receipt::ReceiptNumber;
use percolate_common::domain::tickets::refund::TicketRefunded;
use percolate_common::domain::tickets::{TicketClass, TicketSold};
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Hash, Head, Incarnation, JournalId, StreamKind};
use percolate_common::wire::event::{Recorded, decode};
use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::sqlite::ReadTx;
use percolate_runtime::storage::StorageError;
use rusqlite::Row;
use serde_json::{Value, json};

use super::node::{STORE, Till};

/// An entry of a journal, with its clock reading and its place.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: JournalId,
    pub(crate) seq: u64,
    bytes: Vec<u8>,
    pub(crate) hash: Hash,
    pub(crate) recorded: Recorded,
}

/// All that the file holds of the node's own.
#[derive(Debug, Clone)]
pub(crate) struct Books {
    /// By life, stream and sequence number.
    pub(crate) entries: Vec<Entry>,
    heads: BTreeMap<JournalId, Head>,
    stock: BTreeMap<(Incarnation, u32), StockTotal>,
    ticket_rows: u64,
    answers: u64,
}

impl Books {
    /// Reads one snapshot.
    pub(crate) fn read(database: &Path, node: NodeId) -> Self {
        let pool = ReadPool::open(&database.into(), 1).unwrap();
        pool.read(|tx| Self::snapshot(tx.sqlite()?, AuthorId::node(node))).unwrap()
    }

    fn snapshot(tx: &ReadTx<'_>, author: AuthorId) -> Result<Self, StorageError> {
        let id = |incarnation: i64, stream: u8| JournalId {
            author,
            incarnation: Incarnation::new(incarnation.cast_unsigned()),
            stream: StreamKind::from_number(stream).expect("a known stream"),
        };
        let entries = tx.query_list(
            "SELECT incarnation, stream, seq, event, hash FROM journal JOIN author_life USING (life)
             ORDER BY life, stream, seq LIMIT 1000000",
            [],
            |row| {
                let bytes: Vec<u8> = row.get("event")?;
                let recorded = decode(&bytes).expect("a node can read what it wrote");
                let id = id(row.get("incarnation")?, row.get("stream")?);
                Ok(Entry { id, seq: number(row, "seq")?, bytes, hash: Hash::from_bytes(row.get("hash")?), recorded })
            },
        )?;
        let heads = tx.query_list(
            "SELECT incarnation, stream, seq, hash FROM stream_head JOIN author_life USING (life) LIMIT 1000",
            [],
            |row| {
                let head = Head { seq: number(row, "seq")?, hash: Hash::from_bytes(row.get("hash")?) };
                Ok((id(row.get("incarnation")?, row.get("stream")?), head))
            },
        )?;
        let stock = tx.query_list(
            "SELECT incarnation, stock_item, received, used FROM stock_total JOIN author_life USING (life) LIMIT 1000",
            [],
            |row| {
                let incarnation = Incarnation::new(row.get::<_, i64>("incarnation")?.cast_unsigned());
                let total = StockTotal { received: number(row, "received")?, used: number(row, "used")? };
                Ok(((incarnation, row.get("stock_item")?), total))
            },
        )?;
        Ok(Self {
            entries,
            heads: heads.into_iter().collect(),
            stock: stock.into_iter().collect(),
            ticket_rows: tx.query_one("SELECT count(*) FROM ticket", [], |row| number(row, "count(*)"))?,
            answers: tx.query_one(
                "SELECT (SELECT count(*) FROM idempotency) + (SELECT count(*) FROM ticket WHERE body_hash IS NOT NULL) AS n",
                [],
                |row| number(row, "n"),
            )?,
        })
    }

    /// Entries of one stream, in order.
    pub(crate) fn stream(&self, stream: StreamKind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.id.stream == stream)
    }

    /// Sold tickets, practice included, in order.
    pub(crate) fn sold(&self) -> Vec<(&Entry, &TicketSold)> {
        fn sold(entry: &Entry) -> Option<(&Entry, &TicketSold)> {
            match &entry.recorded.event {
                Event::TicketSold(sold) => Some((entry, sold)),
                _ => None,
            }
        }
        self.entries.iter().filter_map(sold).collect()
    }

    /// Receipt numbers in the order in which they were given.
    pub(crate) fn receipts(&self) -> Vec<String> {
        self.sold().iter().map(|(_, sold)| sold.receipt.to_string()).collect()
    }

    /// Everything that must hold of a node's file at any time.
    pub(crate) fn check(&self) {
        self.check_chains();
        self.check_clock();
        self.check_stock();
        self.check_money();
        self.check_receipts();
        self.check_rows();
    }

    /// I2, I3: each journal is 1..n without gaps, its chain recomputes, and its head is the last entry.
    fn check_chains(&self) {
        let mut heads: BTreeMap<JournalId, Head> = BTreeMap::new();
        for entry in &self.entries {
            let head = heads.entry(entry.id).or_insert_with(|| entry.id.genesis());
            *head = head.after(&entry.bytes);
            assert_eq!((head.seq, head.hash), (entry.seq, entry.hash), "the chain of {}", entry.id);
            assert_eq!(entry.recorded.event.stream(), entry.id.stream, "a fact in its own stream");
        }
        assert_eq!(heads, self.heads, "heads are those of the entries");
    }

    /// I15: the clock reading is strictly increasing in each life, over all its streams.
    fn check_clock(&self) {
        for (before, after) in self.entries.iter().zip(self.entries.iter().skip(1)) {
            if before.id == after.id {
                let readings = (before.recorded.header.hlc, after.recorded.header.hlc);
                assert!(readings.0 < readings.1, "{} at {}: {readings:?}", after.id, after.seq);
            }
        }
        let readings: BTreeSet<_> = self.entries.iter().map(|e| (e.id.incarnation, e.recorded.header.hlc)).collect();
        assert_eq!(readings.len(), self.entries.len(), "no clock reading is used twice in a life");
    }

    /// I4: totals are the fold of the events.
    fn check_stock(&self) {
        let mut folded: BTreeMap<(Incarnation, u32), StockTotal> = BTreeMap::new();
        for entry in &self.entries {
            let lines: &[MovementLine] = match &entry.recorded.event {
                Event::TicketSold(sold) => &sold.stock_effects,
                Event::TicketRefunded(refund) => &refund.stock_effects,
                Event::StockMoved(moved) => &moved.lines,
                _ => &[],
            };
            for line in lines {
                let total = folded.entry((entry.id.incarnation, line.stock_item.get())).or_default();
                *total = total.moved(line.quantity).unwrap();
            }
        }
        assert_eq!(folded, self.stock, "stock totals are the fold of the journal");
    }

    /// I14: every ticket adds up, computed again from its own lines.
    fn check_money(&self) {
        for (entry, sold) in self.sold() {
            let at = format!("{} of {} at {}", sold.receipt, entry.id, entry.seq);
            assert_eq!(differences(sold), Ok(Vec::new()), "{at}");
            if sold.class == TicketClass::Training {
                assert_eq!(sold.stock_effects, [], "{at}");
            }
        }
    }

    /// Receipt numbers are 1..n in each series, and each series was opened before its first. What was written again in
    /// another life was numbered in its own.
    fn check_receipts(&self) {
        let mut next: BTreeMap<(Incarnation, String), u64> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.recorded.origin.is_none()) {
            match &entry.recorded.event {
                Event::SeriesOpened(opened) => {
                    let series = (entry.id.incarnation, format!("{}-{}", opened.terminal, opened.series));
                    assert_eq!(next.insert(series, 1), None, "opened twice: {opened:?}");
                }
                Event::TicketSold(TicketSold { receipt, .. })
                | Event::TicketRefunded(TicketRefunded { receipt, .. }) => {
                    let ReceiptNumber { terminal, series, number } = receipt;
                    let series = (entry.id.incarnation, format!("{terminal}-{series}"));
                    let expected = next.get_mut(&series).unwrap_or_else(|| panic!("{series:?} was not opened"));
                    assert_eq!(number, expected, "{series:?}");
                    *expected += 1;
                }
                _ => {}
            }
        }
    }

    /// Each ticket has one row; each fact was answered under one key at most.
    fn check_rows(&self) {
        // A ticket that was open, and that two lives of a box have sold, is one ticket all the same.
        let id = |event: &Event| match event {
            Event::TicketSold(sold) => Some(sold.id),
            Event::TicketImported(ticket) => Some(ticket.id),
            _ => None,
        };
        let tickets: BTreeSet<_> = self.entries.iter().filter_map(|entry| id(&entry.recorded.event)).collect();
        assert_eq!(self.ticket_rows, tickets.len() as u64, "one row a ticket");
        let keyed = |event: &Event| {
            matches!(
                event,
                Event::TicketSold(_)
                    | Event::TicketRefunded(_)
                    | Event::StockMoved(_)
                    | Event::DrawerOpened(_)
                    | Event::CashMoved(_)
                    | Event::DrawerClosed(_)
                    | Event::DayClosed(_)
            )
        };
        let keyed = self.entries.iter().filter(|entry| keyed(&entry.recorded.event)).count() as u64;
        // What came back from the hub was answered on a disk that is gone.
        let lives: BTreeSet<_> = self.entries.iter().map(|entry| entry.id.incarnation).collect();
        assert!(self.answers >= keyed || lives.len() > 1, "{} answers to {keyed} writes", self.answers);
    }

    /// Every day's book that the node serves is the fold of the events, and so is its stock.
    pub(crate) async fn check_served(&self, till: &Till) {
        let days: BTreeSet<String> =
            self.stream(StreamKind::Sales).map(|entry| entry.recorded.header.business_day.to_string()).collect();
        for day in days {
            assert_eq!(till.get(&format!("/v1/business-days/{day}")).await, self.day(&day), "the book of {day}");
        }
        let on_hand = |row: &Value| (row["stock_item"].as_u64().unwrap(), row["on_hand"].as_i64().unwrap());
        let served: BTreeMap<_, _> =
            till.get("/v1/stock").await["rows"].as_array().unwrap().iter().map(on_hand).collect();
        let mut folded: BTreeMap<u64, i64> = BTreeMap::new();
        for ((_, item), total) in &self.stock {
            let balance = i64::try_from(total.received).unwrap() - i64::try_from(total.used).unwrap();
            *folded.entry(u64::from(*item)).or_default() += balance;
        }
        assert_eq!(served, folded, "stock on hand");
    }

    /// A day's book, folded from the journal.
    fn day(&self, day: &str) -> Value {
        let mut book = DayBook::default();
        for entry in self.stream(StreamKind::Sales) {
            if entry.recorded.header.business_day.to_string() == day {
                book.fold(&entry.recorded.event);
            }
        }
        book.json(day)
    }
}

/// A count from a column.
fn number(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}

/// A day as it adds up.
#[derive(Debug, Default)]
struct DayBook {
    tickets: i64,
    training: i64,
    refunds: i64,
    imported: i64,
    lines: i64,
    units: i64,
    net: i64,
    tax: i64,
    receipts: Vec<String>,
    tenders: BTreeMap<&'static str, i64>,
}

impl DayBook {
    fn fold(&mut self, event: &Event) {
        match event {
            Event::TicketSold(sold) if sold.class == TicketClass::Training => self.training += 1,
            Event::TicketSold(sold) => {
                self.tickets += 1;
                let quantities = sold.lines.iter().map(|line| line.quantity);
                self.add(quantities, sold.totals.net.get());
                self.tax += sold.totals.tax.get();
                self.receipts.push(sold.receipt.to_string());
                for tender in &sold.tenders {
                    *self.tenders.entry(tender.kind.as_str()).or_default() += tender.amount.get();
                }
                if sold.change.get() > 0 {
                    *self.tenders.entry("cash").or_default() -= sold.change.get();
                }
            }
            Event::TicketRefunded(refund) if refund.class == TicketClass::Training => {}
            Event::TicketRefunded(refund) => {
                self.refunds += 1;
                self.units -= refund.lines.iter().map(|line| i64::from(line.quantity)).sum::<i64>();
                self.net -= refund.totals.net.get();
                self.tax -= refund.totals.tax.get();
                for tender in &refund.tenders {
                    *self.tenders.entry(tender.kind.as_str()).or_default() -= tender.amount.get();
                }
            }
            Event::OpenTicket(OpenFact::Paid(payment)) if payment.class == TicketClass::Sale => {
                *self.tenders.entry(payment.tender.kind.as_str()).or_default() += payment.kept().get();
            }
            Event::CardSettled(settled) => {
                for (kind, amount) in settled.moves() {
                    *self.tenders.entry(kind).or_default() += amount.get();
                }
            }
            Event::TicketImported(ticket) => {
                self.tickets += 1;
                self.imported += 1;
                let net = ticket.lines.iter().map(|line| line.total().unwrap().get()).sum();
                self.add(ticket.lines.iter().map(|line| line.quantity), net);
            }
            Event::ImportAmended(amended) => {
                let net = amended.lines.iter().map(|line| line.total().unwrap().get()).sum();
                self.add(amended.lines.iter().map(|line| line.quantity), net);
            }
            _ => {}
        }
    }

    fn add(&mut self, quantities: impl Iterator<Item = u32>, net: i64) {
        for quantity in quantities {
            self.lines += 1;
            self.units += i64::from(quantity);
        }
        self.net += net;
    }

    fn json(&self, day: &str) -> Value {
        let tenders: Vec<_> =
            self.tenders.iter().map(|(kind, amount)| json!({"kind": kind, "amount_minor": amount})).collect();
        json!({
            "day": day, "store": STORE, "tickets": self.tickets, "training_tickets": self.training,
            "refunds": self.refunds,
            "lines": self.lines, "units": self.units, "net_minor": self.net, "tax_minor": self.tax,
            "total_minor": self.net + self.tax, "tax_unknown_tickets": self.imported,
            "first_receipt": self.receipts.first(), "last_receipt": self.receipts.last(), "tenders": tenders,
        })
    }
}
