//! The `store-node` program.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use percolate_runtime::tasks::shutdown_signal;
use percolate_runtime::telemetry::{LogFormat, init_logs};
use store_node::config::{Cli, Command, Config, LogWords};
use tokio_util::sync::CancellationToken;

async fn serve(config: Config) -> Result<()> {
    let stop = CancellationToken::new();
    let serving = store_node::serve(config, stop.clone());
    tokio::pin!(serving);
    tokio::select! {
        outcome = &mut serving => Ok(outcome?),
        signal = shutdown_signal() => {
            tracing::info!(signal = signal?, "told to stop");
            stop.cancel();
            Ok(serving.await?)
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Serve(config) = Cli::parse().command;
    let format = match config.log_format {
        LogWords::Human => LogFormat::Human,
        LogWords::Json => LogFormat::Json,
    };
    let outcome = match init_logs(format, &config.log) {
        Ok(()) => serve(config).await,
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("store-node cannot run: {error:#}");
            ExitCode::FAILURE
        }
    }
}
