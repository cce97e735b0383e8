//! Store and forward: what is taken on trust while a card terminal has no line, and how much of it.

use core::str::FromStr;

use crate::money::Minor;
use crate::time::UtcMillis;

/// Milliseconds of a second.
const MS: i64 = 1_000;

/// What a shop takes on trust at most. One that is not set takes nothing: a shop decides on all four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForwardLimits {
    /// Of one payment, in minor units.
    pub ticket: Option<i64>,
    /// Payments at a time.
    pub count: Option<u64>,
    /// All of them together, in minor units.
    pub total: Option<i64>,
    /// How old the oldest may be, in milliseconds.
    pub age_ms: Option<i64>,
}

/// A text that is not four limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "four whole numbers are expected, with commas or blanks between them: the largest payment, how many, all of them, and \
     seconds that the oldest may wait, as in 5000 20 50000 86400"
)]
pub struct ForwardLimitsError;

impl FromStr for ForwardLimits {
    type Err = ForwardLimitsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        let numbers = words.map(|word| word.parse().ok().filter(|number| *number >= 0));
        let numbers: Vec<i64> = numbers.collect::<Option<_>>().ok_or(ForwardLimitsError)?;
        let [ticket, count, total, age_s] = *numbers.as_slice() else { return Err(ForwardLimitsError) };
        Ok(Self {
            ticket: Some(ticket),
            count: u64::try_from(count).ok(),
            total: Some(total),
            age_ms: Some(age_s.saturating_mul(MS)),
        })
    }
}

/// What is stored now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoredNow {
    /// How many.
    pub count: u64,
    /// How much, in minor units.
    pub total: i64,
    /// Since when the oldest waits.
    pub oldest: Option<UtcMillis>,
}

/// Why a payment is not taken on trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForwardRejection {
    /// The shop has not decided to.
    #[error("the card terminal has no line, and this shop takes no cards on trust")]
    Off,
    /// Too much for one.
    #[error("the card terminal has no line, and this shop takes at most {0} minor units on trust at once")]
    Ticket(i64),
    /// Too many.
    #[error("the card terminal has no line, and {0} payments wait for it already")]
    Count(u64),
    /// Too much together.
    #[error("the card terminal has no line, and all that waits for it may come to {0} minor units at most")]
    Total(i64),
    /// For too long.
    #[error("the card terminal has had no line for so long that no more is taken on trust")]
    Age,
}

impl ForwardRejection {
    /// Which limit it was, for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Ticket(_) => "ticket",
            Self::Count(_) => "count",
            Self::Total(_) => "total",
            Self::Age => "age",
        }
    }
}

/// Whether one more payment is taken on trust.
///
/// # Errors
/// [`ForwardRejection`] names the limit.
pub fn decide_forward(
    limits: &ForwardLimits,
    stored: &StoredNow,
    amount: Minor,
    now: UtcMillis,
) -> Result<(), ForwardRejection> {
    let ForwardLimits { ticket: Some(ticket), count: Some(count), total: Some(total), age_ms: Some(age_ms) } = *limits
    else {
        return Err(ForwardRejection::Off);
    };
    if amount.get() > ticket {
        return Err(ForwardRejection::Ticket(ticket));
    }
    if stored.count >= count {
        return Err(ForwardRejection::Count(stored.count));
    }
    if stored.total.saturating_add(amount.get()) > total {
        return Err(ForwardRejection::Total(total));
    }
    // A clock that has gone back makes nothing older.
    if stored.oldest.is_some_and(|since| now.get().saturating_sub(since.get()) > age_ms) {
        return Err(ForwardRejection::Age);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ForwardLimits =
        ForwardLimits { ticket: Some(2_000), count: Some(3), total: Some(5_000), age_ms: Some(60_000) };

    fn decided(count: u64, total: i64, amount: i64, age_ms: i64) -> Result<(), ForwardRejection> {
        let stored = StoredNow { count, total, oldest: (count > 0).then_some(UtcMillis::new(1_000_000)) };
        decide_forward(&LIMITS, &stored, Minor::new(amount), UtcMillis::new(1_000_000 + age_ms))
    }

    #[test]
    fn each_limit_is_kept_to_the_last_cent_payment_and_millisecond() {
        assert_eq!(decided(0, 0, 2_000, 0), Ok(()));
        assert_eq!(decided(0, 0, 2_001, 0), Err(ForwardRejection::Ticket(2_000)));
        assert_eq!(decided(2, 3_000, 2_000, 60_000), Ok(()));
        assert_eq!(decided(3, 3_000, 1, 0), Err(ForwardRejection::Count(3)));
        assert_eq!(decided(2, 3_001, 2_000, 0), Err(ForwardRejection::Total(5_000)));
        assert_eq!(decided(2, 3_000, 2_000, 60_001), Err(ForwardRejection::Age));
        assert_eq!(decided(2, 3_000, 2_000, -60_001), Ok(()));
        assert_eq!(decided(0, i64::MAX, 1, 0), Err(ForwardRejection::Total(5_000)));
    }

    #[test]
    fn four_limits_are_written_as_four_numbers() {
        for text in ["2000 3 5000 60", "2000,3,5000,60", " 2000, 3, 5000, 60 "] {
            assert_eq!(text.parse(), Ok(LIMITS), "{text}");
        }
        for bad in ["", "1 2 3", "1 2 3 4 5", "1 2 3 -4", "a 2 3 4", "1.5 2 3 4"] {
            assert_eq!(bad.parse::<ForwardLimits>(), Err(ForwardLimitsError), "{bad}");
        }
    }

    #[test]
    fn a_shop_that_has_not_decided_on_all_four_takes_nothing_on_trust() {
        for limits in [
            ForwardLimits::default(),
            ForwardLimits { ticket: None, ..LIMITS },
            ForwardLimits { count: None, ..LIMITS },
            ForwardLimits { total: None, ..LIMITS },
            ForwardLimits { age_ms: None, ..LIMITS },
        ] {
            let decided = decide_forward(&limits, &StoredNow::default(), Minor::new(1), UtcMillis::new(0));
            assert_eq!(decided, Err(ForwardRejection::Off));
        }
    }
}
