//! Stock on hand as a PN-counter per stock item.
//!
//! The actors are an author's incarnations: each counts what came in and what went out in its own life, as totals that
//! only grow. Totals travel whole and are joined by maximum, so that a message lost, doubled or late does no harm.

use std::collections::BTreeMap;

use crdts::pncounter::{Dir, Op, PNCounter};
use crdts::{CmRDT, CvRDT, Dot};

use crate::ids::StockItemId;
use crate::journal::{AuthorId, Incarnation};
use crate::quantity::Quantity;

/// Who counts: one life of one author.
pub type StockActor = (AuthorId, Incarnation);

/// What one actor has counted of one item since its life began; both only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct StockTotal {
    /// Came in, in base units.
    pub received: u64,
    /// Went out, in base units.
    pub used: u64,
}

/// A total that does not fit into 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stock total is out of range")]
pub struct StockOverflow;

impl StockTotal {
    /// The totals after a movement.
    ///
    /// # Errors
    /// [`StockOverflow`] if a total would not fit into a signed 64-bit column.
    pub fn moved(self, quantity: Quantity) -> Result<Self, StockOverflow> {
        let amount = quantity.get().unsigned_abs();
        let grown =
            |total: u64, by: u64| total.checked_add(by).filter(|sum| i64::try_from(*sum).is_ok()).ok_or(StockOverflow);
        if quantity.get() >= 0 {
            Ok(Self { received: grown(self.received, amount)?, ..self })
        } else {
            Ok(Self { used: grown(self.used, amount)?, ..self })
        }
    }

    /// The join: each side's maximum.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self { received: self.received.max(other.received), used: self.used.max(other.used) }
    }
}

/// Stock of one place, all items, all actors that ever counted there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StockOnHand {
    by_item: BTreeMap<StockItemId, PNCounter<StockActor>>,
}

impl StockOnHand {
    /// Joins one actor's totals of one item.
    pub fn join_total(&mut self, item: StockItemId, actor: StockActor, total: StockTotal) {
        let counter = self.by_item.entry(item).or_default();
        counter.apply(Op { dot: Dot::new(actor, total.received), dir: Dir::Pos });
        counter.apply(Op { dot: Dot::new(actor, total.used), dir: Dir::Neg });
    }

    /// Joins another view of the same place.
    pub fn join(&mut self, other: Self) {
        for (item, counter) in other.by_item {
            self.by_item.entry(item).or_default().merge(counter);
        }
    }

    /// What is on hand of an item; negative when more was used than was ever booked in.
    ///
    /// Saturates at the ends of 64 bits.
    #[must_use]
    pub fn on_hand(&self, item: StockItemId) -> Quantity {
        let Some(counter) = self.by_item.get(&item) else { return Quantity::default() };
        let value = counter.read();
        let negative = value < 0.into();
        Quantity::new(i64::try_from(value).unwrap_or(if negative { i64::MIN } else { i64::MAX }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::ids::NodeId;

    use super::*;

    fn actor(number: u8) -> StockActor {
        (AuthorId::node(NodeId::new(u32::from(number))), Incarnation::new(u64::from(number)))
    }

    /// Totals as three actors may state them over time: (item, actor, received, used).
    fn statements() -> impl Strategy<Value = Vec<(u8, u8, u32, u32)>> {
        prop::collection::vec((0_u8..4, 0_u8..3, any::<u32>(), any::<u32>()), 0..40)
    }

    fn view(statements: &[(u8, u8, u32, u32)]) -> StockOnHand {
        let mut stock = StockOnHand::default();
        for (item, by, received, used) in statements {
            let total = StockTotal { received: u64::from(*received), used: u64::from(*used) };
            stock.join_total(StockItemId::new(u32::from(*item)), actor(*by), total);
        }
        stock
    }

    fn joined(mut left: StockOnHand, right: &StockOnHand) -> StockOnHand {
        left.join(right.clone());
        left
    }

    proptest! {
        /// I5: commutative, associative, idempotent.
        #[test]
        fn join_laws(a in statements(), b in statements(), c in statements()) {
            let (a, b, c) = (view(&a), view(&b), view(&c));
            prop_assert_eq!(joined(a.clone(), &b), joined(b.clone(), &a));
            prop_assert_eq!(joined(joined(a.clone(), &b), &c), joined(a.clone(), &joined(b, &c)));
            prop_assert_eq!(joined(a.clone(), &a), a);
        }

        /// I5: any order and any repetition of statements gives the same view.
        #[test]
        fn order_and_repetition_do_not_matter(statements in statements(), seed in any::<u64>()) {
            let mut shuffled = statements.clone();
            shuffled.extend(statements.iter().take(5).copied());
            let len = shuffled.len();
            for index in 0..len {
                let other = usize::try_from(seed.wrapping_mul(index as u64 + 1) % (len as u64)).unwrap();
                shuffled.swap(index, other);
            }
            prop_assert_eq!(view(&shuffled), view(&statements));
        }

        /// I5, I4: the crate's merge is the oracle of our join by maximum, and on hand is the fold of the movements.
        #[test]
        fn totals_equal_the_fold_of_the_movements(moves in prop::collection::vec(-1_000_000_i64..1_000_000, 0..50)) {
            let item = StockItemId::new(1);
            let mut total = StockTotal::default();
            let mut stock = StockOnHand::default();
            for quantity in &moves {
                let next = total.moved(Quantity::new(*quantity)).unwrap();
                prop_assert_eq!(total.join(next), next, "totals are inflationary");
                total = next;
                stock.join_total(item, actor(1), total);
            }
            prop_assert_eq!(stock.on_hand(item).get(), moves.iter().sum::<i64>());
        }
    }

    #[test]
    fn an_old_total_never_takes_anything_back() {
        let mut stock = StockOnHand::default();
        let item = StockItemId::new(1);
        stock.join_total(item, actor(1), StockTotal { received: 10, used: 4 });
        stock.join_total(item, actor(1), StockTotal { received: 10, used: 2 });
        assert_eq!(stock.on_hand(item), Quantity::new(6));
    }

    #[test]
    fn sums_of_several_boxes_end_at_64_bits() {
        let (item, full) = (StockItemId::new(1), i64::MAX as u64);
        let of_two = |total| {
            let mut stock = StockOnHand::default();
            stock.join_total(item, actor(1), total);
            stock.join_total(item, actor(2), total);
            stock.on_hand(item).get()
        };
        assert_eq!(of_two(StockTotal { received: full, used: 0 }), i64::MAX);
        assert_eq!(of_two(StockTotal { received: 0, used: full }), i64::MIN);
        assert_eq!(of_two(StockTotal { received: full, used: full }), 0);
    }

    #[test]
    fn a_total_beyond_64_bits_is_an_error() {
        let full = StockTotal { received: i64::MAX as u64, used: 0 };
        assert_eq!(full.moved(Quantity::new(1)), Err(StockOverflow));
    }
}
