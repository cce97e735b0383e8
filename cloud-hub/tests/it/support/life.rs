//! One life of a node: its journals, and its stock totals as they were after each entry.

use std::collections::BTreeMap;

use percolate_common::crdt::stock::StockTotal;
use percolate_common::domain::event::{ClockQuality, Event, Header, StoreDescribed};
use percolate_common::domain::imports::{ImportAmended, ImportedLine, LegacyItem, TicketImported};
use percolate_common::domain::stock::{MovementLine, MovementReason, StockMoved};
use percolate_common::domain::tickets::{SoldLine, TicketClass, TicketDetails, TicketSold, Totals};
use percolate_common::hlc::Hlc;
use percolate_common::ids::{CategoryId, ItemId, MovementId, NodeId, StockItemId, StoreId, TaxClassId, TicketId};
use percolate_common::journal::{AuthorId, Incarnation, JournalId, StreamKind};
use percolate_common::money::{Currency, Minor};
use percolate_common::quantity::Quantity;
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_common::wire::envelope::Batch;

use super::events::{Written, encoded_as, from_the_future};

/// When, by the shop's calendar and by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at_ms: i64,
    pub(crate) day: String,
    /// On the shop's wall.
    pub(crate) hour: u8,
    pub(crate) zone: &'static str,
}

/// What a node knows of its own stock.
type OwnTotals = BTreeMap<StockItemId, StockTotal>;

/// A node from a new database on.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) node: u32,
    pub(crate) store: u32,
    pub(crate) incarnation: Incarnation,
    journals: BTreeMap<StreamKind, Written>,
    /// For each journal, after which of all entries each of its own was written, and what that touched.
    written: BTreeMap<StreamKind, Vec<(usize, Vec<StockItemId>)>>,
    /// Totals after 0, 1, 2 … entries of all journals.
    totals: Vec<OwnTotals>,
    hlc: Hlc,
}

impl Life {
    pub(crate) fn new(node: u32, incarnation: u64) -> Self {
        let incarnation = Incarnation::new(incarnation);
        let author = AuthorId::node(NodeId::new(node));
        let journal = |stream| (stream, Written::new(JournalId { author, incarnation, stream }));
        let streams = [StreamKind::Sales, StreamKind::Stock, StreamKind::Ops];
        Self {
            node,
            store: node / 10,
            incarnation,
            journals: streams.map(journal).into(),
            written: streams.map(|stream| (stream, Vec::new())).into(),
            totals: vec![OwnTotals::new()],
            hlc: Hlc::default(),
        }
    }

    pub(crate) fn journals(&self) -> impl Iterator<Item = &Written> {
        self.journals.values()
    }

    pub(crate) fn journal(&self, stream: StreamKind) -> &Written {
        &self.journals[&stream]
    }

    /// Writes an event; `moves` is what it does to this life's totals.
    pub(crate) fn write(&mut self, when: &Moment, event: &Event, moves: &[(u32, i64)]) {
        let at = UtcMillis::new(when.at_ms);
        self.hlc = self.hlc.tick(at);
        let header = Header {
            store: StoreId::new(self.store),
            at,
            hlc: self.hlc,
            business_day: when.day.parse::<BusinessDay>().unwrap(),
            clock: ClockQuality::Good,
            zone: when.zone.to_owned(),
        };
        self.push(event.stream(), encoded_as(&header, event), moves);
    }

    /// Writes an event that no program knows yet.
    pub(crate) fn write_unreadable(&mut self, stream: StreamKind) {
        let journal = &self.journals[&stream];
        let bytes = from_the_future(journal.id, journal.head().seq + 1);
        self.push(stream, bytes, &[]);
    }

    fn push(&mut self, stream: StreamKind, bytes: Vec<u8>, moves: &[(u32, i64)]) {
        self.journals.get_mut(&stream).unwrap().push(bytes);
        let mut totals = self.totals.last().unwrap().clone();
        for (item, amount) in moves {
            let total = totals.entry(StockItemId::new(*item)).or_default();
            if *amount >= 0 { total.received += amount.unsigned_abs() } else { total.used += amount.unsigned_abs() }
        }
        self.totals.push(totals);
        let touched = moves.iter().map(|(item, _)| StockItemId::new(*item)).collect();
        self.written.get_mut(&stream).unwrap().push((self.totals.len() - 1, touched));
    }

    /// A batch as the node makes it when it has written `later` entries of any journal after the last one in it: the
    /// totals of what it touches are those of that time.
    pub(crate) fn batch(&self, stream: StreamKind, (lo, hi): (u64, u64), session: u64, later: usize) -> Batch {
        let (first, last) = (usize::try_from(lo).unwrap() - 1, usize::try_from(hi).unwrap());
        let entries = &self.written[&stream][first..last];
        let made_at = (entries.last().unwrap().0 + later).min(self.totals.len() - 1);
        let touched = entries.iter().flat_map(|(_, touched)| touched);
        let totals: OwnTotals = touched.map(|item| (*item, self.totals[made_at][item])).collect();
        let mut batch = self.journals[&stream].batch(lo, hi, session);
        batch.stock_totals = totals.into_iter().collect();
        batch
    }
}

/// A sale's line: item, quantity, price of one. Items 100 to 199 are of category 1, and so on.
pub(crate) type SaleLine = (u32, u32, i64);

/// A sale for cash; its id comes from the life that sells it.
pub(crate) fn sale(life: &Life, number: u64, lines: &[SaleLine], tax: i64, stock: &[(u32, i64)]) -> TicketSold {
    let key = format!("key-{number}");
    let sold = |(item, quantity, price): &SaleLine| SoldLine {
        item: ItemId::new(*item),
        category: CategoryId::new(item / 100),
        tax_class: TaxClassId::new(1),
        quantity: *quantity,
        unit_price: Minor::new(*price),
        total: Minor::new(price * i64::from(*quantity)),
        menu_price: None,
        extras: Vec::new(),
        reductions: Vec::new(),
    };
    let lines: Vec<SoldLine> = lines.iter().map(sold).collect();
    let net: i64 = lines.iter().map(|line| line.total.get()).sum();
    TicketSold {
        id: TicketId::sold(0, life.node, &format!("{}-{key}", life.incarnation)),
        class: TicketClass::Sale,
        receipt: format!("T1-A-{number}").parse().unwrap(),
        currency: Currency::USD,
        catalog_revision: 1,
        lines,
        taxes: Vec::new(),
        totals: Totals { net: Minor::new(net), tax: Minor::new(tax), total: Minor::new(net + tax) },
        tenders: Vec::new(),
        change: Minor::ZERO,
        stock_effects: movement(stock),
        details: TicketDetails::default(),
        sold_by: None,
        drawer: None,
    }
}

fn movement(lines: &[(u32, i64)]) -> Vec<MovementLine> {
    let line = |(item, amount): &(u32, i64)| MovementLine {
        stock_item: StockItemId::new(*item),
        quantity: Quantity::new(*amount),
    };
    lines.iter().map(line).collect()
}

/// The same on a training terminal.
pub(crate) fn training(life: &Life, number: u64, lines: &[SaleLine]) -> TicketSold {
    let receipt = format!("T1-TRN-{number}").parse().unwrap();
    TicketSold { class: TicketClass::Training, receipt, ..sale(life, 1_000_000 + number, lines, 0, &[]) }
}

/// Stock that moves without a sale.
pub(crate) fn moved(life: &Life, number: u64, lines: &[(u32, i64)]) -> Event {
    Event::StockMoved(StockMoved {
        id: MovementId::moved(0, life.node, &format!("{}-move-{number}", life.incarnation)),
        reason: MovementReason::Adjusted,
        lines: movement(lines),
        by: None,
        approval: None,
    })
}

/// What a node says of its shop.
pub(crate) fn described(name: &str, zone: &str, currency: Currency) -> Event {
    Event::StoreDescribed(StoreDescribed { name: name.to_owned(), zone: zone.to_owned(), cutover_hour: 4, currency })
}

/// A product of an old system: number, name, category.
pub(crate) type Product = (&'static str, &'static str, &'static str);

/// A row of an old system: its number, what was sold, how many, price of one.
pub(crate) type LegacyRow = (u32, Product, u32, i64);

fn legacy(rows: &[LegacyRow]) -> Vec<ImportedLine> {
    let line = |(row, (id, name, category), quantity, price): &LegacyRow| ImportedLine {
        row: row.to_string(),
        item: LegacyItem { id: (*id).to_owned(), name: (*name).to_owned(), category: (*category).to_owned() },
        quantity: *quantity,
        unit_price: Minor::new(*price),
    };
    rows.iter().map(line).collect()
}

/// A basket of the old system `past`.
pub(crate) fn imported(id: TicketId, rows: &[LegacyRow]) -> Event {
    let (source, currency) = ("past".to_owned(), Currency::USD);
    Event::TicketImported(TicketImported { id, source, currency, lines: legacy(rows) })
}

/// Rows that come later for it.
pub(crate) fn amended(id: TicketId, rows: &[LegacyRow]) -> Event {
    let (source, currency) = ("past".to_owned(), Currency::USD);
    Event::ImportAmended(ImportAmended { id, source, currency, lines: legacy(rows) })
}
