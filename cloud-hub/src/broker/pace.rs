//! How fast somebody may go on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use percolate_runtime::system::monotonic_now;

use super::rate::{Rate, Used};

/// How fast something may go on, by whoever has a clone. At the limit it waits, so that the sender's own sending stands still;
/// nothing is lost.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    rate: Rate,
    used: Arc<Mutex<Used>>,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, used: Arc::default() }
    }

    /// Counts what was used, and tells how long to wait until more may be.
    pub(super) fn take(&self, amount: usize) -> Duration {
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        self.used.lock().unwrap_or_else(PoisonError::into_inner).take(&self.rate, amount, monotonic_now())
    }

    /// Counts what was used, and waits until more may be.
    pub(super) async fn keep(&self, amount: usize) {
        let wait = self.take(amount);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}
