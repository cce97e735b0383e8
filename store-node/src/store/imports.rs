//! Which rows and baskets of other systems have been brought in.

use percolate_common::ids::TicketId;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use percolate_runtime::storage::StorageError;
use rusqlite::named_params;

pub(crate) fn line_fetch(tx: &ReadTx<'_>, source: &str, row: &str) -> Result<Option<[u8; 16]>, StorageError> {
    tx.query_optional(
        "SELECT content_hash FROM import_line WHERE source = :source AND row = :row",
        named_params! {":source": source, ":row": row},
        |row| row.get("content_hash"),
    )
}

pub(crate) fn line_insert(tx: &WriteTx<'_>, source: &str, row: &str, hash: &[u8; 16]) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO import_line (source, row, content_hash) VALUES (:source, :row, :hash)",
        named_params! {":source": source, ":row": row, ":hash": hash},
    )?;
    Ok(())
}

pub(crate) fn basket_fetch(tx: &ReadTx<'_>, source: &str, local: &str) -> Result<Option<TicketId>, StorageError> {
    tx.query_optional(
        "SELECT ticket FROM import_basket WHERE source = :source AND local = :local",
        named_params! {":source": source, ":local": local},
        |row| row.get("ticket").map(TicketId::from_bytes),
    )
}

pub(crate) fn basket_insert(tx: &WriteTx<'_>, source: &str, local: &str, ticket: TicketId) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO import_basket (source, local, ticket) VALUES (:source, :local, :ticket)",
        named_params! {":source": source, ":local": local, ":ticket": ticket.to_bytes()},
    )?;
    Ok(())
}
