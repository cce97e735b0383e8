//! Selling: receipts, keys, practice, many tills at once.

use std::collections::BTreeSet;

use percolate_runtime::params;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::menu::{BAG, BEANS, ESPRESSO, LATTE};
use crate::support::node::{TestNode, practice, ticket};
use crate::support::program::open_database;

#[tokio::test]
async fn a_sale_is_answered_with_its_receipt_its_sums_and_its_place() {
    let (mut node, _hub) = TestNode::selling().await;
    let mut body = ticket("T1", &[(ESPRESSO, 2), (BAG, 1)]);
    body["tenders"] = json!([{"kind": "card_external", "amount_minor": 2_000, "reference": "AUTH 7"},
                             {"kind": "cash", "amount_minor": 1_000}]);
    let mut sold = node.till().sell("sale-1", &body).await.ok();
    let id = sold["ticket_id"].take();
    // 6.00 at 8.9 % is 0.534, 18.00 at 4.9 % is 0.882: 24.00 and 0.53 and 0.88.
    let expected = json!({
        "ticket_id": null, "receipt": "T1-A-1", "business_day": "2026-11-23", "at_ms": 1_795_435_200_000_i64,
        "training": false, "currency": "USD", "net_minor": 2_400, "tax_minor": 141, "total_minor": 2_541,
        "tendered_minor": 3_000, "change_minor": 459, "seq": 2, "catalog_revision": 1,
        "consumption": "take_away", "discounts": [], "exempt_reason": null, "approvals": [], "service_charge_minor": 0, "tip_minor": 0,
        "cash_rounding_minor": 0, "sold_by": null,
        "taxes": [
            {"tax_class": 1, "rate_micro": 89_000, "base_minor": 600, "tax_minor": 53},
            {"tax_class": 2, "rate_micro": 49_000, "base_minor": 1_800, "tax_minor": 88},
        ],
        "lines": [
            {"item": ESPRESSO, "name": "item 101", "quantity": 2, "unit_price_minor": 300, "total_minor": 600,
             "menu_price_minor": null, "extras": [], "reductions": []},
            {"item": BAG, "name": "item 201", "quantity": 1, "unit_price_minor": 1_800, "total_minor": 1_800,
             "menu_price_minor": null, "extras": [], "reductions": []},
        ],
    });
    assert_eq!(sold, expected);

    let mut read = node.till().read(id.as_str().unwrap()).await;
    assert_eq!(read["ticket_id"].take(), id);
    assert_eq!(read, expected, "what is read later is what was answered");
    node.stop().await;
}

#[tokio::test]
async fn a_key_gives_the_same_answer_again_and_belongs_to_one_body() {
    let (mut node, _hub) = TestNode::selling().await;
    let (till, body) = (node.till(), ticket("T1", &[(ESPRESSO, 1)]));
    let first = till.sell("sale-1", &body).await;
    assert_eq!(first.status, 201);
    assert!(!first.headers.contains_key("idempotent-replay"));
    for _ in 0..2 {
        let again = till.sell("sale-1", &body).await;
        assert_eq!((again.status, &again.text), (200, &first.text));
        assert_eq!(again.headers["idempotent-replay"], "true");
    }

    let other = till.sell("sale-1", &ticket("T1", &[(ESPRESSO, 2)])).await;
    assert_eq!(other.refusal(), (422, "idempotency_key_reused".to_owned()));
    let movement = till.move_stock("sale-1", "received", &[(BEANS, 1_000)]).await;
    assert_eq!(movement.refusal(), (422, "idempotency_key_reused".to_owned()), "one key for all kinds of writes");

    node.restart().await;
    let later = node.till().sell("sale-1", &body).await;
    assert_eq!((later.status, &later.text), (200, &first.text), "a key outlives the process");
    assert_eq!(node.stop().await.receipts(), ["T1-A-1"]);
}

#[tokio::test]
async fn an_answer_that_an_older_program_gave_is_given_again() {
    let (mut node, _hub) = TestNode::selling().await;
    let body = ticket("T1", &[(ESPRESSO, 1)]);
    let key_hash = blake3::hash(b"sale-1").as_bytes()[..16].to_vec();
    let sold = node.till().sell("sale-1", &body).await;
    node.stop().await;
    // The answer as it was kept, in a table of its own.
    let answer = format!("{} ", sold.text);
    open_database(&node.database())
        .write("age", |tx| {
            tx.execute(
                "INSERT INTO idempotency (key_hash, body_hash, kind, answer)
                 SELECT ?1, body_hash, 1, ?2 FROM ticket",
                params![&key_hash[..], &answer[..]],
            )?;
            tx.execute("UPDATE ticket SET body_hash = NULL", &[])
        })
        .unwrap();
    node.open().await;
    let again = node.till().sell("sale-1", &body).await;
    assert_eq!((again.status, &again.text), (200, &answer));
    let other = node.till().sell("sale-1", &ticket("T1", &[(ESPRESSO, 2)])).await;
    assert_eq!(other.refusal(), (422, "idempotency_key_reused".to_owned()));
    assert_eq!(node.stop().await.receipts(), ["T1-A-1"]);
}

#[tokio::test]
async fn of_two_tickets_under_a_key_each_request_gets_its_own_and_one_that_came_back_belongs_to_the_first_that_asks() {
    /// So that each ticket was answered, as whoever checks the books at a stop expects.
    const ANSWERED: &str = "UPDATE ticket SET body_hash = zeroblob(16) WHERE body_hash IS NULL";
    let (mut node, _hub) = TestNode::selling().await;
    let (one, two) = (ticket("T1", &[(ESPRESSO, 1)]), ticket("T1", &[(ESPRESSO, 2)]));
    let change = |path: &std::path::Path, sql: &'static str| {
        open_database(path).write("change", |tx| tx.execute(sql, &[])).unwrap();
    };
    node.till().sold("sale-0", &two).await;
    let sold = node.till().sell("sale-1", &one).await;
    assert!(sold.text.contains("\"seq\":3,"), "{}", sold.text);
    node.stop().await;
    // As if the first ticket of the key had been lost with a disk, and had come back after the second was sold.
    change(
        &node.database(),
        "UPDATE ticket SET body_hash = NULL,
            id = unhex(hex(substr(id, 1, 8)) || (SELECT hex(substr(id, 9, 8)) FROM ticket WHERE seq = 3))
         WHERE seq = 2",
    );
    node.open().await;
    let again = node.till().sell("sale-1", &one).await;
    assert_eq!((again.status, &again.text), (200, &sold.text));
    assert_eq!(node.till().sell("sale-1", &two).await.refusal(), (422, "idempotency_key_reused".to_owned()));
    change(&node.database(), ANSWERED);
    node.stop().await;

    change(&node.database(), "UPDATE ticket SET body_hash = NULL");
    node.open().await;
    let first = node.till().sell("sale-1", &one).await;
    assert_eq!(first.status, 200);
    assert!(first.text.contains("\"seq\":2,"), "{}", first.text);
    assert_eq!(node.till().sell("sale-1", &two).await.refusal(), (422, "idempotency_key_reused".to_owned()));
    assert_eq!(node.till().sell("sale-1", &one).await.text, first.text);
    change(&node.database(), ANSWERED);
    node.stop().await;
}

#[tokio::test]
async fn receipts_go_on_after_a_restart_in_each_series() {
    let (mut node, _hub) = TestNode::selling().await;
    for round in 1..=3 {
        for terminal in ["T1", "T2"] {
            let body = ticket(terminal, &[(LATTE, 1)]);
            let till = node.till();
            assert_eq!(till.sold(&format!("{terminal}-{round}"), &body).await, format!("{terminal}-A-{round}"));
            let practised = till.sold(&format!("{terminal}-p-{round}"), &practice(body)).await;
            assert_eq!(practised, format!("{terminal}-TRN-{round}"));
        }
        // A number that was refused is not a number that was used.
        let refused = node.till().sell(&format!("bad-{round}"), &ticket("T1", &[(999, 1)])).await;
        assert_eq!(refused.refusal(), (422, "unknown_item".to_owned()));
        node.restart().await;
    }
    assert_eq!(node.stop().await.sold().len(), 12);
}

#[tokio::test]
async fn practice_has_its_own_numbers_and_is_in_no_total_and_no_stock() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    till.sold("real", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let (mut day, stock) = (till.get("/v1/business-day").await, till.get("/v1/stock").await);
    let body = practice(ticket("T1", &[(ESPRESSO, 5), (BAG, 5)]));
    assert_eq!(till.sold("practice", &body).await, "T1-TRN-1");
    assert_eq!(till.sold("real-2", &ticket("T2", &[(ESPRESSO, 1)])).await, "T2-A-1");
    let after = till.get("/v1/business-day").await;
    assert_eq!(after["training_tickets"], 1);
    // Twice the one espresso, and nothing of the practice.
    for sum in ["tickets", "lines", "units", "net_minor", "tax_minor", "total_minor"] {
        day[sum] = json!(day[sum].as_i64().unwrap() * 2);
        assert_eq!(after[sum], day[sum], "{sum}");
    }
    assert_eq!(after["tenders"], json!([{"kind": "cash", "amount_minor": day["total_minor"]}]));
    let used = |stock: &Value| stock["rows"][0]["used"].as_i64().unwrap();
    assert_eq!(used(&till.get("/v1/stock").await), used(&stock) * 2);
    node.books().check_served(&till).await;
    node.stop().await;
}

#[tokio::test]
async fn many_tills_at_once_each_have_a_series_without_gaps() {
    let (mut node, _hub) = TestNode::selling().await;
    let mut tills = JoinSet::new();
    for terminal in ["T1", "T2", "T3"] {
        for half in 0..2 {
            let till = node.till();
            tills.spawn(async move {
                let mut receipts = Vec::new();
                for number in 0..20 {
                    let key = format!("{terminal}-{half}-{number}");
                    receipts.push(till.sold(&key, &ticket(terminal, &[(ESPRESSO, 1)])).await);
                }
                receipts
            });
        }
    }
    let receipts: BTreeSet<String> = tills.join_all().await.into_iter().flatten().collect();
    let expected = ["T1", "T2", "T3"].map(|terminal| (1..=40).map(move |number| format!("{terminal}-A-{number}")));
    assert_eq!(receipts, expected.into_iter().flatten().collect(), "answered receipts");
    assert_eq!(node.stop().await.receipts().len(), 120);
}

#[tokio::test]
async fn a_hundred_requests_with_one_key_are_one_ticket() {
    let (mut node, _hub) = TestNode::selling().await;
    let mut tries = JoinSet::new();
    for _ in 0..100 {
        let till = node.till();
        tries.spawn(async move { till.sell("one", &ticket("T1", &[(LATTE, 1)])).await });
    }
    let answers = tries.join_all().await;
    let fresh = answers.iter().filter(|answer| answer.status == 201).count();
    let replayed = answers.iter().filter(|answer| answer.headers.contains_key("idempotent-replay")).count();
    assert_eq!((fresh, replayed), (1, 99));
    let bodies: BTreeSet<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
    assert_eq!(bodies.len(), 1, "all were told the same");
    assert_eq!(node.stop().await.receipts(), ["T1-A-1"]);
}
