//! Money that is no sale and no refund, by means of payment: parts of open tickets, and what became of cards. Head office comes to what a
//! shop's closing reading says, and counts each once.

use std::collections::BTreeMap;

use percolate_common::domain::cash::reading::Reading;
use percolate_common::domain::event::Event;
use percolate_common::domain::tenders::card::{CardSettled, Settled};
use percolate_common::domain::tickets::open::{OpenFact, PaymentTaken};
use percolate_common::domain::tickets::refund::TicketRefunded;
use percolate_common::domain::tickets::tender::TenderKind;
use percolate_common::domain::tickets::{PaymentBefore, TicketClass, TicketSold};
use percolate_common::ids::{CardPaymentId, PaymentId};
use percolate_common::journal::StreamKind;
use percolate_common::money::{Currency, Minor};

use super::refunds::{HOUR_MS, MORNING_MS, back, by, card, sold, take, tender};
use super::sums::moment;
use crate::support::desk::Desk;
use crate::support::life::{Life, Moment, described};

fn payment(key: &str) -> CardPaymentId {
    CardPaymentId::asked(MORNING_MS, 11, key)
}

fn by_box(key: &str, stored: bool) -> TenderKind {
    TenderKind::Card { payment: payment(key), reference: None, last_four: None, stored }
}

fn settled(key: &str, of: &TicketSold, settled: Settled, refund: Option<&TicketRefunded>) -> Event {
    let amount = refund.map_or(Minor::new(2_507), |refund| refund.totals.total);
    let (ticket, refund) = (Some(of.id), refund.map(|refund| refund.id));
    Event::CardSettled(CardSettled {
        payment: payment(key),
        amount,
        settled,
        ticket,
        reference: None,
        exchange: None,
        refund,
    })
}

/// A ticket that is paid in parts; one on trust that becomes money, one that is lost; and one by a card that takes money back once
/// and once not.
fn a_day(life: &Life) -> Vec<(Moment, Event)> {
    let mut parts = sold(life, 1, Some(7), vec![tender(TenderKind::Cash, 3_000)], 993);
    let part = PaymentTaken {
        id: PaymentId::taken(MORNING_MS, 11, "part"),
        ticket: parts.id,
        class: TicketClass::Sale,
        tender: tender(card(), 540),
        amount: Minor::new(500),
        tip: Minor::new(40),
        change: Minor::ZERO,
        cash_rounding: Minor::ZERO,
        terminal: "T1".parse().unwrap(),
        drawer: None,
        by: None,
        approval: None,
    };
    let practice =
        PaymentTaken { id: PaymentId::taken(MORNING_MS, 11, "practice"), class: TicketClass::Training, ..part.clone() };
    parts.details.payments_before = vec![PaymentBefore { id: part.id, amount: part.amount }];
    parts.details.was_open = true;
    let trusted = sold(life, 2, None, vec![tender(by_box("trusted", true), 2_507)], 0);
    let lost = sold(life, 3, None, vec![tender(by_box("lost", true), 2_507)], 0);
    let approved = sold(life, 4, None, vec![tender(by_box("approved", false), 2_507)], 0);
    let [credited, owed] = [5, 6].map(|number| back(&approved, number, None, by_box("approved", false)));
    let after = [
        settled("trusted", &trusted, Settled::Forwarded, None),
        settled("lost", &lost, Settled::Lost, None),
        settled("approved", &approved, Settled::Credited, Some(&credited)),
        settled("approved", &approved, Settled::Owed, Some(&owed)),
    ];
    let paid = [part, practice].map(|part| Event::OpenTicket(OpenFact::Paid(part)));
    let sold = [parts, trusted, lost, approved].map(Event::TicketSold);
    let back = [credited, owed].map(Event::TicketRefunded);
    let at = moment(MORNING_MS + HOUR_MS, 8);
    paid.into_iter().chain(sold).chain(back).chain(after).map(|event| (at.clone(), event)).collect()
}

fn a_life() -> (Life, BTreeMap<String, i64>) {
    let mut life = Life::new(11, 7);
    life.write(&moment(MORNING_MS, 7), &described("Virginia-Highland", "America/New_York", Currency::USD), &[]);
    let mut reading = Reading::default();
    for (when, event) in a_day(&life) {
        reading.add(when.hour, &event);
        let is_sale = matches!(event, Event::TicketSold(_));
        life.write(&when, &event, if is_sale { &[(1, -36_000)] } else { &[] });
    }
    (life, reading.sums.tenders)
}

/// Without what came and went again.
fn there(sums: BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    sums.into_iter().filter(|(_, sum)| *sum != 0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_and_what_became_of_cards_are_in_the_means_of_payment_as_in_a_reading_and_once() {
    let (whole, cut) = (Desk::new().await, Desk::new().await);
    let (life, reading) = a_life();
    take(&whole, &life, 100).await;
    take(&cut, &life, 1).await;
    let expected =
        [("card", 2 * 2_507 - 327), ("card_external", 540), ("card_lost", 2_507), ("card_owed", -327), ("cash", 2_007)];
    let expected: BTreeMap<_, _> = expected.map(|(kind, sum)| (kind.to_owned(), sum)).into();
    assert_eq!(there(reading), expected);
    assert_eq!(there(by(&whole, "tender", "total_minor").await), expected);
    assert_eq!(whole.digest().await, cut.digest().await, "however the journal is cut");
    // Another life of the box states it all again, as after the repair of a fork.
    let mut other = Life::new(11, 9);
    let again = a_day(&life).into_iter().filter(|(_, event)| !matches!(event, Event::TicketSold(_)));
    let mut last = 0;
    for (when, event) in again {
        other.write(&when, &event, &[]);
        last += 1;
    }
    whole.take(other.batch(StreamKind::Sales, (1, last), 2, 0)).await;
    whole.fold().await;
    assert_eq!(there(by(&whole, "tender", "total_minor").await), expected, "it counts once");
    whole.leave().await;
    cut.leave().await;
}
