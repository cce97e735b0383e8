//! Memory of a node, and sizes of the programs.

use std::time::Duration;

use anyhow::Result;
use slow_line::Slowness;
use system_tests::harness::program;

use crate::Bench;
use crate::figures::Ratio;
use crate::machine::memory_kib;
use crate::offline::DAY_TICKETS;
use crate::report::{Section, Verdict};
use crate::shop::{AS_IT_SHIPS, Office, Shop};
use crate::till::{Plan, sell, sell_count};

const TERMINALS: u64 = 64;
const KIB_PER_MIB: u64 = 1_024;

pub(crate) fn mib(kib: u64) -> String {
    format!("{} MiB", Ratio::new(kib, KIB_PER_MIB))
}

pub(crate) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let mut section = Section::new("memory", "Memory and size");
    let office = Office::open(&bench.scratch, Slowness::default()).await?;
    let mut shop = Shop::open(&office, AS_IT_SHIPS, 1).await?;
    let mut tickets = sell_count(&shop.door, 16, DAY_TICKETS, 1).await?;
    shop.acked(shop.sales_heads().await?.0).await?;
    shop.node.stop().await?;
    shop.node.restart().await?;
    shop.node.all_acked().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = memory_kib(shop.node.pid()?, "VmRSS")?;
    section.row("resident, idle, a day of 3,000", mib(idle), "<= 15 MiB", Verdict::of(idle <= 15 * KIB_PER_MIB));

    let plan = Plan { terminals: TERMINALS, warm_up: bench.warm_up(), time: bench.run_time(), pace: None };
    tickets.extend(sell(&shop.door, plan, 2).await?.tickets);
    let pid = shop.node.pid()?;
    let (busy, peak) = (memory_kib(pid, "VmRSS")?, memory_kib(pid, "VmHWM")?);
    section.row("resident, 64 terminals", mib(busy), "<= 40 MiB", Verdict::of(busy <= 40 * KIB_PER_MIB));
    section.tell("resident at most (VmHWM)", mib(peak));
    section.tell("the hub, resident at the end", mib(memory_kib(office.hub.pid()?, "VmRSS")?));
    shop.close(&tickets).await?;

    for (name, goal_mib) in [("store-node", Some(12)), ("cloud-hub", None)] {
        let kib = std::fs::metadata(program(name)?)?.len() / KIB_PER_MIB;
        let what = format!("{name}, stripped");
        match goal_mib {
            Some(goal) => {
                section.row(&what, mib(kib), &format!("<= {goal} MiB"), Verdict::of(kib <= goal * KIB_PER_MIB));
            }
            None => section.tell(&what, mib(kib)),
        }
    }
    Ok(vec![section])
}
