//! Giving back, at one box and with nobody else: never more than was sold, whoever asks how often.

use std::collections::BTreeSet;

use percolate_common::domain::event::Event;
use percolate_common::domain::tickets::refund::TicketRefunded;
use percolate_common::ids::StaffId;
use percolate_common::journal::StreamKind;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::open_tickets::given_back;
use crate::parts::{Menu, is_even};
use crate::support::eventually;
use crate::support::http::{Answer, Request};
use crate::support::menu::{BEANS, ESPRESSO, LATTE};
use crate::support::node::{TestNode, Till, basket, practice, ticket};
use crate::support::people::{ANN, BEN, by, open, paired, signed_in};
use crate::support::program::{copy_database, put_database_back};

const DAY_MS: i64 = 24 * 3_600_000;

/// Three espressos, 9.80 with tax, and a latte, 4.08, in cash.
async fn sold(till: &Till, key: &str) -> String {
    let answer = till.sell(key, &ticket("T1", &[(ESPRESSO, 3), (LATTE, 1)])).await;
    answer.ok()["ticket_id"].as_str().unwrap().to_owned()
}

fn pieces(line: u32, quantity: u32) -> Value {
    json!({"terminal": "T1", "reason": "quality", "lines": [{"line": line, "quantity": quantity}]})
}

fn whole(reason: &str) -> Value {
    json!({"terminal": "T1", "reason": reason})
}

async fn back(till: &Till, key: &str, ticket: &str, body: &Value) -> Answer {
    till.post(&format!("/v1/tickets/{ticket}/refunds"), key, body).await
}

fn refused(code: &str) -> (u16, String) {
    (422, code.to_owned())
}

/// How many pieces are left of each line.
async fn left(till: &Till, ticket: &str) -> Vec<u64> {
    let one = till.get(&format!("/v1/tickets/{ticket}")).await;
    one["refundable"]["lines"].as_array().unwrap().iter().map(|line| line["quantity"].as_u64().unwrap()).collect()
}

fn refunds(node: &TestNode) -> Vec<TicketRefunded> {
    let of = |event: &Event| match event {
        Event::TicketRefunded(refund) => Some(refund.clone()),
        _ => None,
    };
    node.books().entries.iter().filter_map(|entry| of(&entry.recorded.event)).collect()
}

#[tokio::test]
async fn a_tip_on_what_is_free_goes_back_as_coins_had_paid_it_and_the_reading_comes_out_even() {
    let (mut node, mut hub) = TestNode::in_session().await;
    let till = node.till();
    Menu::new().publish(&till, &mut hub, json!({"cash_step_minor": 5})).await;
    let sale = json!({
        "terminal": "T1", "currency": "USD", "lines": [{"item": ESPRESSO, "quantity": 1, "price_minor": 0}],
        "tip_minor": 32, "tenders": [{"kind": "cash", "amount_minor": 30}],
    });
    let sold = till.sell("sale", &sale).await.ok();
    assert_eq!((&sold["total_minor"], &sold["cash_rounding_minor"]), (&json!(0), &json!(-2)));
    is_even(&till).await;
    let answer = back(&till, "void", sold["ticket_id"].as_str().unwrap(), &whole("void")).await.ok();
    assert_eq!((&answer["tip_minor"], &answer["cash_rounding_minor"]), (&json!(32), &json!(-2)));
    assert_eq!(answer["tenders"], json!([{"kind": "cash", "amount_minor": 30}]));
    is_even(&till).await;
    node.stop().await;
}

#[tokio::test]
async fn pieces_go_back_with_their_tax_out_of_the_drawer_and_the_day_is_less_by_them() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let drawer = till.post("/v1/drawers", "open", &json!({"terminal": "T1", "float_minor": 1_000})).await.ok();
    let id = sold(&till, "sale").await;
    let first = back(&till, "one", &id, &pieces(0, 1)).await;
    assert_eq!(first.status, 201, "{first:?}");
    let answer = first.json();
    assert_eq!(
        (&answer["receipt"], &answer["net_minor"], &answer["ticket_id"], &answer["lines"]),
        (
            &json!("T1-A-2"),
            &json!(300),
            &json!(id),
            &json!([{"line": 0, "item": ESPRESSO, "quantity": 1, "net_minor": 300, "restock": false}])
        )
    );
    assert_eq!(answer["tenders"], json!([{"kind": "cash", "amount_minor": answer["total_minor"]}]));
    let again = back(&till, "one", &id, &pieces(0, 1)).await;
    assert_eq!((again.status, &again.text), (200, &first.text), "the same key gives back once");
    assert_eq!(back(&till, "one", &id, &pieces(0, 2)).await.refusal(), refused("idempotency_key_reused"));
    assert_eq!(left(&till, &id).await, [2, 1]);

    let total = till.get(&format!("/v1/tickets/{id}")).await["total_minor"].as_i64().unwrap();
    let rest = back(&till, "rest", &id, &whole("wrong")).await.ok();
    let given: i64 = [&answer, &rest].iter().map(|answer| answer["total_minor"].as_i64().unwrap()).sum();
    assert_eq!(given, total);
    let one = till.get(&format!("/v1/tickets/{id}")).await;
    assert_eq!(one["refundable"]["refunds"], json!([answer, rest]));
    assert_eq!(one["refundable"]["tenders"], json!([{"kind": "cash", "amount_minor": 0}]));
    assert_eq!(back(&till, "more", &id, &whole("wrong")).await.refusal(), refused("refund_nothing_left"));
    assert_eq!(back(&till, "piece", &id, &pieces(1, 1)).await.refusal(), refused("refund_too_many"));

    till.sold("next", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let day = till.get("/v1/business-day").await;
    assert_eq!(
        (&day["tickets"], &day["refunds"], &day["total_minor"], &day["units"]),
        (&json!(2), &json!(2), &json!(327), &json!(1))
    );
    assert_eq!(day["last_receipt"], "T1-A-4", "a refund has a number of the same series");
    let path = format!("/v1/drawers/{}/close", drawer["drawer"].as_str().unwrap());
    let count = till.post(&path, "count", &json!({"counted_minor": 1_327})).await.ok();
    assert_eq!(count["count"]["difference_minor"], 0, "cash went out of the drawer of the till");
    let sums = till.get("/v1/readings/current").await["sums"].clone();
    assert_eq!(
        (&sums["gross_minor"], &sums["refunds_minor"], &sums["refunds"]["count"], &sums["tenders"]),
        (&json!(327), &json!(total), &json!(2), &json!([{"kind": "cash", "amount_minor": 327}]))
    );
    let books = node.books();
    books.check();
    books.check_served(&till).await;
    let audit = till.get("/v1/audit").await;
    assert!(audit["days"].as_array().unwrap().iter().all(|day| day["kept"] == day["folded"]), "{audit}");
    assert_eq!(audit["receipts"][0], json!({"series": "T1-A", "last": 4, "gap_at": null, "doubled": []}));
    node.stop().await;
}

#[tokio::test]
async fn p33_two_tills_that_give_back_the_last_piece_at_once_give_it_back_once() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let id = sold(&till, "sale").await;
    back(&till, "two", &id, &pieces(0, 2)).await.ok();
    let mut asking = JoinSet::new();
    for at in 0..12 {
        let (till, id) = (till.clone(), id.clone());
        asking.spawn(async move { back(&till, &format!("last-{at}"), &id, &pieces(0, 1)).await });
    }
    let answers = asking.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    let others = answers.iter().filter(|answer| answer.status != 201);
    assert!(others.into_iter().all(|answer| answer.refusal() == refused("refund_too_many")));
    assert_eq!(left(&till, &id).await, [0, 1]);
    node.restart().await;
    let till = node.till();
    assert_eq!(left(&till, &id).await, [0, 1], "and it stays so");
    assert_eq!(back(&till, "later", &id, &pieces(0, 1)).await.refusal(), refused("refund_too_many"));
    node.stop().await;
}

#[tokio::test]
async fn what_is_refused_says_why_and_writes_nothing() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let id = sold(&till, "sale").await;
    let before = till.last_seq("sales").await;
    let with = |change: Value| {
        let mut body = pieces(0, 1);
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    let by_card = |amount: i64, text: &str| json!({"kind": "card_external", "amount_minor": amount, "reference": text});
    let card = |amount: i64, text: &str| json!({"tenders": [by_card(amount, text)]});
    for (at, (body, code)) in [
        (with(json!({"lines": []})), "line_count"),
        (with(json!({"lines": [{"line": 2, "quantity": 1}]})), "refund_line"),
        (with(json!({"lines": [{"line": 0, "quantity": 4}]})), "refund_too_many"),
        (with(json!({"lines": [{"line": 0, "quantity": 0}]})), "refund_too_many"),
        (with(json!({"reason": "void"})), "refund_void"),
        (with(json!({"tenders": [{"kind": "cash", "amount_minor": 1}]})), "refund_sum"),
        (with(card(327, "AUTH 1")), "refund_tender"),
        (with(card(327, "4111 1111 1111 1111")), "card_number_refused"),
        (with(card(327, &"x".repeat(65))), "reference_invalid"),
        (with(json!({"terminal": "t1"})), "terminal_name_invalid"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(back(&till, &format!("no-{at}"), &id, &body).await.refusal(), refused(code), "{body}");
    }
    let nobody = "0190b2c4-7e5d-7c3a-9f00-0123456789ab";
    for ticket in [nobody, "x"] {
        let answer = back(&till, &format!("none-{ticket}"), ticket, &whole("other")).await;
        assert_eq!(answer.refusal(), (404, "not_found".to_owned()));
    }
    assert_eq!(till.last_seq("sales").await, before);
    let brought_in = basket("2026-11-20", "07:00:00", &[("1", 1, 300)]);
    till.post("/v1/imports/baskets", "import", &json!({"source": "old", "baskets": [brought_in]})).await.ok();
    let tickets = till.get("/v1/tickets").await["tickets"].clone();
    let imported = tickets.as_array().unwrap().iter().find(|ticket| ticket["receipt"].is_null()).unwrap();
    let imported = imported["ticket_id"].as_str().unwrap();
    assert_eq!(back(&till, "imported", imported, &whole("other")).await.refusal(), refused("refund_unknown"));
    assert_eq!(till.get(&format!("/v1/tickets/{imported}")).await["refundable"], Value::Null);
    node.stop().await;
}

#[tokio::test]
async fn a_void_is_for_the_same_day_and_a_refund_counts_on_its_own() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let (first, second) = (sold(&till, "first").await, sold(&till, "second").await);
    assert_eq!(back(&till, "void", &first, &whole("void")).await.ok()["reason"], "void");
    node.clock.step(DAY_MS);
    assert_eq!(back(&till, "late", &second, &whole("void")).await.refusal(), refused("refund_void"));
    let answer = back(&till, "next-day", &second, &whole("not_served")).await.ok();
    assert_eq!(answer["business_day"], "2026-11-24");
    let total = answer["total_minor"].as_i64().unwrap();
    let of = async |day: &str| till.get(&format!("/v1/business-days/{day}")).await;
    assert_eq!(of("2026-11-23").await["total_minor"], total);
    assert_eq!(of("2026-11-24").await["total_minor"], -total);
    node.books().check_served(&till).await;
    node.stop().await;
}

#[tokio::test]
async fn food_is_thrown_away_unless_somebody_says_that_it_goes_back() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let on_hand = async || {
        let rows = till.get("/v1/stock").await["rows"].clone();
        rows.as_array().unwrap().iter().find(|row| row["stock_item"] == BEANS).unwrap()["on_hand"].as_i64().unwrap()
    };
    let answer = till.sell("sale", &ticket("T1", &[(ESPRESSO, 3)])).await.ok();
    let (id, sold) = (answer["ticket_id"].as_str().unwrap().to_owned(), on_hand().await);
    back(&till, "wasted", &id, &pieces(0, 1)).await.ok();
    assert_eq!(on_hand().await, sold);
    let body = json!({"terminal": "T1", "reason": "wrong", "restock": true});
    back(&till, "restocked", &id, &body).await.ok();
    assert_eq!(on_hand().await, sold - sold / 3 * 2, "two of three");
    node.books().check();
    node.stop().await;
}

#[tokio::test]
async fn practice_is_given_back_in_practice() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let answer = till.sell("sale", &practice(ticket("T1", &[(ESPRESSO, 2)]))).await.ok();
    let id = answer["ticket_id"].as_str().unwrap().to_owned();
    let mut body = pieces(0, 2);
    body["lines"][0]["restock"] = json!(true);
    let answer = back(&till, "back", &id, &body).await.ok();
    assert_eq!((&answer["receipt"], &answer["training"]), (&json!("T1-TRN-2"), &json!(true)));
    let day = till.get("/v1/business-day").await;
    assert_eq!((&day["refunds"], &day["total_minor"], &day["tenders"]), (&json!(0), &json!(0), &json!([])));
    assert_eq!(till.get("/v1/readings/current").await["sums"]["refunds"]["count"], 0);
    assert_eq!(back(&till, "more", &id, &pieces(0, 1)).await.refusal(), refused("refund_too_many"));
    node.books().check();
    node.stop().await;
}

#[tokio::test]
async fn a_barista_gives_back_with_an_approval_and_the_journal_says_whose() {
    let mut node = open(|_site| {}).await;
    let here = node.till();
    let till = paired(&here, "T1").await;
    let answer = till.sell("sale", &ticket("T1", &[(ESPRESSO, 2)])).await.ok();
    let path = format!("/v1/tickets/{}/refunds", answer["ticket_id"].as_str().unwrap());
    let asked = async |key: &str, person: &str, approval: Option<&str>, body: Value| {
        let request = by(Request::new("POST", &path).header("idempotency-key", key).json(&body), person);
        let request = match approval {
            Some(token) => request.header("percolate-approval", token),
            None => request,
        };
        till.send(request).await
    };
    let (ben, ann) = (signed_in(&till, BEN).await, signed_in(&till, ANN).await);
    let needed = asked("a", &ben, None, pieces(0, 1)).await;
    assert_eq!(needed.refusal(), (403, "approval_needed".to_owned()));
    let body = json!({"staff": ANN.0, "pin": ANN.1, "act": "refund", "reason": "cold"});
    let approval = till.send(Request::new("POST", "/v1/approvals").json(&body)).await.ok();
    let approval = approval["approval"].as_str().unwrap();
    // What is refused does not use it up.
    assert_eq!(asked("b", &ben, Some(approval), pieces(0, 3)).await.refusal(), refused("refund_too_many"));
    let done = asked("a", &ben, Some(approval), pieces(0, 1)).await.ok();
    assert_eq!((&done["by"], &done["approved_by"]), (&json!(BEN.0), &json!(ANN.0)));
    assert_eq!(asked("c", &ann, None, pieces(0, 1)).await.ok()["approved_by"], Value::Null);
    let said: Vec<_> = refunds(&node)
        .into_iter()
        .map(|refund| {
            (refund.by.map(StaffId::get), refund.approval.map(|approval| (approval.by.get(), approval.reason)))
        })
        .collect();
    assert_eq!(said, [(Some(8), Some((7, "cold".to_owned()))), (Some(7), None)]);
    let people = till.get("/v1/readings/current").await["sums"]["people"].clone();
    let whose: BTreeSet<String> = people.as_array().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(whose.len(), 3, "nobody sold, two gave back: {people}");
    node.stop().await;
}

#[tokio::test]
async fn p33_what_a_lost_disk_had_given_back_comes_back_and_is_not_given_back_again() {
    let (mut node, mut hub) = TestNode::selling().await;
    let id = sold(&node.till(), "sale").await;
    hub.take_until(StreamKind::Sales, 2).await;
    node.stop().await;
    let copy = tempfile::TempDir::new().unwrap();
    copy_database(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    hub.greet().await;
    let given = back(&node.till(), "back", &id, &pieces(0, 2)).await;
    hub.take_until(StreamKind::Sales, 3).await;
    node.stop().await;
    put_database_back(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    let till = node.till();
    assert_eq!(left(&till, &id).await, [3, 1], "the copy knows of nothing");
    back(&till, "meanwhile", &id, &pieces(0, 1)).await.ok();
    given_back(&mut hub, 2).await;
    let till = &till;
    eventually("the refund", || async { (left(till, &id).await == [0, 1]).then_some(()) }).await;
    assert_eq!(back(till, "more", &id, &pieces(0, 1)).await.refusal(), refused("refund_too_many"));
    let again = back(till, "back", &id, &pieces(0, 2)).await;
    assert_eq!((again.status, &again.text), (200, &given.text), "its key is known");
    let audit = till.get("/v1/audit").await;
    assert!(audit["days"].as_array().unwrap().iter().all(|day| day["kept"] == day["folded"]), "{audit}");
    node.stop().await;
}
