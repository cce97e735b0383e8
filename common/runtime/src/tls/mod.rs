//! TLS between the parts of a chain: whom we believe, who is let in, and what went wrong where somebody is not.
//!
//! rustls with ring, and no default of the process: every configuration names its provider and its clock. Sessions are
//! never resumed, at either end, since a resumed one is not shown to the verifier again: what was revoked would come back.

mod client;
mod clock;
mod handshakes;
mod server;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use percolate_common::identity::pem::{Label, PemError, decode};
use percolate_common::journal::{SigningKey, SigningKeyError};
use percolate_common::time::UtcMillis;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;

pub(crate) use client::Changes;
pub use client::{OwnIdentity, Seen, client_config, dial, greet, terminal_config, unproven_config};
pub use clock::TlsClock;
pub use handshakes::{Accepted, HandshakeLimits, Handshakes};
pub use server::{Admission, Clients, OwnCertificate, Refusal, server_config};
pub use trouble::{TlsTrouble, trouble};

/// Something that TLS cannot be set up with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificates are no PEM.
    #[error("the certificates cannot be read")]
    Pem(#[source] PemError),
    /// A certificate is not to be believed as a root, or there is none.
    #[error("the chain's root cannot be used")]
    Root(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The key cannot be used.
    #[error("the key cannot be used for TLS")]
    Key(#[source] SigningKeyError),
    /// The certificate is not of the key, or TLS takes neither.
    #[error("the certificate and the key do not go together")]
    Setting(#[source] rustls::Error),
}

/// The one provider of cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What is believed by itself: the chain's root.
#[derive(Debug, Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// Takes the certificates of a text.
    ///
    /// # Errors
    /// [`TlsError::Pem`], [`TlsError::Root`].
    pub fn from_pem(pem: &str) -> Result<Self, TlsError> {
        let documents = decode(Label::Certificate, pem).map_err(TlsError::Pem)?;
        let certificates: Vec<CertificateDer<'static>> = documents.into_iter().map(CertificateDer::from).collect();
        Self::new(&certificates)
    }

    /// Takes certificates.
    ///
    /// # Errors
    /// [`TlsError::Root`] if one is malformed.
    pub fn new(certificates: &[CertificateDer<'static>]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for certificate in certificates {
            store.add(certificate.clone()).map_err(|error| TlsError::Root(error.into()))?;
        }
        Ok(Self(Arc::new(store)))
    }

    /// Whether a chain of certificates, leaf first, leads to a root of these, and is for one who connects. Whether it still
    /// holds is not asked: it is judged as at the instant `at`.
    ///
    /// # Errors
    /// [`TlsTrouble`] says what is wrong with it.
    pub fn vouch_for_client(&self, certificates: &[CertificateDer<'static>], at: UtcMillis) -> Result<(), TlsTrouble> {
        let (leaf, intermediates) = certificates.split_first().ok_or(TlsTrouble::Other)?;
        let since_epoch = Duration::from_millis(u64::try_from(at.get()).unwrap_or_default());
        let verifier = WebPkiClientVerifier::builder_with_provider(self.0.clone(), provider())
            .build()
            .map_err(|_no_root| TlsTrouble::UnknownIssuer)?;
        match verifier.verify_client_cert(leaf, intermediates, UnixTime::since_unix_epoch(since_epoch)) {
            Ok(_verified) => Ok(()),
            Err(error) => Err(trouble(&error).unwrap_or(TlsTrouble::Other)),
        }
    }
}

/// A chain of certificates, leaf first, with the leaf's key.
fn certified(certificates: Vec<CertificateDer<'static>>, key: &SigningKey) -> Result<Arc<CertifiedKey>, TlsError> {
    let pkcs8 = PrivatePkcs8KeyDer::from(key.to_pkcs8().map_err(TlsError::Key)?);
    let key = rustls::crypto::ring::sign::any_ecdsa_type(&PrivateKeyDer::Pkcs8(pkcs8)).map_err(TlsError::Setting)?;
    let certified = CertifiedKey::new(certificates, key);
    certified.keys_match().map_err(TlsError::Setting)?;
    Ok(Arc::new(certified))
}
