//! Every figure of every report, for each store and the chain, against the ledger.

use percolate_common::domain::event::Event;
use percolate_common::money::Currency;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::desk::Desk;
use crate::support::ground::Ground;
use crate::support::ledger::{Ledger, Question};
use crate::support::life::{Life, Moment, described, sale, training};
use crate::support::trade::Trade;

/// Everything that sales are reported by.
pub(super) const DIMENSIONS: [&str; 6] = ["store", "day", "month", "hour", "item", "category"];

/// Spans that leave out something: one day, from the middle of the week on, one month.
const SPANS: [Option<(&str, &str)>; 4] =
    [None, Some(("2026-10-31", "2026-10-31")), Some(("2026-11-01", "2026-12-31")), Some(("2026-11-01", "2026-11-30"))];

pub(super) fn query((by, store, days): Question<'_>) -> String {
    let store = store.map_or_else(String::new, |store| format!("&store={store}"));
    let days = days.map_or_else(String::new, |(from, to)| format!("&from={from}&to={to}"));
    format!("/v1/reporting/sales?by={by}{store}{days}")
}

/// Every dimension, for the chain and each store, over each span.
fn questions() -> Vec<Question<'static>> {
    let mut questions: Vec<Question<'static>> = Vec::new();
    for by in DIMENSIONS {
        for store in [None, Some(1), Some(2), Some(3)] {
            questions.extend(SPANS.map(|days| (by, store, days)));
        }
    }
    questions
}

async fn assert_equal_to_ledger(desk: &Desk, ledger: &Ledger) {
    for question in questions() {
        let report = desk.body(&query(question)).await;
        let (rows, totals) = ledger.report(question);
        assert_eq!(report["rows"], Value::Array(rows), "{question:?}");
        assert_eq!(report["totals"], totals, "{question:?}");
        assert_eq!(report["currency"], "USD", "{question:?}");
    }
}

/// A mark names the end of every journal of its store that has begun.
fn assert_through_heads(trade: &Trade, store: u32, mark: &Value) {
    let lives = trade.lives.iter().filter(|life| life.store == store);
    let heads = lives.flat_map(Life::journals).filter(|journal| journal.head().seq > 0);
    let mut expected: Vec<_> = heads.map(|journal| (journal.head().seq, journal.head().hash.to_string())).collect();
    let parts = mark["complete_through"].as_array().unwrap().iter();
    let mut told: Vec<_> =
        parts.map(|part| (part["seq"].as_u64().unwrap(), part["head"].as_str().unwrap().to_owned())).collect();
    expected.sort();
    told.sort();
    assert_eq!(told, expected, "{mark}");
}

/// Takes in and folds everything, a few batches at a time.
pub(super) async fn taken_and_folded(trade: &mut Trade) -> Desk {
    on_ground(trade, Ground::new()).await
}

async fn on_ground(trade: &mut Trade, ground: Ground) -> Desk {
    let desk = Desk::over(ground.journal(), ground).await;
    for (index, batch) in trade.batches().into_iter().enumerate() {
        desk.take(batch).await;
        if index % 9 == 0 {
            desk.fold().await;
        }
    }
    desk.fold().await;
    desk
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_of_random_trade_equals_a_slow_count() {
    for seed in [1, 2, 3] {
        let mut trade = Trade::new(seed, 400);
        let desk = taken_and_folded(&mut trade).await;
        assert!(trade.ledger.ticket_count() > 200, "there is something to count");
        assert_equal_to_ledger(&desk, &trade.ledger).await;
        let report = desk.body(&query(("store", None, None))).await;
        let marks = report["completeness"].as_array().unwrap();
        for (store, mark) in (1..=3).zip(marks) {
            let parked = trade.ledger.parked_events(store);
            assert_eq!((&mark["store"], &mark["parked_events"]), (&json!(store), &json!(parked)), "{mark}");
            assert_eq!(mark["behind_events"], 0, "{mark}");
            assert_through_heads(&trade, store, mark);
        }
        desk.leave().await;
    }
}

/// Where the tests run on a server, this compares its rows with those of files; they must be the same to the byte.
#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_the_reports_are_the_same_on_every_engine() {
    let (desk, beside) = (
        on_ground(&mut Trade::new(12, 400), Ground::new()).await,
        on_ground(&mut Trade::new(12, 400), Ground::of_files()).await,
    );
    assert_eq!(desk.digest().await, beside.digest().await);
    desk.leave().await;
    beside.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_by_store_is_the_join_of_totals_and_the_fold_of_events() {
    let mut trade = Trade::new(4, 400);
    let desk = taken_and_folded(&mut trade).await;
    let number = |row: &Value, field: &str| row[field].as_i64().unwrap();
    for only in [None, Some(1), Some(2), Some(3)] {
        let path = only.map_or_else(|| "/v1/reporting/stock".to_owned(), |s| format!("/v1/reporting/stock?store={s}"));
        let report = desk.body(&path).await;
        let rows: Vec<_> = report["rows"].as_array().unwrap().iter().collect();
        let said: Vec<_> = rows
            .iter()
            .map(|row| {
                let key = (row["store"].as_u64().unwrap(), row["stock_item"].as_u64().unwrap());
                // On hand comes from the totals that nodes state, the other two from the events.
                (key, number(row, "on_hand"), number(row, "received"), number(row, "used"))
            })
            .collect();
        let expected: Vec<_> = trade
            .ledger
            .stock_rows()
            .into_iter()
            .filter(|(store, ..)| only.is_none_or(|only| only == *store))
            .map(|(store, item, on_hand, received, used)| ((store.into(), item.into()), on_hand, received, used))
            .collect();
        assert_eq!(said, expected, "store {only:?}");
        assert!(said.len() >= 5, "there is something to count");
    }
    desk.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn training_is_in_no_report() {
    let desk = Desk::new().await;
    let mut life = Life::new(11, 1);
    let when = moment(1_795_435_200_000, 7);
    let real = sale(&life, 1, &[(101, 1, 300)], 27, &[(1, -18)]);
    life.write(&when, &Event::TicketSold(real), &[(1, -18)]);
    let later = Moment { at_ms: when.at_ms + 60_000, ..when };
    let practice = training(&life, 1, &[(202, 50, 900)]);
    life.write(&later, &Event::TicketSold(practice), &[]);
    for journal in life.journals().filter(|journal| journal.head().seq > 0) {
        desk.take(life.batch(journal.id.stream, (1, journal.head().seq), 1, 0)).await;
    }
    desk.fold().await;

    for by in DIMENSIONS {
        let report = desk.body(&query((by, None, None))).await;
        let rows = report["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 1, "{by}: {report}");
        assert_eq!((&rows[0]["lines"], &rows[0]["units"], &rows[0]["net_minor"]), (&json!(1), &json!(1), &json!(300)));
        assert_eq!((&report["totals"]["tickets"], &report["totals"]["total_minor"]), (&json!(1), &json!(327)));
        // It is known all the same, and hides no receipt.
        let mark = &report["completeness"][0];
        assert_eq!((&mark["receipt"], &mark["complete_through"][0]["seq"]), (&json!("T1-A-1"), &json!(2)), "{mark}");
    }
    let tickets = desk.body("/v1/reporting/tickets?store=1").await;
    assert_eq!(tickets["tickets"].as_array().unwrap().len(), 1, "{tickets}");
    let day = desk.body("/v1/reporting/stores").await;
    assert_eq!((day["recent"].as_array().unwrap().len(), &day["totals"]["units"]), (1, &json!(1)), "{day}");
    assert_eq!(desk.body("/v1/reporting/stock").await["rows"].as_array().unwrap().len(), 1);
    desk.leave().await;
}

pub(super) fn moment(at_ms: i64, hour: u8) -> Moment {
    Moment { at_ms, day: "2026-11-23".to_owned(), hour, zone: "America/New_York" }
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_in_several_currencies_are_never_added_up() {
    let desk = Desk::new().await;
    for (node, currency) in [(11, Currency::USD), (21, "EUR".parse().unwrap())] {
        let mut life = Life::new(node, 1);
        let when = moment(1_795_435_200_000, 7);
        life.write(&when, &described(&format!("Shop of n{node}"), when.zone, currency), &[]);
        let ticket = sale(&life, 1, &[(101, 1, 300)], 0, &[]);
        life.write(&when, &Event::TicketSold(ticket), &[]);
        for journal in life.journals().filter(|journal| journal.head().seq > 0) {
            desk.take(life.batch(journal.id.stream, (1, journal.head().seq), 1, 0)).await;
        }
    }
    desk.fold().await;
    let (status, problem) = desk.get("/v1/reporting/sales?by=day").await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("mixed_currencies")), "{problem}");
    for (store, currency) in [(1, "USD"), (2, "EUR")] {
        let report = desk.body(&query(("day", Some(store), None))).await;
        assert_eq!((&report["currency"], &report["totals"]["net_minor"]), (&json!(currency), &json!(300)));
    }
    let day = desk.body("/v1/reporting/stores").await;
    assert_eq!(
        (&day["currency"], &day["totals"]["net_minor"], &day["totals"]["tickets"]),
        (&json!(null), &json!(0), &json!(2))
    );
    assert_eq!(day["hours"].as_array().unwrap().iter().filter(|hour| hour["net_minor"] != 0).count(), 0);
    assert_eq!((&day["stores"][1]["currency"], &day["stores"][1]["net_minor"]), (&json!("EUR"), &json!(300)), "{day}");
    desk.leave().await;
}
