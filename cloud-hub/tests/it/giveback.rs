//! What a node has lost of its own past is given back to it, in the session of its present life.

use percolate_common::journal::StreamKind;
use percolate_common::wire::session::FromHub;

use crate::support::copies::{image, sales_of_life, sell};
use crate::support::events::Written;
use crate::support::hub::TestHub;
use crate::support::node::TestNode;
use crate::support::process::{Process, place};

/// What there is to read besides.
const MENU: &str = include_str!("../../../provisioning/demo/menu.json");

/// A life of seven sales that the hub holds, and the process that goes on after it was put back to three.
async fn restored(hub: &TestHub) -> (Written, Process, Process) {
    let mut whole = sales_of_life(1);
    sell(&mut whole, 1..=7);
    let mut before = Process::in_session(1, whole.clone(), hub.door(11)).await;
    before.send(&whole, 1, 7).await;
    before.acked(&whole, 7).await;
    let after = Process::in_session(2, sales_of_life(2), hub.door(11)).await;
    (whole, before, after)
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_entries_after_the_asked_place_are_given_back() {
    let hub = TestHub::start().await;
    let (whole, _before, mut after) = restored(&hub).await;
    after.ask(place(&whole, 3)).await;
    let batch = after.batch().await;
    assert_eq!((batch.journal, batch.seq_lo, batch.last_seq), (whole.id, 4, 7));
    assert_eq!(batch.hash_before, whole.heads[3].hash.short());
    assert_eq!(batch.events, whole.events[3..]);
    after.acknowledge(place(&whole, 7)).await;

    // The whole life, to a box that has nothing of it.
    after.ask(place(&whole, 0)).await;
    assert_eq!(after.batch().await.events, whole.events);
    let nodes = hub.rows("/v1/sync/nodes").await;
    assert_eq!(nodes[0]["down"], serde_json::json!([]), "its own past is no journal of the hub that it follows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_reads_what_the_other_goes_on_to_sell_and_nobody_pushes_the_other_out() {
    let mut hub = TestHub::start_with_menu(Some(MENU)).await;
    let (mut whole, mut before, mut after) = restored(&hub).await;
    assert_eq!(before.batch().await.journal.stream, StreamKind::Catalog);
    assert_eq!(after.batch().await.journal.stream, StreamKind::Catalog);
    after.ask(place(&whole, 7)).await;
    sell(&mut whole, [8]);
    before.send(&whole, 8, 8).await;
    before.acked(&whole, 8).await;
    loop {
        let batch = after.batch().await;
        if batch.journal == whole.id {
            assert_eq!((batch.seq_lo, batch.events.as_slice()), (8, &whole.events[7..]));
            break;
        }
    }
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_the_hub_holds_otherwise_is_contested() {
    let hub = TestHub::start().await;
    let (whole, _before, mut after) = restored(&hub).await;
    let mut other = image(&whole, 2);
    sell(&mut other, [101]);
    after.ask(place(&other, 3)).await;
    let contested = FromHub::Contested { position: place(&whole, 7), session: after.session };
    assert_eq!(after.answer().await, contested);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_given_the_past_of_another_node() {
    let hub = TestHub::start().await;
    let mut stranger = TestNode::in_session(21, hub.door(21)).await;
    stranger.sales.write(2);
    stranger.send_sales(1, 2).await;
    stranger.sales_acked(2).await;
    let (whole, _before, mut after) = restored(&hub).await;
    after.ask(place(&stranger.sales, 0)).await;
    after.ask(place(&whole, 6)).await;
    assert_eq!(after.batch().await.journal, whole.id);
}
