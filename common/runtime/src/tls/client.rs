//! The end that connects: whom it believes, and who it says it is.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use percolate_common::identity::names::HUB_DNS_NAME;
use percolate_common::journal::SigningKey;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::{Roots, TlsClock, TlsError, certified, provider};

/// Believes the hub of the chain, by the one name that its certificates have, whatever name or address was dialled:
/// tunnels, relays and hubs that move keep working, and no other certificate of the chain passes for the hub's.
#[derive(Debug)]
struct OfThisChain {
    inner: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
}

impl ServerCertVerifier for OfThisChain {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.inner.verify_server_cert(leaf, intermediates, &self.name, ocsp_response, now)
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

/// The certificate by which a client shows who it is. It can be replaced while links are up, which they do not notice.
pub struct OwnIdentity(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for OwnIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnIdentity")
    }
}

impl OwnIdentity {
    /// A chain of certificates, leaf first, with the leaf's key.
    ///
    /// # Errors
    /// [`TlsError::Key`], [`TlsError::Setting`] if the two do not go together.
    pub fn new(certificates: Vec<CertificateDer<'static>>, key: &SigningKey) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(certified(certificates, key)?)))
    }

    /// Shows another certificate from the next connection on.
    ///
    /// # Errors
    /// As [`OwnIdentity::new`]; the one before stays then.
    pub fn replace(&self, certificates: Vec<CertificateDer<'static>>, key: &SigningKey) -> Result<(), TlsError> {
        let replacement = certified(certificates, key)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = replacement;
        Ok(())
    }
}

impl ResolvesClientCert for OwnIdentity {
    /// Shows the one that there is, whichever CAs the server names: it may know ours by another name.
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// How a client of a chain speaks TLS to its hub, or to the broker in its place.
///
/// # Errors
/// [`TlsError::Root`] if there is no root to believe the hub by; [`TlsError::Setting`].
pub fn client_config(
    roots: &Roots,
    own: Option<Arc<OwnIdentity>>,
    clock: Arc<TlsClock>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let inner = WebPkiServerVerifier::builder_with_provider(roots.0.clone(), provider())
        .build()
        .map_err(|error| TlsError::Root(error.into()))?;
    let name = ServerName::try_from(HUB_DNS_NAME).map_err(|error| TlsError::Root(error.into()))?;
    config(Arc::new(OfThisChain { inner, name }), own, clock)
}

fn config(
    verifier: Arc<dyn ServerCertVerifier>,
    own: Option<Arc<OwnIdentity>>,
    clock: Arc<TlsClock>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_details(provider(), clock)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setting)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match own {
        Some(own) => builder.with_client_cert_resolver(own),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The certificates that somebody showed who is not proven yet.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Vec<CertificateDer<'static>>>);

impl Seen {
    /// The chain as it was shown last, leaf first; empty before the first handshake.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether what was shown is the hub of the chain with these roots, at the time of `clock`.
    #[must_use]
    pub fn is_hub_of(&self, roots: &Roots, clock: &TlsClock) -> bool {
        let shown = self.certificates();
        let Some((leaf, intermediates)) = shown.split_first() else { return false };
        let built = WebPkiServerVerifier::builder_with_provider(roots.0.clone(), provider()).build();
        let now = rustls::time_provider::TimeProvider::current_time(clock);
        match (built, ServerName::try_from(HUB_DNS_NAME), now) {
            (Ok(inner), Ok(name), Some(now)) => inner.verify_server_cert(leaf, intermediates, &name, &[], now).is_ok(),
            (..) => false,
        }
    }
}

/// Believes whatever it is shown, and keeps it. That the other end has the key is checked all the same.
#[derive(Debug)]
struct Anybody {
    seen: Arc<Seen>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = std::iter::once(leaf).chain(intermediates).map(|shown| shown.clone().into_owned()).collect();
        *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// How somebody speaks who does not know yet which chain answers: it believes anybody, and keeps what it saw in `seen`.
/// Nothing secret may be said over it. It is for the first contact alone, after which both ends prove themselves.
///
/// # Errors
/// [`TlsError::Setting`].
pub fn unproven_config(seen: Arc<Seen>, clock: Arc<TlsClock>) -> Result<Arc<ClientConfig>, TlsError> {
    config(Arc::new(Anybody { seen, provider: provider() }), None, clock)
}
