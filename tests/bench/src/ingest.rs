//! The hub takes in what many shops have, over its own broker, and reports on it.

use anyhow::Result;
use percolate_runtime::system::monotonic_now;
use slow_line::Slowness;
use system_tests::books::{complete, hub_totals, list, number};
use system_tests::harness::Hub;

use crate::Bench;
use crate::figures::{median, micros, ms, thousands};
use crate::machine::{cpu_us, memory_kib};
use crate::probe::{Measured, measured};
use crate::report::{Section, Verdict};
use crate::shop::{AS_IT_SHIPS, Office, Shop, until};
use crate::till::sell_count;

const STORES: u32 = 10;

#[derive(Debug, Clone, Copy)]
struct Taken {
    tickets: u64,
    /// From the first connection to the last acknowledgement.
    acked_us: u64,
    /// The same, to the last ticket in the reports.
    reported_us: u64,
    /// Events that reporting had still to fold when all was acknowledged.
    behind: u64,
    hub_us: u64,
    nodes_us: u64,
    hub_kib: u64,
}

pub(crate) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let mut runs = Vec::new();
    for _ in 0..bench.rounds().min(3) {
        runs.push(measured(&bench.scratch, async || one_run(bench).await).await?);
    }
    Ok(vec![section(&runs)])
}

async fn one_run(bench: &Bench) -> Result<Taken> {
    let office = Office::open(&bench.scratch, Slowness::default()).await?;
    let each: u64 = if bench.quick { 1_000 } else { 10_000 };
    let mut shops = Vec::new();
    for store in 1..=STORES {
        shops.push(Shop::open(&office, AS_IT_SHIPS, store).await?);
    }
    office.line.cut();
    let mut answered = Vec::new();
    for shop in &mut shops {
        answered.push(sell_count(&shop.door, 64, each, 1).await?);
        shop.node.stop().await?;
    }
    // Started together, they connect together, without the waits between two tries.
    office.line.mend();
    for shop in &mut shops {
        shop.node.launch()?;
    }
    let connections = office.line.counted().connections;
    until("the first connection", async || Ok(office.line.counted().connections > connections)).await?;
    let (from, hub_before) = (monotonic_now(), cpu_us(office.hub.pid()?)?);
    for shop in &shops {
        until("a store to answer", async || Ok(shop.sales_heads().await.is_ok())).await?;
        let due = shop.sales_heads().await?.0;
        shop.acked(due).await?;
    }
    let acked = monotonic_now();
    let behind = behind(&office.hub).await?;
    for shop in &shops {
        complete(&office.hub, &shop.node).await?;
    }
    let reported = monotonic_now();
    let hub_us = cpu_us(office.hub.pid()?)?.saturating_sub(hub_before);
    let hub_kib = memory_kib(office.hub.pid()?, "VmRSS")?;
    let mut nodes_us = 0;
    for (shop, tickets) in shops.into_iter().zip(&answered) {
        nodes_us += cpu_us(shop.node.pid()?)?;
        let told = i64::try_from(tickets.len())?;
        let counted = hub_totals(&office.hub, shop.node.spec.store).await?.0;
        anyhow::ensure!(counted == told, "the hub counts {counted} tickets of a store that sold {told}");
        shop.close(tickets).await?;
    }
    let tickets = answered.iter().map(Vec::len).sum::<usize>();
    let (acked_us, reported_us) = (micros(acked.saturating_sub(from)), micros(reported.saturating_sub(from)));
    Ok(Taken { tickets: u64::try_from(tickets)?, acked_us, reported_us, behind, hub_us, nodes_us, hub_kib })
}

/// Events that reporting has not folded yet, of all stores.
async fn behind(hub: &Hub) -> Result<u64> {
    let report = hub.client.get("/v1/reporting/sales?by=store").await?;
    let marks = list(&report, "/completeness")?;
    let behind = marks.iter().map(|mark| number(mark, "/behind_events")).sum::<Result<i64>>()?;
    Ok(u64::try_from(behind)?)
}

fn section(runs: &[Measured<Taken>]) -> Section {
    let mut section = Section::new("ingest", "The hub takes in ten stores, reports included");
    let of = |figure: fn(&Taken) -> u64| median(runs.iter().map(|run| figure(&run.value)));
    let rate = of(|run| run.tickets * 1_000_000 / run.acked_us.max(1));
    let text = format!("{} a second", thousands(rate));
    section.row("tickets acknowledged", text, ">= 50,000 a second", Verdict::of(rate >= 50_000));
    section.tell(
        "tickets in the reports",
        format!("{} a second", thousands(of(|run| run.tickets * 1_000_000 / run.reported_us.max(1)))),
    );
    let lag = of(|run| run.reported_us - run.acked_us);
    let behind = thousands(of(|run| run.behind));
    section.tell("reports behind when all is acknowledged", format!("{behind} events, {}", ms(lag)));
    section.tell("cores a ticket: hub", format!("{} µs", of(|run| run.hub_us / run.tickets.max(1))));
    section.tell("cores a ticket: the ten nodes", format!("{} µs", of(|run| run.nodes_us / run.tickets.max(1))));
    section.tell("the hub, resident at the end", format!("{} MiB", of(|run| run.hub_kib) / 1_024));
    section.tell("tickets of a run", thousands(of(|run| run.tickets)));
    section.conditions(runs);
    section.note(
        "Ten real nodes on the cores of the hub, each with a backlog, started at the same moment. Reports are looked at \
         every 25 ms.",
    );
    section
}
