//! What the readers of certificates and of requests share.

use p256::pkcs8::der::asn1::{AnyRef, BitStringRef, ObjectIdentifier};
use p256::pkcs8::der::{Reader, SliceReader, Tag, Tagged};

use crate::journal::PublicKey;

/// Bytes of a certificate or a request that is read; ours have some 600.
pub const DER_BYTES_MAX: usize = 16 * 1024;
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// Bytes that are no certificate or request of the kind that we use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// Not well-formed.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// Well-formed, and not of a kind that is used here.
    #[error("the {what} cannot be used: {reason}")]
    Unusable {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Why a reader stopped.
pub(super) enum Stop {
    Malformed(p256::pkcs8::der::Error),
    Unusable(&'static str),
}

impl From<p256::pkcs8::der::Error> for Stop {
    fn from(error: p256::pkcs8::der::Error) -> Self {
        Self::Malformed(error)
    }
}

impl Stop {
    pub(super) fn of(self, what: &'static str) -> DerError {
        match self {
            Self::Malformed(error) => DerError::Malformed { what, reason: error.to_string() },
            Self::Unusable(reason) => DerError::Unusable { what, reason },
        }
    }
}

/// What stands in the sequence that is the whole document.
pub(super) fn whole(der: &[u8]) -> Result<SliceReader<'_>, Stop> {
    if der.len() > DER_BYTES_MAX {
        return Err(Stop::Unusable("it is too large"));
    }
    let mut outer = SliceReader::new(der)?;
    let document = inside(&mut outer, Tag::Sequence)?;
    Ok(outer.finish(document)?)
}

/// What stands in the next value.
pub(super) fn inside<'d>(reader: &mut SliceReader<'d>, tag: Tag) -> Result<SliceReader<'d>, Stop> {
    let value: AnyRef<'d> = reader.decode()?;
    value.tag().assert_eq(tag)?;
    Ok(SliceReader::new(value.value())?)
}

pub(super) fn bits(string: BitStringRef<'_>) -> Result<&[u8], Stop> {
    string.as_bytes().ok_or(Stop::Unusable("a key or a signature does not end with a byte"))
}

/// Reads the part of a document that is a key.
pub(super) fn public_key(reader: &mut SliceReader<'_>) -> Result<PublicKey, Stop> {
    let mut key = inside(reader, Tag::Sequence)?;
    let mut algorithm = inside(&mut key, Tag::Sequence)?;
    if algorithm.decode::<ObjectIdentifier>()? != EC_PUBLIC_KEY || algorithm.decode::<ObjectIdentifier>()? != P256 {
        return Err(Stop::Unusable("its key is not on P-256"));
    }
    let point = bits(key.decode()?)?;
    key.finish(())?;
    PublicKey::from_point(point).ok_or(Stop::Unusable("its key is not on P-256"))
}

#[cfg(test)]
pub(super) mod tests {
    /// The key of the documents in `golden`.
    pub(in crate::identity) const KEY: &str = "032382188d4db0ec36dd8690e0c86990b782eb9e7577fd31454b9f52fc835789da";

    pub(in crate::identity) fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.trim().chars().map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap()).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }
}
