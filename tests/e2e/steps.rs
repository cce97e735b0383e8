//! A server is killed at a step of one's choice: what was answered is there, once, and the receipts have no gap.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use percolate_common::journal::StreamKind;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{FromHub, FromNode, Verdict};
use percolate_common::wire::topic::Topic;
use percolate_runtime::system::monotonic_now;
use rusqlite::Connection;
use serde_json::Value;
use system_tests::audit::proven;
use system_tests::books::{any_item, complete, counted_once, list, number, text, ticket};
use system_tests::harness::{Frame, Held, Hub, Node, NodeSpec, PATIENCE, Protocol, Relay, Way, eventually};
use tokio::task::JoinSet;

/// A shop behind a relay that reads along.
struct Shop {
    hub: Hub,
    relay: Relay,
    node: Node,
    item: i64,
    told: Vec<String>,
    receipts: Vec<String>,
    scratch: tempfile::TempDir,
}

impl Shop {
    async fn open() -> Result<Self> {
        let scratch = tempfile::tempdir()?;
        let hub = Hub::start(scratch.path()).await?;
        let relay = Relay::start_mqtts(&hub, &scratch.path().join("n11")).await?;
        let node = Node::start(scratch.path(), NodeSpec::store(1), &hub.door().through(&relay.address()), &[]).await?;
        node.ready().await?;
        let item = any_item(&node).await?;
        Ok(Self { hub, relay, node, item, told: Vec::new(), receipts: Vec::new(), scratch })
    }

    fn next(&self) -> (String, Value) {
        (format!("sale-{}", self.told.len()), ticket("T1", self.item, 2))
    }

    fn note(&mut self, sold: &Value) -> Result<()> {
        self.told.push(text(sold, "/ticket_id")?);
        self.receipts.push(text(sold, "/receipt")?);
        Ok(())
    }

    async fn sell(&mut self) -> Result<()> {
        let (key, body) = self.next();
        let sold = self.node.client.post("/v1/tickets", &key, &body).await?;
        self.note(&sold)
    }

    /// How far the sales are written, and how far the node knows them to be held.
    async fn sales(&self) -> Result<(u64, u64)> {
        let node = self.node.client.get("/v1/node").await?;
        let streams = list(&node, "/streams")?;
        let sales = streams.iter().find(|stream| text(stream, "/stream").is_ok_and(|name| name == "sales"));
        let seq = |field| Ok::<_, anyhow::Error>(u64::try_from(number(sales.context("sales")?, field)?)?);
        Ok((seq("/last_seq")?, seq("/acked_seq")?))
    }

    /// How far the hub holds the sales.
    async fn held(&self) -> Result<u64> {
        let streams = list(&self.hub.client.get("/v1/sync/streams").await?, "/rows")?;
        let is_sales = |row: &&Value| text(row, "/stream").is_ok_and(|name| name == "sales");
        Ok(u64::try_from(number(streams.iter().find(is_sales).context("sales")?, "/contig")?)?)
    }

    /// All that was answered is there, once, and the series has no gap.
    async fn whole(&self) -> Result<()> {
        counted_once(&self.hub, &self.node, &self.told).await?;
        let expected: Vec<String> = (1..=self.receipts.len()).map(|number| format!("T1-A-{number}")).collect();
        ensure!(self.receipts == expected, "{:?}", self.receipts);
        proven(&self.hub, std::slice::from_ref(&self.node)).await
    }
}

/// Where in the exchange somebody dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// A batch has left the node and has not reached the hub.
    Batch,
    /// The hub has committed a batch, and its acknowledgement has not reached the node.
    Ack,
    /// The node's greeting has not reached the hub.
    Hello,
    /// The hub has opened a session, and the node does not know it.
    Welcome,
}

impl Step {
    fn is_reached_by(self, frame: &Frame) -> bool {
        match (self, frame.topic.parse(), frame.way) {
            (Self::Batch, Ok(Topic::Up(_, StreamKind::Sales)), Way::Up) => Batch::decode(&frame.payload).is_ok(),
            (Self::Hello, Ok(Topic::UpSession(_)), Way::Up) => {
                matches!(FromNode::decode(&frame.payload), Ok(FromNode::Hello(_)))
            }
            (Self::Ack, Ok(Topic::DownSession(_)), Way::Down) => match FromHub::decode(&frame.payload) {
                Ok(FromHub::Ack(ack)) => ack.position.journal().is_some_and(|id| id.stream == StreamKind::Sales),
                Ok(_other_word) => false,
                Err(_unreadable) => false,
            },
            (Self::Welcome, Ok(Topic::DownSession(_)), Way::Down) => {
                matches!(FromHub::decode(&frame.payload), Ok(FromHub::Welcome(welcome)) if welcome.verdict == Verdict::Welcome)
            }
            (Self::Batch | Self::Ack | Self::Hello | Self::Welcome, _, _) => false,
        }
    }
}

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Node,
    Hub,
}

/// What becomes of the frame that was on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It goes with its connection.
    Lost,
    /// It arrives when its sender is dead, or runs again already.
    Late,
}

/// Every step with every death and every fate that can be.
const DEATHS: [(Step, Victim, Fate); 12] = [
    (Step::Batch, Victim::Node, Fate::Lost),
    (Step::Batch, Victim::Node, Fate::Late),
    (Step::Batch, Victim::Hub, Fate::Lost),
    (Step::Ack, Victim::Node, Fate::Lost),
    (Step::Ack, Victim::Hub, Fate::Lost),
    (Step::Ack, Victim::Hub, Fate::Late),
    (Step::Hello, Victim::Node, Fate::Lost),
    (Step::Hello, Victim::Node, Fate::Late),
    (Step::Hello, Victim::Hub, Fate::Lost),
    (Step::Welcome, Victim::Node, Fate::Lost),
    (Step::Welcome, Victim::Hub, Fate::Lost),
    (Step::Welcome, Victim::Hub, Fate::Late),
];

/// Brings the exchange to a step, and holds it there.
async fn reach(shop: &mut Shop, step: Step) -> Result<Held> {
    let awaited = shop.relay.hold(move |frame| step.is_reached_by(frame));
    match step {
        Step::Batch | Step::Ack => shop.sell().await?,
        Step::Hello | Step::Welcome => shop.relay.interrupt(),
    }
    let held = awaited.held().await?;
    let (written, acked) = shop.sales().await?;
    let held_seq = shop.held().await?;
    let link = text(&shop.node.client.get("/v1/node").await?, "/link")?;
    match step {
        Step::Batch => ensure!(held_seq < written && acked < written, "{held_seq} and {acked} of {written}"),
        Step::Ack => ensure!(held_seq == written && acked < written, "{held_seq} and {acked} of {written}"),
        Step::Hello | Step::Welcome => ensure!(link != "up", "no session yet: {link}"),
    }
    Ok(held)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_any_step_of_the_exchange_loses_and_doubles_nothing() -> Result<()> {
    let mut shop = Shop::open().await?;
    shop.sell().await?;
    shop.whole().await?;
    let mut deaths = BTreeMap::new();
    for (step, victim, fate) in DEATHS {
        let at = format!("{victim:?} at {step:?}, frame {fate:?}");
        let held = reach(&mut shop, step).await.with_context(|| at.clone())?;
        match victim {
            Victim::Node => shop.node.kill()?,
            Victim::Hub => shop.hub.kill()?,
        }
        if victim == Victim::Hub {
            shop.sell().await.context("the shop sells on")?;
        }
        let mut held = Some(held);
        if fate == Fate::Lost {
            drop(held.take());
        }
        match victim {
            Victim::Node => shop.node.restart().await?,
            Victim::Hub => shop.hub.restart().await?,
        }
        if let Some(late) = held {
            late.let_through().with_context(|| at.clone())?;
        }
        shop.sell().await?;
        shop.whole().await.with_context(|| at)?;
        *deaths.entry(victim).or_insert(0) += 1;
    }
    assert_eq!(deaths, BTreeMap::from([(Victim::Node, 6), (Victim::Hub, 6)]));
    Ok(())
}

/// Where a till's request is when the node dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    /// It has not reached the node.
    OnItsWay,
    /// It reaches the node in this moment.
    Arriving,
    /// It is answered, and the till has not heard it.
    Answered,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_till_that_is_never_answered_repeats_and_has_its_one_receipt() -> Result<()> {
    let mut shop = Shop::open().await?;
    let counter = Relay::start(shop.node.client.address(), Protocol::Http).await?;
    shop.sell().await?;
    for request in [Request::OnItsWay, Request::Arriving, Request::Answered, Request::Answered] {
        let way = if request == Request::Answered { Way::Down } else { Way::Up };
        let awaited = counter.hold(move |frame| frame.way == way);
        let (till, (key, body)) = (shop.node.client.through(&counter.address())?, shop.next());
        let mut asking = JoinSet::new();
        asking.spawn(async move { till.post("/v1/tickets", &key, &body).await });
        let held = awaited.held().await?;
        let (before, _) = shop.sales().await?;
        let receipt = format!("\"T1-A-{}\"", shop.receipts.len() + 1);
        if request == Request::Answered {
            let answer = String::from_utf8_lossy(&held.frame.payload);
            ensure!(answer.contains(&receipt), "{receipt} in {answer}");
        }
        if request == Request::Arriving {
            held.let_through()?;
            shop.node.kill()?;
        } else {
            shop.node.kill()?;
            drop(held);
        }
        ensure!(asking.join_next().await.context("the till")??.is_err(), "the till was not answered");
        shop.node.restart().await?;
        shop.sell().await?;
        let (after, _) = shop.sales().await?;
        match request {
            Request::OnItsWay => ensure!(after == before + 1, "{before}, {after}: it was not sold before"),
            Request::Arriving => {}
            Request::Answered => ensure!(after == before, "{before}, {after}: it was sold once"),
        }
    }
    shop.whole().await
}

/// Sales of a box that was put back, before it hears head office: some ten transactions of its repair.
const SOLD_ALONE: usize = 640;
/// Tills that make them at a time.
const TILLS: usize = 8;

/// How many entries are still to be written again, and how many were, as a dead node's file says.
#[expect(clippy::disallowed_methods, reason = "a file is looked at whose program does not run")]
fn repair_in_file(folder: &Path) -> Result<(u64, u64)> {
    let database = Connection::open(folder.join("node.db"))?;
    let count = |query: &str| database.query_row(query, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned);
    let left = count("SELECT coalesce(sum(last_seq - next_seq + 1), 0) FROM repair")?;
    Ok((left, count("SELECT count(*) FROM journal_set_aside")?))
}

fn copy_box(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for name in ["node.db", "node.db-wal", "node.db-shm"] {
        if to.join(name).exists() {
            std::fs::remove_file(to.join(name))?;
        }
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name))?;
        }
    }
    Ok(())
}

/// Looks without a pause until the node is in the middle of its repair.
async fn in_the_middle(node: &Node) -> Result<u64> {
    let deadline = monotonic_now() + PATIENCE;
    let mut most = 0;
    loop {
        let state = node.client.get("/v1/node").await?;
        let left = state.pointer("/repair/left").and_then(Value::as_u64).unwrap_or(0);
        most = most.max(left);
        if (1..most).contains(&left) {
            return Ok(left);
        }
        ensure!(monotonic_now() < deadline, "it was never in the middle of its repair: {most} at most, {state}");
    }
}

/// Sells on other tills than before, so that no receipt is printed twice.
async fn sell_alone(shop: &mut Shop) -> Result<()> {
    let mut selling = JoinSet::new();
    for till in 2..2 + TILLS {
        let (client, item) = (shop.node.client.clone(), shop.item);
        selling.spawn(async move {
            let terminal = format!("T{till}");
            let mut told = Vec::new();
            for sale in 0..SOLD_ALONE / TILLS {
                let key = format!("{terminal}-{sale}");
                let sold = client.post("/v1/tickets", &key, &ticket(&terminal, item, 1)).await?;
                ensure!(text(&sold, "/receipt")? == format!("{terminal}-A-{}", sale + 1), "{sold}");
                told.push(text(&sold, "/ticket_id")?);
            }
            Ok(told)
        });
    }
    while let Some(told) = selling.join_next().await {
        shop.told.extend(told??);
    }
    Ok(())
}

/// A box is put back, sells alone, and hears head office; while it repairs its journals somebody is killed.
async fn killed_in_the_middle_of_a_repair(victim: Victim) -> Result<()> {
    let mut shop = Shop::open().await?;
    for _sale in 0..10 {
        shop.sell().await?;
    }
    complete(&shop.hub, &shop.node).await?;
    shop.node.kill()?;
    let copy = shop.scratch.path().join("copy");
    copy_box(shop.node.data(), &copy)?;
    shop.node.restart().await?;
    for _sale in 0..5 {
        shop.sell().await?;
    }
    complete(&shop.hub, &shop.node).await?;
    shop.node.kill()?;
    shop.hub.kill()?;
    copy_box(&copy, shop.node.data())?;
    shop.node.restart().await?;
    sell_alone(&mut shop).await?;

    shop.hub.restart().await?;
    in_the_middle(&shop.node).await?;
    match victim {
        Victim::Node => {
            shop.node.kill()?;
            let (left, again) = repair_in_file(shop.node.data())?;
            ensure!(left > 0 && again > 0, "killed in the middle: {left} left, {again} written again");
            shop.node.restart().await?;
        }
        Victim::Hub => {
            shop.hub.kill()?;
            shop.hub.restart().await?;
        }
    }
    eventually("the repair to end", || async {
        let state = shop.node.client.get("/v1/node").await?;
        ensure!(text(&state, "/life/reason")? == "forked", "{state}");
        ensure!(state.pointer("/repair").is_none_or(Value::is_null), "{state}");
        let sold = number(&shop.node.client.get("/v1/business-day").await?, "/tickets")?;
        ensure!(sold == i64::try_from(shop.told.len())?, "{sold} tickets: what was lost is not back");
        Ok(())
    })
    .await?;
    shop.whole().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_that_is_killed_in_the_middle_of_its_repair_goes_on_where_it_was() -> Result<()> {
    killed_in_the_middle_of_a_repair(Victim::Node).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repair_goes_on_while_head_office_is_killed() -> Result<()> {
    killed_in_the_middle_of_a_repair(Victim::Hub).await
}
