//! Duties: what only one of several processes does at a time. Who has one holds a lease in a row of the service's database,
//! renews it, and gives it back at the end; a process that died is followed when its lease has run out.
//!
//! A lease is a convenience, not a lock: two that hold one at the same time for a moment do no harm, because whatever a
//! duty does may be done twice. In files there is only one process, which has every duty.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::gauge;
use percolate_runtime::migrate::Migration;
use percolate_runtime::params;
use percolate_runtime::storage::{StorageError, WriteTx};
use percolate_runtime::system::monotonic_now;
use tokio_util::sync::CancellationToken;

use super::db::Db;

/// How long a lease lasts, in milliseconds of the server's clock.
const LEASE_MS: i64 = 5_000;

/// How often it is renewed, or tried for.
pub const RENEW_EVERY: Duration = Duration::from_millis(1_500);

/// How often whoever needs it once looks whether it is free.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The table of duties on a server, to stand in a service's list of migrations under any number.
#[must_use]
pub const fn migration(number: u32) -> Migration {
    Migration::new(number, "duty", include_str!("../../migrations/kernel/postgres/duty.sql"))
}

/// Something that one process does. A clone is the same duty of the same process.
#[derive(Debug, Clone)]
pub struct Duty {
    db: Db,
    name: &'static str,
    holder: u64,
    /// Whether this process has it, as far as it knows.
    is_held: Arc<AtomicBool>,
}

impl Duty {
    /// A duty of the owner of `db`; `holder` tells its processes apart.
    #[must_use]
    pub fn new(db: Db, name: &'static str, holder: u64) -> Self {
        Self { db, name, holder, is_held: Arc::default() }
    }

    /// Whether this process has it, as far as it knows. One whose work has panicked has it still.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Relaxed)
    }

    /// Works once while this process has the duty, which is given back then; nothing if another one keeps it for longer than a
    /// lease.
    pub async fn once<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if !self.db.is_on_server() {
            return Some(work.await);
        }
        let until = monotonic_now() + Duration::from_millis(LEASE_MS.unsigned_abs()) + RENEW_EVERY;
        while !self.taken().await.unwrap_or(false) {
            if monotonic_now() >= until {
                return None;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let held = CancellationToken::new();
        let working = async {
            let outcome = work.await;
            held.cancel();
            outcome
        };
        let outcome = tokio::join!(working, self.kept(&held)).0;
        self.give_back().await;
        Some(outcome)
    }

    /// Works while this process has the duty, until it is stopped or the work ends. The work is told to stop when the
    /// lease is lost, and begins again when it is had again.
    ///
    /// # Errors
    /// What the work returns; the duty is given back then.
    pub async fn work<E, Fut: Future<Output = Result<(), E>>>(
        self,
        stop: CancellationToken,
        mut work: impl FnMut(CancellationToken) -> Fut,
    ) -> Result<(), E> {
        if !self.db.is_on_server() {
            self.is_held.store(true, Ordering::Relaxed);
            return work(stop).await;
        }
        while self.waited_for(&stop).await {
            gauge!("hub_duty_held", "duty" => self.name).set(1.0);
            let held = stop.child_token();
            let outcome = tokio::join!(
                async {
                    let outcome = work(held.clone()).await;
                    held.cancel();
                    outcome
                },
                self.kept(&held)
            )
            .0;
            gauge!("hub_duty_held", "duty" => self.name).set(0.0);
            self.is_held.store(false, Ordering::Relaxed);
            if outcome.is_err() || stop.is_cancelled() {
                self.give_back().await;
                return outcome;
            }
        }
        Ok(())
    }

    /// Waits until it is had; tells whether it is, or the wait was stopped.
    async fn waited_for(&self, stop: &CancellationToken) -> bool {
        while !stop.is_cancelled() {
            let is_held = self.taken().await.unwrap_or(false);
            self.is_held.store(is_held, Ordering::Relaxed);
            if is_held {
                return true;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(RENEW_EVERY) => {}
            }
        }
        false
    }

    /// Renews it until the work ends; ends the work if the lease cannot be renewed in time.
    async fn kept(&self, held: &CancellationToken) {
        let lease = Duration::from_millis(LEASE_MS.unsigned_abs());
        let mut until = monotonic_now() + lease;
        loop {
            tokio::select! {
                () = held.cancelled() => return,
                () = tokio::time::sleep(RENEW_EVERY) => {}
            }
            match self.taken().await {
                Ok(true) => until = monotonic_now() + lease,
                // A server that cannot be reached may be back before anybody else has the duty.
                Err(_) if monotonic_now() < until => {}
                Ok(false) | Err(_) => {
                    tracing::warn!(duty = self.name, "the duty {} was lost to another process", self.name);
                    held.cancel();
                }
            }
        }
    }

    async fn taken(&self) -> Result<bool, StorageError> {
        let (name, holder) = (self.name, self.holder.cast_signed());
        self.db.write("duty", move |tx| take(tx, name, holder)).await
    }

    async fn give_back(&self) {
        let (name, holder) = (self.name, self.holder.cast_signed());
        let given: Result<(), StorageError> = self.db.write("duty", move |tx| give_back(tx, name, holder)).await;
        // Whoever follows waits for the end of the lease instead.
        given.unwrap_or_default();
    }
}

fn take(tx: &WriteTx<'_>, name: &str, holder: i64) -> Result<bool, StorageError> {
    let taken = tx.execute(
        "INSERT INTO duty (name, holder, until_ms)
         VALUES (?1, ?2, CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) + ?3)
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms
         WHERE duty.holder = excluded.holder
            OR duty.until_ms < CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
        params![name, holder, LEASE_MS],
    )?;
    Ok(taken == 1)
}

fn give_back(tx: &WriteTx<'_>, name: &str, holder: i64) -> Result<(), StorageError> {
    tx.execute("UPDATE duty SET until_ms = 0 WHERE name = ?1 AND holder = ?2", params![name, holder])?;
    Ok(())
}
