//! The troubles, done to the chain as it runs, and what each costs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percolate_common::domain::catalog::Catalog;
use percolate_runtime::system::{SystemClock, monotonic_now};

use super::copy::{BoxCopy, copy_disk};
use super::cost::{Act, Cost, OFFICE_KILLED, disk_cloned, duration, line_cut, shop_killed};
use super::crew::{Again, Crew};
use super::delivery::Delivered;
use super::diary::{Diary, WallClock};
use super::link::Link;
use super::morning::{PlannedTrouble, Trouble};
use super::rush::{PlannedClass, PlannedTicket, StoreRush};
use super::servers::{Server, ServerError, Who};
use super::settle::BLINK_AFTER;
use super::shops::{Office, Shop, ShopsError, open_copy, ready};
use super::tally::Tally;
use super::till::{Till, TillBooks, TillError};
use crate::client::{Client, ClientError};
use crate::figures::grouped;

/// Pause between two looks at whether a trouble is over, in milliseconds.
const LOOK_EVERY_MS: u64 = 40;
/// How long a trouble may take to be over before the demo says that it is not, in milliseconds.
const OVER_MS_MAX: u64 = 60_000;
/// How long a killed box stays dark at most, in milliseconds: until a guest has tapped in vain.
const DARK_MS_MAX: u64 = 1_000;
/// So many tickets a trouble costs at least: on a busy machine the tills are behind their plan, and a line that was cut while
/// nobody sold shows nothing.
const COST_TICKETS_MIN: i64 = 3;
/// How much longer than planned a trouble may last for that, in milliseconds.
const LONGER_MS_MAX: u64 = 10_000;
/// What a copy of a shop's box sells, before it is seen and after.
const COPY_TICKETS: usize = 6;

/// A trouble that could not be done, or did not end.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// A server cannot be had or asked.
    #[error(transparent)]
    Shops(#[from] ShopsError),
    /// A server cannot be started.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A copy's till could not sell.
    #[error(transparent)]
    Till(#[from] TillError),
    /// What was waited for did not come.
    #[error("{what} did not come within {} s", OVER_MS_MAX / 1_000)]
    NotOver {
        /// What.
        what: String,
    },
    /// There is no such shop.
    #[error("there is no shop {0}")]
    NoShop(u32),
    /// What is asked for needs a line that is cut.
    #[error("the line of shop {0} is cut, so that nobody would hear of a copy: mend {0} first")]
    LineIsCut(u32),
}

/// The chain, and all that troubles can be done with.
#[derive(Debug)]
pub struct Stage {
    /// The head office.
    pub office: Office,
    /// The shops.
    pub shops: Vec<Shop>,
    /// Their lines, in the same order.
    pub links: Vec<Link>,
    /// Who looks after the servers.
    pub crew: Arc<Crew>,
    /// What the tills have done.
    pub tally: Arc<Tally>,
    /// What has happened.
    pub diary: Arc<Diary>,
    /// The time.
    pub wall: WallClock,
    /// The menu.
    pub catalog: Arc<Catalog>,
    /// What the shops sell.
    pub plan: Vec<StoreRush>,
    /// The seed of the plan.
    pub seed: u64,
    /// Copies of boxes that run, and those that have been retired.
    pub copies: Mutex<Vec<BoxCopy>>,
}

/// So many tickets by store.
pub type Due = BTreeMap<u32, i64>;

/// Whether a trouble goes on that is to last until a second of the morning and has cost so many tickets.
struct Lasting {
    until_s: u32,
    /// Since when it is over by the plan.
    over: Option<Duration>,
}

impl Lasting {
    const fn until(until_s: u32) -> Self {
        Self { until_s, over: None }
    }

    fn goes_on(&mut self, second: i64, cost: i64, now: Duration) -> bool {
        if second < i64::from(self.until_s) {
            return true;
        }
        let over = *self.over.get_or_insert(now);
        cost < COST_TICKETS_MIN && now.saturating_sub(over) < Duration::from_millis(LONGER_MS_MAX)
    }
}

pub(super) fn elapsed_ms(begin: Duration) -> u64 {
    u64::try_from(monotonic_now().saturating_sub(begin).as_millis()).unwrap_or(u64::MAX)
}

pub(super) async fn pause() {
    tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
}

impl Stage {
    /// Does a trouble at its time.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn play(&self, planned: PlannedTrouble) -> Result<Act, ActError> {
        self.wall.clock.wait_until(planned.at_s, &SystemClock).await;
        match planned.trouble {
            Trouble::LineCut { shop, until_s } => self.cut_line(shop, until_s).await,
            Trouble::ShopKilled { shop } => self.kill_shop(shop, Again::WhenReleased).await,
            Trouble::OfficeKilled { until_s } => self.kill_office(Some(until_s)).await,
            Trouble::DiskCloned { shop } => self.clone_disk(shop, None).await,
        }
    }

    pub(super) fn shop(&self, at: usize) -> Result<&Shop, ActError> {
        self.shops.get(at).ok_or(ActError::NoShop(u32::try_from(at + 1).unwrap_or(u32::MAX)))
    }

    pub(super) fn link(&self, at: usize) -> Result<&Link, ActError> {
        self.links.get(at).ok_or(ActError::NoShop(u32::try_from(at + 1).unwrap_or(u32::MAX)))
    }

    /// The copies.
    pub fn copies(&self) -> MutexGuard<'_, Vec<BoxCopy>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the shops have sold that can be on its way now: behind a line that is cut nothing is.
    fn due(&self) -> Due {
        let up = self.shops.iter().zip(&self.links).filter(|(_, link)| link.is_up());
        up.map(|(shop, _)| (shop.store.id, self.tally.in_store(shop.store.id).sold.tickets)).collect()
    }

    /// How long it takes from now until the reports hold what is due.
    ///
    /// # Errors
    /// [`ActError::NotOver`].
    pub async fn reported(&self, due: &Due) -> Result<u64, ActError> {
        let begin = monotonic_now();
        loop {
            // Nothing may be wrong but that the head office is not up yet.
            if let Ok(report) = self.office.hub.sales_by_store().await {
                let there = |store: u32| report.rows.iter().find(|row| row.key == store.to_string());
                if due.iter().all(|(store, tickets)| there(*store).map_or(0, |row| row.sums.tickets) >= *tickets) {
                    return Ok(elapsed_ms(begin));
                }
            }
            self.patient(begin, "the head office's report")?;
            pause().await;
        }
    }

    /// What waits for a line to be mended, as the end of a sentence.
    fn behind_cut_lines(&self) -> String {
        let cut = self.shops.iter().zip(&self.links).filter(|(_, link)| !link.is_up());
        let names: Vec<&str> = cut.map(|(shop, _)| shop.store.name.as_str()).collect();
        if names.is_empty() { String::new() } else { format!("; but {}: line cut", names.join(", ")) }
    }

    pub(super) fn patient(&self, begin: Duration, what: &str) -> Result<(), ActError> {
        if elapsed_ms(begin) < OVER_MS_MAX { Ok(()) } else { Err(ActError::NotOver { what: what.to_owned() }) }
    }

    /// Cuts a shop's line while it goes on selling, and mends it.
    async fn cut_line(&self, at: usize, until_s: u32) -> Result<Act, ActError> {
        let (shop, link) = (self.shop(at)?, self.link(at)?);
        let (store, name) = (shop.store.id, &shop.store.name);
        let (begin, second) = (monotonic_now(), self.wall.second());
        let entry = self.diary.open(&line_cut(name));
        let before = self.tally.in_store(store).sold.tickets;
        link.cut();
        let offline = || self.tally.in_store(store).sold.tickets - before;
        let mut lasting = Lasting::until(until_s);
        while lasting.goes_on(self.wall.second(), offline(), monotonic_now()) {
            self.diary.cost(entry, &format!("{} sold offline", grouped(offline())));
            pause().await;
        }
        let sold_offline = offline();
        self.diary.close(entry, &format!("{} sold offline", grouped(sold_offline)));
        let lasted_ms = elapsed_ms(begin);
        let mended = self.diary.open(&format!("{name}: line mended"));
        let waits = |waiting| self.diary.cost(mended, &format!("{} waiting", grouped(waiting)));
        let delivered = self.mend_line(at, waits).await?;
        self.diary.close(mended, &delivered.in_words());
        let Delivered { waited, there_ms } = delivered;
        let cost = Cost::LineCut { lasted_ms, sold_offline, waited, there_ms };
        Ok(Act { store: Some((store, name.clone())), second, cost })
    }

    /// Kills a shop's box; it is started again, at once or when a guest has tapped in vain, and the tills repeat what got
    /// no answer.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn kill_shop(&self, at: usize, again: Again) -> Result<Act, ActError> {
        let shop = self.shop(at)?;
        let (store, name, who) = (shop.store.id, &shop.store.name, Who::Shop(shop.store.id));
        let (begin, second) = (monotonic_now(), self.wall.second());
        let entry = self.diary.open(&shop_killed(name));
        let (before, pid) = (self.tally.at(who).repeated, self.crew.pid(who));
        self.crew.kill(who, again);
        while again == Again::WhenReleased && self.tally.at(who).repeated == before && elapsed_ms(begin) < DARK_MS_MAX {
            pause().await;
        }
        self.started_again(who, pid, shop.node.client()).await?;
        let cost = Cost::ShopKilled { back_ms: elapsed_ms(begin), taps_repeated: self.tally.at(who).repeated - before };
        self.diary.close(entry, &cost.in_words());
        Ok(Act { store: Some((store, name.clone())), second, cost })
    }

    /// Lets a killed server start again, and waits until its new process can do its work.
    async fn started_again(&self, who: Who, killed: Option<u32>, client: &Client) -> Result<(), ActError> {
        let begin = monotonic_now();
        self.crew.release(who);
        while self.crew.pid(who) == killed {
            self.patient(begin, "the end of a killed process")?;
            pause().await;
        }
        Ok(ready(client, "the server that was killed").await?)
    }

    /// Kills the head office, keeps it down until a second of the morning if one is given, and waits until it has caught
    /// up with all shops whose line is not cut.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn kill_office(&self, until_s: Option<u32>) -> Result<Act, ActError> {
        let (begin, second) = (monotonic_now(), self.wall.second());
        let entry = self.diary.open(OFFICE_KILLED);
        let before = self.tally.total().sold.tickets;
        let pid = self.crew.pid(Who::Office);
        self.crew.kill(Who::Office, if until_s.is_some() { Again::WhenReleased } else { Again::AtOnce });
        let meanwhile = || self.tally.total().sold.tickets - before;
        let mut lasting = until_s.map(Lasting::until);
        while lasting.as_mut().is_some_and(|it| it.goes_on(self.wall.second(), meanwhile(), monotonic_now())) {
            self.diary.cost(entry, &format!("{} sold meanwhile", grouped(meanwhile())));
            pause().await;
        }
        self.started_again(Who::Office, pid, self.office.hub.client()).await?;
        let (back_ms, sold_meanwhile, due) = (elapsed_ms(begin), meanwhile(), self.due());
        self.diary.close(entry, &format!("{} sold meanwhile", grouped(sold_meanwhile)));
        let back = self.diary.open("head office: back");
        let there_ms = self.reported(&due).await?;
        let but = self.behind_cut_lines();
        self.diary.close(back, &format!("after {}, all there {} later{but}", duration(back_ms), duration(there_ms)));
        Ok(Act { store: None, second, cost: Cost::OfficeKilled { back_ms, sold_meanwhile, there_ms } })
    }

    /// Copies a shop's disk as it is at one instant, and lets a second box run on the copy. Where the shop's own tills are
    /// not at work, one is given that sells a few tickets meanwhile: a box that says nothing is not told from its copy.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn clone_disk(&self, at: usize, own: Option<&Till>) -> Result<Act, ActError> {
        let shop = self.shop(at)?;
        let (store, name) = (shop.store.id, shop.store.name.clone());
        if !self.link(at)?.is_up() {
            return Err(ActError::LineIsCut(store));
        }
        let second = self.wall.second();
        let entry = self.diary.open(&disk_cloned(&name));
        let number = u32::try_from(self.copies().len() + 1).unwrap_or(u32::MAX);
        let (who, copy) = (Who::Shop(store), Who::Copy { store, number });
        let data = shop.data.with_file_name(format!("copy-{number}-of-store-{store:02}"));
        let frozen = monotonic_now();
        self.crew.freeze(who);
        let copied = copy_disk(&shop.data, &data).await;
        self.crew.thaw(who);
        let paused_ms = elapsed_ms(frozen);
        copied.map_err(|source| ShopsError::File { path: data.clone(), source })?;
        let spec = self.crew.spec(who).ok_or(ActError::NoShop(store))?;
        let begin = monotonic_now();
        let (server, twin) = open_copy(spec, copy, shop, data).await?;
        self.look_after(server, copy, twin.clone());
        let till = self.copy_till(&twin, copy, number);
        let tickets = self.tickets(at, COPY_TICKETS);
        let (first, rest) = tickets.split_at(tickets.len() / 2);
        let mut books = self.sell(&till, first).await?;
        if let Some(own) = own {
            self.sell(own, rest).await?;
        }
        let (lives, seen_ms) = self.told_apart((shop, &twin), (begin, self.link(at)?)).await?;
        self.diary.cost(entry, &format!("told apart in {}", duration(seen_ms)));
        books.add(&self.sell(&till, rest).await?);
        let sold_by_copy = books.sales.tickets;
        if let Some(kept) = self.copies().iter_mut().find(|kept| kept.who == copy) {
            kept.books = books;
        }
        let cost = Cost::DiskCloned { paused_ms, sold_by_copy, seen_ms, lives };
        self.diary.close(entry, &cost.in_words());
        Ok(Act { store: Some((store, name)), second, cost })
    }

    fn look_after(&self, server: Server, who: Who, shop: Shop) {
        self.crew.add(server);
        self.copies().push(BoxCopy { who, shop, books: TillBooks::default(), retired: false });
    }

    /// A copy's till prints receipts of its own: two tills of one name would, before anybody could know.
    fn copy_till(&self, twin: &Shop, who: Who, number: u32) -> Till {
        Till {
            node: twin.node.clone(),
            who,
            name: twin.store.name.clone(),
            terminal: format!("C{number}"),
            keys: format!("demo-{}-copy-{number}", self.seed),
            tally: self.tally.clone(),
        }
    }

    /// The first sales that a shop had planned.
    pub fn tickets(&self, at: usize, count: usize) -> Vec<PlannedTicket> {
        let planned = self.plan.get(at).map(|rush| rush.tickets.as_slice()).unwrap_or_default();
        let sales = planned.iter().filter(|ticket| ticket.class == PlannedClass::Sale);
        sales.take(count).map(|ticket| PlannedTicket { resend: false, ..ticket.clone() }).collect()
    }

    /// Sells tickets without waiting for their time, which is over.
    ///
    /// # Errors
    /// [`ActError::Till`].
    pub async fn sell(&self, till: &Till, tickets: &[PlannedTicket]) -> Result<TillBooks, ActError> {
        Ok(till.sell_all(tickets.to_vec(), &self.catalog, (&self.wall.clock, &SystemClock)).await?)
    }

    /// Waits until a box and its copy go on in different lives; which, and how long it took. Two that say nothing are not
    /// told apart until they greet again; so the line blinks, if need be.
    async fn told_apart(
        &self,
        (one, other): (&Shop, &Shop),
        (begin, link): (Duration, &Link),
    ) -> Result<((String, String), u64), ActError> {
        let mut blink = Some(link);
        loop {
            let states = (one.node.state().await, other.node.state().await);
            if let (Ok(one), Ok(other)) = &states
                && one.incarnation != other.incarnation
            {
                return Ok(((one.incarnation.clone(), other.incarnation.clone()), elapsed_ms(begin)));
            }
            if let (Err(error), _) | (_, Err(error)) = states
                && !error.is_passing()
            {
                return Err(refused(&one.store.name, error));
            }
            if let Some(link) = blink.take_if(|_| monotonic_now().saturating_sub(begin) >= BLINK_AFTER) {
                link.blink();
            }
            self.patient(begin, "word that the disk was copied")?;
            pause().await;
        }
    }
}

fn refused(name: &str, source: ClientError) -> ActError {
    ActError::Shops(ShopsError::Client { name: name.to_owned(), source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_lasts_as_planned_and_longer_only_until_it_has_cost_something() {
        let at = |ms: u64| Duration::from_millis(ms);
        let mut cut = Lasting::until(600);
        assert!(cut.goes_on(599, 50, at(0)), "what it costs does not end it before its time");
        assert!(cut.goes_on(600, COST_TICKETS_MIN - 1, at(1_000)));
        assert!(!cut.goes_on(700, COST_TICKETS_MIN, at(1_040)));
        assert!(cut.goes_on(700, 0, at(1_000 + LONGER_MS_MAX - 1)));
        assert!(!cut.goes_on(700, 0, at(1_000 + LONGER_MS_MAX)), "where nobody sells any more it ends as well");
        assert!(!Lasting::until(600).goes_on(600, COST_TICKETS_MIN, at(0)));
    }
}
