//! Signed heads: an author vouches for how far its journal reaches.
//!
//! ECDSA on P-256 with deterministic nonces (RFC 6979): no randomness is needed, and simulations repeat.

use core::fmt;

use p256::ecdsa::signature::{Signer, Verifier};
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};

use super::{Head, JournalId};

const HEAD_CONTEXT: &[u8] = b"percolate 2026 head of a journal\0";

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// Not a PKCS#8 key of P-256 in PEM.
    #[error("the key is not a P-256 key in PKCS#8 PEM form")]
    Malformed,
    /// Bytes that are no valid scalar; other random bytes will do.
    #[error("the random bytes make no P-256 key")]
    Unlucky,
}

/// An author's private key.
#[derive(Clone)]
pub struct SigningKey(p256::ecdsa::SigningKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(secret)")
    }
}

/// An author's public key: a compressed point, 33 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 33]);

/// A signature over a head: 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

fn head_message(journal: &JournalId, head: &Head) -> Vec<u8> {
    let mut message = HEAD_CONTEXT.to_vec();
    message.extend_from_slice(&journal.author.number().to_be_bytes());
    message.extend_from_slice(&journal.incarnation.get().to_be_bytes());
    message.push(journal.stream.number());
    message.extend_from_slice(&head.seq.to_be_bytes());
    message.extend_from_slice(head.hash.as_bytes());
    message
}

impl SigningKey {
    /// Makes a key from 32 random bytes.
    ///
    /// # Errors
    /// [`SigningKeyError::Unlucky`] about once in 2^32 draws.
    pub fn from_random(bytes: &[u8; 32]) -> Result<Self, SigningKeyError> {
        p256::ecdsa::SigningKey::from_slice(bytes).map(Self).map_err(|_not_a_scalar| SigningKeyError::Unlucky)
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`SigningKeyError::Malformed`] if it is anything but a P-256 key in PKCS#8 PEM.
    pub fn from_pem(pem: &str) -> Result<Self, SigningKeyError> {
        p256::ecdsa::SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|_malformed| SigningKeyError::Malformed)
    }

    /// The key as PKCS#8 PEM: a secret, for a file of mode 0600 only.
    ///
    /// # Errors
    /// [`SigningKeyError::Malformed`] if the key cannot be encoded.
    pub fn to_pem(&self) -> Result<String, SigningKeyError> {
        self.0
            .to_pkcs8_pem(LineEnding::LF)
            .map(|pem| pem.as_str().to_owned())
            .map_err(|_unencodable| SigningKeyError::Malformed)
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let point = self.0.verifying_key().to_encoded_point(true);
        let mut bytes = [0_u8; 33];
        bytes.copy_from_slice(point.as_bytes());
        PublicKey(bytes)
    }

    /// Vouches for a head.
    #[must_use]
    pub fn sign_head(&self, journal: &JournalId, head: &Head) -> Signature {
        let signature: p256::ecdsa::Signature = self.0.sign(&head_message(journal, head));
        Signature(signature.to_bytes().into())
    }
}

impl PublicKey {
    /// Takes the bytes of a compressed point.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes of the compressed point.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }

    /// Whether `signature` was made by this key for exactly this head.
    #[must_use]
    pub fn vouches_for(&self, journal: &JournalId, head: &Head, signature: &Signature) -> bool {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&self.0);
        let signature = p256::ecdsa::Signature::from_slice(&signature.0);
        match (key, signature) {
            (Ok(key), Ok(signature)) => key.verify(&head_message(journal, head), &signature).is_ok(),
            (Err(_), _) | (_, Err(_)) => false,
        }
    }
}

impl Signature {
    /// Takes 64 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use crate::ids::NodeId;
    use crate::journal::{AuthorId, Incarnation, StreamKind};

    use super::*;

    #[test]
    fn a_signature_holds_for_its_head_and_key_only() {
        let journal = JournalId {
            author: AuthorId::node(NodeId::new(11)),
            incarnation: Incarnation::new(7),
            stream: StreamKind::Sales,
        };
        let head = journal.genesis().after(b"one");
        let key = SigningKey::from_random(&[7; 32]).unwrap();
        let signature = key.sign_head(&journal, &head);
        assert!(key.public_key().vouches_for(&journal, &head, &signature));
        assert!(!key.public_key().vouches_for(&journal, &head.after(b"two"), &signature));
        let other = SigningKey::from_random(&[8; 32]).unwrap();
        assert!(!other.public_key().vouches_for(&journal, &head, &signature));
        for another in [
            JournalId { author: AuthorId::node(NodeId::new(12)), ..journal },
            JournalId { incarnation: Incarnation::new(8), ..journal },
            JournalId { stream: StreamKind::Stock, ..journal },
        ] {
            assert!(!key.public_key().vouches_for(&another, &head, &signature), "{another}");
        }
        let elsewhere = Head { seq: head.seq + 1, ..head };
        assert!(!key.public_key().vouches_for(&journal, &elsewhere, &signature));
    }

    #[test]
    fn keys_and_signatures_travel_as_their_bytes() {
        let journal = JournalId {
            author: AuthorId::node(NodeId::new(11)),
            incarnation: Incarnation::new(7),
            stream: StreamKind::Sales,
        };
        let key = SigningKey::from_random(&[7; 32]).unwrap();
        let (public, signature) = (key.public_key(), key.sign_head(&journal, &journal.genesis()));
        assert_eq!(PublicKey::from_slice(public.as_bytes()), Some(public));
        assert_eq!(Signature::from_slice(signature.as_bytes()), Some(signature));
        assert_eq!(PublicKey::from_slice(&public.as_bytes()[1..]), None);
        assert_eq!(Signature::from_slice(&signature.as_bytes()[1..]), None);
        let nonsense = Signature::from_slice(&[0; 64]).unwrap();
        assert!(!public.vouches_for(&journal, &journal.genesis(), &nonsense));
    }

    #[test]
    fn keys_survive_their_file_and_refuse_nonsense() {
        let key = SigningKey::from_random(&[7; 32]).unwrap();
        let again = SigningKey::from_pem(&key.to_pem().unwrap()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert!(SigningKey::from_pem("nonsense").is_err());
        assert!(SigningKey::from_random(&[0; 32]).is_err());
        assert!(!format!("{key:?}").contains("7, 7"), "a key is never printed");
    }
}
