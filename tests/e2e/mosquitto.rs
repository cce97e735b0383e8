//! Shops and a hub at a broker that is not the hub's: a mosquitto, which is killed while they sell.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use cloud_hub::broker::{BrokerAccess, BrokerSetting, ExternalBroker};
use cloud_hub::config::{HubConfig, IdentitySetting, Profile};
use cloud_hub::hub::Hub;
use own_mosquitto::Mosquitto;
use percolate_runtime::system::{OsEntropy, clock_from_option};
use system_tests::books::{any_item, number, store_totals, text, ticket};
use system_tests::harness::large::{hub_papers, mosquitto};
use system_tests::harness::{Client, Door, Node, NodeSpec, demo_menu, eventually};

/// How often mosquitto is killed.
const KILLS: u32 = 3;

async fn hub_behind(mosquitto: &Mosquitto, scratch: &Path) -> Result<Hub> {
    let (data, papers) = (scratch.join("hub"), hub_papers(scratch)?);
    let external = ExternalBroker { addresses: mosquitto.address().into(), access: BrokerAccess::Certificate(papers) };
    let here = ([127, 0, 0, 1], 0).into();
    let identity = IdentitySetting {
        ca: data.join("ca"),
        https: here,
        mqtts: here,
        broker: vec![mosquitto.address().to_string()],
        names: Vec::new(),
    };
    let config = HubConfig {
        data_dir: data,
        http: here,
        identity: Some(identity),
        profile: Profile::Small,
        menu: Some(demo_menu()),
        simulated_clock: None,
        stop_with_parent: false,
    };
    let broker = BrokerSetting::External(external);
    Ok(Hub::start_behind(broker, config, clock_from_option(None)?, Arc::new(OsEntropy)).await?)
}

/// Whether the shop believes itself in session with the hub.
async fn link_is(shop: &Node, wanted: &str) -> Result<()> {
    eventually(&format!("the link to be {wanted}"), || async {
        let said = shop.client.get("/v1/node").await?;
        ensure!(text(&said, "/link")? == wanted, "{said}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn shops_sell_through_kills_of_a_broker_that_is_not_the_hubs() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let Some(mosquitto) = mosquitto(scratch.path())? else { return Ok(()) };
    let hub = hub_behind(&mosquitto, scratch.path()).await?;
    let office = Client::new(&hub.http_address().to_string(), &scratch.path().join("hub"))?;
    let door = Door::at(&office, &mosquitto.address().to_string());
    let mut shops = Vec::new();
    for store in [1, 2] {
        shops.push(Node::start(scratch.path(), NodeSpec::store(store), &door, &["--hub-retry-s-max", "1"]).await?);
    }
    for shop in &shops {
        shop.ready().await?;
    }
    for kill in 0..KILLS {
        sell(&shops, &format!("before-{kill}")).await?;
        // What is on its way now dies with the broker.
        mosquitto.freeze()?;
        sell(&shops, &format!("frozen-{kill}")).await?;
        mosquitto.kill()?;
        for shop in &shops {
            link_is(shop, "down").await?;
        }
        sell(&shops, &format!("dark-{kill}")).await?;
        mosquitto.again()?;
    }
    for shop in &shops {
        shop.all_acked().await?;
        let own = store_totals(shop).await?;
        ensure!(own.0 == i64::from(3 * KILLS), "{own:?}");
        eventually("the hub's report to say what the shop says", || async {
            let report = office.get(&format!("/v1/reporting/sales?by=day&store={}", shop.spec.store)).await?;
            let at = |name: &str| number(&report, &format!("/totals/{name}"));
            let here = (at("tickets")?, at("units")?, at("total_minor")?);
            ensure!(here == own, "{here:?} and {own:?}");
            Ok(())
        })
        .await?;
    }
    ensure!(hub.ended_tasks().is_empty(), "{:?}", hub.ended_tasks());
    ensure!(hub.stop().await.is_clean(), "the hub did not stop in order");
    Ok(())
}

/// A sale at each shop, which is answered whatever the broker does.
async fn sell(shops: &[Node], key: &str) -> Result<()> {
    for shop in shops {
        shop.client.post("/v1/tickets", key, &ticket("T1", any_item(shop).await?, 2)).await?;
    }
    Ok(())
}
