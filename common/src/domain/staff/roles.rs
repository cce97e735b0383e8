//! What a role may do.

use core::str::FromStr;

/// What somebody is in a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sells.
    Barista,
    /// Leads a shift.
    Lead,
    /// Runs the shop.
    Manager,
}

/// A role's word that is none of those which are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role that is known: {}", WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", "))]
pub struct RoleError;

/// Words of head office for a role, in small letters.
const WORDS: &[(&str, Role)] = &[
    ("barista", Role::Barista),
    ("lead", Role::Lead),
    ("shift lead", Role::Lead),
    ("supervisor", Role::Lead),
    ("manager", Role::Manager),
    ("shop manager", Role::Manager),
    ("store manager", Role::Manager),
];

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Barista, Self::Lead, Self::Manager];

    /// Its word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Barista => "barista",
            Self::Lead => "lead",
            Self::Manager => "manager",
        }
    }
}

impl FromStr for Role {
    type Err = RoleError;

    /// Reads head office's word, whatever its capitals, hyphens and underlines.
    fn from_str(text: &str) -> Result<Self, RoleError> {
        let word = text.trim().to_lowercase().replace(['-', '_'], " ");
        WORDS.iter().find(|(known, _)| *known == word).map(|(_, role)| *role).ok_or(RoleError)
    }
}

/// Something that somebody does at a till.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Takes an order and is paid; with holding, calling back, handing over, splitting and tips.
    Sell,
    /// Takes something off, above what the menu takes off itself.
    Discount,
    /// Sells at another price than the menu's.
    PriceChange,
    /// Takes a line off that the kitchen has.
    VoidSent,
    /// Gives money back.
    Refund,
    /// Opens the drawer without a sale.
    NoSale,
    /// Pays something out of the drawer.
    PayOut,
    /// Sells without tax.
    TaxExemption,
    /// Opens, fills, empties and counts a drawer.
    Drawer,
    /// Corrects what is in the stock room by hand.
    CorrectStock,
    /// Closes the day.
    CloseDay,
    /// Puts a ticket on a house account.
    HouseAccount,
}

/// A text that names no act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an act that somebody approves: {}", Act::ALL.map(Act::as_str).join(", "))]
pub struct ActError;

impl Act {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Sell,
        Self::Discount,
        Self::PriceChange,
        Self::VoidSent,
        Self::Refund,
        Self::NoSale,
        Self::PayOut,
        Self::TaxExemption,
        Self::Drawer,
        Self::CorrectStock,
        Self::CloseDay,
        Self::HouseAccount,
    ];

    /// Its word in the API and in the table of approvals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sell => "sell",
            Self::Discount => "discount",
            Self::PriceChange => "price_change",
            Self::VoidSent => "void_sent",
            Self::Refund => "refund",
            Self::NoSale => "no_sale",
            Self::PayOut => "pay_out",
            Self::TaxExemption => "tax_exemption",
            Self::Drawer => "drawer",
            Self::CorrectStock => "correct_stock",
            Self::CloseDay => "close_day",
            Self::HouseAccount => "house_account",
        }
    }
}

impl FromStr for Act {
    type Err = ActError;

    fn from_str(text: &str) -> Result<Self, ActError> {
        Self::ALL.into_iter().find(|act| act.as_str() == text).ok_or(ActError)
    }
}

/// Whether a role may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May {
    /// It may, and may approve it for others.
    Yes,
    /// Somebody who may must approve it.
    NeedsApproval,
}

/// Whether a role may do something: the table of docs/people.md.
#[must_use]
pub fn may(role: Role, act: Act) -> May {
    let least = match act {
        Act::Sell | Act::Drawer => Role::Barista,
        Act::Discount
        | Act::PriceChange
        | Act::VoidSent
        | Act::Refund
        | Act::NoSale
        | Act::PayOut
        | Act::TaxExemption
        | Act::CorrectStock => Role::Lead,
        Act::CloseDay | Act::HouseAccount => Role::Manager,
    };
    if role >= least { May::Yes } else { May::NeedsApproval }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_may_what_the_table_says() {
        let of = |act| Role::ALL.map(|role| may(role, act) == May::Yes);
        let by_lead = [false, true, true];
        let by_manager = [false, false, true];
        for act in Act::ALL {
            let expected = match act {
                Act::Sell | Act::Drawer => [true; 3],
                Act::CloseDay | Act::HouseAccount => by_manager,
                Act::Discount
                | Act::PriceChange
                | Act::VoidSent
                | Act::Refund
                | Act::NoSale
                | Act::PayOut
                | Act::TaxExemption
                | Act::CorrectStock => by_lead,
            };
            assert_eq!(of(act), expected, "{act:?}");
            assert_eq!(act.as_str().parse(), Ok(act));
        }
        assert_eq!("rob".parse::<Act>(), Err(ActError));
    }

    #[test]
    fn head_offices_words_for_a_role_are_read_as_people_write_them() {
        for (word, role) in [
            ("barista", Role::Barista),
            ("Lead", Role::Lead),
            (" Shift-Lead ", Role::Lead),
            ("shift_lead", Role::Lead),
            ("MANAGER", Role::Manager),
            ("Store Manager", Role::Manager),
        ] {
            assert_eq!(word.parse(), Ok(role), "{word}");
        }
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        for word in ["", "managers", "owner", "lead barista"] {
            assert_eq!(word.parse::<Role>(), Err(RoleError), "{word}");
        }
    }
}
