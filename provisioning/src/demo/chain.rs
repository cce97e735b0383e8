//! The demo chain, from the files beside the sources: its shops, its day, its menu.

use percolate_common::money::Currency;
use serde::Deserialize;

/// The menu that the hub publishes.
pub const MENU: &str = include_str!("../../demo/menu.json");
const STORES: &str = include_str!("../../demo/stores.json");
const HOURS: &str = include_str!("../../demo/hours.json");

/// One shop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoStore {
    /// Store number.
    pub id: u32,
    /// What people call it.
    pub name: String,
    /// Number of its box.
    pub node: u32,
    /// IANA zone.
    pub zone: String,
    /// What it sells in.
    pub currency: String,
    /// Hour at which its trading day ends.
    pub cutover_hour: u8,
    /// How busy it is, compared with the others.
    pub weight: u64,
}

/// How a day goes: when people come, and how much they buy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayProfile {
    /// Where the figures are from.
    pub source: String,
    /// How many lines they were counted on.
    pub lines_counted: u64,
    /// The open hours in order, without a gap.
    pub hours: Vec<HourShare>,
    /// Lines of a thousand baskets.
    pub lines_per_basket_per_mille: u64,
    /// Units of a thousand lines.
    pub units_per_line_per_mille: u64,
}

/// One hour's part of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HourShare {
    /// From this hour on the wall.
    pub hour: u32,
    /// Lines that were counted in it.
    pub lines: u64,
    /// The same as a part of a thousand.
    pub per_mille: u64,
}

/// The demo chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoChain {
    /// Its shops, in order.
    pub stores: Vec<DemoStore>,
    /// Its day.
    pub day: DayProfile,
    /// What it sells in.
    pub currency: Currency,
}

impl DemoChain {
    /// Reads the files that are part of the program.
    ///
    /// # Panics
    /// Never: a test reads the same files.
    #[must_use]
    pub fn load() -> Self {
        let stores = serde_json::from_str(STORES).expect("invariant: stores.json is read by a test");
        let day = serde_json::from_str(HOURS).expect("invariant: hours.json is read by a test");
        Self { stores, day, currency: Currency::USD }
    }

    /// How many shops there are.
    #[must_use]
    pub fn stores_max() -> u64 {
        Self::load().stores.len() as u64
    }
}

impl DayProfile {
    /// The hour at which the doors open.
    #[must_use]
    pub fn opens(&self) -> u32 {
        self.hours.first().map_or(0, |share| share.hour)
    }

    /// The part of the day before this hour.
    #[must_use]
    pub fn until(mut self, hour: u32) -> Self {
        self.hours.retain(|share| share.hour < hour);
        self.lines_counted = self.hours.iter().map(|share| share.lines).sum();
        self
    }

    /// The hour at which they close.
    #[must_use]
    pub fn closes(&self) -> u32 {
        self.hours.last().map_or(24, |share| share.hour + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use percolate_common::time::StoreCalendar;

    use super::*;

    #[test]
    fn the_files_describe_ten_different_shops_and_a_whole_day() {
        let chain = DemoChain::load();
        assert_eq!(chain.stores.len(), 10);
        let distinct = |part: fn(&DemoStore) -> String| chain.stores.iter().map(part).collect::<BTreeSet<_>>().len();
        assert_eq!(
            (distinct(|s| s.id.to_string()), distinct(|s| s.node.to_string()), distinct(|s| s.name.clone())),
            (10, 10, 10)
        );
        for store in &chain.stores {
            StoreCalendar::new(&store.zone, store.cutover_hour).unwrap();
            assert_eq!((store.currency.as_str(), store.weight > 0), ("USD", true));
        }
        assert_eq!((chain.day.opens(), chain.day.closes()), (6, 21));
        assert!(chain.day.hours.windows(2).all(|two| two[1].hour == two[0].hour + 1));
        assert_eq!(chain.day.hours.iter().map(|share| share.lines).sum::<u64>(), chain.day.lines_counted);
        let morning = chain.day.clone().until(11);
        assert_eq!((morning.opens(), morning.closes()), (6, 11));
        assert_eq!(morning.hours.iter().map(|share| share.lines).sum::<u64>(), morning.lines_counted);
    }
}
