//! The key that signs a chain's bundles, and the fingerprint of it that a person compares.

use core::fmt;
use core::str::FromStr;

use super::base32::{digit, value_typed};

/// Digits of a fingerprint, 5 bits each: 100 bits.
const FINGERPRINT_DIGITS: usize = 20;
/// Digits of a group as they are written.
const GROUP_DIGITS: usize = 4;

const FINGERPRINT_CONTEXT: &str = "percolate 2026 fingerprint of a chain";

/// An Ed25519 public key. Whose it is must be known from elsewhere: from a file on the box, or by its fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainKey([u8; 32]);

impl ChainKey {
    /// Takes the 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What a person compares.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut bytes = [0; FINGERPRINT_DIGITS];
        blake3::Hasher::new_derive_key(FINGERPRINT_CONTEXT).update(&self.0).finalize_xof().fill(&mut bytes);
        Fingerprint(bytes.map(|byte| byte & 31))
    }
}

/// The fingerprint of a chain's key: five groups of four, as on the printed sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; FINGERPRINT_DIGITS]);

/// A text that is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has {FINGERPRINT_DIGITS} digits, in five groups of four as on the sheet")]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Takes what a person types, as a code is.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let typed = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
        let values: Option<Vec<u8>> = typed.map(value_typed).collect();
        values.and_then(|values| values.try_into().ok()).map(Self).ok_or(FingerprintError)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, value) in self.0.iter().enumerate() {
            if at > 0 && at % GROUP_DIGITS == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", digit(*value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_one_key_and_survives_typing() {
        let key = ChainKey::from_bytes([7; 32]);
        let text = key.fingerprint().to_string();
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [4; 5]);
        assert_ne!(key.fingerprint(), ChainKey::from_bytes([8; 32]).fingerprint());
        for typed in [text.clone(), text.to_lowercase(), text.replace('-', ""), text.replace('-', " ")] {
            assert_eq!(typed.parse(), Ok(key.fingerprint()), "{typed}");
        }
        for typed in [&text[1..], &format!("{text}0"), "", "U"] {
            assert_eq!(typed.parse::<Fingerprint>(), Err(FingerprintError), "{typed}");
        }
    }
}
