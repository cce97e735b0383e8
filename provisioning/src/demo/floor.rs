//! The shops' floor during the day: all tills sell, and whoever looks on sees how it goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use percolate_common::domain::catalog::Catalog;
use percolate_common::money::{Currency, Minor};
use percolate_common::time::Clock as _;
use percolate_runtime::system::SystemClock;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::clock::{DemoClock, phase, wall_time};
use super::rush::{PlannedClass, StoreRush, TERMINALS};
use super::shops::Shop;
use super::till::{Till, TillBooks, TillError, add};
use crate::client::Measures;
use crate::figures::{counted, grouped, money, signed};
use crate::screen::{Bar, Progress};

/// How often the head of the bars is written anew, in milliseconds.
const LOOK_EVERY_MS: u64 = 100;

/// What is sold, as far as it is known.
#[derive(Debug, Default)]
struct Running {
    by_store: BTreeMap<u32, Measures>,
}

impl Running {
    fn total(&self) -> Measures {
        let mut total = Measures::default();
        self.by_store.values().for_each(|sums| add(&mut total, sums));
        total
    }
}

/// What is planned, what it is sold by, and when.
#[derive(Debug)]
pub struct Day {
    /// The menu.
    pub catalog: Arc<Catalog>,
    /// The demo's time.
    pub clock: DemoClock,
    /// The hour at which the doors open.
    pub opens: u32,
    /// The seed of the plan.
    pub seed: u64,
    /// What amounts are in.
    pub currency: Currency,
}

impl Day {
    /// Sells what is planned, at all tills of all shops at once, each ticket at its time.
    ///
    /// # Errors
    /// The first [`TillError`].
    pub async fn sell(
        &self,
        shops: Vec<Shop>,
        plan: Vec<StoreRush>,
        progress: &Progress,
    ) -> Result<Vec<(Shop, TillBooks)>, TillError> {
        let head = progress.spinner("the doors open soon");
        let running = Arc::new(Mutex::new(Running::default()));
        let mut tills = JoinSet::new();
        for (shop, rush) in shops.iter().zip(plan) {
            let sales = rush.tickets.iter().filter(|ticket| ticket.class == PlannedClass::Sale).count();
            let bar = Arc::new(progress.bar(&shop.store.name, sales as u64));
            for (at, (terminal, _)) in TERMINALS.into_iter().enumerate() {
                let tickets: Vec<_> = rush.tickets.iter().filter(|ticket| ticket.terminal == at).cloned().collect();
                let till = Till {
                    node: shop.node.clone(),
                    store: shop.store.id,
                    name: shop.store.name.clone(),
                    terminal,
                    seed: self.seed,
                };
                let (catalog, clock, currency) = (self.catalog.clone(), self.clock, self.currency);
                let (running, bar, store) = (running.clone(), bar.clone(), shop.store.id);
                tills.spawn(async move {
                    let sold = |sums: &Measures| {
                        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
                        let here = running.by_store.entry(store).or_default();
                        add(here, sums);
                        show(&bar, here, currency);
                    };
                    let books = till.sell_all(tickets, &catalog, (&clock, &SystemClock), sold).await;
                    (store, books)
                });
            }
        }
        let by_store = self.watch(tills, &running, &head, progress).await?;
        Ok(shops
            .into_iter()
            .map(|shop| {
                let books = by_store.get(&shop.store.id).cloned().unwrap_or_default();
                (shop, books)
            })
            .collect())
    }

    /// Gathers the tills' books as they end, and tells how the day goes meanwhile.
    async fn watch(
        &self,
        mut tills: JoinSet<(u32, Result<TillBooks, TillError>)>,
        running: &Mutex<Running>,
        head: &Bar,
        progress: &Progress,
    ) -> Result<BTreeMap<u32, TillBooks>, TillError> {
        let mut by_store: BTreeMap<u32, TillBooks> = BTreeMap::new();
        let mut looks = interval(Duration::from_millis(LOOK_EVERY_MS));
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut hour_told = -1;
        loop {
            tokio::select! {
                ended = tills.join_next() => match ended {
                    Some(Ok((store, books))) => by_store.entry(store).or_default().add(&books?),
                    // A panic is not swallowed: it goes on here.
                    Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                    None => return Ok(by_store),
                },
                _ = looks.tick() => {
                    let second = self.clock.second(SystemClock.now());
                    let total = running.lock().unwrap_or_else(PoisonError::into_inner).total();
                    let line = self.line(second, &total);
                    head.message(&line);
                    let hour = second.div_euclid(3_600);
                    if hour > hour_told {
                        hour_told = hour;
                        progress.say_without_bars(&line);
                    }
                }
            }
        }
    }

    fn line(&self, second: i64, total: &Measures) -> String {
        let tickets = counted(total.tickets, "ticket", "tickets");
        let amount = money(Minor::new(total.total_minor), self.currency);
        format!("{} {:<14} {tickets}, {amount}", wall_time(self.opens, second), phase(self.opens, second))
    }
}

fn show(bar: &Bar, sums: &Measures, currency: Currency) {
    bar.at(u64::try_from(sums.tickets).unwrap_or(0));
    let amount = money(Minor::new(sums.total_minor), currency);
    bar.message(&format!("{:>5} {amount:>11}", grouped(signed(sums.tickets))));
}
