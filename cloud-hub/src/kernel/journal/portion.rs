//! Consecutive entries of a journal as they go out to a reader: as many as one batch may hold.

use percolate_common::journal::{JournalId, ShortHash};
use percolate_common::wire::{BATCH_EVENTS_MAX, BODY_BYTES_MAX};
use percolate_runtime::storage::{ReadTx, StorageError};

use super::read::{entry_list, hash_fetch};

/// Bytes that an event needs in a batch besides its own.
const EVENT_OVERHEAD_BYTES: usize = 8;

/// Consecutive events that fit into one batch.
#[derive(Debug)]
pub struct Portion {
    /// The chain's hash before the first.
    pub hash_before: ShortHash,
    /// The events as their author wrote them.
    pub events: Vec<Vec<u8>>,
}

/// The events from a place on.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn portion_read(tx: &ReadTx<'_>, journal: &JournalId, seq_lo: u64) -> Result<Portion, StorageError> {
    let before = seq_lo.saturating_sub(1);
    let held = if before == 0 { None } else { hash_fetch(tx, journal, before)? };
    let hash_before = held.unwrap_or_else(|| journal.genesis().hash).short();
    let mut bytes = 0;
    let fits = |event: &Vec<u8>| {
        bytes += event.len() + EVENT_OVERHEAD_BYTES;
        bytes <= BODY_BYTES_MAX
    };
    let entries = entry_list(tx, journal, before, usize::from(BATCH_EVENTS_MAX))?;
    let events = entries.into_iter().map(|entry| entry.bytes).take_while(fits).collect();
    Ok(Portion { hash_before, events })
}
