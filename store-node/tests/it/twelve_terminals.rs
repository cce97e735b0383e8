//! Twelve terminals of a shop without a line: what one of them does all of them see, and all see the same.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::feed::Listener;
use crate::support::menu::{ESPRESSO, LATTE};
use crate::support::node::{TestNode, Till, ticket};
use crate::support::people::paired;

const TERMINALS: usize = 12;
/// What each of them sells.
const SALES: usize = 4;

/// What every till may read of the shop.
const READS: [&str; 7] = [
    "/v1/catalog",
    "/v1/tickets",
    "/v1/open-tickets",
    "/v1/stock",
    "/v1/drawers",
    "/v1/business-day",
    "/v1/readings/current",
];

/// What a terminal does in the rush: it opens its drawer, sells, adds to a ticket that another has opened, and opens its own.
async fn rush(till: Till, terminal: String, shared: String) {
    let key = |what: &str| format!("{terminal}-{what}");
    let created = async |path: &str, key: &str, body: &Value| {
        let answer = till.post(path, key, body).await;
        assert!(matches!(answer.status, 200 | 201), "{path} {key}: {answer:?}");
    };
    created("/v1/drawers", &key("drawer"), &json!({"terminal": terminal, "float_minor": 5_000})).await;
    for sale in 0..SALES {
        till.sold(&key(&format!("sale-{sale}")), &ticket(&terminal, &[(ESPRESSO, 1)])).await;
    }
    let lines = json!([{"item": LATTE, "quantity": 1}]);
    created(&format!("/v1/open-tickets/{shared}/lines"), &key("add"), &json!({"lines": lines})).await;
    created("/v1/open-tickets", &key("open"), &json!({"terminal": terminal, "lines": lines})).await;
}

/// The receipts that a terminal hears of, in the order in which it does.
async fn heard(mut screen: Listener) -> Vec<String> {
    let mut receipts = Vec::new();
    while receipts.len() < TERMINALS * SALES {
        receipts.push(screen.hear("ticket").await["receipt"].as_str().unwrap().to_owned());
    }
    receipts
}

#[tokio::test]
async fn p34_twelve_terminals_that_sell_at_once_without_the_internet_all_see_the_same() {
    let (mut node, mut hub) = TestNode::selling().await;
    hub.go_away();
    let here = node.till();
    let (mut tills, mut screens) = (Vec::new(), JoinSet::new());
    for number in 1..=TERMINALS {
        let till = paired(&here, &format!("T{number}")).await;
        screens.spawn(heard(till.listen().await));
        tills.push(till);
    }
    let shared = json!({"terminal": "T1", "lines": [{"item": ESPRESSO, "quantity": 1}]});
    let shared = tills[0].post("/v1/open-tickets", "shared", &shared).await.json();
    let shared = shared["ticket_id"].as_str().unwrap().to_owned();
    let mut rushes = JoinSet::new();
    for (till, number) in tills.iter().zip(1..) {
        rushes.spawn(rush(till.clone(), format!("T{number}"), shared.clone()));
    }
    rushes.join_all().await;

    let feeds: BTreeSet<Vec<String>> = screens.join_all().await.into_iter().collect();
    assert_eq!(feeds.len(), 1, "all hear the same, in one order: {feeds:?}");
    let receipts: BTreeSet<&String> = feeds.iter().flatten().collect();
    assert_eq!(receipts.len(), TERMINALS * SALES, "and each ticket once");
    for path in READS {
        let first = tills[0].get(path).await;
        for till in &tills {
            assert_eq!(till.get(path).await, first, "{path}");
        }
    }
    let shared = here.get(&format!("/v1/open-tickets/{shared}")).await;
    let lattes = shared["lines"].as_array().unwrap().iter().filter(|line| line["item"] == LATTE).count();
    assert_eq!(lattes, TERMINALS, "whoever adds at once has added: {shared}");
    assert_eq!(here.get("/v1/open-tickets").await["count"], TERMINALS + 1);
    assert_eq!(here.get("/v1/drawers").await["rows"].as_array().unwrap().len(), TERMINALS);
    assert_eq!(here.get("/v1/business-day").await["tickets"], TERMINALS * SALES);

    let books = node.books();
    books.check();
    books.check_served(&here).await;
    assert_eq!(books.sold().len(), TERMINALS * SALES);
    node.stop().await;
}
