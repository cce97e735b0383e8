//! A chain for one test: its CA, and certificates as they are wanted.

use std::sync::Arc;

use percolate_common::entropy::SeededEntropy;
use percolate_common::identity::names::{ChainId, Principal};
use percolate_common::identity::pem::{Label, encode};
use percolate_common::identity::serial::Serial;
use percolate_common::ids::NodeId;
use percolate_common::journal::PublicKey;
use percolate_common::time::UtcMillis;
use percolate_runtime::pki::{Authority, SanName, Usage, Wanted, new_key};
use percolate_runtime::tls::{OwnCertificate, Roots, TlsClock};

use super::node::{NODE, NOON_MS, TestClock};

/// The name of the box in its shop.
pub(crate) const LAN_NAME: &str = "shop.lan";

pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// An instant so many days after the tests' days begin.
pub(crate) const fn day(days: i64) -> i64 {
    NOON_MS + days * DAY_MS
}

/// The chain.
pub(crate) struct TestChain {
    pub(crate) id: ChainId,
    issuing: Authority,
    entropy: SeededEntropy,
    /// What the hub's clock says.
    pub(crate) clock: Arc<TestClock>,
}

impl TestChain {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let entropy = SeededEntropy::new(seed);
        let id = ChainId::draw(&entropy);
        let founded = UtcMillis::new(day(-300));
        let (root, _) = Authority::new_root(id, "Maven Coffee", founded, &entropy).unwrap();
        let (issuing, _) = root.new_intermediate(1, founded, &entropy).unwrap();
        Arc::new(Self { id, issuing, entropy, clock: TestClock::at(NOON_MS) })
    }

    /// The root's certificate in DER.
    pub(crate) fn root(&self) -> Vec<u8> {
        self.issuing.certificates()[1].to_vec()
    }

    /// The certificates of the root and of the issuing CA, in PEM.
    pub(crate) fn pems(&self) -> [String; 2] {
        let [issuing, root] = self.issuing.certificates() else { panic!("two certificates") };
        [root, issuing].map(|der| encode(Label::Certificate, der).unwrap())
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::new(&self.issuing.certificates()[1..]).unwrap()
    }

    pub(crate) fn tls_clock(&self) -> Arc<TlsClock> {
        Arc::new(TlsClock::new(self.clock.clone(), UtcMillis::new(0)))
    }

    /// A certificate for a key, with what goes along with it.
    pub(crate) fn certify(
        &self,
        principal: &Principal,
        public_key: &PublicKey,
        usage: Usage,
        (from, until): (i64, i64),
    ) -> Vec<Vec<u8>> {
        let serial = Serial::draw(&self.entropy);
        let (from, until) = (UtcMillis::new(from), UtcMillis::new(until));
        let names = [LAN_NAME.parse().unwrap()];
        let addresses: &[SanName] =
            if matches!(principal, Principal::Node(_)) && usage == Usage::Server { &names } else { &[] };
        let wanted = Wanted { principal, public_key, addresses, serial: &serial, from, until, usage };
        self.issuing.issue(&wanted).unwrap().into_iter().map(|der| der.to_vec()).collect()
    }

    /// What a hub of this chain shows, from one day to another.
    pub(crate) fn hub(&self, from: i64, until: i64) -> Arc<OwnCertificate> {
        let key = new_key(&self.entropy).unwrap();
        let hub = Principal::Hub("door".parse().unwrap());
        let shown = self.certify(&hub, &key.public_key(), Usage::Server, (from, until));
        Arc::new(OwnCertificate::new(shown.into_iter().map(Into::into).collect(), &key).unwrap())
    }
}

/// The node of the tests.
pub(crate) fn node() -> Principal {
    Principal::Node(NodeId::new(NODE))
}
