//! What a scanner reads: trade item numbers (GTIN-8, 12, 13 and 14), bare or within a GS1 Digital Link.
//!
//! Formats: GS1 General Specifications (check digit) and GS1 Digital Link URI Syntax, read 2026-11.

use core::fmt;
use core::str::FromStr;

/// Lengths that a trade item number is written in.
const LENGTHS: [usize; 4] = [8, 12, 13, 14];
/// Longest text that a scanner may send, in bytes.
pub const SCAN_BYTES_MAX: usize = 512;
/// Longest lot of a Digital Link, in characters.
const LOT_CHARS_MAX: usize = 20;

/// A global trade item number, whatever length it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtin(u64);

/// A text that names no trade item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BarcodeError {
    /// Not 8, 12, 13 or 14 digits, and no Digital Link that holds such.
    #[error("a barcode has 8, 12, 13 or 14 digits, or is a link with /01/ and 14 digits")]
    Malformed,
    /// The last digit does not fit the others: misread or mistyped.
    #[error("the barcode's check digit should be {expected}: scan it again")]
    CheckDigit {
        /// What it should be.
        expected: u8,
    },
}

/// What was scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Which trade item.
    pub gtin: Gtin,
    /// Its lot, where the code says it.
    pub lot: Option<String>,
}

impl Gtin {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:014}", self.0)
    }
}

impl FromStr for Gtin {
    type Err = BarcodeError;

    fn from_str(text: &str) -> Result<Self, BarcodeError> {
        if !LENGTHS.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BarcodeError::Malformed);
        }
        let number: u64 = text.parse().map_err(|_not_a_number| BarcodeError::Malformed)?;
        let expected = check_digit(number / 10);
        if u64::from(expected) == number % 10 { Ok(Self(number)) } else { Err(BarcodeError::CheckDigit { expected }) }
    }
}

/// The check digit of a number without it: from the right, digits count three and one in turn.
fn check_digit(body: u64) -> u8 {
    let (mut rest, mut weight, mut sum) = (body, 3, 0);
    while rest > 0 {
        sum += rest % 10 * weight;
        weight = 4 - weight;
        rest /= 10;
    }
    u8::try_from((10 - sum % 10) % 10).unwrap_or(0)
}

/// Reads what a scanner sends: digits, or a link such as `https://id.gs1.org/01/09506000134352/10/ABC`.
///
/// # Errors
/// [`BarcodeError`].
pub fn scan(text: &str) -> Result<Scanned, BarcodeError> {
    let text = text.trim();
    if text.len() > SCAN_BYTES_MAX {
        return Err(BarcodeError::Malformed);
    }
    let Some((_scheme, rest)) = text.split_once("://") else {
        return Ok(Scanned { gtin: text.parse()?, lot: None });
    };
    let path = rest.split(['?', '#']).next().unwrap_or(rest);
    let mut parts = path.split('/').skip(1);
    let gtin = parts.by_ref().find(|part| *part == "01").and_then(|_key| parts.next());
    let gtin = gtin.filter(|digits| digits.len() == 14).ok_or(BarcodeError::Malformed)?.parse()?;
    let lot = parts.find(|part| *part == "10").and_then(|_key| parts.next());
    let plain = |lot: &&str| lot.len() <= LOT_CHARS_MAX && lot.bytes().all(|byte| byte.is_ascii_alphanumeric());
    Ok(Scanned { gtin, lot: lot.filter(plain).map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_four_lengths_are_read_and_mean_the_same_item() {
        // GS1's own examples.
        for text in ["96385074", "614141000036", "9506000134352", "09506000134352"] {
            let gtin: Gtin = text.parse().unwrap();
            assert_eq!(gtin.get(), text.parse::<u64>().unwrap());
            assert_eq!(gtin.to_string().parse(), Ok(gtin), "padded to fourteen it is the same");
        }
    }

    #[test]
    fn a_misread_digit_and_other_texts_are_refused() {
        assert_eq!("9506000134353".parse::<Gtin>(), Err(BarcodeError::CheckDigit { expected: 2 }));
        for text in ["", "950600013435", "95060001343521234", "950600013435x", "-6385074"] {
            assert!(text.parse::<Gtin>().is_err(), "{text}");
        }
    }

    #[test]
    fn digital_links_are_read_with_their_lot() {
        let scanned = scan("https://id.gs1.org/01/09506000134352/10/ABC123?17=270101").unwrap();
        assert_eq!((scanned.gtin.get(), scanned.lot.as_deref()), (9_506_000_134_352, Some("ABC123")));
        let bare = scan("https://beans.example/shop/01/09506000134352").unwrap();
        assert_eq!((bare.gtin.get(), bare.lot), (9_506_000_134_352, None));
        assert_eq!(scan(" 96385074 ").unwrap().gtin.get(), 96_385_074);
        for text in ["https://id.gs1.org/01/9506000134352", "https://id.gs1.org/", "https://id.gs1.org/01/x"] {
            assert_eq!(scan(text), Err(BarcodeError::Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_single_wrong_digit_is_noticed(body in 0_u64..10_000_000_000_000, at in 0_usize..14, by in 1_u8..10) {
            let right = format!("{:014}", body * 10 + u64::from(check_digit(body)));
            prop_assert!(right.parse::<Gtin>().is_ok());
            let mut wrong = right.into_bytes();
            wrong[at] = b'0' + (wrong[at] - b'0' + by) % 10;
            prop_assert!(String::from_utf8(wrong).unwrap().parse::<Gtin>().is_err());
        }
    }
}
