//! Shops to measure: the programs that ship, a line to the hub that can be cut, and a check of what was sold.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use percolate_runtime::system::monotonic_now;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use slow_line::{Line, Slowness};
use system_tests::books::{list, number};
use system_tests::harness::{Hub, Node, NodeSpec};
use tempfile::TempDir;

use crate::machine::cpu_us;
use crate::till::{Door, TicketBits};

/// The program as it ships, and on disks whose flushes take longer.
pub(crate) const AS_IT_SHIPS: &[&str] = &["store-node"];
pub(crate) const FLUSH_5_MS: &[&str] = &["slow-node", "5"];
pub(crate) const FLUSH_20_MS: &[&str] = &["slow-node", "20"];

/// How often a condition is looked at. Fine: it is part of what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long a condition may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// A hub and the line that leads to it.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) hub: Hub,
    pub(crate) line: Line,
    pub(crate) folder: TempDir,
}

impl Office {
    /// Starts both in a folder of its own below `scratch`.
    pub(crate) async fn open(scratch: &Path, slowness: Slowness) -> Result<Self> {
        let folder = tempfile::tempdir_in(scratch)?;
        let hub = Hub::start(folder.path()).await?;
        let line = Line::start(hub.mqtts(), slowness).await?;
        Ok(Self { hub, line, folder })
    }
}

/// A store.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) node: Node,
    pub(crate) door: Door,
}

impl Shop {
    /// Starts a store that has its menu, and whose hub has heard all of it.
    pub(crate) async fn open(office: &Office, program: &'static [&'static str], store: u32) -> Result<Self> {
        let door = office.hub.door().through(&office.line.address());
        Self::of(Node::start_by(program, office.folder.path(), NodeSpec::store(store), &door, &[]).await?).await
    }

    /// The same of a store that has started.
    pub(crate) async fn of(node: Node) -> Result<Self> {
        node.ready().await?;
        node.all_acked().await?;
        let door = door(&node).await?;
        Ok(Self { node, door })
    }

    /// How far the sales journal is: its last entry, and the last one that the hub has acknowledged.
    pub(crate) async fn sales_heads(&self) -> Result<(i64, i64)> {
        sales_heads(&self.node.client.get("/v1/node").await?)
    }

    /// Waits until the hub has acknowledged the sales journal through `seq`.
    pub(crate) async fn acked(&self, seq: i64) -> Result<()> {
        until("the hub's acknowledgement", async || Ok(self.sales_heads().await?.1 >= seq)).await
    }

    /// Stops the store, and finds in its file the tickets that were answered, each once, and no other.
    pub(crate) async fn close(mut self, answered: &[TicketBits]) -> Result<()> {
        self.node.stop().await?;
        let found = tickets_of(&self.node.data().join("node.db"))?;
        same_tickets(&found, answered)
    }
}

/// What the tills of a node need to know.
pub(crate) async fn door(node: &Node) -> Result<Door> {
    let catalog = node.client.get("/v1/catalog").await?;
    let item = |at: usize| number(&catalog, &format!("/items/{at}/id"));
    let items = [item(0)?, item(7)?, item(14)?];
    Ok(Door { address: node.client.address().to_owned(), token: node.client.token().to_owned(), items })
}

fn sales_heads(answer: &Value) -> Result<(i64, i64)> {
    let streams = list(answer, "/streams")?;
    let is_sales = |stream: &&Value| stream.get("stream").and_then(Value::as_str) == Some("sales");
    let sales = streams.iter().find(is_sales).context("the sales journal")?;
    Ok((number(sales, "/last_seq")?, number(sales, "/acked_seq")?))
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = monotonic_now() + PATIENCE;
    while !is_so().await? {
        ensure!(monotonic_now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The ids in a store's table of tickets.
#[expect(clippy::disallowed_methods, reason = "what is on the disk, by a connection that is not the node's")]
fn tickets_of(database: &Path) -> Result<Vec<TicketBits>> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare("SELECT id FROM ticket")?;
    let ids = statement.query_map([], |row| row.get::<_, [u8; 16]>(0))?;
    ids.map(|id| Ok(TicketBits::from_be_bytes(id?))).collect()
}

fn same_tickets(found: &[TicketBits], answered: &[TicketBits]) -> Result<()> {
    let set = |ids: &[TicketBits]| ids.iter().copied().collect::<BTreeSet<_>>();
    let (on_disk, told) = (set(found), set(answered));
    ensure!(told.len() == answered.len(), "one ticket was the answer to two sales");
    ensure!(on_disk.len() == found.len(), "a ticket stands twice");
    let lost = told.difference(&on_disk).count();
    let strange = on_disk.difference(&told).count();
    ensure!(lost == 0 && strange == 0, "{lost} tickets were answered and are not there, {strange} nobody asked for");
    Ok(())
}

/// Time of the cores that something took: the server's, and the generator's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) server_us: u64,
    pub(crate) generator_us: u64,
}

/// Runs something, and says what it took of the cores.
pub(crate) async fn with_cpu<T>(server_pid: u32, work: impl AsyncFnOnce() -> Result<T>) -> Result<(T, Cpu)> {
    let own = std::process::id();
    let (server, generator) = (cpu_us(server_pid)?, cpu_us(own)?);
    let value = work().await?;
    let cpu = Cpu {
        server_us: cpu_us(server_pid)?.saturating_sub(server),
        generator_us: cpu_us(own)?.saturating_sub(generator),
    };
    Ok((value, cpu))
}

#[cfg(test)]
mod tests {
    use super::same_tickets;

    #[test]
    fn tickets_are_compared_one_by_one() {
        assert!(same_tickets(&[2, 1], &[1, 2]).is_ok());
        for (found, answered) in [(&[1][..], &[1, 2][..]), (&[1, 2], &[1]), (&[1, 1], &[1]), (&[1], &[1, 1])] {
            assert!(same_tickets(found, answered).is_err(), "{found:?} {answered:?}");
        }
    }
}
