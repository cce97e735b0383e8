//! The disk under a large hub's database becomes full: first tables cannot grow, then the server itself ends, as it cannot write
//! what it would have to. Shops sell on, nothing is acknowledged that is not kept, and all arrives once there is room.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use system_tests::audit::proven_at;
use system_tests::books::{counted_once_at, list, number, sell_each, text};
use system_tests::harness::large::{Ground, hub_papers, mosquitto};
use system_tests::harness::netns::SmallDisk;
use system_tests::harness::{Client, Node, Postgres, eventually};

const TEST: &str = "the_disk_under_the_database_is_full_and_nothing_is_lost_or_acknowledged_in_vain";

/// What an empty server needs and some tables, and as much again.
const DISK_MIB: u32 = 128;
const MORE_MIB: u32 = 512;

/// Sales of each shop at a time.
const SALES: usize = 5;

/// So often at most until nothing fits any more.
const ROUNDS_MAX: usize = 200;

/// More than there is in what the server has prepared to write into.
const BEYOND: &str = "SELECT pg_logical_emit_message(false, 'full', repeat('x', 48 * 1024 * 1024))";

/// What each shop's sales journal reaches, and up to where it is acknowledged.
async fn reaches(shops: &[Node]) -> Result<Vec<(i64, i64)>> {
    let mut reaches = Vec::new();
    for shop in shops {
        let streams = list(&shop.client.get("/v1/node").await?, "/streams")?;
        let is_sales = |stream: &&Value| text(stream, "/stream").is_ok_and(|name| name == "sales");
        let sales = streams.iter().find(is_sales).context("its sales journal")?;
        reaches.push((number(sales, "/last_seq")?, number(sales, "/acked_seq")?));
    }
    Ok(reaches)
}

/// How far the hub has the sales journals of these shops.
async fn kept(hub: &Client, shops: &[Node]) -> Result<Vec<i64>> {
    let rows = list(&hub.get("/v1/sync/streams?limit=1000").await?, "/rows")?;
    let mut kept = Vec::new();
    for shop in shops {
        let author = format!("n{}", shop.spec.node);
        let mut held = 0;
        for row in &rows {
            if text(row, "/author")? == author && text(row, "/stream")? == "sales" {
                held += number(row, "/contig")?;
            }
        }
        kept.push(held);
    }
    Ok(kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_under_the_database_is_full_and_nothing_is_lost_or_acknowledged_in_vain() -> Result<()> {
    // Whoever the server runs as must be able to pass.
    let place = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir()?;
    let scratch = tempfile::tempdir()?;
    let Some(disk) = SmallDisk::mount(TEST, &place.path().join("disk"), DISK_MIB)? else { return Ok(()) };
    let Some(server) = Postgres::start(Some(&place.path().join("disk")))? else { return Ok(()) };
    let Some(broker) = mosquitto(scratch.path())? else { return Ok(()) };
    hub_papers(scratch.path())?;
    let ground = Ground::on(broker, &server.connection(), scratch.path()).await?;
    let hub = ground.start("whole", "ingest,catalog,reporting", &[]).await?;
    let broker = ground.broker.address().to_string();
    let shops = [ground.shop(1, &broker).await?, ground.shop(2, &broker).await?];
    let mut told = [BTreeSet::new(), BTreeSet::new()];
    sell_each(&shops, &mut told, (SALES, "room")).await?;
    for shop in &shops {
        shop.all_acked().await?;
    }

    // Tables cannot grow; what still fits is taken in, until the hub says that it cannot commit what comes.
    disk.fill()?;
    no_room(&hub.client, &shops, &mut told).await?;
    let reads = hub.client.try_get("/v1/reporting/sales?by=store").await?;
    ensure!(reads.status == 200, "reports are read, and there is only no room to write: {reads:?}");
    ensure!(server.runs()?, "the server ended before it had to");

    // It has to write beyond what it has prepared: then it ends, and by itself it cannot come back.
    let ended = ground.admin_batch(BEYOND).await;
    ensure!(ended.is_err(), "there was room for it");
    eventually("the server to have ended", || async {
        ensure!(!server.runs()?, "it runs");
        Ok(())
    })
    .await?;
    let log = server.log()?;
    for said in ["PANIC", "No space left on device", "database system is shut down"] {
        ensure!(log.contains(said), "it does not say {said:?}: {log}");
    }
    sell_each(&shops, &mut told, (SALES, "dark")).await?;
    let lives = hub.client.try_get("/livez").await?;
    ensure!(lives.status == 200, "{lives:?}");

    // Room is made. Before shops can give back anything, all is there that they were acknowledged.
    ground.broker.kill()?;
    let reached = reaches(&shops).await?;
    disk.grow(MORE_MIB)?;
    server.again()?;
    let held = eventually("the hub to reach its database", || kept(&hub.client, &shops)).await?;
    for ((last, acked), held) in reached.iter().zip(&held) {
        ensure!(acked <= held, "acknowledged to {acked}, and only {held} are kept");
        ensure!(held < last, "{last} were sold, and {held} are kept: the disk was not full");
    }
    ground.broker.again()?;
    sell_each(&shops, &mut told, (SALES, "again")).await?;
    for (shop, told) in shops.iter().zip(&told) {
        shop.all_acked().await?;
        counted_once_at(&hub.client, shop, told).await?;
    }
    proven_at((hub.client.address(), scratch.path()), &shops).await
}

/// Shops sell until the hub says that there is no room for it.
async fn no_room(hub: &Client, shops: &[Node], told: &mut [BTreeSet<String>]) -> Result<()> {
    for round in 0..ROUNDS_MAX {
        sell_each(shops, told, (SALES, &format!("full-{round}"))).await?;
        let ready = hub.try_get("/readyz").await?;
        if ready.status == 503 && ready.text.contains("disk_full") {
            return Ok(());
        }
    }
    bail!("there is still room after {ROUNDS_MAX} rounds of sales")
}
