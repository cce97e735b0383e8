//! How far each journal is folded, and how far it reaches.

use std::collections::BTreeMap;

use percolate_common::journal::{Head, JournalId};
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

use super::Slice;
use crate::kernel::db::{head_taken, journal_columns, journal_taken, seq_column};
use crate::kernel::journal::{StreamState, hash_fetch, stream_fetch, stream_list};

/// Positions that one projection may have: as many as there may be journals.
const POSITIONS_MAX: i64 = 100_000;

/// How far a projection has folded each journal.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn position_list(tx: &ReadTx<'_>, projection: &str) -> Result<Vec<(JournalId, Head)>, StorageError> {
    let rows = tx.query_list(
        "SELECT author, incarnation, stream, seq, hash FROM projection_position WHERE projection = ?1
         ORDER BY author, incarnation, stream LIMIT ?2",
        params![projection, POSITIONS_MAX],
        |row| Ok((journal_taken(row)?, head_taken(row)?)),
    )?;
    Ok(rows.into_iter().filter_map(|(journal, head)| Some((journal?, head))).collect())
}

/// How far these journals reach, or all.
pub(super) fn state_list(tx: &ReadTx<'_>, journals: Option<&[JournalId]>) -> Result<Vec<StreamState>, StorageError> {
    let Some(journals) = journals else { return stream_list(tx) };
    journals.iter().filter_map(|journal| stream_fetch(tx, journal).transpose()).collect()
}

/// How far these journals are folded, or all.
pub(super) fn position_map(
    tx: &ReadTx<'_>,
    projection: &str,
    journals: Option<&[JournalId]>,
) -> Result<BTreeMap<JournalId, Head>, StorageError> {
    let Some(journals) = journals else { return Ok(position_list(tx, projection)?.into_iter().collect()) };
    let mut positions = BTreeMap::new();
    for journal in journals {
        positions.extend(position_fetch(tx, projection, journal)?.map(|head| (*journal, head)));
    }
    Ok(positions)
}

fn position_fetch(tx: &ReadTx<'_>, projection: &str, journal: &JournalId) -> Result<Option<Head>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT seq, hash FROM projection_position
         WHERE projection = ?1 AND author = ?2 AND incarnation = ?3 AND stream = ?4",
        params![projection, author, incarnation, stream],
        head_taken,
    )
}

/// Journals that do not hold what was folded of them.
pub(super) fn stray_list(tx: &ReadTx<'_>, positions: &[(JournalId, Head)]) -> Result<Vec<JournalId>, StorageError> {
    let mut strays = Vec::new();
    for (journal, folded) in positions {
        if hash_fetch(tx, journal, folded.seq)? != Some(folded.hash) {
            strays.push(*journal);
        }
    }
    Ok(strays)
}

/// Moves a position to the end of a slice, and tells whether it was there.
pub(super) fn position_move(
    tx: &WriteTx<'_>,
    projection: &str,
    slice: &Slice,
    from: Head,
) -> Result<bool, StorageError> {
    let (author, incarnation, stream) = journal_columns(&slice.journal);
    let (seq, hash) = (seq_column(slice.last.seq), slice.last.hash.as_bytes());
    let moved = if from.seq == 0 {
        tx.execute(
            "INSERT INTO projection_position (projection, author, incarnation, stream, seq, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            params![projection, author, incarnation, stream, seq, hash],
        )?
    } else {
        tx.execute(
            "UPDATE projection_position SET seq = ?6, hash = ?7
             WHERE projection = ?1 AND author = ?2 AND incarnation = ?3 AND stream = ?4 AND seq = ?5",
            params![projection, author, incarnation, stream, seq_column(from.seq), seq, hash],
        )?
    };
    Ok(moved > 0)
}

/// Forgets how far everything was folded.
pub(super) fn positions_delete(tx: &WriteTx<'_>, projection: &str) -> Result<(), StorageError> {
    tx.execute("DELETE FROM projection_position WHERE projection = ?1", params![projection])?;
    Ok(())
}
