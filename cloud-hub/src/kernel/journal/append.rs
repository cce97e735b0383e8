//! What is written into the journal: batches as they were judged, and what authors say about how far they reach.

use metrics::counter;
use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::StockItemId;
use percolate_common::journal::{AuthorId, Head, JournalId};
use percolate_common::sync::inbound::{Accepted, Judgement, judge};
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_runtime::params;
use percolate_runtime::storage::{EngineKind, StorageError, WriteTx};

use super::origin::Origins;
use super::read::{hash_fetch, held_fetch};
use super::row::Fresh;
use super::{Arrival, Look, Outcome, Receipt, postgres, sqlite};
use crate::kernel::db::{journal_columns, seq_column};

/// Keeps others from the journals of an author until the transaction ends, and waits for who keeps us from them. In a file
/// there is only one who writes.
///
/// # Errors
/// [`StorageError::Conflict`] if somebody else takes too long; [`StorageError`] if it cannot be written.
pub fn author_lock(tx: &WriteTx<'_>, author: AuthorId) -> Result<(), StorageError> {
    match tx.engine() {
        EngineKind::Sqlite => Ok(()),
        EngineKind::Postgres => postgres::author_lock(tx, author),
    }
}

/// As [`author_lock`], without waiting: tells whether nobody else writes them now.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn author_try_lock(tx: &WriteTx<'_>, author: AuthorId) -> Result<bool, StorageError> {
    match tx.engine() {
        EngineKind::Sqlite => Ok(true),
        EngineKind::Postgres => postgres::author_try_lock(tx, author),
    }
}

/// Applies a batch: what is new of it is appended, what is held already changes nothing, whatever the order and number
/// of the batches.
///
/// # Errors
/// [`StorageError`] if it cannot be written; nothing of it is kept then.
pub fn batch_apply(tx: &WriteTx<'_>, arrival: &Arrival, now: UtcMillis) -> Result<Receipt, StorageError> {
    author_lock(tx, arrival.batch.journal.author)?;
    batch_append(tx, arrival, now)
}

/// As [`batch_apply`], for whoever holds the lock of the author: what is held is read after it was taken.
///
/// # Errors
/// As [`batch_apply`].
pub fn batch_append(tx: &WriteTx<'_>, arrival: &Arrival, now: UtcMillis) -> Result<Receipt, StorageError> {
    let batch = &arrival.batch;
    let held = held_fetch(tx, &batch.journal)?;
    let place = held.as_ref().map(|held| held.place);
    let head = held.map_or_else(|| batch.journal.genesis(), |held| held.state.head);
    let receipt = match judge(head, batch, |seq| hash_fetch(tx, &batch.journal, seq))? {
        Judgement::Append(accepted) => {
            let place = place.map_or_else(|| stream_insert(tx, &batch.journal, now), Ok)?;
            let looks = arrival.looks.get(arrival.looks.len() - accepted.len()..).unwrap_or_default();
            let stream = Stream { tx, journal: batch.journal, place, head };
            stream.append((batch, &accepted, looks), now)?
        }
        Judgement::Repeat => {
            // An author that repeats its last batch may bring totals that an earlier one could not carry.
            if batch.seq_hi() == head.seq && !batch.stock_totals.is_empty() {
                let place = place.map_or_else(|| stream_insert(tx, &batch.journal, now), Ok)?;
                Stream { tx, journal: batch.journal, place, head }.totals_join(head.seq, &batch.stock_totals)?;
            }
            Receipt { head, outcome: Outcome::Repeated }
        }
        Judgement::Gap => Receipt { head, outcome: Outcome::Gap },
        Judgement::Fork { seq } => {
            stream_fork(tx, &batch.journal, seq)?;
            Receipt { head, outcome: Outcome::Forked { seq } }
        }
    };
    Ok(receipt)
}

/// Takes note of how far an author says that its journal reaches.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn stream_announce(tx: &WriteTx<'_>, journal: &JournalId, seq: u64, now: UtcMillis) -> Result<(), StorageError> {
    if held_fetch(tx, journal)?.is_none() {
        stream_insert(tx, journal, now)?;
    }
    let (author, incarnation, stream) = journal_columns(journal);
    tx.execute(
        "UPDATE journal_stream SET announced_seq = ?4
         WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND announced_seq < ?4",
        params![author, incarnation, stream, seq_column(seq)],
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
        let unparked = match tx.engine() {
            EngineKind::Sqlite => sqlite::entry_unpark(tx, journal, *seq)?,
            EngineKind::Postgres => postgres::entry_unpark(tx, journal, *seq)?,
        };
        let (author, incarnation, stream) = journal_columns(journal);
        tx.execute(
            "UPDATE journal_stream SET parked_events = parked_events - ?4
             WHERE author = ?1 AND incarnation = ?2 AND stream = ?3",
            params![author, incarnation, stream, seq_column(unparked as u64)],
        )?;
    }
    Ok(())
}

/// A journal that is written.
struct Stream<'a, 'c> {
    tx: &'a WriteTx<'c>,
    journal: JournalId,
    place: i64,
    /// What is held of it.
    head: Head,
}

impl Stream<'_, '_> {
    fn append(
        &self,
        (batch, accepted, looks): (&Batch, &[Accepted<'_>], &[Look]),
        now: UtcMillis,
    ) -> Result<Receipt, StorageError> {
        let mut origins = Origins::of(self.tx, &self.journal, self.place)?;
        let mut fresh = Vec::with_capacity(accepted.len());
        for (Accepted { head, bytes }, look) in accepted.iter().zip(looks) {
            let alias = origins.alias(*head, look.origin, &fresh)?;
            fresh.push(Fresh { head: *head, bytes, parked: look.happened.is_none(), alias });
        }
        match self.tx.engine() {
            EngineKind::Sqlite => sqlite::entries_insert(self.tx, self.place, &fresh)?,
            EngineKind::Postgres => postgres::entries_insert(self.tx, &self.journal, self.place, &fresh, now)?,
        }
        let head = fresh.last().map_or(self.head, |last| last.head);
        let parked: Vec<u64> = fresh.iter().filter(|entry| entry.parked).map(|entry| entry.head.seq).collect();
        let last_at = looks.iter().rev().find_map(|look| look.happened);
        self.advance((head, batch.last_seq.max(head.seq)), parked.len() as u64, last_at, now)?;
        self.totals_join(head.seq, &batch.stock_totals)?;
        let aliases = fresh.iter().filter(|entry| entry.alias).count() as u64;
        Ok(Receipt { head, outcome: Outcome::Appended { entries: fresh.len() as u64, parked, aliases } })
    }

    fn advance(
        &self,
        (head, announced_seq): (Head, u64),
        parked: u64,
        last_at: Option<UtcMillis>,
        now: UtcMillis,
    ) -> Result<(), StorageError> {
        let (author, incarnation, stream) = journal_columns(&self.journal);
        let advanced = self.tx.execute(
            "UPDATE journal_stream SET seq = ?5, hash = ?6,
                    announced_seq = CASE WHEN ?7 > announced_seq THEN ?7 ELSE announced_seq END,
                    parked_events = parked_events + ?8, last_at_ms = coalesce(?9, last_at_ms), received_at_ms = ?10
             WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND seq = ?4",
            params![
                author,
                incarnation,
                stream,
                seq_column(self.head.seq),
                seq_column(head.seq),
                head.hash.as_bytes(),
                seq_column(announced_seq),
                seq_column(parked),
                last_at.map(UtcMillis::get),
                now.get()
            ],
        )?;
        if advanced == 1 {
            self.tx.touch([author, incarnation, stream]);
            return Ok(());
        }
        let detail = format!("{} was written by somebody else while it was locked", self.journal);
        Err(StorageError::Unsound { detail })
    }

    fn totals_join(&self, seq: u64, totals: &[(StockItemId, StockTotal)]) -> Result<(), StorageError> {
        match self.tx.engine() {
            _ if totals.is_empty() => Ok(()),
            EngineKind::Sqlite => sqlite::stock_totals_join(self.tx, self.place, seq, totals),
            EngineKind::Postgres => postgres::stock_totals_join(self.tx, &self.journal, seq, totals),
        }
    }
}

/// Begins a journal of which nothing was ever heard. Tells where its entries go.
pub(super) fn stream_insert(tx: &WriteTx<'_>, journal: &JournalId, now: UtcMillis) -> Result<i64, StorageError> {
    counter!("hub_journals_opened_total").increment(1);
    match tx.engine() {
        EngineKind::Sqlite => sqlite::stream_insert(tx, journal, now),
        EngineKind::Postgres => postgres::stream_insert(tx, journal, now),
    }
}
