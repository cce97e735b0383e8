//! What is written into the journal: batches as they were judged, and what authors say about how far they reach.

use metrics::counter;
use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::StockItemId;
use percolate_common::journal::{Head, JournalId};
use percolate_common::sync::inbound::{Accepted, Judgement, judge};
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_runtime::sqlite::WriteTx;
use percolate_runtime::storage::StorageError;
use rusqlite::named_params;

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
        "UPDATE journal_stream SET announced_seq = :seq WHERE id = :id AND announced_seq < :seq",
        named_params! {":seq": seq_column(seq), ":id": stream_id},
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
         WHERE author = :author AND incarnation = :incarnation AND stream = :stream AND announced_seq > seq",
        named_params! {":author": author, ":incarnation": incarnation, ":stream": stream},
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
        "UPDATE journal_stream SET forked_at_seq = :seq
         WHERE author = :author AND incarnation = :incarnation AND stream = :stream",
        named_params! {
            ":author": author, ":incarnation": incarnation, ":stream": stream, ":seq": seq_column(seq),
        },
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
            "UPDATE journal_entry SET parked = 0 WHERE stream_id = :stream AND seq = :seq AND parked = 1",
            named_params! {":stream": stream_id, ":seq": seq_column(*seq)},
        )?;
        tx.execute(
            "UPDATE journal_stream SET parked_events = parked_events - :unparked WHERE id = :stream",
            named_params! {":unparked": seq_column(unparked as u64), ":stream": stream_id},
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
             VALUES (:stream, :seq, :event, :hash, :parked, :alias)",
            named_params! {
                ":stream": self.stream_id, ":seq": seq_column(head.seq), ":event": entry.bytes,
                ":hash": head.hash.as_bytes(), ":parked": look.happened.is_none(), ":alias": alias,
            },
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
            "UPDATE journal_stream SET seq = :seq, hash = :hash, announced_seq = max(announced_seq, :announced),
                    parked_events = parked_events + :parked, last_at_ms = coalesce(:last_at, last_at_ms),
                    received_at_ms = :now
             WHERE id = :id",
            named_params! {
                ":seq": seq_column(self.head.seq), ":hash": self.head.hash.as_bytes(),
                ":announced": seq_column(batch.last_seq.max(self.head.seq)), ":parked": seq_column(self.parked.len() as u64),
                ":last_at": self.last_at.map(UtcMillis::get), ":now": now.get(), ":id": self.stream_id,
            },
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
             VALUES (:stream, :item, :received, :used, :seq)
             ON CONFLICT (stream_id, stock_item) DO UPDATE SET
                received = max(received, excluded.received), used = max(used, excluded.used), seq = excluded.seq
             WHERE excluded.received > received OR excluded.used > used",
            named_params! {
                ":stream": stream_id, ":item": item.get(), ":received": seq_column(total.received),
                ":used": seq_column(total.used), ":seq": seq_column(seq),
            },
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
    tx.execute(
        "INSERT INTO journal_stream (author, incarnation, stream, seq, hash, announced_seq, received_at_ms)
         VALUES (:author, :incarnation, :stream, 0, :hash, 0, :now)",
        named_params! {
            ":author": author, ":incarnation": incarnation, ":stream": stream,
            ":hash": journal.genesis().hash.as_bytes(), ":now": now.get(),
        },
    )?;
    tx.query_one("SELECT last_insert_rowid() AS id", [], |row| row.get("id"))
}
