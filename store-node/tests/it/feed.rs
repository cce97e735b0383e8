//! Server-sent events: screens hear what happens, and no screen holds up a till.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::feed::Listener;
use crate::support::menu::ESPRESSO;
use crate::support::node::{TestNode, basket, practice, ticket};

#[tokio::test]
async fn every_screen_hears_of_each_sale_once_and_as_it_was_answered() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    let (mut one, mut other) = (till.listen().await, till.listen().await);
    assert!(one.head.contains("content-type: text/event-stream"), "{}", one.head);
    let body = ticket("T1", &[(ESPRESSO, 1)]);
    let first = till.sell("first", &body).await.ok();
    till.sell("first", &body).await.ok();
    till.sell("refused", &ticket("T1", &[(999, 1)])).await;
    let second = till.sell("second", &practice(body)).await.ok();
    for listener in [&mut one, &mut other] {
        // Each is told to the kitchen, too.
        let mut heard = BTreeMap::<String, Vec<Value>>::new();
        for _ in 0..4 {
            let told = listener.next().await.unwrap();
            heard.entry(told.name).or_default().push(told.value);
        }
        assert_eq!(heard["ticket"], [first.clone(), second.clone()], "no repetition, no refusal");
        let prepared = [&first, &second].map(|sold| sold["ticket_id"].clone());
        assert_eq!(heard["kitchen"].iter().map(|prep| prep["ticket_id"].clone()).collect::<Vec<_>>(), prepared);
    }
    hub.hang_up();
    assert_eq!(one.hear("link").await, json!({"link": "down"}));
    hub.greet().await;
    assert_eq!(one.hear("link").await, json!({"link": "up"}));
    drop((one, other));
    node.stop().await;
}

#[tokio::test]
async fn a_screen_that_comes_back_hears_what_is_new_and_reads_the_rest() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let body = ticket("T1", &[(ESPRESSO, 1)]);
    let mut listener = till.listen().await;
    let seen = till.sell("seen", &body).await.ok();
    assert_eq!(listener.hear("ticket").await, seen);
    drop(listener);
    let mut other = till.listen().await;
    let missed = till.sell("missed", &body).await.ok();
    // A sale is told of after it was answered: nobody may come back in between.
    assert_eq!(other.hear("ticket").await, missed);
    drop(other);
    let mut listener = till.listen().await;
    let new = till.sell("new", &body).await.ok();
    // One that was sold the moment before may still be on its way to the screens.
    while listener.hear("ticket").await != new {}
    let page = till.get(&format!("/v1/tickets?after={}", seen["seq"])).await;
    assert_eq!(page, json!({"tickets": [missed, new], "next": null}));
    drop(listener);
    node.stop().await;
}

#[tokio::test]
async fn a_screen_hears_neither_of_sales_before_the_start_nor_of_another_systems() {
    let (mut node, _hub) = TestNode::selling().await;
    let body = ticket("T1", &[(ESPRESSO, 1)]);
    node.till().sold("before", &body).await;
    node.restart().await;
    let till = node.till();
    let mut listener = till.listen().await;
    let import = json!({"source": "old till", "baskets": [basket("2026-11-20", "07:06:11", &[("1", 1, 300)])]});
    till.post("/v1/imports/baskets", "import", &import).await.ok();
    let sold = till.sell("sale", &body).await.ok();
    assert_eq!(listener.hear("ticket").await, sold);
    drop(listener);
    node.stop().await;
}

/// More than the feed keeps for a listener, and more bytes than the sockets between hold.
const TICKETS: u32 = 800;
/// Lines that make the answer, and so the event, about 20 KB.
const LINES: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_that_does_not_listen_holds_up_nobody_and_is_told_that_it_missed_something() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let mut asleep = Listener::open_slow(till.address, &till.token).await;
    let mut tills = JoinSet::new();
    for terminal in ["T1", "T2", "T3", "T4"] {
        let till = till.clone();
        tills.spawn(async move {
            let body = ticket(terminal, &[(ESPRESSO, 1); LINES]);
            for number in 0..TICKETS / 4 {
                till.sold(&format!("{terminal}-{number}"), &body).await;
            }
        });
    }
    tills.join_all().await;
    // Awake again: it has the first ones, hears that there is a hole, and goes on with the present.
    let mut heard = 0;
    loop {
        let told = asleep.next().await.expect("the feed goes on");
        if told.name == "missed" {
            break;
        }
        heard += 1;
        assert!(heard < TICKETS, "all of it was kept for a screen that slept");
    }
    till.sold("last", &ticket("LAST", &[(ESPRESSO, 1)])).await;
    while asleep.hear("ticket").await["receipt"] != "LAST-A-1" {}
    drop(asleep);
    assert_eq!(node.stop().await.sold().len(), 801);
}

#[tokio::test]
async fn a_screen_that_listens_does_not_keep_the_node_from_stopping() {
    let (mut node, _hub) = TestNode::selling().await;
    let mut listener = node.till().listen().await;
    node.till().sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await;
    listener.hear("ticket").await;
    node.stop().await;
    assert_eq!(listener.next().await, None);
    assert!(listener.ended_well, "the server said that this was all, and did not just hang up");
}
