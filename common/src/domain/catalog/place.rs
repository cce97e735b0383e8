//! Where on a menu something stands that may not stand there.

use super::CatalogError;
use crate::ids::{ItemId, StockItemId};

/// Which of a menu's lists something stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MenuList {
    /// Its categories.
    Categories,
    /// Its tax classes.
    TaxClasses,
    /// Its stock items.
    StockItems,
    /// Its items.
    Items,
    /// Things that come in sizes.
    Products,
    /// Groups of extras.
    ModifierGroups,
    /// Extras.
    Modifiers,
    /// Sets.
    Combos,
    /// Other prices.
    PriceRules,
    /// Places of taxes.
    Jurisdictions,
    /// Other rates.
    TaxRules,
    /// Reductions by themselves.
    HappyHours,
    /// Reductions by choice.
    Discounts,
    /// Charges for service.
    ServiceCharges,
    /// The rounding of cash, which is one number and no list.
    CashStep,
    /// Accounts of the house.
    HouseAccounts,
}

/// A part of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuPart {
    /// What it takes of this stock item.
    Use(StockItemId),
    /// Its place of a set, counted from zero.
    Slot(usize),
    /// In that place, the choice of this item.
    Choice(usize, ItemId),
}

/// Where on a menu something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MenuPlace {
    /// In which list.
    pub list: MenuList,
    /// Under which number; none if it is about the list.
    pub number: Option<u32>,
    /// In which part of the entry; none if it is no part's.
    pub part: Option<MenuPart>,
    /// In which field; none if it is about the whole entry or part.
    pub field: Option<&'static str>,
    /// Of a field that is a list, the one that stands there, counted from zero.
    pub at: Option<usize>,
}

impl MenuPlace {
    /// A whole list.
    #[must_use]
    pub const fn list(list: MenuList) -> Self {
        Self { list, number: None, part: None, field: None, at: None }
    }

    /// A whole entry.
    #[must_use]
    pub const fn entry(list: MenuList, number: u32) -> Self {
        Self { number: Some(number), ..Self::list(list) }
    }

    /// A part of it.
    #[must_use]
    pub const fn part(self, part: MenuPart) -> Self {
        Self { part: Some(part), ..self }
    }

    /// A field of it.
    #[must_use]
    pub const fn field(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    /// One of a list in it.
    #[must_use]
    pub const fn at(self, at: usize) -> Self {
        Self { at: Some(at), ..self }
    }
}

/// Something that a menu for sale may not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuFault {
    /// Where it stands.
    pub place: MenuPlace,
    /// What is wrong with it.
    pub error: CatalogError,
}
