//! Commit, then acknowledge: a group that is not kept is not answered, and a hub that is killed holds what it answered.

use std::sync::Arc;
use std::time::Duration;

use cloud_hub::kernel::journal::Journal;
use cloud_hub::sync::downlink;
use cloud_hub::sync::ingest::{Ingest, Replicas};
use percolate_common::entropy::SeededEntropy;
use percolate_common::journal::Head;
use percolate_common::wire::session::FromHub;
use percolate_common::wire::topic::hub_subscriptions;
use percolate_runtime::mqtt::{Link, LinkConfig};
use percolate_runtime::storage::StorageError;
use percolate_runtime::tasks::TaskGroup;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::support::DEADLINE;
use crate::support::door::DoorGround;
use crate::support::ground::{Ground, aside};
use crate::support::hub::StandingClock;
use crate::support::node::{Door, TestNode};

/// A broker, a link and ingest around a journal, and nothing else.
pub(crate) struct Bare {
    _folder: Ground,
    pub(crate) journal: Journal,
    ground: DoorGround,
    trouble: tokio::sync::watch::Receiver<Option<&'static str>>,
    _tasks: TaskGroup,
}

pub(crate) async fn bare() -> Bare {
    let folder = Ground::new();
    let journal = folder.journal();
    let ground = DoorGround::start().await;
    let (tasks, way) = (TaskGroup::new(), ground.way(Some(&ground.hub)));
    let config = LinkConfig {
        brokers: way.brokers,
        tls: way.tls,
        credentials: way.credentials,
        client_id: "hub-1".to_owned(),
        subscriptions: hub_subscriptions(),
        will: None,
        online: None,
        keep_alive: Duration::from_secs(10),
        retry_max: percolate_runtime::mqtt::RETRY_MAX,
    };
    let (link, publisher, events) = Link::new(config, Arc::new(SeededEntropy::new(1)));
    tasks.spawn("link", |stop| link.run(stop));
    let (sender, _nobody) = mpsc::channel(downlink::EVENTS_MAX);
    let time_and_chance = (Arc::new(StandingClock) as _, Arc::new(SeededEntropy::new(2)) as _);
    let ingest = Ingest::new(journal.clone(), time_and_chance, (publisher, events), sender, Replicas::Alone);
    let trouble = ingest.trouble();
    tasks.spawn_restarting("ingest", move |stop| ingest.clone().run(stop));
    Bare { _folder: folder, journal, ground, trouble, _tasks: tasks }
}

impl Bare {
    /// How node 11 comes.
    pub(crate) fn way(&self) -> Door {
        self.ground.way(Some(&self.ground.papers("n11")))
    }
}

fn held(journal: &Journal, node: &TestNode) -> Head {
    let states = aside(|| journal.streams().unwrap());
    let state = states.into_iter().find(|state| state.journal == node.sales.id);
    state.map_or_else(|| node.sales.id.genesis(), |state| state.head)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hears_an_acknowledgement_finds_the_entries_in_the_file() {
    let bare = bare().await;
    let mut node = TestNode::in_session(11, bare.way()).await;
    node.sales.write(300);
    node.send_sales(1, 10).await;
    let mut acked = 0;
    while acked < 300 {
        acked = node.sales_acked_beyond(acked).await.position.seq();
        assert!(held(&bare.journal, &node).seq >= acked, "acknowledged before it was kept");
    }
}

/// What is only about files, or about the program with files.
#[cfg(test)]
mod of_files {
    use super::*;
    use crate::support::enrolled::Enrolled;
    use crate::support::program::serve;

    /// Lets the database grow by so many pages at most, or without limit.
    async fn limit_growth(journal: &Journal, pages: Option<u32>) {
        let limited: Result<(), StorageError> = journal
            .db()
            .write("limit", move |tx| {
                let present: u32 = tx.query_one("PRAGMA page_count", &[], |row| row.take())?;
                let limit = pages.map_or(0xffff_fffe, |pages| present + pages);
                tx.execute_one(&format!("PRAGMA max_page_count = {limit}"), &[], |_row| Ok(()))
            })
            .await;
        limited.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_not_committed_is_not_acknowledged() {
        let mut bare = bare().await;
        let mut node = TestNode::in_session(11, bare.way()).await;
        node.sales.write(500);
        node.send(&node.sales.batch(1, 2, node.session)).await;
        node.sales_acked(2).await;

        limit_growth(&bare.journal, Some(1)).await;
        node.send(&node.sales.batch(3, 302, node.session)).await;
        tokio::time::timeout(DEADLINE, bare.trouble.wait_for(Option::is_some)).await.unwrap().unwrap();
        assert_eq!(*bare.trouble.borrow(), Some("disk_full"));
        assert_eq!(held(&bare.journal, &node), node.sales.heads[2], "nothing of the failed batch is kept");

        // Answers keep their order: had the batch been acknowledged, that would be heard before this refusal.
        limit_growth(&bare.journal, None).await;
        node.send(&node.sales.batch(3, 3, 12_345)).await;
        assert_eq!(node.answer().await, FromHub::Rehello { session: 12_345 });

        node.send_sales(3, 100).await;
        node.sales_acked(500).await;
        assert_eq!(held(&bare.journal, &node), node.sales.head());
        tokio::time::timeout(DEADLINE, bare.trouble.wait_for(Option::is_none)).await.unwrap().unwrap();
    }

    /// Makes every statement of an append succeed and its COMMIT fail: a reference that is checked only then leads nowhere.
    async fn break_commits(journal: &Journal) {
        let broken: Result<(), StorageError> = journal
            .db()
            .write("break", |tx| {
                tx.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY) STRICT", &[])?;
                tx.execute(
                    "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED) STRICT",
                    &[],
                )?;
                let trigger =
                    "CREATE TRIGGER dangle AFTER INSERT ON journal_entry BEGIN INSERT INTO child VALUES (1); END";
                tx.execute(trigger, &[]).map(drop)
            })
            .await;
        broken.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_that_fails_after_every_statement_succeeded_is_not_acknowledged() {
        let mut bare = bare().await;
        let mut node = TestNode::in_session(11, bare.way()).await;
        node.sales.write(40);
        node.send(&node.sales.batch(1, 2, node.session)).await;
        node.sales_acked(2).await;

        break_commits(&bare.journal).await;
        node.send(&node.sales.batch(3, 20, node.session)).await;
        tokio::time::timeout(DEADLINE, bare.trouble.wait_for(Option::is_some)).await.unwrap().unwrap();
        assert_eq!(held(&bare.journal, &node), node.sales.heads[2]);
        // Answers keep their order: had the batch been acknowledged, that would be heard before this refusal.
        node.send(&node.sales.batch(3, 3, 12_345)).await;
        assert_eq!(node.answer().await, FromHub::Rehello { session: 12_345 });

        let mended: Result<usize, StorageError> =
            bare.journal.db().write("mend", |tx| tx.execute("DROP TRIGGER dangle", &[])).await;
        mended.unwrap();
        node.send_sales(3, 10).await;
        node.sales_acked(40).await;
        assert_eq!(held(&bare.journal, &node), node.sales.head());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_hub_that_is_killed_at_any_time_holds_what_it_acknowledged_and_goes_on() {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let enrolled = Enrolled::found(folder.path(), Arc::default());
        enrolled.write(&data).await;
        let mut hub = serve((&data, &enrolled.ca), 0).await;
        let mut node = TestNode::in_session(11, enrolled.door(11, hub.port)).await;
        let id = node.sales.id;
        let mut held_seq = 0;
        for round in 1..=3 {
            // However fast the hub was in the round before, there is more to take in than is waited for.
            node.sales.write(500);
            node.send_sales(held_seq + 1, 7).await;
            let acked = node.sales_acked_beyond(held_seq + 100).await.position.seq();
            let port = hub.port;
            drop(hub);
            hub = serve((&data, &enrolled.ca), port).await;
            node.wait_up().await;
            let welcome = node.greet().await;
            let position = welcome.positions.iter().find(|p| p.journal() == Some(id)).unwrap();
            held_seq = position.seq();
            assert!(held_seq >= acked, "round {round}: {acked} was acknowledged, {held_seq} is held");
            let at = usize::try_from(held_seq).unwrap();
            assert_eq!(position.hash(), node.sales.heads[at].hash.short());
        }
        node.sales.write(100);
        node.send_sales(held_seq + 1, 100).await;
        node.sales_acked(1_600).await;
        drop(hub);
        let journal = Journal::open(&data).unwrap();
        assert_eq!(held(&journal, &node), node.sales.head());
    }
}
