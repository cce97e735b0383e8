//! The program, from its command line to its exit code.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use percolate_runtime::tasks::{StopOn, told_to_stop};
use percolate_runtime::telemetry::{LogFormat, TelemetryError, init_logs};

use crate::config::{Cli, Command, Config, LogWords, PutBack};
use crate::{Node, StartError, say_put_back};

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
    /// Nobody hears it.
    #[error("the answer cannot be written")]
    Output(#[source] io::Error),
}

/// Does what the command line says.
///
/// # Errors
/// [`ProgramError`].
pub async fn run(cli: Cli) -> Result<ExitCode, ProgramError> {
    match cli.command {
        Command::Serve(config) => {
            let format = match config.log_format {
                LogWords::Human => LogFormat::Human,
                LogWords::Json => LogFormat::Json,
            };
            init_logs(format, &config.log)?;
            serve(&config).await
        }
        Command::PutBack(PutBack { data }) => {
            init_logs(LogFormat::Human, "info")?;
            put_back(&data)
        }
    }
}

fn put_back(data: &Path) -> Result<ExitCode, ProgramError> {
    let said = match say_put_back(data)? {
        None => {
            "Noted. Start the box again: it begins a new life, and gets what it lacks back from head office.".to_owned()
        }
        Some(process) => format!(
            "Noted, but the box runs now, as process {process}, and goes on as it is: the word counts at its next start. \
             It begins a new life then, and gets what it lacks back from head office."
        ),
    };
    writeln!(io::stdout(), "{said}").map_err(ProgramError::Output)?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: &Config) -> Result<ExitCode, ProgramError> {
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
