//! What is printed, and when: after the commit, once, and a second time only as a copy.

use own_printer::{Manner, Printer};
use percolate_common::identity::site::{PrinterV1, SiteV1, TerminalV1};
use percolate_common::paper::escpos::KICK;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::menu::{ESPRESSO, LATTE};
use crate::support::node::{NOON_MS, TestNode, basket, practice, ticket};
use crate::support::paper::{
    BAR, by_card, in_cash, jobs, labels, papers, plug, receipt, so_many, stands, with_printer, without_printer,
};
use crate::support::people::open;
use crate::support::program::{Program, metric, open_database};

const WAITING: &str = "storage_queue_commands{database=\"node\"}";

fn again(ticket: &Value) -> String {
    format!("/v1/tickets/{}/prints", ticket["ticket_id"].as_str().unwrap())
}

#[tokio::test]
async fn a_sale_prints_its_receipt_and_the_drawer_opens_for_cash_alone() {
    let (mut node, _hub, printer) = with_printer(Manner::Prints).await;
    let till = node.till();
    let sold = till.sell("cash", &ticket("T1", &[(ESPRESSO, 2)])).await.ok();
    let paper = papers(&printer, 1).await.remove(0);
    for part in ["Virginia-Highland\n", " T1-A-1\n", " 2026-11-23 07:00:00\n", "TOTAL USD", "6.53\n", "Cash", "Change"]
    {
        assert!(paper.contains(part), "{part} is not on it: {paper}");
    }
    assert!(!paper.contains("COPY") && !paper.contains("DUPLICATE"), "{paper}");
    assert_eq!(printer.pages()[0], KICK, "the drawer opens first");
    till.sell("card", &by_card()).await.ok();
    papers(&printer, 2).await;
    let mut quiet = in_cash();
    quiet["receipt"] = json!("none");
    till.sell("quiet", &quiet).await.ok();
    quiet["receipt"] = json!("perhaps");
    assert_eq!(till.sell("wrong", &quiet).await.status, 422);
    till.sell("practice", &practice(in_cash())).await.ok();
    let practised = papers(&printer, 3).await.remove(2);
    assert_eq!(practised.matches("PRACTICE\n").count(), 2, "{practised}");
    assert_eq!(printer.kicks(), 2, "for cash, and not for practice");

    let printed = so_many(&till, "printed", 5).await;
    assert_eq!(labels(&printed, "receipt"), ["T1-TRN-1", "T1-A-2", "T1-A-1"], "the latest first");
    assert_eq!(labels(&printed, "drawer"), ["T1-A-3", "T1-A-1"]);
    let first = json!({
        "print": 2, "printer": BAR, "terminal": "T1", "kind": "receipt", "label": "T1-A-1", "ticket_id": sold["ticket_id"],
        "copy": 0, "state": "printed", "reason": null, "possible_duplicate": false, "queued_at_ms": NOON_MS, "age_ms": 0,
    });
    assert_eq!(printed[3], first);
    assert_eq!(jobs(&till, "all").await, printed);
    assert_eq!(till.get("/v1/prints").await, json!({"rows": []}), "nothing waits");
    assert_eq!(till.ask("/v1/prints?state=lost").await.refusal(), (400, "invalid_query".to_owned()));
    let whole = json!([{"name": BAR, "state": "ok", "since_ms": NOON_MS, "waiting": 0, "oldest_age_ms": null}]);
    assert_eq!(till.get("/v1/node").await["printers"], whole);
    node.stop().await;
}

#[tokio::test]
async fn p28_what_is_printed_once_more_says_which_copy_it_is_and_opens_no_drawer() {
    let (mut node, _hub, printer) = with_printer(Manner::Prints).await;
    let till = node.till();
    let sold = till.sell("sale", &in_cash()).await.ok();
    let same = till.sell("sale", &in_cash()).await;
    assert_eq!(same.status, 200, "a sale that is sent again is printed once");
    let (path, at) = (again(&sold), json!({"terminal": "T1"}));
    let first = till.post(&path, "one", &at).await;
    assert_eq!((first.status, &first.json()["copy"], &first.json()["label"]), (201, &json!(1), &json!("T1-A-1")));
    let repeated = till.post(&path, "one", &at).await;
    assert_eq!((repeated.status, repeated.text), (200, first.text));
    assert_eq!(till.post(&path, "one", &json!({"terminal": "T2"})).await.refusal().1, "idempotency_key_reused");
    till.post(&path, "two", &json!({"terminal": "T2"})).await.ok();
    let all = papers(&printer, 3).await;
    for (copy, paper) in all.iter().enumerate() {
        let marks = if copy == 0 { 0 } else { 2 };
        assert_eq!(paper.matches("COPY").count(), marks, "{paper}");
        assert_eq!(paper.matches(&format!("COPY {copy}\n")).count(), marks, "{paper}");
        assert!(paper.contains(" T1-A-1\n"), "{paper}");
    }
    assert_eq!(printer.kicks(), 1);

    // One that was not wanted has no paper yet; the first that it gets is no copy.
    let mut quiet = in_cash();
    quiet["receipt"] = json!("none");
    let path = again(&till.sell("quiet", &quiet).await.ok());
    assert_eq!(till.post(&path, "first", &at).await.ok()["copy"], 0);
    assert_eq!(till.post(&path, "second", &at).await.ok()["copy"], 1);
    let all = papers(&printer, 5).await;
    assert!(all[3].contains(" T1-A-2\n") && !all[3].contains("COPY") && all[4].contains("COPY 1\n"), "{all:#?}");

    let nowhere = "/v1/tickets/0190b2c4-7e5d-7c3a-9f00-0123456789ab/prints";
    assert_eq!(till.post(nowhere, "nowhere", &at).await.refusal(), (404, "not_found".to_owned()));
    assert_eq!(till.post("/v1/tickets/1/prints", "none", &at).await.refusal(), (404, "not_found".to_owned()));
    let wrong = till.post(&path, "wrong", &json!({"terminal": "t1"})).await;
    assert_eq!(wrong.refusal(), (422, "terminal_name_invalid".to_owned()));
    let old = json!({"source": "old till", "baskets": [basket("2026-11-20", "10:00:00", &[("1", 1, 300)])]});
    till.post("/v1/imports/baskets", "import", &old).await.ok();
    let imported = till.get("/v1/tickets?day=2026-11-20").await["tickets"][0].clone();
    let refused = till.post(&again(&imported), "imported", &at).await;
    assert_eq!(refused.refusal(), (422, "receipt_unknown".to_owned()));
    node.stop().await;
}

#[tokio::test]
async fn whatever_moves_cash_opens_the_drawer_and_refunds_and_closes_have_their_paper() {
    let (mut node, _hub, printer) = with_printer(Manner::Prints).await;
    let till = node.till();
    let body = json!({"terminal": "T1", "float_minor": 100});
    let drawer = till.post("/v1/drawers", "open", &body).await.ok()["drawer"].as_str().unwrap().to_owned();
    for (kind, amount) in [("no_sale", 0), ("pay_in", 500), ("pay_out", 200), ("drop", 100)] {
        let body = json!({"kind": kind, "amount_minor": amount, "reason": "change"});
        till.post(&format!("/v1/drawers/{drawer}/movements"), kind, &body).await.ok();
    }
    let moved = so_many(&till, "printed", 4).await;
    assert_eq!(labels(&moved, "drawer"), ["drop", "pay_out", "pay_in", "no_sale"]);

    // A part in cash opens it; the rest by card does not, and prints the receipt.
    let body = json!({"terminal": "T1", "lines": [{"item": ESPRESSO, "quantity": 1}]});
    let opened = till.post("/v1/open-tickets", "open-ticket", &body).await.ok();
    let path = format!("/v1/open-tickets/{}", opened["ticket_id"].as_str().unwrap());
    let part = json!({"terminal": "T1", "tender": {"kind": "cash", "amount_minor": 27}, "part_minor": 27});
    till.post(&format!("{path}/payments"), "part", &part).await.ok();
    let rest = json!({"terminal": "T1", "expected_total_minor": 327, "tenders": [{"kind": "card_external", "amount_minor": 300}]});
    till.post(&format!("{path}/close"), "rest", &rest).await.ok();
    let paper = papers(&printer, 1).await.remove(0);
    assert!(paper.contains("Paid before") && printer.kicks() == 5, "{} {paper}", printer.kicks());

    let sold = till.sell("sale", &in_cash()).await.ok();
    let path = format!("/v1/tickets/{}/refunds", sold["ticket_id"].as_str().unwrap());
    till.post(&path, "back", &json!({"terminal": "T1", "reason": "quality"})).await.ok();
    let paper = papers(&printer, 3).await.remove(2);
    assert!(paper.contains("REFUND\n") && paper.contains(" T1-A-2\n") && paper.contains(" T1-A-3\n"), "{paper}");
    assert_eq!(printer.kicks(), 7);

    till.post("/v1/readings", "close", &json!({})).await.ok();
    let paper = papers(&printer, 4).await.remove(3);
    assert!(paper.contains("CLOSING READING") && paper.contains(" A-1\n"), "{paper}");
    so_many(&till, "waiting", 0).await;
    assert_eq!(labels(&jobs(&till, "printed").await, "reading"), ["A-1"]);
    assert_eq!(printer.kicks(), 7);
    node.stop().await;
}

/// The server's own process: nobody else waits for its disk.
#[tokio::test]
async fn p1_no_receipt_prints_before_the_sale_is_on_the_disk() {
    let printer = Printer::start(Manner::Prints).unwrap();
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    plug(&mut node, BAR, printer.place());
    let program = Program::start_selling(&node.config, &mut hub).await;
    let till = program.till().await;
    stands(&till, BAR, "ok").await;
    let mut database = open_database(&node.database());
    let held = database.group().unwrap();
    let asked = till.begin_sale("sale", &in_cash()).await;
    let next = till.begin_sale("next", &by_card()).await;
    eventually("a sale that waits for the disk", || async { (metric(&till, WAITING).await > 0).then_some(()) }).await;
    assert!(printer.pages().is_empty(), "{:?}", printer.papers());
    drop(held);
    assert_eq!([asked.answer().await.status, next.answer().await.status], [201, 201]);
    assert_eq!(till.sell("wrong", &ticket("T1", &[(999, 1)])).await.status, 422);
    till.sell("last", &by_card()).await.ok();
    for (paper, receipt) in papers(&printer, 3).await.iter().zip(node.books().receipts()) {
        assert!(paper.contains(&format!(" {receipt}\n")), "what is on paper is on the disk, and nothing else: {paper}");
    }
    so_many(&till, "printed", 4).await;
    assert_eq!(metric(&till, "node_prints_total").await, 4);
    program.kill().await;
}

fn planned(name: &str, kind: &str, printer: &Printer, columns: Option<u8>) -> PrinterV1 {
    PrinterV1 { name: name.to_owned(), kind: kind.to_owned(), address: printer.address(), columns }
}

fn till_at(name: &str, printer: Option<&str>) -> TerminalV1 {
    let (name, kind) = (name.to_owned(), "counter".to_owned());
    TerminalV1 { name, kind, training: false, printer: printer.map(str::to_owned) }
}

#[tokio::test]
async fn p29_printing_needs_neither_the_hub_nor_a_line_and_p40_nor_does_it_after_a_restart() {
    let [kitchen, bar, patio] = [(); 3].map(|()| Printer::start(Manner::Prints).unwrap());
    let plan = |site: &mut SiteV1| {
        site.address = Some("1 Pier".to_owned());
        site.printers = vec![
            planned("kitchen", "kitchen", &kitchen, None),
            planned("bar", "Receipt", &bar, None),
            planned("patio", "receipt", &patio, Some(32)),
        ];
        site.terminals = vec![till_at("T1", None), till_at("T2", Some("patio"))];
    };
    let mut node = open(plan).await;
    assert_eq!(node.till().get("/v1/node").await["link"], "not_enrolled");
    node.till().sell("bar", &in_cash()).await.ok();
    node.till().sell("patio", &ticket("T2", &[(LATTE, 1)])).await.ok();
    let (wide, narrow) = (papers(&bar, 1).await.remove(0), papers(&patio, 1).await.remove(0));
    let widest = |paper: &str| paper.lines().map(str::len).max();
    assert_eq!((widest(&wide), widest(&narrow)), (Some(48), Some(32)), "{wide}\n{narrow}");
    assert!(wide.starts_with("Virginia-Highland\n1 Pier\n"), "{wide}");
    node.restart().await;
    node.till().sell("again", &in_cash()).await.ok();
    assert!(papers(&bar, 2).await[1].contains(" T1-A-2\n"));
    assert!(kitchen.pages().is_empty() && [bar.kicks(), patio.kicks()] == [2, 1], "a kitchen prints no receipts");
    node.stop().await;
}

#[tokio::test]
async fn a_shop_that_wants_no_receipts_prints_those_that_a_till_asks_for() {
    let printer = Printer::start(Manner::Prints).unwrap();
    let mut node = open(|site: &mut SiteV1| {
        site.printers = vec![planned("bar", "receipt", &printer, None)];
        site.receipts = Some("none".to_owned());
    })
    .await;
    let till = node.till();
    till.sell("usual", &in_cash()).await.ok();
    let mut wanted = in_cash();
    wanted["receipt"] = json!("print");
    till.sell("wanted", &wanted).await.ok();
    let paper = papers(&printer, 1).await.remove(0);
    assert!(paper.contains(" T1-A-2\n") && printer.kicks() == 2, "the drawer opens for both: {paper}");
    node.stop().await;
}

#[tokio::test]
async fn a_shop_without_a_printer_prints_nothing_and_says_so_when_it_is_asked_for_paper() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let sold = till.sell("sale", &in_cash()).await.ok();
    assert_eq!(jobs(&till, "all").await, Vec::<Value>::new());
    assert_eq!(till.get("/v1/node").await["printers"], json!([]));
    let refused = till.post(&again(&sold), "paper", &json!({"terminal": "T1"})).await;
    assert_eq!(refused.refusal(), (409, "printer_missing".to_owned()));
    node.stop().await;
}

#[tokio::test]
async fn what_nobody_wants_any_more_is_ended_and_what_is_over_stays_so() {
    let (mut node, _hub, place) = without_printer().await;
    let till = node.till();
    till.sell("one", &by_card()).await.ok();
    till.sell("two", &by_card()).await.ok();
    stands(&till, BAR, "unreachable").await;
    let waiting = so_many(&till, "queued", 2).await;
    assert!(waiting.iter().all(|job| job["reason"] == "unreachable"), "{waiting:#?}");
    let first = receipt(&waiting);
    let (cancel, retry) = (format!("/v1/prints/{first}/cancel"), format!("/v1/prints/{first}/retry"));
    let ended = till.post(&cancel, "cancel", &json!({})).await;
    assert_eq!(
        (ended.status, &ended.json()["state"], &ended.json()["reason"]),
        (200, &json!("cancelled"), &Value::Null)
    );
    assert_eq!(till.post(&cancel, "cancel", &json!({})).await.text, ended.text);
    assert_eq!(till.post(&cancel, "once-more", &json!({})).await.ok()["state"], "cancelled");
    assert_eq!(till.post(&retry, "retry", &json!({})).await.refusal(), (409, "print_over".to_owned()));
    for path in ["/v1/prints/99/retry", "/v1/prints/99/cancel", "/v1/prints/x/cancel"] {
        assert_eq!(till.post(path, path, &json!({})).await.refusal(), (404, "not_found".to_owned()), "{path}");
    }
    let printer = Printer::start_at(place, Manner::Prints).unwrap();
    let second = receipt(&jobs(&till, "waiting").await);
    assert_eq!(till.post(&format!("/v1/prints/{second}/retry"), "now", &json!({})).await.ok()["state"], "queued");
    let paper = papers(&printer, 1).await.remove(0);
    assert!(paper.contains(" T1-A-2\n") && !paper.contains("DUPLICATE"), "nothing was sent before: {paper}");
    so_many(&till, "printed", 1).await;
    let over = till.post(&format!("/v1/prints/{second}/cancel"), "late", &json!({})).await;
    assert_eq!(over.refusal(), (409, "print_over".to_owned()));
    node.stop().await;
}
