//! `provision demo`: a whole chain on this machine, and the proof that its books agree.
//!
//! [`options`] → [`chain`], [`clock`] → [`servers`], [`shops`] → [`rush`] → [`floor`], [`till`] → [`books`] → [`report`]. The
//! day is planned before it begins; the rules of the shop are asked for every price, so that three books can be compared:
//! the tills', the shops' and the head office's.

pub mod books;
pub mod chain;
pub mod clock;
pub mod floor;
pub mod options;
pub mod report;
pub mod rush;
pub mod servers;
pub mod shops;
pub mod till;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use percolate_common::time::{Clock as _, StoreCalendar, UtcMillis};
use percolate_runtime::system::{SystemClock, monotonic_now};
use percolate_runtime::tasks::{TaskGroup, shutdown_signal};
use tempfile::TempDir;
use tokio::sync::oneshot;

use self::chain::DemoChain;
use self::clock::{DemoClock, lead};
use self::floor::Day;
use self::options::DemoOptions;
use self::report::DemoReport;
use self::servers::{Server, ServerError, keep_up, present_pid};
use self::shops::{Office, Shop, ShopsError};
use self::till::TillBooks;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// How long all servers together may take to end, in milliseconds.
const STOP_MS_MAX: u64 = 25_000;

/// Where the demo's files are.
#[derive(Debug)]
enum Folder {
    Kept(PathBuf),
    Scratch(TempDir),
}

impl Folder {
    fn open(options: &DemoOptions) -> anyhow::Result<Self> {
        let Some(path) = &options.data else {
            let scratch = tempfile::Builder::new().prefix("percolate-demo-").tempdir();
            return Ok(Self::Scratch(scratch.context("could not make a scratch folder")?));
        };
        let shown = path.display();
        std::fs::create_dir_all(path).with_context(|| format!("could not make {shown}"))?;
        let mut entries = std::fs::read_dir(path).with_context(|| format!("could not read {shown}"))?;
        anyhow::ensure!(
            entries.next().is_none(),
            "{shown} is not empty: name a new folder, for every demo is a new chain"
        );
        let whole = path.canonicalize().with_context(|| format!("could not read {shown}"))?;
        Ok(Self::Kept(whole))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Scratch(scratch) => scratch.path(),
        }
    }
}

/// A demo whose servers run.
struct Running<'s> {
    options: &'s DemoOptions,
    chain: DemoChain,
    day: String,
    clock: DemoClock,
    office: Office,
    shops: Vec<Shop>,
    /// How often a server was started again.
    restarts: Arc<AtomicU64>,
    screen: &'s mut Screen,
}

/// Runs the demo.
///
/// # Errors
/// [`Failure`] if it could not be run to its end. That books differ is no failure, but an exit.
pub async fn run(options: &DemoOptions, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let folder = Folder::open(options).map_err(|error| Failure::new(Exit::Usage, error))?;
    let tasks = TaskGroup::new();
    let (trouble, troubled) = oneshot::channel();
    let stays = screen.is_terminal && !options.exit && !json;
    let outcome = tokio::select! {
        outcome = whole(options, folder.path(), &tasks, (trouble, json, stays), screen) => outcome,
        failure = first_trouble(troubled) => Err(failure),
    };
    if !tasks.stop(Duration::from_millis(STOP_MS_MAX)).await.is_clean() {
        screen.progress.say("  some servers did not end in time and were killed");
    }
    match (&outcome, &folder) {
        (Ok(Exit::Done), _) | (_, Folder::Kept(_)) => {}
        (Ok(_) | Err(_), Folder::Scratch(_)) => {
            screen.progress.say("  to look into it, run it again with --data DIR and read the logs there");
        }
    }
    outcome
}

/// Waits for a server that cannot be kept up; for ever, if all can.
async fn first_trouble(troubled: oneshot::Receiver<ServerError>) -> Failure {
    match troubled.await {
        Ok(error) => Failure::new(Exit::ServerFailed, error),
        Err(_closed) => std::future::pending().await,
    }
}

async fn whole(
    options: &DemoOptions,
    folder: &Path,
    tasks: &TaskGroup,
    (trouble, json, stays): (oneshot::Sender<ServerError>, bool, bool),
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let interrupted = || Failure::new(Exit::Interrupted, anyhow::anyhow!("interrupted"));
    let (mut running, servers) = tokio::select! {
        opened = open(options, folder, screen) => opened?,
        _signal = shutdown_signal() => return Err(interrupted()),
    };
    let told = (running.screen.progress.clone(), running.restarts.clone());
    tasks.spawn("servers", move |stop| async move {
        // Nobody listens any more if the demo is over.
        let _told = keep_up(servers, told, stop).await.map_err(|error| trouble.send(error));
    });
    let exit = tokio::select! {
        exit = running.play(json) => exit?,
        _signal = shutdown_signal() => return Err(interrupted()),
    };
    if stays {
        running.show_addresses().map_err(|error| Failure::new(Exit::Failed, error))?;
        shutdown_signal().await.map_err(|error| Failure::new(Exit::Failed, error))?;
    }
    Ok(exit)
}

/// Starts all servers.
async fn open<'s>(
    options: &'s DemoOptions,
    folder: &Path,
    screen: &'s mut Screen,
) -> Result<(Running<'s>, Vec<Server>), Failure> {
    let mut chain = DemoChain::load();
    chain.stores.truncate(usize::try_from(options.stores).unwrap_or(usize::MAX));
    let (day, clock) = begin(&chain, options).map_err(|error| Failure::new(Exit::Failed, error))?;
    screen.progress.say_without_bars("opening the head office");
    let opening = screen.progress.spinner("opening the head office");
    let (hub, office) = shops::open_office(folder, options, &clock).await.map_err(failed)?;
    drop(opening);
    screen.progress.say(&format!("  the office page: {}", office.page()));
    screen.progress.say_without_bars("opening the shops");
    let mqtt = office.endpoints.mqtt.clone().unwrap_or_default();
    let opened = shops::open_shops(folder, &chain, &mqtt, &clock, screen).await.map_err(failed)?;
    let (mut servers, mut shops) = (vec![hub], Vec::new());
    for (server, shop) in opened {
        servers.push(server);
        shops.push(shop);
    }
    Ok((Running { options, chain, day, clock, office, shops, restarts: Arc::default(), screen }, servers))
}

/// The trading day, which is today's, and the clock that lets it pass quickly.
fn begin(chain: &DemoChain, options: &DemoOptions) -> anyhow::Result<(String, DemoClock)> {
    let first = chain.stores.first().context("a chain without shops")?;
    let calendar = StoreCalendar::new(&first.zone, first.cutover_hour).context("the first shop's time zone")?;
    let now = SystemClock.now();
    let day = calendar.business_day(now);
    let (opens, closes) = (chain.day.opens(), chain.day.closes());
    let pace = ((closes - opens) * 3_600, options.seconds);
    let lead = lead(opens, first.cutover_hour, pace);
    let anchor = UtcMillis::new(now.get() + i64::try_from(lead.as_millis()).unwrap_or(0));
    let clock = DemoClock::new(&calendar, day, opens, anchor, pace).context("the opening hour of today")?;
    Ok((day.to_string(), clock))
}

fn failed(error: ShopsError) -> Failure {
    let exit = match &error {
        ShopsError::Server(_) | ShopsError::Client { .. } => Exit::ServerFailed,
        ShopsError::File { .. } => Exit::Failed,
    };
    Failure::new(exit, error)
}

impl Running<'_> {
    /// Lets the day pass and compares the books.
    async fn play(&mut self, json: bool) -> Result<Exit, Failure> {
        let Some(first) = self.shops.first() else { return Ok(Exit::Failed) };
        let catalog = Arc::new(first.menu().await.map_err(failed)?);
        let plan = rush::plan(&self.chain, &catalog, self.options.tickets, self.options.seed);
        for (shop, rush) in self.shops.iter().zip(&plan) {
            shop.deliver(&rush.tickets, &catalog, self.options.seed).await.map_err(failed)?;
        }
        let day = Day {
            catalog,
            clock: self.clock,
            opens: self.chain.day.opens(),
            seed: self.options.seed,
            currency: self.chain.currency,
        };
        self.clock.wait_until(0, &SystemClock).await;
        let begin = monotonic_now();
        let sold = day.sell(self.shops.clone(), plan, &self.screen.progress).await.map_err(|error| {
            let exit = if error.is_disagreement() { Exit::Disagreement } else { Exit::ServerFailed };
            Failure::new(exit, error)
        })?;
        let rush_ms = (monotonic_now() - begin).as_millis();
        self.screen.progress.say_without_bars("waiting for the head office");
        shops::settle(&self.office, &self.shops, self.screen).await.map_err(failed)?;
        let settle_ms = (monotonic_now() - begin).as_millis().saturating_sub(rush_ms);
        let report = self.report(&sold, rush_ms, settle_ms).await?;
        let text = if json { format!("{}\n", report.to_json()) } else { report.to_text(self.screen.paint) };
        self.screen.write(&text).map_err(|error| Failure::new(Exit::Failed, error))?;
        Ok(report.exit())
    }

    async fn report(&self, sold: &[(Shop, TillBooks)], rush_ms: u128, settle_ms: u128) -> Result<DemoReport, Failure> {
        let mut tills = TillBooks::default();
        sold.iter().for_each(|(_, books)| tills.add(books));
        Ok(DemoReport {
            stores: shops::compare(&self.office, sold, &self.day).await.map_err(failed)?,
            tills,
            day: self.day.clone(),
            seed: self.options.seed,
            rush_ms,
            settle_ms,
            restarts: self.restarts.load(Ordering::Relaxed),
            office: self.office.page(),
            currency: self.chain.currency,
        })
    }

    /// Where to look, while the chain stays up.
    fn show_addresses(&mut self) -> std::io::Result<()> {
        let mut text = format!("\n  The chain stays up. The office page, live:\n\n    {}\n\n", self.office.page());
        text.push_str("  Sell something, and watch it arrive:\n\n");
        if let Some(shop) = self.shops.first() {
            text.push_str(&format!(
                "    curl -s -X POST http://{}/v1/tickets \\\n      -H \"Authorization: Bearer $(cat {}/token)\" \\\n      \
                 -H \"Idempotency-Key: $RANDOM\" -H \"Content-Type: application/json\" \\\n      \
                 -d '{{\"terminal\":\"T1\", \"currency\":\"USD\", \"training\":false, \"lines\":[{{\"item\":101, \
                 \"quantity\":2}}],\n           \"tenders\":[{{\"kind\":\"cash\", \"amount_minor\":2000}}]}}'\n\n",
                shop.endpoints.http,
                shop.data.display(),
            ));
        }
        text.push_str("  Kill what you like; it is started again, and nothing is lost:\n\n");
        let pid = |data: &Path, first: u32| present_pid(data).unwrap_or(first);
        let hub = pid(&self.office.data, self.office.endpoints.pid);
        text.push_str(&format!("    kill -9 {hub:<8} # the head office, with its broker\n"));
        for shop in &self.shops {
            let (name, http) = (&shop.store.name, &shop.endpoints.http);
            let pid = pid(&shop.data, shop.endpoints.pid);
            text.push_str(&format!("    kill -9 {pid:<8} # {name:<20} http://{http}/openapi.json\n"));
        }
        text.push_str("\n  Ctrl-C ends it.\n");
        self.screen.write(&text)
    }
}
