//! Open tickets that were paid in part: to the cent where coins are not asked for, and never stuck, whatever the menu says next.

use percolate_common::domain::catalog::{CatalogEvent, Draft};
use percolate_common::wire::menu::MenuV1;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::Answer;
use crate::support::hub::TestHub;
use crate::support::menu::{ESPRESSO, LATTE, MenuJournal};
use crate::support::node::{TestNode, Till};

/// The menu of a hub, revision after revision.
pub(crate) struct Menu {
    journal: MenuJournal,
    content: Draft,
    revision: u32,
}

impl Menu {
    pub(crate) fn new() -> Self {
        Self { journal: MenuJournal::new(77), content: Draft::default(), revision: 0 }
    }

    /// Publishes espressos and lattes, with what else is said; the till has it afterwards.
    pub(crate) async fn publish(&mut self, till: &Till, hub: &mut TestHub, more: Value) {
        let item = |id: u32, name, price: i64| {
            let mut item = json!({"id": id, "name": name, "price_minor": price});
            for (key, value) in [("category", json!(1)), ("tax_class", json!(1)), ("uses", json!([]))] {
                item[key] = value;
            }
            item
        };
        let mut menu = json!({
            "currency": "USD",
            "tax_classes": [{"id": 1, "name": "Prepared", "rate_micro": 89_000}],
            "categories": [{"id": 1, "name": "Espresso bar"}],
            "stock_items": [],
            "items": [item(ESPRESSO, "Espresso", 300), item(LATTE, "Latte", 375)],
        });
        menu.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let content = serde_json::from_value::<MenuV1>(menu).unwrap().into_draft().unwrap().1;
        content.changes_from(&self.content).iter().for_each(|event| self.journal.say(event));
        self.revision += 1;
        let published = content.revision(self.revision, "USD".parse().unwrap(), Vec::new());
        self.journal.say(&CatalogEvent::RevisionPublished(published));
        self.content = content;
        hub.serve_menu(&self.journal).await;
        let is_here = async || (till.get("/v1/node").await["catalog_revision"] == self.revision).then_some(());
        eventually("the revision", is_here).await;
    }
}

async fn opened(till: &Till, key: &str, lines: Value) -> (String, i64) {
    let ticket = till.post("/v1/open-tickets", key, &json!({"terminal": "T1", "lines": lines})).await.ok();
    (ticket["ticket_id"].as_str().unwrap().to_owned(), ticket["amounts"]["total_minor"].as_i64().unwrap_or(0))
}

async fn post(till: &Till, id: &str, what: &str, key: &str, body: &Value) -> Answer {
    till.post(&format!("/v1/open-tickets/{id}/{what}"), key, body).await
}

async fn paid(till: &Till, id: &str, key: &str, (kind, amount, part): (&str, i64, i64)) -> Answer {
    let body = json!({"terminal": "T1", "tender": {"kind": kind, "amount_minor": amount}, "part_minor": part});
    post(till, id, "payments", key, &body).await
}

async fn closed(till: &Till, id: &str, key: &str, total: i64, tenders: Value) -> Answer {
    post(till, id, "close", key, &json!({"terminal": "T1", "expected_total_minor": total, "tenders": tenders})).await
}

/// That the reading comes out even.
pub(crate) async fn is_even(till: &Till) {
    let sums = till.get("/v1/readings/current").await["sums"].clone();
    let of = |sum: &str| sums[sum].as_i64().unwrap();
    let tenders: i64 =
        sums["tenders"].as_array().unwrap().iter().map(|row| row["amount_minor"].as_i64().unwrap()).sum();
    assert_eq!(tenders, of("gross_minor") + of("tips_minor") + of("cash_rounding_minor"), "{sums}");
}

#[tokio::test]
async fn nobody_pays_less_by_paying_in_many_parts_or_by_card() {
    let (mut node, mut hub) = TestNode::in_session().await;
    let till = node.till();
    let mut menu = Menu::new();
    menu.publish(&till, &mut hub, json!({"cash_step_minor": 5})).await;
    let (id, total) = opened(&till, "open", json!([{"item": ESPRESSO, "quantity": 1}])).await;
    assert_eq!(total, 327);
    assert_eq!(
        paid(&till, &id, "card", ("card_external", 48, 50)).await.refusal(),
        (422, "tender_underpaid".to_owned())
    );
    // Parts of 7 are 5, 10, 5, 10 and so on: 35 together.
    let mut kept = Vec::new();
    for at in 0..5 {
        let answer = paid(&till, &id, &format!("cash-{at}"), ("cash", 10, 7)).await.ok();
        let parts = answer["payments"].as_array().unwrap().clone();
        kept.push(parts.iter().map(|part| 10 - part["change_minor"].as_i64().unwrap()).sum::<i64>());
    }
    assert_eq!(kept, [5, 15, 20, 30, 35]);
    let short = closed(&till, &id, "short", total, json!([{"kind": "card_external", "amount_minor": 290}])).await;
    assert_eq!(short.refusal(), (422, "tender_underpaid".to_owned()));
    closed(&till, &id, "close", total, json!([{"kind": "card_external", "amount_minor": 292}])).await.ok();
    let quick = json!({
        "terminal": "T1", "currency": "USD", "lines": [{"item": ESPRESSO, "quantity": 1}],
        "tenders": [{"kind": "card_external", "amount_minor": 325}],
    });
    assert_eq!(till.sell("quick", &quick).await.refusal(), (422, "tender_underpaid".to_owned()));
    is_even(&till).await;
    node.stop().await;
}

fn combos() -> Value {
    let slot = |item: u32| json!({"name": "Place", "choices": [{"item": item}]});
    json!([{"id": 3, "name": "Start", "price_minor": 500, "slots": [slot(ESPRESSO), slot(LATTE)]}])
}

/// The lines of one set.
fn in_set() -> Value {
    json!([{"item": ESPRESSO, "quantity": 1, "combo": {"id": 3, "slot": 0}},
           {"item": LATTE, "quantity": 1, "combo": {"id": 3, "slot": 1}}])
}

#[tokio::test]
async fn two_tickets_with_a_set_each_come_together_and_are_paid() {
    let (mut node, mut hub) = TestNode::in_session().await;
    let till = node.till();
    Menu::new().publish(&till, &mut hub, json!({"combos": combos()})).await;
    let (first, one) = opened(&till, "first", in_set()).await;
    let (second, _) = opened(&till, "second", in_set()).await;
    assert_eq!(one, 545);
    let both = post(&till, &second, "divisions", "merge", &json!({"to": first})).await.ok();
    assert_eq!((&both["amounts"]["net_minor"], &both["amounts"]["total_minor"]), (&json!(1_000), &json!(1_089)));
    closed(&till, &first, "close", 1_089, json!([{"kind": "cash", "amount_minor": 1_089}])).await.ok();
    node.stop().await;
}

#[tokio::test]
async fn a_ticket_that_was_paid_in_part_ends_whatever_the_next_menu_says() {
    let (mut node, mut hub) = TestNode::in_session().await;
    let till = node.till();
    let mut menu = Menu::new();
    menu.publish(&till, &mut hub, json!({"combos": combos()})).await;
    let drawer = till.post("/v1/drawers", "drawer", &json!({"terminal": "T1", "float_minor": 1_000})).await.ok();
    let (all_paid, total) = opened(&till, "all", json!([{"item": ESPRESSO, "quantity": 10}])).await;
    paid(&till, &all_paid, "all-paid", ("card_external", total, total)).await.ok();
    let (with_set, set_total) = opened(&till, "set", in_set()).await;
    paid(&till, &with_set, "set-paid", ("card_external", 300, 300)).await.ok();
    assert_eq!((total, set_total), (3_267, 545));

    let cheaper = json!([{"id": 1, "name": "Prepared", "rate_micro": 80_000}]);
    menu.publish(&till, &mut hub, json!({"tax_classes": cheaper, "cash_step_minor": 5})).await;
    let ticket = till.get(&format!("/v1/open-tickets/{all_paid}")).await;
    assert_eq!((&ticket["amounts"]["total_minor"], &ticket["amounts"]["due_minor"]), (&json!(3_240), &json!(-27)));
    let sold = closed(&till, &all_paid, "close-all", 3_240, json!([])).await.ok();
    assert_eq!((&sold["change_minor"], &sold["cash_rounding_minor"]), (&json!(25), &json!(2)));
    let id = sold["ticket_id"].as_str().unwrap();
    let left = json!([{"kind": "card_external", "amount_minor": 3_242}, {"kind": "cash", "amount_minor": 0}]);
    assert_eq!(till.get(&format!("/v1/tickets/{id}")).await["refundable"]["tenders"], left);
    let back = till
        .post(&format!("/v1/tickets/{id}/refunds"), "back", &json!({"terminal": "T1", "reason": "void"}))
        .await
        .ok();
    assert_eq!(back["tenders"], json!([{"kind": "card_external", "amount_minor": 3_242}]));

    // 6.75 at list prices, and 8 % tax.
    let more = post(&till, &with_set, "lines", "more", &json!({"lines": [{"item": LATTE, "quantity": 1}]})).await.ok();
    let lines = json!({"lines": [more["lines"][2]["line_id"]], "reason": "mistake"});
    post(&till, &with_set, "voids", "void", &lines).await.ok();
    closed(&till, &with_set, "close-set", 729, json!([{"kind": "card_external", "amount_minor": 429}])).await.ok();
    let path = format!("/v1/drawers/{}/close", drawer["drawer"].as_str().unwrap());
    let count = till.post(&path, "count", &json!({"counted_minor": 975})).await.ok();
    assert_eq!(count["count"]["difference_minor"], 0, "the change came out of the drawer");
    is_even(&till).await;
    let books = node.books();
    books.check();
    books.check_served(&till).await;
    node.stop().await;
}

#[tokio::test]
async fn what_makes_a_ticket_too_large_to_be_sold_is_refused_when_it_comes() {
    let (mut node, mut hub) = TestNode::in_session().await;
    let till = node.till();
    Menu::new().publish(&till, &mut hub, json!({})).await;
    let discount = json!({"percent_micro": 1, "reason": "x".repeat(80)});
    let line = json!({"item": LATTE, "quantity": 1, "discounts": [discount, discount, discount, discount]});
    let forty = json!({"lines": vec![line; 40]});
    let (id, _) = opened(&till, "open", json!([])).await;
    let mut refusals = Vec::new();
    for at in 0..5 {
        let answer = post(&till, &id, "lines", &format!("forty-{at}"), &forty).await;
        if answer.status >= 300 {
            refusals.push(answer.refusal());
        }
    }
    let too_large = (422, "entry_too_large".to_owned());
    assert_eq!(refusals, [too_large.clone(), too_large]);
    let ticket = till.get(&format!("/v1/open-tickets/{id}")).await;
    assert_eq!(ticket["lines"].as_array().unwrap().len(), 120, "nothing of what is refused stays");
    let total = ticket["amounts"]["total_minor"].as_i64().unwrap();
    for at in 0..50 {
        paid(&till, &id, &format!("part-{at}"), ("card_external", 1, 1)).await.ok();
    }
    let cards: Vec<_> = (1..=8)
        .map(|at| json!({"kind": "card_external", "amount_minor": if at < 8 { 1 } else { total - 57 }, "reference": "R".repeat(32)}))
        .collect();
    closed(&till, &id, "close", total, json!(cards)).await.ok();
    node.stop().await;
}
