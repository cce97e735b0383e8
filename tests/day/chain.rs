//! The chain of the day: head office, ten shops, and what the script knows of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use own_printer::Printer;
use percolate_common::time::Clock;
use percolate_runtime::system::{SystemClock, clock_from_option};
use serde_json::{Value, json};
use system_tests::harness::{Feed, Hub, Node, NodeSpec, Proxy, demo_menu, eventually};
use tokio::task::JoinSet;

use crate::ledger::Ledger;
use crate::menu::Menu;
use crate::paper::printer_of;
use crate::till::Till;

/// Shops of the chain.
const SHOPS: u32 = 10;
/// The tills of each.
const TERMINALS: [&str; 2] = ["T1", "T2"];
/// Six o'clock in Atlanta on that Tuesday.
const OPENS_AT_MS: i64 = 1_732_618_800_000;
/// A second is an hour, so that sales fall into every hour of the day.
const RATE: i64 = 3_600;
/// At ten in the evening the clock slows down to the wall's pace: however slow the machine, the day is Tuesday.
const FAST_MS: i64 = 16_000;

/// A shop that the script watches, by its number.
pub(crate) const WATCHED: u32 = 1;
/// The shop whose line is cut.
pub(crate) const CUT_OFF: u32 = 4;
/// The shop whose box is killed.
pub(crate) const KILLED: u32 = 7;
/// The shop that brings its past.
pub(crate) const WITH_A_PAST: u32 = 9;

/// One shop.
pub(crate) struct Shop {
    pub(crate) node: Node,
    pub(crate) tills: Vec<Till>,
    /// What was booked besides its tills' sales.
    pub(crate) back_office: Ledger,
    /// The menu that it sells.
    pub(crate) menu: Arc<Menu>,
    /// Its drawers by terminal: the id, and what should be in it.
    pub(crate) drawers: BTreeMap<String, (String, i64)>,
    /// Its closing reading.
    pub(crate) closing: Option<Value>,
    /// Its printer, where it has one.
    pub(crate) printer: Option<Printer>,
}

impl Shop {
    pub(crate) fn number(&self) -> u32 {
        self.node.spec.store
    }

    /// One of its tills; they stand in no order.
    pub(crate) fn till(&mut self, name: &str) -> Result<&mut Till> {
        self.tills.iter_mut().find(|till| till.is_called(name)).with_context(|| format!("till {name}"))
    }

    /// All that the script has booked for it.
    pub(crate) fn books(&self) -> Ledger {
        let mut books = self.back_office.clone();
        for till in &self.tills {
            books.add(&till.books);
        }
        books
    }
}

/// The chain.
pub(crate) struct Day {
    pub(crate) folder: PathBuf,
    pub(crate) hub: Hub,
    /// The line of the shop that will be cut off.
    pub(crate) line: Proxy,
    pub(crate) shops: Vec<Shop>,
    /// What the screens of one shop are told.
    pub(crate) screens: Feed,
    sold: Arc<AtomicU32>,
}

/// Tills that are selling, until they are told to stop.
pub(crate) struct Selling {
    stop: Arc<AtomicBool>,
    tills: JoinSet<Result<(u32, Till)>>,
}

impl Day {
    /// Starts head office and all shops, with one clock.
    pub(crate) async fn begin(folder: &Path) -> Result<Self> {
        let anchor = SystemClock.now().get();
        let simulated = format!("{OPENS_AT_MS},{anchor},{RATE},{}", anchor + FAST_MS);
        let clock = clock_from_option(Some(&simulated))?;
        let extra = ["--simulated-clock", simulated.as_str()];
        let hub = Hub::start_with(folder, Some(demo_menu()), &extra).await?;
        let line = Proxy::start(hub.mqtts()).await?;
        let mut starting = JoinSet::new();
        for store in 1..=SHOPS {
            let door = if store == CUT_OFF { hub.door().through(&line.address()) } else { hub.door() };
            let (folder, simulated) = (folder.to_owned(), simulated.clone());
            let printer = printer_of(store)?;
            starting.spawn(async move {
                let card_terminal = format!("simulated:{}", folder.join(format!("card-terminal-{store}")).display());
                let extra =
                    ["--simulated-clock", simulated.as_str(), "--demo", "--card-terminal", card_terminal.as_str()];
                let spec = NodeSpec::store(store);
                if let Some(printer) = &printer {
                    let address = printer.address();
                    let plan = json!({"printers": [{"name": "bar", "kind": "receipt", "address": address}]});
                    door.prepare(&folder, &spec, &plan).await?;
                }
                Ok::<_, anyhow::Error>((Node::start(&folder, spec, &door, &extra).await?, printer))
            });
        }
        let mut nodes = Vec::new();
        while let Some(node) = starting.join_next().await {
            nodes.push(node??);
        }
        nodes.sort_by_key(|(node, _printer): &(Node, _)| node.spec.store);
        let sold = Arc::new(AtomicU32::new(0));
        let menu = Arc::new(Menu::read(&demo_menu(), 1)?);
        let open = |(node, printer): (Node, Option<Printer>)| {
            let till = |name: &&str| Till::new(node.client.clone(), clock.clone(), node.spec.store, name, sold.clone());
            let tills = TERMINALS.iter().map(till).collect();
            let (drawers, closing) = (BTreeMap::new(), None);
            let (back_office, menu) = (Ledger::default(), menu.clone());
            Shop { node, tills, back_office, menu, drawers, closing, printer }
        };
        let shops: Vec<Shop> = nodes.into_iter().map(open).collect();
        let watched = shops.iter().find(|shop| shop.number() == WATCHED).context("the shop that is watched")?;
        let screens = Feed::open(&watched.node.client, "/v1/events").await?;
        Ok(Self { folder: folder.to_owned(), hub, line, shops, screens, sold })
    }

    pub(crate) fn shop(&mut self, number: u32) -> Result<&mut Shop> {
        self.shops.iter_mut().find(|shop| shop.number() == number).with_context(|| format!("shop {number}"))
    }

    /// Lets every till of these shops sell so many tickets. Tells how many were sold.
    pub(crate) async fn sell(&mut self, which: impl Fn(u32) -> bool, tickets: u32) -> Result<u32> {
        let before = self.sold();
        let mut selling = JoinSet::new();
        for shop in self.shops.iter_mut().filter(|shop| which(shop.number())) {
            for mut till in std::mem::take(&mut shop.tills) {
                let (number, menu) = (shop.number(), shop.menu.clone());
                selling.spawn(async move {
                    for _ticket in 0..tickets {
                        till.sell(&menu).await?;
                    }
                    Ok((number, till))
                });
            }
        }
        self.back(selling).await?;
        Ok(self.sold() - before)
    }

    /// Lets every till of these shops sell until it is told to stop.
    pub(crate) fn start_selling(&mut self, which: impl Fn(u32) -> bool) -> Selling {
        let (stop, mut tills) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for shop in self.shops.iter_mut().filter(|shop| which(shop.number())) {
            for mut till in std::mem::take(&mut shop.tills) {
                let (number, menu, stop) = (shop.number(), shop.menu.clone(), stop.clone());
                tills.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        till.sell(&menu).await?;
                    }
                    Ok((number, till))
                });
            }
        }
        Selling { stop, tills }
    }

    /// Ends what [`Day::start_selling`] began. Tells how often a till had to ask again.
    pub(crate) async fn stop_selling(&mut self, selling: Selling) -> Result<u32> {
        selling.stop.store(true, Ordering::Relaxed);
        self.back(selling.tills).await?;
        Ok(self.shops.iter().flat_map(|shop| &shop.tills).map(|till| till.retries).sum())
    }

    async fn back(&mut self, mut selling: JoinSet<Result<(u32, Till)>>) -> Result<()> {
        while let Some(sold) = selling.join_next().await {
            let (number, till) = sold??;
            self.shop(number)?.tills.push(till);
        }
        Ok(())
    }

    /// Tickets that tills were answered so far.
    pub(crate) fn sold(&self) -> u32 {
        self.sold.load(Ordering::Relaxed)
    }

    /// Waits until so many more tickets are sold. A till that fails ends the wait, with its own error.
    pub(crate) async fn more_sold(&self, selling: &mut Selling, more: u32) -> Result<()> {
        let goal = self.sold() + more;
        let reached = eventually("more tickets", || async {
            let now = self.sold();
            ensure!(now >= goal, "{now} of {goal}");
            Ok(())
        });
        tokio::select! {
            reached = reached => reached,
            Some(ended) = selling.tills.join_next() => {
                let (shop, _till) = ended?.context("a till gave up")?;
                bail!("a till of shop {shop} stopped before it was told to")
            }
        }
    }

    /// Takes another menu into use at these shops, once it has reached them.
    pub(crate) async fn menu_reaches(&mut self, menu: &Arc<Menu>, which: impl Fn(u32) -> bool) -> Result<()> {
        for shop in self.shops.iter_mut().filter(|shop| which(shop.number())) {
            eventually("the menu to reach a shop", || async {
                let held = shop.node.client.get("/v1/node").await?;
                let revision = held.pointer("/catalog_revision").cloned().unwrap_or_default();
                ensure!(revision == menu.revision, "shop {} has menu {revision}", shop.number());
                Ok(())
            })
            .await?;
            shop.menu = menu.clone();
        }
        Ok(())
    }
}
