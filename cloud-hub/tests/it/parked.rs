//! What one program cannot read, another may: entries that ingest has parked, and entries that reporting has passed over.
//! The two have versions of their own.

use std::path::Path;

use cloud_hub::kernel::db::Db;
use cloud_hub::reporting;
use percolate_runtime::storage::StorageError;
use serde_json::json;

use crate::support::events::from_the_future;
use crate::support::eventually;
use crate::support::ground::{engine_at, opened};
use crate::support::hand::change;
use crate::support::hub::TestHub;
use crate::support::node::TestNode;

/// Three sales, and then one that no program can read; all in the reports, as far as they can be. The hub is stopped.
async fn three_sales_and_a_riddle() -> TestHub {
    let mut hub = TestHub::start().await;
    let mut node = TestNode::in_session(11, hub.door(11)).await;
    node.sales.write(3);
    node.sales.push(from_the_future(node.sales.id, 4));
    node.send_sales(1, 10).await;
    node.sales_acked(4).await;
    reports_have(&hub, (3, 1)).await;
    hub.stop().await;
    hub
}

/// Leaves the journal as a program does that reads another number of the entries of the sales.
async fn park(data: &Path, seq: i64, is_parked: bool) {
    let (flag, more) = if is_parked { (1, 1) } else { (0, -1) };
    let sales = "SELECT 1 FROM journal_stream WHERE author = 11 AND stream = 1 AND seq >= 2";
    let entry = format!("UPDATE journal_entry SET parked = {flag} WHERE seq = {seq} AND EXISTS ({sales})");
    assert_eq!(change(data, &entry).await, 1);
    let count =
        format!("UPDATE journal_stream SET parked_events = parked_events + {more} WHERE author = 11 AND stream = 1");
    assert_eq!(change(data, &count).await, 1);
}

/// Does something in the tables of reporting, while no hub runs.
async fn change_reporting(data: &Path, statements: &'static [&'static str]) {
    let db = opened(data, |data, engine| Db::open(&reporting::SCHEMA, data, engine)).unwrap();
    for sql in statements {
        let changed: Result<usize, StorageError> = db.write("hand", move |tx| tx.execute(sql, &[])).await;
        assert_eq!(changed.unwrap(), 1, "{sql}");
    }
    db.stop().await;
}

async fn tickets_and_parked(hub: &TestHub) -> (i64, i64) {
    let (_, report) = hub.get("/v1/reporting/sales?by=day").await;
    let parked = report["completeness"][0]["parked_events"].as_i64().unwrap_or(-1);
    (report["totals"]["tickets"].as_i64().unwrap_or(-1), parked)
}

async fn reports_have(hub: &TestHub, figures: (i64, i64)) {
    eventually("the reports", || async { (tickets_and_parked(hub).await == figures).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_program_parked_is_parked_no_more_at_the_next_start() {
    let mut hub = three_sales_and_a_riddle().await;
    park(hub.data_dir(), 2, true).await;
    // Whoever folds reads for himself, whatever ingest could read.
    reporting::rebuild(hub.data_dir(), &engine_at(hub.data_dir())).await.unwrap();
    hub.open().await.unwrap();
    reports_have(&hub, (3, 1)).await;
    assert_eq!(hub.stream("n11", "sales").await.unwrap()["parked"], json!(1), "one is of a program newer still");
    let still: Vec<_> = hub.rows("/v1/sync/parked").await.iter().map(|row| row["seq"].clone()).collect();
    assert_eq!(still, [json!(4)]);
    let metrics = hub.get_openly("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("hub_events_unparked_total 1"), "{metrics}");
    assert!(!metrics.contains("hub_projection_refolds_total"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_ingest_could_read_and_reporting_cannot_holds_up_nothing() {
    let mut hub = three_sales_and_a_riddle().await;
    park(hub.data_dir(), 4, false).await;
    reporting::rebuild(hub.data_dir(), &engine_at(hub.data_dir())).await.unwrap();
    hub.open().await.unwrap();
    reports_have(&hub, (3, 1)).await;
    let mut node = TestNode::in_session(12, hub.door(12)).await;
    node.sales.write(1);
    node.send_sales(1, 10).await;
    node.sales_acked(1).await;
    eventually("the next sale", || async { (tickets_and_parked(&hub).await.0 == 4).then_some(()) }).await;
    let metrics = hub.get_openly("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("hub_projection_stalled_journals{projection=\"reporting\"} 0"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_reporting_passed_over_is_read_by_a_newer_one() {
    let mut hub = three_sales_and_a_riddle().await;
    // As an older program leaves it that could not read the second sale.
    change_reporting(
        hub.data_dir(),
        &[
            "UPDATE projection_unread SET seq = 2 WHERE author = 11 AND stream = 1 AND seq = 4",
            "UPDATE source_mark SET parked = 2 WHERE author = 11 AND stream = 1",
            "DELETE FROM ticket WHERE at_ms = (SELECT min(at_ms) FROM ticket)",
            "UPDATE rollup SET tickets = tickets - 1 WHERE kind = 1 AND scope = 1",
        ],
    )
    .await;
    hub.open().await.unwrap();
    reports_have(&hub, (3, 1)).await;
    let metrics = hub.get_openly("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("hub_projection_refolds_total{projection=\"reporting\"} 1"), "{metrics}");
    // The one that still nobody reads is listed, and asks for nothing at the next start.
    hub.stop().await;
    change_reporting(hub.data_dir(), &["UPDATE projection_unread SET seq = seq WHERE author = 11 AND seq = 4"]).await;
    hub.open().await.unwrap();
    reports_have(&hub, (3, 1)).await;
}
