//! The broker where nodes and hub meet: the hub's own, or one that somebody else runs. Neither holds anything of record.

mod access;
mod carry;
pub mod cuts;
pub mod door;
pub mod embedded;
mod peers;
pub mod quota;
pub mod rate;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use percolate_runtime::broker::{BrokerAddresses, Credentials};
use percolate_runtime::http::health::Check;

use self::embedded::{BrokerError, EmbeddedBroker};

/// The hub's user at a broker of somebody else's.
pub const HUB_USER: &str = "hub";

/// Which broker a hub is told to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerSetting {
    /// Its own, which listens there; port 0 takes a free one.
    Embedded(SocketAddr),
    /// One that somebody else runs.
    External(ExternalBroker),
}

/// A broker that somebody else runs: it is started, stopped and told its accounts without us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalBroker {
    /// Where it is, or where the members of the cluster are.
    pub addresses: BrokerAddresses,
    /// The hub's account; none where nobody is asked.
    pub credentials: Option<Credentials>,
}

/// The broker of a hub that runs. A clone is the same one.
#[derive(Debug, Clone)]
pub enum Broker {
    /// Its own.
    Embedded(EmbeddedBroker),
    /// One that somebody else runs.
    External(ExternalBroker),
}

impl Broker {
    /// Makes the hub's own broker listen; of another one nothing is tried.
    ///
    /// # Errors
    /// As [`EmbeddedBroker::start`].
    pub async fn start(setting: BrokerSetting) -> Result<Self, BrokerError> {
        match setting {
            BrokerSetting::Embedded(address) => EmbeddedBroker::start(address).await.map(Self::Embedded),
            BrokerSetting::External(external) => Ok(Self::External(external)),
        }
    }

    /// The hub's own broker, if it has one.
    #[must_use]
    pub const fn embedded(&self) -> Option<&EmbeddedBroker> {
        match self {
            Self::Embedded(own) => Some(own),
            Self::External(_) => None,
        }
    }

    /// Where the hub's link finds it, and as whom it comes. Through a door it comes like everybody else, by a certificate.
    pub(crate) fn access(&self) -> (BrokerAddresses, Option<Credentials>) {
        match self {
            Self::Embedded(own) => (from_here(own.meeting()), None),
            Self::External(external) => (external.addresses.clone(), external.credentials.clone()),
        }
    }

    /// Whether nodes can meet the hub there. Of a broker of its own the hub knows that itself; another one shows it by
    /// having the hub's link.
    pub(crate) fn check(&self, link_is_up: bool) -> Check {
        let (ok, detail) = match self {
            Self::Embedded(own) if own.is_running() => (true, format!("it listens on {}", own.meeting())),
            Self::Embedded(_) => (false, "it is down".to_owned()),
            Self::External(ExternalBroker { addresses, .. }) if link_is_up => {
                (true, format!("{addresses} has our link"))
            }
            Self::External(ExternalBroker { addresses, .. }) => (false, format!("{addresses} does not have our link")),
        };
        Check { name: "broker", ok, detail }
    }
}

/// How something that listens on this machine is dialled from it.
fn from_here(listens: SocketAddr) -> BrokerAddresses {
    match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, listens.port())).into(),
        IpAddr::V4(_) => listens.into(),
        // Over TLS an IPv6 address in digits cannot be dialled, and here it is one of this machine's in any case.
        IpAddr::V6(_) => BrokerAddresses::localhost(listens.port()),
    }
}
