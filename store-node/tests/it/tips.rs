//! Tips that are written down after the sale, and what a day's tips are shared out as.

use percolate_common::journal::StreamKind;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::open_tickets::given_back;
use crate::support::eventually;
use crate::support::http::{Answer, Request};
use crate::support::menu::ESPRESSO;
use crate::support::node::{TestNode, Till, basket, practice, ticket};
use crate::support::people::{ANN, BEN, by, open, paired, signed_in, sold_by};
use crate::support::program::{copy_database, put_database_back};

const DAY_MS: i64 = 24 * 3_600_000;
/// What an espresso costs with its tax.
const ESPRESSO_MINOR: i64 = 327;

/// An espresso by card, with a tip that the guest has told.
fn espresso(tip: i64) -> Value {
    let mut body = ticket("T1", &[(ESPRESSO, 1)]);
    body["tenders"] = json!([{"kind": "card_external", "amount_minor": ESPRESSO_MINOR + tip}]);
    body["tip_minor"] = json!(tip);
    body
}

async fn sold(till: &Till, key: &str, tip: i64) -> String {
    till.sell(key, &espresso(tip)).await.ok()["ticket_id"].as_str().unwrap().to_owned()
}

fn slip(tender: impl Into<Value>, tip: i64) -> Value {
    json!({"terminal": "T1", "tender": tender.into(), "tip_minor": tip})
}

async fn tip(till: &Till, key: &str, ticket: &str, body: &Value) -> Answer {
    till.post(&format!("/v1/tickets/{ticket}/tip"), key, body).await
}

/// The tip that a ticket has now.
async fn now(till: &Till, ticket: &str) -> i64 {
    till.get(&format!("/v1/tickets/{ticket}")).await["tip_minor"].as_i64().unwrap()
}

/// What was paid by cards that are not ours on a day, and all tips of it.
async fn day(till: &Till, day: &str) -> (i64, i64) {
    let tenders = till.get(&format!("/v1/business-days/{day}")).await["tenders"].clone();
    let pool = till.get(&format!("/v1/business-days/{day}/tips")).await["pool_minor"].as_i64().unwrap();
    (tenders[0]["amount_minor"].as_i64().unwrap(), pool)
}

/// Tips and cards of a reading.
fn sums(reading: &Value) -> (i64, i64) {
    let sums = &reading["sums"];
    (sums["tips_minor"].as_i64().unwrap(), sums["tenders"][0]["amount_minor"].as_i64().unwrap())
}

#[tokio::test]
async fn a_tip_that_is_written_down_later_counts_on_its_own_day_as_the_difference() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let id = sold(&till, "sale", 50).await;
    let first = tip(&till, "slip", &id, &slip("card_external", 200)).await;
    let expected = json!({
        "tip_id": first.json()["tip_id"], "ticket_id": id, "business_day": "2026-11-23", "turn": 1,
        "kind": "card_external", "sold_tip_minor": 50, "tip_minor": 200, "sold_by": null,
    });
    assert_eq!((first.status, first.json()), (201, expected));
    let again = tip(&till, "slip", &id, &slip("card_external", 200)).await;
    assert_eq!((again.status, &again.text), (200, &first.text), "the same key writes it down once");
    assert_eq!(tip(&till, "slip", &id, &slip("card_external", 1)).await.code(), "idempotency_key_reused");
    assert_eq!(now(&till, &id).await, 200);
    assert_eq!(sums(&till.get("/v1/readings/current").await), (200, 527));
    assert_eq!(tip(&till, "corrected", &id, &slip(0, 150)).await.ok()["turn"], 2);
    assert_eq!(sums(&till.get("/v1/readings/current").await), (150, 477));
    node.clock.step(DAY_MS);
    tip(&till, "next-day", &id, &slip(0, 180)).await.ok();
    assert_eq!((day(&till, "2026-11-23").await, day(&till, "2026-11-24").await), ((477, 150), (30, 30)));
    let one = till.get(&format!("/v1/tickets/{id}")).await;
    assert_eq!(one["refundable"]["tenders"], json!([{"kind": "card_external", "amount_minor": 507}]));
    let other = sold(&till, "other", 0).await;
    tip(&till, "other-slip", &other, &slip(0, 20)).await.ok();

    let closed = till.post("/v1/readings", "z", &json!({})).await.ok()["reading"].clone();
    assert_eq!(sums(&closed), (200, 2 * ESPRESSO_MINOR + 200));
    assert_eq!(closed["sums"]["gross_minor"], 2 * ESPRESSO_MINOR);
    assert_eq!(tip(&till, "late", &id, &slip(0, 200)).await.refusal(), (409, "tip_closed".to_owned()));
    let body = json!({"terminal": "T1", "reason": "wrong"});
    let back = till.post(&format!("/v1/tickets/{id}/refunds"), "back", &body).await.ok();
    assert_eq!((&back["tip_minor"], &back["total_minor"]), (&json!(180), &json!(ESPRESSO_MINOR)));
    assert_eq!(day(&till, "2026-11-24").await, (30 + 347 - 507, 30 + 20 - 180), "a tip goes back with the ticket");
    let audit = till.get("/v1/audit").await;
    assert!(audit["days"].as_array().unwrap().iter().all(|day| day["kept"] == day["folded"]), "{audit}");
    node.books().check_served(&till).await;
    node.stop().await;
}

#[tokio::test]
async fn a_tip_that_stays_as_it_is_says_why() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let id = sold(&till, "sale", 0).await;
    let cash = till.sell("cash", &ticket("T1", &[(ESPRESSO, 1)])).await.ok()["ticket_id"].as_str().unwrap().to_owned();
    let practised = till.sell("practice", &practice(espresso(0))).await.ok()["ticket_id"].as_str().unwrap().to_owned();
    let refunded = sold(&till, "refunded", 0).await;
    let path = format!("/v1/tickets/{refunded}/refunds");
    till.post(&path, "back", &json!({"terminal": "T1", "reason": "other"})).await.ok();
    let brought_in = basket("2026-11-20", "07:00:00", &[("1", 1, 300)]);
    till.post("/v1/imports/baskets", "import", &json!({"source": "old", "baskets": [brought_in]})).await.ok();
    let tickets = till.get("/v1/tickets").await["tickets"].clone();
    let imported = tickets.as_array().unwrap().iter().find(|ticket| ticket["receipt"].is_null()).unwrap();
    let imported = imported["ticket_id"].as_str().unwrap();
    let before = till.last_seq("sales").await;
    for (key, ticket, body, refusal) in [
        ("practice-tip", practised.as_str(), slip(0, 10), (409, "tip_practice")),
        ("refunded-tip", &refunded, slip(0, 10), (409, "tip_refunded")),
        ("by-cash", &cash, slip(0, 10), (422, "tip_no_card")),
        ("by-nothing", &id, slip(1, 10), (422, "tip_no_card")),
        ("by-box", &id, slip("card", 10), (422, "tip_no_card")),
        ("too-much", &id, slip(0, ESPRESSO_MINOR + 1), (422, "tip_out_of_range")),
        ("negative", &id, slip(0, -1), (422, "tip_out_of_range")),
        ("nobodys", "0190b2c4-7e5d-7c3a-9f00-0123456789ab", slip(0, 10), (404, "not_found")),
        ("brought-in", imported, slip(0, 10), (422, "refund_unknown")),
    ] {
        let (status, code) = refusal;
        assert_eq!(tip(&till, key, ticket, &body).await.refusal(), (status, code.to_owned()), "{key}");
    }
    assert_eq!(till.last_seq("sales").await, before);
    node.clock.step(8 * DAY_MS);
    assert_eq!(tip(&till, "late", &id, &slip(0, 10)).await.refusal(), (409, "tip_closed".to_owned()));
    node.stop().await;
}

#[tokio::test]
async fn of_tills_that_write_a_tip_down_at_once_the_last_one_holds_and_sums_are_right() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let id = sold(&till, "sale", 0).await;
    let mut asking = JoinSet::new();
    for at in 1..=8 {
        let (till, id) = (till.clone(), id.clone());
        asking.spawn(async move { tip(&till, &format!("slip-{at}"), &id, &slip(0, 10 * at)).await.ok() });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|answer| answer["turn"].as_u64());
    assert_eq!(
        answers.iter().map(|answer| answer["turn"].as_u64().unwrap()).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6, 7, 8]
    );
    let last = answers[7]["tip_minor"].as_i64().unwrap();
    node.restart().await;
    let till = node.till();
    assert_eq!(now(&till, &id).await, last);
    assert_eq!(sums(&till.get("/v1/readings/current").await), (last, ESPRESSO_MINOR + last));
    assert_eq!(day(&till, "2026-11-23").await, (ESPRESSO_MINOR + last, last));
    node.stop().await;
}

#[tokio::test]
async fn a_tip_that_a_lost_disk_had_written_down_comes_back_beside_another_and_one_of_them_holds() {
    let (mut node, mut hub) = TestNode::selling().await;
    let id = sold(&node.till(), "sale", 0).await;
    hub.take_until(StreamKind::Sales, 2).await;
    node.stop().await;
    let copy = tempfile::TempDir::new().unwrap();
    copy_database(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    hub.greet().await;
    let first = tip(&node.till(), "slip", &id, &slip(0, 200)).await;
    hub.take_until(StreamKind::Sales, 3).await;
    node.stop().await;
    put_database_back(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    let till = node.till();
    assert_eq!(now(&till, &id).await, 0, "the copy knows of nothing");
    tip(&till, "meanwhile", &id, &slip(0, 300)).await.ok();
    given_back(&mut hub, 2).await;
    let till = &till;
    let again = eventually("the tip that came back", || async {
        let again = tip(till, "slip", &id, &slip(0, 200)).await;
        (again.status == 200).then_some(again)
    })
    .await;
    assert_eq!(again.text, first.text, "its key is known");
    let holds = now(till, &id).await;
    assert!([200, 300].contains(&holds), "{holds}");
    assert_eq!(sums(&till.get("/v1/readings/current").await), (holds, ESPRESSO_MINOR + holds));
    assert_eq!(day(till, "2026-11-23").await, (ESPRESSO_MINOR + holds, holds));
    node.stop().await;
}

#[tokio::test]
async fn p24_a_days_tips_are_shared_out_to_the_cent_among_who_sold_or_by_the_points_that_are_given() {
    let mut node = open(|_site| {}).await;
    let till = paired(&node.till(), "T1").await;
    let (ann, ben) = (signed_in(&till, ANN).await, signed_in(&till, BEN).await);
    let annes = sold_by(&till, &ann, "anne", &espresso(100)).await.ok();
    sold_by(&till, &ann, "anne-2", &espresso(0)).await.ok();
    sold_by(&till, &ben, "ben", &espresso(50)).await.ok();
    sold_by(&till, &ben, "practised", &practice(espresso(70))).await.ok();
    // Ben writes down what is Ann's.
    let path = format!("/v1/tickets/{}/tip", annes["ticket_id"].as_str().unwrap());
    let request = Request::new("POST", &path).header("idempotency-key", "slip").json(&slip(0, 151));
    assert_eq!(till.send(by(request, &ben)).await.ok()["sold_by"], ANN.0);
    let body = json!({"terminal": "T1", "lines": [{"item": ESPRESSO, "quantity": 1}]});
    let opened = till.post("/v1/open-tickets", "open", &body).await.ok();
    let path = format!("/v1/open-tickets/{}/payments", opened["ticket_id"].as_str().unwrap());
    let part = json!({"terminal": "T1", "tender": {"kind": "card_external", "amount_minor": 130}, "part_minor": 100, "tip_minor": 30});
    till.send(by(Request::new("POST", &path).header("idempotency-key", "part").json(&part), &ben)).await.ok();

    let tips = till.get("/v1/business-days/2026-11-23/tips").await;
    let person = |staff: u32, tickets: u32, tips: i64, points: u32, share: i64| {
        json!({
            "staff": staff, "tickets": tickets, "tips_minor": tips, "points": points, "share_minor": share,
        })
    };
    let expected = json!({
        "business_day": "2026-11-23", "currency": "USD", "pool_minor": 231, "undivided_minor": 0,
        "people": [person(ANN.0, 2, 151, 1, 116), person(BEN.0, 1, 80, 1, 115)],
    });
    assert_eq!(tips, expected);
    assert_eq!(till.get("/v1/readings/current").await["sums"]["tips_minor"], 231, "the reading says the same");
    let by_hours = till.get("/v1/business-days/2026-11-23/tips?points=7:3,9:1").await;
    let expected = json!([person(ANN.0, 2, 151, 3, 173), person(BEN.0, 1, 80, 0, 0), person(9, 0, 0, 1, 58)]);
    assert_eq!(by_hours["people"], expected);
    let none = till.get("/v1/business-days/2026-11-22/tips").await;
    assert_eq!((&none["pool_minor"], &none["people"]), (&json!(0), &json!([])));
    for bad in ["7", "7:x", "x:1", "7:1,7:2", "7:-1"] {
        let answer = till.ask(&format!("/v1/business-days/2026-11-23/tips?points={bad}")).await;
        assert_eq!(answer.refusal(), (422, "tip_points_unclear".to_owned()), "{bad}");
    }
    node.stop().await;
}
