//! Giving back: from a sale, what of it was given back before, and what is asked, to a refund, or to a refusal.
//!
//! Money goes by what all that came back is worth together, less what was given back for it before. Pieces that come back one by
//! one therefore come to the sale exactly, whatever was rounded on the way.

mod before;
mod decide;

pub use before::Before;
pub use decide::{DecidedRefund, refund};

use super::decide::TENDERS_MAX;
use super::open::PaymentTaken;
use super::receipt::ReceiptNumber;
use super::tender::{Tender, TenderKind};
use super::tips::{TipCard, TipOn, all_moves};
use super::{TaxLine, TicketClass, TicketSold, Totals};
use crate::domain::staff::approvals::Approval;
use crate::domain::stock::MovementLine;
use crate::ids::{CategoryId, DrawerSessionId, ItemId, RefundId, StaffId, TaxClassId, TicketId};
use crate::money::{Currency, Minor, MoneyOverflow};
use crate::time::BusinessDay;

/// Why money goes back. Words and no text: a journal names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundReason {
    /// It should not have been sold: the whole of it, on the day that it was sold.
    Void,
    /// It was not good.
    Quality,
    /// It was something else than the guest wanted.
    Wrong,
    /// The guest did not get it.
    NotServed,
    /// Anything else.
    Other,
}

impl RefundReason {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::Quality => "quality",
            Self::Wrong => "wrong",
            Self::NotServed => "not_served",
            Self::Other => "other",
        }
    }
}

/// Pieces of a line that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundedLine {
    /// Position of the line on its ticket.
    pub line: u32,
    /// What it was.
    pub item: ItemId,
    /// Where it stood on the menu.
    pub category: CategoryId,
    /// Under which tax.
    pub tax_class: TaxClassId,
    /// How many.
    pub quantity: u32,
    /// What was given back for them, before tax.
    pub net: Minor,
    /// Whether they went back to the stock room. Most food is thrown away.
    pub restock: bool,
}

/// Money was given back. All amounts are what went back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRefunded {
    /// Its id.
    pub id: RefundId,
    /// Of which ticket.
    pub ticket: TicketId,
    /// Practice, if the ticket was.
    pub class: TicketClass,
    /// Its own receipt number.
    pub receipt: ReceiptNumber,
    /// What the amounts are in.
    pub currency: Currency,
    /// Why.
    pub reason: RefundReason,
    /// What came back.
    pub lines: Vec<RefundedLine>,
    /// Of the charge for service.
    pub service_charge: Minor,
    /// Of the tax, by class.
    pub taxes: Vec<TaxLine>,
    /// The sums.
    pub totals: Totals,
    /// Of the tip.
    pub tip: Minor,
    /// What was rounded of it, so that coins can pay it; below zero if less was given back.
    pub cash_rounding: Minor,
    /// By which means.
    pub tenders: Vec<Tender>,
    /// What went back to the stock room.
    pub stock_effects: Vec<MovementLine>,
    /// Who gave it back, if they had signed in.
    pub by: Option<StaffId>,
    /// Who had sold the ticket: a tip that goes back was theirs.
    pub seller: Option<StaffId>,
    /// Who approved it, where that was needed.
    pub approval: Option<Approval>,
    /// The drawer that its cash came from, where one was open at the terminal.
    pub drawer: Option<DrawerSessionId>,
}

impl TicketRefunded {
    /// The cash that was given back. Practice gives none.
    #[must_use]
    pub fn cash(&self) -> Minor {
        let cash = self.tenders.iter().filter(|tender| tender.kind == TenderKind::Cash);
        match self.class {
            TicketClass::Training => Minor::ZERO,
            TicketClass::Sale => Minor::new(cash.fold(0, |sum, tender| sum.saturating_add(tender.amount.get()))),
        }
    }
}

/// What is asked back of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedLine {
    /// Position of the line on its ticket.
    pub line: u32,
    /// How many.
    pub quantity: u32,
    /// Whether they go back to the stock room.
    pub restock: bool,
}

/// What is asked back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// All that was not given back yet, with the tip.
    Whole {
        /// Whether all of it goes back to the stock room.
        restock: bool,
    },
    /// Pieces.
    Lines(Vec<AskedLine>),
}

/// A refund that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundTicket {
    /// Why.
    pub reason: RefundReason,
    /// What.
    pub what: Asked,
    /// By which means; none is by those that it was paid by.
    pub tenders: Vec<Tender>,
}

/// A sale that something is given back of.
#[derive(Debug, Clone, Copy)]
pub struct Sale<'a> {
    /// The sale.
    pub sold: &'a TicketSold,
    /// Its business day.
    pub day: BusinessDay,
    /// What was paid before its end, the first payment first: those that the sale names.
    pub parts: &'a [PaymentTaken],
    /// The tip of all that was paid, as it is now.
    pub tip: Minor,
    /// What of it was written down after the sale, on a card of another terminal and on one of the shop's; below zero if less.
    tip_later: [Minor; 2],
}

impl<'a> Sale<'a> {
    /// A sale as it was made.
    #[must_use]
    pub fn new(sold: &'a TicketSold, day: BusinessDay, parts: &'a [PaymentTaken]) -> Self {
        let sale = Self { sold, day, parts, tip: Minor::ZERO, tip_later: [Minor::ZERO; 2] };
        Self { tip: Minor::new(sale.tip_said()), ..sale }
    }

    /// The same, with what was said of its tip after it.
    #[must_use]
    pub fn tipped(self, known: &[TipOn]) -> Self {
        let moves = all_moves(known);
        let on = |card: TipCard| {
            let amounts = moves.iter().filter(|one| one.card == card).map(|one| one.amount.get());
            amounts.fold(0_i64, i64::saturating_add)
        };
        let (external, driver) = (on(TipCard::External), on(TipCard::Driver));
        let tip = self.tip_said().saturating_add(external).saturating_add(driver);
        Self { tip: Minor::new(tip), tip_later: [Minor::new(external), Minor::new(driver)], ..self }
    }

    fn over_parts(&self, last: Minor, of: fn(&PaymentTaken) -> Minor) -> i64 {
        self.parts.iter().fold(last.get(), |sum, part| sum.saturating_add(of(part).get()))
    }

    /// The tip that its payments said when they were made.
    fn tip_said(&self) -> i64 {
        self.over_parts(self.sold.details.tip, |part| part.tip)
    }

    /// What all that was paid in cash was rounded by.
    fn cash_rounding(&self) -> Minor {
        Minor::new(self.over_parts(self.sold.details.cash_rounding, |part| part.cash_rounding))
    }

    /// All its cash.
    fn cash(&self) -> Minor {
        Minor::new(self.over_parts(self.sold.cash(), PaymentTaken::cash))
    }
}

/// A refund that is refused; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefundRejection {
    /// Nothing is asked back.
    #[error("at least one line is expected, or none for the whole ticket")]
    Empty,
    /// The ticket has no such line, or it is asked twice.
    #[error("the ticket has no line {line}, or it is asked back twice")]
    Line {
        /// Position in what is asked.
        at: usize,
        /// Which.
        line: u32,
    },
    /// None, or more than are left.
    #[error("{quantity} pieces are asked back, and {left} are left of the line")]
    TooMany {
        /// Position in what is asked.
        at: usize,
        /// How many are asked.
        quantity: u32,
        /// How many are left.
        left: u32,
    },
    /// All was given back before.
    #[error("all of this ticket was given back before")]
    NothingLeft,
    /// Not the whole ticket, or not on its day.
    #[error(
        "a void takes back a whole ticket of which nothing was given back, on the business day that it was sold on"
    )]
    Void,
    /// The tenders do not come to what is given back.
    #[error("{due} minor units are to be given back, and the tenders come to {tendered}")]
    TenderSum {
        /// What is to be given back.
        due: i64,
        /// What the tenders come to.
        tendered: i64,
    },
    /// More by one means than was paid by it.
    #[error("{kind} gives back {tendered} minor units, and {left} are left of what was paid by it")]
    TenderKind {
        /// By which means.
        kind: &'static str,
        /// How much is given back by it.
        tendered: i64,
        /// How much may be.
        left: i64,
    },
    /// Too many tenders, one that is no amount, or a payment that is named twice.
    #[error("a refund has at most {TENDERS_MAX} tenders, each above zero, and names a payment once")]
    Tenders,
    /// A reference that is too long, not printable, or may be a card number.
    #[error("the reference is too long, or looks like a card number, which must never be sent here")]
    Reference {
        /// Position of the tender.
        tender: usize,
    },
    /// A sum that does not fit.
    #[error(transparent)]
    Overflow(#[from] MoneyOverflow),
}

#[cfg(test)]
mod parts_tests;
#[cfg(test)]
mod tests;
