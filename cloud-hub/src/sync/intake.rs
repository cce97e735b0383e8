//! The intake: what is done with the messages of nodes, a group at a time, whoever calls for it and when.
//!
//! Each message is a command of its own, so that one that cannot be written harms no other; those that wait at the same
//! time share a commit. What is not committed is not answered: the node sends it again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use percolate_common::entropy::Entropy;
use percolate_common::ids::NodeId;
use percolate_common::journal::JournalId;
use percolate_common::time::{Clock, UtcMillis};
use percolate_common::wire::session::{ACK_PARKED_MAX, FromHub};
use percolate_common::wire::topic::Topic;
use percolate_runtime::mqtt::LinkEvent;
use percolate_runtime::storage::StorageError;
use percolate_runtime::system::monotonic_now;
use tokio::sync::{mpsc, watch};

use super::apply::{Answer, Answered, Input, Patience};
use super::downlink_event::DownlinkEvent;
use super::known::apply_known;
use super::outgoing::Outgoing;
use super::{message, telling};
use crate::kernel::auth::keys::Keys;
use crate::kernel::db::Db;
use crate::kernel::journal::Journal;

/// How long a message may wait for another process that writes the same journals, or has what comes before it. After that
/// it is judged as it is.
const PATIENCE: Duration = Duration::from_millis(250);

/// A group on its way.
pub(super) type Committing = Pin<Box<dyn Future<Output = Vec<Judged>> + Send>>;

/// What is to be judged, and until when it may be put off.
#[derive(Debug)]
pub(super) struct Waiting {
    input: Input,
    /// By the monotonic clock; none while it was never put off.
    until: Option<Duration>,
}

impl From<Input> for Waiting {
    fn from(input: Input) -> Self {
        Self { input, until: None }
    }
}

/// What became of a message, and until when it may be put off.
pub(super) type Judged = (Option<Duration>, Answered);

/// Whether other processes of the hub take in what nodes send, beside this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// None do: nothing needs to wait for anybody.
    Alone,
    /// Some may. What the downlink must know is told to all, and messages may come in another order than they were sent.
    Several,
}

/// Takes in groups of messages. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Intake {
    journal: Journal,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    downlink: mpsc::Sender<DownlinkEvent>,
    replicas: Replicas,
    /// With which keys boxes may greet, where their broker is somebody else's and asks for certificates.
    keys: Option<Keys>,
    /// Why the last group was not kept, if it was not.
    trouble: watch::Sender<Option<&'static str>>,
}

impl Intake {
    pub(crate) fn new(
        journal: Journal,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        downlink: mpsc::Sender<DownlinkEvent>,
        replicas: Replicas,
    ) -> Self {
        let (trouble, _) = watch::channel(None);
        Self { journal, clock, entropy, downlink, replicas, keys: None, trouble }
    }

    /// The same, which takes nothing of boxes that are shut out.
    pub(super) fn with_keys(self, keys: Keys) -> Self {
        Self { keys: Some(keys), ..self }
    }

    pub(super) const fn db(&self) -> &Db {
        self.journal.db()
    }

    /// What time it is.
    pub(super) fn now(&self) -> UtcMillis {
        self.clock.now()
    }

    pub(super) const fn replicas(&self) -> Replicas {
        self.replicas
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
        let read = events.into_iter().filter_map(|event| self.read(event, outgoing));
        let mut inputs: Vec<Waiting> = read.map(Waiting::from).collect();
        let mut closed = false;
        while !inputs.is_empty() {
            let answers = self.commit(inputs).await;
            closed |= answers.iter().any(|(_, answer)| matches!(answer, Err(StorageError::Closed)));
            inputs = self.answer(answers, outgoing);
        }
        if closed { Err(StorageError::Closed) } else { Ok(()) }
    }

    pub(super) fn read(&self, event: LinkEvent, outgoing: &mut Outgoing) -> Option<Input> {
        match event {
            LinkEvent::Up => {
                gauge!("hub_link_up").set(1.0);
                self.hear_for_downlink(DownlinkEvent::LinkUp);
                // With others beside us nobody is forgotten: our link may be the only one that was down.
                (self.replicas == Replicas::Alone).then_some(Input::LinkUp)
            }
            LinkEvent::Down { .. } => {
                gauge!("hub_link_up").set(0.0);
                outgoing.clear();
                None
            }
            LinkEvent::Message { topic, payload } if topic == Topic::HubDownlink.to_string() => {
                match telling::decode(&payload) {
                    Some(event) => self.hear_for_downlink(event),
                    None => counter!("hub_downlink_events_dropped_total").increment(1),
                }
                None
            }
            LinkEvent::Message { topic, payload } => Some(Input::Message(message::read(&topic, &payload))),
        }
    }

    pub(super) fn commit(&self, mut inputs: Vec<Waiting>) -> Committing {
        if inputs.iter().any(|waiting| waiting.input.is_of_presence()) {
            inputs.push(Input::Count.into());
        }
        let db = self.journal.db().clone();
        let now = self.clock.now();
        let begin = monotonic_now();
        histogram!("hub_ingest_group_messages").record(f64::from(u32::try_from(inputs.len()).unwrap_or(u32::MAX)));
        let untils: Vec<_> = inputs.iter().map(|waiting| waiting.until).collect();
        let patience = |until: Option<Duration>| match self.replicas {
            Replicas::Several if until.is_none_or(|until| begin < until) => Patience::Some,
            Replicas::Several | Replicas::Alone => Patience::None,
        };
        let numbered: Vec<_> = inputs
            .into_iter()
            .map(|Waiting { input, until }| (self.entropy.next_u64(), input, patience(until)))
            .collect();
        let keys = self.keys.clone();
        Box::pin(async move {
            let commands = numbered.into_iter().map(|(fresh, input, patience)| {
                let keys = keys.clone();
                db.write("ingest", move |tx| apply_known(tx, input, (fresh, now, patience), keys.as_ref()))
            });
            let answers = db.write_all(commands).await;
            histogram!("hub_ingest_group_seconds").record(monotonic_now().saturating_sub(begin));
            untils.into_iter().zip(answers).collect()
        })
    }

    /// Says what follows from a group, and gives what is to be judged later.
    pub(super) fn answer(&self, judged: Vec<Judged>, outgoing: &mut Outgoing) -> Vec<Waiting> {
        let failure = judged.iter().rev().find_map(|(_, answer)| answer.as_ref().err()).map(StorageError::code);
        self.trouble.send_if_modified(|trouble| std::mem::replace(trouble, failure) != failure);
        if let Some(code) = failure {
            counter!("hub_ingest_failures_total", "code" => code).increment(1);
        }
        let (mut answers, mut later) = (Vec::with_capacity(judged.len()), Vec::new());
        for (until, answer) in judged {
            match answer {
                Ok(Answer::Later(input)) => {
                    let until = until.or_else(|| Some(monotonic_now() + PATIENCE));
                    later.push(Waiting { input: *input, until });
                }
                Ok(answer) => answers.push(answer),
                Err(_) => {}
            }
        }
        merge_acks(&mut answers);
        for answer in answers {
            match answer {
                Answer::Ack { node, ack, .. } => self.say(node, &FromHub::Ack(ack), outgoing),
                Answer::Say { node, messages, downlink } => {
                    messages.iter().for_each(|message| self.say(node, message, outgoing));
                    downlink.into_iter().for_each(|event| self.tell_downlink(event, outgoing));
                }
                Answer::Tell(event) => self.tell_downlink(event, outgoing),
                Answer::Nothing | Answer::Later(_) => {}
            }
        }
        later
    }

    pub(super) fn say(&self, node: NodeId, message: &FromHub, outgoing: &mut Outgoing) {
        match message.encode() {
            Ok(frame) => outgoing.send(Topic::DownSession(node), frame),
            Err(error) => {
                tracing::error!(node.id = %node, error = &error as &dyn std::error::Error, "an answer to n{node} is too large");
            }
        }
    }

    /// The downlink is told by whoever took in a node's word; of several processes one has it.
    pub(super) fn tell_downlink(&self, event: DownlinkEvent, outgoing: &mut Outgoing) {
        match self.replicas {
            Replicas::Alone => self.hear_for_downlink(event),
            Replicas::Several => {
                if let Some(frame) = telling::encode(&event) {
                    outgoing.send(Topic::HubDownlink, frame);
                }
            }
        }
    }

    /// The downlink never holds up ingest. What it misses it learns anew: nodes repeat what is not answered.
    fn hear_for_downlink(&self, event: DownlinkEvent) {
        // Of several processes all but one have a downlink that stands by and hears nothing.
        if self.downlink.try_send(event).is_err() && self.replicas == Replicas::Alone {
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
            Answer::Ack { .. } | Answer::Say { .. } | Answer::Tell(_) | Answer::Nothing | Answer::Later(_) => None,
        });
        if let Some(ack) = last {
            parked.extend(ack.parked.take().unwrap_or_default());
            let surplus = parked.len().saturating_sub(ACK_PARKED_MAX);
            ack.parked = Some(parked.split_off(surplus));
        }
    }
}
