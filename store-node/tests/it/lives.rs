//! Disks that move or are put back from a copy, as a shop and a hub see it. What may happen in between, and that a
//! process may die at any point of it, is tested beside the exchange itself.

use percolate_common::journal::{Incarnation, StreamKind};
use percolate_common::wire::session::{FromNode, Verdict};
use percolate_runtime::params;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::hub::{Heard, TestHub, position};
use crate::support::menu::{BEANS, ESPRESSO};
use crate::support::node::{TestNode, Till, ticket};
use crate::support::program::{copy_database, open_database, put_database_back};

async fn sell(till: &Till, keys: std::ops::RangeInclusive<u32>) -> Vec<String> {
    let mut receipts = Vec::new();
    for key in keys {
        receipts.push(till.sold(&format!("sale-{key}"), &ticket("T1", &[(ESPRESSO, 1)])).await);
    }
    receipts
}

/// Waits until the shop says so of its life.
async fn life_because(till: &Till, reason: &str) -> Value {
    let what = format!("a life because it {reason}");
    eventually(&what, || async { Some(till.get("/v1/node").await).filter(|node| node["life"]["reason"] == reason) })
        .await
}

/// The disk as if it had been in another machine until now.
fn moved(node: &TestNode) {
    let put = |tx: &percolate_runtime::storage::WriteTx<'_>| {
        tx.execute("UPDATE author_life SET machine = ?1", params![&[9_u8; 16]])
    };
    open_database(&node.database()).write("move", put).unwrap();
}

#[tokio::test]
async fn a_disk_in_another_machine_begins_a_life_without_asking_anybody_and_sends_on_what_the_old_one_had_not_sent() {
    let (mut node, mut hub) = TestNode::selling().await;
    let first = node.till().get("/v1/node").await;
    assert_eq!((&first["life"]["reason"], &first["life"]["incarnation"]), (&json!("new"), &first["incarnation"]));
    sell(&node.till(), 1..=2).await;
    node.stop().await;
    moved(&node);
    hub.hang_up();
    node.open().await;
    let till = node.till();
    let node_now = life_because(&till, "moved").await;
    assert_ne!(node_now["incarnation"], first["incarnation"]);
    let receipts = sell(&till, 3..=4).await;
    assert!(receipts[0].starts_with("T1-B") && receipts[1].ends_with("-2"), "{receipts:?}");
    assert_eq!(till.get("/v1/tickets").await["tickets"].as_array().unwrap().len(), 4);
    assert_eq!(till.get("/v1/tickets?limit=3").await["tickets"][2]["receipt"], receipts[0]);

    let hello = hub.greet().await;
    assert_eq!(hello.incarnation.to_string(), first_number(&node_now));
    let mut held = Vec::new();
    while held.iter().filter(|id| **id == StreamKind::Sales).count() < 2 {
        let batch = hub.hear("a batch", |heard| match heard {
            Heard::Batch(batch) => Some((**batch).clone()),
            _ => None,
        });
        let batch = batch.await;
        hub.take(&batch);
        hub.acknowledge(batch.journal, batch.seq_hi()).await;
        held.push(batch.journal.stream);
    }
    let lives: Vec<_> =
        hub.held.iter().filter(|(id, _)| id.stream == StreamKind::Sales).map(|(_, heads)| heads.len() - 1).collect();
    assert_eq!(lives, [3, 3], "a series and two tickets of each life, each under its own name");
    let books = node.stop().await;
    assert_eq!(books.receipts().len(), 4);
}

fn first_number(node: &Value) -> String {
    let incarnation: Incarnation = node["incarnation"].as_str().unwrap().parse().unwrap();
    incarnation.get().to_string()
}

/// A shop that was put back to two sales, whose hub holds four and a delivery; the hub has its greeting.
async fn put_back_to_two(sold_meanwhile: u32) -> (TestNode, TestHub, tempfile::TempDir) {
    let (mut node, mut hub) = TestNode::selling().await;
    sell(&node.till(), 1..=2).await;
    hub.take_until(StreamKind::Sales, 3).await;
    node.stop().await;
    let copy = tempfile::TempDir::new().unwrap();
    copy_database(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    hub.greet().await;
    sell(&node.till(), 3..=4).await;
    hub.take_until(StreamKind::Sales, 5).await;
    node.till().move_stock("delivery", "received", &[(BEANS, 1_000_000)]).await.ok();
    hub.take_until(StreamKind::Stock, 1).await;
    node.stop().await;
    put_database_back(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    for number in 0..sold_meanwhile {
        node.till().sold(&format!("meanwhile-{number}"), &ticket("T1", &[(ESPRESSO, 1)])).await;
    }
    hub.connect().await;
    (node, hub, copy)
}

#[tokio::test]
async fn a_copy_that_was_put_back_sells_on_in_a_new_life_and_gets_back_what_it_had_lost() {
    let (mut node, mut hub, _copy) = put_back_to_two(1).await;
    let till = node.till();
    let old = hub.held.keys().find(|id| id.stream == StreamKind::Sales).copied().unwrap();
    hub.answer(Verdict::Forked { stream: StreamKind::Sales.number() }).await;
    // Its end is not the hub's: it asks where both are still alike.
    let asking = hub.hello().await;
    let marks = asking.marks.unwrap();
    let places: Vec<_> = marks
        .iter()
        .filter(|mark| mark.journal() == Some(old))
        .map(percolate_common::wire::session::Position::seq)
        .collect();
    assert_eq!(places, [2, 3, 4]);
    assert_eq!(till.get("/v1/node").await["life"]["reason"], "new", "nothing is decided yet");
    let agreed = vec![position(&old, &hub.held[&old][3])];
    hub.welcome(Verdict::Forked { stream: StreamKind::Sales.number() }, Some(agreed)).await;

    let hello = hub.hello().await;
    let node_now = life_because(&till, "forked").await;
    assert_eq!((hello.incarnation.to_string(), &node_now["halted"]), (first_number(&node_now), &Value::Null));
    assert_eq!(till.get("/v1/tickets").await["tickets"].as_array().unwrap().len(), 3, "nothing is out of sight");
    hub.answer(Verdict::Welcome).await;
    // It may greet once more when all is written again; whatever it asks for comes back.
    let mut returned = std::collections::BTreeSet::new();
    while returned.len() < 2 {
        match hub.reply().await {
            FromNode::Hello(_) => hub.answer(Verdict::Welcome).await,
            FromNode::Resend(asked) => hub.give_back(&asked).await,
            FromNode::Mark(_) => {}
            FromNode::Ack(ack) => drop(returned.insert(ack.position.journal().unwrap().stream)),
        }
    }
    eventually("all five sales", || async {
        (till.get("/v1/tickets").await["tickets"].as_array().unwrap().len() == 5).then_some(())
    })
    .await;
    let node_now = till.get("/v1/node").await;
    assert_eq!((&node_now["repair"], &node_now["halted"]), (&Value::Null, &Value::Null));
    assert_eq!(till.get("/v1/business-day").await["tickets"], 5);
    let beans =
        till.get("/v1/stock").await["rows"].as_array().unwrap().iter().find(|row| row["stock_item"] == BEANS).cloned();
    assert_eq!(beans.unwrap()["on_hand"], 1_000_000 - 5 * 18_000);
    // The till that never heard of its fourth sale asks again.
    let again = till.sell("sale-4", &ticket("T1", &[(ESPRESSO, 1)])).await;
    assert_eq!((again.status, &again.json()["receipt"]), (200, &json!("T1-A-4")));
    let written_again = node.books();
    let origins = written_again.stream(StreamKind::Sales).filter(|entry| entry.recorded.origin.is_some()).count();
    assert_eq!(origins, 1, "the sale that only this disk had");
    node.restart().await;
    node.till().sold("after", &ticket("T1", &[(ESPRESSO, 1)])).await;
    node.stop().await;
}

#[tokio::test]
async fn where_the_end_of_the_copy_is_agreed_nothing_more_is_asked() {
    let (mut node, mut hub, _copy) = put_back_to_two(0).await;
    let agreed = hub.held.iter().map(|(id, heads)| position(id, &heads[heads.len().min(4) - 1])).collect();
    hub.welcome(Verdict::Forked { stream: StreamKind::Sales.number() }, Some(agreed)).await;
    let hello = hub.hello().await;
    assert_eq!(hello.marks, None);
    let node_now = life_because(&node.till(), "forked").await;
    assert_eq!(hello.incarnation.to_string(), first_number(&node_now));
    let receipt = node.till().sold("after", &ticket("T1", &[(ESPRESSO, 1)])).await;
    assert!(receipt.starts_with("T1-B"), "{receipt}");
    node.stop().await;
}

#[tokio::test]
async fn an_answer_to_an_earlier_greeting_means_nothing() {
    let (mut node, mut hub) = TestNode::selling().await;
    hub.say(&percolate_common::wire::session::FromHub::Rehello { session: hub.session }).await;
    let hello = hub.hello().await;
    let late = percolate_common::wire::session::Welcome {
        boot: hello.boot,
        verdict: Verdict::Fenced,
        session: 0,
        positions: Vec::new(),
        hub_ms: hub.now_ms,
        agreed: None,
        incarnation: Some(hello.incarnation),
        number: hello.number.map(|number| number - 1),
        parked: None,
    };
    hub.say(&percolate_common::wire::session::FromHub::Welcome(late)).await;
    hub.answer(Verdict::Welcome).await;
    sell(&node.till(), 1..=1).await;
    let batch = hub.batch(StreamKind::Sales).await;
    assert_eq!(batch.journal.incarnation.get(), hello.incarnation);
    node.stop().await;
}
