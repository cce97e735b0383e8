//! The name by which somebody signs in to the office.

use core::fmt;
use core::str::FromStr;

/// Characters of a name.
pub const PERSON_NAME_CHARS_MAX: usize = 64;

/// A text that is no name of a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name to sign in with: 1 to {PERSON_NAME_CHARS_MAX} of a to z, 0 to 9, dots, hyphens, underscores and @"
)]
pub struct PersonNameError(String);

/// A name to sign in with. Written in lower case; read in either, as people type it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonName(String);

impl PersonName {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PersonName {
    type Err = PersonNameError;

    fn from_str(text: &str) -> Result<Self, PersonNameError> {
        let name = text.trim().to_ascii_lowercase();
        let is_lawful = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_@".contains(&byte);
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let fits = begins && name.len() <= PERSON_NAME_CHARS_MAX && name.bytes().all(is_lawful);
        if fits { Ok(Self(name)) } else { Err(PersonNameError(text.to_owned())) }
    }
}

impl fmt::Display for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        for (typed, name) in [("ann", "ann"), (" Ann@Example.com ", "ann@example.com"), ("j.r-2_x", "j.r-2_x")] {
            assert_eq!(typed.parse::<PersonName>().unwrap().as_str(), name);
        }
        for wrong in ["", " ", "ann b", "../x", ".ann", "ann/x", "änn", &"a".repeat(65)] {
            assert!(wrong.parse::<PersonName>().is_err(), "{wrong}");
        }
    }
}
