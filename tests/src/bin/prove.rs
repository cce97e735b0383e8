//! `prove`: does to a chain's books what an owner fears, and shows that each is seen.

use std::process::ExitCode;

use anyhow::Result;
use system_tests::prove::{Act, play};
use system_tests::words::wrapped;

#[expect(clippy::print_stdout, reason = "the proof is what the command is asked for")]
fn tell(act: &Act) {
    println!("\n{}", wrapped(act.done, 2));
    if act.said.is_empty() {
        println!("    The audit finds nothing wrong.");
    }
    for sentence in &act.said {
        println!("{}", wrapped(&format!("Audit: {sentence}"), 4));
    }
    if act.follows > 0 {
        println!("    ... and {} figures that differ because of it.", act.follows);
    }
    println!("    {}", if act.caught { "As it must be." } else { "NOT AS IT MUST BE." });
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the proof is what the command is asked for")]
async fn main() -> Result<ExitCode> {
    println!("Two shops and a head office are started, and each shop sells 20 tickets.");
    let acts = play(tell).await?;
    let caught = acts.iter().filter(|act| act.caught).count();
    println!("\n{caught} of {} acts ended as they must.", acts.len());
    Ok(if caught == acts.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
