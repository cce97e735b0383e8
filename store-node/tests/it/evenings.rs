//! What an evening asks for besides the close: cards that no ticket counts, and paper once more.

use own_printer::{Manner, Printer};
use serde_json::{Value, json};

use crate::card_payments::{Terminal, espresso_asked, prepared};
use crate::support::hub::TestHub;
use crate::support::node::TestNode;
use crate::support::paper::{BAR, papers, plug};

/// A shop that sells, with a card terminal and a printer.
async fn evening() -> (TestNode, TestHub, Terminal, Printer) {
    let printer = Printer::start(Manner::Prints).unwrap();
    let (mut node, mut hub, terminal) = prepared(None).await;
    plug(&mut node, BAR, printer.place());
    node.open_selling(&mut hub).await;
    (node, hub, terminal, printer)
}

fn cards(count: u64, amount: i64) -> Value {
    json!({"count": count, "amount_minor": amount})
}

#[tokio::test]
async fn cards_that_no_ticket_counts_stand_beside_the_readings_and_in_none() {
    let (mut node, _hub, terminal, printer) = evening().await;
    let till = node.till();
    let current = till.get("/v1/readings/current").await;
    assert_eq!(current["unmatched_cards"], cards(0, 0));
    let (first, _) = espresso_asked(&till, "first").await;
    terminal.says("timeout");
    assert_eq!(espresso_asked(&till, "second").await.1, "unknown", "it may come to money");
    let current = till.get("/v1/readings/current").await;
    assert_eq!((&current["unmatched_cards"], &current["sums"]["tenders"]), (&cards(2, 654), &json!([])));

    let answer = till.post("/v1/readings", "close", &json!({})).await;
    let said = answer.json();
    assert_eq!((answer.status, &said["unmatched_cards"]), (201, &cards(2, 654)));
    assert_eq!(said["reading"].get("unmatched_cards"), None, "a reading never changes");
    let paper = papers(&printer, 1).await.remove(0);
    let line =
        paper.lines().find(|line| line.starts_with("Cards without a ticket  2 ")).unwrap_or_else(|| panic!("{paper}"));
    assert!(line.ends_with(" 6.54"), "{paper}");

    terminal.says("approve");
    // One goes back. The close has said what was there then; the list says what is there now.
    till.post(&format!("/v1/card-payments/{first}/reversal"), "back", &json!({})).await.ok();
    assert_eq!(till.post("/v1/readings", "close", &json!({})).await.text, answer.text);
    let list = till.get("/v1/readings").await;
    assert_eq!((&list["unmatched_cards"], &list["rows"]), (&cards(1, 327), &json!([said["reading"]])));
    assert_eq!(till.get("/v1/readings/current").await["unmatched_cards"], cards(1, 327));
    assert_eq!(till.get("/v1/readings/A-1").await, said["reading"]);
    node.stop().await;
}
