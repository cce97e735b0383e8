//! Tickets: what a guest buys at the till.

pub mod decide;
pub mod pricing;
pub mod receipt;
pub mod tender;

use crate::domain::stock::MovementLine;
use crate::ids::{CategoryId, DrawerSessionId, ItemId, TaxClassId, TicketId};
use crate::money::{Currency, Minor};

use receipt::{ReceiptNumber, Series, TerminalName};
use tender::{Tender, TenderKind};

/// A line as it was sold: the price is frozen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoldLine {
    /// What was sold.
    pub item: ItemId,
    /// Where it stood on the menu.
    pub category: CategoryId,
    /// Under which tax.
    pub tax_class: TaxClassId,
    /// How many.
    pub quantity: u32,
    /// Price of one, before tax.
    pub unit_price: Minor,
    /// What the line came to, before tax.
    pub total: Minor,
}

/// The tax of one class on one ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxLine {
    /// Which class.
    pub tax_class: TaxClassId,
    /// What it was charged on.
    pub base: Minor,
    /// What it came to.
    pub tax: Minor,
}

/// A ticket's sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// All lines, before tax.
    pub net: Minor,
    /// All tax.
    pub tax: Minor,
    /// What the guest pays.
    pub total: Minor,
}

/// Whether a ticket is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// A terminal began a new series of receipt numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesOpened {
    /// Which terminal.
    pub terminal: TerminalName,
    /// Which series; its numbers start at 1.
    pub series: Series,
}
