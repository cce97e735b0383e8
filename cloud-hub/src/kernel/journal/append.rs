//! What is written into the journal: batches as they were judged, and what authors say about how far they reach.

use metrics::counter;
use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::StockItemId;
use percolate_common::journal::{Head, JournalId};
use percolate_common::sync::inbound::{Accepted, Judgement, judge};
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_runtime::params;
use percolate_runtime::storage::{StorageError, WriteTx};

use super::origin::Origins;
use super::read::{hash_fetch, stream_fetch, stream_id_fetch};
use super::{Arrival, Look, Outcome, Receipt};
use crate::kernel::db::{journal_columns, seq_column};

/// Applies a batch: what is new of it is appended, what is held already changes nothing, whatever the order and number
/// of the batches.
///
/// # Errors
/// [`StorageError`] if it cannot be written; nothing of it is kept then.
pub fn batch_apply(tx: &WriteTx<'_>, arrival: &Arrival, now: UtcMillis) -> Result<Receipt, StorageError> {
    let batch = &arrival.batch;
    let state = stream_fetch(tx, &batch.journal)?;
    let held = state.as_ref().map_or_else(|| batch.journal.genesis(), |state| state.head);
    let judgement = judge(held, batch, |seq| hash_fetch(tx, &batch.journal, seq))?;
    let receipt = match judgement {
        Judgement::Append(accepted) => {
            let stream_id = stream_ensure(tx, &batch.journal, now)?;
            let skipped = arrival.looks.len() - accepted.len();
            let origins = Origins::of(tx, &batch.journal, stream_id)?;
            let mut append =
                Append { tx, stream_id, origins, head: held, parked: Vec::new(), aliases: 0, last_at: None };
            for (entry, look) in accepted.iter().zip(arrival.looks.iter().skip(skipped)) {
                append.entry(entry, look)?;
            }
            append.finish(batch, now)?;
            let Append { parked, aliases, head, .. } = append;
            Receipt { head, outcome: Outcome::Appended { entries: accepted.len() as u64, parked, aliases } }
        }
        Judgement::Repeat => {
            // An author that repeats its last batch may bring totals that an earlier one could not carry.
            if batch.seq_hi() == held.seq && !batch.stock_totals.is_empty() {
                let stream_id = stream_ensure(tx, &batch.journal, now)?;
                stock_totals_join(tx, stream_id, held.seq, &batch.stock_totals)?;
            }
            Receipt { head: held, outcome: Outcome::Repeated }
        }
        Judgement::Gap => Receipt { head: held, outcome: Outcome::Gap },
        Judgement::Fork { seq } => {
            stream_fork(tx, &batch.journal, seq)?;
            Receipt { head: held, outcome: Outcome::Forked { seq } }
        }
    };
    Ok(receipt)
}

/// Takes note of how far an author says that its journal reaches.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn stream_announce(tx: &WriteTx<'_>, journal: &JournalId, seq: u64, now: UtcMillis) -> Result<(), StorageError> {
    let stream_id = stream_ensure(tx, journal, now)?;
    tx.execute(
        "UPDATE journal_stream SET announced_seq = ?2 WHERE id = ?1 AND announced_seq < ?2",
        params![stream_id, seq_column(seq)],
    )?;
    Ok(())
}

/// Takes note that a journal goes on no further than it is held: what its author had announced beyond that comes in
/// another life. An author that goes on all the same announces again.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn stream_end(tx: &WriteTx<'_>, journal: &JournalId) -> Result<(), StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.execute(
        "UPDATE journal_stream SET announced_seq = seq
         WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND announced_seq > seq",
        params![author, incarnation, stream],
    )?;
    Ok(())
}

/// Takes note of where an author has contradicted what is held of its journal.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn stream_fork(tx: &WriteTx<'_>, journal: &JournalId, seq: u64) -> Result<(), StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.execute(
        "UPDATE journal_stream SET forked_at_seq = ?4 WHERE author = ?1 AND incarnation = ?2 AND stream = ?3",
        params![author, incarnation, stream, seq_column(seq)],
    )?;
    Ok(())
}

/// Takes entries out of the parked ones: this program can read them.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn entries_unpark(tx: &WriteTx<'_>, entries: &[(JournalId, u64)]) -> Result<(), StorageError> {
    for (journal, seq) in entries {
        let Some(stream_id) = stream_id_fetch(tx, journal)? else { continue };
        let unparked = tx.execute(
            "UPDATE journal_entry SET parked = 0 WHERE stream_id = ?1 AND seq = ?2 AND parked = 1",
            params![stream_id, seq_column(*seq)],
        )?;
        tx.execute(
            "UPDATE journal_stream SET parked_events = parked_events - ?2 WHERE id = ?1",
            params![stream_id, seq_column(unparked as u64)],
        )?;
    }
    Ok(())
}

struct Append<'a, 'c> {
    tx: &'a WriteTx<'c>,
    stream_id: i64,
    origins: Origins<'a, 'c>,
    head: Head,
    parked: Vec<u64>,
    aliases: u64,
    last_at: Option<UtcMillis>,
}

impl Append<'_, '_> {
    fn entry(&mut self, entry: &Accepted<'_>, look: &Look) -> Result<(), StorageError> {
        let head = entry.head;
        let alias = self.origins.alias(head, look.origin)?;
        self.tx.execute(
            "INSERT INTO journal_entry (stream_id, seq, event, hash, parked, alias)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                self.stream_id,
                seq_column(head.seq),
                entry.bytes,
                head.hash.as_bytes(),
                look.happened.is_none(),
                alias
            ],
        )?;
        match look.happened {
            Some(at) => self.last_at = Some(at),
            None => self.parked.push(head.seq),
        }
        self.aliases += u64::from(alias);
        self.head = head;
        Ok(())
    }

    fn finish(&self, batch: &Batch, now: UtcMillis) -> Result<(), StorageError> {
        self.tx.execute(
            "UPDATE journal_stream SET seq = ?2, hash = ?3,
                    announced_seq = CASE WHEN ?4 > announced_seq THEN ?4 ELSE announced_seq END,
                    parked_events = parked_events + ?5, last_at_ms = coalesce(?6, last_at_ms), received_at_ms = ?7
             WHERE id = ?1",
            params![
                self.stream_id,
                seq_column(self.head.seq),
                self.head.hash.as_bytes(),
                seq_column(batch.last_seq.max(self.head.seq)),
                seq_column(self.parked.len() as u64),
                self.last_at.map(UtcMillis::get),
                now.get()
            ],
        )?;
        stock_totals_join(self.tx, self.stream_id, self.head.seq, &batch.stock_totals)
    }
}

/// Joined by maximum: an older total takes nothing back.
fn stock_totals_join(
    tx: &WriteTx<'_>,
    stream_id: i64,
    seq: u64,
    totals: &[(StockItemId, StockTotal)],
) -> Result<(), StorageError> {
    for (item, total) in totals {
        tx.execute(
            "INSERT INTO stock_total (stream_id, stock_item, received, used, seq)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (stream_id, stock_item) DO UPDATE SET
                received = CASE WHEN excluded.received > stock_total.received
                    THEN excluded.received ELSE stock_total.received END,
                used = CASE WHEN excluded.used > stock_total.used THEN excluded.used ELSE stock_total.used END,
                seq = excluded.seq
             WHERE excluded.received > stock_total.received OR excluded.used > stock_total.used",
            params![stream_id, item.get(), seq_column(total.received), seq_column(total.used), seq_column(seq)],
        )?;
    }
    Ok(())
}

/// The row of a journal, made if nothing of it was ever heard.
fn stream_ensure(tx: &WriteTx<'_>, journal: &JournalId, now: UtcMillis) -> Result<i64, StorageError> {
    if let Some(id) = stream_id_fetch(tx, journal)? {
        return Ok(id);
    }
    let (author, incarnation, stream) = journal_columns(journal);
    counter!("hub_journals_opened_total").increment(1);
    tx.execute_one(
        "INSERT INTO journal_stream (author, incarnation, stream, seq, hash, announced_seq, received_at_ms)
         VALUES (?1, ?2, ?3, 0, ?4, 0, ?5) RETURNING id",
        params![author, incarnation, stream, journal.genesis().hash.as_bytes(), now.get()],
        |row| row.take(),
    )
}
