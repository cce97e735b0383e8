//! The menu on its way down: whole or not at all, in order, and nothing unreadable stops it.

use percolate_common::ids::NodeId;
use percolate_common::journal::StreamKind;
use percolate_common::wire::session::FromNode;
use percolate_common::wire::topic::Topic;
use serde_json::{Value, json};

use crate::support::hub::position;
use crate::support::menu::{BAG, BAG_CODE, ESPRESSO, MenuJournal};
use crate::support::node::{NODE, NOON_MS, STORE, TestNode, Till, ticket};
use crate::support::{eventually, program};

/// What an espresso costs at this node, before tax.
async fn price(till: &Till) -> i64 {
    let quote = till.post("/v1/quotes", "unused", &json!({"lines": [{"item": ESPRESSO, "quantity": 1}]})).await;
    quote.ok()["net_minor"].as_i64().unwrap()
}

async fn revision(till: &Till) -> Value {
    till.get("/v1/node").await["catalog_revision"].clone()
}

/// Nothing is sold, and whoever asks is told why.
async fn sells_nothing(till: &Till) {
    let body = ticket("T1", &[(ESPRESSO, 1)]);
    for answer in [till.sell("early", &body).await, till.ask("/v1/catalog").await] {
        assert_eq!(answer.refusal(), (503, "catalog_not_received".to_owned()));
    }
    let ready = till.ask_openly("/readyz").await;
    assert_eq!(ready.status, 503);
    let checks = ready.json()["checks"].clone();
    let catalog = checks.as_array().unwrap().iter().find(|check| check["name"] == "catalog").unwrap();
    assert_eq!(*catalog, json!({"name": "catalog", "ok": false, "detail": "no menu has been received yet"}));
}

#[tokio::test]
async fn a_menu_that_comes_in_pieces_is_sold_only_once_it_is_whole() {
    let (mut node, mut hub) = TestNode::in_session().await;
    let menu = MenuJournal::published();
    let last = menu.head().seq;
    let mut till = node.till();
    sells_nothing(&till).await;
    for (lo, hi) in [(1, 4), (5, 7)] {
        hub.send_menu(&menu, lo, hi).await;
        hub.menu_acked(&menu, hi).await;
        sells_nothing(&till).await;
    }
    // A restart in between begins where it was.
    node.restart().await;
    till = node.till();
    let hello = hub.greet().await;
    assert_eq!(hello.positions, [position(&menu.id, &menu.heads[7])]);
    hub.send_menu(&menu, 8, last - 1).await;
    hub.menu_acked(&menu, last - 1).await;
    sells_nothing(&till).await;

    hub.send_menu(&menu, last, last).await;
    hub.menu_acked(&menu, last).await;
    assert_eq!(revision(&till).await, 1);
    let ready = till.ask_openly("/readyz").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &json!(true)));
    till.sold("first", &ticket("T1", &[(ESPRESSO, 1)])).await;
    node.stop().await;
}

#[tokio::test]
async fn a_menu_in_another_currency_than_the_shops_is_not_sold() {
    let (mut node, mut hub) = TestNode::in_session().await;
    let mut menu = MenuJournal::new(77);
    menu.write_items();
    menu.publish_in("EUR", 1);
    hub.serve_menu(&menu).await;
    sells_nothing(&node.till()).await;
    menu.publish(2, 3);
    menu.price_espresso(900);
    menu.publish_in("EUR", 3);
    let last = menu.head().seq;
    hub.send_menu(&menu, last - 2, last).await;
    hub.menu_acked(&menu, last).await;
    for _start in 0..2 {
        let till = node.till();
        assert_eq!((revision(&till).await, price(&till).await), (json!(2), 300), "what it sold before it sells on");
        let sold = till.sell("sale", &ticket("T1", &[(ESPRESSO, 1)])).await.ok();
        assert_eq!(sold["currency"], "USD");
        node.restart().await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_revision_changes_all_prices_at_once_and_no_ticket_of_before() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    let mut listener = till.listen().await;
    let mut menu = MenuJournal::published();
    let before = menu.head().seq;
    let body = ticket("T1", &[(ESPRESSO, 1)]);
    let old = till.sell("old", &body).await.ok();
    listener.hear("ticket").await;

    menu.price_espresso(350);
    hub.send_menu(&menu, before + 1, before + 1).await;
    hub.menu_acked(&menu, before + 1).await;
    assert_eq!(price(&till).await, 300, "a draft is not for sale");
    menu.publish(2, 3);
    hub.send_menu(&menu, before + 2, before + 2).await;
    hub.menu_acked(&menu, before + 2).await;
    assert_eq!((price(&till).await, revision(&till).await), (350, json!(2)));
    assert_eq!(listener.hear("catalog").await, json!({"revision": 2}));

    assert_eq!(till.read(old["ticket_id"].as_str().unwrap()).await, old);
    assert_eq!(till.sell("old", &body).await.ok(), old, "a repeated request is answered as before");
    assert_eq!(till.sell("new", &body).await.ok()["net_minor"], 350);
    drop(listener);
    node.stop().await;
}

#[tokio::test]
async fn a_revision_that_lacks_items_is_not_sold_and_the_next_one_is() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    let mut menu = MenuJournal::published();
    let before = menu.head().seq;
    menu.price_espresso(999);
    menu.publish(2, 4);
    hub.send_menu(&menu, before + 1, menu.head().seq).await;
    hub.menu_acked(&menu, menu.head().seq).await;
    assert_eq!((price(&till).await, revision(&till).await), (300, json!(1)));

    let next = menu.head().seq + 1;
    menu.price_espresso(325);
    menu.publish(3, 3);
    hub.send_menu(&menu, next, menu.head().seq).await;
    hub.menu_acked(&menu, menu.head().seq).await;
    assert_eq!((price(&till).await, revision(&till).await), (325, json!(3)));
    node.stop().await;
}

#[tokio::test]
async fn a_gap_in_the_menu_is_asked_for_again_and_a_repeat_is_once() {
    let (mut node, mut hub) = TestNode::in_session().await;
    let menu = MenuJournal::published();
    let last = menu.head().seq;
    hub.send_menu(&menu, 1, 3).await;
    hub.menu_acked(&menu, 3).await;

    hub.send_menu(&menu, 6, last).await;
    match hub.reply().await {
        FromNode::Resend(resend) => {
            assert_eq!((resend.position, resend.session), (position(&menu.id, &menu.heads[3]), hub.session));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(revision(&node.till()).await, Value::Null);
    // What is sent then overlaps what is held.
    for lo in [2, 1, last] {
        hub.send_menu(&menu, lo, last).await;
        hub.menu_acked(&menu, last).await;
    }
    assert_eq!(revision(&node.till()).await, 1);
    node.stop().await;
}

#[tokio::test]
async fn a_nudge_is_answered_by_whoever_is_behind() {
    let (mut node, mut hub) = TestNode::selling().await;
    let mut menu = MenuJournal::published();
    let held = menu.head();
    // Nothing is said to the first one: the answer that is heard is about the second.
    hub.nudge(&menu).await;
    menu.price_espresso(400);
    hub.nudge(&menu).await;
    let ack = hub.menu_acked(&menu, held.seq).await;
    assert_eq!(ack.position, position(&menu.id, &held));
    let mut other = MenuJournal::new(78);
    other.write_items();
    hub.nudge(&other).await;
    let ack = hub.menu_acked(&other, 0).await;
    assert_eq!(ack.position, position(&other.id, &other.id.genesis()), "a journal that it never heard of");
    node.stop().await;
}

#[tokio::test]
async fn a_batch_that_contradicts_what_is_held_changes_nothing() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    let mut menu = MenuJournal::published();
    let last = menu.head().seq;
    let catalog = till.get("/v1/catalog").await;

    // The same entries with another past: the last but one differs.
    let mut other_past = menu.clone();
    other_past.forget_after(last - 2);
    other_past.price_espresso(1);
    other_past.publish(2, 3);
    other_past.publish(3, 3);
    for lo in [last - 1, last + 1] {
        hub.send_menu(&other_past, lo, last + 1).await;
    }
    // What continues is still taken; its answer is the next one that is heard.
    menu.price_espresso(310);
    hub.send_menu(&menu, last + 1, last + 1).await;
    match hub.reply().await {
        FromNode::Ack(ack) => assert_eq!(ack.position, position(&menu.id, &menu.head())),
        other => panic!("{other:?}"),
    }
    assert_eq!(till.get("/v1/catalog").await, catalog);
    node.stop().await;
}

#[tokio::test]
async fn a_fact_of_a_newer_program_in_the_menu_stops_nobody() {
    let (mut node, mut hub) = TestNode::selling().await;
    let mut menu = MenuJournal::published();
    let before = menu.head().seq;
    menu.say_from_the_future();
    menu.price_espresso(290);
    menu.publish(2, 3);
    menu.say_from_the_future();
    hub.send_menu(&menu, before + 1, menu.head().seq).await;
    hub.menu_acked(&menu, menu.head().seq).await;
    assert_eq!(price(&node.till()).await, 290);
    let unread = node.till().get("/v1/node").await["unread"].clone();
    let expected = json!([{"incarnation": menu.id.incarnation.to_string(), "stream": "catalog", "count": 2,
        "first_seq": before + 1, "since_ms": NOON_MS}]);
    assert_eq!(unread, expected, "and a manager sees it");
    node.restart().await;
    assert_eq!(price(&node.till()).await, 290, "nor after a restart");
    node.till().sold("sale", &ticket("T1", &[(BAG, 1)])).await;
    assert_eq!(node.till().get("/v1/node").await["unread"], expected, "for as long as the program is older");
    node.stop().await;
}

#[tokio::test]
async fn a_new_journal_of_the_menu_is_sold_once_it_is_whole() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    let mut anew = MenuJournal::new(78);
    anew.write_items();
    anew.price_espresso(500);
    let written = anew.head().seq;
    hub.send_menu(&anew, 1, written).await;
    hub.menu_acked(&anew, written).await;
    assert_eq!((price(&till).await, revision(&till).await), (300, json!(1)), "the one before, until then");
    anew.publish(9, 3);
    hub.send_menu(&anew, written + 1, written + 1).await;
    hub.menu_acked(&anew, written + 1).await;
    assert_eq!((price(&till).await, revision(&till).await), (500, json!(9)));
    node.stop().await;
}

#[tokio::test]
async fn a_menu_with_a_long_history_is_read_to_its_end() {
    let mut node = TestNode::lonely().await;
    node.stop().await;
    // Prices that change for years: more entries than any list that a node reads at once.
    let mut menu = MenuJournal::published();
    while menu.head().seq < 100_100 {
        menu.price_espresso(i64::try_from(menu.head().seq).unwrap());
    }
    menu.publish(2, 3);
    program::put_menu(&node.database(), &menu);
    node.open().await;
    assert_eq!((price(&node.till()).await, revision(&node.till()).await), (100_099, json!(2)));
    node.stop().await;
}

#[tokio::test]
async fn nonsense_from_the_hub_stops_nobody() {
    let (mut node, mut hub) = TestNode::in_session().await;
    let id = NodeId::new(NODE);
    for topic in [Topic::DownSession(id), Topic::Down(id), Topic::AllDown(StreamKind::Catalog)] {
        hub.publish(topic, b"nonsense").await;
        hub.publish(topic, b"").await;
    }
    let menu = MenuJournal::published();
    hub.serve_menu(&menu).await;
    assert_eq!(revision(&node.till()).await, 1);
    hub.hang_up();
    hub.greet().await;
    eventually("the link", || async { (node.till().get("/v1/node").await["link"] == "up").then_some(()) }).await;
    node.stop().await;
}

#[tokio::test]
async fn a_package_is_found_by_what_the_scanner_reads() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let scan = async |code: &str| till.ask(&format!("/v1/catalog/scan?code={code}")).await;
    assert_eq!(scan(BAG_CODE).await.ok(), json!({"item": BAG, "lot": null}));
    assert_eq!(scan(&format!("0{BAG_CODE}")).await.ok()["item"], BAG);
    let link = format!("https%3A%2F%2Fid.gs1.org%2F01%2F0{BAG_CODE}%2F10%2FAB12");
    assert_eq!(scan(&link).await.ok(), json!({"item": BAG, "lot": "AB12"}));
    assert_eq!(scan("96385074").await.refusal(), (404, "unknown_barcode".to_owned()));
    for code in ["9506000134353", "950600013435", "beans", ""] {
        assert_eq!(scan(code).await.refusal(), (422, "barcode_invalid".to_owned()), "{code}");
    }
    assert_eq!(till.ask("/v1/catalog/scan").await.refusal(), (400, "invalid_query".to_owned()));
    node.stop().await;
}

#[tokio::test]
async fn a_revision_for_other_shops_changes_nothing_here_and_the_next_one_for_all_does() {
    let (mut node, mut hub) = TestNode::selling().await;
    let mut menu = MenuJournal::published();
    let mut held = menu.head().seq;
    for (number, price_minor, stores, (sells, costs)) in [
        (2, 350, &[STORE + 1, STORE + 2][..], (1, 300)),
        (3, 360, &[STORE + 1, STORE][..], (3, 360)),
        (4, 370, &[STORE + 1][..], (3, 360)),
        (5, 370, &[][..], (5, 370)),
    ] {
        menu.price_espresso(price_minor);
        menu.publish_to(number, 3, stores);
        hub.send_menu(&menu, held + 1, menu.head().seq).await;
        held = menu.head().seq;
        hub.menu_acked(&menu, held).await;
        assert_eq!(
            (revision(&node.till()).await, price(&node.till()).await),
            (json!(sells), costs),
            "revision {number}"
        );
    }
    // A life of the hub's service that says the menu whole, and publishes it to others, takes nothing away.
    let mut later = MenuJournal::new(78);
    later.write_items();
    later.publish_to(6, 3, &[STORE + 1]);
    hub.send_menu(&later, 1, later.head().seq).await;
    hub.menu_acked(&later, later.head().seq).await;
    assert_eq!((revision(&node.till()).await, price(&node.till()).await), (json!(5), 370));
    node.restart().await;
    assert_eq!((revision(&node.till()).await, price(&node.till()).await), (json!(5), 370));
    node.stop().await;
}
