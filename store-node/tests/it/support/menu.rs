//! The hub's journal of the menu, as the hub writes it.

use percolate_common::domain::catalog::{
    CatalogEvent, Category, Item, ItemDetails, Revision, StockItem, TaxClass, Use,
};
use percolate_common::domain::event::{ClockQuality, Event, Header};
use percolate_common::hlc::Hlc;
use percolate_common::ids::{CategoryId, ItemId, StockItemId, StoreId, TaxClassId};
use percolate_common::journal::{AuthorId, Head, Incarnation, JournalId, Service, StreamKind};
use percolate_common::money::{Currency, MicroRate, Minor};
use percolate_common::quantity::{Quantity, Unit};
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event;

use super::node::NOON_MS;

/// An espresso: 3.00 and 8.9 % tax, 18 g of beans and a cup.
pub(crate) const ESPRESSO: u32 = 101;
/// A latte: 3.75 and 8.9 % tax, 18 g of beans and 240 ml of milk.
pub(crate) const LATTE: u32 = 102;
/// A bag of beans: 18.00 and 4.9 % tax; it comes ready from a shelf that nobody counts.
pub(crate) const BAG: u32 = 201;
/// What is printed on it.
pub(crate) const BAG_CODE: &str = "9506000134352";

/// Beans in milligrams, cups by the piece, milk in microlitres.
pub(crate) const BEANS: u32 = 1;
pub(crate) const CUPS: u32 = 2;
pub(crate) const MILK: u32 = 3;

/// The journal of the menu.
#[derive(Debug, Clone)]
pub(crate) struct MenuJournal {
    pub(crate) id: JournalId,
    pub(crate) events: Vec<Vec<u8>>,
    /// The head after 0, 1, 2 … entries.
    pub(crate) heads: Vec<Head>,
}

impl MenuJournal {
    pub(crate) fn new(incarnation: u64) -> Self {
        let author = AuthorId::service(Service::Catalog);
        let id = JournalId { author, incarnation: Incarnation::new(incarnation), stream: StreamKind::Catalog };
        Self { id, events: Vec::new(), heads: vec![id.genesis()] }
    }

    /// A menu of three items, published as revision 1.
    pub(crate) fn published() -> Self {
        let mut menu = Self::new(77);
        menu.write_items();
        menu.publish(1, 3);
        menu
    }

    /// Everything that the three items are made of.
    pub(crate) fn write_items(&mut self) {
        for (id, name, station) in [(1, "Espresso bar", Some("bar")), (2, "Beans", None)] {
            let station = station.map(|station| station.parse().unwrap());
            self.say(&CatalogEvent::CategorySet(Category { id: CategoryId::new(id), name: name.to_owned(), station }));
        }
        for (id, rate) in [(1, 89_000), (2, 49_000)] {
            let name = format!("class {id}");
            self.say(&CatalogEvent::TaxClassSet(TaxClass {
                id: TaxClassId::new(id),
                name,
                rate: MicroRate::new(rate),
            }));
        }
        for (id, name, unit) in
            [(BEANS, "beans", Unit::Milligram), (CUPS, "cups", Unit::Each), (MILK, "milk", Unit::Microlitre)]
        {
            self.say(&CatalogEvent::StockItemSet(StockItem { id: StockItemId::new(id), name: name.to_owned(), unit }));
        }
        self.say(&item(ESPRESSO, 300, 1, &[(BEANS, 18_000), (CUPS, 1)]));
        self.say(&item(LATTE, 375, 1, &[(BEANS, 18_000), (MILK, 240_000)]));
        let CatalogEvent::ItemSet(mut bag) = item(BAG, 1_800, 2, &[]) else { unreachable!("an item is set") };
        bag.details.barcodes.push(BAG_CODE.parse().unwrap());
        self.say(&CatalogEvent::ItemSet(bag));
    }

    /// The espresso has another price from the next revision on.
    pub(crate) fn price_espresso(&mut self, price: i64) {
        self.say(&item(ESPRESSO, price, 1, &[(BEANS, 18_000), (CUPS, 1)]));
    }

    /// Espressos and lattes are prepared at another station from the next revision on.
    pub(crate) fn move_espressos(&mut self, station: &str) {
        let (id, name) = (CategoryId::new(1), "Espresso bar".to_owned());
        self.say(&CatalogEvent::CategorySet(Category { id, name, station: Some(station.parse().unwrap()) }));
    }

    pub(crate) fn publish(&mut self, number: u32, item_count: u32) {
        self.publish_to(number, item_count, &[]);
    }

    /// Publishes to these shops; none is all.
    pub(crate) fn publish_to(&mut self, number: u32, item_count: u32, stores: &[u32]) {
        self.say(&CatalogEvent::RevisionPublished(Revision {
            number,
            currency: Currency::USD,
            item_count,
            rule_count: 0,
            stores: stores.iter().copied().map(StoreId::new).collect(),
        }));
    }

    /// Publishes the three items with prices in another currency than the shop's.
    pub(crate) fn publish_in(&mut self, currency: &str, number: u32) {
        let currency = currency.parse().unwrap();
        let revision = Revision { number, currency, item_count: 3, rule_count: 0, stores: Vec::new() };
        self.say(&CatalogEvent::RevisionPublished(revision));
    }

    pub(crate) fn say(&mut self, event: &CatalogEvent) {
        let bytes = encoded(&Event::Catalog(event.clone()), self.head().seq + 1);
        self.push(bytes);
    }

    /// Says something that no program of today can read.
    pub(crate) fn say_from_the_future(&mut self) {
        let event = CatalogEvent::ItemRetired(ItemId::new(1));
        let mut bytes = encoded(&Event::Catalog(event), self.head().seq + 1);
        // The type number 48 of a change of the menu is the first item of the array: 0x18 0x30. It becomes type 200.
        let at = bytes.windows(2).position(|pair| pair == [0x18, 0x30]).unwrap();
        bytes[at + 1] = 0xc8;
        assert!(event::decode(&bytes).is_err());
        self.push(bytes);
    }

    /// Takes back what was written after `seq`.
    pub(crate) fn forget_after(&mut self, seq: u64) {
        let kept = usize::try_from(seq).unwrap();
        self.events.truncate(kept);
        self.heads.truncate(kept + 1);
    }

    fn push(&mut self, bytes: Vec<u8>) {
        self.heads.push(self.head().after(&bytes));
        self.events.push(bytes);
    }

    pub(crate) fn head(&self) -> Head {
        *self.heads.last().unwrap()
    }

    /// A batch of the entries from `seq_lo` to `seq_hi`.
    pub(crate) fn batch(&self, seq_lo: u64, seq_hi: u64, session: u64) -> Batch {
        let (first, last) = (usize::try_from(seq_lo).unwrap() - 1, usize::try_from(seq_hi).unwrap());
        Batch {
            journal: self.id,
            seq_lo,
            hash_before: self.heads[first].hash.short(),
            events: self.events[first..last].to_vec(),
            stock_totals: Vec::new(),
            sent_at: UtcMillis::new(NOON_MS),
            session,
            last_seq: self.head().seq,
        }
    }
}

fn item(id: u32, price: i64, class: u32, uses: &[(u32, i64)]) -> CatalogEvent {
    let uses = uses.iter().map(|(of, much)| Use { stock_item: StockItemId::new(*of), quantity: Quantity::new(*much) });
    CatalogEvent::ItemSet(Item {
        id: ItemId::new(id),
        name: format!("item {id}"),
        category: CategoryId::new(class),
        tax_class: TaxClassId::new(class),
        price: Minor::new(price),
        uses: uses.collect(),
        details: ItemDetails::default(),
    })
}

fn encoded(event: &Event, number: u64) -> Vec<u8> {
    let at = UtcMillis::new(NOON_MS + i64::try_from(number).unwrap());
    let header = Header {
        store: StoreId::CHAIN,
        at,
        hlc: Hlc::default().tick(at),
        business_day: BusinessDay::from_days(20_780),
        clock: ClockQuality::Good,
        zone: "UTC".to_owned(),
    };
    event::encode(&header, event, None).unwrap()
}
