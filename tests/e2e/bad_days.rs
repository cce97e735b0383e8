//! Bad days: all that can break does, and the books come out the same.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use percolate_common::entropy::{Entropy as _, SeededEntropy};
use serde_json::Value;
use system_tests::audit::proven;
use system_tests::books::{complete, list, number, text};
use system_tests::harness::{Client, Hub, Node, NodeSpec, Proxy, eventually, shared_data, skipped};
use system_tests::imports::{STORES, equal_to_file, import, known_file};
use tokio::task::JoinSet;

/// The shop that has the bad day, by its place among the stores.
const SHOP: usize = 1;
/// SIGKILLs of its node.
const NODE_KILLS: u64 = 5;
/// SIGKILLs of the hub.
const HUB_KILLS: u64 = 2;
/// The kills fall into this part of the shop's import, in percent, so that each finds it unfinished.
const KILLS_WITHIN_PERCENT: u64 = 80;
/// Most tickets that are written between two changes of the link.
const TICKETS_BETWEEN_MAX: u64 = 500;
/// Fewest cuts for the link to count as a bad one.
const CUTS_MIN: u32 = 3;
/// Chance.
const SEED: u64 = 2_023;

/// How far a shop's sales are.
#[derive(Debug)]
struct Reach {
    written: u64,
    acked: u64,
    link: String,
}

async fn reach(client: &Client) -> Result<Reach> {
    let node = client.get("/v1/node").await?;
    let streams = list(&node, "/streams")?;
    let sales = |stream: &&Value| text(stream, "/stream").is_ok_and(|name| name == "sales");
    let sales = streams.iter().find(sales).context("sales")?;
    let seq = |field: &str| Ok::<_, anyhow::Error>(u64::try_from(number(sales, field)?)?);
    Ok(Reach { written: seq("/last_seq")?, acked: seq("/acked_seq")?, link: text(&node, "/link")? })
}

async fn reached(what: &str, client: &Client, enough: impl Fn(&Reach) -> bool) -> Result<Reach> {
    eventually(what, || async {
        let now = reach(client).await?;
        ensure!(enough(&now), "{now:?}");
        Ok(now)
    })
    .await
}

/// How far a shop is, as soon as it answers: it may just be down.
async fn answered(client: &Client) -> Result<Reach> {
    reached("the shop to answer", client, |_any| true).await
}

/// Cuts and mends a shop's link until all of its tickets are written. Tells how often it was down while sales waited.
async fn cut_at_random(link: &Proxy, client: &Client, tickets: u64, dice: &SeededEntropy) -> Result<u32> {
    let mut cuts = 0;
    loop {
        let let_through = answered(client).await?.acked + 1 + dice.next_u64() % TICKETS_BETWEEN_MAX;
        let now = reached("sales to arrive", client, |r| r.acked >= let_through || r.written == tickets).await?;
        if now.written == tickets {
            return Ok(cuts);
        }
        link.cut();
        let gone = |r: &Reach| (r.link == "down" && r.written > r.acked) || r.written == tickets;
        let now = reached("sales to wait for a link that is down", client, gone).await?;
        cuts += u32::from(now.link == "down" && now.written > now.acked);
        let goal = now.written + dice.next_u64() % TICKETS_BETWEEN_MAX;
        reached("sales to be written offline", client, |r| r.written >= goal || r.written == tickets).await?;
        link.mend();
    }
}

/// Kills the shop's node and the hub, in an order and at moments of chance, all before the shop's import is at its end.
async fn kill_at_random(hub: &mut Hub, node: &mut Node, tickets: u64, dice: &SeededEntropy) -> Result<()> {
    let slice = tickets * KILLS_WITHIN_PERCENT / 100 / (NODE_KILLS + HUB_KILLS);
    let (mut node_kills, mut hub_kills) = (NODE_KILLS, HUB_KILLS);
    for part in 0..NODE_KILLS + HUB_KILLS {
        let moment = slice * part + dice.next_u64() % slice;
        reached("the moment of a kill", &node.client, |r| r.written >= moment).await?;
        let unfinished = if dice.next_u64() % (node_kills + hub_kills) < hub_kills {
            hub.kill()?;
            hub_kills -= 1;
            let goal = answered(&node.client).await?.written + 1;
            let unfinished = reached("the shop to go on without the hub", &node.client, |r| r.written >= goal).await?;
            hub.restart().await?;
            unfinished
        } else {
            node.kill()?;
            node_kills -= 1;
            node.restart().await?;
            answered(&node.client).await?
        };
        ensure!(unfinished.written < tickets, "the kill came too late: {unfinished:?} of {tickets}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_through_cuts_and_kills_comes_to_the_same_cent() -> Result<()> {
    let Some(data) = shared_data() else {
        skipped("an import on a bad day", "the folder of real data is not beside the project");
        return Ok(());
    };
    let scratch = tempfile::tempdir()?;
    let (copy, file) = known_file(&data, scratch.path())?;
    let mut hub = Hub::start(scratch.path()).await?;
    let link = Arc::new(Proxy::start(hub.mqtts()).await?);
    let mut nodes = Vec::new();
    for (at, (_theirs, ours)) in STORES.into_iter().enumerate() {
        let door = if at == SHOP { hub.door().through(&link.address()) } else { hub.door() };
        nodes.push(Node::start(scratch.path(), NodeSpec::store(ours), &door, &[]).await?);
    }
    let (theirs, _ours) = STORES[SHOP];
    let tickets = u64::try_from(file.by_store.get(&theirs.to_string()).context("the shop's sums")?.tickets)?;

    let mut importing = JoinSet::new();
    let mut import = import(&copy, &nodes)?;
    importing.spawn(async move { import.output().await });
    let mut cutting = JoinSet::new();
    let (link_to_cut, shop) = (link.clone(), nodes[SHOP].client.clone());
    cutting.spawn(async move { cut_at_random(&link_to_cut, &shop, tickets, &SeededEntropy::new(SEED)).await });
    kill_at_random(&mut hub, &mut nodes[SHOP], tickets, &SeededEntropy::new(SEED + 1)).await?;
    let cuts = cutting.join_next().await.context("the cutter")???;
    let imported = importing.join_next().await.context("the import")???;

    ensure!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let report: Value = serde_json::from_slice(&imported.stdout)?;
    let told = list(&report, "/stores")?;
    let created: i64 = told.iter().map(|store| number(store, "/tickets_created")).sum::<Result<_>>()?;
    assert_eq!(created, file.total.tickets, "what was sent again counts as new, once");
    ensure!(cuts >= CUTS_MIN, "the link was down for waiting sales {cuts} times only");
    for node in &nodes {
        complete(&hub, node).await?;
    }
    equal_to_file(&hub, &file).await?;
    proven(&hub, &nodes).await
}
