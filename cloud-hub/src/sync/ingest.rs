//! Ingest: what nodes send, in the order in which it came, is committed; then, and only then, it is answered.
//!
//! While one group is being committed the next one is read; what is done with a group is the intake's business.

use std::convert::Infallible;
use std::sync::Arc;

use percolate_common::entropy::Entropy;
use percolate_common::ids::NodeId;
use percolate_common::time::Clock;
use percolate_common::wire::session::Position;
use percolate_runtime::mqtt::{LinkEvent, Publisher};
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::apply::{Answered, Input};
use super::intake::{Committing, Intake};
use super::outgoing::{Outgoing, RETRY};
use crate::kernel::journal::Journal;

/// Messages that are read ahead while a group is being committed; beyond it the link's own queue fills.
const READ_AHEAD_MAX: usize = 128;

/// What the downlink must know, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownlinkEvent {
    /// Connected to the broker anew: what was on its way is lost.
    LinkUp,
    /// A node is in session, and has read the hub's journals so far.
    Welcomed {
        /// Which node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// The session that is over by this one.
        replaces: Option<u64>,
        /// How far it has read.
        positions: Vec<Position>,
    },
    /// A node has read further.
    Acked {
        /// Which node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// How far it has read.
        position: Position,
    },
    /// A node wants everything after a position again, of a journal of the hub or of its own past.
    Resend {
        /// Which node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// What it holds.
        position: Position,
    },
    /// Sessions of a node are over.
    Gone {
        /// Which node.
        node: NodeId,
        /// Which sessions.
        sessions: Vec<u64>,
    },
}

/// Ingest. A clone is another handle on the same queue, for a run after a failure.
#[derive(Clone)]
pub struct Ingest {
    intake: Intake,
    publisher: Publisher,
    /// Held by the run that is under way.
    events: Arc<Mutex<mpsc::Receiver<LinkEvent>>>,
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest").finish_non_exhaustive()
    }
}

impl Ingest {
    /// Ingest of what `events` brings into `journal`.
    #[must_use]
    pub fn new(
        journal: Journal,
        time_and_chance: (Arc<dyn Clock>, Arc<dyn Entropy>),
        (publisher, events): (Publisher, mpsc::Receiver<LinkEvent>),
        downlink: mpsc::Sender<DownlinkEvent>,
    ) -> Self {
        let intake = Intake::new(journal, time_and_chance, downlink);
        Self { intake, publisher, events: Arc::new(Mutex::new(events)) }
    }

    /// Why the last group was not kept, by the code of its failure; nothing while all is well.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<&'static str>> {
        self.intake.trouble()
    }

    /// Takes what comes until it is stopped; what was taken is still committed and answered.
    ///
    /// # Errors
    /// Never: it fails by panic only, and is then run again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Infallible> {
        let events = self.events.clone();
        let mut events = events.lock().await;
        let mut outgoing = Outgoing::new(self.publisher.clone());
        let mut waiting: Vec<Input> = Vec::new();
        let mut committing: Option<Committing> = None;
        let mut open = true;
        loop {
            if committing.is_none() {
                if waiting.is_empty() && (stop.is_cancelled() || !open) {
                    return Ok(());
                }
                committing = (!waiting.is_empty()).then(|| self.intake.commit(std::mem::take(&mut waiting)));
            }
            tokio::select! {
                biased;
                answers = finished(&mut committing) => self.intake.answer(answers, &mut outgoing),
                event = events.recv(), if open && waiting.len() < READ_AHEAD_MAX && !stop.is_cancelled() => match event {
                    Some(event) => waiting.extend(self.intake.read(event, &mut outgoing)),
                    None => open = false,
                },
                () = tokio::time::sleep(RETRY), if outgoing.is_waiting() => outgoing.flush(),
                () = stop.cancelled(), if !stop.is_cancelled() => {}
            }
        }
    }
}

async fn finished(committing: &mut Option<Committing>) -> Vec<Answered> {
    match committing.as_mut() {
        Some(group) => {
            let answers = group.await;
            *committing = None;
            answers
        }
        None => std::future::pending().await,
    }
}
