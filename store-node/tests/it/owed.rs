//! Money that no card took back: the guest gets it in cash, once.

use percolate_common::journal::StreamKind;
use serde_json::{Value, json};

use crate::card_payments::{Terminal, asked, selling};
use crate::open_tickets::given_back;
use crate::support::eventually;
use crate::support::http::Answer;
use crate::support::menu::ESPRESSO;
use crate::support::node::{Till, ticket};
use crate::support::program::{copy_database, put_database_back};

/// What an espresso costs with its tax.
const ESPRESSO_MINOR: i64 = 327;

/// An espresso that is paid by the box's card, which may have been charged before under this key, and goes back whole; gives payment,
/// ticket and refund.
async fn refunded(till: &Till, key: &str) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let payment = text(&asked(till, key, ESPRESSO_MINOR).await.ok()["payment"]);
    let mut body = ticket("T1", &[(ESPRESSO, 1)]);
    body["tenders"] = json!([{"kind": "card", "amount_minor": ESPRESSO_MINOR, "payment": payment}]);
    let sold = text(&till.sell(&format!("{key}-sale"), &body).await.ok()["ticket_id"]);
    let body = json!({"terminal": "T1", "reason": "quality"});
    let back = till.post(&format!("/v1/tickets/{sold}/refunds"), &format!("{key}-back"), &body).await.ok();
    (payment, sold, text(&back["refund_id"]))
}

/// One that no card takes.
async fn owed(till: &Till, terminal: &Terminal, key: &str) -> (String, String, String) {
    terminal.says("approve");
    let payment = asked(till, key, ESPRESSO_MINOR).await.ok();
    assert_eq!(payment["state"], "approved");
    terminal.says("decline");
    let all = refunded(till, key).await;
    terminal.says("approve");
    all
}

async fn paid_out(till: &Till, key: &str, refund: &str) -> Answer {
    till.post(&format!("/v1/refunds/{refund}/pay-out"), key, &json!({"terminal": "T1"})).await
}

async fn listed(till: &Till) -> Vec<Value> {
    let rows = till.get("/v1/card-payments?state=owed").await["rows"].clone();
    rows.as_array().unwrap().iter().map(|row| row["owed"].clone()).collect()
}

#[tokio::test]
async fn what_no_card_took_is_paid_out_of_the_drawer_once_and_the_list_says_so() {
    let (mut node, _hub, terminal) = selling(None).await;
    let till = node.till();
    let (_, _, credited) = refunded(&till, "credited").await;
    let conflict = |code: &str| (409, code.to_owned());
    assert_eq!(paid_out(&till, "credited-out", &credited).await.refusal(), conflict("refund_not_owed"));
    terminal.says("approve");
    let (payment, sold, refund) = owed(&till, &terminal, "owed").await;
    let open = |paid: Value| json!([{"refund_id": refund, "amount_minor": ESPRESSO_MINOR, "pay_out": paid}]);
    assert_eq!(listed(&till).await, [open(Value::Null)]);
    assert_eq!(paid_out(&till, "no-drawer", &refund).await.refusal(), conflict("drawer_missing"));
    let drawer = till.post("/v1/drawers", "open", &json!({"terminal": "T1", "float_minor": 1_000})).await.ok();
    let paid = paid_out(&till, "out", &refund).await;
    let said = paid.json();
    let told = (paid.status, &said["kind"], &said["amount_minor"], &said["drawer"]);
    assert_eq!(told, (201, &json!("pay_out"), &json!(ESPRESSO_MINOR), &drawer["drawer"]));
    let again = paid_out(&till, "out", &refund).await;
    assert_eq!((again.status, again.text), (200, paid.text), "the same key pays once");
    assert_eq!(paid_out(&till, "twice", &refund).await.refusal(), conflict("refund_paid_out"));
    for nothing in ["x", "0190b2c4-7e5d-7c3a-9f00-0123456789ab"] {
        assert_eq!(paid_out(&till, nothing, nothing).await.refusal(), (404, "not_found".to_owned()));
    }
    assert_eq!(listed(&till).await, [open(said.clone())], "it stays in the list, as settled");
    assert_eq!(till.get(&format!("/v1/card-payments/{payment}")).await["owed"], open(said));
    let tender = till.get(&format!("/v1/tickets/{sold}")).await["refundable"]["refunds"][0]["tenders"][0].clone();
    assert_eq!((&tender["state"], &tender["paid_out"]), (&json!("owed"), &json!(true)));
    let sums = till.get("/v1/readings/current").await["sums"].clone();
    assert_eq!(sums["paid_out_minor"], ESPRESSO_MINOR);
    let path = format!("/v1/drawers/{}/close", drawer["drawer"].as_str().unwrap());
    let count = till.post(&path, "count", &json!({"counted_minor": 1_000 - ESPRESSO_MINOR})).await.ok();
    assert_eq!(count["count"]["difference_minor"], 0, "it came out of the drawer");
    node.books().check_served(&till).await;
    node.stop().await;
}

#[tokio::test]
async fn nothing_is_paid_out_while_the_card_terminal_has_not_said_whether_it_takes_it() {
    let (mut node, _hub, terminal) = selling(None).await;
    let till = node.till();
    till.post("/v1/drawers", "open", &json!({"terminal": "T1", "float_minor": 1_000})).await.ok();
    asked(&till, "later", ESPRESSO_MINOR).await.ok();
    terminal.says("offline");
    let (_, _, refund) = refunded(&till, "later").await;
    assert_eq!(paid_out(&till, "early", &refund).await.refusal(), (409, "refund_not_owed".to_owned()));
    terminal.says("approve");
    node.stop().await;
}

#[tokio::test]
async fn a_pay_out_that_a_lost_disk_knew_of_comes_back_and_is_not_done_again() {
    let (mut node, mut hub, terminal) = selling(None).await;
    let till = node.till();
    till.post("/v1/drawers", "open", &json!({"terminal": "T1", "float_minor": 1_000})).await.ok();
    let (_, _, refund) = owed(&till, &terminal, "owed").await;
    let last = till.last_seq("sales").await;
    hub.take_until(StreamKind::Sales, last).await;
    node.stop().await;
    let copy = tempfile::TempDir::new().unwrap();
    copy_database(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    hub.greet().await;
    paid_out(&node.till(), "out", &refund).await.ok();
    hub.take_until(StreamKind::Sales, last + 1).await;
    node.stop().await;
    put_database_back(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    let till = node.till();
    till.sold("meanwhile", &ticket("T1", &[(ESPRESSO, 1)])).await;
    given_back(&mut hub, 2).await;
    let till = &till;
    eventually("the pay-out that came back", || async {
        let rows = listed(till).await;
        rows.first().is_some_and(|row| row[0]["pay_out"]["amount_minor"] == ESPRESSO_MINOR).then_some(())
    })
    .await;
    assert_eq!(paid_out(till, "again", &refund).await.refusal(), (409, "refund_paid_out".to_owned()));
    node.stop().await;
}
