//! The downlink: the hub's own journals to every node, each from where it stands, and to a node that asks its own past.
//!
//! A journal is read here from the hub's journal database only, whoever authored it. When one has grown, all nodes are
//! nudged. Nothing here is of record: after a failure a node that answers a nudge is enough to go on.

use std::sync::Arc;
use std::time::Duration;

use percolate_common::journal::AuthorId;
use percolate_common::time::Clock;
use percolate_common::wire::WireError;
use percolate_runtime::mqtt::Publisher;
use percolate_runtime::storage::StorageError;
use percolate_runtime::system::monotonic_now;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::downlink_event::DownlinkEvent;
use super::readers::{Means, Readers};
use crate::kernel::journal::Journal;

/// Events from ingest that may wait; beyond it they are dropped, and the nodes ask again.
pub const EVENTS_MAX: usize = 4_096;

/// Longest time without a look at the journal, so that a nudge that was lost is repeated.
const NUDGE_AGAIN: Duration = Duration::from_secs(60);

/// Why a run of the downlink ended; it is run again.
#[derive(Debug, thiserror::Error)]
pub enum DownlinkError {
    /// The journal could not be read.
    #[error("the journal could not be read for the nodes")]
    Read(#[from] StorageError),
    /// A batch could not be made.
    #[error("a batch for the nodes could not be made")]
    Wire(#[from] WireError),
}

/// The downlink. A clone is another handle on the same queue, for a run after a failure.
#[derive(Clone)]
pub struct Downlink {
    means: Means,
    /// Held by the run that is under way.
    events: Arc<Mutex<mpsc::Receiver<DownlinkEvent>>>,
}

impl std::fmt::Debug for Downlink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Downlink").field("services", &self.means.services).finish_non_exhaustive()
    }
}

impl Downlink {
    /// The downlink of every journal of `services`.
    #[must_use]
    pub fn new(
        journal: Journal,
        clock: Arc<dyn Clock>,
        publisher: Publisher,
        services: Vec<AuthorId>,
        events: mpsc::Receiver<DownlinkEvent>,
    ) -> Self {
        let means = Means { journal, clock, publisher, services: services.into() };
        Self { means, events: Arc::new(Mutex::new(events)) }
    }

    /// Forgets what came while another process had the downlink: that one has acted on it, and nodes that are behind answer
    /// the first nudge.
    pub async fn forget(&self) {
        let mut events = self.events.lock().await;
        while events.try_recv().is_ok() {}
    }

    /// Sends until it is stopped.
    ///
    /// # Errors
    /// [`DownlinkError`]: run it again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), DownlinkError> {
        let events = self.events.clone();
        let mut events = events.lock().await;
        let mut commits = self.means.journal.commits();
        let mut readers = Readers::open(self.means.clone(), monotonic_now()).await?;
        loop {
            readers.at(monotonic_now()).send_due().await?;
            let due_in = readers.next_due().map(|at| at.saturating_sub(monotonic_now()));
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                event = events.recv() => match event {
                    Some(event) => readers.at(monotonic_now()).hear(event).await?,
                    None => return Ok(()),
                },
                changed = commits.changed() => match changed {
                    Ok(()) => readers.at(monotonic_now()).grow().await?,
                    Err(_) => return Ok(()),
                },
                () = tokio::time::sleep(due_in.unwrap_or(NUDGE_AGAIN)) => {
                    if due_in.is_none() {
                        readers.nudge_all()?;
                    }
                }
            }
        }
    }
}
