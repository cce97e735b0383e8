//! `bench [CASE]... [--quick]`: how fast the programs that ship are, as ratios to what the disk can do at the same time.
//!
//! Prints a table for each case and writes docs/benchmarks.md. Times are printed and asserted nowhere; what was sold is
//! compared ticket by ticket.

mod figures;
mod ingest;
mod isolation;
mod machine;
mod memory;
mod month;
mod offline;
mod probe;
mod report;
mod sales;
mod shop;
mod start;
mod stores;
mod terminals;
mod till;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::report::{Section, keep, page, table};

/// Measures the programs that lie beside this one.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Cli {
    /// What to measure; all if nothing is said
    #[arg(value_enum)]
    cases: Vec<Case>,
    /// Few and short runs: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// How many stores the case `stores` goes up to; each costs the machine some 100 KiB
    #[arg(long, value_name = "N", default_value_t = stores::STORES_MOST)]
    most_stores: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Case {
    /// One till, 64 tills, and 64 tills on slow disks
    Sales,
    /// Twelve paired terminals over HTTPS and a kitchen screen, also on a slow disk
    Terminals,
    /// A day's tickets after an outage, on loopback and on a slow line
    Offline,
    /// Thirty business days without a hub, and then with one
    Month,
    /// Bytes on the line to the hub
    Wire,
    /// From start to first sale, with a million tickets
    Start,
    /// Memory, and sizes of programs
    Memory,
    /// The hub takes in many stores
    Ingest,
    /// A large hub does, on PostgreSQL, with one replica and with three
    IngestLarge,
    /// A large hub does, whose database is a network away, with one replica to three
    IngestApart,
    /// Acknowledgements while reporting is hurt, of a small hub and of a large one
    Isolation,
    /// Hundreds and thousands of stores at one small hub
    Stores,
}

/// The sections of the page, in order.
const SECTIONS: &[&str] = &[
    "one",
    "many",
    "flush-5-ms",
    "flush-20-ms",
    "terminals-at-once",
    "terminals-at-once-flush-5-ms",
    "terminals",
    "terminals-flush-5-ms",
    "offline-loopback",
    "offline-slow-line",
    "month",
    "wire",
    "start",
    "memory",
    "ingest",
    "ingest-large-1",
    "ingest-large-3",
    "ingest-large-apart",
    "isolation-small",
    "isolation-large",
    "stores-rush",
    "stores-curve",
    "stores-return",
];

/// What every case is told.
#[derive(Debug)]
pub(crate) struct Bench {
    quick: bool,
    /// Where everything is written, on the disk that is measured.
    scratch: PathBuf,
    /// How many stores there may be.
    most_stores: usize,
}

impl Bench {
    /// Prints a section and keeps it: a long case does so with each that is done, in case it comes to no end.
    fn show(&self, section: &Section) -> Result<()> {
        say(&table(section));
        keep(&self.scratch, section, self.quick)
    }

    const fn rounds(&self) -> usize {
        if self.quick { 2 } else { 5 }
    }

    const fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 1_000 })
    }

    const fn run_time(&self) -> Duration {
        Duration::from_secs(if self.quick { 2 } else { 6 })
    }
}

#[expect(clippy::print_stdout, reason = "the tables are what the command is asked for")]
fn say(text: &str) {
    println!("{text}");
}

async fn measure(case: Case, bench: &Bench) -> Result<Vec<Section>> {
    match case {
        Case::Sales => sales::run(bench).await,
        Case::Terminals => terminals::run(bench).await,
        Case::Offline => offline::run(bench).await,
        Case::Month => month::run(bench).await,
        Case::Wire => wire::run(bench).await,
        Case::Start => start::run(bench).await,
        Case::Memory => memory::run(bench).await,
        Case::Ingest => ingest::run(bench).await,
        Case::IngestLarge => ingest::run_large(bench).await,
        Case::IngestApart => ingest::run_apart(bench).await,
        Case::Isolation => isolation::run(bench).await,
        Case::Stores => stores::run(bench).await,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bench = Bench { quick: cli.quick, scratch: root.join("scratch/bench"), most_stores: cli.most_stores };
    std::fs::create_dir_all(&bench.scratch)?;
    let cases = if cli.cases.is_empty() { Case::value_variants() } else { &cli.cases };
    for case in cases {
        for section in measure(*case, &bench).await? {
            bench.show(&section)?;
        }
        std::fs::write(root.join("docs/benchmarks.md"), page(&bench.scratch, SECTIONS)?)?;
    }
    Ok(())
}
