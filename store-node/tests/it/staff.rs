//! People of the shop sign in, change places, approve, and are kept out, with nobody but their box.

use percolate_common::domain::event::Event;
use percolate_common::domain::staff::StaffLocked;
use percolate_common::domain::staff::approvals::Approval;
use percolate_common::ids::StaffId;
use percolate_common::time::UtcMillis;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::http::{Answer, Request};
use crate::support::menu::{BEANS, ESPRESSO};
use crate::support::node::{NOON_MS, TestNode, Till, ticket};
use crate::support::people::{
    ANN, BADGE, BEN, CY, by, claimed, current, installed, open, paired, sign_in, signed_in, sold_by,
};
use crate::support::program::Program;
use crate::support::schema::Description;

const MINUTE_MS: i64 = 60 * 1_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

fn wrong() -> (u16, String) {
    (401, "sign_in_wrong".to_owned())
}

fn ended() -> (u16, String) {
    (401, "sign_in_ended".to_owned())
}

/// That a try is refused for so many seconds more, right or wrong.
fn is_locked(answer: &Answer, seconds: u32) {
    assert_eq!(answer.refusal(), (429, "sign_in_locked".to_owned()));
    assert_eq!(answer.headers["retry-after"], seconds.to_string());
}

/// Types a wrong PIN so often.
async fn mistype(till: &Till, staff: u32, times: usize) {
    for _ in 0..times {
        assert_eq!(sign_in(till, (staff, "0000")).await.refusal(), wrong());
    }
}

/// The locks that the journal tells of.
fn locks(node: &TestNode) -> Vec<StaffLocked> {
    let of = |event: &Event| match event {
        Event::StaffLocked(locked) => Some(locked.clone()),
        _ => None,
    };
    node.books().entries.iter().filter_map(|entry| of(&entry.recorded.event)).collect()
}

#[tokio::test]
async fn people_sign_in_take_turns_at_a_till_and_sign_out_and_each_sale_says_whose_it_is() {
    let mut node = open(|_site| {}).await;
    let here = node.till();
    let (till, other) = (paired(&here, "T1").await, paired(&here, "T2").await);
    let people = till.get("/v1/staff").await;
    let expected = json!({"sign_in": "optional", "badge_use": "with_pin", "rows": [
        {"staff": 7, "name": "Ann", "role": "lead"}, {"staff": 8, "name": "Ben", "role": "barista"},
        {"staff": 9, "name": "Cy", "role": "manager"}, {"staff": 10, "name": "Dee", "role": "barista"},
    ]});
    assert_eq!(people, expected, "a role that nobody knows is the least");

    let body = ticket("T1", &[(ESPRESSO, 1)]);
    let sold = async |token: &str, key: &str| sold_by(&till, token, key, &body).await;
    let (ben, cy) = (signed_in(&till, BEN).await, signed_in(&till, CY).await);
    assert_eq!(sold(&ben, "a").await.ok()["sold_by"], 8);
    assert_eq!(sold(&cy, "b").await.ok()["sold_by"], 9, "two people of one PIN are two");
    let first = sold(&ben, "c").await;
    assert_eq!(first.ok()["sold_by"], 8, "who signed in first was only parked");
    assert_eq!(till.sell("d", &body).await.ok()["sold_by"], json!(null), "nobody must, here");
    let elsewhere = sold_by(&other, &ben, "e", &ticket("T2", &[(ESPRESSO, 1)])).await;
    assert_eq!(elsewhere.refusal(), ended(), "a token counts at its till");
    assert_eq!(current(&other, &ben).await.refusal(), ended());
    assert_eq!(sold(&"0".repeat(64), "f").await.refusal(), ended());

    let said = current(&till, &ben).await.ok();
    let expected = json!({"staff": 8, "name": "Ben", "role": "barista", "signed_in_at_ms": NOON_MS, "seen_at_ms": NOON_MS,
        "idle_ms": 10 * MINUTE_MS});
    assert_eq!(said, expected);
    let out = till.send(by(Request::new("DELETE", "/v1/sign-ins/current"), &ben)).await;
    assert_eq!(out.ok(), expected);
    assert_eq!((sold(&ben, "g").await.refusal(), current(&till, &ben).await.refusal()), (ended(), ended()));
    let again = sold(&ben, "c").await;
    assert_eq!((again.status, &again.text), (200, &first.text), "what was sold before is answered again");
    assert_eq!(sold(&cy, "h").await.ok()["sold_by"], 9, "the other stays");
    let nobody = till.ask("/v1/sign-ins/current").await;
    assert_eq!(nobody.refusal(), (401, "sign_in_needed".to_owned()));

    let once_more = signed_in(&till, CY).await;
    assert_eq!(sold(&cy, "i").await.refusal(), ended(), "nobody is signed in twice at one till");
    assert_eq!(sold(&once_more, "j").await.status, 201);
    let sellers: Vec<_> = node.books().sold().iter().map(|(_, sold)| sold.sold_by.map(StaffId::get)).collect();
    assert_eq!(sellers, [Some(8), Some(9), Some(8), None, Some(9), Some(9)]);
    node.stop().await;
}

#[tokio::test]
async fn wrong_pins_lock_their_person_over_a_restart_and_whatever_the_clock_does() {
    let mut node = open(|_site| {}).await;
    let here = node.till();
    let till = paired(&here, "T1").await;
    let other = paired(&here, "T2").await;
    mistype(&till, BEN.0, 4).await;
    signed_in(&other, BEN).await;
    mistype(&till, BEN.0, 5).await;
    is_locked(&sign_in(&till, BEN).await, 30);
    is_locked(&sign_in(&other, BEN).await, 30);
    signed_in(&till, ANN).await;
    let until = UtcMillis::new(NOON_MS + 30_000);
    let locked = StaffLocked { staff: Some(StaffId::new(8)), terminal: Some("T1".parse().unwrap()), wrong: 5, until };
    assert_eq!(locks(&node), [locked], "head office hears of it");

    node.clock.step(10_000);
    node.restart().await;
    let till = Till { address: node.till().address, ..till };
    is_locked(&sign_in(&till, BEN).await, 20);
    node.clock.step(-HOUR_MS);
    is_locked(&sign_in(&till, BEN).await, 30);
    node.restart().await;
    let till = Till { address: node.till().address, ..till };
    node.clock.step(29_999);
    is_locked(&sign_in(&till, BEN).await, 1);
    node.clock.step(1);
    mistype(&till, BEN.0, 1).await;
    is_locked(&sign_in(&till, BEN).await, 60);
    node.clock.step(MINUTE_MS);
    signed_in(&till, BEN).await;
    mistype(&till, BEN.0, 4).await;
    signed_in(&till, BEN).await;
    assert_eq!(locks(&node).iter().map(|locked| locked.wrong).collect::<Vec<_>>(), [5, 6]);
    node.stop().await;
}

#[tokio::test]
async fn a_badge_signs_in_as_the_shop_has_decided_and_one_that_is_nobodys_locks_its_till_alone() {
    let mut node = open(|site| site.badge_use = Some("alone".to_owned())).await;
    let here = node.till();
    let (till, other) = (paired(&here, "T1").await, paired(&here, "T2").await);
    let alone = claimed(&till, &json!({"badge": BADGE})).await;
    assert_eq!((alone.status, &alone.json()["staff"]), (201, &json!(7)));
    for number in 0..5 {
        assert_eq!(claimed(&till, &json!({"badge": format!("stranger-{number}")})).await.refusal(), wrong());
    }
    is_locked(&claimed(&till, &json!({"badge": BADGE})).await, 30);
    is_locked(&claimed(&till, &json!({"badge": "stranger-9"})).await, 30);
    is_locked(&sign_in(&till, (99, "1234")).await, 30);
    signed_in(&till, BEN).await;
    assert_eq!(claimed(&other, &json!({"badge": BADGE})).await.status, 201);
    let locked = locks(&node);
    assert_eq!((locked.len(), locked[0].staff, locked[0].wrong), (1, None, 5));
    node.stop().await;

    let mut node = open(|_site| {}).await;
    let till = paired(&node.till(), "T1").await;
    let alone = claimed(&till, &json!({"badge": BADGE})).await;
    assert_eq!(alone.refusal(), (422, "pin_missing".to_owned()));
    assert_eq!(claimed(&till, &json!({"badge": BADGE, "pin": BEN.1})).await.refusal(), wrong());
    assert_eq!(claimed(&till, &json!({"badge": BADGE, "pin": ANN.1})).await.status, 201);
    assert_eq!(sign_in(&till, (10, "1234")).await.refusal(), wrong(), "who was given no PIN has none");
    node.stop().await;
}

#[tokio::test]
async fn whoever_does_nothing_for_ten_minutes_is_out_and_looking_is_nothing() {
    let mut node = open(|_site| {}).await;
    let till = paired(&node.till(), "T1").await;
    let ben = signed_in(&till, BEN).await;
    let quote = json!({"lines": [{"item": ESPRESSO, "quantity": 1}]});
    let priced = async |till: &Till| till.send(by(Request::new("POST", "/v1/quotes").json(&quote), &ben)).await;
    node.clock.step(9 * MINUTE_MS);
    assert_eq!(priced(&till).await.status, 200);
    assert_eq!(current(&till, &ben).await.ok()["seen_at_ms"], NOON_MS + 9 * MINUTE_MS);
    node.clock.step(29_999);
    assert_eq!(priced(&till).await.status, 200);
    let seen = current(&till, &ben).await.ok()["seen_at_ms"].clone();
    assert_eq!(seen, NOON_MS + 9 * MINUTE_MS, "it is written each half minute at most");
    node.clock.step(9 * MINUTE_MS);
    node.restart().await;
    let till = Till { address: node.till().address, ..till };
    assert_eq!(current(&till, &ben).await.status, 200, "a restart signs nobody out");
    assert_eq!(sold_by(&till, &ben, "a", &ticket("T1", &[(ESPRESSO, 1)])).await.status, 201);
    node.clock.step(5 * MINUTE_MS);
    assert_eq!(current(&till, &ben).await.status, 200);
    node.clock.step(5 * MINUTE_MS);
    assert_eq!(current(&till, &ben).await.refusal(), ended());
    assert_eq!(priced(&till).await.refusal(), ended());
    node.stop().await;
}

/// Has somebody approve something.
async fn approve(till: &Till, (staff, pin): (u32, &str), act: &str) -> Answer {
    let body = json!({"staff": staff, "pin": pin, "act": act, "reason": "counted twice"});
    till.send(Request::new("POST", "/v1/approvals").json(&body)).await
}

async fn approved(till: &Till, who: (u32, &str), act: &str) -> String {
    let answer = approve(till, who, act).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["approval"].as_str().unwrap().to_owned()
}

/// Corrects the stock by hand.
async fn corrected(till: &Till, person: &str, approval: Option<&str>, key: &str) -> Answer {
    let body = json!({"reason": "adjusted", "lines": [{"stock_item": BEANS, "quantity": -5}]});
    let request = Request::new("POST", "/v1/stock/movements").header("idempotency-key", key).json(&body);
    let request = by(request, person);
    let request = match approval {
        Some(token) => request.header("percolate-approval", token),
        None => request,
    };
    till.send(request).await
}

#[tokio::test]
async fn what_needs_an_approval_is_done_once_with_one_of_this_till_for_this_and_of_somebody_who_may() {
    let mut node = open(|_site| {}).await;
    let here = node.till();
    let (till, other) = (paired(&here, "T1").await, paired(&here, "T2").await);
    let (ben, ben_there) = (signed_in(&till, BEN).await, signed_in(&other, BEN).await);
    let refused = |code: &str| (403, code.to_owned());
    let needed = corrected(&till, &ben, None, "a").await;
    assert_eq!(needed.refusal(), refused("approval_needed"));
    assert!(needed.json()["detail"].as_str().unwrap().ends_with("it can be given by Ann, Cy."), "{needed:?}");
    assert_eq!(approve(&till, BEN, "correct_stock").await.refusal(), refused("may_not_approve"));
    assert_eq!(approve(&till, (ANN.0, "0000"), "correct_stock").await.refusal(), wrong());

    let (for_refund, for_this) = (approved(&till, ANN, "refund").await, approved(&till, ANN, "correct_stock").await);
    let not_for_this = refused("approval_not_for_this");
    assert_eq!(corrected(&till, &ben, Some(&for_refund), "a").await.refusal(), not_for_this);
    assert_eq!(corrected(&other, &ben_there, Some(&for_this), "a").await.refusal(), not_for_this);
    let done = corrected(&till, &ben, Some(&for_this), "a").await;
    let again = corrected(&till, &ben, Some(&for_this), "a").await;
    assert_eq!((done.status, again.status, &done.text), (201, 200, &again.text));
    let ended = refused("approval_ended");
    assert_eq!(corrected(&till, &ben, Some(&for_this), "b").await.refusal(), ended, "it was used");
    assert_eq!(corrected(&till, &ben, Some(&"0".repeat(64)), "b").await.refusal(), ended);
    let late = approved(&till, CY, "correct_stock").await;
    node.clock.step(2 * MINUTE_MS);
    assert_eq!(corrected(&till, &ben, Some(&late), "b").await.refusal(), ended);
    let over_night = approved(&till, CY, "correct_stock").await;
    node.restart().await;
    let till = Till { address: node.till().address, ..till };
    assert_eq!(corrected(&till, &ben, Some(&over_night), "b").await.status, 201, "a restart takes no approval back");

    // Whoever may needs nobody; whoever has not signed in may what a barista may; what others see needs nobody.
    let ann = signed_in(&till, ANN).await;
    assert_eq!(corrected(&till, &ann, None, "c").await.status, 201);
    assert_eq!(till.move_stock("d", "adjusted", &[(BEANS, 5)]).await.refusal(), refused("approval_needed"));
    assert_eq!(till.move_stock("e", "wasted", &[(BEANS, 5)]).await.status, 201);
    let moved: Vec<_> = node.books().entries.iter().filter_map(|entry| said_of(&entry.recorded.event)).collect();
    let because = |by| Some(Approval { by: StaffId::new(by), reason: "counted twice".to_owned() });
    assert_eq!(moved, [(Some(8), because(7)), (Some(8), because(9)), (Some(7), None), (None, None)]);
    node.stop().await;
}

/// By whom stock was moved, and who approved it.
fn said_of(event: &Event) -> Option<(Option<u32>, Option<Approval>)> {
    match event {
        Event::StockMoved(moved) => Some((moved.by.map(StaffId::get), moved.approval.clone())),
        _ => None,
    }
}

#[tokio::test]
async fn a_shop_that_wants_people_to_sign_in_sells_for_nobody_else_unless_nobody_could() {
    let mut node = open(|site| site.sign_in = Some("required".to_owned())).await;
    let here = node.till();
    let (till, body) = (paired(&here, "T1").await, ticket("T1", &[(ESPRESSO, 1)]));
    let needed = (401, "sign_in_needed".to_owned());
    assert_eq!(till.sell("a", &body).await.refusal(), needed);
    assert_eq!(till.move_stock("b", "wasted", &[(BEANS, 5)]).await.refusal(), needed);
    assert_eq!(till.get("/v1/staff").await["sign_in"], "required");
    let ben = signed_in(&till, BEN).await;
    assert_eq!(sold_by(&till, &ben, "a", &body).await.ok()["sold_by"], 8);
    assert_eq!(here.sell("c", &body).await.status, 201, "the box's own token may everything on the box");
    node.stop().await;

    let mut node = open(|site| {
        site.sign_in = Some("required".to_owned());
        site.staff.iter_mut().for_each(|one| one.pin = None);
    })
    .await;
    let till = paired(&node.till(), "T1").await;
    assert_eq!(till.sell("a", &body).await.status, 201, "a shop sells on");
    node.stop().await;
}

#[tokio::test]
async fn whoever_has_another_pin_or_is_gone_is_out_with_the_next_description_and_others_stay() {
    let mut node = open(|_site| {}).await;
    let till = paired(&node.till(), "T1").await;
    let (ann, ben, cy) = (signed_in(&till, ANN).await, signed_in(&till, BEN).await, signed_in(&till, CY).await);
    node.stop().await;
    installed(&mut node, |site| {
        site.staff.retain(|one| one.id != CY.0);
        site.staff.iter_mut().filter(|one| one.id == BEN.0).for_each(|one| one.pin = Some("97531".to_owned()));
    });
    node.open().await;
    let till = Till { address: node.till().address, ..till };
    assert_eq!(current(&till, &ann).await.status, 200);
    assert_eq!((current(&till, &ben).await.refusal(), current(&till, &cy).await.refusal()), (ended(), ended()));
    assert_eq!((sign_in(&till, BEN).await.refusal(), sign_in(&till, CY).await.refusal()), (wrong(), wrong()));
    signed_in(&till, (BEN.0, "97531")).await;
    assert_eq!(till.get("/v1/staff").await["rows"].as_array().unwrap().len(), 3);
    node.stop().await;
}

#[tokio::test]
async fn p40_a_box_that_loses_its_power_and_meets_no_hub_signs_people_in_and_forgets_nothing() {
    let mut node = TestNode::prepare();
    installed(&mut node, |site| site.sign_in = Some("required".to_owned()));
    let program = Program::start(&node.config);
    let till = paired(&program.till().await, "T1").await;
    let body = ticket("T1", &[(ESPRESSO, 1)]);
    let ben = signed_in(&till, BEN).await;
    assert_eq!(sold_by(&till, &ben, "a", &body).await.status, 201);
    mistype(&till, CY.0, 4).await;
    program.kill().await;

    let program = Program::start(&node.config);
    let till = Till { address: program.till().await.address, ..till };
    assert_eq!(sold_by(&till, &ben, "b", &body).await.ok()["sold_by"], 8, "who was there is there");
    let ann = signed_in(&till, ANN).await;
    assert_eq!(sold_by(&till, &ann, "c", &body).await.ok()["sold_by"], 7);
    // The fifth wrong one, after four before the power was lost.
    mistype(&till, CY.0, 1).await;
    assert_eq!(sign_in(&till, CY).await.refusal(), (429, "sign_in_locked".to_owned()));
    program.tell_to_stop();
    assert_eq!(program.ended().await.0, Some(0));
}

#[tokio::test]
async fn a_hundred_wrong_tries_at_once_are_five_tries() {
    let mut node = open(|_site| {}).await;
    let till = paired(&node.till(), "T1").await;
    let mut all = JoinSet::new();
    for _ in 0..100 {
        let till = till.clone();
        all.spawn(async move { sign_in(&till, (BEN.0, "0000")).await.code() });
    }
    let mut codes = all.join_all().await;
    codes.sort();
    let count = |code: &str| codes.iter().filter(|said| *said == code).count();
    assert_eq!(count("sign_in_wrong"), 5, "{codes:?}");
    assert_eq!(count("sign_in_locked") + count("sign_ins_busy"), 95, "{codes:?}");
    assert_eq!(locks(&node).len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn nothing_that_somebody_types_or_shows_stands_in_the_database() {
    let mut node = open(|site| site.badge_use = Some("alone".to_owned())).await;
    let till = paired(&node.till(), "T1").await;
    let (ann, approval) = (signed_in(&till, ANN).await, approved(&till, ANN, "refund").await);
    assert_eq!(claimed(&till, &json!({"badge": BADGE})).await.status, 201);
    node.stop().await;
    for file in ["node.db", "node.db-wal"] {
        let bytes = std::fs::read(node.config.data.join(file)).unwrap_or_default();
        for secret in [ANN.1, BADGE, &ann, &approval] {
            let found = bytes.windows(secret.len()).any(|part| part.eq_ignore_ascii_case(secret.as_bytes()));
            assert!(!found, "{secret} stands in {file}");
        }
    }
}

#[tokio::test]
async fn answers_about_people_are_as_they_are_described() {
    let mut node = open(|_site| {}).await;
    let till = paired(&node.till(), "T1").await;
    let description = Description::new(till.ask_openly("/openapi.json").await.ok());
    let check = |method: &str, path: &str, answer: &Answer, status: u16| {
        assert_eq!(answer.status, status, "{answer:?}");
        description.check(&description.operation(method, path), answer);
    };
    check("GET", "/v1/staff", &till.ask("/v1/staff").await, 200);
    let answer = sign_in(&till, BEN).await;
    check("POST", "/v1/sign-ins", &answer, 201);
    let token: Value = answer.json()["token"].clone();
    let token = token.as_str().unwrap();
    check("GET", "/v1/sign-ins/current", &current(&till, token).await, 200);
    check("POST", "/v1/approvals", &approve(&till, ANN, "refund").await, 201);
    check("POST", "/v1/approvals", &approve(&till, BEN, "refund").await, 403);
    let out = till.send(by(Request::new("DELETE", "/v1/sign-ins/current"), token)).await;
    check("DELETE", "/v1/sign-ins/current", &out, 200);
    node.stop().await;
}

#[tokio::test]
async fn a_discount_and_a_changed_price_are_approved_each_and_the_ticket_says_by_whom() {
    let mut node = open(|_site| {}).await;
    let here = node.till();
    let till = paired(&here, "T1").await;
    let (ben, ann) = (signed_in(&till, BEN).await, signed_in(&till, ANN).await);
    let mut cheap = ticket("T1", &[(ESPRESSO, 1)]);
    cheap["lines"][0]["price_minor"] = json!(250);
    cheap["lines"][0]["discounts"] = json!([{"amount_minor": 50, "reason": "late"}]);
    let sell = async |who: &str, approvals: &[&str], key: &str| {
        let request = by(Request::new("POST", "/v1/tickets"), who).header("idempotency-key", key).json(&cheap);
        let shown = approvals.join(", ");
        till.send(if approvals.is_empty() { request } else { request.header("percolate-approval", &shown) }).await
    };
    let refused = |code: &str| (403, code.to_owned());
    assert_eq!(sell(&ben, &[], "a").await.refusal(), refused("approval_needed"));
    let (discount, price) = (approved(&till, ANN, "discount").await, approved(&till, CY, "price_change").await);
    assert_eq!(
        sell(&ben, &[&discount], "a").await.refusal(),
        refused("approval_not_for_this"),
        "the price is not approved"
    );
    let sold = sell(&ben, &[&price, &discount], "a").await.ok();
    let because = |act: &str, by: u32| json!({"act": act, "by": by, "reason": "counted twice"});
    assert_eq!(sold["approvals"], json!([because("discount", 7), because("price_change", 9)]));
    assert_eq!((&sold["sold_by"], &sold["net_minor"]), (&json!(8), &json!(200)));
    assert_eq!(sell(&ben, &[&price, &discount], "b").await.refusal(), refused("approval_ended"), "each is good once");
    let by_lead = sell(&ann, &[], "c").await.ok();
    assert_eq!((&by_lead["approvals"], &by_lead["sold_by"]), (&json!([]), &json!(7)));
    let tickets: Vec<_> = node.books().sold().iter().map(|(_, sold)| sold.details.approvals.len()).collect();
    assert_eq!(tickets, [2, 0]);
    node.stop().await;
}
