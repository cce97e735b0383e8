//! The shops' floor during the day: all tills sell, each ticket at its time.

use std::collections::BTreeMap;
use std::sync::Arc;

use percolate_common::domain::catalog::Catalog;
use percolate_runtime::system::SystemClock;
use tokio::task::JoinSet;

use super::clock::DemoClock;
use super::rush::{StoreRush, TERMINALS};
use super::servers::Who;
use super::shops::Shop;
use super::tally::Tally;
use super::till::{Till, TillBooks, TillError};

/// What is sold by, when, and who is told.
#[derive(Debug)]
pub struct Floor {
    /// The menu.
    pub catalog: Arc<Catalog>,
    /// The demo's time.
    pub clock: DemoClock,
    /// The seed of the plan.
    pub seed: u64,
    /// Where the tills tell what they do.
    pub tally: Arc<Tally>,
}

impl Floor {
    /// A till of a shop. Its keys are those of the plan, so that the same ticket always has the same one.
    #[must_use]
    pub fn till(&self, shop: &Shop, terminal: &str) -> Till {
        Till {
            node: shop.node.clone(),
            who: Who::Shop(shop.store.id),
            name: shop.store.name.clone(),
            terminal: terminal.to_owned(),
            keys: format!("demo-{}-{}", self.seed, shop.store.id),
            tally: self.tally.clone(),
        }
    }

    /// Sells what is planned, at all tills of all shops at once; by store, what the tills rang up.
    ///
    /// # Errors
    /// The first [`TillError`].
    pub async fn sell(&self, shops: &[Shop], plan: &[StoreRush]) -> Result<BTreeMap<u32, TillBooks>, TillError> {
        let mut tills = JoinSet::new();
        for (shop, rush) in shops.iter().zip(plan) {
            for (at, (terminal, _)) in TERMINALS.into_iter().enumerate() {
                let tickets: Vec<_> = rush.tickets.iter().filter(|ticket| ticket.terminal == at).cloned().collect();
                let till = self.till(shop, terminal);
                let (catalog, clock, store) = (self.catalog.clone(), self.clock, shop.store.id);
                tills.spawn(async move { (store, till.sell_all(tickets, &catalog, (&clock, &SystemClock)).await) });
            }
        }
        let mut by_store: BTreeMap<u32, TillBooks> = BTreeMap::new();
        while let Some(ended) = tills.join_next().await {
            // A panic is not swallowed: it goes on here.
            let (store, books) = ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            by_store.entry(store).or_default().add(&books?);
        }
        Ok(by_store)
    }
}
