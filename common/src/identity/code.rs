//! The enrolment code: 15 digits of chance that somebody reads from paper, and one that finds typing mistakes.

use core::fmt;
use core::str::FromStr;

use super::base32::{check_digit, digit, value_typed};
use crate::entropy::Entropy;

/// Digits of chance, 5 bits each: 75 bits cannot be tried through, not even by whoever has recorded a proof.
const CHANCE_DIGITS: usize = 15;
/// Digits as they are written.
pub const CODE_DIGITS: usize = CHANCE_DIGITS + 1;
/// Digits of a group as they are written.
const GROUP_DIGITS: usize = 4;

const KEY_CONTEXT: &str = "percolate 2026 enrolment code";
const ID_CONTEXT: &str = "percolate 2026 id of an enrolment code";

/// A code: a secret, until it was used. Written `7K3M-9QXT-W2F5-HB82`.
#[derive(Clone, PartialEq, Eq)]
pub struct Code([u8; CHANCE_DIGITS]);

/// A text that is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A digit too few or too many.
    #[error("a code has {CODE_DIGITS} digits, and {typed} were typed")]
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
    /// The digits do not belong together: one was mistyped, or two were swapped.
    #[error("a digit of the code is wrong, or two are swapped: compare it with the sheet once more")]
    Checksum,
}

impl Code {
    /// Draws a code.
    #[must_use]
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut digits = [0; CHANCE_DIGITS];
        entropy.fill(&mut digits);
        Self(digits.map(|byte| byte & 31))
    }

    /// The key of the proofs that somebody knows the code.
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        blake3::derive_key(KEY_CONTEXT, &self.0)
    }

    /// What the code is called where it must not be said: 8 bytes that tell nothing of the rest.
    #[must_use]
    pub fn id(&self) -> [u8; 8] {
        let mut id = [0; 8];
        blake3::Hasher::new_derive_key(ID_CONTEXT).update(&self.0).finalize_xof().fill(&mut id);
        id
    }
}

impl FromStr for Code {
    type Err = CodeError;

    /// Takes what a person types: spaces, hyphens and small letters do not matter, and `I`, `L` and `O` are read as the digits
    /// that they look like.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let typed: Vec<char> = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if typed.len() != CODE_DIGITS {
            return Err(CodeError::Length { typed: typed.len() });
        }
        let mut values = [0; CODE_DIGITS];
        for (at, (place, typed)) in values.iter_mut().zip(typed).enumerate() {
            *place = value_typed(typed).ok_or(CodeError::Character { at: at + 1 })?;
        }
        let [digits @ .., check] = values;
        let code = Self(digits);
        if check_digit(&code.0) == check { Ok(code) } else { Err(CodeError::Checksum) }
    }
}

impl fmt::Display for Code {
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

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(secret)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entropy::SeededEntropy;

    fn drawn(seed: u64) -> Code {
        Code::draw(&SeededEntropy::new(seed))
    }

    fn digits(code: &Code) -> Vec<char> {
        code.to_string().replace('-', "").chars().collect()
    }

    fn read(digits: &[char]) -> Result<Code, CodeError> {
        digits.iter().collect::<String>().parse()
    }

    #[test]
    fn a_code_is_written_in_groups_and_shown_to_nobody_else() {
        let code = Code([7, 19, 3, 20, 9, 23, 29, 26, 28, 2, 15, 5, 17, 11, 8]);
        assert_eq!(code.to_string(), "7K3M-9QXT-W2F5-HB82");
        assert_eq!(format!("{code:?}"), "Code(secret)");
        for typed in ["7k3m9qxtw2f5hb82", " 7K3M 9QXT W2F5 HB82\n", "7-K-3-M-9-Q-X-T-W-2-F-5-H-B-8-2"] {
            assert_eq!(typed.parse(), Ok(code.clone()), "{typed}");
        }
    }

    #[test]
    fn letters_that_look_like_digits_are_read_as_these() {
        let code = Code([1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
        let typed = code.to_string().replace('1', "l").replace('0', "o");
        assert_eq!(typed.parse(), Ok(code.clone()));
        assert_eq!(typed.replace('l', "I").parse(), Ok(code));
    }

    #[test]
    fn what_is_no_code_is_refused_with_its_place() {
        assert_eq!("7K3M-9QXT-W2F5-HB8".parse::<Code>(), Err(CodeError::Length { typed: 15 }));
        assert_eq!("7K3M-9QXT-W2F5-HB82F".parse::<Code>(), Err(CodeError::Length { typed: 17 }));
        assert_eq!("".parse::<Code>(), Err(CodeError::Length { typed: 0 }));
        assert_eq!("7K3M-9QXT-W2U5-HB82".parse::<Code>(), Err(CodeError::Character { at: 11 }));
        assert_eq!("éK3M-9QXT-W2F5-HB82".parse::<Code>(), Err(CodeError::Character { at: 1 }));
    }

    #[test]
    fn key_and_id_are_of_the_code_alone_and_tell_nothing_of_each_other() {
        let (one, other) = (drawn(1), drawn(2));
        assert_ne!(one, other);
        assert_eq!((one.key(), one.id()), (drawn(1).key(), drawn(1).id()));
        assert_ne!(one.key(), other.key());
        assert_ne!(one.id(), other.id());
        assert_ne!(one.key()[..8], one.id());
    }

    proptest! {
        #[test]
        fn codes_round_trip(seed in any::<u64>()) {
            prop_assert_eq!(drawn(seed).to_string().parse(), Ok(drawn(seed)));
        }

        #[test]
        fn every_wrong_digit_is_found(seed in any::<u64>()) {
            let right = digits(&drawn(seed));
            for place in 0..CODE_DIGITS {
                for value in 0..32 {
                    let mut typed = right.clone();
                    typed[place] = digit(value);
                    if typed != right {
                        prop_assert_eq!(read(&typed), Err(CodeError::Checksum), "{} in place {}", digit(value), place);
                    }
                }
            }
        }

        #[test]
        fn every_swap_is_found(seed in any::<u64>()) {
            let right = digits(&drawn(seed));
            for (one, other) in (0..CODE_DIGITS).flat_map(|one| (0..one).map(move |other| (one, other))) {
                let mut typed = right.clone();
                typed.swap(one, other);
                if typed != right {
                    prop_assert_eq!(read(&typed), Err(CodeError::Checksum), "{} and {}", one, other);
                }
            }
        }
    }
}
