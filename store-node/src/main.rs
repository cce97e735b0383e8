//! The `store-node` program.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use percolate_runtime::tasks::{StopOn, told_to_stop};
use percolate_runtime::telemetry::{LogFormat, init_logs};
use store_node::config::{Cli, Command, Config, LogWords, PutBack};
use store_node::{Node, say_put_back};

async fn serve(config: &Config) -> Result<ExitCode> {
    let told = told_to_stop(if config.stop_with_parent { StopOn::SignalsAndParent } else { StopOn::Signals });
    tokio::pin!(told);
    // Signals are listened to before anybody can know that the node runs.
    let node = tokio::select! {
        biased;
        signal = &mut told => {
            tracing::info!(signal = signal?, "told to stop before it had started");
            return Ok(ExitCode::SUCCESS);
        }
        node = Node::start(config) => node?,
    };
    let signal = told.await?;
    tracing::info!(signal, "told to stop");
    let report = node.stop().await;
    tracing::info!(clean = report.is_clean(), "stopped");
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn put_back(data: &Path) -> ExitCode {
    let said = match say_put_back(data).map_err(anyhow::Error::from) {
        Ok(()) => writeln!(
            io::stdout(),
            "Noted. Start the box again: it begins a new life, and gets what it lacks back from head office."
        ),
        Err(error) => writeln!(io::stderr(), "store-node put-back: {error:#}").and(Err(io::ErrorKind::Other.into())),
    };
    said.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Cli::parse().command {
        Command::Serve(config) => config,
        Command::PutBack(PutBack { data }) => return put_back(&data),
    };
    let format = match config.log_format {
        LogWords::Human => LogFormat::Human,
        LogWords::Json => LogFormat::Json,
    };
    let outcome = match init_logs(format, &config.log) {
        Ok(()) => serve(&config).await,
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("store-node cannot run: {error:#}");
            ExitCode::FAILURE
        }
    }
}
