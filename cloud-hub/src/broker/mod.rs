//! The broker where nodes and hub meet: the hub's own, or one that somebody else runs. Neither holds anything of record.

mod access;
pub mod cuts;
pub mod door;
pub mod embedded;
mod line;
mod one_run;
mod pace;
mod peers;
pub mod quota;
pub mod rate;
mod rooms;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use percolate_runtime::broker::{BrokerAddresses, Credentials};
use percolate_runtime::http::health::Check;

use self::embedded::EmbeddedBroker;

/// The hub's user at a broker of somebody else's.
pub const HUB_USER: &str = "hub";

/// Which broker a hub is told to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerSetting {
    /// Its own, which takes whom its door lets in.
    Embedded,
    /// One that somebody else runs.
    External(ExternalBroker),
}

/// A broker that somebody else runs: it is started, stopped and told its accounts without us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalBroker {
    /// Where it is, or where the members of the cluster are.
    pub addresses: BrokerAddresses,
    /// How the hub shows who it is.
    pub access: BrokerAccess,
}

/// How the hub shows a broker of somebody else's who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerAccess {
    /// By the certificate in this folder, which `provision chain hub-identity` made.
    Certificate(PathBuf),
    /// By an account, in the clear: at a broker that asks for no certificates.
    Account(Credentials),
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
    /// The hub's own broker, which does not run yet, or another one, of which nothing is tried.
    #[must_use]
    pub fn new(setting: BrokerSetting) -> Self {
        match setting {
            BrokerSetting::Embedded => Self::Embedded(EmbeddedBroker::default()),
            BrokerSetting::External(external) => Self::External(external),
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

    /// Where the hub's link finds it, and as whom it comes. At its own broker it comes through the door like everybody else,
    /// by a certificate; before there is a door, it is nowhere.
    pub(crate) fn access(&self) -> (BrokerAddresses, Option<Credentials>) {
        match self {
            Self::Embedded(own) => (own.meeting().map_or_else(|| BrokerAddresses::localhost(0), from_here), None),
            Self::External(ExternalBroker { addresses, access }) => match access {
                BrokerAccess::Certificate(_) => (addresses.clone(), None),
                BrokerAccess::Account(credentials) => (addresses.clone(), Some(credentials.clone())),
            },
        }
    }

    /// The folder with the certificate by which the hub comes to somebody else's broker.
    pub(crate) fn certificate(&self) -> Option<&Path> {
        match self {
            Self::External(ExternalBroker { access: BrokerAccess::Certificate(folder), .. }) => Some(folder),
            Self::External(ExternalBroker { access: BrokerAccess::Account(_), .. }) | Self::Embedded(_) => None,
        }
    }

    /// Whether nodes can meet the hub there. Of a broker of its own the hub knows that itself; another one shows it by
    /// having the hub's link.
    pub(crate) fn check(&self, link_is_up: bool) -> Check {
        let (ok, detail) = match self {
            Self::Embedded(own) => match own.meeting().filter(|_| own.is_running()) {
                Some(door) => (true, format!("its door is at {door}")),
                None => (false, "it is down".to_owned()),
            },
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
