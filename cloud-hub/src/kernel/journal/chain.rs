//! Where a chain is: in files, on a server, or on its way from one to the other.

use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

/// The state of a chain that is on its way.
const MOVING: i64 = 1;

/// The state of one that has arrived.
const ARRIVED: i64 = 2;

/// When the chain in these files was moved to a server, if it was.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn moved_at(tx: &ReadTx<'_>) -> Result<Option<UtcMillis>, StorageError> {
    tx.query_optional("SELECT moved_at_ms FROM chain", &[], |row| Ok(UtcMillis::new(row.take()?)))
}

/// Takes note in the files of a chain that it was moved. Said again, it changes nothing.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn moved_set(tx: &WriteTx<'_>, chain: u64, now: UtcMillis) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO chain (id, moved_at_ms) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
        params![chain.cast_signed(), now.get()],
    )?;
    Ok(())
}

/// The chain that is moved to this server, and whether it has arrived.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn arriving(tx: &ReadTx<'_>) -> Result<Option<(u64, bool)>, StorageError> {
    tx.query_optional("SELECT id, state FROM chain", &[], |row| {
        Ok((row.take::<i64>()?.cast_unsigned(), row.take::<i64>()? == ARRIVED))
    })
}

/// Takes note on the server that a chain is on its way.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn arriving_set(tx: &WriteTx<'_>, chain: u64) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO chain (id, state) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
        params![chain.cast_signed(), MOVING],
    )?;
    Ok(())
}

/// Takes note on the server that a chain has arrived.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn arrived_set(tx: &WriteTx<'_>, chain: u64) -> Result<(), StorageError> {
    tx.execute("UPDATE chain SET state = ?2 WHERE id = ?1", params![chain.cast_signed(), ARRIVED])?;
    Ok(())
}
