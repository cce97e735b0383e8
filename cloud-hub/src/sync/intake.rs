//! The intake: what is done with the messages of nodes, a group at a time, whoever calls for it and when.
//!
//! Each message is a command of its own, so that one that cannot be written harms no other; those that wait at the same
//! time share a commit. What is not committed is not answered: the node sends it again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use metrics::{counter, gauge, histogram};
use percolate_common::entropy::Entropy;
use percolate_common::ids::NodeId;
use percolate_common::journal::JournalId;
use percolate_common::time::Clock;
use percolate_common::wire::session::{ACK_PARKED_MAX, FromHub};
use percolate_common::wire::topic::Topic;
use percolate_runtime::mqtt::LinkEvent;
use percolate_runtime::storage::StorageError;
use percolate_runtime::system::monotonic_now;
use tokio::sync::{mpsc, watch};

use super::apply::{Answer, Answered, Input, apply};
use super::ingest::DownlinkEvent;
use super::message;
use super::outgoing::Outgoing;
use crate::kernel::journal::Journal;

/// A group on its way.
pub(super) type Committing = Pin<Box<dyn Future<Output = Vec<Answered>> + Send>>;

/// Takes in groups of messages. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Intake {
    journal: Journal,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    downlink: mpsc::Sender<DownlinkEvent>,
    /// Why the last group was not kept, if it was not.
    trouble: watch::Sender<Option<&'static str>>,
}

impl Intake {
    pub(crate) fn new(
        journal: Journal,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        downlink: mpsc::Sender<DownlinkEvent>,
    ) -> Self {
        let (trouble, _) = watch::channel(None);
        Self { journal, clock, entropy, downlink, trouble }
    }

    /// Why the last group was not kept, by the code of its failure; nothing while all is well.
    pub(super) fn trouble(&self) -> watch::Receiver<Option<&'static str>> {
        self.trouble.subscribe()
    }

    /// Reads a group, commits it and answers it.
    ///
    /// # Errors
    /// [`StorageError::Closed`] if the database takes nothing more. What was committed before it closed is answered.
    pub(crate) async fn take(&self, events: Vec<LinkEvent>, outgoing: &mut Outgoing) -> Result<(), StorageError> {
        let inputs: Vec<_> = events.into_iter().filter_map(|event| self.read(event, outgoing)).collect();
        if inputs.is_empty() {
            return Ok(());
        }
        let answers = self.commit(inputs).await;
        let closed = answers.iter().any(|answer| matches!(answer, Err(StorageError::Closed)));
        self.answer(answers, outgoing);
        if closed { Err(StorageError::Closed) } else { Ok(()) }
    }

    pub(super) fn read(&self, event: LinkEvent, outgoing: &mut Outgoing) -> Option<Input> {
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

    pub(super) fn commit(&self, inputs: Vec<Input>) -> Committing {
        let db = self.journal.db().clone();
        let now = self.clock.now();
        let begin = monotonic_now();
        histogram!("hub_ingest_group_messages").record(f64::from(u32::try_from(inputs.len()).unwrap_or(u32::MAX)));
        let numbered: Vec<_> = inputs.into_iter().map(|input| (self.entropy.next_u64(), input)).collect();
        Box::pin(async move {
            let commands =
                numbered.into_iter().map(|(fresh, input)| db.write("ingest", move |tx| apply(tx, input, fresh, now)));
            let answers = db.write_all(commands).await;
            histogram!("hub_ingest_group_seconds").record(monotonic_now().saturating_sub(begin));
            answers
        })
    }

    pub(super) fn answer(&self, answers: Vec<Answered>, outgoing: &mut Outgoing) {
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
