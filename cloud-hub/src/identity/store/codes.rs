//! Enrolment codes: by which their holders are known, and what became of them.

use std::collections::BTreeMap;

use percolate_common::identity::bundle::PurposeV1;
use percolate_common::identity::site::SiteV1;
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::PublicKey;
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, Row, StorageError, WriteTx};

use super::super::kept::Fact;
use super::sites::{site_content, site_of_content};
use crate::kernel::db::{seq_column, seq_from_column};

const COLUMNS: &str = "id, request_key, key, salt, store, node, bundle, purpose, made_at_ms, expires_at_ms, used_at_ms,
    used_key, used_machine, tries, site";

/// Codes that are read at once.
const CODES_AT_ONCE: i64 = 1_000;

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

/// Until when a box can be enrolled by the code that is open, by shop. Each shop has one at most.
pub(crate) fn code_open_list(tx: &ReadTx<'_>, now: UtcMillis) -> Result<BTreeMap<StoreId, UtcMillis>, StorageError> {
    let sql =
        "SELECT store, max(expires_at_ms) FROM code WHERE used_at_ms IS NULL AND expires_at_ms > ?1 AND store > ?2
         GROUP BY store ORDER BY store LIMIT ?3";
    let (mut all, mut after) = (BTreeMap::new(), 0_i64);
    loop {
        let page: Vec<(u32, i64)> =
            tx.query_list(sql, params![now.get(), after, CODES_AT_ONCE], |row| Ok((row.take()?, row.take()?)))?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after = i64::from(*last);
        all.extend(page.into_iter().map(|(store, until)| (StoreId::new(store), UtcMillis::new(until))));
    }
}

/// Until when a box of this shop can be enrolled, if a code is open.
pub(crate) fn code_open_until(
    tx: &ReadTx<'_>,
    store: StoreId,
    now: UtcMillis,
) -> Result<Option<UtcMillis>, StorageError> {
    let sql = "SELECT max(expires_at_ms) FROM code WHERE store = ?1 AND used_at_ms IS NULL AND expires_at_ms > ?2";
    let until: Option<i64> = tx.query_one(sql, params![store.get(), now.get()], |row| row.take())?;
    Ok(until.map(UtcMillis::new))
}

/// What became of all codes that were used.
pub(crate) fn code_used_list(tx: &ReadTx<'_>) -> Result<Vec<Fact>, StorageError> {
    let sql =
        "SELECT id, node, used_at_ms, used_key FROM code WHERE used_at_ms IS NOT NULL AND id > ?1 ORDER BY id LIMIT ?2";
    let mut facts = Vec::new();
    let mut after = Vec::new();
    loop {
        let page: Vec<([u8; 8], Option<Fact>)> = tx.query_list(sql, params![&after[..], CODES_AT_ONCE], |row| {
            let (id, node): ([u8; 8], _) = (row.take()?, NodeId::new(row.take()?));
            let (at, key): (_, Vec<u8>) = (UtcMillis::new(row.take()?), row.take()?);
            Ok((id, PublicKey::from_slice(&key).map(|key| Fact::CodeUsed { id, node, at, key })))
        })?;
        let Some((last, _)) = page.last() else { return Ok(facts) };
        after = last.to_vec();
        facts.extend(page.into_iter().filter_map(|(_, fact)| fact));
    }
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
