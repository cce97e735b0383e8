//! Keys and what they sign: heads, by which an author vouches for how far its journal reaches, and whatever else the same
//! key must answer for.
//!
//! ECDSA on P-256 with deterministic nonces (RFC 6979): no randomness is needed, and simulations repeat. One key signs
//! documents of several kinds. Ours begin with a context that ends with a zero byte; certificates and requests, whose
//! form is not ours, begin with the mark of an ASN.1 sequence, which begins no context.

use core::fmt;

use p256::ecdsa::DerSignature;
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

/// A signature over a head or another message of ours: 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// A message with what keeps its kind apart from all others.
fn in_context(context: &str, message: &[u8]) -> Vec<u8> {
    [context.as_bytes(), &[0], message].concat()
}

pub(crate) fn head_message(journal: &JournalId, head: &Head) -> Vec<u8> {
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

    /// Signs a message of a kind of ours that is no head. `context` names the kind, without a zero byte in it.
    #[must_use]
    pub fn sign(&self, context: &str, message: &[u8]) -> Signature {
        let signature: p256::ecdsa::Signature = self.0.sign(&in_context(context, message));
        Signature(signature.to_bytes().into())
    }

    /// Signs a document of X.509 as it stands; the signature is in the form that goes with it (DER).
    #[must_use]
    pub fn sign_document(&self, document: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.0.sign(document);
        signature.as_bytes().to_vec()
    }

    /// The key as PKCS#8 in DER, for a TLS stack: a secret.
    ///
    /// # Errors
    /// [`SigningKeyError::Malformed`] if the key cannot be encoded.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, SigningKeyError> {
        let encoded = self.0.to_pkcs8_der().map_err(|_unencodable| SigningKeyError::Malformed)?;
        Ok(encoded.as_bytes().to_vec())
    }
}

impl PublicKey {
    /// Takes the bytes of a compressed point.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Takes a point in either form of SEC 1, if it lies on the curve.
    #[must_use]
    pub fn from_point(bytes: &[u8]) -> Option<Self> {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?;
        Self::from_slice(key.to_encoded_point(true).as_bytes())
    }

    /// The whole point, 65 bytes, as certificates have it; `None` if the bytes are no point of the curve.
    #[must_use]
    pub fn to_point(&self) -> Option<Vec<u8>> {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&self.0).ok()?;
        Some(key.to_encoded_point(false).as_bytes().to_vec())
    }

    /// The bytes of the compressed point.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }

    /// Whether `signature` was made by this key for exactly this head.
    #[must_use]
    pub fn vouches_for(&self, journal: &JournalId, head: &Head, signature: &Signature) -> bool {
        self.signed(&head_message(journal, head), signature)
    }

    /// Whether `signature` was made by this key, in this context, for exactly this message ([`SigningKey::sign`]).
    #[must_use]
    pub fn verifies(&self, context: &str, message: &[u8], signature: &Signature) -> bool {
        self.signed(&in_context(context, message), signature)
    }

    /// Whether a signature in DER was made by this key for exactly this document ([`SigningKey::sign_document`]).
    #[must_use]
    pub fn verifies_document(&self, document: &[u8], signature: &[u8]) -> bool {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&self.0);
        let signature = p256::ecdsa::Signature::from_der(signature);
        match (key, signature) {
            (Ok(key), Ok(signature)) => key.verify(document, &signature).is_ok(),
            (Err(_), _) | (_, Err(_)) => false,
        }
    }

    /// Whether `signature` was made by this key for exactly this message.
    #[must_use]
    pub fn signed(&self, message: &[u8], signature: &Signature) -> bool {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&self.0);
        let signature = p256::ecdsa::Signature::from_slice(&signature.0);
        match (key, signature) {
            (Ok(key), Ok(signature)) => key.verify(message, &signature).is_ok(),
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
    fn a_signature_holds_for_its_context_and_message_only() {
        let key = SigningKey::from_random(&[7; 32]).unwrap();
        let signature = key.sign("percolate test a", b"message");
        let public = key.public_key();
        assert!(public.verifies("percolate test a", b"message", &signature));
        assert!(!public.verifies("percolate test b", b"message", &signature));
        assert!(!public.verifies("percolate test a", b"massage", &signature));
        assert!(!public.verifies("percolate test", b" amessage", &signature), "what divides the two is signed, too");
        assert!(!SigningKey::from_random(&[8; 32]).unwrap().public_key().verifies(
            "percolate test a",
            b"message",
            &signature
        ));
    }

    #[test]
    fn a_document_is_signed_as_it_stands() {
        let key = SigningKey::from_random(&[7; 32]).unwrap();
        let signature = key.sign_document(b"0document");
        assert!(key.public_key().verifies_document(b"0document", &signature));
        assert!(!key.public_key().verifies_document(b"0document.", &signature));
        assert!(!key.public_key().verifies_document(b"0document", &signature[1..]));
        assert_eq!(signature.first(), Some(&0x30), "a DER sequence");
    }

    #[test]
    fn a_point_has_two_forms_and_nonsense_has_none() {
        let public = SigningKey::from_random(&[7; 32]).unwrap().public_key();
        let point = public.to_point().unwrap();
        assert_eq!((point.len(), point[0]), (65, 4));
        assert_eq!(PublicKey::from_point(&point), Some(public));
        assert_eq!(PublicKey::from_point(public.as_bytes()), Some(public));
        assert_eq!(PublicKey::from_point(&[4; 65]), None);
        assert_eq!(PublicKey::from_slice(&[9; 33]).unwrap().to_point(), None);
    }

    #[test]
    fn keys_survive_their_file_and_refuse_nonsense() {
        let key = SigningKey::from_random(&[7; 32]).unwrap();
        let again = SigningKey::from_pem(&key.to_pem().unwrap()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(again.to_pkcs8().unwrap(), key.to_pkcs8().unwrap());
        assert!(SigningKey::from_pem("nonsense").is_err());
        assert!(SigningKey::from_random(&[0; 32]).is_err());
        assert!(!format!("{key:?}").contains("7, 7"), "a key is never printed");
    }
}
