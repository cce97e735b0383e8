//! What all simulated stores share: the menu that they were sent, and what they have sold and the hub acknowledged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use percolate_common::domain::catalog::hours::{Channel, WallTime};
use percolate_common::domain::catalog::look_up::Moment;
use percolate_common::domain::catalog::{CatalogEvent, Draft};
use percolate_common::domain::event::Event;
use percolate_common::domain::pricing::cart::Cart;
use percolate_common::domain::tickets::TicketClass;
use percolate_common::domain::tickets::decide::{DecidedSale, SellTicket, sell};
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::ids::StoreId;
use percolate_common::money::Minor;
use percolate_common::time::BusinessDay;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event;

/// Lines of a ticket.
const LINES: usize = 3;
/// What is handed over for one.
const HANDED_OVER: Minor = Minor::new(10_000);

/// The menu has no prices of certain days, hours or shops.
const MOMENT: Moment = Moment {
    store: StoreId::CHAIN,
    channel: Channel::Counter,
    day: BusinessDay::from_days(0),
    wall: WallTime { weekday: 1, minute: 0 },
};

/// Counted by all stores.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// Stores that are in session.
    pub(super) welcomed: AtomicU64,
    pub(super) sold: AtomicU64,
    pub(super) acked: AtomicU64,
    /// What should not happen: contested journals, other stock totals, refused greetings.
    pub(super) strange: AtomicU64,
    /// The menu as far as it was read, by whichever store read it first.
    menu: Mutex<(u64, Draft)>,
    sale: OnceLock<DecidedSale>,
    /// Why a connection last broke.
    broken: Mutex<Option<String>>,
    /// When each ticket of each store was due, in its order.
    due: Mutex<Vec<Vec<Duration>>>,
}

pub(super) fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

pub(super) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Board {
    /// Folds a batch of the hub's journal that continues what was read of the menu.
    pub(super) fn read_menu(&self, batch: &Batch) -> Result<()> {
        let mut menu = self.menu.lock().unwrap_or_else(PoisonError::into_inner);
        if self.sale.get().is_some() || batch.seq_lo != menu.0 + 1 {
            return Ok(());
        }
        for bytes in &batch.events {
            let Event::Catalog(said) = event::decode(bytes)?.event else { continue };
            if let CatalogEvent::RevisionPublished(revision) = &said {
                let catalog = menu.1.publish(revision.clone())?;
                let lines = catalog.content.items.keys().take(LINES).map(|item| (*item, 1));
                let command = SellTicket {
                    class: TicketClass::Sale,
                    currency: catalog.revision.currency,
                    cart: Cart::plain(lines),
                    tenders: vec![Tender { kind: TenderKind::Cash, amount: HANDED_OVER }],
                    tip: Minor::ZERO,
                };
                let decided = sell(&catalog, command, &MOMENT)?;
                self.sale.get_or_init(|| decided);
            }
            menu.1.apply(&said);
        }
        menu.0 = batch.seq_hi();
        Ok(())
    }

    /// What every ticket is: priced by the domain from the hub's menu.
    pub(super) fn sale(&self) -> Result<DecidedSale> {
        self.sale.get().cloned().context("a store sells before it has a menu")
    }

    /// A ticket of a store was due, and is sold.
    pub(super) fn sold(&self, store: usize, due: Duration) {
        add(&self.sold, 1);
        let mut all = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() <= store {
            all.resize_with(store + 1, Vec::new);
        }
        all.get_mut(store).into_iter().for_each(|tickets| tickets.push(due));
    }

    /// A connection broke, or never came to be.
    pub(super) fn broke(&self, error: &anyhow::Error) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{error:#}"));
    }

    /// Why a connection last broke.
    pub(super) fn broken(&self) -> Option<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the tickets of a store were due, from the one numbered `from`, counted from 0, on.
    pub(super) fn due(&self, store: usize, from: usize) -> Vec<Duration> {
        let all = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(store).and_then(|tickets| tickets.get(from..)).map(<[_]>::to_vec).unwrap_or_default()
    }
}
