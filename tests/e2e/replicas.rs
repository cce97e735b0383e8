//! A large hub in parts: three processes take in what shops send, two keep the menu, two the reports. Each is killed while
//! the shops sell, and so are the broker and the sessions with the database; while an import goes through, the database's server,
//! too.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use percolate_common::wire::topic::LANES;
use system_tests::audit::proven_at;
use system_tests::books::{complete_at, counted_once_at, list, number, sell_each};
use system_tests::harness::large::{Ground, Replica, hub_papers, mosquitto};
use system_tests::harness::{Balancer, Client, Node, Postgres, eventually, shared_data, skipped};
use system_tests::imports::{STORES, equal_to_file_at, import, known_file};
use system_tests::reads::Reader;
use tokio::task::JoinSet;

/// Rounds of sales; in each something else is hurt.
const ROUNDS: usize = 8;

/// Sales of each shop before, and after, what is done in a round.
const SALES: usize = 3;

async fn shops(ground: &Ground) -> Result<Vec<Node>> {
    let broker = ground.broker.address().to_string();
    let mut shops = Vec::new();
    for store in [1, 2, 3] {
        shops.push(ground.shop(store, &broker).await?);
    }
    Ok(shops)
}

/// Sales at each shop, answered whatever happens to the hub.
async fn sell(shops: &[Node], told: &mut [BTreeSet<String>], key: &str) -> Result<()> {
    sell_each(shops, told, (SALES, key)).await
}

fn at(replicas: &mut [Replica], number: usize) -> Result<&mut Replica> {
    replicas.get_mut(number).context("a replica")
}

/// One thing that goes wrong in each round.
async fn hurt(round: usize, ground: &Ground, parts: &mut [Vec<Replica>; 3]) -> Result<()> {
    let [ingest, catalog, reporting] = parts;
    match round {
        0..=2 => at(ingest, round)?.kill()?,
        3 => ensure!(ground.end_sessions().await? > 0, "no session was ended"),
        4 | 5 => at(reporting, round - 4)?.kill()?,
        6 => at(catalog, 0)?.kill()?,
        _ => {
            ground.broker.kill()?;
            ground.broker.again()?;
        }
    }
    Ok(())
}

async fn heal(round: usize, parts: &mut [Vec<Replica>; 3]) -> Result<()> {
    let [ingest, catalog, reporting] = parts;
    match round {
        0..=2 => at(ingest, round)?.restart().await,
        4 | 5 => at(reporting, round - 4)?.restart().await,
        6 => at(catalog, 0)?.restart().await,
        _ => Ok(()),
    }
}

/// The replicas come to have equal shares of the lanes, whatever was done to them. Three shops need not be on lanes of three.
async fn shared(ingest: &[Replica], shops: &[Node], told: &mut [BTreeSet<String>]) -> Result<()> {
    eventually("each replica to have its share", || async {
        for replica in ingest {
            let lanes = replica.metric("hub_lanes_held").await.unwrap_or(0.0);
            ensure!(lanes == f64::from(LANES / 3), "one of three has {lanes} lanes");
        }
        Ok(())
    })
    .await?;
    sell(shops, told, "share").await
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_large_hub_are_killed_in_turn_and_nothing_is_lost_or_doubled() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let Some(ground) = Ground::new("replicas", scratch.path()).await? else { return Ok(()) };
    let mut parts: [Vec<Replica>; 3] = Default::default();
    for (replicas, (part, count)) in parts.iter_mut().zip([("ingest", 3), ("catalog", 2), ("reporting", 2)]) {
        for number in 1..=count {
            replicas.push(ground.start(&format!("{part}-{number}"), part, &[]).await?);
        }
    }
    let shops = shops(&ground).await?;
    let mut told = vec![BTreeSet::new(); shops.len()];
    for round in 0..ROUNDS {
        sell(&shops, &mut told, &format!("before-{round}")).await?;
        hurt(round, &ground, &mut parts).await?;
        sell(&shops, &mut told, &format!("after-{round}")).await?;
        heal(round, &mut parts).await?;
    }
    let [ingest, catalog, reporting] = &parts;
    shared(ingest, &shops, &mut told).await?;
    for (shop, told) in shops.iter().zip(&told) {
        shop.all_acked().await?;
        for replica in reporting {
            counted_once_at(&replica.client, shop, told).await?;
        }
    }
    eventually("one process to have each duty", || async {
        for (replicas, duty) in [(ingest, "downlink"), (ingest, "relay_catalog"), (reporting, "reporting")] {
            let mut holders = 0.0;
            for replica in replicas {
                holders += replica.metric(&format!("hub_duty_held{{duty=\"{duty}\"}}")).await.unwrap_or(0.0);
            }
            ensure!(holders == 1.0, "{holders} processes have {duty}");
        }
        Ok(())
    })
    .await?;
    for replica in catalog {
        let revisions = replica.client.get("/v1/catalog/revisions").await?;
        ensure!(list(&revisions, "/rows")?.len() == 1, "the menu was published more than once: {revisions}");
    }
    // Somebody who does all of it answers the audit, beside them.
    let whole = ground.start("whole", "ingest,catalog,reporting", &[]).await?;
    proven_at((whole.client.address(), scratch.path()), &shops).await?;
    for replica in parts.iter_mut().flatten() {
        replica.stop().await?;
    }
    Ok(())
}

/// Whether a process says that it is about to stop, at some time before it has.
async fn says_that_it_drains(client: &Client) -> Result<()> {
    eventually("the process to say that it drains", || async {
        let ready = client.try_get("/readyz").await?;
        ensure!(ready.status == 503 && ready.text.contains("draining"), "{}", ready.text);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_large_hub_are_restarted_in_turn_and_say_so_before_they_stop() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let Some(ground) = Ground::new("rolled", scratch.path()).await? else { return Ok(()) };
    let mut parts = Vec::new();
    for part in ["ingest", "catalog,reporting"] {
        for number in 1..=2 {
            parts.push(ground.start(&format!("{part}-{number}"), part, &[]).await?);
        }
    }
    let shops = shops(&ground).await?;
    let mut told = vec![BTreeSet::new(); shops.len()];
    for (number, part) in parts.iter_mut().enumerate() {
        sell(&shops, &mut told, &format!("before-{number}")).await?;
        let client = part.client.clone();
        let (drained, stopped) = tokio::join!(says_that_it_drains(&client), part.stop());
        drained?;
        stopped?;
        sell(&shops, &mut told, &format!("after-{number}")).await?;
        for shop in &shops {
            shop.all_acked().await?;
        }
        part.restart().await?;
    }
    for (shop, told) in shops.iter().zip(&told) {
        for reporting in parts.iter().skip(2) {
            counted_once_at(&reporting.client, shop, told).await?;
        }
    }
    Ok(())
}

/// What the next version of the program that takes in what shops send brings to the journal's schema.
const NEXT: &str = "ALTER TABLE journal.journal_stream ADD COLUMN note TEXT;
    INSERT INTO journal.schema_migration (number, name, checksum, oldest)
    SELECT max(number) + 1, 'next', decode(repeat('00', 32), 'hex'), max(number) FROM journal.schema_migration";

/// As if it were another one, with which programs of this version cannot go on.
const NARROWER: &str = "UPDATE journal.schema_migration SET oldest = number WHERE name = 'next'";

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_two_versions_serve_one_chain_as_long_as_the_schema_was_only_expanded() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let Some(ground) = Ground::new("versions", scratch.path()).await? else { return Ok(()) };
    let mut parts = Vec::new();
    for part in ["ingest", "catalog", "reporting"] {
        parts.push(ground.start(part, part, &[]).await?);
    }
    let shops = shops(&ground).await?;
    let mut told = vec![BTreeSet::new(); shops.len()];
    sell(&shops, &mut told, "before").await?;
    ground.admin_batch(NEXT).await?;
    sell(&shops, &mut told, "beside").await?;
    // Each part of this version is started beside the newer one, as a rolled back one would be.
    for (number, part) in parts.iter_mut().enumerate() {
        part.stop().await?;
        sell(&shops, &mut told, &format!("without-{number}")).await?;
        part.restart().await?;
        sell(&shops, &mut told, &format!("with-{number}")).await?;
    }
    ground.admin_batch(NARROWER).await?;
    for part in ["ingest", "reporting"] {
        let said = ground.refused(&format!("late-{part}"), part).await?;
        ensure!(said.contains("use the newer program"), "{said}");
    }
    // Whoever runs already goes on.
    sell(&shops, &mut told, "after").await?;
    let [_, _, reporting] = parts.as_slice() else { anyhow::bail!("three parts") };
    for (shop, told) in shops.iter().zip(&told) {
        shop.all_acked().await?;
        counted_once_at(&reporting.client, shop, told).await?;
    }
    Ok(())
}

/// What is killed while an import goes through.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Ingest(usize),
    Reporting(usize),
    Broker,
    Database,
}

/// Each when so many percent of a shop's tickets have been acknowledged.
const VICTIMS: [(i64, Victim); 6] = [
    (10, Victim::Ingest(0)),
    (20, Victim::Reporting(0)),
    (30, Victim::Database),
    (45, Victim::Broker),
    (60, Victim::Ingest(1)),
    (75, Victim::Reporting(1)),
];

/// The processes for the reports, as the balancer knows them.
const REPORTING: [&str; 2] = ["reporting-1", "reporting-2"];

/// A large hub on a database server of its own, whose reports are read behind a balancer.
struct Import {
    ground: Ground,
    parts: [Vec<Replica>; 3],
    balancer: Balancer,
    reports: Client,
    server: Postgres,
}

impl Import {
    /// Nothing where a server is missing.
    async fn start(scratch: &Path) -> Result<Option<Self>> {
        let Some(server) = Postgres::start(None)? else { return Ok(None) };
        let Some(broker) = mosquitto(scratch)? else { return Ok(None) };
        hub_papers(scratch)?;
        let ground = Ground::on(broker, &server.connection(), scratch).await?;
        let mut parts: [Vec<Replica>; 3] = Default::default();
        for (replicas, (part, count)) in parts.iter_mut().zip([("ingest", 3), ("catalog", 1), ("reporting", 2)]) {
            for number in 1..=count {
                replicas.push(ground.start(&format!("{part}-{number}"), part, &[]).await?);
            }
        }
        let [_, _, reporting] = &parts;
        let addresses = reporting.iter().map(|replica| replica.client.address().to_owned());
        let Some(balancer) = Balancer::start(&REPORTING.into_iter().zip(addresses).collect::<Vec<_>>())? else {
            return Ok(None);
        };
        let reports = Client::new(balancer.address(), scratch)?;
        Ok(Some(Self { ground, parts, balancer, reports, server }))
    }

    /// Kills it, and starts it again.
    async fn hurt(&mut self, victim: Victim) -> Result<()> {
        let [ingest, _, reporting] = &mut self.parts;
        match victim {
            Victim::Ingest(number) => {
                let replica = at(ingest, number)?;
                replica.kill()?;
                replica.restart().await
            }
            Victim::Reporting(number) => {
                for name in REPORTING {
                    self.balancer.has(name, true).await?;
                }
                let reader = Reader::start(vec![(self.reports.clone(), "/v1/reporting/sales?by=store")]);
                let replica = at(reporting, number)?;
                replica.kill()?;
                replica.restart().await?;
                let name = REPORTING.get(number).context("its name")?;
                self.balancer.has(name, true).await?;
                let answers = reader.end().await?;
                ensure!(answers > 0, "nobody has read while {name} was killed");
                Ok(())
            }
            Victim::Broker => {
                self.ground.broker.kill()?;
                Ok(self.ground.broker.again()?)
            }
            Victim::Database => {
                self.server.kill()?;
                ensure!(!self.server.runs()?, "the database's server runs");
                self.server.again()
            }
        }
    }

    /// Kills one after the other while an import goes through a shop with so many tickets.
    async fn hurt_all(&mut self, (shop, tickets): (&Node, i64)) -> Result<()> {
        for (percent, victim) in VICTIMS {
            eventually("the moment of a kill", || async {
                let streams = list(&shop.client.get("/v1/node").await?, "/streams")?;
                let acked = streams.iter().map(|stream| number(stream, "/acked_seq")).sum::<Result<i64>>()?;
                ensure!(acked * 100 >= tickets * percent, "{acked} of {tickets}");
                Ok(())
            })
            .await?;
            self.hurt(victim).await.with_context(|| format!("{victim:?}"))?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_into_a_large_hub_comes_to_the_same_cent_while_its_parts_are_killed() -> Result<()> {
    let Some(data) = shared_data() else {
        skipped("an import into a large hub", "the folder of real data is not beside the project");
        return Ok(());
    };
    let scratch = tempfile::tempdir()?;
    let Some(mut hub) = Import::start(scratch.path()).await? else { return Ok(()) };
    let (copy, file) = known_file(&data, scratch.path())?;
    let shops = shops(&hub.ground).await?;
    let mut importing = JoinSet::new();
    let mut import = import(&copy, &shops)?;
    importing.spawn(async move { import.output().await });
    let (theirs, _ours) = STORES[0];
    let tickets = file.by_store.get(&theirs.to_string()).context("the shop's sums")?.tickets;
    hub.hurt_all((shops.first().context("a shop")?, tickets)).await?;
    let imported = importing.join_next().await.context("the import")???;
    ensure!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let [_, _, reporting] = &hub.parts;
    for replica in reporting {
        for shop in &shops {
            complete_at(&replica.client, shop).await?;
        }
        equal_to_file_at(&replica.client, &file).await?;
    }
    let whole = hub.ground.start("whole", "ingest,catalog,reporting", &[]).await?;
    proven_at((whole.client.address(), scratch.path()), &shops).await
}
