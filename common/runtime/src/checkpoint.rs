//! The checkpointer: copies the write-ahead log into the database file, on a thread and a connection of its own.
//!
//! Inside COMMIT it would be the slowest percent of all sales. A PASSIVE pass blocks neither the writer nor a reader,
//! but under unbroken load it ends just behind the writer, and the log could grow without limit. So the writer of a long
//! log waits after a pass, between two groups, for a second one that copies the little that came meanwhile: then the log
//! begins again at its first page. At [`WAL_PAGES_MAX`] it waits for a whole pass.
//!
//! A flush of a file that grows writes its size, too, and takes about twice as long. So the log is laid out ahead as
//! soon as it is used: zeros behind its end, which no reader of the log takes for a frame.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use metrics::{Counter, Histogram, counter, histogram};
use rusqlite::Connection;

use crate::files::disk_free_bytes;
use crate::sqlite::{log_path, reopen_writer};
use crate::storage::StorageError;
use crate::system::monotonic_now;

/// The log is copied each time it has grown by this many pages (of 4 KiB: 16 MiB).
pub const WAL_PAGES_CHECKPOINT: u32 = 4_000;

/// The log may hold this many pages (64 MiB) before the writer waits for a checkpoint.
pub const WAL_PAGES_MAX: u32 = 16_000;

/// From this many pages on (48 MiB) the writer waits for a second, short pass: seldom, for each costs it two flushes.
pub const WAL_PAGES_LONG: u32 = 12_000;

/// From this many pages on the log is laid out ahead: a program that writes next to nothing needs none.
const LAY_OUT_FROM_PAGES: u32 = 64;

/// The log is laid out ahead when fewer pages are left than this part of what it grows by between two passes.
const LAY_OUT_SPARE_PART: u32 = 8;

/// A page in the log, in bytes: its content and the frame's head.
const FRAME_BYTES: u64 = 4_096 + 24;

/// Zeros of one write, in bytes. The writer waits for one such write at most, and the disk flushes no more at once.
const LAY_OUT_BYTES: usize = 256 * 1_024;

/// On a disk that has not this many times as much free space nothing is laid out.
const LAY_OUT_FREE_TIMES: u64 = 16;

/// When to checkpoint, in pages of the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointLimits {
    /// Copy each time the log has grown by this much.
    pub pages_between: u32,
    /// From this length on the writer waits for what a copy has left, so that the log begins again.
    pub pages_long: u32,
    /// At this length the writer waits for the copy.
    pub pages_max: u32,
}

impl Default for CheckpointLimits {
    fn default() -> Self {
        Self { pages_between: WAL_PAGES_CHECKPOINT, pages_long: WAL_PAGES_LONG, pages_max: WAL_PAGES_MAX }
    }
}

enum Request {
    Copy,
    LayOut { bytes: u64 },
    CopyAndAnswer(SyncSender<()>),
}

/// The writer's handle on the checkpointer's thread.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    limits: CheckpointLimits,
    requests: SyncSender<Request>,
    thread: JoinHandle<()>,
    /// Held by whoever appends to the log.
    appending: Arc<Mutex<()>>,
    /// A pass has ended since the writer last looked.
    copied: Arc<AtomicBool>,
    /// For how many pages the log is laid out.
    pages_laid_out: u32,
    /// The length of the log at the last request; 0 after the log began again.
    pages_asked: u32,
    /// The length of the log when the writer last waited; a long reader may keep the log from beginning again.
    pages_waited: u32,
}

impl Checkpointer {
    pub(crate) fn start(database: &'static str, path: &Path, limits: CheckpointLimits) -> Result<Self, StorageError> {
        // One waiting request is enough: a second would ask for what the first one does.
        let (requests, inbox) = sync_channel(1);
        let (appending, copied) = (Arc::default(), Arc::default());
        let worker = Worker::new(database, path.to_owned(), Arc::clone(&appending), Arc::clone(&copied));
        let thread = Builder::new()
            .name(format!("checkpoint-{database}"))
            .spawn(move || worker.run(&inbox))
            .map_err(|error: io::Error| StorageError::Thread(Arc::new(error)))?;
        let (pages_laid_out, pages_asked, pages_waited) = (0, 0, 0);
        Ok(Self { limits, requests, thread, appending, copied, pages_laid_out, pages_asked, pages_waited })
    }

    /// Held by the writer while it writes: nobody else appends to the log meanwhile.
    pub(crate) fn hold_log(&self) -> MutexGuard<'_, ()> {
        hold(&self.appending)
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
        } else if self.copied.swap(false, Ordering::Acquire) && wal_pages >= self.limits.pages_long {
            self.copy_and_wait();
        } else if wal_pages >= self.pages_asked.saturating_add(self.limits.pages_between) {
            self.pages_asked = wal_pages;
            self.ask(Request::Copy);
        } else if wal_pages >= LAY_OUT_FROM_PAGES {
            self.lay_out(wal_pages);
        }
    }

    fn lay_out(&mut self, wal_pages: u32) {
        let CheckpointLimits { pages_between, pages_max, .. } = self.limits;
        let spare = pages_between / LAY_OUT_SPARE_PART;
        let pages = wal_pages.saturating_add(pages_between).min(pages_max).saturating_add(spare);
        let is_short = wal_pages.saturating_add(spare) >= self.pages_laid_out && pages > self.pages_laid_out;
        if is_short && self.ask(Request::LayOut { bytes: u64::from(pages) * FRAME_BYTES }) {
            self.pages_laid_out = pages;
        }
    }

    /// Asks for something, unless something waits already.
    fn ask(&self, request: Request) -> bool {
        match self.requests.try_send(request) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => false,
            Err(TrySendError::Disconnected(_)) => {
                tracing::error!("the checkpointer's thread has ended");
                false
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

/// Waits until nobody else appends to the log.
fn hold(appending: &Mutex<()>) -> MutexGuard<'_, ()> {
    appending.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Worker {
    path: PathBuf,
    appending: Arc<Mutex<()>>,
    copied: Arc<AtomicBool>,
    connection: Option<Connection>,
    seconds: Histogram,
    done: Counter,
    failed: Counter,
}

impl Worker {
    fn new(database: &'static str, path: PathBuf, appending: Arc<Mutex<()>>, copied: Arc<AtomicBool>) -> Self {
        Self {
            path,
            appending,
            copied,
            connection: None,
            seconds: histogram!("storage_checkpoint_seconds", "database" => database),
            done: counter!("storage_checkpoints_total", "database" => database, "outcome" => "ok"),
            failed: counter!("storage_checkpoints_total", "database" => database, "outcome" => "failed"),
        }
    }

    fn run(mut self, inbox: &Receiver<Request>) {
        while let Ok(request) = inbox.recv() {
            match request {
                Request::Copy => {
                    self.try_copy();
                    self.copied.store(true, Ordering::Release);
                }
                Request::CopyAndAnswer(answer) => {
                    self.try_copy();
                    // A writer that no longer waits has ended.
                    answer.send(()).unwrap_or_default();
                }
                Request::LayOut { bytes } => {
                    if let Err(error) = self.lay_out(bytes) {
                        // Flushes take longer, nothing else.
                        tracing::debug!(error = &error as &dyn std::error::Error, "the log could not be laid out");
                    }
                }
            }
        }
    }

    /// Appends zeros to the log until it is as long as it will be when it is copied.
    fn lay_out(&self, bytes: u64) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(&self.path);
        if disk_free_bytes(folder)? < bytes.saturating_mul(LAY_OUT_FREE_TIMES) {
            return Ok(());
        }
        let mut log = OpenOptions::new().append(true).open(log_path(&self.path))?;
        let zeros = vec![0; LAY_OUT_BYTES];
        while log.metadata()?.len() < bytes {
            let appending = hold(&self.appending);
            log.write_all(&zeros)?;
            drop(appending);
            log.sync_data()?;
        }
        Ok(())
    }

    fn try_copy(&mut self) {
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
    }

    fn copy(&mut self) -> Result<(), StorageError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => reopen_writer(&self.path)?,
        };
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        self.connection = Some(connection);
        Ok(())
    }
}
