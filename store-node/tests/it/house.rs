//! House accounts: what the menu lets somebody run up, with an approval, and not a cent more.

use percolate_common::domain::catalog::rules::{HouseAccount, Rule};
use percolate_common::domain::catalog::{CatalogEvent, Revision};
use percolate_common::ids::HouseAccountId;
use percolate_common::money::{Currency, Minor};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::chain::TestChain;
use crate::support::http::{Answer, Request};
use crate::support::installed::{bundle, install};
use crate::support::menu::{ESPRESSO, MenuJournal};
use crate::support::node::{TestNode, Till, practice, ticket};
use crate::support::people::{BEN, CY, by, paired, people, signed_in};

/// What an espresso costs with its tax.
const ESPRESSO_MINOR: i64 = 327;
const ATELIER: u32 = 3;

/// The three items, and an account that takes ten dollars of a ticket and fifteen of a day.
fn menu() -> MenuJournal {
    let mut menu = MenuJournal::new(77);
    menu.write_items();
    let account = HouseAccount {
        id: HouseAccountId::new(ATELIER),
        name: "Atelier".to_owned(),
        per_ticket: Minor::new(1_000),
        per_day: Minor::new(1_500),
    };
    menu.say(&CatalogEvent::RuleSet(Box::new(Rule::HouseAccount(account))));
    let revision = Revision { number: 1, currency: Currency::USD, item_count: 3, rule_count: 1, stores: Vec::new() };
    menu.say(&CatalogEvent::RevisionPublished(revision));
    menu
}

async fn selling() -> TestNode {
    let mut node = TestNode::prepare();
    let menu = menu();
    let frame = menu.batch(1, menu.head().seq, 0).encode().unwrap();
    let mut bundle = bundle(&TestChain::new(1), "https://127.0.0.1:1", "127.0.0.1:1");
    bundle.journals = vec![frame.into()];
    bundle.site.staff = people();
    install(&mut node, &bundle);
    node.open().await;
    node
}

fn house(amount: i64) -> Value {
    json!({"kind": "house", "account": ATELIER, "amount_minor": amount})
}

/// So many espressos on these tenders.
fn espressos(count: u32, tenders: Value) -> Value {
    let mut body = ticket("T1", &[(ESPRESSO, count)]);
    body["tenders"] = tenders;
    body
}

fn refused(code: &str) -> (u16, String) {
    (422, code.to_owned())
}

async fn on_account(till: &Till) -> Value {
    let day = till.get("/v1/business-day").await;
    let reading = till.get("/v1/readings/current").await;
    assert_eq!(day["tenders"], reading["sums"]["tenders"], "the day and the reading say the same");
    day["tenders"].clone()
}

async fn sent(till: &Till, path: &str, key: &str, body: &Value, (person, approval): (&str, Option<&str>)) -> Answer {
    let request = by(Request::new("POST", path).header("idempotency-key", key).json(body), person);
    till.send(match approval {
        Some(token) => request.header("percolate-approval", token),
        None => request,
    })
    .await
}

/// Cy's approval.
async fn approval(till: &Till, reason: &str) -> String {
    let body = json!({"staff": CY.0, "pin": CY.1, "act": "house_account", "reason": reason});
    let answer = till.send(Request::new("POST", "/v1/approvals").json(&body)).await.ok();
    answer["approval"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_account_takes_so_much_of_a_ticket_and_of_a_day_and_what_is_given_back_gives_room() {
    let mut node = selling().await;
    let till = node.till();
    let catalog = till.get("/v1/catalog").await;
    let account = json!({"id": ATELIER, "name": "Atelier", "per_ticket_minor": 1_000, "per_day_minor": 1_500});
    assert_eq!(catalog["house_accounts"], json!([account]));
    for (key, tenders, code) in [
        ("nobodys", json!([{"kind": "house", "account": 9, "amount_minor": 980}]), "house_unknown"),
        ("unnamed", json!([{"kind": "house", "amount_minor": 980}]), "house_unknown"),
        ("cash", json!([{"kind": "cash", "account": 3, "amount_minor": 980}]), "house_unknown"),
        (
            "reference",
            json!([{"kind": "house", "account": 3, "amount_minor": 980, "reference": "x"}]),
            "reference_invalid",
        ),
        ("over", json!([house(1_000)]), "tender_card_overpaid"),
        ("large", json!([house(900), house(101)]), "house_limit"),
    ] {
        assert_eq!(till.sell(key, &espressos(3, tenders)).await.refusal(), refused(code), "{key}");
    }
    let mut tipped = espressos(3, json!([house(1_000)]));
    tipped["tip_minor"] = json!(20);
    let first = till.sell("first", &tipped).await.ok();
    assert_eq!((&first["tip_minor"], &first["change_minor"]), (&json!(20), &json!(0)));
    let too_much =
        till.sell("too-much", &espressos(2, json!([house(501), {"kind": "cash", "amount_minor": 500}]))).await;
    assert_eq!(too_much.refusal(), refused("house_limit"));
    assert_eq!(too_much.json()["errors"][0]["pointer"], "/tenders/0/account");
    till.sold("second", &espressos(2, json!([house(500), {"kind": "cash", "amount_minor": 500}]))).await;
    assert_eq!(till.sell("full", &espressos(1, json!([house(327)]))).await.refusal(), refused("house_limit"));
    till.sold("practised", &practice(espressos(1, json!([house(327)])))).await;
    let kinds = |cash: i64, house: i64| json!([{"kind": "cash", "amount_minor": cash}, {"kind": "house", "amount_minor": house}]);
    assert_eq!(on_account(&till).await, kinds(153, 1_500));

    let id = first["ticket_id"].as_str().unwrap();
    let path = format!("/v1/tickets/{id}/refunds");
    let left = till.get(&format!("/v1/tickets/{id}")).await["refundable"]["tenders"].clone();
    assert_eq!(left, json!([{"kind": "house", "account": ATELIER, "amount_minor": 1_000}]));
    let mut piece = json!({"terminal": "T1", "reason": "quality", "lines": [{"line": 0, "quantity": 1}]});
    let back = till.post(&path, "back", &piece).await.ok();
    assert_eq!(back["tenders"], json!([{"kind": "house", "account": ATELIER, "amount_minor": 327}]));
    piece["tenders"] = json!([{"kind": "house", "account": 9, "amount_minor": 326}]);
    assert_eq!(till.post(&path, "other", &piece).await.refusal(), refused("refund_tender"));
    till.sold("room", &espressos(1, json!([house(327)]))).await;
    assert_eq!(on_account(&till).await, kinds(153, 1_500));
    node.clock.step(24 * 3_600_000);
    till.sold("next-day", &espressos(3, json!([house(980)]))).await;
    node.books().check_served(&till).await;
    let closed = till.post("/v1/readings", "z", &json!({})).await.ok()["reading"].clone();
    assert_eq!(closed["sums"]["tenders"], kinds(153, 2_480));
    node.stop().await;
}

#[tokio::test]
async fn of_eight_sales_at_once_an_account_takes_as_many_as_its_day_has_room_for() {
    let mut node = selling().await;
    let till = node.till();
    let mut selling = JoinSet::new();
    for at in 0..8 {
        let till = till.clone();
        let body = espressos(1, json!([house(327)]));
        selling.spawn(async move { till.sell(&format!("at-once-{at}"), &body).await });
    }
    let (sold, over): (Vec<_>, Vec<_>) = selling.join_all().await.into_iter().partition(|it| it.status == 201);
    assert_eq!((sold.len(), over.len()), (4, 4), "four times 3.27 are below 15.00, and five are not");
    assert!(over.iter().all(|answer| answer.refusal() == refused("house_limit")), "{over:?}");
    assert_eq!(on_account(&till).await, json!([{"kind": "house", "amount_minor": 4 * 327}]));
    node.stop().await;
}

#[tokio::test]
async fn parts_and_the_rest_of_an_open_ticket_go_on_an_account_with_an_approval_each() {
    let mut node = selling().await;
    let till = paired(&node.till(), "T1").await;
    let (ben, cy) = (signed_in(&till, BEN).await, signed_in(&till, CY).await);
    let sale = espressos(1, json!([house(327)]));
    let needed = sent(&till, "/v1/tickets", "needed", &sale, (&ben, None)).await;
    assert_eq!(needed.refusal(), (403, "approval_needed".to_owned()));
    let token = approval(&till, "Friday").await;
    let sold = sent(&till, "/v1/tickets", "sold", &sale, (&ben, Some(&token))).await.ok();
    assert_eq!(sold["approvals"], json!([{"act": "house_account", "by": CY.0, "reason": "Friday"}]));
    let used = sent(&till, "/v1/tickets", "again", &sale, (&ben, Some(&token))).await;
    assert_eq!(used.refusal(), (403, "approval_ended".to_owned()));

    let lines = json!({"terminal": "T1", "lines": [{"item": ESPRESSO, "quantity": 3}]});
    let opened = till.post("/v1/open-tickets", "open", &lines).await.ok();
    let path = |what: &str| format!("/v1/open-tickets/{}/{what}", opened["ticket_id"].as_str().unwrap());
    let part = |amount: i64| json!({"terminal": "T1", "tender": house(amount), "part_minor": amount});
    let needed = sent(&till, &path("payments"), "part", &part(600), (&ben, None)).await;
    assert_eq!(needed.refusal(), (403, "approval_needed".to_owned()));
    sent(&till, &path("payments"), "part", &part(600), (&cy, None)).await.ok();
    let close = |tenders: Value| json!({"terminal": "T1", "expected_total_minor": 980, "tenders": tenders});
    let token = approval(&till, "party").await;
    let more = sent(&till, &path("payments"), "more", &part(380), (&cy, None)).await.ok();
    assert_eq!(more["amounts"]["due_minor"], 0);
    let closed = sent(&till, &path("close"), "close", &close(json!([])), (&ben, None)).await.ok();
    assert_eq!((&closed["total_minor"], &closed["paid_before_minor"]), (&json!(980), &json!(980)));

    let opened = till.post("/v1/open-tickets", "open-2", &lines).await.ok();
    let path = format!("/v1/open-tickets/{}/close", opened["ticket_id"].as_str().unwrap());
    let over = close(json!([house(300), {"kind": "cash", "amount_minor": 680}]));
    assert_eq!(
        sent(&till, &path, "over", &over, (&cy, None)).await.refusal(),
        refused("house_limit"),
        "193 of the day are left"
    );
    let rest = close(json!([house(193), {"kind": "cash", "amount_minor": 787}]));
    assert_eq!(sent(&till, &path, "rest", &rest, (&ben, None)).await.refusal(), (403, "approval_needed".to_owned()));
    let answer = sent(&till, &path, "rest", &rest, (&ben, Some(&token))).await.ok();
    assert_eq!(answer["approvals"][0]["act"], "house_account");
    let expected = json!([{"kind": "cash", "amount_minor": 787}, {"kind": "house", "amount_minor": 1_500}]);
    assert_eq!(on_account(&till).await, expected);
    assert_eq!(ESPRESSO_MINOR + 600 + 380 + 193, 1_500);
    node.stop().await;
}
