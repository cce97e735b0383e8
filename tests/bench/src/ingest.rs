//! The hub takes in what many shops have, and reports on it: a small one over its own broker, and a large one with
//! PostgreSQL and mosquitto beside it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use percolate_runtime::system::monotonic_now;
use slow_line::{Line, Slowness};
use system_tests::books::{complete_at, list, number, totals_at};
use system_tests::harness::large::Ground;
use system_tests::harness::{Client, Node, NodeSpec};

use crate::Bench;
use crate::figures::{median, micros, ms, thousands};
use crate::machine::{cpu_us, memory_kib};
use crate::probe::{Measured, measured};
use crate::report::{Section, Verdict};
use crate::shop::{AS_IT_SHIPS, Office, Shop, until};
use crate::till::sell_count;

const STORES: u32 = 10;

/// How far away the database is, each way, where it is not on the same machine.
const APART: Duration = Duration::from_millis(1);

/// Replicas that are tried then.
const REPLICAS_APART_MAX: u32 = 3;

/// What three of them should take in of what one does, in percent.
const GROWTH_PERCENT: u64 = 200;

/// What all of it has in common.
const NOTE: &str =
    "Ten real nodes, each with a backlog, started at the same moment. Reports are looked at every 25 ms.";

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
        runs.push(measured(&bench.scratch, async || small_run(bench).await).await?);
    }
    let mut small = section("ingest", "The hub takes in ten stores, reports included", &runs, 50_000);
    small.note(format!("{NOTE} All of it is on the cores of the hub."));
    Ok(vec![small])
}

/// The same on the large profile, with one process that takes in, and with three.
pub(crate) async fn run_large(bench: &Bench) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    for (name, title, replicas) in [
        ("ingest-large-1", "A large hub takes in ten stores with one replica, reports included", 1),
        ("ingest-large-3", "A large hub takes in ten stores with three replicas, reports included", 3),
    ] {
        let mut runs = Vec::new();
        for _ in 0..bench.rounds().min(3) {
            let Some(run) = measured_large(bench, replicas, None).await? else { return Ok(sections) };
            runs.push(run);
        }
        let mut large = section(name, title, &runs, 30_000);
        large.note(format!(
            "{NOTE} All of it is on the same cores: the nodes, mosquitto, PostgreSQL with its flushes, the replicas, and \
             one process with catalog and reporting."
        ));
        sections.push(large);
    }
    Ok(sections)
}

/// The same where the database is a network away.
pub(crate) async fn run_apart(bench: &Bench) -> Result<Vec<Section>> {
    Ok(apart(bench).await?.into_iter().collect())
}

async fn measured_large(bench: &Bench, replicas: u32, delay: Option<Duration>) -> Result<Option<Measured<Taken>>> {
    let run = measured(&bench.scratch, async || large_run(bench, replicas, delay).await).await?;
    let Measured { value, before, after, load, void } = run;
    Ok(value.map(|value| Measured { value, before, after, load, void }))
}

/// Growth where it is not the cores that set the pace: the database is a network away.
async fn apart(bench: &Bench) -> Result<Option<Section>> {
    let mut section = Section::new("ingest-large-apart", "A large hub whose database is some milliseconds away");
    let mut rates = Vec::new();
    let mut by_replicas: Vec<Vec<_>> = (1..=REPLICAS_APART_MAX).map(|_| Vec::new()).collect();
    // In turn, so that whatever else the machine does meets all alike.
    for _ in 0..bench.rounds().min(3) {
        for (replicas, runs) in (1..).zip(&mut by_replicas) {
            let Some(run) = measured_large(bench, replicas, Some(APART)).await? else { return Ok(None) };
            runs.push(run);
        }
    }
    for (replicas, runs) in (1..).zip(&by_replicas) {
        let rate = median(runs.iter().map(|run| run.value.tickets * 1_000_000 / run.value.acked_us.max(1)));
        section.tell(&format!("replicas: {replicas}"), format!("{} tickets a second acknowledged", thousands(rate)));
        rates.push(rate);
        if replicas == REPLICAS_APART_MAX {
            section.conditions(runs);
        }
    }
    let (Some(one), Some(all)) = (rates.first(), rates.last()) else { return Ok(None) };
    let percent = all * 100 / one.max(&1);
    let wanted = format!("more than with one: >= {} %", GROWTH_PERCENT);
    section.row(
        "growth from the first to the last",
        format!("{percent} %"),
        &wanted,
        Verdict::of(percent >= GROWTH_PERCENT),
    );
    section.note(format!(
        "{NOTE} The replicas reach PostgreSQL over a line with {} ms each way, and wait for it most of the time; the cores \
         are shared as before.",
        APART.as_millis()
    ));
    Ok(Some(section))
}

async fn small_run(bench: &Bench) -> Result<Taken> {
    let office = Office::open(&bench.scratch, Slowness::default()).await?;
    let mut shops = Vec::new();
    for store in 1..=STORES {
        shops.push(Shop::open(&office, AS_IT_SHIPS, store).await?);
    }
    one_run(bench, shops, (&office.line, &office.hub.client, &[office.hub.pid()?])).await
}

/// Nothing without the servers. With a delay the replicas reach the database over a line that is so long each way.
async fn large_run(bench: &Bench, replicas: u32, delay: Option<Duration>) -> Result<Option<Taken>> {
    let folder = tempfile::tempdir_in(&bench.scratch)?;
    let Some(ground) = Ground::new("ingest-large", folder.path()).await? else { return Ok(None) };
    let database = match delay {
        Some(delay) => {
            let socket = ground.socket().context("the database's socket")?;
            Some(Line::start(&socket.to_string_lossy(), Slowness { bits_per_second: None, delay }).await?)
        }
        None => None,
    };
    let (mut ingest, mut pids) = (Vec::new(), Vec::new());
    for number in 1..=replicas {
        let name = format!("ingest-{number}");
        let replica = match &database {
            Some(line) => ground.start_apart(&name, "ingest", line.address().parse()?).await?,
            None => ground.start(&name, "ingest", &[]).await?,
        };
        pids.push(replica.pid()?);
        ingest.push(replica);
    }
    let office = ground.start("office", "catalog,reporting", &[]).await?;
    pids.push(office.pid()?);
    let line = Line::start(&ground.broker.address().to_string(), Slowness::default()).await?;
    let door = ground.door(&line.address()).await?;
    let mut shops = Vec::new();
    for store in 1..=STORES {
        shops.push(Shop::of(Node::start(folder.path(), NodeSpec::store(store), &door, &[]).await?).await?);
    }
    one_run(bench, shops, (&line, &office.client, &pids)).await.map(Some)
}

async fn one_run(bench: &Bench, mut shops: Vec<Shop>, (line, office, hub): (&Line, &Client, &[u32])) -> Result<Taken> {
    let each: u64 = if bench.quick { 1_000 } else { 10_000 };
    line.cut();
    let mut answered = Vec::new();
    for shop in &mut shops {
        answered.push(sell_count(&shop.door, 64, each, 1).await?);
        shop.node.stop().await?;
    }
    // Started together, they connect together, without the waits between two tries.
    line.mend();
    for shop in &mut shops {
        shop.node.launch()?;
    }
    let connections = line.counted().connections;
    until("the first connection", async || Ok(line.counted().connections > connections)).await?;
    let (from, hub_before) = (monotonic_now(), cpu_of(hub)?);
    for shop in &shops {
        until("a store to answer", async || Ok(shop.sales_heads().await.is_ok())).await?;
        let due = shop.sales_heads().await?.0;
        shop.acked(due).await?;
    }
    let acked = monotonic_now();
    let behind = behind(office).await?;
    for shop in &shops {
        complete_at(office, &shop.node).await?;
    }
    let reported = monotonic_now();
    let hub_us = cpu_of(hub)?.saturating_sub(hub_before);
    let hub_kib = hub.iter().map(|pid| memory_kib(*pid, "VmRSS")).sum::<Result<u64>>()?;
    let mut nodes_us = 0;
    for (shop, tickets) in shops.into_iter().zip(&answered) {
        nodes_us += cpu_us(shop.node.pid()?)?;
        let told = i64::try_from(tickets.len())?;
        let counted = totals_at(office, shop.node.spec.store).await?.0;
        anyhow::ensure!(counted == told, "the hub counts {counted} tickets of a store that sold {told}");
        shop.close(tickets).await?;
    }
    let tickets = answered.iter().map(Vec::len).sum::<usize>();
    let (acked_us, reported_us) = (micros(acked.saturating_sub(from)), micros(reported.saturating_sub(from)));
    Ok(Taken { tickets: u64::try_from(tickets)?, acked_us, reported_us, behind, hub_us, nodes_us, hub_kib })
}

/// Events that reporting has not folded yet, of all stores.
async fn behind(office: &Client) -> Result<u64> {
    let report = office.get("/v1/reporting/sales?by=store").await?;
    let marks = list(&report, "/completeness")?;
    let behind = marks.iter().map(|mark| number(mark, "/behind_events")).sum::<Result<i64>>()?;
    Ok(u64::try_from(behind)?)
}

/// Time of the cores that processes took so far.
fn cpu_of(pids: &[u32]) -> Result<u64> {
    pids.iter().map(|pid| cpu_us(*pid)).sum()
}

fn section(name: &'static str, title: &'static str, runs: &[Measured<Taken>], goal: u64) -> Section {
    let mut section = Section::new(name, title);
    let of = |figure: fn(&Taken) -> u64| median(runs.iter().map(|run| figure(&run.value)));
    let rate = of(|run| run.tickets * 1_000_000 / run.acked_us.max(1));
    let text = format!("{} a second", thousands(rate));
    let wanted = format!(">= {} a second", thousands(goal));
    section.row("tickets acknowledged", text, &wanted, Verdict::of(rate >= goal));
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
    section
}
