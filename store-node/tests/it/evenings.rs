//! What an evening asks for besides the close: cards that no ticket counts, and paper once more.

use own_printer::{Manner, Printer};
use serde_json::{Value, json};

use crate::card_payments::{Terminal, espresso_asked, prepared};
use crate::support::hub::TestHub;
use crate::support::node::TestNode;
use crate::support::paper::{BAR, by_card, papers, plug};

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

#[tokio::test]
async fn a_refund_and_a_reading_are_printed_once_more_as_copies() {
    let (mut node, _hub, _terminal, printer) = evening().await;
    let (till, at) = (node.till(), json!({"terminal": "T1"}));
    let sold = till.sell("sale", &by_card()).await.ok();
    let refunds = format!("/v1/tickets/{}/refunds", sold["ticket_id"].as_str().unwrap());
    let piece = json!({"terminal": "T1", "reason": "quality", "lines": [{"line": 0, "quantity": 1}]});
    let back = till.post(&refunds, "back", &piece).await.ok();
    till.post("/v1/readings", "close", &json!({})).await.ok();
    let first = papers(&printer, 3).await;
    assert!(first[1].contains("REFUND\n") && first[2].contains("CLOSING READING"), "{first:#?}");
    let refund = format!("/v1/refunds/{}/prints", back["refund_id"].as_str().unwrap());
    let copies = [(refund.as_str(), "refund", "T1-A-2"), ("/v1/readings/A-1/prints", "reading", "A-1")];
    for (path, kind, label) in copies {
        let answer = till.post(path, kind, &at).await;
        let said = answer.json();
        let told = (answer.status, &said["kind"], &said["label"], &said["copy"]);
        assert_eq!(told, (201, &json!(kind), &json!(label), &json!(1)));
        let again = till.post(path, kind, &at).await;
        assert_eq!((again.status, again.text), (200, answer.text), "the same key prints it once");
        let key = format!("{kind}-two");
        assert_eq!(till.post(path, &key, &at).await.ok()["copy"], 2);
    }
    let all = papers(&printer, 7).await;
    for (paper, of, copy) in [(&all[3], 1, 1), (&all[4], 1, 2), (&all[5], 2, 1), (&all[6], 2, 2)] {
        let mark = format!("COPY {copy}\n");
        assert_eq!(paper.matches(&mark).count(), 2, "{paper}");
        let body =
            |paper: &str| paper.lines().filter(|line| !line.contains("COPY")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(body(paper).concat(), body(&first[of]).concat(), "it says what the first one says");
    }
    assert_eq!(printer.kicks(), 0, "and opens no drawer");

    // What had no paper yet gets its first.
    let other = till.sell("other", &by_card()).await.ok();
    let path = format!("/v1/tickets/{}/refunds", other["ticket_id"].as_str().unwrap());
    let quiet = json!({"terminal": "T1", "reason": "quality", "receipt": "none"});
    let refund = till.post(&path, "quiet", &quiet).await.ok();
    let path = format!("/v1/refunds/{}/prints", refund["refund_id"].as_str().unwrap());
    for copy in 0..2 {
        assert_eq!(till.post(&path, &format!("quiet-{copy}"), &at).await.ok()["copy"], copy);
    }
    let last = papers(&printer, 10).await;
    assert!(last[8].contains("REFUND\n") && !last[8].contains("COPY") && last[9].contains("COPY 1\n"), "{last:#?}");
    for path in [
        "/v1/refunds/0190b2c4-7e5d-7c3a-9f00-0123456789ab/prints",
        "/v1/refunds/x/prints",
        "/v1/readings/A-2/prints",
        "/v1/readings/x/prints",
    ] {
        assert_eq!(till.post(path, "nowhere", &at).await.refusal(), (404, "not_found".to_owned()), "{path}");
    }
    node.stop().await;
}

#[tokio::test]
async fn without_a_printer_there_is_no_copy_of_a_refund_or_a_reading() {
    let (mut node, _hub) = TestNode::selling().await;
    let (till, at) = (node.till(), json!({"terminal": "T1"}));
    let sold = till.sell("sale", &by_card()).await.ok();
    let path = format!("/v1/tickets/{}/refunds", sold["ticket_id"].as_str().unwrap());
    let back = till.post(&path, "back", &json!({"terminal": "T1", "reason": "quality"})).await.ok();
    till.post("/v1/readings", "close", &json!({})).await.ok();
    for path in [&format!("/v1/refunds/{}/prints", back["refund_id"].as_str().unwrap()), "/v1/readings/A-1/prints"] {
        assert_eq!(till.post(path, "copy", &at).await.refusal(), (409, "printer_missing".to_owned()), "{path}");
    }
    node.stop().await;
}
