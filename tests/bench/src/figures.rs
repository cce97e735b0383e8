//! Arithmetic of figures, in integers: microseconds, and ratios in hundredths.

use std::fmt;
use std::time::Duration;

/// A duration in whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The smallest of the values that at least `percent` of them do not exceed; 0 of nothing.
pub(crate) fn percentile(values: &mut [u64], percent: usize) -> u64 {
    values.sort_unstable();
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// The middle of the values.
pub(crate) fn median(values: impl IntoIterator<Item = u64>) -> u64 {
    percentile(&mut values.into_iter().collect::<Vec<_>>(), 50)
}

/// A ratio, in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ratio(pub(crate) u64);

impl Ratio {
    /// `of` in units of `unit`.
    pub(crate) fn new(of: u64, unit: u64) -> Self {
        Self((u128::from(of) * 100 / u128::from(unit.max(1))).try_into().unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// Microseconds as milliseconds.
pub(crate) fn ms(micros: u64) -> String {
    format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10)
}

/// A count with a comma at each thousand.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Ratio, median, ms, percentile, thousands};

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let mut values: Vec<u64> = (1..=200).rev().collect();
        assert_eq!(
            (percentile(&mut values, 50), percentile(&mut values, 99), percentile(&mut values, 100)),
            (100, 198, 200)
        );
        assert_eq!(percentile(&mut [7], 99), 7);
        assert_eq!(percentile(&mut [], 99), 0);
        assert_eq!(median([3, 1, 2]), 2);
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(Ratio::new(250, 100).to_string(), "2.50");
        assert_eq!(Ratio::new(5, 0).to_string(), "5.00");
        assert_eq!(ms(12_345), "12.34 ms");
        assert_eq!(
            [thousands(0), thousands(999), thousands(1_000), thousands(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
