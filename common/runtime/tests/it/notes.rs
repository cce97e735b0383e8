//! A database for the tests: notes, and leaves that must hang on a branch by the time of the commit.

use std::path::Path;

use percolate_runtime::database::{Database, DatabaseOptions};
use percolate_runtime::migrate::Migration;
use percolate_runtime::params;
use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};
use tempfile::TempDir;

pub(crate) const MIGRATIONS: &[Migration] = &[Migration::new(
    1,
    "notes",
    "CREATE TABLE note (text TEXT NOT NULL) STRICT;
     CREATE TABLE branch (id INTEGER PRIMARY KEY) STRICT;
     CREATE TABLE leaf (branch INTEGER NOT NULL REFERENCES branch (id) DEFERRABLE INITIALLY DEFERRED) STRICT;",
)];

/// What a command of the tests answers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoteError {
    #[error("the note is refused")]
    Refused,
    #[error("the storage failed")]
    Storage(#[from] StorageError),
}

pub(crate) fn fresh() -> (TempDir, Database) {
    let dir = TempDir::new().unwrap();
    let database = options(dir.path()).open().unwrap();
    (dir, database)
}

pub(crate) fn options(dir: &Path) -> DatabaseOptions {
    DatabaseOptions::new(dir.join("notes.db"), MIGRATIONS)
}

pub(crate) fn insert(tx: &WriteTx<'_>, text: &str) -> Result<(), StorageError> {
    tx.execute("INSERT INTO note (text) VALUES (?1)", params![text])?;
    Ok(())
}

/// A write that only the COMMIT refuses.
pub(crate) fn hang_a_leaf_in_the_air(tx: &WriteTx<'_>) -> Result<(), StorageError> {
    tx.execute("INSERT INTO leaf (branch) VALUES (404)", &[])?;
    Ok(())
}

pub(crate) fn all(tx: &ReadTx<'_>) -> Result<Vec<String>, StorageError> {
    tx.query_list("SELECT text FROM note ORDER BY text LIMIT 10000", &[], |row| row.take())
}

/// What another connection sees: what is committed.
pub(crate) fn committed(pool: &ReadPool) -> Vec<String> {
    pool.read(all).unwrap()
}
