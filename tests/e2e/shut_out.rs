//! A shop of a large hub whose box is shut out while it is connected to a broker that cuts off nobody.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use system_tests::books::{counted_once_at, sell_each, text, totals_at};
use system_tests::harness::large::Ground;
use system_tests::harness::{Node, NodeSpec, eventually, skipped};

/// Sales of each shop at a time.
const SALES: usize = 5;

async fn sell(shops: &[Node], told: &mut [BTreeSet<String>], key: &str) -> Result<()> {
    sell_each(shops, told, (SALES, key)).await
}

async fn is_refused(shop: &Node) -> Result<()> {
    eventually("the shop to be refused", || async {
        let said = shop.client.get("/v1/node").await?;
        ensure!(text(&said, "/link")? == "refused", "{said}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_counts_of_a_shop_that_is_shut_out_and_it_sells_on() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let Some(ground) = Ground::new("shut_out", scratch.path()).await? else { return Ok(()) };
    let mut ingest = Vec::new();
    for name in ["ingest-1", "ingest-2"] {
        ingest.push(ground.start(name, "ingest", &[]).await?);
    }
    let office = ground.start("office", "catalog,reporting", &[]).await?;
    let broker = ground.broker.address().to_string();
    let mut shops = vec![ground.shop(1, &broker).await?, ground.shop(2, &broker).await?];
    let mut told = vec![BTreeSet::new(); shops.len()];
    sell(&shops, &mut told, "before").await?;
    for (shop, told) in shops.iter().zip(&told) {
        shop.all_acked().await?;
        counted_once_at(&office.client, shop, told).await?;
    }
    let counted = totals_at(&office.client, 1).await?;

    let path = format!("/v1/identity/devices/{}/revocation", NodeSpec::store(1).node);
    ground.identity().await?.client.put(&path, &json!({"reason": "stolen"})).await?;
    is_refused(shops.first().context("a shop")?).await?;
    sell(&shops, &mut told, "after").await?;
    // Nor is it believed by a process that was not there when it was shut out, or at its next start.
    for process in &mut ingest {
        process.kill()?;
        process.restart().await?;
    }
    let out = shops.first_mut().context("a shop")?;
    out.kill()?;
    out.restart().await?;
    is_refused(out).await?;
    sell(&shops, &mut told, "later").await?;

    let [out, other] = shops.as_slice() else { anyhow::bail!("two shops") };
    other.all_acked().await?;
    counted_once_at(&office.client, other, told.last().context("the other's")?).await?;
    is_refused(out).await?;
    ensure!(totals_at(&office.client, 1).await? == counted, "something of it counts");
    Ok(())
}

/// What systemd says of units, each in its file. It succeeds also where it complains.
fn analyzed(units: &[&Path]) -> Option<String> {
    let done = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(units).output().ok()?;
    Some(String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
}

#[test]
fn the_units_that_hand_the_list_to_mosquitto_are_sound() -> Result<()> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd");
    let (path, service) = (deploy.join("percolate-crl.path"), deploy.join("percolate-crl.service"));
    let Some(said) = analyzed(&[&path, &service]) else {
        skipped("the units of the list of revoked certificates", "systemd-analyze is not installed");
        return Ok(());
    };
    ensure!(said.is_empty(), "{said}");
    let scratch = tempfile::tempdir()?;
    let wrong = scratch.path().join("percolate-crl.service");
    std::fs::write(&wrong, std::fs::read_to_string(&service)?.replace("Type=oneshot", "Tipe=oneshot"))?;
    ensure!(analyzed(&[&wrong]).is_some_and(|said| !said.is_empty()), "a wrong unit is not noticed");
    Ok(())
}
