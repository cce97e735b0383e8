//! Golden vectors, and what holds for any cart.

use proptest::prelude::*;

use super::cart::{AskedDiscount, DiscountAsked, DiscountPlace, Extra, InCombo};
use super::*;
use crate::domain::catalog::hours::{Availability, Span, WallTime};
use crate::domain::catalog::rules::{
    Combo, Discount, DiscountScope, HappyHour, Jurisdiction, Modifier, ModifierGroup, Reduction, Rule, ServiceCharge,
    Slot, Swap, TaxRule,
};
use crate::domain::catalog::tests::{revision, small_menu};
use crate::domain::catalog::{Revision, Use};
use crate::domain::tickets::{LineReduction, ReductionCause};
use crate::ids::{
    CategoryId, ComboId, DiscountId, ItemId, JurisdictionId, ModifierGroupId, ModifierId, RuleId, StoreId, TaxClassId,
};
use crate::money::MicroRate;

const ESPRESSO: ItemId = ItemId::new(101);
const DOUBLE: ItemId = ItemId::new(102);
const BEANS: ItemId = ItemId::new(201);

/// Half past eight on a Monday in store 1.
pub(crate) fn in_the_morning() -> Moment {
    Moment {
        store: StoreId::new(1),
        channel: Channel::Counter,
        day: "2026-11-30".parse().unwrap(),
        wall: WallTime { weekday: 1, minute: 510 },
    }
}

/// The small menu with rules, and espresso with the groups of extras that are among them.
pub(super) fn menu_with(rules: Vec<Rule>) -> Catalog {
    let mut draft = small_menu().content;
    let espresso = draft.items.get_mut(&ESPRESSO).unwrap();
    for rule in rules {
        if let Rule::ModifierGroup(group) = &rule {
            espresso.details.modifier_groups.push(group.id);
        }
        draft.rules.set(rule);
    }
    let rule_count = draft.rules.count().try_into().unwrap();
    draft.publish(Revision { rule_count, ..revision(2, 3) }).unwrap()
}

fn tenth_off(scope: DiscountScope, id: u32) -> Rule {
    Rule::Discount(Discount {
        id: DiscountId::new(id),
        name: "Regulars".to_owned(),
        scope,
        reduction: Reduction::Percent(MicroRate::new(100_000)),
        approval: false,
    })
}

fn asked(what: DiscountAsked, reason: &str) -> AskedDiscount {
    AskedDiscount { what, reason: (!reason.is_empty()).then(|| reason.to_owned()) }
}

fn amount_off(minor: i64) -> DiscountAsked {
    DiscountAsked::Free(Reduction::Amount(Minor::new(minor)))
}

fn totals(priced: &Priced) -> [i64; 3] {
    [priced.totals.net.get(), priced.totals.tax.get(), priced.totals.total.get()]
}

fn line_totals(priced: &Priced) -> Vec<i64> {
    priced.lines.iter().map(|line| line.total.get()).collect()
}

#[test]
fn tax_is_taken_per_class_on_the_whole_ticket() {
    let priced =
        price(&small_menu(), &Cart::plain([(ESPRESSO, 2), (BEANS, 1), (DOUBLE, 1)]), &in_the_morning()).unwrap();
    // 9.75 at 8.9 % is 0.86775, 18.00 at 4.9 % is 0.882.
    assert_eq!(
        priced.taxes.iter().map(|t| (t.rate.get(), t.tax.get())).collect::<Vec<_>>(),
        [(89_000, 87), (49_000, 88)]
    );
    assert_eq!(totals(&priced), [2_775, 175, 2_950]);
    let effects: Vec<_> = priced.stock_effects.iter().map(|e| (e.stock_item.get(), e.quantity.get())).collect();
    assert_eq!(effects, [(1, -54_000), (2, -3)]);
}

#[test]
fn georgias_own_example_comes_out_both_ways() {
    // Ga. R. 560-12-1-.05: 19.65 and 3.56 at 7 % are 1.63 by item and 1.62 by invoice.
    let example = |basis| {
        let place = Rule::Jurisdiction(Jurisdiction {
            id: JurisdictionId::new(1),
            name: "Somewhere in Georgia".to_owned(),
            basis,
            stores: vec![StoreId::new(1)],
        });
        let rate = Rule::Tax(TaxRule {
            id: RuleId::new(1),
            tax_class: TaxClassId::new(1),
            jurisdiction: None,
            consumption: None,
            from: "2026-01-01".parse().unwrap(),
            rate: MicroRate::new(70_000),
        });
        let mut cart = Cart::plain([(ESPRESSO, 1), (DOUBLE, 1)]);
        cart.lines[0].price = Some(Minor::new(1_965));
        cart.lines[1].price = Some(Minor::new(356));
        price(&menu_with(vec![place, rate]), &cart, &in_the_morning()).unwrap()
    };
    let (by_item, by_invoice) = (example(TaxBasis::Line), example(TaxBasis::Ticket));
    assert_eq!((totals(&by_item), by_item.tax_basis), ([2_321, 163, 2_484], TaxBasis::Line));
    assert_eq!((totals(&by_invoice), by_invoice.tax_basis), ([2_321, 162, 2_483], TaxBasis::Ticket));
    assert_eq!(by_item.lines[0].menu_price, Some(Minor::new(300)), "a changed price shows what it was");
}

#[test]
fn eating_in_and_taking_away_are_taxed_each_by_its_own_rule() {
    // Georgia: beans to go bear local tax only; what is eaten in bears both.
    let eaten_in = Rule::Tax(TaxRule {
        id: RuleId::new(1),
        tax_class: TaxClassId::new(2),
        jurisdiction: None,
        consumption: Some(Consumption::DineIn),
        from: "2026-01-01".parse().unwrap(),
        rate: MicroRate::new(89_000),
    });
    let menu = menu_with(vec![eaten_in]);
    let tax = |consumption| {
        let cart = Cart { consumption, ..Cart::plain([(BEANS, 1)]) };
        price(&menu, &cart, &in_the_morning()).unwrap().totals.tax.get()
    };
    assert_eq!([tax(Consumption::TakeAway), tax(Consumption::DineIn)], [88, 160]);
}

#[test]
fn no_tax_is_charged_with_a_reason_and_the_base_stands_there() {
    let mut cart = Cart::plain([(ESPRESSO, 1)]);
    cart.exempt = Some("certificate 1234".to_owned());
    let priced = price(&small_menu(), &cart, &in_the_morning()).unwrap();
    assert_eq!((totals(&priced), priced.taxes[0].base.get(), priced.taxes[0].rate.get()), ([300, 0, 300], 300, 0));
    for reason in ["", " ", "a\nb"] {
        cart.exempt = Some(reason.to_owned());
        let refused = price(&small_menu(), &cart, &in_the_morning());
        assert_eq!(refused, Err(PricingRejection::Reason { place: None }));
    }
}

#[test]
fn discounts_are_taken_off_lines_first_and_then_off_the_whole() {
    let menu = menu_with(vec![tenth_off(DiscountScope::Line, 1), tenth_off(DiscountScope::Ticket, 2)]);
    let mut cart = Cart::plain([(ESPRESSO, 1), (DOUBLE, 1), (BEANS, 1)]);
    cart.lines[0].discounts = vec![asked(DiscountAsked::Menu(DiscountId::new(1)), ""), asked(amount_off(70), "spilt")];
    cart.discounts = vec![asked(DiscountAsked::Menu(DiscountId::new(2)), ""), asked(amount_off(100), "late")];
    let priced = price(&menu, &cart, &in_the_morning()).unwrap();
    // 3.00 less 0.30 less 0.70 is 2.00; 23.75 less a tenth (2.38: 0.20, 0.38, 1.80) less 1.00 (0.08, 0.16, 0.76).
    assert_eq!(line_totals(&priced), [172, 321, 1_544]);
    let given: Vec<_> = priced.discounts.iter().map(|one| (one.line, one.amount.get(), one.approval)).collect();
    assert_eq!(given, [(Some(0), 30, false), (Some(0), 70, true), (None, 238, false), (None, 100, true)]);
    let reduction = |at, amount| LineReduction { cause: ReductionCause::Given(at), amount: Minor::new(amount) };
    assert_eq!(priced.lines[0].reductions, [reduction(0, 30), reduction(1, 70), reduction(2, 20), reduction(3, 8)]);
    assert_eq!(priced.totals.net.get(), 2_037);
}

#[test]
fn a_line_never_goes_below_nothing() {
    let mut cart = Cart::plain([(ESPRESSO, 1), (DOUBLE, 1)]);
    cart.lines[0].discounts = vec![asked(amount_off(500), "on the house")];
    cart.discounts = vec![asked(amount_off(9_999), "on the house")];
    let priced = price(&small_menu(), &cart, &in_the_morning()).unwrap();
    assert_eq!((line_totals(&priced), totals(&priced)), (vec![0, 0], [0, 0, 0]));
    assert_eq!(priced.discounts.iter().map(|one| one.amount.get()).collect::<Vec<_>>(), [300, 375]);
}

#[test]
fn discounts_that_cannot_be_given_are_refused() {
    let menu = menu_with(vec![tenth_off(DiscountScope::Line, 1)]);
    let refused = |discount: AskedDiscount, on_line: bool| {
        let mut cart = Cart::plain([(ESPRESSO, 1)]);
        if on_line {
            cart.lines[0].discounts.push(discount)
        } else {
            cart.discounts.push(discount)
        }
        price(&menu, &cart, &in_the_morning()).unwrap_err()
    };
    let (line, ticket) = (DiscountPlace { line: Some(0), at: 0 }, DiscountPlace { line: None, at: 0 });
    let wrong_scope = refused(asked(DiscountAsked::Menu(DiscountId::new(1)), ""), false);
    assert_eq!(wrong_scope, PricingRejection::UnknownDiscount { place: ticket, discount: DiscountId::new(1) });
    assert_eq!(refused(asked(amount_off(10), ""), true), PricingRejection::Reason { place: Some(line) });
    assert_eq!(refused(asked(amount_off(-1), "why"), true), PricingRejection::DiscountRange { place: line });
    let too_much = DiscountAsked::Free(Reduction::Percent(MicroRate::new(1_000_001)));
    assert_eq!(refused(asked(too_much, "why"), false), PricingRejection::DiscountRange { place: ticket });
    let long = "x".repeat(REASON_BYTES_MAX + 1);
    assert_eq!(refused(asked(amount_off(1), &long), true), PricingRejection::Reason { place: Some(line) });
    let mut cart = Cart::plain([(ESPRESSO, 1)]);
    cart.discounts = vec![asked(amount_off(1), "why"); DISCOUNTS_MAX + 1];
    let refused = price(&menu, &cart, &in_the_morning());
    assert_eq!(refused, Err(PricingRejection::DiscountCount { line: None }));
}

fn happy_hour(id: u32, reduction: Reduction) -> Rule {
    Rule::HappyHour(HappyHour {
        id: RuleId::new(id),
        name: "Early birds".to_owned(),
        span: Span { weekdays: 0b000_0001, from_minute: 480, until_minute: 540 },
        from: "2026-11-01".parse().unwrap(),
        until: Some("2026-11-30".parse().unwrap()),
        stores: Vec::new(),
        items: vec![ESPRESSO],
        categories: vec![CategoryId::new(2)],
        reduction,
    })
}

#[test]
fn happy_hours_reduce_by_themselves_and_the_largest_counts() {
    let menu = menu_with(vec![
        happy_hour(1, Reduction::Percent(MicroRate::new(200_000))),
        happy_hour(2, Reduction::Amount(Minor::new(50))),
    ]);
    let cart = Cart::plain([(ESPRESSO, 2), (DOUBLE, 1), (BEANS, 1)]);
    let at = |moment: Moment| line_totals(&price(&menu, &cart, &moment).unwrap());
    let then = in_the_morning();
    assert_eq!(at(then), [480, 375, 1_440], "a fifth of 6.00 and of 18.00 is more than 0.50 a piece");
    assert_eq!(at(Moment { wall: WallTime { minute: 540, ..then.wall }, ..then }), [600, 375, 1_800]);
    assert_eq!(at(Moment { day: "2026-12-01".parse().unwrap(), ..then }), [600, 375, 1_800], "it has ended");
    let mut said = cart.clone();
    said.lines[0].price = Some(Minor::new(250));
    assert_eq!(
        line_totals(&price(&menu, &said, &then).unwrap()),
        [500, 375, 1_440],
        "a price that somebody says stays"
    );
}

fn extras() -> Vec<Rule> {
    let modifier = |id, price, uses: Vec<Use>, swap| {
        Rule::Modifier(Modifier {
            id: ModifierId::new(id),
            name: format!("modifier {id}"),
            price: Minor::new(price),
            uses,
            swap,
        })
    };
    let beans = Use { stock_item: StockItemId::new(1), quantity: Quantity::new(9_000) };
    let swap = Swap { from: StockItemId::new(1), to: StockItemId::new(2) };
    let group = |id, at_least, at_most, modifiers: &[u32]| {
        Rule::ModifierGroup(ModifierGroup {
            id: ModifierGroupId::new(id),
            name: format!("group {id}"),
            at_least,
            at_most,
            modifiers: modifiers.iter().copied().map(ModifierId::new).collect(),
        })
    };
    vec![
        modifier(1, 75, vec![beans], None),
        modifier(2, 0, Vec::new(), Some(swap)),
        modifier(3, -500, Vec::new(), None),
        group(1, 0, 3, &[1, 3]),
        group(2, 1, 1, &[2, 3]),
    ]
}

fn espresso_with(list: &[(u32, u32)]) -> Cart {
    let mut cart = Cart::plain([(ESPRESSO, 2)]);
    cart.lines[0].extras =
        list.iter().map(|(id, count)| Extra { modifier: ModifierId::new(*id), count: *count }).collect();
    cart
}

#[test]
fn extras_add_to_price_and_stock_and_stand_in_for_others() {
    let priced = price(&menu_with(extras()), &espresso_with(&[(1, 2), (2, 1)]), &in_the_morning()).unwrap();
    assert_eq!((priced.lines[0].unit_price.get(), line_totals(&priced)), (450, vec![900]));
    // Two pieces: 18 g each go over to item 2, which itself is used once each; two extra shots of 9 g each stay.
    let effects: Vec<_> = priced.stock_effects.iter().map(|e| (e.stock_item.get(), e.quantity.get())).collect();
    assert_eq!(effects, [(1, -36_000), (2, -36_002)]);
    let free = price(&menu_with(extras()), &espresso_with(&[(3, 1)]), &in_the_morning()).unwrap();
    assert_eq!(line_totals(&free), [0], "leaving things out makes nothing cheaper than free");
}

#[test]
fn extras_that_the_groups_do_not_allow_are_refused() {
    let refused =
        |list: &[(u32, u32)]| price(&menu_with(extras()), &espresso_with(list), &in_the_morning()).unwrap_err();
    let count = |group, given, at_least, at_most| PricingRejection::ExtraCount {
        line: 0,
        group: ModifierGroupId::new(group),
        given,
        at_least,
        at_most,
    };
    assert_eq!(refused(&[]), count(2, 0, 1, 1));
    assert_eq!(refused(&[(1, 4), (2, 1)]), count(1, 4, 0, 3));
    assert_eq!(refused(&[(1, 1), (2, 2)]), count(2, 2, 1, 1));
    assert_eq!(refused(&[(2, 1), (2, 1)]), PricingRejection::ExtraList { line: 0 });
    assert_eq!(refused(&[(2, 0)]), PricingRejection::ExtraList { line: 0 });
    let unknown = PricingRejection::UnknownExtra { line: 0, item: ESPRESSO, modifier: ModifierId::new(9) };
    assert_eq!(refused(&[(2, 1), (9, 1)]), unknown);
}

fn breakfast() -> Rule {
    let slot = |name: &str, choices: &[(ItemId, i64)]| Slot {
        name: name.to_owned(),
        choices: choices.iter().map(|(item, surcharge)| (*item, Minor::new(*surcharge))).collect(),
    };
    Rule::Combo(Combo {
        id: ComboId::new(1),
        name: "Two coffees".to_owned(),
        price: Minor::new(500),
        slots: vec![slot("One", &[(ESPRESSO, 0), (DOUBLE, 40)]), slot("Other", &[(ESPRESSO, 0), (DOUBLE, 40)])],
    })
}

fn in_set(parts: &[(ItemId, u32, u32)]) -> Cart {
    let mut cart = Cart::plain(parts.iter().map(|(item, quantity, _)| (*item, *quantity)));
    for (line, (_, _, slot)) in cart.lines.iter_mut().zip(parts) {
        line.combo = Some(InCombo { combo: ComboId::new(1), instance: 1, slot: *slot });
    }
    cart
}

#[test]
fn a_set_comes_to_its_price_and_no_cent_is_lost() {
    let menu = menu_with(vec![breakfast()]);
    let priced = price(&menu, &in_set(&[(ESPRESSO, 1, 0), (DOUBLE, 1, 1)]), &in_the_morning()).unwrap();
    // 6.75 of list prices for 5.40: 1.35 off, 0.60 and 0.75.
    assert_eq!((line_totals(&priced), priced.totals.net.get()), (vec![240, 300], 540));
    let thrice = price(&menu, &in_set(&[(DOUBLE, 3, 1), (DOUBLE, 3, 0)]), &in_the_morning()).unwrap();
    assert_eq!(thrice.totals.net.get(), 3 * 580);
}

#[test]
fn a_set_with_an_empty_place_is_refused() {
    let menu = menu_with(vec![breakfast()]);
    let refused = |parts: &[(ItemId, u32, u32)]| price(&menu, &in_set(parts), &in_the_morning()).unwrap_err();
    let incomplete = PricingRejection::ComboIncomplete { line: 0, combo: ComboId::new(1) };
    assert_eq!(refused(&[(ESPRESSO, 1, 0)]), incomplete);
    assert_eq!(refused(&[(ESPRESSO, 1, 0), (ESPRESSO, 1, 0)]), incomplete);
    assert_eq!(refused(&[(ESPRESSO, 1, 0), (ESPRESSO, 2, 1)]), incomplete);
    assert_eq!(refused(&[(ESPRESSO, 1, 0), (BEANS, 1, 1)]), incomplete);
    assert_eq!(refused(&[(ESPRESSO, 1, 0), (ESPRESSO, 1, 1), (ESPRESSO, 1, 2)]), incomplete);
    let unknown = price(&small_menu(), &in_set(&[(ESPRESSO, 1, 0)]), &in_the_morning()).unwrap_err();
    assert_eq!(unknown, PricingRejection::UnknownCombo { line: 0, combo: ComboId::new(1) });
}

#[test]
fn a_charge_for_service_is_revenue_and_bears_its_own_tax() {
    let charge = |tax_class| {
        Rule::ServiceCharge(ServiceCharge {
            id: RuleId::new(1),
            name: "Service".to_owned(),
            rate: MicroRate::new(180_000),
            tax_class,
            consumption: Some(Consumption::DineIn),
            stores: Vec::new(),
        })
    };
    let mut cart = Cart { consumption: Consumption::DineIn, ..Cart::plain([(ESPRESSO, 10)]) };
    let of = |rule, cart: &Cart| totals(&price(&menu_with(vec![rule]), cart, &in_the_morning()).unwrap());
    assert_eq!(of(charge(None), &cart), [3_540, 267, 3_807], "untaxed: 8.9 % of 30.00");
    assert_eq!(of(charge(Some(TaxClassId::new(1))), &cart), [3_540, 315, 3_855]);
    cart.without_service_charge = true;
    assert_eq!(of(charge(None), &cart), [3_000, 267, 3_267]);
    cart = Cart { consumption: Consumption::TakeAway, without_service_charge: false, ..cart };
    assert_eq!(of(charge(None), &cart), [3_000, 267, 3_267]);
}

#[test]
fn hours_refuse_only_what_is_sold_unseen_and_channels_refuse_everybody() {
    let menu_of = |availability| {
        let mut draft = small_menu().content;
        draft.items.get_mut(&ESPRESSO).unwrap().details.availability = availability;
        draft.publish(revision(2, 3)).unwrap()
    };
    let evenings = Span { weekdays: Span::EVERY_DAY, from_minute: 1_080, until_minute: 1_320 };
    let evening = menu_of(Availability { channels: Vec::new(), spans: vec![evenings] });
    let (cart, till) = (Cart::plain([(ESPRESSO, 1)]), in_the_morning());
    let web = Moment { channel: Channel::Web, ..till };
    assert!(price(&evening, &cart, &till).is_ok());
    assert_eq!(price(&evening, &cart, &web), Err(PricingRejection::NotNow { line: 0, item: ESPRESSO }));
    let web_only = menu_of(Availability { channels: vec![Channel::Web], spans: Vec::new() });
    assert_eq!(price(&web_only, &cart, &till), Err(PricingRejection::NotSoldHere { line: 0, item: ESPRESSO }));
    assert!(price(&web_only, &cart, &web).is_ok());
}

#[test]
fn lines_that_cannot_be_priced_are_refused() {
    let menu = small_menu();
    let refusal =
        |lines: &[(ItemId, u32)]| price(&menu, &Cart::plain(lines.iter().copied()), &in_the_morning()).unwrap_err();
    assert_eq!(refusal(&[]), PricingRejection::LineCount(0));
    let many = vec![(ESPRESSO, 1); TICKET_LINES_MAX + 1];
    assert_eq!(refusal(&many), PricingRejection::LineCount(TICKET_LINES_MAX + 1));
    assert_eq!(refusal(&[(ESPRESSO, 0)]), PricingRejection::Quantity { line: 0, quantity: 0 });
    assert_eq!(refusal(&[(ESPRESSO, 1), (ESPRESSO, 1_000)]), PricingRejection::Quantity { line: 1, quantity: 1_000 });
    assert!(matches!(refusal(&[(ItemId::new(999), 1)]), PricingRejection::UnknownItem { line: 0, revision: 1, .. }));
    let mut cart = Cart::plain([(ESPRESSO, 1)]);
    for price_minor in [-1, PRICE_MINOR_MAX + 1] {
        cart.lines[0].price = Some(Minor::new(price_minor));
        assert_eq!(price(&menu, &cart, &in_the_morning()), Err(PricingRejection::Price { line: 0 }));
    }
}

#[test]
fn what_is_just_within_its_limit_is_priced() {
    let many = price(&small_menu(), &Cart::plain(vec![(ESPRESSO, 1); TICKET_LINES_MAX]), &in_the_morning()).unwrap();
    assert_eq!(many.totals.net, Minor::new(300 * i64::try_from(TICKET_LINES_MAX).unwrap()));
    let full = price(&small_menu(), &Cart::plain([(ESPRESSO, LINE_QUANTITY_MAX)]), &in_the_morning()).unwrap();
    assert_eq!(full.lines[0].total, Minor::new(300 * i64::from(LINE_QUANTITY_MAX)));
}

pub(crate) fn any_cart() -> impl Strategy<Value = Cart> {
    let discount = || {
        let off = prop_oneof![
            (0_u32..=1_000_000).prop_map(|rate| Reduction::Percent(MicroRate::new(rate))),
            (0_i64..3_000).prop_map(|minor| Reduction::Amount(Minor::new(minor))),
        ];
        off.prop_map(|reduction| asked(DiscountAsked::Free(reduction), "why"))
    };
    let line = (
        prop::sample::select(vec![ESPRESSO, DOUBLE, BEANS]),
        1..=LINE_QUANTITY_MAX,
        prop::option::of(0..PRICE_MINOR_MAX),
        prop::collection::vec(discount(), 0..3),
    );
    let line = line.prop_map(|(item, quantity, price, discounts)| {
        let price = price.map(Minor::new);
        super::cart::CartLine { price, discounts, ..super::cart::CartLine::plain(item, quantity) }
    });
    let parts = (prop::collection::vec(line, 1..12), prop::collection::vec(discount(), 0..3), any::<bool>());
    parts.prop_map(|(lines, discounts, dine_in)| {
        let consumption = if dine_in { Consumption::DineIn } else { Consumption::TakeAway };
        Cart { lines, discounts, consumption, ..Cart::default() }
    })
}

proptest! {
    /// I14: lines, charge and tax add up to the total, whatever is taken off; what is taken off is told to the cent.
    #[test]
    fn sums_add_up(cart in any_cart()) {
        let charge = Rule::ServiceCharge(ServiceCharge {
            id: RuleId::new(1),
            name: "Service".to_owned(),
            rate: MicroRate::new(180_000),
            tax_class: Some(TaxClassId::new(1)),
            consumption: Some(Consumption::DineIn),
            stores: Vec::new(),
        });
        let menu = menu_with(vec![charge, happy_hour(2, Reduction::Amount(Minor::new(50)))]);
        let priced = price(&menu, &cart, &in_the_morning()).unwrap();
        let lines: i64 = priced.lines.iter().map(|l| l.total.get()).sum();
        let charge = priced.service_charge.map_or(0, |charge| charge.amount.get());
        let taxes: i64 = priced.taxes.iter().map(|t| t.tax.get()).sum();
        let bases: i64 = priced.taxes.iter().map(|t| t.base.get()).sum();
        prop_assert_eq!(lines + charge, priced.totals.net.get());
        prop_assert_eq!(bases, lines + charge);
        prop_assert_eq!(taxes, priced.totals.tax.get());
        prop_assert_eq!(lines + charge + taxes, priced.totals.total.get());
        let mut given = vec![0; priced.discounts.len()];
        for line in &priced.lines {
            let off: i64 = line.reductions.iter().map(|reduction| reduction.amount.get()).sum();
            prop_assert_eq!(line.unit_price.get() * i64::from(line.quantity) - off, line.total.get());
            prop_assert!(line.total.get() >= 0 && line.reductions.iter().all(|reduction| reduction.amount.get() > 0));
            for reduction in &line.reductions {
                if let ReductionCause::Given(at) = reduction.cause {
                    given[usize::try_from(at).unwrap()] += reduction.amount.get();
                }
            }
        }
        prop_assert_eq!(given, priced.discounts.iter().map(|one| one.amount.get()).collect::<Vec<_>>());
    }

    /// The order in which a guest says things does not matter.
    #[test]
    fn the_order_of_lines_does_not_matter(
        picks in prop::collection::vec((prop::sample::select(vec![ESPRESSO, DOUBLE, BEANS]), 1..=LINE_QUANTITY_MAX), 1..20),
    ) {
        let total = price(&small_menu(), &Cart::plain(picks.clone()), &in_the_morning()).unwrap().totals;
        let reversed = Cart::plain(picks.into_iter().rev());
        prop_assert_eq!(price(&small_menu(), &reversed, &in_the_morning()).unwrap().totals, total);
    }
}
