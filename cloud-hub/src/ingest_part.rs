//! Ingest as the composition root starts it: the link, ingest itself, the downlink, and what services have said.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::journal::{AuthorId, Service};
use percolate_common::wire::topic::{hub_client_id, hub_subscriptions, replica_subscriptions};
use percolate_runtime::files::{read_text, write_atomic};
use percolate_runtime::mqtt::{KEEP_ALIVE, Link, LinkConfig, LinkTls, Publisher, RETRY_MAX};
use percolate_runtime::storage::StorageError;
use percolate_runtime::tasks::TaskGroup;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::kernel::ServiceContext;
use crate::kernel::auth::keys::Keys;
use crate::kernel::db::Db;
use crate::kernel::duty::Duty;
use crate::kernel::engine::{ChainServer, Engine};
use crate::kernel::journal;
use crate::kernel::outbox::OutboxError;
use crate::stores::Stores;
use crate::sync::downlink::{self, Downlink};
use crate::sync::ingest::{Ingest, Replicas};
use crate::sync::node_lanes::NodeLanes;
use crate::{catalog, identity};

/// The services whose journals nodes read.
pub(crate) const SERVICES: [AuthorId; 1] = [AuthorId::service(Service::Catalog)];

/// How often it is seen to that the journal has tables for the next quarters.
const QUARTERS_EVERY: Duration = Duration::from_secs(6 * 60 * 60);

/// What a replica is called, in its data folder.
const REPLICA_FILE: &str = "replica-id";

/// Ingest as others see it.
pub(crate) struct Ingesting {
    /// Sends over the link.
    pub(crate) publisher: Publisher,
    /// Why it cannot commit, if it cannot.
    pub(crate) trouble: watch::Receiver<Option<&'static str>>,
    /// With which keys boxes may greet, where that is looked at.
    pub(crate) keys: Option<Keys>,
    /// Whether its share of the lanes of nodes is heard, where several processes share them.
    pub(crate) lanes: Option<watch::Receiver<bool>>,
    /// Says that it is about to stop: others should have what it takes in.
    pub(crate) leaving: CancellationToken,
}

/// Starts all of it. Through a door the link comes like everybody else.
pub(crate) fn start(tasks: &TaskGroup, stores: &Stores, (broker, tls): (&Broker, Option<LinkTls>)) -> Ingesting {
    let context = &stores.context;
    let (replicas, subscriptions) = match context.engine {
        Engine::Server(_) => (Replicas::Several, replica_subscriptions()),
        Engine::Threads | Engine::Inline(_) => (Replicas::Alone, hub_subscriptions()),
    };
    let (brokers, credentials) = broker.access();
    let config = LinkConfig {
        brokers,
        tls,
        credentials,
        client_id: hub_client_id("ingest", context.entropy.next_u64()),
        subscriptions,
        will: None,
        online: None,
        keep_alive: KEEP_ALIVE,
        retry_max: RETRY_MAX,
    };
    let (link, publisher, events) = Link::new(config, context.entropy.clone());
    tasks.spawn("hub_link", |stop| link.run(stop));
    let (sender, told) = mpsc::channel(downlink::EVENTS_MAX);
    let journal = context.journal.clone();
    let downlink = Downlink::new(journal.clone(), context.clock.clone(), publisher.clone(), SERVICES.to_vec(), told);
    let duty = Duty::new(journal.db().clone(), "downlink", context.entropy.next_u64());
    tasks.spawn_restarting("downlink", move |stop| {
        let downlink = downlink.clone();
        duty.clone().work(stop, move |held| {
            let downlink = downlink.clone();
            async move {
                if replicas == Replicas::Several {
                    downlink.forget().await;
                }
                downlink.run(held).await
            }
        })
    });
    let time_and_chance = (context.clock.clone(), context.entropy.clone());
    let mut ingest = Ingest::new(journal, time_and_chance, (publisher.clone(), events), sender, replicas);
    let keys = broker.certificate().and_then(|_at_somebody_elses| start_keys(tasks, stores));
    if let Some(keys) = &keys {
        let (knowing, shut_out) = ingest.with_keys(keys.clone());
        ingest = knowing;
        tasks.spawn_restarting("shut_out", move |stop| shut_out.clone().run(stop));
    }
    let (leaving, mut settled) = (CancellationToken::new(), None);
    if replicas == Replicas::Several {
        start_quarters(tasks, context);
        let db = context.journal.db().clone();
        let lanes = NodeLanes::new(db, publisher.clone(), replica_id(context), leaving.clone());
        settled = Some(lanes.settled());
        ingest = ingest.with_lanes(lanes.held());
        tasks.spawn_restarting("node_lanes", move |stop| lanes.clone().run(stop));
    }
    let trouble = ingest.trouble();
    tasks.spawn_restarting("ingest", move |stop| ingest.clone().run(stop));
    start_relay(tasks, stores);
    Ingesting { publisher, trouble, keys, lanes: settled, leaving }
}

/// What this process is called among its replicas. One that was killed goes on under its name, with the lanes that it had.
fn replica_id(context: &ServiceContext) -> u64 {
    let path = context.data_dir.join(REPLICA_FILE);
    let known = read_text(&path).ok().flatten().and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    known.unwrap_or_else(|| {
        let fresh = context.entropy.next_u64();
        if let Err(error) = write_atomic(&path, format!("{fresh:016x}\n").as_bytes()) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the name of this replica could not be kept");
        }
        fresh
    })
}

/// Keeps up with which boxes are shut out, of the identity in this process or of another one's. With files there may be none.
fn start_keys(tasks: &TaskGroup, stores: &Stores) -> Option<Keys> {
    let keys = Keys::default();
    let (own, context) = (keys.clone(), stores.context.clone());
    match (&stores.identity, &context.engine) {
        (Some(app), _) => {
            let db = app.db().clone();
            tasks.spawn_restarting("box_keys", move |stop| {
                let (own, db) = (own.clone(), db.clone());
                async move { own.follow(&db, &stop).await }
            });
        }
        (None, Engine::Server(server)) => {
            let server = server.clone();
            tasks.spawn_restarting("box_keys", move |stop| {
                keys_from_elsewhere(own.clone(), context.clone(), server.clone(), stop)
            });
        }
        (None, Engine::Threads | Engine::Inline(_)) => return None,
    }
    Some(keys)
}

/// As [`relay_from_elsewhere`]: identity's process may not have made its tables yet.
async fn keys_from_elsewhere(
    keys: Keys,
    context: ServiceContext,
    server: Arc<ChainServer>,
    stop: CancellationToken,
) -> Result<(), StorageError> {
    let rows = context.engine.opened(move || Db::open_reader(&identity::SCHEMA, &server, journal::NAME)).await?;
    let outcome = keys.follow(&rows, &stop).await;
    rows.stop().await;
    outcome
}

/// What the catalog says is copied by one process, whichever publishes it.
fn start_relay(tasks: &TaskGroup, stores: &Stores) {
    let context = stores.context.clone();
    let duty = Duty::new(context.journal.db().clone(), "relay_catalog", context.entropy.next_u64());
    match (&stores.catalog, &context.engine) {
        (None, Engine::Server(server)) => {
            let server = server.clone();
            tasks.spawn_restarting("relay_catalog", move |stop| {
                relay_from_elsewhere(context.clone(), server.clone(), duty.clone(), stop)
            });
        }
        (Some(catalog), _) => {
            let relay = catalog::relay(catalog.db().clone(), &context);
            tasks.spawn_restarting("relay_catalog", move |stop| {
                let relay = relay.clone();
                duty.clone().work(stop, move |held| relay.clone().run(held))
            });
        }
        // With files there is one process, which has the catalog.
        (None, Engine::Threads | Engine::Inline(_)) => {}
    }
}

/// The catalog's process may not have made its tables yet: the task is started anew until it has.
async fn relay_from_elsewhere(
    context: ServiceContext,
    server: Arc<ChainServer>,
    duty: Duty,
    stop: CancellationToken,
) -> Result<(), OutboxError> {
    let open = move || Db::open_reader(&catalog::SCHEMA, &server, journal::NAME);
    let outbox = context.engine.opened(open).await?;
    let relay = catalog::relay(outbox.clone(), &context);
    let outcome = duty.work(stop, move |held| relay.clone().run(held)).await;
    outbox.stop().await;
    outcome
}

fn start_quarters(tasks: &TaskGroup, context: &ServiceContext) {
    let (journal, clock) = (context.journal.clone(), context.clock.clone());
    tasks.spawn("journal_quarters", move |stop| async move {
        let kept: Result<(), Infallible> = loop {
            tokio::select! {
                () = stop.cancelled() => break Ok(()),
                () = tokio::time::sleep(QUARTERS_EVERY) => {}
            }
            if let Err(error) = journal.quarters_ensure(clock.now()).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the next quarters have no tables yet");
            }
        };
        kept.unwrap_or_default();
    });
}
