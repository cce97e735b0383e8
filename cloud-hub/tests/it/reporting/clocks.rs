//! Nights in which clocks are changed, and clocks that were wrong: on which day and in which hour head office has a sale.

use percolate_common::domain::event::{ClockQuality, Event, Header};
use percolate_common::hlc::Hlc;
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::{AuthorId, Incarnation, JournalId, StreamKind};
use percolate_common::time::{StoreCalendar, UtcMillis};
use serde_json::{Value, json};

use crate::support::desk::Desk;
use crate::support::events::{Written, encoded_as};
use crate::support::life::{Life, sale};

const HOUR_MS: i64 = 3_600_000;
/// 2026-03-07 00:00 UTC.
const MARCH_7_MS: i64 = 1_772_841_600_000;
/// 2026-10-31 00:00 UTC.
const OCTOBER_31_MS: i64 = 1_793_404_800_000;

/// Each key with its tickets.
fn tickets(report: &Value) -> Value {
    let rows = report["rows"].as_array().unwrap().iter();
    rows.map(|row| json!([row["key"], row["tickets"]])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn p22_p23_days_and_hours_are_those_of_the_shops_wall_in_both_nights_of_changed_clocks() {
    let half = HOUR_MS / 2;
    let instants = [
        // An evening that is the next day in UTC, and the night of 23 hours.
        (MARCH_7_MS, 24 * HOUR_MS + 1),
        (MARCH_7_MS, 31 * HOUR_MS - 1),
        (MARCH_7_MS, 31 * HOUR_MS),
        (MARCH_7_MS, 32 * HOUR_MS - 1),
        (MARCH_7_MS, 32 * HOUR_MS),
        // The night of 25 hours: half past one comes twice.
        (OCTOBER_31_MS, 29 * HOUR_MS + half),
        (OCTOBER_31_MS, 30 * HOUR_MS + half),
        (OCTOBER_31_MS, 33 * HOUR_MS - 1),
        (OCTOBER_31_MS, 33 * HOUR_MS),
    ];
    let zone = "America/New_York";
    let calendar = StoreCalendar::new(zone, 4).unwrap();
    let (life, author) = (Life::new(11, 7), AuthorId::node(NodeId::new(11)));
    let id = JournalId { author, incarnation: Incarnation::new(7), stream: StreamKind::Sales };
    let mut journal = Written::new(id);
    for (number, (day_ms, at_ms)) in (1..).zip(instants) {
        let at = UtcMillis::new(day_ms + at_ms);
        let header = Header {
            store: StoreId::new(1),
            at,
            hlc: Hlc::default().tick(at),
            business_day: calendar.business_day(at),
            clock: ClockQuality::Good,
            zone: zone.to_owned(),
        };
        journal.push(encoded_as(&header, &Event::TicketSold(sale(&life, number, &[(101, 1, 300)], 27, &[]))));
    }
    let desk = Desk::new().await;
    desk.take(journal.batch(1, journal.head().seq, 1)).await;
    desk.fold().await;
    let days = desk.body("/v1/reporting/sales?by=day&store=1").await;
    let expected = json!([["2026-03-07", 4], ["2026-03-08", 1], ["2026-10-31", 3], ["2026-11-01", 1]]);
    assert_eq!(tickets(&days), expected);
    let spring = desk.body("/v1/reporting/sales?by=hour&store=1&from=2026-03-07&to=2026-03-07").await;
    assert_eq!(tickets(&spring), json!([["1", 1], ["3", 2], ["19", 1]]));
    let autumn = desk.body("/v1/reporting/sales?by=hour&store=1&from=2026-10-31&to=2026-10-31").await;
    assert_eq!(tickets(&autumn), json!([["1", 2], ["3", 1]]));
    desk.leave().await;
}
