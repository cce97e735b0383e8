//! How long wrong tries keep somebody out.
//!
//! A lock is a span of the clock, from when it was set until its end. A clock that goes back to before the span moves the
//! whole span back with it: the lock never ends sooner by that, and never lasts longer than its span from then on.

use crate::time::UtcMillis;

/// Wrong tries after which nothing is tried for a while.
pub const WRONG_TRIES_MAX: u32 = 5;
/// How long the first lock lasts, in milliseconds; each further wrong try doubles it.
pub const LOCK_MS_MIN: i64 = 30 * 1_000;
/// How long a lock lasts at most, in milliseconds.
pub const LOCK_MS_MAX: i64 = 15 * 60 * 1_000;

/// Wrong tries, and the lock that came of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lockout {
    /// Wrong tries since the last right one.
    pub wrong: u32,
    /// When the last one was.
    pub from: UtcMillis,
    /// Until when nothing is tried: `from` itself where there is no lock.
    pub until: UtcMillis,
}

impl Lockout {
    /// As it stands now: where the clock was set back, the lock goes back with it.
    #[must_use]
    pub fn now(self, now: UtcMillis) -> Self {
        if now >= self.from {
            return self;
        }
        let lasts_ms = self.until.get().saturating_sub(self.from.get()).clamp(0, LOCK_MS_MAX);
        Self { from: now, until: UtcMillis::new(now.get().saturating_add(lasts_ms)), ..self }
    }

    /// How many milliseconds it holds on; none if something may be tried.
    #[must_use]
    pub fn left_ms(&self, now: UtcMillis) -> Option<i64> {
        let there = self.now(now);
        Some(there.until.get().saturating_sub(now.get())).filter(|left_ms| *left_ms > 0)
    }

    /// After one more wrong try.
    #[must_use]
    pub fn after_wrong(before: Option<Self>, now: UtcMillis) -> Self {
        let wrong = before.map_or(0, |before| before.wrong).saturating_add(1);
        Self { wrong, from: now, until: UtcMillis::new(now.get().saturating_add(lock_ms(wrong))) }
    }

    /// Whether there is a lock.
    #[must_use]
    pub const fn locks(&self) -> bool {
        self.wrong >= WRONG_TRIES_MAX
    }
}

/// How long nothing is tried after so many wrong tries.
fn lock_ms(wrong: u32) -> i64 {
    let Some(further) = wrong.checked_sub(WRONG_TRIES_MAX) else { return 0 };
    let doubled = 1_i64.checked_shl(further.min(32)).unwrap_or(i64::MAX);
    LOCK_MS_MIN.saturating_mul(doubled).min(LOCK_MS_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> UtcMillis {
        UtcMillis::new(ms)
    }

    fn after(wrong: u32, now_ms: i64) -> Lockout {
        let mut lockout = None;
        for _ in 0..wrong {
            lockout = Some(Lockout::after_wrong(lockout, at(now_ms)));
        }
        lockout.unwrap()
    }

    #[test]
    fn five_wrong_tries_lock_for_half_a_minute_and_each_further_one_for_twice_as_long() {
        let seconds = |wrong| after(wrong, 1_000).left_ms(at(1_000)).map(|left_ms| left_ms / 1_000);
        let expected = [None, None, None, None, Some(30), Some(60), Some(120), Some(240), Some(480), Some(900)];
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(seconds), expected);
        assert_eq!((seconds(11), seconds(5_000)), (Some(900), Some(900)));
        assert_eq!((after(4, 0).locks(), after(5, 0).locks()), (false, true));
        let lock = after(5, 1_000);
        assert_eq!((lock.left_ms(at(30_999)), lock.left_ms(at(31_000))), (Some(1), None));
    }

    proptest! {
        /// Goal: no clock unlocks somebody before the lock's time has passed, and none locks anybody for ever. Method: a lock
        /// is looked at, and kept as it stands then, while real time goes on and the clock jumps back as it likes.
        #[test]
        fn a_clock_that_goes_back_neither_ends_a_lock_sooner_nor_makes_it_longer(
            wrong in WRONG_TRIES_MAX..40,
            start in 0_i64..4_000_000_000_000,
            steps in prop::collection::vec((0_i64..600_000, 0_i64..10_000_000_000), 1..40),
        ) {
            let mut clock = start;
            let mut lock = after(wrong, clock);
            let lasts_ms = lock.left_ms(at(clock)).unwrap();
            prop_assert!(lasts_ms <= LOCK_MS_MAX);
            let mut passed_ms = 0;
            for (goes_on_ms, set_back_ms) in steps {
                passed_ms += goes_on_ms;
                clock += goes_on_ms - set_back_ms;
                lock = lock.now(at(clock));
                let left_ms = lock.left_ms(at(clock)).unwrap_or(0);
                prop_assert!(left_ms <= lasts_ms, "never longer than its span");
                prop_assert!(passed_ms >= lasts_ms || left_ms >= lasts_ms - passed_ms, "never sooner");
            }
            prop_assert_eq!(lock.left_ms(at(clock + lasts_ms)), None, "it ends, whatever the clock did before");
        }
    }

    #[test]
    fn nobody_else_is_held_by_a_lock_that_has_ended_and_the_count_goes_on_until_a_right_one() {
        let lock = after(5, 0);
        let again = Lockout::after_wrong(Some(lock), at(LOCK_MS_MIN));
        assert_eq!((again.wrong, again.left_ms(at(LOCK_MS_MIN))), (6, Some(2 * LOCK_MS_MIN)));
        // A right one takes the row away: the next wrong one is the first again.
        assert_eq!(Lockout::after_wrong(None, at(LOCK_MS_MIN)).wrong, 1);
    }
}
