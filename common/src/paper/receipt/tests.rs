//! Receipts as a guest reads them.

use super::super::tests::read;
use super::super::{COLUMNS_NARROW, COLUMNS_WIDE, Marks};
use super::*;
use crate::domain::catalog::hours::Span;
use crate::domain::catalog::rules::{
    Combo, Discount, DiscountScope, HappyHour, HouseAccount, Modifier, ModifierGroup, Reduction, Rule, Slot,
};
use crate::domain::catalog::tests::{revision, small_menu};
use crate::domain::catalog::{CatalogEvent, Revision};
use crate::domain::pricing::cart::Cart;
use crate::domain::pricing::tests::in_the_morning;
use crate::domain::tickets::decide::{SellTicket, sell};
use crate::domain::tickets::refund::{Asked, AskedLine, Before, RefundTicket, Sale};
use crate::domain::tickets::{LineReduction, PaymentBefore, ServiceCharged, SoldExtra};
use crate::ids::{
    ComboId, DiscountId, HouseAccountId, ItemId, ModifierGroupId, ModifierId, PaymentId, RefundId, RuleId, TicketId,
};
use crate::money::MicroRate;

const HARBOUR: Letterhead<'_> = Letterhead { name: "Café Harbour", address: Some("1 Pier, Atlanta") };
const ESPRESSO: ItemId = ItemId::new(101);
const BEANS: ItemId = ItemId::new(201);

fn when() -> When<'static> {
    When { local: "2026-11-30 08:30:00", day: "2026-11-30".parse().unwrap() }
}

fn cash(amount: i64) -> Tender {
    Tender { kind: TenderKind::Cash, amount: Minor::new(amount) }
}

/// The small menu, with names for all that can stand on a receipt.
fn menu() -> Catalog {
    let mut draft = small_menu().content;
    draft.items.get_mut(&ESPRESSO).unwrap().name = "Café crème".to_owned();
    draft.items.get_mut(&BEANS).unwrap().name = "Ethiopian beans, a whole pound in a bag".to_owned();
    let modifier = Modifier {
        id: ModifierId::new(1),
        name: "Oat milk".to_owned(),
        price: Minor::new(50),
        uses: Vec::new(),
        swap: None,
    };
    let group = ModifierGroup {
        id: ModifierGroupId::new(1),
        name: "Milk".to_owned(),
        at_least: 0,
        at_most: 2,
        modifiers: vec![modifier.id],
    };
    let discount = Discount {
        id: DiscountId::new(1),
        name: "Regulars".to_owned(),
        scope: DiscountScope::Ticket,
        reduction: Reduction::Percent(MicroRate::new(100_000)),
        approval: false,
    };
    let happy_hour = HappyHour {
        id: RuleId::new(1),
        name: "Early birds".to_owned(),
        span: Span { weekdays: Span::EVERY_DAY, from_minute: 0, until_minute: 540 },
        from: "2026-01-01".parse().unwrap(),
        until: None,
        stores: Vec::new(),
        items: vec![ESPRESSO],
        categories: Vec::new(),
        reduction: Reduction::Amount(Minor::new(50)),
    };
    let slot = |name: &str| Slot { name: name.to_owned(), choices: [(ESPRESSO, Minor::ZERO)].into() };
    let combo = Combo {
        id: ComboId::new(1),
        name: "Breakfast".to_owned(),
        price: Minor::new(500),
        slots: ["drink", "beans"].map(slot).to_vec(),
    };
    draft.items.get_mut(&ESPRESSO).unwrap().details.modifier_groups.push(group.id);
    for rule in [
        Rule::Modifier(modifier),
        Rule::ModifierGroup(group),
        Rule::Discount(discount),
        Rule::HappyHour(happy_hour),
        Rule::Combo(combo),
    ] {
        draft.apply(&CatalogEvent::RuleSet(Box::new(rule)));
    }
    let rule_count = draft.rules.count().try_into().unwrap();
    draft.publish(Revision { rule_count, ..revision(2, 3) }).unwrap()
}

fn sold(class: TicketClass, cart: Cart, tenders: Vec<Tender>) -> TicketSold {
    let command = SellTicket { class, currency: Currency::USD, cart, tenders, tip: Minor::ZERO };
    let decided = sell(&small_menu(), command, &in_the_morning()).unwrap();
    decided.numbered(TicketId::sold(1_795_000_000_000, 1, "k"), "T1-A-17".parse().unwrap())
}

/// A sale with everything that a sale can have; what it came to does not matter here.
fn whole() -> TicketSold {
    let mut sold = sold(TicketClass::Sale, Cart::plain([(ESPRESSO, 2), (BEANS, 1)]), vec![cash(3_000)]);
    sold.sold_by = Some(StaffId::new(7));
    let reduced = |cause, amount| LineReduction { cause, amount: Minor::new(amount) };
    sold.lines[0].extras = vec![SoldExtra { modifier: ModifierId::new(1), count: 2, price: Minor::new(50) }];
    sold.lines[0].reductions = vec![
        reduced(ReductionCause::HappyHour(RuleId::new(1)), 100),
        reduced(ReductionCause::Combo(ComboId::new(1)), 20),
        reduced(ReductionCause::Given(0), 30),
        reduced(ReductionCause::Given(1), 40),
    ];
    let given = |discount, line, reason: Option<&str>, amount| GivenDiscount {
        discount,
        line,
        reason: reason.map(str::to_owned),
        amount: Minor::new(amount),
        approval: false,
    };
    let details = &mut sold.details;
    details.discounts = vec![given(None, Some(0), Some("spilt"), 30), given(Some(DiscountId::new(1)), None, None, 140)];
    details.service_charge = Some(ServiceCharged { rule: RuleId::new(9), tax_class: None, amount: Minor::new(90) });
    details.tip = Minor::new(200);
    details.cash_rounding = Minor::new(-2);
    details.payments_before =
        vec![PaymentBefore { id: PaymentId::taken(1_795_000_000_000, 1, "p"), amount: Minor::new(500) }];
    sold.tenders.insert(
        0,
        Tender {
            kind: TenderKind::CardExternal {
                reference: Some("AUTH 1".to_owned()),
                last_four: Some("4242".parse().unwrap()),
            },
            amount: Minor::new(1_000),
        },
    );
    sold
}

fn shown(document: &Document, columns: u8) -> String {
    read(&document.bytes(columns, Marks::default()))
}

#[test]
fn a_receipt_says_all_that_a_sale_came_to() {
    let receipt = sale(HARBOUR, &whole(), when(), &menu());
    let expected = "\
<Cafe Harbour
1 Pier, Atlanta

Receipt                                  T1-A-17
Time                         2026-11-30 08:30:00
Business day                          2026-11-30
Served by                                      7
To take away
------------------------------------------------
2 x Cafe creme at 3.00                      6.00
  + 2 x Oat milk
  Early birds                              -1.00
  Breakfast                                -0.20
  spilt                                    -0.30
Ethiopian beans, a whole pound in a bag    18.00
Regulars                                   -1.40
Service                                     0.90
------------------------------------------------
Before tax                                 24.00
Tax 8.9% on 6.00                            0.53
Tax 4.9% on 18.00                           0.88
|TOTAL USD                                  25.41
Tip                                         2.00
Rounding                                   -0.02
Paid before                                 5.00
Card ending in 4242                        10.00
  AUTH 1
Cash                                       30.00
Change                                      4.59

01a1ee565e007561bb6b58736b06a483
----";
    assert_eq!(shown(&receipt, COLUMNS_WIDE), expected);
    let narrow = "\
<Cafe Harbour
1 Pier, Atlanta

Receipt                  T1-A-17
Time         2026-11-30 08:30:00
Business day          2026-11-30
Served by                      7
To take away
--------------------------------
2 x Cafe creme at 3.00      6.00
  + 2 x Oat milk
  Early birds              -1.00
  Breakfast                -0.20
  spilt                    -0.30
Ethiopian beans, a whole pound
in a bag                   18.00
Regulars                   -1.40
Service                     0.90
--------------------------------
Before tax                 24.00
Tax 8.9% on 6.00            0.53
Tax 4.9% on 18.00           0.88
|TOTAL USD                  25.41
Tip                         2.00
Rounding                   -0.02
Paid before                 5.00
Card ending in 4242        10.00
  AUTH 1
Cash                       30.00
Change                      4.59

01a1ee565e007561bb6b58736b06a483
----";
    assert_eq!(shown(&receipt, COLUMNS_NARROW), narrow);
}

#[test]
fn practice_says_so_in_large_letters_at_both_ends() {
    let practised = sold(TicketClass::Training, Cart::plain([(ESPRESSO, 1)]), vec![cash(327)]);
    let text = shown(&sale(HARBOUR, &practised, when(), &menu()), COLUMNS_WIDE);
    assert_eq!(text.matches("<PRACTICE\nNothing was bought, and nothing was paid\n").count(), 2, "{text}");
    let paid = sold(TicketClass::Sale, Cart::plain([(ESPRESSO, 1)]), vec![cash(327)]);
    assert!(!shown(&sale(HARBOUR, &paid, when(), &menu()), COLUMNS_WIDE).contains("PRACTICE"));
}

#[test]
fn an_account_of_the_house_is_named() {
    let mut menu = menu();
    let account = HouseAccount {
        id: HouseAccountId::new(3),
        name: "Café staff".to_owned(),
        per_ticket: Minor::new(1_000),
        per_day: Minor::new(5_000),
    };
    menu.content.rules.set(Rule::HouseAccount(account));
    let on =
        |account| Tender { kind: TenderKind::House { account: HouseAccountId::new(account) }, amount: Minor::new(327) };
    for (account, name) in [(3, "On account: Cafe staff "), (4, "On account: 4 ")] {
        let mut sold = sold(TicketClass::Sale, Cart::plain([(ESPRESSO, 1)]), vec![cash(327)]);
        sold.tenders = vec![on(account)];
        let text = shown(&sale(HARBOUR, &sold, when(), &menu), COLUMNS_WIDE);
        let is_there = |line: &str| line.starts_with(name) && line.ends_with(" 3.27");
        assert!(text.lines().any(is_there), "{text}");
    }
}

#[test]
fn what_the_menu_no_longer_knows_still_has_its_line() {
    let mut gone = whole();
    gone.lines[1].item = ItemId::new(999);
    gone.lines[0].extras[0].modifier = ModifierId::new(9);
    gone.lines[0].reductions[0].cause = ReductionCause::HappyHour(RuleId::new(8));
    gone.lines[0].reductions[1].cause = ReductionCause::Combo(ComboId::new(8));
    gone.lines[0].reductions[2].cause = ReductionCause::Given(8);
    let text = shown(&sale(Letterhead { address: None, ..HARBOUR }, &gone, when(), &menu()), COLUMNS_WIDE);
    for part in ["item 999 ", "  + 2 x extra 9\n", "  Happy hour ", "  Set ", "  Discount "] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(text.starts_with("<Cafe Harbour\n\nReceipt"), "{text}");
}

#[test]
fn the_receipt_of_money_that_was_given_back_names_the_sale_and_why() {
    let sale = sold(TicketClass::Sale, Cart::plain([(ESPRESSO, 3)]), vec![cash(1_000)]);
    let day = when().day;
    let ask = RefundTicket {
        reason: RefundReason::Quality,
        what: Asked::Lines(vec![AskedLine { line: 0, quantity: 1, restock: false }]),
        tenders: Vec::new(),
    };
    let of = Sale::new(&sale, day, &[]);
    let decided = crate::domain::tickets::refund::refund(&small_menu(), &of, &Before::default(), (&ask, day)).unwrap();
    let refunded = decided.numbered(RefundId::refunded(0, 1, "r"), "T1-A-18".parse().unwrap());
    let text = shown(&refund(HARBOUR, (&refunded, &sale), when(), &menu()), COLUMNS_NARROW);
    let expected = "\
<Cafe Harbour
1 Pier, Atlanta

<REFUND
Receipt                  T1-A-18
Of receipt               T1-A-17
Time         2026-11-30 08:30:00
Business day          2026-11-30
Reason                  Not good
--------------------------------
1 x Cafe creme              3.00
--------------------------------
Before tax                  3.00
Tax 8.9% on 3.00            0.27
|GIVEN BACK USD              3.27
Cash                        3.27

0000000000007503b275b01abb15158e
----";
    assert_eq!(text, expected);
}
