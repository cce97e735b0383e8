//! SQLite as this project opens it: the two kinds of transaction, the connections and their pragmas.
//!
//! Who may write is decided by type: a function that takes a [`WriteTx`] writes, one that takes a [`ReadTx`] cannot.
//! A `&WriteTx` is lent as a `&ReadTx` by itself wherever one is asked for. No query of ours stands here.
//!
//! These are for the store-node, which has no other engine. What may run on several takes those of [`crate::storage`].

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, OptionalExtension, Params, Row, ffi};

use crate::storage::StorageError;
use crate::system::monotonic_now;

/// How long a connection waits for another one's lock before it gives up, in milliseconds.
///
/// Only the checkpointer and a second process ever hold one; at the limit the caller gets [`StorageError::Busy`].
pub const BUSY_MS_MAX: u64 = 5_000;

/// How long to wait before a lock that SQLite does not wait for is asked for again.
const TRY_AGAIN: Duration = Duration::from_millis(2);

/// Pages of the database that the writer keeps in memory, in KiB: enough for the trees' inner pages of a few million
/// rows, so that a key is found without reading the file.
const WRITER_CACHE_KIB: i64 = 8 * 1_024;

/// How many prepared statements a connection keeps.
const STATEMENTS_CACHED: usize = 128;

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        let Some(&ffi::Error { code, extended_code }) = error.sqlite_error() else {
            return Self::Query(Arc::new(error));
        };
        let source = Arc::new(error);
        // The file behind the shared memory is grown by writing to it: when that fails the disk has no space.
        if extended_code == ffi::SQLITE_IOERR_SHMSIZE {
            return Self::DiskFull(source);
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the codes of SQLite grow; what has no class of its own is a failed statement"
        )]
        match code {
            ErrorCode::DiskFull => Self::DiskFull(source),
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Self::ReadOnly(source),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt(source),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy(source),
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Self::Io(source),
            _ => Self::Query(source),
        }
    }
}

/// A transaction that can only read: one consistent snapshot.
#[derive(Debug, Clone, Copy)]
pub struct ReadTx<'c> {
    connection: &'c Connection,
}

impl<'c> ReadTx<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    /// Prepares a query, or takes it from the connection's cache.
    ///
    /// # Errors
    /// [`StorageError::WriteInRead`] if the statement writes; [`StorageError::Query`] if it cannot be prepared.
    pub fn prepare_cached(&self, sql: &str) -> Result<CachedStatement<'c>, StorageError> {
        let statement = self.connection.prepare_cached(sql)?;
        if statement.readonly() { Ok(statement) } else { Err(StorageError::WriteInRead { statement: sql.to_owned() }) }
    }

    /// The first row, which must exist.
    ///
    /// # Errors
    /// [`StorageError`] if the query fails or has no row.
    pub fn query_one<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        Ok(self.prepare_cached(sql)?.query_row(params, map)?)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// [`StorageError`] if the query fails.
    pub fn query_optional<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StorageError> {
        Ok(self.prepare_cached(sql)?.query_row(params, map).optional()?)
    }

    /// Every row. The statement should have a `LIMIT`.
    ///
    /// # Errors
    /// [`StorageError`] if the query fails.
    pub fn query_list<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StorageError> {
        let mut statement = self.prepare_cached(sql)?;
        let rows = statement.query_map(params, map)?;
        Ok(rows.collect::<rusqlite::Result<Vec<T>>>()?)
    }
}

/// A transaction that may write. Only the writer makes one.
#[derive(Debug)]
pub struct WriteTx<'c> {
    read: ReadTx<'c>,
    /// The first failure of a statement: why the transaction was lost, if it was.
    failure: RefCell<Option<StorageError>>,
}

impl<'c> WriteTx<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Self {
        Self { read: ReadTx::new(connection), failure: RefCell::new(None) }
    }

    pub(crate) fn into_failure(self) -> Option<StorageError> {
        self.failure.into_inner()
    }

    /// Prepares a statement, or takes it from the connection's cache.
    ///
    /// # Errors
    /// [`StorageError::TransactionLost`] if an earlier failure ended the transaction: what came next would be kept on
    /// its own. [`StorageError::Query`] if the statement cannot be prepared.
    pub fn prepare_cached(&self, sql: &str) -> Result<CachedStatement<'c>, StorageError> {
        if self.read.connection.is_autocommit() {
            return Err(StorageError::TransactionLost);
        }
        Ok(self.read.connection.prepare_cached(sql)?)
    }

    /// Runs a statement and tells how many rows it changed.
    ///
    /// ```
    /// use percolate_runtime::sqlite::WriteTx;
    /// use percolate_runtime::storage::StorageError;
    /// use rusqlite::named_params;
    ///
    /// fn note_insert(tx: &WriteTx<'_>, text: &str) -> Result<(), StorageError> {
    ///     tx.execute("INSERT INTO note (text) VALUES (:text)", named_params! {":text": text})?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`StorageError`] if the statement fails.
    pub fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StorageError> {
        let mut statement = self.prepare_cached(sql)?;
        statement.execute(params).map_err(|error| self.noted(error))
    }

    /// Runs a statement that tells of the one row that it changed, by `RETURNING`.
    ///
    /// # Errors
    /// [`StorageError`] if the statement fails or changes no row.
    pub(crate) fn execute_one<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut statement = self.prepare_cached(sql)?;
        // All changes are made before the first row is told.
        let mut rows = statement.query(params).map_err(|error| self.noted(error))?;
        let row = rows.next().map_err(|error| self.noted(error))?;
        map(row.ok_or(rusqlite::Error::QueryReturnedNoRows)?)
    }

    /// The failure of a statement, kept if it is the first.
    fn noted(&self, error: rusqlite::Error) -> StorageError {
        let error = StorageError::from(error);
        self.failure.borrow_mut().get_or_insert_with(|| error.clone());
        error
    }
}

impl<'c> Deref for WriteTx<'c> {
    type Target = ReadTx<'c>;

    fn deref(&self) -> &ReadTx<'c> {
        &self.read
    }
}

/// Opens the connection that writes, and makes the file if there is none.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, StorageError> {
    open_to_write(path, OpenFlags::SQLITE_OPEN_CREATE)
}

/// Opens another connection that writes, to a file that was there before: if somebody has taken it away, a new one in its
/// place would be taken for it.
pub(crate) fn reopen_writer(path: &Path) -> Result<Connection, StorageError> {
    open_to_write(path, OpenFlags::empty())
}

fn open_to_write(path: &Path, more: OpenFlags) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = open(path, flags).map_err(|error| unwritable(path, error))?;
    // Readers never block the writer, and a commit is one append and one flush.
    let mode = write_ahead(&connection).map_err(|error| unwritable(path, error))?;
    if mode != "wal" {
        return Err(StorageError::Unsound {
            detail: format!("the journal mode is {mode}, the file system does not bear WAL"),
        });
    }
    // An answered sale survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Checkpoints inside COMMIT are the slowest percent of sales; the checkpointer does them elsewhere.
    connection.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    Ok(connection)
}

/// Has the file written ahead, and tells the mode that it has then.
///
/// SQLite does not wait where a reader's lock would have to grow, and a new file's first connection does that here: of
/// several that open it at once all but one would fail.
fn write_ahead(connection: &Connection) -> Result<String, StorageError> {
    let until = monotonic_now() + Duration::from_millis(BUSY_MS_MAX);
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(StorageError::from);
        match mode {
            Err(StorageError::Busy(_)) if monotonic_now() < until => std::thread::park_timeout(TRY_AGAIN),
            mode => return mode,
        }
    }
}

/// SQLite says no more than "unable to open" where the file system is read-only: asks the system itself.
fn unwritable(path: &Path, error: StorageError) -> StorageError {
    let kind = OpenOptions::new().write(true).open(path).map_err(|error| error.kind());
    match (error, kind) {
        (StorageError::Io(source), Err(ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied)) => {
            StorageError::ReadOnly(source)
        }
        (error, _) => error,
    }
}

/// Opens a connection that cannot write. The file must exist.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StorageError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

#[expect(clippy::disallowed_methods, reason = "the one lawful place that opens a connection: all get the same pragmas")]
fn open(path: &Path, flags: OpenFlags) -> Result<Connection, StorageError> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS_MAX))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // A damaged or hostile schema must not run functions, nor statements rewrite the schema behind our back.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A statement is planned once: without this, one that looks into an index of an expression is planned at each call.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A misspelt column in double quotes is an error and not a string.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    // Sorting spills into memory, not into files that a full or worn disk would have to carry.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// Where the write-ahead log of a database file is.
#[must_use]
pub fn log_path(database: &Path) -> PathBuf {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Runs a statement that binds nothing and finds nothing.
pub(crate) fn run(connection: &Connection, sql: &str) -> Result<(), StorageError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// How many pages the write-ahead log holds.
pub(crate) fn wal_pages(connection: &Connection) -> Result<u32, StorageError> {
    let pages: i64 = connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], |row| row.get(1))?;
    Ok(u32::try_from(pages).unwrap_or(0))
}
