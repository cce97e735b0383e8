//! Selling: from a command to a paid ticket, or to a refusal.

use super::receipt::ReceiptNumber;
use super::tender::{Tender, TenderKind, looks_like_card_number};
use super::{PaymentBefore, TicketClass, TicketDetails, TicketSold};
use crate::domain::catalog::Catalog;
use crate::domain::catalog::look_up::Moment;
use crate::domain::pricing::cart::Cart;
use crate::domain::pricing::{self, Priced, PricingRejection};
use crate::domain::tenders::card::PaymentRejection;
use crate::domain::tenders::house::HouseRejection;
use crate::ids::TicketId;
use crate::money::{Currency, Minor, MoneyOverflow};

/// What a terminal asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SellTicket {
    /// Real or practice.
    pub class: TicketClass,
    /// What the amounts are in.
    pub currency: Currency,
    /// What is sold.
    pub cart: Cart,
    /// How it is paid.
    pub tenders: Vec<Tender>,
    /// What of it is for those who work there.
    pub tip: Minor,
}

/// Tenders on one ticket.
pub const TENDERS_MAX: usize = 8;
/// Largest single tender, in minor units: 100,000.00 dollars.
pub const TENDER_MINOR_MAX: i64 = 10_000_000;
/// Longest reference of an external card terminal, in bytes.
pub const REFERENCE_BYTES_MAX: usize = 32;

/// A ticket that is refused; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketRejection {
    /// The lines cannot be priced.
    #[error(transparent)]
    Pricing(#[from] PricingRejection),
    /// Not the store's currency.
    #[error("the menu is priced in {expected}, not in {given}")]
    Currency {
        /// What the menu is priced in.
        expected: Currency,
        /// What the ticket says.
        given: Currency,
    },
    /// Too many.
    #[error("a ticket has at most {TENDERS_MAX} tenders, this one has {0}")]
    TenderCount(usize),
    /// Zero, negative or absurd.
    #[error("tender amount {amount} is out of range: 1 to {TENDER_MINOR_MAX} minor units is expected")]
    TenderAmount {
        /// Position of the tender.
        tender: usize,
        /// What it says.
        amount: i64,
    },
    /// A tip that is negative or absurd.
    #[error("the tip is out of range: 0 to {TENDER_MINOR_MAX} minor units are expected")]
    Tip(i64),
    /// Pays less than is due.
    #[error("the tenders pay {tendered} of {due} minor units")]
    Underpaid {
        /// What is due.
        due: i64,
        /// What was tendered.
        tendered: i64,
    },
    /// A card pays more than is due.
    #[error("cards pay {cards} of {due} minor units: only cash may exceed what is due")]
    CardOverpaid {
        /// What is due.
        due: i64,
        /// What the cards pay.
        cards: i64,
    },
    /// Cash on top of a ticket that is already paid in full by card, or is free.
    #[error("cash of {cash} minor units was handed over, but nothing of it is due")]
    CashNotDue {
        /// What was handed over.
        cash: i64,
    },
    /// Too long, or not printable.
    #[error("a reference has at most {REFERENCE_BYTES_MAX} printable ASCII characters")]
    Reference {
        /// Position of the tender.
        tender: usize,
    },
    /// A payment that it may not count.
    #[error("{why}")]
    Payment {
        /// Position of the tender.
        tender: usize,
        /// Why not.
        why: PaymentRejection,
    },
    /// A house account that takes no more.
    #[error("{why}")]
    House {
        /// Position of the tender.
        tender: usize,
        /// Why not.
        why: HouseRejection,
    },
    /// Could be a card number.
    #[error("the reference looks like a card number, which must never be sent here")]
    CardNumber {
        /// Position of the tender.
        tender: usize,
    },
}

impl From<MoneyOverflow> for TicketRejection {
    fn from(overflow: MoneyOverflow) -> Self {
        Self::Pricing(PricingRejection::Overflow(overflow))
    }
}

/// A sale that has been decided but has no number yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedSale {
    class: TicketClass,
    currency: Currency,
    catalog_revision: u32,
    priced: Priced,
    tenders: Vec<Tender>,
    tip: Minor,
    paid: Paid,
    payments_before: Vec<PaymentBefore>,
    was_open: bool,
}

/// How a ticket was paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paid {
    /// Cash handed back.
    pub(super) change: Minor,
    /// What the part in cash was rounded by.
    pub(super) cash_rounding: Minor,
}

impl DecidedSale {
    /// The fact, once id and receipt number are known.
    #[must_use]
    pub fn numbered(self, id: TicketId, receipt: ReceiptNumber) -> TicketSold {
        let priced = self.priced;
        let stock_effects = match self.class {
            TicketClass::Sale => priced.stock_effects,
            TicketClass::Training => Vec::new(),
        };
        let details = TicketDetails {
            consumption: priced.consumption,
            discounts: priced.discounts,
            service_charge: priced.service_charge,
            tax_basis: priced.tax_basis,
            exempt: priced.exempt,
            tip: self.tip,
            cash_rounding: self.paid.cash_rounding,
            approvals: Vec::new(),
            payments_before: self.payments_before,
            was_open: self.was_open,
        };
        TicketSold {
            id,
            class: self.class,
            receipt,
            currency: self.currency,
            catalog_revision: self.catalog_revision,
            lines: priced.lines,
            taxes: priced.taxes,
            totals: priced.totals,
            tenders: self.tenders,
            change: self.paid.change,
            stock_effects,
            details,
            sold_by: None,
            drawer: None,
        }
    }
}

/// Decides a sale.
///
/// # Errors
/// [`TicketRejection`] says what is wrong with the command; nothing is changed.
pub fn sell(catalog: &Catalog, command: SellTicket, moment: &Moment) -> Result<DecidedSale, TicketRejection> {
    if command.currency != catalog.revision.currency {
        return Err(TicketRejection::Currency { expected: catalog.revision.currency, given: command.currency });
    }
    check_tip(command.tip)?;
    let priced = pricing::price(catalog, &command.cart, moment)?;
    let due = priced.totals.total.plus(command.tip)?;
    let paid = take_tenders(&command.tenders, due, CashBefore::default(), catalog.content.rules.cash_step())?;
    Ok(DecidedSale {
        class: command.class,
        currency: command.currency,
        catalog_revision: catalog.revision.number,
        priced,
        tenders: command.tenders,
        tip: command.tip,
        paid,
        payments_before: Vec::new(),
        was_open: false,
    })
}

/// Decides what an open ticket is sold for: what is left of it is paid now.
///
/// # Errors
/// [`TicketRejection`] if the tenders do not pay what is left.
pub(super) fn sell_open(
    catalog: &Catalog,
    (class, priced): (TicketClass, Priced),
    (payments_before, cash_before): (Vec<PaymentBefore>, CashBefore),
    (tenders, tip): (Vec<Tender>, Minor),
) -> Result<DecidedSale, TicketRejection> {
    check_tip(tip)?;
    let before = Minor::sum(payments_before.iter().map(|payment| payment.amount))?;
    let due = priced.totals.total.minus(before)?.plus(tip)?;
    let paid = take_tenders(&tenders, due, cash_before, catalog.content.rules.cash_step())?;
    Ok(DecidedSale {
        class,
        currency: catalog.revision.currency,
        catalog_revision: catalog.revision.number,
        priced,
        tenders,
        tip,
        paid,
        payments_before,
        was_open: true,
    })
}

/// An open ticket as if it were sold for nothing: all of its sale but how it is paid.
pub(super) fn sold_unpaid(catalog: &Catalog, (class, priced): (TicketClass, Priced)) -> DecidedSale {
    DecidedSale {
        class,
        currency: catalog.revision.currency,
        catalog_revision: catalog.revision.number,
        priced,
        tenders: Vec::new(),
        tip: Minor::ZERO,
        paid: Paid { change: Minor::ZERO, cash_rounding: Minor::ZERO },
        payments_before: Vec::new(),
        was_open: true,
    }
}

/// Refuses a tip that is negative or absurd.
pub(super) fn check_tip(tip: Minor) -> Result<(), TicketRejection> {
    if (0..=TENDER_MINOR_MAX).contains(&tip.get()) { Ok(()) } else { Err(TicketRejection::Tip(tip.get())) }
}

/// What parts of a ticket were paid in cash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CashBefore {
    /// What was due of them, tips included.
    pub(super) due: Minor,
    /// What was kept for it: what coins could pay.
    pub(super) kept: Minor,
    /// Whether another part was paid by other means.
    pub(super) is_mixed: bool,
}

impl CashBefore {
    /// What coins pay of what is left, so that all cash of the ticket together is rounded once, however many parts it came in.
    fn rounded(self, left: Minor, cash_step: u32) -> Result<Minor, MoneyOverflow> {
        if left == Minor::ZERO {
            return Ok(left);
        }
        let rounded = rounded(self.due.plus(left)?, cash_step)?.minus(self.kept)?;
        Ok(if left < Minor::ZERO { rounded.min(Minor::ZERO) } else { rounded.max(Minor::ZERO) })
    }
}

/// What is due back. Only what is paid in cash is rounded, to a multiple that coins can pay; all else pays to the cent.
pub(super) fn take_tenders(
    tenders: &[Tender],
    due: Minor,
    before: CashBefore,
    cash_step: u32,
) -> Result<Paid, TicketRejection> {
    if tenders.len() > TENDERS_MAX {
        return Err(TicketRejection::TenderCount(tenders.len()));
    }
    let mut cash = Minor::ZERO;
    let mut cards = Minor::ZERO;
    for (at, tender) in tenders.iter().enumerate() {
        if !(1..=TENDER_MINOR_MAX).contains(&tender.amount.get()) {
            return Err(TicketRejection::TenderAmount { tender: at, amount: tender.amount.get() });
        }
        match &tender.kind {
            TenderKind::Cash => cash = cash.plus(tender.amount)?,
            TenderKind::CardExternal { reference, .. } | TenderKind::Card { reference, .. } => {
                check_reference(at, reference.as_deref().unwrap_or(""))?;
                cards = cards.plus(tender.amount)?;
            }
            // No more than is due, as by card: an account gives no change.
            TenderKind::House { .. } => cards = cards.plus(tender.amount)?,
        }
    }
    if cards > due.max(Minor::ZERO) {
        return Err(TicketRejection::CardOverpaid { due: due.get(), cards: cards.get() });
    }
    let left = due.minus(cards)?;
    // What was paid too much goes back in cash. Nothing handed over is what coins cannot pay, as long as no card pays the rest.
    let by_cards = cards > Minor::ZERO || (before.is_mixed && before.due == Minor::ZERO);
    let is_in_cash = cash > Minor::ZERO || left < Minor::ZERO || !by_cards;
    let rounded = if is_in_cash { before.rounded(left, cash_step)? } else { left };
    if cash < rounded {
        return Err(TicketRejection::Underpaid { due: cards.plus(rounded)?.get(), tendered: cards.plus(cash)?.get() });
    }
    let change = cash.minus(rounded)?;
    if cash > Minor::ZERO && change >= cash {
        return Err(TicketRejection::CashNotDue { cash: cash.get() });
    }
    Ok(Paid { change, cash_rounding: rounded.minus(left)? })
}

/// The nearest multiple of a step; halves go up.
pub(crate) fn rounded(amount: Minor, step: u32) -> Result<Minor, MoneyOverflow> {
    let step = i64::from(step.max(1));
    let up = amount.plus(Minor::new(step / 2))?;
    up.minus(Minor::new(up.get().rem_euclid(step)))
}

pub(super) fn check_reference(tender: usize, reference: &str) -> Result<(), TicketRejection> {
    if looks_like_card_number(reference) {
        return Err(TicketRejection::CardNumber { tender });
    }
    let printable = reference.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if reference.len() > REFERENCE_BYTES_MAX || !printable {
        return Err(TicketRejection::Reference { tender });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::domain::catalog::CatalogEvent;
    use crate::domain::catalog::rules::Rule;
    use crate::domain::catalog::tests::small_menu;
    use crate::domain::pricing::tests::in_the_morning;
    use crate::ids::{HouseAccountId, ItemId};

    use super::*;

    fn cash(amount: i64) -> Tender {
        Tender { kind: TenderKind::Cash, amount: Minor::new(amount) }
    }

    fn card(amount: i64, reference: &str) -> Tender {
        Tender {
            kind: TenderKind::CardExternal { reference: Some(reference.to_owned()), last_four: None },
            amount: Minor::new(amount),
        }
    }

    /// One espresso: 3.00 and 0.27 tax.
    fn espresso(tenders: Vec<Tender>) -> SellTicket {
        let cart = Cart::plain([(ItemId::new(101), 1)]);
        SellTicket { class: TicketClass::Sale, currency: Currency::USD, cart, tenders, tip: Minor::ZERO }
    }

    fn change(tenders: Vec<Tender>) -> Result<i64, TicketRejection> {
        sell(&small_menu(), espresso(tenders), &in_the_morning()).map(|sale| sale.paid.change.get())
    }

    #[test]
    fn cash_gives_change_and_cards_do_not() {
        assert_eq!(change(vec![cash(327)]), Ok(0));
        assert_eq!(change(vec![cash(500)]), Ok(173));
        assert_eq!(change(vec![card(327, "AUTH 1")]), Ok(0));
        assert_eq!(change(vec![card(300, ""), cash(100)]), Ok(73));
        assert_eq!(change(vec![card(328, "")]), Err(TicketRejection::CardOverpaid { due: 327, cards: 328 }));
    }

    #[test]
    fn tenders_that_do_not_add_up_are_refused() {
        assert_eq!(change(vec![]), Err(TicketRejection::Underpaid { due: 327, tendered: 0 }));
        assert_eq!(change(vec![cash(326)]), Err(TicketRejection::Underpaid { due: 327, tendered: 326 }));
        assert_eq!(change(vec![card(327, ""), cash(100)]), Err(TicketRejection::CashNotDue { cash: 100 }));
        for amount in [0, -5, TENDER_MINOR_MAX + 1] {
            assert_eq!(change(vec![cash(amount)]), Err(TicketRejection::TenderAmount { tender: 0, amount }));
        }
        assert_eq!(change(vec![cash(1); TENDERS_MAX + 1]), Err(TicketRejection::TenderCount(TENDERS_MAX + 1)));
    }

    #[test]
    fn what_is_just_within_its_limit_is_taken() {
        let mut tenders = vec![cash(40); TENDERS_MAX - 1];
        tenders.push(cash(50));
        assert_eq!(change(tenders), Ok(3));
        assert_eq!(change(vec![cash(TENDER_MINOR_MAX)]), Ok(TENDER_MINOR_MAX - 327));
        let longest = "AUTH 1 ".repeat(5);
        let longest = longest.get(..REFERENCE_BYTES_MAX).unwrap();
        assert_eq!(change(vec![card(327, longest)]), Ok(0));
        let refused = Err(TicketRejection::Reference { tender: 1 });
        assert_eq!(change(vec![cash(1), card(326, &format!("{longest}x"))]), refused);
        assert_eq!(change(vec![cash(1), card(326, "caf\u{e9}")]), refused);
    }

    #[test]
    fn a_card_number_in_the_reference_is_refused() {
        assert_eq!(change(vec![card(327, "4111 1111 1111 1111")]), Err(TicketRejection::CardNumber { tender: 0 }));
        assert_eq!(change(vec![card(327, "line\nbreak")]), Err(TicketRejection::Reference { tender: 0 }));
    }

    #[test]
    fn another_currency_is_refused() {
        let mut command = espresso(vec![cash(327)]);
        command.currency = "EUR".parse().unwrap();
        assert!(matches!(sell(&small_menu(), command, &in_the_morning()), Err(TicketRejection::Currency { .. })));
    }

    #[test]
    fn a_tip_is_paid_on_top_and_is_no_revenue() {
        let mut command = espresso(vec![card(400, ""), cash(50)]);
        command.tip = Minor::new(100);
        let receipt: ReceiptNumber = "T1-A-1".parse().unwrap();
        let decided = sell(&small_menu(), command.clone(), &in_the_morning()).unwrap();
        let sold = decided.numbered(TicketId::sold(0, 1, "k"), receipt);
        assert_eq!((sold.totals.total.get(), sold.details.tip.get(), sold.change.get()), (327, 100, 23));
        command.tip = Minor::new(-1);
        assert_eq!(sell(&small_menu(), command, &in_the_morning()), Err(TicketRejection::Tip(-1)));
    }

    #[test]
    fn what_is_left_for_coins_is_rounded_to_what_coins_can_pay() {
        let mut menu = small_menu();
        menu.content.apply(&CatalogEvent::RuleSet(Box::new(Rule::CashStep(5))));
        let paid = |tenders| sell(&menu, espresso(tenders), &in_the_morning()).map(|sale| sale.paid);
        let of = |change, rounding| Ok(Paid { change: Minor::new(change), cash_rounding: Minor::new(rounding) });
        assert_eq!(paid(vec![cash(325)]), of(0, -2));
        assert_eq!(paid(vec![cash(500)]), of(175, -2));
        assert_eq!(paid(vec![card(327, "")]), of(0, 0));
        assert_eq!(paid(vec![card(324, ""), cash(5)]), of(0, 2));
        let short = Err(TicketRejection::Underpaid { due: 327, tendered: 325 });
        assert_eq!(paid(vec![card(325, "")]), short, "a card is charged to the cent");
        let house = TenderKind::House { account: HouseAccountId::new(1) };
        assert_eq!(paid(vec![Tender { kind: house, amount: Minor::new(325) }]), short, "and so is an account");
        let two = |cards| take_tenders(&[], Minor::new(2), CashBefore { is_mixed: cards, ..CashBefore::default() }, 5);
        assert_eq!(two(false), of(0, -2), "two cents are nothing in coins");
        assert_eq!(two(true), Err(TicketRejection::Underpaid { due: 2, tendered: 0 }), "but not after a card");
        assert_eq!(paid(vec![cash(324)]), Err(TicketRejection::Underpaid { due: 325, tendered: 324 }));
        assert_eq!([332, 333, 337, 338].map(|due| rounded(Minor::new(due), 5).unwrap().get()), [330, 335, 335, 340]);
        assert_eq!(rounded(Minor::new(325), 10).unwrap().get(), 330, "halves go up");
    }

    #[test]
    fn practice_moves_no_stock() {
        let receipt: ReceiptNumber = "T1-TRN-1".parse().unwrap();
        let id = TicketId::sold(0, 1, "k");
        let mut command = espresso(vec![cash(327)]);
        let real = sell(&small_menu(), command.clone(), &in_the_morning()).unwrap().numbered(id, receipt.clone());
        assert!(!real.stock_effects.is_empty());
        command.class = TicketClass::Training;
        assert!(
            sell(&small_menu(), command, &in_the_morning()).unwrap().numbered(id, receipt).stock_effects.is_empty()
        );
    }
}
