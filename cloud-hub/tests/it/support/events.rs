//! Events and journals as nodes write them.

use percolate_common::crdt::stock::StockTotal;
use percolate_common::domain::event::{ClockQuality, Event, Header, StoreDescribed};
use percolate_common::domain::stock::MovementLine;
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::domain::tickets::{SoldLine, TicketClass, TicketDetails, TicketSold, Totals};
use percolate_common::hlc::Hlc;
use percolate_common::ids::{CategoryId, ItemId, StockItemId, StoreId, TaxClassId, TicketId};
use percolate_common::journal::{Head, JournalId, StreamKind};
use percolate_common::money::{Currency, Minor};
use percolate_common::quantity::Quantity;
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event;

/// The instant at which the tests' days begin: 2026-11-23 12:00 UTC.
pub(crate) const NOON_MS: i64 = 1_795_435_200_000;

/// What one ticket takes of stock item 1.
pub(crate) const BEANS_PER_TICKET: u64 = 18_000;

/// A journal as its author holds it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) id: JournalId,
    pub(crate) events: Vec<Vec<u8>>,
    /// The head after 0, 1, 2 … entries.
    pub(crate) heads: Vec<Head>,
}

impl Written {
    pub(crate) fn new(id: JournalId) -> Self {
        Self { id, events: Vec::new(), heads: vec![id.genesis()] }
    }

    pub(crate) fn push(&mut self, bytes: Vec<u8>) {
        self.heads.push(self.head().after(&bytes));
        self.events.push(bytes);
    }

    pub(crate) fn head(&self) -> Head {
        *self.heads.last().unwrap()
    }

    /// Writes so many tickets, or store descriptions where the stream is not sales.
    pub(crate) fn write(&mut self, count: u64) {
        for _ in 0..count {
            let number = self.events.len() as u64 + 1;
            let event = match self.id.stream {
                StreamKind::Sales => ticket(self.id, number),
                StreamKind::Stock | StreamKind::Labor | StreamKind::Ops | StreamKind::Catalog => described(number),
            };
            self.push(encoded(self.id, number, &event));
        }
    }

    /// A batch of the entries from `seq_lo` to `seq_hi`.
    pub(crate) fn batch(&self, seq_lo: u64, seq_hi: u64, session: u64) -> Batch {
        let (first, last) = (usize::try_from(seq_lo).unwrap() - 1, usize::try_from(seq_hi).unwrap());
        let used = BEANS_PER_TICKET * self.head().seq;
        let sales = self.id.stream == StreamKind::Sales;
        Batch {
            journal: self.id,
            seq_lo,
            hash_before: self.heads[first].hash.short(),
            events: self.events[first..last].to_vec(),
            stock_totals: if sales {
                vec![(StockItemId::new(1), StockTotal { received: 0, used })]
            } else {
                Vec::new()
            },
            sent_at: UtcMillis::new(NOON_MS),
            session,
            last_seq: self.head().seq,
        }
    }
}

/// The bytes of an event of a node's journal.
pub(crate) fn encoded(journal: JournalId, number: u64, event: &Event) -> Vec<u8> {
    let at = UtcMillis::new(NOON_MS + i64::try_from(number).unwrap() * 1_000);
    let node = journal.author.as_node().map_or(0, |node| node.get());
    let header = Header {
        store: StoreId::new(node / 10),
        at,
        hlc: Hlc::default().tick(at),
        business_day: BusinessDay::from_days(20_780),
        clock: ClockQuality::Good,
        zone: "America/New_York".to_owned(),
    };
    encoded_as(&header, event)
}

/// The bytes of an event under a header.
pub(crate) fn encoded_as(header: &Header, event: &Event) -> Vec<u8> {
    event::encode(header, event, None).unwrap()
}

/// An event of a type that no program knows yet.
pub(crate) fn from_the_future(journal: JournalId, number: u64) -> Vec<u8> {
    let mut bytes = encoded(journal, number, &described(number));
    // The type number 32 of a described store is the first item of the array: 0x18 0x20. It becomes type 200.
    let at = bytes.windows(2).position(|pair| pair == [0x18, 0x20]).unwrap();
    bytes[at + 1] = 0xc8;
    assert!(event::decode(&bytes).is_err());
    bytes
}

fn described(number: u64) -> Event {
    Event::StoreDescribed(StoreDescribed {
        name: format!("Virginia-Highland {number}"),
        zone: "America/New_York".to_owned(),
        cutover_hour: 4,
        currency: Currency::USD,
    })
}

/// A ticket of one espresso; its number makes its key and its receipt.
pub(crate) fn ticket(journal: JournalId, number: u64) -> Event {
    let at_ms = NOON_MS + i64::try_from(number).unwrap() * 1_000;
    let key = format!("key-{number}");
    let price = Minor::new(300);
    Event::TicketSold(TicketSold {
        id: TicketId::sold(at_ms, journal.author.number(), &key),
        class: TicketClass::Sale,
        receipt: format!("T1-A-{number}").parse().unwrap(),
        currency: Currency::USD,
        catalog_revision: 1,
        lines: vec![SoldLine {
            item: ItemId::new(101),
            category: CategoryId::new(1),
            tax_class: TaxClassId::new(1),
            quantity: 1,
            unit_price: price,
            total: price,
            menu_price: None,
            extras: Vec::new(),
            reductions: Vec::new(),
        }],
        taxes: Vec::new(),
        totals: Totals { net: price, tax: Minor::ZERO, total: price },
        tenders: vec![Tender { kind: TenderKind::Cash, amount: price }],
        change: Minor::ZERO,
        stock_effects: vec![MovementLine {
            stock_item: StockItemId::new(1),
            quantity: Quantity::new(-i64::try_from(BEANS_PER_TICKET).unwrap()),
        }],
        details: TicketDetails::default(),
        sold_by: None,
        drawer: None,
    })
}
