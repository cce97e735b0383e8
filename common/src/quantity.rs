//! Amounts of stock: whole base units. Grams and millilitres are for display only.

use core::fmt;
use core::str::FromStr;

/// The base unit that a stock item is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Pieces.
    Each,
    /// Milligrams.
    Milligram,
    /// Microlitres.
    Microlitre,
}

/// A text that names no unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a unit: each, mg or ul is expected")]
pub struct UnitParseError(String);

impl Unit {
    /// The short name: `each`, `mg` or `ul`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::Milligram => "mg",
            Self::Microlitre => "ul",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Unit {
    type Err = UnitParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Each, Self::Milligram, Self::Microlitre]
            .into_iter()
            .find(|unit| unit.as_str() == text)
            .ok_or_else(|| UnitParseError(text.to_owned()))
    }
}

/// A signed amount in the base unit of its stock item: what comes in is positive, what goes out negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(i64);

impl Quantity {
    /// Wraps a number of base units.
    #[must_use]
    pub const fn new(base_units: i64) -> Self {
        Self(base_units)
    }

    /// The number of base units.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_by_the_names_that_they_are_written_with() {
        for (unit, name) in [(Unit::Each, "each"), (Unit::Milligram, "mg"), (Unit::Microlitre, "ul")] {
            assert_eq!((unit.as_str(), unit.to_string().as_str(), name.parse()), (name, name, Ok(unit)));
        }
        assert_eq!("g".parse::<Unit>(), Err(UnitParseError("g".to_owned())));
    }
}
