//! The `store-node` program.

use std::process::ExitCode;

use clap::Parser as _;
use percolate_runtime::files::make_for_the_owner_alone;
use store_node::config::Cli;
use store_node::program::run;

#[tokio::main]
async fn main() -> ExitCode {
    make_for_the_owner_alone();
    match run(Cli::parse()).await.map_err(anyhow::Error::from) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("store-node cannot run: {error:#}");
            ExitCode::FAILURE
        }
    }
}
