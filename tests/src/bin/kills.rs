//! `kills [--json] [SHOP_KILLS] [HUB_KILLS] [SEED]`: the kill harness by hand, as long as one likes.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use system_tests::command::{asks_for_help, end, misused, note, say};
use system_tests::kills::{Killed, Plan, in_json, in_words, run};

const HELP: &str = "\
Kills a selling shop and head office again and again, and counts what is lost and what is there twice.

Usage: kills [--json] [SHOP_KILLS] [HUB_KILLS] [SEED]

  SHOP_KILLS  kills of the shop's server (200)
  HUB_KILLS   kills of head office's server (50)
  SEED        chance: what is killed when (1)
  --json      write the outcome as one JSON object

Exit codes: 0 nothing is lost or doubled, 1 something is or the run failed, 2 called wrongly";

/// Kills between two lines of progress when nobody sits at a terminal.
const LINE_EVERY: u32 = 10;

#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    plan: Plan,
    is_json: bool,
}

impl Wanted {
    fn read(arguments: &[String]) -> Result<Self> {
        let (options, numbers): (Vec<&String>, Vec<&String>) = arguments.iter().partition(|text| text.starts_with('-'));
        if let Some(unknown) = options.iter().find(|option| option.as_str() != "--json") {
            anyhow::bail!("{unknown:?} is not known");
        }
        ensure!(numbers.len() <= 3, "{} numbers are too many", numbers.len());
        let number = |at: usize, name: &str, otherwise: u64| -> Result<u64> {
            let Some(text) = numbers.get(at) else { return Ok(otherwise) };
            text.parse().ok().with_context(|| format!("{name} must be a whole number, not {text:?}"))
        };
        let kills = |at: usize, name: &str, otherwise: u64| -> Result<u32> {
            number(at, name, otherwise)?.try_into().with_context(|| format!("{name} is too many"))
        };
        let plan = Plan {
            node_kills: kills(0, "SHOP_KILLS", 200)?,
            hub_kills: kills(1, "HUB_KILLS", 50)?,
            seed: number(2, "SEED", 1)?,
        };
        Ok(Self { plan, is_json: !options.is_empty() })
    }
}

/// Says how far it is: in one line that is drawn again on a terminal, else in a line now and then.
fn tell(plan: Plan, killed: Killed) {
    let (done, all) = (u64::from(killed.node + killed.hub), u64::from(plan.node_kills) + u64::from(plan.hub_kills));
    let line = format!("{done} of {all} kills, {} sales answered", killed.answered);
    let mut out = io::stderr().lock();
    if out.is_terminal() {
        let over = if done == all { "\n" } else { "" };
        let _unseen = write!(out, "\r\x1b[K{line}{over}").and_then(|()| out.flush());
    } else if done.is_multiple_of(u64::from(LINE_EVERY)) || done == all {
        drop(out);
        note(&line);
    }
}

async fn harness(wanted: Wanted) -> Result<ExitCode> {
    let Wanted { plan, is_json } = wanted;
    let outcome = run(plan, |killed| tell(plan, killed)).await?;
    say(&if is_json { in_json(plan, outcome).to_string() } else { in_words(plan, outcome) })?;
    Ok(if outcome.lost + outcome.doubled == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if asks_for_help(&arguments) {
        return end(say(HELP).map(|()| ExitCode::SUCCESS).map_err(Into::into));
    }
    match Wanted::read(&arguments) {
        Ok(wanted) => end(harness(wanted).await),
        Err(error) => misused(&error, HELP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Wanted> {
        Wanted::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn numbers_are_read_in_order_and_what_is_none_is_named() {
        let wanted = read("20 --json 5").unwrap();
        assert_eq!(wanted, Wanted { plan: Plan { node_kills: 20, hub_kills: 5, seed: 1 }, is_json: true });
        let refused = |line| read(line).unwrap_err().to_string();
        assert_eq!(refused("x"), "SHOP_KILLS must be a whole number, not \"x\"");
        assert_eq!(refused("1 2 3 4"), "4 numbers are too many");
        assert_eq!(refused("--jsno"), "\"--jsno\" is not known");
    }
}
