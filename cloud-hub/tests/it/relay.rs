//! Outbox and relay: what a service says reaches the journal once, in order, and is not lost with its database.

use std::sync::Arc;

use cloud_hub::kernel::db::Db;
use cloud_hub::kernel::engine::Schema;
use cloud_hub::kernel::journal::{Journal, entry_list, stream_fetch, stream_list};
use cloud_hub::kernel::outbox::{self, Outbox, OutboxError, Relay, append, said_list};
use percolate_common::domain::catalog::{CatalogEvent, Category};
use percolate_common::domain::event::Event;
use percolate_common::entropy::SeededEntropy;
use percolate_common::hlc::Hlc;
use percolate_common::ids::CategoryId;
use percolate_common::journal::{JournalId, Service, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::StorageError;
use tokio_util::sync::CancellationToken;

use crate::support::events::NOON_MS;
use crate::support::eventually;
use crate::support::ground::{Ground, lose};
use crate::support::hub::StandingClock;

static SCHEMA: Schema =
    Schema { name: "service", sqlite: &outbox::migrations(1), postgres: &[outbox::migration_postgres(1)] };

struct Desk {
    folder: Ground,
    db: Db,
    hub: Journal,
    outbox: Outbox,
    relay: Relay,
}

impl Desk {
    async fn new() -> Self {
        let folder = Ground::new();
        Self::open(folder, 1).await.unwrap()
    }

    async fn open(folder: Ground, seed: u64) -> Result<Self, OutboxError> {
        let db = folder.database(&SCHEMA);
        let hub = folder.journal();
        let entropy = SeededEntropy::new(seed);
        let of = (Service::Catalog, StreamKind::Catalog);
        let outbox = Outbox::open(&db, of, &hub, &entropy).await?;
        let relay = Relay::new(db.clone(), of, hub.clone(), Arc::new(StandingClock));
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
            Event::Catalog(CatalogEvent::CategorySet(Category {
                id: CategoryId::new(number),
                name: name.clone(),
                station: None,
            }))
        };
        let events: Vec<_> = (1..).zip(names).map(category).collect();
        let now = UtcMillis::new(NOON_MS);
        self.db.write("say", move |tx| append(tx, &id, &events, Hlc::default(), now)).await.unwrap();
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
        (said, self.held(id).await)
    }

    /// The bytes that the journal holds of one life.
    async fn held(&self, id: JournalId) -> Vec<Vec<u8>> {
        let held: Result<_, StorageError> = self.hub.db().read_async(move |tx| entry_list(tx, &id, 0, 10_000)).await;
        held.unwrap().into_iter().map(|entry| entry.bytes).collect()
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
async fn each_run_that_says_something_begins_a_life_and_leaves_the_earlier_ones_as_they_are() {
    let desk = Desk::new().await;
    desk.say(&names(700)).await;
    desk.relay.catch_up().await.unwrap();
    let (first, id) = (desk.both().await.1, desk.outbox.journal_id());
    // A run that says nothing leaves no trace.
    let desk = desk.reopened(|_| {}).await.unwrap();
    desk.relay.catch_up().await.unwrap();
    assert_eq!(desk.hub.db().read_async(stream_list).await.unwrap().len(), 1);
    let desk = desk.reopened(|folder| lose(folder, "service")).await.unwrap();
    assert_ne!(desk.outbox.journal_id(), id);
    desk.say(&names(1)).await;
    desk.relay.catch_up().await.unwrap();
    let (said, held) = desk.both().await;
    assert!(said == held && said.len() == 1);
    assert!(desk.held(id).await == first, "what the lost database had said is there, and not continued");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_hub_journal_is_filled_again_from_the_outbox_with_every_life() {
    let desk = Desk::new().await;
    desk.say(&names(20)).await;
    let (said, first) = (desk.both().await.0, desk.outbox.journal_id());
    let desk = desk.reopened(|_| {}).await.unwrap();
    desk.say(&names(3)).await;
    desk.relay.catch_up().await.unwrap();
    let second = desk.outbox.journal_id();
    let desk = desk.reopened(|folder| lose(folder, "journal")).await.unwrap();
    desk.relay.catch_up().await.unwrap();
    assert!(desk.held(first).await == said && said.len() == 20);
    assert_eq!(desk.held(second).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_that_was_changed_is_refused() {
    let desk = Desk::new().await;
    desk.say(&names(2)).await;
    desk.relay.catch_up().await.unwrap();
    desk.say(&names(1)).await;
    let id = desk.outbox.journal_id();
    let change = |tx: &percolate_runtime::storage::WriteTx<'_>| {
        tx.execute("UPDATE outbox_said SET event = ?1 WHERE seq = 3", params![&[0_u8; 9]])
    };
    let changed: Result<usize, StorageError> = desk.db.write("damage", change).await;
    assert_eq!(changed.unwrap(), 1);
    let refused = desk.relay.catch_up().await.unwrap_err();
    assert!(matches!(refused, OutboxError::Forked { journal, seq: 2 } if journal == id), "{refused}");
}

/// What can only happen to files.
#[cfg(test)]
mod of_files {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_service_database_that_was_put_back_continues_no_life() {
        let desk = Desk::new().await;
        desk.say(&names(2)).await;
        let desk =
            desk.reopened(|folder| drop(std::fs::copy(folder.join("service.db"), folder.join("older.db")))).await;
        let desk = desk.unwrap();
        desk.say(&names(3)).await;
        desk.relay.catch_up().await.unwrap();
        let (lost, _) = (desk.outbox.journal_id(), desk.db.stop().await);
        let put_back = |folder: &std::path::Path| {
            lose(folder, "service");
            std::fs::rename(folder.join("older.db"), folder.join("service.db")).unwrap();
        };
        let desk = desk.reopened(put_back).await.unwrap();
        desk.say(&names(4)).await;
        desk.relay.catch_up().await.unwrap();
        assert_ne!(desk.outbox.journal_id(), lost);
        assert_eq!((desk.held(lost).await.len(), desk.both().await.1.len()), (3, 4));
    }
}
