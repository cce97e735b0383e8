//! Instants, zones and business days.
//!
//! An instant is UTC milliseconds. A business day is stamped once by the node, from the store's zone and cut-over
//! hour, and never computed again: later versions of the zone database cannot move a sale to another day.

use core::fmt;
use core::str::FromStr;

use jiff::civil::{Date, DateTime, Time, date};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UtcMillis(i64);

impl UtcMillis {
    /// Wraps a number of milliseconds.
    #[must_use]
    pub const fn new(millis: i64) -> Self {
        Self(millis)
    }

    /// The number of milliseconds.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// What a server says in its header `date`, to the second.
    ///
    /// ```
    /// use percolate_common::time::UtcMillis;
    /// let said = UtcMillis::from_http_date("Sun, 06 Nov 1994 08:49:37 GMT");
    /// assert_eq!(said, Some(UtcMillis::new(784_111_777_000)));
    /// assert_eq!(UtcMillis::from_http_date("yesterday"), None);
    /// ```
    #[must_use]
    pub fn from_http_date(text: &str) -> Option<Self> {
        let said = jiff::fmt::rfc2822::parse(text).ok()?;
        Some(Self(said.timestamp().as_millisecond()))
    }

    /// The quarter of its year in UTC: 4 × year + 0 to 3, so that they are counted without a gap.
    ///
    /// ```
    /// use percolate_common::time::UtcMillis;
    /// assert_eq!(UtcMillis::new(0).quarter(), 4 * 1970);
    /// assert_eq!(UtcMillis::new(-1).quarter(), 4 * 1969 + 3);
    /// ```
    #[must_use]
    pub fn quarter(self) -> i32 {
        let date = self.timestamp().to_zoned(TimeZone::UTC).date();
        4 * i32::from(date.year()) + i32::from((date.month() - 1) / 3)
    }

    fn timestamp(self) -> Timestamp {
        // A clock that is beyond all calendars is in their last days, and not in 1970.
        let beyond = if self.0 > 0 { Timestamp::MAX } else { Timestamp::UNIX_EPOCH };
        Timestamp::from_millisecond(self.0).unwrap_or(beyond)
    }
}

impl fmt::Display for UtcMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.timestamp())
    }
}

/// What tells the time. Only the shell of a program holds one; everything else is handed instants.
pub trait Clock: Send + Sync {
    /// The wall clock's reading.
    fn now(&self) -> UtcMillis;
}

const EPOCH: Date = date(1970, 1, 1);

/// A trading day of a store: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BusinessDay(i32);

/// A text that is not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a day: YYYY-MM-DD is expected, as in 2026-11-23")]
pub struct DayParseError(String);

impl BusinessDay {
    /// Wraps days since 1970-01-01.
    #[must_use]
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn days(self) -> i32 {
        self.0
    }

    fn of_date(date: Date) -> Self {
        let hours = date.duration_since(EPOCH).as_hours();
        Self(i32::try_from(hours / 24).unwrap_or(0))
    }

    fn date(self) -> Date {
        EPOCH.checked_add(i64::from(self.0).days()).unwrap_or(EPOCH)
    }

    /// The month as `YYYY-MM`.
    #[must_use]
    pub fn month(self) -> String {
        let date = self.date();
        format!("{:04}-{:02}", date.year(), date.month())
    }
}

impl fmt::Display for BusinessDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date();
        write!(f, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
    }
}

impl FromStr for BusinessDay {
    type Err = DayParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let day = text.parse::<Date>().ok().map(Self::of_date);
        // A date has many spellings, and a time of day may follow it: one spelling is ours.
        day.filter(|day| day.to_string() == text).ok_or_else(|| DayParseError(text.to_owned()))
    }
}

/// A zone or a cut-over hour that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Not in the zone database that this program carries.
    #[error("time zone {0:?} is not known: an IANA name is expected, as in America/New_York")]
    UnknownZone(String),
    /// Not an hour of the early day.
    #[error("cut-over hour {0} is not usable: 0 to 12 is expected")]
    Cutover(u8),
}

/// A local time of the past that names no single instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalTimeError {
    /// Not a date and a time.
    #[error("{0:?} is not a local time: YYYY-MM-DD and HH:MM:SS are expected")]
    Malformed(String),
    /// Skipped when the clocks went forward.
    #[error("local time {0} did not exist: the clocks went forward over it")]
    Skipped(String),
}

/// An instant read from a local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolvedLocal {
    /// The instant.
    pub at: UtcMillis,
    /// Whether the local time came twice that day and the first was taken.
    pub repeated: bool,
}

/// A moment of the week as the shop's wall shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallTime {
    /// 1 is Monday, 7 is Sunday.
    pub weekday: u8,
    /// Minutes since midnight.
    pub minute: u16,
}

/// Last hour that a trading day may be cut over at.
pub const CUTOVER_HOUR_MAX: u8 = 12;

/// A store's calendar: its zone and the hour at which one trading day ends and the next begins.
#[derive(Debug, Clone)]
pub struct StoreCalendar {
    zone: TimeZone,
    zone_name: String,
    cutover_hour: u8,
}

impl StoreCalendar {
    /// Looks up the zone.
    ///
    /// # Errors
    /// [`CalendarError::UnknownZone`] for a name that the bundled zone database lacks; [`CalendarError::Cutover`] for an
    /// hour above [`CUTOVER_HOUR_MAX`].
    pub fn new(zone_name: &str, cutover_hour: u8) -> Result<Self, CalendarError> {
        if cutover_hour > CUTOVER_HOUR_MAX {
            return Err(CalendarError::Cutover(cutover_hour));
        }
        let zone = TimeZone::get(zone_name).map_err(|_unknown| CalendarError::UnknownZone(zone_name.to_owned()))?;
        Ok(Self { zone, zone_name: zone_name.to_owned(), cutover_hour })
    }

    /// The IANA name of the zone.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        &self.zone_name
    }

    /// The hour at which the trading day ends.
    #[must_use]
    pub const fn cutover_hour(&self) -> u8 {
        self.cutover_hour
    }

    fn local(&self, at: UtcMillis) -> DateTime {
        self.zone.to_datetime(at.timestamp())
    }

    /// The trading day that `at` falls in: the local date, or the day before it ahead of the cut-over hour.
    #[must_use]
    pub fn business_day(&self, at: UtcMillis) -> BusinessDay {
        let local = self.local(at);
        let day = BusinessDay::of_date(local.date());
        let before_cutover = local.hour().unsigned_abs() < self.cutover_hour;
        if before_cutover { BusinessDay(day.0 - 1) } else { day }
    }

    /// The hour on the shop's wall at `at`, 0 to 23.
    #[must_use]
    pub fn local_hour(&self, at: UtcMillis) -> u8 {
        self.local(at).hour().unsigned_abs()
    }

    /// The moment of the week on the shop's wall at `at`.
    #[must_use]
    pub fn wall_time(&self, at: UtcMillis) -> WallTime {
        let local = self.local(at);
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        WallTime { weekday: local.weekday().to_monday_one_offset().unsigned_abs(), minute }
    }

    /// What the shop's wall shows at `at`: `YYYY-MM-DD HH:MM:SS`.
    #[must_use]
    pub fn local_text(&self, at: UtcMillis) -> String {
        let local = self.local(at);
        format!(
            "{} {:02}:{:02}:{:02}",
            BusinessDay::of_date(local.date()),
            local.hour(),
            local.minute(),
            local.second()
        )
    }

    /// The instant of a local date (`YYYY-MM-DD`) and time (`HH:MM:SS`) of the past; of a repeated hour, the first.
    ///
    /// # Errors
    /// [`LocalTimeError::Malformed`] for anything else; [`LocalTimeError::Skipped`] for a time that the clocks jumped over.
    pub fn resolve_local(&self, date: &str, time: &str) -> Result<ResolvedLocal, LocalTimeError> {
        let malformed = || LocalTimeError::Malformed(format!("{date} {time}"));
        let day: BusinessDay = date.parse().map_err(|_not_a_day| malformed())?;
        // Neither parts of a second nor its sixtieth, which would be read as the fifty-ninth.
        let clock = time.parse::<Time>().ok().filter(|clock| clock.strftime("%H:%M:%S").to_string() == time);
        let clock = clock.ok_or_else(malformed)?;
        let ambiguous = self.zone.to_ambiguous_timestamp(day.date().to_datetime(clock));
        let repeated = match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => return Err(LocalTimeError::Skipped(format!("{date} {time}"))),
            AmbiguousOffset::Fold { .. } => true,
            AmbiguousOffset::Unambiguous { .. } => false,
        };
        let at = ambiguous.earlier().map_err(|_out_of_range| malformed())?;
        Ok(ResolvedLocal { at: UtcMillis(at.as_millisecond()), repeated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atlanta() -> StoreCalendar {
        StoreCalendar::new("America/New_York", 4).unwrap()
    }

    fn at(text: &str) -> UtcMillis {
        UtcMillis::new(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn before_the_cutover_hour_belongs_to_the_day_before() {
        // 03:59 and 04:00 in Atlanta, winter time.
        assert_eq!(atlanta().business_day(at("2026-11-23T08:59:59Z")).to_string(), "2026-11-22");
        assert_eq!(atlanta().business_day(at("2026-11-23T09:00:00Z")).to_string(), "2026-11-23");
    }

    #[test]
    fn a_clock_beyond_all_calendars_is_in_their_last_days() {
        for far in [253_402_300_800_000, i64::MAX] {
            for zone in ["America/New_York", "Pacific/Kiritimati", "UTC"] {
                let calendar = StoreCalendar::new(zone, 4).unwrap();
                assert_eq!(&calendar.business_day(UtcMillis::new(far)).to_string()[..8], "9999-12-", "{zone}");
                assert_eq!(&calendar.local_text(UtcMillis::new(far))[..8], "9999-12-", "{zone}");
            }
        }
    }

    #[test]
    fn quarters_begin_where_the_year_has_them() {
        let quarter = |text| at(text).quarter() - 4 * 2026;
        assert_eq!([quarter("2026-01-01T00:00:00Z"), quarter("2026-03-31T23:59:59.999Z")], [0, 0]);
        assert_eq!([quarter("2026-04-01T00:00:00Z"), quarter("2026-12-31T23:59:59.999Z")], [1, 3]);
        assert_eq!(quarter("2027-01-01T00:00:00Z"), 4);
    }

    #[test]
    fn a_calendar_is_what_it_was_made_of() {
        let last = StoreCalendar::new("UTC", CUTOVER_HOUR_MAX).unwrap();
        assert_eq!((last.zone_name(), last.cutover_hour()), ("UTC", CUTOVER_HOUR_MAX));
        assert_eq!(last.business_day(at("2026-11-23T11:59:59Z")).to_string(), "2026-11-22");
        assert_eq!(last.business_day(at("2026-11-23T12:00:00Z")).to_string(), "2026-11-23");
        let midnight = StoreCalendar::new("UTC", 0).unwrap();
        assert_eq!(midnight.business_day(at("2026-11-23T00:00:00Z")).to_string(), "2026-11-23");
        assert_eq!(midnight.local_text(at("2026-01-02T03:04:05Z")), "2026-01-02 03:04:05");
        assert_eq!(midnight.local_hour(at("2026-01-02T03:04:05Z")), 3);
        // A Friday, and the Sunday after it.
        assert_eq!(midnight.wall_time(at("2026-01-02T03:04:05Z")), WallTime { weekday: 5, minute: 184 });
        assert_eq!(midnight.wall_time(at("2026-01-04T23:59:59Z")), WallTime { weekday: 7, minute: 1_439 });
    }

    #[test]
    fn days_and_instants_are_counted_from_1970_both_ways() {
        for (days, text) in [(0, "1970-01-01"), (-1, "1969-12-31"), (1, "1970-01-02"), (20_000, "2024-10-04")] {
            assert_eq!(BusinessDay::from_days(days).to_string(), text);
            assert_eq!(text.parse::<BusinessDay>().map(BusinessDay::days), Ok(days));
        }
        assert_eq!(BusinessDay::from_days(-1).month(), "1969-12");
        assert_eq!(UtcMillis::new(1_700_000_000_007).to_string(), "2023-11-14T22:13:20.007Z");
    }

    #[test]
    fn an_evening_sale_stays_on_its_day_though_utc_has_moved_on() {
        assert_eq!(atlanta().business_day(at("2026-11-24T01:30:00Z")).to_string(), "2026-11-23");
        assert_eq!(atlanta().local_hour(at("2026-11-24T01:30:00Z")), 20);
    }

    #[test]
    fn both_daylight_saving_nights_have_one_business_day() {
        // Spring forward 2026-03-08 (23 h), fall back 2026-11-01 (25 h).
        for (from, to, day) in [
            ("2026-03-08T08:00:00Z", "2026-03-09T07:59:59Z", "2026-03-08"),
            ("2026-11-01T09:00:00Z", "2026-11-02T08:59:59Z", "2026-11-01"),
        ] {
            assert_eq!(atlanta().business_day(at(from)).to_string(), day);
            assert_eq!(atlanta().business_day(at(to)).to_string(), day);
        }
    }

    #[test]
    fn a_skipped_local_time_is_refused_and_a_repeated_one_is_the_first() {
        assert!(matches!(atlanta().resolve_local("2023-03-12", "02:30:00"), Err(LocalTimeError::Skipped(_))));
        let repeated = atlanta().resolve_local("2023-11-05", "01:30:00").unwrap();
        assert!(repeated.repeated);
        assert_eq!(repeated.at, at("2023-11-05T05:30:00Z"));
        let plain = atlanta().resolve_local("2023-01-01", "07:06:11").unwrap();
        assert_eq!(atlanta().local_text(plain.at), "2023-01-01 07:06:11");
        assert_eq!((plain.at, plain.repeated), (at("2023-01-01T12:06:11Z"), false));
    }

    #[test]
    fn malformed_days_times_and_zones_are_refused() {
        for (date, time) in [
            ("2023-02-30", "07:00:00"),
            ("2023-1-1", "07:00:00"),
            ("20230101", "07:00:00"),
            ("+002023-01-01", "07:00:00"),
            ("2023-01-01T07:00:00", "07:00:00"),
            ("2023-01-01", "7:00"),
            ("2023-01-01", "07:00"),
            ("2023-01-01", "070000"),
            ("2023-01-01", "07:00:00.5"),
            ("2023-01-01", "25:00:00"),
            ("2023-01-01", "07:00:60"),
        ] {
            assert!(matches!(atlanta().resolve_local(date, time), Err(LocalTimeError::Malformed(_))), "{date} {time}");
        }
        assert!(matches!(StoreCalendar::new("Mars/Olympus", 4), Err(CalendarError::UnknownZone(_))));
        assert!(matches!(StoreCalendar::new("UTC", 13), Err(CalendarError::Cutover(13))));
    }

    #[test]
    fn days_round_trip_through_text() {
        for text in ["1970-01-01", "1969-12-31", "2024-02-29", "2026-11-23"] {
            assert_eq!(text.parse::<BusinessDay>().unwrap().to_string(), text);
        }
        assert_eq!(BusinessDay::from_days(0).month(), "1970-01");
    }
}
