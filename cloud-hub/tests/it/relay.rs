//! Outbox and relay: what a service says reaches the journal once, in order, and is not lost with its database.

use std::sync::Arc;

use cloud_hub::kernel::db::Db;
use cloud_hub::kernel::journal::{Journal, entry_list, stream_fetch};
use cloud_hub::kernel::outbox::{self, Outbox, OutboxError, Relay, append, said_list};
use percolate_common::domain::catalog::{CatalogEvent, Category};
use percolate_common::domain::event::Event;
use percolate_common::entropy::SeededEntropy;
use percolate_common::ids::CategoryId;
use percolate_common::journal::{Service, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_runtime::migrate::Migration;
use percolate_runtime::sqlite::StorageError;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::events::NOON_MS;
use crate::support::eventually;
use crate::support::hub::StandingClock;

const MIGRATIONS: &[Migration] = &[outbox::migration(1)];

struct Desk {
    folder: TempDir,
    db: Db,
    hub: Journal,
    outbox: Outbox,
    relay: Relay,
}

impl Desk {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self::open(folder, 1).await.unwrap()
    }

    async fn open(folder: TempDir, seed: u64) -> Result<Self, OutboxError> {
        let path = folder.path().to_owned();
        let db = Db::open("service", &path, MIGRATIONS).unwrap();
        let hub = Journal::open(&path).unwrap();
        let entropy = SeededEntropy::new(seed);
        let of = (Service::Catalog, StreamKind::Catalog);
        let outbox = Outbox::open(db.clone(), of, &hub, (&StandingClock, &entropy)).await?;
        let relay = Relay::new(outbox.clone(), hub.clone(), Arc::new(StandingClock));
        Ok(Self { folder, db, hub, outbox, relay })
    }

    /// Stops, lets `change` have the folder, and opens again with other random numbers.
    async fn reopened(self, change: impl FnOnce(&std::path::Path)) -> Result<Self, OutboxError> {
        self.db.stop().await;
        self.hub.db().stop().await;
        let Self { folder, .. } = self;
        change(folder.path());
        Self::open(folder, 2).await
    }

    async fn say(&self, names: &[String]) {
        let id = self.outbox.journal_id();
        let category = |(number, name): (u32, &String)| {
            Event::Catalog(CatalogEvent::CategorySet(Category { id: CategoryId::new(number), name: name.clone() }))
        };
        let events: Vec<_> = (1..).zip(names).map(category).collect();
        let now = UtcMillis::new(NOON_MS);
        self.db.write("say", move |tx| append(tx, &id, &events, now)).await.unwrap();
    }

    /// The bytes in the outbox and in the journal.
    async fn both(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let id = self.outbox.journal_id();
        let mut said = Vec::new();
        loop {
            let after = said.len() as u64;
            let part = self.db.read_async(move |tx| said_list(tx, &id, after)).await.unwrap();
            if part.is_empty() {
                break;
            }
            said.extend(part.into_iter().map(|entry| entry.bytes));
        }
        let held: Result<_, StorageError> = self.hub.db().read_async(move |tx| entry_list(tx, &id, 0, 10_000)).await;
        (said, held.unwrap().into_iter().map(|entry| entry.bytes).collect())
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("category {number} {}", "x".repeat(40))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_copies_once_and_in_order_however_often_it_runs() {
    let desk = Desk::new().await;
    // More than one reading and more than one body.
    desk.say(&names(1_200)).await;
    desk.relay.catch_up().await.unwrap();
    desk.say(&names(3)).await;
    desk.relay.catch_up().await.unwrap();
    desk.relay.catch_up().await.unwrap();
    let (said, held) = desk.both().await;
    assert_eq!(said.len(), 1_203);
    assert!(said == held, "the journal holds what was said, byte for byte and in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_is_woken_by_the_services_commits() {
    let desk = Desk::new().await;
    let stop = CancellationToken::new();
    let tasks = percolate_runtime::tasks::TaskGroup::new();
    let relay = desk.relay.clone();
    tasks.spawn_restarting("relay", move |stop| relay.clone().run(stop));
    for round in 1..=3_usize {
        desk.say(&names(2)).await;
        let id = desk.outbox.journal_id();
        eventually("the relay", || async {
            let state = desk.hub.db().read_async(move |tx| stream_fetch(tx, &id)).await.unwrap();
            state.filter(|state| state.head.seq == 2 * round as u64)
        })
        .await;
    }
    stop.cancel();
    assert!(tasks.stop(std::time::Duration::from_secs(5)).await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_service_database_takes_its_life_back_from_the_journal() {
    let desk = Desk::new().await;
    desk.say(&names(700)).await;
    desk.relay.catch_up().await.unwrap();
    let (before, _) = desk.both().await;
    let id = desk.outbox.journal_id();

    let remove = |folder: &std::path::Path| {
        for ending in ["", "-wal", "-shm"] {
            std::fs::remove_file(folder.join(format!("service.db{ending}"))).unwrap_or_default();
        }
    };
    let desk = desk.reopened(remove).await.unwrap();
    assert_eq!(desk.outbox.journal_id(), id, "it is the same life");
    desk.say(&names(1)).await;
    desk.relay.catch_up().await.unwrap();
    let (said, held) = desk.both().await;
    assert!(said == held && said.len() == 701 && said[..700] == before[..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_hub_journal_is_filled_again_from_the_outbox() {
    let desk = Desk::new().await;
    desk.say(&names(20)).await;
    desk.relay.catch_up().await.unwrap();
    let remove = |folder: &std::path::Path| {
        for ending in ["", "-wal", "-shm"] {
            std::fs::remove_file(folder.join(format!("journal.db{ending}"))).unwrap_or_default();
        }
    };
    let desk = desk.reopened(remove).await.unwrap();
    desk.relay.catch_up().await.unwrap();
    let (said, held) = desk.both().await;
    assert!(said == held && said.len() == 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_with_another_past_is_refused() {
    let desk = Desk::new().await;
    desk.say(&names(2)).await;
    let folder = desk.folder.path().to_owned();
    desk.db.stop().await;
    // An older copy of the service's database, in which something else is said next.
    let copy = folder.join("older.db");
    std::fs::copy(folder.join("service.db"), &copy).unwrap();
    let desk = desk.reopened(|_| {}).await.unwrap();
    desk.say(&names(3)).await;
    desk.relay.catch_up().await.unwrap();
    let desk = desk
        .reopened(|folder| {
            std::fs::remove_file(folder.join("service.db-wal")).unwrap_or_default();
            std::fs::copy(&copy, folder.join("service.db")).map(drop).unwrap();
        })
        .await
        .unwrap();
    // It was behind only: what it had lost was taken back.
    assert_eq!(desk.both().await.0.len(), 5);

    let id = desk.outbox.journal_id();
    desk.db
        .write("damage", move |tx| {
            tx.execute("UPDATE outbox_journal SET seq = 4, hash = zeroblob(32)", [])?;
            tx.execute("DELETE FROM outbox_entry WHERE seq = 5", [])
        })
        .await
        .unwrap();
    let refused = desk.reopened(|_| {}).await.err().unwrap();
    assert!(matches!(refused, OutboxError::Forked { journal, seq: 4 } if journal == id), "{refused}");
}
