//! What is read from the journal.

use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::{NodeId, StockItemId, StoreId};
use percolate_common::journal::{AuthorId, Hash, Incarnation, JournalId};
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{EngineKind, ReadTx, Row, StorageError};

use super::{Entry, NodeState, StreamState, postgres, sqlite};
use crate::kernel::db::{head_taken, incarnation_taken, journal_columns, journal_taken, seq_from_column};

/// Journals that one listing holds: 20,000 stores with four streams each, and then some.
const STREAMS_MAX: i64 = 100_000;

/// Totals that one listing holds: 20,000 stores with a hundred stock items each.
const TOTALS_MAX: i64 = 2_000_000;

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
    match tx.engine() {
        EngineKind::Sqlite => sqlite::entry_list(tx, journal, after_seq, limit),
        EngineKind::Postgres => postgres::entry_list(tx, journal, after_seq, limit),
    }
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
    let sql = match tx.engine() {
        EngineKind::Sqlite => sqlite::STOCK_TOTALS,
        EngineKind::Postgres => postgres::STOCK_TOTALS,
    };
    tx.query_list(sql, params![TOTALS_MAX], |row| {
        Ok(LifeTotal {
            author: AuthorId::from_number(row.take()?),
            incarnation: incarnation_taken(row)?,
            item: StockItemId::new(row.take()?),
            total: total(row)?,
        })
    })
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
    let sql = match tx.engine() {
        EngineKind::Sqlite => sqlite::LIFE_TOTALS,
        EngineKind::Postgres => postgres::LIFE_TOTALS,
    };
    tx.query_list(sql, params![author.number(), incarnation.get().cast_signed(), TOTALS_MAX], |row| {
        Ok((StockItemId::new(row.take()?), total(row)?))
    })
}

/// The sequence numbers of a journal's latest parked entries, in ascending order.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn parked_latest(tx: &ReadTx<'_>, journal: &JournalId, limit: usize) -> Result<Vec<u64>, StorageError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut latest = match tx.engine() {
        EngineKind::Sqlite => sqlite::parked_latest(tx, journal, limit)?,
        EngineKind::Postgres => postgres::parked_latest(tx, journal, limit)?,
    };
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
    let rows = match tx.engine() {
        EngineKind::Sqlite => sqlite::parked_list(tx, after, limit)?,
        EngineKind::Postgres => postgres::parked_list(tx, after, limit)?,
    };
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

/// How far a journal reaches, and where its entries go.
#[derive(Debug)]
pub(super) struct Held {
    /// In a file the number of its row; on a server the quarter of its last entry.
    pub(super) place: i64,
    pub(super) state: StreamState,
}

/// As [`stream_fetch`], for whoever is about to write.
pub(super) fn held_fetch(tx: &ReadTx<'_>, journal: &JournalId) -> Result<Option<Held>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    let sql = match tx.engine() {
        EngineKind::Sqlite => sqlite::HELD,
        EngineKind::Postgres => postgres::HELD,
    };
    let found =
        tx.query_optional(sql, params![author, incarnation, stream], |row| Ok((row.take()?, stream_state(row)?)))?;
    Ok(found.and_then(|(place, state)| Some(Held { place, state: state? })))
}

/// The chain hash of an entry that is held.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn hash_fetch(tx: &ReadTx<'_>, journal: &JournalId, seq: u64) -> Result<Option<Hash>, StorageError> {
    match tx.engine() {
        EngineKind::Sqlite => sqlite::hash_fetch(tx, journal, seq),
        EngineKind::Postgres => postgres::hash_fetch(tx, journal, seq),
    }
}

fn total(row: &mut Row<'_>) -> Result<StockTotal, StorageError> {
    Ok(StockTotal { received: seq_from_column(row.take()?), used: seq_from_column(row.take()?) })
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
