//! The arguments of `provision up` and `provision preflight`.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use percolate_common::identity::chain_key::Fingerprint;
use percolate_runtime::http::caller::HttpsAddress;

use super::error::UpError;
use super::firewall::Network;

/// Bring up a shop on this machine, from its bundle: one command, from a stick to the first ticket.
///
/// The bundle's seal is checked before anything in it is read. Then the machine is looked at, what belongs to the shop is
/// installed, its server is started, a practice ticket is sold, and the box is enrolled at head office if there is a line; if
/// there is none, the shop sells all the same, and the box enrols itself when there is one. Run it again whenever it was
/// interrupted: it goes on where it was, and does nothing twice.
#[derive(Debug, Clone, Args)]
pub struct UpOptions {
    /// The bundle, as it came from head office
    #[arg(value_name = "BUNDLE", required_unless_present = "hub")]
    pub bundle: Option<PathBuf>,
    /// Fetch the bundle from head office instead, by the code on its sheet: https://hub.example:8444. The code is never sent
    #[arg(long, value_name = "URL", conflicts_with = "bundle", requires = "known_by")]
    pub hub: Option<HttpsAddress>,
    /// The code on the sheet; - reads it from the terminal
    #[arg(long, value_name = "CODE", requires = "hub", group = "known_by")]
    pub code: Option<CodeOption>,
    /// The file that holds the code
    #[arg(long, value_name = "FILE", requires = "hub", group = "known_by")]
    pub code_file: Option<PathBuf>,
    /// Only for this shop: refuse a bundle of another one
    #[arg(long, value_name = "N")]
    pub store: Option<u32>,
    /// The chain, as it stands on the bundle's sheet: QCPT-GGY1-... Without it the first bundle on a box is believed
    #[arg(long, value_name = "FINGERPRINT")]
    pub chain: Option<Fingerprint>,
    /// Where the shop's files go.
    #[command(flatten)]
    pub place: PlaceOptions,
    /// How its server runs: under systemd, or as a process of its own until the machine stops
    /// [default: systemd where that is at work]
    #[arg(long, value_enum)]
    pub service: Option<ServiceKind>,
    /// Load the packet filter also where the server runs as a process; it is gone when the machine stops
    #[arg(long, conflicts_with = "no_firewall")]
    pub firewall: bool,
    /// Leave the machine's packet filter as it is
    #[arg(long)]
    pub no_firewall: bool,
    /// Who may sign in over the network: an address, or a network as in 192.168.7.0/24; may be said several times. Without it
    /// nobody may
    #[arg(long, value_name = "NET")]
    pub ssh_from: Vec<Network>,
    /// Send no page to the shop's printers
    #[arg(long)]
    pub no_print: bool,
    /// `START_MS,ANCHOR_MS,RATE[,UNTIL_MS]`: a clock for tests, for this program and the server that it starts.
    #[arg(long, hide = true)]
    pub simulated_clock: Option<String>,
}

/// A code as somebody has typed it: it is shown to nobody else.
#[derive(Clone)]
pub struct CodeOption(String);

impl CodeOption {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CodeOption {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for CodeOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeOption(secret)")
    }
}

/// Look at this machine, and say whether a shop can sell on it.
#[derive(Debug, Clone, Args)]
pub struct PreflightOptions {
    /// Where the shop's files go.
    #[command(flatten)]
    pub place: PlaceOptions,
}

/// Where a shop's files go.
#[derive(Debug, Clone, Args)]
pub struct PlaceOptions {
    /// Where the shop's description goes
    #[arg(long, value_name = "DIR", default_value = "/etc/percolate")]
    pub config: PathBuf,
    /// The folder of its data
    #[arg(long, value_name = "DIR", default_value = "/var/lib/percolate")]
    pub data: PathBuf,
    /// Where its tills find it; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Where the terminals of the shop's network find it; port 0 takes a free one [default: 0.0.0.0:8443 where head office has
    /// given the box a name in its shop, or else nowhere]
    #[arg(long, value_name = "ADDR")]
    pub https: Option<SocketAddr>,
    /// This is no shop's machine: go on where it is too small or too slow, and say so in the acceptance
    #[arg(long)]
    pub rehearsal: bool,
}

impl PlaceOptions {
    /// The same, wherever it is asked from.
    pub(super) fn absolute(&self) -> Result<Self, UpError> {
        let whole =
            |path: &PathBuf| std::path::absolute(path).map_err(|source| UpError::Folder { path: path.clone(), source });
        Ok(Self { config: whole(&self.config)?, data: whole(&self.data)?, ..self.clone() })
    }
}

/// How a shop's server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceKind {
    /// Under systemd, from every start of the machine on
    Systemd,
    /// As a process of its own, until the machine stops
    Process,
}
