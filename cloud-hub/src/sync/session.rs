//! What a greeting is answered with: whether the hub believes it, and from where the node goes on.
//!
//! Each life of a node has a session of its own, and one process that goes on with it: the one that was started last.
//! A process that another one has followed is a copy of the disk that woke up again; it is fenced, begins a life of its
//! own, and goes on too. A life whose journals are not the ones that the hub holds begins another one after the last
//! place on which both agree. Nobody waits for a timer or a person.

use std::collections::BTreeMap;

use metrics::counter;
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Head, Incarnation, JournalId, PublicKey, ShortHash, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_common::wire::session::{
    ACK_PARKED_MAX, Hello, Parked, Position, SignedHead, Verdict, WELCOME_PARKED_MAX, WELCOME_POSITIONS_MAX, Welcome,
};
use percolate_common::wire::{WIRE_VERSION, WIRE_VERSION_MIN};
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

use super::greeting::Greeting;
use super::store::{
    Life, boot_is_known, key_is_trusted, life_close, life_fetch, life_open, session_upsert, signed_head_keep,
};
use crate::kernel::journal::{
    StreamState, author_stream_list, hash_fetch, parked_latest, stream_announce, stream_end, stream_fetch, stream_fork,
};

/// What a greeting led to.
#[derive(Debug)]
pub(super) struct Greeted {
    /// The answer.
    pub(super) welcome: Welcome,
    /// The session that is over by it.
    pub(super) ended: Option<u64>,
}

/// Answers a greeting, unless it is late: then another one of the same process was answered after it was sent.
/// `session` is a fresh random number; it is taken only if the node is welcome.
pub(super) fn greet(
    tx: &WriteTx<'_>,
    node: NodeId,
    greeting: &Greeting,
    session: u64,
    now: UtcMillis,
) -> Result<Option<Greeted>, StorageError> {
    let hello = &greeting.hello;
    let key = match trusted_key(tx, node, greeting, now)? {
        Ok(key) => key,
        Err(verdict) => {
            let welcome = answer(tx, node, hello, (verdict, 0), None, now)?;
            return Ok(Some(Greeted { welcome, ended: None }));
        }
    };
    let life = life_fetch(tx, node, Incarnation::new(hello.incarnation))?;
    let own = life.filter(|life| life.boot == hello.boot);
    if own.zip(hello.number).is_some_and(|(life, number)| number <= life.greeting) {
        return Ok(None);
    }
    let common = Common::find(tx, node, hello)?;
    let verdict = match common.contested {
        _ if is_superseded(tx, node, hello, life)? => Verdict::Fenced,
        Some((journal, seq)) => {
            stream_fork(tx, &journal, seq)?;
            Verdict::Forked { stream: journal.stream.number() }
        }
        None => Verdict::Welcome,
    };
    let welcome = verdict == Verdict::Welcome;
    end_contested(tx, node, hello, (&common, &verdict))?;
    let agreed = common.agreed(hello, &verdict);
    let answer = answer(tx, node, hello, (verdict, if welcome { session } else { 0 }), agreed, now)?;
    if welcome {
        notice_move(node, hello, life);
        open(tx, node, (hello, &key), session, now)?;
        return Ok(Some(Greeted { welcome: answer, ended: life.and_then(|life| life.session) }));
    }
    // Another process than the one that goes on with this life has no session that could be closed.
    if let Some(life) = own {
        life_close(tx, node, life.incarnation, hello.number)?;
    }
    Ok(Some(Greeted { welcome: answer, ended: own.and_then(|life| life.session) }))
}

/// What was announced of a life that ends here, or of an earlier one that both sides hold differently, comes in another
/// life: nobody waits for it under its old name.
fn end_contested(
    tx: &WriteTx<'_>,
    node: NodeId,
    hello: &Hello,
    (common, verdict): (&Common, &Verdict),
) -> Result<(), StorageError> {
    let mut ended = common.differing.clone();
    if *verdict != Verdict::Welcome {
        ended.extend(StreamKind::UP.map(|stream| own_journal(node, hello, stream)));
    }
    ended.iter().try_for_each(|journal| stream_end(tx, journal))
}

fn open(
    tx: &WriteTx<'_>,
    node: NodeId,
    (hello, key): (&Hello, &PublicKey),
    session: u64,
    now: UtcMillis,
) -> Result<(), StorageError> {
    life_open(tx, node, hello, session, now)?;
    session_upsert(tx, node, hello, session, now)?;
    for (stream, signed) in heads(hello) {
        let journal = own_journal(node, hello, stream);
        stream_announce(tx, &journal, signed.head().seq, now)?;
        signed_head_keep(tx, &journal, (signed, key), now)?;
    }
    Ok(())
}

/// The answer: with every journal of the node that the hub holds, those of the present life first.
fn answer(
    tx: &ReadTx<'_>,
    node: NodeId,
    hello: &Hello,
    (verdict, session): (Verdict, u64),
    agreed: Option<Vec<Position>>,
    now: UtcMillis,
) -> Result<Welcome, StorageError> {
    let mut positions = Vec::new();
    for stream in StreamKind::UP {
        let journal = own_journal(node, hello, stream);
        positions.push(position(&journal, held(tx, &journal)?));
    }
    let all = author_stream_list(tx, AuthorId::node(node), WELCOME_POSITIONS_MAX)?;
    let others = all.iter().filter(|state| state.journal.incarnation.get() != hello.incarnation);
    positions.extend(others.map(|state| position(&state.journal, state.head)));
    positions.truncate(WELCOME_POSITIONS_MAX);
    Ok(Welcome {
        boot: hello.boot,
        verdict,
        session,
        positions,
        hub_ms: now.get(),
        agreed,
        incarnation: Some(hello.incarnation),
        number: hello.number,
        parked: parked(tx, &all)?,
    })
}

/// The events of these journals that cannot be read, if there are any.
fn parked(tx: &ReadTx<'_>, streams: &[StreamState]) -> Result<Option<Vec<Parked>>, StorageError> {
    let mut parked = Vec::new();
    for state in streams.iter().filter(|state| state.parked_events > 0).take(WELCOME_PARKED_MAX) {
        let latest = parked_latest(tx, &state.journal, ACK_PARKED_MAX)?;
        parked.push(Parked::new(&state.journal, state.parked_events, latest));
    }
    Ok((!parked.is_empty()).then_some(parked))
}

/// The key of a greeting that can be believed, or why it cannot.
fn trusted_key(
    tx: &WriteTx<'_>,
    node: NodeId,
    Greeting { hello, key }: &Greeting,
    now: UtcMillis,
) -> Result<Result<PublicKey, Verdict>, StorageError> {
    if hello.wire_min > WIRE_VERSION || hello.wire_max < WIRE_VERSION_MIN {
        return Ok(Err(Verdict::WireVersion { min: WIRE_VERSION_MIN, max: WIRE_VERSION }));
    }
    let Some(key) = key else { return Ok(Err(Verdict::Untrusted)) };
    let is_trusted = key_is_trusted(tx, node, Incarnation::new(hello.incarnation), key, now)?;
    Ok(is_trusted.then_some(*key).ok_or(Verdict::Untrusted))
}

/// Whether a later process was welcomed in this life. Older programs do not number their greetings; a late one of theirs
/// could not be told from a copy that speaks again, so they are not fenced.
fn is_superseded(tx: &ReadTx<'_>, node: NodeId, hello: &Hello, life: Option<Life>) -> Result<bool, StorageError> {
    match life {
        Some(life) if hello.number.is_some() && life.boot != hello.boot => {
            boot_is_known(tx, node, life.incarnation, hello.boot)
        }
        Some(_) | None => Ok(false),
    }
}

/// What a node and the hub hold in common.
#[derive(Debug, Default)]
struct Common {
    /// Of each journal of the present life, and of each that was asked about, the last place on which both agree.
    agreed: BTreeMap<JournalId, Position>,
    /// The first journal of the present life that is not the one that the hub holds, and where at the latest.
    contested: Option<(JournalId, u64)>,
    /// Journals of earlier lives that are not the ones that the hub holds.
    differing: Vec<JournalId>,
}

impl Common {
    fn find(tx: &ReadTx<'_>, node: NodeId, hello: &Hello) -> Result<Self, StorageError> {
        let mut said: BTreeMap<JournalId, Vec<(u64, ShortHash)>> = BTreeMap::new();
        for stream in StreamKind::UP {
            let journal = own_journal(node, hello, stream);
            let theirs = heads(hello).find(|(of, _)| *of == stream).map(|(_, signed)| signed.head());
            let theirs = theirs.unwrap_or_else(|| journal.genesis());
            said.entry(journal).or_default().push((theirs.seq, theirs.hash.short()));
        }
        for mark in hello.marks.iter().flatten() {
            if let Some(journal) = mark.journal().filter(|journal| journal.author == AuthorId::node(node)) {
                said.entry(journal).or_default().push((mark.seq(), mark.hash()));
            }
        }
        let mut common = Self::default();
        for (journal, places) in said {
            common.compare(tx, journal, &places, journal.incarnation.get() == hello.incarnation)?;
        }
        Ok(common)
    }

    /// Compares a journal at the places that were said of it. The first of a present journal is its head.
    fn compare(
        &mut self,
        tx: &ReadTx<'_>,
        journal: JournalId,
        places: &[(u64, ShortHash)],
        is_present: bool,
    ) -> Result<(), StorageError> {
        let held = held(tx, &journal)?;
        let mut agreed = position(&journal, journal.genesis());
        let mut differs = places.first().is_some_and(|(seq, _)| *seq < held.seq);
        for (seq, hash) in places.iter().filter(|(seq, _)| *seq <= held.seq) {
            if hash_at(tx, &journal, held, *seq)? != Some(*hash) {
                differs = true;
            } else if *seq > agreed.seq() {
                agreed = Position::new(&journal, *seq, *hash);
            }
        }
        self.agreed.insert(journal, agreed);
        // Where the node is ahead, it checks the hub's hash itself: it has the entry, the hub has not.
        if differs && is_present {
            let seq = places.first().map_or(0, |(seq, _)| (*seq).min(held.seq));
            self.contested.get_or_insert((journal, seq));
        } else if differs {
            self.differing.push(journal);
        }
        Ok(())
    }

    /// What is said of it: all to a node that must begin another life, what it asked about to one that need not.
    fn agreed(&self, hello: &Hello, verdict: &Verdict) -> Option<Vec<Position>> {
        if *verdict != Verdict::Welcome {
            return Some(self.agreed.values().cloned().collect());
        }
        let marks = hello.marks.as_ref()?;
        let asked = |journal: &JournalId| marks.iter().any(|mark| mark.journal().as_ref() == Some(journal));
        Some(self.agreed.iter().filter(|(journal, _)| asked(journal)).map(|(_, position)| position.clone()).collect())
    }
}

/// The last entry that is held of a journal.
fn held(tx: &ReadTx<'_>, journal: &JournalId) -> Result<Head, StorageError> {
    Ok(stream_fetch(tx, journal)?.map_or_else(|| journal.genesis(), |state| state.head))
}

fn hash_at(tx: &ReadTx<'_>, journal: &JournalId, held: Head, seq: u64) -> Result<Option<ShortHash>, StorageError> {
    let hash = match seq {
        0 => Some(journal.genesis().hash),
        seq if seq == held.seq => Some(held.hash),
        seq => hash_fetch(tx, journal, seq)?,
    };
    Ok(hash.map(|hash| hash.short()))
}

fn own_journal(node: NodeId, hello: &Hello, stream: StreamKind) -> JournalId {
    JournalId { author: AuthorId::node(node), incarnation: Incarnation::new(hello.incarnation), stream }
}

fn position(journal: &JournalId, head: Head) -> Position {
    Position::new(journal, head.seq, head.hash.short())
}

/// The heads of the streams that a node may author.
fn heads(hello: &Hello) -> impl Iterator<Item = (StreamKind, &SignedHead)> {
    let up = |head: &SignedHead| head.stream().filter(|stream| StreamKind::UP.contains(stream));
    hello.heads.iter().filter_map(move |head| Some((up(head)?, head)))
}

/// The same life on another machine is a disk that was moved, or one that was cloned.
fn notice_move(node: NodeId, hello: &Hello, life: Option<Life>) {
    if life.is_some_and(|life| life.machine[..] != hello.machine[..]) {
        counter!("hub_node_moves_total").increment(1);
        tracing::warn!(node.id = %node, "n{node} came back from another machine with the same life: moved or cloned");
    }
}
