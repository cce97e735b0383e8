//! The arguments of `provision demo`.

use std::path::PathBuf;

use clap::Args;

use super::chain::DemoChain;

/// Run a whole chain on this machine through one bad morning: a head office and up to ten shops, each a program of its own.
///
/// The shops sell from six to eleven, planned by the hours at which people really buy coffee, in half a minute. Meanwhile
/// a shop's line is cut, another's box is killed in the middle of the rush, the head office goes down, and a disk is
/// cloned. Then what the tills rang up, what the shops say and what the head office says is compared, to the cent, and
/// the journals are audited. At a terminal the chain stays up afterwards, with a prompt to try more, until Ctrl-C.
/// Everything is on the loopback and in one folder.
#[derive(Debug, Clone, Args)]
pub struct DemoOptions {
    /// How many shops, the first of the chain
    #[arg(long, value_name = "N", default_value_t = DemoChain::stores_max(),
        value_parser = clap::value_parser!(u64).range(1..=DemoChain::stores_max()))]
    pub stores: u64,
    /// How many tickets a shop sells, on average
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub tickets: u64,
    /// How many seconds the morning takes; if the tickets take longer, it is later when the doors close
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    /// Chance: the same number plans the same morning
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Keep everything in this folder, which must be new or empty; else it is a temporary one, removed at the end
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The office page's port on the loopback; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub office_port: u16,
    /// Let the head office be a large hub, on this PostgreSQL database and behind a mosquitto that the demo starts: an empty
    /// database of a server that has no other chain, as its superuser: "host=/run/postgresql user=postgres dbname=demo". What
    /// the demo writes stays in it
    #[arg(long, value_name = "CONNECTION")]
    pub postgres: Option<String>,
    /// No trouble: the shops sell, and that is all
    #[arg(long)]
    pub calm: bool,
    /// End when the books are compared, at a terminal too
    #[arg(long)]
    pub exit: bool,
}
