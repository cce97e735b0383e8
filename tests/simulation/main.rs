//! A few simulated worlds of every kind, and the seeds that once found something. `make sim SEEDS=1000` runs more.
//!
//! A seed means another world once the code draws other chances; what it found is then also held by a test of its own.

use anyhow::{Result, bail, ensure};
use system_tests::simulation::{Met, Outcome, Plan, Profile, run};

/// Three shops for a day.
fn plan(profile: Profile, seed: u64) -> Plan {
    Plan { seed, days: 1, stores: 3, profile }
}

fn sound(plan: Plan) -> Result<Outcome> {
    let outcome = run(plan)?;
    if let Some((violation, log)) = &outcome.violation {
        bail!("{plan:?} after {} hours: {violation}\n{}", outcome.hours, log.join("\n"));
    }
    Ok(outcome)
}

/// Runs some seeds, and asserts that what the profile is made of was met.
fn worlds(profile: Profile, seeds: core::ops::Range<u64>, wanted: &[Met]) -> Result<()> {
    let mut reach = system_tests::simulation::Reach::default();
    for seed in seeds {
        reach.merge(&sound(plan(profile, seed))?.reach);
    }
    let never: Vec<_> = wanted.iter().filter(|met| reach.times(**met) == 0).collect();
    ensure!(never.is_empty(), "never met: {never:?}");
    Ok(())
}

#[test]
fn a_calm_day_is_sold_and_counted() -> Result<()> {
    worlds(Profile::Calm, 0..2, &[Met::Sold, Met::Imported, Met::StockMoved, Met::MenuPublished])
}

#[test]
fn lines_that_break_lose_and_double_nothing() -> Result<()> {
    worlds(Profile::Mobile, 0..5, &[Met::LineCut, Met::FrameLost, Met::FrameDoubled, Met::FrameLate, Met::HubAsked])
}

#[test]
fn processes_that_die_at_commits_lose_and_double_nothing() -> Result<()> {
    worlds(Profile::Crashes, 0..5, &[Met::NodeDiedAtCommit, Met::HubDiedAtCommit, Met::NodeKilled, Met::HubKilled])
}

#[test]
fn disks_that_are_put_back_copied_and_moved_lose_and_double_nothing() -> Result<()> {
    worlds(Profile::Disks, 0..5, &[Met::NodePutBack, Met::Cloned, Met::Moved, Met::Forked, Met::Fenced, Met::TakenBack])
}

#[test]
fn a_hub_that_is_put_back_is_given_everything_again() -> Result<()> {
    worlds(Profile::Office, 0..5, &[Met::HubPutBackWhole, Met::HubPutBackInPart, Met::GivenBack])
}

#[test]
fn everything_at_once_loses_and_doubles_nothing() -> Result<()> {
    worlds(Profile::Everything, 0..6, &[Met::Poisoned, Met::Parked, Met::ClockWrong, Met::Rehello])
}

#[test]
fn a_seed_is_a_world() -> Result<()> {
    let once = sound(plan(Profile::Everything, 7))?;
    assert_eq!(sound(plan(Profile::Everything, 7))?.reach, once.reach);
    assert_ne!(sound(plan(Profile::Everything, 8))?.reach, once.reach);
    Ok(())
}

/// Stock totals that came without a new entry were not seen by the reports: they kept a copy of their own.
#[test]
fn regression_totals_without_a_new_entry() -> Result<()> {
    sound(plan(Profile::Everything, 31))?;
    sound(plan(Profile::Office, 28))?;
    Ok(())
}
