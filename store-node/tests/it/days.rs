//! Business days and clocks: the day of a sale follows the shop's wall, and no clock makes the journal go back.

use percolate_common::domain::event::ClockQuality;
use percolate_common::journal::StreamKind;
use serde_json::{Value, json};

use crate::support::menu::{BEANS, ESPRESSO};
use crate::support::node::{NOON_MS, TestNode, Till, ticket};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// 2026-03-07 00:00 UTC.
const MARCH_7_MS: i64 = 1_772_841_600_000;
/// 2026-10-31 00:00 UTC.
const OCTOBER_31_MS: i64 = 1_793_404_800_000;
/// 2026-11-22 00:00 UTC.
const NOVEMBER_22_MS: i64 = NOON_MS - DAY_MS - 12 * HOUR_MS;

async fn sell(till: &Till, key: &str) -> Value {
    till.sell(key, &ticket("T1", &[(ESPRESSO, 1)])).await.ok()
}

#[tokio::test]
async fn a_sale_lands_on_the_day_of_the_shops_wall_also_in_both_nights_of_changed_clocks() {
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    node.clock.set(MARCH_7_MS);
    node.open_selling(&mut hub).await;
    let till = node.till();
    // Instants in order of time, with the day that each belongs to: the day is cut over at four on the shop's wall.
    let instants = [
        // Spring: 02:00 becomes 03:00 at 07:00 UTC, and four o'clock is at 08:00 UTC already. The night has 23 hours.
        (MARCH_7_MS + 9 * HOUR_MS, "2026-03-07"),
        (MARCH_7_MS + 31 * HOUR_MS - 1, "2026-03-07"),
        (MARCH_7_MS + 31 * HOUR_MS, "2026-03-07"),
        (MARCH_7_MS + 32 * HOUR_MS - 1, "2026-03-07"),
        (MARCH_7_MS + 32 * HOUR_MS, "2026-03-08"),
        // Autumn: 02:00 becomes 01:00 at 06:00 UTC, half past one comes twice. The night has 25 hours.
        (OCTOBER_31_MS + 8 * HOUR_MS - 1, "2026-10-30"),
        (OCTOBER_31_MS + 8 * HOUR_MS, "2026-10-31"),
        (OCTOBER_31_MS + 29 * HOUR_MS + HOUR_MS / 2, "2026-10-31"),
        (OCTOBER_31_MS + 30 * HOUR_MS + HOUR_MS / 2, "2026-10-31"),
        (OCTOBER_31_MS + 33 * HOUR_MS - 1, "2026-10-31"),
        (OCTOBER_31_MS + 33 * HOUR_MS, "2026-11-01"),
        // Winter: an evening that is the next day in UTC, and both sides of four o'clock.
        (NOVEMBER_22_MS + 25 * HOUR_MS, "2026-11-22"),
        (NOVEMBER_22_MS + 33 * HOUR_MS - 1, "2026-11-22"),
        (NOVEMBER_22_MS + 33 * HOUR_MS, "2026-11-23"),
    ];
    for (number, (at_ms, day)) in instants.into_iter().enumerate() {
        node.clock.set(at_ms);
        let sold = sell(&till, &format!("sale-{number}")).await;
        assert_eq!((&sold["business_day"], &sold["at_ms"]), (&day.into(), &at_ms.into()), "sale {number}");
        let today = till.get("/v1/business-day").await;
        assert_eq!((&today["day"], &today["last_receipt"]), (&day.into(), &sold["receipt"]), "sale {number}");
    }
    assert_eq!(till.get("/v1/business-days/2026-10-31").await["tickets"], 4);
    node.books().check_served(&till).await;
    node.stop().await;
}

#[tokio::test]
async fn a_shop_that_cuts_over_at_midnight_elsewhere_has_its_own_days() {
    let (mut node, mut hub) = TestNode::prepare_with_hub().await;
    (node.config.zone, node.config.cutover_hour) = (Some("Asia/Tokyo".to_owned()), 0);
    node.open_selling(&mut hub).await;
    for (at_ms, day) in [(NOON_MS + 3 * HOUR_MS - 1, "2026-11-23"), (NOON_MS + 3 * HOUR_MS, "2026-11-24")] {
        node.clock.set(at_ms);
        assert_eq!(sell(&node.till(), day).await["business_day"], day);
    }
    node.stop().await;
}

#[tokio::test]
async fn the_drawer_of_a_day_of_cards_is_not_named() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let mut body = ticket("T1", &[(ESPRESSO, 2)]);
    body["tenders"] = json!([{"kind": "card_external", "amount_minor": 653}]);
    till.sell("sale-1", &body).await.ok();
    let day = till.get("/v1/business-day").await;
    assert_eq!(day["tenders"], json!([{"kind": "card_external", "amount_minor": 653}]));
    node.stop().await;
}

#[tokio::test]
async fn a_clock_that_goes_back_takes_neither_the_journal_nor_the_day_with_it() {
    let (mut node, _hub) = TestNode::selling().await;
    let till = node.till();
    let steps = [
        (0, ClockQuality::Good),
        // A second is what clocks are set by all the time: the sale's own time is believed.
        (-1_000, ClockQuality::Good),
        (-DAY_MS, ClockQuality::Suspect),
        (-400 * DAY_MS, ClockQuality::Suspect),
        (0, ClockQuality::Good),
        (5_000, ClockQuality::Good),
    ];
    for (number, (offset_ms, _)) in steps.iter().enumerate() {
        node.clock.set(NOON_MS + offset_ms);
        let sold = sell(&till, &format!("sale-{number}")).await;
        assert_eq!(sold["business_day"], "2026-11-23", "sale {number}");
        let today = till.get("/v1/business-day").await;
        assert_eq!((&today["day"], &today["tickets"]), (&"2026-11-23".into(), &(number + 1).into()), "sale {number}");
        till.move_stock(&format!("delivery-{number}"), "received", &[(BEANS, 1)]).await.ok();
    }
    // Going back while it does not run is no different.
    node.clock.set(NOON_MS - 30 * DAY_MS);
    node.restart().await;
    assert_eq!(sell(&node.till(), "restarted").await["business_day"], "2026-11-23");

    let books = node.stop().await;
    let sold = books.sold();
    let (qualities, instants): (Vec<_>, Vec<_>) =
        sold.iter().map(|(entry, _)| (entry.recorded.header.clock, entry.recorded.header.at.get() - NOON_MS)).unzip();
    assert_eq!(qualities[..6], steps.map(|(_, quality)| quality));
    assert_eq!(instants[..2], [0, -1_000]);
    assert_eq!(instants[5], 5_000);
    assert!(instants[2..5].iter().all(|at| (0..1_000).contains(at)), "{instants:?}");
    let stock = books.stream(StreamKind::Stock).map(|entry| entry.recorded.header.hlc);
    let mut order: Vec<_> = sold.iter().map(|(entry, _)| entry.recorded.header.hlc).zip(stock).collect();
    order.dedup_by(|next, before| before.0 < before.1 && before.1 < next.0);
    assert_eq!(order.len(), 1, "sales and deliveries keep their order over both streams: {order:?}");
}

#[tokio::test]
async fn a_clock_far_from_the_hubs_is_marked_and_goes_on() {
    let (mut node, mut hub) = TestNode::selling().await;
    let till = node.till();
    sell(&till, "together").await;
    assert_eq!(till.get("/v1/node").await["clock_skew_ms"], 0);
    hub.now_ms = NOON_MS + 121_000;
    let sales = hub.take_until(StreamKind::Sales, till.last_seq("sales").await).await;
    crate::support::eventually("the skew", || async {
        (till.get("/v1/node").await["clock_skew_ms"] == 121_000).then_some(())
    })
    .await;
    sell(&till, "apart").await;
    let books = node.stop().await;
    let qualities: Vec<_> = books.sold().iter().map(|(entry, _)| entry.recorded.header.clock).collect();
    assert_eq!(qualities, [ClockQuality::Good, ClockQuality::Suspect], "of {sales}");
}
