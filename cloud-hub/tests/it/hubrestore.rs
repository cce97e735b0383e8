//! The hub is put back to an earlier state: nodes give back what its services had said, and what it says next contradicts
//! nobody (I16).

use std::collections::BTreeMap;

use percolate_common::domain::catalog::CatalogEvent;
use percolate_common::domain::event::Event;
use percolate_common::journal::JournalId;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event;
use percolate_common::wire::session::{FromHub, Position};
use percolate_common::wire::topic::Topic;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::ground;
use crate::support::hub::TestHub;
use crate::support::node::{Heard, TestNode};

const MENU: &str = include_str!("../../../provisioning/demo/menu.json");

fn menu_with_price(price: i64) -> String {
    let mut menu: Value = serde_json::from_str(MENU).unwrap();
    menu["items"][0]["price_minor"] = json!(price);
    menu.to_string()
}

/// What a node has of the catalog's journals.
#[derive(Default)]
struct Shelf {
    batches: BTreeMap<JournalId, Vec<Batch>>,
}

impl Shelf {
    /// Reads until a revision is published, and acknowledges.
    async fn read_to(&mut self, node: &mut TestNode, revision: u32) -> JournalId {
        loop {
            let session = node.session;
            let batch = node
                .hear("the catalog", |heard| match heard {
                    Heard::Batch(batch) if batch.session == session => Some((**batch).clone()),
                    _ => None,
                })
                .await;
            let journal = batch.journal;
            let kept = self.batches.entry(journal).or_default();
            if kept.iter().all(|known| known.seq_lo != batch.seq_lo) {
                kept.push(batch);
            }
            let (position, published) = self.place(journal);
            node.acknowledge(position).await;
            node.positions = self.batches.keys().map(|journal| self.place(*journal).0).collect();
            if published == Some(revision) {
                return journal;
            }
        }
    }

    /// How far a journal is held, and the last revision that it publishes.
    fn place(&self, journal: JournalId) -> (Position, Option<u32>) {
        let mut head = journal.genesis();
        let mut published = None;
        for bytes in self.batches[&journal].iter().flat_map(|batch| &batch.events) {
            head = head.after(bytes);
            if let Event::Catalog(CatalogEvent::RevisionPublished(revision)) = event::decode(bytes).unwrap().event {
                published = Some(revision.number);
            }
        }
        (Position::new(&journal, head.seq, head.hash.short()), published)
    }

    /// Gives a journal back, as a node does that is asked.
    async fn give_back(&self, node: &mut TestNode, journal: JournalId) {
        for batch in &self.batches[&journal] {
            let batch = Batch { session: node.session, ..batch.clone() };
            node.publish(Topic::Up(node.node, journal.stream), &batch.encode().unwrap()).await;
        }
        let (position, _) = self.place(journal);
        node.hear("an ack of what was given back", |heard| match heard {
            Heard::Session(FromHub::Ack(ack)) if ack.position == position => Some(()),
            _ => None,
        })
        .await;
    }
}

/// A hub that has published revision 2 and was put back to revision 1, not yet started; and a node that has read both.
async fn put_back() -> (TestHub, TestNode, Shelf, JournalId) {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    let mut shelf = Shelf::default();
    shelf.read_to(&mut node, 1).await;
    hub.stop().await;
    ground::back_up(hub.data_dir());
    hub.restart_after_refusal(&menu_with_price(777)).await;
    node.wait_up().await;
    node.greet().await;
    let lost = shelf.read_to(&mut node, 2).await;
    hub.stop().await;
    ground::put_back(hub.data_dir());
    (hub, node, shelf, lost)
}

/// Greets, and is asked for everything of a journal.
async fn asked_for(node: &mut TestNode, journal: JournalId) {
    node.wait_up().await;
    node.greet().await;
    let place = Position::new(&journal, 0, journal.genesis().hash.short());
    node.hear("a request", |heard| match heard {
        Heard::Session(FromHub::Resend(resend)) if resend.position == place => Some(()),
        _ => None,
    })
    .await;
}

async fn revisions(hub: &TestHub) -> Vec<u64> {
    let rows = hub.rows("/v1/catalog/revisions").await;
    rows.iter().map(|row| row["revision"].as_u64().unwrap()).collect()
}

async fn price(hub: &TestHub) -> i64 {
    hub.rows("/v1/catalog/items").await[0]["price_minor"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_was_put_back_takes_its_menu_back_from_a_node() {
    let (mut hub, mut node, shelf, lost) = put_back().await;
    hub.restart_after_refusal(MENU).await;
    assert_eq!(revisions(&hub).await, [1]);
    asked_for(&mut node, lost).await;
    shelf.give_back(&mut node, lost).await;
    eventually("revision 2", || async { (revisions(&hub).await == [1, 2]).then_some(()) }).await;
    assert_eq!(price(&hub).await, 777);

    // Another node receives it from the hub.
    let mut other = TestNode::in_session(21, hub.door(21)).await;
    assert_eq!(Shelf::default().read_to(&mut other, 2).await, lost);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_that_was_published_before_anybody_was_heard_is_published_again_as_the_next() {
    let (mut hub, mut node, mut shelf, lost) = put_back().await;
    hub.restart_after_refusal(&menu_with_price(888)).await;
    assert_eq!(revisions(&hub).await, [1, 2]);
    asked_for(&mut node, lost).await;
    shelf.give_back(&mut node, lost).await;
    eventually("revision 3", || async { (revisions(&hub).await == [1, 2, 2, 3]).then_some(()) }).await;
    assert_eq!(price(&hub).await, 888);
    let own = shelf.read_to(&mut node, 3).await;
    assert_ne!(own, lost, "no two pasts write one journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_contradicts_the_hubs_own_journal_is_not_taken() {
    let (mut hub, mut node, shelf, lost) = put_back().await;
    hub.restart_after_refusal(MENU).await;
    asked_for(&mut node, lost).await;
    shelf.give_back(&mut node, lost).await;
    let mut forged = shelf.batches[&lost][0].clone();
    forged.session = node.session;
    for bytes in &mut forged.events {
        bytes.push(0);
    }
    node.publish(Topic::Up(node.node, lost.stream), &forged.encode().unwrap()).await;
    let (position, _) = shelf.place(lost);
    assert_eq!(node.answer().await, FromHub::Contested { position, session: node.session });
    eventually("the price that came back", || async { (price(&hub).await == 777).then_some(()) }).await;
}
