//! Why a database did not do what it was asked: the same classes whatever the engine.

use std::error::Error;
use std::io;
use std::sync::Arc;

/// What the engine said.
type Cause = Arc<dyn Error + Send + Sync>;

/// Why the database did not do what it was asked.
///
/// It can be cloned because every member of a failed group is told the same.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// No space was left; nothing of the command was kept. Works again once there is space.
    #[error("the disk is full")]
    DiskFull(#[source] Cause),
    /// The file, its folder or its file system cannot be written.
    #[error("the database is read-only")]
    ReadOnly(#[source] Cause),
    /// The file is not a sound database.
    #[error("the database file is damaged")]
    Corrupt(#[source] Cause),
    /// The owner's own check of the content failed.
    #[error("the database content does not hold together: {detail}")]
    Unsound {
        /// What did not hold.
        detail: String,
    },
    /// Another connection kept its lock longer than [`BUSY_MS_MAX`](crate::sqlite::BUSY_MS_MAX).
    #[error("the database is locked by another connection")]
    Busy(#[source] Cause),
    /// Every reader stayed in use for too long.
    #[error("no reader became free within {wait_ms} ms")]
    ReadersBusy {
        /// How long the caller waited, in milliseconds.
        wait_ms: u64,
    },
    /// The server does not let this role do it.
    #[error("the database refuses this role")]
    Denied(#[source] Cause),
    /// The server is not there, or the connection broke. If that happened in a commit, whether it was kept is not known:
    /// ask again under the same idempotency key.
    #[error("the database server cannot be reached")]
    Unreachable(#[source] Cause),
    /// Another transaction came in between. Try again.
    #[error("another transaction was in the way")]
    Conflict(#[source] Cause),
    /// The disk or the file system failed.
    #[error("the disk failed while the database used it")]
    Io(#[source] Cause),
    /// A statement could not be prepared, broke a constraint or gave a value of another type: a defect of ours.
    #[error("a statement failed")]
    Query(#[source] Cause),
    /// A statement that writes was prepared in a reading transaction: a defect of ours.
    #[error("a reading transaction was asked to write: {statement}")]
    WriteInRead {
        /// The statement.
        statement: String,
    },
    /// The database was made by a newer program.
    #[error("the database has schema {found}, this program knows {known}: use the newer program")]
    NewerDatabase {
        /// The newest migration in the database.
        found: u32,
        /// The newest migration that this program has.
        known: u32,
    },
    /// The database has not the schema yet that a program reads; its owner brings it there.
    #[error(
        "the database has schema {found}, this program reads {known}: start the newer program that writes it first"
    )]
    OlderDatabase {
        /// The newest migration in the database.
        found: u32,
        /// The newest migration that this program knows.
        known: u32,
    },
    /// A migration in the program is not the one that was applied to this database.
    #[error("migration {number} of the database is {applied:?}, in the program it is {known:?} and reads otherwise")]
    MigrationEdited {
        /// Its number.
        number: u32,
        /// Its name when it was applied.
        applied: String,
        /// Its name in the program.
        known: &'static str,
    },
    /// The list of migrations is not numbered 1, 2, 3 …: a defect of ours.
    #[error("the migrations are not numbered 1, 2, 3: {number} stands at place {place}")]
    MigrationOrder {
        /// The number that was found.
        number: u32,
        /// The number that belongs there.
        place: u32,
    },
    /// The transaction ended in the middle of the command; nothing of its group was kept.
    #[error("the transaction was rolled back by the database")]
    TransactionLost,
    /// The command panicked; nothing of it was kept.
    #[error("the command {name} panicked")]
    Panicked {
        /// The command.
        name: &'static str,
    },
    /// The queue of commands is full; nothing was done. Try again a little later.
    #[error("the writer has {queued} commands waiting and takes no more")]
    QueueFull {
        /// The length of the queue.
        queued: usize,
    },
    /// The database is being closed; nothing was done.
    #[error("the database is closed")]
    Closed,
    /// The writer died between the work and its answer: ask again under the same idempotency key.
    #[error("the writer did not answer; whether the command was kept is not known")]
    Unanswered,
    /// The writer's thread could not be started.
    #[error("the writer's thread could not be started")]
    Thread(#[source] Arc<io::Error>),
}

impl StorageError {
    /// Whether the command itself may have brought it about, and not what befell the database: done alone it fails again, and
    /// others do not.
    #[must_use]
    pub const fn is_of_the_command(&self) -> bool {
        match self {
            Self::Unsound { .. } | Self::Query(_) | Self::WriteInRead { .. } | Self::Panicked { .. } => true,
            Self::DiskFull(_)
            | Self::ReadOnly(_)
            | Self::Corrupt(_)
            | Self::Busy(_)
            | Self::ReadersBusy { .. }
            | Self::Denied(_)
            | Self::Unreachable(_)
            | Self::Conflict(_)
            | Self::Io(_)
            | Self::NewerDatabase { .. }
            | Self::OlderDatabase { .. }
            | Self::MigrationEdited { .. }
            | Self::MigrationOrder { .. }
            | Self::TransactionLost
            | Self::QueueFull { .. }
            | Self::Closed
            | Self::Unanswered
            | Self::Thread(_) => false,
        }
    }

    /// The class as a word for metrics, logs and problem documents.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DiskFull(_) => "disk_full",
            Self::ReadOnly(_) => "storage_read_only",
            Self::Corrupt(_) | Self::Unsound { .. } => "storage_corrupt",
            Self::Busy(_) | Self::ReadersBusy { .. } => "storage_busy",
            Self::Denied(_) => "storage_denied",
            Self::Unreachable(_) => "storage_unreachable",
            Self::Conflict(_) => "storage_conflict",
            Self::Io(_) => "storage_io",
            Self::Query(_) | Self::WriteInRead { .. } => "storage_query",
            Self::NewerDatabase { .. } => "database_newer",
            Self::OlderDatabase { .. } => "database_older",
            Self::MigrationEdited { .. } | Self::MigrationOrder { .. } => "migration_mismatch",
            Self::TransactionLost => "transaction_lost",
            Self::Panicked { .. } => "command_panicked",
            Self::QueueFull { .. } => "queue_full",
            Self::Closed => "storage_closed",
            Self::Unanswered => "storage_unanswered",
            Self::Thread(_) => "storage_thread",
        }
    }
}
