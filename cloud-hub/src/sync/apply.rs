//! One message in its transaction, and what follows from it once that is committed.

use std::collections::BTreeSet;

use metrics::{counter, gauge};
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, JournalId, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_common::wire::session::{ACK_PARKED_MAX, Ack, FromHub, Mark, Position, Presence, Resend, Verdict};
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

use super::downlink_event::DownlinkEvent;
use super::greeting::Greeting;
use super::mark;
use super::message::{Message, Unreadable, is_of_service};
use super::session::greet;
use super::store::{
    DeadLetterKept, Life, dead_letter_keep, down_position_set, life_close, life_in_session, presence_count,
    presence_reset, presence_set, presence_sweep, sessions_of_boot, sessions_of_others,
};
use crate::kernel::journal::{Arrival, Outcome, Receipt, author_try_lock, batch_append, hash_fetch, stream_fetch};

/// What is to be committed.
#[derive(Debug)]
pub(super) enum Input {
    /// The link is up: who is connected will say so again.
    LinkUp,
    /// Who was said to be connected before a moment, and has not said so again since, is not.
    Sweep {
        /// The moment.
        before: UtcMillis,
        /// Who has.
        confirmed: BTreeSet<NodeId>,
    },
    /// Somebody of the same group has come or gone.
    Count,
    /// A node has spoken.
    Message(Message),
}

impl Input {
    /// Whether it changes how many nodes are connected.
    pub(super) const fn is_of_presence(&self) -> bool {
        matches!(self, Self::LinkUp | Self::Sweep { .. } | Self::Message(Message::Presence(..)))
    }
}

/// What follows from a message once it is committed.
#[derive(Debug)]
pub(super) enum Answer {
    /// Up to here it is held.
    Ack { node: NodeId, journal: JournalId, ack: Ack },
    /// Anything else that is said to a node.
    Say { node: NodeId, messages: Vec<FromHub>, downlink: Option<DownlinkEvent> },
    /// Only the downlink is told.
    Tell(DownlinkEvent),
    /// Nothing.
    Nothing,
    /// It cannot be judged yet: another process writes the same journals, or has what comes before it.
    Later(Box<Input>),
}

/// Whether a message may be judged later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// It may: other processes are at work beside this one.
    Some,
    /// It may not, or not any more.
    None,
}

pub(super) type Answered = Result<Answer, StorageError>;

/// One message in its transaction. `fresh` is a random number that no session has yet.
pub(super) fn apply(tx: &WriteTx<'_>, input: Input, fresh: u64, now: UtcMillis, patience: Patience) -> Answered {
    let message = match input {
        Input::LinkUp => return presence_reset(tx, now).map(|()| Answer::Nothing),
        Input::Sweep { before, confirmed } => {
            return presence_sweep(tx, before, &confirmed, now).map(|()| Answer::Nothing);
        }
        Input::Count => return counted(tx).map(|()| Answer::Nothing),
        Input::Message(message) => message,
    };
    // What is held of an author is read under its lock, and so is whose session it is.
    for author in message.authors() {
        if author_try_lock(tx, author)? {
            continue;
        }
        // Whoever holds it may be paused for long: nobody else waits for that. What is dropped is sent again.
        let (reason, answer) = match patience {
            Patience::Some => ("locked", Answer::Later(Box::new(Input::Message(message)))),
            Patience::None => ("locked_for_long", Answer::Nothing),
        };
        counter!("hub_messages_later_total", "reason" => reason).increment(1);
        return Ok(answer);
    }
    match &message {
        Message::Batch(node, arrival) => {
            let answer = apply_batch(tx, *node, arrival, now, patience)?;
            Ok(answer.unwrap_or_else(|| early(message)))
        }
        Message::Returned(node, arrival) => {
            let answer = apply_returned(tx, *node, arrival, now, patience)?;
            Ok(answer.unwrap_or_else(|| early(message)))
        }
        Message::Hello(node, greeting) => apply_hello(tx, *node, greeting, fresh, now),
        Message::Presence(node, presence) => apply_presence(tx, *node, presence, now),
        Message::Ack(node, ack) => apply_ack(tx, *node, ack.clone(), now),
        Message::Resend(node, resend) => apply_resend(tx, *node, resend.clone()),
        Message::Mark(node, mark) => apply_mark(tx, *node, mark, now),
        Message::Unreadable(letter) => apply_unreadable(tx, letter, now),
    }
}

/// A batch that came before the one before it: another process has that one.
fn early(message: Message) -> Answer {
    counter!("hub_messages_later_total", "reason" => "gap").increment(1);
    Answer::Later(Box::new(Input::Message(message)))
}

/// The journal of a batch may be one of an earlier life than the one in session: what such a life had not sent yet is
/// sent by the later one. Whether it fits is the chain's business.
fn apply_batch(
    tx: &WriteTx<'_>,
    node: NodeId,
    arrival: &Arrival,
    now: UtcMillis,
    patience: Patience,
) -> Result<Option<Answer>, StorageError> {
    let batch = arrival.batch();
    let (session, journal) = (batch.session, batch.journal);
    let Some(life) = life_in_session(tx, node, session)? else {
        count_batch(journal.stream, "stale");
        return Ok(Some(rehello(node, session)));
    };
    let Receipt { head, outcome } = batch_append(tx, arrival, now)?;
    let position = Position::new(&journal, head.seq, head.hash.short());
    let ack = |parked| Answer::Ack {
        node,
        journal,
        ack: Ack { position: position.clone(), session, reader_ms: now.get(), parked },
    };
    let answer = match outcome {
        Outcome::Appended { entries, parked, aliases } => {
            count_batch(journal.stream, "appended");
            counter!("hub_aliases_total", "stream" => journal.stream.as_str()).increment(aliases);
            counter!("hub_ingest_events_total", "stream" => journal.stream.as_str()).increment(entries);
            if !parked.is_empty() {
                counter!("hub_events_parked_total", "stream" => journal.stream.as_str()).increment(parked.len() as u64);
                tracing::error!(%journal, parked = parked.len(), "events of {journal} cannot be read and were parked");
            }
            let surplus = parked.len().saturating_sub(ACK_PARKED_MAX);
            let parked = parked.into_iter().skip(surplus).collect::<Vec<_>>();
            let ack = ack((!parked.is_empty()).then_some(parked));
            if head.seq == entries { tell_copies(tx, node, &life, ack)? } else { ack }
        }
        Outcome::Repeated => {
            count_batch(journal.stream, "repeated");
            ack(None)
        }
        Outcome::Gap if patience == Patience::Some => return Ok(None),
        Outcome::Gap => {
            count_batch(journal.stream, "gap");
            let message = FromHub::Resend(Resend { position, session });
            Answer::Say { node, messages: vec![message], downlink: None }
        }
        Outcome::Forked { seq } => {
            count_batch(journal.stream, "forked");
            tracing::error!(%journal, seq, "{journal} contradicts what is held up to entry {seq}: restored or cloned");
            contradicted(tx, node, (&life, session), (&journal, position))?
        }
    };
    Ok(Some(answer))
}

/// A journal has begun. Other processes that run on a copy of the same disk greet again, and learn of it by that.
fn tell_copies(tx: &WriteTx<'_>, node: NodeId, life: &Life, ack: Answer) -> Answered {
    let copies = sessions_of_others(tx, node, life)?;
    match ack {
        Answer::Ack { ack, .. } if !copies.is_empty() => {
            counter!("hub_copies_told_total").increment(copies.len() as u64);
            let rehellos = copies.into_iter().map(|session| FromHub::Rehello { session });
            let messages = [FromHub::Ack(ack)].into_iter().chain(rehellos).collect();
            Ok(Answer::Say { node, messages, downlink: None })
        }
        Answer::Ack { .. } | Answer::Say { .. } | Answer::Tell(_) | Answer::Nothing | Answer::Later(_) => Ok(ack),
    }
}

/// A life that contradicts what is held of itself must greet, and learns then what to do. One that contradicts what is
/// held of an earlier life goes on, and asks where both agree.
fn contradicted(
    tx: &WriteTx<'_>,
    node: NodeId,
    (life, session): (&Life, u64),
    (journal, held): (&JournalId, Position),
) -> Answered {
    if journal.incarnation != life.incarnation {
        let message = FromHub::Contested { position: held, session };
        return Ok(Answer::Say { node, messages: vec![message], downlink: None });
    }
    life_close(tx, node, life.incarnation, None)?;
    counter!("hub_rehellos_total").increment(1);
    let downlink = Some(DownlinkEvent::Gone { node, sessions: vec![session] });
    Ok(Answer::Say { node, messages: vec![FromHub::Rehello { session }], downlink })
}

fn apply_hello(tx: &WriteTx<'_>, node: NodeId, greeting: &Greeting, fresh: u64, now: UtcMillis) -> Answered {
    // Services are authors of their own: no node may speak as one.
    if AuthorId::node(node).as_node().is_none() {
        return Ok(Answer::Nothing);
    }
    let hello = &greeting.hello;
    let Some(greeted) = greet(tx, node, greeting, fresh, now)? else {
        counter!("hub_greetings_total", "verdict" => "late").increment(1);
        return Ok(Answer::Nothing);
    };
    let welcome = greeted.welcome;
    let verdict = match welcome.verdict {
        Verdict::Welcome => "welcome",
        Verdict::Forked { .. } => "forked",
        Verdict::WireVersion { .. } => "wire_version",
        Verdict::Untrusted => "untrusted",
        Verdict::Fenced => "fenced",
    };
    counter!("hub_greetings_total", "verdict" => verdict).increment(1);
    tracing::info!(node.id = %node, verdict, version = hello.version, "n{node} was answered: {verdict}");
    let downlink = if welcome.verdict == Verdict::Welcome {
        let positions = hello.positions.clone();
        Some(DownlinkEvent::Welcomed { node, session: welcome.session, replaces: greeted.ended, positions })
    } else {
        greeted.ended.map(|session| DownlinkEvent::Gone { node, sessions: vec![session] })
    };
    let mut messages = vec![FromHub::Welcome(welcome.clone())];
    if welcome.verdict == Verdict::Welcome {
        messages.extend(disputed(tx, &hello.positions, welcome.session)?);
    }
    Ok(Answer::Say { node, messages, downlink })
}

/// What the hub has lost of its own journals, and a node still holds, is asked for. What a node holds otherwise is told:
/// one of the two was changed by somebody.
fn disputed(tx: &ReadTx<'_>, read: &[Position], session: u64) -> Result<Vec<FromHub>, StorageError> {
    let mut said = Vec::new();
    for theirs in read {
        let Some(journal) = theirs.journal().filter(is_of_service) else { continue };
        let held = stream_fetch(tx, &journal)?.map_or_else(|| journal.genesis(), |state| state.head);
        let position = Position::new(&journal, held.seq, held.hash.short());
        if theirs.seq() > held.seq {
            counter!("hub_down_ahead_total", "stream" => journal.stream.as_str()).increment(1);
            said.push(FromHub::Resend(Resend { position, session }));
        } else if !agrees(tx, &journal, theirs)? {
            said.push(FromHub::Contested { position, session });
        }
    }
    Ok(said)
}

/// A journal of the hub as a node holds it. Nobody writes it any more, so what continues it is what the hub had said
/// before it was restored; what contradicts it was changed by somebody.
fn apply_returned(
    tx: &WriteTx<'_>,
    node: NodeId,
    arrival: &Arrival,
    now: UtcMillis,
    patience: Patience,
) -> Result<Option<Answer>, StorageError> {
    let (session, journal) = (arrival.batch().session, arrival.batch().journal);
    if life_in_session(tx, node, session)?.is_none() {
        return Ok(Some(rehello(node, session)));
    }
    let Receipt { head, outcome } = batch_append(tx, arrival, now)?;
    let position = Position::new(&journal, head.seq, head.hash.short());
    let message = match outcome {
        Outcome::Appended { entries, .. } => {
            counter!("hub_returned_events_total", "stream" => journal.stream.as_str()).increment(entries);
            tracing::warn!(node.id = %node, %journal, entries, "n{node} gave back {entries} entries of {journal}");
            FromHub::Ack(Ack { position, session, reader_ms: now.get(), parked: None })
        }
        Outcome::Repeated => FromHub::Ack(Ack { position, session, reader_ms: now.get(), parked: None }),
        Outcome::Gap if patience == Patience::Some => return Ok(None),
        Outcome::Gap => FromHub::Resend(Resend { position, session }),
        Outcome::Forked { seq } => {
            tracing::error!(node.id = %node, %journal, seq, "n{node} holds {journal} otherwise than the hub");
            FromHub::Contested { position, session }
        }
    };
    Ok(Some(Answer::Say { node, messages: vec![message], downlink: None }))
}

fn apply_ack(tx: &WriteTx<'_>, node: NodeId, ack: Ack, now: UtcMillis) -> Answered {
    if life_in_session(tx, node, ack.session)?.is_none() {
        return Ok(rehello(node, ack.session));
    }
    // How far a node has read its own past is its own business.
    if let Some(journal) = ack.position.journal().filter(|journal| !is_own(node, journal)) {
        down_position_set(tx, node, &journal, ack.position.seq(), now)?;
    }
    Ok(Answer::Tell(DownlinkEvent::Acked { node, session: ack.session, position: ack.position }))
}

fn apply_resend(tx: &WriteTx<'_>, node: NodeId, Resend { position, session }: Resend) -> Answered {
    if life_in_session(tx, node, session)?.is_none() {
        return Ok(rehello(node, session));
    }
    if let Some(held) = contested_past(tx, node, &position)? {
        let message = FromHub::Contested { position: held, session };
        return Ok(Answer::Say { node, messages: vec![message], downlink: None });
    }
    Ok(Answer::Tell(DownlinkEvent::Resend { node, session, position }))
}

fn apply_mark(tx: &WriteTx<'_>, node: NodeId, mark: &Mark, now: UtcMillis) -> Answered {
    let Some(life) = life_in_session(tx, node, mark.session)? else { return Ok(rehello(node, mark.session)) };
    let messages = mark::take(tx, node, &life, mark, now)?;
    Ok(if messages.is_empty() { Answer::Nothing } else { Answer::Say { node, messages, downlink: None } })
}

/// What the hub holds of a journal of the node's own past, if that is another one than the node says.
fn contested_past(tx: &ReadTx<'_>, node: NodeId, asked: &Position) -> Result<Option<Position>, StorageError> {
    let Some(journal) = asked.journal().filter(|journal| is_own(node, journal)) else { return Ok(None) };
    let Some(state) = stream_fetch(tx, &journal)?.filter(|state| (1..=state.head.seq).contains(&asked.seq())) else {
        return Ok(None);
    };
    let held = Position::new(&journal, state.head.seq, state.head.hash.short());
    Ok((!agrees(tx, &journal, asked)?).then_some(held))
}

/// Whether the hub holds a journal at a place as it is said there.
fn agrees(tx: &ReadTx<'_>, journal: &JournalId, said: &Position) -> Result<bool, StorageError> {
    let hash = match said.seq() {
        0 => Some(journal.genesis().hash),
        seq => hash_fetch(tx, journal, seq)?,
    };
    Ok(hash.is_some_and(|hash| hash.short() == said.hash()))
}

fn apply_presence(tx: &WriteTx<'_>, node: NodeId, presence: &Presence, now: UtcMillis) -> Answered {
    presence_set(tx, node, presence, now)?;
    if presence.online {
        return Ok(Answer::Nothing);
    }
    // Another process of the same node may be connected: only what this one read is over.
    Ok(Answer::Tell(DownlinkEvent::Gone { node, sessions: sessions_of_boot(tx, node, presence.boot)? }))
}

fn counted(tx: &ReadTx<'_>) -> Result<(), StorageError> {
    gauge!("hub_nodes_online").set(f64::from(presence_count(tx)?));
    Ok(())
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

/// Whether a journal is one of the node's own, of whichever life.
pub(super) fn is_own(node: NodeId, journal: &JournalId) -> bool {
    journal.author == AuthorId::node(node) && journal.author.as_node().is_some()
}

fn rehello(node: NodeId, session: u64) -> Answer {
    counter!("hub_rehellos_total").increment(1);
    Answer::Say { node, messages: vec![FromHub::Rehello { session }], downlink: None }
}

fn count_batch(stream: StreamKind, outcome: &'static str) {
    counter!("hub_ingest_batches_total", "stream" => stream.as_str(), "outcome" => outcome).increment(1);
}
