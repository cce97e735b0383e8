//! A journal as its author holds it: chained, and in memory until the hub has it.

use std::collections::VecDeque;

use percolate_common::journal::{Head, JournalId, ShortHash};
use percolate_common::wire::{BATCH_EVENTS_MAX, BODY_BYTES_MAX};

/// Bytes that an event needs in a batch besides its own.
const EVENT_OVERHEAD_BYTES: usize = 8;

/// A journal of a store.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) id: JournalId,
    head: Head,
    /// What is not acknowledged: the head before each entry, and its bytes.
    kept: VecDeque<(Head, Vec<u8>)>,
}

impl Chain {
    pub(super) fn new(id: JournalId) -> Self {
        Self { id, head: id.genesis(), kept: VecDeque::new() }
    }

    pub(super) const fn head(&self) -> Head {
        self.head
    }

    /// Entries that are not acknowledged.
    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn push(&mut self, bytes: Vec<u8>) {
        let before = self.head;
        self.head = before.after(&bytes);
        self.kept.push_back((before, bytes));
    }

    /// The hub has it up to `seq`. Returns how many entries that is more than before.
    pub(super) fn acked(&mut self, seq: u64) -> u64 {
        let mut more = 0;
        while self.kept.front().is_some_and(|(before, _)| before.seq < seq) {
            self.kept.pop_front();
            more += 1;
        }
        more
    }

    /// The entries from `seq_lo` on that fit into one batch, and the hash before them.
    pub(super) fn portion(&self, seq_lo: u64) -> Option<(ShortHash, Vec<Vec<u8>>)> {
        let from = self.kept.iter().position(|(before, _)| before.seq + 1 == seq_lo)?;
        let hash_before = self.kept.get(from)?.0.hash.short();
        let mut bytes = 0;
        let fits = |(_, event): &&(Head, Vec<u8>)| {
            bytes += event.len() + EVENT_OVERHEAD_BYTES;
            bytes <= BODY_BYTES_MAX
        };
        let events = self.kept.iter().skip(from).take(usize::from(BATCH_EVENTS_MAX)).take_while(fits);
        Some((hash_before, events.map(|(_, event)| event.clone()).collect()))
    }
}
