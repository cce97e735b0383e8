//! What the hub is told when it starts, checked (by [`crate::arguments`]) and handed out in parts.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use percolate_runtime::pki::SanName;

use crate::broker::{BrokerSetting, ExternalBroker};

/// How the hub serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubConfig {
    /// The folder of its lock, and of what it writes for itself.
    pub data_dir: PathBuf,
    /// Where it answers HTTP; port 0 takes a free one.
    pub http: SocketAddr,
    /// On what it stands.
    pub profile: Profile,
    /// The chain's CA and where boxes come with its certificates: of a small hub, and of a large one's process that does
    /// identity.
    pub identity: Option<IdentitySetting>,
    /// The menu file to publish, if it is another one than the one published last.
    pub menu: Option<PathBuf>,
    /// Another time than the machine's, for demos and tests: now = START + (wall - ANCHOR) * RATE.
    pub simulated_clock: Option<String>,
    /// Stop in order, as on SIGTERM, when the standard input ends.
    pub stop_with_parent: bool,
}

/// Where the chain's CA is, and where boxes reach the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentitySetting {
    /// The CA's folder, as `provision chain init` made it.
    pub ca: PathBuf,
    /// Where boxes enrol, over HTTPS; port 0 takes a free one.
    pub https: SocketAddr,
    /// Where boxes come to the hub's own broker, over TLS and by their certificates; port 0 takes a free one.
    pub mqtts: SocketAddr,
    /// Where boxes are told to find a broker of somebody else's; empty where that is the hub's own.
    pub broker: Vec<String>,
    /// Names and addresses under which boxes reach this machine; without any, those on which it listens.
    pub names: Vec<SanName>,
}

/// On what a hub stands. There are these two, and nothing between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// One process with files in its data folder and a broker of its own.
    Small,
    /// Processes and replicas on PostgreSQL, behind a broker that somebody else runs.
    Large(Box<Large>),
}

impl Profile {
    /// What this process does of the hub's work.
    #[must_use]
    pub fn parts(&self) -> BTreeSet<Part> {
        match self {
            Self::Small => Part::value_variants().iter().copied().collect(),
            Self::Large(large) => large.parts.clone(),
        }
    }

    /// How long it says that it is about to stop before it does. A small hub has nobody who would take over.
    #[must_use]
    pub fn drain(&self) -> Duration {
        match self {
            Self::Small => Duration::ZERO,
            Self::Large(large) => large.drain,
        }
    }

    /// Which broker it uses.
    #[must_use]
    pub fn broker(&self) -> BrokerSetting {
        match self {
            Self::Small => BrokerSetting::Embedded,
            Self::Large(large) => BrokerSetting::External(large.broker.clone()),
        }
    }
}

/// What a large hub stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Large {
    /// The chain's database: a connection string without a role and a password.
    pub postgres: String,
    /// The folder with the passwords of the database's roles.
    pub secrets: PathBuf,
    /// The chain's broker.
    pub broker: ExternalBroker,
    /// The token of the API, which all processes of the hub share.
    pub token: PathBuf,
    /// What this process does of the hub's work: all of it, or what was named.
    pub parts: BTreeSet<Part>,
    /// How long it says that it is about to stop before it does, so that others take over.
    pub drain: Duration,
}

/// A part of the hub's work that can be a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Part {
    /// What nodes send and are sent, and the journal.
    Ingest,
    /// The menu.
    Catalog,
    /// Sales, stock and what the reports are read from.
    Reporting,
    /// The chain's CA: shops, their bundles, and which boxes are let in.
    Identity,
}
