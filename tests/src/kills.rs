//! The kill harness: a shop sells while its server, or the hub, is killed again and again; nothing may be lost or doubled.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use percolate_common::entropy::{Entropy as _, SeededEntropy};
use provisioning::figures::{counted, grouped, signed};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::books::{any_item, complete, hub_totals, number, store_totals, text, ticket};
use crate::harness::{Client, Hub, Node, NodeSpec, eventually};

/// Tills of the shop.
pub const TILLS: usize = 4;

/// Most answers between two kills: often none at all, so that starts are hit too.
const ANSWERS_BETWEEN_MAX: u64 = 12;

/// How often what is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// SIGKILLs of the shop's server.
    pub node_kills: u32,
    /// SIGKILLs of the hub, its broker included.
    pub hub_kills: u32,
    /// Chance.
    pub seed: u64,
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Killed {
    /// Kills of the shop's server so far.
    pub node: u32,
    /// Kills of the hub so far.
    pub hub: u32,
    /// Tickets that were answered so far.
    pub answered: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Tickets that a till got an answer for.
    pub answered: u64,
    /// Requests that had to be sent again.
    pub repeated: u64,
    /// Answered, and not in the books.
    pub lost: u64,
    /// In the books more than once, or without having been asked for.
    pub doubled: u64,
}

/// What a till was told.
#[derive(Debug, Default)]
struct Till {
    tickets: Vec<String>,
    receipts: Vec<u64>,
    units: i64,
    total_minor: i64,
    repeated: u64,
}

async fn sell(client: Client, till: usize, item: i64, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) -> Result<Till> {
    let terminal = format!("T{}", till + 1);
    let mut told = Till::default();
    while !stop.load(Ordering::Relaxed) {
        let sale = told.tickets.len();
        let (key, quantity) = (format!("{terminal}-{sale}"), 1 + u32::try_from(sale % 3)?);
        let body = ticket(&terminal, item, quantity);
        let mut attempts = 0;
        let sold = eventually("a sale to be answered", || {
            attempts += 1;
            client.post("/v1/tickets", &key, &body)
        })
        .await?;
        told.repeated += attempts - 1;
        let receipt = text(&sold, "/receipt")?;
        told.receipts.push(receipt.rsplit('-').next().context("a number")?.parse()?);
        told.tickets.push(text(&sold, "/ticket_id")?);
        told.units += i64::from(quantity);
        told.total_minor += number(&sold, "/total_minor")?;
        answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(told)
}

/// Runs the plan in a scratch folder, and tells after every kill how far it is.
///
/// # Errors
/// If a server does not come back, a till is never answered, or the books of tills, shop and hub differ.
pub async fn run(plan: Plan, mut told: impl FnMut(Killed)) -> Result<Outcome> {
    let scratch = tempfile::tempdir()?;
    let mut hub = Hub::start(scratch.path()).await?;
    let mut node = Node::start(scratch.path(), NodeSpec::store(1), &hub.door(), &[]).await?;
    node.ready().await?;
    let item = any_item(&node).await?;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tills = JoinSet::new();
    for till in 0..TILLS {
        tills.spawn(sell(node.client.clone(), till, item, stop.clone(), answered.clone()));
    }
    let dice = SeededEntropy::new(plan.seed);
    let mut killed = Killed::default();
    while (killed.node, killed.hub) != (plan.node_kills, plan.hub_kills) {
        let goal = answered.load(Ordering::Relaxed) + dice.next_u64() % (ANSWERS_BETWEEN_MAX + 1);
        eventually("more answers", || async {
            ensure!(answered.load(Ordering::Relaxed) >= goal, "no answer");
            Ok(())
        })
        .await?;
        let (of_node, of_hub) = (u64::from(plan.node_kills - killed.node), u64::from(plan.hub_kills - killed.hub));
        if dice.next_u64() % (of_node + of_hub) < of_hub {
            hub.kill()?;
            hub.restart().await?;
            killed.hub += 1;
        } else {
            node.kill()?;
            node.restart().await?;
            killed.node += 1;
        }
        killed.answered = answered.load(Ordering::Relaxed);
        told(killed);
    }
    stop.store(true, Ordering::Relaxed);
    let mut heard = Vec::new();
    while let Some(till) = tills.join_next().await {
        heard.push(till??);
    }
    compare(&hub, &node, &heard).await
}

/// Compares what the tills were told with what the shop and the hub hold.
async fn compare(hub: &Hub, node: &Node, told: &[Till]) -> Result<Outcome> {
    complete(hub, node).await?;
    let known: BTreeSet<&str> = told.iter().flat_map(|till| &till.tickets).map(String::as_str).collect();
    let answered: usize = told.iter().map(|till| till.tickets.len()).sum();
    ensure!(known.len() == answered, "one ticket was the answer to two sales");
    let mut lost = 0;
    for id in &known {
        lost += u64::from(node.client.try_get(&format!("/v1/tickets/{id}")).await?.status != 200);
    }
    let books = store_totals(node).await?;
    ensure!(hub_totals(hub, node.spec.store).await? == books, "hub and shop differ");
    let tickets = u64::try_from(books.0)?;
    let doubled = (tickets + lost).saturating_sub(answered as u64);
    if lost == 0 && doubled == 0 {
        let (units, money) = told.iter().fold((0, 0), |(u, m), till| (u + till.units, m + till.total_minor));
        ensure!((books.1, books.2) == (units, money), "tills and shop differ: {books:?}, {units}, {money}");
        for till in told {
            let gapless = till.receipts.iter().zip(1..).all(|(number, expected)| *number == expected);
            ensure!(gapless, "receipt numbers have a gap: {:?}", till.receipts);
        }
    }
    let repeated = told.iter().map(|till| till.repeated).sum();
    Ok(Outcome { answered: answered as u64, repeated, lost, doubled })
}

/// The outcome as a line for people.
#[must_use]
pub fn in_words(plan: Plan, outcome: Outcome) -> String {
    format!(
        "{}, {}: {} answered, {} lost, {} doubled",
        counted(plan.node_kills.into(), "shop kill", "shop kills"),
        counted(plan.hub_kills.into(), "hub kill", "hub kills"),
        counted(signed(outcome.answered), "sale", "sales"),
        grouped(signed(outcome.lost)),
        grouped(signed(outcome.doubled)),
    )
}

/// The outcome as an object for programs.
#[must_use]
pub fn in_json(plan: Plan, outcome: Outcome) -> Value {
    serde_json::json!({
        "node_kills": plan.node_kills, "hub_kills": plan.hub_kills, "seed": plan.seed, "answered": outcome.answered,
        "repeated": outcome.repeated, "lost": outcome.lost, "doubled": outcome.doubled,
    })
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Plan, in_words};

    #[test]
    fn the_outcome_is_a_sentence() {
        let plan = Plan { node_kills: 20, hub_kills: 1, seed: 1 };
        let outcome = Outcome { answered: 1_049, repeated: 60, lost: 0, doubled: 2 };
        assert_eq!(in_words(plan, outcome), "20 shop kills, 1 hub kill: 1,049 sales answered, 0 lost, 2 doubled");
    }
}
