//! What a box is given to become a shop of its chain: the content of a bundle, after its seal was checked.
//!
//! Maps with numbered keys: what a newer program adds, an older one skips. Nothing here is signed; see the seal in the
//! shell, which is the only way to these bytes.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::names::ChainId;
use super::site::{SiteV1, bound, bound_texts};

/// Characters of a text in a bundle, where nothing else is said.
pub const TEXT_CHARS_MAX: usize = 200;
/// Characters of a certificate in a bundle.
pub const CERTIFICATE_CHARS_MAX: usize = 16 * 1024;
/// Addresses of the hub of one kind.
pub const ADDRESSES_MAX: usize = 8;
/// Frames with the catalog's journals; each is at most as large as a frame on the line.
pub const JOURNAL_FRAMES_MAX: usize = 4_096;
/// Programs that a bundle vouches for.
pub const SOFTWARE_MAX: usize = 16;

/// A bundle or a part of one that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not well-formed, or without something that must be there.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// More of something than is read.
    #[error("there are {found} of {what}, and at most {limit} are taken")]
    TooMany {
        /// Of what: characters of a text, or entries of a list.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many may be.
        limit: usize,
    },
    /// The menu beside a box's description is not the one that came with it.
    #[error("the menu is not the one that came with the description: install the bundle again")]
    OtherMenu,
}

/// The chain as a box must know it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct ChainV1 {
    /// Its id; in JSON as it is printed.
    #[n(0)]
    #[serde(with = "printed_id")]
    pub id: ByteArray<16>,
    /// Its name, for people.
    #[n(1)]
    pub name: String,
    /// The root's certificate, PEM. The only one that is believed by itself.
    #[n(2)]
    pub root: String,
    /// The issuing CA's certificate, PEM.
    #[n(3)]
    pub intermediate: String,
    /// Where the hub is asked, as `https://HOST:PORT`, in the order in which they are tried.
    #[n(4)]
    pub https: Vec<String>,
    /// Where the broker is, as `HOST:PORT`, in the order in which they are tried.
    #[n(5)]
    pub mqtt: Vec<String>,
}

impl ChainV1 {
    /// Its id.
    #[must_use]
    pub fn chain_id(&self) -> ChainId {
        ChainId::from_bytes(self.id.into())
    }

    /// Whether no text and no list is longer than is taken.
    ///
    /// # Errors
    /// [`BundleError::TooMany`] names the first that is.
    pub fn check(&self) -> Result<(), BundleError> {
        bound("characters of the chain's name", self.name.chars().count(), TEXT_CHARS_MAX)?;
        bound("characters of a certificate", self.root.len().max(self.intermediate.len()), CERTIFICATE_CHARS_MAX)?;
        bound("addresses of the hub", self.https.len().max(self.mqtt.len()), ADDRESSES_MAX)?;
        bound_texts("characters of an address", self.https.iter().chain(&self.mqtt))
    }
}

/// A chain's id in JSON.
mod printed_id {
    use minicbor::bytes::ByteArray;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::identity::names::ChainId;

    pub(super) fn serialize<S: Serializer>(id: &ByteArray<16>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&ChainId::from_bytes((*id).into()))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<ByteArray<16>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let id: ChainId = text.parse().map_err(D::Error::custom)?;
        Ok((*id.as_bytes()).into())
    }
}

/// What the code in a bundle is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum PurposeV1 {
    /// A shop's first box.
    #[n(0)]
    New,
    /// A box in the place of another, whose certificates end with it.
    #[n(1)]
    Replace,
}

/// A program that a box may run, by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SoftwareV1 {
    /// For which machine, as in `x86_64-unknown-linux-gnu`.
    #[n(0)]
    pub target: String,
    /// Its version.
    #[n(1)]
    pub version: String,
    /// BLAKE3 of the file.
    #[n(2)]
    pub blake3: ByteArray<32>,
}

/// A bundle: everything that a new box needs, so that it sells before it has a line to the hub.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BundleV1 {
    /// The chain.
    #[n(0)]
    pub chain: ChainV1,
    /// Counts this store's bundles, from 1: a box takes none that is older than the one it has.
    #[n(1)]
    pub number: u64,
    /// When it was made, in UTC milliseconds: no clock of a box that has it may say less.
    #[n(2)]
    pub made_at_ms: i64,
    /// When the code ends, in UTC milliseconds. Selling does not end with it.
    #[n(3)]
    pub expires_at_ms: i64,
    /// The shop.
    #[n(4)]
    pub site: SiteV1,
    /// The enrolment code, as it is written: a secret, and with it the whole file.
    #[n(5)]
    pub code: String,
    /// What the code is for.
    #[n(6)]
    pub purpose: PurposeV1,
    /// The catalog's journals as the frames that the hub would send, in their order.
    #[n(7)]
    pub journals: Vec<ByteVec>,
    /// Programs for the box.
    #[n(8)]
    pub software: Vec<SoftwareV1>,
}

impl BundleV1 {
    /// Writes the content.
    ///
    /// # Errors
    /// [`BundleError`] if it is more than [`BundleV1::decode`] takes.
    pub fn encode(&self) -> Result<Vec<u8>, BundleError> {
        self.check()?;
        encoded(self, WHAT)
    }

    /// Reads the content of a bundle whose seal was checked.
    ///
    /// # Errors
    /// [`BundleError`] if it is malformed, or a text or list is longer than this module and [`super::site`] say.
    pub fn decode(opened: &[u8]) -> Result<Self, BundleError> {
        let bundle: Self = decoded(opened, WHAT)?;
        bundle.check()?;
        Ok(bundle)
    }

    fn check(&self) -> Result<(), BundleError> {
        self.chain.check()?;
        self.site.check()?;
        bound("characters of the code", self.code.chars().count(), TEXT_CHARS_MAX)?;
        bound_frames(&self.journals)?;
        bound("programs", self.software.len(), SOFTWARE_MAX)?;
        bound_texts("characters of a program's version", self.software.iter().flat_map(|s| [&s.target, &s.version]))
    }
}

/// Bytes of a frame with the menu. The wire says the same of frames on the line, and stands above this room.
pub const FRAME_BYTES_MAX: usize = 96 * 1024;

const WHAT: &str = "bundle";

pub(super) fn bound_frames(journals: &[ByteVec]) -> Result<(), BundleError> {
    bound("frames with the menu", journals.len(), JOURNAL_FRAMES_MAX)?;
    let largest = journals.iter().map(|frame| frame.len()).max().unwrap_or_default();
    bound("bytes of a frame", largest, FRAME_BYTES_MAX)
}

pub(super) fn encoded<T: Encode<()>>(document: &T, what: &'static str) -> Result<Vec<u8>, BundleError> {
    minicbor::to_vec(document).map_err(|error| BundleError::Malformed { what, reason: error.to_string() })
}

/// Reads a document that is the whole of `bytes`.
pub(super) fn decoded<'b, T: Decode<'b, ()>>(bytes: &'b [u8], what: &'static str) -> Result<T, BundleError> {
    let malformed = |reason: String| BundleError::Malformed { what, reason };
    let mut decoder = minicbor::Decoder::new(bytes);
    let document = decoder.decode().map_err(|error| malformed(error.to_string()))?;
    if decoder.position() == bytes.len() { Ok(document) } else { Err(malformed("bytes follow its end".to_owned())) }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::site::tests::site;

    /// What is too much, and how it comes about.
    type Change<'c> = (&'static str, &'c dyn Fn(&mut BundleV1));

    pub(in crate::identity) fn bundle() -> BundleV1 {
        BundleV1 {
            chain: ChainV1 {
                id: [1; 16].into(),
                name: "Maven Coffee".to_owned(),
                root: "root".to_owned(),
                intermediate: "intermediate".to_owned(),
                https: vec!["https://hub.example:8444".to_owned()],
                mqtt: vec!["hub.example:8883".to_owned()],
            },
            number: 3,
            made_at_ms: 1_795_000_000_000,
            expires_at_ms: 1_795_604_800_000,
            site: site(),
            code: "7K3M-9QXT-W2F5-HB82".to_owned(),
            purpose: PurposeV1::New,
            journals: vec![vec![1, 2, 3].into(), vec![4].into()],
            software: vec![SoftwareV1 { target: "t".to_owned(), version: "0.1.0".to_owned(), blake3: [2; 32].into() }],
        }
    }

    #[test]
    fn a_bundle_round_trips() {
        assert_eq!(BundleV1::decode(&bundle().encode().unwrap()), Ok(bundle()));
        let replacing = BundleV1 { purpose: PurposeV1::Replace, ..bundle() };
        assert_eq!(BundleV1::decode(&replacing.encode().unwrap()), Ok(replacing));
    }

    #[test]
    fn what_a_newer_program_adds_is_skipped() {
        #[derive(Encode)]
        #[cbor(map)]
        struct Newer {
            #[n(0)]
            id: ByteArray<16>,
            #[n(1)]
            name: String,
            #[n(2)]
            root: String,
            #[n(3)]
            intermediate: String,
            #[n(4)]
            https: Vec<String>,
            #[n(5)]
            mqtt: Vec<String>,
            #[n(6)]
            colour: Vec<String>,
        }
        let ChainV1 { id, name, root, intermediate, https, mqtt } = bundle().chain;
        let newer = Newer { id, name, root, intermediate, https, mqtt, colour: vec!["red".to_owned()] };
        assert_eq!(decoded(&encoded(&newer, "x").unwrap(), "chain"), Ok(bundle().chain));
    }

    #[test]
    fn every_list_and_text_has_its_bound() {
        let long = || "x".repeat(TEXT_CHARS_MAX + 1);
        let changes: [Change<'_>; 11] = [
            ("characters of the chain's name", &|b| b.chain.name = long()),
            ("characters of a certificate", &|b| b.chain.root = "x".repeat(CERTIFICATE_CHARS_MAX + 1)),
            ("characters of a certificate", &|b| b.chain.intermediate = "x".repeat(CERTIFICATE_CHARS_MAX + 1)),
            ("addresses of the hub", &|b| b.chain.https = vec![String::new(); ADDRESSES_MAX + 1]),
            ("addresses of the hub", &|b| b.chain.mqtt = vec![String::new(); ADDRESSES_MAX + 1]),
            ("characters of an address", &|b| b.chain.mqtt = vec![long()]),
            ("characters of the code", &|b| b.code = long()),
            ("frames with the menu", &|b| b.journals = vec![vec![].into(); JOURNAL_FRAMES_MAX + 1]),
            ("bytes of a frame", &|b| b.journals = vec![vec![0; FRAME_BYTES_MAX + 1].into()]),
            ("programs", &|b| b.software = vec![b.software[0].clone(); SOFTWARE_MAX + 1]),
            ("characters of the shop's name", &|b| b.site.name = long()),
        ];
        for (name, change) in changes {
            let mut changed = bundle();
            change(&mut changed);
            let refused = |outcome: Result<(), BundleError>| {
                assert!(
                    matches!(outcome, Err(BundleError::TooMany { what, .. }) if what == name),
                    "{name}: {outcome:?}"
                );
            };
            refused(changed.encode().map(drop));
            refused(BundleV1::decode(&encoded(&changed, WHAT).unwrap()).map(drop));
        }
    }

    #[test]
    fn a_part_of_a_bundle_is_none() {
        let whole = bundle().encode().unwrap();
        for length in 0..whole.len() {
            assert!(BundleV1::decode(&whole[..length]).is_err(), "{length}");
        }
        assert!(BundleV1::decode(&[whole, vec![0]].concat()).is_err());
    }

    #[test]
    fn a_frame_of_the_line_fits() {
        assert_eq!(FRAME_BYTES_MAX, crate::wire::FRAME_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn nonsense_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _outcome = BundleV1::decode(&bytes);
        }

        #[test]
        fn a_changed_bundle_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = bundle().encode().unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _outcome = BundleV1::decode(&bytes);
        }
    }
}
