//! Why something cannot be priced.

use super::cart::DiscountPlace;
use super::{DISCOUNTS_MAX, EXTRAS_MAX, LINE_QUANTITY_MAX, REASON_BYTES_MAX, TICKET_LINES_MAX};
use crate::domain::catalog::PRICE_MINOR_MAX;
use crate::ids::{ComboId, DiscountId, ItemId, ModifierGroupId, ModifierId};
use crate::money::MoneyOverflow;

/// Lines that cannot be priced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PricingRejection {
    /// None, or too many.
    #[error("a ticket has 1 to {TICKET_LINES_MAX} lines, this one has {0}")]
    LineCount(usize),
    /// Zero or absurd.
    #[error("quantity {quantity} is out of range: 1 to {LINE_QUANTITY_MAX} is expected")]
    Quantity {
        /// Position of the line.
        line: usize,
        /// What it says.
        quantity: u32,
    },
    /// Not for sale.
    #[error("item {item} is not in catalog revision {revision}")]
    UnknownItem {
        /// Position of the line.
        line: usize,
        /// What it names.
        item: ItemId,
        /// The revision that was looked in.
        revision: u32,
    },
    /// Not for sale in this shop or over this channel.
    #[error("item {item} is not sold here")]
    NotSoldHere {
        /// Position of the line.
        line: usize,
        /// What it names.
        item: ItemId,
    },
    /// Not at this time of day; at the counter nobody is refused for that.
    #[error("item {item} is not offered at this time")]
    NotNow {
        /// Position of the line.
        line: usize,
        /// What it names.
        item: ItemId,
    },
    /// An extra that the item does not have.
    #[error("item {item} does not come with modifier {modifier}")]
    UnknownExtra {
        /// Position of the line.
        line: usize,
        /// Of what.
        item: ItemId,
        /// What it names.
        modifier: ModifierId,
    },
    /// An extra twice, zero times, or too many lines of extras.
    #[error("a line has up to {EXTRAS_MAX} extras, each once, and at least one piece of each")]
    ExtraList {
        /// Position of the line.
        line: usize,
    },
    /// Too few or too many extras of a group.
    #[error("{given} of modifier group {group} are chosen: {at_least} to {at_most} are expected")]
    ExtraCount {
        /// Position of the line.
        line: usize,
        /// Of which group.
        group: ModifierGroupId,
        /// How many there are.
        given: u32,
        /// Fewest.
        at_least: u32,
        /// Most.
        at_most: u32,
    },
    /// A changed price that is negative or absurd.
    #[error("the price is out of range: 0 to {PRICE_MINOR_MAX} minor units are expected")]
    Price {
        /// Position of the line.
        line: usize,
    },
    /// A set that is not on the menu.
    #[error("combo {combo} is not on the menu")]
    UnknownCombo {
        /// Position of a line of it.
        line: usize,
        /// What it names.
        combo: ComboId,
    },
    /// A set with a place that is empty, filled twice or by something else, or with lines of different quantities.
    #[error(
        "combo {combo} is not filled: each place needs one line with an item of its choices, all in the same quantity"
    )]
    ComboIncomplete {
        /// Position of a line of it.
        line: usize,
        /// Which set.
        combo: ComboId,
    },
    /// Too many discounts.
    #[error("a line or a ticket has at most {DISCOUNTS_MAX} discounts")]
    DiscountCount {
        /// Of which line; none is the whole ticket.
        line: Option<usize>,
    },
    /// A discount that is not on the menu, or is for something else.
    #[error("discount {discount} is not on the menu for this: see what it is for")]
    UnknownDiscount {
        /// Where it is asked for.
        place: DiscountPlace,
        /// What it names.
        discount: DiscountId,
    },
    /// More than the whole, or less than nothing.
    #[error("a discount is 0 to 1000000 millionths, or 0 to {PRICE_MINOR_MAX} minor units")]
    DiscountRange {
        /// Where it is asked for.
        place: DiscountPlace,
    },
    /// A discount of one's own without a reason, or a reason that cannot be kept.
    #[error("a reason of 1 to {REASON_BYTES_MAX} bytes without control characters is needed")]
    Reason {
        /// For which discount; none is the exemption from tax.
        place: Option<DiscountPlace>,
    },
    /// Sums beyond 64 bits.
    #[error("the ticket's total is out of range")]
    Overflow(#[from] MoneyOverflow),
}
