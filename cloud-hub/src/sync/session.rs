//! What a greeting is answered with: whether the hub believes it, and from where the node goes on.

use metrics::counter;
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Head, Incarnation, JournalId, PublicKey, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_common::wire::session::{GREETING_STREAMS_MAX, Hello, Position, SignedHead, Verdict, Welcome};
use percolate_common::wire::{WIRE_VERSION, WIRE_VERSION_MIN};
use percolate_runtime::sqlite::{StorageError, WriteTx};

use super::store::{key_is_trusted, session_fetch, session_upsert};
use crate::kernel::journal::{stream_announce, stream_fetch, stream_fork};

/// Longest program version that a greeting may carry, in bytes.
const VERSION_BYTES_MAX: usize = 64;

/// Answers a greeting. `session` is a fresh random number; it is taken only if the node is welcome.
pub(super) fn greet(
    tx: &WriteTx<'_>,
    node: NodeId,
    hello: &Hello,
    session: u64,
    now: UtcMillis,
) -> Result<Welcome, StorageError> {
    let verdict = judge(tx, node, hello, now)?;
    let author = AuthorId::node(node);
    let incarnation = Incarnation::new(hello.incarnation);
    let mut positions = Vec::new();
    for stream in StreamKind::UP {
        let journal = JournalId { author, incarnation, stream };
        let head = stream_fetch(tx, &journal)?.map_or_else(|| journal.genesis(), |state| state.head);
        positions.push(Position::new(&journal, head.seq, head.hash.short()));
    }
    let welcome = verdict == Verdict::Welcome;
    if welcome {
        notice_move(tx, node, hello)?;
        session_upsert(tx, node, hello, session, now)?;
        for (stream, head) in heads(hello) {
            stream_announce(tx, &JournalId { author, incarnation, stream }, head.seq, now)?;
        }
    }
    Ok(Welcome {
        boot: hello.boot,
        verdict,
        session: if welcome { session } else { 0 },
        positions,
        hub_ms: now.get(),
        agreed: None,
        incarnation: Some(hello.incarnation),
        number: hello.number,
    })
}

fn judge(tx: &WriteTx<'_>, node: NodeId, hello: &Hello, now: UtcMillis) -> Result<Verdict, StorageError> {
    if hello.wire_min > WIRE_VERSION || hello.wire_max < WIRE_VERSION_MIN {
        return Ok(Verdict::WireVersion { min: WIRE_VERSION_MIN, max: WIRE_VERSION });
    }
    let author = AuthorId::node(node);
    let incarnation = Incarnation::new(hello.incarnation);
    let Some(key) = PublicKey::from_slice(&hello.public_key[..]) else { return Ok(Verdict::Untrusted) };
    let sizes_lawful = hello.heads.len() <= GREETING_STREAMS_MAX && hello.version.len() <= VERSION_BYTES_MAX;
    // A stream that only a newer program knows cannot be checked, and is not read either.
    let mut known = hello.heads.iter().filter(|head| head.stream().is_some());
    if !sizes_lawful || !known.all(|head| head.holds(&key, author, incarnation)) {
        return Ok(Verdict::Untrusted);
    }
    if !key_is_trusted(tx, node, incarnation, &key, now)? {
        return Ok(Verdict::Untrusted);
    }
    for stream in StreamKind::UP {
        let journal = JournalId { author, incarnation, stream };
        let Some(held) = stream_fetch(tx, &journal)?.map(|state| state.head) else { continue };
        let theirs = heads(hello).find(|(of, _)| *of == stream).map_or_else(|| journal.genesis(), |(_, head)| head);
        // Where the node is ahead, it checks the hub's hash itself: it has the entry, the hub has not.
        if held.seq > theirs.seq || (held.seq == theirs.seq && held.hash != theirs.hash) {
            stream_fork(tx, &journal, theirs.seq.min(held.seq))?;
            return Ok(Verdict::Forked { stream: stream.number() });
        }
    }
    Ok(Verdict::Welcome)
}

/// The heads of the streams that a node may author.
fn heads(hello: &Hello) -> impl Iterator<Item = (StreamKind, Head)> {
    let up = |head: &SignedHead| head.stream().filter(|stream| StreamKind::UP.contains(stream));
    hello.heads.iter().filter_map(move |head| Some((up(head)?, head.head())))
}

/// The same life on another machine is a disk that was moved, or one that was cloned.
fn notice_move(tx: &WriteTx<'_>, node: NodeId, hello: &Hello) -> Result<(), StorageError> {
    let before = session_fetch(tx, node)?.filter(|session| session.incarnation.get() == hello.incarnation);
    if before.is_some_and(|session| session.machine[..] != hello.machine[..]) {
        counter!("hub_node_moves_total").increment(1);
        tracing::warn!(node.id = %node, "n{node} came back from another machine with the same life: moved or cloned");
    }
    Ok(())
}
