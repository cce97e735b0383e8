//! The end that is connected to: which certificate it shows, and who is let in.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use percolate_common::identity::certificate::Certificate;
use percolate_common::journal::SigningKey;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

use super::{Roots, TlsClock, TlsError, certified, provider};

/// Why somebody whose certificate is right is not let in all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody allowed this certificate, or no longer knows of it.
    #[error("the certificate is not known here")]
    Unknown,
    /// It was revoked.
    #[error("the certificate was revoked")]
    Revoked,
    /// It is for something else.
    #[error("the certificate is not for this")]
    NotThisKind,
}

/// Who is let in, of those whose certificates are of the chain, for the right use and in time.
///
/// It is asked within a handshake: it answers from memory, and never waits.
pub trait Admission: Send + Sync + fmt::Debug {
    /// Lets somebody in, or says why not.
    ///
    /// # Errors
    /// [`Refusal`].
    fn admits(&self, certificate: &Certificate) -> Result<(), Refusal>;
}

/// What is asked of those who connect.
#[derive(Debug, Clone)]
pub enum Clients {
    /// A certificate of the chain, that is admitted.
    Needed(Arc<dyn Admission>),
    /// None: who they are is shown in another way.
    None,
}

/// Asks TLS's own verifier first, and then [`Admission`].
#[derive(Debug)]
struct AllowedClients {
    inner: Arc<dyn ClientCertVerifier>,
    admission: Arc<dyn Admission>,
}

impl ClientCertVerifier for AllowedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.inner.verify_client_cert(leaf, intermediates, now)?;
        let read = Certificate::read(leaf).map_err(|_unreadable| CertificateError::BadEncoding)?;
        match self.admission.admits(&read) {
            Ok(()) => Ok(verified),
            Err(Refusal::Revoked) => Err(CertificateError::Revoked.into()),
            // Told to the other end as "access denied".
            Err(Refusal::Unknown | Refusal::NotThisKind) => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The certificate that a server shows, once it has one. It can be replaced while the server runs.
pub struct OwnCertificate(RwLock<Option<Arc<CertifiedKey>>>);

impl fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnCertificate")
    }
}

impl OwnCertificate {
    /// A chain of certificates, leaf first, with the leaf's key.
    ///
    /// # Errors
    /// [`TlsError::Key`], [`TlsError::Setting`] if the two do not go together.
    pub fn new(certificates: Vec<CertificateDer<'static>>, key: &SigningKey) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(Some(certified(certificates, key)?))))
    }

    /// None yet: every handshake fails before there is one.
    #[must_use]
    pub fn none() -> Self {
        Self(RwLock::new(None))
    }

    /// Shows another certificate from the next handshake on.
    ///
    /// # Errors
    /// As [`OwnCertificate::new`]; the one before stays then.
    pub fn replace(&self, certificates: Vec<CertificateDer<'static>>, key: &SigningKey) -> Result<(), TlsError> {
        let replacement = certified(certificates, key)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(replacement);
        Ok(())
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How a server of a chain speaks TLS.
///
/// # Errors
/// [`TlsError::Root`] if there is no root to believe clients by; [`TlsError::Setting`].
pub fn server_config(
    own: Arc<OwnCertificate>,
    roots: &Roots,
    clients: Clients,
    clock: Arc<TlsClock>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_details(provider(), clock)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setting)?;
    let builder = match clients {
        Clients::None => builder.with_no_client_auth(),
        Clients::Needed(admission) => {
            let inner = WebPkiClientVerifier::builder_with_provider(roots.0.clone(), provider())
                .build()
                .map_err(|error| TlsError::Root(error.into()))?;
            builder.with_client_cert_verifier(Arc::new(AllowedClients { inner, admission }))
        }
    };
    let mut config = builder.with_cert_resolver(own);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
