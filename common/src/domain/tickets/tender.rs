//! How a ticket is paid. No card number ever reaches us: an external terminal's reference is all we keep.

use crate::money::Minor;

/// A means of payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenderKind {
    /// Notes and coins; may exceed what is due.
    Cash,
    /// A card terminal that is not ours; its own reference, no digits of the card.
    CardExternal {
        /// What the terminal printed, if anything.
        reference: Option<String>,
    },
}

impl TenderKind {
    /// The word for it in the API and in reports.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::CardExternal { .. } => "card_external",
        }
    }
}

/// One payment on a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tender {
    /// By what means.
    pub kind: TenderKind,
    /// How much was handed over; above zero.
    pub amount: Minor,
}

/// Digits of the shortest and longest card numbers (ISO/IEC 7812, read 2026-11).
const CARD_DIGITS: core::ops::RangeInclusive<usize> = 13..=19;

/// Whether a text holds a run of digits that could be a card number: 13 to 19 of them, spaces and dashes apart, that
/// pass the Luhn check.
#[must_use]
pub fn looks_like_card_number(text: &str) -> bool {
    let mut run: Vec<u32> = Vec::new();
    for character in text.chars().chain(core::iter::once('x')) {
        match character.to_digit(10) {
            Some(digit) => run.push(digit),
            None if character == ' ' || character == '-' => {}
            None => {
                if holds_card_number(&run) {
                    return true;
                }
                run.clear();
            }
        }
    }
    false
}

fn holds_card_number(digits: &[u32]) -> bool {
    // A run within the lengths of a card is judged whole; only in a longer one may a card number hide.
    if digits.len() <= *CARD_DIGITS.end() {
        return CARD_DIGITS.contains(&digits.len()) && passes_luhn(digits);
    }
    CARD_DIGITS.into_iter().any(|length| digits.windows(length).any(passes_luhn))
}

fn passes_luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| if at.is_multiple_of(2) { *digit } else { doubled(*digit) })
        .sum();
    let all_zero = digits.iter().all(|digit| *digit == 0);
    sum.is_multiple_of(10) && !all_zero
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_recognised_however_they_are_written() {
        // The schemes' published test numbers.
        for number in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "5555-5555-5555-4444",
            "ref 378282246310005 ok",
            "00000000004111111111111111",
        ] {
            assert!(looks_like_card_number(number), "{number}");
        }
    }

    #[test]
    fn references_are_not_card_numbers() {
        for reference in ["", "AUTH 004512", "4111111111111112", "0000000000000000", "2026-11-23"] {
            assert!(!looks_like_card_number(reference), "{reference}");
        }
    }
}
