//! Projections: read models that a service folds from the journal, in its own database, at its own pace.
//!
//! A runner looks at the journals that were written, reads slices of those that are ahead of the projection's position,
//! and folds slices of many journals in one transaction of the service together with the new positions: exactly once, whatever
//! fails when. If they cannot be folded together, each is folded by itself. Positions are per journal, so that a projection must
//! not depend on the order **across** journals. A journal whose slice cannot be folded is tried again after growing waits and
//! holds up nobody else; ingest never waits for any of this.

mod fold;
mod positions;
mod runner;

use percolate_common::journal::{Head, JournalId, StreamKind};
use percolate_common::wire::event::{self, Recorded};
use percolate_runtime::migrate::Migration;
use percolate_runtime::storage::{StorageError, WriteTx};

pub use self::fold::SLICE_ENTRIES_MAX;
pub use self::positions::position_list;
pub use self::runner::ProjectionRunner;
use crate::kernel::journal::Entry;

/// The table of positions in a file, to stand in a service's list of migrations under any number.
#[must_use]
pub const fn migration(number: u32) -> Migration {
    Migration::new(number, "projection", include_str!("../../../migrations/kernel/projection.sql"))
}

/// The same on a server.
#[must_use]
pub const fn migration_postgres(number: u32) -> Migration {
    Migration::new(number, "projection", include_str!("../../../migrations/kernel/postgres/projection.sql"))
}

/// A read model of a service.
pub trait Projection: Send + Sync + 'static {
    /// Its name: a fixed word, and the key of its positions.
    fn name(&self) -> &'static str;

    /// Whether it reads journals of this stream.
    fn wants(&self, stream: StreamKind) -> bool;

    /// Folds consecutive entries of some journals, each of another. Among them are some that this program cannot read: they must
    /// change no figure, and come again with all others when there is a program that can.
    ///
    /// # Errors
    /// [`ProjectionError`] if they cannot be folded: nothing of any of them is kept, and they come again.
    fn apply(&self, tx: &WriteTx<'_>, slices: &[&Slice]) -> Result<(), ProjectionError>;

    /// Forgets everything that was ever folded. The runner forgets the positions in the same transaction.
    ///
    /// # Errors
    /// [`ProjectionError`] if it cannot be written.
    fn clear(&self, tx: &WriteTx<'_>) -> Result<(), ProjectionError>;
}

/// Consecutive entries of one journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Which journal.
    pub journal: JournalId,
    /// The entries in order; never empty.
    pub entries: Vec<EntryRead>,
    /// What they reach to.
    last: Head,
    /// Whether they continue what was folded.
    continues: bool,
}

/// An entry as it is folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRead {
    /// Its place in the journal, from 1.
    pub seq: u64,
    /// What it says; nothing if this program cannot read it.
    pub recorded: Option<Recorded>,
    /// Whether the same event stands in the journal elsewhere, and counts there.
    pub alias: bool,
}

impl Slice {
    /// Reads entries that follow a position; nothing if there are none.
    fn read(journal: JournalId, position: Head, entries: Vec<Entry>) -> Option<Self> {
        let (first, last) = (entries.first()?, entries.last()?);
        let continues = position.after(&first.bytes).hash == first.hash;
        let last = Head { seq: last.seq, hash: last.hash };
        let read =
            |entry: Entry| EntryRead { seq: entry.seq, recorded: event::decode(&entry.bytes).ok(), alias: entry.alias };
        Some(Self { journal, entries: entries.into_iter().map(read).collect(), last, continues })
    }
}

/// Why a slice was not folded.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// The service's database failed.
    #[error("the projection could not be written or read")]
    Storage(#[from] StorageError),
    /// The journal does not continue what was folded: it was restored to another past. Rebuild the projection.
    #[error("entry {seq} of {journal} does not continue what was folded: rebuild the projection")]
    Discontinued {
        /// Which journal.
        journal: JournalId,
        /// The entry.
        seq: u64,
    },
    /// An entry says something that the projection cannot take.
    #[error("entry {seq} of {journal} cannot be folded: {what}")]
    Entry {
        /// Which journal.
        journal: JournalId,
        /// The entry.
        seq: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}
