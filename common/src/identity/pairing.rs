//! The pairing code: eight digits that somebody carries from the box to a terminal of its shop. It is good for some minutes
//! and few tries, so that it may be shorter than an enrolment code.

use core::fmt;
use core::str::FromStr;

use super::base32::{check_digit, digit, value_typed};
use crate::entropy::Entropy;

/// Digits that say which pairing is meant.
const ID_DIGITS: usize = 2;
/// Digits of chance: 25 bits, of which somebody may try five values.
pub const SECRET_DIGITS: usize = 5;
/// Digits without the one that finds typing mistakes.
const OWN_DIGITS: usize = ID_DIGITS + SECRET_DIGITS;
/// Digits as they are written.
pub const PAIRING_DIGITS: usize = OWN_DIGITS + 1;
/// Digits of a group as they are written.
const GROUP_DIGITS: usize = 4;
/// Values of a digit.
const DIGIT_VALUES: u16 = 32;
/// Pairings that can be told apart.
pub const PAIRING_IDS: u16 = DIGIT_VALUES * DIGIT_VALUES;

/// Which pairing is meant. No secret: a try counts against the pairing that it names, and against no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PairingId(u16);

impl PairingId {
    /// Takes a number; of larger ones the remainder.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number % PAIRING_IDS)
    }

    /// Draws one.
    #[must_use]
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 2];
        entropy.fill(&mut bytes);
        Self::new(u16::from_be_bytes(bytes))
    }

    /// Its number: below [`PAIRING_IDS`].
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The next one; after the last the first.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0 + 1)
    }
}

/// A code: a secret while its pairing waits. Written `7K3M-9QXP`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PairingCode([u8; OWN_DIGITS]);

/// A text that is no pairing code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairingCodeError {
    /// A digit too few or too many.
    #[error("a pairing code has {PAIRING_DIGITS} digits, and {typed} were typed")]
    Length {
        /// How many there were, without spaces and hyphens.
        typed: usize,
    },
    /// A letter or sign that no code has.
    #[error("place {at} holds something that stands in no code: digits and letters without U do")]
    Character {
        /// Its place among the digits, from 1.
        at: usize,
    },
    /// The digits do not belong together.
    #[error("a digit of the code is wrong, or two are swapped: compare it with the screen once more")]
    Checksum,
}

impl PairingCode {
    /// The code of a pairing; of each byte of the secret five bits count.
    #[must_use]
    pub fn new(id: PairingId, secret: [u8; SECRET_DIGITS]) -> Self {
        let [low, high] = [id.0 % DIGIT_VALUES, id.0 / DIGIT_VALUES].map(|value| u8::try_from(value).unwrap_or(0));
        let [a, b, c, d, e] = secret.map(|byte| byte & 31);
        Self([high, low, a, b, c, d, e])
    }

    /// Which pairing it names.
    #[must_use]
    pub fn id(&self) -> PairingId {
        let [high, low, ..] = self.0;
        PairingId(u16::from(high) * DIGIT_VALUES + u16::from(low))
    }
}

impl FromStr for PairingCode {
    type Err = PairingCodeError;

    /// Takes what a person types, as an enrolment code is taken.
    fn from_str(text: &str) -> Result<Self, PairingCodeError> {
        let typed: Vec<char> = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if typed.len() != PAIRING_DIGITS {
            return Err(PairingCodeError::Length { typed: typed.len() });
        }
        let mut values = [0; PAIRING_DIGITS];
        for (at, (place, typed)) in values.iter_mut().zip(typed).enumerate() {
            *place = value_typed(typed).ok_or(PairingCodeError::Character { at: at + 1 })?;
        }
        let [digits @ .., check] = values;
        if check_digit(&digits) == check { Ok(Self(digits)) } else { Err(PairingCodeError::Checksum) }
    }
}

impl fmt::Display for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, value) in self.0.iter().chain([&check_digit(&self.0)]).enumerate() {
            if at > 0 && at % GROUP_DIGITS == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", digit(*value))?;
        }
        Ok(())
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingCode(secret)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entropy::SeededEntropy;

    fn code(id: u16, seed: u64) -> PairingCode {
        let mut secret = [0; SECRET_DIGITS];
        SeededEntropy::new(seed).fill(&mut secret);
        PairingCode::new(PairingId::new(id), secret)
    }

    #[test]
    fn a_code_is_written_in_two_groups_and_read_as_a_person_types_it() {
        let code = PairingCode([7, 19, 3, 20, 9, 23, 29]);
        let text = code.to_string();
        assert_eq!((text.len(), &text[..8]), (9, "7K3M-9QX"));
        assert_eq!((code.id(), format!("{code:?}").as_str()), (PairingId(7 * 32 + 19), "PairingCode(secret)"));
        for typed in [text.to_lowercase(), text.replace('-', ""), text.replace('-', " "), format!(" {text}\n")] {
            assert_eq!(typed.parse(), Ok(code), "{typed}");
        }
        assert_eq!("7K3M-9QX".parse::<PairingCode>(), Err(PairingCodeError::Length { typed: 7 }));
        assert_eq!("7K3U-9QXP".parse::<PairingCode>(), Err(PairingCodeError::Character { at: 4 }));
    }

    proptest! {
        #[test]
        fn codes_round_trip_and_name_their_pairing(id in 0..PAIRING_IDS, seed in any::<u64>()) {
            let code = code(id, seed);
            prop_assert_eq!(code.to_string().parse(), Ok(code));
            prop_assert_eq!(code.id().get(), id);
        }

        #[test]
        fn a_wrong_digit_and_a_swap_are_found(id in 0..PAIRING_IDS, seed in any::<u64>()) {
            let right: Vec<char> = code(id, seed).to_string().replace('-', "").chars().collect();
            let read = |typed: &[char]| typed.iter().collect::<String>().parse::<PairingCode>();
            for place in 0..PAIRING_DIGITS {
                for other in (0..32).map(digit).filter(|other| *other != right[place]) {
                    let mut typed = right.clone();
                    typed[place] = other;
                    prop_assert_eq!(read(&typed), Err(PairingCodeError::Checksum));
                }
                for other in (0..place).filter(|other| right[*other] != right[place]) {
                    let mut typed = right.clone();
                    typed.swap(place, other);
                    prop_assert_eq!(read(&typed), Err(PairingCodeError::Checksum));
                }
            }
        }
    }
}
