//! Many stores in one process: each a task with a connection of its own, all told the same.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use percolate_common::entropy::{Entropy as _, SeededEntropy};
use percolate_runtime::backoff::jittered_delay;
use percolate_runtime::mqtt::{LinkTls, RETRY_MAX};
use percolate_runtime::system::monotonic_now;
use percolate_runtime::tasks::TaskGroup;
use tokio::sync::watch;

use super::board::{Board, add, read};
use super::link::Link;
use super::papers::Papers;
use super::store::Store;
use crate::shop::until;

/// The first store's address; each has one of its own, as in the world.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);
/// Stores that introduce themselves at the same time while a crowd gathers.
const GATHER: usize = 250;
/// A link that has said nothing for so long shows that it lives.
const PING_EVERY: Duration = Duration::from_secs(15);

/// When each store sells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) from: Duration,
    pub(super) until: Duration,
    /// A store's mean time between two tickets; each wait is between half of it and one and a half.
    pub(super) every: Duration,
}

/// What all stores are told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Orders {
    pace: Option<Pace>,
    /// Whoever is not connected stays so.
    stay_away: bool,
    /// Changes when so many tickets are to be sold at once.
    backlog: (u64, u64),
}

/// All simulated stores.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) board: Arc<Board>,
    broker: SocketAddr,
    papers: Papers,
    orders: watch::Sender<Orders>,
    tasks: TaskGroup,
    size: usize,
}

impl Crowd {
    pub(super) fn new(broker: SocketAddr, papers: Papers) -> Self {
        let orders = watch::Sender::default();
        Self { board: Arc::default(), broker, papers, orders, tasks: TaskGroup::new(), size: 0 }
    }

    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Adds stores until there are so many, and waits until all are in session and the hub has what they have.
    pub(super) async fn grow(&mut self, size: usize) -> Result<()> {
        while self.size < size {
            for _ in 0..GATHER.min(size - self.size) {
                let store = Store::new(self.size, self.board.clone())?;
                let (broker, orders) = ((self.broker, self.papers.of(self.size)?), self.orders.subscribe());
                self.tasks.spawn("simulated_store", |stop| async move {
                    stop.run_until_cancelled(live(store, broker, orders)).await;
                });
                self.size += 1;
            }
            self.all_in_session().await?;
        }
        Ok(())
    }

    pub(super) async fn all_in_session(&self) -> Result<()> {
        let size = u64::try_from(self.size)?;
        until("all stores to be in session", async || Ok(read(&self.board.welcomed) == size)).await
    }

    /// Waits until the hub has acknowledged every ticket.
    pub(super) async fn all_acked(&self) -> Result<()> {
        until("all tickets to be acknowledged", async || Ok(read(&self.board.acked) == read(&self.board.sold))).await
    }

    pub(super) fn sell_at(&self, pace: Option<Pace>) {
        self.orders.send_modify(|orders| orders.pace = pace);
    }

    /// Whoever loses its connection from now on does not try again, or all try again at once.
    pub(super) fn stay_away(&self, stay_away: bool) {
        self.orders.send_modify(|orders| orders.stay_away = stay_away);
    }

    /// Lets each store sell so many tickets now, and make ready what it will say at its next greeting.
    pub(super) async fn sell_backlog(&self, tickets: u64) -> Result<()> {
        let due = read(&self.board.sold) + tickets * u64::try_from(self.size)?;
        self.orders.send_modify(|orders| orders.backlog = (orders.backlog.0 + 1, tickets));
        until("the backlog", async || Ok(read(&self.board.sold) == due)).await
    }

    pub(super) async fn close(self) {
        let _report = self.tasks.stop(Duration::from_secs(10)).await;
    }
}

/// A store's own sense of when to sell.
struct Till {
    chance: SeededEntropy,
    next: Option<Duration>,
    backlog: u64,
}

impl Till {
    fn told(&mut self, orders: Orders) {
        let first = |pace: Pace| pace.from + self.part_of(pace.every);
        self.next = orders.pace.map(first);
    }

    fn part_of(&self, time: Duration) -> Duration {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(self.chance.next_u64() % micros)
    }

    /// Sells what is due.
    fn ring(&mut self, store: &mut Store, orders: Orders, now: Duration) -> Result<()> {
        if self.backlog != orders.backlog.0 {
            self.backlog = orders.backlog.0;
            for _ in 0..orders.backlog.1 {
                store.sell(now, now)?;
            }
            store.prepare();
        }
        let Some(pace) = orders.pace else { return Ok(()) };
        while let Some(due) = self.next.filter(|due| *due <= now) {
            self.next = Some(due + pace.every / 2 + self.part_of(pace.every)).filter(|next| *next < pace.until);
            if due < pace.until {
                store.sell(due, now)?;
            }
        }
        Ok(())
    }
}

async fn live(mut store: Store, broker: (SocketAddr, LinkTls), mut orders: watch::Receiver<Orders>) {
    let mut till = Till { chance: SeededEntropy::new(store.boot), next: None, backlog: 0 };
    let board = store.board().clone();
    let mut failures = 0;
    loop {
        let mut welcomed = false;
        let ended = connected(&mut store, &mut till, &broker, (&mut orders, &mut welcomed)).await;
        store.disconnected();
        if welcomed {
            failures = 0;
            board.welcomed.fetch_sub(1, Ordering::Relaxed);
        }
        if let Err(error) = ended {
            board.broke(&error);
        }
        let wait = jittered_delay(failures, RETRY_MAX, &till.chance);
        failures += 1;
        let retry_at = monotonic_now() + wait;
        loop {
            let now = monotonic_now();
            let told = *orders.borrow_and_update();
            if let Err(error) = till.ring(&mut store, told, now) {
                board.broke(&error);
                add(&board.strange, 1);
            }
            let due = [Some(retry_at).filter(|_| !told.stay_away), till.next].into_iter().flatten().min();
            if !told.stay_away && now >= retry_at {
                break;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                changed = orders.changed() => match changed {
                    Ok(()) => till.told(*orders.borrow()),
                    Err(_) => return,
                },
            }
        }
    }
}

/// A store with a connection, until it breaks.
async fn connected(
    store: &mut Store,
    till: &mut Till,
    (broker, tls): &(SocketAddr, LinkTls),
    (orders, welcomed): (&mut watch::Receiver<Orders>, &mut bool),
) -> Result<()> {
    let address = Ipv4Addr::from_bits(FIRST_ADDRESS.to_bits() + u32::try_from(store.place)?);
    let mut link = Link::open((address, *broker), tls, store.node(), store.boot).await?;
    store.connected(monotonic_now());
    let mut ping_at = monotonic_now() + PING_EVERY;
    loop {
        let now = monotonic_now();
        let told = *orders.borrow();
        till.ring(store, told, now)?;
        store.act(now)?;
        for (topic, payload) in store.to_say.drain(..) {
            link.put(&topic.to_string(), payload, false)?;
            ping_at = now + PING_EVERY;
        }
        if now >= ping_at {
            link.ping()?;
            ping_at = now + PING_EVERY;
        }
        link.flush().await?;
        let due = [Some(ping_at), store.next_due(), till.next].into_iter().flatten().min();
        tokio::select! {
            frame = link.frame() => {
                let (topic, payload) = frame?;
                store.hear(&topic, &payload, monotonic_now())?;
                if store.in_session() && !*welcomed {
                    *welcomed = true;
                    add(&store.board().welcomed, 1);
                }
            }
            () = sleep_until(due) => {}
            changed = orders.changed() => {
                changed?;
                till.told(*orders.borrow_and_update());
            }
        }
    }
}

async fn sleep_until(due: Option<Duration>) {
    match due {
        Some(at) => tokio::time::sleep(at.saturating_sub(monotonic_now())).await,
        None => std::future::pending().await,
    }
}
