//! A chain for one test: its root, its issuing CA, and clocks that say what they are told.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use percolate_common::entropy::SeededEntropy;
use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::names::{ChainId, Principal};
use percolate_common::identity::pem::{Label, encode};
use percolate_common::identity::serial::Serial;
use percolate_common::ids::NodeId;
use percolate_common::journal::SigningKey;
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::files::{write_atomic, write_secret};
use percolate_runtime::pki::{
    Authority, CHAIN_FILE, ChainFile, INTERMEDIATE_FILE, INTERMEDIATE_KEY_FILE, ROOT_FILE, Usage, Wanted, new_key,
};
use percolate_runtime::tls::{
    Admission, Clients, HandshakeLimits, Handshakes, OwnCertificate, OwnIdentity, Refusal, Roots, TlsClock,
    client_config, server_config,
};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpListener;

pub(crate) const NOW: UtcMillis = UtcMillis::new(1_795_000_000_000);
pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
pub(crate) const NAME: &str = "Maven Coffee";

/// An instant so many days from [`NOW`].
pub(crate) fn day(days: i64) -> UtcMillis {
    UtcMillis::new(NOW.get() + days * DAY_MS)
}

pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn at(now: UtcMillis) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(now.get())))
    }

    pub(crate) fn set(&self, now: UtcMillis) {
        self.0.store(now.get(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UtcMillis {
        UtcMillis::new(self.0.load(Ordering::SeqCst))
    }
}

/// A TLS clock that stands still.
pub(crate) fn clock_at(now: UtcMillis) -> Arc<TlsClock> {
    Arc::new(TlsClock::new(TestClock::at(now), UtcMillis::new(0)))
}

/// Answers the same of everybody.
#[derive(Debug)]
pub(crate) struct Answers(pub(crate) Result<(), Refusal>);

impl Admission for Answers {
    fn admits(&self, _certificate: &Certificate) -> Result<(), Refusal> {
        self.0
    }
}

pub(crate) fn node() -> Principal {
    Principal::Node(NodeId::new(11))
}

pub(crate) fn hub() -> Principal {
    Principal::Hub("door".parse().unwrap())
}

/// A certificate with what goes along with it, and its key.
pub(crate) struct Papers {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) key: SigningKey,
}

impl Papers {
    pub(crate) fn own_certificate(self) -> Arc<OwnCertificate> {
        Arc::new(OwnCertificate::new(self.certificates, &self.key).unwrap())
    }

    pub(crate) fn own_identity(self) -> Arc<OwnIdentity> {
        Arc::new(OwnIdentity::new(self.certificates, &self.key).unwrap())
    }
}

pub(crate) struct TestChain {
    pub(crate) id: ChainId,
    pub(crate) issuing: Authority,
    issuing_key: String,
    entropy: SeededEntropy,
}

impl TestChain {
    pub(crate) fn new(seed: u64) -> Self {
        let entropy = SeededEntropy::new(seed);
        let id = ChainId::draw(&entropy);
        let (root, _) = Authority::new_root(id, NAME, NOW, &entropy).unwrap();
        let (issuing, issuing_key) = root.new_intermediate(1, NOW, &entropy).unwrap();
        Self { id, issuing, issuing_key, entropy }
    }

    /// Writes the files of the CA's folder.
    pub(crate) fn write(&self, folder: &Path) {
        let [intermediate, root] = self.issuing.certificates() else { panic!("two certificates") };
        let named = ChainFile { id: self.id.to_string(), name: NAME.to_owned(), made_at_ms: NOW.get() };
        write_atomic(&folder.join(CHAIN_FILE), &serde_json::to_vec(&named).unwrap()).unwrap();
        write_atomic(&folder.join(ROOT_FILE), pem(root).as_bytes()).unwrap();
        write_atomic(&folder.join(INTERMEDIATE_FILE), pem(intermediate).as_bytes()).unwrap();
        write_secret(&folder.join(INTERMEDIATE_KEY_FILE), self.issuing_key.as_bytes()).unwrap();
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::new(&self.issuing.certificates()[1..]).unwrap()
    }

    /// Issues a certificate for a new key.
    pub(crate) fn issue(&self, principal: &Principal, usage: Usage, from: UtcMillis, until: UtcMillis) -> Papers {
        let key = new_key(&self.entropy).unwrap();
        let serial = Serial::draw(&self.entropy);
        let public_key = key.public_key();
        let wanted = Wanted { principal, public_key: &public_key, addresses: &[], serial: &serial, from, until, usage };
        Papers { certificates: self.issuing.issue(&wanted).unwrap(), key }
    }

    /// What node 11 has as it should be.
    pub(crate) fn node(&self) -> Papers {
        self.issue(&node(), Usage::Client, day(-1), day(90))
    }

    /// What the hub has as it should be.
    pub(crate) fn hub(&self) -> Papers {
        self.issue(&hub(), Usage::Server, day(-1), day(90))
    }

    /// A server that shows `papers` and lets in whom `answers` lets in.
    pub(crate) fn server(&self, papers: Papers, answers: Result<(), Refusal>) -> Arc<ServerConfig> {
        let clients = Clients::Needed(Arc::new(Answers(answers)));
        server_config(papers.own_certificate(), &self.roots(), clients, clock_at(NOW)).unwrap()
    }

    /// A client that shows `papers`, if any.
    pub(crate) fn client(&self, papers: Option<Papers>) -> Arc<ClientConfig> {
        client_config(&self.roots(), papers.map(Papers::own_identity), clock_at(NOW)).unwrap()
    }
}

pub(crate) fn pem(certificate: &[u8]) -> String {
    encode(Label::Certificate, certificate).unwrap()
}

/// A listener on a free port of this machine.
pub(crate) async fn listen(config: Arc<ServerConfig>, limits: HandshakeLimits) -> (Handshakes, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (Handshakes::new("test", listener, config, limits), address)
}
