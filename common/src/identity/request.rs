//! Reads requests for certificates. Only the key of one is taken: what a certificate states is decided by the CA alone.

use p256::pkcs8::der::asn1::ObjectIdentifier;
use p256::pkcs8::der::{Reader, Tag};

use super::der::{DerError, Stop, bits, inside, public_key, whole};
use crate::journal::PublicKey;

const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// A request for a certificate (PKCS#10), of which only the key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Csr<'d> {
    /// The key that asks.
    pub public_key: PublicKey,
    signed: &'d [u8],
    signature: &'d [u8],
}

impl<'d> Csr<'d> {
    /// Reads a request in DER.
    ///
    /// # Errors
    /// [`DerError`] if it is malformed or larger than [`super::der::DER_BYTES_MAX`], has a key that is not on P-256, or is signed in
    /// another way than by ECDSA with SHA-256.
    pub fn read(der: &'d [u8]) -> Result<Self, DerError> {
        read_request(der).map_err(|stop| stop.of("certificate request"))
    }

    /// Whether the holder of the key made the request.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.public_key.verifies_document(self.signed, self.signature)
    }
}

fn read_request(der: &[u8]) -> Result<Csr<'_>, Stop> {
    let mut document = whole(der)?;
    let signed = document.tlv_bytes()?;
    let algorithm: ObjectIdentifier = inside(&mut document, Tag::Sequence)?.decode()?;
    if algorithm != ECDSA_WITH_SHA256 {
        return Err(Stop::Unusable("it is not signed by ECDSA with SHA-256"));
    }
    let signature = bits(document.decode()?)?;
    document.finish(())?;

    let mut body = whole(signed)?;
    let (_version, _subject) = (body.tlv_bytes()?, body.tlv_bytes()?);
    Ok(Csr { public_key: public_key(&mut body)?, signed, signature })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::der::tests::{KEY, bytes};
    use crate::journal::SigningKey;

    /// Made by OpenSSL 3.0.
    const REQUEST: &str = include_str!("golden/request.hex");

    #[test]
    fn a_request_proves_its_key() {
        let der = bytes(REQUEST);
        let request = Csr::read(&der).unwrap();
        assert_eq!(request.public_key.as_bytes().as_slice(), bytes(KEY));
        assert!(request.is_signed());
        let other = SigningKey::from_random(&[7; 32]).unwrap().public_key();
        assert!(!Csr { public_key: other, ..request }.is_signed());
        assert!(!Csr { signed: &der, ..request }.is_signed());
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert!(Csr::read(&bytes(include_str!("golden/leaf.hex"))).is_err());
        assert!(Csr::read(&[bytes(REQUEST), vec![0]].concat()).is_err());
        for length in 0..bytes(REQUEST).len() {
            assert!(Csr::read(&bytes(REQUEST)[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn no_changed_byte_of_a_request_passes() {
        let der = bytes(REQUEST);
        for at in 0..der.len() {
            let mut changed = der.clone();
            changed[at] ^= 1;
            assert!(!Csr::read(&changed).is_ok_and(|request| request.is_signed()), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn nonsense_never_panics(der in prop::collection::vec(any::<u8>(), 0..400)) {
            let _outcome = Csr::read(&der).map(|request| request.is_signed());
        }
    }
}
