//! Figures for people: grouped by thousands, money with its sign, plurals.

use percolate_common::money::{Currency, Minor};

/// A whole number with commas between thousands.
#[must_use]
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", group(&digits))
}

fn group(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount with its currency: `$1,234.50`, `-$0.05`, `1,234.50 EUR`.
#[must_use]
pub fn money(amount: Minor, currency: Currency) -> String {
    let decimal = amount.to_decimal(currency);
    let (sign, unsigned) = decimal.strip_prefix('-').map_or(("", decimal.as_str()), |rest| ("-", rest));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let point = if fraction.is_empty() { "" } else { "." };
    let text = format!("{}{point}{fraction}", group(whole));
    if currency == Currency::USD { format!("{sign}${text}") } else { format!("{sign}{text} {currency}") }
}

/// A count with its word: `1 ticket`, `2 tickets`, `0 tickets`.
#[must_use]
pub fn counted(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// A small count in words, as a text says it: `ten`, `no`; above twelve in digits.
#[must_use]
pub fn in_words(count: usize) -> String {
    const WORDS: [&str; 13] =
        ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

/// The first letter as a capital.
#[must_use]
pub fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Milliseconds as seconds with one decimal: `12.3 s`.
#[must_use]
pub fn seconds(millis: u128) -> String {
    let tenths = (millis + 50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// Whole numbers of any kind as the signed ones that are shown.
#[must_use]
pub fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let texts = [0, 999, 1_000, -12_345, 1_234_567, i64::MIN].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "-12,345", "1,234,567", "-9,223,372,036,854,775,808"]);
    }

    #[test]
    fn money_has_its_sign_in_front_and_its_currency() {
        let usd = |minor| money(Minor::new(minor), Currency::USD);
        assert_eq!([usd(25_665_761), usd(-5), usd(0)], ["$256,657.61", "-$0.05", "$0.00"]);
        let other = |minor, code: &str| money(Minor::new(minor), code.parse().unwrap());
        assert_eq!([other(123_450, "EUR"), other(123_450, "JPY")], ["1,234.50 EUR", "123,450 JPY"]);
    }

    #[test]
    fn words_fit_their_count() {
        assert_eq!([counted(1, "ticket", "tickets"), counted(0, "ticket", "tickets")], ["1 ticket", "0 tickets"]);
        assert_eq!([in_words(10), in_words(13), capitalised("ten stores")], ["ten", "13", "Ten stores"]);
        assert_eq!([seconds(0), seconds(1_949), seconds(1_950)], ["0.0 s", "1.9 s", "2.0 s"]);
    }
}
