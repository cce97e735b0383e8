//! `provision import` of the past sales of three shops, and the hub's reports against the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::books::{list, number, text};
use crate::harness::{Client, Hub, Node, program};
use crate::past_sales::{PastSales, Sums, add_up};

/// Store numbers in the file, and ours.
pub const STORES: [(u32, u32); 3] = [(3, 1), (5, 2), (8, 3)];

/// What the file of the first quarter is known to hold.
const FIRST_QUARTER: Sums = Sums { tickets: 42_994, units: 78_826, cents: 25_665_761 };

/// A copy of the first quarter's file in `scratch`, and what it adds up to.
///
/// # Errors
/// If it is not the known one.
pub fn known_file(data: &Path, scratch: &Path) -> Result<(PathBuf, PastSales)> {
    let path = data.join("coffee-shop-sales/sales-2023-q1.csv.gz");
    let file = add_up(&path)?;
    ensure!(file.total == FIRST_QUARTER, "the file is not the known one: {:?}", file.total);
    let copy = scratch.join("sales.csv.gz");
    std::fs::copy(&path, &copy)?;
    Ok((copy, file))
}

/// The command that imports a file into the nodes, and waits until the hub has all of it.
///
/// # Errors
/// If the program is not built.
pub fn import(file: &Path, nodes: &[Node]) -> Result<Command> {
    let mut command = Command::new(program("provision")?);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.args(["import", &file.to_string_lossy(), "--source", "past", "--wait", "--json"]);
    for node in nodes {
        let token = node.data().join("token");
        command.args(["--node", &format!("http://{},{}", node.client.address(), token.display())]);
    }
    for (theirs, ours) in STORES {
        command.args(["--map", &format!("{theirs}={ours}")]);
    }
    Ok(command)
}

/// A report's rows, by key, as sums.
async fn rows(office: &Client, query: &str) -> Result<BTreeMap<String, Sums>> {
    let report = office.get(&format!("/v1/reporting/sales?{query}")).await?;
    list(&report, "/rows")?.iter().map(|row| Ok((text(row, "/key")?, sums(row, "")?))).collect()
}

/// Tickets, units and net cents at a pointer.
///
/// # Errors
/// If they are not there.
pub fn sums(value: &Value, at: &str) -> Result<Sums> {
    let of = |field: &str| number(value, &format!("{at}/{field}"));
    Ok(Sums { tickets: of("tickets")?, units: of("units")?, cents: of("net_minor")? })
}

fn renamed(map: &BTreeMap<String, Sums>, name: impl Fn(&str) -> String) -> BTreeMap<String, Sums> {
    map.iter().map(|(key, value)| (name(key), *value)).collect()
}

/// Every ticket in a store's list, by the moment of its sale.
async fn listed(office: &Client, store: u32) -> Result<BTreeMap<i64, Sums>> {
    let mut tickets = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = office.get(&format!("/v1/reporting/tickets?store={store}&limit=1000{after}")).await?;
        for row in list(&page, "/tickets")? {
            let twice = tickets.insert(number(&row, "/at_ms")?, sums(&row, "")?);
            ensure!(twice.is_none(), "two tickets of one moment: {row}");
        }
        let Some(next) = page.get("next").and_then(Value::as_str) else { return Ok(tickets) };
        after = format!("&after={next}");
    }
}

/// The hub's reports are the file's own sums, by store, month, hour, product and category, and its tickets are the file's
/// baskets, one by one.
///
/// # Errors
/// If a figure differs.
pub async fn equal_to_file(hub: &Hub, file: &PastSales) -> Result<()> {
    equal_to_file_at(&hub.client, file).await
}

/// As [`equal_to_file`], of whoever has the reports.
///
/// # Errors
/// If a figure differs.
pub async fn equal_to_file_at(office: &Client, file: &PastSales) -> Result<()> {
    let report = office.get("/v1/reporting/sales?by=store").await?;
    ensure!(sums(&report, "/totals")? == file.total, "{:?} in {report}", file.total);
    let ours = |theirs: &str| {
        let ours = STORES.iter().find(|(number, _)| number.to_string() == theirs);
        ours.map(|(_, ours)| ours.to_string()).unwrap_or_default()
    };
    let hour = |key: &str| key.trim_start_matches('0').to_owned();
    let mut by_hour = renamed(&rows(office, "by=hour").await?, hour);
    by_hour.retain(|_, sums| sums.units > 0);
    for (by, reported, expected) in [
        ("store", rows(office, "by=store").await?, renamed(&file.by_store, ours)),
        ("month", rows(office, "by=month").await?, file.by_month.clone()),
        ("hour", by_hour, renamed(&file.by_hour, hour)),
        ("item", rows(office, "by=item").await?, renamed(&file.by_product, |id| format!("l:past:{id}"))),
        ("category", rows(office, "by=category").await?, renamed(&file.by_category, |name| format!("l:past:{name}"))),
    ] {
        ensure!(reported == expected, "by {by}: {reported:?}, and the file says {expected:?}");
    }
    for (theirs, ours) in STORES {
        let listed = listed(office, ours).await?;
        let baskets = file.baskets.iter().filter(|((store, _), _)| *store == theirs);
        let baskets: BTreeMap<i64, Sums> = baskets.map(|((_, at), sums)| (*at, *sums)).collect();
        let differing = baskets.iter().find(|(at, sums)| listed.get(at) != Some(sums));
        ensure!(
            differing.is_none(),
            "{differing:?} of store {theirs}, and listed is {:?}",
            differing.map(|(at, _)| listed.get(at))
        );
        ensure!(
            listed.len() == baskets.len(),
            "{} tickets of store {ours} for {} baskets",
            listed.len(),
            baskets.len()
        );
    }
    Ok(())
}
