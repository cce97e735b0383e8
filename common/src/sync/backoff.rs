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
}
