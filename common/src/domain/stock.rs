//! Movements of stock that are not sales.

use crate::domain::catalog::Catalog;
use crate::domain::staff::approvals::Approval;
use crate::ids::{MovementId, StaffId, StockItemId};
use crate::quantity::Quantity;

/// Why stock moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovementReason {
    /// A delivery was taken in.
    Received,
    /// Thrown away, spilt or spoilt.
    Wasted,
    /// Corrected by a person.
    Adjusted,
}

impl MovementReason {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Wasted => "wasted",
            Self::Adjusted => "adjusted",
        }
    }
}

/// One item of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovementLine {
    /// What moved.
    pub stock_item: StockItemId,
    /// How much, in base units; in is positive, out negative.
    pub quantity: Quantity,
}

/// Stock moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockMoved {
    /// Its id.
    pub id: MovementId,
    /// Why.
    pub reason: MovementReason,
    /// What and how much.
    pub lines: Vec<MovementLine>,
    /// Who booked it, if they had signed in.
    pub by: Option<StaffId>,
    /// Who approved it, where that was needed.
    pub approval: Option<Approval>,
}

/// Lines of one movement.
pub const MOVEMENT_LINES_MAX: usize = 500;
/// Most that one line may move, in base units: 10 t, 10 kl or 10 thousand million pieces.
pub const MOVEMENT_QUANTITY_MAX: i64 = 10_000_000_000;

/// A movement that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MovementRejection {
    /// No lines, or too many.
    #[error("a movement has 1 to {MOVEMENT_LINES_MAX} lines, this one has {0}")]
    LineCount(usize),
    /// Not in the stock room's list.
    #[error("stock item {item} is not in catalog revision {revision}")]
    UnknownStockItem {
        /// Position of the line.
        line: usize,
        /// What it names.
        item: StockItemId,
        /// The revision that was looked in.
        revision: u32,
    },
    /// Zero, absurd, or of the wrong sign for its reason.
    #[error("quantity {quantity} cannot be {reason}: {allowed}", reason = .reason.as_str())]
    Quantity {
        /// Position of the line.
        line: usize,
        /// What it says.
        quantity: i64,
        /// Why it moves.
        reason: MovementReason,
        /// What would be taken.
        allowed: &'static str,
    },
}

/// Checks a movement against the menu's stock items.
///
/// A wasted line is given as a positive amount and leaves as a negative one.
///
/// # Errors
/// [`MovementRejection`] for the first line that cannot be booked.
pub fn move_stock(
    catalog: &Catalog,
    id: MovementId,
    reason: MovementReason,
    lines: &[MovementLine],
) -> Result<StockMoved, MovementRejection> {
    if lines.is_empty() || lines.len() > MOVEMENT_LINES_MAX {
        return Err(MovementRejection::LineCount(lines.len()));
    }
    let book = |(at, line): (usize, &MovementLine)| {
        if !catalog.content.stock_items.contains_key(&line.stock_item) {
            return Err(MovementRejection::UnknownStockItem {
                line: at,
                item: line.stock_item,
                revision: catalog.revision.number,
            });
        }
        let amount = line.quantity.get();
        let refused = |allowed| MovementRejection::Quantity { line: at, quantity: amount, reason, allowed };
        let booked = match reason {
            MovementReason::Received if (1..=MOVEMENT_QUANTITY_MAX).contains(&amount) => amount,
            MovementReason::Wasted if (1..=MOVEMENT_QUANTITY_MAX).contains(&amount) => -amount,
            MovementReason::Adjusted
                if amount != 0 && amount.unsigned_abs() <= MOVEMENT_QUANTITY_MAX.unsigned_abs() =>
            {
                amount
            }
            MovementReason::Received | MovementReason::Wasted => {
                return Err(refused("1 to 10000000000 base units are expected"));
            }
            MovementReason::Adjusted => {
                return Err(refused("up to 10000000000 base units up or down are expected, and not zero"));
            }
        };
        Ok(MovementLine { stock_item: line.stock_item, quantity: Quantity::new(booked) })
    };
    let lines = lines.iter().enumerate().map(book).collect::<Result<_, _>>()?;
    Ok(StockMoved { id, reason, lines, by: None, approval: None })
}

#[cfg(test)]
mod tests {
    use crate::domain::catalog::tests::small_menu;

    use super::*;

    fn book(reason: MovementReason, item: u32, quantity: i64) -> Result<i64, MovementRejection> {
        let line = MovementLine { stock_item: StockItemId::new(item), quantity: Quantity::new(quantity) };
        move_stock(&small_menu(), MovementId::moved(0, 1, "k"), reason, &[line])
            .map(|moved| moved.lines[0].quantity.get())
    }

    #[test]
    fn deliveries_come_in_and_waste_goes_out() {
        assert_eq!(book(MovementReason::Received, 1, 5), Ok(5));
        assert_eq!(book(MovementReason::Wasted, 1, 5), Ok(-5));
        assert_eq!(book(MovementReason::Adjusted, 1, -5), Ok(-5));
    }

    #[test]
    fn what_is_just_within_its_limit_is_booked_and_no_more() {
        let most = MOVEMENT_QUANTITY_MAX;
        assert_eq!(book(MovementReason::Received, 1, most), Ok(most));
        assert_eq!(book(MovementReason::Wasted, 1, most), Ok(-most));
        assert_eq!(book(MovementReason::Adjusted, 1, -most), Ok(-most));
        for (reason, quantity) in [
            (MovementReason::Received, most + 1),
            (MovementReason::Wasted, most + 1),
            (MovementReason::Adjusted, most + 1),
            (MovementReason::Adjusted, -most - 1),
        ] {
            assert!(book(reason, 1, quantity).is_err(), "{reason:?} {quantity}");
        }
        let line = MovementLine { stock_item: StockItemId::new(1), quantity: Quantity::new(1) };
        let lines = |count| {
            let moved =
                move_stock(&small_menu(), MovementId::moved(0, 1, "k"), MovementReason::Received, &vec![line; count]);
            moved.map(|moved| moved.lines.len())
        };
        assert_eq!(lines(MOVEMENT_LINES_MAX), Ok(MOVEMENT_LINES_MAX));
        let one_more = MOVEMENT_LINES_MAX + 1;
        assert_eq!(lines(one_more), Err(MovementRejection::LineCount(one_more)));
    }

    #[test]
    fn reasons_have_these_words() {
        let words =
            [MovementReason::Received, MovementReason::Wasted, MovementReason::Adjusted].map(MovementReason::as_str);
        assert_eq!(words, ["received", "wasted", "adjusted"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for (reason, quantity) in [
            (MovementReason::Received, 0),
            (MovementReason::Received, -1),
            (MovementReason::Wasted, -1),
            (MovementReason::Adjusted, 0),
            (MovementReason::Adjusted, i64::MIN),
        ] {
            assert!(
                matches!(book(reason, 1, quantity), Err(MovementRejection::Quantity { .. })),
                "{reason:?} {quantity}"
            );
        }
        assert!(matches!(book(MovementReason::Received, 9, 1), Err(MovementRejection::UnknownStockItem { .. })));
        let none = move_stock(&small_menu(), MovementId::moved(0, 1, "k"), MovementReason::Received, &[]);
        assert_eq!(none, Err(MovementRejection::LineCount(0)));
    }
}
