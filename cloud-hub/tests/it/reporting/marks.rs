//! Completeness marks: they promise what is counted, and no more.

use serde_json::{Value, json};

use crate::durability::bare;
use crate::support::desk::Desk;
use crate::support::events::from_the_future;
use crate::support::eventually;
use crate::support::ground::Ground;
use crate::support::hub::TestHub;
use crate::support::node::TestNode;

const BY_STORE: &str = "/v1/reporting/sales?by=store";

fn mark(report: &Value, store: u64) -> &Value {
    let marks = report["completeness"].as_array().unwrap();
    marks.iter().find(|mark| mark["store"] == store).unwrap_or_else(|| panic!("no mark of store {store}: {report}"))
}

/// The mark says that a node's sales are counted up to here.
fn assert_through(mark: &Value, node: &TestNode, seq: u64) {
    let journals = mark["complete_through"].as_array().unwrap();
    let number = node.node.get();
    let part = journals.iter().find(|part| part["node"] == number && part["stream"] == "sales").unwrap();
    let at = usize::try_from(seq).unwrap();
    assert_eq!(part["seq"], seq, "{mark}");
    assert_eq!(part["head"], node.sales.heads[at].hash.to_string(), "{mark}");
    assert_eq!(part["incarnation"], node.incarnation.to_string(), "{mark}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_stands_still_shows_how_far_it_is_behind() {
    let bare = bare().await;
    let desk = Desk::over(bare.journal.clone(), Ground::new()).await;
    let mut node = TestNode::connect(11, bare.way()).await;
    node.sales.write(10);
    node.greet().await;
    // Nothing has come yet, but the node has said in its greeting how much there is.
    let report = desk.body(BY_STORE).await;
    let store = mark(&report, 1);
    assert_eq!((&store["behind_events"], &store["complete_through"]), (&json!(10), &json!([])), "{store}");
    assert_eq!((&report["rows"], &store["receipt"], &store["at_ms"]), (&json!([]), &json!(null), &json!(null)));

    node.send(&node.sales.batch(1, 6, node.session)).await;
    node.sales_acked(6).await;
    let report = desk.body(BY_STORE).await;
    assert_eq!(report["rows"], json!([]), "acknowledged, and not counted");
    assert_eq!((&mark(&report, 1)["behind_events"], &mark(&report, 1)["complete_through"]), (&json!(10), &json!([])));

    desk.fold().await;
    let report = desk.body(BY_STORE).await;
    assert_eq!(report["totals"]["tickets"], 6);
    assert_eq!((&mark(&report, 1)["behind_events"], &mark(&report, 1)["receipt"]), (&json!(4), &json!("T1-A-6")));
    assert_through(mark(&report, 1), &node, 6);

    node.send(&node.sales.batch(7, 10, node.session)).await;
    node.sales_acked(10).await;
    assert_eq!(desk.body(BY_STORE).await, report, "it stands still, and says so");
    let day = desk.body("/v1/reporting/stores").await;
    assert_eq!((&day["projection_lag_events"], &day["stores"][0]["behind_events"]), (&json!(4), &json!(4)), "{day}");

    desk.fold().await;
    let report = desk.body(BY_STORE).await;
    assert_eq!((&report["totals"]["tickets"], &mark(&report, 1)["behind_events"]), (&json!(10), &json!(0)));
    assert_through(mark(&report, 1), &node, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_is_in_the_marks_and_in_no_figure() {
    let bare = bare().await;
    let desk = Desk::over(bare.journal.clone(), Ground::new()).await;
    let mut node = TestNode::connect(11, bare.way()).await;
    // The first of all entries, so that nothing else tells whose journal it is.
    node.sales.push(from_the_future(node.sales.id, 1));
    node.sales.write(3);
    node.sales.push(b"no event at all".to_vec());
    node.greet().await;
    node.send(&node.sales.batch(1, 1, node.session)).await;
    node.sales_acked(1).await;
    desk.fold().await;
    let report = desk.body(BY_STORE).await;
    assert_eq!((&report["totals"]["tickets"], &mark(&report, 1)["parked_events"]), (&json!(0), &json!(1)), "{report}");
    assert_eq!(mark(&report, 1)["behind_events"], 4, "{report}");

    node.send(&node.sales.batch(2, 5, node.session)).await;
    node.sales_acked(5).await;
    desk.fold().await;
    let report = desk.body(BY_STORE).await;
    let store = mark(&report, 1);
    assert_eq!((&report["totals"]["tickets"], &store["parked_events"]), (&json!(3), &json!(2)), "{report}");
    assert_through(store, &node, 5);
    let day = desk.body("/v1/reporting/stores").await;
    assert_eq!(day["stores"][0]["parked_events"], 2, "{day}");
    let parked = desk.body("/v1/sync/parked").await;
    let seqs: Vec<_> = parked["rows"].as_array().unwrap().iter().map(|row| row["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [1, 5], "{parked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_of_one_store_are_added_up_and_each_has_its_own_mark() {
    let hub = TestHub::start().await;
    let mut first = TestNode::connect(11, hub.door(11)).await;
    let mut second = TestNode::connect(12, hub.door(12)).await;
    first.sales.write(4);
    second.sales.write(9);
    for node in [&mut first, &mut second] {
        node.greet().await;
    }
    first.send_sales(1, 10).await;
    second.send(&second.sales.batch(1, 7, second.session)).await;
    let report = eventually("the counted sales", || async {
        Some(hub.asker().body(BY_STORE).await).filter(|report| report["totals"]["tickets"] == 11)
    })
    .await;
    assert_eq!(report["rows"].as_array().unwrap().len(), 1, "{report}");
    let store = mark(&report, 1);
    assert_through(store, &first, 4);
    assert_through(store, &second, 7);
    assert_eq!(store["behind_events"], 2, "two sales of n12 are announced and have not come: {store}");
    assert_eq!((&store["receipt"], &store["online"]), (&json!("T1-A-7"), &json!(true)), "the later one: {store}");

    drop(first);
    drop(second);
    let away = |report: &Value| mark(report, 1)["online"] == false;
    eventually("both to be away", || async { Some(hub.asker().body(BY_STORE).await).filter(away) }).await;
}

/// Checks that a report counts as many tickets as its own marks promise, and tells how far these are.
fn assert_kept(report: &Value) -> u64 {
    let marks = report["completeness"].as_array().unwrap();
    let journals = marks.iter().flat_map(|mark| mark["complete_through"].as_array().unwrap());
    let sales = journals.filter(|part| part["stream"] == "sales");
    let through: u64 = sales.map(|part| part["seq"].as_u64().unwrap()).sum();
    let parked: u64 = marks.iter().map(|mark| mark["parked_events"].as_u64().unwrap()).sum();
    assert_eq!(report["totals"]["tickets"], through - parked, "{report}");
    through
}

#[tokio::test(flavor = "multi_thread")]
async fn while_sales_come_in_the_figures_are_what_the_marks_promise() {
    const SALES: u64 = 600;
    let hub = TestHub::start().await;
    let mut nodes = Vec::new();
    for number in [11, 21] {
        let mut node = TestNode::connect(number, hub.door(number)).await;
        for _ in 0..SALES / 20 {
            node.sales.write(19);
            node.sales.push(from_the_future(node.sales.id, node.sales.head().seq + 1));
        }
        node.greet().await;
        nodes.push(node);
    }
    // Taken in and folded at the hub's own pace, and asked in between.
    for lo in (1..=SALES).step_by(10) {
        for node in &nodes {
            node.send(&node.sales.batch(lo, lo + 9, node.session)).await;
        }
        assert_kept(&hub.asker().body(BY_STORE).await);
    }
    eventually("everything to be counted", || async {
        (assert_kept(&hub.asker().body(BY_STORE).await) == 2 * SALES).then_some(())
    })
    .await;
}
