//! What a simulated process stands on: its clock, its commits, what it sends, and its folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::files::DataDir;
use percolate_runtime::mqtt::{Outlet, PublishError};
use percolate_runtime::writer::{CommitHook, CommitPoint, Go};
use tempfile::TempDir;

/// When every simulated world begins: Monday, 2026-11-23, 10:00 UTC, 5 in the morning in Atlanta.
pub(super) const BEGIN_MS: i64 = 1_795_428_000_000;

/// The world's time, and what a computer makes of it.
#[derive(Debug, Clone)]
pub(super) struct SimClock {
    world_ms: Arc<AtomicI64>,
    skew_ms: Arc<AtomicI64>,
}

impl SimClock {
    pub(super) fn new(world_ms: Arc<AtomicI64>) -> Self {
        Self { world_ms, skew_ms: Arc::default() }
    }

    /// Sets it wrong, or right again.
    pub(super) fn set_skew_ms(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> UtcMillis {
        UtcMillis::new(BEGIN_MS + self.world_ms.load(Ordering::Relaxed) + self.skew_ms.load(Ordering::Relaxed))
    }
}

/// Lets a process die at a point of a commit.
#[derive(Debug, Default)]
pub(super) struct Death {
    left: AtomicU32,
    died: AtomicBool,
}

impl Death {
    /// It dies when so many more points are passed: 1 is the next one.
    pub(super) fn plan(&self, points: u32) {
        self.left.store(points, Ordering::Relaxed);
    }

    pub(super) fn has_come(&self) -> bool {
        self.died.load(Ordering::Relaxed)
    }
}

impl CommitHook for Death {
    fn at(&self, _database: &'static str, _point: CommitPoint) -> Go {
        let left = self.left.load(Ordering::Relaxed);
        if left > 0 {
            self.left.store(left - 1, Ordering::Relaxed);
        }
        if left == 1 {
            self.died.store(true, Ordering::Relaxed);
        }
        if self.has_come() { Go::Die } else { Go::On }
    }
}

/// A frame on its way.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) topic: String,
    pub(super) payload: Bytes,
}

/// Frames that a process has sent and the network has not looked at yet.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    connected: AtomicBool,
    frames: Mutex<Vec<Frame>>,
}

impl Mailbox {
    pub(super) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Relaxed);
    }

    pub(super) fn take(&self) -> Vec<Frame> {
        std::mem::take(&mut *self.frames.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Outlet for Mailbox {
    fn offer(&self, topic: &str, payload: Bytes, _retain: bool) -> Result<(), PublishError> {
        if !self.connected.load(Ordering::Relaxed) {
            return Err(PublishError::Down);
        }
        let frame = Frame { topic: topic.to_owned(), payload };
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).push(frame);
        Ok(())
    }
}

/// What the folders of a simulation are called.
const SCRATCH_PREFIX: &str = "percolate-sim-";

/// Where a simulation keeps its files: in memory where there is such a place, since nobody waits for a disk here.
fn scratch_root() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// Removes what simulations have left that were ended from outside: folders that no process holds.
///
/// # Errors
/// If the folder of folders cannot be read.
pub fn sweep() -> io::Result<()> {
    for entry in std::fs::read_dir(scratch_root())? {
        let entry = entry?;
        let is_ours = entry.file_name().to_string_lossy().starts_with(SCRATCH_PREFIX);
        // Numbers of processes say nothing: the one that holds it may be in a container that shares the memory.
        if is_ours && DataDir::open(&entry.path()).is_ok() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Copies databases with their logs and keys as they are, in the middle of whatever happens: what a disk shows after the
/// power failed.
///
/// # Errors
/// If a file cannot be copied.
pub(super) fn image(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let lasts = [".db", ".db-wal", ".pem"].iter().any(|ending| name.ends_with(ending)) || name == "token";
        if lasts && wanted(&name) {
            let _bytes = std::fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

/// Numbers folders below one.
#[derive(Debug)]
pub(super) struct Folders {
    root: TempDir,
    next: u32,
    /// Says that the folder is in use.
    _held: DataDir,
}

impl Folders {
    pub(super) fn new() -> Result<Self> {
        let root = tempfile::Builder::new().prefix(SCRATCH_PREFIX).tempdir_in(scratch_root())?;
        let held = DataDir::open(root.path())?;
        Ok(Self { root, next: 0, _held: held })
    }

    /// The path of a folder that does not exist yet.
    pub(super) fn fresh(&mut self) -> PathBuf {
        self.next += 1;
        self.root.path().join(self.next.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_is_not_swept_and_what_was_left_is() {
        let mut used = Folders::new().unwrap();
        let within = used.fresh();
        std::fs::create_dir(&within).unwrap();
        let left = tempfile::Builder::new().prefix(SCRATCH_PREFIX).tempdir_in(scratch_root()).unwrap().keep();
        sweep().unwrap();
        assert!(within.exists() && !left.exists());
    }
}
