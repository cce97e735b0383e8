//! What a guest may want beyond a plain item, over the real API: quoted and sold alike, frozen, and refused with its place.

use percolate_common::domain::catalog::{CatalogEvent, Draft, Revision};
use percolate_common::ids::StoreId;
use percolate_common::wire::menu::MenuV1;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::hub::TestHub;
use crate::support::menu::{BAG, BEANS, ESPRESSO, LATTE, MILK, MenuJournal};
use crate::support::node::{STORE, TestNode, Till};

/// Oat milk, as a stock item and as an extra.
const OAT: u32 = 5;
const OAT_EXTRA: u32 = 7;

/// The three items with everything that a menu may say of them.
fn rich_menu() -> Draft {
    let menu = json!({
        "currency": "USD",
        "tax_classes": [{"id": 1, "name": "Prepared", "rate_micro": 89_000}, {"id": 2, "name": "Groceries", "rate_micro": 49_000}],
        "categories": [{"id": 1, "name": "Espresso bar"}, {"id": 2, "name": "Beans"}],
        "stock_items": [{"id": BEANS, "name": "beans", "unit": "mg"}, {"id": 2, "name": "cups", "unit": "each"},
                        {"id": MILK, "name": "milk", "unit": "ul"}, {"id": OAT, "name": "oat milk", "unit": "ul"}],
        "items": [
            {"id": ESPRESSO, "name": "Espresso", "category": 1, "tax_class": 1, "price_minor": 300, "uses": []},
            {"id": LATTE, "name": "Latte", "category": 1, "tax_class": 1, "price_minor": 375, "modifier_groups": [1],
             "uses": [{"stock_item": BEANS, "quantity": 18_000}, {"stock_item": MILK, "quantity": 240_000}]},
            {"id": BAG, "name": "Bag", "category": 2, "tax_class": 2, "price_minor": 1_800, "uses": []}],
        "modifier_groups": [{"id": 1, "name": "Milk", "at_least": 0, "at_most": 1, "modifiers": [OAT_EXTRA]}],
        "modifiers": [{"id": OAT_EXTRA, "name": "Oat milk", "price_minor": 80, "swap": {"from": MILK, "to": OAT}}],
        "combos": [{"id": 3, "name": "Start", "price_minor": 500, "slots": [
            {"name": "First", "choices": [{"item": ESPRESSO}]}, {"name": "Second", "choices": [{"item": LATTE}]}]}],
        "tax_rules": [{"id": 1, "tax_class": 2, "consumption": "dine_in", "from": "2026-01-01", "rate_micro": 89_000}],
        "discounts": [{"id": 5, "name": "Regulars", "scope": "ticket", "percent_micro": 100_000}],
    });
    serde_json::from_value::<MenuV1>(menu).unwrap().into_draft().unwrap().1
}

async fn selling() -> (TestNode, TestHub) {
    let (node, mut hub) = TestNode::in_session().await;
    let (menu, content) = (&mut MenuJournal::new(77), rich_menu());
    content.changes_from(&Draft::default()).iter().for_each(|event| menu.say(event));
    menu.say(&CatalogEvent::RevisionPublished(content.revision(1, "USD".parse().unwrap(), Vec::new())));
    let last = menu.head().seq;
    hub.send_menu(menu, 1, last).await;
    hub.menu_acked(menu, last).await;
    (node, hub)
}

/// What the cart comes to when it is asked for, and when it is sold: net, tax and total.
async fn both(till: &Till, key: &str, cart: &Value) -> (Value, Value) {
    let mut body = cart.clone();
    let tip = body.as_object_mut().unwrap().remove("tip_minor");
    let quoted = till.post("/v1/quotes", "unused", &body).await.ok();
    body["tip_minor"] = tip.unwrap_or(json!(0));
    body["terminal"] = json!("T1");
    body["currency"] = json!("USD");
    let due = quoted["total_minor"].as_i64().unwrap() + body["tip_minor"].as_i64().unwrap();
    body["tenders"] = if due > 0 { json!([{"kind": "cash", "amount_minor": due}]) } else { json!([]) };
    let sold = till.sell(key, &body).await.ok();
    for sum in ["net_minor", "tax_minor", "total_minor", "lines", "taxes", "discounts", "service_charge_minor"] {
        assert_eq!(quoted[sum], sold[sum], "{sum}");
    }
    let read = till.read(sold["ticket_id"].as_str().unwrap()).await;
    assert_eq!(read, sold, "what is read later is what was answered");
    (quoted, sold)
}

fn sums(answer: &Value) -> [i64; 3] {
    ["net_minor", "tax_minor", "total_minor"].map(|sum| answer[sum].as_i64().unwrap())
}

async fn on_hand(till: &Till, item: u32) -> i64 {
    let stock = till.get("/v1/stock").await;
    let row = stock["rows"].as_array().unwrap().iter().find(|row| row["stock_item"] == item).cloned();
    row.map_or(0, |row| row["on_hand"].as_i64().unwrap())
}

#[tokio::test]
async fn extras_sets_discounts_and_changed_prices_are_quoted_and_sold_alike() {
    let (mut node, _hub) = selling().await;
    let till = node.till();
    let oat = json!({"lines": [{"item": LATTE, "quantity": 2, "extras": [{"modifier": OAT_EXTRA}]}]});
    let (_, sold) = both(&till, "oat", &oat).await;
    assert_eq!(sums(&sold), [910, 81, 991]);
    assert_eq!(sold["lines"][0]["extras"][0]["name"], "Oat milk");
    assert_eq!((on_hand(&till, MILK).await, on_hand(&till, OAT).await), (0, -480_000), "oat in the place of milk");

    let set = json!({"lines": [{"item": ESPRESSO, "quantity": 1, "combo": {"id": 3, "slot": 0}},
                               {"item": LATTE, "quantity": 1, "combo": {"id": 3, "slot": 1}}]});
    let (_, sold) = both(&till, "set", &set).await;
    assert_eq!(sums(&sold), [500, 45, 545]);
    assert_eq!(sold["lines"][0]["reductions"][0]["kind"], "combo");

    let off = json!({"lines": [{"item": ESPRESSO, "quantity": 1, "discounts": [{"amount_minor": 100, "reason": "spilt"}]},
                               {"item": BAG, "quantity": 1, "price_minor": 1_500}],
                     "discounts": [{"id": 5}], "tip_minor": 100});
    let (_, sold) = both(&till, "off", &off).await;
    // 2.00 and 15.00 less a tenth: 1.80 and 13.50.
    assert_eq!((sums(&sold), &sold["tip_minor"]), ([1_530, 82, 1_612], &json!(100)));
    assert_eq!(sold["lines"][1]["menu_price_minor"], 1_800);
    assert_eq!(sold["discounts"][0], json!({"id": null, "line": 0, "reason": "spilt", "amount_minor": 100}));
    node.stop().await;
}

#[tokio::test]
async fn eating_in_and_exemption_change_the_tax_and_nothing_else() {
    let (mut node, _hub) = selling().await;
    let till = node.till();
    let cart = |more: Value| {
        let mut cart = json!({"lines": [{"item": BAG, "quantity": 1}]});
        cart.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cart
    };
    assert_eq!(sums(&both(&till, "away", &cart(json!({}))).await.1), [1_800, 88, 1_888]);
    let (_, here) = both(&till, "here", &cart(json!({"consumption": "dine_in"}))).await;
    assert_eq!((sums(&here), &here["consumption"]), ([1_800, 160, 1_960], &json!("dine_in")));
    let (_, exempt) = both(&till, "exempt", &cart(json!({"exempt_reason": "certificate 12"}))).await;
    assert_eq!((sums(&exempt), &exempt["exempt_reason"]), ([1_800, 0, 1_800], &json!("certificate 12")));
    node.stop().await;
}

#[tokio::test]
async fn whatever_cannot_be_priced_is_refused_with_its_place() {
    let (mut node, _hub) = selling().await;
    let till = node.till();
    let line = |more: Value| {
        let mut line = json!({"item": LATTE, "quantity": 1});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"lines": [line]})
    };
    let cases = [
        (line(json!({"extras": [{"modifier": 9}]})), "unknown_extra", "/lines/0/extras"),
        (line(json!({"extras": [{"modifier": OAT_EXTRA, "count": 0}]})), "extras_malformed", "/lines/0/extras"),
        (line(json!({"extras": [{"modifier": OAT_EXTRA, "count": 2}]})), "extra_count", "/lines/0/extras"),
        (line(json!({"price_minor": -1})), "price_out_of_range", "/lines/0/price_minor"),
        (line(json!({"combo": {"id": 9, "slot": 0}})), "unknown_combo", "/lines/0/combo"),
        (line(json!({"combo": {"id": 3, "slot": 1}})), "combo_incomplete", "/lines/0/combo"),
        (line(json!({"discounts": [{"amount_minor": 1}]})), "reason_needed", "/lines/0/discounts/0"),
        (line(json!({"discounts": [{"id": 5}]})), "unknown_discount", "/lines/0/discounts/0"),
        (line(json!({"discounts": [{"id": 5, "amount_minor": 1}]})), "discount_ambiguous", "/lines/0/discounts/0"),
        (
            line(json!({"discounts": [{"percent_micro": 1_000_001, "reason": "x"}]})),
            "discount_out_of_range",
            "/lines/0/discounts/0",
        ),
    ];
    for (cart, code, pointer) in cases {
        let refused = till.post("/v1/quotes", "unused", &cart).await;
        assert_eq!(refused.refusal(), (422, code.to_owned()), "{cart}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{cart}");
    }
    assert_eq!(till.last_seq("sales").await, 0, "nothing was sold");
    node.stop().await;
}

#[tokio::test]
async fn a_revision_for_other_shops_is_not_sold_here_and_the_next_for_all_is() {
    let (mut node, mut hub) = TestNode::in_session().await;
    let till = node.till();
    let mut menu = MenuJournal::published();
    let sent = menu.head().seq;
    hub.send_menu(&menu, 1, sent).await;
    hub.menu_acked(&menu, sent).await;
    menu.price_espresso(325);
    let cohort = |stores: Vec<StoreId>, number| Revision {
        number,
        currency: "USD".parse().unwrap(),
        item_count: 3,
        rule_count: 0,
        stores,
    };
    menu.say(&CatalogEvent::RevisionPublished(cohort(vec![StoreId::new(STORE + 1)], 2)));
    hub.send_menu(&menu, sent + 1, menu.head().seq).await;
    hub.menu_acked(&menu, menu.head().seq).await;
    let price = async || {
        let quote = till.post("/v1/quotes", "unused", &json!({"lines": [{"item": ESPRESSO, "quantity": 1}]})).await;
        quote.ok()["net_minor"].as_i64().unwrap()
    };
    assert_eq!(price().await, 300, "another shop tries it first");
    let before = menu.head().seq;
    menu.say(&CatalogEvent::RevisionPublished(cohort(Vec::new(), 3)));
    hub.send_menu(&menu, before + 1, menu.head().seq).await;
    hub.menu_acked(&menu, menu.head().seq).await;
    eventually("the new price", async || (price().await == 325).then_some(())).await;
    node.stop().await;
}
