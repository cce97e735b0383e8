//! A chain's CA.

use std::fmt;
use std::path::Path;

use percolate_common::entropy::Entropy;
use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::names::{ChainId, Principal};
use percolate_common::identity::pem::{Label, decode};
use percolate_common::identity::serial::Serial;
use percolate_common::journal::{PublicKey, SigningKey};
use percolate_common::time::UtcMillis;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::parts::{Holder, SanName, Signer, key_id, span, subject};
use super::{ContentError, PkiError, new_key};
use crate::files::{read_secret_text, read_text};

/// The file that names the chain, in the CA's folder: readable by everybody.
pub const CHAIN_FILE: &str = "chain.json";
/// The root's certificate, in the CA's folder.
pub const ROOT_FILE: &str = "root.pem";
/// The issuing CA's certificate, in the CA's folder.
pub const INTERMEDIATE_FILE: &str = "intermediate.pem";
/// The issuing CA's key, in the CA's folder: for its owner alone.
pub const INTERMEDIATE_KEY_FILE: &str = "intermediate.key.pem";

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long a root holds: longer than any box.
const ROOT_MS: i64 = 20 * 365 * DAY_MS;
/// How long an issuing CA holds.
const INTERMEDIATE_MS: i64 = 3 * 365 * DAY_MS;
/// How far before its making a CA begins to hold, so that a box whose clock is a little slow believes it.
const BACKDATED_MS: i64 = DAY_MS;

/// What the file [`CHAIN_FILE`] holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainFile {
    /// The chain's id, as it is printed.
    pub id: String,
    /// The chain's name.
    pub name: String,
    /// When it was founded, in UTC milliseconds.
    pub made_at_ms: i64,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Its holder connects to others.
    Client,
    /// Others connect to its holder.
    Server,
}

/// A certificate as it is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'w> {
    /// For whom.
    pub principal: &'w Principal,
    /// Their key.
    pub public_key: &'w PublicKey,
    /// Names and addresses beside the principal's own, for a server.
    pub addresses: &'w [SanName],
    /// Its number.
    pub serial: &'w Serial,
    /// From when it holds.
    pub from: UtcMillis,
    /// Until when it holds, but never longer than the CA does.
    pub until: UtcMillis,
    /// What for.
    pub usage: Usage,
}

/// A root or an issuing CA, with its key.
pub struct Authority {
    chain: ChainId,
    /// The chain's name.
    name: String,
    public_key: PublicKey,
    not_after: UtcMillis,
    issuer: Issuer<'static, Signer>,
    /// Its own, then its issuer's, up to the root's.
    certificates: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("chain", &self.chain).finish_non_exhaustive()
    }
}

impl Authority {
    /// Founds a chain: its root, and the root's key in PEM, which belongs in a safe.
    ///
    /// # Errors
    /// [`PkiError::Name`] if the chain's name is empty or longer than 64 characters; [`PkiError`] if it cannot be made.
    pub fn new_root(
        chain: ChainId,
        name: &str,
        at: UtcMillis,
        entropy: &dyn Entropy,
    ) -> Result<(Self, String), PkiError> {
        let key = new_key(entropy)?;
        let mut params = ca_params(&key.public_key(), 1);
        params.serial_number = Some(number(&Serial::draw(entropy)));
        params.distinguished_name = subject("Percolate root", Some(name), Some(&chain))?;
        let until = later(at, ROOT_MS);
        (params.not_before, params.not_after) = span(later(at, -BACKDATED_MS), until)?;
        let signer = Signer::new(&key)?;
        let own = params.self_signed(&signer).map_err(PkiError::Make)?.der().clone();
        let authority = Self {
            chain,
            name: name.to_owned(),
            public_key: key.public_key(),
            not_after: until,
            issuer: Issuer::new(params, signer),
            certificates: vec![own],
        };
        Ok((authority, key.to_pem().map_err(PkiError::Key)?))
    }

    /// Makes an issuing CA below this root, with its key in PEM. `generation` counts them, from 1.
    ///
    /// # Errors
    /// [`PkiError`] if it cannot be made.
    pub fn new_intermediate(
        &self,
        generation: u32,
        at: UtcMillis,
        entropy: &dyn Entropy,
    ) -> Result<(Self, String), PkiError> {
        let key = new_key(entropy)?;
        let mut params = ca_params(&key.public_key(), 0);
        params.serial_number = Some(number(&Serial::draw(entropy)));
        params.distinguished_name = subject(&format!("Percolate issuing {generation}"), Some(&self.name), None)?;
        params.use_authority_key_identifier_extension = true;
        let until = later(at, INTERMEDIATE_MS).min(self.not_after);
        (params.not_before, params.not_after) = span(later(at, -BACKDATED_MS), until)?;
        let signer = Signer::new(&key)?;
        let own = params.signed_by(&signer, &self.issuer).map_err(PkiError::Make)?.der().clone();
        let authority = Self {
            chain: self.chain,
            name: self.name.clone(),
            public_key: key.public_key(),
            not_after: until,
            issuer: Issuer::new(params, signer),
            certificates: [vec![own], self.certificates.clone()].concat(),
        };
        Ok((authority, key.to_pem().map_err(PkiError::Key)?))
    }

    /// Opens the issuing CA whose files lie in `folder`.
    ///
    /// # Errors
    /// [`PkiError`] if a file is missing, is not what was written there, or the key is another's.
    pub fn open(folder: &Path) -> Result<Self, PkiError> {
        let path = folder.join(CHAIN_FILE);
        let in_chain = |source| PkiError::Content { path: path.clone(), source };
        let chain: ChainFile = serde_json::from_str(&text_of(&path)?).map_err(|e| in_chain(ContentError::Json(e)))?;
        let id = chain.id.parse().map_err(|error| in_chain(ContentError::Chain(error)))?;

        let key_path = folder.join(INTERMEDIATE_KEY_FILE);
        let pem = read_secret_text(&key_path).map_err(PkiError::SecretFile)?;
        let key = SigningKey::from_pem(&pem)
            .map_err(|error| PkiError::Content { path: key_path.clone(), source: ContentError::Key(error) })?;

        let (own, read) = certificate_of(&folder.join(INTERMEDIATE_FILE))?;
        let (root, _) = certificate_of(&folder.join(ROOT_FILE))?;
        if read.public_key != key.public_key() {
            return Err(PkiError::OtherKey { path: key_path });
        }
        let mut params = ca_params(&read.public_key, 0);
        params.distinguished_name = subject(&read.common_name, Some(&chain.name), None)?;
        params.serial_number = Some(number(&read.serial));
        let signer = Signer::new(&key)?;
        // What it issues names its issuer as the parameters do. If the certificate says otherwise, nobody finds the way up.
        let again = params.self_signed(&signer).map_err(PkiError::Make)?;
        if subject_of(again.der()) != subject_of(&own) {
            return Err(PkiError::OtherName { path: path.clone() });
        }
        Ok(Self {
            chain: id,
            name: chain.name,
            public_key: read.public_key,
            not_after: read.not_after,
            issuer: Issuer::new(params, signer),
            certificates: vec![own, root],
        })
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// Its own certificate, then its issuer's, up to the root's.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Makes a certificate, and gives it with those that go along with it on the line: all but the root's, which whoever
    /// believes it has already.
    ///
    /// # Errors
    /// [`PkiError::Name`] if a box wants the hub's name; [`PkiError`] if it cannot be made.
    pub fn issue(&self, wanted: &Wanted<'_>) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        let mut params = CertificateParams::default();
        params.serial_number = Some(number(wanted.serial));
        params.distinguished_name = subject(&wanted.principal.common_name(), Some(&self.name), None)?;
        params.subject_alt_names = self.names(wanted)?;
        params.is_ca = IsCa::NoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match wanted.usage {
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        params.key_identifier_method = key_id(wanted.public_key);
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = span(wanted.from, wanted.until.min(self.not_after))?;
        let made = params.signed_by(&Holder::new(wanted.public_key)?, &self.issuer).map_err(PkiError::Make)?;
        let (_root, above) = self.certificates.split_last().unwrap_or((made.der(), &[]));
        Ok([&[made.der().clone()], above].concat())
    }

    fn names(&self, wanted: &Wanted<'_>) -> Result<Vec<SanType>, PkiError> {
        let uri = wanted.principal.uri(&self.chain);
        let mut names = vec![SanType::URI(uri.as_str().try_into().map_err(PkiError::Make)?)];
        let own = SanName::Host(wanted.principal.dns());
        if let Some(stray) = wanted.addresses.iter().find(|name| name.is_hub() && !own.is_hub()) {
            let expected = "it is the hub's name, which no box may have";
            return Err(PkiError::Name { text: stray.to_string(), expected });
        }
        for name in std::iter::once(&own).chain(wanted.addresses.iter().filter(|name| **name != own)) {
            names.push(name.to_san()?);
        }
        Ok(names)
    }

    /// Makes the list of what was revoked, in DER. `count` is higher with each.
    ///
    /// # Errors
    /// [`PkiError::Lifetime`] if it ends before it begins; [`PkiError`] if it cannot be made.
    pub fn crl(
        &self,
        count: u64,
        revoked: &[(Serial, UtcMillis)],
        at: UtcMillis,
        until: UtcMillis,
    ) -> Result<Vec<u8>, PkiError> {
        let (this_update, next_update) = span(at, until)?;
        let revoked_certs: Result<Vec<_>, PkiError> = revoked
            .iter()
            .map(|(serial, revoked_at)| {
                let (revocation_time, _) = span(*revoked_at, later(*revoked_at, DAY_MS))?;
                let serial_number = number(serial);
                Ok(RevokedCertParams { serial_number, revocation_time, reason_code: None, invalidity_date: None })
            })
            .collect();
        let list = CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: SerialNumber::from(count),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs?,
            key_identifier_method: key_id(&self.public_key),
        };
        Ok(list.signed_by(&self.issuer).map_err(PkiError::Make)?.der().to_vec())
    }
}

/// What all CAs have; `below` is how many CAs may stand under it.
fn ca_params(key: &PublicKey, below: u8) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.key_identifier_method = key_id(key);
    params
}

fn number(serial: &Serial) -> SerialNumber {
    SerialNumber::from_slice(serial.as_bytes())
}

fn later(at: UtcMillis, by_ms: i64) -> UtcMillis {
    UtcMillis::new(at.get().saturating_add(by_ms))
}

fn text_of(path: &Path) -> Result<String, PkiError> {
    let text = read_text(path).map_err(PkiError::File)?;
    text.ok_or_else(|| PkiError::Missing { path: path.to_owned() })
}

/// The subject's name as it stands in a certificate.
fn subject_of(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let mut store = RootCertStore::empty();
    store.add(certificate.clone().into_owned()).ok()?;
    store.roots.first().map(|root| root.subject.to_vec())
}

fn certificate_of(path: &Path) -> Result<(CertificateDer<'static>, Certificate), PkiError> {
    let failed = |source| PkiError::Content { path: path.to_owned(), source };
    let documents = decode(Label::Certificate, &text_of(path)?).map_err(|error| failed(ContentError::Pem(error)))?;
    let der = documents.into_iter().next().unwrap_or_default();
    let read = Certificate::read(&der).map_err(|error| failed(ContentError::Certificate(error)))?;
    Ok((der.into(), read))
}
