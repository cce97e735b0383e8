//! What a box says when it is done: which steps it went, what it found, and the first ticket that it sold.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::bundle::{BundleError, decoded, encoded};
use super::site::{bound, bound_texts};
use crate::journal::{PublicKey, Signature, SigningKey};

/// Steps of one installation.
pub const STEPS_MAX: usize = 32;
/// Checks of one installation.
pub const CHECKS_MAX: usize = 64;

const CONTEXT: &str = "percolate 2026 acceptance";
const WHAT: &str = "acceptance";

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum StepOutcomeV1 {
    /// It was done.
    #[n(0)]
    Done,
    /// There was nothing to do.
    #[n(1)]
    Skipped,
    /// It will happen by itself, later.
    #[n(2)]
    Waiting,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StepV1 {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// How it ended.
    #[n(1)]
    pub outcome: StepOutcomeV1,
    /// How long it took, in milliseconds.
    #[n(2)]
    pub ms: u64,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum CheckOutcomeV1 {
    /// All is well.
    #[n(0)]
    Pass,
    /// It works, and somebody should look at it.
    #[n(1)]
    Warn,
    /// It does not work.
    #[n(2)]
    Fail,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CheckV1 {
    /// Its code.
    #[n(0)]
    pub code: String,
    /// What it found.
    #[n(1)]
    pub outcome: CheckOutcomeV1,
    /// What was measured.
    #[n(2)]
    pub detail: String,
}

/// The first ticket of a box.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FirstTicketV1 {
    /// Its receipt number.
    #[n(0)]
    pub receipt: String,
    /// Its id.
    #[n(1)]
    pub id: ByteArray<16>,
    /// When, in UTC milliseconds.
    #[n(2)]
    pub at_ms: i64,
}

/// What a box says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AcceptanceV1 {
    /// The chain's id.
    #[n(0)]
    pub chain: ByteArray<16>,
    /// The shop.
    #[n(1)]
    pub store: u32,
    /// The box.
    #[n(2)]
    pub node: u32,
    /// The number of the bundle that it took.
    #[n(3)]
    pub bundle: u64,
    /// The box's public key.
    #[n(4)]
    pub key: ByteArray<33>,
    /// The version of its program.
    #[n(5)]
    pub version: String,
    /// The machine, by its fingerprint; empty if it has none.
    #[n(6)]
    pub machine: ByteVec,
    /// The steps, in their order.
    #[n(7)]
    pub steps: Vec<StepV1>,
    /// The checks.
    #[n(8)]
    pub checks: Vec<CheckV1>,
    /// The first ticket, if one was sold.
    #[n(9)]
    pub first_ticket: Option<FirstTicketV1>,
    /// When this was said, in UTC milliseconds.
    #[n(10)]
    pub made_at_ms: i64,
    /// Whether it was a rehearsal, on a machine that is no shop's.
    #[n(11)]
    pub rehearsal: bool,
}

impl AcceptanceV1 {
    /// Writes it, and signs what was written.
    ///
    /// # Errors
    /// [`BundleError`] if it is more than [`AcceptanceV1::open`] takes.
    pub fn sign(&self, key: &SigningKey) -> Result<(Vec<u8>, Signature), BundleError> {
        self.check()?;
        let body = encoded(self, WHAT)?;
        let signature = key.sign(CONTEXT, &body);
        Ok((body, signature))
    }

    /// Reads one that `key` signed; `None` if it did not.
    ///
    /// # Errors
    /// [`BundleError`] if it was signed and is malformed, or a text or list is longer than this module says.
    pub fn open(body: &[u8], signature: &Signature, key: &PublicKey) -> Result<Option<Self>, BundleError> {
        if !key.verifies(CONTEXT, body, signature) {
            return Ok(None);
        }
        let acceptance: Self = decoded(body, WHAT)?;
        acceptance.check()?;
        Ok(Some(acceptance))
    }

    fn check(&self) -> Result<(), BundleError> {
        bound_texts("characters of the version", [&self.version])?;
        bound("bytes of the machine's fingerprint", self.machine.len(), 32)?;
        bound("steps", self.steps.len(), STEPS_MAX)?;
        bound_texts("characters of a step", self.steps.iter().map(|step| &step.name))?;
        bound("checks", self.checks.len(), CHECKS_MAX)?;
        bound_texts("characters of a check", self.checks.iter().flat_map(|check| [&check.code, &check.detail]))?;
        bound_texts("characters of a receipt", self.first_ticket.iter().map(|ticket| &ticket.receipt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::bundle::TEXT_CHARS_MAX;

    /// What is too much, and how it comes about.
    type Change<'c> = (&'static str, &'c dyn Fn(&mut AcceptanceV1));

    fn key() -> SigningKey {
        SigningKey::from_random(&[7; 32]).unwrap()
    }

    fn acceptance() -> AcceptanceV1 {
        AcceptanceV1 {
            chain: [1; 16].into(),
            store: 42,
            node: 142,
            bundle: 3,
            key: (*key().public_key().as_bytes()).into(),
            version: "0.1.0".to_owned(),
            machine: vec![9; 16].into(),
            steps: vec![StepV1 { name: "verify".to_owned(), outcome: StepOutcomeV1::Done, ms: 3 }],
            checks: vec![CheckV1 {
                code: "clock".to_owned(),
                outcome: CheckOutcomeV1::Warn,
                detail: "7 min".to_owned(),
            }],
            first_ticket: Some(FirstTicketV1 { receipt: "T1-A-1".to_owned(), id: [2; 16].into(), at_ms: 5 }),
            made_at_ms: 6,
            rehearsal: true,
        }
    }

    #[test]
    fn an_acceptance_is_read_if_its_box_signed_it() {
        let (body, signature) = acceptance().sign(&key()).unwrap();
        let public = key().public_key();
        assert_eq!(AcceptanceV1::open(&body, &signature, &public), Ok(Some(acceptance())));
        let other = SigningKey::from_random(&[8; 32]).unwrap().public_key();
        assert_eq!(AcceptanceV1::open(&body, &signature, &other), Ok(None));
        for at in 0..body.len() {
            let mut changed = body.clone();
            changed[at] ^= 1;
            assert_eq!(AcceptanceV1::open(&changed, &signature, &public), Ok(None), "byte {at}");
        }
        let signed_nonsense = key().sign(CONTEXT, b"nonsense");
        assert!(AcceptanceV1::open(b"nonsense", &signed_nonsense, &public).is_err());
    }

    #[test]
    fn every_list_and_text_has_its_bound() {
        let long = || "x".repeat(TEXT_CHARS_MAX + 1);
        let changes: [Change<'_>; 8] = [
            ("characters of the version", &|a| a.version = long()),
            ("bytes of the machine's fingerprint", &|a| a.machine = vec![0; 33].into()),
            ("steps", &|a| a.steps = vec![a.steps[0].clone(); STEPS_MAX + 1]),
            ("characters of a step", &|a| a.steps[0].name = long()),
            ("checks", &|a| a.checks = vec![a.checks[0].clone(); CHECKS_MAX + 1]),
            ("characters of a check", &|a| a.checks[0].code = long()),
            ("characters of a check", &|a| a.checks[0].detail = long()),
            ("characters of a receipt", &|a| a.first_ticket.as_mut().unwrap().receipt = long()),
        ];
        for (name, change) in changes {
            let mut changed = acceptance();
            change(&mut changed);
            let refused = |outcome: Result<(), BundleError>| {
                assert!(
                    matches!(outcome, Err(BundleError::TooMany { what, .. }) if what == name),
                    "{name}: {outcome:?}"
                );
            };
            refused(changed.sign(&key()).map(drop));
            let body = encoded(&changed, WHAT).unwrap();
            let signature = key().sign(CONTEXT, &body);
            refused(AcceptanceV1::open(&body, &signature, &key().public_key()).map(drop));
        }
    }
}
