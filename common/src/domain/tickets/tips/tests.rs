use proptest::prelude::*;

use super::*;
use crate::domain::catalog::tests::small_menu;
use crate::domain::pricing::cart::Cart;
use crate::domain::pricing::tests::in_the_morning;
use crate::domain::tickets::decide::{SellTicket, sell};
use crate::domain::tickets::tender::Tender;
use crate::ids::{CardPaymentId, ItemId};
use crate::money::Currency;

const MONDAY: BusinessDay = BusinessDay::from_days(20_787);

fn tender(kind: TenderKind, amount: i64) -> Tender {
    Tender { kind, amount: Minor::new(amount) }
}

fn card() -> TenderKind {
    TenderKind::CardExternal { reference: None, last_four: None }
}

/// An espresso of 3.27 and a tip of 0.50, paid by a coin and a card.
fn espresso(class: TicketClass) -> TicketSold {
    let tenders = vec![tender(TenderKind::Cash, 100), tender(card(), 277)];
    let cart = Cart::plain([(ItemId::new(101), 1)]);
    let command = SellTicket { class, currency: Currency::USD, cart, tenders, tip: Minor::new(50) };
    let decided = sell(&small_menu(), command, &in_the_morning()).unwrap();
    let sold = decided.numbered(TicketId::sold(0, 1, "k"), "T1-A-1".parse().unwrap());
    TicketSold { sold_by: Some(StaffId::new(7)), ..sold }
}

fn id(key: &str) -> TipId {
    TipId::adjusted(0, 1, key)
}

fn ticket<'a>(sold: &'a TicketSold, known: &'a [TipOn]) -> Tipped<'a> {
    Tipped { sold, day: MONDAY, is_closed: false, is_refunded: false, known }
}

fn till() -> TerminalName {
    "T2".parse().unwrap()
}

fn asked(ticket: &Tipped<'_>, card: WhichCard, tip: i64, days: i32) -> Result<TipAdjusted, TipRejection> {
    let today = BusinessDay::from_days(MONDAY.days() + days);
    adjust(ticket, &AdjustTip { card, tip: Minor::new(tip) }, (id("k"), &till(), today))
}

#[test]
fn a_tip_is_written_down_for_a_card_and_is_the_sellers() {
    let sold = espresso(TicketClass::Sale);
    let first = asked(&ticket(&sold, &[]), WhichCard::First(TipCard::External), 200, 0).unwrap();
    assert_eq!((first.turn, first.tender, first.card), (1, 1, TipCard::External));
    assert_eq!((first.sold, first.tip, first.seller), (Minor::new(50), Minor::new(200), Some(StaffId::new(7))));
    let known = [TipOn::new(&first, MONDAY)];
    let second = asked(&ticket(&sold, &known), WhichCard::At(1), 150, TIP_DAYS_MAX).unwrap();
    assert_eq!((second.turn, second.sold, second.tip), (2, Minor::new(50), Minor::new(150)));
}

#[test]
fn what_is_practice_given_back_closed_or_no_card_keeps_its_tip() {
    let sold = espresso(TicketClass::Sale);
    let at = |place| asked(&ticket(&sold, &[]), WhichCard::At(place), 100, 0).map(drop);
    assert_eq!([at(0), at(1), at(2)], [Err(TipRejection::Card), Ok(()), Err(TipRejection::Card)]);
    let by_box = asked(&ticket(&sold, &[]), WhichCard::First(TipCard::Driver), 100, 0);
    assert_eq!(by_box, Err(TipRejection::Card));
    let one = WhichCard::At(1);
    let practice = espresso(TicketClass::Training);
    assert_eq!(asked(&ticket(&practice, &[]), one, 100, 0), Err(TipRejection::Practice));
    let refunded = Tipped { is_refunded: true, ..ticket(&sold, &[]) };
    assert_eq!(asked(&refunded, one, 100, 0), Err(TipRejection::Refunded));
    let closed = Tipped { is_closed: true, ..ticket(&sold, &[]) };
    assert_eq!(asked(&closed, one, 100, 0), Err(TipRejection::Closed));
    assert_eq!(asked(&ticket(&sold, &[]), one, 100, TIP_DAYS_MAX + 1), Err(TipRejection::Closed));
}

#[test]
fn a_tip_is_at_most_what_the_ticket_came_to_and_takes_no_more_off_a_card_than_is_on_it() {
    let mut sold = espresso(TicketClass::Sale);
    let tip = |sold: &TicketSold, known: &[TipOn], tip| asked(&ticket(sold, known), WhichCard::At(1), tip, 0);
    assert!(tip(&sold, &[], 327).is_ok());
    assert_eq!(tip(&sold, &[], 328), Err(TipRejection::Amount { least: 0, most: 327 }));
    assert_eq!(tip(&sold, &[], -1), Err(TipRejection::Amount { least: 0, most: 327 }));
    // A sale's own tip may be larger, and is made less from there.
    sold.details.tip = Minor::new(400);
    assert!(tip(&sold, &[], 399).is_ok());
    assert_eq!(tip(&sold, &[], 401), Err(TipRejection::Amount { least: 123, most: 400 }));
    assert_eq!(tip(&sold, &[], 122), Err(TipRejection::Amount { least: 123, most: 400 }));
    let less = TipOn::new(&tip(&sold, &[], 123).unwrap(), MONDAY);
    assert_eq!(tip(&sold, &[less], 122), Err(TipRejection::Amount { least: 123, most: 327 }));
}

/// What goes back goes to the first card that was charged here, and to the sum of those that were not.
#[test]
fn of_several_cards_a_tip_is_on_the_one_that_a_refund_goes_to_and_comes_off_the_one_that_it_is_on() {
    let mut sold = espresso(TicketClass::Sale);
    let charged = |key: &str| {
        let payment = CardPaymentId::asked(0, 1, key);
        TenderKind::Card { payment, reference: None, last_four: None, stored: false }
    };
    sold.details.tip = Minor::ZERO;
    sold.tenders = vec![tender(card(), 127), tender(charged("a"), 100), tender(charged("b"), 100)];
    let tip = |known: &[TipOn], place, tip| asked(&ticket(&sold, known), WhichCard::At(place), tip, 0);
    assert_eq!(tip(&[], 2, 50), Err(TipRejection::Card));
    let on_first = TipOn::new(&tip(&[], 1, 50).unwrap(), MONDAY);
    assert_eq!(tip(&[on_first], 0, 0), Err(TipRejection::Amount { least: 50, most: 327 }));
    assert!(tip(&[on_first], 1, 0).is_ok());
    // More on another card is lawful, and comes off that one.
    let on_both = [on_first, TipOn::new(&tip(&[on_first], 0, 80).unwrap(), MONDAY)];
    assert_eq!(tip(&on_both, 0, 49), Err(TipRejection::Amount { least: 50, most: 327 }));
    assert_eq!(tip(&on_both, 1, 29), Err(TipRejection::Amount { least: 30, most: 327 }));
    assert!(tip(&on_both, 0, 50).is_ok() && tip(&on_both, 1, 30).is_ok());
}

#[test]
fn of_two_tills_that_had_not_heard_of_each_other_one_holds_and_its_sums_are_right() {
    let on = |key: &str, turn, day, tip| TipOn {
        id: id(key),
        turn,
        day: BusinessDay::from_days(day),
        card: TipCard::External,
        sold: Minor::new(50),
        tip: Minor::new(tip),
        seller: None,
    };
    let (one, two) = (on("a", 1, 1, 200), on("b", 1, 2, 300));
    let (low, high) = if one.id < two.id { (one, two) } else { (two, one) };
    assert_eq!(holds(&[high, low]), Some(&high));
    let amounts = |moves: Vec<TipMove>| moves.iter().map(|one| (one.day.days(), one.amount.get())).collect::<Vec<_>>();
    assert_eq!(amounts(moves(&[low], &high)), [(high.day.days(), high.tip.get() - low.tip.get())]);
    let late = [(low.day.days(), low.tip.get() - 50), (high.day.days(), 50 - low.tip.get())];
    assert_eq!(amounts(moves(&[high], &low)), late);
    assert_eq!(moves(&[high, low], &low), []);
}

prop_compose! {
    fn any_on()(turn in 1_u32..4, day in 0..3_i32, tip in 0_i64..500, driver: bool, seller in 0_u32..3) -> TipOn {
        TipOn {
            id: id(""),
            turn,
            day: BusinessDay::from_days(day),
            card: if driver { TipCard::Driver } else { TipCard::External },
            sold: Minor::new(50),
            tip: Minor::new(tip),
            seller: (seller > 0).then_some(StaffId::new(seller)),
        }
    }
}

type Sums = BTreeMap<(i32, &'static str, Option<StaffId>), i64>;

fn add(sums: &mut Sums, moves: &[TipMove]) {
    for part in moves {
        *sums.entry((part.day.days(), part.card.as_str(), part.seller)).or_default() += part.amount.get();
    }
    sums.retain(|_, sum| *sum != 0);
}

proptest! {
    /// Whatever comes first, and however often, sums by day, card and person are the same, and come to what holds.
    #[test]
    fn in_whatever_order_tips_come_sums_are_what_holds(
        (all, order) in prop::collection::vec(any_on(), 1..8).prop_flat_map(|mut all| {
            for (at, on) in all.iter_mut().enumerate() {
                on.id = id(&at.to_string());
            }
            (Just(all.clone()), Just(all).prop_shuffle())
        }),
    ) {
        let mut expected = Sums::new();
        add(&mut expected, &all_moves(&all));
        let (mut known, mut sums) = (Vec::new(), Sums::new());
        for on in order.iter().chain(&order) {
            add(&mut sums, &moves(&known, on));
            if !known.contains(on) {
                known.push(*on);
            }
        }
        prop_assert_eq!(&sums, &expected);
        prop_assert_eq!(sums.values().sum::<i64>(), holds(&all).unwrap().tip.get() - 50);
    }

    #[test]
    fn p24_no_cent_of_a_days_tips_is_lost_when_they_are_shared_out(
        total in -10_000_i64..10_000_000,
        points in prop::collection::vec(0_u32..60_000, 1..30),
    ) {
        let points: Vec<_> = (1..).map(StaffId::new).zip(points).collect();
        let shares = pool(Minor::new(total), &points);
        prop_assert_eq!(shares.iter().map(|(_, share)| share.get()).sum::<i64>(), total);
        let sum: i128 = points.iter().map(|(_, points)| i128::from(*points)).sum();
        for ((person, points), (who, share)) in points.iter().zip(&shares) {
            prop_assert_eq!(person, who);
            let exact = i128::from(total) * i128::from(*points);
            prop_assert!(sum == 0 || (i128::from(share.get()) * sum - exact).abs() < sum);
        }
    }
}

#[test]
fn tips_are_shared_by_points_and_evenly_where_nobody_has_any() {
    let shares = |total, points: &[(u32, u32)]| {
        let points: Vec<_> = points.iter().map(|(person, points)| (StaffId::new(*person), *points)).collect();
        pool(Minor::new(total), &points).into_iter().map(|(_, share)| share.get()).collect::<Vec<_>>()
    };
    assert_eq!(shares(1_000, &[(7, 2), (8, 1)]), [667, 333]);
    assert_eq!(shares(101, &[(7, 0), (8, 0)]), [51, 50]);
    assert_eq!(shares(100, &[]), [] as [i64; 0]);
    let mut day = DayTips::default();
    for (seller, tickets, tip) in [(Some(8), 1, 100), (None, 1, 50), (Some(7), 2, 0), (Some(8), 0, -30)] {
        day.add(seller.map(StaffId::new), tickets, tip);
    }
    day.add(Some(StaffId::new(9)), 0, 20);
    assert_eq!(day.total(), Minor::new(140));
    assert_eq!(day.sellers(), [(StaffId::new(7), 1), (StaffId::new(8), 1)]);
}
