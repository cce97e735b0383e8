//! `panicking-hub serve ...`: the hub that ships. While there is a file `panic` in its data folder, a projection that tells of
//! a failure panics there, in its own task. It says nothing else.

use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use cloud_hub::arguments::ServeArguments;
use cloud_hub::hub::Hub;
use percolate_runtime::files::make_for_the_owner_alone;
use percolate_runtime::tasks::{StopOn, told_to_stop};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Where the runner of projections speaks.
const RUNNER: &str = "cloud_hub::kernel::projection::runner";

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<ServeArguments>),
}

/// Panics when it hears of a failure, while there is this file.
struct Panicking(PathBuf);

impl Subscriber for Panicking {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == RUNNER && *metadata.level() == Level::ERROR
    }

    fn event(&self, _event: &Event<'_>) {
        assert!(!self.0.exists(), "as planned");
    }

    fn new_span(&self, _attributes: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Cli { command: Command::Serve(arguments) } = Cli::parse();
    make_for_the_owner_alone();
    let config = arguments.checked()?;
    tracing::subscriber::set_global_default(Panicking(config.data_dir.join("panic")))?;
    // Before anybody can know that it runs.
    let mut told = pin!(told_to_stop(StopOn::Signals));
    let hub = tokio::select! {
        biased;
        told = &mut told => {
            told?;
            return Ok(ExitCode::SUCCESS);
        }
        hub = Hub::start(config) => hub?,
    };
    told.await?;
    let report = hub.stop().await;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
