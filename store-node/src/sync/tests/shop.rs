//! A shop's box without sockets and threads, on real files that can be copied; its process may die at any commit.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use percolate_common::domain::catalog::{
    Catalog, CatalogEvent, Category, Draft, Item, ItemDetails, StockItem, TaxClass, Use,
};
use percolate_common::domain::event::{Event, StoreDescribed};
use percolate_common::domain::pricing::cart::Cart;
use percolate_common::domain::stock::{MovementLine, MovementReason};
use percolate_common::domain::tickets::TicketClass;
use percolate_common::domain::tickets::decide::SellTicket;
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::entropy::{Entropy as _, SeededEntropy};
use percolate_common::ids::{CategoryId, ItemId, NodeId, StockItemId, StoreId, TaxClassId, TicketId};
use percolate_common::journal::{ChainAudit, EventId, SigningKey, StreamKind};
use percolate_common::money::{Currency, MicroRate, Minor};
use percolate_common::quantity::{Quantity, Unit};
use percolate_common::time::{Clock, StoreCalendar, UtcMillis};
use percolate_common::wire::event::{Recorded, decode};
use percolate_common::wire::session::{FromHub, FromNode, Resend};
use percolate_runtime::database::DatabaseOptions;
use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::sqlite::ReadTx;
use percolate_runtime::writer::{CommitHook, CommitPoint, Go, Writer};
use tempfile::TempDir;

use super::hub::Hub;
use crate::app::catalog::Received;
use crate::app::error::AppError;
use crate::app::kitchen::Ordered;
use crate::app::prints::Till;
use crate::app::staff::{Place, Shown};
use crate::app::take_back::take_back;
use crate::app::ticket_answer::TicketAnswer;
use crate::app::tickets::{Answer, RequestKey, sell};
use crate::app::{App, Cards, Identity, Present, audit, books, describe, life, movements, reports};
use crate::store::file::{NodeReaders, NodeWriter};
use crate::store::lives::{self, Life};
use crate::store::{MIGRATIONS, journal, repair, stock};
use crate::sync::session::{Machine, Session};

/// Whoever has the box's own token.
pub(super) const ON_THE_BOX: Shown = Shown { place: Place::OnTheBox, person: None, approval: None };

pub(super) const NODE: u32 = 11;
const NOON_MS: i64 = 1_795_435_200_000;
const BEANS: u32 = 1;
/// More rounds than any conversation of these tests takes.
const ROUNDS_MAX: u32 = 5_000;

#[derive(Debug)]
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> UtcMillis {
        UtcMillis::new(self.0.fetch_add(1_000, Ordering::Relaxed))
    }
}

/// Lets the process die at a point of a commit, counted from 1; 0 for never.
#[derive(Debug)]
pub(super) struct DieAt(AtomicU32);

impl CommitHook for DieAt {
    fn at(&self, _database: &'static str, _point: CommitPoint) -> Go {
        let left = self.0.load(Ordering::Relaxed);
        if left > 0 {
            self.0.store(left - 1, Ordering::Relaxed);
        }
        if left == 1 { Go::Die } else { Go::On }
    }
}

/// A process on a folder.
pub(super) struct Shop {
    pub(super) app: App,
    session: Session,
    machine: Machine,
    now: Duration,
    hook: Arc<DieAt>,
    pub(super) folder: TempDir,
    computer: u8,
}

pub(super) fn catalog() -> Catalog {
    let mut draft = Draft::default();
    let uses = vec![Use { stock_item: StockItemId::new(BEANS), quantity: Quantity::new(18) }];
    for event in [
        CatalogEvent::CategorySet(Category {
            id: CategoryId::new(1),
            name: "Bar".to_owned(),
            station: Some("bar".parse().unwrap()),
        }),
        CatalogEvent::TaxClassSet(TaxClass {
            id: TaxClassId::new(1),
            name: "t".to_owned(),
            rate: MicroRate::new(89_000),
        }),
        CatalogEvent::StockItemSet(StockItem {
            id: StockItemId::new(BEANS),
            name: "beans".to_owned(),
            unit: Unit::Milligram,
        }),
        CatalogEvent::ItemSet(Item {
            id: ItemId::new(1),
            name: "espresso".to_owned(),
            category: CategoryId::new(1),
            tax_class: TaxClassId::new(1),
            price: Minor::new(300),
            uses,
            details: ItemDetails::default(),
        }),
    ] {
        draft.apply(&event);
    }
    draft.publish(draft.revision(1, Currency::USD, Vec::new())).unwrap()
}

pub(super) fn request(key: &str) -> RequestKey {
    let hash = |text: &str| <[u8; 16]>::try_from(&blake3::hash(text.as_bytes()).as_bytes()[..16]).unwrap();
    RequestKey { text: key.to_owned(), key_hash: hash(key), body_hash: hash("body"), named: None }
}

/// Copies a folder's database as it is, in the middle of whatever happens.
fn copied(from: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in ["node.db", "node.db-wal"] {
        if from.join(file).exists() {
            std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
        }
    }
    folder
}

impl Shop {
    /// A new box.
    pub(super) fn new(computer: u8) -> Self {
        Self::open(TempDir::new().unwrap(), computer, u64::from(computer))
    }

    /// Starts a process on a folder.
    pub(super) fn open(folder: TempDir, computer: u8, chance: u64) -> Self {
        let path = folder.path().join("node.db");
        let database = DatabaseOptions::new(&path, MIGRATIONS).open().unwrap();
        let hook = Arc::new(DieAt(AtomicU32::new(0)));
        let entropy = Arc::new(SeededEntropy::new(chance));
        let described = StoreDescribed {
            name: "Virginia-Highland".to_owned(),
            zone: "America/New_York".to_owned(),
            cutover_hour: 4,
            currency: Currency::USD,
        };
        let app = App {
            identity: Arc::new(Identity {
                store: StoreId::new(1),
                node: NodeId::new(NODE),
                described,
                plan: None,
                follows: false,
            }),
            machine: Some([computer; 16]),
            calendar: Arc::new(StoreCalendar::new("America/New_York", 4).unwrap()),
            clock: Arc::new(TestClock(AtomicI64::new(NOON_MS + i64::try_from(chance).unwrap() * 100_000))),
            readers: NodeReaders(ReadPool::open_inline(&path.into()).unwrap()),
            writer: NodeWriter(Writer::inline("node", database, hook.clone())),
            present: Arc::new(Present::default()),
            terminals: Arc::default(),
            staff: Arc::default(),
            data_dir: Arc::new(folder.path().to_owned()),
            cards: Cards::default(),
            printers: Arc::default(),
            disk_reserve_bytes: 0,
            entropy: entropy.clone(),
            key: SigningKey::from_random(&[7; 32]).unwrap(),
        };
        let living = app.clone();
        app.writer.run_blocking("begin", move |tx| life::begin(&living, tx, &life::Told::default())).unwrap();
        let describing = app.clone();
        app.writer.run_blocking("describe", move |tx| describe(&describing, tx)).unwrap();
        let machine = Machine { key: app.key.clone(), boot: entropy.next_u64() };
        Self { app, session: Session::default(), machine, now: Duration::ZERO, hook, folder, computer }
    }

    /// A copy of the disk.
    pub(super) fn image(&self) -> TempDir {
        copied(self.folder.path())
    }

    /// The process dies, and another is started.
    pub(super) fn again(self, chance: u64) -> Self {
        let (folder, computer) = (copied(self.folder.path()), self.computer);
        Self::open(folder, computer, chance)
    }

    /// Lets the process die at a later point of a commit.
    pub(super) fn die_at(&self, point: u32) {
        self.hook.0.store(point, Ordering::Relaxed);
    }

    pub(super) fn try_sell(&self, key: &str) -> Result<Answer, AppError> {
        self.try_sell_as(TicketClass::Sale, key)
    }

    fn try_sell_as(&self, class: TicketClass, key: &str) -> Result<Answer, AppError> {
        let (app, key) = (self.app.clone(), request(key));
        let command = SellTicket {
            class,
            currency: Currency::USD,
            cart: Cart::plain([(ItemId::new(1), 1)]),
            tenders: vec![Tender { kind: TenderKind::Cash, amount: Minor::new(1_000) }],
            tip: Minor::ZERO,
        };
        let till = Till { name: "T1".parse().unwrap(), receipt: None };
        self.app.writer.run_blocking("sell", move |tx| {
            sell(&app, tx, &catalog(), (&till, &command, &Ordered::default()), &key, &ON_THE_BOX)
        })
    }

    pub(super) fn practise(&self, key: &str) -> TicketAnswer {
        serde_json::from_str(&self.try_sell_as(TicketClass::Training, key).unwrap().json).unwrap()
    }

    pub(super) fn sell(&self, key: &str) -> TicketAnswer {
        serde_json::from_str(&self.try_sell(key).unwrap().json).unwrap()
    }

    pub(super) fn sell_all(&self, prefix: &str, sales: u32) -> Vec<TicketAnswer> {
        (0..sales).map(|number| self.sell(&format!("{prefix}-{number}"))).collect()
    }

    pub(super) fn deliver(&self, key: &str, quantity: i64) {
        let _given_before = self.was_delivered(key, quantity);
    }

    /// Books a delivery; tells whether that key was answered before.
    pub(super) fn was_delivered(&self, key: &str, quantity: i64) -> bool {
        let (app, key) = (self.app.clone(), request(key));
        let lines = [MovementLine { stock_item: StockItemId::new(BEANS), quantity: Quantity::new(quantity) }];
        let book = move |tx: &percolate_runtime::sqlite::WriteTx<'_>| {
            movements::book(&app, tx, &catalog(), (MovementReason::Received, &lines), &key, &ON_THE_BOX)
        };
        self.app.writer.run_blocking("move", book).unwrap().replayed
    }

    /// Talks to the hub until nothing is left to be said.
    pub(super) fn talk(&mut self, hub: &mut Hub) {
        self.talk_while(hub, |_shop| {}).unwrap();
    }

    /// As [`Shop::talk`], and something happens in the shop in each round.
    pub(super) fn talk_while(&mut self, hub: &mut Hub, mut meanwhile: impl FnMut(&Self)) -> Result<(), AppError> {
        self.connect();
        for _round in 0..ROUNDS_MAX {
            meanwhile(self);
            if !self.round(hub)? {
                self.session.link_down(&self.app);
                return Ok(());
            }
        }
        panic!("they talk for ever: {:?}", hub.verdicts);
    }

    pub(super) fn connect(&mut self) {
        self.session.link_up(self.now);
    }

    /// One round; tells whether there may be more.
    pub(super) fn round(&mut self, hub: &mut Hub) -> Result<bool, AppError> {
        let mut said = false;
        self.session.grown(&self.app, self.now)?;
        if self.session.repairing {
            said = true;
            self.session.repair(&self.app, self.now)?;
        }
        if let Some(hello) = self.session.hello(&self.app, &self.machine, self.now)? {
            said = true;
            if let Some(welcome) = hub.greet(&hello) {
                self.hear(FromHub::Welcome(welcome))?;
            }
        }
        while let Some(FromNode::Resend(ask)) = self.session.ask(&self.app)? {
            said = true;
            self.session.asked();
            self.get_back(hub, ask)?;
        }
        if let Some(batch) = self.session.batch(&self.app, self.now)? {
            said = true;
            self.session.sent(&batch, self.now);
            let answer = hub.take(&batch);
            self.hear(answer)?;
        }
        if let Some(said_last) = self.session.mark(&self.app, &self.machine, self.now)? {
            // It vouches when nothing is left to be said.
            self.session.marked(&self.app, &said_last, self.now);
            if let FromNode::Mark(mark) = said_last {
                hub.compare(&mark);
            }
            return Ok(said);
        }
        if !said {
            // Batches are collected for a moment, and greetings that were too many wait.
            match self.session.next_due() {
                Some(due) => self.now = self.now.max(due),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The hub refuses the session, greets nobody yet, and refuses it once more: batches that were under way together are
    /// refused one by one. Tells whether the answer to the greeting opens a session.
    pub(super) fn is_welcome_between_refusals(&mut self, hub: &mut Hub) -> bool {
        let session = self.session.greeting.session().expect("a session to be refused");
        self.hear(FromHub::Rehello { session }).unwrap();
        let hello = self.session.hello(&self.app, &self.machine, self.now).unwrap().expect("a greeting at once");
        self.hear(FromHub::Rehello { session }).unwrap();
        let welcome = hub.greet(&hello).expect("an answer");
        self.hear(FromHub::Welcome(welcome)).unwrap();
        self.session.greeting.session().is_some_and(|opened| opened != session)
    }

    fn hear(&mut self, message: FromHub) -> Result<(), AppError> {
        self.session.heard(&self.app, &self.machine, message, self.now)
    }

    fn get_back(&mut self, hub: &Hub, mut ask: Resend) -> Result<(), AppError> {
        loop {
            let batch = match hub.give_back(&ask) {
                Ok(Some(batch)) => batch,
                Ok(None) => return Ok(()),
                Err(contested) => return self.hear(*contested),
            };
            let (app, id, seq_hi) = (self.app.clone(), batch.journal, batch.seq_hi());
            match self.app.writer.run_blocking("take_back", move |tx| take_back(&app, tx, &batch))? {
                Received::Held(head) => {
                    self.session.returned(id, head, self.now);
                    match self.session.about_down(&self.app, &id, head, true) {
                        Some(FromNode::Resend(next)) => ask = next,
                        _no_session => return Ok(()),
                    }
                }
                Received::Forked => {
                    self.session.contest(id, seq_hi, self.now);
                    return Ok(());
                }
                Received::Gap(_) | Received::Unwanted => return Ok(()),
            }
        }
    }

    pub(super) fn present(&self) -> Life {
        self.app.readers.read(lives::present).unwrap()
    }

    /// The entries of all journals, and what is counted of them once.
    pub(super) fn entries(&self) -> Vec<(Life, StreamKind, EventId, Recorded)> {
        let read = |tx: &ReadTx<'_>| {
            let mut entries = Vec::new();
            for life in lives::list(tx)? {
                for stream in StreamKind::UP {
                    for seq in 1..=journal::head_fetch(tx, life, &self.app.journal(life, stream))?.seq {
                        if let Some((bytes, hash)) = journal::entry_with_hash(tx, life, stream, seq)? {
                            let recorded = decode(&bytes).unwrap();
                            let id = recorded.origin.map_or_else(|| hash.event_id(), |origin| origin.id);
                            entries.push((life, stream, id, recorded));
                        }
                    }
                }
            }
            Ok::<_, AppError>(entries)
        };
        self.app.readers.read(read).unwrap()
    }

    /// Sales that are in the journals, and tickets of other systems, each once.
    pub(super) fn tickets(&self) -> Vec<TicketId> {
        let (mut seen, mut imported) = (BTreeSet::new(), BTreeSet::new());
        let mut tickets: Vec<_> = self
            .entries()
            .into_iter()
            .filter(|(_, _, id, _)| seen.insert(*id))
            .filter_map(|(_, _, _, recorded)| match recorded.event {
                Event::TicketSold(sold) => Some(sold.id),
                // Its rows may have been brought in at different times in different lives.
                Event::TicketImported(ticket) => imported.insert(ticket.id).then_some(ticket.id),
                _other => None,
            })
            .collect();
        tickets.sort_unstable();
        tickets
    }

    pub(super) fn on_hand(&self) -> BTreeMap<u32, i64> {
        let rows = self.app.readers.read(|tx| reports::stock(&self.app, tx)).unwrap();
        rows.into_iter().map(|row| (row.stock_item, row.on_hand)).filter(|(_, much)| *much != 0).collect()
    }

    /// Everything that must hold of the files, also in the middle of a repair.
    pub(super) fn check(&self) {
        self.check_chains();
        let mut totals: BTreeMap<(i64, u32), (u64, u64)> = BTreeMap::new();
        let (mut seen, mut on_hand) = (BTreeSet::new(), BTreeMap::new());
        let mut days: BTreeMap<_, (i64, i64)> = BTreeMap::new();
        for (life, _stream, id, recorded) in self.entries() {
            let once = seen.insert(id);
            for line in recorded.event.stock_effects() {
                let (total, counted) =
                    (totals.entry((life.number, line.stock_item.get())).or_default(), books::counted(line.quantity));
                *total = (total.0 + counted.received, total.1 + counted.used);
                if once {
                    *on_hand.entry(line.stock_item.get()).or_default() += line.quantity.get();
                }
            }
            if let (true, Event::TicketSold(sold)) = (once, &recorded.event) {
                let day = days.entry(recorded.header.business_day).or_default();
                *day = (day.0 + 1, day.1 + sold.totals.total.get());
            }
        }
        on_hand.retain(|_, much| *much != 0);
        assert_eq!(self.on_hand(), on_hand, "on hand is what all events together moved");
        let kept: BTreeMap<_, _> = self
            .app
            .readers
            .read(|tx| {
                let mut kept = Vec::new();
                for life in lives::list(tx)? {
                    kept.extend(
                        stock::total_list(tx, life)?
                            .into_iter()
                            .map(|(item, t)| ((life.number, item.get()), (t.received, t.used))),
                    );
                }
                Ok::<_, AppError>(kept)
            })
            .unwrap()
            .into_iter()
            .filter(|(_, total)| *total != (0, 0))
            .collect();
        assert_eq!(kept, totals, "totals of each life are the fold of its journals");
        for (day, (tickets, total)) in days {
            let book = self.app.readers.read(|tx| reports::day(&self.app, tx, day)).unwrap();
            let paid: i64 = book.tenders.iter().map(|tender| tender.amount_minor).sum();
            assert_eq!((book.tickets, book.total_minor, paid), (tickets, total, total), "the book of {day}");
        }
        self.check_list();
        self.check_audit();
    }

    /// What an audit finds, it finds no fault in.
    fn check_audit(&self) {
        let stated = self.app.readers.read(|tx| audit::statement(&self.app, tx)).unwrap();
        let stated = serde_json::to_value(&stated).unwrap();
        for day in stated["days"].as_array().unwrap() {
            assert_eq!(day["kept"], day["folded"], "{day}");
        }
        for item in stated["stock"].as_array().unwrap() {
            assert_eq!(item["on_hand"], item["folded"], "{item}");
        }
    }

    /// Journals are whole, but for those that are being repaired.
    fn check_chains(&self) {
        let read = |tx: &ReadTx<'_>| {
            let repaired = repair::life_list(tx)?;
            for life in lives::list(tx)?.into_iter().filter(|life| !repaired.contains(&life.number)) {
                for stream in StreamKind::UP {
                    let id = self.app.journal(life, stream);
                    let head = journal::head_fetch(tx, life, &id)?;
                    let mut audit = ChainAudit::new(&id);
                    for seq in 1..=head.seq {
                        if let Some((bytes, hash)) = journal::entry_with_hash(tx, life, stream, seq)? {
                            audit.entry(seq, &bytes, &hash);
                        }
                    }
                    let found = audit.finish();
                    assert!(found.is_sound(&head), "{id}: {found:?}");
                }
            }
            Ok::<_, AppError>(())
        };
        self.app.readers.read(read).unwrap();
    }

    /// The list of tickets has each sale once.
    fn check_list(&self) {
        let (mut listed, mut after) = (Vec::new(), 0);
        loop {
            let page = self.app.readers.read(|tx| reports::tickets(&self.app, tx, None, after, 3)).unwrap();
            listed.extend(page.0.iter().map(|ticket| ticket.ticket_id.parse::<TicketId>().unwrap()));
            if page.0.is_empty() {
                break;
            }
            after = page.1;
        }
        listed.sort_unstable();
        assert_eq!(listed, self.tickets(), "the list of tickets");
    }
}
