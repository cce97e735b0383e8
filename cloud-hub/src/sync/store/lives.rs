//! The lives of nodes: each has a session of its own, and a process that goes on with it.

use percolate_common::ids::NodeId;
use percolate_common::journal::{Incarnation, JournalId, PublicKey};
use percolate_common::time::UtcMillis;
use percolate_common::wire::session::{Hello, SignedHead};
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::{Row, named_params};

use crate::kernel::db::{seq_column, seq_from_column};
use crate::kernel::journal::stream_id_fetch;

/// Processes that are remembered of one life; of more, the latest are. One that was forgotten is taken for a new one.
const BOOTS_MAX: i64 = 64;

/// Processes of one node that are told of a journal that another one has begun. Others hear of it when they greet again.
const COPIES_MAX: i64 = 16;

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
         WHERE node = :node AND incarnation = :incarnation",
        named_params! {":node": node.get(), ":incarnation": incarnation.get().cast_signed()},
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
         WHERE node = :node AND session = :session AND session <> 0 AND state = :active",
        named_params! {":node": node.get(), ":session": session.cast_signed(), ":active": ACTIVE},
        life,
    )
}

/// The sessions that one process of a node has.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn sessions_of_boot(tx: &ReadTx<'_>, node: NodeId, boot: u64) -> Result<Vec<u64>, StorageError> {
    tx.query_list(
        "SELECT session FROM node_life WHERE node = :node AND boot = :boot AND session <> 0",
        named_params! {":node": node.get(), ":boot": boot.cast_signed()},
        |row| Ok(row.get::<_, i64>("session")?.cast_unsigned()),
    )
}

/// The sessions of other processes of a node, those that were welcomed last first; no more than [`COPIES_MAX`].
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn sessions_of_others(tx: &ReadTx<'_>, node: NodeId, life: &Life) -> Result<Vec<u64>, StorageError> {
    tx.query_list(
        "SELECT session FROM node_life
         WHERE node = :node AND boot <> :boot AND session <> 0 AND state = :active
         ORDER BY welcomed_at_ms DESC, incarnation LIMIT :limit",
        named_params! {
            ":node": node.get(), ":boot": life.boot.cast_signed(), ":active": ACTIVE, ":limit": COPIES_MAX,
        },
        |row| Ok(row.get::<_, i64>("session")?.cast_unsigned()),
    )
}

/// Whether a life was welcomed in this process before.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn boot_is_known(tx: &ReadTx<'_>, node: NodeId, incarnation: Incarnation, boot: u64) -> Result<bool, StorageError> {
    tx.query_one(
        "SELECT EXISTS (SELECT 1 FROM node_boot
            WHERE node = :node AND incarnation = :incarnation AND boot = :boot) AS found",
        named_params! {
            ":node": node.get(), ":incarnation": incarnation.get().cast_signed(), ":boot": boot.cast_signed(),
        },
        |row| row.get("found"),
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
         VALUES (:node, :incarnation, :session, :boot, :greeting, :machine, :active, :now, :now)
         ON CONFLICT (node, incarnation) DO UPDATE SET session = excluded.session, boot = excluded.boot,
            greeting = excluded.greeting, machine = excluded.machine, state = excluded.state,
            welcomed_at_ms = excluded.welcomed_at_ms",
        named_params! {
            ":node": node.get(), ":incarnation": incarnation, ":session": session.cast_signed(),
            ":boot": hello.boot.cast_signed(), ":greeting": seq_column(hello.number.unwrap_or(0)),
            ":machine": &hello.machine[..], ":active": ACTIVE, ":now": now.get(),
        },
    )?;
    let of_life = named_params! {":node": node.get(), ":incarnation": incarnation, ":kept": BOOTS_MAX};
    let added = tx.execute(
        "INSERT INTO node_boot (node, incarnation, boot, first_at_ms) VALUES (:node, :incarnation, :boot, :now)
         ON CONFLICT DO NOTHING",
        named_params! {
            ":node": node.get(), ":incarnation": incarnation, ":boot": hello.boot.cast_signed(), ":now": now.get(),
        },
    )?;
    if added > 0 {
        tx.execute(
            "DELETE FROM node_boot WHERE node = :node AND incarnation = :incarnation AND boot IN (
                SELECT boot FROM node_boot WHERE node = :node AND incarnation = :incarnation
                ORDER BY first_at_ms DESC, boot LIMIT -1 OFFSET :kept)",
            of_life,
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
        "UPDATE node_life SET session = 0, state = :forked, greeting = coalesce(:greeting, greeting)
         WHERE node = :node AND incarnation = :incarnation",
        named_params! {
            ":forked": FORKED, ":greeting": greeting.map(seq_column), ":node": node.get(),
            ":incarnation": incarnation.get().cast_signed(),
        },
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
        "UPDATE node_life SET stock_compared_at_ms = :now, stock_differs = :differs
         WHERE node = :node AND incarnation = :incarnation",
        named_params! {
            ":now": now.get(), ":differs": differs, ":node": node.get(), ":incarnation": incarnation.get().cast_signed(),
        },
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
    let Some(stream_id) = stream_id_fetch(tx, journal)? else { return Ok(()) };
    let head = signed.head();
    tx.execute(
        "INSERT INTO signed_head (stream_id, seq, hash, signature, public_key, at_ms)
         VALUES (:stream, :seq, :hash, :signature, :key, :now)
         ON CONFLICT (stream_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash,
            signature = excluded.signature, public_key = excluded.public_key, at_ms = excluded.at_ms
         WHERE excluded.seq > seq OR (excluded.seq = seq AND excluded.hash <> hash)",
        named_params! {
            ":stream": stream_id, ":seq": seq_column(head.seq), ":hash": head.hash.as_bytes(),
            ":signature": &signed.signature()[..], ":key": &key.as_bytes()[..], ":now": now.get(),
        },
    )?;
    Ok(())
}

fn life(row: &Row<'_>) -> rusqlite::Result<Life> {
    let session = row.get::<_, i64>("session")?.cast_unsigned();
    Ok(Life {
        incarnation: Incarnation::new(row.get::<_, i64>("incarnation")?.cast_unsigned()),
        session: (session != 0).then_some(session),
        boot: row.get::<_, i64>("boot")?.cast_unsigned(),
        greeting: seq_from_column(row.get("greeting")?),
        machine: row.get("machine")?,
    })
}
