//! Wrong clocks, and nights in which clocks are changed: on which day a sale and a close stand.

use percolate_common::domain::event::ClockQuality;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::Request;
use crate::support::menu::ESPRESSO;
use crate::support::node::{NOON_MS, TestNode, Till, ticket};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// 2026-03-07 00:00 UTC.
const MARCH_7_MS: i64 = 1_772_841_600_000;
/// 2026-10-31 00:00 UTC.
const OCTOBER_31_MS: i64 = 1_793_404_800_000;

fn espresso() -> Value {
    ticket("T1", &[(ESPRESSO, 1)])
}

async fn sold_at(node: &TestNode, till: &Till, at_ms: i64) -> Value {
    node.clock.set(at_ms);
    till.sell(&format!("sale-{at_ms}"), &espresso()).await.ok()
}

/// The close's business day, its tickets, and the hours on the shop's wall with theirs.
async fn closed(till: &Till, key: &str) -> Value {
    let answer = till.post("/v1/readings", key, &json!({})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let reading = answer.json()["reading"].take();
    let hours = reading["sums"]["hours"].as_array().unwrap().iter();
    let hours: Vec<_> = hours.map(|hour| json!([hour["hour"], hour["tickets"]])).collect();
    json!([reading["business_day"], reading["sums"]["tickets"], hours])
}

#[tokio::test]
async fn p21_a_terminal_that_is_three_days_off_is_not_asked_what_time_it_is() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    for (number, date) in ["Fri, 20 Nov 2026 12:00:00 GMT", "Thu, 26 Nov 2026 12:00:00 GMT"].into_iter().enumerate() {
        let request = Request::new("POST", "/v1/tickets")
            .header("idempotency-key", &format!("sale-{number}"))
            .header("date", date)
            .json(&espresso());
        let sold = till.send(request).await.ok();
        assert_eq!((&sold["at_ms"], &sold["business_day"]), (&NOON_MS.into(), &"2026-11-23".into()), "{date}");
    }
    // There is no place for a time in what a till says.
    for field in ["at_ms", "business_day"] {
        let mut body = espresso();
        body[field] = json!(NOON_MS - 3 * DAY_MS);
        let refused = till.sell(field, &body).await;
        assert_eq!(refused.refusal(), (422, "invalid_body".to_owned()), "{field}");
    }
    assert_eq!(closed(&till, "close").await, json!(["2026-11-23", 2, [[7, 2]]]));
    node.stop().await;
}

#[tokio::test]
async fn p21_a_clock_that_jumps_back_a_day_moves_neither_the_sales_nor_the_close() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    for at_ms in [NOON_MS, NOON_MS + HOUR_MS, NOON_MS - DAY_MS, NOON_MS - DAY_MS + HOUR_MS] {
        assert_eq!(sold_at(&node, &till, at_ms).await["business_day"], "2026-11-23");
    }
    // Seven and eight in the morning in New York; from there on the stamps go on from the last one.
    assert_eq!(closed(&till, "wrong").await, json!(["2026-11-23", 4, [[7, 1], [8, 3]]]));
    assert_eq!(sold_at(&node, &till, NOON_MS + 2 * HOUR_MS).await["at_ms"], NOON_MS + 2 * HOUR_MS);
    assert_eq!(closed(&till, "right").await, json!(["2026-11-23", 1, [[9, 1]]]));
    let books = node.stop().await;
    let clocks: Vec<_> = books.sold().iter().map(|(entry, _)| entry.recorded.header.clock).collect();
    let (good, suspect) = (ClockQuality::Good, ClockQuality::Suspect);
    assert_eq!(clocks, [good, good, suspect, suspect, good]);
}

#[tokio::test]
async fn p21_a_clock_that_was_ahead_misdates_nothing_once_head_office_has_said_that_it_is_right() {
    let (mut node, mut hub) = TestNode::selling().await;
    assert_eq!(sold_at(&node, &node.till(), NOON_MS + DAY_MS).await["business_day"], "2026-11-24");
    node.stop().await;
    hub.hang_up();
    // It was set while it stood. Nobody knows yet whether it is right now, or was before.
    node.clock.set(NOON_MS + HOUR_MS);
    node.open().await;
    let till = node.till();
    assert_eq!(sold_at(&node, &till, NOON_MS + HOUR_MS).await["business_day"], "2026-11-24");
    hub.now_ms = NOON_MS + HOUR_MS;
    hub.greet().await;
    eventually("the hub's word", || async { till.get("/v1/node").await["clock_skew_ms"].as_i64() }).await;
    let sold = sold_at(&node, &till, NOON_MS + 2 * HOUR_MS).await;
    assert_eq!((&sold["business_day"], &sold["at_ms"]), (&json!("2026-11-23"), &json!(NOON_MS + 2 * HOUR_MS)));
    // It goes back, if only behind what was written since: then it is not believed, and what was wrong before counts no more.
    for back_ms in [HOUR_MS / 2, 5 * DAY_MS] {
        let sold = sold_at(&node, &till, NOON_MS + 2 * HOUR_MS - back_ms).await;
        assert_eq!((&sold["business_day"], &sold["at_ms"]), (&json!("2026-11-23"), &json!(NOON_MS + 2 * HOUR_MS)));
    }
    let books = node.stop().await;
    let sold = books.sold();
    let clocks: Vec<_> = sold.iter().map(|(entry, _)| entry.recorded.header.clock).collect();
    let (good, suspect) = (ClockQuality::Good, ClockQuality::Suspect);
    assert_eq!(clocks, [good, suspect, good, suspect, suspect]);
    assert!(sold.is_sorted_by_key(|(entry, _)| entry.recorded.header.hlc), "order goes on");
}

#[tokio::test]
async fn p22_p23_sales_across_the_cut_over_and_in_both_nights_of_changed_clocks_are_closed_on_their_days() {
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    node.clock.set(MARCH_7_MS);
    node.open_selling(&mut hub).await;
    let till = node.till();
    // The night of 23 hours: 02:00 becomes 03:00. An evening that is the next day in UTC is in it.
    for at_ms in [24 * HOUR_MS + 1, 31 * HOUR_MS - 1, 31 * HOUR_MS, 32 * HOUR_MS - 1] {
        assert_eq!(sold_at(&node, &till, MARCH_7_MS + at_ms).await["business_day"], "2026-03-07");
    }
    assert_eq!(closed(&till, "spring").await, json!(["2026-03-07", 4, [[1, 1], [3, 2], [19, 1]]]));
    assert_eq!(sold_at(&node, &till, MARCH_7_MS + 32 * HOUR_MS).await["business_day"], "2026-03-08");
    assert_eq!(closed(&till, "after").await, json!(["2026-03-08", 1, [[4, 1]]]));

    // The night of 25 hours: half past one comes twice. Who forgot to close before four closes both days at once.
    let half = HOUR_MS / 2;
    for at_ms in [29 * HOUR_MS + half, 30 * HOUR_MS + half, 33 * HOUR_MS - 1] {
        assert_eq!(sold_at(&node, &till, OCTOBER_31_MS + at_ms).await["business_day"], "2026-10-31");
    }
    assert_eq!(sold_at(&node, &till, OCTOBER_31_MS + 33 * HOUR_MS).await["business_day"], "2026-11-01");
    assert_eq!(closed(&till, "autumn").await, json!(["2026-11-01", 4, [[1, 2], [3, 1], [4, 1]]]));
    for (day, tickets) in [("2026-03-07", 4), ("2026-03-08", 1), ("2026-10-31", 3), ("2026-11-01", 1)] {
        assert_eq!(till.get(&format!("/v1/business-days/{day}")).await["tickets"], tickets, "{day}");
    }
    node.books().check_served(&till).await;
    node.stop().await;
}
