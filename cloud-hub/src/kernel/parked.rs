//! Entries that no program could read when they came, tried again at each start: this one may be newer.

use metrics::counter;
use percolate_common::journal::JournalId;
use percolate_common::wire::event;
use percolate_runtime::storage::StorageError;

use crate::kernel::journal::{Journal, entries_unpark, parked_list};

/// Parked entries that are looked at in one reading, and unparked in one transaction.
const PAGE_ENTRIES: u32 = 1_000;

/// Unparks what this program can read; tells how many entries that were. Nodes are told of the others only. What projections
/// have passed over is their own business: each may be of another version.
///
/// # Errors
/// [`StorageError`] if the journal cannot be read or written.
pub async fn retry(journal: &Journal) -> Result<u64, StorageError> {
    let (mut after, mut unparked) = (None, 0);
    loop {
        let page = journal.db().read_async(move |tx| parked_list(tx, after, PAGE_ENTRIES)).await?;
        let Some((last, entry)) = page.last() else { break };
        after = Some((*last, entry.seq));
        let readable = page.iter().filter(|(_, entry)| event::decode(&entry.bytes).is_ok());
        let readable: Vec<(JournalId, u64)> = readable.map(|(journal, entry)| (*journal, entry.seq)).collect();
        if readable.is_empty() {
            continue;
        }
        unparked += readable.len() as u64;
        journal
            .db()
            .write("unpark", move |tx| {
                entries_unpark(tx, &readable)?;
                Ok::<_, StorageError>(())
            })
            .await?;
    }
    if unparked > 0 {
        counter!("hub_events_unparked_total").increment(unparked);
        tracing::info!(unparked, "{unparked} events that could not be read when they came can be read now");
    }
    Ok(unparked)
}
