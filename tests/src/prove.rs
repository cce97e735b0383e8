//! The proof by tampering: each act does to the books what an owner fears, and the audit must see it and say so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail, ensure};
use percolate_common::domain::event::Event;
use percolate_common::domain::tickets::Totals;
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Incarnation, JournalId, StreamKind};
use percolate_common::money::Minor;
use percolate_common::wire::event::{decode, encode};
use rusqlite::Connection;
use serde_json::Value;

use crate::books::{any_item, complete, list, text, ticket};
use crate::harness::{Hub, Node, NodeSpec, eventually, program};

/// Sales of each shop before the first act.
const SALES: usize = 20;

/// The entry of the sales journal that is tampered with.
const LOWERED_SALE: u64 = 9;

/// What an act came to.
#[derive(Debug, Clone)]
pub struct Act {
    /// What was done, as an owner would tell it.
    pub done: &'static str,
    /// What was said about it.
    pub said: Vec<String>,
    /// How many figures were found besides that differ because of it.
    pub follows: usize,
    /// Whether the audit saw it, and nothing but it.
    pub caught: bool,
}

/// Two shops and a hub, and where their files are.
struct Stage {
    scratch: tempfile::TempDir,
    hub: Hub,
    shops: Vec<Node>,
    item: i64,
    keys: u32,
}

impl Stage {
    async fn open() -> Result<Self> {
        let scratch = tempfile::tempdir()?;
        let hub = Hub::start(scratch.path()).await?;
        let mut shops = Vec::new();
        for store in 1..=2 {
            let shop = Node::start(scratch.path(), NodeSpec::store(store), &hub.mqtt, &[]).await?;
            shop.ready().await?;
            shops.push(shop);
        }
        let item = any_item(shops.first().context("a shop")?).await?;
        let mut stage = Self { scratch, hub, shops, item, keys: 0 };
        for shop in 0..2 {
            stage.sell(shop, SALES).await?;
        }
        Ok(stage)
    }

    async fn sell(&mut self, shop: usize, count: usize) -> Result<()> {
        for _sale in 0..count {
            self.keys += 1;
            let body = ticket("T1", self.item, 1 + self.keys % 3);
            let shop = self.shops.get(shop).context("a shop")?;
            shop.client.post("/v1/tickets", &format!("sale-{}", self.keys), &body).await?;
        }
        Ok(())
    }

    async fn settle(&self) -> Result<()> {
        for shop in &self.shops {
            complete(&self.hub, shop).await?;
        }
        Ok(())
    }

    fn shop_folder(&self, shop: usize) -> Result<PathBuf> {
        Ok(self.shops.get(shop).context("a shop")?.data().to_owned())
    }

    /// Runs `provision audit` as a person would.
    async fn audit(&self) -> Result<Value> {
        let mut command = Command::new(program("provision")?);
        let server = |address: &str, data: &Path| format!("http://{address},{}", data.join("token").display());
        command.args(["audit", "--json", "--hub", &server(self.hub.client.address(), self.hub.data())]);
        for shop in &self.shops {
            command.args(["--node", &server(shop.client.address(), shop.data())]);
        }
        let output: Output = tokio::task::spawn_blocking(move || command.output()).await??;
        let report: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        let proven = text(&report, "/outcome")? == "proven";
        ensure!(output.status.success() == proven, "the exit code is not the outcome: {report}");
        Ok(report)
    }

    /// The audit's findings.
    async fn findings(&self) -> Result<Vec<(String, String)>> {
        let report = self.audit().await?;
        let mut findings = Vec::new();
        for store in list(&report, "/stores")? {
            for found in list(&store, "/findings")? {
                findings.push((text(&found, "/code")?, text(&found, "/sentence")?));
            }
        }
        Ok(findings)
    }

    /// An act is caught if the audit finds just these things. The first one is the deed, the others follow from it.
    async fn act(&self, done: &'static str, expected: &[&str]) -> Result<Act> {
        let findings = self.findings().await?;
        let found: BTreeSet<&str> = findings.iter().map(|(code, _)| code.as_str()).collect();
        let caught = found == expected.iter().copied().collect();
        let deed = |code: &str| !caught || expected.first().is_some_and(|first| *first == code);
        let said: Vec<String> =
            findings.iter().filter(|(code, _)| deed(code)).map(|(_, sentence)| sentence.clone()).collect();
        Ok(Act { done, follows: findings.len() - said.len(), said, caught })
    }

    /// Does something to the file of a shop whose server stands still, and starts it again.
    async fn with_file(&mut self, shop: usize, tamper: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let shop = self.shops.get_mut(shop).context("a shop")?;
        shop.kill()?;
        tamper(&shop.data().join("node.db"))?;
        shop.restart().await?;
        shop.ready().await
    }
}

/// Changes rows behind the program's back.
#[expect(clippy::disallowed_methods, reason = "whoever tampers does not go through the program")]
fn sql(file: &Path, statement: &str) -> Result<()> {
    let changed = Connection::open(file)?.execute(statement, [])?;
    ensure!(changed == 1, "{statement} changed {changed} rows");
    Ok(())
}

/// Lowers a sale to one dollar where it is written down, with or without sealing all entries after it anew.
#[expect(clippy::disallowed_methods, reason = "whoever tampers does not go through the program")]
fn lower_sale(file: &Path, seal: Seal) -> Result<()> {
    let database = Connection::open(file)?;
    let incarnation: i64 = database.query_row("SELECT incarnation FROM author_life", [], |row| row.get(0))?;
    let id = JournalId {
        author: AuthorId::node(NodeId::new(NodeSpec::store(1).node)),
        incarnation: Incarnation::new(incarnation.cast_unsigned()),
        stream: StreamKind::Sales,
    };
    let mut rows = database.prepare("SELECT seq, event FROM journal WHERE stream = 1 ORDER BY seq")?;
    let entries: Vec<(u64, Vec<u8>)> =
        rows.query_map([], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut head = id.genesis();
    for (seq, mut bytes) in entries {
        if seq == LOWERED_SALE {
            bytes = for_a_dollar(&bytes)?;
            let change = "UPDATE journal SET event = ?1 WHERE stream = 1 AND seq = ?2";
            database.execute(change, (&bytes, seq.cast_signed()))?;
        }
        head = head.after(&bytes);
        if matches!(seal, Seal::Anew) {
            let change = "UPDATE journal SET hash = ?1 WHERE stream = 1 AND seq = ?2";
            database.execute(change, (head.hash.as_bytes(), seq.cast_signed()))?;
        }
    }
    if matches!(seal, Seal::Anew) {
        database.execute("UPDATE stream_head SET hash = ?1 WHERE stream = 1", [head.hash.as_bytes()])?;
    }
    Ok(())
}

/// Whether whoever tampers takes the trouble to compute the chain anew.
#[derive(Debug, Clone, Copy)]
enum Seal {
    Old,
    Anew,
}

fn for_a_dollar(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut recorded = decode(bytes)?;
    let Event::TicketSold(sold) = &mut recorded.event else { bail!("not a sale") };
    ensure!(sold.totals.total.get() > 100, "a dollar is no less");
    sold.totals = Totals { net: Minor::new(92), tax: Minor::new(8), total: Minor::new(100) };
    Ok(encode(&recorded.header, &recorded.event, recorded.origin)?)
}

fn copy_database(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for name in ["node.db", "node.db-wal"] {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name))?;
        }
    }
    Ok(())
}

fn put_back(from: &Path, to: &Path) -> Result<()> {
    for name in ["node.db", "node.db-wal", "node.db-shm"] {
        let target = to.join(name);
        if target.exists() {
            std::fs::remove_file(&target)?;
        }
    }
    copy_database(from, to)
}

/// Plays all acts, and tells each as it ends.
///
/// # Errors
/// If the servers do not do as they are told; that an act is not caught is no error, but its outcome.
pub async fn play(mut told: impl FnMut(&Act)) -> Result<Vec<Act>> {
    let mut acts = Vec::new();
    let mut stage = Stage::open().await?;
    stage.settle().await?;
    acts.push(stage.act("Nothing was touched.", &[]).await?);
    acts.last().map(&mut told);

    let keep = stage.scratch.path().join("honest");
    stage.with_file(0, |file| copy_database(file.parent().context("a folder")?, &keep)).await?;

    stage.with_file(0, |file| lower_sale(file, Seal::Old)).await?;
    let expected = ["entry_changed", "day_differs_from_journal", "day_differs_from_report"];
    acts.push(stage.act("Somebody lowered a sale to $1.00 in the first shop's file.", &expected).await?);
    acts.last().map(&mut told);

    let folder = stage.shop_folder(0)?;
    stage.with_file(0, |_| put_back(&keep, &folder)).await?;
    stage.with_file(0, |file| sql(file, "DELETE FROM journal WHERE stream = 1 AND seq = 9")).await?;
    let expected = [
        "entry_missing",
        "day_differs_from_journal",
        "day_differs_from_report",
        "receipt_missing",
        "stock_differs_from_journal",
    ];
    acts.push(stage.act("Somebody removed a sale from the first shop's file.", &expected).await?);
    acts.last().map(&mut told);

    stage.with_file(0, |_| put_back(&keep, &folder)).await?;
    let lower = "UPDATE ticket SET total_minor = total_minor - 100 WHERE seq = 9";
    stage.with_file(0, |file| sql(file, lower)).await?;
    acts.push(
        stage
            .act("Somebody lowered a day's total, and left the sale as it was.", &["day_differs_from_journal"])
            .await?,
    );
    acts.last().map(&mut told);

    stage.with_file(0, |_| put_back(&keep, &folder)).await?;
    stage.with_file(0, |file| lower_sale(file, Seal::Anew)).await?;
    let expected = ["heads_differ", "day_differs_from_journal", "day_differs_from_report"];
    let done = "Somebody lowered a sale to $1.00 and computed the seals of all sales after it anew.";
    acts.push(stage.act(done, &expected).await?);
    acts.last().map(&mut told);

    stage.with_file(0, |_| put_back(&keep, &folder)).await?;
    stage.settle().await?;
    acts.push(stage.act("The honest file was put back.", &[]).await?);
    acts.last().map(&mut told);

    acts.push(restored(&mut stage).await?);
    acts.last().map(&mut told);
    Ok(acts)
}

/// Yesterday's copy of the second shop is put back after more was sold.
async fn restored(stage: &mut Stage) -> Result<Act> {
    let folder = stage.shop_folder(1)?;
    let old = stage.scratch.path().join("yesterday");
    stage.with_file(1, |_| copy_database(&folder, &old)).await?;
    stage.sell(1, 12).await?;
    stage.settle().await?;
    stage.with_file(1, |_| put_back(&old, &folder)).await?;
    let shop = stage.shops.get(1).context("a shop")?;
    eventually("the box to be told that its disk is an older copy", || async {
        let state = shop.client.get("/v1/node").await?;
        ensure!(state.pointer("/halted/code").and_then(Value::as_str) == Some("forked"), "{state}");
        Ok(())
    })
    .await?;
    let findings = stage.findings().await?;
    let behind = findings.iter().any(|(code, sentence)| code == "box_behind" && sentence.contains("12 entries"));
    Ok(Act {
        done: "Yesterday's copy of the second shop's disk was put back, after 12 more sales.",
        said: findings.into_iter().filter(|(code, _)| code == "box_behind").map(|(_, sentence)| sentence).collect(),
        follows: 0,
        caught: behind,
    })
}
