use proptest::prelude::*;

use super::*;
use crate::domain::catalog::Catalog;
use crate::domain::catalog::CatalogEvent;
use crate::domain::catalog::rules::Rule;
use crate::domain::catalog::tests::small_menu;
use crate::domain::pricing::cart::{Cart, CartLine};
use crate::domain::pricing::price;
use crate::domain::pricing::tests::{any_cart, in_the_morning};
use crate::domain::tickets::ServiceCharged;
use crate::domain::tickets::decide::{SellTicket, rounded, sell};
use crate::domain::tickets::tips::{TipCard, TipOn};
use crate::ids::{CardPaymentId, RuleId, StockItemId, TipId};
use crate::quantity::Quantity;

const MONDAY: BusinessDay = BusinessDay::from_days(20_787);
const ESPRESSO: ItemId = ItemId::new(101);

fn cash(amount: i64) -> Tender {
    Tender { kind: TenderKind::Cash, amount: Minor::new(amount) }
}

fn card(amount: i64) -> Tender {
    Tender { kind: TenderKind::CardExternal { reference: None, last_four: None }, amount: Minor::new(amount) }
}

fn rounding_menu(step: u32) -> Catalog {
    let mut menu = small_menu();
    menu.content.apply(&CatalogEvent::RuleSet(Box::new(Rule::CashStep(step))));
    menu
}

fn sold_by(menu: &Catalog, cart: Cart, tenders: Vec<Tender>, tip: i64) -> TicketSold {
    let tip = Minor::new(tip);
    let command = SellTicket { class: TicketClass::Sale, currency: Currency::USD, cart, tenders, tip };
    let decided = sell(menu, command, &in_the_morning()).unwrap();
    decided.numbered(TicketId::sold(0, 1, "k"), "T1-A-1".parse().unwrap())
}

/// Three espressos: 9.00 and 0.80 tax.
fn three() -> TicketSold {
    sold_by(&small_menu(), Cart::plain([(ESPRESSO, 3)]), vec![cash(1_000)], 0)
}

fn ask(what: Asked, tenders: Vec<Tender>) -> RefundTicket {
    RefundTicket { reason: RefundReason::Quality, what, tenders }
}

fn pieces(quantity: u32) -> Asked {
    Asked::Lines(vec![AskedLine { line: 0, quantity, restock: false }])
}

const WHOLE: Asked = Asked::Whole { restock: false };

fn by(
    menu: &Catalog,
    sold: &TicketSold,
    before: &[TicketRefunded],
    ask: &RefundTicket,
) -> Result<TicketRefunded, RefundRejection> {
    let sale = Sale::new(sold, MONDAY, &[]);
    let number = before.len() as u64 + 2;
    let decided = refund(menu, &sale, &Before::of(before), (ask, MONDAY))?;
    let receipt = ReceiptNumber { number, ..sold.receipt.clone() };
    Ok(decided.numbered(RefundId::refunded(0, 1, &number.to_string()), receipt))
}

fn of(sold: &TicketSold, before: &[TicketRefunded], ask: &RefundTicket) -> Result<TicketRefunded, RefundRejection> {
    by(&small_menu(), sold, before, ask)
}

#[test]
fn p33_pieces_that_come_back_one_by_one_come_to_the_sale_exactly_and_none_comes_back_twice() {
    let sold = three();
    let mut before = Vec::new();
    let mut sums = Vec::new();
    for _piece in 0..3 {
        let back = of(&sold, &before, &ask(pieces(1), vec![])).unwrap();
        sums.push((back.totals.net.get(), back.totals.tax.get()));
        before.push(back);
    }
    assert_eq!(sums, [(300, 27), (300, 26), (300, 27)]);
    let refused = |what| of(&sold, &before, &ask(what, vec![]));
    assert_eq!(refused(pieces(1)), Err(RefundRejection::TooMany { at: 0, quantity: 1, left: 0 }));
    assert_eq!(refused(WHOLE), Err(RefundRejection::NothingLeft));
}

#[test]
fn what_is_asked_must_be_on_the_ticket() {
    let sold = three();
    let lines = |lines: &[(u32, u32)]| {
        let line = |(line, quantity): &(u32, u32)| AskedLine { line: *line, quantity: *quantity, restock: false };
        of(&sold, &[], &ask(Asked::Lines(lines.iter().map(line).collect()), vec![])).map(drop)
    };
    assert_eq!(lines(&[]), Err(RefundRejection::Empty));
    assert_eq!(lines(&[(1, 1)]), Err(RefundRejection::Line { at: 0, line: 1 }));
    assert_eq!(lines(&[(0, 1), (0, 1)]), Err(RefundRejection::Line { at: 1, line: 0 }));
    assert_eq!(lines(&[(0, 0)]), Err(RefundRejection::TooMany { at: 0, quantity: 0, left: 3 }));
    assert_eq!(lines(&[(0, 4)]), Err(RefundRejection::TooMany { at: 0, quantity: 4, left: 3 }));
    assert_eq!(lines(&[(0, 3)]), Ok(()));
}

#[test]
fn a_void_is_the_whole_ticket_on_its_own_day_and_nothing_else() {
    let sold = three();
    let void = |what, before: &[TicketRefunded], today| {
        let ask = RefundTicket { reason: RefundReason::Void, what, tenders: vec![] };
        let sale = Sale::new(&sold, MONDAY, &[]);
        refund(&small_menu(), &sale, &Before::of(before), (&ask, today)).map(|back| back.totals.total.get())
    };
    assert_eq!(void(WHOLE, &[], MONDAY), Ok(980));
    assert_eq!(void(pieces(3), &[], MONDAY), Err(RefundRejection::Void));
    assert_eq!(void(WHOLE, &[], BusinessDay::from_days(20_788)), Err(RefundRejection::Void));
    let one = of(&sold, &[], &ask(pieces(1), vec![])).unwrap();
    assert_eq!(void(WHOLE, &[one], MONDAY), Err(RefundRejection::Void));
}

#[test]
fn money_goes_back_by_the_means_that_it_came_by() {
    let sold = sold_by(&small_menu(), Cart::plain([(ESPRESSO, 3)]), vec![card(700), cash(300)], 0);
    let back = |before: &[TicketRefunded], what, tenders| of(&sold, before, &ask(what, tenders));
    assert_eq!(back(&[], WHOLE, vec![]).unwrap().tenders, [card(700), cash(280)], "the change stayed here");
    let first = back(&[], pieces(1), vec![cash(280), card(47)]).unwrap();
    assert_eq!(
        back(std::slice::from_ref(&first), pieces(1), vec![cash(1), card(325)]),
        Err(RefundRejection::TenderKind { kind: "cash", tendered: 1, left: 0 })
    );
    assert_eq!(back(&[first], pieces(1), vec![]).unwrap().tenders, [card(326)]);
    assert_eq!(back(&[], pieces(1), vec![cash(326)]), Err(RefundRejection::TenderSum { due: 327, tendered: 326 }));
    assert_eq!(back(&[], pieces(1), vec![cash(327), card(0)]), Err(RefundRejection::Tenders));
    let number = TenderKind::CardExternal { reference: Some("4111 1111 1111 1111".to_owned()), last_four: None };
    let with_number = vec![Tender { kind: number, amount: Minor::new(327) }];
    assert_eq!(back(&[], pieces(1), with_number), Err(RefundRejection::Reference { tender: 0 }));
}

#[test]
fn a_tip_goes_back_with_the_whole_ticket_only() {
    let sold = sold_by(&small_menu(), Cart::plain([(ESPRESSO, 3)]), vec![card(1_080)], 100);
    let part = of(&sold, &[], &ask(pieces(3), vec![])).unwrap();
    assert_eq!((part.tip.get(), part.tenders), (0, vec![card(980)]));
    let whole = of(&sold, &[], &ask(WHOLE, vec![])).unwrap();
    assert_eq!((whole.tip.get(), whole.totals.total.get(), whole.tenders), (100, 980, vec![card(1_080)]));
    // What came on later, comes back, too.
    let known = [later(1, TipCard::External, 100, 250)];
    let sale = Sale::new(&sold, MONDAY, &[]).tipped(&known);
    let later = refund(&small_menu(), &sale, &Before::default(), (&ask(WHOLE, vec![]), MONDAY)).unwrap();
    assert_eq!((later.tip.get(), later.tenders), (250, vec![card(1_230)]));
}

/// A tip that was written down after the sale.
fn later(turn: u32, card: TipCard, sold: i64, tip: i64) -> TipOn {
    let id = TipId::adjusted(0, 1, &turn.to_string());
    TipOn { id, turn, day: MONDAY, card, sold: Minor::new(sold), tip: Minor::new(tip), seller: None }
}

#[test]
fn a_tip_that_was_written_down_later_goes_back_by_the_card_that_it_was_put_on() {
    let payment = CardPaymentId::asked(0, 1, "k");
    let charged = TenderKind::Card { payment, reference: None, last_four: None, stored: false };
    let by_box = |amount| Tender { kind: charged.clone(), amount: Minor::new(amount) };
    let sold = sold_by(&small_menu(), Cart::plain([(ESPRESSO, 3)]), vec![cash(100), card(300), by_box(580)], 0);
    let back = |known: &[TipOn]| {
        let sale = Sale::new(&sold, MONDAY, &[]).tipped(known);
        refund(&small_menu(), &sale, &Before::default(), (&ask(WHOLE, vec![]), MONDAY)).unwrap()
    };
    let driver = later(1, TipCard::Driver, 0, 120);
    assert_eq!(back(&[driver]).tenders, [cash(100), card(300), by_box(700)]);
    // And a part of it on each, where it was said anew on another card.
    let both = back(&[later(2, TipCard::External, 0, 150), driver]);
    assert_eq!((both.tip.get(), both.tenders), (150, vec![cash(100), card(330), by_box(700)]));
    let less = back(&[driver, later(2, TipCard::Driver, 0, 20)]);
    assert_eq!((less.tip.get(), less.tenders), (20, vec![cash(100), card(300), by_box(600)]));
}

#[test]
fn what_coins_cannot_pay_is_rounded_and_comes_out_even_at_the_end() {
    let menu = rounding_menu(5);
    let sold = sold_by(&menu, Cart::plain([(ESPRESSO, 3)]), vec![cash(980)], 0);
    let mut before = Vec::new();
    let mut paid = Vec::new();
    for _piece in 0..3 {
        let back = by(&menu, &sold, &before, &ask(pieces(1), vec![])).unwrap();
        paid.push((back.cash().get(), back.cash_rounding.get()));
        before.push(back);
    }
    assert_eq!(paid, [(325, -2), (330, 4), (325, -2)]);
}

#[test]
fn a_tip_on_what_is_free_goes_back_as_coins_had_paid_it() {
    let menu = rounding_menu(5);
    let free = CartLine { price: Some(Minor::ZERO), ..CartLine::plain(ESPRESSO, 1) };
    let sold = sold_by(&menu, Cart { lines: vec![free], ..Cart::default() }, vec![cash(30)], 32);
    assert_eq!(sold.details.cash_rounding.get(), -2);
    let back = |what, tenders| by(&menu, &sold, &[], &ask(what, tenders));
    for tenders in [vec![], vec![cash(30)]] {
        let all = back(WHOLE, tenders).unwrap();
        assert_eq!((all.totals.total.get(), all.tip.get(), all.cash_rounding.get()), (0, 32, -2));
        assert_eq!(all.tenders, [cash(30)]);
    }
    assert_eq!(back(WHOLE, vec![cash(32)]), Err(RefundRejection::TenderSum { due: 30, tendered: 32 }));
    let without_tip = back(pieces(1), vec![]).unwrap();
    assert_eq!((without_tip.tip.get(), without_tip.cash_rounding.get(), without_tip.tenders), (0, 0, vec![]));
}

#[test]
fn what_is_left_by_all_means_is_what_goes_back_or_nothing_does() {
    let sold = three();
    let one = of(&sold, &[], &ask(pieces(1), vec![])).unwrap();
    let too_much = TicketRefunded { tenders: vec![cash(900)], ..one };
    let refused = Err(RefundRejection::TenderSum { due: 653, tendered: 80 });
    assert_eq!(of(&sold, &[too_much], &ask(WHOLE, vec![])), refused);
}

#[test]
fn what_goes_back_to_the_stock_room_is_never_more_than_the_sale_took() {
    let menu = small_menu();
    let sold = three();
    let restocked = |before: &[TicketRefunded], quantity, restock| {
        let what = Asked::Lines(vec![AskedLine { line: 0, quantity, restock }]);
        by(&menu, &sold, before, &ask(what, vec![])).unwrap()
    };
    let taken = |refund: &TicketRefunded| {
        refund.stock_effects.iter().map(|line| (line.stock_item, line.quantity.get())).collect::<Vec<_>>()
    };
    assert_eq!(taken(&restocked(&[], 1, false)), []);
    let first = restocked(&[], 1, true);
    let third = |(item, quantity): &(StockItemId, i64)| (*item, *quantity);
    let all: Vec<_> = sold.stock_effects.iter().map(|line| (line.stock_item, -line.quantity.get() / 3)).collect();
    assert!(!all.is_empty());
    assert_eq!(taken(&first), all.iter().map(third).collect::<Vec<_>>());
    // The recipe has doubled since: no more goes back than was taken.
    let mut richer = menu.clone();
    let item = richer.content.items.get_mut(&ESPRESSO).unwrap();
    item.uses.iter_mut().for_each(|part| part.quantity = Quantity::new(part.quantity.get() * 4));
    let what = Asked::Lines(vec![AskedLine { line: 0, quantity: 2, restock: true }]);
    let rest = by(&richer, &sold, &[first], &ask(what, vec![])).unwrap();
    assert_eq!(taken(&rest), all.iter().map(|(item, quantity)| (*item, quantity * 2)).collect::<Vec<_>>());
}

#[test]
fn p33_what_two_boxes_gave_back_at_once_leaves_nothing_over() {
    // A box that was put back gave the same two pieces back again: one is left, and not a cent above the sale.
    let sold = three();
    let two = of(&sold, &[], &ask(pieces(2), vec![])).unwrap();
    let again = TicketRefunded { id: RefundId::refunded(9, 1, "other"), ..two.clone() };
    assert_eq!(
        of(&sold, &[two.clone(), again.clone()], &ask(pieces(1), vec![])),
        Err(RefundRejection::TooMany { at: 0, quantity: 1, left: 0 })
    );
    assert_eq!(of(&sold, &[two, again], &ask(WHOLE, vec![])), Err(RefundRejection::NothingLeft));
}

/// A sale of anything, paid in cash, with a charge for service.
fn with_charge(menu: &Catalog, cart: Cart, charge: Option<i64>, taxed: bool) -> TicketSold {
    let due = price(menu, &cart, &in_the_morning()).unwrap().totals.total;
    let mut left = rounded(due, menu.content.rules.cash_step()).unwrap().get();
    let mut tenders = Vec::new();
    while left > 0 {
        tenders.push(cash(left.min(10_000_000)));
        left -= 10_000_000;
    }
    let mut sold = sold_by(menu, cart, tenders, 0);
    if let Some(amount) = charge {
        let tax_class = taxed.then(|| sold.taxes[0].tax_class);
        let amount = Minor::new(amount);
        sold.details.service_charge = Some(ServiceCharged { rule: RuleId::new(1), tax_class, amount });
        if taxed {
            sold.taxes[0].base = sold.taxes[0].base.plus(amount).unwrap();
        }
        sold.totals.net = sold.totals.net.plus(amount).unwrap();
        sold.totals.total = sold.totals.total.plus(amount).unwrap();
        sold.tenders.push(card(amount.get()));
    }
    sold
}

proptest! {
    /// P33 and P24: whatever comes back in whatever pieces, all together is the sale to the cent: per line, per class of tax, of
    /// the charge, and by each means of payment; nothing on the way is below zero or more than the sale.
    #[test]
    fn p33_any_pieces_in_any_order_come_to_the_sale_and_never_to_more(
        cart in any_cart(),
        asks in prop::collection::vec((0_usize..12, 1_u32..400, any::<bool>()), 0..20),
        charge in prop::option::of(1_i64..5_000),
        (taxed, step) in (any::<bool>(), prop::sample::select(vec![1_u32, 5, 10])),
        last_is_whole in any::<bool>(),
    ) {
        let few = |line: CartLine| CartLine { quantity: line.quantity % 7 + 1, ..line };
        let cart = Cart { lines: cart.lines.into_iter().map(few).collect(), ..cart };
        let menu = rounding_menu(step);
        prop_assume!(price(&menu, &cart, &in_the_morning()).unwrap().totals.total.get() < 70_000_000);
        let sold = with_charge(&menu, cart, charge, taxed);
        let mut refunds: Vec<TicketRefunded> = Vec::new();
        for (line, quantity, restock) in asks {
            let position = line % sold.lines.len();
            let line = u32::try_from(position).unwrap();
            let left = Before::of(&refunds).left(line, &sold.lines[position]);
            let asked = |quantity| Asked::Lines(vec![AskedLine { line, quantity, restock }]);
            if left == 0 {
                let refused = by(&menu, &sold, &refunds, &ask(asked(1), vec![]));
                prop_assert_eq!(refused, Err(RefundRejection::TooMany { at: 0, quantity: 1, left: 0 }));
                continue;
            }
            refunds.push(by(&menu, &sold, &refunds, &ask(asked(quantity % left + 1), vec![])).unwrap());
        }
        if last_is_whole {
            if let Ok(rest) = by(&menu, &sold, &refunds, &ask(Asked::Whole { restock: true }, vec![])) {
                refunds.push(rest);
            }
        } else {
            for (line, of_line) in (0_u32..).zip(&sold.lines) {
                let left = Before::of(&refunds).left(line, of_line);
                if left > 0 {
                    let what = Asked::Lines(vec![AskedLine { line, quantity: left, restock: true }]);
                    refunds.push(by(&menu, &sold, &refunds, &ask(what, vec![])).unwrap());
                }
            }
        }
        let sum = |amount: &dyn Fn(&TicketRefunded) -> i64| refunds.iter().map(amount).sum::<i64>();
        prop_assert_eq!(sum(&|back| back.totals.net.get()), sold.totals.net.get());
        prop_assert_eq!(sum(&|back| back.totals.tax.get()), sold.totals.tax.get());
        prop_assert_eq!(sum(&|back| back.totals.total.get()), sold.totals.total.get());
        prop_assert_eq!(sum(&|back| back.service_charge.get()), charge.unwrap_or(0));
        prop_assert_eq!(sum(&|back| back.cash_rounding.get()), sold.details.cash_rounding.get());
        prop_assert_eq!(sum(&|back| back.cash().get()), sold.cash().get());
        for tax in &sold.taxes {
            let of_class = |back: &TicketRefunded| {
                back.taxes.iter().filter(|line| line.tax_class == tax.tax_class).map(|line| line.tax.get()).sum::<i64>()
            };
            prop_assert_eq!(sum(&of_class), tax.tax.get());
            let base = |back: &TicketRefunded| {
                back.taxes.iter().filter(|line| line.tax_class == tax.tax_class).map(|line| line.base.get()).sum::<i64>()
            };
            prop_assert_eq!(sum(&base), tax.base.get());
        }
        for back in &refunds {
            prop_assert!(back.totals.net.get() >= 0 && back.totals.tax.get() >= 0 && back.cash().get() >= 0);
            prop_assert_eq!(back.totals.net.get() + back.totals.tax.get(), back.totals.total.get());
            let paid: i64 = back.tenders.iter().map(|tender| tender.amount.get()).sum();
            prop_assert_eq!(paid, back.totals.total.get() + back.cash_rounding.get());
        }
        for effect in &sold.stock_effects {
            let item = effect.stock_item;
            let of_item = |back: &TicketRefunded| {
                back.stock_effects.iter().filter(|line| line.stock_item == item).map(|line| line.quantity.get()).sum::<i64>()
            };
            prop_assert!(sum(&of_item) <= -effect.quantity.get());
        }
    }
}
