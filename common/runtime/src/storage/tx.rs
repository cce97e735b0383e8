//! The two kinds of transaction.

use std::cell::RefCell;
use std::ops::{ControlFlow, Deref};
use std::sync::Arc;

use rusqlite::Connection;

use super::{Row, StorageError, Value, on_postgres, on_sqlite};
use crate::changes::Key;
use crate::postgres::Session;
use crate::sqlite;

/// A transaction that can only read: one consistent snapshot.
#[derive(Debug, Clone, Copy)]
pub struct ReadTx<'c>(On<'c>);

#[derive(Debug, Clone, Copy)]
enum On<'c> {
    Sqlite(sqlite::ReadTx<'c>),
    Postgres(&'c Session),
}

/// Which engine a transaction runs on: for the few functions that have a text for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// A file of this process.
    Sqlite,
    /// A server.
    Postgres,
}

/// What only one engine has was asked of another: a defect of ours.
#[derive(Debug, thiserror::Error)]
#[error("the transaction does not run on SQLite")]
struct NotSqlite;

/// What only a server does was asked of a file: a defect of ours.
#[derive(Debug, thiserror::Error)]
#[error("the transaction does not run on a server")]
struct NotPostgres;

/// A query found no row, where there must be one: a defect of ours.
#[derive(Debug, thiserror::Error)]
#[error("the query found no row")]
struct NoRow;

impl<'c> ReadTx<'c> {
    pub(crate) fn of_sqlite(connection: &'c Connection) -> Self {
        Self(On::Sqlite(sqlite::ReadTx::new(connection)))
    }

    pub(crate) const fn of_postgres(session: &'c Session) -> Self {
        Self(On::Postgres(session))
    }

    /// Which engine it runs on.
    #[must_use]
    pub const fn engine(&self) -> EngineKind {
        match self.0 {
            On::Sqlite(_) => EngineKind::Sqlite,
            On::Postgres(_) => EngineKind::Postgres,
        }
    }

    /// The transaction as SQLite has it: for whoever has no other engine.
    ///
    /// # Errors
    /// [`StorageError::Query`] if it runs on another engine.
    pub fn sqlite(&self) -> Result<&sqlite::ReadTx<'c>, StorageError> {
        match &self.0 {
            On::Sqlite(tx) => Ok(tx),
            On::Postgres(_) => Err(StorageError::Query(Arc::new(NotSqlite))),
        }
    }

    /// The first row, which must exist.
    ///
    /// # Errors
    /// [`StorageError`] if the query fails or has no row.
    pub fn query_one<T>(
        &self,
        sql: &str,
        params: &[Value<'_>],
        map: impl FnOnce(&mut Row<'_>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.query_optional(sql, params, map)?.ok_or_else(|| StorageError::Query(Arc::new(NoRow)))
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// [`StorageError`] if the query fails.
    pub fn query_optional<T>(
        &self,
        sql: &str,
        params: &[Value<'_>],
        map: impl FnOnce(&mut Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        let (mut map, mut found) = (Some(map), None);
        self.query_while(sql, params, |row| {
            found = map.take().map(|map| map(row)).transpose()?;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Every row. The statement should have a `LIMIT`.
    ///
    /// ```
    /// use percolate_runtime::params;
    /// use percolate_runtime::storage::{ReadTx, StorageError};
    ///
    /// fn note_list(tx: &ReadTx<'_>, author: &str) -> Result<Vec<(String, i64)>, StorageError> {
    ///     tx.query_list("SELECT text, at_ms FROM note WHERE author = ?1 LIMIT 100", params![author], |row| {
    ///         Ok((row.take()?, row.take()?))
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    /// [`StorageError`] if the query fails.
    pub fn query_list<T>(
        &self,
        sql: &str,
        params: &[Value<'_>],
        mut map: impl FnMut(&mut Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        let mut list = Vec::new();
        self.query_while(sql, params, |row| {
            list.push(map(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(list)
    }

    /// Shows one row after the other until it is told to break off, or there is no other.
    ///
    /// # Errors
    /// [`StorageError`] if the query fails; what `each` returns.
    pub fn query_while(
        &self,
        sql: &str,
        params: &[Value<'_>],
        each: impl FnMut(&mut Row<'_>) -> Result<ControlFlow<()>, StorageError>,
    ) -> Result<(), StorageError> {
        match &self.0 {
            On::Sqlite(tx) => on_sqlite::query_while(tx, sql, params, each),
            On::Postgres(session) => on_postgres::query_while(session, sql, params, each),
        }
    }
}

/// A transaction that may write. Only the writer makes one.
#[derive(Debug)]
pub struct WriteTx<'c> {
    read: ReadTx<'c>,
    on: WriteOn<'c>,
    touched: RefCell<Vec<Key>>,
}

#[derive(Debug)]
enum WriteOn<'c> {
    Sqlite(sqlite::WriteTx<'c>),
    Postgres {
        session: &'c Session,
        /// The first failure of a statement.
        failure: RefCell<Option<StorageError>>,
    },
}

impl<'c> WriteTx<'c> {
    pub(crate) fn of_sqlite(connection: &'c Connection) -> Self {
        let on = WriteOn::Sqlite(sqlite::WriteTx::new(connection));
        Self { read: ReadTx::of_sqlite(connection), on, touched: RefCell::default() }
    }

    pub(crate) fn of_postgres(session: &'c Session) -> Self {
        let on = WriteOn::Postgres { session, failure: RefCell::new(None) };
        Self { read: ReadTx::of_postgres(session), on, touched: RefCell::default() }
    }

    /// Names what is changed here, for those who follow: see [`Changes`](crate::changes::Changes).
    pub fn touch(&self, key: Key) {
        self.touched.borrow_mut().push(key);
    }

    /// What was named so far.
    pub(crate) fn touched(&self) -> Vec<Key> {
        self.touched.take()
    }

    /// The first failure of a statement: why the transaction was lost, if it was.
    pub(crate) fn into_failure(self) -> Option<StorageError> {
        match self.on {
            WriteOn::Sqlite(tx) => tx.into_failure(),
            WriteOn::Postgres { failure, .. } => failure.into_inner(),
        }
    }

    /// The transaction as SQLite has it: for whoever has no other engine.
    ///
    /// # Errors
    /// [`StorageError::Query`] if it runs on another engine.
    pub fn sqlite(&self) -> Result<&sqlite::WriteTx<'c>, StorageError> {
        match &self.on {
            WriteOn::Sqlite(tx) => Ok(tx),
            WriteOn::Postgres { .. } => Err(StorageError::Query(Arc::new(NotSqlite))),
        }
    }

    /// Runs a statement and tells how many rows it changed.
    ///
    /// # Errors
    /// [`StorageError`] if the statement fails; [`StorageError::TransactionLost`] if an earlier failure ended the
    /// transaction: what came next would be kept on its own.
    pub fn execute(&self, sql: &str, params: &[Value<'_>]) -> Result<usize, StorageError> {
        match &self.on {
            WriteOn::Sqlite(tx) => on_sqlite::execute(tx, sql, params),
            WriteOn::Postgres { session, failure } => noted(failure, session.execute(sql, params)),
        }
    }

    /// Runs a statement that tells of the one row that it changed, by `RETURNING`.
    ///
    /// # Errors
    /// As [`WriteTx::execute`]; [`StorageError::Query`] if no row was changed.
    pub fn execute_one<T>(
        &self,
        sql: &str,
        params: &[Value<'_>],
        map: impl FnOnce(&mut Row<'_>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match &self.on {
            WriteOn::Sqlite(tx) => on_sqlite::execute_one(tx, sql, params, map),
            WriteOn::Postgres { session, failure } => {
                let told = noted(failure, on_postgres::execute_one(session, sql, params, map))?;
                told.ok_or_else(|| StorageError::Query(Arc::new(NoRow)))
            }
        }
    }
}

impl WriteTx<'_> {
    /// Runs a statement that tells of all rows that it changed, by `RETURNING`.
    ///
    /// # Errors
    /// As [`WriteTx::execute`]; [`StorageError::Query`] on SQLite, where rows are written one by one.
    pub fn execute_list<T>(
        &self,
        sql: &str,
        params: &[Value<'_>],
        map: impl FnMut(&mut Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        match &self.on {
            WriteOn::Sqlite(_) => Err(StorageError::Query(Arc::new(NotPostgres))),
            WriteOn::Postgres { failure, .. } => noted(failure, self.read.query_list(sql, params, map)),
        }
    }
}

impl<'c> Deref for WriteTx<'c> {
    type Target = ReadTx<'c>;

    fn deref(&self) -> &ReadTx<'c> {
        &self.read
    }
}

/// The outcome of a statement, whose failure is kept if it is the first.
fn noted<T>(failure: &RefCell<Option<StorageError>>, outcome: Result<T, StorageError>) -> Result<T, StorageError> {
    if let Err(error) = &outcome {
        failure.borrow_mut().get_or_insert_with(|| error.clone());
    }
    outcome
}
