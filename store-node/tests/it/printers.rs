//! Printers that misbehave, and boxes that die while they print: nothing is lost, nothing is printed twice without a word, and nobody
//! waits for it at the till.

use own_printer::{Manner, Printer};
use serde_json::json;

use crate::support::eventually;
use crate::support::http::Answer;
use crate::support::menu::{BEANS, ESPRESSO};
use crate::support::node::{NOON_MS, TestNode, Till, ticket};
use crate::support::paper::{
    BAR, by_card, in_cash, jobs, labels, papers, plug, receipt, so_many, stands, with_printer, without_printer,
};
use crate::support::program::{Program, copy_database, metric, put_database_back};

const DUPLICATE: &str = "POSSIBLE DUPLICATE\n";
/// So long a drawer waits for its printer, and a second.
const DRAWER_MS: i64 = 31_000;

async fn retry(till: &Till, print: i64, key: &str) -> Answer {
    till.post(&format!("/v1/prints/{print}/retry"), key, &json!({})).await
}

#[tokio::test]
async fn what_waits_prints_once_and_in_order_after_a_restart_and_no_drawer_opens_so_late() {
    let (mut node, _hub, place) = without_printer().await;
    for number in 1..=3 {
        node.till().sell(&format!("sale-{number}"), &in_cash()).await.ok();
    }
    stands(&node.till(), BAR, "unreachable").await;
    node.clock.step(DRAWER_MS);
    node.restart().await;
    assert_eq!(so_many(&node.till(), "waiting", 6).await[0]["age_ms"], DRAWER_MS);
    let standing = stands(&node.till(), BAR, "unreachable").await;
    assert_eq!((&standing["waiting"], &standing["oldest_age_ms"]), (&json!(6), &json!(DRAWER_MS)));
    node.stop().await;
    let printer = Printer::start_at(place, Manner::Prints).unwrap();
    node.open().await;
    let all = papers(&printer, 3).await;
    for (paper, number) in all.iter().zip(1..) {
        assert!(paper.contains(&format!(" T1-A-{number}\n")) && !paper.contains("DUPLICATE"), "{paper}");
    }
    let expired = so_many(&node.till(), "expired", 3).await;
    assert!(expired.iter().all(|job| job["kind"] == "drawer" && job["reason"] == "too_late"), "{expired:#?}");
    assert_eq!(printer.kicks(), 0);
    node.restart().await;
    node.till().sell("later", &by_card()).await.ok();
    assert!(papers(&printer, 4).await[3].contains(" T1-A-4\n"), "each once");
    node.stop().await;
}

#[tokio::test]
async fn what_was_on_its_way_when_the_power_went_is_printed_again_and_says_so() {
    let printer = Printer::start(Manner::Slow).unwrap();
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    plug(&mut node, BAR, printer.place());
    let program = Program::start_selling(&node.config, &mut hub).await;
    let till = program.till().await;
    till.sell("sale", &by_card()).await.ok();
    till.sell("next", &by_card()).await.ok();
    eventually("a page in the printer", || async { printer.is_printing().then_some(()) }).await;
    assert_eq!(labels(&jobs(&till, "sending").await, "receipt"), ["T1-A-1"], "written before its first byte");
    program.kill().await;
    let first = papers(&printer, 1).await.remove(0);
    assert!(!first.contains(DUPLICATE), "{first}");
    printer.behave(Manner::Prints);
    let program = Program::start(&node.config);
    let all = papers(&printer, 3).await;
    assert!(all[1].contains(" T1-A-1\n") && all[1].matches(DUPLICATE).count() == 2, "{}", all[1]);
    assert!(all[2].contains(" T1-A-2\n") && !all[2].contains(DUPLICATE), "{}", all[2]);
    let till = program.till().await;
    let printed = so_many(&till, "printed", 2).await;
    assert_eq!([&printed[1], &printed[0]].map(|job| job["possible_duplicate"].clone()), [json!(true), json!(false)]);

    // A drawer that may have been opened is not opened again.
    printer.behave(Manner::Slow);
    till.sell("cash", &in_cash()).await.ok();
    eventually("a pulse on its way", || async { printer.is_printing().then_some(()) }).await;
    assert_eq!(labels(&jobs(&till, "sending").await, "drawer"), ["T1-A-3"]);
    program.kill().await;
    eventually("an open drawer", || async { (printer.kicks() == 1).then_some(()) }).await;
    printer.behave(Manner::Prints);
    let program = Program::start(&node.config);
    assert!(!papers(&printer, 4).await[3].contains(DUPLICATE));
    let till = program.till().await;
    let expired = so_many(&till, "expired", 1).await;
    assert_eq!((&expired[0]["kind"], &expired[0]["reason"], printer.kicks()), (&json!("drawer"), &json!("unsure"), 1));
    program.kill().await;
}

#[tokio::test]
async fn a_page_that_is_broken_off_is_printed_again_marked_and_waits_for_a_person_after_three_times() {
    let (mut node, _hub, printer) = with_printer(Manner::BreaksOff).await;
    let till = node.till();
    till.sell("sale", &by_card()).await.ok();
    till.sell("next", &by_card()).await.ok();
    let held = so_many(&till, "held", 1).await;
    assert_eq!((&held[0]["label"], &held[0]["reason"]), (&json!("T1-A-1"), &json!("unsure")));
    let torn = printer.torn();
    assert!(torn.len() >= 3 && !torn[0].contains("POSSIBLE") && torn[1].starts_with("POSSIBLE"), "{torn:?}");
    printer.behave(Manner::Prints);
    // What waits for a person keeps nobody.
    let next = papers(&printer, 1).await.remove(0);
    assert!(next.contains(" T1-A-2\n"), "{next}");
    assert_eq!(labels(&jobs(&till, "held").await, "receipt"), ["T1-A-1"]);
    let print = receipt(&held);
    assert_eq!(retry(&till, print, "retry").await.ok()["state"], "queued");
    let paper = papers(&printer, 2).await.remove(1);
    assert!(paper.contains(" T1-A-1\n") && paper.matches(DUPLICATE).count() == 2, "{paper}");
    so_many(&till, "printed", 2).await;
    assert_eq!(retry(&till, print, "late").await.refusal(), (409, "print_over".to_owned()));
    node.stop().await;
}

#[tokio::test]
async fn without_paper_and_under_an_open_cover_it_waits_for_a_named_reason_and_goes_on_by_itself() {
    let (mut node, _hub, printer) = with_printer(Manner::PaperOut).await;
    let till = node.till();
    till.sell("sale", &by_card()).await.ok();
    stands(&till, BAR, "paper_out").await;
    let waiting = so_many(&till, "queued", 1).await;
    assert_eq!(waiting[0]["reason"], "paper_out");
    printer.behave(Manner::CoverOpen);
    retry(&till, receipt(&waiting), "look").await.ok();
    stands(&till, BAR, "cover_open").await;
    printer.behave(Manner::Prints);
    let paper = papers(&printer, 1).await.remove(0);
    assert!(!paper.contains("DUPLICATE"), "nothing was sent before: {paper}");

    // It runs out in the middle: the printer has the page, and says when it has printed it.
    stands(&till, BAR, "ok").await;
    printer.behave(Manner::Slow);
    till.sell("next", &by_card()).await.ok();
    eventually("a page in the printer", || async { printer.is_printing().then_some(()) }).await;
    printer.behave(Manner::PaperOut);
    stands(&till, BAR, "paper_out").await;
    let sending = so_many(&till, "sending", 1).await;
    assert_eq!(sending[0]["reason"], "paper_out");
    let print = receipt(&sending);
    assert_eq!(retry(&till, print, "retry").await.refusal(), (409, "print_sending".to_owned()));
    let ended = till.post(&format!("/v1/prints/{print}/cancel"), "cancel", &json!({})).await;
    assert_eq!(ended.refusal(), (409, "print_sending".to_owned()));
    printer.behave(Manner::Prints);
    let paper = papers(&printer, 2).await.remove(1);
    assert!(paper.contains(" T1-A-2\n") && !paper.contains("DUPLICATE"), "{paper}");
    so_many(&till, "printed", 2).await;
    stands(&till, BAR, "ok").await;
    node.stop().await;
}

/// None of these ever says that it prints: whoever waited for it would wait for ever.
#[tokio::test]
async fn a_dead_printer_delays_no_sale_and_is_sent_nothing() {
    for (manner, standing) in [(Manner::Silent, "silent"), (Manner::Closes, "interrupted")] {
        let (mut node, _hub, printer) = with_printer(manner).await;
        let till = node.till();
        stands(&till, BAR, standing).await;
        for number in 0..20 {
            till.sell(&format!("sale-{number}"), &in_cash()).await.ok();
        }
        let whole = json!({"name": BAR, "state": standing, "since_ms": NOON_MS, "waiting": 40, "oldest_age_ms": 0});
        assert_eq!(stands(&till, BAR, standing).await, whole);
        assert_eq!(jobs(&till, "queued").await.len(), 40);
        assert!(printer.pages().is_empty() && printer.torn().is_empty());
        node.stop().await;
    }
}

#[tokio::test]
async fn a_printer_that_is_too_simple_to_say_when_it_is_done_prints_all_the_same() {
    let (mut node, _hub, printer) = with_printer(Manner::Simple).await;
    node.till().sell("one", &by_card()).await.ok();
    node.till().sell("two", &by_card()).await.ok();
    let all = papers(&printer, 2).await;
    assert!(all[0].contains(" T1-A-1\n") && all[1].contains(" T1-A-2\n"), "{all:?}");
    so_many(&node.till(), "printed", 2).await;
    node.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_printer_that_the_shop_no_longer_has_goes_to_another_when_somebody_says_so() {
    let (mut node, _hub, _place) = without_printer().await;
    node.till().sell("sale", &by_card()).await.ok();
    node.stop().await;
    let patio = Printer::start(Manner::Prints).unwrap();
    node.config.prints.printers.clear();
    plug(&mut node, "patio", patio.place());
    node.open().await;
    let till = node.till();
    let standing = stands(&till, BAR, "unplanned").await;
    assert_eq!((&standing["waiting"], &standing["since_ms"]), (&json!(1), &json!(null)));
    let waiting = so_many(&till, "waiting", 1).await;
    assert_eq!(waiting[0]["reason"], "unplanned");
    assert_eq!(retry(&till, receipt(&waiting), "there").await.ok()["printer"], "patio");
    assert!(papers(&patio, 1).await[0].contains(" T1-A-1\n"));
    node.stop().await;
}

#[tokio::test]
async fn a_drawer_that_may_have_been_opened_is_not_opened_by_another_printer_either() {
    let printer = Printer::start(Manner::Slow).unwrap();
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    plug(&mut node, BAR, printer.place());
    let program = Program::start_selling(&node.config, &mut hub).await;
    program.till().await.sell("cash", &in_cash()).await.ok();
    eventually("a pulse on its way", || async { printer.is_printing().then_some(()) }).await;
    program.kill().await;
    eventually("an open drawer", || async { (printer.kicks() == 1).then_some(()) }).await;
    printer.behave(Manner::Prints);
    node.config.prints.printers.clear();
    plug(&mut node, "patio", printer.place());
    let program = Program::start(&node.config);
    let till = program.till().await;
    let left = jobs(&till, "sending").await;
    assert_eq!(labels(&left, "drawer"), ["T1-A-1"]);
    let ended = retry(&till, left[0]["print"].as_i64().unwrap(), "again").await.ok();
    assert_eq!((&ended["state"], &ended["reason"]), (&json!("expired"), &json!("unsure")));
    let waiting = so_many(&till, "waiting", 1).await;
    retry(&till, receipt(&waiting), "there").await.ok();
    papers(&printer, 1).await;
    assert_eq!(printer.kicks(), 1);
    program.kill().await;
}

#[tokio::test]
async fn a_printer_that_answers_in_order_prints_a_long_page_once() {
    let (mut node, _hub, printer) = with_printer(Manner::InOrder).await;
    let till = node.till();
    till.sell("sale", &by_card()).await.ok();
    so_many(&till, "printed", 1).await;
    assert!(!papers(&printer, 1).await[0].contains(DUPLICATE));
    node.stop().await;
}

#[tokio::test]
async fn a_disk_that_is_put_back_marks_what_it_prints_again() {
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    let (other_disk, place) = (tempfile::TempDir::new().unwrap(), Printer::nowhere());
    node.config.guard = Some(other_disk.path().join("guard.json"));
    plug(&mut node, BAR, place);
    node.open_selling(&mut hub).await;
    let sold = node.till().sell("sale", &by_card()).await.ok();
    node.stop().await;
    copy_database(&node.database(), other_disk.path());
    drop(hub);
    let printer = Printer::start_at(place, Manner::Prints).unwrap();
    node.open().await;
    assert!(!papers(&printer, 1).await[0].contains("DUPLICATE"));
    // Its journal goes on, so that the copy is known to be one.
    node.till().move_stock("delivery", "received", &[(BEANS, 1_000)]).await.ok();
    so_many(&node.till(), "printed", 1).await;
    node.stop().await;
    put_database_back(&node.database(), other_disk.path());
    node.open().await;
    let again = papers(&printer, 2).await.remove(1);
    assert!(again.contains(" T1-A-1\n") && again.matches(DUPLICATE).count() == 2, "{again}");
    let path = format!("/v1/tickets/{}/prints", sold["ticket_id"].as_str().unwrap());
    assert_eq!(node.till().post(&path, "copy", &json!({"terminal": "T1"})).await.ok()["copy"], 1);
    assert!(papers(&printer, 3).await[2].contains("COPY 1\n"));
    node.stop().await;
}

/// A process of its own: its metrics are nobody else's.
#[tokio::test]
async fn how_much_waits_and_for_how_long_can_be_measured() {
    let printer = Printer::start(Manner::PaperOut).unwrap();
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    plug(&mut node, BAR, printer.place());
    let program = Program::start_selling(&node.config, &mut hub).await;
    let till = program.till().await;
    for number in 0..3 {
        let body = ticket("T1", &[(ESPRESSO, 1)]);
        till.sell(&format!("sale-{number}"), &body).await.ok();
    }
    eventually("six that wait", || async { (metric(&till, "node_prints_waiting").await == 6).then_some(()) }).await;
    eventually("a second", || async { (metric(&till, "node_prints_oldest_age_seconds").await > 0).then_some(()) })
        .await;
    printer.behave(Manner::Prints);
    papers(&printer, 3).await;
    eventually("none that waits", || async { (metric(&till, "node_prints_waiting").await == 0).then_some(()) }).await;
    program.kill().await;
}
