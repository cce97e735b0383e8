//! Somebody's hand in the journal's tables, past the program, whether or not a hub is open on them.

use std::path::Path;

use percolate_runtime::storage::StorageError;

use super::ground::{aside, journal_at};

/// Runs a statement and tells how many rows it changed.
pub(crate) async fn change(data: &Path, sql: &str) -> usize {
    let (journal, sql) = (journal_at(data), sql.to_owned());
    let changed: Result<usize, StorageError> = journal.db().write("hand", move |tx| tx.execute(&sql, &[])).await;
    journal.db().stop().await;
    changed.unwrap()
}

/// The first column of what a query finds: numbers.
pub(crate) async fn numbers(data: &Path, sql: &str) -> Vec<i64> {
    let journal = journal_at(data);
    let found: Result<Vec<i64>, StorageError> =
        aside(|| journal.db().read(|tx| tx.query_list(sql, &[], |row| row.take())));
    journal.db().stop().await;
    found.unwrap()
}
