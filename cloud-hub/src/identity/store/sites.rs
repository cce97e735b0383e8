//! Shops as head office planned them.

use percolate_common::identity::site::SiteV1;
use percolate_common::ids::{NodeId, StoreId};
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, Row, StorageError, WriteTx};

use crate::kernel::db::{seq_column, seq_from_column};

/// Shops that are read at once.
const SITES_AT_ONCE: i64 = 1_000;

const COLUMNS: &str = "content, bundles, made_at_ms";

/// A shop, and how many bundles were made for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SiteRow {
    pub(crate) site: SiteV1,
    pub(crate) bundles: u64,
    pub(crate) made_at: UtcMillis,
}

/// Plans a shop, or plans it otherwise.
pub(crate) fn site_put(tx: &WriteTx<'_>, site: &SiteV1, now: UtcMillis) -> Result<(), StorageError> {
    let content = site_content(site)?;
    tx.execute(
        "INSERT INTO site (store, node, name, content, bundles, made_at_ms) VALUES (?1, ?2, ?3, ?4, 0, ?5)
         ON CONFLICT (store) DO UPDATE SET node = excluded.node, name = excluded.name, content = excluded.content",
        params![site.store, site.node, &site.name, &content[..], now.get()],
    )?;
    Ok(())
}

/// Forgets a shop.
pub(crate) fn site_delete(tx: &WriteTx<'_>, store: StoreId) -> Result<(), StorageError> {
    tx.execute("DELETE FROM site WHERE store = ?1", params![store.get()])?;
    Ok(())
}

pub(crate) fn site_bundles_set(tx: &WriteTx<'_>, store: StoreId, bundles: u64) -> Result<(), StorageError> {
    tx.execute("UPDATE site SET bundles = ?2 WHERE store = ?1", params![store.get(), seq_column(bundles)])?;
    Ok(())
}

pub(crate) fn site_fetch(tx: &ReadTx<'_>, store: StoreId) -> Result<Option<SiteRow>, StorageError> {
    tx.query_optional(&format!("SELECT {COLUMNS} FROM site WHERE store = ?1"), params![store.get()], site)
}

/// The shop that has a box.
pub(crate) fn site_by_node(tx: &ReadTx<'_>, node: NodeId) -> Result<Option<SiteRow>, StorageError> {
    tx.query_optional(&format!("SELECT {COLUMNS} FROM site WHERE node = ?1"), params![node.get()], site)
}

/// All shops, by number.
pub(crate) fn site_list(tx: &ReadTx<'_>) -> Result<Vec<SiteRow>, StorageError> {
    let sql = format!("SELECT store, {COLUMNS} FROM site WHERE store > ?1 ORDER BY store LIMIT ?2");
    let (mut all, mut after) = (Vec::new(), 0_i64);
    loop {
        let page: Vec<(i64, SiteRow)> =
            tx.query_list(&sql, params![after, SITES_AT_ONCE], |row| Ok((row.take()?, site(row)?)))?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after = *last;
        all.extend(page.into_iter().map(|(_, row)| row));
    }
}

fn site(row: &mut Row<'_>) -> Result<SiteRow, StorageError> {
    let content: Vec<u8> = row.take()?;
    let site = site_of_content(&content)?;
    Ok(SiteRow { site, bundles: seq_from_column(row.take()?), made_at: UtcMillis::new(row.take()?) })
}

pub(super) fn site_of_content(content: &[u8]) -> Result<SiteV1, StorageError> {
    SiteV1::decode(content).map_err(|error| unsound(&error.to_string()))
}

pub(super) fn site_content(site: &SiteV1) -> Result<Vec<u8>, StorageError> {
    site.encode().map_err(|error| unsound(&error.to_string()))
}

fn unsound(reason: &str) -> StorageError {
    StorageError::Unsound { detail: format!("a shop's plan: {reason}") }
}
