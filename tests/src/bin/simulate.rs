//! `simulate [SEEDS=200] [FROM=1] [DAYS=1] [STORES=3] [PROFILE=everything] [SECONDS=0] [FIRST=0]`: runs worlds, two at a time.
//!
//! Ends with a table of what was met. Exit 1 if a promise was broken, or if in 1,000 seeds or more something was never met.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use percolate_runtime::system::monotonic_now;
use system_tests::command::{asks_for_help, end, misused, say};
use system_tests::simulation::{Met, Outcome, Plan, Profile, Reach, run, sweep};

/// Worlds at a time: the machines that this runs on have two cores.
const WORKERS: usize = 2;
/// Worlds where nothing else is said.
const SEEDS: u64 = 200;
/// From so many seeds on everything must have been met.
const SEEDS_FOR_ALL: u64 = 1_000;
/// Days and stores of one world.
const DAYS_MAX: u32 = 31;
const STORES_MAX: usize = 50;
/// Seconds of an hour.
const HOUR_S: u64 = 3_600;

const HELP: &str = "\
Simulates chains with everything going wrong that a seed says, and ends with a table of what was met.

Usage: simulate [NAME=VALUE]...

  SEEDS=200           worlds, one for each seed
  FROM=1              the first seed
  DAYS=1              days of each world, up to 31
  STORES=3            stores of each world, up to 50
  PROFILE=everything  what goes wrong: calm, mobile, crashes, disks, office or everything
  SECONDS=0           begin no new world after so many seconds; 0 is no limit
  FIRST=0             1 ends the run at the first broken promise

Exit codes: 0 no promise was broken, 1 one was or (in 1,000 seeds or more) something was never met, 2 called wrongly";

/// What to run.
struct Wanted {
    seeds: u64,
    from: u64,
    plan: Plan,
    /// No new world is begun after it; 0 for no limit.
    limit: Duration,
    /// No new world is begun once a promise was broken.
    first_only: bool,
}

impl Wanted {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut named: BTreeMap<String, String> = BTreeMap::new();
        for argument in arguments {
            let (name, value) =
                argument.split_once('=').with_context(|| format!("{argument:?} is not of the form NAME=VALUE"))?;
            named.insert(name.to_owned(), value.to_owned());
        }
        let mut take = |name: &str, otherwise: u64| -> Result<u64> {
            let value = named.remove(name).filter(|value| !value.is_empty());
            value.map_or(Ok(otherwise), |value| value.parse().with_context(|| format!("{name} must be a number")))
        };
        let (seeds, from) = (take("SEEDS", SEEDS)?, take("FROM", 1)?);
        let (days, stores) = (u32::try_from(take("DAYS", 1)?)?, usize::try_from(take("STORES", 3)?)?);
        ensure!(seeds > 0 && (1..=DAYS_MAX).contains(&days), "SEEDS must be 1 or more, DAYS 1 to {DAYS_MAX}");
        ensure!((1..=STORES_MAX).contains(&stores), "STORES must be 1 to {STORES_MAX}");
        let (limit, first_only) = (Duration::from_secs(take("SECONDS", 0)?), take("FIRST", 0)? == 1);
        let profile: Profile =
            named.remove("PROFILE").filter(|word| !word.is_empty()).as_deref().unwrap_or("everything").parse()?;
        if let Some(name) = named.keys().next() {
            bail!("{name} is not known: SEEDS, FROM, DAYS, STORES, PROFILE, SECONDS and FIRST are");
        }
        Ok(Self { seeds, from, plan: Plan { seed: 0, days, stores, profile }, limit, first_only })
    }
}

/// What came of all worlds.
#[derive(Default)]
struct Sum {
    worlds: u64,
    broken: Vec<u64>,
    reach: Reach,
}

fn tell(plan: Plan, outcome: &Outcome, word: &str) -> Result<()> {
    let Some((violation, log)) = &outcome.violation else { return Ok(()) };
    say(&format!("\nBROKEN after {} simulated hours, seed {}: {violation}", outcome.hours, plan.seed))?;
    for line in log {
        say(&format!("    {line}"))?;
    }
    let Plan { seed, days, stores, .. } = plan;
    Ok(say(&format!("  again: make sim SEEDS=1 FROM={seed} DAYS={days} STORES={stores} PROFILE={word}"))?)
}

fn work(wanted: &Wanted) -> Result<Sum> {
    let (next, sum, is_over) = (AtomicU64::new(wanted.from), Mutex::new(Sum::default()), AtomicBool::new(false));
    let begin = monotonic_now();
    let word = format!("{:?}", wanted.plan.profile).to_lowercase();
    let worker = || -> Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let late = !wanted.limit.is_zero() && monotonic_now().saturating_sub(begin) > wanted.limit;
            if seed >= wanted.from.saturating_add(wanted.seeds) || late || is_over.load(Ordering::Relaxed) {
                return Ok(());
            }
            let plan = Plan { seed, ..wanted.plan };
            let outcome = run(plan).inspect_err(|_error| is_over.store(true, Ordering::Relaxed))?;
            let mut sum = sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            sum.worlds += 1;
            sum.reach.merge(&outcome.reach);
            if outcome.violation.is_some() {
                sum.broken.push(seed);
                tell(plan, &outcome, &word).inspect_err(|_error| is_over.store(true, Ordering::Relaxed))?;
                if wanted.first_only {
                    is_over.store(true, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    Ok(sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn simulate(wanted: &Wanted) -> Result<ExitCode> {
    sweep()?;
    let begin = monotonic_now();
    let sum = work(wanted)?;
    let took_ms = u64::try_from((monotonic_now() - begin).as_millis())?.max(1);
    let store_days = sum.worlds * u64::from(wanted.plan.days) * wanted.plan.stores as u64;
    let an_hour = store_days * HOUR_S * 1_000 / took_ms;
    say("\n    times  what was met (and its name in the code)")?;
    for met in Met::ALL {
        say(&format!("{:>9}  {} ({met:?})", sum.reach.times(met), met.in_words()))?;
    }
    say(&format!(
        "\n{} worlds, {store_days} shop-days in {}.{:01} s, {WORKERS} worlds at a time, each in one thread: {an_hour} \
         shop-days an hour.",
        sum.worlds,
        took_ms / 1_000,
        took_ms % 1_000 / 100
    ))?;
    let never = sum.reach.never();
    if sum.worlds >= SEEDS_FOR_ALL && !never.is_empty() && wanted.plan.profile == Profile::Everything {
        say(&format!("NEVER MET: {never:?}"))?;
        return Ok(ExitCode::FAILURE);
    }
    if sum.broken.is_empty() {
        say("No promise was broken.")?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("{} worlds broke a promise: seeds {:?}", sum.broken.len(), sum.broken))?;
    Ok(ExitCode::FAILURE)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if asks_for_help(&arguments) {
        return end(say(HELP).map(|()| ExitCode::SUCCESS).map_err(Into::into));
    }
    match Wanted::read(arguments.into_iter()) {
        Ok(wanted) => end(simulate(&wanted)),
        Err(error) => misused(&error, HELP),
    }
}
