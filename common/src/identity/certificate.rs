//! Reads certificates: the few parts that we act upon.
//!
//! Nothing here says that a certificate is to be believed. A TLS stack does, before anybody reads it; this is a second,
//! smaller reader of what was believed.

use p256::pkcs8::der::asn1::{
    AnyRef, GeneralizedTime, Ia5StringRef, ObjectIdentifier, OctetStringRef, UintRef, UtcTime,
};
use p256::pkcs8::der::{Reader, SliceReader, Tag, TagNumber, Tagged};

use super::der::{DerError, Stop, inside, public_key, whole};
use super::names::{ChainId, Principal};
use super::serial::Serial;
use crate::journal::PublicKey;
use crate::time::UtcMillis;

/// Names that one certificate may list.
pub const NAMES_MAX: usize = 64;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// The tag of a URI among the alternative names.
const URI: Tag = Tag::ContextSpecific { constructed: false, number: TagNumber::N6 };

/// What a certificate states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its number with the CA that signed it.
    pub serial: Serial,
    /// When it begins to hold.
    pub not_before: UtcMillis,
    /// The last instant at which it holds.
    pub not_after: UtcMillis,
    /// The subject's common name; the last one, if there are several.
    pub common_name: String,
    /// The URIs among its alternative names.
    pub uris: Vec<String>,
    /// The subject's key.
    pub public_key: PublicKey,
}

impl Certificate {
    /// Reads a certificate in DER. Its signature is not looked at.
    ///
    /// # Errors
    /// [`DerError`] if it is malformed or larger than [`super::der::DER_BYTES_MAX`], has no common name, has a key that is not on P-256,
    /// or lists more than [`NAMES_MAX`] names.
    pub fn read(der: &[u8]) -> Result<Self, DerError> {
        read_certificate(der).map_err(|stop| stop.of("certificate"))
    }

    /// Whose it is: the one URI that is of this chain, if the common name says the same.
    #[must_use]
    pub fn principal(&self, chain: &ChainId) -> Option<Principal> {
        let mut ours = self.uris.iter().filter_map(|uri| Principal::from_uri(uri, chain));
        let only = ours.next().filter(|principal| principal.common_name() == self.common_name);
        // Two of them would leave it to the reader which of the two somebody is.
        only.filter(|_| ours.next().is_none())
    }
}

fn read_certificate(der: &[u8]) -> Result<Certificate, Stop> {
    let mut document = whole(der)?;
    let mut body = inside(&mut document, Tag::Sequence)?;
    // The algorithm and the signature, which whoever believed the certificate has looked at.
    let (_algorithm, _signature) = (document.tlv_bytes()?, document.tlv_bytes()?);
    document.finish(())?;

    let version = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };
    if body.peek_tag()? == version {
        body.tlv_bytes()?;
    }
    let serial = Serial::from_slice(body.decode::<UintRef<'_>>()?.as_bytes())
        .map_err(|_error| Stop::Unusable("its serial number is not positive, or too long"))?;
    let (_algorithm, _issuer) = (body.tlv_bytes()?, body.tlv_bytes()?);
    let mut validity = inside(&mut body, Tag::Sequence)?;
    let (not_before, not_after) = (instant(&mut validity)?, instant(&mut validity)?);
    validity.finish(())?;
    let common_name = common_name(&mut body)?.ok_or(Stop::Unusable("it has no common name"))?;
    let public_key = public_key(&mut body)?;
    let uris = uris(&mut body)?;
    Ok(Certificate { serial, not_before, not_after, common_name, uris, public_key })
}

fn instant(reader: &mut SliceReader<'_>) -> Result<UtcMillis, Stop> {
    let since_epoch = if reader.peek_tag()? == Tag::UtcTime {
        reader.decode::<UtcTime>()?.to_unix_duration()
    } else {
        reader.decode::<GeneralizedTime>()?.to_unix_duration()
    };
    let millis =
        i64::try_from(since_epoch.as_millis()).map_err(|_too_far| Stop::Unusable("its times are too far off"))?;
    Ok(UtcMillis::new(millis))
}

fn common_name(reader: &mut SliceReader<'_>) -> Result<Option<String>, Stop> {
    let mut found = None;
    let mut parts = inside(reader, Tag::Sequence)?;
    while !parts.is_finished() {
        let mut set = inside(&mut parts, Tag::Set)?;
        while !set.is_finished() {
            let mut attribute = inside(&mut set, Tag::Sequence)?;
            let kind: ObjectIdentifier = attribute.decode()?;
            if kind == COMMON_NAME {
                let value: AnyRef<'_> = attribute.decode()?;
                found = Some(text(value)?.to_owned());
            }
        }
    }
    Ok(found)
}

/// Printable strings are a part of UTF-8; the other forms are of another century.
fn text(value: AnyRef<'_>) -> Result<&str, Stop> {
    if ![Tag::Utf8String, Tag::PrintableString].contains(&value.tag()) {
        return Err(Stop::Unusable("its name has a form that is not read"));
    }
    str::from_utf8(value.value()).map_err(|_other| Stop::Unusable("its name is no UTF-8"))
}

/// The URIs among the alternative names, wherever among the last parts of a certificate these stand.
fn uris(reader: &mut SliceReader<'_>) -> Result<Vec<String>, Stop> {
    let mut found = Vec::new();
    let extensions = Tag::ContextSpecific { constructed: true, number: TagNumber::N3 };
    while !reader.is_finished() {
        if reader.peek_tag()? != extensions {
            reader.tlv_bytes()?;
            continue;
        }
        let mut explicit = inside(reader, extensions)?;
        let mut list = inside(&mut explicit, Tag::Sequence)?;
        while !list.is_finished() {
            let mut extension = inside(&mut list, Tag::Sequence)?;
            let kind: ObjectIdentifier = extension.decode()?;
            if extension.peek_tag()? == Tag::Boolean {
                extension.tlv_bytes()?;
            }
            let content: OctetStringRef<'_> = extension.decode()?;
            if kind == SUBJECT_ALT_NAME {
                names(content.as_bytes(), &mut found)?;
            }
        }
    }
    Ok(found)
}

fn names(content: &[u8], found: &mut Vec<String>) -> Result<(), Stop> {
    let mut all = whole(content)?;
    let mut count = 0;
    while !all.is_finished() {
        count += 1;
        if count > NAMES_MAX {
            return Err(Stop::Unusable("it lists too many names"));
        }
        let name: AnyRef<'_> = all.decode()?;
        if name.tag() == URI {
            found.push(Ia5StringRef::new(name.value())?.as_str().to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::der::tests::{KEY, bytes};
    use crate::ids::NodeId;

    /// Made by OpenSSL 3.0: O=Maven Coffee, CN=n11, four alternative names, a serial of 20 bytes.
    const LEAF: &str = include_str!("golden/leaf.hex");
    /// Of the same key; first form of certificates, without extensions, ends after 2050.
    const OLD_FORM: &str = include_str!("golden/old_form.hex");
    /// Of a key on another curve.
    const P384: &str = include_str!("golden/p384.hex");
    const URI_OF_NODE: &str = "percolate:55MPJTB9D5MPJTB9D5MPJTB9D5:node:11";

    fn chain() -> ChainId {
        "55MPJTB9D5MPJTB9D5MPJTB9D5".parse().unwrap()
    }

    fn leaf() -> Certificate {
        Certificate::read(&bytes(LEAF)).unwrap()
    }

    #[test]
    fn a_certificate_is_read_as_openssl_wrote_it() {
        let expected = Certificate {
            serial: "7a0102030405060708090a0b0c0d0e0f10111213".parse().unwrap(),
            not_before: UtcMillis::new(1_795_962_907_000),
            not_after: UtcMillis::new(1_803_738_907_000),
            common_name: "n11".to_owned(),
            uris: vec!["https://maven.example/".to_owned(), URI_OF_NODE.to_owned()],
            public_key: PublicKey::from_slice(&bytes(KEY)).unwrap(),
        };
        assert_eq!(leaf(), expected);
        let old = Certificate::read(&bytes(OLD_FORM)).unwrap();
        assert_eq!(
            (old.not_after, old.uris, old.serial.to_string()),
            (UtcMillis::new(3_523_962_907_000), vec![], "05".into())
        );
    }

    #[test]
    fn whose_a_certificate_is_stands_in_it_twice() {
        let node = Principal::Node(NodeId::new(11));
        assert_eq!(leaf().principal(&chain()), Some(node.clone()));
        assert_eq!(leaf().principal(&ChainId::from_bytes([1; 16])), None, "another chain");
        assert_eq!(Certificate { common_name: "n12".into(), ..leaf() }.principal(&chain()), None, "another name");
        let with = |other: &str| {
            let uris = [leaf().uris, vec![other.to_owned()]].concat();
            Certificate { uris, ..leaf() }.principal(&chain())
        };
        assert_eq!(with("urn:other"), Some(node));
        assert_eq!(with(&URI_OF_NODE.replace("11", "12")), None, "two names");
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_reason() {
        let reason = |der: &[u8]| match Certificate::read(der).unwrap_err() {
            DerError::Unusable { reason, .. } => reason,
            DerError::Malformed { reason, .. } => panic!("{reason}"),
        };
        assert_eq!(reason(&bytes(P384)), "its key is not on P-256");
        assert_eq!(reason(&[0; crate::identity::der::DER_BYTES_MAX + 1]), "it is too large");
        assert!(matches!(Certificate::read(&[bytes(LEAF), vec![0]].concat()), Err(DerError::Malformed { .. })));
        for length in 0..bytes(LEAF).len() {
            assert!(Certificate::read(&bytes(LEAF)[..length]).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn nonsense_never_panics(der in prop::collection::vec(any::<u8>(), 0..400)) {
            let _outcome = Certificate::read(&der);
        }

        #[test]
        fn a_changed_certificate_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut der = bytes(LEAF);
            let at = at.index(der.len());
            der[at] = byte;
            let _outcome = Certificate::read(&der);
        }
    }
}
