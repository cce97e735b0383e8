//! The terminals of the shop, and the pairings that wait for one.

use percolate_common::domain::terminals::{Pairing, Redeemed, TerminalKind};
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::identity::pairing::PairingId;
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::types::Type;
use rusqlite::{Row, named_params};

use super::LIST_ROWS_MAX;

/// A pairing's row.
#[derive(Debug, Clone)]
pub(crate) struct PairingRow {
    pub(crate) id: PairingId,
    pub(crate) salt: [u8; 32],
    /// Of the request that it was made by.
    pub(crate) body_hash: [u8; 16],
    pub(crate) name: TerminalName,
    pub(crate) kind: TerminalKind,
    pub(crate) state: Pairing,
}

/// A terminal's row.
#[derive(Debug, Clone)]
pub(crate) struct TerminalRow {
    /// Of its token.
    pub(crate) hash: [u8; 32],
    pub(crate) name: TerminalName,
    pub(crate) kind: TerminalKind,
    /// What it is, as it said itself.
    pub(crate) device: String,
    pub(crate) paired_at: UtcMillis,
    pub(crate) revoked_at: Option<UtcMillis>,
    pub(crate) seen_at: Option<UtcMillis>,
}

const fn kind_number(kind: TerminalKind) -> i64 {
    match kind {
        TerminalKind::Till => 1,
        TerminalKind::Kitchen => 2,
    }
}

fn kind(row: &Row<'_>) -> rusqlite::Result<TerminalKind> {
    let number: i64 = row.get("kind")?;
    Ok(if number == kind_number(TerminalKind::Kitchen) { TerminalKind::Kitchen } else { TerminalKind::Till })
}

fn name(row: &Row<'_>) -> rusqlite::Result<TerminalName> {
    let text: String = row.get("name")?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

fn at(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<UtcMillis>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(UtcMillis::new))
}

fn pairing(row: &Row<'_>) -> rusqlite::Result<PairingRow> {
    let by: Option<[u8; 32]> = row.get("redeemed_by")?;
    let redeemed = at(row, "redeemed_at_ms")?.zip(by).map(|(at, by)| Redeemed { at, by });
    Ok(PairingRow {
        id: PairingId::new(row.get("id")?),
        salt: row.get("salt")?,
        body_hash: row.get("body_hash")?,
        name: name(row)?,
        kind: kind(row)?,
        state: Pairing { expires_at: UtcMillis::new(row.get("expires_at_ms")?), tries: row.get("tries")?, redeemed },
    })
}

fn terminal(row: &Row<'_>) -> rusqlite::Result<TerminalRow> {
    Ok(TerminalRow {
        hash: row.get("hash")?,
        name: name(row)?,
        kind: kind(row)?,
        device: row.get("device")?,
        paired_at: UtcMillis::new(row.get("paired_at_ms")?),
        revoked_at: at(row, "revoked_at_ms")?,
        seen_at: at(row, "seen_at_ms")?,
    })
}

pub(crate) fn pairing_fetch(tx: &ReadTx<'_>, id: PairingId) -> Result<Option<PairingRow>, StorageError> {
    tx.query_optional("SELECT * FROM pairing WHERE id = :id", named_params! {":id": id.get()}, pairing)
}

/// The pairing that a request has made.
pub(crate) fn pairing_by_request(tx: &ReadTx<'_>, key_hash: &[u8; 16]) -> Result<Option<PairingRow>, StorageError> {
    tx.query_optional("SELECT * FROM pairing WHERE key_hash = :key", named_params! {":key": key_hash}, pairing)
}

/// The numbers that are taken.
pub(crate) fn pairing_ids(tx: &ReadTx<'_>) -> Result<Vec<u16>, StorageError> {
    tx.query_list("SELECT id FROM pairing LIMIT :limit", named_params! {":limit": LIST_ROWS_MAX}, |row| row.get("id"))
}

pub(crate) fn pairing_insert(tx: &WriteTx<'_>, row: &PairingRow, key_hash: &[u8; 16]) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO pairing (id, salt, key_hash, body_hash, name, kind, expires_at_ms)
         VALUES (:id, :salt, :key, :body, :name, :kind, :expires)",
        named_params! {
            ":id": row.id.get(), ":salt": row.salt, ":key": key_hash, ":body": row.body_hash, ":name": row.name.to_string(),
            ":kind": kind_number(row.kind), ":expires": row.state.expires_at.get(),
        },
    )?;
    Ok(())
}

/// A wrong code was shown for it.
pub(crate) fn pairing_tried(tx: &WriteTx<'_>, id: PairingId) -> Result<(), StorageError> {
    tx.execute("UPDATE pairing SET tries = tries + 1 WHERE id = :id", named_params! {":id": id.get()})?;
    Ok(())
}

pub(crate) fn pairing_redeemed(tx: &WriteTx<'_>, id: PairingId, redeemed: &Redeemed) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE pairing SET redeemed_at_ms = :at, redeemed_by = :by WHERE id = :id",
        named_params! {":id": id.get(), ":at": redeemed.at.get(), ":by": redeemed.by},
    )?;
    Ok(())
}

/// Forgets the pairings that ended before an instant.
pub(crate) fn pairing_forget(tx: &WriteTx<'_>, before: UtcMillis) -> Result<(), StorageError> {
    tx.execute("DELETE FROM pairing WHERE expires_at_ms < :before", named_params! {":before": before.get()})?;
    Ok(())
}

/// All that were ever paired, by name, the latest of a name first.
pub(crate) fn terminal_list(tx: &ReadTx<'_>) -> Result<Vec<TerminalRow>, StorageError> {
    tx.query_list(
        "SELECT * FROM terminal ORDER BY name, revoked_at_ms IS NOT NULL, revoked_at_ms DESC LIMIT :limit",
        named_params! {":limit": LIST_ROWS_MAX},
        terminal,
    )
}

pub(crate) fn terminal_fetch(tx: &ReadTx<'_>, hash: &[u8; 32]) -> Result<Option<TerminalRow>, StorageError> {
    tx.query_optional("SELECT * FROM terminal WHERE hash = :hash", named_params! {":hash": hash}, terminal)
}

/// The present terminal of a name, or the one that was revoked last.
pub(crate) fn terminal_by_name(tx: &ReadTx<'_>, name: &TerminalName) -> Result<Option<TerminalRow>, StorageError> {
    tx.query_optional(
        "SELECT * FROM terminal WHERE name = :name ORDER BY revoked_at_ms IS NOT NULL, revoked_at_ms DESC LIMIT 1",
        named_params! {":name": name.to_string()},
        terminal,
    )
}

pub(crate) fn terminal_insert(tx: &WriteTx<'_>, row: &TerminalRow) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO terminal (hash, name, kind, device, paired_at_ms)
         VALUES (:hash, :name, :kind, :device, :paired)",
        named_params! {
            ":hash": row.hash, ":name": row.name.to_string(), ":kind": kind_number(row.kind), ":device": row.device,
            ":paired": row.paired_at.get(),
        },
    )?;
    Ok(())
}

/// Revokes the terminal of a name, if there is one.
pub(crate) fn terminal_revoke(tx: &WriteTx<'_>, name: &TerminalName, at: UtcMillis) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE terminal SET revoked_at_ms = :at WHERE name = :name AND revoked_at_ms IS NULL",
        named_params! {":name": name.to_string(), ":at": at.get()},
    )?;
    Ok(())
}

pub(crate) fn terminal_seen(tx: &WriteTx<'_>, hash: &[u8; 32], at: UtcMillis) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE terminal SET seen_at_ms = :at WHERE hash = :hash",
        named_params! {":hash": hash, ":at": at.get()},
    )?;
    Ok(())
}
