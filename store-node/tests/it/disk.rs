//! A disk that runs out or cannot be written: named refusals, no half sale, no number lost, and on it goes.

use percolate_common::journal::StreamKind;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::disk::{ReadOnly, SmallDisk};
use crate::support::http::Answer;
use crate::support::hub::TestHub;
use crate::support::menu::{BEANS, ESPRESSO};
use crate::support::node::{TestNode, Till, basket, ticket};
use crate::support::program::Program;

/// Room for the files of a node that sells a little.
const DISK_BYTES: u32 = 8 << 20;

fn espresso() -> Value {
    ticket("T1", &[(ESPRESSO, 1)])
}

fn import() -> Value {
    json!({"source": "old till", "baskets": [basket("2026-11-20", "07:06:11", &[("1", 1, 300)])]})
}

/// A refusal for a time: it says by name what is wrong, and when to come again.
fn refused_for_now(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.refusal(), (status, code.to_owned()));
    assert_eq!(answer.media_type(), "application/problem+json");
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    assert!(answer.json()["detail"].as_str().unwrap().contains("disk"), "{answer:?}");
}

async fn all_can_be_read(till: &Till) {
    for path in
        ["/v1/node", "/v1/catalog", "/v1/tickets", "/v1/stock", "/v1/business-day", "/v1/business-days/2026-11-22"]
    {
        till.get(path).await;
    }
}

#[tokio::test]
async fn below_the_reserve_new_sales_are_refused_by_name_and_the_days_books_go_on() {
    let (mut node, _hub) = TestNode::selling().await;
    let sold = node.till().sell("before", &espresso()).await;
    node.stop().await;
    node.config.disk_reserve_bytes = u64::MAX;
    node.open().await;
    let till = node.till();
    refused_for_now(&till.sell("new", &espresso()).await, 507, "disk_reserve_reached");
    refused_for_now(&till.post("/v1/imports/baskets", "import", &import()).await, 507, "disk_reserve_reached");
    let ready = till.ask_openly("/readyz").await;
    assert_eq!(ready.status, 503);
    let disk = ready.json()["checks"].as_array().unwrap().iter().find(|check| check["name"] == "disk").unwrap().clone();
    assert_eq!(disk["ok"], false);

    // A till that did not hear of its sale is told of it, not that there is no room for it.
    let again = till.sell("before", &espresso()).await;
    assert_eq!((again.status, again.text), (200, sold.text));
    all_can_be_read(&till).await;
    till.move_stock("waste", "wasted", &[(BEANS, 5)]).await.ok();
    assert_eq!(till.get("/v1/business-day").await["tickets"], 1);

    node.stop().await;
    node.config.disk_reserve_bytes = 0;
    node.open().await;
    assert_eq!(node.till().sold("new", &espresso()).await, "T1-A-2");
    node.stop().await;
}

/// A node that sells, with its data on a disk of its own.
async fn on_a_small_disk(reserve_bytes: u64) -> Option<(SmallDisk, TestNode, TestHub)> {
    let disk = SmallDisk::mount(DISK_BYTES)?;
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    node.config.data = disk.path().join("data");
    node.config.disk_reserve_bytes = reserve_bytes;
    node.open_selling(&mut hub).await;
    assert_eq!(node.till().sold("before", &espresso()).await, "T1-A-1");
    Some((disk, node, hub))
}

#[tokio::test]
async fn the_reserve_is_felt_as_the_disk_fills_and_is_over_when_there_is_room() {
    let Some((disk, mut node, _hub)) = on_a_small_disk(2 << 20).await else {
        println!("SKIPPED: a disk that fills needs the right to mount a tmpfs");
        return;
    };
    let till = node.till();
    let ballast = disk.fill();
    refused_for_now(&till.sell("new", &espresso()).await, 507, "disk_reserve_reached");
    std::fs::remove_file(ballast).unwrap();
    assert_eq!(till.sold("new", &espresso()).await, "T1-A-2");
    node.stop().await;
}

#[tokio::test]
async fn a_full_disk_is_named_writes_no_half_sale_and_uses_no_number() {
    let Some((disk, mut node, _hub)) = on_a_small_disk(0).await else {
        println!("SKIPPED: a full disk needs the right to mount a tmpfs");
        return;
    };
    let till = node.till();
    let before = till.get("/v1/business-day").await;
    let ballast = disk.fill();
    let mut tills = JoinSet::new();
    for number in 0..12 {
        let (till, terminal) = (till.clone(), format!("T{}", number % 3));
        let body = ticket(&terminal, &[(ESPRESSO, 1); 150]);
        tills.spawn(async move { till.sell(&format!("full-{number}"), &body).await });
    }
    for answer in tills.join_all().await {
        refused_for_now(&answer, 507, "disk_full");
    }
    let lines = [(BEANS, 5); 400];
    refused_for_now(&till.move_stock("full", "wasted", &lines).await, 507, "disk_full");
    all_can_be_read(&till).await;
    assert_eq!(till.get("/v1/business-day").await, before);
    let books = node.books();
    books.check();
    assert_eq!((books.receipts().len(), books.stream(StreamKind::Stock).count()), (1, 0));

    std::fs::remove_file(ballast).unwrap();
    // The same requests again: each is done once, with the numbers that nobody had.
    for (key, receipt) in [("full-1", "T1-A-2"), ("full-4", "T1-A-3"), ("full-2", "T2-A-1")] {
        let body = ticket(receipt.split('-').next().unwrap(), &[(ESPRESSO, 1); 150]);
        assert_eq!(till.sold(key, &body).await, receipt);
    }
    till.move_stock("full", "wasted", &lines).await.ok();
    node.books().check_served(&till).await;
    node.stop().await;
}

async fn not_ready_to_write(till: &Till) {
    let ready = till.ask_openly("/readyz").await;
    let storage = json!({"name": "storage", "ok": false, "detail": "the database is read-only"});
    assert_eq!((ready.status, &ready.json()["checks"][0]), (503, &storage));
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_named_and_is_over_when_it_can() {
    let Some((disk, mut node, _hub)) = on_a_small_disk(0).await else {
        println!("SKIPPED: a read-only database needs the right to mount");
        return;
    };
    let till = node.till();
    // A failed commit closes the database; when it is opened again, its log can only be read.
    let ballast = disk.fill();
    refused_for_now(&till.sell("full", &ticket("T1", &[(ESPRESSO, 1); 150])).await, 507, "disk_full");
    std::fs::remove_file(ballast).unwrap();
    let read_only = ReadOnly::make(&node.database().with_extension("db-wal")).unwrap();
    refused_for_now(&till.sell("new", &espresso()).await, 503, "storage_read_only");
    refused_for_now(&till.move_stock("new", "wasted", &[(BEANS, 5)]).await, 503, "storage_read_only");
    all_can_be_read(&till).await;
    not_ready_to_write(&till).await;

    drop(read_only);
    assert_eq!(till.sold("new", &espresso()).await, "T1-A-2");
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_starts_on_a_database_that_can_only_be_read_says_so_and_shows_its_books() {
    let (node, mut hub) = TestNode::prepare_with_hub().await;
    let program = Program::start_selling(&node.config, &mut hub).await;
    assert_eq!(program.till().await.sold("before", &espresso()).await, "T1-A-1");
    program.tell_to_stop();
    assert_eq!(program.ended().await.0, Some(0));
    let Some(read_only) = ReadOnly::make(&node.database()) else {
        println!("SKIPPED: a read-only database needs the right to mount");
        return;
    };
    let program = Program::start(&node.config);
    let till = program.till().await;
    not_ready_to_write(&till).await;
    refused_for_now(&till.sell("new", &espresso()).await, 503, "storage_read_only");
    all_can_be_read(&till).await;
    drop(read_only);
    program.tell_to_stop();
    assert_eq!(program.ended().await.0, Some(0));
    let program = Program::start(&node.config);
    assert_eq!(program.till().await.sold("new", &espresso()).await, "T1-A-2");
}
