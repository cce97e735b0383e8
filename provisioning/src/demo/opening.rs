//! Opening the chain: the clock, the head office, the lines, the shops, and what each is going to sell.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use percolate_common::money::Currency;
use percolate_common::time::{BusinessDay, Clock as _, StoreCalendar, UtcMillis};
use percolate_runtime::system::SystemClock;
use percolate_runtime::tasks::TaskGroup;

use super::act::Stage;
use super::chain::DemoChain;
use super::clock::{DemoClock, lead};
use super::crew::Crew;
use super::diary::{Diary, WallClock};
use super::enrolling;
use super::link::Link;
use super::options::DemoOptions;
use super::rush;
use super::shops::{self, Office, ShopsError};
use super::tally::Tally;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// The hour at which the demo's morning ends, on the shops' walls.
const MORNING_ENDS: u32 = 11;

/// A chain that is open.
#[derive(Debug)]
pub struct Opened {
    /// All that is done to it.
    pub stage: Arc<Stage>,
    /// The business day.
    pub day: BusinessDay,
    /// How long the doors are open, in seconds of that day.
    pub open_s: u32,
    /// What it sells in.
    pub currency: Currency,
}

/// Starts all servers, and the lines between them.
///
/// # Errors
/// [`Failure`] if something cannot be started.
pub async fn open(options: &DemoOptions, folder: &Path, tasks: &TaskGroup, screen: &Screen) -> Result<Opened, Failure> {
    let mut chain = DemoChain::load();
    chain.stores.truncate(usize::try_from(options.stores).unwrap_or(usize::MAX));
    chain.day = chain.day.until(MORNING_ENDS);
    let (day, clock) = begin(&chain, options).map_err(|error| Failure::new(Exit::Failed, error))?;
    let (opens, open_s) = (chain.day.opens(), (chain.day.closes() - chain.day.opens()) * 3_600);
    let wall = WallClock { clock, opens, machine: Arc::new(SystemClock) };
    screen.progress.say_without_bars("opening the head office");
    let opening = screen.progress.spinner("opening the head office");
    let (server, office) = shops::open_office(folder, options, &clock, tasks).await.map_err(failed)?;
    drop(opening);
    screen.progress.say(&format!("  The office page, live:\n  {}", office.page()));
    screen.progress.say_without_bars("opening the shops");
    let links = lay_lines(&office, chain.stores.len(), tasks).await.map_err(failed)?;
    let opened = enrolling::open_shops((folder, &office), &chain, &links, &clock, screen).await.map_err(failed)?;
    let (servers, shops): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
    let diary = Arc::new(Diary::new(wall.clone(), screen.progress.clone()));
    let first = shops.first().context("a chain without shops").map_err(|error| Failure::new(Exit::Usage, error))?;
    let catalog = Arc::new(first.menu().await.map_err(failed)?);
    let stage = Stage {
        plan: rush::plan(&chain, &catalog, options.tickets, options.seed),
        crew: Arc::new(Crew::new(std::iter::once(server).chain(servers).collect(), diary.clone())),
        office,
        shops,
        links,
        tally: Arc::new(Tally::default()),
        diary,
        wall,
        catalog,
        seed: options.seed,
        copies: Mutex::default(),
    };
    Ok(Opened { stage: Arc::new(stage), day, open_s, currency: chain.currency })
}

/// A line for each shop.
async fn lay_lines(office: &Office, count: usize, tasks: &TaskGroup) -> Result<Vec<Link>, ShopsError> {
    let https = office.endpoints.https.clone().unwrap_or_default();
    let mut links = Vec::new();
    for _shop in 0..count {
        let (link, relays) = Link::lay(&office.broker, &https).await.map_err(ShopsError::Line)?;
        tasks.spawn("line", move |stop| relays.run(stop));
        links.push(link);
    }
    Ok(links)
}

/// The trading day, which is today's, and the clock that lets its morning pass quickly.
fn begin(chain: &DemoChain, options: &DemoOptions) -> anyhow::Result<(BusinessDay, DemoClock)> {
    let first = chain.stores.first().context("a chain without shops")?;
    let calendar = StoreCalendar::new(&first.zone, first.cutover_hour).context("the first shop's time zone")?;
    let now = SystemClock.now();
    let day = calendar.business_day(now);
    let (opens, closes) = (chain.day.opens(), chain.day.closes());
    let pace = ((closes - opens) * 3_600, options.seconds);
    let lead = lead(opens, first.cutover_hour, pace);
    let anchor = UtcMillis::new(now.get() + i64::try_from(lead.as_millis()).unwrap_or(0));
    let clock = DemoClock::new(&calendar, day, opens, anchor, pace).context("the opening hour of today")?;
    Ok((day, clock))
}

/// How the program ends when the chain cannot be used.
pub(super) fn failed(error: ShopsError) -> Failure {
    let exit = match &error {
        ShopsError::Server(_) | ShopsError::Client { .. } | ShopsError::Up { .. } | ShopsError::NotEnrolled { .. } => {
            Exit::ServerFailed
        }
        ShopsError::Chain(_) | ShopsError::Clock(_) | ShopsError::Large(_) => Exit::Failed,
        ShopsError::File { .. } | ShopsError::Line(_) => Exit::Failed,
    };
    Failure::new(exit, error)
}
