//! Tickets that are open: a guest orders, and pays later.
//!
//! An open ticket is a set of facts. Whoever folds the same facts, in whatever order and however often, comes to the same ticket
//! ([`fold`]): a line is there if it was added, and never taken off, and did not go to another ticket. Paid beats abandoned, and
//! abandoned beats open. What may be done is decided in [`decide`].

pub mod decide;
pub mod fold;

use crate::domain::catalog::rules::Consumption;
use crate::domain::pricing::cart::{AskedDiscount, CartLine};
use crate::domain::staff::approvals::Approval;
use crate::ids::{DrawerSessionId, LineId, PaymentId, StaffId, TicketId};
use crate::money::Minor;

use super::receipt::TerminalName;
use super::tender::{Tender, TenderKind};
use super::{SoldLine, TicketClass};

/// A ticket was opened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TicketOpened {
    /// The ticket.
    pub id: TicketId,
    /// Real or practice.
    pub class: TicketClass,
    /// At which terminal.
    pub terminal: TerminalName,
    /// By whom.
    pub by: Option<StaffId>,
}

/// A line of an open ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLine {
    /// Its id: no other line has it, on whatever ticket.
    pub id: LineId,
    /// Where it stands among the lines of its ticket.
    pub place: u32,
    /// What was asked for.
    pub asked: CartLine,
    /// What it came to then: the price is frozen here.
    pub listed: SoldLine,
}

/// Why a line was taken off. Words and no text: a journal names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoidReason {
    /// It was put in by mistake.
    Mistake,
    /// The guest wants it no more.
    Unwanted,
    /// There is none left.
    SoldOut,
    /// It was not good.
    Quality,
    /// Anything else.
    Other,
}

impl VoidReason {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mistake => "mistake",
            Self::Unwanted => "unwanted",
            Self::SoldOut => "sold_out",
            Self::Quality => "quality",
            Self::Other => "other",
        }
    }
}

/// What holds for the whole ticket. It is said as a whole, so that of two who say it one wins, and nothing is mixed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// Where it is eaten.
    pub consumption: Consumption,
    /// What is taken off the whole.
    pub discounts: Vec<AskedDiscount>,
    /// Why no tax is charged, if none is.
    pub exempt: Option<String>,
    /// Whether no charge for service is made.
    pub without_service_charge: bool,
}

/// Something that is said anew from time to time: what was said in the highest turn holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<T> {
    /// One more than the highest that whoever said it had seen.
    pub turn: u32,
    /// What.
    pub what: T,
}

/// Lines came to a ticket, or were taken off, or something was said of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketChanged {
    /// The ticket.
    pub id: TicketId,
    /// Lines that came.
    pub added: Vec<OpenLine>,
    /// Lines that were taken off, and why.
    pub voided: Vec<(LineId, VoidReason)>,
    /// What holds for the whole from now on, if that was said.
    pub terms: Option<Said<Terms>>,
    /// By whom.
    pub by: Option<StaffId>,
    /// Who let lines be taken off that the kitchen had, and why, where that was needed.
    pub approval: Option<Approval>,
}

/// Where a ticket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether it waits: put aside until somebody calls it back.
    pub held: bool,
    /// The terminal that has it.
    pub terminal: TerminalName,
    /// The person that has it.
    pub staff: Option<StaffId>,
}

/// A ticket was put aside, called back, or given to another terminal or person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketMoved {
    /// The ticket.
    pub id: TicketId,
    /// Where it is from now on.
    pub standing: Said<Standing>,
    /// By whom.
    pub by: Option<StaffId>,
}

/// Lines went to another ticket. Each is a new line there, so that it may come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketDivided {
    /// From where.
    pub from: TicketId,
    /// To where.
    pub to: TicketId,
    /// What each line was, and what it is there: whoever folds one ticket needs no other.
    pub lines: Vec<(LineId, OpenLine)>,
    /// By whom.
    pub by: Option<StaffId>,
}

/// A ticket ended without being paid: nothing is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketAbandoned {
    /// The ticket.
    pub id: TicketId,
    /// By whom.
    pub by: Option<StaffId>,
    /// Who let it end though the kitchen had lines of it, and why, where that was needed.
    pub approval: Option<Approval>,
}

/// A part of a ticket was paid before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentTaken {
    /// Its id.
    pub id: PaymentId,
    /// Of which ticket.
    pub ticket: TicketId,
    /// Real or practice.
    pub class: TicketClass,
    /// What was handed over.
    pub tender: Tender,
    /// What of the ticket it pays.
    pub amount: Minor,
    /// What of it is for those who work there.
    pub tip: Minor,
    /// Cash handed back.
    pub change: Minor,
    /// What was rounded, because coins cannot pay it.
    pub cash_rounding: Minor,
    /// At which terminal.
    pub terminal: TerminalName,
    /// The drawer that its cash went into, where one was open at the terminal.
    pub drawer: Option<DrawerSessionId>,
    /// By whom.
    pub by: Option<StaffId>,
    /// Who approved it, where that was needed: of a house account.
    pub approval: Option<Approval>,
}

impl PaymentTaken {
    /// What came in: what was handed over less the change. Practice brings nothing.
    #[must_use]
    pub fn kept(&self) -> Minor {
        match self.class {
            TicketClass::Training => Minor::ZERO,
            TicketClass::Sale => Minor::new(self.tender.amount.get().saturating_sub(self.change.get())),
        }
    }

    /// What of it is cash.
    #[must_use]
    pub fn cash(&self) -> Minor {
        match self.tender.kind {
            TenderKind::Cash => self.kept(),
            TenderKind::CardExternal { .. } | TenderKind::Card { .. } | TenderKind::House { .. } => Minor::ZERO,
        }
    }
}

/// A fact about a ticket that is not paid yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenFact {
    /// It was opened.
    Opened(TicketOpened),
    /// Its lines or its terms changed.
    Changed(TicketChanged),
    /// It was put aside, called back, or handed over.
    Moved(TicketMoved),
    /// Lines went to another ticket.
    Divided(TicketDivided),
    /// It ended without being paid.
    Abandoned(TicketAbandoned),
    /// A part of it was paid.
    Paid(PaymentTaken),
}

impl OpenFact {
    /// The tickets that it is about: two if lines went from one to another.
    pub fn tickets(&self) -> impl Iterator<Item = TicketId> + use<> {
        let (first, second) = match self {
            Self::Opened(fact) => (fact.id, None),
            Self::Changed(fact) => (fact.id, None),
            Self::Moved(fact) => (fact.id, None),
            Self::Divided(fact) => (fact.from, Some(fact.to)),
            Self::Abandoned(fact) => (fact.id, None),
            Self::Paid(fact) => (fact.ticket, None),
        };
        core::iter::once(first).chain(second)
    }
}

#[cfg(test)]
mod tests;
