//! The demo's time: a trading day that passes in seconds, the same for all processes.

use std::time::Duration;

use percolate_common::time::{BusinessDay, Clock, LocalTimeError, StoreCalendar, UtcMillis};

/// Longest time that servers get to start before the doors open, in milliseconds.
const LEAD_MS_MAX: u64 = 5_000;

/// A fast clock. It reads the opening hour at the anchor; before, it reads earlier, and from the closing hour on it runs
/// as fast as the machine's, so that whoever looks on afterwards looks at this day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoClock {
    opens_at: UtcMillis,
    anchor: UtcMillis,
    rate: i64,
    closes_at: UtcMillis,
}

impl DemoClock {
    /// A clock that reads `opens` o'clock of `day` at `anchor` on the machine's clock, and lets `open_s` seconds pass in
    /// `seconds`, or in a little less, for the rate is whole.
    ///
    /// # Errors
    /// [`LocalTimeError`] if the day has no such hour.
    pub fn new(
        calendar: &StoreCalendar,
        day: BusinessDay,
        opens: u32,
        anchor: UtcMillis,
        (open_s, seconds): (u32, u32),
    ) -> Result<Self, LocalTimeError> {
        let opens_at = calendar.resolve_local(&day.to_string(), &format!("{opens:02}:00:00"))?.at;
        let rate = rate(open_s, seconds);
        let closes_at = UtcMillis::new(anchor.get() + i64::from(open_s) * 1_000 / rate);
        Ok(Self { opens_at, anchor, rate, closes_at })
    }

    /// The numbers that servers are started with.
    #[must_use]
    pub fn argument(&self) -> String {
        let Self { opens_at, anchor, rate, closes_at } = self;
        format!("{},{},{rate},{}", opens_at.get(), anchor.get(), closes_at.get())
    }

    /// Seconds of the demo's day since the doors opened; negative before.
    #[must_use]
    pub fn second(&self, wall: UtcMillis) -> i64 {
        let fast_ms = (wall.min(self.closes_at).get() - self.anchor.get()).saturating_mul(self.rate);
        let after_ms = (wall.get() - self.closes_at.get()).max(0);
        (fast_ms + after_ms).div_euclid(1_000)
    }

    /// How long it is, on the machine's clock, until so many seconds after opening.
    #[must_use]
    pub fn wait(&self, second: u32, wall: UtcMillis) -> Duration {
        let due_ms = self.anchor.get() + i64::from(second) * 1_000 / self.rate;
        Duration::from_millis(u64::try_from(due_ms - wall.get()).unwrap_or(0))
    }

    /// Waits until so many seconds after opening; not at all if that is over.
    pub async fn wait_until(&self, second: u32, clock: &dyn Clock) {
        let wait = self.wait(second, clock.now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

/// How many seconds of the day pass in one.
fn rate(open_s: u32, seconds: u32) -> i64 {
    i64::from(open_s.div_ceil(seconds.max(1))).max(1)
}

/// How long before opening the servers may start, on the machine's clock, so that it is the same trading day already.
#[must_use]
pub fn lead(opens: u32, cutover_hour: u8, (open_s, seconds): (u32, u32)) -> Duration {
    let day_has_begun_s = u64::from(opens.saturating_sub(u32::from(cutover_hour))) * 3_600;
    let lead_ms = day_has_begun_s * 1_000 / rate(open_s, seconds).unsigned_abs();
    Duration::from_millis(lead_ms.min(LEAD_MS_MAX))
}

/// The time on the shops' walls so many seconds after opening.
#[must_use]
pub fn wall_time(opens: u32, second: i64) -> String {
    let minutes = (i64::from(opens) * 60 + second.div_euclid(60)).rem_euclid(24 * 60);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// What is going on in a shop at that time.
#[must_use]
pub fn phase(opens: u32, second: i64) -> &'static str {
    match i64::from(opens) + second.div_euclid(3_600) {
        ..6 => "before opening",
        6 => "doors open",
        7..=10 => "the rush",
        11..=13 => "midday",
        14..=16 => "afternoon",
        17..=20 => "evening",
        _ => "closing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> DemoClock {
        let calendar = StoreCalendar::new("America/New_York", 4).unwrap();
        let day = "2026-11-23".parse().unwrap();
        DemoClock::new(&calendar, day, 6, UtcMillis::new(1_000_000), (54_000, 30)).unwrap()
    }

    #[test]
    fn the_doors_open_at_the_anchor_and_close_after_the_seconds() {
        let clock = clock();
        // 06:00 in Atlanta is 11:00 UTC in winter.
        assert_eq!(clock.argument(), "1795431600000,1000000,1800,1030000");
        assert_eq!(clock.second(UtcMillis::new(1_000_000)), 0);
        assert_eq!(clock.second(UtcMillis::new(1_030_000)), 54_000);
        assert_eq!(clock.second(UtcMillis::new(1_090_000)), 54_060, "then the clock is the machine's");
        assert_eq!(clock.second(UtcMillis::new(999_999)), -2);
        assert_eq!(clock.wait(54_000, UtcMillis::new(1_010_000)), Duration::from_secs(20));
        assert_eq!(clock.wait(3_600, UtcMillis::new(1_030_000)), Duration::ZERO);
    }

    #[test]
    fn a_day_never_takes_longer_than_it_was_given() {
        let calendar = StoreCalendar::new("America/New_York", 4).unwrap();
        for seconds in [1, 7, 29, 3_600] {
            let day = "2026-11-23".parse().unwrap();
            let clock = DemoClock::new(&calendar, day, 6, UtcMillis::new(0), (54_000, seconds)).unwrap();
            let wait = clock.wait(54_000, UtcMillis::new(0));
            assert!(wait <= Duration::from_secs(seconds.into()) && wait > Duration::ZERO, "{seconds}: {wait:?}");
        }
    }

    #[test]
    fn servers_start_on_the_day_on_which_the_doors_open() {
        assert_eq!(lead(6, 4, (54_000, 30)), Duration::from_secs(4));
        assert_eq!(lead(6, 4, (54_000, 600)), Duration::from_secs(5));
        assert_eq!(lead(6, 4, (54_000, 1)), Duration::from_millis(133));
    }

    #[test]
    fn times_and_phases_are_those_of_the_wall() {
        assert_eq!([wall_time(6, 0), wall_time(6, 5_399), wall_time(6, -60)], ["06:00", "07:29", "05:59"]);
        assert_eq!(wall_time(6, 19 * 3_600), "01:00");
        let phases = [-1, 0, 3_600, 18_000, 54_000].map(|second| phase(6, second));
        assert_eq!(phases, ["before opening", "doors open", "the rush", "midday", "closing"]);
    }
}
