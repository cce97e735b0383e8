//! What a node is told at its start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use percolate_common::domain::tenders::forward::ForwardLimits;
use percolate_common::paper::{COLUMNS_NARROW, COLUMNS_WIDE};
use percolate_runtime::broker::BrokerAddresses;
use percolate_runtime::http::caller::HttpsAddress;
use percolate_runtime::mqtt::RETRY_MAX;

/// The server of one shop.
#[derive(Debug, Parser)]
#[command(name = "store-node", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the shop until told to stop.
    Serve(Box<Config>),
    /// Say that the database was put back from a backup: it begins a new life at its next start.
    ///
    /// Nothing is deleted. What was sold after the backup was made comes back from head office.
    PutBack(PutBack),
}

/// Where the database is that was put back.
#[derive(Debug, Clone, Args)]
pub struct PutBack {
    /// Folder of the database.
    #[arg(long)]
    pub data: PathBuf,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogWords {
    /// Lines for people.
    Human,
    /// A JSON object a line.
    Json,
}

/// A node's configuration.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Folder of the database, the key and the token.
    #[arg(long)]
    pub data: PathBuf,
    /// The file that `provision up` installed: what shop this is, and where its hub is. The menu lies beside it. With it the
    /// box enrols itself, and speaks to its hub over TLS alone.
    #[arg(long, value_name = "FILE")]
    pub site: Option<PathBuf>,
    /// Store number, 1 and up.
    #[arg(long, required_unless_present = "site", conflicts_with = "site", value_parser = clap::value_parser!(u32).range(1..))]
    pub store: Option<u32>,
    /// Node number, 1 to 2147483647.
    #[arg(long, required_unless_present = "site", conflicts_with = "site", value_parser = clap::value_parser!(u32).range(1..=0x7fff_ffff))]
    pub node: Option<u32>,
    /// What people call the shop.
    #[arg(long, required_unless_present = "site", conflicts_with = "site")]
    pub name: Option<String>,
    /// IANA time zone, as in America/New_York.
    #[arg(long, required_unless_present = "site", conflicts_with = "site")]
    pub zone: Option<String>,
    /// ISO 4217 currency, as in USD.
    #[arg(long, required_unless_present = "site", conflicts_with = "site")]
    pub currency: Option<String>,
    /// Hour at which the trading day ends, 0 to 12.
    #[arg(long, default_value_t = 4, conflicts_with = "site")]
    pub cutover_hour: u8,
    /// Where to serve the tills of this machine; a loopback address. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Where to serve the terminals of the shop's network over HTTPS, as 0.0.0.0:8443; they are let in once they are paired, and
    /// once the box has its certificate. If absent: as the file of --site says, or else nowhere.
    #[arg(long, value_name = "ADDR", requires = "site")]
    pub https: Option<SocketAddr>,
    /// The hub's broker, as HOST:PORT; of a cluster several of its members, with commas: the next one is tried at each
    /// failure. If absent: as the file of --site says, or without one 127.0.0.1:1883.
    #[arg(long, value_name = "HOST:PORT[,HOST:PORT...]")]
    pub hub_mqtt: Option<BrokerAddresses>,
    /// Where the hub is asked for certificates, as https://HOST:PORT, with commas between several. If absent: as the file of
    /// --site says.
    #[arg(long, value_name = "URL[,URL...]", value_delimiter = ',', conflicts_with = "store")]
    pub hub_https: Vec<HttpsAddress>,
    /// A file of one line, the password of this node's account at the hub's broker; the account is called `n` and the
    /// node's number, as in n11. The file must not be readable by others. It is read at the start.
    #[arg(long, value_name = "FILE", conflicts_with = "site")]
    pub hub_password_file: Option<PathBuf>,
    /// The line to a broker on another machine is private, so that the password may go there in the clear.
    #[arg(long)]
    pub plain_network: bool,
    /// A file on another disk that notes how far the database was written, so that an older copy that is put back is
    /// noticed at its start, without head office.
    #[arg(long)]
    pub guard: Option<PathBuf>,
    /// The longest wait between two tries to reach the hub, in seconds, 1 to 3600: a line that is mended carries again after
    /// at most so long. Each wait is by chance between half of what it could be and all of it.
    #[arg(long, default_value_t = RETRY_MAX.as_secs(), value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub hub_retry_s_max: u64,
    /// Free bytes on the disk that are kept for closing the day; new sales are refused below.
    #[arg(long, default_value_t = 64 * 1024 * 1024)]
    pub disk_reserve_bytes: u64,
    /// Its card terminal.
    #[command(flatten)]
    pub cards: CardConfig,
    /// Its printers.
    #[command(flatten)]
    pub prints: PrintConfig,
    /// `START_MS,ANCHOR_MS,RATE[,UNTIL_MS]`: a clock for demos and tests.
    #[arg(long)]
    pub simulated_clock: Option<String>,
    /// Stop in order, as on SIGTERM, when the standard input ends: for a server that belongs to the process which started
    /// it and holds the other end of a pipe, however that one ends.
    #[arg(long)]
    pub stop_with_parent: bool,
    /// How the log is written.
    #[arg(long, value_enum, default_value_t = LogWords::Human)]
    pub log_format: LogWords,
    /// How much is logged: error, warn, info, debug or trace.
    #[arg(long, default_value = "info")]
    pub log: String,
}

/// What a node is told of its card terminal.
#[derive(Debug, Clone, Default, Args)]
pub struct CardConfig {
    /// `simulated:FOLDER`: a card terminal that is none, for demos and tests. It charges nobody. Refused on a box that a bundle has
    /// made, unless --demo says that it is no shop's.
    #[arg(long, value_name = "DRIVER")]
    pub card_terminal: Option<SimulatedTerminal>,
    /// The box serves no real shop.
    #[arg(long)]
    pub demo: bool,
    /// `TICKET,COUNT,TOTAL,AGE_S`: what is taken on trust while the card terminal has no line, at most: minor units of one payment, how
    /// many payments, minor units of all of them, and seconds that the oldest may wait. If absent: as the file of --site says, or
    /// else nothing.
    #[arg(long, value_name = "LIMITS")]
    pub card_forward: Option<ForwardLimits>,
}

/// What a node is told of its printers.
#[derive(Debug, Clone, Default, Args)]
pub struct PrintConfig {
    /// `NAME=HOST:PORT[,COLUMNS]`: a printer of receipts, of 48 characters a line, or 32; the first one is that of every till. Say it
    /// again for another. A box that a bundle has made has those of its plan.
    #[arg(long = "printer", value_name = "PRINTER", conflicts_with = "site")]
    pub printers: Vec<NamedPrinter>,
}

/// A printer of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPrinter {
    /// Its name.
    pub name: String,
    /// `HOST:PORT`.
    pub address: String,
    /// Characters of a line.
    pub columns: u8,
}

impl FromStr for NamedPrinter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "NAME=HOST:PORT is expected, or NAME=HOST:PORT,32";
        let (name, place) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(EXPECTED)?;
        let (address, columns) = match place.split_once(',') {
            None => (place, COLUMNS_WIDE),
            Some((address, columns)) => (address, columns.parse().map_err(|_not_a_number| EXPECTED)?),
        };
        let (host, port) = address.rsplit_once(':').ok_or(EXPECTED)?;
        let is_sound = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
        if !is_sound || ![COLUMNS_WIDE, COLUMNS_NARROW].contains(&columns) {
            return Err(EXPECTED);
        }
        Ok(Self { name: name.to_owned(), address: address.to_owned(), columns })
    }
}

/// The folder of a simulated card terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedTerminal(pub PathBuf);

impl FromStr for SimulatedTerminal {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let folder = text.strip_prefix("simulated:").filter(|folder| !folder.is_empty());
        folder.map(|folder| Self(folder.into())).ok_or("simulated:FOLDER is expected")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printer_is_named_with_its_address_and_how_wide_its_paper_is() {
        let read = |text: &str| text.parse::<NamedPrinter>().map(|it| (it.name, it.address, it.columns));
        let bar = |columns| Ok(("bar".to_owned(), "10.0.0.9:9100".to_owned(), columns));
        assert_eq!((read("bar=10.0.0.9:9100"), read("bar=10.0.0.9:9100,32")), (bar(48), bar(32)));
        assert!(read("bar=[fd00::9]:9100").is_ok());
        for wrong in ["", "bar", "=p:9100", "bar=p", "bar=:9100", "bar=p:0", "bar=p:9100,40", "bar=p:9100,x"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
