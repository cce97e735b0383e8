//! Closing readings at head office: as shops made them, beside what reporting comes to from the same entries.

use percolate_common::domain::cash::reading::{HourSum, ReadingSums, TaxSum};
use percolate_common::domain::cash::{CarriedDrawer, CountedDrawer, DayClosed, OpenTickets, ReadRange};
use percolate_common::domain::event::Event;
use percolate_common::ids::{DrawerSessionId, TaxClassId};
use percolate_common::journal::{Incarnation, ShortHash, StreamKind};
use percolate_common::money::{Currency, Minor};
use serde_json::{Value, json};

use super::sums::moment;
use crate::support::desk::Desk;
use crate::support::life::{Life, described, sale};

const CLOSINGS: &str = "/v1/reporting/closings";

fn session() -> DrawerSessionId {
    DrawerSessionId::opened(1, 11, "drawer")
}

/// A close over so many tickets of 3.00 and 0.27 tax, whatever its ranges hold.
pub(crate) fn closed(number: &str, ranges: &[(u64, u64, u64)], tickets: i64) -> Event {
    let range =
        |(life, from, to): &(u64, u64, u64)| ReadRange { incarnation: Incarnation::new(*life), from: *from, to: *to };
    let (net, tax) = (300 * tickets, 27 * tickets);
    let terminal = || "T1".parse().unwrap();
    Event::DayClosed(DayClosed {
        number: number.parse().unwrap(),
        ranges: ranges.iter().map(range).collect(),
        late: 0,
        currency: Currency::USD,
        sums: ReadingSums {
            tickets: tickets.unsigned_abs(),
            net,
            tax,
            gross: net + tax,
            taxes: [(TaxClassId::new(1), TaxSum { base: net, tax })].into(),
            tenders: [("cash".to_owned(), net + tax)].into(),
            hours: [(7, HourSum { tickets: tickets.unsigned_abs(), gross: net + tax })].into(),
            people: [(None, HourSum { tickets: tickets.unsigned_abs(), gross: net + tax })].into(),
            tips: 5,
            paid_in: 500,
            drawers_closed: 1,
            difference: -135,
            ..ReadingSums::default()
        },
        drawers: vec![CountedDrawer {
            session: session(),
            terminal: terminal(),
            expected: Minor::new(10_000),
            counted: Minor::new(9_865),
        }],
        carried: vec![CarriedDrawer { session: session(), terminal: terminal() }],
        open_tickets: OpenTickets::default(),
        head: ShortHash::from_bytes([0xab; 8]),
        by: None,
        approval: None,
    })
}

fn sell(life: &mut Life, numbers: std::ops::RangeInclusive<u64>) {
    let when = moment(1_795_435_200_000, 7);
    for number in numbers {
        let sold = sale(life, number, &[(101, 1, 300)], 27, &[]);
        life.write(&when, &Event::TicketSold(sold), &[]);
    }
}

async fn take(desk: &Desk, life: &Life, step: u64) {
    for journal in life.journals().filter(|journal| journal.head().seq > 0) {
        let mut from = 1;
        while from <= journal.head().seq {
            let to = journal.head().seq.min(from + step - 1);
            desk.take(life.batch(journal.id.stream, (from, to), 1, 0)).await;
            desk.fold().await;
            from = to + 1;
        }
    }
}

/// Number and agreement of each, newest first.
async fn agreements(desk: &Desk) -> Vec<(String, Value)> {
    let rows = desk.body(CLOSINGS).await["rows"].as_array().unwrap().clone();
    rows.iter().map(|row| (row["number"].as_str().unwrap().to_owned(), row["agrees"].clone())).collect()
}

/// A life with four closes: sound, wrong by a ticket, over what nobody can read, and empty.
fn a_life() -> Life {
    let mut life = Life::new(11, 7);
    let when = moment(1_795_435_200_000, 7);
    life.write(&when, &described("Virginia-Highland", when.zone, Currency::USD), &[]);
    sell(&mut life, 1..=3);
    life.write(&when, &closed("A-1", &[(7, 1, 3)], 3), &[]);
    sell(&mut life, 4..=5);
    life.write(&when, &closed("A-2", &[(7, 4, 6)], 3), &[]);
    life.write_unreadable(StreamKind::Sales);
    life.write(&when, &closed("A-3", &[(7, 7, 8)], 0), &[]);
    life.write(&when, &closed("A-4", &[(7, 9, 9)], 0), &[]);
    life
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_is_shown_as_it_was_made_and_whether_reporting_comes_to_the_same() {
    let desk = Desk::new().await;
    take(&desk, &a_life(), 100).await;
    let said = |number: &str, agrees: Value| (number.to_owned(), agrees);
    let expected =
        [said("A-4", json!(true)), said("A-3", Value::Null), said("A-2", json!(false)), said("A-1", json!(true))];
    assert_eq!(agreements(&desk).await, expected);
    let report = desk.body(&format!("{CLOSINGS}?store=1&from=2026-11-23&to=2026-11-23")).await;
    let first = json!({
        "store": 1, "node": 11, "number": "A-1", "business_day": "2026-11-23", "at_ms": 1_795_435_200_000_i64,
        "currency": "USD", "tickets": 3, "net_minor": 900, "tax_minor": 81, "total_minor": 981, "refunds_minor": 0,
        "discounts_minor": 0, "no_drawer_cash_minor": 0, "paid_in_minor": 500, "paid_out_minor": 0, "dropped_minor": 0,
        "no_sales": 0, "drawers_closed": 1, "difference_minor": -135,
        "tenders": [{"kind": "cash", "amount_minor": 981}],
        "taxes": [{"tax_class": "1", "base_minor": 900, "tax_minor": 81}],
        "hours": [{"hour": "07", "tickets": 3, "total_minor": 981}],
        "people": [{"staff": null, "tickets": 3, "total_minor": 981}],
        "figures": [{"figure": "tips", "count": 0, "amount_minor": 5}],
        "drawers": [{"drawer": format!("T1 {}", session()), "expected_minor": 10_000, "counted_minor": 9_865,
            "difference_minor": -135}],
        "carried_over": [format!("T1 {}", session())],
        "head": "abababababababab", "agrees": true,
    });
    assert_eq!(report["rows"][3], first);
    assert_eq!(report["completeness"][0]["store"], 1);
    assert_eq!(desk.body(&format!("{CLOSINGS}?to=2026-11-22")).await["rows"], json!([]));
    let unknown = desk.get(&format!("{CLOSINGS}?store=9")).await;
    assert_eq!(unknown.1["code"], "store_unknown");
    desk.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_come_out_the_same_however_journals_are_cut() {
    let (whole, cut) = (Desk::new().await, Desk::new().await);
    take(&whole, &a_life(), 100).await;
    take(&cut, &a_life(), 1).await;
    assert_eq!(whole.digest().await, cut.digest().await);
    whole.leave().await;
    cut.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_over_another_life_is_compared_once_that_is_here() {
    let desk = Desk::new().await;
    let (mut old, mut new) = (Life::new(11, 5), Life::new(11, 8));
    sell(&mut old, 1..=2);
    sell(&mut new, 3..=3);
    new.write(&moment(1_795_435_200_000, 7), &closed("BKQX-1", &[(8, 1, 1), (5, 1, 2)], 3), &[]);
    take(&desk, &new, 100).await;
    assert_eq!(agreements(&desk).await, [("BKQX-1".to_owned(), Value::Null)]);
    take(&desk, &old, 100).await;
    assert_eq!(agreements(&desk).await, [("BKQX-1".to_owned(), json!(true))]);
    desk.leave().await;
}
