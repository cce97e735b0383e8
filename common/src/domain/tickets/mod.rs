//! Tickets: what a guest buys at the till.

pub mod decide;
pub mod open;
pub mod receipt;
pub mod refund;
pub mod tender;
pub mod tips;

use crate::domain::catalog::rules::{Consumption, TaxBasis};
use crate::domain::staff::approvals::Approval;
use crate::domain::staff::roles::Act;
use crate::domain::stock::MovementLine;
use crate::ids::{
    CategoryId, ComboId, DiscountId, DrawerSessionId, ItemId, ModifierId, PaymentId, RuleId, StaffId, TaxClassId,
    TicketId,
};
use crate::money::{Currency, MicroRate, Minor};

use receipt::{ReceiptNumber, Series, TerminalName};
use tender::{Tender, TenderKind};

/// An extra as it was sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoldExtra {
    /// Which.
    pub modifier: ModifierId,
    /// How many on each piece.
    pub count: u32,
    /// What one added to the price of a piece; below zero if it made it cheaper.
    pub price: Minor,
}

/// Why a line came to less than its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReductionCause {
    /// It is part of a set.
    Combo(ComboId),
    /// It was cheaper at that hour.
    HappyHour(RuleId),
    /// A discount was given: its position among those of the ticket.
    Given(u32),
}

/// How much less a line came to, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineReduction {
    /// Why.
    pub cause: ReductionCause,
    /// How much, above zero.
    pub amount: Minor,
}

/// A discount that somebody gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenDiscount {
    /// Which one of the menu; none is one of their own.
    pub discount: Option<DiscountId>,
    /// On which line; none is the whole ticket.
    pub line: Option<u32>,
    /// Why.
    pub reason: Option<String>,
    /// What it came to.
    pub amount: Minor,
    /// Whether somebody had to approve it.
    pub approval: bool,
}

/// A charge for service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceCharged {
    /// By which rule.
    pub rule: RuleId,
    /// Under which tax; none is untaxed.
    pub tax_class: Option<TaxClassId>,
    /// What it came to, before tax.
    pub amount: Minor,
}

/// A line as it was sold: the price is frozen here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoldLine {
    /// What was sold.
    pub item: ItemId,
    /// Where it stood on the menu.
    pub category: CategoryId,
    /// Under which tax.
    pub tax_class: TaxClassId,
    /// How many.
    pub quantity: u32,
    /// Price of one with its extras, before tax.
    pub unit_price: Minor,
    /// What the line came to, before tax and after all that was taken off.
    pub total: Minor,
    /// The menu's price of one without extras, if somebody changed it.
    pub menu_price: Option<Minor>,
    /// With what.
    pub extras: Vec<SoldExtra>,
    /// What was taken off, in this order.
    pub reductions: Vec<LineReduction>,
}

/// The tax of one class on one ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxLine {
    /// Which class.
    pub tax_class: TaxClassId,
    /// At which rate; zero if no tax was charged.
    pub rate: MicroRate,
    /// What it was charged on.
    pub base: Minor,
    /// What it came to.
    pub tax: Minor,
}

/// A ticket's sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// All lines and the charge for service, before tax.
    pub net: Minor,
    /// All tax.
    pub tax: Minor,
    /// What the guest pays.
    pub total: Minor,
}

/// Whether a ticket is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TicketClass {
    /// A sale.
    Sale,
    /// Practice: journalled, but in no total, and without stock.
    Training,
}

/// A ticket was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketSold {
    /// Its id.
    pub id: TicketId,
    /// Real or practice.
    pub class: TicketClass,
    /// Its receipt number.
    pub receipt: ReceiptNumber,
    /// What the amounts are in.
    pub currency: Currency,
    /// The revision of the menu that it was priced by.
    pub catalog_revision: u32,
    /// What was sold.
    pub lines: Vec<SoldLine>,
    /// Tax by class.
    pub taxes: Vec<TaxLine>,
    /// The sums.
    pub totals: Totals,
    /// How it was paid.
    pub tenders: Vec<Tender>,
    /// Cash handed back.
    pub change: Minor,
    /// What left the stock room; empty for training.
    pub stock_effects: Vec<MovementLine>,
    /// What most tickets have none of.
    pub details: TicketDetails,
    /// Who sold it, if they had signed in.
    pub sold_by: Option<StaffId>,
    /// The drawer that its cash went into, where one was open at the terminal.
    pub drawer: Option<DrawerSessionId>,
}

impl TicketSold {
    /// The cash that stays: what was handed over less the change. Practice brings none.
    #[must_use]
    pub fn cash(&self) -> Minor {
        if self.class == TicketClass::Training {
            return Minor::ZERO;
        }
        let cash = self.tenders.iter().filter(|tender| matches!(tender.kind, TenderKind::Cash));
        Minor::new(cash.fold(0_i64, |sum, tender| sum.saturating_add(tender.amount.get())) - self.change.get())
    }
}

/// What most tickets have none of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TicketDetails {
    /// Where it is eaten.
    pub consumption: Consumption,
    /// Discounts that somebody gave.
    pub discounts: Vec<GivenDiscount>,
    /// The charge for service.
    pub service_charge: Option<ServiceCharged>,
    /// How tax was rounded.
    pub tax_basis: TaxBasis,
    /// Why no tax was charged, if none was.
    pub exempt: Option<String>,
    /// What the tenders pay on top for those who work there: no revenue, and without tax.
    pub tip: Minor,
    /// What the part that was paid in cash was rounded by; below zero in the guest's favour.
    pub cash_rounding: Minor,
    /// What of it somebody had to approve.
    pub approvals: Vec<ApprovedAct>,
    /// What was paid before the end: facts of their own, that are counted there and not again here.
    pub payments_before: Vec<PaymentBefore>,
    /// Whether it was open before it was paid: its prices are those of when its lines were added.
    pub was_open: bool,
}

/// Something that somebody approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedAct {
    /// What.
    pub act: Act,
    /// By whom, and why.
    pub approval: Approval,
}

impl TicketDetails {
    /// What of a ticket a barista alone may not do.
    #[must_use]
    pub fn acts(&self, lines: &[SoldLine]) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.discounts.iter().any(|discount| discount.approval) {
            acts.push(Act::Discount);
        }
        if lines.iter().any(|line| line.menu_price.is_some()) {
            acts.push(Act::PriceChange);
        }
        if self.exempt.is_some() {
            acts.push(Act::TaxExemption);
        }
        acts
    }
}

/// A payment that was taken before a ticket's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentBefore {
    /// Which.
    pub id: PaymentId,
    /// What of the ticket it paid, without tip and before rounding.
    pub amount: Minor,
}

/// A terminal began a new series of receipt numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesOpened {
    /// Which terminal.
    pub terminal: TerminalName,
    /// Which series; its numbers start at 1.
    pub series: Series,
}
