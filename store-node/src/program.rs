//! The program, from its command line to its exit code.

use std::io;
use std::process::ExitCode;

use percolate_runtime::tasks::shutdown_signal;
use percolate_runtime::telemetry::{LogFormat, TelemetryError, init_logs};

use crate::config::{Cli, Command, Config, LogWords};
use crate::{Node, StartError};

/// Why the program could not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Logging could not be set up.
    #[error(transparent)]
    Logs(#[from] TelemetryError),
    /// The node could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Nobody can tell it to stop.
    #[error("signals cannot be heard")]
    Signals(#[from] io::Error),
}

/// Does what the command line says.
///
/// # Errors
/// [`ProgramError`].
pub async fn run(cli: Cli) -> Result<ExitCode, ProgramError> {
    let Command::Serve(config) = cli.command;
    let format = match config.log_format {
        LogWords::Human => LogFormat::Human,
        LogWords::Json => LogFormat::Json,
    };
    init_logs(format, &config.log)?;
    serve(&config).await
}

async fn serve(config: &Config) -> Result<ExitCode, ProgramError> {
    let told = shutdown_signal();
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
