//! The chain as its hub has it: the issuing CA, the key that seals bundles, and the list of what must not be forgotten.

use std::path::{Path, PathBuf};

use percolate_common::entropy::Entropy;
use percolate_common::identity::bundle::ChainV1;
use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::code::Code;
use percolate_common::identity::names::{ChainId, HubName, Principal};
use percolate_common::identity::pem::{Label, encode};
use percolate_common::identity::serial::Serial;
use percolate_common::journal::{PublicKey, SigningKey};
use percolate_common::time::UtcMillis;
use percolate_runtime::enrolment::root_hash;
use percolate_runtime::files::{SecretError, read_secret_text};
use percolate_runtime::pki::{
    Authority, BUNDLE_KEY_FILE, CertificateDer, ContentError, PkiError, SanName, Usage, Wanted, chain_file, new_key,
};
use percolate_runtime::seal::{CloseError, SealKey, SealKeyError};

use super::kept::Kept;

/// How long a box's certificate holds, and the hub's own.
pub(crate) const CERTIFICATE_MS: i64 = 90 * 24 * 60 * 60 * 1_000;

/// How far before its making a certificate begins to hold: clocks differ.
pub(crate) const BACKDATED_MS: i64 = 24 * 60 * 60 * 1_000;

/// What a code is drawn by, besides the key that seals bundles.
const CODE_CONTEXT: &str = "percolate 2026 code of a bundle";

/// Why the chain's CA cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The CA's files.
    #[error("the chain's CA cannot be used")]
    Pki(#[from] PkiError),
    /// No chain was founded there.
    #[error("{0} holds no CA of a chain: provision chain init makes one")]
    Absent(PathBuf),
    /// What must not be forgotten cannot be read.
    #[error("the list of what was revoked and used, beside the CA, cannot be read")]
    Kept(#[source] std::io::Error),
    /// The key that seals bundles cannot be read.
    #[error("the key that seals bundles cannot be read")]
    SealFile(#[source] SecretError),
    /// The key that seals bundles is something else.
    #[error("the key that seals bundles cannot be used")]
    SealKey(#[from] SealKeyError),
}

/// The CA with what belongs to it.
pub(crate) struct Issuer {
    authority: Authority,
    seal: SealKey,
    chain: ChainV1,
    root_hash: [u8; 32],
    kept: Kept,
    folder: PathBuf,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("chain", self.authority.chain()).finish_non_exhaustive()
    }
}

/// A certificate of the hub itself, with those that go along with it, and its key.
pub struct OwnPapers {
    /// Leaf first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Its key, in memory only.
    pub key: SigningKey,
    /// Its number.
    pub serial: Serial,
}

impl std::fmt::Debug for OwnPapers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnPapers").field("serial", &self.serial).finish_non_exhaustive()
    }
}

impl Issuer {
    /// Opens the CA in a folder. Blocks.
    pub(crate) fn open(ca: &Path) -> Result<Self, IssuerError> {
        let file = chain_file(ca)?.ok_or_else(|| IssuerError::Absent(ca.to_owned()))?;
        let authority = Authority::open(ca)?;
        let seal = SealKey::from_text(&read_secret_text(&ca.join(BUNDLE_KEY_FILE)).map_err(IssuerError::SealFile)?)?;
        let text = |certificate: Option<&CertificateDer<'static>>| {
            encode(Label::Certificate, certificate.map(CertificateDer::as_ref).unwrap_or_default())
                .map_err(PkiError::Pem)
        };
        let certificates = authority.certificates();
        let chain = ChainV1 {
            id: (*authority.chain().as_bytes()).into(),
            name: file.name,
            root: text(certificates.last())?,
            intermediate: text(certificates.first())?,
            https: Vec::new(),
            mqtt: Vec::new(),
        };
        let root_hash = root_hash(certificates.last().map(CertificateDer::as_ref).unwrap_or_default());
        let kept = Kept::open(ca).map_err(IssuerError::Kept)?;
        Ok(Self { authority, seal, chain, root_hash, kept, folder: ca.to_owned() })
    }

    /// The chain as a box must know it, but for where the hub is reached.
    pub(crate) const fn chain(&self) -> &ChainV1 {
        &self.chain
    }

    pub(crate) fn id(&self) -> &ChainId {
        self.authority.chain()
    }

    pub(crate) fn root(&self) -> Option<CertificateDer<'static>> {
        self.authority.certificates().last().cloned()
    }

    pub(crate) const fn root_hash(&self) -> &[u8; 32] {
        &self.root_hash
    }

    /// What must not be forgotten.
    pub(crate) const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The CA's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What makes certificates, and lists of revoked ones.
    pub(crate) const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What seals bundles, as boxes know it.
    pub(crate) fn fingerprint(&self) -> String {
        self.seal.public_key().fingerprint().to_string()
    }

    pub(crate) fn close(&self, content: &[u8]) -> Result<Vec<u8>, CloseError> {
        self.seal.close(content)
    }

    /// The code of a bundle: always the same for the same salt, so that it need not be kept.
    pub(crate) fn code(&self, salt: &[u8; 32]) -> Code {
        let mut hasher = blake3::Hasher::new_derive_key(CODE_CONTEXT);
        hasher.update(self.seal.to_text().as_bytes()).update(salt);
        Code::draw(&Drawn(hasher))
    }

    /// Makes a box's certificates: to connect with, and to be connected to at these names.
    pub(crate) fn issue(
        &self,
        (principal, key): (&Principal, &PublicKey),
        addresses: &[SanName],
        (now, entropy): (UtcMillis, &dyn Entropy),
    ) -> Result<Made, PkiError> {
        let (client, server) = (Serial::draw(entropy), Serial::draw(entropy));
        let from = UtcMillis::new(now.get().saturating_sub(BACKDATED_MS));
        let until = UtcMillis::new(now.get().saturating_add(CERTIFICATE_MS));
        let wanted = |serial, usage| Wanted { principal, public_key: key, addresses, serial, from, until, usage };
        let client_wanted = Wanted { addresses: &[], ..wanted(&client, Usage::Client) };
        let certificates = self.authority.issue(&client_wanted)?;
        let lan_certificates = self.authority.issue(&wanted(&server, Usage::Server))?;
        // Certificates tell time in seconds, and none outlives the CA.
        let leaf = certificates.first().map(|leaf| Certificate::read(leaf));
        let leaf = leaf.transpose().map_err(|source| PkiError::Content {
            path: PathBuf::from(principal.common_name()),
            source: ContentError::Certificate(source),
        })?;
        let until = leaf.map_or(until, |leaf| leaf.not_after);
        Ok(Made { serial: client, from, until, certificates, lan_certificates })
    }

    /// Makes the hub's own certificate, for whoever connects to it.
    pub(crate) fn own_server(
        &self,
        names: &[SanName],
        (now, entropy): (UtcMillis, &dyn Entropy),
    ) -> Result<OwnPapers, PkiError> {
        self.own("door", (Usage::Server, names), (now, entropy))
    }

    /// Makes the hub's own certificate, to connect to its own door with.
    pub(crate) fn own_client(&self, (now, entropy): (UtcMillis, &dyn Entropy)) -> Result<OwnPapers, PkiError> {
        self.own("ingest", (Usage::Client, &[]), (now, entropy))
    }

    fn own(
        &self,
        name: &str,
        (usage, addresses): (Usage, &[SanName]),
        (now, entropy): (UtcMillis, &dyn Entropy),
    ) -> Result<OwnPapers, PkiError> {
        let key = new_key(entropy)?;
        let name: HubName = name
            .parse()
            .map_err(|source| PkiError::Content { path: PathBuf::from(name), source: ContentError::Chain(source) })?;
        let (principal, serial) = (Principal::Hub(name), Serial::draw(entropy));
        let certificates = self.authority.issue(&Wanted {
            principal: &principal,
            public_key: &key.public_key(),
            addresses,
            serial: &serial,
            from: UtcMillis::new(now.get().saturating_sub(BACKDATED_MS)),
            until: UtcMillis::new(now.get().saturating_add(CERTIFICATE_MS)),
            usage,
        })?;
        Ok(OwnPapers { certificates, key, serial })
    }
}

/// A box's certificates, as they were made.
#[derive(Debug)]
pub(crate) struct Made {
    /// The number of the one to connect with.
    pub(crate) serial: Serial,
    pub(crate) from: UtcMillis,
    pub(crate) until: UtcMillis,
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) lan_certificates: Vec<CertificateDer<'static>>,
}

/// Chance that comes of a hash.
struct Drawn(blake3::Hasher);

impl Entropy for Drawn {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.finalize_xof().fill(bytes);
    }
}
