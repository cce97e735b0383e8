//! Enrolment codes: by which their holders are known, and what became of them.

use percolate_common::identity::bundle::PurposeV1;
use percolate_common::identity::site::SiteV1;
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::PublicKey;
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, Row, StorageError, WriteTx};

use super::sites::{site_content, site_of_content};
use crate::kernel::db::{seq_column, seq_from_column};

const COLUMNS: &str = "id, request_key, key, salt, store, node, bundle, purpose, made_at_ms, expires_at_ms, used_at_ms,
    used_key, used_machine, tries, site";

/// By whom a code was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) at: UtcMillis,
    pub(crate) key: PublicKey,
    pub(crate) machine: Option<[u8; 16]>,
}

/// A code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CodeRow {
    pub(crate) id: [u8; 8],
    pub(crate) request_key: String,
    pub(crate) key: [u8; 32],
    pub(crate) salt: [u8; 32],
    pub(crate) store: StoreId,
    pub(crate) node: NodeId,
    pub(crate) bundle: u64,
    pub(crate) purpose: PurposeV1,
    pub(crate) made_at: UtcMillis,
    pub(crate) expires_at: UtcMillis,
    pub(crate) used: Option<Use>,
    pub(crate) tries: u64,
    /// What was planned when it was given out.
    pub(crate) site: SiteV1,
}

pub(crate) fn code_insert(tx: &WriteTx<'_>, code: &CodeRow) -> Result<(), StorageError> {
    let site = site_content(&code.site)?;
    tx.execute(
        "INSERT INTO code (id, request_key, key, salt, store, node, bundle, purpose, made_at_ms, expires_at_ms, tries,
            site)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11)",
        params![
            &code.id,
            &code.request_key,
            &code.key,
            &code.salt,
            code.store.get(),
            code.node.get(),
            seq_column(code.bundle),
            purpose_number(code.purpose),
            code.made_at.get(),
            code.expires_at.get(),
            &site[..]
        ],
    )?;
    Ok(())
}

/// Nobody can enrol any more with a code of this shop that was not used.
pub(crate) fn codes_of_store_end(tx: &WriteTx<'_>, store: StoreId, now: UtcMillis) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE code SET expires_at_ms = ?2 WHERE store = ?1 AND used_at_ms IS NULL AND expires_at_ms > ?2",
        params![store.get(), now.get()],
    )?;
    Ok(())
}

pub(crate) fn code_fetch(tx: &ReadTx<'_>, id: &[u8; 8]) -> Result<Option<CodeRow>, StorageError> {
    tx.query_optional(&format!("SELECT {COLUMNS} FROM code WHERE id = ?1"), params![id], code)
}

/// The code that a request was answered with.
pub(crate) fn code_by_request(tx: &ReadTx<'_>, request_key: &str) -> Result<Option<CodeRow>, StorageError> {
    tx.query_optional(&format!("SELECT {COLUMNS} FROM code WHERE request_key = ?1"), params![request_key], code)
}

/// Somebody has shown a wrong proof.
pub(crate) fn code_tried(tx: &WriteTx<'_>, id: &[u8; 8]) -> Result<(), StorageError> {
    tx.execute("UPDATE code SET tries = tries + 1 WHERE id = ?1", params![id])?;
    Ok(())
}

/// A box has enrolled with it.
pub(crate) fn code_used(tx: &WriteTx<'_>, id: &[u8; 8], by: &Use) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE code SET used_at_ms = ?2, used_key = ?3, used_machine = ?4 WHERE id = ?1",
        params![id, by.at.get(), by.key.as_bytes(), by.machine.as_ref().map(|machine| &machine[..])],
    )?;
    Ok(())
}

const fn purpose_number(purpose: PurposeV1) -> i64 {
    match purpose {
        PurposeV1::New => 0,
        PurposeV1::Replace => 1,
    }
}

fn code(row: &mut Row<'_>) -> Result<CodeRow, StorageError> {
    Ok(CodeRow {
        id: row.take()?,
        request_key: row.take()?,
        key: row.take()?,
        salt: row.take()?,
        store: StoreId::new(row.take()?),
        node: NodeId::new(row.take()?),
        bundle: seq_from_column(row.take()?),
        purpose: if row.take::<i64>()? == purpose_number(PurposeV1::New) { PurposeV1::New } else { PurposeV1::Replace },
        made_at: UtcMillis::new(row.take()?),
        expires_at: UtcMillis::new(row.take()?),
        used: used(row)?,
        tries: seq_from_column(row.take()?),
        site: site_of_content(&row.take::<Vec<u8>>()?)?,
    })
}

fn used(row: &mut Row<'_>) -> Result<Option<Use>, StorageError> {
    let at: Option<i64> = row.take()?;
    let key: Option<Vec<u8>> = row.take()?;
    let machine: Option<[u8; 16]> = row.take()?;
    let key = key.and_then(|key| PublicKey::from_slice(&key));
    Ok(at.zip(key).map(|(at, key)| Use { at: UtcMillis::new(at), key, machine }))
}
