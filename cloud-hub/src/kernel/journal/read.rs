//! What is read from the journal.

use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::{NodeId, StockItemId, StoreId};
use percolate_common::journal::{AuthorId, Hash, Head, Incarnation, JournalId};
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::ReadTx;
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use super::{Entry, NodeState, StreamState};
use crate::kernel::db::{hash_from_column, journal_columns, journal_from_columns, seq_column, seq_from_column};

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
         FROM journal_stream ORDER BY author, incarnation, stream LIMIT :limit",
        named_params! {":limit": STREAMS_MAX},
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
         FROM journal_stream WHERE author = :author AND incarnation = :incarnation AND stream = :stream",
        named_params! {":author": author, ":incarnation": incarnation, ":stream": stream},
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
    let mut statement = tx.prepare_cached(
        "SELECT seq, hash, event, parked, alias FROM journal_entry WHERE stream_id = :stream AND seq > :after
         ORDER BY seq LIMIT :limit",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows =
        statement.query(named_params! {":stream": stream_id, ":after": seq_column(after_seq), ":limit": limit})?;
    let mut entries = Vec::new();
    let mut bytes_read = 0;
    while bytes_read < READ_BYTES_MAX
        && let Some(row) = rows.next()?
    {
        let entry = entry(row)?;
        bytes_read += entry.bytes.len();
        entries.push(entry);
    }
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
        "SELECT author, incarnation, stock_item, max(received) AS received, max(used) AS used
         FROM stock_total JOIN journal_stream ON id = stream_id
         GROUP BY author, incarnation, stock_item ORDER BY author, incarnation, stock_item LIMIT :limit",
        named_params! {":limit": TOTALS_MAX},
        |row| {
            Ok(LifeTotal {
                author: AuthorId::from_number(row.get("author")?),
                incarnation: Incarnation::new(row.get::<_, i64>("incarnation")?.cast_unsigned()),
                item: StockItemId::new(row.get("stock_item")?),
                total: StockTotal {
                    received: seq_from_column(row.get("received")?),
                    used: seq_from_column(row.get("used")?),
                },
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
        "SELECT stock_item, max(received) AS received, max(used) AS used
         FROM stock_total JOIN journal_stream ON id = stream_id
         WHERE author = :author AND incarnation = :incarnation
         GROUP BY stock_item ORDER BY stock_item LIMIT :limit",
        named_params! {
            ":author": author.number(), ":incarnation": incarnation.get().cast_signed(), ":limit": TOTALS_MAX,
        },
        |row| {
            let total =
                StockTotal { received: seq_from_column(row.get("received")?), used: seq_from_column(row.get("used")?) };
            Ok((StockItemId::new(row.get("stock_item")?), total))
        },
    )
}

/// The sequence numbers of a journal's latest parked entries, in ascending order.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn parked_latest(tx: &ReadTx<'_>, journal: &JournalId, limit: usize) -> Result<Vec<u64>, StorageError> {
    let Some(stream_id) = stream_id_fetch(tx, journal)? else { return Ok(Vec::new()) };
    let mut latest = tx.query_list(
        "SELECT seq FROM journal_entry WHERE stream_id = :stream AND parked = 1 ORDER BY seq DESC LIMIT :limit",
        named_params! {":stream": stream_id, ":limit": i64::try_from(limit).unwrap_or(i64::MAX)},
        |row| Ok(seq_from_column(row.get("seq")?)),
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
        "SELECT author, incarnation, stream, entry.seq AS seq, entry.hash AS hash, event, parked, alias
         FROM journal_entry AS entry JOIN journal_stream ON id = stream_id
         WHERE parked = 1 AND (stream_id, entry.seq) > (:stream, :after) ORDER BY stream_id, entry.seq LIMIT :limit",
        named_params! {":stream": stream_id, ":after": seq, ":limit": limit},
        |row| Ok((journal_of(row)?, entry(row)?)),
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
         FROM journal_stream WHERE author = :author AND seq > 0
         ORDER BY received_at_ms DESC, incarnation, stream LIMIT :limit",
        named_params! {":author": author.number(), ":limit": i64::try_from(limit).unwrap_or(i64::MAX)},
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
        "SELECT node_session.node AS node, store, node_session.incarnation AS incarnation, version, skew_ms,
                node_session.welcomed_at_ms AS welcomed_at_ms,
                coalesce(online, 0) AS online, changed_at_ms,
                stock_compared_at_ms, coalesce(stock_differs, 0) AS stock_differs
         FROM node_session LEFT JOIN node_presence ON node_presence.node = node_session.node
              LEFT JOIN node_life ON node_life.node = node_session.node
                   AND node_life.incarnation = node_session.incarnation
         ORDER BY node_session.node LIMIT :limit",
        named_params! {":limit": STREAMS_MAX},
        |row| {
            Ok(NodeState {
                node: NodeId::new(row.get("node")?),
                store: StoreId::new(row.get("store")?),
                incarnation: Incarnation::new(row.get::<_, i64>("incarnation")?.cast_unsigned()),
                version: row.get("version")?,
                skew_ms: row.get("skew_ms")?,
                welcomed_at: UtcMillis::new(row.get("welcomed_at_ms")?),
                online: row.get("online")?,
                online_changed_at: row.get::<_, Option<i64>>("changed_at_ms")?.map(UtcMillis::new),
                stock_compared_at: row.get::<_, Option<i64>>("stock_compared_at_ms")?.map(UtcMillis::new),
                stock_differs: row.get("stock_differs")?,
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
        "SELECT id FROM journal_stream WHERE author = :author AND incarnation = :incarnation AND stream = :stream",
        named_params! {":author": author, ":incarnation": incarnation, ":stream": stream},
        |row| row.get("id"),
    )
}

/// The chain hash of an entry that is held.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn hash_fetch(tx: &ReadTx<'_>, journal: &JournalId, seq: u64) -> Result<Option<Hash>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT entry.hash AS hash FROM journal_entry AS entry JOIN journal_stream ON id = stream_id
         WHERE author = :author AND incarnation = :incarnation AND stream = :stream AND entry.seq = :seq",
        named_params! {":author": author, ":incarnation": incarnation, ":stream": stream, ":seq": seq_column(seq)},
        |row| hash_from_column(row.get_ref("hash")?.as_blob()?),
    )
}

fn journal_of(row: &Row<'_>) -> rusqlite::Result<Option<JournalId>> {
    Ok(journal_from_columns(row.get("author")?, row.get("incarnation")?, row.get("stream")?))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        seq: seq_from_column(row.get("seq")?),
        hash: hash_from_column(row.get_ref("hash")?.as_blob()?)?,
        bytes: row.get("event")?,
        parked: row.get("parked")?,
        alias: row.get("alias")?,
    })
}

fn stream_state(row: &Row<'_>) -> rusqlite::Result<Option<StreamState>> {
    let Some(journal) = journal_of(row)? else { return Ok(None) };
    Ok(Some(StreamState {
        journal,
        head: Head { seq: seq_from_column(row.get("seq")?), hash: hash_from_column(row.get_ref("hash")?.as_blob()?)? },
        announced_seq: seq_from_column(row.get("announced_seq")?),
        parked_events: seq_from_column(row.get("parked_events")?),
        last_at: row.get::<_, Option<i64>>("last_at_ms")?.map(UtcMillis::new),
        received_at: UtcMillis::new(row.get("received_at_ms")?),
        forked_at_seq: row.get::<_, Option<i64>>("forked_at_seq")?.map(seq_from_column),
    }))
}
