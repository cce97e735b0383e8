//! How often something may be done, or how much of it: so much at once, and so much more as time goes by.

use std::time::Duration;

/// A limit on what is done over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How much in each [`Rate::per`]; at least 1.
    pub count: u32,
    /// In which time.
    pub per: Duration,
    /// How much at once, after nothing was used for long enough.
    pub burst: u32,
}

impl Rate {
    /// How long it takes until so much more may be used.
    fn time_of(&self, amount: u32) -> Duration {
        self.per.saturating_mul(amount) / self.count.max(1)
    }
}

/// What was used of a [`Rate`].
#[derive(Debug, Default)]
pub(super) struct Used {
    /// When all that was used is made up for.
    even_at: Duration,
}

impl Used {
    /// Uses some, if that much is left.
    pub(super) fn try_take(&mut self, rate: &Rate, amount: u32, now: Duration) -> bool {
        let even_at = self.even_at.max(now).saturating_add(rate.time_of(amount));
        let is_left = even_at.saturating_sub(now) <= rate.time_of(rate.burst);
        if is_left {
            self.even_at = even_at;
        }
        is_left
    }

    /// Uses some, whether it is left or not, and tells how long to wait before any more is used.
    pub(super) fn take(&mut self, rate: &Rate, amount: u32, now: Duration) -> Duration {
        self.even_at = self.even_at.max(now).saturating_add(rate.time_of(amount));
        self.even_at.saturating_sub(now).saturating_sub(rate.time_of(rate.burst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { count: 30, per: Duration::from_secs(60), burst: 30 };

    #[test]
    fn after_a_burst_there_is_one_more_each_share_of_the_time() {
        let mut used = Used::default();
        let start = Duration::from_secs(1_000);
        assert!((0..30).all(|_| used.try_take(&RATE, 1, start)));
        assert!(!used.try_take(&RATE, 1, start));
        let next = start + Duration::from_secs(2);
        assert!(used.try_take(&RATE, 1, next) && !used.try_take(&RATE, 1, next));
        let later = start + Duration::from_secs(3_600);
        assert_eq!((0..100).filter(|_| used.try_take(&RATE, 1, later)).count(), 30, "rest does not add up");
    }

    #[test]
    fn what_was_used_beyond_the_burst_is_waited_for() {
        let rate = Rate { count: 4_000, per: Duration::from_secs(1), burst: 8_000 };
        let mut used = Used::default();
        let now = Duration::from_secs(1_000);
        assert_eq!(used.take(&rate, 8_000, now), Duration::ZERO);
        assert_eq!(used.take(&rate, 4_000, now), Duration::from_secs(1));
        assert_eq!(used.take(&rate, 2_000, now + Duration::from_secs(1)), Duration::from_millis(500));
        assert_eq!(used.take(&rate, 0, now + Duration::from_secs(10)), Duration::ZERO);
    }
}
