//! Laws of open tickets.

use proptest::prelude::*;

use super::decide::{self, Asking, CloseTicket, OpenRejection, TakePayment};
use super::fold::{OpenTicket, Stage};
use super::{OpenFact, Standing, Terms, TicketOpened, VoidReason};
use crate::domain::catalog::rules::{Combo, Consumption, Discount, DiscountScope, Reduction, Rule, Slot};
use crate::domain::catalog::tests::small_menu;
use crate::domain::catalog::{Catalog, CatalogEvent, TaxClass};
use crate::domain::pricing::against_menu::against_menu;
use crate::domain::pricing::cart::{AskedDiscount, Cart, CartLine, DiscountAsked, InCombo};
use crate::domain::pricing::recompute::{Part, differences};
use crate::domain::pricing::share::share_evenly;
use crate::domain::pricing::tests::in_the_morning;
use crate::domain::pricing::{PricingRejection, price};
use crate::domain::tickets::decide::{TicketRejection, rounded};
use crate::domain::tickets::receipt::{ReceiptNumber, TerminalName};
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::domain::tickets::{TicketClass, TicketSold};
use crate::ids::{ComboId, DiscountId, HouseAccountId, ItemId, LineId, PaymentId, StaffId, TaxClassId, TicketId};
use crate::money::{MicroRate, Minor};
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

/// An open ticket of so many espressos, each 3.00 and tax.
fn espressos(quantity: u32) -> OpenTicket {
    let mut ticket = folded(0, &[opened(0)]);
    let line = CartLine::plain(ItemId::new(101), quantity);
    let asking = Asking { author: AUTHOR, key: "espressos", by: None };
    ticket.add(&decide::change(&ticket, &small_menu(), (&[line], None), asking, &in_the_morning()).unwrap().unwrap());
    ticket
}

fn rounding_menu(step: u32) -> Catalog {
    menu_with(vec![Rule::CashStep(step)])
}

fn tender(kind: TenderKind, amount: i64) -> Tender {
    Tender { kind, amount: Minor::new(amount) }
}

fn till() -> TerminalName {
    "T1".parse().unwrap()
}

fn receipt() -> ReceiptNumber {
    "T1-A-1".parse().unwrap()
}

/// What is to be paid.
fn total_now(ticket: &OpenTicket, menu: &Catalog) -> Minor {
    decide::priced(ticket, menu, &in_the_morning()).unwrap().totals.total
}

/// What comes of paying a part.
fn paid(ticket: &mut OpenTicket, menu: &Catalog, tender: Tender, part: i64) -> Result<(), OpenRejection> {
    let payment = PaymentId::taken(1, AUTHOR, &format!("part-{}", ticket.payments.len()));
    let part = TakePayment { tender, amount: Minor::new(part), tip: Minor::ZERO, terminal: till(), by: None };
    ticket.add(&OpenFact::Paid(decide::take_payment(ticket, menu, payment, part, &in_the_morning())?));
    Ok(())
}

/// What it is sold for, with these tenders.
fn closed(ticket: &OpenTicket, menu: &Catalog, tenders: Vec<Tender>) -> Result<TicketSold, OpenRejection> {
    let command = CloseTicket { tenders, tip: Minor::ZERO, shown: total_now(ticket, menu) };
    let decided = decide::close(ticket, menu, command, &in_the_morning())?;
    Ok(decided.numbered(id(0), receipt()))
}

/// All that a ticket brought in.
fn brought(ticket: &OpenTicket, sold: &TicketSold) -> i64 {
    let parts: i64 = ticket.payments.values().map(|part| part.kept().get()).sum();
    parts + sold.tenders.iter().map(|tender| tender.amount.get()).sum::<i64>() - sold.change.get()
}

const CARD: TenderKind = TenderKind::CardExternal { reference: None, last_four: None };

#[test]
fn a_part_by_card_or_on_an_account_is_paid_to_the_cent() {
    let (menu, house) = (rounding_menu(100), TenderKind::House { account: HouseAccountId::new(1) });
    let mut ticket = espressos(6);
    let short = |due, tendered| Err(OpenRejection::Ticket(TicketRejection::Underpaid { due, tendered }));
    for kind in [CARD, house] {
        assert_eq!(paid(&mut ticket, &menu, tender(kind.clone(), 1), 50), short(50, 1));
        assert_eq!(paid(&mut ticket, &menu, tender(kind, 50), 50), Ok(()));
    }
    // 19.60, and 1.00 of it is paid.
    assert_eq!(closed(&ticket, &menu, vec![tender(CARD, 1_811)]).map(drop), short(1_860, 1_811));
    assert_eq!(closed(&ticket, &menu, vec![]).map(drop), short(1_860, 0), "what is left goes by card, or by coins");
    let sold = closed(&ticket, &menu, vec![tender(CARD, 1_860)]).unwrap();
    assert_eq!((brought(&ticket, &sold), sold.details.cash_rounding), (1_960, Minor::ZERO));
}

const BEANS: ItemId = ItemId::new(201);
const BREAKFAST: ComboId = ComboId::new(3);

/// A set of an espresso and a bag of beans for 20.00, a dollar less than their prices.
fn breakfast() -> Rule {
    let slot = |item| Slot { name: "Place".to_owned(), choices: [(item, Minor::ZERO)].into() };
    let slots = vec![slot(ItemId::new(101)), slot(BEANS)];
    Rule::Combo(Combo { id: BREAKFAST, name: "Breakfast".to_owned(), price: Minor::new(2_000), slots })
}

fn menu_with(rules: Vec<Rule>) -> Catalog {
    let mut menu = small_menu();
    rules.into_iter().for_each(|rule| menu.content.apply(&CatalogEvent::RuleSet(Box::new(rule))));
    menu
}

/// A ticket of one set.
fn of_one_set(number: usize, menu: &Catalog) -> OpenTicket {
    let mut ticket = folded(number, &[opened(number)]);
    let in_set = |(slot, item)| {
        let combo = Some(InCombo { combo: BREAKFAST, instance: 1, slot });
        CartLine { combo, ..CartLine::plain(item, 1) }
    };
    let lines = [(0, ItemId::new(101)), (1, BEANS)].map(in_set);
    let key = format!("set-{number}");
    let asking = Asking { author: AUTHOR, key: &key, by: None };
    ticket.add(&decide::change(&ticket, menu, (&lines, None), asking, &in_the_morning()).unwrap().unwrap());
    ticket
}

fn net(ticket: &OpenTicket, menu: &Catalog) -> i64 {
    decide::priced(ticket, menu, &in_the_morning()).unwrap().totals.net.get()
}

/// The set comes to another ticket: at once, or line by line.
fn brought_together(menu: &Catalog, at_once: bool) -> OpenTicket {
    let (mut from, mut to) = (of_one_set(0, menu), of_one_set(1, menu));
    let lines: Vec<LineId> = from.lines().iter().map(|line| line.id).collect();
    for (at, lines) in lines.chunks(if at_once { 2 } else { 1 }).enumerate() {
        let key = format!("merge-{at}");
        let asking = Asking { author: AUTHOR, key: &key, by: None };
        let fact = decide::divide((&from, &to), menu, lines, asking, &in_the_morning()).unwrap();
        from.add(&fact);
        to.add(&fact);
    }
    to
}

#[test]
fn sets_of_two_tickets_that_come_together_stay_two_sets() {
    let menu = menu_with(vec![breakfast()]);
    for at_once in [true, false] {
        let both = brought_together(&menu, at_once);
        assert_eq!(net(&both, &menu), 4_000, "at once: {at_once}");
        let instances: Vec<_> = both.lines().iter().filter_map(|line| Some(line.asked.combo?.instance)).collect();
        assert_eq!(instances, [1, 1, 2, 2]);
    }
}

#[test]
fn what_was_paid_too_much_goes_back_as_change_when_the_ticket_is_closed() {
    let cheaper = |step| {
        let mut menu = rounding_menu(step);
        menu.content.apply(&CatalogEvent::TaxClassSet(TaxClass {
            id: TaxClassId::new(1),
            name: "Prepared".to_owned(),
            rate: MicroRate::new(80_000),
        }));
        menu
    };
    // 19.60 was paid of what is 19.44 now: coins of 5 give 0.15 back, and 0.01 is rounding.
    let in_cash = TenderKind::Cash;
    for (kind, step, change, rounding) in [
        (&CARD, 1, 16, 0),
        (&CARD, 5, 15, 1),
        (&CARD, 100, 0, 16),
        (&in_cash, 1, 16, 0),
        (&in_cash, 5, 15, 1),
        // Of cash that was paid to the cent, what coins can pay is kept.
        (&in_cash, 100, 60, -44),
    ] {
        let mut ticket = espressos(6);
        assert_eq!(paid(&mut ticket, &small_menu(), tender(kind.clone(), 1_960), 1_960), Ok(()));
        let menu = cheaper(step);
        let sold = closed(&ticket, &menu, vec![]).unwrap();
        assert_eq!((sold.totals.total.get(), sold.change.get()), (1_944, change));
        assert_eq!((sold.details.cash_rounding.get(), sold.cash().get()), (rounding, -change));
        assert_eq!(differences(&sold), Ok(Vec::new()));
        assert!(closed(&ticket, &menu, vec![tender(CARD, 1)]).is_err());
        assert!(closed(&ticket, &menu, vec![tender(in_cash.clone(), 100)]).is_err());
    }
}

#[test]
fn a_set_that_the_menu_does_not_have_any_more_costs_what_its_lines_cost() {
    let with_set = menu_with(vec![breakfast()]);
    let mut other_set = breakfast();
    if let Rule::Combo(combo) = &mut other_set {
        combo.slots.pop();
    }
    for menu in [small_menu(), menu_with(vec![other_set])] {
        let mut ticket = of_one_set(0, &with_set);
        assert_eq!(paid(&mut ticket, &with_set, tender(CARD, 300), 300), Ok(()));
        assert_eq!((net(&ticket, &with_set), net(&ticket, &menu)), (2_000, 2_100));
        let asking = Asking { author: AUTHOR, key: "more", by: None };
        let line = CartLine::plain(ItemId::new(101), 1);
        let more = decide::change(&ticket, &menu, (core::slice::from_ref(&line), None), asking, &in_the_morning());
        assert!(more.unwrap().is_some());
        let combo = Some(InCombo { combo: BREAKFAST, instance: 2, slot: 0 });
        let half = decide::change(&ticket, &with_set, (&[CartLine { combo, ..line }], None), asking, &in_the_morning());
        let incomplete = PricingRejection::ComboIncomplete { line: 0, combo: BREAKFAST };
        assert_eq!(half, Err(OpenRejection::from(incomplete)), "half a set does not come");
        let left = decide::priced(&ticket, &menu, &in_the_morning()).unwrap().totals.total.get() - 300;
        assert!(closed(&ticket, &menu, vec![tender(CARD, left)]).is_ok());
    }
}

#[test]
fn a_discount_on_a_line_that_the_menu_does_not_have_any_more_takes_nothing_off() {
    let known = DiscountId::new(5);
    let with_discount = menu_with(vec![Rule::Discount(Discount {
        id: known,
        name: "Regulars".to_owned(),
        scope: DiscountScope::Line,
        reduction: Reduction::Percent(MicroRate::new(100_000)),
        approval: false,
    })]);
    let discounts = vec![AskedDiscount { what: DiscountAsked::Menu(known), reason: None }];
    let line = CartLine { discounts, ..CartLine::plain(ItemId::new(101), 1) };
    let add = |menu: &Catalog| {
        let asking = Asking { author: AUTHOR, key: "line", by: None };
        let ticket = folded(0, &[opened(0)]);
        decide::change(&ticket, menu, (core::slice::from_ref(&line), None), asking, &in_the_morning())
    };
    let mut ticket = folded(0, &[opened(0)]);
    ticket.add(&add(&with_discount).unwrap().unwrap());
    assert_eq!((net(&ticket, &with_discount), net(&ticket, &small_menu())), (270, 300));
    assert!(add(&small_menu()).is_err(), "who asks for it now hears that there is none");
}

proptest! {
    /// However many parts a ticket is paid in, all its cash together is rounded once: nobody pays less by paying more often.
    #[test]
    fn p24_all_cash_of_a_ticket_is_rounded_once_in_however_many_parts_it_comes(
        parts in prop::collection::vec((any::<bool>(), 1_i64..80), 0..40),
        step in prop::sample::select(vec![1_u32, 5, 10, 25, 100]),
        last_by_card in any::<bool>(),
    ) {
        let menu = rounding_menu(step);
        let mut ticket = espressos(6);
        let mut in_cash = 0;
        for (by_card, part) in parts {
            let due = decide::priced(&ticket, &menu, &in_the_morning()).unwrap().totals.total.minus(ticket.paid().unwrap());
            let part = part.min(due.unwrap().get());
            if by_card {
                prop_assume!(part > 0);
                prop_assert_eq!(paid(&mut ticket, &menu, tender(CARD, part), part), Ok(()));
            } else if paid(&mut ticket, &menu, tender(TenderKind::Cash, 1_000), part).is_ok() {
                in_cash += part;
            }
        }
        let left = 1_960 - ticket.paid().unwrap().get();
        prop_assume!(left > 0);
        let last = if last_by_card { tender(CARD, left) } else { tender(TenderKind::Cash, 5_000) };
        if !last_by_card {
            in_cash += left;
        }
        let sold = closed(&ticket, &menu, vec![last]).or_else(|_nothing_in_coins| closed(&ticket, &menu, vec![])).unwrap();
        let of_cash = rounded(Minor::new(in_cash), step).unwrap().get();
        prop_assert_eq!(brought(&ticket, &sold), 1_960 - in_cash + of_cash);
        prop_assert_eq!(differences(&sold), Ok(Vec::new()));
        let at = in_the_morning();
        let rounding = against_menu(&sold, &menu, &at).unwrap().into_iter().filter(|one| one.part == Part::CashRounding);
        prop_assert_eq!(rounding.count(), 0);
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
