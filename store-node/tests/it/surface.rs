//! The surface: who may ask, how much may be sent, what is open to all.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::Request;
use crate::support::menu::{BEANS, ESPRESSO};
use crate::support::node::{TestNode, Till, basket, ticket};

#[tokio::test]
async fn only_the_token_of_the_data_folder_opens_the_api() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let body = ticket("T1", &[(ESPRESSO, 1)]);
    let other = "0".repeat(till.token.len());
    for authorization in [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some(format!("Bearer {other}")),
        Some(format!("Bearer {}x", till.token)),
        Some(format!("Basic {}", till.token)),
        Some(till.token.clone()),
    ] {
        for request in [
            Request::new("GET", "/v1/node"),
            Request::new("GET", "/v1/events"),
            Request::new("POST", "/v1/tickets").header("idempotency-key", "stolen").json(&body),
        ] {
            let request = match &authorization {
                Some(value) => request.header("authorization", value),
                None => request,
            };
            let answer = request.send(till.address).await;
            assert_eq!(answer.refusal(), (401, "unauthorized".to_owned()), "{authorization:?}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    let file = node.config.data.join("token");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    node.restart().await;
    assert_eq!(node.till().token, till.token, "tills keep their token");
    assert_eq!(node.stop().await.receipts(), Vec::<String>::new());
}

#[tokio::test]
async fn a_request_carries_the_callers_id_and_every_answer_has_one() {
    let mut node = TestNode::lonely().await;
    let till = node.till();
    let answer = till.send(Request::new("GET", "/v1/tickets/17").header("x-request-id", "till-7.4")).await;
    assert_eq!(
        (answer.headers["x-request-id"].as_str(), &answer.json()["request_id"]),
        ("till-7.4", &json!("till-7.4"))
    );
    let (one, other) = (till.ask("/v1/node").await, till.ask("/v1/node").await);
    assert_ne!(one.headers["x-request-id"], other.headers["x-request-id"]);
    assert_eq!(one.headers["cache-control"], "no-store");
    node.stop().await;
}

#[tokio::test]
async fn health_and_metrics_are_open_and_say_what_is_so() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    assert_eq!(till.ask_openly("/livez").await.text, "ok");
    let ready = till.ask_openly("/readyz").await.ok();
    assert_eq!(ready["ready"], true);
    let checks: Vec<_> =
        ready["checks"].as_array().unwrap().iter().map(|check| (&check["name"], &check["ok"])).collect();
    let fine = json!(true);
    assert_eq!(checks, [(&json!("storage"), &fine), (&json!("catalog"), &fine), (&json!("disk"), &fine)]);
    till.sold("sale", &ticket("T1", &[(ESPRESSO, 1)])).await;
    assert_eq!(till.ask_openly("/metrics").await.media_type(), "text/plain");
    for series in ["percolate_build_info{program=\"store-node\"", "node_tickets_total ", "storage_commits_total{"] {
        eventually(series, || async {
            let metrics = till.ask_openly("/metrics").await.text;
            metrics.lines().any(|line| line.starts_with(series)).then_some(())
        })
        .await;
    }
    node.stop().await;
}

/// An import of about so many bytes.
fn import_of(bytes: usize) -> Value {
    let name = "x".repeat(190);
    let lines = bytes / 320 / 100;
    let of = |number: usize| {
        let rows: Vec<String> = (0..lines).map(|line| format!("{number}-{line}")).collect();
        let rows: Vec<_> = rows.iter().map(|row| (row.as_str(), 1, 300)).collect();
        let mut basket = basket("2026-11-20", &format!("07:{:02}:{:02}", number / 60, number % 60), &rows);
        for line in basket["lines"].as_array_mut().unwrap() {
            line["name"] = json!(name);
        }
        basket
    };
    json!({"source": "old till", "baskets": (0..100).map(of).collect::<Vec<_>>()})
}

async fn import(till: &Till, key: &str, body: &Value) -> (u16, Value) {
    let answer = till.post("/v1/imports/baskets", key, body).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn a_body_may_be_as_large_as_its_route_says() {
    let mut node = TestNode::lonely().await;
    let till = node.till();
    let large = import_of(2 << 20);
    assert!(large.to_string().len() > 1 << 20);
    let (status, done) = import(&till, "large", &large).await;
    assert_eq!((status, &done["tickets_created"], &done["rejected"]), (200, &json!(100), &json!([])));
    let (status, refused) = import(&till, "too-large", &import_of(6 << 20)).await;
    assert_eq!((status, &refused["code"]), (413, &json!("body_too_large")));
    for path in ["/v1/tickets", "/v1/quotes", "/v1/stock/movements"] {
        let refused = till.post(path, "too-large", &large).await;
        assert_eq!(refused.refusal(), (413, "body_too_large".to_owned()), "{path}");
    }
    node.books().check_served(&till).await;
    node.stop().await;
}

#[tokio::test]
async fn a_basket_that_fits_into_no_entry_of_the_journal_is_refused_and_nothing_is_written() {
    let mut node = TestNode::lonely().await;
    let till = node.till();
    let text = "x".repeat(200);
    let rows: Vec<String> = (0..200).map(|row| row.to_string()).collect();
    let mut basket =
        basket("2026-11-20", "07:06:11", &rows.iter().map(|row| (row.as_str(), 1, 300)).collect::<Vec<_>>());
    for line in basket["lines"].as_array_mut().unwrap() {
        (line["name"], line["category"]) = (json!(text), json!(text));
    }
    let mut body = json!({"source": "old till", "baskets": [basket]});
    let (status, refused) = import(&till, "whole", &body).await;
    assert_eq!((status, &refused["code"]), (422, &json!("entry_too_large")), "{refused}");
    assert_eq!(till.last_seq("sales").await, 0);

    // Divided, it is taken: no row of it was remembered.
    let lines = body["baskets"][0]["lines"].as_array_mut().unwrap();
    lines.truncate(100);
    let (status, done) = import(&till, "half", &body).await;
    assert_eq!((status, &done["lines_added"], &done["lines_duplicate"]), (200, &json!(100), &json!(0)));
    node.stop().await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_before_the_answer_finds_it_under_its_key() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let body = ticket("T1", &[(ESPRESSO, 1)]);
    let request = Request::new("POST", "/v1/tickets")
        .header("authorization", &format!("Bearer {}", till.token))
        .header("idempotency-key", "lost")
        .json(&body);
    let mut screen = till.listen().await;
    let mut stream = tokio::net::TcpStream::connect(till.address).await.unwrap();
    request.send_on(&mut stream).await;
    drop(stream);
    // Whether the request was still read is chance; asking again under the key settles it, and it is sold once.
    let again = till.sell("lost", &body).await.ok();
    assert_eq!(screen.hear("ticket").await, again);
    till.move_stock("after", "wasted", &[(BEANS, 1)]).await.ok();
    drop(screen);
    assert_eq!(node.stop().await.receipts(), ["T1-A-1"]);
}
