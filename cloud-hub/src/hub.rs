//! The composition root: it opens, wires, starts and stops the parts of the hub, each in its order.
//!
//! Started first: what others stand on. Stopped in the reverse order: first nobody may ask, then nothing is read, then
//! what was taken in is committed and answered, then the broker goes, and the databases last.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use percolate_common::entropy::Entropy;
use percolate_common::time::Clock;
use percolate_runtime::files::DataDir;
use percolate_runtime::http::auth::TokenAuth;
use percolate_runtime::http::health::{Check, Health, ReadyChecks};
use percolate_runtime::http::server::{BoundServer, Endpoints};
use percolate_runtime::mqtt::{LinkTls, Publisher};
use percolate_runtime::storage::StorageError;
use percolate_runtime::system::{OsEntropy, clock_from_option, monotonic_now};
use percolate_runtime::tasks::{StopReport, TaskGroup};
use percolate_runtime::telemetry::{install_metrics, metrics_upkeep, record_build};
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, BrokerSetting};
use crate::catalog::app::MenuLoaded;
use crate::catalog::menu::Menu;
use crate::config::{HubConfig, IdentitySetting, Part, Profile};
use crate::entrance::{Entrance, EntranceAddresses};
use crate::hub_error::HubError;
use crate::ingest_part::Ingesting;
use crate::kernel::auth::keys::Keys;
use crate::kernel::db::Db;
use crate::kernel::duty::Duty;
use crate::kernel::engine::{ChainServer, Engine};
use crate::kernel::headway::{Headway, STILL_TIME_MAX};
use crate::kernel::http::{Routers, ServiceRouter, Surface, assemble};
use crate::kernel::journal::Journal;
use crate::kernel::{ServiceContext, ServiceParts, metrics};
use crate::stores::Stores;
use crate::sync::node_lanes::HEARD_ON;
use crate::{catalog, identity, ingest_part, own_papers, sync};

/// How long the parts may take to end, all together; what has not ended then is cut off.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);

/// A hub that runs.
pub struct Hub {
    tasks: TaskGroup,
    databases: Vec<Db>,
    broker: Broker,
    http: SocketAddr,
    menu: Option<MenuLoaded>,
    drain: Drain,
    /// Held to the end: one process uses a data folder.
    _data_dir: DataDir,
    /// The same of the chain's CA: what must not be forgotten has one writer.
    _ca: Option<DataDir>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("http", &self.http).field("broker", &self.broker).finish_non_exhaustive()
    }
}

impl Hub {
    /// Opens, wires and starts everything. When it returns, the hub listens.
    ///
    /// # Errors
    /// [`HubError`] says what could not be opened or started.
    pub async fn start(config: HubConfig) -> Result<Self, HubError> {
        let clock = clock_from_option(config.simulated_clock.as_deref())?;
        Self::start_with(config, clock, Arc::new(OsEntropy)).await
    }

    /// As [`Hub::start`], with a clock and chance of the caller's choosing.
    ///
    /// # Errors
    /// As [`Hub::start`].
    pub async fn start_with(
        config: HubConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, HubError> {
        let broker = config.profile.broker();
        Self::start_behind(broker, config, clock, entropy).await
    }

    /// As [`Hub::start_with`], with this broker whatever the profile says.
    ///
    /// # Errors
    /// As [`Hub::start`].
    pub async fn start_behind(
        broker: BrokerSetting,
        config: HubConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, HubError> {
        let recorder = install_metrics()?;
        metrics::describe();
        record_build("cloud-hub", env!("CARGO_PKG_VERSION"));
        let data_dir = DataDir::open(&config.data_dir).map_err(HubError::DataDir)?;
        let (engine, auth) = match &config.profile {
            Profile::Small => (Engine::Threads, TokenAuth::open(data_dir.path(), &*entropy)?),
            Profile::Large(large) => {
                let server = ChainServer::new(&large.postgres, Some(large.secrets.clone()));
                (Engine::Server(Arc::new(server)), TokenAuth::shared(&large.token)?)
            }
        };
        let ca_lock = lock_ca(config.identity.as_ref())?;
        let parts = config.profile.parts();
        let time_and_chance = (clock, entropy.clone());
        let ca = config.identity.as_ref().map(|setting| setting.ca.as_path());
        let folders = (data_dir.path().to_owned(), ca);
        let stores = Stores::open(folders, (engine, &parts), time_and_chance).await?;
        let menu = match config.menu {
            Some(path) => Some(stores.load_menu_file(read_menu(path)?).await?),
            None => None,
        };
        // Nodes must never meet a hub that says less than it said before: the journal is whole before anybody connects.
        stores.relay().await?;

        let broker = Broker::new(broker);
        let mut entrance = Entrance::open(&stores, config.identity.as_ref(), &broker).await?;
        let entrances = entrance.as_ref().map(Entrance::addresses).unwrap_or_default();
        let server = BoundServer::bind(config.http).await?;
        let http = server.address();
        let databases = stores.databases();

        let tasks = TaskGroup::new();
        let upkeep = recorder.clone();
        tasks.spawn("metrics_upkeep", |stop| metrics_upkeep(upkeep, stop));
        start_broker(&tasks, &broker, entrance.as_mut());
        let mut watched = vec![Watched::Journal(stores.context.journal.clone())];
        let mut routers = Vec::new();
        let mut drain = Drain { time: config.profile.drain(), ..Drain::default() };
        watched.push(Watched::Stop(drain.begun.clone()));
        if parts.contains(&Part::Ingest) {
            let tls = link_tls(&stores, &broker, entrance.as_ref())?;
            let part = ingest_part::start(&tasks, &stores, (&broker, tls));
            drain.ingest = Some((part.publisher.clone(), part.leaving.clone()));
            watched.push(Watched::Ingest { broker: broker.clone(), part });
            routers.push(sync::http::router(stores.context.journal.clone()));
        }
        let Stores { context, catalog, reporting, identity } = stores;
        let people = identity.as_ref().map(|identity| identity.auth().clone());
        let services = catalog.map(catalog::parts).into_iter().chain(reporting).chain(identity.map(identity::parts));
        for part in services {
            if matches!(context.engine, Engine::Server(_)) {
                watched.push(Watched::Service(part.db.clone()));
            }
            routers.push(start_service(&tasks, &context, part, &mut watched));
        }
        let checks = ready_checks(watched);
        let health = Health { checks, metrics: recorder };
        let clock = context.clock.clone();
        let Routers { own_machine: router, https } =
            assemble(Surface { services: routers, token: auth, people, clock, health, entropy });
        if let Some(entrance) = entrance {
            entrance.start(&tasks, https);
        }
        tasks.spawn("http", |stop| async move {
            if let Err(error) = server.serve(router, stop).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the HTTP server ended");
            }
        });
        write_endpoints(&data_dir, http, entrances)?;
        say_where(http, &broker, entrances);
        Ok(Self { tasks, databases, broker, http, menu, drain, _data_dir: data_dir, _ca: ca_lock })
    }

    /// Where it answers HTTP.
    #[must_use]
    pub const fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Its broker.
    #[must_use]
    pub const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// What became of the menu, if it was given one.
    #[must_use]
    pub const fn menu(&self) -> Option<MenuLoaded> {
        self.menu
    }

    /// The tasks that have ended although nobody stopped them.
    #[must_use]
    pub fn ended_tasks(&self) -> Vec<&'static str> {
        self.tasks.ended()
    }

    /// Stops everything in order; what nodes have sent and was taken in is committed.
    pub async fn stop(self) -> StopReport {
        self.drain.run().await;
        let report = self.tasks.stop(STOP_TIME_MAX).await;
        for db in &self.databases {
            db.stop().await;
        }
        report
    }
}

/// The CA's folder is one hub's.
fn lock_ca(setting: Option<&IdentitySetting>) -> Result<Option<DataDir>, HubError> {
    setting.map(|setting| DataDir::open(&setting.ca)).transpose().map_err(HubError::Ca)
}

/// Says in the log where the hub is.
fn say_where(http: SocketAddr, broker: &Broker, entrances: EntranceAddresses) {
    let meeting = entrances.mqtts.map_or_else(|| broker.access().0.to_string(), |door| door.to_string());
    let https = entrances.https.map_or_else(|| "nowhere here".to_owned(), |https| format!("at https://{https}"));
    tracing::info!(
        http.address = %http,
        mqtt.address = %meeting,
        "the hub answers at http://{http}, boxes enrol {https} and meet it at {meeting}"
    );
}

/// Starts the hub's own broker, and its door: before whatever comes in there, so that it stops after that.
fn start_broker(tasks: &TaskGroup, broker: &Broker, entrance: Option<&mut Entrance>) {
    if let Some(own) = broker.embedded().cloned() {
        tasks.spawn_restarting("broker", move |stop| own.clone().run(stop));
    }
    if let Some(entrance) = entrance {
        entrance.start_door(tasks);
    }
}

/// How the hub's own link shows who it is: by a folder's certificate, or by one of its own at its own door.
fn link_tls(stores: &Stores, broker: &Broker, entrance: Option<&Entrance>) -> Result<Option<LinkTls>, HubError> {
    match broker.certificate() {
        Some(folder) => own_papers::from_folder(folder, stores.context.clock.clone()).map(Some),
        None => Ok(entrance.map(Entrance::link).transpose()?.flatten()),
    }
}

/// Says in the data folder where the hub listens.
fn write_endpoints(data_dir: &DataDir, http: SocketAddr, entrances: EntranceAddresses) -> Result<(), HubError> {
    let endpoints = Endpoints::new(http).with_https(entrances.https).with_mqtts(entrances.mqtts);
    endpoints.write(data_dir.path()).map_err(HubError::Endpoints)
}

fn read_menu(path: PathBuf) -> Result<(Menu, [u8; 32]), HubError> {
    Menu::read(&path).map_err(|source| HubError::Menu { path, source })
}

/// Starts a service's projections and tasks, and gives its routes. Where another process can take over, one that has to fold
/// and cannot is not ready.
fn start_service(
    tasks: &TaskGroup,
    context: &ServiceContext,
    parts: ServiceParts,
    watched: &mut Vec<Watched>,
) -> ServiceRouter {
    for runner in parts.projections {
        let duty = Duty::new(parts.db.clone(), runner.name(), context.entropy.next_u64());
        if matches!(context.engine, Engine::Server(_)) {
            watched.push(Watched::Folding(duty.clone(), runner.headway().clone()));
        }
        tasks.spawn_restarting(runner.name(), move |stop| {
            let runner = runner.clone();
            duty.clone().work(stop, move |held| runner.clone().run(held))
        });
    }
    for mut task in parts.tasks {
        tasks.spawn_restarting(task.name, move |stop| (task.start)(stop));
    }
    parts.router
}

/// What comes before a stop where others take over: it is said, nothing more is taken from nodes, and what was taken is
/// committed and answered.
#[derive(Debug, Default)]
struct Drain {
    time: Duration,
    begun: Arc<AtomicBool>,
    /// Only where nodes are heard.
    ingest: Option<(Publisher, CancellationToken)>,
}

impl Drain {
    async fn run(&self) {
        if self.time.is_zero() {
            return;
        }
        self.begun.store(true, Ordering::Relaxed);
        let mut heard_on = Duration::ZERO;
        if let Some((publisher, leaving)) = &self.ingest {
            // Nodes are heard until others have their lanes.
            leaving.cancel();
            heard_on = HEARD_ON.min(self.time / 2);
            tokio::time::sleep(heard_on).await;
            publisher.unsubscribe();
        }
        tokio::time::sleep(self.time.saturating_sub(heard_on)).await;
    }
}

/// What readiness depends on.
enum Watched {
    /// Whether it is about to stop.
    Stop(Arc<AtomicBool>),
    Journal(Journal),
    Ingest {
        broker: Broker,
        part: Ingesting,
    },
    Service(Db),
    Folding(Duty, Headway),
}

impl Watched {
    fn check(&self) -> Vec<Check> {
        match self {
            Self::Stop(begun) if begun.load(Ordering::Relaxed) => {
                vec![Check { name: "draining", ok: false, detail: "it is about to stop".to_owned() }]
            }
            Self::Stop(_) => Vec::new(),
            Self::Journal(journal) if journal.db().is_ours() => {
                vec![check("journal_writable", journal.probe(), "it can be written")]
            }
            Self::Journal(journal) => vec![check("journal_readable", journal.probe(), "it can be read")],
            Self::Service(db) => vec![check(db.name(), db.probe(), "its database can be written")],
            Self::Folding(duty, headway) => vec![folding(!duty.is_held() || headway.is_well(monotonic_now()))],
            Self::Ingest { broker, part } => {
                let code = *part.trouble.borrow();
                let detail = code.map_or_else(
                    || "the last messages were committed".to_owned(),
                    |code| format!("the last messages could not be committed: {code}"),
                );
                let ingest = Check { name: "ingest", ok: code.is_none(), detail };
                let keys = part.keys.as_ref().map(Keys::were_read).map(box_keys);
                let lanes = part.lanes.as_ref().map(|settled| node_lanes(*settled.borrow()));
                [ingest, broker.check(part.publisher.is_up())].into_iter().chain(keys).chain(lanes).collect()
            }
        }
    }
}

fn check(name: &'static str, probed: Result<(), StorageError>, well: &str) -> Check {
    Check { name, ok: probed.is_ok(), detail: probed.map_or_else(|error| error.to_string(), |()| well.to_owned()) }
}

/// Whether the reports get on, if it is for this process to see to that.
fn folding(ok: bool) -> Check {
    let detail = match ok {
        true => "it has folded what is due, or others do".to_owned(),
        false => format!("it has been behind for {} s and could fold nothing; see the log", STILL_TIME_MAX.as_secs()),
    };
    Check { name: "folding", ok, detail }
}

/// Whether boxes can greet.
fn box_keys(ok: bool) -> Check {
    let detail = match ok {
        true => "it is known which boxes are let in",
        false => "it is not known which boxes are let in: a process with --only identity says so",
    };
    Check { name: "box_keys", ok, detail: detail.to_owned() }
}

/// Whether a replica has its place among the others.
fn node_lanes(ok: bool) -> Check {
    let detail = if ok {
        "its share of the lanes of nodes is heard"
    } else {
        "it does not hear its share of the lanes of nodes yet"
    };
    Check { name: "node_lanes", ok, detail: detail.to_owned() }
}

/// Ready means of each part that it can do its work: what nodes send can be committed, and nodes can connect.
fn ready_checks(watched: Vec<Watched>) -> ReadyChecks {
    Arc::new(move || watched.iter().flat_map(Watched::check).collect())
}
