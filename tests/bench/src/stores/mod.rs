//! One small hub holds many stores: 500 in their rush, more and more at the peak of a whole chain, and 10,000 and all of them
//! coming back after the hub was killed.

mod board;
mod chain;
mod crowd;
mod limits;
mod link;
mod papers;
mod rows;
mod store;
mod watch;

use std::time::Duration;

use anyhow::{Context as _, Result};
use percolate_runtime::system::monotonic_now;
use system_tests::harness::Hub;

use crate::Bench;
use crate::figures::{micros, percentile};
use crate::machine::{cpu_us, descriptors, memory_kib};
use crate::report::Section;
use board::read;
use crowd::{Crowd, Pace};
use papers::Papers;
use watch::Watch;

/// A busy store at its peak sells so often: 1,500 tickets a day, 15 % of them in one hour, and twice that in its worst
/// minute.
const RUSH_EVERY: Duration = Duration::from_secs(8);
/// Stores of the rush.
const RUSH_STORES: usize = 500;
/// Tickets a second of a chain of 40,000 such stores, all in their worst minute at once.
const PEAK_PER_SECOND: u64 = 5_000;
/// Unsent tickets of each store that comes back.
const BACKLOG: u64 = 10;
/// Stores that come back: so many, and as many as there are at the end.
const BACK_STORES: usize = 10_000;
/// The last step of the curve: what a process's 20,000 descriptors allow.
pub(crate) const STORES_MOST: usize = 19_000;
/// A step of the curve holds if reports are not later than this.
const LATE_US_MAX: u64 = 1_000_000;
/// No further step is tried after one that is later than this.
const GIVE_UP_US: u64 = 10_000_000;

/// How it went for a while.
#[derive(Debug, Clone, Copy)]
struct Phase {
    stores: usize,
    tickets: u64,
    took_us: u64,
    hub_us: u64,
    generator_us: u64,
    p50_us: u64,
    p99_us: u64,
    hub_kib: u64,
    hub_peak_kib: u64,
    hub_descriptors: usize,
}

/// How the stores came back.
#[derive(Debug, Clone, Copy)]
struct Return {
    stores: usize,
    tickets: u64,
    in_session_us: u64,
    acked_us: u64,
    reported_us: u64,
    hub_us: u64,
    generator_us: u64,
    hub_peak_kib: u64,
}

pub(crate) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let allowed = limits::share_cores()?;
    let folder = tempfile::tempdir_in(&bench.scratch)?;
    let steps: &[usize] =
        if bench.quick { &[500, 1_000, 2_000] } else { &[500, 1_000, 2_000, 5_000, BACK_STORES, 15_000, STORES_MOST] };
    let steps = || steps.iter().copied().filter(|stores| *stores <= bench.most_stores);
    let largest = steps().max().unwrap_or(RUSH_STORES);
    let papers = Papers::enrol(&folder.path().join("hub"), largest).await?;
    let mut hub = Hub::start(folder.path()).await?;
    limits::limit_memory(hub.pid()?)?;
    let mut crowd = Crowd::new(hub.mqtts().parse().context("the door's address")?, papers);

    let time = Duration::from_secs(if bench.quick { 4 } else { 20 });
    crowd.grow(RUSH_STORES).await?;
    let quiet = phase(&hub, &crowd, None, time / 2).await?;
    let rush = phase(&hub, &crowd, Some(RUSH_EVERY), time).await?;
    bench.show(&rows::rush(&quiet, &rush))?;

    let (mut curve, mut back) = (Vec::new(), Vec::new());
    for stores in steps() {
        crowd.grow(stores).await?;
        let quiet = phase(&hub, &crowd, None, time / 2).await?;
        let every = Duration::from_micros(u64::try_from(stores)? * 1_000_000 / PEAK_PER_SECOND);
        let peak = phase(&hub, &crowd, Some(every), time / 2).await?;
        curve.push((quiet, peak));
        bench.show(&rows::curve(&curve, allowed))?;
        if stores == BACK_STORES {
            back.push(come_back(&mut hub, &crowd).await?);
            bench.show(&rows::storm(&back))?;
        }
        if peak.p99_us > GIVE_UP_US {
            break;
        }
    }
    if crowd.size() != BACK_STORES {
        back.push(come_back(&mut hub, &crowd).await?);
    }
    crowd.close().await;
    Ok(vec![rows::storm(&back)])
}

/// The stores sell at a mean distance for a while, or are quiet.
async fn phase(hub: &Hub, crowd: &Crowd, every: Option<Duration>, time: Duration) -> Result<Phase> {
    let pid = hub.pid()?;
    let board = &crowd.board;
    let mut watch = Watch::open(hub.data(), board, crowd.size())?;
    let (from, sold_before) = (monotonic_now(), read(&board.sold));
    let (hub_before, own_before) = (cpu_us(pid)?, cpu_us(std::process::id())?);
    let until = from + time;
    crowd.sell_at(every.map(|every| Pace { from, until, every }));
    watch.look_until(board, Some(until)).await?;
    let took = monotonic_now().saturating_sub(from);
    let (hub_us, generator_us) = (cpu_us(pid)? - hub_before, cpu_us(std::process::id())? - own_before);
    crowd.sell_at(None);
    watch.look_until(board, None).await?;
    crowd.all_acked().await?;
    let mut waited = watch.waited_us();
    let phase = Phase {
        stores: crowd.size(),
        tickets: read(&board.sold) - sold_before,
        took_us: micros(took),
        hub_us,
        generator_us,
        p50_us: percentile(&mut waited, 50),
        p99_us: percentile(&mut waited, 99),
        hub_kib: memory_kib(pid, "VmRSS")?,
        hub_peak_kib: memory_kib(pid, "VmHWM")?,
        hub_descriptors: descriptors(pid)?,
    };
    watch::compare(&hub.client, board, crowd.size()).await?;
    Ok(phase)
}

/// The hub is killed, the stores sell on, the hub is started again, and all come back at the same moment.
async fn come_back(hub: &mut Hub, crowd: &Crowd) -> Result<Return> {
    let board = &crowd.board;
    crowd.stay_away(true);
    hub.kill()?;
    crowd.sell_backlog(BACKLOG).await?;
    hub.restart().await?;
    let pid = hub.pid()?;
    limits::limit_memory(pid)?;
    let mut watch = Watch::open(hub.data(), board, crowd.size())?;
    let (from, hub_before, own_before) = (monotonic_now(), cpu_us(pid)?, cpu_us(std::process::id())?);
    let since = || micros(monotonic_now().saturating_sub(from));
    crowd.stay_away(false);
    crowd.all_in_session().await?;
    let in_session_us = since();
    crowd.all_acked().await?;
    let acked_us = since();
    watch.look_until(board, None).await?;
    let reported_us = since();
    let (hub_us, generator_us) = (cpu_us(pid)? - hub_before, cpu_us(std::process::id())? - own_before);
    watch::compare(&hub.client, board, crowd.size()).await?;
    let tickets = BACKLOG * u64::try_from(crowd.size())?;
    let (stores, hub_peak_kib) = (crowd.size(), memory_kib(pid, "VmHWM")?);
    Ok(Return { stores, tickets, in_session_us, acked_us, reported_us, hub_us, generator_us, hub_peak_kib })
}
