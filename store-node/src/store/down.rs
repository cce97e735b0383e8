//! The hub's journals as this node has received them.

use percolate_common::journal::{AuthorId, Hash, Head, Incarnation, JournalId, StreamKind};
use percolate_common::sync::inbound::Accepted;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::named_params;

use super::{LIST_ROWS_MAX, column, count};

/// Entries of a journal that are in memory at one time.
const PAGE_ENTRIES: i64 = 1_000;

fn columns(journal: &JournalId) -> (u32, i64, u8) {
    (journal.author.number(), journal.incarnation.get().cast_signed(), journal.stream.number())
}

/// How far a journal is held.
pub(crate) fn head_fetch(tx: &ReadTx<'_>, journal: &JournalId) -> Result<Head, StorageError> {
    let (author, incarnation, stream) = columns(journal);
    let head = tx.query_optional(
        "SELECT seq, hash FROM down_head WHERE author = :author AND incarnation = :incarnation AND stream = :stream",
        named_params! {":author": author, ":incarnation": incarnation, ":stream": stream},
        |row| Ok(Head { seq: count(row.get("seq")?), hash: Hash::from_bytes(row.get("hash")?) }),
    )?;
    Ok(head.unwrap_or_else(|| journal.genesis()))
}

/// Every journal that is held, in the order in which they first came.
pub(crate) fn head_list(tx: &ReadTx<'_>) -> Result<Vec<(JournalId, Head)>, StorageError> {
    let rows = tx.query_list(
        "SELECT author, incarnation, stream, seq, hash FROM down_head ORDER BY place LIMIT :limit",
        named_params! {":limit": LIST_ROWS_MAX},
        |row| {
            let head = Head { seq: count(row.get("seq")?), hash: Hash::from_bytes(row.get("hash")?) };
            Ok((row.get::<_, u32>("author")?, row.get::<_, i64>("incarnation")?, row.get::<_, u8>("stream")?, head))
        },
    )?;
    let known = |(author, incarnation, stream, head): (u32, i64, u8, Head)| {
        let stream = StreamKind::from_number(stream)?;
        let incarnation = Incarnation::new(incarnation.cast_unsigned());
        Some((JournalId { author: AuthorId::from_number(author), incarnation, stream }, head))
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

pub(crate) fn hash_at(tx: &ReadTx<'_>, journal: &JournalId, seq: u64) -> Result<Option<Hash>, StorageError> {
    let (author, incarnation, stream) = columns(journal);
    tx.query_optional(
        "SELECT hash FROM down_journal
         WHERE author = :author AND incarnation = :incarnation AND stream = :stream AND seq = :seq",
        named_params! {":author": author, ":incarnation": incarnation, ":stream": stream, ":seq": column(seq)},
        |row| row.get("hash").map(Hash::from_bytes),
    )
}

/// Keeps entries that continue a journal.
pub(crate) fn entries_append(
    tx: &WriteTx<'_>,
    journal: &JournalId,
    entries: &[Accepted<'_>],
) -> Result<(), StorageError> {
    let (author, incarnation, stream) = columns(journal);
    for entry in entries {
        tx.execute(
            "INSERT INTO down_journal (author, incarnation, stream, seq, event, hash)
             VALUES (:author, :incarnation, :stream, :seq, :event, :hash)",
            named_params! {
                ":author": author, ":incarnation": incarnation, ":stream": stream, ":seq": column(entry.head.seq),
                ":event": entry.bytes, ":hash": entry.head.hash.as_bytes(),
            },
        )?;
    }
    let Some(last) = entries.last() else { return Ok(()) };
    tx.execute(
        "INSERT INTO down_head (author, incarnation, stream, seq, hash, place)
         VALUES (:author, :incarnation, :stream, :seq, :hash, (SELECT count(*) FROM down_head))
         ON CONFLICT (author, incarnation, stream) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
        named_params! {
            ":author": author, ":incarnation": incarnation, ":stream": stream, ":seq": column(last.head.seq),
            ":hash": last.head.hash.as_bytes(),
        },
    )?;
    Ok(())
}

/// Entries of a journal after a sequence number, in order, at most [`PAGE_ENTRIES`]; none after the last.
pub(crate) fn entry_list(tx: &ReadTx<'_>, journal: &JournalId, after_seq: u64) -> Result<Vec<Vec<u8>>, StorageError> {
    let (author, incarnation, stream) = columns(journal);
    tx.query_list(
        "SELECT event FROM down_journal
         WHERE author = :author AND incarnation = :incarnation AND stream = :stream AND seq > :after
         ORDER BY seq LIMIT :limit",
        named_params! {
            ":author": author, ":incarnation": incarnation, ":stream": stream, ":after": column(after_seq),
            ":limit": PAGE_ENTRIES,
        },
        |row| row.get("event"),
    )
}
