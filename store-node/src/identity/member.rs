//! The box as a member of its chain, and which certificates are fit for it.

use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::der::DerError;
use percolate_common::identity::names::{ChainId, Principal};
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::SigningKey;
use percolate_common::time::UtcMillis;
use percolate_runtime::enrolment::Octets;
use percolate_runtime::http::caller::HttpsAddress;
use percolate_runtime::pki::{PkiError, request};
use percolate_runtime::tls::{Roots, TlsTrouble};

/// Certificates of one chain that are read; ours has two.
const CERTIFICATES_MAX: usize = 8;

/// Who the box is, and whom it believes.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) chain: ChainId,
    /// The root's certificate in DER.
    pub(crate) root: Vec<u8>,
    pub(crate) roots: Roots,
    /// Where the hub is asked.
    pub(crate) https: Vec<HttpsAddress>,
    /// When its bundle was made: that is past.
    pub(crate) made_at: UtcMillis,
    pub(crate) node: NodeId,
    pub(crate) principal: Principal,
    pub(crate) store: StoreId,
    pub(crate) key: SigningKey,
    /// A fingerprint of the machine, where it has one.
    pub(crate) machine: Option<[u8; 16]>,
}

/// Why a certificate is not this box's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("there is no certificate, or more than {CERTIFICATES_MAX}")]
    Count,
    #[error("it cannot be read")]
    Read(#[from] DerError),
    #[error("it is for another box or another chain")]
    OtherName,
    #[error("it is for another key")]
    OtherKey,
    #[error("it does not lead to the chain's root")]
    Path(#[source] TlsTrouble),
}

/// A certificate of this box, with those that go along with it, leaf first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) leaf: Certificate,
}

impl Member {
    /// A request for a certificate.
    pub(super) fn request(&self) -> Result<Vec<u8>, PkiError> {
        request(&self.key, &self.principal.common_name())
    }

    /// Looks whether a certificate for connecting is this box's: its path to the root, its name and its key. Whether it has
    /// ended is not asked: one that has is still good for being renewed.
    pub(super) fn own(&self, certificates: Vec<Vec<u8>>) -> Result<Held, Unfit> {
        let leaf = self.named(&certificates)?;
        let shown: Vec<_> = certificates.iter().cloned().map(Into::into).collect();
        self.roots.vouch_for_client(&shown, leaf.not_before).map_err(Unfit::Path)?;
        Ok(Held { certificates, leaf })
    }

    /// Looks whether a certificate for those who connect to the box is its own. Those will ask for its path themselves.
    pub(super) fn own_lan(&self, certificates: Vec<Vec<u8>>) -> Result<Option<Vec<Vec<u8>>>, Unfit> {
        if certificates.is_empty() {
            return Ok(None);
        }
        self.named(&certificates)?;
        Ok(Some(certificates))
    }

    fn named(&self, certificates: &[Vec<u8>]) -> Result<Certificate, Unfit> {
        let leaf = certificates.first().filter(|_| certificates.len() <= CERTIFICATES_MAX).ok_or(Unfit::Count)?;
        let leaf = Certificate::read(leaf)?;
        if leaf.principal(&self.chain).as_ref() != Some(&self.principal) {
            return Err(Unfit::OtherName);
        }
        if leaf.public_key != self.key.public_key() {
            return Err(Unfit::OtherKey);
        }
        Ok(leaf)
    }
}

/// The bytes of certificates as they came.
pub(super) fn bytes(octets: Vec<Octets>) -> Vec<Vec<u8>> {
    octets.into_iter().map(|octets| octets.0).collect()
}
