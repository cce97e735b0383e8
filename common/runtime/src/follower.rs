//! A follower tells of what other processes commit on a server: it looks at the server's snapshot, which changes with every
//! commit, and asks for nothing else. It may tell of a commit that nobody here cares for, never of too few.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use crate::postgres::{Server, Session};
use crate::storage::StorageError;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const SNAPSHOT: &str = "SELECT CAST(pg_current_snapshot() AS TEXT)";

/// A thread that changes a number whenever something was committed. A clone is the same one.
#[derive(Debug, Clone)]
pub struct Follower {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    commits: watch::Receiver<u64>,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Follower {
    /// Follows a server on a thread of its own.
    ///
    /// # Errors
    /// [`StorageError::Thread`] if the system gives no thread.
    pub fn start(server: &Server) -> Result<Self, StorageError> {
        Self::start_for(server, watch::channel(0).0)
    }

    /// As [`Follower::start`], for a number that somebody else changes, too.
    pub(crate) fn start_for(server: &Server, commits: watch::Sender<u64>) -> Result<Self, StorageError> {
        let (stop, receiver) = (Arc::new(AtomicBool::new(false)), commits.subscribe());
        let (server, told) = (server.clone(), stop.clone());
        let thread = Builder::new()
            .name(format!("follower-{}", server.schema()))
            .spawn(move || follow(&server, &commits, &told))
            .map_err(|error| StorageError::Thread(Arc::new(error)))?;
        Ok(Self { shared: Arc::new(Shared { commits: receiver, stop, thread: Mutex::new(Some(thread)) }) })
    }

    /// A number that changes after every commit, within some 100 ms.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.shared.commits.clone()
    }

    /// Ends the thread and its connection. Blocks.
    pub fn stop_blocking(&self) {
        self.shared.stop();
    }
}

impl Shared {
    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a follower's thread panicked");
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Nobody waits: whoever drops it may run tasks.
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn follow(server: &Server, commits: &watch::Sender<u64>, stop: &AtomicBool) {
    let mut session: Option<Session> = None;
    let mut last = String::new();
    while !stop.load(Ordering::Relaxed) {
        match look(server, &mut session) {
            Ok(snapshot) if snapshot == last => {}
            Ok(snapshot) => {
                last = snapshot;
                commits.send_modify(|commits| *commits += 1);
            }
            // What was committed in the meantime is told when it can be reached again.
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a follower cannot look");
                session = None;
            }
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
}

fn look(server: &Server, session: &mut Option<Session>) -> Result<String, StorageError> {
    let session = match session {
        Some(session) => session,
        None => session.insert(server.open_reader()?),
    };
    session.text(SNAPSHOT)
}
