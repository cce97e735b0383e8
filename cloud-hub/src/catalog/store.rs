//! What the catalog keeps besides its journals: the menu that is being written, and who published what.

use std::collections::BTreeMap;

use percolate_common::journal::{Incarnation, JournalId};
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

use crate::kernel::db::{seq_column, seq_from_column};

/// Publications that are read at once.
const ROWS_MAX: i64 = 1_000_000;

/// The menu that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeptDraft {
    /// As it is written: JSON.
    pub(super) menu: Vec<u8>,
    /// Whose it is: the number of a person of the office; none if it came by the hub's own token.
    pub(super) person: Option<u32>,
    pub(super) saved_at: UtcMillis,
}

pub(super) fn draft_fetch(tx: &ReadTx<'_>) -> Result<Option<KeptDraft>, StorageError> {
    tx.query_optional("SELECT menu, person, saved_at_ms FROM menu_draft WHERE id = 1", &[], |row| {
        Ok(KeptDraft { menu: row.take()?, person: row.take()?, saved_at: UtcMillis::new(row.take()?) })
    })
}

pub(super) fn draft_set(tx: &WriteTx<'_>, draft: &KeptDraft) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO menu_draft (id, menu, person, saved_at_ms) VALUES (1, ?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE
             SET menu = excluded.menu, person = excluded.person, saved_at_ms = excluded.saved_at_ms",
        params![draft.menu.as_slice(), draft.person, draft.saved_at.get()],
    )?;
    Ok(())
}

/// Takes the draft away; tells whether there was one.
pub(super) fn draft_delete(tx: &WriteTx<'_>) -> Result<bool, StorageError> {
    Ok(tx.execute("DELETE FROM menu_draft WHERE id = 1", &[])? > 0)
}

/// Takes the draft away if it is still the one that was saved then.
pub(super) fn draft_delete_of(tx: &WriteTx<'_>, saved_at: UtcMillis) -> Result<(), StorageError> {
    tx.execute("DELETE FROM menu_draft WHERE id = 1 AND saved_at_ms = ?1", params![saved_at.get()])?;
    Ok(())
}

/// The hash of the menu file that was published last at a start.
pub(super) fn menu_file_fetch(tx: &ReadTx<'_>) -> Result<Option<[u8; 32]>, StorageError> {
    tx.query_optional("SELECT hash FROM menu_file WHERE id = 1", &[], |row| row.take())
}

pub(super) fn menu_file_set(tx: &WriteTx<'_>, hash: &[u8; 32]) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO menu_file (id, hash) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET hash = excluded.hash",
        params![hash],
    )?;
    Ok(())
}

pub(super) fn publication_insert(
    tx: &WriteTx<'_>,
    (journal, seq): (&JournalId, u64),
    person: u32,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO publication (incarnation, seq, person) VALUES (?1, ?2, ?3)",
        params![journal.incarnation.get().cast_signed(), seq_column(seq), person],
    )?;
    Ok(())
}

/// By whom each revision was published, where it was a person and the hub was not put back since.
pub(super) fn publication_list(tx: &ReadTx<'_>) -> Result<BTreeMap<(Incarnation, u64), u32>, StorageError> {
    let rows =
        tx.query_list("SELECT incarnation, seq, person FROM publication LIMIT ?1", params![ROWS_MAX], |row| {
            let incarnation = Incarnation::new(row.take::<i64>()?.cast_unsigned());
            Ok(((incarnation, seq_from_column(row.take()?)), row.take()?))
        })?;
    Ok(rows.into_iter().collect())
}
