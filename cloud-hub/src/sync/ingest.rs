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
use percolate_common::journal::{AuthorId, JournalId, StreamKind};
use percolate_common::time::{Clock, UtcMillis};
use percolate_common::wire::session::{
    ACK_PARKED_MAX, Ack, FromHub, Hello, Position, Presence, Resend, Verdict, Welcome,
};
use percolate_common::wire::topic::Topic;
use percolate_runtime::mqtt::{LinkEvent, Publisher};
use percolate_runtime::sqlite::{StorageError, WriteTx};
use percolate_runtime::system::monotonic_now;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::message::{self, Message, Unreadable};
use super::outgoing::{Outgoing, RETRY};
use super::session::greet;
use super::store::{
    DeadLetterKept, Session, dead_letter_keep, down_position_set, presence_count, presence_reset, presence_set,
    session_fetch,
};
use crate::kernel::db::write_all;
use crate::kernel::journal::{Arrival, Journal, Outcome, batch_apply};

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
    /// A node wants everything after a position again.
    Resend {
        /// Which node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// What it holds.
        position: Position,
    },
    /// A node is gone.
    Gone {
        /// Which node.
        node: NodeId,
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

/// What follows from a message once it is committed.
#[derive(Debug)]
enum Answer {
    /// Up to here it is held.
    Ack { node: NodeId, journal: JournalId, ack: Ack },
    /// Anything else that is said to a node.
    Say { node: NodeId, message: FromHub, downlink: Option<DownlinkEvent> },
    /// Only the downlink is told.
    Tell(DownlinkEvent),
    /// Nothing.
    Nothing,
}

type Answered = Result<Answer, StorageError>;
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
                Answer::Say { node, message, downlink } => {
                    self.say(node, &message, outgoing);
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

/// What is to be committed.
#[derive(Debug)]
enum Input {
    /// The link is up: who is connected will say so again.
    LinkUp,
    /// A node has spoken.
    Message(Message),
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
    let mut parked_later: Vec<(JournalId, Vec<u64>)> = Vec::new();
    for answer in answers.iter_mut().rev() {
        let Answer::Ack { journal, ack, .. } = answer else { continue };
        let key = (*journal, ack.session);
        if later.contains(&key) {
            if let Some(parked) = ack.parked.take() {
                parked_later.push((*journal, parked));
            }
            *answer = Answer::Nothing;
        } else {
            later.push(key);
        }
    }
    for (journal, mut parked) in parked_later {
        let last = answers.iter_mut().find_map(|answer| match answer {
            Answer::Ack { journal: of, ack, .. } if *of == journal => Some(ack),
            Answer::Ack { .. } | Answer::Say { .. } | Answer::Tell(_) | Answer::Nothing => None,
        });
        if let Some(ack) = last {
            parked.extend(ack.parked.take().unwrap_or_default());
            let surplus = parked.len().saturating_sub(ACK_PARKED_MAX);
            ack.parked = Some(parked.split_off(surplus));
        }
    }
}

/// One message in its transaction. `fresh` is a random number that no session has yet.
fn apply(tx: &WriteTx<'_>, input: Input, fresh: u64, now: UtcMillis) -> Answered {
    match input {
        Input::LinkUp => presence_reset(tx, now).map(|()| Answer::Nothing),
        Input::Message(Message::Batch(node, arrival)) => apply_batch(tx, node, &arrival, now),
        Input::Message(Message::Hello(node, hello)) => apply_hello(tx, node, &hello, fresh, now),
        Input::Message(Message::Presence(node, presence)) => apply_presence(tx, node, &presence, now),
        Input::Message(Message::Ack(node, ack)) => {
            if !is_current(tx, node, ack.session)? {
                return Ok(rehello(node, ack.session));
            }
            if let Some(journal) = ack.position.journal() {
                down_position_set(tx, node, &journal, ack.position.seq(), now)?;
            }
            Ok(Answer::Tell(DownlinkEvent::Acked { node, session: ack.session, position: ack.position }))
        }
        Input::Message(Message::Resend(node, Resend { position, session })) => {
            if !is_current(tx, node, session)? {
                return Ok(rehello(node, session));
            }
            Ok(Answer::Tell(DownlinkEvent::Resend { node, session, position }))
        }
        Input::Message(Message::Unreadable(letter)) => apply_unreadable(tx, &letter, now),
    }
}

fn apply_batch(tx: &WriteTx<'_>, node: NodeId, arrival: &Arrival, now: UtcMillis) -> Answered {
    let batch = arrival.batch();
    let (session, journal) = (batch.session, batch.journal);
    let current = session_fetch(tx, node)?;
    let is_current = |current: &Session| current.number == session && current.incarnation == journal.incarnation;
    let Some(current) = current.filter(is_current) else {
        count_batch(journal.stream, "stale");
        return Ok(rehello(node, session));
    };
    let receipt = batch_apply(tx, arrival, now)?;
    let position = Position::new(&journal, receipt.head.seq, receipt.head.hash.short());
    let say = |message| Ok(Answer::Say { node, message, downlink: None });
    match receipt.outcome {
        Outcome::Appended { entries, parked } => {
            count_batch(journal.stream, "appended");
            counter!("hub_ingest_events_total", "stream" => journal.stream.as_str()).increment(entries);
            if !parked.is_empty() {
                counter!("hub_events_parked_total", "stream" => journal.stream.as_str()).increment(parked.len() as u64);
                tracing::error!(%journal, parked = parked.len(), "events of {journal} cannot be read and were parked");
            }
            let surplus = parked.len().saturating_sub(ACK_PARKED_MAX);
            let parked = parked.into_iter().skip(surplus).collect::<Vec<_>>();
            let parked = (!parked.is_empty()).then_some(parked);
            Ok(Answer::Ack { node, journal, ack: Ack { position, session, reader_ms: now.get(), parked } })
        }
        Outcome::Repeated => {
            count_batch(journal.stream, "repeated");
            Ok(Answer::Ack { node, journal, ack: Ack { position, session, reader_ms: now.get(), parked: None } })
        }
        Outcome::Gap => {
            count_batch(journal.stream, "gap");
            say(FromHub::Resend(Resend { position, session }))
        }
        Outcome::Forked { seq } => {
            count_batch(journal.stream, "forked");
            tracing::error!(%journal, seq, "{journal} contradicts what is held up to entry {seq}: restored or cloned");
            let verdict = Verdict::Forked { stream: journal.stream.number() };
            let positions = vec![position];
            say(FromHub::Welcome(Welcome {
                boot: current.boot,
                verdict,
                session,
                positions,
                hub_ms: now.get(),
                agreed: None,
                incarnation: None,
                number: None,
            }))
        }
    }
}

fn apply_hello(tx: &WriteTx<'_>, node: NodeId, hello: &Hello, fresh: u64, now: UtcMillis) -> Answered {
    // Services are authors of their own: no node may speak as one.
    if AuthorId::node(node).as_node().is_none() {
        return Ok(Answer::Nothing);
    }
    let welcome = greet(tx, node, hello, fresh, now)?;
    let verdict = match welcome.verdict {
        Verdict::Welcome => "welcome",
        Verdict::Forked { .. } => "forked",
        Verdict::WireVersion { .. } => "wire_version",
        Verdict::Untrusted => "untrusted",
        Verdict::Fenced => "fenced",
    };
    counter!("hub_greetings_total", "verdict" => verdict).increment(1);
    tracing::info!(node.id = %node, verdict, version = hello.version, "n{node} was answered: {verdict}");
    let downlink = (welcome.verdict == Verdict::Welcome).then(|| DownlinkEvent::Welcomed {
        node,
        session: welcome.session,
        positions: hello.positions.clone(),
    });
    Ok(Answer::Say { node, message: FromHub::Welcome(welcome), downlink })
}

fn apply_presence(tx: &WriteTx<'_>, node: NodeId, presence: &Presence, now: UtcMillis) -> Answered {
    let online = presence_set(tx, node, presence, now)?;
    gauge!("hub_nodes_online").set(f64::from(presence_count(tx)?));
    Ok(if online { Answer::Nothing } else { Answer::Tell(DownlinkEvent::Gone { node }) })
}

fn apply_unreadable(tx: &WriteTx<'_>, letter: &Unreadable, now: UtcMillis) -> Answered {
    let content = (letter.topic.as_str(), letter.reason.as_str(), letter.frame.as_slice());
    counter!("hub_dead_letters_total").increment(1);
    if let DeadLetterKept::New { dropped } = dead_letter_keep(tx, &letter.fingerprint(), content, now)? {
        counter!("hub_dead_letters_dropped_total").increment(dropped as u64);
        tracing::error!(topic = letter.topic, reason = letter.reason, "a frame cannot be read and was set aside");
    }
    Ok(Answer::Nothing)
}

fn is_current(tx: &WriteTx<'_>, node: NodeId, session: u64) -> Result<bool, StorageError> {
    Ok(session_fetch(tx, node)?.is_some_and(|current| current.number == session))
}

fn rehello(node: NodeId, session: u64) -> Answer {
    counter!("hub_rehellos_total").increment(1);
    Answer::Say { node, message: FromHub::Rehello { session }, downlink: None }
}

fn count_batch(stream: StreamKind, outcome: &'static str) {
    counter!("hub_ingest_batches_total", "stream" => stream.as_str(), "outcome" => outcome).increment(1);
}
