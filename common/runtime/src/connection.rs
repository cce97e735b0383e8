//! A connection on either engine: how its transactions begin, are divided into commands, and end.

use std::path::{Path, PathBuf};

use crate::migrate::{Migration, migrate};
use crate::postgres::{Server, Session};
use crate::sqlite;
use crate::storage::{ReadTx, StorageError, WriteTx};

/// Where a database is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file of SQLite.
    File(PathBuf),
    /// A schema of a PostgreSQL server.
    Server(Box<Server>),
}

impl Place {
    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Server(_) => None,
        }
    }

    /// The server and the schema, if it is one.
    #[must_use]
    pub fn server(&self) -> Option<&Server> {
        match self {
            Self::File(_) => None,
            Self::Server(server) => Some(server),
        }
    }

    pub(crate) fn open_writer(&self) -> Result<Connection, StorageError> {
        Ok(match self {
            Self::File(path) => Connection::Sqlite(sqlite::open_writer(path)?),
            Self::Server(server) => Connection::Postgres(Box::new(server.open_writer()?)),
        })
    }

    /// As [`Place::open_writer`], for a database that was open before: none is made in its place.
    pub(crate) fn reopen_writer(&self) -> Result<Connection, StorageError> {
        Ok(match self {
            Self::File(path) => Connection::Sqlite(sqlite::reopen_writer(path)?),
            Self::Server(server) => Connection::Postgres(Box::new(server.open_writer()?)),
        })
    }

    pub(crate) fn open_reader(&self) -> Result<Connection, StorageError> {
        Ok(match self {
            Self::File(path) => Connection::Sqlite(sqlite::open_reader(path)?),
            Self::Server(server) => Connection::Postgres(Box::new(server.open_reader()?)),
        })
    }
}

impl<P: Into<PathBuf>> From<P> for Place {
    fn from(path: P) -> Self {
        Self::File(path.into())
    }
}

impl From<Server> for Place {
    fn from(server: Server) -> Self {
        Self::Server(Box::new(server))
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(rusqlite::Connection),
    Postgres(Box<Session>),
}

const ROLLBACK: &str = "ROLLBACK";
const COMMIT: &str = "COMMIT";
const SAVEPOINT: &str = "SAVEPOINT command";
const RELEASE: &str = "RELEASE SAVEPOINT command";
const ROLLBACK_TO: &str = "ROLLBACK TO SAVEPOINT command";

impl Connection {
    pub(crate) fn migrate(&self, migrations: &[Migration]) -> Result<u32, StorageError> {
        migrate(self, migrations)
    }

    pub(crate) fn reading(&self) -> ReadTx<'_> {
        match self {
            Self::Sqlite(connection) => ReadTx::of_sqlite(connection),
            Self::Postgres(session) => ReadTx::of_postgres(session),
        }
    }

    pub(crate) fn writing(&self) -> WriteTx<'_> {
        match self {
            Self::Sqlite(connection) => WriteTx::of_sqlite(connection),
            Self::Postgres(session) => WriteTx::of_postgres(session),
        }
    }

    /// Begins a transaction that reads one snapshot.
    pub(crate) fn begin_read(&self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch("BEGIN DEFERRED")?),
            Self::Postgres(session) => session.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        }
    }

    /// Begins a transaction of several commands.
    pub(crate) fn begin(&self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(connection) => sqlite::run(connection, "BEGIN IMMEDIATE"),
            Self::Postgres(session) => session.batch("BEGIN"),
        }
    }

    pub(crate) fn roll_back(&self) -> Result<(), StorageError> {
        self.run(ROLLBACK)
    }

    /// Makes the transaction durable. Each of its commands has ended well: PostgreSQL would roll back in silence a
    /// transaction in which a statement had failed.
    pub(crate) fn commit(&self) -> Result<(), StorageError> {
        self.run(COMMIT)
    }

    /// Begins a command. With nothing else to roll back, SQLite needs no savepoint; PostgreSQL tells by the end of one
    /// whether a statement has failed in it.
    pub(crate) fn begin_command(&self, is_first: bool) -> Result<(), StorageError> {
        if self.is_whole(is_first) { Ok(()) } else { self.run(SAVEPOINT) }
    }

    pub(crate) fn end_command(&self, is_first: bool) -> Result<(), StorageError> {
        if self.is_whole(is_first) { Ok(()) } else { self.run(RELEASE) }
    }

    /// Takes a command back, and nothing else.
    pub(crate) fn undo_command(&self, is_first: bool) -> Result<(), StorageError> {
        if self.is_whole(is_first) {
            self.roll_back()?;
            return self.begin();
        }
        self.run(ROLLBACK_TO)?;
        self.run(RELEASE)
    }

    /// Whether the transaction has ended under its commands: a full disk or an I/O error may end it inside SQLite,
    /// savepoints and all; a server may be gone.
    pub(crate) fn has_lost(&self) -> bool {
        match self {
            Self::Sqlite(connection) => connection.is_autocommit(),
            Self::Postgres(session) => session.is_closed(),
        }
    }

    /// Ends a transaction that read, if one is open; tells whether the connection can be used again.
    pub(crate) fn end_read(&self) -> bool {
        match self {
            Self::Sqlite(connection) => connection.is_autocommit() || connection.execute_batch(ROLLBACK).is_ok(),
            Self::Postgres(session) => session.batch(ROLLBACK).is_ok(),
        }
    }

    /// How many pages the write-ahead log holds, where it is ours.
    pub(crate) fn log_pages(&self) -> Option<u32> {
        match self {
            Self::Sqlite(connection) => sqlite::wal_pages(connection).ok(),
            Self::Postgres(_) => None,
        }
    }

    /// Copies the write-ahead log into the database file, as far as no reader is in the way. A failure changes nothing.
    pub(crate) fn copy_log(&self) {
        if let Self::Sqlite(connection) = self {
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap_or_default();
        }
    }

    /// Runs statements that bind nothing and find nothing.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Self::Postgres(session) => session.batch(sql),
        }
    }

    fn run(&self, sql: &str) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(connection) => sqlite::run(connection, sql),
            Self::Postgres(session) => session.batch(sql),
        }
    }

    /// Whether a command is the whole transaction so far.
    fn is_whole(&self, is_first: bool) -> bool {
        is_first && matches!(self, Self::Sqlite(_))
    }
}
