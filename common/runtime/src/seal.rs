//! Seals bundles, and opens them again: length, then signature, and only then what is inside.
//!
//! ```text
//!   0   8  "PERCBNDL"
//!   8   2  version, 1
//!  10  32  the chain's Ed25519 key
//!  42   8  length of the body
//!  50  64  signature over a context, the 50 bytes before, and the body's BLAKE3
//! 114   n  the body: zstd
//! ```
//!
//! Numbers are big-endian. No decoder sees a byte that was not signed: [`open`] is the only way to the content.

use std::fmt;
use std::io::Read;

use percolate_common::entropy::Entropy;
use percolate_common::identity::chain_key::{ChainKey, Fingerprint};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// Bytes of a bundle's file.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of its content, once it is opened.
pub const OPENED_BYTES_MAX: usize = 256 * 1024 * 1024;

const MAGIC: &[u8; 8] = b"PERCBNDL";
const VERSION: u16 = 1;
const HEAD_BYTES: usize = 50;
const SIGNATURE_BYTES: usize = 64;
const BODY_AT: usize = HEAD_BYTES + SIGNATURE_BYTES;
const CONTEXT: &[u8] = b"percolate 2026 store bundle\0";
const ZSTD_LEVEL: i32 = 9;

/// A key that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chain's bundle key is not an Ed25519 key of 64 hexadecimal digits")]
pub struct SealKeyError;

/// A content that cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// Larger than is opened again.
    #[error("a bundle of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// How large it is: the content, or the file.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// It could not be compressed.
    #[error("the bundle could not be compressed")]
    Compress(#[source] std::io::Error),
}

/// A file that is not opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// No bundle at all.
    #[error("this is no bundle of a store")]
    NotABundle,
    /// Written by a newer program.
    #[error("this bundle has version {0}, and version {VERSION} is read: it needs a newer program")]
    Version(u16),
    /// Larger than any bundle.
    #[error("a bundle of {bytes} bytes is over the limit of {FILE_BYTES_MAX}")]
    TooLarge {
        /// How large it says it is.
        bytes: u64,
    },
    /// Its end is missing.
    #[error("{missing} bytes of the bundle are missing: it was not copied to its end")]
    Truncated {
        /// How many; where even the head is cut off, how many at least.
        missing: u64,
    },
    /// Not as it was sealed.
    #[error("the bundle is not as head office signed it")]
    Tampered,
    /// Sealed by another chain.
    #[error("the bundle is of another chain: its fingerprint is {found}")]
    OtherChain {
        /// Whose it is.
        found: Fingerprint,
    },
    /// Signed, and yet not readable: whoever sealed it made a mistake.
    #[error("the bundle's content cannot be unpacked")]
    Unpack(#[source] std::io::Error),
    /// Signed, and larger than is taken.
    #[error("the bundle's content is over the limit of {OPENED_BYTES_MAX} bytes")]
    ContentTooLarge,
}

/// What is known of the chain before a bundle is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Its key, from an earlier bundle or from the box's image.
    Key(ChainKey),
    /// Its fingerprint, which somebody typed from the sheet.
    Fingerprint(Fingerprint),
    /// Nothing: the first bundle is believed, and whoever believes it says so.
    Nothing,
}

/// What was in a bundle whose seal is right.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    content: Vec<u8>,
    key: ChainKey,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Sealed {
    /// The content, for `BundleV1::decode`.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The chain's key, to be kept.
    #[must_use]
    pub fn key(&self) -> &ChainKey {
        &self.key
    }
}

/// A chain's key for sealing bundles: Ed25519, of which a head office has one.
pub struct SealKey {
    pair: Ed25519KeyPair,
    seed: [u8; 32],
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(secret)")
    }
}

impl SealKey {
    /// Draws a key.
    ///
    /// # Errors
    /// [`SealKeyError`] if the bytes make none.
    pub fn draw(entropy: &dyn Entropy) -> Result<Self, SealKeyError> {
        let mut seed = [0; 32];
        entropy.fill(&mut seed);
        Self::from_seed(seed)
    }

    /// Reads the key's file: 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`SealKeyError`] if it holds anything else.
    pub fn from_text(text: &str) -> Result<Self, SealKeyError> {
        // The digits of a hash of BLAKE3 are as many as those of a key.
        let seed = blake3::Hash::from_hex(text.trim()).map_err(|_no_digits| SealKeyError)?;
        Self::from_seed(*seed.as_bytes())
    }

    /// The key as its file holds it: a secret, for a file of mode 0600 only.
    #[must_use]
    pub fn to_text(&self) -> String {
        blake3::Hash::from_bytes(self.seed).to_hex().to_string()
    }

    fn from_seed(seed: [u8; 32]) -> Result<Self, SealKeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_rejected| SealKeyError)?;
        Ok(Self { pair, seed })
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> ChainKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        ChainKey::from_bytes(bytes)
    }

    /// Seals a content: a bundle's file.
    ///
    /// # Errors
    /// [`CloseError::TooLarge`] if [`open`] would refuse it for its size.
    pub fn close(&self, content: &[u8]) -> Result<Vec<u8>, CloseError> {
        within(content.len(), OPENED_BYTES_MAX)?;
        let body = zstd::encode_all(content, ZSTD_LEVEL).map_err(CloseError::Compress)?;
        within(BODY_AT + body.len(), FILE_BYTES_MAX)?;
        let length = body.len() as u64;
        let head =
            [MAGIC.as_slice(), &VERSION.to_be_bytes(), self.public_key().as_bytes(), &length.to_be_bytes()].concat();
        let signature = self.pair.sign(&signed(&head, &body));
        Ok([&head, signature.as_ref(), &body].concat())
    }
}

fn within(bytes: usize, limit: usize) -> Result<(), CloseError> {
    if bytes <= limit { Ok(()) } else { Err(CloseError::TooLarge { bytes, limit }) }
}

fn signed(head: &[u8], body: &[u8]) -> Vec<u8> {
    [CONTEXT, head, blake3::hash(body).as_bytes()].concat()
}

/// The parts of a file.
struct Parts<'f> {
    head: &'f [u8],
    key: ChainKey,
    signature: &'f [u8],
    body: &'f [u8],
}

/// Takes a file apart, and decodes nothing of its body.
fn apart(file: &[u8]) -> Result<Parts<'_>, SealError> {
    let missing_of = |whole: usize| SealError::Truncated { missing: (whole - file.len()) as u64 };
    let beginning = file.get(..MAGIC.len()).unwrap_or(file);
    if !MAGIC.starts_with(beginning) {
        return Err(SealError::NotABundle);
    }
    let (head, rest) = file.split_at_checked(HEAD_BYTES).ok_or_else(|| missing_of(BODY_AT))?;
    let mut numbers = head.get(MAGIC.len()..).unwrap_or_default();
    let version = u16::from_be_bytes(taken(&mut numbers)?);
    if version != VERSION {
        return Err(SealError::Version(version));
    }
    let key = ChainKey::from_bytes(taken(&mut numbers)?);
    let length = u64::from_be_bytes(taken(&mut numbers)?);
    let bytes = length.saturating_add(BODY_AT as u64);
    if bytes > FILE_BYTES_MAX as u64 {
        return Err(SealError::TooLarge { bytes });
    }
    let there = file.len() as u64;
    if there < bytes {
        return Err(SealError::Truncated { missing: bytes - there });
    }
    let (signature, body) = rest.split_at_checked(SIGNATURE_BYTES).ok_or(SealError::Tampered)?;
    // What follows the end is in the body, and so not as it was signed.
    Ok(Parts { head, key, signature, body })
}

fn taken<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], SealError> {
    let (first, rest) = bytes.split_first_chunk().ok_or(SealError::NotABundle)?;
    *bytes = rest;
    Ok(*first)
}

/// Opens a bundle's file, if the chain that is known sealed it, and nobody changed it.
///
/// # Errors
/// [`SealError`], in this order: what it is, whether it is whole, whether it is as it was signed, by whom, and only then
/// what is inside.
pub fn open(file: &[u8], known: Known) -> Result<Sealed, SealError> {
    let Parts { head, key, signature, body } = apart(file)?;
    UnparsedPublicKey::new(&ED25519, key.as_bytes())
        .verify(&signed(head, body), signature)
        .map_err(|_unspecified| SealError::Tampered)?;
    let is_known = match known {
        Known::Key(known) => known == key,
        Known::Fingerprint(known) => known == key.fingerprint(),
        Known::Nothing => true,
    };
    if !is_known {
        return Err(SealError::OtherChain { found: key.fingerprint() });
    }
    let mut content = Vec::new();
    let mut unpacked = zstd::stream::read::Decoder::new(body).map_err(SealError::Unpack)?;
    let limit = OPENED_BYTES_MAX as u64 + 1;
    let length = unpacked.by_ref().take(limit).read_to_end(&mut content).map_err(SealError::Unpack)?;
    if length > OPENED_BYTES_MAX { Err(SealError::ContentTooLarge) } else { Ok(Sealed { content, key }) }
}

#[cfg(test)]
mod tests {
    use percolate_common::entropy::SeededEntropy;

    use super::*;

    fn key(seed: u64) -> SealKey {
        SealKey::draw(&SeededEntropy::new(seed)).unwrap()
    }

    fn content() -> Vec<u8> {
        (0..5_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()).collect()
    }

    /// The content as it would be packed by somebody who signs whatever he likes.
    fn signed_file(body: &[u8]) -> Vec<u8> {
        let length = body.len() as u64;
        let head = [MAGIC.as_slice(), &[0, 1], key(1).public_key().as_bytes(), &length.to_be_bytes()].concat();
        [&head, key(1).pair.sign(&signed(&head, body)).as_ref(), body].concat()
    }

    #[test]
    fn a_bundle_is_opened_by_whoever_knows_its_chain() {
        let file = key(1).close(&content()).unwrap();
        let public = key(1).public_key();
        for known in [Known::Nothing, Known::Key(public), Known::Fingerprint(public.fingerprint())] {
            let opened = open(&file, known).unwrap();
            assert_eq!((opened.content(), opened.key()), (content().as_slice(), &public), "{known:?}");
        }
        let other = key(2).public_key();
        for known in [Known::Key(other), Known::Fingerprint(other.fingerprint())] {
            let refused = open(&file, known).unwrap_err();
            assert!(matches!(refused, SealError::OtherChain { found } if found == public.fingerprint()), "{refused}");
        }
    }

    #[test]
    fn a_truncated_bundle_says_how_much_is_missing() {
        let file = key(1).close(&content()).unwrap();
        for length in [0, 1, 7, 8, 49, 50, 113, 114, 115, file.len() / 2, file.len() - 1] {
            let expected = (if length < HEAD_BYTES { BODY_AT } else { file.len() } - length) as u64;
            let refused = open(&file[..length], Known::Nothing).unwrap_err();
            assert!(matches!(refused, SealError::Truncated { missing } if missing == expected), "{length}: {refused}");
        }
    }

    #[test]
    fn what_is_no_bundle_is_told_apart_from_a_part_of_one() {
        for file in [b"P3".as_slice(), b"PERCBNDX", &[0; 200], &zstd::encode_all(content().as_slice(), 1).unwrap()] {
            assert!(matches!(open(file, Known::Nothing), Err(SealError::NotABundle)), "{file:?}");
        }
        let mut newer = key(1).close(&content()).unwrap();
        newer[9] = 2;
        assert!(matches!(open(&newer, Known::Nothing), Err(SealError::Version(2))));
    }

    #[test]
    fn no_changed_byte_is_let_through_and_none_reaches_a_decoder() {
        let file = key(1).close(&content()).unwrap();
        let known = Known::Key(key(1).public_key());
        for at in (0..BODY_AT).chain((BODY_AT..file.len()).step_by(97)).chain([file.len() - 1]) {
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            let refused = open(&changed, known).unwrap_err();
            let by_its_head = matches!(
                refused,
                SealError::NotABundle
                    | SealError::Version(_)
                    | SealError::TooLarge { .. }
                    | SealError::Truncated { .. }
            );
            assert!(matches!(refused, SealError::Tampered) || (at < HEAD_BYTES && by_its_head), "byte {at}: {refused}");
        }
        assert!(matches!(open(&[file, vec![0]].concat(), known), Err(SealError::Tampered)), "a byte more");
    }

    #[test]
    fn a_signed_mistake_is_refused_too() {
        assert!(matches!(open(&signed_file(b"no zstd"), Known::Nothing), Err(SealError::Unpack(_))));
        let whole = zstd::encode_all(content().as_slice(), 1).unwrap();
        assert_eq!(open(&signed_file(&whole), Known::Nothing).unwrap().content(), content());
        assert!(matches!(open(&signed_file(&whole[..whole.len() / 2]), Known::Nothing), Err(SealError::Unpack(_))));
    }

    #[test]
    fn a_small_file_that_unpacks_to_a_large_one_is_refused() {
        let zeros = std::io::repeat(0).take(OPENED_BYTES_MAX as u64 + 1);
        let body = zstd::encode_all(zeros, 1).unwrap();
        assert!(matches!(open(&signed_file(&body), Known::Nothing), Err(SealError::ContentTooLarge)));
    }

    #[test]
    fn a_file_says_no_size_that_no_bundle_has() {
        let mut file = signed_file(b"x");
        file[42..50].copy_from_slice(&u64::MAX.to_be_bytes());
        assert!(matches!(open(&file, Known::Nothing), Err(SealError::TooLarge { bytes: u64::MAX })));
    }

    #[test]
    fn a_key_survives_its_file_and_is_not_shown() {
        let text = key(1).to_text();
        assert_eq!(SealKey::from_text(&format!("{text}\n")).unwrap().public_key(), key(1).public_key());
        for wrong in ["", &text[1..], &format!("{text}0"), &text.replace(|c: char| c.is_ascii_digit(), "g")] {
            assert_eq!(SealKey::from_text(wrong).unwrap_err(), SealKeyError);
        }
        assert!(!format!("{:?}", key(1)).contains(&text));
    }
}
