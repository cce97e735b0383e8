//! What the journal says to a server in other words than to a file: its keys are natural there, each begins with the
//! author, entries are divided by quarter, and many rows go with one statement.

use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::StockItemId;
use percolate_common::journal::{AuthorId, EventId, Hash, JournalId};
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

use super::Entry;
use super::quarters::quarter_ensure;
use super::row::{Fresh, READ_BYTES_MAX, entry};
use crate::kernel::db::{journal_columns, journal_taken, seq_column, seq_from_column};

/// Quarters of one journal that one listing holds: more than a life ever sees.
const SPANS_MAX: i64 = 1_000;

/// Waits until nobody else writes the journals of an author, and keeps others from it until the transaction ends.
pub(super) fn author_lock(tx: &WriteTx<'_>, author: AuthorId) -> Result<(), StorageError> {
    let lock = "SELECT 1 FROM journal_author WHERE author = ?1 FOR NO KEY UPDATE";
    if tx.query_optional(lock, params![author.number()], |_row| Ok(()))?.is_none() {
        author_insert(tx, author)?;
        tx.query_one(lock, params![author.number()], |_row| Ok(()))?;
    }
    Ok(())
}

/// As [`author_lock`], unless somebody else has it: tells whether it was to be had.
pub(super) fn author_try_lock(tx: &WriteTx<'_>, author: AuthorId) -> Result<bool, StorageError> {
    let lock = "SELECT 1 FROM journal_author WHERE author = ?1 FOR NO KEY UPDATE SKIP LOCKED";
    let locked = || Ok(tx.query_optional(lock, params![author.number()], |_row| Ok(()))?.is_some());
    if locked()? {
        return Ok(true);
    }
    // It may be that nothing was ever heard of the author.
    author_insert(tx, author)?;
    locked()
}

fn author_insert(tx: &WriteTx<'_>, author: AuthorId) -> Result<(), StorageError> {
    tx.execute("INSERT INTO journal_author (author) VALUES (?1) ON CONFLICT DO NOTHING", params![author.number()])?;
    Ok(())
}

pub(super) const HELD: &str = "SELECT period, author, incarnation, stream, seq, hash, announced_seq, parked_events,
        last_at_ms, received_at_ms, forked_at_seq
     FROM journal_stream WHERE author = ?1 AND incarnation = ?2 AND stream = ?3";

/// Its place is the quarter of its last entry: none yet.
pub(super) fn stream_insert(tx: &WriteTx<'_>, journal: &JournalId, now: UtcMillis) -> Result<i64, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.execute(
        "INSERT INTO journal_stream (author, incarnation, stream, period, seq, hash, announced_seq, received_at_ms)
         VALUES (?1, ?2, ?3, 0, 0, ?4, 0, ?5)",
        params![author, incarnation, stream, journal.genesis().hash.as_bytes(), now.get()],
    )?;
    Ok(0)
}

pub(super) fn entries_insert(
    tx: &WriteTx<'_>,
    journal: &JournalId,
    place: i64,
    fresh: &[Fresh<'_>],
    now: UtcMillis,
) -> Result<(), StorageError> {
    let Some(first) = fresh.first() else { return Ok(()) };
    let (author, incarnation, stream) = journal_columns(journal);
    let period = place.max(i64::from(now.quarter()));
    if period != place {
        span_begin(tx, journal, period, first.head.seq)?;
    }
    let seqs: Vec<_> = fresh.iter().map(|entry| seq_column(entry.head.seq)).collect();
    let parked: Vec<_> = fresh.iter().map(|entry| i64::from(entry.parked)).collect();
    let aliases: Vec<_> = fresh.iter().map(|entry| i64::from(entry.alias)).collect();
    let hashes: Vec<_> = fresh.iter().map(|entry| &entry.head.hash.as_bytes()[..]).collect();
    let events: Vec<_> = fresh.iter().map(|entry| entry.bytes).collect();
    let inserted = tx.execute(
        "INSERT INTO journal_entry (author, incarnation, stream, period, seq, parked, alias, hash, event)
         SELECT ?1::bigint, ?2::bigint, ?3::smallint, ?4::integer, seq, parked, alias, hash, event
         FROM unnest(?5::bigint[], ?6::smallint[], ?7::smallint[], ?8::bytea[], ?9::bytea[])
              AS fresh (seq, parked, alias, hash, event)
         ON CONFLICT DO NOTHING",
        params![author, incarnation, stream, period, &seqs[..], &parked[..], &aliases[..], &hashes[..], &events[..]],
    )?;
    if inserted == fresh.len() {
        return Ok(());
    }
    let detail = format!("entries of {journal} after {} are there already, beyond its head", first.head.seq - 1);
    Err(StorageError::Unsound { detail })
}

/// Takes note of where a quarter begins in a journal, and sees to it that the quarter has its tables.
fn span_begin(tx: &WriteTx<'_>, journal: &JournalId, period: i64, seq_lo: u64) -> Result<(), StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    quarter_ensure(tx, i32::try_from(period).unwrap_or(i32::MAX))?;
    tx.execute(
        "INSERT INTO journal_span (author, incarnation, stream, period, seq_lo) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![author, incarnation, stream, period, seq_column(seq_lo)],
    )?;
    tx.execute(
        "UPDATE journal_stream SET period = ?4 WHERE author = ?1 AND incarnation = ?2 AND stream = ?3",
        params![author, incarnation, stream, period],
    )?;
    Ok(())
}

pub(super) fn stock_totals_join(
    tx: &WriteTx<'_>,
    journal: &JournalId,
    seq: u64,
    totals: &[(StockItemId, StockTotal)],
) -> Result<(), StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    let items: Vec<_> = totals.iter().map(|(item, _)| i64::from(item.get())).collect();
    let received: Vec<_> = totals.iter().map(|(_, total)| seq_column(total.received)).collect();
    let used: Vec<_> = totals.iter().map(|(_, total)| seq_column(total.used)).collect();
    // An author that states a total twice in one batch means the larger.
    tx.execute(
        "INSERT INTO stock_total (author, incarnation, stream, stock_item, received, used, seq)
         SELECT ?1::bigint, ?2::bigint, ?3::smallint, item, max(received), max(used), ?4::bigint
         FROM unnest(?5::bigint[], ?6::bigint[], ?7::bigint[]) AS stated (item, received, used) GROUP BY item
         ON CONFLICT (author, incarnation, stream, stock_item) DO UPDATE SET
            received = CASE WHEN excluded.received > stock_total.received
                THEN excluded.received ELSE stock_total.received END,
            used = CASE WHEN excluded.used > stock_total.used THEN excluded.used ELSE stock_total.used END,
            seq = excluded.seq
         WHERE excluded.received > stock_total.received OR excluded.used > stock_total.used",
        params![author, incarnation, stream, seq_column(seq), &items[..], &received[..], &used[..]],
    )?;
    Ok(())
}

pub(super) fn origin_insert(
    tx: &WriteTx<'_>,
    journal: &JournalId,
    (seq, id): (u64, EventId),
    counted: bool,
) -> Result<(), StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.execute(
        "INSERT INTO journal_origin (author, event_id, incarnation, stream, seq, counted) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![author, id.as_bytes(), incarnation, stream, seq_column(seq), counted],
    )?;
    Ok(())
}

pub(super) fn entry_unpark(tx: &WriteTx<'_>, journal: &JournalId, seq: u64) -> Result<usize, StorageError> {
    let Some(period) = period_fetch(tx, journal, seq)? else { return Ok(0) };
    let (author, incarnation, stream) = journal_columns(journal);
    tx.execute(
        "UPDATE journal_entry SET parked = 0
         WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND seq = ?4 AND period = ?5 AND parked = 1",
        params![author, incarnation, stream, seq_column(seq), period],
    )
}

pub(super) fn entry_list(
    tx: &ReadTx<'_>,
    journal: &JournalId,
    after_seq: u64,
    limit: usize,
) -> Result<Vec<Entry>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    let Some(first) = period_fetch(tx, journal, after_seq + 1)? else { return Ok(Vec::new()) };
    let periods: Vec<i64> = tx.query_list(
        "SELECT period FROM journal_span WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND period >= ?4
         ORDER BY period LIMIT ?5",
        params![author, incarnation, stream, first, SPANS_MAX],
        |row| row.take(),
    )?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes_read = 0;
    for period in periods {
        let room = i64::try_from(limit - entries.len()).unwrap_or(i64::MAX);
        let page = tx.query_list(
            "SELECT seq, hash, event, parked, alias FROM (
                SELECT seq, hash, event, parked, alias, CAST(sum(length(event)) OVER (ORDER BY seq) AS BIGINT) - length(event)
                    AS before
                FROM (SELECT seq, hash, event, parked, alias FROM journal_entry
                      WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND seq > ?4 AND period = ?5
                      ORDER BY seq LIMIT ?6) AS page) AS measured
             WHERE before < ?7 ORDER BY seq",
            params![author, incarnation, stream, seq_column(after_seq), period, room, READ_BYTES_MAX - bytes_read],
            entry,
        )?;
        bytes_read += page.iter().map(|entry| seq_column(entry.bytes.len() as u64)).sum::<i64>();
        entries.extend(page);
        if entries.len() >= limit || bytes_read >= READ_BYTES_MAX {
            break;
        }
    }
    Ok(entries)
}

pub(super) fn hash_fetch(tx: &ReadTx<'_>, journal: &JournalId, seq: u64) -> Result<Option<Hash>, StorageError> {
    let Some(period) = period_fetch(tx, journal, seq)? else { return Ok(None) };
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT hash FROM journal_entry
         WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND seq = ?4 AND period = ?5",
        params![author, incarnation, stream, seq_column(seq), period],
        |row| Ok(Hash::from_bytes(row.take()?)),
    )
}

/// The quarter in which an entry came, if it has come.
fn period_fetch(tx: &ReadTx<'_>, journal: &JournalId, seq: u64) -> Result<Option<i64>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT period FROM journal_span WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND seq_lo <= ?4
         ORDER BY period DESC LIMIT 1",
        params![author, incarnation, stream, seq_column(seq)],
        |row| row.take(),
    )
}

pub(super) fn parked_latest(tx: &ReadTx<'_>, journal: &JournalId, limit: i64) -> Result<Vec<u64>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_list(
        "SELECT seq FROM journal_entry WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND parked = 1
         ORDER BY seq DESC LIMIT ?4",
        params![author, incarnation, stream, limit],
        |row| Ok(seq_from_column(row.take()?)),
    )
}

pub(super) fn parked_list(
    tx: &ReadTx<'_>,
    after: Option<(JournalId, u64)>,
    limit: u32,
) -> Result<Vec<(Option<JournalId>, Entry)>, StorageError> {
    let (author, incarnation, stream, seq) = match after {
        Some((journal, seq)) => {
            let (author, incarnation, stream) = journal_columns(&journal);
            (author, incarnation, stream, seq_column(seq))
        }
        None => (-1, 0, 0, 0),
    };
    tx.query_list(
        "SELECT author, incarnation, stream, seq, hash, event, parked, alias FROM journal_entry
         WHERE parked = 1 AND (author, incarnation, stream, seq) > (?1, ?2, ?3, ?4)
         ORDER BY author, incarnation, stream, seq LIMIT ?5",
        params![author, incarnation, stream, seq, limit],
        |row| Ok((journal_taken(row)?, entry(row)?)),
    )
}

pub(super) const STOCK_TOTALS: &str =
    "SELECT author, incarnation, stock_item, max(received), max(used) FROM stock_total
     GROUP BY author, incarnation, stock_item ORDER BY author, incarnation, stock_item LIMIT ?1";

pub(super) const LIFE_TOTALS: &str = "SELECT stock_item, max(received), max(used) FROM stock_total
     WHERE author = ?1 AND incarnation = ?2 GROUP BY stock_item ORDER BY stock_item LIMIT ?3";
