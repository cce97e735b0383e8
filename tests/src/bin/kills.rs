//! `kills [NODE_KILLS] [HUB_KILLS] [SEED]`: the kill harness by hand, as long as one likes.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use system_tests::kills::{Plan, in_words, run};

fn argument<T: std::str::FromStr>(at: usize, default: T) -> Result<T> {
    match std::env::args().nth(at) {
        None => Ok(default),
        Some(text) => {
            text.parse().ok().with_context(|| format!("{text:?} is not a number: kills NODE_KILLS HUB_KILLS SEED"))
        }
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the outcome is what the command is asked for")]
async fn main() -> Result<ExitCode> {
    let plan = Plan { node_kills: argument(1, 200)?, hub_kills: argument(2, 50)?, seed: argument(3, 1)? };
    let outcome = run(plan).await?;
    println!("{}", in_words(plan, outcome));
    Ok(if outcome.lost + outcome.doubled == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
