//! Every entry of every journal, for whoever checks them.

use percolate_common::journal::{AuthorId, Hash, Head, Incarnation, JournalId, StreamKind};
use percolate_common::time::BusinessDay;
use percolate_runtime::sqlite::ReadTx;
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use super::{LIST_ROWS_MAX, count};

/// One entry as it stands.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    pub(crate) event: Vec<u8>,
    pub(crate) hash: Hash,
}

/// The journals of all lives, in the order of lives, with the heads that are said of them. A stream that only a newer
/// program knows is passed over.
pub(crate) fn journal_list(tx: &ReadTx<'_>, author: AuthorId) -> Result<Vec<(JournalId, i64, Head)>, StorageError> {
    let rows = tx.query_list(
        "SELECT life, incarnation, stream, seq, hash FROM stream_head JOIN author_life USING (life)
         ORDER BY life, stream LIMIT :limit",
        named_params! {":limit": LIST_ROWS_MAX},
        |row| {
            let incarnation = Incarnation::new(row.get::<_, i64>("incarnation")?.cast_unsigned());
            let head = Head { seq: count(row.get("seq")?), hash: hash(row)? };
            Ok((row.get::<_, u8>("stream")?, incarnation, row.get::<_, i64>("life")?, head))
        },
    )?;
    let known = |(stream, incarnation, life, head)| {
        let stream = StreamKind::from_number(stream)?;
        Some((JournalId { author, incarnation, stream }, life, head))
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// Reads a journal from its first entry to its last.
pub(crate) fn entries_visit(
    tx: &ReadTx<'_>,
    life: i64,
    stream: StreamKind,
    mut visit: impl FnMut(Entry),
) -> Result<(), StorageError> {
    let mut statement =
        tx.prepare_cached("SELECT seq, event, hash FROM journal WHERE life = :life AND stream = :stream ORDER BY seq")?;
    let mut rows = statement.query(named_params! {":life": life, ":stream": stream.number()})?;
    while let Some(row) = rows.next()? {
        visit(Entry { seq: count(row.get("seq")?), event: row.get("event")?, hash: hash(row)? });
    }
    Ok(())
}

/// Every day that has tickets, amendments or refunds, in order.
pub(crate) fn day_list(tx: &ReadTx<'_>) -> Result<Vec<BusinessDay>, StorageError> {
    tx.query_list(
        "SELECT day FROM ticket UNION SELECT day FROM day_amendment UNION SELECT day FROM refund ORDER BY day LIMIT :limit",
        named_params! {":limit": LIST_ROWS_MAX},
        |row| row.get("day").map(BusinessDay::from_days),
    )
}

fn hash(row: &Row<'_>) -> rusqlite::Result<Hash> {
    row.get("hash").map(Hash::from_bytes)
}
