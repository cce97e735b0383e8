//! From the start of the process to the first sale that is on the disk, with a million tickets in the database: after an
//! orderly stop, and after SIGKILL with a long log.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use percolate_runtime::system::monotonic_now;
use rusqlite::{Connection, OpenFlags};
use slow_line::Slowness;
use system_tests::harness::{Node, NodeSpec};

use crate::Bench;
use crate::figures::{micros, ms, percentile, thousands};
use crate::probe::{Measured, measured};
use crate::report::{Section, Verdict};
use crate::shop::{AS_IT_SHIPS, Office, Shop};
use crate::till::{Door, Plan, TicketBits, Till, sell, sell_count};

/// The log that a killed node finds.
const LOG_BYTES: u64 = 64 * 1024 * 1024;

/// Tills that fill the database.
const SEED_TERMINALS: u64 = 200;

/// A node may take so long to sell.
const START_TIME_MAX: Duration = Duration::from_secs(60);

struct Seeded {
    office: Office,
    shop: Shop,
    /// What tells the keys of this run from those before.
    series: u64,
}

pub(crate) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let count = if bench.quick { 100_000 } else { 1_000_000 };
    let (mut seeded, how) = seed(bench, count).await?;
    let starts = if bench.quick { 5 } else { 25 };
    let warm = measured(&bench.scratch, async || {
        let mut times = Vec::new();
        for _ in 0..starts {
            seeded.shop.node.stop().await?;
            times.push(start(&mut seeded).await?);
        }
        Ok(times)
    })
    .await?;
    let kills = if bench.quick { 2 } else { 5 };
    let mut logs = Vec::new();
    let killed = measured(&bench.scratch, async || {
        let mut times = Vec::new();
        for _ in 0..kills {
            logs.push(kill_with_long_log(&mut seeded).await?);
            times.push(start(&mut seeded).await?);
        }
        Ok(times)
    })
    .await?;
    seeded.shop.node.stop().await?;
    drop(seeded.office);

    let mut section = Section::new("start", "Start to the first durable sale");
    section.tell("tickets in the database", format!("{}; {how}", thousands(count)));
    figures(&mut section, "after an orderly stop", &warm, "<= 15 ms", 15_000);
    figures(&mut section, "after SIGKILL with a long log", &killed, "<= 100 ms", 100_000);
    let log = logs.iter().copied().max().unwrap_or(0);
    section.tell("the log at the kill", format!("{} MiB", log / (1024 * 1024)));
    section.conditions(&[warm, killed]);
    section.note(
        "From spawn to the 201 of a sale, on a connection that is tried again every millisecond. The page cache is warm. The log \
         is long because a reader was held open, so that nothing could be copied from it.",
    );
    Ok(vec![section])
}

fn figures(section: &mut Section, what: &str, run: &Measured<Vec<u64>>, goal: &str, goal_us: u64) {
    let mut times = run.value.clone();
    let (p50, max) = (percentile(&mut times, 50), percentile(&mut times, 100));
    let text = format!("{} median, {} at most, of {}", ms(p50), ms(max), times.len());
    section.row(what, text, goal, Verdict::of(p50 <= goal_us));
}

/// A store with so many tickets: kept between runs below the scratch folder.
async fn seed(bench: &Bench, count: u64) -> Result<(Seeded, String)> {
    let folder = bench.scratch.join(format!("seeded-{count}"));
    let office = Office::open(&bench.scratch, Slowness::default()).await?;
    let done = folder.join("done");
    let seeding = monotonic_now();
    let fresh = !done.exists();
    if fresh && folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    if fresh {
        let door = office.hub.door().through(&office.line.address());
        let shop = Shop::of(Node::start_by(AS_IT_SHIPS, &folder, NodeSpec::store(1), &door, &[]).await?).await?;
        office.line.cut();
        let tickets = sell_count(&shop.door, SEED_TERMINALS, count, 1).await?;
        let took = monotonic_now().saturating_sub(seeding).as_secs();
        shop.close(&tickets).await?;
        let how = format!("sold through the node's own HTTP by {SEED_TERMINALS} tills in {took} s");
        std::fs::write(&done, how)?;
    }
    let how = std::fs::read_to_string(&done)?;
    // The hub of an earlier run is gone: this one is not told of the million.
    office.line.cut();
    let door = office.hub.door().through(&office.line.address());
    let node = Node::start_by(AS_IT_SHIPS, &folder, NodeSpec::store(1), &door, &[]).await?;
    node.ready().await?;
    let door = crate::shop::door(&node).await?;
    let bytes = std::fs::metadata(database(&node))?.len();
    let how = format!("{how}; the file has {} MiB", bytes / (1024 * 1024));
    let shop = Shop { node, door };
    ensure!(has_tickets(&shop).await?, "the seeded database is empty");
    let series = u64::from(std::process::id()) << 32;
    Ok((Seeded { office, shop, series }, how))
}

async fn has_tickets(shop: &Shop) -> Result<bool> {
    Ok(shop.sales_heads().await?.0 > 0)
}

fn database(node: &Node) -> PathBuf {
    node.data().join("node.db")
}

fn log_bytes(node: &Node) -> Result<u64> {
    Ok(std::fs::metadata(node.data().join("node.db-wal")).context("the log")?.len())
}

async fn start(seeded: &mut Seeded) -> Result<u64> {
    seeded.series += 1;
    let (took_us, _ticket) = start_and_sell(&mut seeded.shop, seeded.series).await?;
    Ok(took_us)
}

/// Starts a node that was stopped and sells one ticket: microseconds from the one to the other, and the ticket.
pub(crate) async fn start_and_sell(shop: &mut Shop, series: u64) -> Result<(u64, TicketBits)> {
    let from = monotonic_now();
    shop.node.launch()?;
    while monotonic_now() < from + START_TIME_MAX {
        if let Ok(ticket) = first_sale(&shop.door, series).await {
            return Ok((micros(monotonic_now().saturating_sub(from)), ticket));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bail!("the node did not sell in time")
}

async fn first_sale(door: &Door, series: u64) -> Result<TicketBits> {
    Till::connect(door, "T1", series).await?.sell().await
}

/// Sells until the log is long, and kills the node: the log's length.
async fn kill_with_long_log(seeded: &mut Seeded) -> Result<u64> {
    let reader = hold_reader(&database(&seeded.shop.node))?;
    let plan = Plan { terminals: 64, warm_up: Duration::ZERO, time: Duration::from_millis(250), pace: None };
    while log_bytes(&seeded.shop.node)? < LOG_BYTES {
        seeded.series += 1;
        sell(&seeded.shop.door, plan, seeded.series).await?;
    }
    let bytes = log_bytes(&seeded.shop.node)?;
    seeded.shop.node.kill()?;
    drop(reader);
    Ok(bytes)
}

/// A reader in the middle of its reading: until it is dropped, the log cannot begin again.
#[expect(clippy::disallowed_methods, reason = "a reader that is not the node's own")]
fn hold_reader(database: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.execute_batch("BEGIN; SELECT count(*) FROM meta")?;
    Ok(connection)
}
