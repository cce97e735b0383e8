//! A reader's judgement of a batch: what is new in it, and whether it continues what is held.
//!
//! Contiguous within a journal, indifferent to order across journals, and the same batch any number of times is once.

use crate::journal::{Hash, Head};
use crate::wire::envelope::Batch;

/// An event that continues the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// The journal's head after it: its sequence number and chain hash.
    pub head: Head,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What a batch is to a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement<'a> {
    /// These events are new, and continue the chain.
    Append(Vec<Accepted<'a>>),
    /// All of it is held already; acknowledge again.
    Repeat,
    /// Something before it is missing; ask for all after what is held.
    Gap,
    /// It contradicts what is held, at this sequence number: the author's past has changed.
    Fork {
        /// Where the two disagree, at the latest.
        seq: u64,
    },
}

/// Judges a batch against the head that a reader holds of the same journal.
///
/// `hash_at` looks up the chain hash at a sequence number that is held, 1 to `held.seq`; it is called only when the
/// batch begins before the end of what is held.
///
/// # Errors
/// Whatever `hash_at` fails with.
pub fn judge<'a, E>(
    held: Head,
    batch: &'a Batch,
    hash_at: impl FnOnce(u64) -> Result<Option<Hash>, E>,
) -> Result<Judgement<'a>, E> {
    let Some(seq_before) = batch.seq_lo.checked_sub(1) else { return Ok(Judgement::Gap) };
    if seq_before > held.seq {
        return Ok(Judgement::Gap);
    }
    let hash_before = match seq_before {
        0 => batch.journal.genesis().hash,
        seq if seq == held.seq => held.hash,
        seq => match hash_at(seq)? {
            Some(hash) => hash,
            // Held, but no longer in the journal: the chain cannot be checked from there.
            None => return Ok(if batch.seq_hi() <= held.seq { Judgement::Repeat } else { Judgement::Gap }),
        },
    };
    if hash_before.short() != batch.hash_before {
        return Ok(Judgement::Fork { seq: seq_before });
    }
    let mut head = Head { seq: seq_before, hash: hash_before };
    let mut accepted = Vec::new();
    for bytes in &batch.events {
        head = head.after(bytes);
        if head.seq == held.seq && head.hash != held.hash {
            return Ok(Judgement::Fork { seq: head.seq });
        }
        if head.seq > held.seq {
            accepted.push(Accepted { head, bytes });
        }
    }
    Ok(if accepted.is_empty() { Judgement::Repeat } else { Judgement::Append(accepted) })
}
