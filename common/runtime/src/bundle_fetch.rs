//! What a box says that has the code of a bundle and no stick, and what its hub says with the file.
//!
//! Neither trusts the other yet. The code never travels: each shows that it knows it, over what it saw of the chain's root,
//! so that somebody between them with a root of his own is found by both, and learns nothing.

use percolate_common::identity::code::Code;
use percolate_common::identity::proof::{Proof, is_proven, prove};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::enrolment::{Bytes, root_hash};

/// Where a bundle is fetched.
pub const BUNDLE_FETCHES_PATH: &str = "/v1/identity/bundle-fetches";

/// The header that has the hub's proof, 64 hexadecimal digits.
pub const BUNDLE_PROOF_HEADER: &str = "percolate-proof";

/// A box asks for its bundle. The code is not in it: the proof shows that somebody there knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleFetch {
    /// What the code is called, 16 hexadecimal digits.
    #[schema(value_type = String)]
    pub code_id: Bytes<8>,
    /// Drawn anew for each question, 64 hexadecimal digits.
    #[schema(value_type = String)]
    pub nonce: Bytes<32>,
    /// Hash (BLAKE3) of the root that the box was shown, 64 hexadecimal digits.
    #[schema(value_type = String)]
    pub root_hash: Bytes<32>,
    /// That the box knows the code, over all of the above; 64 hexadecimal digits.
    #[schema(value_type = String)]
    pub proof: Bytes<32>,
}

impl BundleFetch {
    /// The question of a box that knows `code`, and was shown the certificate of a chain's root, in DER.
    #[must_use]
    pub fn new(code: &Code, nonce: [u8; 32], root: &[u8]) -> Self {
        let root_hash = root_hash(root);
        let proof = prove(&code.key(), Proof::BundleAsked, &[&nonce, &root_hash]);
        Self { code_id: Bytes(code.id()), nonce: Bytes(nonce), root_hash: Bytes(root_hash), proof: Bytes(proof) }
    }

    /// Whether whoever asks knows the code with this key, and was shown the root with this hash: the hub gives that of its
    /// own, whatever the question says.
    #[must_use]
    pub fn is_proven(&self, key: &[u8; 32], own_root_hash: &[u8; 32]) -> bool {
        is_proven(key, Proof::BundleAsked, &[&self.nonce.0, own_root_hash], &self.proof.0)
    }

    /// The hub's proof, with the file that it hands out.
    #[must_use]
    pub fn given(&self, file: &[u8], key: &[u8; 32], own_root_hash: &[u8; 32]) -> Bytes<32> {
        let hash = blake3::hash(file);
        Bytes(prove(key, Proof::BundleGiven, &[&self.nonce.0, own_root_hash, hash.as_bytes()]))
    }

    /// Whether the file is from somebody who knows the code with this key, for this question, and has the root that the box
    /// was shown.
    #[must_use]
    pub fn is_given(&self, file: &[u8], key: &[u8; 32], proof: &Bytes<32>) -> bool {
        let hash = blake3::hash(file);
        is_proven(key, Proof::BundleGiven, &[&self.nonce.0, &self.root_hash.0, hash.as_bytes()], &proof.0)
    }
}

#[cfg(test)]
mod tests {
    use percolate_common::entropy::SeededEntropy;

    use super::*;

    const ROOT: &[u8] = b"root";

    fn code() -> Code {
        Code::draw(&SeededEntropy::new(1))
    }

    #[test]
    fn a_question_for_a_bundle_is_proven_by_its_code_over_the_one_root() {
        let (asked, key) = (BundleFetch::new(&code(), [1; 32], ROOT), code().key());
        assert!(asked.is_proven(&key, &root_hash(ROOT)));
        assert!(!asked.is_proven(&[7; 32], &root_hash(ROOT)));
        assert!(!asked.is_proven(&key, &root_hash(b"another")), "whatever root the question names");
        let lying = BundleFetch { root_hash: Bytes(root_hash(b"another")), ..BundleFetch::new(&code(), [1; 32], ROOT) };
        assert!(!lying.is_proven(&key, &root_hash(b"another")));
        assert!(!BundleFetch { nonce: Bytes([2; 32]), ..asked }.is_proven(&key, &root_hash(ROOT)));
    }

    #[test]
    fn a_file_is_believed_from_who_knows_the_code_and_for_its_question_only() {
        let (asked, key) = (BundleFetch::new(&code(), [1; 32], ROOT), code().key());
        let proof = asked.given(b"file", &key, &root_hash(ROOT));
        assert!(asked.is_given(b"file", &key, &proof));
        assert!(!asked.is_given(b"fi1e", &key, &proof));
        assert!(!asked.is_given(b"file", &[7; 32], &proof));
        assert!(!BundleFetch::new(&code(), [2; 32], ROOT).is_given(b"file", &key, &proof), "an answer of yesterday");
        let elsewhere = asked.given(b"file", &key, &root_hash(b"another"));
        assert!(!asked.is_given(b"file", &key, &elsewhere));
        assert!(!asked.is_given(b"file", &key, &asked.proof), "a question is no answer");
    }

    #[test]
    fn no_code_is_in_a_question() {
        let text = serde_json::to_string(&BundleFetch::new(&code(), [1; 32], ROOT)).unwrap();
        assert_eq!(serde_json::from_str::<BundleFetch>(&text).unwrap(), BundleFetch::new(&code(), [1; 32], ROOT));
        let written = code().to_string();
        assert!(!text.contains(&written) && !text.contains(&written.replace('-', "")), "{text}");
    }
}
