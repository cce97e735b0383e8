//! Twelve terminals of one box, paired, each over HTTPS as on the shop's network, and a kitchen screen that listens: from the
//! request to the answer of a sale, with token, TLS, JSON and commit in it, beside the disk's own flush.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use percolate_common::time::UtcMillis;
use percolate_runtime::system::clock_from_option;
use percolate_runtime::tls::{Roots, TlsClock, dial, terminal_config};
use serde_json::{Value, json};
use slow_line::Slowness;
use system_tests::books::text;
use system_tests::harness::{Node, NodeSpec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::Bench;
use crate::figures::{Ratio, median, micros, ms, thousands};
use crate::probe::{Measured, measured};
use crate::report::{Section, Verdict};
use crate::shop::{AS_IT_SHIPS, FLUSH_5_MS, Office, Shop, until};
use crate::till::{Carrier, Door, Paid, Plan, Sold, Till, sell_by};

/// Tills of a large shop.
const TERMINALS: u64 = 12;

/// Under this name terminals find the box.
const NAME: &str = "localhost";

/// How long the kitchen may be behind when the tills have stopped.
const KITCHEN_TIME_MAX: Duration = Duration::from_secs(10);

struct Kind {
    id: &'static str,
    title: &'static str,
    program: &'static [&'static str],
    /// What a flush was made to take, beside the disk's own time.
    flush: Duration,
    /// The least time between two sales of a till; without one, each sells again as soon as it is answered.
    pace: Option<Duration>,
}

/// Twelve sales at the same moment, twice a second: some forty times what twelve busy tills sell.
const AT_ONCE_EVERY: Duration = Duration::from_millis(500);

const KINDS: [Kind; 4] = [
    Kind {
        id: "terminals-at-once",
        title: "Twelve terminals that sell at the same moment, over HTTPS, and a kitchen screen",
        program: AS_IT_SHIPS,
        flush: Duration::ZERO,
        pace: Some(AT_ONCE_EVERY),
    },
    Kind {
        id: "terminals-at-once-flush-5-ms",
        title: "Twelve terminals that sell at the same moment, flushes of 5 ms",
        program: FLUSH_5_MS,
        flush: Duration::from_millis(5),
        pace: Some(AT_ONCE_EVERY),
    },
    Kind {
        id: "terminals",
        title: "Twelve terminals as fast as they are answered, over HTTPS, and a kitchen screen",
        program: AS_IT_SHIPS,
        flush: Duration::ZERO,
        pace: None,
    },
    Kind {
        id: "terminals-flush-5-ms",
        title: "Twelve terminals as fast as they are answered, flushes of 5 ms",
        program: FLUSH_5_MS,
        flush: Duration::from_millis(5),
        pace: None,
    },
];

type Run = Measured<(Sold, usize)>;

/// Both kinds, interleaved.
pub(crate) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let mut runs: Vec<Vec<Run>> = KINDS.iter().map(|_| Vec::new()).collect();
    for _ in 0..bench.rounds() {
        for (kind, runs) in KINDS.iter().zip(&mut runs) {
            runs.push(measured(&bench.scratch, async || one_run(bench, kind).await).await?);
        }
    }
    Ok(KINDS.iter().zip(&runs).map(|(kind, runs)| section(kind, runs)).collect())
}

/// How terminals come to a box.
struct Lan {
    roots: Roots,
    address: String,
}

impl Lan {
    /// Of a box that has its certificate.
    fn of(node: &Node) -> Result<Self> {
        let read =
            |path: &str| -> Result<Value> { Ok(serde_json::from_slice(&std::fs::read(node.data().join(path))?)?) };
        let (site, endpoints) = (read("etc/site.json")?, read("endpoints.json")?);
        Ok(Self { roots: Roots::from_pem(&text(&site, "/chain/root")?)?, address: text(&endpoints, "/https")? })
    }

    async fn dial(&self) -> Result<Box<dyn Carrier>> {
        let clock = Arc::new(TlsClock::new(clock_from_option(None)?, UtcMillis::new(0)));
        let config = terminal_config(&self.roots, clock)?;
        let stream = dial(config, NAME.try_into()?, self.address.as_str()).await?;
        stream.get_ref().0.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

/// Pairs a terminal, and gives its token.
async fn paired(shop: &Shop, name: &str, kind: &str) -> Result<String> {
    let (client, nobody) = (&shop.node.client, shop.node.client.with_token(""));
    let asked = json!({"name": name, "kind": kind});
    let given = client.post("/v1/terminals/pairings", &format!("pair-{name}"), &asked).await?;
    let shown = json!({"code": text(&given, "/code")?, "device": "a tablet"});
    let key = format!("{name:k>32}");
    text(&nobody.post("/v1/pairings/redemptions", &key, &shown).await?, "/token")
}

/// A screen in the kitchen, once it listens.
async fn kitchen(mut stream: Box<dyn Carrier>, token: String) -> Result<Kitchen> {
    let request = format!("GET /v1/events HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut kitchen = Kitchen { stream, tail: Vec::new(), heard: 0 };
    // Its head is sent once it listens.
    while kitchen.tail.is_empty() {
        kitchen.read().await?;
    }
    ensure!(kitchen.tail.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&kitchen.tail));
    Ok(kitchen)
}

/// Counts the tickets that it hears of.
struct Kitchen {
    stream: Box<dyn Carrier>,
    /// What was read last, so that a line that came in two pieces is seen.
    tail: Vec<u8>,
    heard: usize,
}

/// An event's first line.
const TICKET: &[u8] = b"event: ticket\n";
const MISSED: &[u8] = b"event: missed\n";

impl Kitchen {
    async fn read(&mut self) -> Result<()> {
        let kept = self.tail.len().min(TICKET.len() - 1);
        self.tail.drain(..self.tail.len() - kept);
        ensure!(self.stream.read_buf(&mut self.tail).await? > 0, "the feed ended");
        let count = |line: &[u8]| self.tail.windows(line.len()).filter(|part| *part == line).count();
        ensure!(count(MISSED) == 0, "the kitchen missed something");
        self.heard += count(TICKET);
        Ok(())
    }

    /// Listens until it has heard of so many tickets.
    async fn hear(mut self, mut tickets: tokio::sync::watch::Receiver<Option<usize>>) -> Result<usize> {
        loop {
            let sold = *tickets.borrow();
            if sold.is_some_and(|sold| self.heard >= sold) {
                return Ok(self.heard);
            }
            let more = tokio::time::timeout(KITCHEN_TIME_MAX, self.read());
            tokio::select! {
                read = more => match read {
                    Ok(read) => read?,
                    Err(_) if sold.is_some() => bail!("the kitchen heard of {} of {sold:?}", self.heard),
                    Err(_) => {}
                },
                Ok(()) = tickets.changed() => {}
            }
        }
    }
}

async fn one_run(bench: &Bench, kind: &Kind) -> Result<(Sold, usize)> {
    let office = Office::open(&bench.scratch, Slowness::default()).await?;
    let spec = NodeSpec { lan_names: vec![NAME.to_owned()], ..NodeSpec::store(1) };
    let door = office.hub.door().through(&office.line.address());
    let https = ["--https", "127.0.0.1:0"];
    let shop = Shop::of(Node::start_by(kind.program, office.folder.path(), spec, &door, &https).await?).await?;
    until("the certificate for terminals", async || {
        let node = shop.node.client.get("/v1/node").await?;
        Ok(node.pointer("/https/state").and_then(Value::as_str) == Some("serves"))
    })
    .await?;
    office.line.cut();
    let lan = Lan::of(&shop.node)?;
    let mut tills = Vec::new();
    for n in 1..=TERMINALS {
        let terminal = format!("T{n}");
        let door = Door { token: paired(&shop, &terminal, "till").await?, ..shop.door.clone() };
        tills.push(Till::over(lan.dial().await?, &door, (&terminal, 1), Paid::Cash));
    }
    let token = paired(&shop, "K1", "kitchen").await?;
    let listening = kitchen(lan.dial().await?, token).await?;
    let (told, tickets) = tokio::sync::watch::channel(None);
    let mut screens = JoinSet::new();
    screens.spawn(listening.hear(tickets));
    let plan = Plan { terminals: TERMINALS, warm_up: bench.warm_up(), time: bench.run_time(), pace: kind.pace };
    let sold = sell_by(tills, plan).await?;
    told.send(Some(sold.tickets.len()))?;
    let heard = screens.join_next().await.context("the screen")???;
    ensure!(heard == sold.tickets.len(), "the kitchen heard of {heard} tickets, {} were sold", sold.tickets.len());
    shop.close(&sold.tickets).await?;
    Ok((sold, heard))
}

fn section(kind: &Kind, runs: &[Run]) -> Section {
    let mut section = Section::new(kind.id, kind.title);
    let of = |figure: fn(&Run) -> u64| median(runs.iter().map(figure));
    let flush_us = micros(kind.flush);
    section.tell("sales a second", thousands(of(|run| run.value.0.per_second())));
    section.tell("p50", ms(of(|run| run.value.0.percentile_us(50))));
    let p99 = of(|run| run.value.0.percentile_us(99));
    let ratios = runs.iter().map(|run| Ratio::new(run.value.0.percentile_us(99), run.f99_us() + flush_us).0);
    let ratio = Ratio(median(ratios));
    let found = format!("{} = {ratio} F p99", ms(p99));
    match kind.pace {
        Some(_) => section.row("p99", found, "<= 3 F p99", Verdict::of(ratio <= Ratio(300))),
        None => section.tell("p99", found),
    }
    let heard = of(|run| u64::try_from(run.value.1).unwrap_or(u64::MAX));
    section.tell("tickets that the kitchen heard of, each", thousands(heard));
    section.conditions(runs);
    section.note(match kind.pace {
        Some(_) => "All tills sell at the same moment, twice a second.",
        None => "Each till sells again as soon as it is answered: the cores are what is measured, with both ends of TLS on them.",
    });
    section.note(
        "The kitchen has heard of every ticket before a run counts. Where flushes are made slow, F is the disk's own and that time.",
    );
    section
}
