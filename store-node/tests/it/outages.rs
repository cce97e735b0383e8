//! Outages as a shop sees them: noticed, called by their cause, with what waits, and over by themselves.

use percolate_common::journal::StreamKind;
use percolate_common::wire::session::Verdict;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::hub::TestHub;
use crate::support::menu::{ESPRESSO, MenuJournal};
use crate::support::node::{NOON_MS, TestNode, Till, ticket};

const HOUR_MS: i64 = 3_600_000;

/// Waits until the shop says that it stands so to its hub, and gives all that it says of that.
async fn stands(till: &Till, state: &str) -> Value {
    eventually(state, || async {
        let hub = till.get("/v1/node").await["hub"].take();
        (hub["state"] == state).then_some(hub)
    })
    .await
}

/// A node that sells, and tries again after a second at most.
async fn selling() -> (TestNode, TestHub) {
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    node.config.hub_retry_s_max = 1;
    node.open_selling(&mut hub).await;
    (node, hub)
}

async fn taken(till: &Till) {
    eventually("all to be acknowledged", || async { (till.get("/v1/node").await["hub"]["unsent"] == 0).then_some(()) })
        .await;
}

#[tokio::test]
async fn an_outage_is_noticed_its_cause_named_and_the_oldest_unsent_sale_told() {
    let (mut node, mut hub) = selling().await;
    let till = node.till();
    for stream in [StreamKind::Ops, StreamKind::Sales] {
        let last = till.last_seq(stream.as_str()).await;
        if last > till.acked_seq(stream.as_str()).await {
            hub.take_until(stream, last).await;
        }
    }
    taken(&till).await;
    let well = stands(&till, "connected").await;
    let none = (&json!(0), &Value::Null, &Value::Null);
    assert_eq!((&well["unsent"], &well["oldest_unsent_age_ms"], &well["advice"]), none);

    let mut screen = till.listen().await;
    node.clock.set(NOON_MS + HOUR_MS);
    hub.go_away();
    let told = screen.hear("hub").await;
    assert_eq!(told, json!({"state": "hub_unreachable", "since_ms": NOON_MS + HOUR_MS}));
    till.sold("one", &ticket("T1", &[(ESPRESSO, 1)])).await;
    node.clock.set(NOON_MS + 4 * HOUR_MS);
    till.sold("two", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let out = stands(&till, "hub_unreachable").await;
    // The number series of the terminal, and two sales; the oldest is three hours old, the outage itself as well.
    assert_eq!((&out["unsent"], &out["oldest_unsent_age_ms"]), (&json!(3), &json!(3 * HOUR_MS)));
    assert_eq!(out["since_ms"], NOON_MS + HOUR_MS);
    assert!(out["advice"].as_str().unwrap().contains("sell on"), "{out}");
    let metrics = till.ask_openly("/metrics").await.text;
    assert!(metrics.contains("node_hub_state{state=\"hub_unreachable\"}"), "{metrics}");

    hub.come_back().await;
    hub.greet().await;
    assert_eq!(screen.hear("hub").await["state"], "connected", "one event for each change");
    hub.take_until(StreamKind::Sales, till.last_seq("sales").await).await;
    taken(&till).await;
    drop(screen);
    node.stop().await;
}

#[tokio::test]
async fn p9_a_node_whose_tries_have_failed_is_connected_by_itself_once_somebody_answers() {
    let (mut node, mut hub) = selling().await;
    let till = node.till();
    stands(&till, "connected").await;
    for round in 0..2 {
        hub.go_away();
        stands(&till, "hub_unreachable").await;
        till.sold(&format!("sale-{round}"), &ticket("T1", &[(ESPRESSO, 1)])).await;
        hub.come_back().await;
        // A try that fails otherwise than the one before changes the name, and not that it is tried again.
        hub.refuse().await;
        stands(&till, "refused").await;
        hub.hang_up_on_the_next().await;
        stands(&till, "hub_unreachable").await;
        hub.greet().await;
        stands(&till, "connected").await;
        hub.take_until(StreamKind::Sales, till.last_seq("sales").await).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_there_without_its_hub_is_not_called_connected() {
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    node.open().await;
    let till = node.till();
    hub.connect().await;
    assert_eq!(till.get("/v1/node").await["hub"]["state"], "starting");
    hub.answer(Verdict::Welcome).await;
    stands(&till, "connected").await;
    hub.serve_menu(&MenuJournal::published()).await;
    node.stop().await;
}

#[tokio::test]
async fn a_shop_that_never_met_its_hub_says_so() {
    let mut node = TestNode::lonely().await;
    let till = node.till();
    let out = stands(&till, "hub_unreachable").await;
    assert_eq!(out["unsent"], till.last_seq("ops").await, "it has described itself, and nobody has heard it");
    node.stop().await;
}
