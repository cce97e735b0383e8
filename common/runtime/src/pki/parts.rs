//! What certificates are made of: names, times, keys.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use percolate_common::identity::names::{ChainId, HUB_DNS_NAME};
use percolate_common::journal::{PublicKey, SigningKey};
use percolate_common::time::UtcMillis;
use rcgen::string::PrintableString;
use rcgen::{
    DistinguishedName, DnType, DnValue, KeyIdMethod, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SignatureAlgorithm,
};
use time::OffsetDateTime;

use super::PkiError;

/// Characters of a name in a subject (RFC 5280).
const NAME_CHARS_MAX: usize = 64;
/// Characters of a host's name (RFC 1035).
const HOST_CHARS_MAX: usize = 253;

/// The attribute `serialNumber` of a subject, X.520.
const SERIAL_NUMBER: &[u64] = &[2, 5, 4, 5];

const KEY_ID_CONTEXT: &str = "percolate 2026 key identifier in a certificate";

/// A name or an address under which a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SanName {
    /// A host's name.
    Host(String),
    /// An address.
    Address(IpAddr),
}

impl FromStr for SanName {
    type Err = PkiError;

    fn from_str(text: &str) -> Result<Self, PkiError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let label = |part: &str| {
            (1..=63).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        if text.len() <= HOST_CHARS_MAX && text.split('.').all(label) {
            return Ok(Self::Host(text.to_ascii_lowercase()));
        }
        Err(PkiError::Name { text: text.to_owned(), expected: "a host's name or an address is" })
    }
}

impl fmt::Display for SanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl SanName {
    /// Whether it is the name that only a hub's certificate may have.
    pub(super) fn is_hub(&self) -> bool {
        matches!(self, Self::Host(name) if name == HUB_DNS_NAME)
    }

    pub(super) fn to_san(&self) -> Result<SanType, PkiError> {
        Ok(match self {
            Self::Host(name) => SanType::DnsName(name.as_str().try_into().map_err(PkiError::Make)?),
            Self::Address(address) => SanType::IpAddress(*address),
        })
    }
}

/// A signing key as rcgen takes it.
pub(super) struct Signer {
    key: SigningKey,
    point: Vec<u8>,
}

impl Signer {
    pub(super) fn new(key: &SigningKey) -> Result<Self, PkiError> {
        let point = key.public_key().to_point().ok_or(PkiError::PublicKey)?;
        Ok(Self { key: key.clone(), point })
    }
}

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Signer {
    fn sign(&self, document: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.sign_document(document))
    }
}

/// A public key as rcgen takes it.
pub(super) struct Holder {
    point: Vec<u8>,
}

impl Holder {
    pub(super) fn new(key: &PublicKey) -> Result<Self, PkiError> {
        Ok(Self { point: key.to_point().ok_or(PkiError::PublicKey)? })
    }
}

impl PublicKeyData for Holder {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// A subject: whose name, of which chain; a root states the chain's id, too.
pub(super) fn subject(
    common_name: &str,
    organisation: Option<&str>,
    chain: Option<&ChainId>,
) -> Result<DistinguishedName, PkiError> {
    let mut subject = DistinguishedName::new();
    if let Some(organisation) = organisation {
        subject.push(DnType::OrganizationName, named(organisation)?);
    }
    subject.push(DnType::CommonName, named(common_name)?);
    if let Some(chain) = chain {
        let id = PrintableString::try_from(chain.to_string()).map_err(PkiError::Make)?;
        subject.push(DnType::CustomDnType(SERIAL_NUMBER.to_vec()), DnValue::PrintableString(id));
    }
    Ok(subject)
}

fn named(text: &str) -> Result<&str, PkiError> {
    let lawful = (1..=NAME_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    let expected = "1 to 64 characters without line ends are";
    if lawful { Ok(text) } else { Err(PkiError::Name { text: text.to_owned(), expected }) }
}

/// How a certificate names a key, its own or its issuer's: 20 bytes, as many as others take.
pub(super) fn key_id(key: &PublicKey) -> KeyIdMethod {
    let mut id = vec![0; 20];
    blake3::Hasher::new_derive_key(KEY_ID_CONTEXT).update(key.as_bytes()).finalize_xof().fill(&mut id);
    KeyIdMethod::PreSpecified(id)
}

/// The span in which something holds, as rcgen takes it. Whole seconds count, and nothing begins before 1970.
pub(super) fn span(from: UtcMillis, until: UtcMillis) -> Result<(OffsetDateTime, OffsetDateTime), PkiError> {
    let refused = PkiError::Lifetime { from_ms: from.get(), until_ms: until.get() };
    let at = |instant: UtcMillis| OffsetDateTime::from_unix_timestamp(instant.get().max(0).div_euclid(1_000)).ok();
    match (at(from), at(until)) {
        (Some(from), Some(until)) if from < until => Ok((from, until)),
        (None, _) | (_, None) | (Some(_), Some(_)) => Err(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart_and_nonsense_is_refused() {
        for (text, expected) in [
            ("Box.Shop.example", SanName::Host("box.shop.example".to_owned())),
            ("box-2", SanName::Host("box-2".to_owned())),
            ("192.168.7.20", SanName::Address([192, 168, 7, 20].into())),
            ("::1", SanName::Address("::1".parse().unwrap())),
        ] {
            assert_eq!(text.parse::<SanName>().unwrap(), expected);
        }
        let long = vec!["a"; 128].join(".");
        for text in ["", "a..b", "-a", "a-", "a b", "*.a", "a_b", "ä", "[::1]", "a:1", &"a".repeat(64), &long] {
            assert!(text.parse::<SanName>().is_err(), "{text}");
        }
        assert!(HUB_DNS_NAME.to_uppercase().parse::<SanName>().unwrap().is_hub());
    }

    #[test]
    fn a_span_begins_before_it_ends() {
        let span_of = |from, until| span(UtcMillis::new(from), UtcMillis::new(until)).is_ok();
        assert!(span_of(-5_000, 1_000));
        assert!(!span_of(1_000, 1_000));
        assert!(!span_of(1_000, 1_999), "less than a second");
        assert!(!span_of(0, i64::MAX));
    }
}
