//! The lives of nodes: each has a session of its own, and a process that goes on with it.

use percolate_common::ids::NodeId;
use percolate_common::journal::{Incarnation, JournalId, PublicKey};
use percolate_common::time::UtcMillis;
use percolate_common::wire::session::{Hello, SignedHead};
use percolate_runtime::params;
use percolate_runtime::storage::{EngineKind, ReadTx, Row, StorageError, WriteTx};

use crate::kernel::db::{incarnation_taken, journal_columns, seq_column, seq_from_column};

/// Processes that are remembered of one life; of more, the latest are. One that was forgotten is taken for a new one.
const BOOTS_MAX: i64 = 64;

/// Processes of one node that are told of a journal that another one has begun. Others hear of it when they greet again.
const COPIES_MAX: i64 = 16;

/// Sessions of one node that are told that they are over. Each is a life's, and of more lives the others notice by themselves.
const SESSIONS_MAX: i64 = 1_000;

/// The state of a life that goes on.
const ACTIVE: i64 = 1;

/// The state of a life whose journals contradict what the hub holds.
const FORKED: i64 = 2;

/// One life of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Which life.
    pub incarnation: Incarnation,
    /// The session that its messages must carry; none while it is not welcome.
    pub session: Option<u64>,
    /// The process that goes on with it.
    pub boot: u64,
    /// The number of the last greeting of that process.
    pub greeting: u64,
    /// The machine that it greeted from.
    pub machine: [u8; 16],
}

/// A life of a node, if it was ever welcomed.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn life_fetch(tx: &ReadTx<'_>, node: NodeId, incarnation: Incarnation) -> Result<Option<Life>, StorageError> {
    tx.query_optional(
        "SELECT incarnation, session, boot, greeting, machine FROM node_life
         WHERE node = ?1 AND incarnation = ?2",
        params![node.get(), incarnation.get().cast_signed()],
        life,
    )
}

/// The life of a node whose session this is. Only who names one may write.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn life_in_session(tx: &ReadTx<'_>, node: NodeId, session: u64) -> Result<Option<Life>, StorageError> {
    tx.query_optional(
        "SELECT incarnation, session, boot, greeting, machine FROM node_life
         WHERE node = ?1 AND session = ?2 AND session <> 0 AND state = ?3",
        params![node.get(), session.cast_signed(), ACTIVE],
        life,
    )
}

/// The sessions that one process of a node has.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn sessions_of_boot(tx: &ReadTx<'_>, node: NodeId, boot: u64) -> Result<Vec<u64>, StorageError> {
    tx.query_list(
        "SELECT session FROM node_life WHERE node = ?1 AND boot = ?2 AND session <> 0",
        params![node.get(), boot.cast_signed()],
        |row| Ok(row.take::<i64>()?.cast_unsigned()),
    )
}

/// The sessions of other processes of a node, those that were welcomed last first; no more than [`COPIES_MAX`].
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn sessions_of_others(tx: &ReadTx<'_>, node: NodeId, life: &Life) -> Result<Vec<u64>, StorageError> {
    tx.query_list(
        "SELECT session FROM node_life
         WHERE node = ?1 AND boot <> ?2 AND session <> 0 AND state = ?3
         ORDER BY welcomed_at_ms DESC, incarnation LIMIT ?4",
        params![node.get(), life.boot.cast_signed(), ACTIVE, COPIES_MAX],
        |row| Ok(row.take::<i64>()?.cast_unsigned()),
    )
}

/// Ends the sessions of the lives of a node that came with a key, and tells which they were.
///
/// # Errors
/// [`StorageError`] if they cannot be read or written.
pub fn sessions_end(tx: &WriteTx<'_>, node: NodeId, key: &PublicKey) -> Result<Vec<u64>, StorageError> {
    let of_key = "node = ?1 AND session <> 0 AND incarnation IN (
        SELECT incarnation FROM node_key WHERE node = ?1 AND public_key = ?2)";
    let sessions = tx.query_list(
        &format!("SELECT session FROM node_life WHERE {of_key} ORDER BY incarnation LIMIT ?3"),
        params![node.get(), key.as_bytes(), SESSIONS_MAX],
        |row| Ok(row.take::<i64>()?.cast_unsigned()),
    )?;
    tx.execute(&format!("UPDATE node_life SET session = 0 WHERE {of_key}"), params![node.get(), key.as_bytes()])?;
    Ok(sessions)
}

/// Whether a life was welcomed in this process before.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn boot_is_known(tx: &ReadTx<'_>, node: NodeId, incarnation: Incarnation, boot: u64) -> Result<bool, StorageError> {
    tx.query_one(
        "SELECT EXISTS (SELECT 1 FROM node_boot WHERE node = ?1 AND incarnation = ?2 AND boot = ?3)",
        params![node.get(), incarnation.get().cast_signed(), boot.cast_signed()],
        |row| row.take(),
    )
}

/// Opens a session of a life: whatever its messages carried before is refused from now on.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn life_open(
    tx: &WriteTx<'_>,
    node: NodeId,
    hello: &Hello,
    session: u64,
    now: UtcMillis,
) -> Result<(), StorageError> {
    let incarnation = hello.incarnation.cast_signed();
    tx.execute(
        "INSERT INTO node_life (node, incarnation, session, boot, greeting, machine, state, first_seen_at_ms, welcomed_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
         ON CONFLICT (node, incarnation) DO UPDATE SET session = excluded.session, boot = excluded.boot,
            greeting = excluded.greeting, machine = excluded.machine, state = excluded.state,
            welcomed_at_ms = excluded.welcomed_at_ms",
        params![
            node.get(),
            incarnation,
            session.cast_signed(),
            hello.boot.cast_signed(),
            seq_column(hello.number.unwrap_or(0)),
            &hello.machine[..],
            ACTIVE,
            now.get()
        ],
    )?;
    let added = tx.execute(
        "INSERT INTO node_boot (node, incarnation, boot, first_at_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        params![node.get(), incarnation, hello.boot.cast_signed(), now.get()],
    )?;
    if added > 0 {
        tx.execute(
            "DELETE FROM node_boot WHERE node = ?1 AND incarnation = ?2 AND boot IN (
                SELECT boot FROM node_boot WHERE node = ?1 AND incarnation = ?2
                ORDER BY first_at_ms DESC, boot LIMIT 1000000 OFFSET ?3)",
            params![node.get(), incarnation, BOOTS_MAX],
        )?;
    }
    Ok(())
}

/// Closes the session of a life that contradicts what the hub holds. The number of the greeting that said so, if one
/// did, is taken note of.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn life_close(
    tx: &WriteTx<'_>,
    node: NodeId,
    incarnation: Incarnation,
    greeting: Option<u64>,
) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE node_life SET session = 0, state = ?3, greeting = coalesce(?4, greeting)
         WHERE node = ?1 AND incarnation = ?2",
        params![node.get(), incarnation.get().cast_signed(), FORKED, greeting.map(seq_column)],
    )?;
    Ok(())
}

/// Takes note of how the stock totals of a node compared with what it stated in the session of a life.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn stock_compared(
    tx: &WriteTx<'_>,
    node: NodeId,
    incarnation: Incarnation,
    differs: bool,
    now: UtcMillis,
) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE node_life SET stock_compared_at_ms = ?3, stock_differs = ?4 WHERE node = ?1 AND incarnation = ?2",
        params![node.get(), incarnation.get().cast_signed(), now.get(), differs],
    )?;
    Ok(())
}

/// Keeps how far an author vouches for its journal; an older word changes nothing.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn signed_head_keep(
    tx: &WriteTx<'_>,
    journal: &JournalId,
    (signed, key): (&SignedHead, &PublicKey),
    now: UtcMillis,
) -> Result<(), StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    let sql = match tx.engine() {
        EngineKind::Sqlite => {
            "INSERT INTO signed_head (stream_id, seq, hash, signature, public_key, at_ms)
             SELECT id, ?4, ?5, ?6, ?7, ?8 FROM journal_stream WHERE author = ?1 AND incarnation = ?2 AND stream = ?3
             ON CONFLICT (stream_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash,
                signature = excluded.signature, public_key = excluded.public_key, at_ms = excluded.at_ms
             WHERE excluded.seq > signed_head.seq
                OR (excluded.seq = signed_head.seq AND excluded.hash <> signed_head.hash)"
        }
        EngineKind::Postgres => {
            "INSERT INTO signed_head (author, incarnation, stream, seq, hash, signature, public_key, at_ms)
             SELECT author, incarnation, stream, ?4::bigint, ?5::bytea, ?6::bytea, ?7::bytea, ?8::bigint
             FROM journal_stream WHERE author = ?1 AND incarnation = ?2 AND stream = ?3
             ON CONFLICT (author, incarnation, stream) DO UPDATE SET seq = excluded.seq, hash = excluded.hash,
                signature = excluded.signature, public_key = excluded.public_key, at_ms = excluded.at_ms
             WHERE excluded.seq > signed_head.seq
                OR (excluded.seq = signed_head.seq AND excluded.hash <> signed_head.hash)"
        }
    };
    let head = signed.head();
    tx.execute(
        sql,
        params![
            author,
            incarnation,
            stream,
            seq_column(head.seq),
            head.hash.as_bytes(),
            signed.signature(),
            key.as_bytes(),
            now.get()
        ],
    )?;
    Ok(())
}

fn life(row: &mut Row<'_>) -> Result<Life, StorageError> {
    Ok(Life {
        incarnation: incarnation_taken(row)?,
        session: Some(row.take::<i64>()?.cast_unsigned()).filter(|session| *session != 0),
        boot: row.take::<i64>()?.cast_unsigned(),
        greeting: seq_from_column(row.take()?),
        machine: row.take()?,
    })
}
