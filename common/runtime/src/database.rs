//! One database with its one writing connection: group commit without a thread, for the writer's thread and for a
//! simulator that drives it inline.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::changes::{Changes, Key};
use crate::connection::{Connection, Place};
use crate::migrate::Migration;
use crate::storage::{ReadTx, StorageError, WriteTx};
use crate::tasks::panic_text;

/// The owner's check of the content: runs whenever the connection was opened, before anything is written. A place to
/// read again what the owner keeps in memory.
type Verify = Box<dyn FnMut(&ReadTx<'_>) -> Result<(), StorageError> + Send>;

/// What a database is: its place, its schema and its check.
///
/// ```no_run
/// use percolate_runtime::{database::DatabaseOptions, migrate::Migration, params, storage::StorageError};
///
/// const MIGRATIONS: &[Migration] = &[Migration::new(1, "note", "CREATE TABLE note (text TEXT NOT NULL) STRICT")];
///
/// # fn main() -> Result<(), StorageError> {
/// let mut database = DatabaseOptions::new("notes.db", MIGRATIONS).open()?;
/// database.write("note", |tx| tx.execute("INSERT INTO note (text) VALUES (?1)", params!["hello"]))?;
/// # Ok(())
/// # }
/// ```
pub struct DatabaseOptions {
    place: Place,
    migrations: &'static [Migration],
    verify: Option<Verify>,
}

impl fmt::Debug for DatabaseOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseOptions").field("place", &self.place).finish_non_exhaustive()
    }
}

impl DatabaseOptions {
    /// A database file, or the schema of a server, and all migrations of it for that engine.
    #[must_use]
    pub fn new(place: impl Into<Place>, migrations: &'static [Migration]) -> Self {
        Self { place: place.into(), migrations, verify: None }
    }

    /// Sets the check that runs at every opening, also when the connection is opened again after a failed commit.
    #[must_use]
    pub fn verify(mut self, verify: impl FnMut(&ReadTx<'_>) -> Result<(), StorageError> + Send + 'static) -> Self {
        self.verify = Some(Box::new(verify));
        self
    }

    /// Opens the database, makes the file if there is none, migrates and verifies it. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] of any class; nothing was changed then.
    pub fn open(self) -> Result<Database, StorageError> {
        let mut database = Database { options: self, connection: None, wal_pages: 0, changes: Changes::default() };
        let connection = database.options.place.open_writer()?;
        database.connection = Some(database.options.prepared(connection)?);
        Ok(database)
    }

    fn reconnect(&mut self) -> Result<Connection, StorageError> {
        let connection = self.place.reopen_writer()?;
        self.prepared(connection)
    }

    fn prepared(&mut self, connection: Connection) -> Result<Connection, StorageError> {
        connection.migrate(self.migrations)?;
        if let Some(verify) = &mut self.verify {
            connection.begin_read()?;
            verify(&connection.reading())?;
            connection.roll_back()?;
        }
        Ok(connection)
    }
}

/// A database and its one writing connection. Synchronous and single-threaded.
#[derive(Debug)]
pub struct Database {
    options: DatabaseOptions,
    /// Absent after a failure; opened and verified again by the next group.
    connection: Option<Connection>,
    wal_pages: u32,
    changes: Changes,
}

impl Database {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.options.place
    }

    /// Where it is told what its commands touch.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.changes.clone()
    }

    /// How many pages the write-ahead log held after the last commit.
    #[must_use]
    pub fn wal_pages(&self) -> u32 {
        self.wal_pages
    }

    /// Copies the write-ahead log into the database file, as far as no reader is in the way. A failure changes nothing.
    pub(crate) fn copy_log(&self) {
        if let Some(connection) = &self.connection {
            connection.copy_log();
        }
    }

    /// Runs one command and commits it: what it returns is durable, and after an error nothing of it is there.
    ///
    /// # Errors
    /// What `f` returns; [`StorageError`] if it panics or cannot be committed.
    pub fn write<T, E, F>(&mut self, name: &'static str, f: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E>,
        E: From<StorageError>,
    {
        let mut group = self.group()?;
        let outcome = group.command(name, f);
        group.commit()?;
        outcome
    }

    /// Begins a group: several commands, each in a savepoint of its own, and one commit.
    ///
    /// # Errors
    /// [`StorageError`] if the connection had to be opened again and that failed, or no transaction could be begun.
    pub fn group(&mut self) -> Result<Group<'_>, StorageError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.reconnect()?,
        };
        connection.begin()?;
        Ok(Group { database: self, connection: Some(connection), lost: None, kept: 0, touched: Vec::new() })
    }
}

/// A transaction of several commands. Without [`Group::commit`] nothing of it is kept.
#[derive(Debug)]
pub struct Group<'d> {
    database: &'d mut Database,
    /// Absent once it was given back to the database.
    connection: Option<Connection>,
    lost: Option<StorageError>,
    kept: u32,
    /// What its commands have touched, those that failed, too.
    touched: Vec<Key>,
}

impl Group<'_> {
    /// Runs one command in its savepoint. An error or a panic rolls back this command only. The first that is kept needs
    /// no savepoint: there is nothing else to roll back.
    ///
    /// Nobody may be answered with the outcome, good or bad, before [`Group::commit`] returned: a refusal, too, may
    /// rest on what an earlier command of the group wrote.
    ///
    /// # Errors
    /// What `f` returns; [`StorageError`] if it panics, or if the whole transaction was lost.
    pub fn command<T, E, F>(&mut self, name: &'static str, f: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E>,
        E: From<StorageError>,
    {
        let outcome = self.try_command(name, f);
        if outcome.is_ok() {
            self.kept += 1;
        }
        outcome
    }

    /// Whether a failure has ended the transaction under all its commands. More commands only fail; end the group.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// Makes the group durable and tells how many commands it kept.
    ///
    /// # Errors
    /// [`StorageError`] if the group is lost: every command of it has failed then. The connection is closed and will be
    /// opened and verified again. If the disk failed in the very flush, the group may yet be found on it: the
    /// caller of a command learns the truth by asking again under the same idempotency key.
    pub fn commit(mut self) -> Result<u32, StorageError> {
        let connection = self.connection.take().ok_or(StorageError::Closed)?;
        if let Some(error) = self.lost.take() {
            return Err(error);
        }
        if self.kept == 0 {
            connection.roll_back()?;
        } else {
            let committed = connection.commit();
            // A commit that failed may be found on the disk all the same.
            self.database.changes.tell(&self.touched);
            committed?;
            // The group is durable now, whether or not the length of the log can be read.
            self.database.wal_pages = connection.log_pages().unwrap_or(self.database.wal_pages);
        }
        self.database.connection = Some(connection);
        Ok(self.kept)
    }

    fn try_command<T, E, F>(&mut self, name: &'static str, f: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E>,
        E: From<StorageError>,
    {
        if let Some(error) = &self.lost {
            return Err(error.clone().into());
        }
        let connection = self.connection.as_ref().ok_or(StorageError::Closed)?;
        let is_first = self.kept == 0;
        if let Err(error) = connection.begin_command(is_first) {
            self.lost = Some(error.clone());
            return Err(error.into());
        }
        let tx = connection.writing();
        // The connection stays sound when the command unwinds: its statements are reset as they are dropped.
        let outcome = catch_unwind(AssertUnwindSafe(|| f(&tx)));
        self.touched.append(&mut tx.touched());
        let end = match outcome {
            _ if connection.has_lost() => Err(tx.into_failure().unwrap_or(StorageError::TransactionLost)),
            Ok(Ok(_)) => connection.end_command(is_first),
            Ok(Err(_)) | Err(_) => connection.undo_command(is_first),
        };
        self.lost = end.err();
        match (outcome, &self.lost) {
            (Ok(Ok(_)), Some(error)) => Err(error.clone().into()),
            (Ok(outcome), _) => outcome,
            (Err(panic), _) => {
                tracing::error!(
                    command = name,
                    panic = panic_text(&*panic),
                    "the command {name} panicked; nothing of it was kept"
                );
                Err(StorageError::Panicked { name }.into())
            }
        }
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        // A group that is not committed is rolled back. If even that fails, the connection is not used again.
        if let Some(connection) = self.connection.take()
            && connection.roll_back().is_ok()
        {
            self.database.connection = Some(connection);
        }
    }
}
