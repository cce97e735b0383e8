//! The checkpointer: copies the write-ahead log into the database file, on a thread and a connection of its own.
//!
//! Inside COMMIT it would be the slowest percent of all sales. A PASSIVE pass blocks neither the writer nor a reader,
//! but under unbroken load it ends just behind the writer, and the log could grow without limit: at
//! [`WAL_PAGES_MAX`] the writer therefore waits between two groups while one pass catches up.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use metrics::{Counter, Histogram, counter, histogram};
use rusqlite::Connection;

use crate::sqlite::{StorageError, open_writer};
use crate::system::monotonic_now;

/// The log is copied each time it has grown by this many pages (of 4 KiB: 16 MiB).
pub const WAL_PAGES_CHECKPOINT: u32 = 4_000;

/// The log may hold this many pages (64 MiB) before the writer waits for a checkpoint.
pub const WAL_PAGES_MAX: u32 = 16_000;

/// When to checkpoint, in pages of the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointLimits {
    /// Copy each time the log has grown by this much.
    pub pages_between: u32,
    /// At this length the writer waits for the copy.
    pub pages_max: u32,
}

impl Default for CheckpointLimits {
    fn default() -> Self {
        Self { pages_between: WAL_PAGES_CHECKPOINT, pages_max: WAL_PAGES_MAX }
    }
}

enum Request {
    Copy,
    CopyAndAnswer(SyncSender<()>),
}

/// The writer's handle on the checkpointer's thread.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    limits: CheckpointLimits,
    requests: SyncSender<Request>,
    thread: JoinHandle<()>,
    /// The length of the log at the last request; 0 after the log began again.
    pages_asked: u32,
    /// The length of the log when the writer last waited; a long reader may keep the log from beginning again.
    pages_waited: u32,
}

impl Checkpointer {
    pub(crate) fn start(database: &'static str, path: &Path, limits: CheckpointLimits) -> Result<Self, StorageError> {
        // One waiting request is enough: a second would ask for what the first one does.
        let (requests, inbox) = sync_channel(1);
        let worker = Worker::new(database, path.to_owned());
        let thread = Builder::new()
            .name(format!("checkpoint-{database}"))
            .spawn(move || worker.run(&inbox))
            .map_err(|error: io::Error| StorageError::Thread(Arc::new(error)))?;
        Ok(Self { limits, requests, thread, pages_asked: 0, pages_waited: 0 })
    }

    /// Called by the writer after each commit.
    pub(crate) fn after_commit(&mut self, wal_pages: u32) {
        if wal_pages < self.pages_asked {
            self.pages_asked = 0;
            self.pages_waited = 0;
        }
        if wal_pages >= self.pages_waited.saturating_add(self.limits.pages_max) {
            self.pages_waited = wal_pages;
            self.pages_asked = wal_pages;
            self.copy_and_wait();
        } else if wal_pages >= self.pages_asked.saturating_add(self.limits.pages_between) {
            self.pages_asked = wal_pages;
            match self.requests.try_send(Request::Copy) {
                Ok(()) | Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Disconnected(_)) => tracing::error!("the checkpointer's thread has ended"),
            }
        }
    }

    /// Copies what is left and ends the thread.
    pub(crate) fn stop(self) {
        self.copy_and_wait();
        drop(self.requests);
        if self.thread.join().is_err() {
            tracing::error!("the checkpointer's thread panicked");
        }
    }

    fn copy_and_wait(&self) {
        let (answer, done) = sync_channel(1);
        if self.requests.send(Request::CopyAndAnswer(answer)).is_err() || done.recv().is_err() {
            tracing::error!("the checkpointer's thread has ended");
        }
    }
}

struct Worker {
    path: PathBuf,
    connection: Option<Connection>,
    seconds: Histogram,
    done: Counter,
    failed: Counter,
}

impl Worker {
    fn new(database: &'static str, path: PathBuf) -> Self {
        Self {
            path,
            connection: None,
            seconds: histogram!("storage_checkpoint_seconds", "database" => database),
            done: counter!("storage_checkpoints_total", "database" => database, "outcome" => "ok"),
            failed: counter!("storage_checkpoints_total", "database" => database, "outcome" => "failed"),
        }
    }

    fn run(mut self, inbox: &Receiver<Request>) {
        while let Ok(request) = inbox.recv() {
            let start = monotonic_now();
            match self.copy() {
                Ok(()) => self.done.increment(1),
                Err(error) => {
                    // The log only grows meanwhile, nothing is lost; the next request tries again.
                    self.connection = None;
                    self.failed.increment(1);
                    tracing::warn!(
                        error.code = error.code(),
                        error = &error as &dyn std::error::Error,
                        "a checkpoint failed"
                    );
                }
            }
            self.seconds.record(monotonic_now().saturating_sub(start));
            if let Request::CopyAndAnswer(answer) = request {
                // A writer that no longer waits has ended.
                answer.send(()).unwrap_or_default();
            }
        }
    }

    fn copy(&mut self) -> Result<(), StorageError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open_writer(&self.path)?,
        };
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        self.connection = Some(connection);
        Ok(())
    }
}
