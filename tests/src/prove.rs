//! The proof by tampering: each act does to the books what an owner fears, and the audit must see it and say so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use percolate_common::domain::event::Event;
use percolate_common::domain::tickets::Totals;
use percolate_common::money::Minor;
use percolate_common::wire::event::{decode, encode};
use rusqlite::Connection;
use serde_json::Value;

use crate::audit;
use crate::books::{any_item, complete, number, text, ticket};
use crate::harness::{Hub, Node, NodeSpec, eventually};
use crate::put_back::{Part, copy_folder, menu_with_price, put_back, sold_everywhere};

/// Sales of each shop before the first act.
const SALES: usize = 20;

/// What is found where a box, put back to an older state, printed a number again before anybody could know.
const RECEIPT_TWICE: &str = "receipt_given_twice";

/// The entry of the sales journal that is tampered with.
const LOWERED_SALE: u64 = 9;

/// What the first item of the menu costs when head office has published another one, in cents.
const PRICE_OF_TODAY: i64 = 425;

/// What each shop sells between that and the loss.
const SALES_OF_THE_HOUR: [usize; 2] = [17, 14];

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
            let shop = Node::start(scratch.path(), NodeSpec::store(store), &hub.door(), &[]).await?;
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

    /// The life that a box writes in.
    async fn life(&self, shop: usize) -> Result<String> {
        let shop = self.shops.get(shop).context("a shop")?;
        text(&shop.client.get("/v1/node").await?, "/incarnation")
    }

    /// The tickets that head office counts.
    async fn reported(&self) -> Result<i64> {
        number(&self.hub.client.get("/v1/reporting/sales?by=store").await?, "/totals/tickets")
    }

    /// The tickets of a shop's present day.
    async fn sold_by(&self, shop: usize) -> Result<i64> {
        let shop = self.shops.get(shop).context("a shop")?;
        number(&shop.client.get("/v1/business-day").await?, "/tickets")
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

    /// The audit's findings.
    async fn findings(&self) -> Result<Vec<(String, String)>> {
        audit::findings(&self.hub, &self.shops).await
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

/// Lowers a sale to one dollar where it is written down.
#[expect(clippy::disallowed_methods, reason = "whoever tampers does not go through the program")]
fn lower_sale(file: &Path) -> Result<()> {
    let database = Connection::open(file)?;
    let seq = LOWERED_SALE.cast_signed();
    let one = "SELECT event FROM journal WHERE stream = 1 AND seq = ?1";
    let bytes: Vec<u8> = database.query_row(one, [seq], |row| row.get(0))?;
    let change = "UPDATE journal SET event = ?1 WHERE stream = 1 AND seq = ?2";
    ensure!(database.execute(change, (for_a_dollar(&bytes)?, seq))? == 1, "entry {seq} is not there");
    Ok(())
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

fn put_box_back(from: &Path, to: &Path) -> Result<()> {
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
/// If the servers do not do as they are told, or nobody listens any more; that an act is not caught is no error, but its outcome.
pub async fn play(mut told: impl FnMut(&Act) -> Result<()>) -> Result<Vec<Act>> {
    let mut acts = Vec::new();
    let mut stage = Stage::open().await?;
    stage.settle().await?;
    acts.push(stage.act("Nothing was touched.", &[]).await?);
    acts.last().map(&mut told).transpose()?;

    let keep = stage.scratch.path().join("honest");
    stage.with_file(0, |file| copy_database(file.parent().context("a folder")?, &keep)).await?;

    stage.with_file(0, lower_sale).await?;
    let expected = ["entry_changed", "day_differs_from_journal", "day_differs_from_report"];
    acts.push(stage.act("Somebody lowered a sale to $1.00 in the first shop's file.", &expected).await?);
    acts.last().map(&mut told).transpose()?;

    let folder = stage.shop_folder(0)?;
    stage.with_file(0, |_| put_box_back(&keep, &folder)).await?;
    stage.with_file(0, |file| sql(file, "DELETE FROM journal WHERE stream = 1 AND seq = 9")).await?;
    let expected = [
        "entry_missing",
        "day_differs_from_journal",
        "day_differs_from_report",
        "receipt_missing",
        "stock_differs_from_journal",
    ];
    acts.push(stage.act("Somebody removed a sale from the first shop's file.", &expected).await?);
    acts.last().map(&mut told).transpose()?;

    stage.with_file(0, |_| put_box_back(&keep, &folder)).await?;
    let lower = "UPDATE ticket SET total_minor = total_minor - 100 WHERE seq = 9";
    stage.with_file(0, |file| sql(file, lower)).await?;
    acts.push(
        stage
            .act("Somebody lowered a day's total, and left the sale as it was.", &["day_differs_from_journal"])
            .await?,
    );
    acts.last().map(&mut told).transpose()?;

    stage.with_file(0, |_| put_box_back(&keep, &folder)).await?;
    stage.settle().await?;
    acts.push(stage.act("The honest file was put back.", &[]).await?);
    acts.last().map(&mut told).transpose()?;

    acts.push(office_put_back(&mut stage).await?);
    acts.last().map(&mut told).transpose()?;
    acts.push(restored(&mut stage).await?);
    acts.last().map(&mut told).transpose()?;
    acts.push(cloned(&mut stage).await?);
    acts.last().map(&mut told).transpose()?;
    Ok(acts)
}

/// Head office's files are replaced by a copy of before a new menu and the sales of an hour.
async fn office_put_back(stage: &mut Stage) -> Result<Act> {
    let copy = stage.scratch.path().join("office");
    stage.hub.stop().await?;
    copy_folder(stage.hub.data(), &copy)?;
    stage.hub.set_menu(Some(menu_with_price(stage.scratch.path(), PRICE_OF_TODAY)?));
    stage.hub.restart().await?;
    let revision = sold_everywhere(&stage.hub, &stage.shops, PRICE_OF_TODAY).await?;
    let known = stage.reported().await?;
    for (shop, sales) in SALES_OF_THE_HOUR.into_iter().enumerate() {
        stage.sell(shop, sales).await?;
    }
    stage.settle().await?;
    stage.hub.kill()?;
    put_back(&copy, stage.hub.data(), Part::Folder)?;
    stage.hub.set_menu(None);
    stage.hub.restart().await?;
    stage.settle().await?;
    let same_menu = sold_everywhere(&stage.hub, &stage.shops, PRICE_OF_TODAY).await? == revision;
    let given = stage.reported().await? - known;
    let act = stage.act("Head office was put back an hour, to before a new menu and the sales since.", &[]).await?;
    let caught = act.caught && same_menu && given == i64::try_from(SALES_OF_THE_HOUR.iter().sum::<usize>())?;
    let mut said = act.said;
    if caught {
        said.push(format!("The shops gave it {given} sales and the menu of today. Nothing is missing."));
    }
    Ok(Act { said, caught, ..act })
}

/// Yesterday's copy of the second shop is put back after more was sold, and sells on before it hears the hub.
async fn restored(stage: &mut Stage) -> Result<Act> {
    let folder = stage.shop_folder(1)?;
    let before = stage.sold_by(1).await?;
    let old = stage.scratch.path().join("yesterday");
    stage.with_file(1, |_| copy_database(&folder, &old)).await?;
    stage.sell(1, 12).await?;
    stage.settle().await?;
    stage.with_file(1, |_| put_box_back(&old, &folder)).await?;
    stage.sell(1, 3).await?;
    let shop = stage.shops.get(1).context("a shop")?;
    let expected = before + 12 + 3;
    let state = eventually("the box to begin a new life, and to be whole again", || async {
        let state = shop.client.get("/v1/node").await?;
        ensure!(text(&state, "/life/reason")? == "forked", "{state}");
        ensure!(state.pointer("/repair").is_none_or(Value::is_null), "{state}");
        let sold = number(&shop.client.get("/v1/business-day").await?, "/tickets")?;
        ensure!(sold == expected, "{sold} of {expected} tickets");
        Ok(state)
    })
    .await?;
    let findings = eventually("the books to be proven", || async {
        let findings = stage.findings().await?;
        ensure!(findings.iter().all(|(code, _)| code == RECEIPT_TWICE), "{findings:?}");
        Ok(findings)
    })
    .await?;
    let reports = number(&stage.hub.client.get("/v1/reporting/sales?by=day&store=2").await?, "/totals/tickets")?;
    let mut said = vec![format!(
        "Seen at its first word to head office. The box began a new life ({}), got its 12 sales back, and kept the 3 that \
         it had sold meanwhile: {reports} sales, none lost, none twice.",
        text(&state, "/life/incarnation")?
    )];
    said.extend(findings.into_iter().map(|(_, sentence)| sentence));
    Ok(Act {
        done: "Yesterday's copy of the second shop's disk was put back after 12 more sales, and 3 were sold on it.",
        said,
        follows: 0,
        caught: reports == expected,
    })
}

/// A copy of the first shop's disk runs beside the original, and both sell.
async fn cloned(stage: &mut Stage) -> Result<Act> {
    let original = stage.shop_folder(0)?;
    let before = stage.sold_by(0).await?;
    let copy = stage.scratch.path().join("copy");
    stage
        .with_file(0, |_| {
            copy_database(&original, &copy.join("n11"))?;
            std::fs::copy(original.join("node-key.pem"), copy.join("n11").join("node-key.pem"))?;
            Ok(())
        })
        .await?;
    stage.sell(0, 8).await?;
    let twin = Node::start(&copy, NodeSpec::store(1), &stage.hub.door(), &[]).await?;
    twin.ready().await?;
    stage.shops.push(twin);
    stage.sell(2, 6).await?;
    stage.sell(0, 4).await?;
    stage.sell(2, 2).await?;
    let expected = before + 8 + 6 + 4 + 2;
    eventually("both boxes' sales to be in the reports, once", || async {
        let report = stage.hub.client.get("/v1/reporting/sales?by=day&store=1").await?;
        let sold = number(&report, "/totals/tickets")?;
        ensure!(sold == expected, "{sold} of {expected}");
        Ok(())
    })
    .await?;
    // The box whose disk was put back has printed receipts twice; what it did is told in its own act.
    eventually("each box's book to be the union", || async {
        let findings = stage.findings().await?;
        ensure!(findings.iter().all(|(code, _)| code == RECEIPT_TWICE), "{findings:?}");
        Ok(())
    })
    .await?;
    let (one, other) = (stage.life(0).await?, stage.life(2).await?);
    Ok(Act {
        done: "A copy of the first shop's disk runs beside the original, and both sell.",
        said: vec![format!(
            "Both go on, each under a name of its own ({one}, {other}), and each has the other's sales in its book; all \
             {expected} sales are counted, none twice."
        )],
        follows: 0,
        caught: one != other,
    })
}
