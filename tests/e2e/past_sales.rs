//! Three months of three shops, imported through their running stores, equal to the file to the cent.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use system_tests::harness::{Hub, Node, NodeSpec, program, shared_data, skipped};
use system_tests::past_sales::{PastSales, Sums, add_up};

use system_tests::books::{complete, list, number, text};

/// Store numbers in the file, and ours.
const STORES: [(u32, u32); 3] = [(3, 1), (5, 2), (8, 3)];

fn import(file: &Path, nodes: &[Node]) -> Result<Output> {
    let mut command = Command::new(program("provision")?);
    command.args(["import", &file.to_string_lossy(), "--source", "past", "--wait", "--json"]);
    for node in nodes {
        let token = node.data().join("token");
        command.args(["--node", &format!("http://{},{}", node.client.address(), token.display())]);
    }
    for (theirs, ours) in STORES {
        command.args(["--map", &format!("{theirs}={ours}")]);
    }
    command.output().context("running the import")
}

async fn import_in_thread(file: &Path, nodes: Vec<Node>) -> Result<(Output, Vec<Node>)> {
    let file = file.to_owned();
    tokio::task::spawn_blocking(move || import(&file, &nodes).map(|output| (output, nodes))).await?
}

/// A report's rows, by key, as sums.
async fn rows(hub: &Hub, query: &str) -> Result<BTreeMap<String, Sums>> {
    let report = hub.client.get(&format!("/v1/reporting/sales?{query}")).await?;
    list(&report, "/rows")?.iter().map(|row| Ok((text(row, "/key")?, sums(row, "")?))).collect()
}

fn sums(value: &Value, at: &str) -> Result<Sums> {
    let of = |field: &str| number(value, &format!("{at}/{field}"));
    Ok(Sums { tickets: of("tickets")?, units: of("units")?, cents: of("net_minor")? })
}

fn renamed(map: &BTreeMap<String, Sums>, name: impl Fn(&str) -> String) -> BTreeMap<String, Sums> {
    map.iter().map(|(key, value)| (name(key), *value)).collect()
}

async fn assert_equal_to_file(hub: &Hub, file: &PastSales) -> Result<()> {
    let report = hub.client.get("/v1/reporting/sales?by=store").await?;
    assert_eq!(sums(&report, "/totals")?, file.total);
    let ours = |theirs: &str| {
        STORES
            .iter()
            .find(|(number, _)| number.to_string() == theirs)
            .map(|(_, ours)| ours.to_string())
            .unwrap_or_default()
    };
    assert_eq!(rows(hub, "by=store").await?, renamed(&file.by_store, ours));
    assert_eq!(rows(hub, "by=month").await?, file.by_month);
    let nonzero_hours: BTreeMap<_, _> =
        rows(hub, "by=hour").await?.into_iter().filter(|(_, sums)| sums.units > 0).collect();
    let hour = |key: &str| key.trim_start_matches('0').to_owned();
    assert_eq!(renamed(&nonzero_hours, hour), renamed(&file.by_hour, hour));
    assert_eq!(rows(hub, "by=item").await?, renamed(&file.by_product, |id| format!("l:past:{id}")));
    assert_eq!(rows(hub, "by=category").await?, renamed(&file.by_category, |name| format!("l:past:{name}")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_months_of_past_sales_equal_the_file_to_the_cent() -> Result<()> {
    let Some(data) = shared_data() else {
        skipped("past sales", "the folder of real data is not beside the project");
        return Ok(());
    };
    let path = data.join("coffee-shop-sales/sales-2023-q1.csv.gz");
    let file = add_up(&path)?;
    assert_eq!(file.total, Sums { tickets: 42_994, units: 78_826, cents: 25_665_761 }, "the file is the known one");
    let scratch = tempfile::tempdir()?;
    let copy = scratch.path().join("sales.csv.gz");
    std::fs::copy(&path, &copy)?;
    let hub = Hub::start(scratch.path()).await?;
    let mut nodes = Vec::new();
    for (_theirs, ours) in STORES {
        nodes.push(Node::start(scratch.path(), NodeSpec::store(ours), &hub.mqtt, &[]).await?);
    }
    let (first, nodes) = import_in_thread(&copy, nodes).await?;
    ensure!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    ensure!(!scratch.path().join("sales.csv.gz.quarantine.csv").exists(), "nothing was quarantined");
    for node in &nodes {
        complete(&hub, node).await?;
    }
    assert_equal_to_file(&hub, &file).await?;
    let heads_before = heads(&nodes).await?;
    let (again, nodes) = import_in_thread(&copy, nodes).await?;
    ensure!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(heads(&nodes).await?, heads_before, "a second import changes nothing");
    assert_equal_to_file(&hub, &file).await
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
        nodes.push(Node::start(scratch.path(), NodeSpec::store(ours), &hub.mqtt, &[]).await?);
    }
    let (output, nodes) = import_in_thread(&file, nodes).await?;
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
