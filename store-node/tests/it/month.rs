//! A month without a line: what a shop does in thirty days stays, adds up, and arrives when the line is back.

use std::collections::BTreeSet;

use percolate_common::journal::StreamKind;
use serde_json::{Value, json};

use crate::support::hub::TestHub;
use crate::support::menu::{BEANS, ESPRESSO, LATTE};
use crate::support::node::{NOON_MS, TestNode, Till, ticket};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const DAYS: i64 = 30;
/// The box is started again after so many days.
const RESTART_EVERY: i64 = 4;

/// What an espresso and a latte cost with their tax.
const ESPRESSO_MINOR: i64 = 327;
const LATTE_MINOR: i64 = 408;

async fn written(till: &Till, path: &str, key: &str, body: &Value) -> Value {
    let answer = till.post(path, key, body).await;
    assert_eq!(answer.status, 201, "{path} {key}: {answer:?}");
    answer.json()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

/// What a day came to, as those behind the counter know it.
#[derive(Debug, Default)]
struct Day {
    tickets: i64,
    gross: i64,
    /// In the drawer beside its float.
    cash: i64,
    card: i64,
    refunds: i64,
}

/// One business day, from the float to the close. `left` is the ticket that was open over night, and then the one that is left.
async fn trade(node: &TestNode, till: &Till, day: i64, left: &mut Option<String>) -> Day {
    let key = |what: &str| format!("{day}-{what}");
    let mut sums = Day::default();
    node.clock.set(NOON_MS + day * DAY_MS);
    let drawer = written(till, "/v1/drawers", &key("drawer"), &json!({"terminal": "T1", "float_minor": 5_000})).await;
    if let Some(open) = left.take() {
        let paid = json!({"terminal": "T1", "expected_total_minor": LATTE_MINOR,
            "tenders": [{"kind": "cash", "amount_minor": LATTE_MINOR}]});
        written(till, &format!("/v1/open-tickets/{open}/close"), &key("paid"), &paid).await;
        sums.add(LATTE_MINOR, 0);
    }
    let mut last = String::new();
    for number in 0..4 {
        node.clock.step(HOUR_MS);
        let sale = written(till, "/v1/tickets", &key(&format!("cash-{number}")), &ticket("T1", &[(ESPRESSO, 1)])).await;
        sums.add(ESPRESSO_MINOR, 0);
        let mut by_card = ticket("T2", &[(LATTE, 1)]);
        by_card["tenders"] = json!([{"kind": "card_external", "amount_minor": LATTE_MINOR}]);
        written(till, "/v1/tickets", &key(&format!("card-{number}")), &by_card).await;
        sums.add(0, LATTE_MINOR);
        last = text(&sale, "ticket_id").to_owned();
    }
    till.move_stock(&key("delivery"), "received", &[(BEANS, 1_000)]).await.ok();
    let back = json!({"terminal": "T1", "reason": "quality"});
    written(till, &format!("/v1/tickets/{last}/refunds"), &key("back"), &back).await;
    (sums.refunds, sums.gross, sums.cash) = (1, sums.gross - ESPRESSO_MINOR, sums.cash - ESPRESSO_MINOR);
    let opening = json!({"terminal": "T1", "lines": [{"item": LATTE, "quantity": 1}]});
    *left = Some(text(&written(till, "/v1/open-tickets", &key("open"), &opening).await, "ticket_id").to_owned());
    let count = json!({"counted_minor": 5_000 + sums.cash});
    let counted = written(till, &format!("/v1/drawers/{}/close", text(&drawer, "drawer")), &key("count"), &count).await;
    assert_eq!(counted["count"]["difference_minor"], 0, "day {day}: {counted}");
    sums
}

impl Day {
    fn add(&mut self, cash: i64, card: i64) {
        self.tickets += 1;
        self.gross += cash + card;
        self.cash += cash;
        self.card += card;
    }

    /// The close, by the node, has the same.
    fn is(&self, reading: &Value, day: i64) {
        let sums = &reading["sums"];
        assert_eq!(reading["number"], format!("A-{day}"));
        assert_eq!(
            (&sums["tickets"], &sums["gross_minor"]),
            (&json!(self.tickets), &json!(self.gross)),
            "day {day}: {sums}"
        );
        assert_eq!(sums["refunds"]["count"], self.refunds, "day {day}: {sums}");
        let tenders =
            json!([{"kind": "card_external", "amount_minor": self.card}, {"kind": "cash", "amount_minor": self.cash}]);
        assert_eq!(sums["tenders"], tenders, "day {day}");
        assert_eq!((&sums["difference_minor"], &reading["open_tickets"]["count"]), (&json!(0), &json!(1)), "day {day}");
    }
}

/// Every reading, newest first.
async fn readings(till: &Till) -> Vec<Value> {
    till.get("/v1/readings").await["rows"].as_array().unwrap().clone()
}

/// The hub is back, and takes all streams in.
async fn everything_arrives(node: &TestNode, till: &Till, hub: &mut TestHub) {
    hub.now_ms = NOON_MS + (DAYS + 1) * DAY_MS;
    hub.come_back().await;
    hub.greet().await;
    for stream in [StreamKind::Sales, StreamKind::Stock, StreamKind::Ops] {
        let last = till.last_seq(stream.as_str()).await;
        if hub.held_seq(stream) < last {
            hub.take_until(stream, last).await;
        }
    }
    let books = node.books();
    for stream in StreamKind::UP {
        let here = books.stream(stream).last().map(|entry| (entry.seq, entry.hash));
        assert_eq!(hub.held_head(stream), here, "the chain of {stream} there is the one here");
    }
}

#[tokio::test]
async fn thirty_days_without_the_internet_lose_nothing() {
    let (mut node, mut hub) = TestNode::selling().await;
    node.config.hub_retry_s_max = 1;
    hub.go_away();
    let (mut closes, mut left) = (Vec::new(), None);
    let mut tickets = 0;
    for day in 1..=DAYS {
        let till = node.till();
        let sums = trade(&node, &till, day, &mut left).await;
        let close = written(&till, "/v1/readings", &format!("{day}-close"), &json!({})).await["reading"].take();
        sums.is(&close, day);
        tickets += sums.tickets;
        closes.push(close);
        if day % RESTART_EVERY == 0 {
            node.restart().await;
        }
    }

    let till = node.till();
    let out = till.get("/v1/node").await["hub"].clone();
    let age_ms = out["oldest_unsent_age_ms"].as_i64().unwrap();
    assert!(out["unsent"].as_i64().unwrap() > 10 * DAYS && age_ms > (DAYS - 1) * DAY_MS, "{out}");
    let mut kept = readings(&till).await;
    kept.reverse();
    assert_eq!(kept, closes, "every close is there, and as it was");
    let days: BTreeSet<&str> = closes.iter().map(|close| text(close, "business_day")).collect();
    assert_eq!(days.len(), closes.len(), "each of a day of its own");
    let books = node.books();
    books.check();
    books.check_served(&till).await;
    assert_eq!(
        books.sold().len(),
        usize::try_from(tickets).unwrap(),
        "gapless receipts, checked above, and no ticket more"
    );
    everything_arrives(&node, &till, &mut hub).await;
    node.stop().await;
}
