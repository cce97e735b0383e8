//! How a ticket is paid. No card number ever reaches us: an external terminal's reference is all we keep.

use crate::domain::tenders::card::LastFour;
use crate::ids::{CardPaymentId, HouseAccountId};
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
        /// The end of the card's number.
        last_four: Option<LastFour>,
    },
    /// The shop's card terminal, asked by the box.
    Card {
        /// The payment that is counted.
        payment: CardPaymentId,
        /// The provider's reference, once there is one.
        reference: Option<String>,
        /// The end of the card's number.
        last_four: Option<LastFour>,
        /// Whether it was taken on trust, for want of a line.
        stored: bool,
    },
    /// An account that the house lets somebody run up.
    House {
        /// Which.
        account: HouseAccountId,
    },
}

impl TenderKind {
    /// The payment that it counts.
    #[must_use]
    pub const fn payment(&self) -> Option<CardPaymentId> {
        match self {
            Self::Card { payment, .. } => Some(*payment),
            Self::Cash | Self::CardExternal { .. } | Self::House { .. } => None,
        }
    }

    /// The account that it is put on.
    #[must_use]
    pub const fn account(&self) -> Option<HouseAccountId> {
        match self {
            Self::House { account } => Some(*account),
            Self::Cash | Self::CardExternal { .. } | Self::Card { .. } => None,
        }
    }

    /// The word for it in the API and in reports.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::CardExternal { .. } => "card_external",
            Self::Card { stored: false, .. } => "card",
            Self::Card { stored: true, .. } => "card_stored",
            Self::House { .. } => "house",
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

/// Signs that may stand between the groups of one number, as in `4111)-(1111`.
const SEPARATORS_MAX: usize = 3;

/// The zero of each script that has ten digits in a row, but ours (Unicode 16, general category `Nd`).
#[rustfmt::skip]
const ZEROS: [u32; 75] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0, 0xF20, 0x1040, 0x1090,
    0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50,
    0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0,
    0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16130, 0x16A60, 0x16AC0,
    0x16B50, 0x16D70, 0x1CCF0, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
];

/// What a digit says, in whatever script: who reads a number in other digits reads the number.
fn digit(character: char) -> Option<u32> {
    let in_script = |zero: &u32| u32::from(character).checked_sub(*zero).filter(|digit| *digit < 10);
    character.to_digit(10).or_else(|| ZEROS.iter().find_map(in_script))
}

/// Whether a text holds digits that could be a card number: 13 to 19 of them in one group or in groups that follow each
/// other, whatever few signs or single letter stand between them, that pass the Luhn check.
#[must_use]
pub fn looks_like_card_number(text: &str) -> bool {
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let (mut signs, mut letters) = (0, 0);
    for character in text.chars() {
        let Some(digit) = digit(character) else {
            signs += 1;
            letters += usize::from(character.is_alphabetic());
            continue;
        };
        if letters > 1 || signs > SEPARATORS_MAX {
            if hold_card_number(&groups) {
                return true;
            }
            groups.clear();
        }
        match groups.last_mut() {
            Some(group) if signs == 0 => group.push(digit),
            Some(_) | None => groups.push(vec![digit]),
        }
        (signs, letters) = (0, 0);
    }
    hold_card_number(&groups)
}

/// A number begins where a group begins and ends where one ends; only in a group that is longer than any card number may
/// one hide anywhere.
fn hold_card_number(groups: &[Vec<u32>]) -> bool {
    let longest = *CARD_DIGITS.end();
    let hidden = |group: &Vec<u32>| CARD_DIGITS.into_iter().any(|length| group.windows(length).any(passes_luhn));
    if groups.iter().any(|group| group.len() > longest && hidden(group)) {
        return true;
    }
    (0..groups.len()).any(|first| {
        let mut number = Vec::new();
        groups.iter().skip(first).any(|group| {
            number.extend_from_slice(group);
            CARD_DIGITS.contains(&number.len()) && passes_luhn(&number)
        })
    })
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
            "4111.1111.1111.1111",
            "4111/1111/1111/1111",
            "4111x1111x1111x1111",
            "(4111)1111-1111)-(1111",
            "4111111111111111 12/29",
            "4111 1111 1111 1111 123",
            "12 4111111111111111",
            "4012888888881881 1",
            // The shortest and the longest that there are, and a longest one inside more digits.
            "4012345678909",
            "4012345678901234565",
            "940123456789012345659",
            // Three signs still belong to one number, and one letter.
            "4111 - 1111 - 1111 - 1111",
            "4111 x 1111 x 1111 x 1111",
        ] {
            assert!(looks_like_card_number(number), "{number}");
        }
    }

    #[test]
    fn card_numbers_are_recognised_in_the_digits_of_every_script() {
        for zero in ZEROS {
            let script: Vec<char> = (zero..zero + 10).filter_map(char::from_u32).collect();
            assert!(script.len() == 10 && script.iter().all(|digit| digit.is_numeric()), "{zero:x}");
            let number: String = "4111111111111111".bytes().map(|digit| script[usize::from(digit - b'0')]).collect();
            assert!(looks_like_card_number(&number), "{number}");
            assert!(!looks_like_card_number(&number.replacen(script[4], &script[5].to_string(), 1)), "{number}");
        }
        assert!(looks_like_card_number("4111 \u{ff11}111 1111 \u{661}111"), "scripts may be mixed");
    }

    #[test]
    fn means_of_payment_have_these_words() {
        let external = TenderKind::CardExternal { reference: None, last_four: None };
        let payment = CardPaymentId::asked(0, 1, "k");
        let card = |stored| TenderKind::Card { payment, reference: None, last_four: None, stored };
        let house = TenderKind::House { account: HouseAccountId::new(3) };
        let words = [TenderKind::Cash, external, card(false), card(true), house].map(|kind| kind.as_str());
        assert_eq!(words, ["cash", "card_external", "card", "card_stored", "house"]);
    }

    #[test]
    fn references_are_not_card_numbers() {
        for reference in [
            "",
            "AUTH 004512",
            "4111111111111112",
            "0000000000000000",
            "2026-11-23",
            "T1 2026-11-23 17:04:59",
            // One digit too few and one too many; too much in between; groups that are no number as they stand.
            "401234567899",
            "4012345678901234567 3",
            "4111 -- 1111 -- 1111 -- 1111",
            "4111xx1111xx1111xx1111",
            "4111 1111 1111 111",
            "9411 1111 1111 1111 1",
        ] {
            assert!(!looks_like_card_number(reference), "{reference}");
        }
    }
}
