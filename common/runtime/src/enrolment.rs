//! What a box and its hub say to each other over HTTPS about certificates: the bodies of the questions and answers, and the
//! words for a refusal. Both ends take them from here.
//!
//! A newer program may add fields; an older one skips them. Bytes are small hexadecimal digits; a certificate is its DER.

use std::fmt;

use percolate_common::identity::code::Code;
use percolate_common::identity::hex;
use percolate_common::identity::proof::{Proof, is_proven, prove};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a box asks for its first certificate.
pub const ENROLMENTS_PATH: &str = "/v1/identity/enrolments";

/// Where a box asks for the certificate after the one that it has.
pub const RENEWALS_PATH: &str = "/v1/identity/renewals";

/// The largest question and the largest answer, in bytes. A larger one is refused by whoever reads it.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// A fixed number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes<const N: usize>(pub [u8; N]);

/// Any number of bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Octets(pub Vec<u8>);

/// A text that is not the bytes which it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("small hexadecimal digits are expected, two a byte, as many as the field has bytes")]
pub struct HexError;

impl<const N: usize> TryFrom<String> for Bytes<N> {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        hex::decode(&text).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(HexError)
    }
}

impl<const N: usize> From<Bytes<N>> for String {
    fn from(bytes: Bytes<N>) -> Self {
        hex::encode(&bytes.0)
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl TryFrom<String> for Octets {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        hex::decode(&text).map(Self).ok_or(HexError)
    }
}

impl From<Octets> for String {
    fn from(octets: Octets) -> Self {
        hex::encode(&octets.0)
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// What both ends compare of a chain's root: a hash of its certificate in DER.
#[must_use]
pub fn root_hash(root: &[u8]) -> [u8; 32] {
    *blake3::hash(root).as_bytes()
}

/// A box asks to be enrolled. The code is not in it: the proof shows that the box knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentAsked {
    /// What the code is called, 16 hexadecimal digits.
    #[schema(value_type = String)]
    pub code_id: Bytes<8>,
    /// Drawn anew for each question, 64 hexadecimal digits.
    #[schema(value_type = String)]
    pub nonce: Bytes<32>,
    /// Hash (BLAKE3) of the root that the box believes, 64 hexadecimal digits.
    #[schema(value_type = String)]
    pub root_hash: Bytes<32>,
    /// The request for a certificate (PKCS#10) in DER, as hexadecimal digits.
    #[schema(value_type = String)]
    pub csr: Octets,
    /// The store that the box is to serve.
    pub store: u32,
    /// A fingerprint of the machine, 32 hexadecimal digits; absent where it has nothing of its own.
    #[schema(value_type = Option<String>)]
    pub machine: Option<Bytes<16>>,
    /// That the box knows the code, over all of the above; 64 hexadecimal digits.
    #[schema(value_type = String)]
    pub proof: Bytes<32>,
}

/// Whose box asks, and with what, besides its code.
#[derive(Debug, Clone)]
pub struct Asking<'a> {
    /// Drawn anew for each question.
    pub nonce: [u8; 32],
    /// The certificate of the chain's root that the box believes, in DER.
    pub root: &'a [u8],
    /// The request for a certificate, in DER.
    pub csr: Vec<u8>,
    /// The store that the box is to serve.
    pub store: u32,
    /// A fingerprint of the machine, where it has one.
    pub machine: Option<[u8; 16]>,
}

impl EnrolmentAsked {
    /// The question of a box that knows `code`.
    #[must_use]
    pub fn new(code: &Code, asking: Asking<'_>) -> Self {
        let Asking { nonce, root, csr, store, machine } = asking;
        let mut asked = Self {
            code_id: Bytes(code.id()),
            nonce: Bytes(nonce),
            root_hash: Bytes(root_hash(root)),
            csr: Octets(csr),
            store,
            machine: machine.map(Bytes),
            proof: Bytes([0; 32]),
        };
        asked.proof = Bytes(asked.with_parts(&root_hash(root), |parts| prove(&code.key(), Proof::BoxAsks, parts)));
        asked
    }

    /// Whether whoever asks knows the code with this key, and sees the root with this hash: the hub gives that of its own,
    /// whatever the question says.
    #[must_use]
    pub fn is_proven(&self, key: &[u8; 32], own_root_hash: &[u8; 32]) -> bool {
        self.with_parts(own_root_hash, |parts| is_proven(key, Proof::BoxAsks, parts, &self.proof.0))
    }

    fn with_parts<T>(&self, root_hash: &[u8; 32], with: impl FnOnce(&[&[u8]]) -> T) -> T {
        let machine: &[u8] = self.machine.as_ref().map_or(&[], |machine| &machine.0);
        with(&[&self.nonce.0, root_hash, &self.csr.0, &self.store.to_be_bytes(), machine])
    }
}

/// What a box was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Issued {
    /// The number of the box.
    pub node: u32,
    /// Its certificate for connecting to the hub, and those that go along with it, leaf first: DER, as hexadecimal digits.
    #[schema(value_type = Vec<String>)]
    pub certificates: Vec<Octets>,
    /// Its certificate for those who connect to it in the shop, in the same form; empty if it has no name there.
    #[schema(value_type = Vec<String>)]
    pub lan_certificates: Vec<Octets>,
    /// The last instant at which the first certificate holds, UTC milliseconds.
    pub not_after_ms: i64,
}

/// The answer to a box that asked to be enrolled. The same key that asks again is given the same certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentAnswer {
    /// What it was given.
    #[serde(flatten)]
    pub issued: Issued,
    /// That the hub knows the code, over the question and all of the above; 64 hexadecimal digits.
    #[schema(value_type = String)]
    pub proof: Bytes<32>,
}

impl EnrolmentAnswer {
    /// The answer of the hub, which knows the code with this key, to a question that was proven.
    #[must_use]
    pub fn new(issued: Issued, asked: &EnrolmentAsked, key: &[u8; 32], own_root_hash: &[u8; 32]) -> Self {
        let proof = with_answer_parts(&issued, asked, own_root_hash, |parts| prove(key, Proof::HubAnswers, parts));
        Self { issued, proof: Bytes(proof) }
    }

    /// Whether the answer is of somebody who knows the code with this key, is about this question, and about the root that
    /// the box believes.
    #[must_use]
    pub fn is_proven(&self, asked: &EnrolmentAsked, key: &[u8; 32]) -> bool {
        with_answer_parts(&self.issued, asked, &asked.root_hash.0, |parts| {
            is_proven(key, Proof::HubAnswers, parts, &self.proof.0)
        })
    }
}

/// All that an answer says hangs on its proof. How many certificates there are of each kind is a part of its own, so that
/// none can pass from one kind to the other.
fn with_answer_parts<T>(
    issued: &Issued,
    asked: &EnrolmentAsked,
    root_hash: &[u8; 32],
    with: impl FnOnce(&[&[u8]]) -> T,
) -> T {
    let (node, not_after) = (issued.node.to_be_bytes(), issued.not_after_ms.to_be_bytes());
    let count = (issued.certificates.len() as u64).to_be_bytes();
    let fixed: [&[u8]; 6] = [&asked.nonce.0, root_hash, &asked.csr.0, &node, &not_after, &count];
    let certificates = issued.certificates.iter().chain(&issued.lan_certificates);
    let parts: Vec<&[u8]> = fixed.into_iter().chain(certificates.map(|octets| octets.0.as_slice())).collect();
    with(&parts)
}

/// A box asks for another certificate. The one that it has shows who it is, the request that the key is still its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RenewalAsked {
    /// The request for a certificate (PKCS#10) in DER, as hexadecimal digits, by the key of the present one.
    #[schema(value_type = String)]
    pub csr: Octets,
    /// The present certificate and those that go along with it, leaf first: DER, as hexadecimal digits.
    #[schema(value_type = Vec<String>)]
    pub certificates: Vec<Octets>,
}

/// Why a box is given no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EnrolmentRefusal {
    /// Nobody gave out such a code, or it was taken back.
    CodeUnknown,
    /// The code has ended.
    CodeExpired,
    /// The code enrolled another box.
    CodeUsed,
    /// The code is another store's.
    CodeOtherStore,
    /// The proof is not over what the hub sees.
    ProofWrong,
    /// The request is malformed, or was not made by its key.
    CsrInvalid,
    /// Too much was asked; later it will be heard again.
    TooManyTries,
    /// The certificate was revoked.
    CertificateRevoked,
    /// The certificate is not one of this hub's chain.
    CertificateUnknown,
    /// The certificate ended too long ago.
    RenewalTooLate,
    /// The request is by another key than the certificate's.
    KeyChanged,
}

impl EnrolmentRefusal {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::CodeUnknown,
        Self::CodeExpired,
        Self::CodeUsed,
        Self::CodeOtherStore,
        Self::ProofWrong,
        Self::CsrInvalid,
        Self::TooManyTries,
        Self::CertificateRevoked,
        Self::CertificateUnknown,
        Self::RenewalTooLate,
        Self::KeyChanged,
    ];

    /// The problem's code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CodeUnknown => "code_unknown",
            Self::CodeExpired => "code_expired",
            Self::CodeUsed => "code_used",
            Self::CodeOtherStore => "code_other_store",
            Self::ProofWrong => "proof_wrong",
            Self::CsrInvalid => "csr_invalid",
            Self::TooManyTries => "too_many_tries",
            Self::CertificateRevoked => "certificate_revoked",
            Self::CertificateUnknown => "certificate_unknown",
            Self::RenewalTooLate => "renewal_too_late",
            Self::KeyChanged => "key_changed",
        }
    }

    /// The refusal with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
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

    fn asked() -> EnrolmentAsked {
        let asking = Asking { nonce: [1; 32], root: ROOT, csr: vec![2, 3], store: 42, machine: Some([4; 16]) };
        EnrolmentAsked::new(&code(), asking)
    }

    fn answered() -> EnrolmentAnswer {
        let octets = |byte| Octets(vec![byte]);
        let issued = Issued {
            node: 142,
            certificates: vec![octets(1), octets(2)],
            lan_certificates: vec![octets(3)],
            not_after_ms: 7,
        };
        EnrolmentAnswer::new(issued, &asked(), &code().key(), &root_hash(ROOT))
    }

    #[test]
    fn a_question_is_proven_by_its_code_and_over_the_one_root() {
        let (key, root) = (code().key(), root_hash(ROOT));
        assert!(asked().is_proven(&key, &root));
        assert!(!asked().is_proven(&[7; 32], &root));
        assert!(!asked().is_proven(&key, &root_hash(b"another")), "whatever root the question names");
        let changes: [fn(&mut EnrolmentAsked); 5] = [
            |asked| asked.nonce = Bytes([9; 32]),
            |asked| asked.csr = Octets(vec![2]),
            |asked| asked.store = 41,
            |asked| asked.machine = None,
            |asked| asked.proof = Bytes([0; 32]),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut changed = asked();
            change(&mut changed);
            assert!(!changed.is_proven(&key, &root), "change {at}");
        }
    }

    #[test]
    fn an_answer_is_proven_for_its_question_and_in_all_that_it_says() {
        let key = code().key();
        assert!(answered().is_proven(&asked(), &key));
        assert!(!answered().is_proven(&asked(), &[7; 32]));
        assert!(!answered().is_proven(&EnrolmentAsked { nonce: Bytes([9; 32]), ..asked() }, &key));
        assert!(!answered().is_proven(&EnrolmentAsked { root_hash: Bytes([9; 32]), ..asked() }, &key));
        let changes: [fn(&mut Issued); 4] = [
            |issued| issued.node = 1,
            |issued| issued.not_after_ms = 8,
            |issued| issued.certificates.truncate(1),
            |issued| {
                let moved = issued.lan_certificates.remove(0);
                issued.certificates.push(moved);
            },
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut changed = answered();
            change(&mut changed.issued);
            assert!(!changed.is_proven(&asked(), &key), "change {at}");
        }
    }

    #[test]
    fn what_is_said_survives_its_json_and_no_code_is_in_it() {
        let text = serde_json::to_string(&asked()).unwrap();
        assert_eq!(serde_json::from_str::<EnrolmentAsked>(&text).unwrap(), asked());
        assert!(!text.contains(&code().to_string()), "{text}");
        assert!(text.contains(r#""csr":"0203""#) && text.contains(r#""machine":"04040404"#), "{text}");
        let text = serde_json::to_string(&answered()).unwrap();
        assert_eq!(serde_json::from_str::<EnrolmentAnswer>(&text).unwrap(), answered());
        assert!(text.starts_with(r#"{"node":142,"certificates":["01","02"],"lan_certificates":["03"],"#), "{text}");
        let renewal = RenewalAsked { csr: Octets(vec![1]), certificates: vec![Octets(vec![2])] };
        let text = serde_json::to_string(&renewal).unwrap();
        assert_eq!(serde_json::from_str::<RenewalAsked>(&text).unwrap(), renewal);
        for text in [r#""01""#, r#""0g0101010101010101""#, r#""0A0101010101010A""#, "7"] {
            assert!(serde_json::from_str::<Bytes<8>>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_refusal_has_a_code_of_its_own() {
        for refusal in EnrolmentRefusal::ALL {
            assert_eq!(EnrolmentRefusal::from_code(refusal.code()), Some(refusal));
        }
        assert_eq!(EnrolmentRefusal::from_code("other"), None);
    }
}
