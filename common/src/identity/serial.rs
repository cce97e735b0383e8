//! Serial numbers of certificates: by them a certificate is allowed, and refused again.

use core::fmt;
use core::str::FromStr;

use super::hex;
use crate::entropy::Entropy;

/// Bytes of a serial number, whoever gave it (RFC 5280).
pub const SERIAL_BYTES_MAX: usize = 20;

/// A text or bytes that are no serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a serial number: 1 to {SERIAL_BYTES_MAX} bytes are expected, without a zero byte in front")]
pub struct SerialError;

/// A serial number: 1 to 20 bytes without a zero in front. Ours have 16; another CA's may have others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(Vec<u8>);

impl Serial {
    /// Draws one: 126 bits of chance. The first bit is 0 and the second 1, so that it is positive and has 16 bytes always.
    #[must_use]
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        let [first, ..] = &mut bytes;
        *first = (*first & 0x3f) | 0x40;
        Self(bytes.to_vec())
    }

    /// Takes the bytes of a positive number, most significant first.
    ///
    /// # Errors
    /// [`SerialError`] unless there are 1 to 20 bytes, the first of them not zero.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, SerialError> {
        let lawful = (1..=SERIAL_BYTES_MAX).contains(&bytes.len()) && bytes.first().is_some_and(|first| *first > 0);
        if lawful { Ok(Self(bytes.to_vec())) } else { Err(SerialError) }
    }

    /// The bytes, most significant first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl FromStr for Serial {
    type Err = SerialError;

    /// Takes small hexadecimal digits, two a byte, as they are printed.
    fn from_str(text: &str) -> Result<Self, SerialError> {
        Self::from_slice(&hex::decode(text).ok_or(SerialError)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_drawn_serial_is_positive_and_has_16_bytes() {
        let entropy = SeededEntropy::new(1);
        for _ in 0..200 {
            let serial = Serial::draw(&entropy);
            assert_eq!(serial.as_bytes().len(), 16);
            assert_eq!(serial.as_bytes()[0] & 0xc0, 0x40, "{serial}");
        }
        assert_ne!(Serial::draw(&entropy), Serial::draw(&entropy));
    }

    #[test]
    fn what_is_no_serial_is_refused() {
        assert!(Serial::from_slice(&[]).is_err());
        assert!(Serial::from_slice(&[0, 1]).is_err());
        assert!(Serial::from_slice(&[1; SERIAL_BYTES_MAX]).is_ok());
        assert!(Serial::from_slice(&[1; SERIAL_BYTES_MAX + 1]).is_err());
        for text in ["", "4", "4A", "4g", "00", "4a ", "é"] {
            assert_eq!(text.parse::<Serial>(), Err(SerialError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn serials_survive_their_text(first in 1..=255_u8, rest in prop::collection::vec(any::<u8>(), 0..20)) {
            let serial = Serial::from_slice(&[vec![first], rest].concat()).unwrap();
            prop_assert_eq!(serial.to_string().parse(), Ok(serial));
        }
    }
}
