//! Where something is prepared: a category says its station, and an item may say another one, or that nothing is to be done.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeSet;

use super::Draft;
use crate::ids::ItemId;

/// Longest name of a station, in bytes.
const STATION_BYTES_MAX: usize = 16;
/// The word of an item of which nothing is to be prepared, whatever its category says. No station has this name.
const NOWHERE: &str = "none";

/// A place in a shop where something is prepared, as `bar`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Station(String);

/// A text that is not a station's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a station's name has 1 to {STATION_BYTES_MAX} small letters, digits and hyphens, and is not {NOWHERE}")]
pub struct StationError;

impl Station {
    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Station {
    type Err = StationError;

    fn from_str(text: &str) -> Result<Self, StationError> {
        let is_sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let sound = (1..=STATION_BYTES_MAX).contains(&text.len()) && text != NOWHERE && text.bytes().all(is_sign);
        if sound { Ok(Self(text.to_owned())) } else { Err(StationError) }
    }
}

/// What an item itself says of where it is prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemStation {
    /// Nothing is to be prepared.
    Nowhere,
    /// There.
    At(Station),
}

impl ItemStation {
    /// Its word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Nowhere => NOWHERE,
            Self::At(station) => station.as_str(),
        }
    }
}

impl FromStr for ItemStation {
    type Err = StationError;

    fn from_str(text: &str) -> Result<Self, StationError> {
        if text == NOWHERE { Ok(Self::Nowhere) } else { text.parse().map(Self::At) }
    }
}

impl Draft {
    /// Where an item is prepared: where it says itself, and else where its category says; none if nothing is to be done.
    #[must_use]
    pub fn station_of(&self, item: ItemId) -> Option<&Station> {
        let item = self.items.get(&item)?;
        match &item.details.station {
            Some(ItemStation::Nowhere) => None,
            Some(ItemStation::At(station)) => Some(station),
            None => self.categories.get(&item.category)?.station.as_ref(),
        }
    }

    /// All stations at which something is prepared, by name.
    #[must_use]
    pub fn stations(&self) -> BTreeSet<&Station> {
        self.items.keys().filter_map(|item| self.station_of(*item)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::tests::small_menu;
    use crate::ids::CategoryId;

    #[test]
    fn an_item_is_prepared_where_it_says_and_else_where_its_category_says() {
        let mut menu = small_menu().content;
        let (espresso, latte, bag) = (ItemId::new(101), ItemId::new(102), ItemId::new(201));
        let of = |menu: &Draft, item| menu.station_of(item).map(ToString::to_string);
        assert_eq!((of(&menu, espresso), menu.stations().len()), (None, 0), "a menu of before has no stations");
        menu.categories.get_mut(&CategoryId::new(1)).unwrap().station = Some("bar".parse().unwrap());
        menu.items.get_mut(&latte).unwrap().details.station = Some("none".parse().unwrap());
        menu.items.get_mut(&bag).unwrap().details.station = Some("kitchen".parse().unwrap());
        assert_eq!(of(&menu, espresso).as_deref(), Some("bar"));
        assert_eq!(of(&menu, latte), None, "it says so itself");
        assert_eq!(of(&menu, bag).as_deref(), Some("kitchen"));
        assert_eq!(of(&menu, ItemId::new(999)), None);
        assert_eq!(menu.stations().into_iter().map(Station::as_str).collect::<Vec<_>>(), ["bar", "kitchen"]);
    }

    #[test]
    fn a_station_has_a_plain_name() {
        for text in ["bar", "k2", "cold-bar", "sixteen-letters1"] {
            assert_eq!(text.parse::<Station>().unwrap().as_str(), text);
            assert_eq!(text.parse::<ItemStation>().unwrap().as_str(), text);
        }
        for text in ["", "Bar", "the bar", "seventeen-letters", "b\u{fc}ro", "none"] {
            assert_eq!(text.parse::<Station>(), Err(StationError), "{text}");
        }
        assert_eq!("none".parse(), Ok(ItemStation::Nowhere));
        assert_eq!(ItemStation::Nowhere.as_str(), "none");
    }
}
