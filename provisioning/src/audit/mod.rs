//! `provision audit`: the proof that nothing is lost, doubled or changed.
//!
//! [`options`] → [`statement`] from both sides → [`mod@compare`]: each [`finding`] → [`report`]. Each side reads its own file
//! anew; here nothing is believed that the two do not state alike.

pub mod compare;
pub mod finding;
pub mod options;
pub mod report;
pub mod statement;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use self::compare::{StoreEvidence, compare};
use self::options::AuditOptions;
use self::report::{AuditReport, StoreAudit};
use self::statement::Sums;
use crate::client::{Client, ClientError, Hub, Node, NodeState, named, retry};
use crate::exit::{Exit, Failure};
use crate::import::options::NodeOption;
use crate::screen::Screen;

/// How long a server may be busy or out of reach, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// How long a server may take to answer anything at all, in milliseconds.
const AWAKE_MS_MAX: u64 = 5_000;

const NOBODY_NAMED: &str = "whom to ask? Name head office with --hub URL,TOKENFILE and each shop's box with --node \
                            URL,TOKENFILE, or with --folders DIR the folder that has the data folders of them all";

const NOTHING_PROVEN: &str = "a side cannot be asked, so nothing is proven";

/// Runs an audit.
///
/// # Errors
/// [`Failure`] with [`Exit::ServerFailed`] if a side cannot be asked: nothing is proven then.
pub async fn run(options: &AuditOptions, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let (hub, nodes) = match (&options.folders, &options.hub, options.nodes.as_slice()) {
        (Some(folder), ..) => in_folder(folder).map_err(|error| Failure::new(Exit::Usage, error))?,
        (None, Some(hub), [_, ..]) => (hub.clone(), options.nodes.clone()),
        (None, None, _) | (None, Some(_), []) => return Err(Failure::usage(NOBODY_NAMED)),
    };
    let hub = Hub::new(named(&hub, "--hub")?);
    let nodes =
        nodes.iter().map(|option| named(option, "--node").map(Node::new)).collect::<Result<Vec<_>, Failure>>()?;
    let asking = screen.progress.bar("reading the journals", nodes.len() as u64);
    let report = examine(&hub, &nodes, options.store, |asked| asking.at(asked)).await?;
    drop(asking);
    let text = if json { format!("{}\n", report.to_json()) } else { report.to_text(screen.paint) };
    screen.write(&text).map_err(|error| Failure::new(Exit::Failed, error))?;
    Ok(report.exit())
}

/// Makes sure that a server is awake: one whose process stands still takes a question and never answers.
async fn is_awake(name: &str, client: &Client) -> Result<(), Failure> {
    match tokio::time::timeout(Duration::from_millis(AWAKE_MS_MAX), client.answers()).await {
        // One that is starting again is asked again below.
        Ok(Ok(()) | Err(_)) => Ok(()),
        Err(_elapsed) => {
            let (address, limit) = (client.address(), AWAKE_MS_MAX / 1_000);
            let silent = anyhow::anyhow!("{name} at {address} says nothing for {limit} s: its process stands still");
            Err(Failure::new(Exit::ServerFailed, silent.context(NOTHING_PROVEN)))
        }
    }
}

/// Audits these stores, or only one of them, and tells after each how many were asked.
///
/// # Errors
/// [`Failure`] with [`Exit::ServerFailed`] if a side cannot be asked: nothing is proven then; with [`Exit::Usage`] if the
/// only store to audit is none of these.
pub async fn examine(hub: &Hub, nodes: &[Node], only: Option<u32>, told: impl Fn(u64)) -> Result<AuditReport, Failure> {
    is_awake("the head office", hub.client()).await?;
    let mut report = AuditReport::default();
    let (mut asked, mut stores) = (Vec::new(), Vec::new());
    for (at, node) in (1..).zip(nodes) {
        is_awake("the shop's box", node.client()).await?;
        let state = ask(|_| node.state()).await?;
        asked.push(state.node);
        stores.push(state.store.id);
        if only.is_none_or(|only| only == state.store.id) {
            report.stores.push(of_store(hub, node).await?);
        }
        told(at);
    }
    if let Some(only) = only.filter(|only| !stores.contains(only)) {
        return Err(not_named(only, &stores));
    }
    if only.is_none() {
        let known = ask(|_| hub.nodes()).await?;
        report.not_asked = known.iter().filter(|known| !asked.contains(&known.node)).map(|known| known.store).collect();
    }
    Ok(report)
}

fn not_named(only: u32, stores: &[u32]) -> Failure {
    let named = stores.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    Failure::usage(format!("store {only} is not among those that were named: of store {named}"))
}

/// Audits one store.
///
/// # Errors
/// As [`examine`].
pub async fn of_store(hub: &Hub, node: &Node) -> Result<StoreAudit, Failure> {
    let state = ask(|_| node.state()).await?;
    let evidence = evidence(hub, node, state).await?;
    let findings = compare(&evidence);
    Ok(StoreAudit { evidence, findings })
}

async fn ask<T, F: Future<Output = Result<T, ClientError>>>(attempt: impl FnMut(u32) -> F) -> Result<T, Failure> {
    let asked = retry(Duration::from_millis(PATIENCE_MS), attempt).await;
    asked.map_err(|error| Failure::new(Exit::ServerFailed, anyhow::Error::new(error).context(NOTHING_PROVEN)))
}

/// What is known of a store. Head office is asked first: what the shop does meanwhile has not arrived there yet, and nobody
/// takes it for lost in the shop.
async fn evidence(hub: &Hub, shop: &Node, state: NodeState) -> Result<StoreEvidence, Failure> {
    let (node, store) = (state.node, state.store.id);
    let held = match hub.audit(node).await {
        Err(ClientError::Refused { status: 404, .. }) => None,
        Ok(held) => Some(held),
        Err(_passing_or_not) => Some(ask(|_| hub.audit(node)).await?),
    };
    let (mut reported_days, mut reported_stock, mut uncounted) = (BTreeMap::new(), BTreeMap::new(), 0);
    if held.is_some() {
        let days = ask(|_| hub.sales_by_day(store)).await?;
        uncounted = days.completeness.iter().filter(|mark| mark.store == store).map(|mark| mark.behind_events).sum();
        for row in days.rows {
            let sums = row.sums;
            let sums = Sums {
                tickets: sums.tickets,
                lines: sums.lines,
                units: sums.units,
                net_minor: sums.net_minor,
                tax_minor: sums.tax_minor,
                total_minor: sums.total_minor,
            };
            reported_days.insert(row.key, sums);
        }
        let stock = ask(|_| hub.stock()).await?;
        let ours = stock.rows.iter().filter(|row| row.store == store);
        reported_stock = ours.map(|row| (row.stock_item, row.on_hand)).collect();
    }
    let node = ask(|_| shop.audit()).await?;
    let currency = state.store.currency.parse().map_err(|error| Failure::new(Exit::ServerFailed, error))?;
    Ok(StoreEvidence { name: state.store.name, currency, node, hub: held, reported_days, reported_stock, uncounted })
}

/// `named_by` is the option that named it.
/// The servers whose data folders lie in a folder.
fn in_folder(folder: &Path) -> anyhow::Result<(NodeOption, Vec<NodeOption>)> {
    let hub = server(&folder.join("hub"))?;
    let entries = std::fs::read_dir(folder).with_context(|| format!("could not read {}", folder.display()))?;
    let mut stores: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    stores.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("store-")));
    stores.sort();
    Ok((hub, stores.iter().map(|path| server(path)).collect::<Result<_, _>>()?))
}

fn server(data: &Path) -> anyhow::Result<NodeOption> {
    let path = data.join("endpoints.json");
    let text = std::fs::read(&path).with_context(|| format!("no server has served from {}", data.display()))?;
    let endpoints: serde_json::Value =
        serde_json::from_slice(&text).with_context(|| format!("could not read {}", path.display()))?;
    let address = endpoints.get("http").and_then(serde_json::Value::as_str);
    let address = address.with_context(|| format!("{} names no address", path.display()))?.to_owned();
    Ok(NodeOption { address, token_file: Some(data.join("token")) })
}
