//! Sessions, keys, presence, down positions and dead letters, in the journal's database: they change in the same
//! transactions as the journals do.

mod lives;
mod node_lanes;

use std::collections::BTreeSet;

use percolate_common::ids::NodeId;
use percolate_common::journal::{Incarnation, JournalId, PublicKey};
use percolate_common::time::UtcMillis;
use percolate_common::wire::session::{Hello, Presence};
use percolate_runtime::params;
use percolate_runtime::storage::{EngineKind, ReadTx, StorageError, WriteTx};

pub use lives::{
    Life, boot_is_known, life_close, life_fetch, life_in_session, life_open, sessions_end, sessions_of_boot,
    sessions_of_others, signed_head_keep, stock_compared,
};
pub use node_lanes::{LANE_LEASE_MS, LanesHeld, lanes_give, lanes_held, lanes_join, lanes_leave, lanes_take};

use crate::kernel::db::{incarnation_taken, journal_columns, journal_taken, seq_column, seq_from_column};

/// Dead letters that are kept; at the limit the one that came last the longest ago is dropped, and counted.
pub const DEAD_LETTERS_MAX: i64 = 256;

/// Rows that one listing holds.
const ROWS_MAX: i64 = 100_000;

/// A frame that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// BLAKE3 of topic and frame.
    pub fingerprint: [u8; 32],
    /// Where it came.
    pub topic: String,
    /// Why it could not be read.
    pub reason: String,
    /// How large it is.
    pub bytes: u64,
    /// How often it came.
    pub times: u64,
    /// When it came first.
    pub first_at: UtcMillis,
    /// When it came last.
    pub last_at: UtcMillis,
}

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterKept {
    /// It was not known.
    New {
        /// Older ones that had to go.
        dropped: usize,
    },
    /// It came again.
    Again,
}

/// How far a node has read a journal of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownPosition {
    /// Which node.
    pub node: NodeId,
    /// Which journal.
    pub journal: JournalId,
    /// The last entry that it acknowledged.
    pub seq: u64,
    /// When.
    pub acked_at: UtcMillis,
}

/// Takes note of how a node last introduced itself, for the lists.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn session_upsert(
    tx: &WriteTx<'_>,
    node: NodeId,
    hello: &Hello,
    session: u64,
    now: UtcMillis,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO node_session (node, store, incarnation, session, boot, machine, version, skew_ms, welcomed_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (node) DO UPDATE SET store = excluded.store, incarnation = excluded.incarnation,
            session = excluded.session, boot = excluded.boot, machine = excluded.machine, version = excluded.version,
            skew_ms = excluded.skew_ms, welcomed_at_ms = excluded.welcomed_at_ms",
        params![
            node.get(),
            hello.store,
            hello.incarnation.cast_signed(),
            session.cast_signed(),
            hello.boot.cast_signed(),
            &hello.machine[..],
            &hello.version,
            hello.now_ms.saturating_sub(now.get()),
            now.get()
        ],
    )?;
    Ok(())
}

/// Whether this is the key that the node's life first came with; the first one is taken at its word.
///
/// # Errors
/// [`StorageError`] if it cannot be read or written.
pub fn key_is_trusted(
    tx: &WriteTx<'_>,
    node: NodeId,
    incarnation: Incarnation,
    key: &PublicKey,
    now: UtcMillis,
) -> Result<bool, StorageError> {
    let incarnation = incarnation.get().cast_signed();
    let known: Option<Vec<u8>> = tx.query_optional(
        "SELECT public_key FROM node_key WHERE node = ?1 AND incarnation = ?2",
        params![node.get(), incarnation],
        |row| row.take(),
    )?;
    if let Some(known) = known {
        return Ok(known == key.as_bytes());
    }
    tx.execute(
        "INSERT INTO node_key (node, incarnation, public_key, first_seen_at_ms) VALUES (?1, ?2, ?3, ?4)",
        params![node.get(), incarnation, key.as_bytes(), now.get()],
    )?;
    Ok(true)
}

/// The key that a life of a node came with, if it was ever heard.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn key_fetch(tx: &ReadTx<'_>, node: NodeId, incarnation: Incarnation) -> Result<Option<PublicKey>, StorageError> {
    let known: Option<Vec<u8>> = tx.query_optional(
        "SELECT public_key FROM node_key WHERE node = ?1 AND incarnation = ?2",
        params![node.get(), incarnation.get().cast_signed()],
        |row| row.take(),
    )?;
    Ok(known.and_then(|bytes| PublicKey::from_slice(&bytes)))
}

/// Takes note of whether a node is connected, and tells whether it is.
///
/// A departure of an earlier process than the one that is connected means nothing: its will was late.
///
/// # Errors
/// [`StorageError`] if it cannot be read or written.
pub fn presence_set(tx: &WriteTx<'_>, node: NodeId, presence: &Presence, now: UtcMillis) -> Result<bool, StorageError> {
    let boot = presence.boot.cast_signed();
    let known =
        tx.query_optional("SELECT boot, online FROM node_presence WHERE node = ?1", params![node.get()], |row| {
            Ok((row.take::<i64>()?, row.take::<bool>()?))
        })?;
    match known {
        Some((known_boot, true)) if !presence.online && known_boot != boot => return Ok(true),
        Some(known) if known == (boot, presence.online) => return Ok(presence.online),
        Some(_) | None => {}
    }
    tx.execute(
        "INSERT INTO node_presence (node, boot, online, changed_at_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (node) DO UPDATE SET boot = excluded.boot, online = excluded.online,
            changed_at_ms = excluded.changed_at_ms",
        params![node.get(), boot, presence.online, now.get()],
    )?;
    Ok(presence.online)
}

/// Forgets who is connected: the broker is another one, and will say so of those who are.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn presence_reset(tx: &WriteTx<'_>, now: UtcMillis) -> Result<(), StorageError> {
    tx.execute("UPDATE node_presence SET online = 0, changed_at_ms = ?1 WHERE online = 1", params![now.get()])?;
    Ok(())
}

/// Takes note that those who were said to be connected before a moment are not, but for those who have said so again
/// since. Who came after it is not touched.
///
/// # Errors
/// [`StorageError`] if it cannot be read or written.
pub fn presence_sweep(
    tx: &WriteTx<'_>,
    before: UtcMillis,
    confirmed: &BTreeSet<NodeId>,
    now: UtcMillis,
) -> Result<(), StorageError> {
    let online: Vec<NodeId> = tx.query_list(
        "SELECT node FROM node_presence WHERE online = 1 AND changed_at_ms < ?1 ORDER BY node LIMIT ?2",
        params![before.get(), ROWS_MAX],
        |row| Ok(NodeId::new(row.take()?)),
    )?;
    for node in online.iter().filter(|node| !confirmed.contains(node)) {
        tx.execute(
            "UPDATE node_presence SET online = 0, changed_at_ms = ?3 WHERE node = ?1 AND changed_at_ms < ?2",
            params![node.get(), before.get(), now.get()],
        )?;
    }
    Ok(())
}

/// How many nodes are connected.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn presence_count(tx: &ReadTx<'_>) -> Result<u32, StorageError> {
    tx.query_one("SELECT count(*) FROM node_presence WHERE online = 1", &[], |row| row.take())
}

/// Takes note of how far a node has read a journal of the hub; an older note changes nothing.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn down_position_set(
    tx: &WriteTx<'_>,
    node: NodeId,
    journal: &JournalId,
    seq: u64,
    now: UtcMillis,
) -> Result<(), StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    let sql = match tx.engine() {
        EngineKind::Sqlite => {
            "INSERT INTO down_position (node, stream_id, seq, acked_at_ms)
             SELECT ?1, id, ?5, ?6 FROM journal_stream WHERE author = ?2 AND incarnation = ?3 AND stream = ?4
             ON CONFLICT (node, stream_id) DO UPDATE SET seq = excluded.seq, acked_at_ms = excluded.acked_at_ms
             WHERE excluded.seq > down_position.seq"
        }
        EngineKind::Postgres => {
            "INSERT INTO down_position (node, author, incarnation, stream, seq, acked_at_ms)
             SELECT ?1::bigint, author, incarnation, stream, ?5::bigint, ?6::bigint FROM journal_stream
             WHERE author = ?2 AND incarnation = ?3 AND stream = ?4
             ON CONFLICT (node, author, incarnation, stream)
                DO UPDATE SET seq = excluded.seq, acked_at_ms = excluded.acked_at_ms
             WHERE excluded.seq > down_position.seq"
        }
    };
    tx.execute(sql, params![node.get(), author, incarnation, stream, seq_column(seq), now.get()])?;
    Ok(())
}

/// How far every node has read every journal of the hub.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn down_position_list(tx: &ReadTx<'_>) -> Result<Vec<DownPosition>, StorageError> {
    let sql = match tx.engine() {
        EngineKind::Sqlite => {
            "SELECT node, author, incarnation, stream, down_position.seq, acked_at_ms
             FROM down_position JOIN journal_stream ON id = stream_id ORDER BY node, stream_id LIMIT ?1"
        }
        EngineKind::Postgres => {
            "SELECT node, author, incarnation, stream, seq, acked_at_ms
             FROM down_position ORDER BY node, author, incarnation, stream LIMIT ?1"
        }
    };
    let rows = tx.query_list(sql, params![ROWS_MAX], |row| {
        let node = NodeId::new(row.take()?);
        let Some(journal) = journal_taken(row)? else { return Ok(None) };
        let seq = seq_from_column(row.take()?);
        Ok(Some(DownPosition { node, journal, seq, acked_at: UtcMillis::new(row.take()?) }))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// Keeps a frame that could not be read, once, however often it comes.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn dead_letter_keep(
    tx: &WriteTx<'_>,
    fingerprint: &[u8; 32],
    (topic, reason, frame): (&str, &str, &[u8]),
    now: UtcMillis,
) -> Result<DeadLetterKept, StorageError> {
    let times: i64 = tx.execute_one(
        "INSERT INTO dead_letter (fingerprint, topic, reason, frame, times, first_at_ms, last_at_ms)
         VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5)
         ON CONFLICT (fingerprint) DO UPDATE SET times = dead_letter.times + 1, last_at_ms = excluded.last_at_ms
         RETURNING times",
        params![fingerprint, topic, reason, frame, now.get()],
        |row| row.take(),
    )?;
    if times > 1 {
        return Ok(DeadLetterKept::Again);
    }
    let dropped = tx.execute(
        "DELETE FROM dead_letter WHERE fingerprint IN (
            SELECT fingerprint FROM dead_letter ORDER BY last_at_ms DESC, fingerprint LIMIT 1000000 OFFSET ?1)",
        params![DEAD_LETTERS_MAX],
    )?;
    Ok(DeadLetterKept::New { dropped })
}

/// Dead letters, the latest first.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn dead_letter_list(tx: &ReadTx<'_>, limit: u32) -> Result<Vec<DeadLetter>, StorageError> {
    tx.query_list(
        "SELECT fingerprint, topic, reason, length(frame), times, first_at_ms, last_at_ms
         FROM dead_letter ORDER BY last_at_ms DESC, fingerprint LIMIT ?1",
        params![limit],
        |row| {
            Ok(DeadLetter {
                fingerprint: row.take()?,
                topic: row.take()?,
                reason: row.take()?,
                bytes: seq_from_column(row.take()?),
                times: seq_from_column(row.take()?),
                first_at: UtcMillis::new(row.take()?),
                last_at: UtcMillis::new(row.take()?),
            })
        },
    )
}

/// A key that a life of a node introduced itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeKey {
    /// Which life.
    pub incarnation: Incarnation,
    /// The public key's bytes.
    pub public_key: Vec<u8>,
    /// When it was first seen.
    pub first_seen_at: UtcMillis,
}

/// The keys of all lives of a node.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn node_key_list(tx: &ReadTx<'_>, node: NodeId) -> Result<Vec<NodeKey>, StorageError> {
    tx.query_list(
        "SELECT incarnation, public_key, first_seen_at_ms FROM node_key WHERE node = ?1
         ORDER BY first_seen_at_ms, incarnation LIMIT ?2",
        params![node.get(), ROWS_MAX],
        |row| {
            Ok(NodeKey {
                incarnation: incarnation_taken(row)?,
                public_key: row.take()?,
                first_seen_at: UtcMillis::new(row.take()?),
            })
        },
    )
}
