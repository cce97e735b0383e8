//! The machine as the rest of the code may see it: its clocks, its randomness, its identity.
//!
//! The only place that reads a real clock. Everything else is handed a [`Clock`], an instant or a duration, so that a
//! test, a demo or a simulation can decide what time it is.

use std::fs;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use percolate_common::entropy::Entropy;
use percolate_common::time::{Clock, UtcMillis};

/// The fastest simulated clock: one wall second is this many simulated ones.
pub const SIMULATED_RATE_MAX: i64 = 100_000;

/// The wall clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UtcMillis {
        UtcMillis::new(wall_ms())
    }
}

/// A clock that starts at a chosen instant and may run faster than the wall, for demos and tests.
///
/// `now = start + (wall - anchor) * rate`: processes that are given the same numbers agree on the time. A fourth number
/// is the wall's time from which on it runs at the wall's pace, so that a day that is over stays that day for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulatedClock {
    start_ms: i64,
    anchor_ms: i64,
    rate: i64,
    until_ms: i64,
}

/// A text that does not describe a simulated clock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulatedClockError {
    /// Not three or four integers with commas between them.
    #[error(
        "the simulated clock {text:?} is not START_MS,ANCHOR_MS,RATE[,UNTIL_MS]: integers, as in 1764000000000,1763000000000,60"
    )]
    Shape {
        /// What was given.
        text: String,
    },
    /// The rate is outside `1..=`[`SIMULATED_RATE_MAX`].
    #[error("the simulated clock's rate is {rate}; it must be between 1 and {SIMULATED_RATE_MAX}")]
    Rate {
        /// What was given.
        rate: i64,
    },
}

impl SimulatedClock {
    /// Reads `START_MS,ANCHOR_MS,RATE` or `START_MS,ANCHOR_MS,RATE,UNTIL_MS`.
    ///
    /// ```
    /// use percolate_runtime::system::SimulatedClock;
    /// assert!(SimulatedClock::parse("1764000000000,1763000000000,60").is_ok());
    /// assert!(SimulatedClock::parse("1764000000000,1763000000000,60,1763000030000").is_ok());
    /// assert!(SimulatedClock::parse("1764000000000,1763000000000,0").is_err());
    /// ```
    ///
    /// # Errors
    /// [`SimulatedClockError`] if the text is not three or four integers or the rate is outside its range.
    pub fn parse(text: &str) -> Result<Self, SimulatedClockError> {
        let numbers: Vec<i64> = text.split(',').map_while(|part| part.trim().parse().ok()).collect();
        let (start_ms, anchor_ms, rate, until_ms) = match numbers[..] {
            [start_ms, anchor_ms, rate] => (start_ms, anchor_ms, rate, i64::MAX),
            [start_ms, anchor_ms, rate, until_ms] => (start_ms, anchor_ms, rate, until_ms),
            _ => return Err(SimulatedClockError::Shape { text: text.to_owned() }),
        };
        if text.split(',').count() != numbers.len() {
            return Err(SimulatedClockError::Shape { text: text.to_owned() });
        }
        if !(1..=SIMULATED_RATE_MAX).contains(&rate) {
            return Err(SimulatedClockError::Rate { rate });
        }
        Ok(Self { start_ms, anchor_ms, rate, until_ms })
    }

    fn at_wall_ms(self, wall_ms: i64) -> UtcMillis {
        let fast_ms = wall_ms.min(self.until_ms).saturating_sub(self.anchor_ms).saturating_mul(self.rate);
        let after_ms = wall_ms.saturating_sub(self.until_ms).max(0);
        UtcMillis::new(self.start_ms.saturating_add(fast_ms).saturating_add(after_ms))
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> UtcMillis {
        self.at_wall_ms(wall_ms())
    }
}

/// The clock for a `--simulated-clock` option: the machine's own when there is none.
///
/// # Errors
/// [`SimulatedClockError`] if the text does not describe a clock.
pub fn clock_from_option(simulated: Option<&str>) -> Result<Arc<dyn Clock>, SimulatedClockError> {
    Ok(match simulated {
        None => Arc::new(SystemClock),
        Some(text) => Arc::new(SimulatedClock::parse(text)?),
    })
}

/// Randomness from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    /// # Panics
    /// If the operating system has no randomness to give: no identity made after that could be trusted.
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("invariant: the operating system gives random bytes");
    }
}

/// Time since the process first asked, from a clock that never steps. For elapsed times, never for dates.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one lawful reading of the monotonic clock")]
pub fn monotonic_now() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// The instant `after` from now, for the executor's timers.
pub(crate) fn deadline_in(after: Duration) -> tokio::time::Instant {
    tokio::time::sleep(after).deadline()
}

/// What stays with the machine: 16 hex digits of a hash of its machine id, or of its host name where there is none.
///
/// It tells a restored or cloned disk in another box from the box it came from. It is a hint and no proof: a cloned
/// disk image brings its machine id along, and containers often share or lack one. The chain hash decides.
///
/// # Errors
/// If the machine has neither.
pub fn machine_fingerprint() -> io::Result<String> {
    let identity = fs::read("/etc/machine-id")
        .ok()
        .filter(|bytes| !bytes.trim_ascii().is_empty())
        .map_or_else(|| fs::read("/proc/sys/kernel/hostname"), Ok)?;
    let key = blake3::derive_key("percolate 2026 machine fingerprint", identity.trim_ascii());
    Ok(blake3::Hash::from_bytes(key).to_hex()[..16].to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the one lawful reading of the wall clock")]
fn wall_ms() -> i64 {
    let signed = |elapsed: Duration| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => signed(after),
        Err(before) => -signed(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_clock_runs_at_its_rate_from_its_start() {
        let clock = SimulatedClock::parse("1000,500,60").unwrap();
        assert_eq!(clock.at_wall_ms(500).get(), 1000);
        assert_eq!(clock.at_wall_ms(510).get(), 1600);
        assert_eq!(clock.at_wall_ms(490).get(), 400);
    }

    #[test]
    fn a_simulated_clock_slows_down_to_the_walls_pace_when_told() {
        let clock = SimulatedClock::parse("1000,500,60,510").unwrap();
        assert_eq!([490, 500, 510, 511, 610].map(|wall| clock.at_wall_ms(wall).get()), [400, 1000, 1600, 1601, 1700]);
    }

    #[test]
    fn a_simulated_clock_never_wraps() {
        let clock = SimulatedClock::parse("9223372036854775807,0,100000").unwrap();
        assert_eq!(clock.at_wall_ms(i64::MAX).get(), i64::MAX);
    }

    #[test]
    fn a_bad_simulated_clock_is_refused_by_name() {
        for text in ["", "1", "1,2", "1,2,3,4,5", "1,2,x", "1,x,3", "1,2,3,x"] {
            assert_eq!(
                SimulatedClock::parse(text),
                Err(SimulatedClockError::Shape { text: text.to_owned() }),
                "{text}"
            );
        }
        for (text, rate) in [("1,2,0", 0), ("1,2,100001", 100_001), ("1,2,-5", -5)] {
            assert_eq!(SimulatedClock::parse(text), Err(SimulatedClockError::Rate { rate }), "{text}");
        }
    }

    #[test]
    fn without_an_option_the_clock_is_the_machines() {
        let before = wall_ms();
        let now = clock_from_option(None).unwrap().now().get();
        assert!((before..=wall_ms()).contains(&now));
        assert!(clock_from_option(Some("nonsense")).is_err());
    }

    #[test]
    fn the_monotonic_reading_never_goes_back() {
        let first = monotonic_now();
        assert!(monotonic_now() >= first);
    }

    #[test]
    fn identity_is_stable_and_randomness_is_not() {
        assert_eq!(machine_fingerprint().unwrap(), machine_fingerprint().unwrap());
        assert_eq!(machine_fingerprint().unwrap().len(), 16);
        assert_ne!(OsEntropy.next_u64(), OsEntropy.next_u64());
    }
}
