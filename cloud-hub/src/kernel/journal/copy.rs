//! A journal as it is held in files, written to a server as it is: nothing is judged anew.

use percolate_common::journal::{Head, JournalId};
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{StorageError, WriteTx};

use super::append::{author_lock, stream_insert};
use super::read::held_fetch;
use super::row::Fresh;
use super::{Entry, StreamState, postgres};
use crate::kernel::db::{journal_columns, seq_column};

/// Writes entries that follow `held`, with their flags.
///
/// # Errors
/// [`StorageError::Unsound`] if something else than `held` is there; [`StorageError`] if it cannot be written.
pub fn entries_copy(
    tx: &WriteTx<'_>,
    journal: &JournalId,
    held: Head,
    entries: &[Entry],
    now: UtcMillis,
) -> Result<(), StorageError> {
    author_lock(tx, journal.author)?;
    let found = held_fetch(tx, journal)?;
    let place = match &found {
        Some(found) => found.place,
        None => stream_insert(tx, journal, now)?,
    };
    let fresh: Vec<Fresh<'_>> = entries
        .iter()
        .map(|entry| Fresh {
            head: Head { seq: entry.seq, hash: entry.hash },
            bytes: &entry.bytes,
            parked: entry.parked,
            alias: entry.alias,
        })
        .collect();
    let Some(last) = fresh.last() else { return Ok(()) };
    postgres::entries_insert(tx, journal, place, &fresh, now)?;
    let (author, incarnation, stream) = journal_columns(journal);
    let moved = tx.execute(
        "UPDATE journal_stream SET seq = ?5, hash = ?6, announced_seq = ?5
         WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND seq = ?4",
        params![
            author,
            incarnation,
            stream,
            seq_column(held.seq),
            seq_column(last.head.seq),
            last.head.hash.as_bytes()
        ],
    )?;
    if moved == 1 { Ok(()) } else { Err(unsound(journal)) }
}

/// Writes what is known of a journal besides its entries.
///
/// # Errors
/// [`StorageError::Unsound`] if the journal does not end there; [`StorageError`] if it cannot be written.
pub fn stream_copy(tx: &WriteTx<'_>, state: &StreamState) -> Result<(), StorageError> {
    author_lock(tx, state.journal.author)?;
    if held_fetch(tx, &state.journal)?.is_none() {
        stream_insert(tx, &state.journal, state.received_at)?;
    }
    let (author, incarnation, stream) = journal_columns(&state.journal);
    let changed = tx.execute(
        "UPDATE journal_stream SET announced_seq = ?6, parked_events = ?7, last_at_ms = ?8, received_at_ms = ?9,
                forked_at_seq = ?10
         WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND seq = ?4 AND hash = ?5",
        params![
            author,
            incarnation,
            stream,
            seq_column(state.head.seq),
            state.head.hash.as_bytes(),
            seq_column(state.announced_seq),
            seq_column(state.parked_events),
            state.last_at.map(UtcMillis::get),
            state.received_at.get(),
            state.forked_at_seq.map(seq_column)
        ],
    )?;
    if changed == 1 { Ok(()) } else { Err(unsound(&state.journal)) }
}

fn unsound(journal: &JournalId) -> StorageError {
    StorageError::Unsound { detail: format!("{journal} on the server is not the one in the files") }
}
