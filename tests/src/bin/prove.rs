//! `prove`: does to a chain's books what an owner fears, and shows that each is seen.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use system_tests::command::{asks_for_help, end, misused, say};
use system_tests::prove::{Act, play};
use system_tests::words::wrapped;

const HELP: &str = "\
Starts two shops and a head office in a scratch folder, does to their books what an owner fears, and shows
that the audit sees each. It takes no arguments.

Usage: prove

Exit codes: 0 every act ended as it must, 1 one did not or the run failed, 2 called wrongly";

fn tell(act: &Act) -> Result<()> {
    say(&format!("\n{}", wrapped(act.done, 2)))?;
    if act.said.is_empty() {
        say("    The audit finds nothing wrong.")?;
    }
    for sentence in &act.said {
        say(&wrapped(&format!("Audit: {sentence}"), 4))?;
    }
    if act.follows > 0 {
        say(&format!("    ... and {} figures that differ because of it.", act.follows))?;
    }
    Ok(say(if act.caught { "    As it must be." } else { "    NOT AS IT MUST BE." })?)
}

async fn prove() -> Result<ExitCode> {
    say("Two shops and a head office are started, and each shop sells 20 tickets.")?;
    let acts = play(tell).await?;
    let caught = acts.iter().filter(|act| act.caught).count();
    say(&format!("\n{caught} of {} acts ended as they must.", acts.len()))?;
    Ok(if caught == acts.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if asks_for_help(&arguments) {
        return end(say(HELP).map(|()| ExitCode::SUCCESS).map_err(Into::into));
    }
    match arguments.first() {
        None => end(prove().await),
        Some(argument) => misused(&anyhow!("{argument:?} is not known"), HELP),
    }
}
