//! A rush in which everything that can be killed is killed: all is delivered, once.

use anyhow::{Context as _, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use system_tests::harness::{Client, Hub, Node, NodeSpec, Proxy, eventually};
use tokio::task::JoinSet;

use system_tests::books::{any_item, complete, hub_totals, number, store_totals, text, ticket};

/// What a till believes: accepted tickets by receipt.
#[derive(Debug, Default)]
struct Till {
    receipts: Vec<String>,
    total_minor: i64,
    retries: u32,
}

/// Sells without pause until told to stop; an answer that does not come is asked for again under the same key.
async fn sell_until(
    client: Client,
    terminal: String,
    item: i64,
    stop: Arc<AtomicBool>,
    sold: Arc<AtomicU32>,
) -> Result<Till> {
    let mut till = Till::default();
    let mut number_of_ticket = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        number_of_ticket += 1;
        let key = format!("{terminal}-{number_of_ticket}");
        let body = ticket(&terminal, item, 1 + number_of_ticket % 3);
        let mut attempts = 0_u32;
        let receipt = eventually("a sale to be answered", || {
            attempts += 1;
            client.post("/v1/tickets", &key, &body)
        })
        .await?;
        till.retries += attempts - 1;
        till.receipts.push(text(&receipt, "/receipt")?);
        till.total_minor += number(&receipt, "/total_minor")?;
        sold.fetch_add(1, Ordering::Relaxed);
    }
    Ok(till)
}

/// Waits for `more` tickets beyond what has been sold so far.
async fn more_sold(sold: &AtomicU32, more: u32) -> Result<()> {
    let goal = sold.load(Ordering::Relaxed) + more;
    eventually("more tickets", || async {
        let now = sold.load(Ordering::Relaxed);
        ensure!(now >= goal, "{now} of {goal}");
        Ok(())
    })
    .await
}

/// The day's books at store, till and hub must be one.
async fn books_agree(hub: &Hub, node: &Node, tills: &[&Till]) -> Result<()> {
    complete(hub, node).await?;
    let tickets: usize = tills.iter().map(|till| till.receipts.len()).sum();
    let money: i64 = tills.iter().map(|till| till.total_minor).sum();
    let store = store_totals(node).await?;
    assert_eq!((store.0, store.2), (i64::try_from(tickets)?, money), "store against tills");
    assert_eq!(hub_totals(hub, node.spec.store).await?, store, "hub against store");
    for till in tills {
        let numbers: Vec<u64> =
            till.receipts.iter().filter_map(|receipt| receipt.rsplit('-').next()?.parse().ok()).collect();
        let expected: Vec<u64> = (1..=u64::try_from(numbers.len())?).collect();
        assert_eq!(numbers, expected, "receipt numbers are gapless and in order");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hub_broker_and_node_killed_in_the_rush_and_all_is_delivered_once() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut hub = Hub::start(scratch.path()).await?;
    let mut nodes = Vec::new();
    for store in 1..=2 {
        nodes.push(Node::start(scratch.path(), NodeSpec::store(store), &hub.door(), &[]).await?);
    }
    let (stop, sold) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut tills = JoinSet::new();
    for node in &nodes {
        node.ready().await?;
        let item = any_item(node).await?;
        for terminal in ["T1", "T2"] {
            let (client, store) = (node.client.clone(), node.spec.store);
            let selling = sell_until(client, terminal.to_owned(), item, stop.clone(), sold.clone());
            tills.spawn(async move { (store, selling.await) });
        }
    }
    for _round in 0..2 {
        more_sold(&sold, 100).await?;
        hub.kill()?;
        more_sold(&sold, 100).await.context("shops sell on without the hub")?;
        hub.restart().await?;
        more_sold(&sold, 50).await?;
        nodes[0].kill()?;
        more_sold(&sold, 20).await.context("the other shop sells on")?;
        nodes[0].restart().await?;
    }
    more_sold(&sold, 50).await?;
    stop.store(true, Ordering::Relaxed);
    let mut results = Vec::new();
    while let Some(result) = tills.join_next().await {
        let (store, till) = result?;
        results.push((store, till?));
    }
    let retries: u32 = results.iter().map(|(_, till)| till.retries).sum();
    assert!(retries > 0, "the kills were felt at the tills");
    for node in &nodes {
        let of_store: Vec<_> =
            results.iter().filter(|(store, _)| *store == node.spec.store).map(|(_, till)| till).collect();
        books_agree(&hub, node, &of_store).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_cut_again_and_again_loses_and_doubles_nothing() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let hub = Hub::start(scratch.path()).await?;
    let proxy = Proxy::start(hub.mqtts()).await?;
    let node = Node::start(scratch.path(), NodeSpec::store(1), &hub.door().through(&proxy.address()), &[]).await?;
    node.ready().await?;
    let item = any_item(&node).await?;
    let (stop, sold) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut selling = JoinSet::new();
    selling.spawn(sell_until(node.client.clone(), "T1".to_owned(), item, stop.clone(), sold.clone()));
    for _cut in 0..5 {
        more_sold(&sold, 40).await?;
        proxy.cut();
        eventually("the store to notice", || async {
            let state = node.client.get("/v1/node").await?;
            ensure!(text(&state, "/link")? == "down", "{state}");
            Ok(())
        })
        .await?;
        more_sold(&sold, 40).await?;
        proxy.mend();
    }
    stop.store(true, Ordering::Relaxed);
    let till = selling.join_next().await.context("a till")???;
    assert!(till.receipts.len() >= 400);
    books_agree(&hub, &node, &[&till]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tills_share_the_disk_and_every_answer_is_durable() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let hub = Hub::start(scratch.path()).await?;
    let mut node = Node::start(scratch.path(), NodeSpec::store(1), &hub.door(), &[]).await?;
    node.ready().await?;
    let item = any_item(&node).await?;
    let sold = Arc::new(AtomicU32::new(0));
    let mut tills = JoinSet::new();
    for till in 1..=16 {
        let (client, sold) = (node.client.clone(), sold.clone());
        tills.spawn(async move {
            let mut answered = Vec::new();
            loop {
                let key = format!("{till}-{}", answered.len());
                match client.post("/v1/tickets", &key, &ticket(&format!("T{till}"), item, 1)).await {
                    Ok(answer) => answered.push(text(&answer, "/ticket_id").unwrap_or_default()),
                    Err(_killed) => break answered,
                }
                sold.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    more_sold(&sold, 200).await?;
    node.kill()?;
    let answered: Vec<String> = tills.join_all().await.into_iter().flatten().collect();
    assert!(answered.len() >= 200);
    node.restart().await?;
    for id in &answered {
        node.client.get(&format!("/v1/tickets/{id}")).await.context("answered means durable")?;
    }
    complete(&hub, &node).await?;
    let (tickets, ..) = hub_totals(&hub, 1).await?;
    assert!(tickets >= i64::try_from(answered.len())?, "{tickets} of {}", answered.len());
    assert_eq!(store_totals(&node).await?.0, tickets);
    Ok(())
}
