//! A row that a query found.

use std::any::type_name;
use std::sync::Arc;

use super::value::FromValue;
use super::{StorageError, on_postgres, on_sqlite};

/// A row. Its cells are taken one after the other, in the order in which they stand in the statement's text.
#[derive(Debug)]
pub struct Row<'r> {
    on: On<'r>,
    /// The cell that is taken next, from 0.
    next: usize,
}

#[derive(Debug)]
enum On<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r postgres::Row),
}

/// A cell holds something else than it was read as: text and reader do not fit together, a defect of ours.
#[derive(Debug, thiserror::Error)]
#[error("cell {cell} of the row is {found}, and not the {wanted} that it was read as")]
struct Mismatch {
    /// Counted from 1.
    cell: usize,
    found: &'static str,
    wanted: &'static str,
}

impl<'r> Row<'r> {
    pub(super) const fn of_sqlite(row: &'r rusqlite::Row<'r>) -> Self {
        Self { on: On::Sqlite(row), next: 0 }
    }

    pub(super) const fn of_postgres(row: &'r postgres::Row) -> Self {
        Self { on: On::Postgres(row), next: 0 }
    }

    /// The next cell.
    ///
    /// # Errors
    /// [`StorageError::Query`] if there is none, or if it is of another kind.
    pub fn take<T: FromValue<'r>>(&mut self) -> Result<T, StorageError> {
        let value = match self.on {
            On::Sqlite(row) => on_sqlite::cell(row, self.next)?,
            On::Postgres(row) => on_postgres::cell(row, self.next)?,
        };
        self.next += 1;
        T::from_value(value).ok_or_else(|| {
            let mismatch = Mismatch { cell: self.next, found: value.kind(), wanted: type_name::<T>() };
            StorageError::Query(Arc::new(mismatch))
        })
    }

    /// How many cells are left.
    #[must_use]
    pub fn left(&self) -> usize {
        match self.on {
            On::Sqlite(row) => row.as_ref().column_count().saturating_sub(self.next),
            On::Postgres(row) => row.len().saturating_sub(self.next),
        }
    }
}
