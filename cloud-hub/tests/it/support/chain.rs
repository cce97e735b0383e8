//! A chain for one test: its CA, a list of those who are let in, and a clock.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use cloud_hub::kernel::auth::store::{Device, DeviceState};
use percolate_common::entropy::SeededEntropy;
use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::names::{ChainId, Principal};
use percolate_common::identity::pem::{Label, encode};
use percolate_common::identity::serial::Serial;
use percolate_common::ids::NodeId;
use percolate_common::journal::{PublicKey, SigningKey};
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::files::write_secret;
use percolate_runtime::mqtt::LinkTls;
use percolate_runtime::pki::{Authority, CertificateDer, Usage, Wanted, new_key};
use percolate_runtime::tls::{Admission, OwnCertificate, OwnIdentity, Refusal, Roots, TlsClock, client_config, dial};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::events::NOON_MS;
use super::hub::MovedClock;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A connection over TLS, or as it is.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Who is let in: whoever was given a certificate, until it is revoked or forgotten.
#[derive(Debug)]
pub(crate) struct GuestList {
    by_serial: Mutex<BTreeMap<Serial, Result<(), Refusal>>>,
    changes: watch::Sender<u64>,
}

impl GuestList {
    fn set(&self, serial: &Serial, outcome: Result<(), Refusal>) {
        self.by_serial.lock().unwrap().insert(serial.clone(), outcome);
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn admit(&self, papers: &Papers) {
        self.set(&papers.serial, Ok(()));
    }

    pub(crate) fn revoke(&self, papers: &Papers) {
        self.set(&papers.serial, Err(Refusal::Revoked));
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Says that something has changed.
    pub(crate) fn tell(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

impl Admission for GuestList {
    fn admits(&self, certificate: &Certificate) -> Result<(), Refusal> {
        let all = self.by_serial.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&certificate.serial).copied().unwrap_or(Err(Refusal::Unknown))
    }
}

/// A certificate with its key, as its holder has it.
pub(crate) struct Papers {
    pub(crate) serial: Serial,
    public_key: PublicKey,
    life: (UtcMillis, UtcMillis),
    identity: Arc<OwnIdentity>,
    certificates: Vec<CertificateDer<'static>>,
    key: String,
}

impl Papers {
    /// As the hub knows a box that is let in with them.
    pub(crate) fn device(&self, number: u32) -> Device {
        let (not_before, not_after) = self.life;
        Device {
            serial: self.serial.clone(),
            node: NodeId::new(number),
            public_key: self.public_key,
            not_before,
            not_after,
            state: DeviceState::Allowed,
            changed_at: not_before,
        }
    }
}

pub(crate) struct TestChain {
    pub(crate) id: ChainId,
    pub(crate) list: Arc<GuestList>,
    pub(crate) clock: Arc<MovedClock>,
    authority: Authority,
    entropy: SeededEntropy,
}

pub(crate) fn node(number: u32) -> Principal {
    Principal::Node(NodeId::new(number))
}

pub(crate) fn hub() -> Principal {
    Principal::Hub("ingest".parse().unwrap())
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    encode(Label::Certificate, certificate).unwrap()
}

/// So many days from noon.
pub(crate) fn day(days: i64) -> UtcMillis {
    UtcMillis::new(NOON_MS + days * DAY_MS)
}

impl TestChain {
    pub(crate) fn new(seed: u64) -> Self {
        Self::founded(seed, Arc::default())
    }

    /// A chain that is there today, for whoever judges by the machine's clock.
    pub(crate) fn of_today(seed: u64) -> Self {
        Self::founded(seed, Arc::new(MovedClock::of_today()))
    }

    fn founded(seed: u64, clock: Arc<MovedClock>) -> Self {
        let (entropy, at) = (SeededEntropy::new(seed), clock.now());
        let (root, _) = Authority::new_root(ChainId::draw(&entropy), "Maven Coffee", at, &entropy).unwrap();
        let (authority, _) = root.new_intermediate(1, at, &entropy).unwrap();
        Self::of(authority, clock, entropy)
    }

    /// The chain of a CA's folder.
    pub(crate) fn open(ca: &Path, clock: Arc<MovedClock>) -> Self {
        Self::of(Authority::open(ca).unwrap(), clock, SeededEntropy::new(3))
    }

    fn of(authority: Authority, clock: Arc<MovedClock>, entropy: SeededEntropy) -> Self {
        let list = GuestList { by_serial: Mutex::default(), changes: watch::Sender::new(0) };
        Self { id: *authority.chain(), list: Arc::new(list), clock, authority, entropy }
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::new(&self.authority.certificates()[1..]).unwrap()
    }

    pub(crate) fn tls_clock(&self) -> Arc<TlsClock> {
        Arc::new(TlsClock::new(self.clock.clone(), UtcMillis::new(0)))
    }

    /// What somebody has as it should be, and is let in with.
    pub(crate) fn papers(&self, principal: &Principal) -> Papers {
        self.issue(principal, Usage::Client, (self.day(-1), self.day(90)))
    }

    /// As [`TestChain::papers`], of somebody who has this key.
    pub(crate) fn papers_of(&self, principal: &Principal, key: &SigningKey) -> Papers {
        self.made(principal, key, Usage::Client, (self.day(-1), self.day(90)))
    }

    /// So many days from now.
    pub(crate) fn day(&self, days: i64) -> UtcMillis {
        UtcMillis::new(self.clock.now().get() + days * DAY_MS)
    }

    /// Writes down papers as programs of others take them.
    pub(crate) fn write(&self, papers: &Papers, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("root.pem"), pem(&self.authority.certificates()[1])).unwrap();
        let certificates: String = papers.certificates.iter().map(pem).collect();
        std::fs::write(folder.join("certificate.pem"), certificates).unwrap();
        write_secret(&folder.join("key.pem"), papers.key.as_bytes()).unwrap();
    }

    /// Writes the list of who is shut out, as it is so many seconds from a day ago.
    pub(crate) fn write_crl(&self, shut_out: &[&Papers], seconds: i64, path: &Path) {
        let at = UtcMillis::new(self.day(-1).get() + seconds * 1_000);
        let revoked: Vec<_> = shut_out.iter().map(|papers| (papers.serial.clone(), at)).collect();
        let count = u64::try_from(seconds).unwrap();
        let crl = self.authority.crl(count, &revoked, at, self.day(7)).unwrap();
        std::fs::write(path, encode(Label::RevocationList, &crl).unwrap()).unwrap();
    }

    /// As [`TestChain::papers`], for some use and time.
    pub(crate) fn issue(&self, principal: &Principal, usage: Usage, life: (UtcMillis, UtcMillis)) -> Papers {
        let papers = self.issue_unlisted(principal, usage, life);
        self.list.admit(&papers);
        papers
    }

    /// What is lawful and nobody knows of.
    pub(crate) fn issue_unlisted(&self, principal: &Principal, usage: Usage, life: (UtcMillis, UtcMillis)) -> Papers {
        self.made(principal, &new_key(&self.entropy).unwrap(), usage, life)
    }

    fn made(&self, principal: &Principal, key: &SigningKey, usage: Usage, life: (UtcMillis, UtcMillis)) -> Papers {
        let (serial, public_key, (from, until)) = (Serial::draw(&self.entropy), key.public_key(), life);
        let wanted = Wanted { principal, public_key: &public_key, addresses: &[], serial: &serial, from, until, usage };
        let certificates = self.authority.issue(&wanted).unwrap();
        let identity = Arc::new(OwnIdentity::new(certificates.clone(), key).unwrap());
        Papers { serial, public_key, life, identity, certificates, key: key.to_pem().unwrap().to_string() }
    }

    /// What the door shows.
    pub(crate) fn door_certificate(&self) -> Arc<OwnCertificate> {
        let (key, serial) = (new_key(&self.entropy).unwrap(), Serial::draw(&self.entropy));
        let principal = Principal::Hub("door".parse().unwrap());
        let wanted = Wanted {
            principal: &principal,
            public_key: &key.public_key(),
            addresses: &[],
            serial: &serial,
            from: self.day(-1),
            until: self.day(90),
            usage: Usage::Server,
        };
        Arc::new(OwnCertificate::new(self.authority.issue(&wanted).unwrap(), &key).unwrap())
    }

    /// How a link comes with these papers, or with none.
    pub(crate) fn link_tls(&self, papers: Option<&Papers>) -> LinkTls {
        let identity = papers.map(|papers| papers.identity.clone());
        client_config(&self.roots(), identity, self.tls_clock()).unwrap().into()
    }

    /// A connection of one's own making, with these papers.
    pub(crate) async fn dial(&self, papers: &Papers, port: u16) -> Box<dyn Wire> {
        let config = client_config(&self.roots(), Some(papers.identity.clone()), self.tls_clock()).unwrap();
        Box::new(dial(config, "localhost".try_into().unwrap(), ("127.0.0.1", port)).await.unwrap())
    }
}

/// A connection of one's own making, as it is.
pub(crate) async fn plain(port: u16) -> Box<dyn Wire> {
    Box::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap())
}
