//! How fast ingest is: printed, and asserted nowhere. A backlog of three shops as large as the published quarter.

use percolate_runtime::system::monotonic_now;

use crate::support::hub::TestHub;
use crate::support::node::TestNode;

const EVENTS_PER_NODE: u64 = 14_400;
const BATCH_EVENTS: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_quarter_of_three_shops_is_ingested() {
    let hub = TestHub::start().await;
    let mut nodes = Vec::new();
    for number in [11, 21, 31] {
        let mut node = TestNode::in_session(number, hub.door(number)).await;
        node.sales.write(EVENTS_PER_NODE);
        nodes.push(node);
    }
    let begin = monotonic_now();
    for lo in (1..=EVENTS_PER_NODE).step_by(usize::try_from(BATCH_EVENTS).unwrap()) {
        for node in &nodes {
            let hi = (lo + BATCH_EVENTS - 1).min(EVENTS_PER_NODE);
            node.send(&node.sales.batch(lo, hi, node.session)).await;
        }
    }
    for node in &mut nodes {
        node.sales_acked(EVENTS_PER_NODE).await;
    }
    let took = monotonic_now() - begin;
    let events = EVENTS_PER_NODE * nodes.len() as u64;
    println!("{events} events in batches of {BATCH_EVENTS} were committed and acknowledged in {took:?}");
    for node in &nodes {
        let row = hub.stream(&format!("n{}", node.node), "sales").await.unwrap();
        assert_eq!(row["head"], node.sales.head().hash.to_string());
    }
}
