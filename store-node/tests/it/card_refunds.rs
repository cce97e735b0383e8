//! Money that goes back on cards that the box charged, and of tickets that were paid in parts: asked for once, whoever dies when, by
//! the means that it came by, and what no card took is shown.

use percolate_common::domain::tenders::card::Settled;
use percolate_common::journal::StreamKind;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::card_payments::{
    LIMITS, Terminal, asked, becomes, listed, prepared, selling, settled, started_again, tenders,
};
use crate::open_tickets::given_back;
use crate::support::eventually;
use crate::support::http::Answer;
use crate::support::menu::ESPRESSO;
use crate::support::node::{TestNode, Till, ticket};
use crate::support::program::{Program, copy_database, put_database_back};

/// What three espressos cost with their tax, and what one of them goes back for.
const THREE_MINOR: i64 = 980;
const ONE_MINOR: i64 = 327;

async fn charged(till: &Till, key: &str, amount: i64) -> String {
    asked(till, key, amount).await.ok()["payment"].as_str().unwrap().to_owned()
}

/// Three espressos that are paid by a card; gives the ticket and the payment.
async fn sold(till: &Till) -> (String, String) {
    let payment = charged(till, "pay", THREE_MINOR).await;
    let mut body = ticket("T1", &[(ESPRESSO, 3)]);
    body["tenders"] = json!([{"kind": "card", "amount_minor": THREE_MINOR, "payment": payment}]);
    let sold = till.sell("sale", &body).await.ok();
    (sold["ticket_id"].as_str().unwrap().to_owned(), payment)
}

async fn back(till: &Till, key: &str, ticket: &str, pieces: Option<u32>) -> Answer {
    let mut body = json!({"terminal": "T1", "reason": "quality"});
    if let Some(quantity) = pieces {
        body["lines"] = json!([{"line": 0, "quantity": quantity}]);
    }
    till.post(&format!("/v1/tickets/{ticket}/refunds"), key, &body).await
}

/// How it stands with what went back of a ticket, each refund by itself.
async fn stands(till: &Till, ticket: &str) -> Vec<String> {
    let refunds = till.get(&format!("/v1/tickets/{ticket}")).await["refundable"]["refunds"].clone();
    let state = |refund: &Value| refund["tenders"][0]["state"].as_str().unwrap().to_owned();
    refunds.as_array().unwrap().iter().map(state).collect()
}

/// What the card terminal gave back.
fn refunded(terminal: &Terminal) -> Vec<i64> {
    terminal.ledger().into_values().filter(|(word, _)| word == "refunded").map(|(_, amount)| amount).collect()
}

fn outcomes(node: &TestNode) -> Vec<Settled> {
    settled(node).into_iter().map(|(_, settled, _)| settled).collect()
}

#[tokio::test]
async fn a_tip_that_was_put_on_the_boxs_card_later_goes_back_by_that_card() {
    let (mut node, _hub, _terminal) = selling(None).await;
    let till = node.till();
    let (id, payment) = sold(&till).await;
    let slip = json!({"terminal": "T1", "tender": "card", "tip_minor": 50});
    till.post(&format!("/v1/tickets/{id}/tip"), "slip", &slip).await.ok();
    assert_eq!(tenders(&till).await, json!([{"kind": "card", "amount_minor": THREE_MINOR + 50}]));
    let whole = json!([{"kind": "card", "amount_minor": THREE_MINOR + 50, "payment": payment}]);
    assert_eq!(till.get(&format!("/v1/tickets/{id}")).await["refundable"]["tenders"], whole);
    let answer = back(&till, "whole", &id, None).await.ok();
    assert_eq!((&answer["tip_minor"], &answer["tenders"]), (&json!(50), &whole));
    // It had charged no more than the sale, and takes no tip with the capture: the guest is owed all of it.
    eventually("the card terminal has said something", async || (stands(&till, &id).await == ["owed"]).then_some(()))
        .await;
    let owed = json!([
        {"kind": "card", "amount_minor": THREE_MINOR + 50}, {"kind": "card_owed", "amount_minor": -(THREE_MINOR + 50)},
    ]);
    assert_eq!(tenders(&till).await, owed);
    node.stop().await;
}

#[tokio::test]
async fn p33_a_card_that_the_box_charged_gets_its_money_back_there_in_pieces_once_and_what_it_does_not_take_is_shown() {
    let (mut node, _hub, terminal) = selling(None).await;
    let till = node.till();
    let (id, payment) = sold(&till).await;
    let first = back(&till, "one", &id, Some(1)).await;
    let tender = |amount: i64| json!([{"kind": "card", "amount_minor": amount, "payment": payment}]);
    assert_eq!((first.status, &first.json()["tenders"]), (201, &tender(ONE_MINOR)));
    assert_eq!(back(&till, "one", &id, Some(1)).await.text, first.text, "the same key gives back once");
    assert_eq!((stands(&till, &id).await, refunded(&terminal)), (vec!["credited".to_owned()], vec![ONE_MINOR]));
    assert_eq!(tenders(&till).await, json!([{"kind": "card", "amount_minor": THREE_MINOR - ONE_MINOR}]));

    terminal.says("decline");
    let owed = back(&till, "two", &id, Some(1)).await.ok()["total_minor"].as_i64().unwrap();
    assert_eq!(stands(&till, &id).await, ["credited", "owed"]);
    assert_eq!(listed(&till, "owed").await, [(payment.clone(), "approved".to_owned())]);
    let left = THREE_MINOR - ONE_MINOR;
    let expected = json!([{"kind": "card", "amount_minor": left}, {"kind": "card_owed", "amount_minor": -owed}]);
    assert_eq!(tenders(&till).await, expected, "the card has its money still, and the guest is owed it");
    assert_eq!(till.get("/v1/business-day").await["tenders"], expected);
    terminal.says("approve");
    node.restart().await;
    let till = node.till();
    back(&till, "rest", &id, None).await.ok();
    assert_eq!(stands(&till, &id).await, ["credited", "owed", "credited"], "what no card took is not asked for again");
    assert_eq!(back(&till, "more", &id, None).await.refusal(), (422, "refund_nothing_left".to_owned()));
    assert_eq!(refunded(&terminal).into_iter().sum::<i64>(), THREE_MINOR - owed);
    assert_eq!(outcomes(&node), [Settled::Credited, Settled::Owed, Settled::Credited]);
    let books = node.books();
    books.check();
    books.check_served(&till).await;
    node.stop().await;
}

#[tokio::test]
async fn p33_a_refund_whose_answer_comes_late_or_whose_box_is_killed_goes_back_on_the_card_once() {
    let (node, mut hub, terminal) = prepared(None).await;
    let program = Program::start_selling(&node.config, &mut hub).await;
    let till = program.till().await;
    let (id, _) = sold(&till).await;
    // The card terminal does it, and its answer is lost.
    terminal.says("timeout");
    assert_eq!(back(&till, "late", &id, Some(1)).await.status, 201, "the refund is made, whatever comes of it");
    assert_eq!(stands(&till, &id).await, ["asked"]);
    program.kill().await;
    terminal.says("offline");
    let (program, till) = started_again(&node).await;
    assert_eq!(stands(&till, &id).await, ["asked"]);
    terminal.says("approve");
    eventually("a late answer", || async { (stands(&till, &id).await == ["credited"]).then_some(()) }).await;

    // It does it, and the box dies while it waits.
    terminal.says("hang");
    let mut asking = JoinSet::new();
    let (asker, of) = (till.clone(), id.clone());
    asking.spawn(async move { back(&asker, "killed", &of, Some(1)).await.status });
    eventually("money on the card", || async { (refunded(&terminal).len() == 2).then_some(()) }).await;
    program.kill().await;
    asking.abort_all();
    terminal.says("approve");
    let (program, till) = started_again(&node).await;
    eventually("what became of it", || async { (stands(&till, &id).await == ["credited"; 2]).then_some(()) }).await;
    let again = back(&till, "killed", &id, Some(1)).await;
    assert_eq!(again.status, 200, "the same key tells it");
    assert_eq!(refunded(&terminal).len(), 2);
    program.kill().await;
    node.books().check();
    assert_eq!(outcomes(&node), [Settled::Credited; 2]);
}

#[tokio::test]
async fn p33_p39_what_was_taken_on_trust_goes_back_whole_without_charging_anybody_and_once_it_is_money_in_pieces() {
    let (mut node, _hub, terminal) = selling(Some(LIMITS)).await;
    let till = node.till();
    terminal.says("offline");
    let (id, payment) = sold(&till).await;
    assert_eq!(back(&till, "piece", &id, Some(1)).await.refusal(), (409, "payment_not_approved".to_owned()));
    let whole = back(&till, "whole", &id, None).await.ok();
    assert_eq!(whole["tenders"][0]["kind"], "card_stored");
    terminal.says("approve");
    becomes(&till, &payment, "reversed").await;
    assert_eq!((terminal.charged(), outcomes(&node)), (vec![], vec![Settled::Reversed]));
    let stored = || json!({"kind": "card_stored", "amount_minor": 0});
    assert_eq!(tenders(&till).await, json!([stored()]));

    terminal.says("offline");
    let payment = charged(&till, "again", THREE_MINOR).await;
    let mut body = ticket("T1", &[(ESPRESSO, 3)]);
    body["tenders"] = json!([{"kind": "card", "amount_minor": THREE_MINOR, "payment": payment}]);
    let sold = till.sell("again-sale", &body).await.ok();
    terminal.says("approve");
    becomes(&till, &payment, "approved").await;
    let piece = back(&till, "piece", sold["ticket_id"].as_str().unwrap(), Some(1)).await.ok();
    assert_eq!(piece["tenders"][0]["kind"], "card", "it is money now");
    assert_eq!(refunded(&terminal), [ONE_MINOR]);
    let card = json!({"kind": "card", "amount_minor": THREE_MINOR - ONE_MINOR});
    assert_eq!(tenders(&till).await, json!([card, stored()]));
    node.stop().await.check();
}

/// P33: a ticket is paid in three parts by three means and its disk is lost. What comes back from the hub tells by which means each
/// part was paid, first paid is first given back, and the card gets its money once.
#[tokio::test]
async fn p33_parts_that_come_back_from_the_hub_are_given_back_by_their_means_the_first_one_first() {
    let (mut node, mut hub, terminal) = selling(None).await;
    let till = node.till();
    till.sold("before", &ticket("T1", &[(ESPRESSO, 1)])).await;
    hub.take_until(StreamKind::Sales, 2).await;
    node.stop().await;
    let copy = tempfile::TempDir::new().unwrap();
    copy_database(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    hub.greet().await;
    let till = node.till();
    let order = json!({"terminal": "T1", "lines": [{"item": ESPRESSO, "quantity": 3}]});
    let opened = till.post("/v1/open-tickets", "order", &order).await.ok();
    let id = opened["ticket_id"].as_str().unwrap();
    let path = |what: &str| format!("/v1/open-tickets/{id}/{what}");
    let payment = charged(&till, "pay", 400).await;
    let external = json!({"kind": "card_external", "amount_minor": 250, "reference": "AUTH 1"});
    for (key, amount, tender) in
        [("first", 200, external), ("second", 400, json!({"kind": "card", "amount_minor": 400, "payment": payment}))]
    {
        let tip = tender["amount_minor"].as_i64().unwrap() - amount;
        let part = json!({"terminal": "T1", "tender": tender, "part_minor": amount, "tip_minor": tip});
        till.post(&path("payments"), key, &part).await.ok();
        node.clock.step(1_000);
    }
    let close = json!({"terminal": "T1", "expected_total_minor": THREE_MINOR,
        "tenders": [{"kind": "cash", "amount_minor": 500}]});
    till.post(&path("close"), "close", &close).await.ok();
    hub.take_until(StreamKind::Sales, 7).await;
    node.stop().await;
    put_database_back(&node.database(), copy.path());
    hub.hang_up();
    node.open().await;
    let till = node.till();
    till.sold("meanwhile", &ticket("T1", &[(ESPRESSO, 1)])).await;
    given_back(&mut hub, 2).await;
    let till = &till;
    let left = async || {
        let one = till.ask(&format!("/v1/tickets/{id}")).await;
        let rows = if one.status == 200 { one.json()["refundable"]["tenders"].clone() } else { json!([]) };
        let amount = |row: &Value| (row["kind"].as_str().unwrap().to_owned(), row["amount_minor"].as_i64().unwrap());
        rows.as_array().cloned().unwrap_or_default().iter().map(amount).collect::<Vec<_>>()
    };
    let by = |external, card, cash| {
        [("card_external", external), ("card", card), ("cash", cash)].map(|(kind, amount)| (kind.to_owned(), amount))
    };
    eventually("the ticket and its parts", || async { (left().await == by(250, 400, 380)).then_some(()) }).await;
    let one = back(till, "one", id, Some(1)).await.ok();
    let kinds = |answer: &Value| {
        let rows = answer["tenders"].as_array().unwrap().iter();
        rows.map(|row| (row["kind"].as_str().unwrap().to_owned(), row["amount_minor"].as_i64().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&one), [("card_external".to_owned(), 250), ("card".to_owned(), ONE_MINOR - 250)]);
    let rest = back(till, "rest", id, None).await.ok();
    let on_card = 400 - (ONE_MINOR - 250);
    assert_eq!(kinds(&rest), [("card".to_owned(), on_card), ("cash".to_owned(), 380)]);
    assert_eq!((&rest["tip_minor"], left().await), (&json!(50), by(0, 0, 0).to_vec()));
    assert_eq!(refunded(&terminal).into_iter().sum::<i64>(), 400);
    node.stop().await;
}
