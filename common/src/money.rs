//! Money: whole minor units of one currency. No floats, and no sum that can overflow unseen.

use core::fmt;
use core::str::FromStr;

/// An ISO 4217 currency: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// A text that is not three capital letters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a currency: three capital letters are expected, as in USD (ISO 4217)")]
pub struct CurrencyParseError(String);

impl Currency {
    /// United States dollar.
    pub const USD: Self = Self(*b"USD");

    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// Digits after the decimal point of an amount in this currency (ISO 4217, read 2026-11: JPY, KRW and
    /// CLP have none, BHD, KWD and TND have three; all others that a shop meets have two).
    #[must_use]
    pub fn minor_digits(&self) -> u32 {
        match &self.0 {
            b"JPY" | b"KRW" | b"CLP" | b"ISK" | b"VND" => 0,
            b"BHD" | b"KWD" | b"TND" | b"OMR" | b"JOD" => 3,
            _other => 2,
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = CurrencyParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            Ok(_) | Err(_) => Err(CurrencyParseError(text.to_owned())),
        }
    }
}

/// A sum or product that does not fit into 64 bits of minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount of money is out of range")]
pub struct MoneyOverflow;

/// Whole minor units (cents); the currency is told by whoever holds it: a ticket has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Minor(i64);

impl Minor {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Wraps a number of minor units.
    #[must_use]
    pub const fn new(units: i64) -> Self {
        Self(units)
    }

    /// The number of minor units.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyOverflow`] if it does not fit.
    pub fn plus(self, other: Self) -> Result<Self, MoneyOverflow> {
        self.0.checked_add(other.0).map(Self).ok_or(MoneyOverflow)
    }

    /// The difference.
    ///
    /// # Errors
    /// [`MoneyOverflow`] if it does not fit.
    pub fn minus(self, other: Self) -> Result<Self, MoneyOverflow> {
        self.0.checked_sub(other.0).map(Self).ok_or(MoneyOverflow)
    }

    /// This amount `count` times.
    ///
    /// # Errors
    /// [`MoneyOverflow`] if it does not fit.
    pub fn times(self, count: i64) -> Result<Self, MoneyOverflow> {
        self.0.checked_mul(count).map(Self).ok_or(MoneyOverflow)
    }

    /// The sum of many.
    ///
    /// # Errors
    /// [`MoneyOverflow`] if it does not fit.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyOverflow> {
        amounts.into_iter().try_fold(Self::ZERO, Self::plus)
    }

    /// The amount with its decimal point, without a currency sign: `-12.05`.
    #[must_use]
    pub fn to_decimal(self, currency: Currency) -> String {
        let digits = currency.minor_digits();
        let sign = if self.0 < 0 { "-" } else { "" };
        let units = self.0.unsigned_abs();
        let scale = 10_u64.pow(digits);
        if digits == 0 {
            return format!("{sign}{units}");
        }
        let width = digits as usize;
        format!("{sign}{}.{:0width$}", units / scale, units % scale)
    }
}

/// A decimal amount that cannot be taken as whole minor units.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not digits with at most one point.
    #[error("{0:?} is not an amount: digits with at most one decimal point are expected, as in 3.75")]
    Malformed(String),
    /// Digits beyond the currency's minor unit that are not zero.
    #[error("{text:?} has a fraction of a minor unit: {currency} has {digits} decimals")]
    TooFine {
        /// What was read.
        text: String,
        /// The currency it was read in.
        currency: Currency,
        /// Decimals of that currency.
        digits: u32,
    },
    /// Does not fit.
    #[error("{0:?} is out of range")]
    OutOfRange(String),
}

impl Minor {
    /// Reads a decimal amount such as `3.75` or `.8` exactly; never by way of a float.
    ///
    /// # Errors
    /// [`DecimalError::Malformed`] for anything but an optional sign, digits and one point;
    /// [`DecimalError::TooFine`] if digits beyond the minor unit are not zero; [`DecimalError::OutOfRange`] beyond 64 bits.
    pub fn from_decimal(text: &str, currency: Currency) -> Result<Self, DecimalError> {
        let digits = currency.minor_digits();
        scaled(text, digits).map(Self).map_err(|error| match error {
            Unscaled::Malformed => DecimalError::Malformed(text.to_owned()),
            Unscaled::TooFine => DecimalError::TooFine { text: text.to_owned(), currency, digits },
            Unscaled::OutOfRange => DecimalError::OutOfRange(text.to_owned()),
        })
    }
}

/// Why a decimal is no whole number of small parts.
enum Unscaled {
    Malformed,
    TooFine,
    OutOfRange,
}

/// Reads an optional sign, digits and one point, as a whole number of parts of which ten to the power of `digits` are one.
fn scaled(text: &str, digits: u32) -> Result<i64, Unscaled> {
    let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(Unscaled::Malformed);
    }
    let width = digits as usize;
    let kept: String = fraction.chars().chain(core::iter::repeat('0')).take(width).collect();
    if fraction.chars().skip(width).any(|digit| digit != '0') {
        return Err(Unscaled::TooFine);
    }
    let read: Result<i64, _> = format!("{whole}{kept}").parse();
    read.map(|units| sign * units).map_err(|_too_large| Unscaled::OutOfRange)
}

/// A percentage that is no whole number of millionths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PercentError {
    /// Not digits with at most one point.
    #[error("{0:?} is not a percentage: digits with at most one decimal point are expected, as in 8.9")]
    Malformed(String),
    /// Digits beyond a millionth of the whole that are not zero.
    #[error("{0:?} is finer than a rate can be: a percentage has 4 decimals")]
    TooFine(String),
    /// Below nothing, or beyond 32 bits.
    #[error("{0:?} is out of range")]
    OutOfRange(String),
}

/// Decimals of a percentage in millionths of the whole.
const PERCENT_DECIMALS: u32 = 4;

/// A rate in millionths: 89 000 is 8.9 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroRate(u32);

impl MicroRate {
    /// The whole, in millionths.
    pub const WHOLE: u32 = 1_000_000;

    /// Wraps a rate in millionths.
    #[must_use]
    pub const fn new(millionths: u32) -> Self {
        Self(millionths)
    }

    /// The rate in millionths.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Reads a percentage such as `8.9` exactly; never by way of a float.
    ///
    /// # Errors
    /// [`PercentError`] for anything but digits and one point, for a part of a millionth, and for what does not fit.
    pub fn from_percent(text: &str) -> Result<Self, PercentError> {
        let millionths = scaled(text, PERCENT_DECIMALS).map_err(|error| match error {
            Unscaled::Malformed => PercentError::Malformed(text.to_owned()),
            Unscaled::TooFine => PercentError::TooFine(text.to_owned()),
            Unscaled::OutOfRange => PercentError::OutOfRange(text.to_owned()),
        })?;
        u32::try_from(millionths).map(Self).map_err(|_too_large| PercentError::OutOfRange(text.to_owned()))
    }

    /// The rate as a percentage, with the decimals that it needs: `8.9`.
    #[must_use]
    pub fn to_percent(self) -> String {
        let one = 10_u32.pow(PERCENT_DECIMALS);
        let text = format!("{}.{:04}", self.0 / one, self.0 % one);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// This rate of `amount`, rounded to the minor unit, halves away from zero.
    ///
    /// For dollars this is Georgia's rule (Ga. R. 560-12-1-.05, read 2026-11): carry to the third decimal, and round
    /// up when it is more than four. Half a cent is a third decimal of five, so both say the same.
    ///
    /// # Errors
    /// [`MoneyOverflow`] if the result does not fit.
    pub fn of(self, amount: Minor) -> Result<Minor, MoneyOverflow> {
        let whole = i128::from(Self::WHOLE);
        let product = i128::from(amount.get()) * i128::from(self.0);
        let half = if product < 0 { -whole / 2 } else { whole / 2 };
        i64::try_from((product + half) / whole).map(Minor).map_err(|_too_large| MoneyOverflow)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn georgia_example_both_ways() {
        // $19.65 and $3.56 at 7 %: $1.63 by item, $1.62 by invoice.
        let rate = MicroRate::new(70_000);
        let by_item = [1965, 356].map(|cents| rate.of(Minor::new(cents)).unwrap().get());
        assert_eq!(by_item.iter().sum::<i64>(), 163);
        assert_eq!(rate.of(Minor::new(1965 + 356)).unwrap().get(), 162);
    }

    #[test]
    fn decimals_are_read_exactly_or_refused() {
        let read = |text: &str| Minor::from_decimal(text, Currency::USD);
        assert_eq!(read("3.00"), Ok(Minor::new(300)));
        assert_eq!(read("3"), Ok(Minor::new(300)));
        assert_eq!(read(".8"), Ok(Minor::new(80)));
        assert_eq!(read("0.8000"), Ok(Minor::new(80)));
        assert_eq!(read("-1.05"), Ok(Minor::new(-105)));
        assert!(matches!(read("3.105"), Err(DecimalError::TooFine { .. })));
        assert!(matches!(read("99999999999999999999"), Err(DecimalError::OutOfRange(_))));
        for bad in ["", ".", "-", "$3", "3,00", "1e3", "3.0.0", "NaN", " 3"] {
            assert!(matches!(read(bad), Err(DecimalError::Malformed(_))), "{bad:?}");
        }
    }

    #[test]
    fn percentages_are_read_exactly_or_refused() {
        let read = |text: &str| MicroRate::from_percent(text);
        for (text, millionths) in [("8.9", 89_000), ("0", 0), ("100", 1_000_000), ("8.87500", 88_750), ("0.0001", 1)] {
            assert_eq!(read(text), Ok(MicroRate::new(millionths)), "{text}");
        }
        assert!(matches!(read("8.87501"), Err(PercentError::TooFine(_))));
        assert!(
            ["-1", "429497", "99999999999999999999"]
                .iter()
                .all(|it| matches!(read(it), Err(PercentError::OutOfRange(_))))
        );
        for bad in ["", ".", "8.9%", "8,9", "1e1", "+8"] {
            assert!(matches!(read(bad), Err(PercentError::Malformed(_))), "{bad:?}");
        }
    }

    #[test]
    fn every_currency_has_its_own_number_of_decimals() {
        for (currency, minor, text) in [
            ("USD", 1_205, "12.05"),
            ("USD", 0, "0.00"),
            ("USD", -5, "-0.05"),
            ("JPY", 1_205, "1205"),
            ("JPY", -5, "-5"),
            ("KRW", 7, "7"),
            ("VND", 7, "7"),
            ("KWD", 1_205, "1.205"),
            ("OMR", -1, "-0.001"),
        ] {
            let currency: Currency = currency.parse().unwrap();
            assert_eq!(Minor::new(minor).to_decimal(currency), text);
            assert_eq!(Minor::from_decimal(text, currency), Ok(Minor::new(minor)));
        }
        let yen: Currency = "JPY".parse().unwrap();
        assert!(matches!(Minor::from_decimal("1.5", yen), Err(DecimalError::TooFine { digits: 0, .. })));
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        let half = MicroRate::new(500_000);
        for (amount, tax) in [(0, 0), (1, 1), (2, 1), (3, 2), (-1, -1), (-2, -1), (-3, -2)] {
            assert_eq!(half.of(Minor::new(amount)), Ok(Minor::new(tax)), "half of {amount}");
        }
        // A millionth less than half a cent is nothing.
        assert_eq!(MicroRate::new(499_999).of(Minor::new(1)), Ok(Minor::ZERO));
        assert_eq!(MicroRate::new(499_999).of(Minor::new(-1)), Ok(Minor::ZERO));
        assert_eq!(MicroRate::new(MicroRate::WHOLE).of(Minor::new(i64::MAX)), Ok(Minor::new(i64::MAX)));
        assert_eq!(MicroRate::new(MicroRate::WHOLE * 2).of(Minor::new(i64::MAX)), Err(MoneyOverflow));
    }

    #[test]
    fn currencies_are_three_capital_letters() {
        assert_eq!("USD".parse(), Ok(Currency::USD));
        for bad in ["usd", "US", "USDX", "U$D", ""] {
            assert!(bad.parse::<Currency>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn decimal_text_round_trips(units in any::<i32>()) {
            let amount = Minor::new(i64::from(units));
            prop_assert_eq!(Minor::from_decimal(&amount.to_decimal(Currency::USD), Currency::USD), Ok(amount));
        }

        #[test]
        fn percentages_round_trip(millionths in any::<u32>()) {
            let rate = MicroRate::new(millionths);
            prop_assert_eq!(MicroRate::from_percent(&rate.to_percent()), Ok(rate));
        }

        #[test]
        fn a_rate_is_within_half_a_minor_unit(units in -1_000_000_i64..1_000_000, millionths in 0_u32..2_000_000) {
            let tax = MicroRate::new(millionths).of(Minor::new(units)).unwrap().get();
            let error_micro = i128::from(tax) * 1_000_000 - i128::from(units) * i128::from(millionths);
            prop_assert!(error_micro.abs() <= 500_000);
        }

        #[test]
        fn overflow_is_an_error_never_a_wrap(a in any::<i64>(), b in any::<i64>()) {
            prop_assert_eq!(Minor::new(a).plus(Minor::new(b)).map(Minor::get).ok(), a.checked_add(b));
            prop_assert_eq!(Minor::new(a).minus(Minor::new(b)).map(Minor::get).ok(), a.checked_sub(b));
            prop_assert_eq!(Minor::new(a).times(b).map(Minor::get).ok(), a.checked_mul(b));
        }
    }
}
