//! The golden month: made from a seed, brought in through real shops, and added up by another hand (`tests/oracle`).

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};
use system_tests::books::{complete, list, number, text};
use system_tests::golden_month;
use system_tests::harness::{Client, Hub, Node, NodeSpec};
use system_tests::imports::{STORES, import};
use tokio::process::Command;

/// Chance.
const SEED: u64 = 2_411;
/// Hours at which the trading days of the three shops end.
const CUTOVER_HOURS: [u8; 3] = [4, 2, 0];
/// What the month adds up to: tickets, lines, units and cents. It changes only together with the month.
const KNOWN: [i64; 4] = [3_470, 7_391, 11_482, 6_419_572];

/// What the other hand says.
async fn oracle(file: &Path) -> Result<Value> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/month.py");
    let mut command = Command::new("python3");
    command.arg(&program).arg(file).stdin(Stdio::null()).kill_on_drop(true);
    for ((theirs, ours), cutover) in STORES.iter().zip(CUTOVER_HOURS) {
        command.arg(format!("{theirs}={ours}:{cutover}"));
    }
    let output = command.output().await.context("python3, which scripts/setup.sh installs")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Tickets, lines, units and cents at a place of a server's answer.
fn four(value: &Value, at: &str) -> Result<Value> {
    let of = |field: &str| number(value, &format!("{at}/{field}"));
    Ok(json!([of("tickets")?, of("lines")?, of("units")?, of("net_minor")?]))
}

async fn report(office: &Client, query: &str) -> Result<(Map<String, Value>, Value)> {
    let report = office.get(&format!("/v1/reporting/sales?{query}")).await?;
    let rows = list(&report, "/rows")?;
    let rows = rows.iter().map(|row| Ok((text(row, "/key")?, four(row, "")?))).collect::<Result<_>>()?;
    Ok((rows, four(&report, "/totals")?))
}

fn table<'a>(oracle: &'a Value, scope: &str, by: &str) -> Result<&'a Map<String, Value>> {
    let table = oracle.get("reports").and_then(|reports| reports.get(scope)?.get(by)?.as_object());
    table.with_context(|| format!("{scope} by {by}"))
}

/// The hub's reports of a scope are the other hand's. Tells how many rows were compared.
async fn reports_agree(office: &Client, oracle: &Value, scope: &str) -> Result<usize> {
    let only = if scope == "chain" { String::new() } else { format!("&store={scope}") };
    let mut compared = 0;
    let mut days =
        table(oracle, scope, "day")?.keys().map(|day| (format!("hour&from={day}&to={day}"), format!("hour of {day}")));
    let whole = ["day", "month", "hour", "item", "category", "store"].map(|by| (by.to_owned(), by.to_owned()));
    for (query, by) in whole.into_iter().chain(&mut days) {
        let (rows, totals) = report(office, &format!("by={query}{only}")).await?;
        let expected = table(oracle, scope, &by)?;
        ensure!(rows == *expected, "{scope} by {by}: {rows:?}, and the other hand has {expected:?}");
        compared += rows.len();
        if !by.starts_with("hour of ") {
            let sums =
                table(oracle, scope, "store")?.values().try_fold(json!([0, 0, 0, 0]), |sum, row| plus(&sum, row))?;
            ensure!(totals == sums, "{scope} by {by}, all: {totals}, and the other hand has {sums}");
        }
    }
    Ok(compared)
}

fn plus(one: &Value, other: &Value) -> Result<Value> {
    let of = |value: &Value, at: usize| number(value, &format!("/{at}"));
    let sums = (0..4).map(|at| Ok(of(one, at)? + of(other, at)?)).collect::<Result<Vec<_>>>()?;
    Ok(json!(sums))
}

/// Each shop's own books of each of its days are the other hand's, and no day more.
async fn shop_agrees(shop: &Node, oracle: &Value) -> Result<()> {
    for (day, expected) in table(oracle, &shop.spec.store.to_string(), "day")? {
        let said = four(&shop.client.get(&format!("/v1/business-days/{day}")).await?, "")?;
        ensure!(said == *expected, "{} on {day}: {said}, and the other hand has {expected}", shop.spec.name);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_of_awkward_sales_is_added_up_as_by_another_hand() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let file = scratch.path().join("month.csv");
    let part = scratch.path().join("part.csv");
    golden_month::write(&file, &part, SEED)?;
    let oracle = oracle(&file).await?;
    ensure!(oracle.pointer("/totals") == Some(&json!(KNOWN)), "the month is another one: {}", oracle["totals"]);
    let hub = Hub::start(scratch.path()).await?;
    let mut nodes = Vec::new();
    for ((_theirs, ours), cutover_hour) in STORES.into_iter().zip(CUTOVER_HOURS) {
        let spec = NodeSpec { cutover_hour, ..NodeSpec::store(ours) };
        nodes.push(Node::start(scratch.path(), spec, &hub.door(), &[]).await?);
    }
    let output = import(&part, &nodes)?.output().await?;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let output = import(&file, &nodes)?.output().await?;
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let imported: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(four(&imported, "/totals")?, oracle["totals"]);
    assert_eq!(imported["rows_read"], oracle["rows_read"]);
    assert_eq!(imported["rows_duplicate"], oracle["rows_repeated"]);
    assert_eq!(imported["rows_set_aside_by_code"], oracle["rows_set_aside"]);
    let stores = list(&imported, "/stores")?;
    let of_all = |field: &str| stores.iter().map(|store| number(store, field)).sum::<Result<i64>>();
    assert_eq!(json!(of_all("/repeated_local_times")?), oracle["repeated_local_times"]);
    ensure!(of_all("/tickets_amended")? > 0, "no basket came in two parts: {imported}");
    let mut compared = 0;
    for node in &nodes {
        complete(&hub, node).await?;
        shop_agrees(node, &oracle).await?;
        compared += reports_agree(&hub.client, &oracle, &node.spec.store.to_string()).await?;
    }
    compared += reports_agree(&hub.client, &oracle, "chain").await?;
    println!("{compared} rows of reports compared, of {} tickets", oracle["totals"][0]);
    Ok(())
}
