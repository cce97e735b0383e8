//! What boxes were given, as they were told.

use percolate_common::identity::serial::Serial;
use percolate_common::time::UtcMillis;
use percolate_runtime::enrolment::Issued;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

pub(crate) fn issued_insert(
    tx: &WriteTx<'_>,
    serial: &Serial,
    issued: &Issued,
    now: UtcMillis,
) -> Result<(), StorageError> {
    let answer = serde_json::to_string(issued).map_err(|error| unsound(&error))?;
    tx.execute(
        "INSERT INTO issued (serial, answer, issued_at_ms) VALUES (?1, ?2, ?3)",
        params![serial.as_bytes(), &answer, now.get()],
    )?;
    Ok(())
}

pub(crate) fn issued_fetch(tx: &ReadTx<'_>, serial: &Serial) -> Result<Option<Issued>, StorageError> {
    let answer: Option<String> =
        tx.query_optional("SELECT answer FROM issued WHERE serial = ?1", params![serial.as_bytes()], |row| row.take())?;
    answer.map(|answer| serde_json::from_str(&answer).map_err(|error| unsound(&error))).transpose()
}

pub(crate) fn issued_delete(tx: &WriteTx<'_>, serial: &Serial) -> Result<(), StorageError> {
    tx.execute("DELETE FROM issued WHERE serial = ?1", params![serial.as_bytes()])?;
    Ok(())
}

fn unsound(error: &serde_json::Error) -> StorageError {
    StorageError::Unsound { detail: format!("what a box was given: {error}") }
}
