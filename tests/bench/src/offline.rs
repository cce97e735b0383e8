//! A shop that was offline for a day is heard again: how long until the hub has acknowledged all of it, and what the tills
//! feel meanwhile.

use std::time::Duration;

use anyhow::Result;
use percolate_runtime::system::monotonic_now;
use slow_line::Slowness;
use tokio::task::JoinSet;

use crate::Bench;
use crate::figures::{Ratio, median, micros, ms};
use crate::probe::{Measured, measured};
use crate::report::{Section, Verdict};
use crate::shop::{AS_IT_SHIPS, Office, Shop, until};
use crate::till::{Plan, Sold, sell, sell_count};

/// What a busy shop sells on a day.
pub(crate) const DAY_TICKETS: u64 = 3_000;

/// How long the tills are watched before the line is mended.
const BEFORE: Duration = Duration::from_secs(3);

/// New sales meanwhile: two tills, each fifty a second. A till's own work hides nothing then.
const NEW_SALES: Plan = Plan {
    terminals: 2,
    warm_up: Duration::from_millis(500),
    time: Duration::from_secs(12),
    pace: Some(Duration::from_millis(20)),
};

struct Kind {
    id: &'static str,
    title: &'static str,
    slowness: Slowness,
    goal_s: u64,
}

const KINDS: [Kind; 2] = [
    Kind {
        id: "offline-loopback",
        title: "An offline day of 3,000 tickets, loopback",
        slowness: Slowness { bits_per_second: None, delay: Duration::ZERO },
        goal_s: 1,
    },
    Kind {
        id: "offline-slow-line",
        title: "An offline day of 3,000 tickets, 1 Mbit/s and 100 ms there and back",
        slowness: Slowness { bits_per_second: Some(1_000_000), delay: Duration::from_millis(50) },
        goal_s: 3,
    },
];

#[derive(Debug, Clone)]
struct Delivery {
    /// From the first byte that could pass to the acknowledgement of the last ticket.
    took_us: u64,
    /// From the mending of the line to its first connection: the node's own patience.
    unnoticed_us: u64,
    before: Sold,
    meanwhile: Sold,
}

pub(crate) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let mut runs: Vec<Vec<Measured<Delivery>>> = KINDS.iter().map(|_| Vec::new()).collect();
    for _ in 0..bench.rounds() {
        for (kind, runs) in KINDS.iter().zip(&mut runs) {
            runs.push(measured(&bench.scratch, async || one_run(bench, kind.slowness).await).await?);
        }
    }
    Ok(KINDS.iter().zip(&runs).map(|(kind, runs)| section(kind, runs)).collect())
}

async fn one_run(bench: &Bench, slowness: Slowness) -> Result<Delivery> {
    let office = Office::open(&bench.scratch, slowness).await?;
    let shop = Shop::open(&office, AS_IT_SHIPS, 1).await?;
    office.line.cut();
    let mut tickets = sell_count(&shop.door, 16, DAY_TICKETS, 1).await?;
    let door = shop.door.clone();
    let mut selling = JoinSet::new();
    selling.spawn(async move { sell(&door, NEW_SALES, 2).await });
    let quiet_from = monotonic_now() + NEW_SALES.warm_up;
    tokio::time::sleep(NEW_SALES.warm_up + BEFORE).await;

    let due = shop.sales_heads().await?.0;
    let connections = office.line.counted().connections;
    let mended = monotonic_now();
    office.line.mend();
    until("the line to be noticed", async || Ok(office.line.counted().connections > connections)).await?;
    let noticed = monotonic_now();
    shop.acked(due).await?;
    let done = monotonic_now();

    let mut sold = Sold::default();
    while let Some(till) = selling.join_next().await {
        sold = till??;
    }
    tickets.extend(&sold.tickets);
    shop.close(&tickets).await?;
    Ok(Delivery {
        took_us: micros(done.saturating_sub(noticed)),
        unnoticed_us: micros(noticed.saturating_sub(mended)),
        before: sold.between(quiet_from, mended),
        meanwhile: sold.between(noticed, done),
    })
}

/// Sales of all runs together: those of one delivery are too few for a percentile.
fn together(runs: &[Measured<Delivery>], part: fn(&Delivery) -> &Sold) -> Sold {
    let sales = runs.iter().flat_map(|run| part(&run.value).sales.iter().copied()).collect();
    Sold { sales, ..Sold::default() }
}

fn section(kind: &Kind, runs: &[Measured<Delivery>]) -> Section {
    let mut section = Section::new(kind.id, kind.title);
    let took = median(runs.iter().map(|run| run.value.took_us));
    let goal = format!("<= {} s", kind.goal_s);
    section.row("connected to all acknowledged", ms(took), &goal, Verdict::of(took <= kind.goal_s * 1_000_000));
    let unnoticed = median(runs.iter().map(|run| run.value.unnoticed_us));
    section.tell("mended to connected (the wait between two tries)", ms(unnoticed));
    let (before, meanwhile) = (together(runs, |run| &run.before), together(runs, |run| &run.meanwhile));
    let (p99_before, p99) = (before.percentile_us(99), meanwhile.percentile_us(99));
    let growth = Ratio::new(p99, p99_before);
    let text = format!("{} to {} = {growth}", ms(p99_before), ms(p99));
    section.row("p99 of new sales, before to meanwhile", text, "<= 1.5", Verdict::of(growth <= Ratio(150)));
    let text = format!("{} to {}", ms(before.percentile_us(50)), ms(meanwhile.percentile_us(50)));
    section.tell("p50 of new sales, before to meanwhile", text);
    section.tell("new sales, before and meanwhile", format!("{}, {}", before.sales.len(), meanwhile.sales.len()));
    section.conditions(runs);
    section
}
