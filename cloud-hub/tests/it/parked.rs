//! A program that is newer than the one that parked an event reads it at its start, and the reports have it.

use std::path::Path;

use cloud_hub::reporting;
use serde_json::json;

use crate::support::events::from_the_future;
use crate::support::eventually;
use crate::support::ground::engine_at;
use crate::support::hand::change;
use crate::support::hub::TestHub;
use crate::support::node::TestNode;

/// Leaves the journal as an older program does that cannot read an entry of the sales.
async fn parked_by_an_older_program(data: &Path, seq: i64) {
    let sales = "SELECT 1 FROM journal_stream WHERE author = 11 AND stream = 1 AND seq >= 2";
    let entry = format!("UPDATE journal_entry SET parked = 1 WHERE seq = {seq} AND EXISTS ({sales})");
    assert_eq!(change(data, &entry).await, 1);
    let count = "UPDATE journal_stream SET parked_events = parked_events + 1 WHERE author = 11 AND stream = 1";
    assert_eq!(change(data, count).await, 1);
}

async fn tickets_and_parked(hub: &TestHub) -> (i64, i64) {
    let (_, report) = hub.get("/v1/reporting/sales?by=day").await;
    let parked = report["completeness"][0]["parked_events"].as_i64().unwrap_or(-1);
    (report["totals"]["tickets"].as_i64().unwrap_or(-1), parked)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_program_parked_is_read_at_the_next_start_and_counted() {
    let mut hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.broker_port()).await;
    node.sales.write(3);
    node.sales.push(from_the_future(node.sales.id, 4));
    node.send_sales(1, 10).await;
    node.sales_acked(4).await;
    eventually("three sales", || async { (tickets_and_parked(&hub).await == (3, 1)).then_some(()) }).await;
    hub.stop().await;

    parked_by_an_older_program(hub.data_dir(), 2).await;
    reporting::rebuild(hub.data_dir(), &engine_at(hub.data_dir())).await.unwrap();
    hub.open().await.unwrap();
    eventually("the sale in the reports", || async { (tickets_and_parked(&hub).await == (3, 1)).then_some(()) }).await;
    assert_eq!(hub.stream("n11", "sales").await.unwrap()["parked"], json!(1), "one is of a program newer still");
    let still: Vec<_> = hub.rows("/v1/sync/parked").await.iter().map(|row| row["seq"].clone()).collect();
    assert_eq!(still, [json!(4)]);
    let metrics = hub.get_openly("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("hub_events_unparked_total 1"), "{metrics}");
}
