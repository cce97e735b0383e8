//! The head office: the hub's disk, and its process, if one runs.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use cloud_hub::catalog::menu::Menu;
use cloud_hub::inline::{Hub, Options};
use percolate_common::domain::catalog::{CatalogEvent, Category, Draft, Item, ItemDetails, StockItem, TaxClass, Use};
use percolate_common::entropy::SeededEntropy;
use percolate_common::ids::{CategoryId, ItemId, StockItemId, TaxClassId};
use percolate_common::money::{Currency, MicroRate, Minor};
use percolate_common::quantity::{Quantity, Unit};

use super::ground::{Death, Frame, Mailbox, SimClock, image};
use super::shop::moment;

/// Items on the menu.
pub(super) const ITEMS: u32 = 6;
/// Stock items.
pub(super) const STOCK_ITEMS: u32 = 3;

/// A process of the hub.
#[derive(Debug)]
pub(super) struct HubProcess {
    pub(super) hub: Hub,
    pub(super) death: Arc<Death>,
    pub(super) mailbox: Arc<Mailbox>,
}

/// The office.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) folder: PathBuf,
    pub(super) clock: SimClock,
    pub(super) process: Option<HubProcess>,
    /// Frames that arrived and were not read yet.
    pub(super) inbox: Vec<Frame>,
    /// Whether a turn of the hub is to come.
    pub(super) turn_planned: bool,
    /// The wake-up that counts.
    pub(super) alarm: u64,
    /// Copies of the hub's files.
    pub(super) images: Vec<PathBuf>,
}

impl Office {
    pub(super) fn start(&mut self, chance: u64, now_ms: u64) -> Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let (death, mailbox) = (Arc::new(Death::default()), Arc::new(Mailbox::default()));
        // Its broker is in its own process: what it says before anybody is connected is heard by nobody.
        mailbox.set_connected(true);
        let options = Options {
            data_dir: self.folder.clone(),
            clock: Arc::new(self.clock.clone()),
            entropy: Arc::new(SeededEntropy::new(chance)),
            outlet: mailbox.clone(),
            hook: death.clone(),
        };
        let hub = Hub::open(options, moment(now_ms)).context("starting the hub")?;
        self.process = Some(HubProcess { hub, death, mailbox });
        Ok(())
    }

    /// As by SIGKILL.
    pub(super) fn kill(&mut self, fresh: PathBuf) -> Result<()> {
        if self.process.is_some() {
            image(&self.folder, &fresh, |_file| true).context("keeping the hub's disk as it was")?;
            self.process = None;
            std::fs::remove_dir_all(&self.folder)?;
            self.folder = fresh;
        }
        self.inbox.clear();
        Ok(())
    }
}

/// A menu whose prices are of one revision.
pub(super) fn menu(edition: u32) -> Menu {
    let mut content = Draft::default();
    let mut say = |event: CatalogEvent| content.apply(&event);
    say(CatalogEvent::CategorySet(Category { id: CategoryId::new(1), name: "Bar".to_owned(), station: None }));
    let rate = MicroRate::new(89_000);
    say(CatalogEvent::TaxClassSet(TaxClass { id: TaxClassId::new(1), name: "Prepared".to_owned(), rate }));
    for number in 1..=STOCK_ITEMS {
        let id = StockItemId::new(number);
        say(CatalogEvent::StockItemSet(StockItem { id, name: format!("Stock {number}"), unit: Unit::Milligram }));
    }
    for number in 1..=ITEMS {
        let used = |item: u32, much: i64| Use { stock_item: StockItemId::new(item), quantity: Quantity::new(much) };
        say(CatalogEvent::ItemSet(Item {
            id: ItemId::new(number),
            name: format!("Drink {number}"),
            category: CategoryId::new(1),
            tax_class: TaxClassId::new(1),
            price: Minor::new(300 + i64::from(number * 35 + edition)),
            uses: vec![used(1 + number % STOCK_ITEMS, 18), used(1 + (number + 1) % STOCK_ITEMS, 7)],
            details: ItemDetails::default(),
        }));
    }
    Menu { currency: Currency::USD, content }
}
