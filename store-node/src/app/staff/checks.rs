//! PINs are checked one at a time: each check costs memory and time, and a shop's box has little of both.

use std::sync::Arc;

use percolate_runtime::tasks;
use tokio::sync::Semaphore;

use super::StaffRefusal;
use crate::app::error::AppError;

/// Tries that wait for their turn, with the one that has it. At the limit: 503 `sign_ins_busy`.
const WAITING_MAX: usize = 64;

/// Whose turn it is.
#[derive(Debug)]
pub(crate) struct Checks {
    turn: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Default for Checks {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), waiting: Arc::new(Semaphore::new(WAITING_MAX)) }
    }
}

impl Checks {
    /// Does work, from a look at the lock to the try that is written, when its turn has come; on a thread that may wait. It is
    /// done to its end though nobody waits for the answer any more, so that no try goes uncounted.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, AppError>
    where
        F: FnOnce() -> Result<T, AppError> + Send + 'static,
        T: Send + 'static,
    {
        let waits = self.waiting.clone().try_acquire_owned().map_err(|_too_many| StaffRefusal::Busy)?;
        let turn = self.turn.clone().acquire_owned().await.map_err(|_never_closed| StaffRefusal::Busy)?;
        tasks::blocking(move || {
            let _until_it_is_done = (waits, turn);
            work()
        })
        .await?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_hundred_at_once_are_checked_one_at_a_time_and_those_beyond_the_queue_are_refused() {
        let checks = Arc::new(Checks::default());
        let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // Nobody's turn comes before all have asked.
        let held = checks.turn.clone().acquire_owned().await.unwrap();
        let mut all = JoinSet::new();
        for _ in 0..100 {
            let (checks, busy, most) = (checks.clone(), busy.clone(), most.clone());
            all.spawn(async move {
                let work = move || {
                    most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    busy.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                };
                checks.run(work).await.is_ok()
            });
        }
        let mut outcomes = Vec::new();
        while outcomes.len() < 100 - WAITING_MAX {
            outcomes.push(all.join_next().await.unwrap().unwrap());
        }
        assert!(outcomes.iter().all(|was_done| !was_done), "these are beyond the queue");
        drop(held);
        let waited = all.join_all().await;
        assert_eq!(waited, vec![true; WAITING_MAX]);
        assert_eq!(most.load(Ordering::SeqCst), 1, "one hash at a time");
        assert!(checks.run(|| Ok(())).await.is_ok(), "and the next one has room again");
    }
}
