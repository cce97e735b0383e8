//! Plants known bugs into a copy of the code, builds it once, and runs the simulator with each: every one must be caught,
//! by a promise that it breaks; and none without a bug.

#![expect(clippy::print_stdout, reason = "this program is its output")]

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use system_tests::planted::{Catch, copy_with_bugs, edits, first_catch};

/// Worlds that a bug may hide in.
const SEEDS: u32 = 200;
/// Worlds that must be clean without a bug.
const CLEAN_SEEDS: u32 = 10;

/// Builds the simulator of the copy, and shows how far that is.
const BUILD: &str =
    "source scripts/lib.sh && cargo_quietly 'build of the copy' cargo build --workspace --bin simulate --locked";

fn simulate(program: &PathBuf, bug: u32, seeds: u32) -> Result<Option<Catch>> {
    let mut command = Command::new(program);
    command.args([format!("SEEDS={seeds}"), "FIRST=1".to_owned()]).env("PERCOLATE_PLANTED", bug.to_string());
    let output = command.output().with_context(|| format!("running {}", program.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let caught = first_catch(&printed)?;
    ensure!(
        caught.is_some() != output.status.success() || bug == 0,
        "bug {bug}: {}\n{printed}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(caught)
}

fn main() -> Result<ExitCode> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("the build folder")?;
    // A build folder of its own: what is built from the copy must never be taken for the product.
    let (copy, built) = (target.join("planted"), target.join("planted-build"));
    let edits = edits(&root)?;
    copy_with_bugs(&root, &copy, &edits)?;
    println!("building a copy with {} bugs planted; the first time with everything that it stands on …", edits.len());
    let mut build = Command::new("bash");
    build.current_dir(&copy).env("CARGO_TARGET_DIR", &built).args(["-c", BUILD]);
    ensure!(build.status()?.success(), "the copy in {} does not build", copy.display());
    let simulator = built.join("debug/simulate");

    let clean = simulate(&simulator, 0, CLEAN_SEEDS)?;
    println!(
        "without a bug: {}",
        clean.as_ref().map_or_else(|| "nothing is caught".to_owned(), |found| format!("{found:?}"))
    );
    let mut all_well = clean.is_none();
    for edit in &edits {
        let caught = simulate(&simulator, edit.number, SEEDS)?;
        let (well, by) = match &caught {
            Some(found) => (
                edit.caught_by.contains(&found.oracle),
                format!("caught by {} in seed {} after {} simulated hours", found.oracle, found.seed, found.hours),
            ),
            None => (false, format!("NOT caught in {SEEDS} worlds")),
        };
        println!("{}  {:<62} {by}", if well { "ok " } else { "BAD" }, edit.words);
        all_well &= well;
    }
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
