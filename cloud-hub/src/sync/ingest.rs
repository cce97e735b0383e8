//! Ingest: what nodes send, in the order in which it came, is committed; then, and only then, it is answered.
//!
//! While one group is being committed the next one is read. Each message is a command of its own, so that one that
//! cannot be written harms no other; those that wait at the same time share a commit. What is not committed is not
//! answered: the node sends it again.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use metrics::{counter, gauge, histogram};
use percolate_common::entropy::Entropy;
use percolate_common::ids::NodeId;
use percolate_common::journal::JournalId;
use percolate_common::time::Clock;
use percolate_common::wire::session::{ACK_PARKED_MAX, FromHub, Position};
use percolate_common::wire::topic::Topic;
use percolate_runtime::mqtt::{LinkEvent, Publisher};
use percolate_runtime::sqlite::StorageError;
use percolate_runtime::system::monotonic_now;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::apply::{Answer, Answered, Input, apply};
use super::message;
use super::outgoing::{Outgoing, RETRY};
use crate::kernel::db::write_all;
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
    journal: Journal,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    publisher: Publisher,
    /// Held by the run that is under way.
    events: Arc<Mutex<mpsc::Receiver<LinkEvent>>>,
    downlink: mpsc::Sender<DownlinkEvent>,
    /// Why the last group was not kept, if it was not.
    trouble: watch::Sender<Option<&'static str>>,
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest").finish_non_exhaustive()
    }
}

type Committing = Pin<Box<dyn Future<Output = Vec<Answered>> + Send>>;

impl Ingest {
    /// Ingest of what `events` brings into `journal`.
    #[must_use]
    pub fn new(
        journal: Journal,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        (publisher, events): (Publisher, mpsc::Receiver<LinkEvent>),
        downlink: mpsc::Sender<DownlinkEvent>,
    ) -> Self {
        let (trouble, _) = watch::channel(None);
        Self { journal, clock, entropy, publisher, events: Arc::new(Mutex::new(events)), downlink, trouble }
    }

    /// Why the last group was not kept, by the code of its failure; nothing while all is well.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<&'static str>> {
        self.trouble.subscribe()
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
                committing = (!waiting.is_empty()).then(|| self.commit(std::mem::take(&mut waiting)));
            }
            tokio::select! {
                biased;
                answers = finished(&mut committing) => self.answer(answers, &mut outgoing),
                event = events.recv(), if open && waiting.len() < READ_AHEAD_MAX && !stop.is_cancelled() => match event {
                    Some(event) => waiting.extend(self.read(event, &mut outgoing)),
                    None => open = false,
                },
                () = tokio::time::sleep(RETRY), if outgoing.is_waiting() => outgoing.flush(),
                () = stop.cancelled(), if !stop.is_cancelled() => {}
            }
        }
    }

    fn read(&self, event: LinkEvent, outgoing: &mut Outgoing) -> Option<Input> {
        match event {
            LinkEvent::Up => {
                gauge!("hub_link_up").set(1.0);
                self.tell_downlink(DownlinkEvent::LinkUp);
                Some(Input::LinkUp)
            }
            LinkEvent::Down { .. } => {
                gauge!("hub_link_up").set(0.0);
                outgoing.clear();
                None
            }
            LinkEvent::Message { topic, payload } => Some(Input::Message(message::read(&topic, &payload))),
        }
    }

    fn commit(&self, inputs: Vec<Input>) -> Committing {
        let db = self.journal.db().clone();
        let now = self.clock.now();
        let begin = monotonic_now();
        histogram!("hub_ingest_group_messages").record(f64::from(u32::try_from(inputs.len()).unwrap_or(u32::MAX)));
        let numbered: Vec<_> = inputs.into_iter().map(|input| (self.entropy.next_u64(), input)).collect();
        Box::pin(async move {
            let commands =
                numbered.into_iter().map(|(fresh, input)| db.write("ingest", move |tx| apply(tx, input, fresh, now)));
            let answers = write_all(commands).await;
            histogram!("hub_ingest_group_seconds").record(monotonic_now().saturating_sub(begin));
            answers
        })
    }

    fn answer(&self, answers: Vec<Answered>, outgoing: &mut Outgoing) {
        let failure = answers.iter().rev().find_map(|answer| answer.as_ref().err()).map(StorageError::code);
        self.trouble.send_if_modified(|trouble| std::mem::replace(trouble, failure) != failure);
        let mut answers: Vec<_> = answers.into_iter().filter_map(Result::ok).collect();
        if let Some(code) = failure {
            counter!("hub_ingest_failures_total", "code" => code).increment(1);
        }
        merge_acks(&mut answers);
        for answer in answers {
            match answer {
                Answer::Ack { node, ack, .. } => self.say(node, &FromHub::Ack(ack), outgoing),
                Answer::Say { node, messages, downlink } => {
                    messages.iter().for_each(|message| self.say(node, message, outgoing));
                    downlink.into_iter().for_each(|event| self.tell_downlink(event));
                }
                Answer::Tell(event) => self.tell_downlink(event),
                Answer::Nothing => {}
            }
        }
    }

    fn say(&self, node: NodeId, message: &FromHub, outgoing: &mut Outgoing) {
        match message.encode() {
            Ok(frame) => outgoing.send(Topic::DownSession(node), frame),
            Err(error) => {
                tracing::error!(node.id = %node, error = &error as &dyn std::error::Error, "an answer to n{node} is too large");
            }
        }
    }

    /// The downlink never holds up ingest. What it misses it learns anew: nodes repeat what is not answered.
    fn tell_downlink(&self, event: DownlinkEvent) {
        if self.downlink.try_send(event).is_err() {
            counter!("hub_downlink_events_dropped_total").increment(1);
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

/// Of several acknowledgements of one journal in one group only the last is said; what was parked is said of all.
fn merge_acks(answers: &mut [Answer]) {
    let mut later: Vec<(JournalId, u64)> = Vec::new();
    let mut parked_later: Vec<((JournalId, u64), Vec<u64>)> = Vec::new();
    for answer in answers.iter_mut().rev() {
        let Answer::Ack { journal, ack, .. } = answer else { continue };
        let key = (*journal, ack.session);
        if later.contains(&key) {
            if let Some(parked) = ack.parked.take() {
                parked_later.push((key, parked));
            }
            *answer = Answer::Nothing;
        } else {
            later.push(key);
        }
    }
    for (key, mut parked) in parked_later {
        let last = answers.iter_mut().find_map(|answer| match answer {
            Answer::Ack { journal, ack, .. } if (*journal, ack.session) == key => Some(ack),
            Answer::Ack { .. } | Answer::Say { .. } | Answer::Tell(_) | Answer::Nothing => None,
        });
        if let Some(ack) = last {
            parked.extend(ack.parked.take().unwrap_or_default());
            let surplus = parked.len().saturating_sub(ACK_PARKED_MAX);
            ack.parked = Some(parked.split_off(surplus));
        }
    }
}
