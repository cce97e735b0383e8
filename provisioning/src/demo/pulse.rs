//! How the chain is at this moment, asked of its servers again and again while a person looks on.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::act::Stage;
use super::servers::Who;
use super::shops::Shop;
use crate::client::ClientError;

/// Pause between two looks, in milliseconds.
const LOOK_EVERY_MS: u64 = 200;
/// How long a server may take to say how it is, in milliseconds; longer, and it is taken for down.
const ANSWER_MS_MAX: u64 = 1_500;

/// How a shop is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShopPulse {
    /// Whether its box answers.
    pub answers: bool,
    /// Whether its box says that it reaches the head office.
    pub is_linked: bool,
    /// Tickets of the day, as the box has them.
    pub kept: i64,
}

/// How the chain is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulse {
    /// The shops, by store number.
    pub shops: BTreeMap<u32, ShopPulse>,
    /// Whether the head office answers.
    pub office_answers: bool,
    /// Tickets in the reports, by store number.
    pub there: BTreeMap<u32, i64>,
    /// Entries of all journals that the head office holds.
    pub journal: u64,
    /// Entries that it knows to exist and has not counted.
    pub behind: u64,
    /// Tickets that a till was answered and its box does not have.
    pub lost: i64,
    /// Tickets in the reports that no till has asked for.
    pub doubled: i64,
}

/// The last look at the chain.
#[derive(Debug, Default)]
pub struct LastPulse(Mutex<Pulse>);

impl LastPulse {
    /// What was seen.
    #[must_use]
    pub fn get(&self) -> Pulse {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks again and again, for ever.
    pub async fn run(&self, stage: &Stage, day: &str) -> Infallible {
        loop {
            let pulse = look(stage, day, self.get()).await;
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pulse;
            tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
        }
    }
}

async fn timely<T>(answer: impl Future<Output = Result<T, ClientError>>) -> Option<T> {
    tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), answer).await.ok()?.ok()
}

/// Looks once. What does not answer is shown as it was last.
async fn look(stage: &Stage, day: &str, last: Pulse) -> Pulse {
    let mut pulse = last;
    // What was answered before a box is asked, the box must have.
    let answered: BTreeMap<u32, i64> =
        stage.shops.iter().map(|shop| (shop.store.id, stage.tally.at(Who::Shop(shop.store.id)).sold.tickets)).collect();
    let mut asking = JoinSet::new();
    for shop in &stage.shops {
        asking.spawn(look_at_shop(shop.clone(), day.to_owned()));
    }
    pulse.lost = 0;
    for (store, seen) in asking.join_all().await {
        let before = pulse.shops.entry(store).or_default();
        if seen.answers {
            pulse.lost += beyond(answered.get(&store).copied().unwrap_or(0), seen.kept);
            *before = seen;
        } else {
            *before = ShopPulse { kept: before.kept, ..seen };
        }
    }
    let report = timely(stage.office.hub.sales_by_store()).await;
    pulse.office_answers = report.is_some();
    if let Some(report) = report {
        let store = |key: &str| key.parse::<u32>().ok();
        pulse.there = report.rows.iter().filter_map(|row| Some((store(&row.key)?, row.sums.tickets))).collect();
        pulse.behind = report.completeness.iter().map(|mark| mark.behind_events).sum();
    }
    // What the reports held before, a till must have asked for by now.
    pulse.doubled = pulse.there.iter().map(|(store, there)| (there - stage.tally.in_store(*store).asked).max(0)).sum();
    if let Some(journals) = timely(stage.office.hub.journals()).await {
        pulse.journal = journals.iter().map(|journal| journal.contig).sum();
    }
    pulse
}

/// By how much a count is beyond its limit.
fn beyond(count: i64, limit: i64) -> i64 {
    (count - limit).max(0)
}

async fn look_at_shop(shop: Shop, day: String) -> (u32, ShopPulse) {
    let state = timely(shop.node.state()).await;
    let books = timely(shop.node.day(&day)).await;
    let pulse = match (state, books) {
        (Some(state), Some(books)) => {
            ShopPulse { answers: true, is_linked: state.link == LINK_UP, kept: books.tickets }
        }
        (None, _) | (_, None) => ShopPulse::default(),
    };
    (shop.store.id, pulse)
}

/// What a box says when it reaches the head office.
const LINK_UP: &str = "up";
