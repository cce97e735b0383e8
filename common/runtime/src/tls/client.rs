//! The end that connects: whom it believes, and who it says it is.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::names::HUB_DNS_NAME;
use percolate_common::journal::SigningKey;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Roots, TlsClock, TlsError, certified, provider};

/// Believes the hub of the chain, by the one name that its certificates have, whatever name or address was dialled:
/// tunnels, relays and hubs that move keep working, and no other certificate of the chain passes for the hub's.
///
/// A certificate that does not hold yet is believed, too. A CA dates none ahead, so that it is our clock which is behind: a
/// box without a battery, whose bundle is older than what the hub shows today. One that has ended stays refused.
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
        let judged = self.inner.verify_server_cert(leaf, intermediates, &self.name, ocsp_response, now);
        match (&judged, beginning(leaf)) {
            (Err(error), Some(begins)) if is_early(error) && begins > now => {
                self.inner.verify_server_cert(leaf, intermediates, &self.name, ocsp_response, begins)
            }
            (Ok(_) | Err(_), _) => judged,
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

fn is_early(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. })
    )
}

/// When a certificate begins to hold.
fn beginning(leaf: &CertificateDer<'_>) -> Option<UnixTime> {
    let since_epoch = u64::try_from(Certificate::read(leaf).ok()?.not_before.get()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_millis(since_epoch)))
}

/// The certificate by which a client shows who it is, once it has one. It can be replaced while links are up, which they do
/// not notice.
pub struct OwnIdentity(watch::Sender<Option<Arc<CertifiedKey>>>);

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
        Ok(Self(watch::Sender::new(Some(certified(certificates, key)?))))
    }

    /// Nobody yet: no link is tried before there is a certificate.
    #[must_use]
    pub fn none() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Shows another certificate from the next connection on. A link that is down connects at once.
    ///
    /// # Errors
    /// As [`OwnIdentity::new`]; the one before stays then.
    pub fn replace(&self, certificates: Vec<CertificateDer<'static>>, key: &SigningKey) -> Result<(), TlsError> {
        let replacement = certified(certificates, key)?;
        let _before = self.0.send_replace(Some(replacement));
        Ok(())
    }

    /// Tells when there is a certificate, or another one.
    pub(crate) fn changes(&self) -> Changes {
        Changes(self.0.subscribe())
    }
}

impl ResolvesClientCert for OwnIdentity {
    /// Shows the one that there is, whichever CAs the server names: it may know ours by another name.
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().clone()
    }

    fn has_certs(&self) -> bool {
        self.0.borrow().is_some()
    }
}

/// The changes of an [`OwnIdentity`], for one who connects by it.
pub(crate) struct Changes(watch::Receiver<Option<Arc<CertifiedKey>>>);

impl Changes {
    /// Waits for a certificate, and takes note of which it is. An identity that is gone gets none.
    pub(crate) async fn some(&mut self) {
        if self.0.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for another one than was taken note of.
    pub(crate) async fn other(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
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

/// How a terminal speaks TLS to the box of its shop: it believes the root, and the name that it dials, as browsers do.
///
/// # Errors
/// [`TlsError::Root`] if there is no root to believe the box by; [`TlsError::Setting`].
pub fn terminal_config(roots: &Roots, clock: Arc<TlsClock>) -> Result<Arc<ClientConfig>, TlsError> {
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.0.clone(), provider())
        .build()
        .map_err(|error| TlsError::Root(error.into()))?;
    config(verifier, None, clock)
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

/// Connects and shakes hands. `name` is the one that was dialled.
///
/// # Errors
/// If nobody is there, or either does not believe the other.
pub async fn dial(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    to: impl ToSocketAddrs,
) -> io::Result<TlsStream<TcpStream>> {
    greet(config, name, TcpStream::connect(to).await?).await
}

/// Shakes hands on a connection that there is. `name` is the one that was dialled.
///
/// # Errors
/// If either does not believe the other.
pub async fn greet(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    // The question follows right after the handshake's last word, and must not wait until that is acknowledged.
    stream.set_nodelay(true)?;
    TlsConnector::from(config).connect(name, stream).await
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
