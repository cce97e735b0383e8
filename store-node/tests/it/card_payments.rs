//! Cards at the counter: asked for once, counted once, kept when the answer is late, taken on trust within limits, and
//! never lost or charged twice, wherever the box dies.

use std::collections::BTreeMap;
use std::path::PathBuf;

use percolate_common::domain::event::Event;
use percolate_common::domain::tenders::card::Settled;
use serde_json::{Value, json};
use store_node::config::SimulatedTerminal;
use tokio::task::JoinSet;

use crate::support::eventually;
use crate::support::http::{Answer, Request};
use crate::support::hub::TestHub;
use crate::support::menu::{ESPRESSO, LATTE};
use crate::support::node::{NOON_MS, TestNode, Till, ticket};
use crate::support::people::{ANN, BEN, by, installed, open, paired, signed_in};
use crate::support::program::Program;

/// What an espresso costs with its tax.
const ESPRESSO_MINOR: i64 = 327;
const MINUTE_MS: i64 = 60_000;
pub(crate) const LIMITS: &str = "1000,3,2000,600";

/// The simulated card terminal of a node under test.
pub(crate) struct Terminal(PathBuf);

impl Terminal {
    pub(crate) fn says(&self, word: &str) {
        std::fs::write(self.0.join("says"), word).unwrap();
    }

    /// What it decided last on each payment.
    pub(crate) fn ledger(&self) -> BTreeMap<String, (String, i64)> {
        let text = std::fs::read_to_string(self.0.join("ledger")).unwrap_or_default();
        let line = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            let (id, word) = (words.next().unwrap(), words.next().unwrap());
            (id, (word, words.next().unwrap().parse().unwrap()))
        };
        text.lines().map(line).collect()
    }

    /// What it has charged and not given back.
    pub(crate) fn charged(&self) -> Vec<(String, i64)> {
        let ledger = self.ledger().into_iter();
        ledger.filter(|(_, (word, _))| word == "approved").map(|(id, (_, amount))| (id, amount)).collect()
    }
}

pub(crate) async fn prepared(limits: Option<&str>) -> (TestNode, TestHub, Terminal) {
    let (mut node, hub) = TestNode::prepare_with_hub().await;
    let folder = node.config.data.with_file_name("card-terminal");
    std::fs::create_dir_all(&folder).unwrap();
    node.config.cards.card_terminal = Some(SimulatedTerminal(folder.clone()));
    node.config.cards.card_forward = limits.map(|limits| limits.parse().unwrap());
    (node, hub, Terminal(folder))
}

pub(crate) async fn selling(limits: Option<&str>) -> (TestNode, TestHub, Terminal) {
    let (mut node, mut hub, terminal) = prepared(limits).await;
    node.open_selling(&mut hub).await;
    (node, hub, terminal)
}

pub(crate) async fn asked(till: &Till, key: &str, amount: i64) -> Answer {
    till.post("/v1/card-payments", key, &json!({"terminal": "T1", "amount_minor": amount})).await
}

/// Asks for what an espresso costs, and gives the payment's id and state.
pub(crate) async fn espresso_asked(till: &Till, key: &str) -> (String, String) {
    let payment = asked(till, key, ESPRESSO_MINOR).await.ok();
    (payment["payment"].as_str().unwrap().to_owned(), payment["state"].as_str().unwrap().to_owned())
}

/// An espresso that is paid by this.
fn espresso(tenders: Value) -> Value {
    let mut body = ticket("T1", &[(ESPRESSO, 1)]);
    body["tenders"] = tenders;
    body
}

fn by_card(payment: &str) -> Value {
    espresso(json!([{"kind": "card", "amount_minor": ESPRESSO_MINOR, "payment": payment}]))
}

/// Payments of a list, with how they stand.
pub(crate) async fn listed(till: &Till, which: &str) -> Vec<(String, String)> {
    let rows = till.get(&format!("/v1/card-payments?state={which}")).await["rows"].clone();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    rows.as_array().unwrap().iter().map(|row| (text(row, "payment"), text(row, "state"))).collect()
}

pub(crate) async fn becomes(till: &Till, payment: &str, state: &str) -> Value {
    eventually("another state of a payment", || async {
        let row = till.get(&format!("/v1/card-payments/{payment}")).await;
        (row["state"] == state).then_some(row)
    })
    .await
}

pub(crate) async fn tenders(till: &Till) -> Value {
    till.get("/v1/readings/current").await["sums"]["tenders"].clone()
}

pub(crate) fn settled(node: &TestNode) -> Vec<(String, Settled, bool)> {
    let of = |event: &Event| match event {
        Event::CardSettled(fact) => Some((fact.payment.to_string(), fact.settled, fact.ticket.is_some())),
        _ => None,
    };
    node.books().entries.iter().filter_map(|entry| of(&entry.recorded.event)).collect()
}

fn refused(code: &str) -> (u16, String) {
    (422, code.to_owned())
}

#[tokio::test]
async fn a_card_is_charged_once_and_counts_on_one_ticket() {
    let (mut node, _hub, terminal) = selling(None).await;
    let till = node.till();
    let first = asked(&till, "pay", ESPRESSO_MINOR).await;
    let payment = first.json()["payment"].as_str().unwrap().to_owned();
    let whole = json!({
        "payment": payment, "terminal": "T1", "amount_minor": ESPRESSO_MINOR, "state": "approved", "reason": null,
        "reference": format!("SIM {}", payment.split('-').next_back().unwrap()), "last_four": "0042", "ticket_id": null,
        "training": false, "asked_at_ms": NOON_MS, "stored_for_ms": null,
    });
    assert_eq!((first.status, first.json()), (201, whole.clone()));
    let again = asked(&till, "pay", ESPRESSO_MINOR).await;
    assert_eq!((again.status, again.json()), (200, whole));
    assert_eq!(asked(&till, "pay", 1).await.refusal(), refused("idempotency_key_reused"));
    assert_eq!(till.sell("pay", &by_card(&payment)).await.refusal(), refused("idempotency_key_reused"));
    assert_eq!(listed(&till, "unmatched").await, [(payment.clone(), "approved".to_owned())]);

    let tender = |amount| json!({"kind": "card", "amount_minor": amount, "payment": payment});
    let nobodys = by_card("0190b2c4-7e5d-7c3a-9f00-0123456789ab");
    assert_eq!(asked(&till, "other", 5).await.json()["state"], "approved");
    let practised = till
        .post("/v1/card-payments", "training", &json!({"terminal": "T1", "amount_minor": 327, "training": true}))
        .await
        .ok();
    for (key, body, code) in [
        ("less", espresso(json!([tender(300), {"kind": "cash", "amount_minor": 100}])), "payment_amount_differs"),
        ("twice", espresso(json!([tender(327), tender(327)])), "payment_used"),
        ("nobodys", nobodys, "payment_unknown"),
        ("unnamed", espresso(json!([{"kind": "card", "amount_minor": 327}])), "payment_unknown"),
        ("practice-1", by_card(practised["payment"].as_str().unwrap()), "payment_not_for_this"),
    ] {
        assert_eq!(till.sell(key, &body).await.refusal(), refused(code), "{key}");
    }
    till.sold("sale", &by_card(&payment)).await;
    assert_eq!(till.sell("sale", &by_card(&payment)).await.status, 200, "the same sale");
    assert_eq!(till.sell("second", &by_card(&payment)).await.refusal(), refused("payment_used"));
    let reversal = Request::new("POST", &format!("/v1/card-payments/{payment}/reversal"));
    assert_eq!(till.send(reversal).await.refusal(), (409, "payment_used".to_owned()), "a ticket counts it");
    assert_eq!(tenders(&till).await, json!([{"kind": "card", "amount_minor": ESPRESSO_MINOR}]));
    assert_eq!(terminal.charged().into_iter().filter(|(id, _)| *id == payment).count(), 1);
    assert_eq!(terminal.ledger().len(), 2, "practice charges nobody");
    node.stop().await;
}

#[tokio::test]
async fn several_tenders_pay_one_ticket_and_a_declined_card_pays_nothing() {
    let (mut node, _hub, terminal) = selling(None).await;
    let till = node.till();
    terminal.says("decline");
    let (declined, state) = espresso_asked(&till, "no").await;
    assert_eq!(state, "declined");
    assert_eq!(till.sell("declined", &by_card(&declined)).await.refusal(), refused("payment_not_approved"));
    terminal.says("approve");
    let (payment, _) = espresso_asked(&till, "yes").await;
    let mut body = ticket("T1", &[(ESPRESSO, 1), (LATTE, 1)]);
    let external = |last_four: &str| json!({"kind": "card_external", "amount_minor": 100, "reference": "AUTH 7", "last_four": last_four});
    let with = |last_four: &str| {
        let mut body = body.clone();
        body["tenders"] = json!([{"kind": "card", "amount_minor": 327, "payment": payment}, external(last_four),
            {"kind": "cash", "amount_minor": 1_000}]);
        body
    };
    for bad in ["42", "12345", "12a4"] {
        assert_eq!(till.sell(&format!("bad-{bad}"), &with(bad)).await.refusal(), refused("last_four_invalid"));
    }
    let sold = till.sell("three", &with("0042")).await.ok();
    body["tenders"] = json!([]);
    let (total, change) = (sold["total_minor"].as_i64().unwrap(), sold["change_minor"].as_i64().unwrap());
    assert_eq!(change, 327 + 100 + 1_000 - total);
    let expected = json!([{"kind": "card", "amount_minor": 327}, {"kind": "card_external", "amount_minor": 100},
        {"kind": "cash", "amount_minor": 1_000 - change}]);
    assert_eq!(tenders(&till).await, expected);
    node.stop().await;
}

#[tokio::test]
async fn a_late_approval_is_kept_and_shown_until_a_sale_names_it_or_somebody_gives_it_back() {
    let (mut node, _hub, terminal) = selling(None).await;
    let till = node.till();
    terminal.says("timeout");
    let (first, state) = espresso_asked(&till, "first").await;
    assert_eq!(state, "unknown");
    let (second, _) = espresso_asked(&till, "second").await;
    assert_eq!(till.sell("early", &by_card(&first)).await.refusal(), refused("payment_not_approved"));
    let unknown = |id: &String| (id.clone(), "unknown".to_owned());
    assert_eq!(listed(&till, "unmatched").await.len(), 2);
    assert!(listed(&till, "unmatched").await.contains(&unknown(&first)));
    node.restart().await;
    let till = node.till();
    terminal.says("approve");
    becomes(&till, &first, "approved").await;
    becomes(&till, &second, "approved").await;
    assert_eq!(listed(&till, "unmatched").await.len(), 2, "late, and kept");
    assert_eq!(espresso_asked(&till, "first").await, (first.clone(), "approved".to_owned()), "the same key tells it");
    till.sold("matched", &by_card(&first)).await;
    let reversal = format!("/v1/card-payments/{second}/reversal");
    for _again in 0..2 {
        let answer = till.send(Request::new("POST", &reversal)).await.ok();
        assert_eq!(answer["state"], "reversed");
    }
    assert_eq!(till.sell("back", &by_card(&second)).await.refusal(), refused("payment_not_approved"));
    assert_eq!(listed(&till, "unmatched").await, []);
    assert_eq!(terminal.charged(), [(first, ESPRESSO_MINOR)]);
    assert_eq!(settled(&node), [(second, Settled::Reversed, false)]);
    node.stop().await;
}

#[tokio::test]
async fn a_reversal_is_asked_for_until_the_card_terminal_has_done_it() {
    let (mut node, _hub, terminal) = selling(None).await;
    let till = node.till();
    let (payment, _) = espresso_asked(&till, "pay").await;
    terminal.says("offline");
    let reversal = Request::new("POST", &format!("/v1/card-payments/{payment}/reversal"));
    assert_eq!(till.send(reversal).await.ok()["state"], "reversing");
    assert_eq!(till.sell("sale", &by_card(&payment)).await.refusal(), refused("payment_not_approved"));
    node.restart().await;
    terminal.says("approve");
    becomes(&node.till(), &payment, "reversed").await;
    assert_eq!(terminal.charged(), []);
    node.stop().await;
}

#[tokio::test]
async fn p39_what_is_taken_on_trust_is_shown_with_its_age_outlives_the_box_and_becomes_money_or_a_loss_that_is_shown() {
    let (mut node, _hub, terminal) = selling(Some(LIMITS)).await;
    let till = node.till();
    terminal.says("offline");
    let (first, state) = espresso_asked(&till, "first").await;
    let (second, _) = espresso_asked(&till, "second").await;
    assert_eq!(state, "stored");
    till.sold("sale-1", &by_card(&first)).await;
    till.sold("sale-2", &by_card(&second)).await;
    assert_eq!(tenders(&till).await, json!([{"kind": "card_stored", "amount_minor": 654}]));
    till.post("/v1/readings", "z", &json!({})).await.ok();
    node.clock.step(7 * 24 * 60 * MINUTE_MS);
    node.restart().await;
    let till = node.till();
    let rows = till.get("/v1/card-payments?state=stored").await["rows"].clone();
    let ages: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["stored_for_ms"].as_i64().unwrap()).collect();
    assert_eq!(ages, [7 * 24 * 60 * MINUTE_MS; 2]);

    terminal.says("decline");
    becomes(&till, &first, "declined").await;
    becomes(&till, &second, "declined").await;
    let lost = till.get("/v1/card-payments?state=lost").await["rows"].clone();
    assert_eq!(lost.as_array().unwrap().len(), 2);
    assert!(lost[0]["ticket_id"].is_string(), "with its ticket: {lost}");
    let expected = json!([{"kind": "card_lost", "amount_minor": 654}, {"kind": "card_stored", "amount_minor": -654}]);
    assert_eq!(
        tenders(&till).await,
        expected,
        "the closed day stays as it was, and the next one says what became of it"
    );

    terminal.says("offline");
    let (third, _) = espresso_asked(&till, "third").await;
    till.sold("sale-3", &by_card(&third)).await;
    node.restart().await;
    let till = node.till();
    terminal.says("approve");
    let paid = becomes(&till, &third, "approved").await;
    assert_eq!((&paid["last_four"], paid["stored_for_ms"].is_null()), (&json!("0042"), true));
    assert_eq!(terminal.charged(), [(third.clone(), ESPRESSO_MINOR)]);
    let mut facts = settled(&node);
    facts.sort_by(|a, b| a.0.cmp(&b.0));
    let mut all = vec![(first, Settled::Lost, true), (second, Settled::Lost, true), (third, Settled::Forwarded, true)];
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(facts, all);
    node.stop().await;
}

#[tokio::test]
async fn p39_each_of_four_limits_ends_what_is_taken_on_trust_and_a_shop_without_them_takes_nothing() {
    let (mut node, _hub, terminal) = selling(Some(LIMITS)).await;
    let till = node.till();
    terminal.says("offline");
    let says = |answer: &Answer| {
        let json = answer.json();
        (json["state"].as_str().unwrap().to_owned(), json["reason"].as_str().unwrap_or_default().to_owned())
    };
    let stored = || ("stored".to_owned(), String::new());
    let (state, reason) = says(&asked(&till, "large", 1_001).await);
    assert!(state == "declined" && reason.contains("at most 1000"), "{reason}");
    assert_eq!(says(&asked(&till, "a", 1_000).await), stored());
    let (state, reason) = says(&asked(&till, "b", 1_001).await);
    assert!(state == "declined" && reason.contains("at most 1000"), "{reason}");
    assert_eq!(says(&asked(&till, "c", 900).await), stored());
    let (state, reason) = says(&asked(&till, "total", 101).await);
    assert!(state == "declined" && reason.contains("2000"), "{reason}");
    node.clock.step(10 * MINUTE_MS);
    assert_eq!(says(&asked(&till, "d", 50).await), stored(), "ten minutes are not more than ten minutes");
    let (state, reason) = says(&asked(&till, "count", 1).await);
    assert!(state == "declined" && reason.contains("3 payments wait"), "{reason}");
    let back = Request::new("POST", &format!("/v1/card-payments/{}/reversal", listed(&till, "stored").await[2].0));
    assert_eq!(till.send(back).await.ok()["state"], "reversing");
    node.clock.step(1);
    let (state, reason) = says(&asked(&till, "age", 1).await);
    assert!(state == "declined" && reason.contains("for so long"), "{reason}");
    assert_eq!(terminal.charged(), []);
    node.stop().await;

    let (mut node, _hub, terminal) = selling(None).await;
    terminal.says("offline");
    let (state, reason) = says(&asked(&node.till(), "off", 1).await);
    assert!(state == "declined" && reason.contains("takes no cards on trust"), "{reason}");
    node.stop().await;
}

#[tokio::test]
async fn a_card_number_in_any_text_about_a_sale_is_refused_where_it_stands() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let text = "ask 4111 1111 1111 1111";
    let sale = json!({
        "terminal": "T1", "currency": "USD", "exempt_reason": "embassy",
        "lines": [{"item": ESPRESSO, "quantity": 1, "discounts": [{"amount_minor": 5, "reason": "spilt"}]}],
        "discounts": [{"amount_minor": 5, "reason": "regular"}],
        "tenders": [{"kind": "card_external", "amount_minor": 5, "reference": "AUTH 1", "last_four": "0042"}],
    });
    let quote = json!({"exempt_reason": "x", "lines": [{"item": ESPRESSO, "quantity": 1,
        "discounts": [{"amount_minor": 5, "reason": "spilt"}]}]});
    let approval = json!({"staff": 7, "pin": "2468", "act": "refund", "reason": "spilt"});
    let asked = json!({"terminal": "T1", "amount_minor": 5});
    let places = [
        ("/v1/tickets", &sale, "/terminal"),
        ("/v1/tickets", &sale, "/currency"),
        ("/v1/tickets", &sale, "/exempt_reason"),
        ("/v1/tickets", &sale, "/lines/0/discounts/0/reason"),
        ("/v1/tickets", &sale, "/discounts/0/reason"),
        ("/v1/tickets", &sale, "/tenders/0/reference"),
        ("/v1/tickets", &sale, "/tenders/0/last_four"),
        ("/v1/quotes", &quote, "/exempt_reason"),
        ("/v1/quotes", &quote, "/lines/0/discounts/0/reason"),
        ("/v1/approvals", &approval, "/reason"),
        ("/v1/card-payments", &asked, "/terminal"),
    ];
    for (at, (path, body, pointer)) in places.into_iter().enumerate() {
        let mut body = body.clone();
        *body.pointer_mut(pointer).unwrap() = json!(text);
        let answer = till.post(path, &format!("pan-{at}"), &body).await;
        assert_eq!(answer.refusal(), refused("card_number_refused"), "{path} {pointer}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{path}");
        assert!(!answer.text.contains("4111"), "it is not repeated: {}", answer.text);
    }
    let files =
        ["db", "db-wal"].map(|suffix| std::fs::read(node.database().with_extension(suffix)).unwrap_or_default());
    assert!(files.iter().all(|file| !file.windows(9).any(|bytes| bytes == b"4111 1111")), "nor written");
    node.stop().await;
}

#[tokio::test]
async fn somebody_who_may_approves_that_a_payment_is_given_back() {
    let mut node = open(|_site| {}).await;
    let here = node.till();
    let till = paired(&here, "T1").await;
    let asked = json!({"terminal": "T1", "amount_minor": 5, "training": true});
    let payment = till.post("/v1/card-payments", "pay", &asked).await.ok();
    let refused = till.post("/v1/card-payments", "real", &json!({"terminal": "T1", "amount_minor": 5})).await;
    assert_eq!(refused.refusal(), (409, "card_terminal_missing".to_owned()));
    let reversal =
        || Request::new("POST", &format!("/v1/card-payments/{}/reversal", payment["payment"].as_str().unwrap()));
    let (ben, ann) = (signed_in(&till, BEN).await, signed_in(&till, ANN).await);
    assert_eq!(till.send(by(reversal(), &ben)).await.refusal(), (403, "approval_needed".to_owned()));
    assert_eq!(till.send(by(reversal(), &ann)).await.ok()["state"], "reversed");
    node.stop().await;
}

#[tokio::test]
async fn a_shops_own_box_takes_no_simulated_card_terminal_unless_it_is_for_a_demo_and_its_limits_stand_in_its_plan() {
    let (mut node, _hub, terminal) = prepared(None).await;
    installed(&mut node, |site| site.card_forward = Some("1000 3 2000 600".to_owned()));
    let error = node.try_open().await.unwrap_err();
    assert!(error.to_string().contains("charges nobody"), "{error}");
    node.config.cards.demo = true;
    node.open().await;
    terminal.says("offline");
    assert_eq!(asked(&node.till(), "pay", 1_000).await.ok()["state"], "stored");
    assert_eq!(asked(&node.till(), "more", 1_001).await.ok()["state"], "declined");
    node.stop().await;
}

/// Starts the box anew on what a kill has left.
pub(crate) async fn started_again(node: &TestNode) -> (Program, Till) {
    let program = Program::start(&node.config);
    let till = program.till().await;
    (program, till)
}

#[tokio::test]
async fn p39_a_box_that_is_killed_at_any_step_of_a_card_sale_loses_no_ticket_and_charges_nobody_twice() {
    let (node, mut hub, terminal) = prepared(Some(LIMITS)).await;
    let program = Program::start_selling(&node.config, &mut hub).await;
    let till = program.till().await;
    let mut asking = JoinSet::new();
    let ask = |till: &Till, key: &'static str| {
        let till = till.clone();
        async move {
            asked(&till, key, ESPRESSO_MINOR).await;
        }
    };

    // It is written down, and the card terminal has not heard of it.
    terminal.says("silent");
    asking.spawn(ask(&till, "unheard"));
    eventually("a payment that is asked", || async { (listed(&till, "all").await.len() == 1).then_some(()) }).await;
    program.kill().await;
    terminal.says("approve");
    let (program, till) = started_again(&node).await;
    let (unheard, _) = listed(&till, "all").await[0].clone();
    becomes(&till, &unheard, "declined").await;
    assert_eq!(espresso_asked(&till, "unheard").await, (unheard, "declined".to_owned()), "it is closed");

    // It has charged the card, and the box has not heard it.
    terminal.says("hang");
    asking.spawn(ask(&till, "charged"));
    eventually("a card that is charged", || async { (terminal.charged().len() == 1).then_some(()) }).await;
    program.kill().await;
    terminal.says("approve");
    let (program, till) = started_again(&node).await;
    let (charged, _) = terminal.charged()[0].clone();
    becomes(&till, &charged, "approved").await;
    assert_eq!(espresso_asked(&till, "charged").await, (charged.clone(), "approved".to_owned()));

    // The answer is written, and no sale.
    program.kill().await;
    let (program, till) = started_again(&node).await;
    assert_eq!(listed(&till, "unmatched").await, [(charged.clone(), "approved".to_owned())]);
    let first = till.sell("sale", &by_card(&charged)).await.ok();

    // The sale is written, and the till asks again.
    program.kill().await;
    let (program, till) = started_again(&node).await;
    let again = till.sell("sale", &by_card(&charged)).await;
    assert_eq!((again.status, &again.json()["ticket_id"]), (200, &first["ticket_id"]));
    assert_eq!(till.sell("another", &by_card(&charged)).await.refusal(), refused("payment_used"));

    // It is taken on trust and sold, and the box dies before there is a line.
    terminal.says("offline");
    let (trusted, state) = espresso_asked(&till, "trusted").await;
    assert_eq!(state, "stored");
    program.kill().await;
    let (program, till) = started_again(&node).await;
    till.sold("on-trust", &by_card(&trusted)).await;
    program.kill().await;
    terminal.says("approve");
    let (program, till) = started_again(&node).await;
    becomes(&till, &trusted, "approved").await;
    program.kill().await;

    // The card terminal's own book is what the tickets say.
    let books = node.books();
    books.check();
    let mut counted: Vec<_> = books
        .sold()
        .iter()
        .flat_map(|(_, sold)| &sold.tenders)
        .map(|tender| (tender.kind.payment().unwrap().to_string(), tender.amount.get()))
        .collect();
    counted.sort();
    assert_eq!(counted, terminal.charged());
    assert_eq!(counted.len(), 2);
}
