//! A card that was charged late, for a ticket that was sold for cash meanwhile: the guest gets the cash back, and the ticket counts
//! the card instead. Its sums stay as they are.

use crate::domain::staff::approvals::Approval;
use crate::domain::tickets::TicketSold;
use crate::domain::tickets::decide::rounded;
use crate::domain::tickets::receipt::TerminalName;
use crate::domain::tickets::refund::{Before, Sale};
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::ids::{CardPaymentId, DrawerSessionId, StaffId};
use crate::money::{Minor, MoneyOverflow};

use super::card::PaymentRejection;

/// Cash that a guest got back, because a card was charged after all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// How much: what the card was charged, as coins can pay it.
    pub cash: Minor,
    /// At which terminal.
    pub terminal: TerminalName,
    /// The drawer that it came from, where one was open at the terminal.
    pub drawer: Option<DrawerSessionId>,
    /// By whom.
    pub by: Option<StaffId>,
    /// Who approved it, where that was needed.
    pub approval: Option<Approval>,
}

/// A card that a ticket counts instead of cash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchanged {
    /// Which payment.
    pub payment: CardPaymentId,
    /// What the card was charged.
    pub card: Minor,
    /// What the guest got back.
    pub cash: Minor,
}

/// How much cash the guest gets back for a card that was charged so much, after others that the ticket counts instead of cash: all
/// cards together are rounded once, so that many small ones bring no more than one.
///
/// # Errors
/// [`PaymentRejection::CashLeft`] if the ticket has less cash than that: then the card is given back instead.
pub fn cash_back(
    sale: &Sale<'_>,
    before: &Before,
    (payment, card): (CardPaymentId, Minor),
    (exchanged, cash_step): (&[Exchanged], u32),
) -> Result<Minor, PaymentRejection> {
    let left = before.tenders_left(sale).into_iter().find(|(kind, _)| *kind == TenderKind::Cash);
    let left = left.map_or(0, |(_, left)| left);
    let both = |sum: (Minor, Minor), one: &Exchanged| Ok((sum.0.plus(one.card)?, sum.1.plus(one.cash)?));
    let before = exchanged.iter().try_fold((Minor::ZERO, Minor::ZERO), both);
    let cash = before.and_then(|(cards, given)| rounded(cards.plus(card)?, cash_step)?.minus(given));
    match cash {
        Ok(cash) if cash > Minor::ZERO && cash.get() <= left => Ok(cash),
        Ok(_) | Err(MoneyOverflow) => Err(PaymentRejection::CashLeft { payment, of: card.get(), left }),
    }
}

/// A sale as it counts after cards took the place of cash: the cash given back is change, and rounding goes with it.
#[must_use]
pub fn as_counted(mut sold: TicketSold, exchanges: &[Exchanged]) -> TicketSold {
    let plus = |amount: Minor, more: i64| Minor::new(amount.get().saturating_add(more));
    for exchange in exchanges {
        let kind = TenderKind::Card { payment: exchange.payment, reference: None, last_four: None, stored: false };
        sold.tenders.push(Tender { kind, amount: exchange.card });
        sold.change = plus(sold.change, exchange.cash.get());
        let rounding = exchange.card.get().saturating_sub(exchange.cash.get());
        sold.details.cash_rounding = plus(sold.details.cash_rounding, rounding);
    }
    sold
}
