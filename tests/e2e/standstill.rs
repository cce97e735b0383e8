//! Whoever is to fold the reports of a large hub and cannot says so, is left out by the balancer, and catches up afterwards.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use system_tests::audit::proven_at;
use system_tests::books::{counted_once_at, number, sell_each, totals_at};
use system_tests::harness::large::{Ground, Replica};
use system_tests::harness::{Balancer, Client, eventually};
use system_tests::reads::Reader;

/// Sales of the shop at a time.
const SALES: usize = 4;

const REPORT: &str = "/v1/reporting/sales?by=store";

/// Which of them folds.
async fn folder(reporting: &[Replica]) -> Result<usize> {
    eventually("one to fold", || async {
        let mut folders = Vec::new();
        for (place, replica) in reporting.iter().enumerate() {
            if replica.metric("hub_duty_held{duty=\"reporting\"}").await.unwrap_or(0.0) == 1.0 {
                folders.push(place);
            }
        }
        match folders.as_slice() {
            [one] => Ok(*one),
            _ => anyhow::bail!("{folders:?} fold"),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_to_fold_and_cannot_is_left_out_by_the_balancer_until_it_can() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let Some(ground) = Ground::new("standstill", scratch.path()).await? else { return Ok(()) };
    let names = ["reporting-1", "reporting-2"];
    let _office = ground.start("office", "ingest,catalog", &[]).await?;
    let mut reporting = Vec::new();
    for name in names {
        reporting.push(ground.start(name, "reporting", &[]).await?);
    }
    let processes: Vec<_> =
        names.into_iter().zip(&reporting).map(|(name, at)| (name, at.client.address().to_owned())).collect();
    let Some(balancer) = Balancer::start(&processes)? else { return Ok(()) };
    let reports = Client::new(balancer.address(), scratch.path())?;
    let shops = [ground.shop(1, &ground.broker.address().to_string()).await?];
    let mut told = [BTreeSet::new()];
    sell_each(&shops, &mut told, (SALES, "well")).await?;
    for (shop, told) in shops.iter().zip(&told) {
        shop.all_acked().await?;
        counted_once_at(&reports, shop, told).await?;
    }
    for name in names {
        balancer.has(name, true).await?;
    }
    let place = folder(&reporting).await?;
    let [stuck, other] = if place == 0 { names } else { [names[1], names[0]] };

    // Nobody can write how far was folded. What was folded is read by all.
    let reader = Reader::start(vec![(reports.clone(), REPORT)]);
    let held = ground.hold("reporting.projection_position").await?;
    sell_each(&shops, &mut told, (SALES, "stuck")).await?;
    for shop in &shops {
        shop.all_acked().await?;
    }
    for (name, replica) in names.into_iter().zip(&reporting) {
        eventually("each to say whether it can do its part", || async {
            let ready = replica.client.try_get("/readyz").await?;
            let is_stuck = ready.status == 503 && ready.text.contains("could fold nothing");
            ensure!(is_stuck == (name == stuck), "{name}: {}", ready.text);
            Ok(())
        })
        .await?;
    }
    balancer.has(stuck, false).await?;
    balancer.has(other, true).await?;
    ensure!(totals_at(&reports, 1).await?.0 == i64::try_from(SALES)?, "something was folded: the test blocks nothing");
    let answers = reader.end().await?;
    ensure!(answers > 0, "nobody has read");

    drop(held);
    balancer.has(stuck, true).await?;
    for (shop, told) in shops.iter().zip(&told) {
        counted_once_at(&reports, shop, told).await?;
        let behind = reports.get(REPORT).await?;
        ensure!(number(&behind, "/completeness/0/behind_events")? == 0, "{behind}");
    }
    let whole = ground.start("whole", "ingest,catalog,reporting", &[]).await?;
    proven_at((whole.client.address(), scratch.path()), &shops).await
}
