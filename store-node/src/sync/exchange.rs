//! The exchange without sockets and threads: what comes from the link and from the database goes to the [`Session`], and
//! what the session says goes to the publisher. Everything in here blocks.

use std::time::Duration;

use bytes::Bytes;
use percolate_common::wire::WireError;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{FromHub, FromNode, Nudge};
use percolate_common::wire::topic::Topic;
use percolate_runtime::mqtt::{DownReason, LinkEvent, Publisher};

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

/// The node's side of the exchange, with all that it needs.
#[derive(Debug)]
pub(crate) struct Exchange {
    app: App,
    machine: Machine,
    publisher: Publisher,
    session: Session,
    link_full: bool,
    /// When a repair goes on that could not.
    repair_at: Duration,
}

/// Why there is something to do.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Something came over the link.
    Link(LinkEvent),
    /// Something was committed.
    Grown,
    /// A wait is over.
    Due,
}

/// Why the exchange failed; it goes on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error("the database failed")]
    App(#[from] AppError),
    #[error("a message could not be made or read")]
    Wire(#[from] WireError),
}

impl Exchange {
    pub(crate) fn new(app: App, machine: Machine, publisher: Publisher) -> Self {
        Self { app, machine, publisher, session: Session::default(), link_full: false, repair_at: Duration::ZERO }
    }

    /// There is a link.
    pub(crate) fn link_up(&mut self, now: Duration) {
        self.session.link_up(now);
    }

    /// Does what there is to do, and then what is due: one step of a repair, so that sales and messages come in between,
    /// and what is to be said.
    pub(crate) fn turn(&mut self, turn: Turn, now: Duration) -> Result<(), SyncError> {
        let outcome = self.take(turn, now).and_then(|()| self.go_on(now));
        if outcome.is_err() {
            self.link_full = true;
        }
        outcome
    }

    /// How long nothing is to be done, if nothing happens.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        if self.link_full {
            return LINK_FULL_WAIT;
        }
        let repair = self.session.repairing.then_some(self.repair_at);
        let due = [repair, self.session.next_due()].into_iter().flatten().min();
        due.map_or(IDLE_WAIT, |due| due.saturating_sub(now))
    }

    fn take(&mut self, turn: Turn, now: Duration) -> Result<(), SyncError> {
        match turn {
            Turn::Link(event) => self.link_event(event, now),
            Turn::Grown => Ok(self.session.grown(&self.app, now)?),
            Turn::Due => Ok(()),
        }
    }

    fn link_event(&mut self, event: LinkEvent, now: Duration) -> Result<(), SyncError> {
        match event {
            LinkEvent::Up => {
                self.app.present.set_trouble(None);
                self.link_up(now);
            }
            LinkEvent::Down { reason } => {
                if let DownReason::Certificate { trouble } = reason {
                    self.app.present.set_trouble(Some(trouble));
                }
                tracing::debug!(reason = %reason, "the link to the hub is down: {reason}");
                self.session.link_down(&self.app);
            }
            LinkEvent::Message { topic, payload } => match topic.parse() {
                Ok(Topic::DownSession(_)) => {
                    self.session.heard(&self.app, &self.machine, FromHub::decode(&payload)?, now)?;
                }
                Ok(Topic::Down(_)) => self.received(Batch::decode(&payload)?, now)?,
                Ok(Topic::AllDown(_)) => self.nudged(&Nudge::decode(&payload)?)?,
                Ok(Topic::Up(..) | Topic::UpSession(_) | Topic::Presence(_) | Topic::HubDownlink) | Err(_) => {
                    tracing::warn!(topic, "a message on a topic that is not ours: {topic}");
                }
            },
        }
        Ok(())
    }

    /// A batch of one of the hub's journals, or of an older life of this node.
    fn received(&mut self, batch: Batch, now: Duration) -> Result<(), SyncError> {
        let id = batch.journal;
        if id.author == self.app.author() {
            return self.returned(batch, now);
        }
        let outcome: Received = self.app.writer.run_blocking("receive", move |tx| receive(tx, &batch))?;
        refresh(&self.app)?;
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
    fn returned(&mut self, batch: Batch, now: Duration) -> Result<(), SyncError> {
        let (id, seq_hi, app) = (batch.journal, batch.seq_hi(), self.app.clone());
        let reply = match self.app.writer.run_blocking("take_back", move |tx| take_back(&app, tx, &batch))? {
            Received::Held(head) => {
                self.session.returned(id, head, now);
                self.session.about_down(&self.app, &id, head, false)
            }
            Received::Gap(head) => self.session.about_down(&self.app, &id, head, true),
            Received::Forked => {
                self.session.contest(id, seq_hi, now);
                None
            }
            Received::Unwanted => None,
        };
        self.publish_session(reply)
    }

    /// A journal of the hub has grown: say how far it is held, and the rest will come.
    fn nudged(&mut self, nudge: &Nudge) -> Result<(), SyncError> {
        // Journals of nodes are read here only when they were asked for.
        let Some(id) = nudge.head.journal().filter(|id| id.author.as_node().is_none()) else { return Ok(()) };
        let held = self.app.readers.read(|tx| down::head_fetch(tx, &id)).map_err(AppError::Storage)?;
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

    fn go_on(&mut self, now: Duration) -> Result<(), SyncError> {
        if self.session.repairing && self.repair_at <= now {
            // A disk that is full, say, keeps it for a while; all else goes on.
            self.repair_at = now + REPAIR_RETRY;
            self.session.repair(&self.app, now)?;
            self.repair_at = Duration::ZERO;
        }
        self.say(now)
    }

    /// Sends what is due.
    fn say(&mut self, now: Duration) -> Result<(), SyncError> {
        self.link_full = false;
        let hello = self.session.hello(&self.app, &self.machine, now)?;
        self.publish_session(hello.map(FromNode::Hello))?;
        while !self.link_full && self.session.has_to_ask() {
            let Some(ask) = self.session.ask(&self.app)? else { break };
            self.publish_session(Some(ask))?;
            if !self.link_full {
                self.session.asked();
            }
        }
        while !self.link_full {
            let Some(batch) = self.session.batch(&self.app, now)? else { break };
            let topic = Topic::Up(self.app.identity.node, batch.journal.stream).to_string();
            match self.publisher.try_publish(&topic, Bytes::from(batch.encode()?), false) {
                Ok(()) => {
                    metrics::counter!("node_batches_sent_total").increment(1);
                    self.session.sent(&batch, now);
                }
                Err(_down_or_full) => self.link_full = true,
            }
        }
        if !self.link_full
            && let Some(mark) = self.session.mark(&self.app, &self.machine, now)?
        {
            self.publish_session(Some(mark.clone()))?;
            if !self.link_full {
                self.session.marked(&self.app, &mark, now);
            }
        }
        Ok(())
    }
}
