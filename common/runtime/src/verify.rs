//! Checks signatures of heads, where many are checked: by ring, which takes a quarter of the time that our own signing
//! library takes.

use percolate_common::journal::{PublicKey, Signature};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

/// A key whose signatures are checked.
#[derive(Debug)]
pub struct Verifier(UnparsedPublicKey<Vec<u8>>);

impl Verifier {
    /// Makes one; nothing if the bytes are no point of the curve.
    #[must_use]
    pub fn new(key: &PublicKey) -> Option<Self> {
        Some(Self(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.to_point()?)))
    }

    /// Whether a signature was made by this key for exactly this message. The same as [`PublicKey::signed`].
    #[must_use]
    pub fn signed(&self, message: &[u8], signature: &Signature) -> bool {
        self.0.verify(message, signature.as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use percolate_common::ids::NodeId;
    use percolate_common::journal::{AuthorId, Incarnation, JournalId, SigningKey, StreamKind};
    use percolate_common::wire::session::SignedHead;

    use super::*;

    #[test]
    fn both_libraries_say_the_same() {
        let (author, incarnation) = (AuthorId::node(NodeId::new(11)), Incarnation::new(7));
        let journal = JournalId { author, incarnation, stream: StreamKind::Sales };
        let head = journal.genesis().after(b"one");
        for seed in 1..=20_u8 {
            let key = SigningKey::from_random(&[seed; 32]).unwrap();
            let other = SigningKey::from_random(&[seed + 100; 32]).unwrap();
            let signed = SignedHead::sign(&key, &journal, &head);
            for (asked, incarnation) in [(&key, 7), (&other, 7), (&key, 8)] {
                let (message, signature) = signed.signed(author, Incarnation::new(incarnation)).unwrap();
                let ours = asked.public_key().signed(&message, &signature);
                let verifier = Verifier::new(&asked.public_key()).unwrap();
                assert_eq!(verifier.signed(&message, &signature), ours);
                assert_eq!(ours, asked.public_key() == key.public_key() && incarnation == 7);
            }
        }
        assert!(Verifier::new(&PublicKey::from_slice(&[0; 33]).unwrap()).is_none());
    }
}
