//! Receipt numbers: `<terminal>-<series>-<n>`, gapless from 1 within a series.
//!
//! A series belongs to one terminal and one life of one node's database, and is opened by an event. A number can
//! therefore not be used twice, and a gap inside a series is a loss.

use core::fmt;
use core::str::FromStr;

use crate::journal::Incarnation;

/// A terminal's name: 1 to 8 capital letters and digits, as in `T1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalName(String);

/// A series: 1 to 7 capital letters, as in `A`, or `BKQX` after a new life; `TRN` and `TRNBKQX` are practice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series(String);

/// Longest terminal name, in characters.
pub const TERMINAL_CHARS_MAX: usize = 8;
/// Longest series name, in characters.
pub const SERIES_CHARS_MAX: usize = 7;

/// Letters of the alphabet.
const LETTERS: u64 = 26;

/// A text that is no part of a receipt number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptParseError {
    /// Not a terminal's name.
    #[error(
        "{0:?} is not a terminal name: 1 to {TERMINAL_CHARS_MAX} capital letters and digits are expected, as in T1"
    )]
    Terminal(String),
    /// Not a series.
    #[error("{0:?} is not a series: 1 to {SERIES_CHARS_MAX} capital letters are expected, as in A")]
    Series(String),
    /// Not a whole receipt number.
    #[error("{0:?} is not a receipt number: <terminal>-<series>-<n> is expected, as in T1-A-17")]
    Receipt(String),
}

impl FromStr for TerminalName {
    type Err = ReceiptParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = (1..=TERMINAL_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if well_formed { Ok(Self(text.to_owned())) } else { Err(ReceiptParseError::Terminal(text.to_owned())) }
    }
}

impl fmt::Display for TerminalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Series {
    type Err = ReceiptParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = (1..=SERIES_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase());
        if well_formed { Ok(Self(text.to_owned())) } else { Err(ReceiptParseError::Series(text.to_owned())) }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Series {
    /// The series of a box's first life.
    #[must_use]
    pub fn first() -> Self {
        Self("A".to_owned())
    }

    /// The series of a later life: the letter of its number, counted from 0, and three letters of its incarnation, so that
    /// two copies of one disk, each of which counts for itself, do not print the same receipt.
    #[must_use]
    pub fn of_life(number: u32, incarnation: Incarnation) -> Self {
        let letter = |value: u64| char::from(b'A' + u8::try_from(value % LETTERS).unwrap_or(0));
        let code = incarnation.get();
        let letters = [u64::from(number), code, code / LETTERS, code / LETTERS / LETTERS].map(letter);
        Self(letters.into_iter().collect())
    }

    /// The series of practice tickets in the life whose real ones are of this series.
    #[must_use]
    pub fn training(&self) -> Self {
        let life = if *self == Self::first() { "" } else { &self.0 };
        Self(format!("TRN{life}"))
    }
}

/// A whole receipt number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptNumber {
    /// Which terminal.
    pub terminal: TerminalName,
    /// Which series.
    pub series: Series,
    /// 1 and up.
    pub number: u64,
}

impl fmt::Display for ReceiptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.terminal, self.series, self.number)
    }
}

impl FromStr for ReceiptNumber {
    type Err = ReceiptParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ReceiptParseError::Receipt(text.to_owned());
        let mut parts = text.splitn(3, '-');
        let (terminal, series, number) = (parts.next(), parts.next(), parts.next());
        let (Some(terminal), Some(series), Some(digits)) = (terminal, series, number) else { return Err(refused()) };
        // One receipt has one spelling: no sign, no leading zero, and none is the zeroth.
        let number = digits.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == digits);
        Ok(Self { terminal: terminal.parse()?, series: series.parse()?, number: number.ok_or_else(refused)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_has_one_spelling() {
        for other in ["T1-A-+17", "T1-A-017", "T1-A-0", "T1-A-", "T1-A- 17", "T1-A-18446744073709551616"] {
            assert!(other.parse::<ReceiptNumber>().is_err(), "{other}");
        }
    }

    #[test]
    fn receipts_round_trip() {
        let receipt: ReceiptNumber = "T1-A-17".parse().unwrap();
        assert_eq!(receipt.to_string(), "T1-A-17");
        assert_eq!(receipt.number, 17);
    }

    #[test]
    fn every_life_has_a_series_of_its_own_that_is_well_formed_and_never_practice() {
        let series = [(1, 0), (1, 25), (1, 26), (1, 17_575), (2, 0), (27, u64::MAX)]
            .map(|(number, code)| Series::of_life(number, Incarnation::new(code)).to_string());
        assert_eq!(series[..5], ["BAAA", "BZAA", "BABA", "BZZZ", "CAAA"]);
        for text in series {
            let series = text.parse::<Series>().unwrap();
            assert_eq!(series.to_string(), text);
            assert_eq!(series.training().to_string().parse(), Ok(series.training()));
            assert_eq!(series.training().to_string(), format!("TRN{text}"));
        }
        assert_eq!(Series::first().training().to_string(), "TRN");
    }

    #[test]
    fn names_have_a_form() {
        for bad in ["", "t1", "TERMINAL9", "T-1", "T 1", "T\u{e9}"] {
            assert!(bad.parse::<TerminalName>().is_err(), "{bad:?}");
        }
        for bad in ["", "a", "ABCDEFGH", "A1"] {
            assert!(bad.parse::<Series>().is_err(), "{bad:?}");
        }
        for bad in ["T1", "T1-A", "T1-A-x", "T1-A-1-2"] {
            assert!(bad.parse::<ReceiptNumber>().is_err(), "{bad:?}");
        }
    }
}
