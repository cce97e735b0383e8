//! What a guest wants, before it has a price.

use crate::domain::catalog::rules::{Consumption, DiscountScope, Reduction};
use crate::ids::{ComboId, DiscountId, ItemId, ModifierId};
use crate::money::Minor;

/// So many of one extra on each piece of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extra {
    /// Which.
    pub modifier: ModifierId,
    /// How many a piece.
    pub count: u32,
}

/// The place of a line in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InCombo {
    /// Which set.
    pub combo: ComboId,
    /// Which of several sets of its kind on the ticket.
    pub instance: u32,
    /// Which place, counted from zero.
    pub slot: u32,
}

/// A discount that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedDiscount {
    /// Which.
    pub what: DiscountAsked,
    /// Why.
    pub reason: Option<String>,
}

/// Which discount is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscountAsked {
    /// One of the menu.
    Menu(DiscountId),
    /// One that the menu does not have; it needs a reason.
    Free(Reduction),
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartLine {
    /// What.
    pub item: ItemId,
    /// How many.
    pub quantity: u32,
    /// With what.
    pub extras: Vec<Extra>,
    /// Another price of one than the menu's, without extras.
    pub price: Option<Minor>,
    /// Its place in a set.
    pub combo: Option<InCombo>,
    /// What is taken off it.
    pub discounts: Vec<AskedDiscount>,
}

impl CartLine {
    /// So many of an item, as it stands on the menu.
    #[must_use]
    pub const fn plain(item: ItemId, quantity: u32) -> Self {
        Self { item, quantity, extras: Vec::new(), price: None, combo: None, discounts: Vec::new() }
    }
}

/// All that a guest wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cart {
    /// The lines.
    pub lines: Vec<CartLine>,
    /// Where it is eaten.
    pub consumption: Consumption,
    /// What is taken off the whole.
    pub discounts: Vec<AskedDiscount>,
    /// Why no tax is charged, if none is.
    pub exempt: Option<String>,
    /// Whether no charge for service is made.
    pub without_service_charge: bool,
}

impl Cart {
    /// Lines as they stand on the menu, to take away.
    #[must_use]
    pub fn plain(lines: impl IntoIterator<Item = (ItemId, u32)>) -> Self {
        let lines = lines.into_iter().map(|(item, quantity)| CartLine::plain(item, quantity)).collect();
        Self { lines, ..Self::default() }
    }
}

/// Which of its discounts a rejection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscountPlace {
    /// Of which line; none is the whole ticket.
    pub line: Option<usize>,
    /// Position.
    pub at: usize,
}

impl DiscountPlace {
    /// What it is taken from.
    #[must_use]
    pub const fn scope(self) -> DiscountScope {
        match self.line {
            Some(_) => DiscountScope::Line,
            None => DiscountScope::Ticket,
        }
    }
}
