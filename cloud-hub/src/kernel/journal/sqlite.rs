//! What the journal says to a file in other words than to a server: entries are kept by the number of their journal's
//! row, and one at a time.

use std::ops::ControlFlow;

use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::StockItemId;
use percolate_common::journal::{EventId, Hash, JournalId};
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

use super::Entry;
use super::row::{Fresh, READ_BYTES_MAX, entry};
use crate::kernel::db::{journal_columns, journal_taken, seq_column, seq_from_column};

pub(super) const HELD: &str = "SELECT id, author, incarnation, stream, seq, hash, announced_seq, parked_events,
        last_at_ms, received_at_ms, forked_at_seq
     FROM journal_stream WHERE author = ?1 AND incarnation = ?2 AND stream = ?3";

/// Its place is the number of its row.
pub(super) fn stream_insert(tx: &WriteTx<'_>, journal: &JournalId, now: UtcMillis) -> Result<i64, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.execute_one(
        "INSERT INTO journal_stream (author, incarnation, stream, seq, hash, announced_seq, received_at_ms)
         VALUES (?1, ?2, ?3, 0, ?4, 0, ?5) RETURNING id",
        params![author, incarnation, stream, journal.genesis().hash.as_bytes(), now.get()],
        |row| row.take(),
    )
}

pub(super) fn entries_insert(tx: &WriteTx<'_>, place: i64, fresh: &[Fresh<'_>]) -> Result<(), StorageError> {
    for Fresh { head, bytes, parked, alias } in fresh {
        tx.execute(
            "INSERT INTO journal_entry (stream_id, seq, event, hash, parked, alias)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![place, seq_column(head.seq), *bytes, head.hash.as_bytes(), *parked, *alias],
        )?;
    }
    Ok(())
}

pub(super) fn stock_totals_join(
    tx: &WriteTx<'_>,
    place: i64,
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
            params![place, item.get(), seq_column(total.received), seq_column(total.used), seq_column(seq)],
        )?;
    }
    Ok(())
}

pub(super) fn origin_insert(
    tx: &WriteTx<'_>,
    (journal, place): (&JournalId, i64),
    (seq, id): (u64, EventId),
    counted: bool,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO journal_origin (event_id, author, stream_id, seq, counted) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![id.as_bytes(), journal.author.number(), place, seq_column(seq), counted],
    )?;
    Ok(())
}

pub(super) fn entry_unpark(tx: &WriteTx<'_>, journal: &JournalId, seq: u64) -> Result<usize, StorageError> {
    let Some(place) = place_fetch(tx, journal)? else { return Ok(0) };
    tx.execute(
        "UPDATE journal_entry SET parked = 0 WHERE stream_id = ?1 AND seq = ?2 AND parked = 1",
        params![place, seq_column(seq)],
    )
}

pub(super) fn entry_list(
    tx: &ReadTx<'_>,
    journal: &JournalId,
    after_seq: u64,
    limit: usize,
) -> Result<Vec<Entry>, StorageError> {
    let Some(place) = place_fetch(tx, journal)? else { return Ok(Vec::new()) };
    let mut entries = Vec::new();
    let mut bytes_read = 0;
    tx.query_while(
        "SELECT seq, hash, event, parked, alias FROM journal_entry WHERE stream_id = ?1 AND seq > ?2
         ORDER BY seq LIMIT ?3",
        params![place, seq_column(after_seq), i64::try_from(limit).unwrap_or(i64::MAX)],
        |row| {
            let entry = entry(row)?;
            bytes_read += seq_column(entry.bytes.len() as u64);
            entries.push(entry);
            Ok(if bytes_read < READ_BYTES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        },
    )?;
    Ok(entries)
}

pub(super) fn hash_fetch(tx: &ReadTx<'_>, journal: &JournalId, seq: u64) -> Result<Option<Hash>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT entry.hash FROM journal_entry AS entry JOIN journal_stream ON id = stream_id
         WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND entry.seq = ?4",
        params![author, incarnation, stream, seq_column(seq)],
        |row| Ok(Hash::from_bytes(row.take()?)),
    )
}

pub(super) fn parked_latest(tx: &ReadTx<'_>, journal: &JournalId, limit: i64) -> Result<Vec<u64>, StorageError> {
    let Some(place) = place_fetch(tx, journal)? else { return Ok(Vec::new()) };
    tx.query_list(
        "SELECT seq FROM journal_entry WHERE stream_id = ?1 AND parked = 1 ORDER BY seq DESC LIMIT ?2",
        params![place, limit],
        |row| Ok(seq_from_column(row.take()?)),
    )
}

pub(super) fn parked_list(
    tx: &ReadTx<'_>,
    after: Option<(JournalId, u64)>,
    limit: u32,
) -> Result<Vec<(Option<JournalId>, Entry)>, StorageError> {
    let (place, seq) = match after {
        Some((journal, seq)) => (place_fetch(tx, &journal)?.unwrap_or(0), seq_column(seq)),
        None => (0, 0),
    };
    tx.query_list(
        "SELECT author, incarnation, stream, entry.seq, entry.hash, event, parked, alias
         FROM journal_entry AS entry JOIN journal_stream ON id = stream_id
         WHERE parked = 1 AND (stream_id, entry.seq) > (?1, ?2) ORDER BY stream_id, entry.seq LIMIT ?3",
        params![place, seq, limit],
        |row| Ok((journal_taken(row)?, entry(row)?)),
    )
}

pub(super) const STOCK_TOTALS: &str = "SELECT author, incarnation, stock_item, max(received), max(used)
     FROM stock_total JOIN journal_stream ON id = stream_id
     GROUP BY author, incarnation, stock_item ORDER BY author, incarnation, stock_item LIMIT ?1";

pub(super) const LIFE_TOTALS: &str = "SELECT stock_item, max(received), max(used)
     FROM stock_total JOIN journal_stream ON id = stream_id
     WHERE author = ?1 AND incarnation = ?2 GROUP BY stock_item ORDER BY stock_item LIMIT ?3";

/// The number of a journal's row.
fn place_fetch(tx: &ReadTx<'_>, journal: &JournalId) -> Result<Option<i64>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT id FROM journal_stream WHERE author = ?1 AND incarnation = ?2 AND stream = ?3",
        params![author, incarnation, stream],
        |row| row.take(),
    )
}
