//! Open tickets: ordered now, paid later, at whatever terminal, in whatever parts; and nothing of it lost or doubled.

use percolate_common::journal::StreamKind;
use percolate_common::wire::session::{FromNode, Verdict};
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::Answer;
use crate::support::hub::TestHub;
use crate::support::menu::{BAG, ESPRESSO, LATTE, MenuJournal};
use crate::support::node::{TestNode, Till, practice, ticket};
use crate::support::program::{Program, copy_database, put_database_back};

/// What an espresso, and an espresso with a latte, cost with their tax.
const ESPRESSO_MINOR: i64 = 327;
const BOTH_MINOR: i64 = 735;

fn lines(items: &[(u32, u32)]) -> Value {
    json!(items.iter().map(|(item, quantity)| json!({"item": item, "quantity": quantity})).collect::<Vec<_>>())
}

async fn post(till: &Till, id: &str, what: &str, key: &str, body: &Value) -> Answer {
    till.post(&format!("/v1/open-tickets/{id}/{what}"), key, body).await
}

async fn opened(till: &Till, key: &str, terminal: &str, items: &[(u32, u32)]) -> Value {
    let answer = till.post("/v1/open-tickets", key, &json!({"terminal": terminal, "lines": lines(items)})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

async fn added(till: &Till, id: &str, key: &str, items: &[(u32, u32)]) -> Value {
    post(till, id, "lines", key, &json!({"lines": lines(items)})).await.ok()
}

fn id(ticket: &Value) -> &str {
    ticket["ticket_id"].as_str().unwrap()
}

fn cash(amount: i64) -> Value {
    json!({"kind": "cash", "amount_minor": amount})
}

fn card(amount: i64) -> Value {
    json!({"kind": "card_external", "amount_minor": amount, "reference": "AUTH 1"})
}

fn paid(terminal: &str, expected: i64, tenders: &[Value]) -> Value {
    json!({"terminal": terminal, "expected_total_minor": expected, "tenders": tenders})
}

async fn one(till: &Till, id: &str) -> Value {
    till.get(&format!("/v1/open-tickets/{id}")).await
}

/// Items and quantities of a ticket's lines.
fn items(ticket: &Value) -> Vec<(u64, u64)> {
    let pair = |line: &Value| (line["item"].as_u64().unwrap(), line["quantity"].as_u64().unwrap());
    ticket["lines"].as_array().unwrap().iter().map(pair).collect()
}

fn line(ticket: &Value, at: usize) -> Value {
    ticket["lines"][at]["line_id"].clone()
}

#[tokio::test]
async fn a_ticket_is_opened_added_to_and_paid_and_keeps_its_id() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let body = json!({"terminal": "T1", "lines": lines(&[(ESPRESSO, 1)]), "name": "Window", "note": "oat if there is"});
    let first = till.post("/v1/open-tickets", "open", &body).await;
    let ticket = first.json();
    assert_eq!((first.status, &ticket["state"], &ticket["name"]), (201, &json!("open"), &json!("Window")));
    assert_eq!(ticket["amounts"]["total_minor"], ESPRESSO_MINOR);
    let again = till.post("/v1/open-tickets", "open", &body).await;
    assert_eq!((again.status, again.text), (200, first.text), "the same key opens no second one");
    let ticket = added(&till, id(&ticket), "add", &[(LATTE, 1)]).await;
    assert_eq!((items(&ticket), &ticket["amounts"]["due_minor"]), (vec![(101, 1), (102, 1)], &json!(BOTH_MINOR)));
    assert_eq!(till.get("/v1/business-day").await["tickets"], 0, "nothing is sold yet");

    let close = paid("T2", BOTH_MINOR, &[cash(1_000)]);
    let sold = post(&till, id(&ticket), "close", "close", &close).await;
    let sale = sold.json();
    assert_eq!((sold.status, &sale["ticket_id"], &sale["receipt"]), (201, &ticket["ticket_id"], &json!("T2-A-1")));
    assert_eq!((&sale["total_minor"], &sale["change_minor"]), (&json!(BOTH_MINOR), &json!(1_000 - BOTH_MINOR)));
    let again = post(&till, id(&ticket), "close", "close", &close).await;
    assert_eq!((again.status, again.text), (200, sold.text));
    let ended = one(&till, id(&ticket)).await;
    assert_eq!((&ended["state"], &ended["receipts"]), (&json!("paid"), &json!(["T2-A-1"])));
    assert_eq!(till.get("/v1/open-tickets").await, json!({"rows": [], "count": 0}));
    assert_eq!(till.get(&format!("/v1/tickets/{}", id(&ticket))).await["receipt"], "T2-A-1");

    let books = node.books();
    books.check();
    books.check_served(&till).await;
    let text = books.stream(StreamKind::Sales).map(|entry| format!("{:?}", entry.recorded)).collect::<String>();
    assert!(text.contains("OpenTicket") && !text.contains("Window") && !text.contains("oat"), "a journal names nobody");
    node.stop().await;
}

#[tokio::test]
async fn p4_what_is_paid_stays_paid_whatever_comes_late() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let ticket = opened(&till, "open", "T1", &[(ESPRESSO, 1)]).await;
    let id = id(&ticket);
    post(&till, id, "close", "close", &paid("T1", ESPRESSO_MINOR, &[cash(327)])).await.ok();
    let second = post(&till, id, "close", "other-till", &paid("T2", ESPRESSO_MINOR, &[cash(327)])).await;
    assert_eq!(second.refusal(), (409, "ticket_paid".to_owned()));
    assert!(second.json()["detail"].as_str().unwrap().contains("T1-A-1"), "{second:?}");
    let late = [
        ("lines", json!({"lines": lines(&[(LATTE, 1)])})),
        ("voids", json!({"lines": [line(&ticket, 0)], "reason": "mistake"})),
        ("moves", json!({"held": true})),
        ("divisions", json!({})),
        ("payments", json!({"terminal": "T1", "tender": cash(5), "part_minor": 5})),
        ("abandon", json!({})),
    ];
    for (what, body) in late {
        assert_eq!(post(&till, id, what, what, &body).await.refusal(), (409, "ticket_paid".to_owned()), "{what}");
    }
    node.restart().await;
    assert_eq!(one(&node.till(), id).await["state"], "paid");
    assert_eq!(node.till().get("/v1/business-day").await["tickets"], 1);
    node.stop().await;
}

#[tokio::test]
async fn p5_p30_the_same_change_sent_again_by_whomever_adds_nothing_twice() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let ticket = opened(&till, "open", "T1", &[]).await;
    let path = format!("/v1/open-tickets/{}/lines", id(&ticket));
    let body = json!({"lines": lines(&[(ESPRESSO, 1), (LATTE, 2)])});
    // Two tabs send the same queue at the same time.
    let (one_tab, other_tab) =
        tokio::join!(till.post(&path, "from-the-queue", &body), till.post(&path, "from-the-queue", &body));
    let mut statuses = [one_tab.status, other_tab.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201]);
    node.restart().await;
    let till = node.till();
    let again = till.post(&path, "from-the-queue", &body).await;
    assert_eq!((again.status, items(&again.json())), (200, vec![(101, 1), (102, 2)]));
    let reused = till.post(&path, "from-the-queue", &json!({"lines": lines(&[(BAG, 1)])})).await;
    assert_eq!(reused.refusal(), (422, "idempotency_key_reused".to_owned()));
    node.stop().await;
}

#[tokio::test]
async fn p7_two_tills_that_change_one_ticket_both_have_their_way_and_who_pays_must_have_seen_it() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let ticket = opened(&till, "open", "T1", &[(BAG, 1)]).await;
    let id = id(&ticket);
    let void = json!({"lines": [line(&ticket, 0)], "reason": "unwanted"});
    let (lattes, espressos) = (json!({"lines": lines(&[(LATTE, 1)])}), json!({"lines": lines(&[(ESPRESSO, 1)])}));
    let (one_till, other, third) = tokio::join!(
        post(&till, id, "lines", "latte", &lattes),
        post(&till, id, "lines", "espresso", &espressos),
        post(&till, id, "voids", "void", &void),
    );
    assert_eq!([one_till.status, other.status, third.status], [201; 3]);
    let now = one(&till, id).await;
    let mut there = items(&now);
    there.sort_unstable();
    assert_eq!((there, now["amounts"]["total_minor"].clone()), (vec![(101, 1), (102, 1)], json!(BOTH_MINOR)));
    assert_eq!((&now["voided"][0]["item"], &now["voided"][0]["reasons"]), (&json!(BAG), &json!(["unwanted"])));
    let again = post(&till, id, "voids", "void-again", &void).await;
    assert_eq!((again.status, &again.json()["voided"][0]["reasons"]), (201, &json!(["unwanted"])));

    let blind = post(&till, id, "close", "blind", &paid("T1", ESPRESSO_MINOR, &[cash(1_000)])).await;
    assert_eq!(blind.refusal(), (409, "ticket_changed".to_owned()));
    post(&till, id, "close", "seen", &paid("T1", BOTH_MINOR, &[cash(1_000)])).await.ok();
    node.stop().await.check();
}

#[tokio::test]
async fn p10_p11_open_tickets_are_carried_over_a_close_and_paid_the_day_after() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let ticket = opened(&till, "open", "T1", &[(ESPRESSO, 1), (LATTE, 1)]).await;
    post(&till, id(&ticket), "moves", "hold", &json!({"held": true, "name": "Terrace"})).await.ok();
    let part = json!({"terminal": "T1", "tender": card(300), "part_minor": 300});
    post(&till, id(&ticket), "payments", "part", &part).await.ok();
    let close = till.post("/v1/readings", "z", &json!({})).await.ok();
    let reading = &close["reading"];
    assert_eq!(reading["open_tickets"], json!({"count": 1, "tickets": [id(&ticket)]}));
    assert_eq!(reading["sums"]["tickets"], 0);
    assert_eq!(reading["sums"]["tenders"], json!([{"kind": "card_external", "amount_minor": 300}]));
    let text = till.ask("/v1/readings/A-1?format=text").await.text;
    assert!(text.contains("Tickets that stay open"), "{text}");

    node.clock.step(24 * 3_600_000);
    node.restart().await;
    let till = node.till();
    let rows = till.get("/v1/open-tickets?state=held").await["rows"].clone();
    assert_eq!((&rows[0]["ticket_id"], &rows[0]["name"]), (&ticket["ticket_id"], &json!("Terrace")));
    let sold = post(&till, id(&ticket), "close", "close", &paid("T2", BOTH_MINOR, &[cash(435)])).await.ok();
    assert_eq!((&sold["business_day"], &sold["paid_before_minor"]), (&json!("2026-11-24"), &json!(300)));
    let next = till.post("/v1/readings", "z2", &json!({})).await.ok();
    let sums = &next["reading"]["sums"];
    assert_eq!((&sums["tickets"], &sums["gross_minor"]), (&json!(1), &json!(BOTH_MINOR)));
    assert_eq!(sums["tenders"], json!([{"kind": "cash", "amount_minor": 435}]), "what was paid yesterday counts once");
    assert_eq!(next["reading"]["open_tickets"]["count"], 0);
    let books = node.books();
    books.check();
    node.stop().await;
}

#[tokio::test]
async fn a_ticket_is_held_handed_over_and_called_back_by_whoever_is_there() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let ticket = opened(&till, "open", "T1", &[(ESPRESSO, 1)]).await;
    let other = opened(&till, "other", "T2", &[(LATTE, 1)]).await;
    let id = id(&ticket);
    let held = post(&till, id, "moves", "hold", &json!({"held": true, "note": "back at noon"})).await.ok();
    assert_eq!((&held["state"], &held["note"]), (&json!("held"), &json!("back at noon")));
    let given = post(&till, id, "moves", "give", &json!({"held": false, "terminal": "T2", "staff": 7})).await.ok();
    assert_eq!(
        (&given["state"], &given["terminal"], &given["staff"], &given["note"]),
        (&json!("open"), &json!("T2"), &json!(7), &json!("back at noon"))
    );
    let listed = |query: &str| {
        let path = format!("/v1/open-tickets{query}");
        let till = &till;
        async move {
            let rows = till.get(&path).await["rows"].clone();
            rows.as_array().unwrap().iter().map(|row| row["ticket_id"].clone()).collect::<Vec<_>>()
        }
    };
    let (both, mine) =
        (vec![ticket["ticket_id"].clone(), other["ticket_id"].clone()], vec![ticket["ticket_id"].clone()]);
    assert_eq!(listed("").await.len(), both.len());
    assert_eq!(listed("?terminal=T2").await.len(), 2);
    assert_eq!(listed("?staff=7").await, mine);
    assert_eq!(listed("?state=held").await, Vec::<Value>::new());
    assert_eq!(till.ask("/v1/open-tickets?state=lost").await.refusal(), (422, "state_unknown".to_owned()));
    let pan = post(&till, id, "moves", "pan", &json!({"note": "4111 1111 1111 1111"})).await;
    assert_eq!(pan.refusal(), (422, "card_number_refused".to_owned()));
    let long = post(&till, id, "moves", "long", &json!({"name": "x".repeat(41)})).await;
    assert_eq!(long.refusal(), (422, "text_too_long".to_owned()));
    node.stop().await.check();
}

#[tokio::test]
async fn a_ticket_is_split_by_item_and_merged_again_and_no_line_is_on_two() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let ticket = opened(&till, "open", "T1", &[(ESPRESSO, 1), (LATTE, 1), (BAG, 1)]).await;
    let from = id(&ticket).to_owned();
    let body = json!({"lines": [line(&ticket, 1)]});
    let other = post(&till, &from, "divisions", "split", &body).await;
    assert_eq!((other.status, items(&other.json())), (201, vec![(102, 1)]));
    let again = post(&till, &from, "divisions", "split", &body).await;
    assert_eq!((again.status, &again.text), (200, &other.text));
    let other = other.json();
    assert_eq!(items(&one(&till, &from).await), [(101, 1), (201, 1)]);
    let gone = post(&till, &from, "divisions", "gone", &body).await;
    assert_eq!(gone.refusal(), (422, "unknown_line".to_owned()));
    let same = post(&till, &from, "divisions", "same", &json!({"to": from})).await;
    assert_eq!(same.refusal(), (422, "ticket_same".to_owned()));
    // Back again: it is the same coffee and another line.
    let whole = post(&till, id(&other), "divisions", "merge", &json!({"to": from})).await.ok();
    assert_eq!(items(&whole), [(101, 1), (201, 1), (102, 1)]);
    assert_eq!(one(&till, id(&other)).await["state"], "abandoned");
    let late = added_to_ended(&till, id(&other)).await;
    assert_eq!(late.refusal(), (409, "ticket_abandoned".to_owned()));
    let trained = till.post("/v1/open-tickets", "practice", &practice(json!({"terminal": "T1"}))).await.ok();
    let mixed = post(&till, &from, "divisions", "mixed", &json!({"to": id(&trained)})).await;
    assert_eq!(mixed.refusal(), (409, "ticket_practice_mixed".to_owned()));
    let total = whole["amounts"]["total_minor"].as_i64().unwrap();
    post(&till, &from, "close", "close", &paid("T1", total, &[cash(10_000)])).await.ok();
    let books = node.books();
    books.check();
    books.check_served(&till).await;
    node.stop().await;
}

async fn added_to_ended(till: &Till, id: &str) -> Answer {
    post(till, id, "lines", "late", &json!({"lines": lines(&[(ESPRESSO, 1)])})).await
}

#[tokio::test]
async fn a_ticket_is_paid_evenly_or_by_amount_and_each_cent_counts_once() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let drawer = till.post("/v1/drawers", "drawer", &json!({"terminal": "T1", "float_minor": 0})).await.ok();
    let ticket = opened(&till, "open", "T1", &[(ESPRESSO, 1), (LATTE, 1)]).await;
    let id = id(&ticket);
    let split = till.get(&format!("/v1/open-tickets/{id}?split=4")).await;
    assert_eq!(split["amounts"]["shares_minor"], json!([184, 184, 184, 183]));
    let part = |tender: Value, part: i64, tip: i64| json!({"terminal": "T1", "tender": tender, "part_minor": part, "tip_minor": tip});
    let first = post(&till, id, "payments", "one", &part(cash(200), 184, 0)).await;
    assert_eq!((first.status, &first.json()["payments"][0]["change_minor"]), (201, &json!(16)));
    let again = post(&till, id, "payments", "one", &part(cash(200), 184, 0)).await;
    assert_eq!((again.status, again.text), (200, first.text), "a payment that is sent again is taken once");
    let second = post(&till, id, "payments", "two", &part(card(234), 184, 50)).await.ok();
    assert_eq!((&second["paid_minor"], &second["amounts"]["due_minor"]), (&json!(368), &json!(367)));
    for (key, body, code) in [
        ("too-much", part(cash(1_000), 368, 0), "part_out_of_range"),
        ("nothing", part(cash(1_000), 0, 0), "part_out_of_range"),
        ("too-little", part(cash(5), 184, 0), "tender_underpaid"),
        ("card-over", part(card(185), 184, 0), "tender_card_overpaid"),
        ("tip", part(card(185), 184, -1), "tip_out_of_range"),
    ] {
        assert_eq!(post(&till, id, "payments", key, &body).await.refusal(), (422, code.to_owned()), "{key}");
    }
    // What was paid stays owed.
    let both = json!({"lines": [line(&ticket, 0), line(&ticket, 1)], "reason": "mistake"});
    assert_eq!(post(&till, id, "voids", "void", &both).await.refusal(), (409, "ticket_paid_more".to_owned()));
    assert_eq!(post(&till, id, "abandon", "leave", &json!({})).await.refusal(), (409, "ticket_partly_paid".to_owned()));
    let sold = post(&till, id, "close", "close", &paid("T1", BOTH_MINOR, &[cash(400)])).await.ok();
    assert_eq!((&sold["change_minor"], &sold["paid_before_minor"]), (&json!(33), &json!(368)));

    let reading = till.post("/v1/readings", "z", &json!({})).await.ok()["reading"].clone();
    let tenders = json!([{"kind": "card_external", "amount_minor": 234}, {"kind": "cash", "amount_minor": 551}]);
    assert_eq!((&reading["sums"]["gross_minor"], &reading["sums"]["tenders"]), (&json!(BOTH_MINOR), &tenders));
    assert_eq!(till.get("/v1/business-day").await["tenders"], tenders);
    let path = format!("/v1/drawers/{}/close", drawer["drawer"].as_str().unwrap());
    let count = till.post(&path, "count", &json!({"counted_minor": 551})).await.ok();
    assert_eq!(count["count"]["difference_minor"], 0);
    for kept in till.get("/v1/audit").await["drawers"].as_array().unwrap() {
        assert_eq!(kept["kept_minor"], kept["folded_minor"]);
    }
    let books = node.books();
    books.check();
    books.check_served(&till).await;
    node.stop().await;
}

#[tokio::test]
async fn practice_is_opened_and_paid_and_counts_nowhere() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let body = practice(json!({"terminal": "T1", "lines": lines(&[(ESPRESSO, 1)])}));
    let ticket = till.post("/v1/open-tickets", "open", &body).await.ok();
    let part = json!({"terminal": "T1", "tender": cash(27), "part_minor": 27});
    post(&till, id(&ticket), "payments", "part", &part).await.ok();
    let sold = post(&till, id(&ticket), "close", "close", &paid("T1", ESPRESSO_MINOR, &[cash(300)])).await.ok();
    assert_eq!(sold["receipt"], "T1-TRN-1");
    let day = till.get("/v1/business-day").await;
    assert_eq!((&day["training_tickets"], &day["tenders"]), (&json!(1), &json!([])));
    node.stop().await.check();
}

#[tokio::test]
async fn every_screen_hears_of_each_change_of_an_open_ticket() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let mut listener = till.listen().await;
    let ticket = opened(&till, "open", "T1", &[(ESPRESSO, 1)]).await;
    assert_eq!(listener.hear("open_ticket").await, ticket);
    let held = post(&till, id(&ticket), "moves", "hold", &json!({"held": true})).await.ok();
    while listener.hear("open_ticket").await != held {}
    post(&till, id(&ticket), "close", "close", &paid("T1", ESPRESSO_MINOR, &[cash(327)])).await.ok();
    while listener.hear("open_ticket").await["state"] != "paid" {}
    drop(listener);
    node.stop().await;
}

#[tokio::test]
async fn prices_stay_as_they_were_when_lines_were_added() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    let ticket = opened(&till, "open", "T1", &[(ESPRESSO, 1)]).await;
    let mut menu = MenuJournal::published();
    menu.price_espresso(400);
    menu.publish(2, 3);
    hub.serve_menu(&menu).await;
    eventually("the new menu", || async { (till.get("/v1/catalog").await["revision"] == 2).then_some(()) }).await;
    let more = added(&till, id(&ticket), "more", &[(ESPRESSO, 1)]).await;
    let prices: Vec<_> =
        more["lines"].as_array().unwrap().iter().map(|line| line["unit_price_minor"].clone()).collect();
    assert_eq!(prices, [json!(300), json!(400)]);
    node.stop().await;
}

/// Greets a node whose disk was put back, repairs its past, and gives it back what it had lost.
pub(crate) async fn given_back(hub: &mut TestHub, agreed: usize) {
    hub.connect().await;
    hub.answer(Verdict::Forked { stream: StreamKind::Sales.number() }).await;
    hub.hello().await;
    let old = hub.held.keys().find(|id| id.stream == StreamKind::Sales).copied().unwrap();
    let agreed = vec![crate::support::hub::position(&old, &hub.held[&old][agreed])];
    hub.welcome(Verdict::Forked { stream: StreamKind::Sales.number() }, Some(agreed)).await;
    hub.hello().await;
    hub.answer(Verdict::Welcome).await;
    loop {
        match hub.reply().await {
            FromNode::Hello(_) => hub.answer(Verdict::Welcome).await,
            FromNode::Resend(asked) => hub.give_back(&asked).await,
            FromNode::Mark(_) => {}
            FromNode::Ack(ack) if ack.position.journal().unwrap().stream == StreamKind::Sales => return,
            FromNode::Ack(_) => {}
        }
    }
}

/// P4, P7: a disk is lost, and an older copy goes on with the same tickets. Whatever either did stands; what was paid stays paid.
#[tokio::test]
async fn p4_p7_tickets_that_a_disk_had_lost_come_back_and_are_merged_with_what_happened_meanwhile() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    let ticket = opened(&till, "open", "T1", &[(ESPRESSO, 1)]).await;
    let twice = opened(&till, "twice", "T1", &[(ESPRESSO, 1)]).await;
    let gone = opened(&till, "gone", "T1", &[(BAG, 1)]).await;
    hub.take_until(StreamKind::Sales, 6).await;
    node.stop().await;
    let copy = tempfile::TempDir::new().unwrap();
    copy_database(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    hub.greet().await;
    let till = node.till();
    let part = json!({"terminal": "T1", "tender": cash(100), "part_minor": 100});
    added(&till, id(&ticket), "latte", &[(LATTE, 1)]).await;
    post(&till, id(&ticket), "payments", "part", &part).await.ok();
    let lost = opened(&till, "lost", "T2", &[(LATTE, 1)]).await;
    post(&till, id(&twice), "close", "first", &paid("T1", ESPRESSO_MINOR, &[card(327)])).await.ok();
    post(&till, id(&gone), "abandon", "leave", &json!({})).await.ok();
    hub.take_until(StreamKind::Sales, 13).await;
    node.stop().await;
    put_database_back(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    node.clock.step(60_000);
    let till = node.till();
    added(&till, id(&ticket), "bag", &[(BAG, 1)]).await;
    added(&till, id(&gone), "more", &[(LATTE, 1)]).await;
    post(&till, id(&twice), "close", "second", &paid("T1", ESPRESSO_MINOR, &[card(327)])).await.ok();
    given_back(&mut hub, 6).await;
    let till = &till;
    eventually("all that was lost", || async {
        (till.ask(&format!("/v1/open-tickets/{}", id(&lost))).await.status == 200).then_some(())
    })
    .await;
    eventually("both sales of one ticket", || async {
        (one(till, id(&twice)).await["receipts"].as_array().unwrap().len() == 2).then_some(())
    })
    .await;
    let now = one(till, id(&ticket)).await;
    let mut there = items(&now);
    there.sort_unstable();
    assert_eq!((there, &now["paid_minor"]), (vec![(101, 1), (102, 1), (201, 1)], &json!(100)));
    assert_eq!(one(till, id(&gone)).await["state"], "abandoned", "what ended has ended");
    // What was asked for before the disk was lost is not done twice.
    let again = till.post("/v1/open-tickets", "lost", &json!({"terminal": "T2", "lines": lines(&[(LATTE, 1)])})).await;
    assert_eq!((again.status, id(&again.json())), (200, id(&lost)));
    let again = post(till, id(&ticket), "payments", "part", &part).await;
    assert_eq!((again.status, &again.json()["paid_minor"]), (200, &json!(100)));
    let again = added(till, id(&ticket), "latte", &[(LATTE, 1)]).await;
    assert_eq!(again["lines"].as_array().unwrap().len(), 3);
    // A part that was paid is money of the day, once.
    let tenders = till.get("/v1/business-day").await["tenders"].clone();
    assert_eq!(tenders[1], json!({"kind": "cash", "amount_minor": 100}));
    node.restart().await;
    assert_eq!(one(&node.till(), id(&ticket)).await["lines"].as_array().unwrap().len(), 3);
    node.stop().await;
}

/// SIGKILL at any moment of a ticket's life: what was answered is there, and what is sent again is there once.
#[tokio::test]
async fn a_ticket_whose_node_is_killed_at_every_step_is_neither_lost_nor_doubled() {
    let (node, mut hub) = TestNode::prepare_with_hub().await;
    let mut program = Program::start_selling(&node.config, &mut hub).await;
    let till = program.till().await;
    let ticket = opened(&till, "open", "T1", &[(ESPRESSO, 1)]).await;
    let path = |what: &str| format!("/v1/open-tickets/{}/{what}", id(&ticket));
    let part = json!({"terminal": "T1", "tender": card(100), "part_minor": 100});
    let steps = [
        (path("lines"), "add", json!({"lines": lines(&[(LATTE, 1), (BAG, 1)])})),
        (path("moves"), "hold", json!({"held": true})),
        (path("moves"), "recall", json!({"held": false, "terminal": "T2"})),
        (path("divisions"), "split", json!({"lines": [line(&ticket, 0)]})),
        (path("payments"), "part", part),
        (path("close"), "close", paid("T2", 408 + 1_888, &[cash(10_000)])),
    ];
    for (number, (path, key, body)) in steps.iter().enumerate() {
        let till = program.till().await;
        let asked = till.begin_post(path, key, body).await;
        // Sometimes before it is read, sometimes after it is answered.
        let answered = if number.is_multiple_of(2) { Some(asked.answer().await) } else { None };
        program.kill().await;
        program = Program::start_selling(&node.config, &mut hub).await;
        let till = program.till().await;
        let again = till.post(path, key, body).await;
        assert!([200, 201].contains(&again.status), "{key}: {again:?}");
        if let Some(answered) = answered {
            assert_eq!((answered.status, again.status, again.text), (201, 200, answered.text), "{key}");
        }
    }
    let till = program.till().await;
    let ended = one(&till, id(&ticket)).await;
    assert_eq!((&ended["state"], items(&ended)), (&json!("paid"), vec![(102, 1), (201, 1)]));
    assert_eq!(ended["payments"].as_array().unwrap().len(), 1);
    let left = till.get("/v1/open-tickets").await;
    assert_eq!((&left["count"], items(&left["rows"][0])), (&json!(1), vec![(101, 1)]));
    let day = till.get("/v1/business-day").await;
    let tenders = json!([{"kind": "card_external", "amount_minor": 100}, {"kind": "cash", "amount_minor": 2_196}]);
    assert_eq!((&day["tickets"], &day["total_minor"], &day["tenders"]), (&json!(1), &json!(2_296), &tenders));
    let quick = till.sold("quick", &ticket_of_one()).await;
    assert_eq!(quick, "T1-A-1");
    program.kill().await;
    let books = node.books();
    books.check();
    assert_eq!(books.receipts(), ["T2-A-1", "T1-A-1"]);
}

fn ticket_of_one() -> Value {
    ticket("T1", &[(ESPRESSO, 1)])
}
