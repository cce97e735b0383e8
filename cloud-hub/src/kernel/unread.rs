//! Entries that a projection has passed over because its program could not read them. Services have versions of their own:
//! what one reads, another may not read yet.

use percolate_common::journal::JournalId;
use percolate_common::wire::event;
use percolate_runtime::migrate::Migration;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

use super::db::{journal_columns, journal_taken, seq_column, seq_from_column};
use super::journal::entry_list;

/// Unread entries that are looked at in one reading.
const PAGE_ENTRIES: i64 = 1_000;

/// The table in a file, to stand in a service's list of migrations under any number.
#[must_use]
pub const fn migration(number: u32) -> Migration {
    Migration::new(number, "unread", include_str!("../../migrations/kernel/unread.sql"))
}

/// The same on a server.
#[must_use]
pub const fn migration_postgres(number: u32) -> Migration {
    Migration::new(number, "unread", include_str!("../../migrations/kernel/postgres/unread.sql"))
}

/// A place in a journal.
type At = (JournalId, u64);

/// Takes note of an entry that was passed over.
pub(super) fn keep(tx: &WriteTx<'_>, projection: &str, (journal, seq): &At) -> Result<(), StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.execute(
        "INSERT INTO projection_unread (projection, author, incarnation, stream, seq) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
        params![projection, author, incarnation, stream, seq_column(*seq)],
    )?;
    Ok(())
}

/// Forgets all of them.
pub(super) fn clear(tx: &WriteTx<'_>, projection: &str) -> Result<(), StorageError> {
    tx.execute("DELETE FROM projection_unread WHERE projection = ?1", params![projection]).map(drop)
}

/// Those after a place, by journal and number, and the last place that was looked at; none after the last page.
pub(super) fn page(
    tx: &ReadTx<'_>,
    projection: &str,
    after: Option<[i64; 4]>,
) -> Result<(Vec<At>, Option<[i64; 4]>), StorageError> {
    let [author, incarnation, stream, seq] = after.unwrap_or([i64::MIN, i64::MIN, i64::from(i16::MIN), i64::MIN]);
    let rows = tx.query_list(
        "SELECT author, incarnation, stream, seq, author, incarnation, stream FROM projection_unread
         WHERE projection = ?1 AND (author, incarnation, stream, seq) > (?2, ?3, ?4, ?5)
         ORDER BY author, incarnation, stream, seq LIMIT ?6",
        params![projection, author, incarnation, stream, seq, PAGE_ENTRIES],
        |row| {
            let place = [row.take::<i64>()?, row.take()?, row.take()?, row.take()?];
            Ok((journal_taken(row)?.map(|journal| (journal, seq_from_column(place[3]))), place))
        },
    )?;
    let last = rows.last().map(|(_, place)| *place);
    Ok((rows.into_iter().filter_map(|(at, _)| at).collect(), last))
}

/// The first of these entries that this program can read, if there is one.
pub(super) fn readable(tx: &ReadTx<'_>, entries: &[At]) -> Result<Option<At>, StorageError> {
    for (journal, seq) in entries {
        let entry = entry_list(tx, journal, seq.saturating_sub(1), 1)?.into_iter().next();
        if entry.is_some_and(|entry| entry.seq == *seq && event::decode(&entry.bytes).is_ok()) {
            return Ok(Some((*journal, *seq)));
        }
    }
    Ok(None)
}
