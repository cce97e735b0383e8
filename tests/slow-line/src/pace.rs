//! When a piece has left, as a function of the time that it is given: a token bucket, kept as the moment at which the line
//! is free.

use std::time::Duration;

/// How far a line may be behind its pace and catch up at once: a timer wakes late, and what was missed is not lost.
const BURST: Duration = Duration::from_millis(2);

const BITS_PER_BYTE: u64 = 8;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The pace of one way of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    bits_per_second: Option<u64>,
    free_at: Duration,
}

impl Pace {
    /// So many bits a second; none is as fast as it goes.
    #[must_use]
    pub const fn new(bits_per_second: Option<u64>) -> Self {
        Self { bits_per_second, free_at: Duration::ZERO }
    }

    /// Takes a piece at `now` and says when its last bit has left.
    pub fn departure(&mut self, now: Duration, bytes: u64) -> Duration {
        let Some(rate) = self.bits_per_second else { return now };
        let nanos = u128::from(bytes.saturating_mul(BITS_PER_BYTE)) * NANOS_PER_SECOND / u128::from(rate.max(1));
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free_at = self.free_at.max(now.saturating_sub(BURST)).saturating_add(takes);
        self.free_at.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, Pace};
    use std::time::Duration;

    const MEGABIT: Option<u64> = Some(1_000_000);

    #[test]
    fn a_megabit_a_second_carries_125_000_bytes_in_a_second() {
        let mut pace = Pace::new(MEGABIT);
        let start = Duration::from_secs(10);
        let mut now = start;
        for _ in 0..100 {
            now = pace.departure(now, 1_250);
        }
        assert_eq!(now, start + Duration::from_secs(1) - BURST);
    }

    #[test]
    fn pieces_that_come_together_leave_one_after_the_other() {
        let mut pace = Pace::new(MEGABIT);
        let now = Duration::from_secs(1);
        let times: Vec<_> = (0..3).map(|_| pace.departure(now, 1_250) - now).collect();
        assert_eq!(times, [8, 18, 28].map(Duration::from_millis));
    }

    #[test]
    fn a_line_that_was_idle_has_saved_no_more_than_the_burst() {
        let mut pace = Pace::new(MEGABIT);
        assert_eq!(pace.departure(Duration::from_secs(1), 1_250), Duration::from_millis(1_008));
        assert_eq!(pace.departure(Duration::from_secs(60), 1_250), Duration::from_millis(60_008));
    }

    #[test]
    fn a_waker_that_is_late_does_not_slow_the_line() {
        let mut pace = Pace::new(MEGABIT);
        let mut now = Duration::from_secs(1);
        for _ in 0..1_000 {
            now = pace.departure(now, 1_250) + Duration::from_millis(1);
        }
        let ideal = Duration::from_secs(11) - BURST;
        assert!(now >= ideal && now <= ideal + Duration::from_millis(1), "{now:?}");
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let mut pace = Pace::new(None);
        assert_eq!(pace.departure(Duration::from_secs(3), u64::MAX), Duration::from_secs(3));
    }
}
