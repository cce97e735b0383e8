//! How long to wait before trying again: doubling to a limit, spread by chance where many would try at once.

use std::time::Duration;

use percolate_common::entropy::Entropy;

/// The wait after the first failure, in milliseconds.
pub const DELAY_MS_MIN: u64 = 250;

/// The longest wait, in milliseconds.
pub const DELAY_MS_MAX: u64 = 60_000;

/// The wait after so many failures in a row, counted from 0.
#[must_use]
pub fn delay(failures: u32) -> Duration {
    let doubled_ms = DELAY_MS_MIN.saturating_mul(1_u64.checked_shl(failures).unwrap_or(u64::MAX));
    Duration::from_millis(doubled_ms.min(DELAY_MS_MAX))
}

/// Between half of the wait and all of it, so that a chain of shops does not call a restarted hub at one instant. The wait
/// is never longer than `longest`.
#[must_use]
pub fn jittered_delay(failures: u32, longest: Duration, entropy: &dyn Entropy) -> Duration {
    let half = delay(failures).min(longest) / 2;
    let half_ms = u64::try_from(half.as_millis()).unwrap_or(DELAY_MS_MAX);
    half + Duration::from_millis(entropy.next_u64() % (half_ms + 1))
}

#[cfg(test)]
mod tests {
    use percolate_common::entropy::SeededEntropy;

    use super::*;

    #[test]
    fn the_wait_doubles_to_its_limit_and_stays_there() {
        let waits: Vec<u128> = (0..10).map(|failures| delay(failures).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(delay(63), delay(u32::MAX));
        assert_eq!(delay(u32::MAX).as_millis(), 60_000);
    }

    #[test]
    fn jitter_keeps_at_least_half_and_spreads() {
        let entropy = SeededEntropy::new(7);
        let waits: Vec<u128> = (0..200).map(|_| jittered_delay(3, Duration::MAX, &entropy).as_millis()).collect();
        assert!(waits.iter().all(|wait| (1_000..=2_000).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 1_250) && waits.iter().any(|wait| *wait > 1_750));
    }

    #[test]
    fn no_wait_is_longer_than_the_longest_and_the_longest_is_spread_too() {
        let (entropy, longest) = (SeededEntropy::new(7), Duration::from_secs(2));
        let waits: Vec<u128> = (0..200).map(|_| jittered_delay(30, longest, &entropy).as_millis()).collect();
        assert!(waits.iter().all(|wait| (1_000..=2_000).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 1_250) && waits.iter().any(|wait| *wait > 1_750));
        assert!(jittered_delay(0, longest, &entropy) <= delay(0), "the first wait is as short as ever");
    }
}
