//! The hub's journal: every author's entries, as their authors wrote them, for ever.
//!
//! What a batch is to the journal is judged by `percolate_common::sync::inbound`; here the judgement is applied, and
//! read. Whoever changes a row of an entry breaks the chain: there is no function for it.

mod append;
mod chain;
mod copy;
mod origin;
mod portion;
mod postgres;
mod quarters;
mod read;
mod row;
mod sqlite;

use std::path::Path;

use percolate_common::ids::{NodeId, StoreId};
use percolate_common::journal::{Hash, Head, Incarnation, JournalId, Origin};
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event;
use percolate_runtime::migrate::Migration;
use percolate_runtime::storage::{EngineKind, StorageError};
use tokio::sync::watch;

pub use append::{
    author_lock, author_try_lock, batch_append, batch_apply, entries_unpark, stream_announce, stream_end, stream_fork,
};
pub use chain::{arrived_set, arriving, arriving_set, moved_at, moved_set};
pub use copy::{entries_copy, stream_copy};
pub use portion::{Portion, portion_read};
pub use read::{
    LifeTotal, author_stream_list, entry_list, hash_fetch, life_total_list, node_list, parked_latest, parked_list,
    stock_total_list, stream_fetch, stream_list,
};

use crate::kernel::db::Db;
use crate::kernel::duty;
use crate::kernel::engine::{ChainServer, Engine, Schema};

/// The journal's name in logs and metrics, and of its file.
pub const NAME: &str = "journal";

static SCHEMA: Schema = Schema {
    name: NAME,
    sqlite: &[
        Migration::new(1, "journal", include_str!("../../../migrations/journal/0001_journal.sql")),
        Migration::new(2, "lives", include_str!("../../../migrations/journal/0002_lives.sql")),
        Migration::new(3, "marks", include_str!("../../../migrations/journal/0003_marks.sql")),
        Migration::new(4, "chain", include_str!("../../../migrations/journal/0004_chain.sql")),
    ],
    postgres: &[
        Migration::new(1, "journal", include_str!("../../../migrations/journal/postgres/0001_journal.sql")),
        duty::migration(2),
        Migration::new(3, "chain", include_str!("../../../migrations/journal/postgres/0003_chain.sql")),
    ],
};

/// The journal's database. A clone is the same journal.
#[derive(Debug, Clone)]
pub struct Journal {
    db: Db,
}

/// One entry as it is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the journal, from 1.
    pub seq: u64,
    /// The chain's hash there.
    pub hash: Hash,
    /// The event as its author wrote it.
    pub bytes: Vec<u8>,
    /// Whether the program that took it in could not read it. Whoever folds it reads for himself.
    pub parked: bool,
    /// Whether the same event stands in the journal elsewhere, and counts there: a projection that adds up passes over
    /// it. See docs/adr/0012-event-ids-and-origins.md.
    pub alias: bool,
}

/// How far one journal reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// Which journal.
    pub journal: JournalId,
    /// The last entry held without a gap.
    pub head: Head,
    /// How far the author has said that it reaches.
    pub announced_seq: u64,
    /// Entries that this program could not read when they came.
    pub parked_events: u64,
    /// When the last event happened, by its author's clock.
    pub last_at: Option<UtcMillis>,
    /// When the last batch came, by the hub's clock.
    pub received_at: UtcMillis,
    /// Where an author has last contradicted what is held.
    pub forked_at_seq: Option<u64>,
}

/// A node as it last introduced itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// Which node.
    pub node: NodeId,
    /// The store that it serves.
    pub store: StoreId,
    /// Its present life.
    pub incarnation: Incarnation,
    /// The version of its program.
    pub version: String,
    /// How far its clock was ahead of the hub's when it was welcomed, in milliseconds.
    pub skew_ms: i64,
    /// When it was welcomed.
    pub welcomed_at: UtcMillis,
    /// Whether it is connected.
    pub online: bool,
    /// When that last changed.
    pub online_changed_at: Option<UtcMillis>,
    /// When the stock totals of one of its lives were last compared with what it states.
    pub stock_compared_at: Option<UtcMillis>,
    /// Whether those of one of its lives were others then.
    pub stock_differs: bool,
}

/// What a batch was to the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Something of it was new.
    Appended {
        /// How many entries.
        entries: u64,
        /// The sequence numbers of those that could not be read.
        parked: Vec<u64>,
        /// How many of them are aliases: the same event is held, and counts, elsewhere.
        aliases: u64,
    },
    /// All of it was held already.
    Repeated,
    /// Something before it is missing.
    Gap,
    /// It contradicts what is held.
    Forked {
        /// Where, at the latest.
        seq: u64,
    },
}

/// What is held of a journal after a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The last entry held without a gap.
    pub head: Head,
    /// What the batch was.
    pub outcome: Outcome,
}

/// A batch that is ready to be applied: its events have been looked at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    batch: Batch,
    /// What each event says of itself.
    looks: Vec<Look>,
}

/// What an event says of itself to whoever keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    /// When it happened, or nothing if it cannot be read and will be parked.
    happened: Option<UtcMillis>,
    /// Where it was first written, if that was elsewhere.
    origin: Option<Origin>,
}

impl Look {
    fn at(bytes: &[u8]) -> Self {
        match event::decode(bytes) {
            Ok(read) => Self { happened: Some(read.header.at), origin: read.origin },
            // What cannot be read may still say where it comes from.
            Err(_) => Self { happened: None, origin: event::origin(bytes).ok().flatten() },
        }
    }
}

impl Arrival {
    /// Looks at each event, outside of any transaction.
    #[must_use]
    pub fn new(batch: Batch) -> Self {
        let looks = batch.events.iter().map(|bytes| Look::at(bytes)).collect();
        Self { batch, looks }
    }

    /// The batch.
    #[must_use]
    pub const fn batch(&self) -> &Batch {
        &self.batch
    }
}

impl Journal {
    /// Opens `journal.db` in the data folder.
    ///
    /// # Errors
    /// [`StorageError`] of any class.
    pub fn open(data_dir: &Path) -> Result<Self, StorageError> {
        Self::open_with(data_dir, &Engine::Threads)
    }

    /// As [`Journal::open`], on an engine of the caller's choosing.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_with(data_dir: &Path, engine: &Engine) -> Result<Self, StorageError> {
        Ok(Self { db: Db::open(&SCHEMA, data_dir, engine)? })
    }

    /// The journal in the files of a data folder, to be looked at only, whether or not a hub runs there. Blocks.
    ///
    /// # Errors
    /// As [`Db::open_file`].
    pub fn open_file(data_dir: &Path) -> Result<Self, StorageError> {
        Ok(Self { db: Db::open_file(&SCHEMA, data_dir)? })
    }

    /// The journal as another process writes it, for the service of this name. Blocks.
    ///
    /// # Errors
    /// As [`Db::open_reader`].
    pub fn open_reader(server: &ChainServer, service: &str) -> Result<Self, StorageError> {
        Ok(Self { db: Db::open_reader(&SCHEMA, server, service)? })
    }

    /// Sees to it that entries have a place in the present quarter and the next ones: before they are needed, since a
    /// server would let whoever comes first wait for it. A file has no quarters.
    ///
    /// # Errors
    /// [`StorageError`] if it cannot be made.
    pub async fn quarters_ensure(&self, now: UtcMillis) -> Result<(), StorageError> {
        self.db
            .write("quarters", move |tx| match tx.engine() {
                EngineKind::Sqlite => Ok(()),
                EngineKind::Postgres => quarters::quarters_ensure(tx, now),
            })
            .await
    }

    /// The database: for ingest and the sessions, which share its transactions.
    #[must_use]
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// A number that changes with every commit: whoever follows the journal waits for it.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.db.commits()
    }

    /// Whether the database can be written now, or read where another process writes it; nothing is. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] says why not.
    pub fn probe(&self) -> Result<(), StorageError> {
        if !self.db.is_ours() {
            let held = "SELECT EXISTS (SELECT 1 FROM journal_stream WHERE author = -1)";
            return self.db.read(|tx| tx.query_one(held, &[], |row| row.take::<bool>())).map(drop);
        }
        let probed = self.db.write_blocking("probe", |tx| {
            tx.execute("UPDATE journal_stream SET seq = seq WHERE author = -1", &[])?;
            Err::<(), _>(Probe::Done)
        });
        match probed {
            Ok(()) | Err(Probe::Done) => Ok(()),
            Err(Probe::Failed(error)) => Err(error),
        }
    }

    /// How far every journal reaches, by author, incarnation and stream. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] if the database cannot be read.
    pub fn streams(&self) -> Result<Vec<StreamState>, StorageError> {
        self.db.read(stream_list)
    }

    /// Every node that was ever welcomed, by number. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] if the database cannot be read.
    pub fn nodes(&self) -> Result<Vec<NodeState>, StorageError> {
        self.db.read(node_list)
    }
}

/// A command that is taken back whatever it found.
enum Probe {
    Done,
    Failed(StorageError),
}

impl From<StorageError> for Probe {
    fn from(error: StorageError) -> Self {
        Self::Failed(error)
    }
}
