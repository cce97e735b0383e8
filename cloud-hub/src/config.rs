//! What the hub is told when it starts: parsed once, checked, and handed out in parts.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// How the hub serves.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct HubConfig {
    /// The folder of its databases, its token and its lock; made if there is none
    #[arg(long = "data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Where it answers HTTP; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub http: SocketAddr,
    /// Where the embedded broker listens, on this machine only; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    pub mqtt: SocketAddr,
    /// The menu to publish, if it differs from the one published last
    #[arg(long, value_name = "FILE")]
    pub menu: Option<PathBuf>,
    /// Another time than the machine's, for demos and tests: now = START + (wall - ANCHOR) * RATE
    #[arg(long, value_name = "START_MS,ANCHOR_MS,RATE[,UNTIL_MS]")]
    pub simulated_clock: Option<String>,
    /// Stop in order, as on SIGTERM, when the standard input ends: for a server that belongs to the process which started
    /// it and holds the other end of a pipe, however that one ends
    #[arg(long)]
    pub stop_with_parent: bool,
}
