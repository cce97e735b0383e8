//! A key belongs to one write: to its kind, to what its path names, and to its body.

use serde_json::{Value, json};

use crate::support::menu::ESPRESSO;
use crate::support::node::{TestNode, Till, ticket};

async fn sold(till: &Till, key: &str) -> String {
    let mut body = ticket("T1", &[(ESPRESSO, 1)]);
    body["tenders"] = json!([{"kind": "card_external", "amount_minor": 327}]);
    till.sell(key, &body).await.ok()["ticket_id"].as_str().unwrap().to_owned()
}

async fn opened(till: &Till, key: &str) -> String {
    let body = json!({"terminal": "T1", "lines": [{"item": ESPRESSO, "quantity": 1}]});
    till.post("/v1/open-tickets", key, &body).await.ok()["ticket_id"].as_str().unwrap().to_owned()
}

async fn drawer(till: &Till, terminal: &str) -> String {
    let body = json!({"terminal": terminal, "float_minor": 1_000});
    till.post("/v1/drawers", terminal, &body).await.ok()["drawer"].as_str().unwrap().to_owned()
}

/// The same write to one thing, and then under the same key to another one of its kind.
async fn is_of_one(till: &Till, path: &str, (one, other): (&str, &str), body: &Value) {
    let (first, second) = (path.replace("{id}", one), path.replace("{id}", other));
    let done = till.post(&first, path, body).await;
    assert_eq!(done.status, 201, "{path}: {done:?}");
    let refused = till.post(&second, path, body).await.refusal();
    assert_eq!(refused, (422, "idempotency_key_reused".to_owned()), "{path}");
    let again = till.post(&first, path, body).await;
    assert_eq!((again.status, &again.text), (200, &done.text), "{path}");
    let own = till.post(&second, &format!("{path}-2"), body).await;
    assert_eq!(own.status, 201, "{path}: nothing was done to the other one: {own:?}");
}

#[tokio::test]
async fn a_key_and_a_body_that_were_for_one_thing_are_refused_for_another_one() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let (one, other) = (sold(&till, "one").await, sold(&till, "other").await);
    let slip = json!({"terminal": "T1", "tender": "card_external", "tip_minor": 50});
    is_of_one(&till, "/v1/tickets/{id}/tip", (&one, &other), &slip).await;
    let refund = json!({"terminal": "T1", "reason": "other"});
    is_of_one(&till, "/v1/tickets/{id}/refunds", (&one, &other), &refund).await;

    let (one, other) = (drawer(&till, "T1").await, drawer(&till, "T2").await);
    let moved = json!({"kind": "pay_in", "amount_minor": 100, "reason": "other"});
    is_of_one(&till, "/v1/drawers/{id}/movements", (&one, &other), &moved).await;
    is_of_one(&till, "/v1/drawers/{id}/close", (&one, &other), &json!({"counted_minor": 1_100})).await;

    let (one, other) = (opened(&till, "open-one").await, opened(&till, "open-other").await);
    let lines = json!({"lines": [{"item": ESPRESSO, "quantity": 1}]});
    is_of_one(&till, "/v1/open-tickets/{id}/lines", (&one, &other), &lines).await;
    is_of_one(&till, "/v1/open-tickets/{id}/send", (&one, &other), &json!({})).await;
    let (one, other) = (opened(&till, "leave-one").await, opened(&till, "leave-other").await);
    is_of_one(&till, "/v1/open-tickets/{id}/abandon", (&one, &other), &json!({})).await;
    node.stop().await;
}
