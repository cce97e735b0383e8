//! A chain moves from files to PostgreSQL while its shops sell; the move is killed at every step and run again.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Child;

use anyhow::{Result, ensure};
use system_tests::audit::proven_at;
use system_tests::books::{complete_at, sell_each, store_totals, totals_at};
use system_tests::harness::large::Ground;
use system_tests::harness::{Hub, Node, NodeSpec};

/// Sales of each shop at a time.
const SALES: usize = 5;

/// The shops, as they come to the small hub.
async fn shops(scratch: &Path, small: &Hub) -> Result<Vec<Node>> {
    let mut shops = Vec::new();
    for store in [1, 2] {
        let shop = Node::start(scratch, NodeSpec::store(store), &small.door(), &["--hub-retry-s-max", "1"]).await?;
        shop.ready().await?;
        shops.push(shop);
    }
    Ok(shops)
}

/// Sales at each shop, answered whatever happens to the hub.
async fn sell(shops: &[Node], told: &mut [BTreeSet<String>], key: &str) -> Result<()> {
    sell_each(shops, told, (SALES, key)).await
}

/// SIGKILL; it must not have ended by itself.
fn kill(mut moving: Child) -> Result<()> {
    moving.kill()?;
    ensure!(!moving.wait()?.success(), "it was to be killed, and had ended");
    Ok(())
}

async fn ended(mut moving: Child) -> Result<()> {
    let status = tokio::task::spawn_blocking(move || moving.wait()).await??;
    ensure!(status.success(), "the move ended with {status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_moved_while_its_shops_sell_and_the_move_is_killed_at_every_step() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let Some(ground) = Ground::new("moving", scratch.path()).await? else { return Ok(()) };
    let mut small = Hub::start(scratch.path()).await?;
    let mut before = shops(scratch.path(), &small).await?;
    let mut told = vec![BTreeSet::new(); before.len()];
    sell(&before, &mut told, "small").await?;
    for step in ["step 1", "step 2", "step 3", "step 4"] {
        kill(ground.moving(small.data(), step).await?)?;
        sell(&before, &mut told, &step.replace(' ', "-")).await?;
    }
    let waiting = ground.moving(small.data(), "step 4").await?;
    small.stop().await?;
    sell(&before, &mut told, "dark").await?;
    // It does not come further than the last step while nobody may write there.
    let held = ground.hold("journal.chain").await?;
    kill(waiting)?;
    for step in ["step 5", "step 6", "step 7"] {
        kill(ground.moving(small.data(), step).await?)?;
        sell(&before, &mut told, &step.replace(' ', "-")).await?;
    }
    let said = small.refused().await?;
    ensure!(said.contains("this chain was moved to PostgreSQL"), "{said}");
    let said = ground.refused("early", "ingest").await?;
    ensure!(said.contains("run cloud-hub move-to-large again"), "{said}");
    drop(held);
    ended(ground.moving(small.data(), "step 8").await?).await?;
    // Once more, it finds that all is done.
    ended(ground.moving(small.data(), "the chain has been moved").await?).await?;

    let large = ground.start("large", "ingest,catalog,reporting", &[]).await?;
    for shop in &mut before {
        shop.stop().await?;
    }
    let broker = ground.broker.address().to_string();
    let after = vec![ground.shop(1, &broker).await?, ground.shop(2, &broker).await?];
    sell(&after, &mut told, "large").await?;
    for (shop, told) in after.iter().zip(&told) {
        complete_at(&large.client, shop).await?;
        let own = store_totals(shop).await?;
        ensure!(own.0 == i64::try_from(told.len())?, "{own:?}, and {} were answered", told.len());
        ensure!(totals_at(&large.client, shop.spec.store).await? == own, "head office differs from {own:?}");
    }
    proven_at((large.client.address(), scratch.path()), &after).await?;
    Ok(())
}
