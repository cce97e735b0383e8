//! The program: `serve`, and what is done by hand: a read model is thrown away or looked at, a chain moved.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use cloud_hub::arguments::ServeArguments;
use cloud_hub::hub::Hub;
use cloud_hub::kernel::engine::ChainServer;
use cloud_hub::moving::{Route, move_to_large};
use cloud_hub::offline::{Offline, OfflineArguments, ReadModel};
use cloud_hub::prepare::{Passwords, prepare};
use cloud_hub::reporting;
use percolate_runtime::files::make_for_the_owner_alone;
use percolate_runtime::system::{OsEntropy, clock_from_option};
use percolate_runtime::tasks::{self, StopOn, told_to_stop};
use percolate_runtime::telemetry::{LogFormat, init_logs};

/// The cloud hub of a chain: broker, journal, reports and menu in one process
#[derive(Debug, Parser)]
#[command(name = "cloud-hub", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Log lines for a person (human) or a collector (json), on stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human")]
    log_format: LogFormat,
    /// Log lines of this level and above, or a filter like percolate_runtime=debug,info
    #[arg(long = "log", global = true, value_name = "LEVEL", default_value = "info,mqtt5=warn")]
    log_level: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGINT or SIGTERM
    Serve(Box<ServeArguments>),
    /// Throw a read model away and fold the whole journal anew, while no process folds it
    Rebuild(OfflineArguments),
    /// Print a hash over each table of a read model, and one over all
    Digest(OfflineArguments),
    /// Make a PostgreSQL database ready for a chain: a schema and a role for each service. May be run again
    PreparePostgres(Prepare),
    /// Move a chain from a small hub's files to PostgreSQL, while its shops sell. May be run again after a failure
    MoveToLarge(MoveArguments),
}

/// From where to where.
#[derive(Debug, Args)]
struct MoveArguments {
    /// The small hub's data folder
    #[arg(long = "data", value_name = "DIR")]
    data_dir: PathBuf,
    /// The chain's database, made ready by prepare-postgres: "host=/run/postgresql dbname=percolate"
    #[arg(long, value_name = "CONNECTION")]
    postgres: String,
    /// The folder with the passwords of the database's roles
    #[arg(long, value_name = "DIR")]
    secrets: PathBuf,
}

/// A database that is made ready.
#[derive(Debug, Args)]
struct Prepare {
    /// The database, and a superuser of its server: "host=/run/postgresql user=postgres dbname=percolate"
    #[arg(long, value_name = "CONNECTION")]
    admin: String,
    /// The folder in which the roles' passwords are kept, made where they are missing; without it roles have none, for a
    /// server that knows them otherwise
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
    /// Make new passwords where roles have some that are not in that folder: whoever uses the old ones is locked out
    #[arg(long, requires = "secrets")]
    new_passwords: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    make_for_the_owner_alone();
    let outcome = init_logs(cli.log_format, &cli.log_level).context("logging cannot be set up").and_then(|()| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.context("the executor cannot start")?.block_on(run(cli.command))
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(arguments) => serve(*arguments).await,
        Command::Rebuild(arguments) => {
            let place = arguments.opened()?;
            let Offline { projection: ReadModel::Reporting, data_dir, engine, .. } = &place;
            reporting::rebuild(data_dir, engine).await.context("reporting could not be rebuilt")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Digest(arguments) => {
            let place = arguments.opened()?;
            let digest = tasks::blocking(move || {
                let Offline { projection: ReadModel::Reporting, data_dir, engine, .. } = &place;
                reporting::digest(data_dir, engine)
            })
            .await?;
            print_digest(&digest.context("reporting could not be read")?);
            Ok(ExitCode::SUCCESS)
        }
        Command::MoveToLarge(MoveArguments { data_dir, postgres, secrets }) => {
            let server = Arc::new(ChainServer::new(&postgres, Some(secrets)));
            let time_and_chance = (clock_from_option(None)?, Arc::new(OsEntropy) as _);
            move_to_large(Route { data_dir, server }, time_and_chance).await.context("the chain was not moved")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::PreparePostgres(Prepare { admin, secrets, new_passwords }) => {
            let passwords = if new_passwords { Passwords::New } else { Passwords::Kept };
            tasks::blocking(move || prepare(&admin, (secrets.as_deref(), passwords), &OsEntropy)).await??;
            tracing::info!("the database is ready for a chain");
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn serve(arguments: ServeArguments) -> anyhow::Result<ExitCode> {
    let config = arguments.checked().context("the hub did not start")?;
    let stop_on = if config.stop_with_parent { StopOn::SignalsAndParent } else { StopOn::Signals };
    let hub = Hub::start(config).await.context("the hub did not start")?;
    let signal = told_to_stop(stop_on).await.context("signals cannot be heard")?;
    tracing::info!(signal, "the hub stops");
    let report = hub.stop().await;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the digest is what the command is asked for")]
fn print_digest(digest: &[(&'static str, String)]) {
    for (table, hash) in digest {
        println!("{hash}  {table}");
    }
}
