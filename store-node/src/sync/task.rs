//! The exchange as a task: takes events of the link and of the database to the [`Session`], and carries what it says.

use std::time::Duration;

use bytes::Bytes;
use percolate_common::wire::WireError;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{FromHub, FromNode, Nudge};
use percolate_common::wire::topic::Topic;
use percolate_runtime::mqtt::{LinkEvent, Publisher};
use percolate_runtime::system::monotonic_now;
use percolate_runtime::tasks::blocking;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::session::{Machine, Session};
use crate::app::App;
use crate::app::catalog::{Received, receive, refresh};
use crate::app::error::AppError;
use crate::app::take_back::take_back;
use crate::store::down;

/// Wait after the link would not take a frame.
const LINK_FULL_WAIT: Duration = Duration::from_millis(50);
/// Wait after a step of a repair failed.
const REPAIR_RETRY: Duration = Duration::from_secs(5);
/// Longest wait without looking.
const IDLE_WAIT: Duration = Duration::from_secs(3_600);

/// Everything that the task owns.
#[derive(Debug)]
pub(crate) struct SyncTask {
    app: App,
    machine: Machine,
    publisher: Publisher,
    session: Session,
    link_full: bool,
    /// When a repair goes on that could not.
    repair_at: Duration,
}

/// Why the exchange failed; the task goes on.
#[derive(Debug, thiserror::Error)]
enum SyncError {
    #[error("the database failed")]
    App(#[from] AppError),
    #[error("a message could not be made or read")]
    Wire(#[from] WireError),
    #[error("the work panicked")]
    Panicked(#[from] percolate_runtime::tasks::Panicked),
}

impl SyncTask {
    pub(crate) fn new(app: App, machine: Machine, publisher: Publisher) -> Self {
        Self { app, machine, publisher, session: Session::default(), link_full: false, repair_at: Duration::ZERO }
    }

    /// Exchanges until it is stopped.
    pub(crate) async fn run(mut self, mut events: mpsc::Receiver<LinkEvent>, stop: CancellationToken) {
        let mut commits = self.app.writer.commits();
        loop {
            let wait = self.wait();
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => match event {
                    Some(event) => self.link_event(event).await,
                    None => return,
                },
                changed = commits.changed() => match changed {
                    Ok(()) => self.grown().await,
                    Err(_closed) => return,
                },
                () = tokio::time::sleep(wait) => Ok(()),
            };
            let outcome = match outcome {
                Ok(()) => self.go_on().await,
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                metrics::counter!("node_sync_failures_total").increment(1);
                tracing::error!(error = &error as &dyn std::error::Error, "the exchange with the hub failed: {error}");
                self.link_full = true;
            }
        }
    }

    fn wait(&self) -> Duration {
        if self.link_full {
            return LINK_FULL_WAIT;
        }
        let repair = self.session.repairing.then_some(self.repair_at);
        let due = [repair, self.session.next_due()].into_iter().flatten().min();
        due.map_or(IDLE_WAIT, |due| due.saturating_sub(monotonic_now()))
    }

    /// Runs work of the session on a thread that may block.
    async fn with_session<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Session, &App, &Machine) -> Result<T, AppError> + Send + 'static,
    ) -> Result<T, SyncError> {
        let mut session = std::mem::take(&mut self.session);
        let (app, machine) = (self.app.clone(), self.machine.clone());
        let (session, outcome) = blocking(move || {
            let outcome = work(&mut session, &app, &machine);
            (session, outcome)
        })
        .await?;
        self.session = session;
        Ok(outcome?)
    }

    async fn grown(&mut self) -> Result<(), SyncError> {
        self.with_session(|session, app, _machine| session.grown(app, monotonic_now())).await
    }

    async fn link_event(&mut self, event: LinkEvent) -> Result<(), SyncError> {
        match event {
            LinkEvent::Up => self.session.link_up(monotonic_now()),
            LinkEvent::Down { reason } => {
                tracing::debug!(reason = %reason, "the link to the hub is down: {reason}");
                self.session.link_down(&self.app);
            }
            LinkEvent::Message { topic, payload } => match topic.parse() {
                Ok(Topic::DownSession(_)) => self.heard(FromHub::decode(&payload)?).await?,
                Ok(Topic::Down(..)) => self.received(Batch::decode(&payload)?).await?,
                Ok(Topic::AllDown(_)) => self.nudged(&Nudge::decode(&payload)?).await?,
                Ok(Topic::Up(..) | Topic::UpSession(_) | Topic::Presence(_)) | Err(_) => {
                    tracing::warn!(topic, "a message on a topic that is not ours: {topic}");
                }
            },
        }
        Ok(())
    }

    async fn heard(&mut self, message: FromHub) -> Result<(), SyncError> {
        self.with_session(move |session, app, machine| session.heard(app, machine, message, monotonic_now())).await
    }

    /// A batch of one of the hub's journals, or of an older life of this node.
    async fn received(&mut self, batch: Batch) -> Result<(), SyncError> {
        let id = batch.journal;
        if id.author == self.app.author() {
            return self.returned(batch).await;
        }
        let outcome: Received = self.app.writer.run("receive", move |tx| receive(tx, &batch)).await?;
        let app = self.app.clone();
        blocking(move || refresh(&app)).await??;
        let reply = match outcome {
            Received::Held(head) => self.session.about_down(&self.app, &id, head, false),
            Received::Gap(head) => self.session.about_down(&self.app, &id, head, true),
            Received::Forked => {
                metrics::counter!("node_down_forks_total").increment(1);
                tracing::error!(journal = %id, "{id} contradicts what was received before; the menu stays as it was");
                None
            }
            Received::Unwanted => None,
        };
        self.publish_session(reply)
    }

    /// A batch of an older life, which this disk has lost.
    async fn returned(&mut self, batch: Batch) -> Result<(), SyncError> {
        let (id, seq_hi, app) = (batch.journal, batch.seq_hi(), self.app.clone());
        let reply = match self.app.writer.run("take_back", move |tx| take_back(&app, tx, &batch)).await? {
            Received::Held(head) => {
                self.session.returned(id, head, monotonic_now());
                self.session.about_down(&self.app, &id, head, false)
            }
            Received::Gap(head) => self.session.about_down(&self.app, &id, head, true),
            Received::Forked => {
                self.session.contest(id, seq_hi, monotonic_now());
                None
            }
            Received::Unwanted => None,
        };
        self.publish_session(reply)
    }

    /// A journal of the hub has grown: say how far it is held, and the rest will come.
    async fn nudged(&mut self, nudge: &Nudge) -> Result<(), SyncError> {
        // Journals of nodes are read here only when they were asked for.
        let Some(id) = nudge.head.journal().filter(|id| id.author.as_node().is_none()) else { return Ok(()) };
        let held = self.app.readers.read_async(move |tx| down::head_fetch(tx, &id)).await.map_err(AppError::Storage)?;
        if held.seq >= nudge.head.seq() {
            return Ok(());
        }
        let reply = self.session.about_down(&self.app, &id, held, false);
        self.publish_session(reply)
    }

    fn publish_session(&mut self, message: Option<FromNode>) -> Result<(), SyncError> {
        let Some(message) = message else { return Ok(()) };
        let topic = Topic::UpSession(self.app.identity.node).to_string();
        // What the link does not take is said again: by the next greeting, or when the hub asks again.
        self.link_full = self.publisher.try_publish(&topic, Bytes::from(message.encode()?), false).is_err();
        Ok(())
    }

    /// Does what there is to do: one step of a repair, so that sales and messages come in between, and what is to be
    /// said.
    async fn go_on(&mut self) -> Result<(), SyncError> {
        if self.session.repairing && self.repair_at <= monotonic_now() {
            // A disk that is full, say, keeps it for a while; all else goes on.
            self.repair_at = monotonic_now() + REPAIR_RETRY;
            self.with_session(|session, app, _machine| session.repair(app, monotonic_now())).await?;
            self.repair_at = Duration::ZERO;
        }
        self.say().await
    }

    /// Sends what is due.
    async fn say(&mut self) -> Result<(), SyncError> {
        self.link_full = false;
        let hello = self.with_session(|session, app, machine| session.hello(app, machine, monotonic_now())).await?;
        self.publish_session(hello.map(FromNode::Hello))?;
        while !self.link_full && self.session.has_to_ask() {
            let ask = self.with_session(|session, app, _machine| session.ask(app)).await?;
            let Some(ask) = ask else { break };
            self.publish_session(Some(ask))?;
            if !self.link_full {
                self.session.asked();
            }
        }
        while !self.link_full {
            let batch = self.with_session(|session, app, _machine| session.batch(app, monotonic_now())).await?;
            let Some(batch) = batch else { break };
            let topic = Topic::Up(self.app.identity.node, batch.journal.stream).to_string();
            match self.publisher.try_publish(&topic, Bytes::from(batch.encode()?), false) {
                Ok(()) => {
                    metrics::counter!("node_batches_sent_total").increment(1);
                    self.session.sent(&batch, monotonic_now());
                }
                Err(_down_or_full) => self.link_full = true,
            }
        }
        Ok(())
    }
}
