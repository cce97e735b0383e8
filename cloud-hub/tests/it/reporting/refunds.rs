//! What head office comes to is what a shop's closing reading says, to the cent: by means of payment, tax, person and hour, with
//! what was given back, tips, rounding and charges for service in it.

use std::collections::BTreeMap;

use percolate_common::domain::cash::DayClosed;
use percolate_common::domain::cash::reading::Reading;
use percolate_common::domain::event::Event;
use percolate_common::domain::tickets::refund::{RefundReason, RefundedLine, TicketRefunded};
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::domain::tickets::{ServiceCharged, TaxLine, TicketClass, TicketSold, Totals};
use percolate_common::ids::{RefundId, RuleId, StaffId, TaxClassId};
use percolate_common::journal::StreamKind;
use percolate_common::money::{Currency, MicroRate, Minor};
use serde_json::{Value, json};

use super::closings::closed;
use super::sums::{moment, query};
use crate::support::desk::Desk;
use crate::support::life::{Life, Moment, described, sale};

pub(crate) const MORNING_MS: i64 = 1_795_435_200_000;
pub(crate) const HOUR_MS: i64 = 3_600_000;

pub(crate) fn tender(kind: TenderKind, amount: i64) -> Tender {
    Tender { kind, amount: Minor::new(amount) }
}

pub(crate) fn card() -> TenderKind {
    TenderKind::CardExternal { reference: None, last_four: None }
}

fn tax(class: u32, base: i64, tax: i64) -> TaxLine {
    TaxLine { tax_class: TaxClassId::new(class), rate: MicroRate::new(0), base: Minor::new(base), tax: Minor::new(tax) }
}

/// Two pieces of 3.00 under one tax and one of 18.00 under another.
pub(crate) fn sold(life: &Life, number: u64, by: Option<u32>, tenders: Vec<Tender>, change: i64) -> TicketSold {
    TicketSold {
        tenders,
        change: Minor::new(change),
        taxes: vec![tax(1, 600, 53), tax(2, 1_800, 54)],
        sold_by: by.map(StaffId::new),
        ..sale(life, number, &[(101, 2, 300), (201, 1, 1_800)], 107, &[(1, -36_000)])
    }
}

/// One piece of the first line.
pub(crate) fn back(sold: &TicketSold, number: u64, by: Option<u32>, kind: TenderKind) -> TicketRefunded {
    let line = &sold.lines[0];
    TicketRefunded {
        id: RefundId::refunded(0, 11, &number.to_string()),
        ticket: sold.id,
        class: sold.class,
        receipt: format!("T1-A-{number}").parse().unwrap(),
        currency: Currency::USD,
        reason: RefundReason::Quality,
        lines: vec![RefundedLine {
            line: 0,
            item: line.item,
            category: line.category,
            tax_class: line.tax_class,
            quantity: 1,
            net: Minor::new(300),
            restock: false,
        }],
        service_charge: Minor::ZERO,
        taxes: vec![tax(1, 300, 27)],
        totals: Totals { net: Minor::new(300), tax: Minor::new(27), total: Minor::new(327) },
        tip: Minor::ZERO,
        cash_rounding: Minor::ZERO,
        tenders: vec![tender(kind, 327)],
        stock_effects: Vec::new(),
        by: by.map(StaffId::new),
        seller: sold.sold_by,
        approval: None,
        drawer: None,
    }
}

/// A morning of one shop.
fn morning(life: &Life) -> Vec<(Moment, Event)> {
    let at = |hour: u8| moment(MORNING_MS + i64::from(hour - 7) * HOUR_MS, hour);
    let first = sold(life, 1, Some(7), vec![tender(TenderKind::Cash, 3_000)], 493);
    let mut second = sold(life, 2, Some(8), vec![tender(card(), 2_000), tender(TenderKind::Cash, 625)], 0);
    second.details.tip = Minor::new(120);
    second.details.cash_rounding = Minor::new(-2);
    let mut third = sold(life, 3, None, vec![tender(card(), 2_597)], 0);
    let charge = ServiceCharged { rule: RuleId::new(1), tax_class: None, amount: Minor::new(90) };
    third.details.service_charge = Some(charge);
    third.totals.net = Minor::new(2_490);
    third.totals.total = Minor::new(2_597);
    let practice = TicketSold { class: TicketClass::Training, ..sold(life, 4, Some(7), vec![], 0) };
    let by_cash = back(&first, 5, Some(8), TenderKind::Cash);
    let by_card = back(&third, 6, Some(7), card());
    let of_practice = back(&practice, 7, Some(7), TenderKind::Cash);
    vec![
        (at(7), Event::TicketSold(first)),
        (at(7), Event::TicketSold(second)),
        (at(8), Event::TicketSold(third)),
        (at(8), Event::TicketSold(practice)),
        (at(9), Event::TicketRefunded(by_cash)),
        (at(9), Event::TicketRefunded(by_card)),
        (at(9), Event::TicketRefunded(of_practice)),
    ]
}

/// A life whose day is closed by what its entries come to.
fn a_life() -> (Life, DayClosed) {
    let mut life = Life::new(11, 7);
    life.write(&moment(MORNING_MS, 7), &described("Virginia-Highland", "America/New_York", Currency::USD), &[]);
    let mut reading = Reading::default();
    for (when, event) in morning(&life) {
        reading.add(when.hour, &event);
        let moves: &[(u32, i64)] = match &event {
            Event::TicketSold(sold) if sold.class == TicketClass::Sale => &[(1, -36_000)],
            _ => &[],
        };
        life.write(&when, &event, moves);
    }
    let Event::DayClosed(closed) = closed("A-1", &[(7, 1, 7)], 0) else { unreachable!() };
    let closed = DayClosed { sums: reading.sums, ..closed };
    life.write(&moment(MORNING_MS + 3 * HOUR_MS, 10), &Event::DayClosed(closed.clone()), &[]);
    (life, closed)
}

pub(crate) async fn take(desk: &Desk, life: &Life, step: u64) {
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

/// A figure of each row, by key.
pub(crate) async fn by(desk: &Desk, by: &str, figure: &str) -> BTreeMap<String, i64> {
    let report = desk.body(&query((by, Some(1), None))).await;
    let row = |row: &Value| (row["key"].as_str().unwrap().to_owned(), row[figure].as_i64().unwrap());
    report["rows"].as_array().unwrap().iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_head_office_comes_to_is_the_closing_reading_by_tender_tax_person_and_hour() {
    let desk = Desk::new().await;
    let (life, closed) = a_life();
    take(&desk, &life, 100).await;
    let sums = &closed.sums;
    // The reading is not empty where it matters, and adds up by itself.
    assert_eq!((sums.tickets, sums.refunds.count, sums.refunds.gross), (3, 2, 654));
    assert_eq!((sums.tips, sums.cash_rounding, sums.service_charges), (120, -2, 90));
    assert_eq!(sums.tenders.values().sum::<i64>(), sums.gross + sums.tips + sums.cash_rounding);
    assert_eq!(sums.hours.values().map(|hour| hour.gross).sum::<i64>(), sums.gross);
    assert_eq!(sums.people.values().map(|person| person.gross).sum::<i64>(), sums.gross);
    assert_eq!(sums.taxes.values().map(|class| class.tax).sum::<i64>(), sums.tax);

    assert_eq!(by(&desk, "tender", "total_minor").await, sums.tenders);
    let classes = |figure: fn(&percolate_common::domain::cash::reading::TaxSum) -> i64| -> BTreeMap<String, i64> {
        sums.taxes.iter().map(|(class, sum)| (format!("t:{class}"), figure(sum))).collect()
    };
    assert_eq!(by(&desk, "tax", "net_minor").await, classes(|sum| sum.base));
    assert_eq!(by(&desk, "tax", "tax_minor").await, classes(|sum| sum.tax));
    let person = |staff: &Option<StaffId>| staff.map_or_else(|| "p:nobody".to_owned(), |staff| format!("p:{staff}"));
    let people: BTreeMap<_, _> = sums.people.iter().map(|(staff, sum)| (person(staff), sum.gross)).collect();
    assert_eq!(by(&desk, "person", "total_minor").await, people);
    let tickets: BTreeMap<_, _> =
        sums.people.iter().map(|(staff, sum)| (person(staff), sum.tickets.cast_signed())).collect();
    assert_eq!(by(&desk, "person", "tickets").await, tickets);
    let hours: BTreeMap<_, _> = sums.hours.iter().map(|(hour, sum)| (hour.to_string(), sum.gross)).collect();
    assert_eq!(by(&desk, "hour", "total_minor").await, hours);
    for dimension in ["day", "hour", "item", "category", "store", "month", "person"] {
        let totals = desk.body(&query((dimension, Some(1), None))).await["totals"].clone();
        assert_eq!(totals["total_minor"], sums.gross, "by {dimension}");
        assert_eq!((&totals["tickets"], &totals["tax_minor"]), (&json!(3), &json!(sums.tax)), "by {dimension}");
    }
    assert_eq!(by(&desk, "item", "units").await, [("i:101".to_owned(), 4), ("i:201".to_owned(), 3)].into());
    assert_eq!(by(&desk, "category", "net_minor").await, [("c:1".to_owned(), 1_200), ("c:2".to_owned(), 5_400)].into());

    let row = desk.body("/v1/reporting/closings?store=1").await["rows"][0].clone();
    assert_eq!((&row["agrees"], &row["refunds_minor"]), (&json!(true), &json!(654)));
    let nobody = json!({"staff": null, "tickets": 1, "total_minor": 2_597});
    assert_eq!(row["people"].as_array().unwrap().len(), 3);
    assert_eq!(row["people"][0], nobody);
    let figure = |name: &str, count: i64, amount: i64| json!({"figure": name, "count": count, "amount_minor": amount});
    let expected = [
        figure("cash_rounding", 0, -2),
        figure("refunds_net", 2, 600),
        figure("refunds_tax", 2, 54),
        figure("service_charges", 0, 90),
        figure("tips", 0, 120),
    ];
    assert_eq!(row["figures"], json!(expected));
    desk.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_come_out_the_same_however_journals_are_cut_and_count_once() {
    let (whole, cut) = (Desk::new().await, Desk::new().await);
    let (life, _) = a_life();
    take(&whole, &life, 100).await;
    take(&cut, &life, 1).await;
    assert_eq!(whole.digest().await, cut.digest().await);
    // Another life of the box states the same refund again, as after the repair of a fork.
    let mut other = Life::new(11, 9);
    for (when, event) in morning(&life) {
        if matches!(event, Event::TicketRefunded(_)) {
            other.write(&when, &event, &[]);
        }
    }
    let before = by(&whole, "tender", "total_minor").await;
    whole.take(other.batch(StreamKind::Sales, (1, 3), 2, 0)).await;
    whole.fold().await;
    assert_eq!(by(&whole, "tender", "total_minor").await, before);
    whole.leave().await;
    cut.leave().await;
}
