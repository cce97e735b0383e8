//! All chance of a run, from its seed.

use percolate_common::entropy::{Entropy, SeededEntropy};

/// A source of decisions.
#[derive(Debug)]
pub(super) struct Dice {
    source: SeededEntropy,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { source: SeededEntropy::new(seed) }
    }

    /// 0 to `end` - 1.
    pub(super) fn below(&self, end: u64) -> u64 {
        self.source.next_u64() % end.max(1)
    }

    /// `low` to `high`, both included.
    pub(super) fn between(&self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True so many times in a thousand.
    pub(super) fn per_mille(&self, times: u64) -> bool {
        self.below(1_000) < times
    }

    /// One of a list that is not empty.
    pub(super) fn index(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// A number that nobody else has.
    pub(super) fn fresh(&self) -> u64 {
        self.source.next_u64()
    }
}
