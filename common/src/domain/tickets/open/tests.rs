//! Laws of open tickets.

use proptest::prelude::*;

use super::decide::{self, Asking, CloseTicket, OpenRejection, TakePayment};
use super::fold::{OpenTicket, Stage};
use super::{OpenFact, Standing, Terms, TicketOpened, VoidReason};
use crate::domain::catalog::rules::Consumption;
use crate::domain::catalog::tests::small_menu;
use crate::domain::pricing::cart::{Cart, CartLine};
use crate::domain::pricing::price;
use crate::domain::pricing::recompute::differences;
use crate::domain::pricing::share::share_evenly;
use crate::domain::pricing::tests::in_the_morning;
use crate::domain::tickets::TicketClass;
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::ids::{ItemId, LineId, PaymentId, StaffId, TicketId};
use crate::money::Minor;
use crate::time::UtcMillis;

const AUTHOR: u32 = 11;

fn id(number: usize) -> TicketId {
    TicketId::sold(1, AUTHOR, &format!("ticket-{number}"))
}

fn opened(number: usize) -> OpenFact {
    OpenFact::Opened(TicketOpened {
        id: id(number),
        class: TicketClass::Sale,
        terminal: "T1".parse().unwrap(),
        by: None,
    })
}

fn folded<'f>(number: usize, facts: impl IntoIterator<Item = &'f OpenFact>) -> OpenTicket {
    let mut ticket = OpenTicket::new(id(number));
    facts.into_iter().for_each(|fact| ticket.add(fact));
    ticket
}

/// What somebody does, to one of three tickets.
#[derive(Debug, Clone)]
enum Act {
    Add { item: u32, quantity: u32 },
    Void { line: usize },
    Terms { dine_in: bool },
    Move { held: bool, staff: u32 },
    Divide { line: Option<usize>, to: usize },
    Pay { part: i64 },
    Abandon,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (prop::sample::select(vec![101_u32, 201]), 1_u32..4).prop_map(|(item, quantity)| Act::Add { item, quantity }),
        2 => (0_usize..6).prop_map(|line| Act::Void { line }),
        1 => any::<bool>().prop_map(|dine_in| Act::Terms { dine_in }),
        2 => (any::<bool>(), 1_u32..4).prop_map(|(held, staff)| Act::Move { held, staff }),
        2 => (prop::option::of(0_usize..6), 0_usize..3).prop_map(|(line, to)| Act::Divide { line, to }),
        1 => (1_i64..900).prop_map(|part| Act::Pay { part }),
        1 => Just(Act::Abandon),
    ]
}

/// What happens if somebody does it, as far as it may be done.
fn done(act: &Act, number: usize, key: &str, facts: &[OpenFact]) -> Option<OpenFact> {
    let (menu, moment) = (small_menu(), in_the_morning());
    let ticket = folded(number, facts);
    let asking = Asking { author: AUTHOR, key, by: None };
    let nth = |at: &usize| ticket.lines().get(*at).map(|line| line.id);
    match act {
        Act::Add { item, quantity } => {
            let line = CartLine::plain(ItemId::new(*item), *quantity);
            decide::change(&ticket, &menu, (&[line], None), asking, &moment).ok()?
        }
        Act::Terms { dine_in } => {
            let consumption = if *dine_in { Consumption::DineIn } else { Consumption::TakeAway };
            let terms = Terms { consumption, ..Terms::default() };
            decide::change(&ticket, &menu, (&[], Some(terms)), asking, &moment).ok()?
        }
        Act::Void { line } => decide::void(&ticket, &menu, (&[nth(line)?], VoidReason::Mistake), None, &moment).ok()?,
        Act::Move { held, staff } => {
            let standing = Standing { held: *held, terminal: "T2".parse().unwrap(), staff: Some(StaffId::new(*staff)) };
            decide::hand_over(&ticket, standing, None).ok()?
        }
        Act::Divide { line, to } => {
            let lines: Vec<LineId> = line.iter().filter_map(nth).collect();
            decide::divide((&ticket, &folded(*to, facts)), &menu, &lines, asking, &moment).ok()
        }
        Act::Pay { part } => {
            let amount = Minor::new(*part);
            let tender = Tender { kind: TenderKind::Cash, amount };
            let part = TakePayment { tender, amount, tip: Minor::ZERO, terminal: "T1".parse().unwrap(), by: None };
            let payment = PaymentId::taken(1, AUTHOR, key);
            decide::take_payment(&ticket, &menu, payment, part, &moment).ok().map(OpenFact::Paid)
        }
        Act::Abandon => decide::abandon(&ticket, None).ok()?,
    }
}

/// Three tickets, and what was done to them: some of it by somebody who had not seen the last that was done before.
fn history(acts: &[(usize, Act, usize)]) -> Vec<OpenFact> {
    let mut facts: Vec<_> = (0..3).map(opened).collect();
    for (at, (number, act, unseen)) in acts.iter().enumerate() {
        let seen = facts.len().saturating_sub(*unseen).max(3);
        facts.extend(done(act, *number, &format!("key-{at}"), &facts[..seen]));
    }
    facts
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act, usize)>> {
    prop::collection::vec((0_usize..3, act(), 0_usize..3), 0..40)
}

proptest! {
    /// P5, P7, P30: whoever reads the same facts, in whatever order and however often, comes to the same ticket.
    #[test]
    fn p7_the_same_facts_in_any_order_and_any_number_are_the_same_ticket(
        acts in acts(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
    ) {
        let facts = history(&acts);
        let mut shuffled: Vec<_> = order.iter().map(|index| &facts[index.index(facts.len())]).collect();
        shuffled.extend(facts.iter().rev());
        for number in 0..3 {
            prop_assert_eq!(folded(number, &facts), folded(number, shuffled.iter().copied()));
        }
    }

    /// No line is ever on two tickets, and none that nobody took off is on none.
    #[test]
    fn p30_every_line_is_on_one_ticket_or_was_taken_off(acts in acts()) {
        let seen: Vec<_> = acts.into_iter().map(|(number, act, _unseen)| (number, act, 0)).collect();
        let facts = history(&seen);
        let tickets: Vec<_> = (0..3).map(|number| folded(number, &facts)).collect();
        let pieces = |ticket: &OpenTicket| ticket.lines().iter().map(|line| u64::from(line.listed.quantity)).sum::<u64>();
        let voided = |ticket: &OpenTicket| {
            ticket.voided().iter().map(|(line, _)| u64::from(line.listed.quantity)).sum::<u64>()
        };
        let added: u64 = facts.iter().map(|fact| if let OpenFact::Changed(changed) = fact {
            changed.added.iter().map(|line| u64::from(line.listed.quantity)).sum()
        } else { 0 }).sum();
        prop_assert_eq!(tickets.iter().map(|ticket| pieces(ticket) + voided(ticket)).sum::<u64>(), added);
        for ticket in &tickets {
            let comes_to = decide::priced(ticket, &small_menu(), &in_the_morning());
            let comes_to = comes_to.map_or(Minor::ZERO, |priced| priced.totals.total);
            prop_assert!(ticket.paid().unwrap() <= comes_to, "nobody has paid more than is owed");
        }
    }

    /// P24: paid in even parts and at the end, the ticket adds up to the cent; and it is the ticket that a quick sale would be.
    #[test]
    fn p24_a_ticket_that_is_paid_in_parts_comes_to_what_it_comes_to_at_once(
        items in prop::collection::vec((prop::sample::select(vec![101_u32, 201]), 1_u32..5), 1..8),
        parts in 1_usize..12,
    ) {
        let (menu, moment) = (small_menu(), in_the_morning());
        let lines: Vec<_> = items.iter().map(|(item, quantity)| CartLine::plain(ItemId::new(*item), *quantity)).collect();
        let mut ticket = folded(0, &[opened(0)]);
        for (at, line) in lines.iter().enumerate() {
            let asking = Asking { author: AUTHOR, key: &format!("line-{at}"), by: None };
            let fact = decide::change(&ticket, &menu, (core::slice::from_ref(line), None), asking, &moment).unwrap().unwrap();
            ticket.add(&fact);
        }
        let at_once = price(&menu, &Cart { lines, ..Cart::default() }, &moment).unwrap();
        let total = at_once.totals.total;
        prop_assert_eq!(decide::priced(&ticket, &menu, &moment), Ok(at_once));
        let cash = |amount| Tender { kind: TenderKind::Cash, amount };
        let shares = share_evenly(total, parts);
        for (at, amount) in shares.iter().copied().enumerate().skip(1) {
            let part = TakePayment { tender: cash(amount), amount, tip: Minor::ZERO, terminal: "T1".parse().unwrap(), by: None };
            let payment = PaymentId::taken(1, AUTHOR, &format!("part-{at}"));
            ticket.add(&OpenFact::Paid(decide::take_payment(&ticket, &menu, payment, part, &moment).unwrap()));
        }
        let command = CloseTicket { tenders: vec![cash(shares[0])], tip: Minor::ZERO, shown: total };
        let sold = decide::close(&ticket, &menu, command, &moment).unwrap().numbered(id(0), "T1-A-1".parse().unwrap());
        prop_assert_eq!(differences(&sold), Ok(Vec::new()));
        prop_assert_eq!((sold.change, sold.details.payments_before.len()), (Minor::ZERO, parts - 1));
        let mut in_error = sold.clone();
        in_error.details.payments_before.pop();
        prop_assert_eq!(differences(&in_error).unwrap().is_empty(), parts == 1, "a payment that is not counted is missed");
    }
}

#[test]
fn p4_paid_beats_abandoned_and_abandoned_beats_open() {
    let (menu, moment) = (small_menu(), in_the_morning());
    let asking = Asking { author: AUTHOR, key: "k", by: None };
    let mut ticket = folded(0, &[opened(0)]);
    let line = CartLine::plain(ItemId::new(101), 1);
    ticket.add(&decide::change(&ticket, &menu, (&[line], None), asking, &moment).unwrap().unwrap());
    let total = decide::priced(&ticket, &menu, &moment).unwrap().totals.total;
    let tenders = vec![Tender { kind: TenderKind::Cash, amount: total }];
    let command = CloseTicket { tenders, tip: Minor::ZERO, shown: total };
    let sold = |receipt: &str| {
        let decided = decide::close(&ticket, &menu, command.clone(), &moment).unwrap();
        decided.numbered(id(0), receipt.parse().unwrap())
    };
    let at = UtcMillis::new;
    let (first, second) = (sold("T1-A-1"), sold("T1-B-1"));
    let standing = Standing { held: true, terminal: "T1".parse().unwrap(), staff: None };
    let late = [
        decide::hand_over(&ticket, standing, None).unwrap().unwrap(),
        decide::abandon(&ticket, None).unwrap().unwrap(),
    ];
    let stages: Vec<_> = late
        .iter()
        .map(|fact| {
            ticket.add(fact);
            ticket.stage()
        })
        .collect();
    assert_eq!(stages, [Stage::Held, Stage::Abandoned]);
    ticket.add_sold(&first, at(1));
    late.iter().for_each(|fact| ticket.add(fact));
    assert_eq!(ticket.stage(), Stage::Paid);
    assert_eq!(decide::abandon(&ticket, None), Err(OpenRejection::Paid(first.receipt.clone())));
    // Two lives of a box have sold it: both receipts are shown, and none is dropped.
    ticket.add_sold(&second, at(1));
    ticket.add_sold(&second, at(2));
    ticket.add_sold(&first, at(1));
    let shown: Vec<_> = ticket.receipts.iter().map(|(receipt, _)| receipt).collect();
    assert_eq!(shown, [&first.receipt, &second.receipt, &second.receipt]);
}

#[test]
fn a_close_says_what_the_till_has_shown_and_limits_hold() {
    let (menu, moment) = (small_menu(), in_the_morning());
    let mut ticket = folded(0, &[opened(0)]);
    let lines = vec![CartLine::plain(ItemId::new(101), 1); 200];
    let asking = |key| Asking { author: AUTHOR, key, by: None };
    let fact = decide::change(&ticket, &menu, (&lines, None), asking("full"), &moment).unwrap().unwrap();
    ticket.add(&fact);
    assert_eq!(decide::change(&ticket, &menu, (&lines, None), asking("full"), &moment), Ok(None), "they are there");
    let more = decide::change(&ticket, &menu, (&lines[..1], None), asking("more"), &moment);
    assert_eq!(more, Err(OpenRejection::LineCount));
    let command = CloseTicket { tenders: Vec::new(), tip: Minor::ZERO, shown: Minor::new(1) };
    let is = decide::priced(&ticket, &menu, &moment).unwrap().totals.total.get();
    assert_eq!(decide::close(&ticket, &menu, command, &moment), Err(OpenRejection::Changed { shown: 1, is }));
    assert_eq!(decide::change(&ticket, &menu, (&[], None), asking("none"), &moment), Err(OpenRejection::Nothing));
}
