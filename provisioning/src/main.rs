//! The program `provision`: arguments in, exit code out.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use provisioning::audit;
use provisioning::audit::options::AuditOptions;
use provisioning::demo;
use provisioning::demo::options::DemoOptions;
use provisioning::exit::{EXIT_CODES, Exit, Failure};
use provisioning::import;
use provisioning::import::options::ImportOptions;
use provisioning::office::menu::MenuCommand;
use provisioning::office::{self, ChainCommand, NodeCommand, StoreCommand, UserCommand};
use provisioning::screen::Screen;
use provisioning::terminal::{self, TerminalCommand};
use provisioning::up;
use provisioning::up::options::{PreflightOptions, UpOptions};

/// Sets up and checks the stores and the head office of a chain of coffee shops
#[derive(Debug, Parser)]
#[command(name = "provision", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Write the outcome as one JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(after_help = EXIT_CODES)]
    Audit(AuditOptions),
    #[command(after_help = EXIT_CODES)]
    Demo(DemoOptions),
    #[command(after_help = EXIT_CODES)]
    Import(ImportOptions),
    #[command(after_help = EXIT_CODES)]
    Up(UpOptions),
    #[command(after_help = EXIT_CODES)]
    Preflight(PreflightOptions),
    #[command(subcommand)]
    Chain(ChainCommand),
    #[command(subcommand)]
    Store(StoreCommand),
    #[command(subcommand)]
    Menu(MenuCommand),
    #[command(subcommand)]
    Node(NodeCommand),
    #[command(subcommand)]
    Terminal(TerminalCommand),
    #[command(subcommand)]
    User(UserCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut screen = Screen::of_process();
    let exit = match run(&cli, &mut screen) {
        Ok(exit) => exit,
        Err(failure) => {
            report(&failure, cli.json, &mut screen);
            failure.exit
        }
    };
    ExitCode::from(exit.code())
}

fn run(cli: &Cli, screen: &mut Screen) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, error))?;
    let exit = match &cli.command {
        Command::Audit(options) => runtime.block_on(audit::run(options, cli.json, screen)),
        Command::Demo(options) => runtime.block_on(demo::run(options, cli.json, screen)),
        Command::Import(options) => runtime.block_on(import::run(options, cli.json, screen)),
        Command::Up(options) => runtime.block_on(up::run(options, cli.json, screen)),
        Command::Preflight(options) => runtime.block_on(up::preflight(options, cli.json, screen)),
        Command::Chain(command) => office::chain(command, cli.json, screen),
        Command::Store(command) => runtime.block_on(office::store(command, cli.json, screen)),
        Command::Menu(command) => runtime.block_on(office::menu::run(command, cli.json, screen)),
        Command::Node(command) => runtime.block_on(office::node(command, cli.json, screen)),
        Command::Terminal(command) => runtime.block_on(terminal::run(command, cli.json, screen)),
        Command::User(command) => runtime.block_on(office::user(command, cli.json, screen)),
    };
    // A name service that hangs is not waited for.
    runtime.shutdown_background();
    exit
}

/// Tells what went wrong to the person, and to the program if one listens.
fn report(failure: &Failure, json: bool, screen: &mut Screen) {
    screen.progress.say(&format!("error: {failure}"));
    if json {
        let object = serde_json::json!({
            "outcome": "failed", "exit_code": failure.exit.code(), "error": format!("{:#}", failure.error),
        });
        screen.line(&object.to_string()).unwrap_or_default();
    }
}
