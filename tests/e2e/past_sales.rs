//! Three months of three shops, imported through their running stores, equal to the file to the cent.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use system_tests::harness::{Hub, Node, NodeSpec, shared_data, skipped};
use system_tests::imports::{STORES, equal_to_file, import, known_file, sums};
use system_tests::past_sales::Sums;

use system_tests::books::{complete, list, number};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_months_of_past_sales_equal_the_file_to_the_cent() -> Result<()> {
    let Some(data) = shared_data() else {
        skipped("past sales", "the folder of real data is not beside the project");
        return Ok(());
    };
    let scratch = tempfile::tempdir()?;
    let (copy, file) = known_file(&data, scratch.path())?;
    let hub = Hub::start(scratch.path()).await?;
    let mut nodes = Vec::new();
    for (_theirs, ours) in STORES {
        nodes.push(Node::start(scratch.path(), NodeSpec::store(ours), &hub.door(), &[]).await?);
    }
    let first = import(&copy, &nodes)?.output().await?;
    ensure!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    ensure!(!scratch.path().join("sales.csv.gz.quarantine.csv").exists(), "nothing was quarantined");
    for node in &nodes {
        complete(&hub, node).await?;
    }
    equal_to_file(&hub, &file).await?;
    let heads_before = heads(&nodes).await?;
    let again = import(&copy, &nodes)?.output().await?;
    ensure!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(heads(&nodes).await?, heads_before, "a second import changes nothing");
    equal_to_file(&hub, &file).await
}

async fn heads(nodes: &[Node]) -> Result<Vec<Value>> {
    let mut heads = Vec::new();
    for node in nodes {
        let streams = list(&node.all_acked().await?, "/streams")?;
        heads.extend(streams.iter().filter_map(|stream| stream.get("head").cloned()));
    }
    Ok(heads)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_rows_are_set_aside_and_the_rest_loads_in_any_order() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let header = "transaction_id,transaction_date,transaction_time,transaction_qty,store_id,\
        store_location,product_id,unit_price,product_category,product_type,product_detail\n";
    let good = [
        "1,2023-01-01,07:06:11,2,5,Lower Manhattan,32,3.00,Coffee,Gourmet,Ethiopia Rg\n",
        "2,2023-01-01,07:06:11,1,5,Lower Manhattan,57,3.10,Tea,Chai,Spicy Lg\n",
        "3,2023-01-01,07:08:00,1,3,Astoria,57,3.10,Tea,Chai,Spicy Lg\n",
        "4,2023-11-05,01:30:00,1,8,Hell's Kitchen,57,3.10,Tea,Chai,Spicy Lg\n",
    ];
    let bad = [
        ("5,2023-03-12,02:30:00,1,8,Hell's Kitchen,57,3.10,Tea,Chai,Spicy Lg\n", "skipped"),
        ("6,2023-13-01,07:00:00,1,8,Hell's Kitchen,57,3.10,Tea,Chai,Spicy Lg\n", "date"),
        ("7,2023-01-01,07:00:00,-1,8,Hell's Kitchen,57,3.10,Tea,Chai,Spicy Lg\n", "quantity"),
        ("8,2023-01-01,07:00:00,1,8,Hell's Kitchen,57,3.105,Tea,Chai,Spicy Lg\n", "price"),
        ("9,2023-01-01,07:00:00,1,77,Nowhere,57,3.10,Tea,Chai,Spicy Lg\n", "store"),
        ("10,2023-01-01,07:00:00,1\n", "columns"),
    ];
    let file = scratch.path().join("damaged.csv");
    // Shuffled, doubled, and with every kind of damage between.
    let shuffled =
        [good[3], bad[0].0, good[1], bad[1].0, good[0], bad[2].0, good[2], bad[3].0, good[1], bad[4].0, bad[5].0];
    std::fs::write(&file, format!("{header}{}", shuffled.concat()))?;
    let hub = Hub::start(scratch.path()).await?;
    let mut nodes = Vec::new();
    for (_theirs, ours) in STORES {
        nodes.push(Node::start(scratch.path(), NodeSpec::store(ours), &hub.door(), &[]).await?);
    }
    let output = import(&file, &nodes)?.output().await?;
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let quarantine = std::fs::read_to_string(scratch.path().join("damaged.csv.quarantine.csv"))?;
    for (row, hint) in bad {
        let id = row.split(',').next().context("an id")?;
        let line = quarantine.lines().find(|line| line.split(',').any(|field| field == id) && line.contains("2023"));
        ensure!(line.is_some(), "row {id} ({hint}) is not in the quarantine:\n{quarantine}");
    }
    assert_eq!(quarantine.lines().count(), 1 + bad.len(), "{quarantine}");
    for node in &nodes {
        complete(&hub, node).await?;
    }
    let report = hub.client.get("/v1/reporting/sales?by=store").await?;
    assert_eq!(sums(&report, "/totals")?, Sums { tickets: 3, units: 5, cents: 600 + 310 + 310 + 310 });
    assert_eq!(number(&report, "/totals/tax_unknown_tickets")?, 3, "tax is unknown, not zero");
    Ok(())
}
