//! How long to wait before the next attempt.

use core::time::Duration;

/// A wait that doubles with each failure up to a limit, and starts over after a success.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    next: Duration,
}

impl Backoff {
    /// The first wait and the longest.
    #[must_use]
    pub const fn new(first: Duration, limit: Duration) -> Self {
        Self { first, limit, next: first }
    }

    /// The wait after one more failure.
    pub fn after_failure(&mut self) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.limit);
        wait
    }

    /// The wait that the next failure would bring.
    #[must_use]
    pub const fn upcoming(&self) -> Duration {
        self.next
    }

    /// Starts over.
    pub fn succeeded(&mut self) {
        self.next = self.first;
    }
}

/// Spreads a wait over 50 to 100 % of itself, so that a thousand shops do not come back in one instant.
#[must_use]
pub fn jittered(wait: Duration, random: u64) -> Duration {
    let per_mille = 500 + u32::try_from(random % 501).unwrap_or(0);
    wait.saturating_mul(per_mille) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_limit_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));
        let waits: Vec<_> = (0..6).map(|_| backoff.after_failure().as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        backoff.succeeded();
        assert_eq!(backoff.after_failure().as_secs(), 5);
    }

    #[test]
    fn jitter_stays_between_half_and_whole() {
        let wait = Duration::from_secs(10);
        for random in [0, 1, 499, 500, 12_345, u64::MAX] {
            assert!((Duration::from_secs(5)..=wait).contains(&jittered(wait, random)));
        }
        // Evenly, and from the one end to the other.
        for (random, wait_ms) in [(0, 5_000), (1, 5_010), (250, 7_500), (500, 10_000), (501, 5_000), (12_345, 8_210)] {
            assert_eq!(jittered(wait, random), Duration::from_millis(wait_ms), "{random}");
        }
    }
}
