//! When something is on the menu, by the shop's own clock, and over which channel.

pub use crate::time::WallTime;

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;

/// By which way a guest orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// At the till.
    Counter,
    /// On the web, ahead.
    Web,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Counter, Self::Web];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Web => "web",
        }
    }
}

/// A span of the shop's clock on some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Days: the lowest bit is Monday, the seventh Sunday. It is the day on which the span begins.
    pub weekdays: u8,
    /// First minute, counted from midnight.
    pub from_minute: u16,
    /// First minute that is outside again; no later than `from_minute` means on the next day.
    pub until_minute: u16,
}

impl Span {
    /// Every day of the week.
    pub const EVERY_DAY: u8 = 0b111_1111;

    /// Whether it holds a moment.
    #[must_use]
    pub fn holds(&self, at: WallTime) -> bool {
        let on = |weekday: u8| (1..=7).contains(&weekday) && self.weekdays & (1 << (weekday - 1)) != 0;
        let day_before = if at.weekday == 1 { 7 } else { at.weekday.saturating_sub(1) };
        let over_midnight = self.until_minute <= self.from_minute;
        if over_midnight {
            (on(at.weekday) && at.minute >= self.from_minute) || (on(day_before) && at.minute < self.until_minute)
        } else {
            on(at.weekday) && (self.from_minute..self.until_minute).contains(&at.minute)
        }
    }

    /// Whether it says anything sensible.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.weekdays != 0
            && self.weekdays <= Self::EVERY_DAY
            && self.from_minute < DAY_MINUTES
            && self.until_minute <= DAY_MINUTES
    }
}

/// When and where an item is offered. Nothing said is always and everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Availability {
    /// Over these channels only.
    pub channels: Vec<Channel>,
    /// At these times only.
    pub spans: Vec<Span>,
}

impl Availability {
    /// Whether it is offered then and there.
    #[must_use]
    pub fn offers(&self, channel: Channel, at: WallTime) -> bool {
        let here = self.channels.is_empty() || self.channels.contains(&channel);
        here && (self.spans.is_empty() || self.spans.iter().any(|span| span.holds(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(weekday: u8, minute: u16) -> WallTime {
        WallTime { weekday, minute }
    }

    #[test]
    fn a_span_begins_with_its_first_minute_and_ends_before_its_last() {
        let breakfast = Span { weekdays: 0b001_1111, from_minute: 420, until_minute: 660 };
        assert!(breakfast.holds(at(1, 420)) && breakfast.holds(at(5, 659)));
        assert!(!breakfast.holds(at(1, 419)) && !breakfast.holds(at(1, 660)) && !breakfast.holds(at(6, 500)));
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let friday_night = Span { weekdays: 0b001_0000, from_minute: 1_320, until_minute: 120 };
        assert!(friday_night.holds(at(5, 1_320)) && friday_night.holds(at(6, 119)));
        assert!(!friday_night.holds(at(5, 60)) && !friday_night.holds(at(6, 120)) && !friday_night.holds(at(6, 1_400)));
        let sunday_night = Span { weekdays: 0b100_0000, ..friday_night };
        assert!(sunday_night.holds(at(1, 0)), "Sunday's night is Monday's morning");
        let all_day = Span { weekdays: Span::EVERY_DAY, from_minute: 0, until_minute: DAY_MINUTES };
        assert!(all_day.holds(at(3, 0)) && all_day.holds(at(3, 1_439)));
    }

    #[test]
    fn spans_that_say_nothing_sensible_are_told() {
        let sound = Span { weekdays: 1, from_minute: 0, until_minute: DAY_MINUTES };
        assert!(sound.is_sound());
        assert!(!Span { weekdays: 0, ..sound }.is_sound() && !Span { weekdays: 128, ..sound }.is_sound());
        assert!(!Span { from_minute: DAY_MINUTES, ..sound }.is_sound());
        assert!(!Span { until_minute: DAY_MINUTES + 1, ..sound }.is_sound());
    }

    #[test]
    fn channels_and_times_both_count() {
        let web_mornings = Availability {
            channels: vec![Channel::Web],
            spans: vec![Span { weekdays: Span::EVERY_DAY, from_minute: 360, until_minute: 660 }],
        };
        assert!(web_mornings.offers(Channel::Web, at(2, 400)));
        assert!(!web_mornings.offers(Channel::Counter, at(2, 400)) && !web_mornings.offers(Channel::Web, at(2, 700)));
        assert!(Channel::ALL.iter().all(|channel| Availability::default().offers(*channel, at(7, 3))));
    }
}
