//! Laws of giving back what was paid in parts.

use proptest::prelude::prop;
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::{Asked, AskedLine, Before, RefundReason, RefundRejection, RefundTicket, Sale, TicketRefunded, refund};
use crate::domain::catalog::rules::Rule;
use crate::domain::catalog::tests::small_menu;
use crate::domain::catalog::{Catalog, CatalogEvent};
use crate::domain::pricing::cart::CartLine;
use crate::domain::pricing::tests::in_the_morning;
use crate::domain::tickets::decide::rounded;
use crate::domain::tickets::open::decide::{Asking, CloseTicket, TakePayment, change, close, priced, take_payment};
use crate::domain::tickets::open::fold::OpenTicket;
use crate::domain::tickets::open::{OpenFact, PaymentTaken, TicketOpened};
use crate::domain::tickets::receipt::ReceiptNumber;
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::domain::tickets::{TicketClass, TicketSold};
use crate::ids::{CardPaymentId, ItemId, PaymentId, RefundId, TicketId};
use crate::money::Minor;
use crate::time::BusinessDay;

const MONDAY: BusinessDay = BusinessDay::from_days(20_787);
const AUTHOR: u32 = 11;

/// How somebody pays a part: by which means, and how much tip.
type Paying = (u8, i64);

fn kind((means, _): Paying, at: usize) -> TenderKind {
    let payment = CardPaymentId::asked(1, AUTHOR, &format!("card-{at}"));
    match means {
        0 => TenderKind::Cash,
        1 => TenderKind::CardExternal { reference: Some(format!("AUTH {at}")), last_four: None },
        _ => TenderKind::Card { payment, reference: Some("R 1".to_owned()), last_four: None, stored: false },
    }
}

/// What somebody hands over for so much: a note more than is due in cash, or all of it by a card.
fn handed(menu: &Catalog, paying: Paying, at: usize, due: i64) -> Tender {
    let kind = kind(paying, at);
    let amount = match kind {
        TenderKind::Cash => rounded(Minor::new(due), menu.content.rules.cash_step()).unwrap().get() + 500,
        TenderKind::CardExternal { .. } | TenderKind::Card { .. } => due,
    };
    Tender { kind, amount: Minor::new(amount) }
}

/// A ticket that is paid in parts, each an even share of what is left, and at the end.
fn paid_in_parts(menu: &Catalog, items: &[(u32, u32)], payings: &[Paying]) -> (TicketSold, Vec<PaymentTaken>) {
    let moment = in_the_morning();
    let id = TicketId::sold(1, AUTHOR, "ticket");
    let mut ticket = OpenTicket::new(id);
    let opened = TicketOpened { id, class: TicketClass::Sale, terminal: "T1".parse().unwrap(), by: None };
    ticket.add(&OpenFact::Opened(opened));
    let lines: Vec<_> = items.iter().map(|(item, quantity)| CartLine::plain(ItemId::new(*item), *quantity)).collect();
    let asking = Asking { author: AUTHOR, key: "lines", by: None };
    ticket.add(&change(&ticket, menu, (&lines, None), asking, &moment).unwrap().unwrap());
    let total = priced(&ticket, menu, &moment).unwrap().totals.total;
    let (last, before) = payings.split_last().unwrap();
    let mut parts = Vec::new();
    for (at, paying) in before.iter().enumerate() {
        let left = total.get() - ticket.paid().unwrap().get();
        let share = left / i64::try_from(payings.len() - at).unwrap();
        let (amount, tip) = (Minor::new(share), Minor::new(paying.1));
        let tender = handed(menu, *paying, at, share + paying.1);
        let part = TakePayment { tender, amount, tip, terminal: "T1".parse().unwrap(), by: None };
        let payment = PaymentId::taken(i64::try_from(at).unwrap(), AUTHOR, &format!("part-{at}"));
        let taken = take_payment(&ticket, menu, payment, part, &moment).unwrap();
        ticket.add(&OpenFact::Paid(taken.clone()));
        parts.push(taken);
    }
    let left = total.get() - ticket.paid().unwrap().get();
    let tenders = vec![handed(menu, *last, before.len(), left + last.1)];
    let command = CloseTicket { tenders, tip: Minor::new(last.1), shown: total };
    let sold = close(&ticket, menu, command, &moment).unwrap().numbered(id, "T1-A-1".parse().unwrap());
    (sold, parts)
}

fn rounding_menu(step: u32) -> Catalog {
    let mut menu = small_menu();
    menu.content.apply(&CatalogEvent::RuleSet(Box::new(Rule::CashStep(step))));
    menu
}

/// By which means, in the order in which they came, as far as they are told apart.
fn means(tenders: &[Tender]) -> Vec<(Option<CardPaymentId>, &'static str)> {
    tenders.iter().map(|tender| (tender.kind.payment(), tender.kind.as_str())).collect()
}

fn back(
    menu: &Catalog,
    sale: &Sale<'_>,
    before: &[TicketRefunded],
    (what, tenders): (Asked, Vec<Tender>),
) -> Result<TicketRefunded, RefundRejection> {
    let ask = RefundTicket { reason: RefundReason::Quality, what, tenders };
    let number = before.len() as u64 + 2;
    let decided = refund(menu, sale, &Before::of(before), (&ask, MONDAY))?;
    let receipt = ReceiptNumber { number, ..sale.sold.receipt.clone() };
    Ok(decided.numbered(RefundId::refunded(0, 1, &number.to_string()), receipt))
}

#[test]
fn p33_what_was_paid_first_goes_back_first_and_a_card_that_the_box_charged_is_named() {
    let menu = small_menu();
    let (sold, parts) = paid_in_parts(&menu, &[(101, 3)], &[(0, 0), (2, 0), (1, 0)]);
    let sale = Sale::new(&sold, MONDAY, &parts);
    // 9.80 in three parts of 3.26 and 3.27.
    let left: Vec<_> = Before::default().tenders_left(&sale).into_iter().map(|(_, left)| left).collect();
    assert_eq!(left, [326, 327, 327]);
    let one = Asked::Lines(vec![AskedLine { line: 0, quantity: 1, restock: false }]);
    let first = back(&menu, &sale, &[], (one.clone(), vec![])).unwrap();
    let amounts = |refund: &TicketRefunded| refund.tenders.iter().map(|tender| tender.amount.get()).collect::<Vec<_>>();
    assert_eq!(
        (means(&first.tenders), amounts(&first)),
        (means(&[parts[0].tender.clone(), parts[1].tender.clone()]), vec![326, 1])
    );
    // By the card that the box charged: what is asked names the payment, and what is written has its reference.
    let TenderKind::Card { payment, .. } = parts[1].tender.kind else { panic!("the second part is by card") };
    let by_card = |payment, amount| {
        let kind = TenderKind::Card { payment, reference: None, last_four: None, stored: false };
        vec![Tender { kind, amount: Minor::new(amount) }]
    };
    let second = back(&menu, &sale, std::slice::from_ref(&first), (one.clone(), by_card(payment, 326))).unwrap();
    assert_eq!(second.tenders[0].kind, parts[1].tender.kind);
    let other = CardPaymentId::asked(1, AUTHOR, "nobody's");
    assert_eq!(
        back(&menu, &sale, std::slice::from_ref(&first), (one.clone(), by_card(other, 326))),
        Err(RefundRejection::TenderKind { kind: "card", tendered: 326, left: 0 })
    );
    assert_eq!(
        back(&menu, &sale, &[first, second], (one, by_card(payment, 327))),
        Err(RefundRejection::TenderKind { kind: "card", tendered: 327, left: 0 })
    );
}

proptest! {
    /// P33: of a ticket that was paid in parts by whatever means, all that goes back is all that was paid: by each means to the
    /// cent, the tips and what was rounded too, by none more than was paid by it, and by the first means first.
    #[test]
    fn p33_what_was_paid_in_parts_goes_back_by_the_means_of_all_parts_and_never_more_by_one(
        items in prop::collection::vec((prop::sample::select(vec![101_u32, 201]), 1_u32..5), 1..6),
        payings in prop::collection::vec((0_u8..3, prop::sample::select(vec![0_i64, 0, 40, 125])), 1..6),
        step in prop::sample::select(vec![1_u32, 5, 10]),
        asks in prop::collection::vec((0_usize..6, 1_u32..5), 0..8),
    ) {
        let menu = rounding_menu(step);
        let (sold, parts) = paid_in_parts(&menu, &items, &payings);
        let sale = Sale::new(&sold, MONDAY, &parts);
        let paid = Before::default().tenders_left(&sale);
        let mut refunds: Vec<TicketRefunded> = Vec::new();
        for (line, quantity) in asks {
            let position = line % sold.lines.len();
            let at = u32::try_from(position).unwrap();
            // The last piece of the first line is kept for the end, when the tip goes back, too.
            let left = Before::of(&refunds).left(at, &sold.lines[position]) - u32::from(position == 0);
            if left == 0 {
                continue;
            }
            let left_before = Before::of(&refunds).tenders_left(&sale);
            let what = Asked::Lines(vec![AskedLine { line: at, quantity: quantity % left + 1, restock: false }]);
            let refund = back(&menu, &sale, &refunds, (what, vec![])).unwrap();
            let first = left_before.iter().find(|(_, left)| *left > 0).map(|(kind, _)| (kind.payment(), kind.as_str()));
            if let Some(tender) = means(&refund.tenders).first() {
                prop_assert_eq!(Some(*tender), first, "first paid, first given back");
            }
            refunds.push(refund);
            prop_assert!(Before::of(&refunds).tenders_left(&sale).iter().all(|(_, left)| *left >= 0));
        }
        refunds.push(back(&menu, &sale, &refunds, (Asked::Whole { restock: false }, vec![])).unwrap());
        let nothing: Vec<_> = paid.iter().map(|(kind, _)| (kind.clone(), 0)).collect();
        prop_assert_eq!(Before::of(&refunds).tenders_left(&sale), nothing);
        let sum = |amount: fn(&TicketRefunded) -> Minor| refunds.iter().map(|back| amount(back).get()).sum::<i64>();
        let tips: i64 = payings.iter().map(|(_, tip)| tip).sum();
        let all_rounding = parts.iter().map(|part| part.cash_rounding.get()).sum::<i64>() + sold.details.cash_rounding.get();
        prop_assert_eq!((sum(|back| back.totals.total), sum(|back| back.tip)), (sold.totals.total.get(), tips));
        prop_assert_eq!(sum(|back| back.cash_rounding), all_rounding);
        let kept = parts.iter().map(|part| part.kept().get()).sum::<i64>();
        let last: i64 = sold.tenders.iter().map(|tender| tender.amount.get()).sum::<i64>() - sold.change.get();
        prop_assert_eq!(paid.iter().map(|(_, left)| left).sum::<i64>(), kept + last);
    }
}
