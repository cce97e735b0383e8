//! `slow-line TARGET [BITS_PER_SECOND] [DELAY_MS]`: a slow line by hand; 0 bits a second is as fast as it goes.
//!
//! `cut`, `mend` and `count` are said on standard input, a word a line; its end ends the line.

use std::process::ExitCode;
use std::time::Duration;

use slow_line::{Line, Slowness};

const USAGE: &str = "slow-line TARGET [BITS_PER_SECOND] [DELAY_MS]";

#[expect(clippy::print_stdout, reason = "what the command is asked for")]
fn say(text: &str) {
    println!("{text}");
}

fn arguments() -> Result<(String, Slowness), String> {
    let mut words = std::env::args().skip(1);
    let target = words.next().ok_or(USAGE)?;
    let mut number = || words.next().map_or(Ok(0), |word| word.parse::<u64>().map_err(|why| format!("{word}: {why}")));
    let (bits, delay_ms) = (number()?, number()?);
    let slowness = Slowness { bits_per_second: (bits > 0).then_some(bits), delay: Duration::from_millis(delay_ms) };
    Ok((target, slowness))
}

async fn run() -> Result<(), String> {
    let (target, slowness) = arguments()?;
    let line = Line::start(&target, slowness).await.map_err(|why| why.to_string())?;
    say(&line.address());
    let listened = tokio::task::spawn_blocking(move || {
        for word in std::io::stdin().lines() {
            match word.map_err(|why| why.to_string())?.trim() {
                "cut" => line.cut(),
                "mend" => line.mend(),
                _ => {
                    let counted = line.counted();
                    let (up, down) = (counted.up_bytes, counted.down_bytes);
                    say(&format!("up {up} bytes, down {down} bytes, {} connections", counted.connections));
                }
            }
        }
        Ok(())
    });
    listened.await.map_err(|why| why.to_string())?
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&why);
            ExitCode::FAILURE
        }
    }
}
