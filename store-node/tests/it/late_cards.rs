//! A card that was charged late, for a ticket that was sold for cash while its terminal hung.

use own_printer::{Manner, Printer};
use percolate_common::domain::catalog::rules::Rule;
use percolate_common::domain::catalog::{CatalogEvent, Revision};
use percolate_common::domain::event::Event;
use percolate_common::domain::tenders::card::Settled;
use percolate_common::journal::StreamKind;
use percolate_common::money::Currency;
use serde_json::{Value, json};

use crate::card_payments::{Terminal, asked, becomes, espresso_asked, listed, prepared, selling};
use crate::open_tickets::given_back;
use crate::support::eventually;
use crate::support::http::{Answer, Request};
use crate::support::hub::TestHub;
use crate::support::menu::{ESPRESSO, MenuJournal};
use crate::support::node::{TestNode, Till, ticket};
use crate::support::paper::{BAR, plug, so_many};
use crate::support::people::{ANN, BEN, by, installed, paired, signed_in};
use crate::support::program::{copy_database, put_database_back};

/// What an espresso costs with its tax.
const ESPRESSO_MINOR: i64 = 327;

async fn assigned(till: &Till, key: &str, payment: &str, ticket: &str) -> Answer {
    let body = json!({"terminal": "T1", "ticket": ticket});
    till.post(&format!("/v1/card-payments/{payment}/ticket"), key, &body).await
}

/// A card whose answer comes when the guest has paid in cash, and the ticket.
async fn late(till: &Till, terminal: &Terminal, key: &str) -> (String, String) {
    terminal.says("timeout");
    let (payment, state) = espresso_asked(till, key).await;
    assert_eq!(state, "unknown");
    let sold = till.sell(&format!("{key}-cash"), &ticket("T1", &[(ESPRESSO, 1)])).await.ok();
    terminal.says("approve");
    becomes(till, &payment, "approved").await;
    (payment, sold["ticket_id"].as_str().unwrap().to_owned())
}

async fn sums(till: &Till) -> Value {
    till.get("/v1/readings/current").await["sums"].clone()
}

fn kinds(card: i64, cash: i64) -> Value {
    json!([{"kind": "card", "amount_minor": card}, {"kind": "cash", "amount_minor": cash}])
}

#[tokio::test]
async fn p39_a_late_card_takes_the_place_of_cash_that_goes_back_and_all_sums_stay_true() {
    let (mut node, _hub, terminal) = selling(None).await;
    let till = node.till();
    let drawer = till.post("/v1/drawers", "open", &json!({"terminal": "T1", "float_minor": 1_000})).await.ok();
    let (payment, id) = late(&till, &terminal, "late").await;
    till.sold("another", &ticket("T1", &[(ESPRESSO, 1)])).await;
    let before = sums(&till).await;
    let answer = assigned(&till, "assign", &payment, &id).await;
    let expected = json!({
        "payment": payment, "ticket_id": id, "business_day": "2026-11-23", "card_minor": ESPRESSO_MINOR,
        "cash_minor": ESPRESSO_MINOR, "drawer": drawer["drawer"], "approved_by": null,
    });
    assert_eq!((answer.status, answer.json()), (201, expected));
    let again = assigned(&till, "assign", &payment, &id).await;
    assert_eq!((again.status, &again.text), (200, &answer.text), "the same key does it once");
    let after = sums(&till).await;
    let tenders = till.get("/v1/business-day").await["tenders"].clone();
    assert_eq!((&tenders, &after["no_drawer_cash_minor"]), (&kinds(327, 327), &json!(0)));
    assert_eq!(after["tenders"], json!([{"kind": "card", "amount_minor": 327}]), "a drawer is open");
    for sum in ["tickets", "gross_minor", "net_minor", "tax_minor", "tips_minor", "cash_rounding_minor", "people"] {
        assert_eq!(after[sum], before[sum], "{sum}");
    }
    assert_eq!(listed(&till, "unmatched").await, []);
    let one = till.get(&format!("/v1/tickets/{id}")).await;
    assert_eq!(
        (&one["tendered_minor"], &one["change_minor"], &one["total_minor"]),
        (&json!(1_000_327), &json!(1_000_000), &json!(327))
    );
    let left = json!([
        {"kind": "cash", "amount_minor": 0}, {"kind": "card", "amount_minor": 327, "payment": payment},
    ]);
    assert_eq!(one["refundable"]["tenders"], left, "a refund goes to the card");

    assert_eq!(assigned(&till, "twice", &payment, &id).await.refusal(), (409, "payment_used".to_owned()));
    let reversal = Request::new("POST", &format!("/v1/card-payments/{payment}/reversal"));
    assert_eq!(till.send(reversal).await.refusal(), (409, "payment_used".to_owned()));
    let (second, _) = espresso_asked(&till, "second").await;
    assert_eq!(assigned(&till, "no-cash", &second, &id).await.refusal(), (409, "payment_exceeds_cash".to_owned()));
    till.send(Request::new("POST", &format!("/v1/card-payments/{second}/reversal"))).await.ok();
    assert_eq!(assigned(&till, "reversed", &second, &id).await.refusal(), (409, "payment_not_approved".to_owned()));
    for (payment, ticket) in
        [(id.as_str(), id.as_str()), (&payment, "0190b2c4-7e5d-7c3a-9f00-0123456789ab"), ("x", &id)]
    {
        assert_eq!(assigned(&till, &format!("none-{payment}-{ticket}"), payment, ticket).await.status, 404);
    }
    let path = format!("/v1/drawers/{}/close", drawer["drawer"].as_str().unwrap());
    let count = till.post(&path, "count", &json!({"counted_minor": 1_327})).await.ok();
    assert_eq!(count["count"]["difference_minor"], 0, "the cash went out of the drawer of the till");
    let audit = till.get("/v1/audit").await;
    assert!(audit["drawers"].as_array().unwrap().iter().all(|it| it["kept_minor"] == it["folded_minor"]), "{audit}");
    let of = |event: &Event| match event {
        Event::CardSettled(fact) => Some((fact.settled, fact.ticket.map(|ticket| ticket.to_string()))),
        _ => None,
    };
    let facts: Vec<_> = node.books().entries.iter().filter_map(|entry| of(&entry.recorded.event)).collect();
    assert_eq!(facts, [(Settled::Exchanged, Some(id)), (Settled::Reversed, None)]);
    node.books().check_served(&till).await;
    node.stop().await;
}

/// A shop whose smallest coin is five cents, and its card terminal.
async fn with_coins_of_five() -> (TestNode, TestHub, Terminal) {
    let (mut node, mut hub, terminal) = prepared(None).await;
    node.open().await;
    hub.greet().await;
    let mut menu = MenuJournal::new(77);
    menu.write_items();
    menu.say(&CatalogEvent::RuleSet(Box::new(Rule::CashStep(5))));
    let revision = Revision { number: 1, currency: Currency::USD, item_count: 3, rule_count: 1, stores: Vec::new() };
    menu.say(&CatalogEvent::RevisionPublished(revision));
    let last = menu.head().seq;
    hub.send_menu(&menu, 1, last).await;
    hub.menu_acked(&menu, last).await;
    (node, hub, terminal)
}

#[tokio::test]
async fn a_card_is_charged_to_the_cent_where_coins_had_been_rounded() {
    let (mut node, _hub, terminal) = with_coins_of_five().await;
    let till = node.till();
    let (payment, id) = late(&till, &terminal, "late").await;
    let before = sums(&till).await;
    assert_eq!((&before["tenders"][0]["amount_minor"], &before["cash_rounding_minor"]), (&json!(325), &json!(-2)));
    let answer = assigned(&till, "assign", &payment, &id).await.ok();
    assert_eq!((&answer["card_minor"], &answer["cash_minor"]), (&json!(327), &json!(325)));
    let after = sums(&till).await;
    assert_eq!((&after["tenders"], &after["cash_rounding_minor"]), (&kinds(327, 0), &json!(0)));
    let body = json!({"terminal": "T1", "reason": "other"});
    let back = till.post(&format!("/v1/tickets/{id}/refunds"), "back", &body).await.ok();
    assert_eq!(back["tenders"], json!([{"kind": "card", "amount_minor": 327, "payment": payment}]));
    assert_eq!(back["cash_rounding_minor"], 0);
    node.stop().await;
}

#[tokio::test]
async fn many_small_cards_in_the_place_of_cash_are_rounded_together() {
    let (mut node, _hub, _terminal) = with_coins_of_five().await;
    let till = node.till();
    let sold = till.sell("cash", &ticket("T1", &[(ESPRESSO, 1)])).await.ok();
    let id = sold["ticket_id"].as_str().unwrap();
    for (cents, back) in [(3, Some(5)), (4, None), (6, Some(5)), (3, None)] {
        let key = format!("card-{cents}-{back:?}");
        let payment = asked(&till, &key, cents).await.ok()["payment"].as_str().unwrap().to_owned();
        let answer = assigned(&till, &format!("assign-{key}"), &payment, id).await;
        match back {
            Some(back) => assert_eq!(answer.ok()["cash_minor"], back, "{cents}"),
            None => assert_eq!(answer.refusal(), (409, "payment_exceeds_cash".to_owned()), "{cents}"),
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn the_drawer_opens_for_the_cash_that_goes_back() {
    let (mut node, mut hub, terminal) = prepared(None).await;
    let printer = Printer::start(Manner::Prints).unwrap();
    plug(&mut node, BAR, printer.place());
    node.open_selling(&mut hub).await;
    let till = node.till();
    let (payment, id) = late(&till, &terminal, "late").await;
    so_many(&till, "waiting", 0).await;
    assert_eq!(printer.kicks(), 1, "for the cash of the sale");
    assigned(&till, "assign", &payment, &id).await.ok();
    assigned(&till, "assign", &payment, &id).await.ok();
    so_many(&till, "waiting", 0).await;
    assert_eq!(printer.kicks(), 2);
    node.stop().await;
}

#[tokio::test]
async fn a_late_card_is_assigned_with_an_approval_of_a_refund() {
    let (mut node, _hub, terminal) = prepared(None).await;
    installed(&mut node, |_site| {});
    node.config.cards.demo = true;
    node.open().await;
    let till = paired(&node.till(), "T1").await;
    let (ben, ann) = (signed_in(&till, BEN).await, signed_in(&till, ANN).await);
    let (payment, id) = late(&till, &terminal, "late").await;
    let request = |key: &str, person: &str| {
        let request = Request::new("POST", &format!("/v1/card-payments/{payment}/ticket"));
        let body = json!({"terminal": "T1", "ticket": id});
        by(request.header("idempotency-key", key).json(&body), person)
    };
    assert_eq!(till.send(request("ben", &ben)).await.refusal(), (403, "approval_needed".to_owned()));
    let body = json!({"staff": ANN.0, "pin": ANN.1, "act": "refund", "reason": "charged late"});
    let approval = till.send(Request::new("POST", "/v1/approvals").json(&body)).await.ok();
    let token = approval["approval"].as_str().unwrap();
    let other = json!({"terminal": "T2", "ticket": id});
    let elsewhere = Request::new("POST", &format!("/v1/card-payments/{payment}/ticket"));
    let elsewhere = till.send(elsewhere.header("idempotency-key", "t2").json(&other)).await;
    assert_eq!(elsewhere.refusal(), (403, "terminal_not_yours".to_owned()));
    let answer = till.send(request("approved", &ben).header("percolate-approval", token)).await.ok();
    assert_eq!((&answer["approved_by"], &answer["drawer"]), (&json!(ANN.0), &Value::Null));
    assert_eq!(sums(&till).await["no_drawer_cash_minor"], 0, "without a drawer, cash went out of none");
    let (second, next) = late(&till, &terminal, "next").await;
    let request = Request::new("POST", &format!("/v1/card-payments/{second}/ticket"));
    let body = json!({"terminal": "T1", "ticket": next});
    let answer = till.send(by(request.header("idempotency-key", "ann").json(&body), &ann)).await.ok();
    assert_eq!(answer["approved_by"], Value::Null, "a shift lead may");
    node.stop().await;
}

#[tokio::test]
async fn p4_p39_a_card_in_the_place_of_cash_that_a_lost_disk_knew_of_comes_back_and_counts_once() {
    let (mut node, mut hub, terminal) = selling(None).await;
    let (payment, id) = late(&node.till(), &terminal, "late").await;
    hub.take_until(StreamKind::Sales, 2).await;
    node.stop().await;
    let copy = tempfile::TempDir::new().unwrap();
    copy_database(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    hub.greet().await;
    assigned(&node.till(), "assign", &payment, &id).await.ok();
    hub.take_until(StreamKind::Sales, 3).await;
    node.stop().await;
    put_database_back(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    let till = node.till();
    assert_eq!(
        listed(&till, "unmatched").await,
        [(payment.clone(), "approved".to_owned())],
        "the copy knows of nothing"
    );
    till.sold("meanwhile", &ticket("T1", &[(ESPRESSO, 1)])).await;
    given_back(&mut hub, 2).await;
    let till = &till;
    eventually("the card that came back", || async { listed(till, "unmatched").await.is_empty().then_some(()) }).await;
    assert_eq!(sums(till).await["tenders"], kinds(327, 327));
    assert_eq!(till.get("/v1/business-day").await["tenders"], kinds(327, 327));
    assert_eq!(assigned(till, "twice", &payment, &id).await.refusal(), (409, "payment_used".to_owned()));
    let left = till.get(&format!("/v1/tickets/{id}")).await["refundable"]["tenders"].clone();
    let expected = json!({"kind": "card", "amount_minor": 327, "payment": payment});
    assert_eq!(left[1], expected, "a refund goes to the card");
    node.stop().await;
}
