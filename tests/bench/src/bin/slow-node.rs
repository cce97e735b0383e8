//! `slow-node FLUSH_MS ...`: the store-node that ships, with the rest of the arguments, on a disk whose flushes take so
//! much longer.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use slow_disk::{SlowDisk, Standing};
use store_node::config::Cli;
use store_node::program::run;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut words = std::env::args_os();
    let name = words.next().context("the program's name")?;
    let flush_ms = words.next().context("slow-node FLUSH_MS serve ...")?;
    let flush_ms = flush_ms.to_str().and_then(|text| text.parse().ok()).context("FLUSH_MS is a number")?;
    SlowDisk::register(c"slow", Duration::from_millis(flush_ms), Standing::Default)?;
    Ok(run(Cli::parse_from(std::iter::once(name).chain(words))).await?)
}
