//! A hybrid logical clock: close to the wall clock, and strictly increasing whatever the wall clock does.
//!
//! For display order across nodes only; within one author the journal's sequence is the order.

use crate::time::UtcMillis;

/// Furthest a remote reading may be ahead of ours and still be taken over, in milliseconds.
///
/// Shop boxes drift by seconds; a minute is generous, and a box that is days ahead must not drag the chain along.
pub const REMOTE_AHEAD_MS_MAX: i64 = 60_000;

/// 48 bits of milliseconds and 16 bits of counter, ordered as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hlc(u64);

impl Hlc {
    /// Wraps the packed reading.
    #[must_use]
    pub const fn from_packed(packed: u64) -> Self {
        Self(packed)
    }

    /// The packed reading.
    #[must_use]
    pub const fn packed(self) -> u64 {
        self.0
    }

    /// The millisecond part.
    #[must_use]
    pub fn millis(self) -> UtcMillis {
        UtcMillis::new(i64::try_from(self.0 >> 16).unwrap_or(i64::MAX))
    }

    fn at(now: UtcMillis) -> Self {
        Self(u64::try_from(now.get()).unwrap_or(0) << 16)
    }

    /// The next reading after this one when the wall says `now`.
    #[must_use]
    pub fn tick(self, now: UtcMillis) -> Self {
        Self::at(now).max(Self(self.0 + 1))
    }

    /// The next reading after this one and a remote one.
    ///
    /// A remote reading more than [`REMOTE_AHEAD_MS_MAX`] ahead of the wall is not taken over.
    #[must_use]
    pub fn merge(self, remote: Self, now: UtcMillis) -> Self {
        let credible = remote.millis().get() <= now.get().saturating_add(REMOTE_AHEAD_MS_MAX);
        let floor = if credible { self.max(remote) } else { self };
        floor.tick(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn strictly_increasing_whatever_the_wall_does(walls in prop::collection::vec(0_i64..4_000_000_000_000, 1..50)) {
            let mut last = Hlc::default();
            for wall in walls {
                let next = last.tick(UtcMillis::new(wall));
                prop_assert!(next > last);
                prop_assert!(next.millis().get() >= wall);
                last = next;
            }
        }
    }

    #[test]
    fn a_reading_is_milliseconds_and_a_count_within_one() {
        let at = |wall| Hlc::default().tick(UtcMillis::new(wall));
        assert_eq!((at(7).packed(), at(7).millis().get()), (7 << 16, 7));
        assert_eq!(Hlc::from_packed(at(7).packed()), at(7));
        // A wall that stands still or goes back only counts on.
        assert_eq!(at(7).tick(UtcMillis::new(7)).packed(), (7 << 16) + 1);
        assert_eq!(at(7).tick(UtcMillis::new(3)).packed(), (7 << 16) + 1);
        assert_eq!(at(7).tick(UtcMillis::new(8)), at(8));
        assert_eq!(at(-5).packed(), 1, "before 1970 there is only the count");
    }

    #[test]
    fn a_merge_is_after_both_and_takes_over_just_what_is_credible() {
        let now = UtcMillis::new(1_700_000_000_000);
        let at = |ahead_ms: i64| Hlc::default().tick(UtcMillis::new(now.get() + ahead_ms));
        let (ours, theirs) = (at(20), at(10));
        assert_eq!(ours.merge(theirs, now).packed(), ours.packed() + 1);
        assert_eq!(theirs.merge(ours, now).packed(), ours.packed() + 1);
        assert_eq!(at(-20).merge(at(-10), now), at(0));
        assert_eq!(at(0).merge(at(REMOTE_AHEAD_MS_MAX), now).packed(), at(REMOTE_AHEAD_MS_MAX).packed() + 1);
        assert_eq!(at(0).merge(at(REMOTE_AHEAD_MS_MAX + 1), now).packed(), at(0).packed() + 1);
    }

    #[test]
    fn a_remote_clock_days_ahead_does_not_drag_ours() {
        let now = UtcMillis::new(1_700_000_000_000);
        let days_ahead = Hlc::default().tick(UtcMillis::new(now.get() + 3 * 86_400_000));
        assert_eq!(Hlc::default().merge(days_ahead, now).millis(), now);
        let a_second_ahead = Hlc::default().tick(UtcMillis::new(now.get() + 1_000));
        assert!(Hlc::default().merge(a_second_ahead, now) > a_second_ahead);
    }
}
