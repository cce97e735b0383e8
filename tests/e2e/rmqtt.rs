//! A large hub and its shops at a cluster of brokers, whose members are killed in turn while the shops sell.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use own_rmqtt::{Cluster, MEMBERS};
use percolate_runtime::system::monotonic_now;
use serde_json::Value;
use system_tests::audit::proven_at;
use system_tests::books::{counted_once_at, list, sell_each};
use system_tests::harness::large::{Ground, Replica};
use system_tests::harness::{Node, eventually};
use system_tests::reads::Reader;

/// Sales of each shop at a time.
const SALES: usize = 5;

/// A chain at a cluster: a process of the hub and a shop began at each member.
struct Chain {
    ground: Ground<Cluster>,
    ingest: Vec<Replica>,
    catalog: Replica,
    reporting: Vec<Replica>,
    shops: Vec<Node>,
    told: Vec<BTreeSet<String>>,
}

impl Chain {
    async fn start(ground: Ground<Cluster>) -> Result<Self> {
        let (mut ingest, mut reporting, mut shops) = (Vec::new(), Vec::new(), Vec::new());
        for number in 1..=MEMBERS {
            ingest.push(ground.start(&format!("ingest-{number}"), "ingest", &[]).await?);
        }
        for number in 1..=2 {
            reporting.push(ground.start(&format!("reporting-{number}"), "reporting", &[]).await?);
        }
        let catalog = ground.start("catalog", "catalog", &[]).await?;
        for store in 1..=u32::try_from(MEMBERS)? {
            shops.push(ground.shop(store, &ground.broker.addresses()).await?);
        }
        let told = vec![BTreeSet::new(); shops.len()];
        Ok(Self { ground, ingest, catalog, reporting, shops, told })
    }

    /// Somebody who asks each process of the hub.
    fn reader(&self) -> Reader {
        let mut asked = vec![(self.catalog.client.clone(), "/v1/catalog/revisions")];
        asked.extend(self.ingest.iter().map(|replica| (replica.client.clone(), "/v1/sync/streams")));
        asked.extend(self.reporting.iter().map(|replica| (replica.client.clone(), "/v1/reporting/sales?by=store")));
        Reader::start(asked)
    }

    /// Sales at each shop, answered whatever happens to the broker.
    async fn sell(&mut self, key: &str) -> Result<()> {
        sell_each(&self.shops, &mut self.told, (SALES, key)).await
    }

    async fn all_acked(&self) -> Result<()> {
        for shop in &self.shops {
            shop.all_acked().await?;
        }
        Ok(())
    }

    /// Whether head office believes so many shops to be connected.
    async fn connected(&self, wanted: usize) -> Result<()> {
        let hub = self.ingest.first().context("a process of the hub")?;
        eventually("head office to know who is connected", || async {
            let nodes = list(&hub.client.get("/v1/sync/nodes").await?, "/rows")?;
            let online = nodes.iter().filter(|node| node.pointer("/online") == Some(&Value::Bool(true))).count();
            ensure!(online == wanted, "{online} are, of {nodes:?}");
            Ok(())
        })
        .await
    }

    /// SIGKILL of a member with what it was given and had not passed on. The others carry on, and then it is a member again.
    /// Gives how long after the death all was acknowledged.
    async fn survives(&mut self, member: usize) -> Result<Duration> {
        self.sell(&format!("before-{member}")).await?;
        let clients = self.ground.broker.connections(member)?;
        ensure!(clients > 0, "member {member} has no clients, and nobody would notice its death");
        self.ground.broker.freeze(member)?;
        self.sell(&format!("frozen-{member}")).await?;
        self.ground.broker.kill(member)?;
        let died = monotonic_now();
        self.sell(&format!("dead-{member}")).await?;
        self.all_acked().await?;
        let acked_in = monotonic_now().saturating_sub(died);
        self.ground.broker.again(member)?;
        self.sell(&format!("after-{member}")).await?;
        Ok(acked_in)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_broker_cluster_are_killed_in_turn_and_nothing_is_lost_or_doubled() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let Some(cluster) = Cluster::start(&["n11", "n21", "n31"])? else { return Ok(()) };
    let Some(ground) = Ground::behind(cluster, "rmqtt", scratch.path()).await? else { return Ok(()) };
    let mut chain = Chain::start(ground).await?;
    chain.sell("all-well").await?;
    chain.all_acked().await?;
    let reader = chain.reader();
    // When the last one dies, all there is was dead before.
    for member in 0..MEMBERS {
        let acked_in = chain.survives(member).await?;
        println!("all was acknowledged {acked_in:?} after member {member} was killed");
    }
    chain.all_acked().await?;
    println!("{} reads were answered meanwhile", reader.end().await?);
    for (shop, told) in chain.shops.iter().zip(&chain.told) {
        for reporting in &chain.reporting {
            counted_once_at(&reporting.client, shop, told).await?;
        }
    }
    // Somebody who does all of it answers the audit, beside them.
    let whole = chain.ground.start("whole", "ingest,catalog,reporting", &[]).await?;
    proven_at((whole.client.address(), scratch.path()), &chain.shops).await?;
    chain.connected(MEMBERS).await?;
    chain.shops.first_mut().context("a shop")?.kill()?;
    chain.connected(MEMBERS - 1).await?;
    for replica in chain.ingest.iter_mut().chain(&mut chain.reporting) {
        replica.stop().await.context("a process that no member's death ended")?;
    }
    chain.catalog.stop().await
}
