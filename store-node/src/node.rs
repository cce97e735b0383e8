//! The composition root: builds the parts, starts them, and stops them in order.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use percolate_common::entropy::Entropy;
use percolate_common::identity::site::{PrinterV1, RECEIPT_KIND, is_kind};
use percolate_common::journal::SigningKey;
use percolate_common::paper::COLUMNS_WIDE;
use percolate_common::time::Clock;
use percolate_common::wire::session::Presence as PresenceMessage;
use percolate_common::wire::topic::{Topic, node_subscriptions, process_client_id};
use percolate_runtime::database::{Database, DatabaseOptions};
use percolate_runtime::files::{DataDir, FileError, read_text, write_atomic, write_secret};
use percolate_runtime::http::auth::TokenAuth;
use percolate_runtime::http::health::{Check, Health};
use percolate_runtime::http::server::{BoundServer, Endpoints};
use percolate_runtime::mqtt::{KEEP_ALIVE, Link, LinkConfig, LinkTls, Presence};
use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::system::{OsEntropy, clock_from_option, machine_fingerprint};
use percolate_runtime::tasks::{self, StopReport, TaskGroup};
use percolate_runtime::telemetry::{install_metrics, metrics_upkeep, record_build};
use percolate_runtime::writer::{Writer, WriterOptions};

use crate::app::life::{self, Told};
use crate::app::{
    App, Cards, Identity, Present, Printer, Printers, Staff, Terminals, bundle, card_payments, catalog, describe,
    staff, terminals,
};
use crate::config::{Config, SimulatedTerminal};
use crate::devices;
use crate::guard::{self, Guard};
use crate::http::{self, Way};
use crate::identity::{Desk, Keeper};
use crate::lan;
use crate::site::{Shop, ShopPaper};
use crate::start_error::{Part as _, Result, config_error};
use crate::store::MIGRATIONS;
use crate::store::file::{NodeReaders, NodeWriter};
use crate::sync::session::Machine;
use crate::sync::task::SyncTask;
use crate::terminal_driver::Simulated;

/// Readers of the database.
const READERS: usize = 4;
/// How long everything together may take to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(15);
const KEY_FILE: &str = "node-key.pem";
const DATABASE_FILE: &str = "node.db";
/// Says that the database was put back.
const PUT_BACK_FILE: &str = "put-back";

/// Leaves word in a data folder that its database was put back, and tells which process runs on it, if one does: to that
/// one the word means nothing before its next start.
///
/// # Errors
/// [`StartError`] if there is no database in it, or it cannot be written.
pub fn say_put_back(data: &Path) -> Result<Option<String>> {
    let database = data.join(DATABASE_FILE);
    if !database.exists() {
        return Err(config_error(format!("there is no {}: nothing was put back there", database.display())));
    }
    let (held, running) = match DataDir::open(data) {
        Err(FileError::InUse { pid, .. }) => (None, Some(pid)),
        opened => (Some(opened.part("leaving word")?), None),
    };
    write_atomic(&data.join(PUT_BACK_FILE), b"").part("leaving word")?;
    drop(held);
    Ok(running)
}

pub(crate) fn signing_key(data: &DataDir, entropy: &dyn Entropy) -> Result<SigningKey> {
    let path = data.file(KEY_FILE);
    if let Some(pem) = read_text(&path).part("reading the key file")? {
        return SigningKey::from_pem(&pem).part("reading the key file");
    }
    loop {
        let mut bytes = [0_u8; 32];
        entropy.fill(&mut bytes);
        if let Ok(key) = SigningKey::from_random(&bytes) {
            let pem = key.to_pem().part("making the key file")?;
            write_secret(&path, pem.as_bytes()).part("making the key file")?;
            return Ok(key);
        }
    }
}

/// A fingerprint of this machine; none where it has nothing of its own.
fn fingerprint() -> Option<[u8; 16]> {
    let text = machine_fingerprint().ok()?;
    let mut fingerprint = [0_u8; 16];
    fingerprint.copy_from_slice(blake3::hash(text.as_bytes()).as_bytes().split_at(16).0);
    Some(fingerprint)
}

/// Where the link leads. Over TLS it waits for a certificate.
fn link_config(config: &Config, shop: &Shop, boot: u64, tls: Option<LinkTls>) -> Result<LinkConfig> {
    let presence = |online| -> Result<Presence> {
        let payload = Bytes::from(PresenceMessage { boot, online }.encode().part("making the presence message")?);
        Ok(Presence { topic: Topic::Presence(shop.node).to_string(), payload })
    };
    Ok(LinkConfig {
        brokers: shop.brokers.clone(),
        tls,
        credentials: shop.credentials(config)?,
        client_id: process_client_id(shop.node, boot),
        subscriptions: node_subscriptions(shop.node),
        will: Some(presence(false)?),
        online: Some(presence(true)?),
        keep_alive: KEEP_ALIVE,
        retry_max: Duration::from_secs(config.hub_retry_s_max),
    })
}

/// Who reads and writes the database.
pub(crate) struct Storage {
    pub(crate) writer: NodeWriter,
    pub(crate) readers: NodeReaders,
}

/// Opens the database, for threads of its own.
fn storage(data: &DataDir) -> Result<Storage> {
    let database = database(data)?;
    let place = database.place().clone();
    let writer = Writer::start(WriterOptions::new("node"), database).part("starting the writer")?;
    let readers = ReadPool::open(&place, READERS).part("opening the readers")?;
    Ok(Storage { writer: NodeWriter(writer), readers: NodeReaders(readers) })
}

/// Opens the database's file.
pub(crate) fn database(data: &DataDir) -> Result<Database> {
    DatabaseOptions::new(data.file(DATABASE_FILE), MIGRATIONS).open().part("opening the database")
}

/// Makes the node as its commands see it. Blocks.
pub(crate) fn open(
    (config, shop): (&Config, &Shop),
    data: &DataDir,
    storage: Storage,
    (key, machine): (SigningKey, Option<[u8; 16]>),
    (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
) -> Result<App> {
    let (described, plan, follows) = (shop.described.clone(), shop.plan.clone(), shop.follows);
    let identity = Identity { store: shop.store, node: shop.node, described, plan, follows };
    let app = App {
        identity: Arc::new(identity),
        machine,
        calendar: Arc::new(shop.calendar.clone()),
        clock,
        entropy,
        readers: storage.readers,
        writer: storage.writer,
        present: Arc::new(Present::default()),
        terminals: Arc::new(Terminals::default()),
        cards: cards(config, shop)?,
        printers: Arc::new(printers(&shop.paper)),
        staff: Arc::new(Staff { policy: shop.policy, ..Staff::default() }),
        data_dir: Arc::new(data.path().to_owned()),
        disk_reserve_bytes: config.disk_reserve_bytes,
        key,
    };
    let living = app.clone();
    let put_back = data.file(PUT_BACK_FILE);
    let told = Told { by_operator: put_back.is_file(), note: config.guard.as_deref().and_then(guard::read) };
    let by_operator = told.by_operator;
    let begun = app.writer.run_blocking("begin_life", move |tx| life::begin(&living, tx, &told));
    let _present = begun.part("beginning the life of the database")?;
    if by_operator {
        // Only now: a start that fails before begins the life the next time.
        std::fs::remove_file(&put_back).part("taking note of what was put back")?;
    }
    let describing = app.clone();
    app.writer.run_blocking("describe", move |tx| describe(&describing, tx)).part("describing the store")?;
    if let Some(menu) = &shop.menu {
        bundle::take_in(&app, menu);
    }
    catalog::refresh(&app).part("reading the menu")?;
    terminals::load(&app).part("reading the terminals")?;
    staff::load(&app, &shop.staff).part("reading the people")?;
    app.check_files().part("looking for the database")?;
    Ok(app)
}

/// The shop's card terminal, and what is taken on trust while it has no line.
fn cards(config: &Config, shop: &Shop) -> Result<Cards> {
    let limits = config.cards.card_forward.unwrap_or(shop.card_forward);
    let Some(SimulatedTerminal(folder)) = &config.cards.card_terminal else { return Ok(Cards::new(None, limits)) };
    if config.site.is_some() && !config.cards.demo {
        return Err(config_error(
            "--card-terminal simulated:FOLDER charges nobody, and is not for a shop's own box: say --demo if this is none",
        ));
    }
    tracing::warn!(folder = %folder.display(), "the card terminal is simulated: nobody is charged");
    let terminal = Simulated::open(folder).part("opening the simulated card terminal")?;
    Ok(Cards::new(Some(Arc::new(terminal)), limits))
}

/// The shop's printers.
fn printers(paper: &ShopPaper) -> Printers {
    let printer = |it: &PrinterV1| {
        let prints_receipts = is_kind(&it.kind, &[RECEIPT_KIND]);
        let columns = it.columns.unwrap_or(COLUMNS_WIDE);
        Arc::new(Printer::new(it.name.clone(), it.address.clone(), columns, prints_receipts))
    };
    Printers {
        all: paper.printers.iter().map(printer).collect(),
        by_terminal: paper.by_terminal.clone(),
        receipts: paper.receipts,
        address: paper.address.clone(),
    }
}

/// As [`open`], on a thread that may block.
async fn opened(
    config: &Config,
    shop: Shop,
    data: DataDir,
    (key, machine): (SigningKey, Option<[u8; 16]>),
    time_and_chance: (Arc<dyn Clock>, Arc<dyn Entropy>),
) -> Result<(DataDir, App)> {
    let config = config.clone();
    let opening = tasks::blocking(move || {
        let app = open((&config, &shop), &data, storage(&data)?, (key, machine), time_and_chance)?;
        Ok((data, app))
    });
    opening.await.part("opening the database")?
}

/// Ready means: can sell.
fn checks(app: &App) -> Vec<Check> {
    let written = match app.check_files() {
        Ok(()) => app.probe().map_err(|error| error.to_string()),
        Err(gone) => Err(gone.to_string()),
    };
    let revision = app.present.catalog().map(|catalog| catalog.revision.number);
    let free = app.disk_free_bytes();
    vec![
        Check {
            name: "storage",
            ok: written.is_ok(),
            detail: written.map_or_else(|why| why, |()| "writable".to_owned()),
        },
        Check {
            name: "catalog",
            ok: revision.is_some(),
            detail: revision
                .map_or_else(|| "no menu has been received yet".to_owned(), |number| format!("revision {number}")),
        },
        Check {
            name: "disk",
            ok: free.is_none_or(|free| free >= app.disk_reserve_bytes),
            detail: free.map_or_else(|| "not known".to_owned(), |free| format!("{free} bytes free")),
        },
    ]
}

/// A node that runs.
pub struct Node {
    tasks: TaskGroup,
    app: App,
    http: SocketAddr,
    /// Held to the end: one process uses a data folder.
    _data: DataDir,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("http", &self.http).finish_non_exhaustive()
    }
}

impl Node {
    /// Opens and starts everything. When it returns, the node serves its tills.
    ///
    /// # Errors
    /// [`StartError`]: the folder is in use, the database belongs to another store, an address is taken …
    pub async fn start(config: &Config) -> Result<Self> {
        let clock = clock_from_option(config.simulated_clock.as_deref()).part("reading --simulated-clock")?;
        Self::start_with(config, clock, Arc::new(OsEntropy)).await
    }

    /// As [`Node::start`], with a clock and chance of the caller's choosing.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn start_with(config: &Config, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self> {
        if !config.http.ip().is_loopback() {
            return Err(config_error(format!(
                "--http {} is not a loopback address: in the clear nothing else is served; --https is for the shop's network",
                config.http
            )));
        }
        let metrics = install_metrics().part("installing the metrics")?;
        record_build("store-node", env!("CARGO_PKG_VERSION"));
        let data = DataDir::open(&config.data).part("taking the data folder")?;
        let auth = TokenAuth::open(data.path(), &*entropy).part("opening the token file")?;
        let machine = Machine { key: signing_key(&data, &*entropy)?, boot: entropy.next_u64() };
        let (shop, fingerprint) = (Shop::read(config)?, fingerprint());
        let whom = shop.member(machine.key.clone(), fingerprint);
        let desk = whom.map(|whom| Desk::open(whom, data.path(), clock.clone(), entropy.clone())).transpose();
        let desk = desk.part("opening the node's certificate")?;
        let link_config = link_config(config, &shop, machine.boot, desk.as_ref().map(Desk::link_tls))?;
        let (https, lan) = lan::listen(config, &shop, desk.as_ref()).await?;
        let (data, app) =
            opened(config, shop, data, (machine.key.clone(), fingerprint), (clock, entropy.clone())).await?;

        if let Some(lan) = lan {
            app.present.set_lan(lan);
        }
        let feed = http::Feed::open(app.clone()).await.part("reading the journal")?;
        let server = BoundServer::bind(config.http).await.part("listening")?;
        let http = server.address();
        let ready = app.clone();
        let health = Health { checks: Arc::new(move || checks(&ready)), metrics: metrics.clone() };
        let gate = http::Gate::new(auth, &app);
        let router = |way| http::router((app.clone(), gate.clone()), way, health.clone(), entropy.clone());

        let tasks = TaskGroup::new();
        tasks.spawn("metrics", |stop| metrics_upkeep(metrics, stop));
        tasks.spawn("feed", |stop| feed.run(stop));
        if app.cards.terminal.is_some() {
            let asking = app.clone();
            tasks.spawn("cards", |stop| card_payments::run(asking, stop));
        }
        for printer in app.printers.all.iter().cloned() {
            let printing = app.clone();
            tasks.spawn("printer", |stop| devices::run(printing, printer, stop));
        }
        if let Some(desk) = desk {
            let keeper = Keeper::new(desk, app.clone(), link_config.clone());
            tasks.spawn("identity", |stop| keeper.run(stop));
        }
        let (link, publisher, events) = Link::new(link_config, entropy.clone());
        let sync = SyncTask::new(app.clone(), machine, publisher);
        if let Some(path) = &config.guard {
            let guard = Guard::new(app.clone(), path.clone());
            // Before anybody can ask how it stands.
            guard.note().await;
            tasks.spawn("guard", |stop| guard.run(stop));
        }
        tasks.spawn("sync", |stop| sync.run(events, stop));
        tasks.spawn("link", |stop| link.run(stop));
        http::serve(&tasks, "http", server, router(Way::Loopback));
        let https = https.map(|server| {
            let address = server.address();
            http::serve(&tasks, "https", server, router(Way::Network));
            address
        });
        if let Err(error) = Endpoints::new(http).with_https(https).write(data.path()) {
            // On a full disk a shop reads on, and repeats what it answered; only tools on this machine look for the file.
            tracing::warn!(error = &error as &dyn std::error::Error, "endpoints.json could not be written");
        }
        let store = app.identity.store;
        tracing::info!(store.id = %store, %http, "store {store} serves its tills at {http}");
        Ok(Self { tasks, app, http, _data: data })
    }

    /// Where it serves the tills.
    #[must_use]
    pub const fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// The tasks that have ended although nobody stopped them.
    #[must_use]
    pub fn ended_tasks(&self) -> Vec<&'static str> {
        self.tasks.ended()
    }

    /// Stops everything in order; what the tills were told is on the disk.
    pub async fn stop(self) -> StopReport {
        self.app.present.close();
        let report = self.tasks.stop(STOP_TIME_MAX).await;
        if let Err(error) = terminals::note_seen(&self.app).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "when terminals were seen is not written");
        }
        self.app.writer.stop().await;
        report
    }
}
