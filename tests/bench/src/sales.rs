//! Selling: one till, 64 tills, and 64 tills on disks whose flushes are slow. The line to the hub is cut meanwhile: a hub
//! has its own machine.

use std::time::Duration;

use anyhow::Result;
use slow_line::Slowness;

use crate::Bench;
use crate::figures::{Ratio, median, micros, ms, thousands};
use crate::probe::{Measured, measured};
use crate::report::{Section, Verdict};
use crate::shop::{AS_IT_SHIPS, Cpu, FLUSH_5_MS, FLUSH_20_MS, Office, Shop, with_cpu};
use crate::till::{Plan, Sold, sell};

/// Tills of a busy shop.
const TERMINALS: u64 = 64;

/// One of the interleaved cases.
struct Kind {
    id: &'static str,
    title: &'static str,
    program: &'static [&'static str],
    terminals: u64,
    /// What a flush was made to take, beside the disk's own time.
    flush: Option<Duration>,
}

const KINDS: [Kind; 4] = [
    Kind { id: "one", title: "One terminal", program: AS_IT_SHIPS, terminals: 1, flush: None },
    Kind { id: "many", title: "64 terminals", program: AS_IT_SHIPS, terminals: TERMINALS, flush: None },
    Kind {
        id: "flush-5-ms",
        title: "64 terminals, flushes of 5 ms",
        program: FLUSH_5_MS,
        terminals: TERMINALS,
        flush: Some(Duration::from_millis(5)),
    },
    Kind {
        id: "flush-20-ms",
        title: "64 terminals, flushes of 20 ms",
        program: FLUSH_20_MS,
        terminals: TERMINALS,
        flush: Some(Duration::from_millis(20)),
    },
];

type Run = Measured<(Sold, Cpu)>;

/// All kinds, interleaved.
pub(crate) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let mut runs: Vec<Vec<Run>> = KINDS.iter().map(|_| Vec::new()).collect();
    for _ in 0..bench.rounds() {
        for (kind, runs) in KINDS.iter().zip(&mut runs) {
            runs.push(measured(&bench.scratch, async || one_run(bench, kind).await).await?);
        }
    }
    Ok(KINDS.iter().zip(&runs).map(|(kind, runs)| section(kind, runs)).collect())
}

async fn one_run(bench: &Bench, kind: &Kind) -> Result<(Sold, Cpu)> {
    let office = Office::open(&bench.scratch, Slowness::default()).await?;
    let shop = Shop::open(&office, kind.program, 1).await?;
    office.line.cut();
    let plan = Plan { terminals: kind.terminals, warm_up: bench.warm_up(), time: bench.run_time(), pace: None };
    let (sold, cpu) = with_cpu(shop.node.pid()?, async || sell(&shop.door, plan, 1).await).await?;
    shop.close(&sold.tickets).await?;
    Ok((sold, cpu))
}

fn section(kind: &Kind, runs: &[Run]) -> Section {
    let mut section = Section::new(kind.id, kind.title);
    let of = |figure: fn(&Run) -> u64| median(runs.iter().map(figure));
    let rate = of(|run| run.value.0.per_second());
    let (p50, p99) = (of(|run| run.value.0.percentile_us(50)), of(|run| run.value.0.percentile_us(99)));
    section.tell("sales a second", thousands(rate));
    match (kind.flush, kind.terminals) {
        (None, 1) => {
            let ratio = Ratio(of(|run| Ratio::new(run.value.0.percentile_us(50), run.f_us()).0));
            let ratio99 = Ratio(of(|run| Ratio::new(run.value.0.percentile_us(99), run.f99_us()).0));
            section.row("p50", format!("{} = {ratio} F", ms(p50)), "<= 2.5 F", Verdict::of(ratio <= Ratio(250)));
            section.row(
                "p99",
                format!("{} = {ratio99} F p99", ms(p99)),
                "<= 3 F p99",
                Verdict::of(ratio99 <= Ratio(300)),
            );
        }
        (None, _) => {
            let ratio = Ratio(of(|run| Ratio::new(run.value.0.per_second(), run.flushes_per_second()).0));
            let raw = thousands(of(Measured::flushes_per_second));
            let text = format!("{ratio} ({raw} flushes a second)");
            section.row("sales to raw flushes", text, ">= 3", Verdict::of(ratio >= Ratio(300)));
            section.tell("p50", ms(p50));
            section.row("p99", ms(p99), "<= 4 ms quiet", Verdict::of(p99 <= 4_000));
        }
        (Some(flush), terminals) => {
            let flush_us = micros(flush);
            let ideal = terminals * 1_000_000 / flush_us;
            let ratio = Ratio::new(rate, ideal);
            let text = format!("{ratio} of {}", thousands(ideal));
            section.row("sales to terminals / flush", text, ">= 0.7", Verdict::of(ratio >= Ratio(70)));
            section.tell("p50", format!("{} = {} flushes", ms(p50), Ratio::new(p50, flush_us)));
            let flushes = Ratio::new(p99, flush_us);
            section.row(
                "p99",
                format!("{} = {flushes} flushes", ms(p99)),
                "<= 2.5",
                Verdict::of(flushes <= Ratio(250)),
            );
        }
    }
    let each = |cpu: u64, sold: &Sold| cpu / u64::try_from(sold.tickets.len()).unwrap_or(u64::MAX).max(1);
    let server = median(runs.iter().map(|run| each(run.value.1.server_us, &run.value.0)));
    let generator = median(runs.iter().map(|run| each(run.value.1.generator_us, &run.value.0)));
    section.tell("cores a sale: server, generator", format!("{server} µs, {generator} µs"));
    section.conditions(runs);
    section
}
