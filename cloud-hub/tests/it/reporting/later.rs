//! Money that comes beside sales: tips that were written down later, cards that took the place of cash, parts of open tickets, and
//! what stands on house accounts. Head office comes to what the shop's reading says, whatever the order in which it hears of it.

use std::collections::BTreeMap;

use percolate_common::domain::cash::reading::{Reading, ReadingSums};
use percolate_common::domain::catalog::CatalogEvent;
use percolate_common::domain::catalog::rules::{HouseAccount, Rule};
use percolate_common::domain::event::Event;
use percolate_common::domain::tenders::card::{CardSettled, Settled};
use percolate_common::domain::tenders::exchange::Exchange;
use percolate_common::domain::tickets::open::{OpenFact, PaymentTaken};
use percolate_common::domain::tickets::refund::{RefundReason, TicketRefunded};
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::domain::tickets::tips::{TipAdjusted, TipCard, TipOn, moves};
use percolate_common::domain::tickets::{TicketClass, TicketSold};
use percolate_common::ids::{CardPaymentId, HouseAccountId, PaymentId, RefundId, StaffId, TicketId, TipId};
use percolate_common::journal::{AuthorId, Incarnation, JournalId, Service, StreamKind};
use percolate_common::money::{Currency, Minor};
use serde_json::Value;

use super::sums::{moment, query};
use crate::support::desk::Desk;
use crate::support::events::{Written, encoded};
use crate::support::life::{Life, Moment, described, sale};

const MORNING_MS: i64 = 1_795_435_200_000;
const ACCOUNT: HouseAccountId = HouseAccountId::new(3);

fn tender(kind: TenderKind, amount: i64) -> Tender {
    Tender { kind, amount: Minor::new(amount) }
}

/// An espresso of 3.27 and a tip of 0.50.
fn sold(life: &Life, number: u64, kind: TenderKind) -> TicketSold {
    let mut sold = sale(life, number, &[(101, 1, 300)], 27, &[]);
    sold.details.tip = Minor::new(50);
    TicketSold { tenders: vec![tender(kind, 377)], sold_by: Some(StaffId::new(7)), ..sold }
}

fn card() -> TenderKind {
    TenderKind::CardExternal { reference: None, last_four: None }
}

fn tip(ticket: TicketId, key: &str, turn: u32, tip: i64) -> TipAdjusted {
    TipAdjusted {
        id: TipId::adjusted(0, 11, key),
        ticket,
        turn,
        tender: 0,
        card: TipCard::External,
        sold: Minor::new(50),
        tip: Minor::new(tip),
        seller: Some(StaffId::new(7)),
        terminal: "T1".parse().unwrap(),
        by: Some(StaffId::new(8)),
    }
}

fn part(ticket: TicketId, key: &str, class: TicketClass) -> PaymentTaken {
    PaymentTaken {
        id: PaymentId::taken(0, 11, key),
        ticket,
        class,
        tender: tender(TenderKind::House { account: ACCOUNT }, 110),
        amount: Minor::new(100),
        tip: Minor::new(10),
        change: Minor::ZERO,
        cash_rounding: Minor::ZERO,
        terminal: "T1".parse().unwrap(),
        drawer: None,
        by: Some(StaffId::new(8)),
        approval: None,
    }
}

fn exchanged(ticket: TicketId) -> CardSettled {
    let exchange =
        Exchange { cash: Minor::new(325), terminal: "T1".parse().unwrap(), drawer: None, by: None, approval: None };
    CardSettled {
        payment: CardPaymentId::asked(0, 11, "late"),
        amount: Minor::new(327),
        settled: Settled::Exchanged,
        ticket: Some(ticket),
        reference: None,
        exchange: Some(exchange),
        refund: None,
    }
}

/// All of a sale back, by somebody else.
fn back(sold: &TicketSold) -> TicketRefunded {
    TicketRefunded {
        id: RefundId::refunded(0, 11, "back"),
        ticket: sold.id,
        class: sold.class,
        receipt: "T1-A-9".parse().unwrap(),
        currency: sold.currency,
        reason: RefundReason::Other,
        lines: Vec::new(),
        service_charge: Minor::ZERO,
        taxes: sold.taxes.clone(),
        totals: sold.totals,
        tip: sold.details.tip,
        cash_rounding: Minor::ZERO,
        tenders: sold.tenders.clone(),
        stock_effects: Vec::new(),
        by: Some(StaffId::new(9)),
        seller: sold.sold_by,
        approval: None,
        drawer: None,
    }
}

/// What comes after the sales of a morning, or between them.
fn later(life: &Life) -> Vec<Event> {
    let (by_card, by_cash) = (sold(life, 1, card()), sold(life, 2, TenderKind::Cash));
    let on_the_house = sold(life, 3, TenderKind::House { account: ACCOUNT });
    let forwarded = CardSettled {
        payment: CardPaymentId::asked(0, 11, "stored"),
        settled: Settled::Forwarded,
        exchange: None,
        ..exchanged(by_cash.id)
    };
    vec![
        Event::TipAdjusted(tip(by_card.id, "first", 1, 200)),
        Event::TipAdjusted(tip(by_card.id, "second", 2, 150)),
        Event::OpenTicket(OpenFact::Paid(part(on_the_house.id, "part", TicketClass::Sale))),
        Event::OpenTicket(OpenFact::Paid(part(on_the_house.id, "practice", TicketClass::Training))),
        Event::CardSettled(exchanged(by_cash.id)),
        Event::CardSettled(forwarded),
        Event::TicketSold(by_card),
        Event::TicketSold(by_cash),
        Event::TicketRefunded(back(&on_the_house)),
        Event::TicketSold(on_the_house),
    ]
}

fn at() -> Moment {
    moment(MORNING_MS, 7)
}

/// A life with all that, and what a reading of it comes to.
fn a_life() -> (Life, ReadingSums) {
    let mut life = Life::new(11, 7);
    life.write(&at(), &described("Virginia-Highland", "America/New_York", Currency::USD), &[]);
    let mut reading = Reading::default();
    let mut tips: Vec<TipOn> = Vec::new();
    for event in later(&life) {
        reading.add(7, &event);
        if let Event::TipAdjusted(fact) = &event {
            let on = TipOn::new(fact, at().day.parse().unwrap());
            reading.tip(&moves(&tips, &on));
            tips.push(on);
        }
        life.write(&at(), &event, &[]);
    }
    (life, reading.sums)
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

/// What each row comes to, by key; rows of nothing do not matter.
async fn by(desk: &Desk, by: &str) -> BTreeMap<String, i64> {
    let report = desk.body(&query((by, Some(1), None))).await;
    let row = |row: &Value| (row["key"].as_str().unwrap().to_owned(), row["total_minor"].as_i64().unwrap());
    report["rows"].as_array().unwrap().iter().map(row).filter(|(_, total)| *total != 0).collect()
}

fn rows<const N: usize>(rows: [(&str, i64); N]) -> BTreeMap<String, i64> {
    rows.into_iter().map(|(key, total)| (key.to_owned(), total)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn later_tips_late_cards_and_parts_come_to_what_the_reading_says_however_journals_are_cut() {
    let (whole, cut) = (Desk::new().await, Desk::new().await);
    let (life, sums) = a_life();
    take(&whole, &life, 100).await;
    take(&cut, &life, 1).await;
    assert_eq!(whole.digest().await, cut.digest().await);
    let tenders =
        rows([("card", 327 + 327), ("card_external", 477), ("card_stored", -327), ("cash", 52), ("house", 110)]);
    assert_eq!(sums.tenders, tenders);
    assert_eq!(by(&whole, "tender").await, tenders);
    assert_eq!((sums.tips, sums.cash_rounding), (150 + 50 + 10, 2));
    assert_eq!(by(&whole, "tip").await, rows([("p:7", 200), ("p:8", 10)]));
    assert_eq!(by(&whole, "house_account").await, rows([("h:3", 110)]));

    // The account has the name that the menu gives it.
    let author = AuthorId::service(Service::Catalog);
    let id = JournalId { author, incarnation: Incarnation::new(1), stream: StreamKind::Catalog };
    let (name, per_ticket, per_day) = ("Atelier".to_owned(), Minor::new(1_000), Minor::new(1_500));
    let account = Rule::HouseAccount(HouseAccount { id: ACCOUNT, name, per_ticket, per_day });
    let mut catalog = Written::new(id);
    catalog.push(encoded(id, 1, &Event::Catalog(CatalogEvent::RuleSet(Box::new(account)))));
    whole.take(catalog.batch(1, 1, 1)).await;
    whole.fold().await;
    let report = whole.body(&query(("house_account", Some(1), Some(("2026-11-23", "2026-11-23"))))).await;
    assert_eq!((&report["rows"][0]["label"], &report["totals"]["total_minor"]), (&"Atelier".into(), &110.into()));

    // Another life of the box states the same facts again, and a tip that it had not heard of: one of two holds.
    let before = by(&whole, "tender").await;
    let mut other = Life::new(11, 9);
    let told_again = later(&life);
    for event in told_again.iter().take(6) {
        other.write(&at(), event, &[]);
    }
    whole.take(other.batch(StreamKind::Sales, (1, 6), 2, 0)).await;
    whole.fold().await;
    assert_eq!(by(&whole, "tender").await, before);
    let ticket = sold(&life, 1, card()).id;
    let (second, beside) = (tip(ticket, "second", 2, 150), tip(ticket, "beside", 2, 300));
    let holds = if beside.id > second.id { 300 } else { 150 };
    other.write(&at(), &Event::TipAdjusted(beside), &[]);
    whole.take(other.batch(StreamKind::Sales, (7, 7), 2, 0)).await;
    whole.fold().await;
    assert_eq!(by(&whole, "tender").await["card_external"], 327 + holds);
    assert_eq!(by(&whole, "tip").await["p:7"], 50 + holds);
    // The other way round it comes to the same.
    take(&cut, &other, 1).await;
    assert_eq!(
        (by(&cut, "tender").await, by(&cut, "tip").await),
        (by(&whole, "tender").await, by(&whole, "tip").await)
    );
    whole.leave().await;
    cut.leave().await;
}
