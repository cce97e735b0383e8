//! What was signed when a box was ready.

use percolate_common::ids::NodeId;
use percolate_common::journal::Signature;
use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{StorageError, WriteTx};

/// Keeps an acceptance; the same one again changes nothing.
pub(crate) fn acceptance_keep(
    tx: &WriteTx<'_>,
    (node, made_at): (NodeId, UtcMillis),
    (body, signature): (&[u8], &Signature),
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO acceptance (node, made_at_ms, body, signature) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        params![node.get(), made_at.get(), body, signature.as_bytes()],
    )?;
    Ok(())
}
