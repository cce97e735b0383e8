//! What is read from the journal.

use std::ops::ControlFlow;

use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::{NodeId, StockItemId, StoreId};
use percolate_common::journal::{AuthorId, Hash, Head, Incarnation, JournalId};
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, Row, StorageError};

use super::{Entry, NodeState, StreamState};
use crate::kernel::db::{head_taken, incarnation_taken, journal_columns, journal_taken, seq_column, seq_from_column};

/// Journals that one listing holds: 20,000 stores with four streams each, and then some.
const STREAMS_MAX: i64 = 100_000;

/// Totals that one listing holds: 20,000 stores with a hundred stock items each.
const TOTALS_MAX: i64 = 2_000_000;

/// Most bytes of events that one reading takes, so that a slice of large events stays small in memory.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How far every journal reaches, by author, incarnation and stream.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn stream_list(tx: &ReadTx<'_>) -> Result<Vec<StreamState>, StorageError> {
    let rows = tx.query_list(
        "SELECT author, incarnation, stream, seq, hash, announced_seq, parked_events, last_at_ms, received_at_ms, forked_at_seq
         FROM journal_stream ORDER BY author, incarnation, stream LIMIT ?1",
        params![STREAMS_MAX],
        stream_state,
    )?;
    Ok(rows.into_iter().flatten().collect())
}

/// How far one journal reaches, if anything of it is held.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn stream_fetch(tx: &ReadTx<'_>, journal: &JournalId) -> Result<Option<StreamState>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    let row = tx.query_optional(
        "SELECT author, incarnation, stream, seq, hash, announced_seq, parked_events, last_at_ms, received_at_ms, forked_at_seq
         FROM journal_stream WHERE author = ?1 AND incarnation = ?2 AND stream = ?3",
        params![author, incarnation, stream],
        stream_state,
    )?;
    Ok(row.flatten())
}

/// The entries after `after_seq`, at most `limit` of them, and not many more than 4 MiB.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn entry_list(
    tx: &ReadTx<'_>,
    journal: &JournalId,
    after_seq: u64,
    limit: usize,
) -> Result<Vec<Entry>, StorageError> {
    let Some(stream_id) = stream_id_fetch(tx, journal)? else { return Ok(Vec::new()) };
    let mut entries = Vec::new();
    let mut bytes_read = 0;
    tx.query_while(
        "SELECT seq, hash, event, parked, alias FROM journal_entry WHERE stream_id = ?1 AND seq > ?2
         ORDER BY seq LIMIT ?3",
        params![stream_id, seq_column(after_seq), i64::try_from(limit).unwrap_or(i64::MAX)],
        |row| {
            let entry = entry(row)?;
            bytes_read += entry.bytes.len();
            entries.push(entry);
            Ok(if bytes_read < READ_BYTES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        },
    )?;
    Ok(entries)
}

/// What a life of an author has moved of a stock item since it began, by its own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifeTotal {
    /// Who.
    pub author: AuthorId,
    /// In which life.
    pub incarnation: Incarnation,
    /// Of what.
    pub item: StockItemId,
    /// How much.
    pub total: StockTotal,
}

/// The totals of all authors, whichever journal they came with: joined by maximum.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn stock_total_list(tx: &ReadTx<'_>) -> Result<Vec<LifeTotal>, StorageError> {
    tx.query_list(
        "SELECT author, incarnation, stock_item, max(received), max(used)
         FROM stock_total JOIN journal_stream ON id = stream_id
         GROUP BY author, incarnation, stock_item ORDER BY author, incarnation, stock_item LIMIT ?1",
        params![TOTALS_MAX],
        |row| {
            Ok(LifeTotal {
                author: AuthorId::from_number(row.take()?),
                incarnation: incarnation_taken(row)?,
                item: StockItemId::new(row.take()?),
                total: total(row)?,
            })
        },
    )
}

/// The totals of one life, whichever of its journals they came with: joined by maximum.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn life_total_list(
    tx: &ReadTx<'_>,
    author: AuthorId,
    incarnation: Incarnation,
) -> Result<Vec<(StockItemId, StockTotal)>, StorageError> {
    tx.query_list(
        "SELECT stock_item, max(received), max(used)
         FROM stock_total JOIN journal_stream ON id = stream_id
         WHERE author = ?1 AND incarnation = ?2 GROUP BY stock_item ORDER BY stock_item LIMIT ?3",
        params![author.number(), incarnation.get().cast_signed(), TOTALS_MAX],
        |row| Ok((StockItemId::new(row.take()?), total(row)?)),
    )
}

/// The sequence numbers of a journal's latest parked entries, in ascending order.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn parked_latest(tx: &ReadTx<'_>, journal: &JournalId, limit: usize) -> Result<Vec<u64>, StorageError> {
    let Some(stream_id) = stream_id_fetch(tx, journal)? else { return Ok(Vec::new()) };
    let mut latest = tx.query_list(
        "SELECT seq FROM journal_entry WHERE stream_id = ?1 AND parked = 1 ORDER BY seq DESC LIMIT ?2",
        params![stream_id, i64::try_from(limit).unwrap_or(i64::MAX)],
        |row| Ok(seq_from_column(row.take()?)),
    )?;
    latest.reverse();
    Ok(latest)
}

/// Parked entries with their journals, by journal and sequence number, after a place in that order.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn parked_list(
    tx: &ReadTx<'_>,
    after: Option<(JournalId, u64)>,
    limit: u32,
) -> Result<Vec<(JournalId, Entry)>, StorageError> {
    let (stream_id, seq) = match after {
        Some((journal, seq)) => (stream_id_fetch(tx, &journal)?.unwrap_or(0), seq_column(seq)),
        None => (0, 0),
    };
    let rows = tx.query_list(
        "SELECT author, incarnation, stream, entry.seq, entry.hash, event, parked, alias
         FROM journal_entry AS entry JOIN journal_stream ON id = stream_id
         WHERE parked = 1 AND (stream_id, entry.seq) > (?1, ?2) ORDER BY stream_id, entry.seq LIMIT ?3",
        params![stream_id, seq, limit],
        |row| Ok((journal_taken(row)?, entry(row)?)),
    )?;
    Ok(rows.into_iter().filter_map(|(journal, entry)| Some((journal?, entry))).collect())
}

/// How far the journals of one author reach, those of which something came last first.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn author_stream_list(tx: &ReadTx<'_>, author: AuthorId, limit: usize) -> Result<Vec<StreamState>, StorageError> {
    let rows = tx.query_list(
        "SELECT author, incarnation, stream, seq, hash, announced_seq, parked_events, last_at_ms, received_at_ms, forked_at_seq
         FROM journal_stream WHERE author = ?1 AND seq > 0
         ORDER BY received_at_ms DESC, incarnation, stream LIMIT ?2",
        params![author.number(), i64::try_from(limit).unwrap_or(i64::MAX)],
        stream_state,
    )?;
    Ok(rows.into_iter().flatten().collect())
}

/// Every node that was ever welcomed, by number.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn node_list(tx: &ReadTx<'_>) -> Result<Vec<NodeState>, StorageError> {
    tx.query_list(
        "SELECT node_session.node, store, node_session.incarnation, version, skew_ms, node_session.welcomed_at_ms,
                coalesce(online, 0), changed_at_ms, stock_compared_at_ms, coalesce(stock_differs, 0)
         FROM node_session LEFT JOIN node_presence ON node_presence.node = node_session.node
              LEFT JOIN node_life ON node_life.node = node_session.node
                   AND node_life.incarnation = node_session.incarnation
         ORDER BY node_session.node LIMIT ?1",
        params![STREAMS_MAX],
        |row| {
            Ok(NodeState {
                node: NodeId::new(row.take()?),
                store: StoreId::new(row.take()?),
                incarnation: incarnation_taken(row)?,
                version: row.take()?,
                skew_ms: row.take()?,
                welcomed_at: UtcMillis::new(row.take()?),
                online: row.take()?,
                online_changed_at: row.take::<Option<i64>>()?.map(UtcMillis::new),
                stock_compared_at: row.take::<Option<i64>>()?.map(UtcMillis::new),
                stock_differs: row.take()?,
            })
        },
    )
}

/// The row of a journal that is held.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn stream_id_fetch(tx: &ReadTx<'_>, journal: &JournalId) -> Result<Option<i64>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT id FROM journal_stream WHERE author = ?1 AND incarnation = ?2 AND stream = ?3",
        params![author, incarnation, stream],
        |row| row.take(),
    )
}

/// The chain hash of an entry that is held.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn hash_fetch(tx: &ReadTx<'_>, journal: &JournalId, seq: u64) -> Result<Option<Hash>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT entry.hash FROM journal_entry AS entry JOIN journal_stream ON id = stream_id
         WHERE author = ?1 AND incarnation = ?2 AND stream = ?3 AND entry.seq = ?4",
        params![author, incarnation, stream, seq_column(seq)],
        |row| Ok(Hash::from_bytes(row.take()?)),
    )
}

fn total(row: &mut Row<'_>) -> Result<StockTotal, StorageError> {
    Ok(StockTotal { received: seq_from_column(row.take()?), used: seq_from_column(row.take()?) })
}

fn entry(row: &mut Row<'_>) -> Result<Entry, StorageError> {
    let Head { seq, hash } = head_taken(row)?;
    Ok(Entry { seq, hash, bytes: row.take()?, parked: row.take()?, alias: row.take()? })
}

fn stream_state(row: &mut Row<'_>) -> Result<Option<StreamState>, StorageError> {
    let Some(journal) = journal_taken(row)? else { return Ok(None) };
    Ok(Some(StreamState {
        journal,
        head: head_taken(row)?,
        announced_seq: seq_from_column(row.take()?),
        parked_events: seq_from_column(row.take()?),
        last_at: row.take::<Option<i64>>()?.map(UtcMillis::new),
        received_at: UtcMillis::new(row.take()?),
        forked_at_seq: row.take::<Option<i64>>()?.map(seq_from_column),
    }))
}
