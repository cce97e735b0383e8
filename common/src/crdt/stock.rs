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

/// A digest of one actor's totals: the same totals give the same digest, whatever their order.
///
/// Two sides that hold the same journals compare 8 bytes in the place of all rows. A total of nothing counts like one that
/// was never stated. It tells an accident from the truth; against intent there are the chain hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StockDigest(u64);

impl StockDigest {
    /// The digest of totals, each item at most once.
    pub fn of(totals: impl IntoIterator<Item = (StockItemId, StockTotal)>) -> Self {
        let stated = totals.into_iter().filter(|(_, total)| *total != StockTotal::default());
        Self(stated.fold(0, |sum, (item, total)| sum.wrapping_add(row_digest(item, total))))
    }

    /// A digest as it was told.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// As it is told.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// The first 8 bytes of BLAKE3 over item, received and used.
fn row_digest(item: StockItemId, total: StockTotal) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&item.get().to_be_bytes());
    hasher.update(&total.received.to_be_bytes());
    hasher.update(&total.used.to_be_bytes());
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
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

        /// I13: the digest depends on the totals, on nothing else, and on each of them.
        #[test]
        fn equal_totals_have_equal_digests_and_others_have_not(statements in statements(), changed in 0_u8..4, by in 1_u64..9) {
            let totals: BTreeMap<_, _> = statements
                .iter()
                .map(|(item, _, received, used)| {
                    let total = StockTotal { received: u64::from(*received), used: u64::from(*used) };
                    (StockItemId::new(u32::from(*item)), total)
                })
                .collect();
            let digest = StockDigest::of(totals.clone());
            prop_assert_eq!(StockDigest::of(totals.clone().into_iter().rev()), digest);
            let unstated = (StockItemId::new(99), StockTotal::default());
            prop_assert_eq!(StockDigest::of(totals.clone().into_iter().chain([unstated])), digest);
            for grow in [|total: &mut StockTotal, by| total.received += by, |total: &mut StockTotal, by| total.used += by] {
                let mut others = totals.clone();
                grow(others.entry(StockItemId::new(u32::from(changed))).or_default(), by);
                prop_assert_ne!(StockDigest::of(others), digest);
            }
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
    fn golden_digest() {
        // Frozen: a node and a hub of different versions must come to the same.
        let total = StockTotal { received: 1_000, used: 250 };
        assert_eq!(StockDigest::of([(StockItemId::new(7), total)]).number(), 10_023_972_269_802_530_686);
        assert_eq!(StockDigest::of([]).number(), 0);
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
