//! The hub's journal: every author's entries, as their authors wrote them, for ever.
//!
//! What a batch is to the journal is judged by `percolate_common::sync::inbound`; here the judgement is applied, and
//! read. Whoever changes a row of an entry breaks the chain: there is no function for it.

use std::path::Path;

use metrics::counter;
use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::{NodeId, StockItemId, StoreId};
use percolate_common::journal::{Hash, Head, Incarnation, JournalId};
use percolate_common::sync::inbound::{Judgement, judge};
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event;
use percolate_runtime::migrate::Migration;
use percolate_runtime::sqlite::{ReadTx, StorageError, WriteTx};
use rusqlite::{Row, named_params};
use tokio::sync::watch;

use crate::kernel::db::{Db, hash_from_column, journal_columns, journal_from_columns, seq_column, seq_from_column};

const MIGRATIONS: &[Migration] =
    &[Migration::new(1, "journal", include_str!("../../migrations/journal/0001_journal.sql"))];

/// Journals that one listing holds: 20,000 stores with four streams each, and then some.
const STREAMS_MAX: i64 = 100_000;

/// Most bytes of events that one reading takes, so that a slice of large events stays small in memory.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

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
    /// Whether this program could not read it when it came: a projection passes over it.
    pub parked: bool,
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
    /// For each event when it happened, or nothing if it cannot be read and will be parked.
    happened: Vec<Option<UtcMillis>>,
}

impl Arrival {
    /// Looks at each event, outside of any transaction.
    #[must_use]
    pub fn new(batch: Batch) -> Self {
        let happened = batch.events.iter().map(|bytes| event::decode(bytes).ok().map(|read| read.header.at)).collect();
        Self { batch, happened }
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
        Ok(Self { db: Db::open("journal", data_dir, MIGRATIONS)? })
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

    /// Whether the database can be written now; nothing is. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] says why not.
    pub fn probe(&self) -> Result<(), StorageError> {
        let probed = self.db.write_blocking("probe", |tx| {
            tx.execute("UPDATE journal_stream SET seq = seq WHERE id = 0", [])?;
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

/// How far every journal reaches, by author, incarnation and stream.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn stream_list(tx: &ReadTx<'_>) -> Result<Vec<StreamState>, StorageError> {
    let rows = tx.query_list(
        "SELECT author, incarnation, stream, seq, hash, announced_seq, parked_events, last_at_ms, received_at_ms, forked_at_seq
         FROM journal_stream ORDER BY author, incarnation, stream LIMIT :limit",
        named_params! {":limit": STREAMS_MAX},
        stream_state,
    )?;
    Ok(rows.into_iter().flatten().collect())
}

/// How far one journal reaches, if anything of it is held.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn stream_fetch(tx: &ReadTx<'_>, journal: &JournalId) -> Result<Option<StreamState>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    let row = tx.query_optional(
        "SELECT author, incarnation, stream, seq, hash, announced_seq, parked_events, last_at_ms, received_at_ms, forked_at_seq
         FROM journal_stream WHERE author = :author AND incarnation = :incarnation AND stream = :stream",
        named_params! {":author": author, ":incarnation": incarnation, ":stream": stream},
        stream_state,
    )?;
    Ok(row.flatten())
}

/// The entries after `after_seq`, at most `limit` of them, and not many more than 4 MiB.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn entry_list(
    tx: &ReadTx<'_>,
    journal: &JournalId,
    after_seq: u64,
    limit: usize,
) -> Result<Vec<Entry>, StorageError> {
    let Some(stream_id) = stream_id_fetch(tx, journal)? else { return Ok(Vec::new()) };
    let mut statement = tx.prepare_cached(
        "SELECT seq, hash, event, parked FROM journal_entry WHERE stream_id = :stream AND seq > :after
         ORDER BY seq LIMIT :limit",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows =
        statement.query(named_params! {":stream": stream_id, ":after": seq_column(after_seq), ":limit": limit})?;
    let mut entries = Vec::new();
    let mut bytes_read = 0;
    while bytes_read < READ_BYTES_MAX
        && let Some(row) = rows.next()?
    {
        let entry = entry(row)?;
        bytes_read += entry.bytes.len();
        entries.push(entry);
    }
    Ok(entries)
}

/// The author's totals that came with entries after `after_seq`.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn stock_total_list(
    tx: &ReadTx<'_>,
    journal: &JournalId,
    after_seq: u64,
) -> Result<Vec<(StockItemId, StockTotal)>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_list(
        "SELECT stock_item, received, used FROM stock_total JOIN journal_stream ON id = stream_id
         WHERE author = :author AND incarnation = :incarnation AND stream = :stream AND stock_total.seq > :after
         ORDER BY stock_item LIMIT :limit",
        named_params! {
            ":author": author, ":incarnation": incarnation, ":stream": stream, ":after": seq_column(after_seq),
            ":limit": STREAMS_MAX,
        },
        |row| {
            let total =
                StockTotal { received: seq_from_column(row.get("received")?), used: seq_from_column(row.get("used")?) };
            Ok((StockItemId::new(row.get("stock_item")?), total))
        },
    )
}

/// Parked entries with their journals, by journal and sequence number, after a place in that order.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn parked_list(
    tx: &ReadTx<'_>,
    after: Option<(JournalId, u64)>,
    limit: u32,
) -> Result<Vec<(JournalId, Entry)>, StorageError> {
    let (stream_id, seq) = match after {
        Some((journal, seq)) => (stream_id_fetch(tx, &journal)?.unwrap_or(0), seq_column(seq)),
        None => (0, 0),
    };
    let rows = tx.query_list(
        "SELECT author, incarnation, stream, entry.seq AS seq, entry.hash AS hash, event, parked
         FROM journal_entry AS entry JOIN journal_stream ON id = stream_id
         WHERE parked = 1 AND (stream_id, entry.seq) > (:stream, :after) ORDER BY stream_id, entry.seq LIMIT :limit",
        named_params! {":stream": stream_id, ":after": seq, ":limit": limit},
        |row| Ok((journal_of(row)?, entry(row)?)),
    )?;
    Ok(rows.into_iter().filter_map(|(journal, entry)| Some((journal?, entry))).collect())
}

/// Every node that was ever welcomed, by number.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn node_list(tx: &ReadTx<'_>) -> Result<Vec<NodeState>, StorageError> {
    tx.query_list(
        "SELECT node_session.node AS node, store, incarnation, version, skew_ms, welcomed_at_ms,
                coalesce(online, 0) AS online, changed_at_ms
         FROM node_session LEFT JOIN node_presence ON node_presence.node = node_session.node
         ORDER BY node_session.node LIMIT :limit",
        named_params! {":limit": STREAMS_MAX},
        |row| {
            Ok(NodeState {
                node: NodeId::new(row.get("node")?),
                store: StoreId::new(row.get("store")?),
                incarnation: Incarnation::new(row.get::<_, i64>("incarnation")?.cast_unsigned()),
                version: row.get("version")?,
                skew_ms: row.get("skew_ms")?,
                welcomed_at: UtcMillis::new(row.get("welcomed_at_ms")?),
                online: row.get("online")?,
                online_changed_at: row.get::<_, Option<i64>>("changed_at_ms")?.map(UtcMillis::new),
            })
        },
    )
}

/// Applies a batch: what is new of it is appended, what is held already changes nothing, whatever the order and number
/// of the batches.
///
/// # Errors
/// [`StorageError`] if it cannot be written; nothing of it is kept then.
pub fn batch_apply(tx: &WriteTx<'_>, arrival: &Arrival, now: UtcMillis) -> Result<Receipt, StorageError> {
    let batch = &arrival.batch;
    let state = stream_fetch(tx, &batch.journal)?;
    let held = state.as_ref().map_or_else(|| batch.journal.genesis(), |state| state.head);
    let judgement = judge(held, batch, |seq| hash_fetch(tx, &batch.journal, seq))?;
    let receipt = match judgement {
        Judgement::Append(accepted) => {
            let stream_id = stream_ensure(tx, &batch.journal, now)?;
            let skipped = arrival.happened.len() - accepted.len();
            let mut append = Append { tx, stream_id, head: held, parked: Vec::new(), last_at: None };
            for (entry, happened) in accepted.iter().zip(arrival.happened.iter().skip(skipped)) {
                append.entry(entry.head, entry.bytes, *happened)?;
            }
            append.finish(batch, now)?;
            let outcome = Outcome::Appended { entries: accepted.len() as u64, parked: append.parked };
            Receipt { head: append.head, outcome }
        }
        Judgement::Repeat => Receipt { head: held, outcome: Outcome::Repeated },
        Judgement::Gap => Receipt { head: held, outcome: Outcome::Gap },
        Judgement::Fork { seq } => {
            stream_fork(tx, &batch.journal, seq)?;
            Receipt { head: held, outcome: Outcome::Forked { seq } }
        }
    };
    Ok(receipt)
}

/// Takes note of how far an author says that its journal reaches.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn stream_announce(tx: &WriteTx<'_>, journal: &JournalId, seq: u64, now: UtcMillis) -> Result<(), StorageError> {
    let stream_id = stream_ensure(tx, journal, now)?;
    tx.execute(
        "UPDATE journal_stream SET announced_seq = :seq WHERE id = :id AND announced_seq < :seq",
        named_params! {":seq": seq_column(seq), ":id": stream_id},
    )?;
    Ok(())
}

/// Takes note of where an author has contradicted what is held of its journal.
///
/// # Errors
/// [`StorageError`] if it cannot be written.
pub fn stream_fork(tx: &WriteTx<'_>, journal: &JournalId, seq: u64) -> Result<(), StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.execute(
        "UPDATE journal_stream SET forked_at_seq = :seq
         WHERE author = :author AND incarnation = :incarnation AND stream = :stream",
        named_params! {
            ":author": author, ":incarnation": incarnation, ":stream": stream, ":seq": seq_column(seq),
        },
    )?;
    Ok(())
}

/// The row of a journal that is held.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn stream_id_fetch(tx: &ReadTx<'_>, journal: &JournalId) -> Result<Option<i64>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT id FROM journal_stream WHERE author = :author AND incarnation = :incarnation AND stream = :stream",
        named_params! {":author": author, ":incarnation": incarnation, ":stream": stream},
        |row| row.get("id"),
    )
}

/// The chain hash of an entry that is held.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn hash_fetch(tx: &ReadTx<'_>, journal: &JournalId, seq: u64) -> Result<Option<Hash>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT entry.hash AS hash FROM journal_entry AS entry JOIN journal_stream ON id = stream_id
         WHERE author = :author AND incarnation = :incarnation AND stream = :stream AND entry.seq = :seq",
        named_params! {":author": author, ":incarnation": incarnation, ":stream": stream, ":seq": seq_column(seq)},
        |row| hash_from_column(row.get_ref("hash")?.as_blob()?),
    )
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

struct Append<'a, 'c> {
    tx: &'a WriteTx<'c>,
    stream_id: i64,
    head: Head,
    parked: Vec<u64>,
    last_at: Option<UtcMillis>,
}

impl Append<'_, '_> {
    fn entry(&mut self, head: Head, bytes: &[u8], happened: Option<UtcMillis>) -> Result<(), StorageError> {
        self.tx.execute(
            "INSERT INTO journal_entry (stream_id, seq, event, hash, parked) VALUES (:stream, :seq, :event, :hash, :parked)",
            named_params! {
                ":stream": self.stream_id, ":seq": seq_column(head.seq), ":event": bytes,
                ":hash": head.hash.as_bytes(), ":parked": happened.is_none(),
            },
        )?;
        match happened {
            Some(at) => self.last_at = Some(at),
            None => self.parked.push(head.seq),
        }
        self.head = head;
        Ok(())
    }

    fn finish(&self, batch: &Batch, now: UtcMillis) -> Result<(), StorageError> {
        self.tx.execute(
            "UPDATE journal_stream SET seq = :seq, hash = :hash, announced_seq = max(announced_seq, :announced),
                    parked_events = parked_events + :parked, last_at_ms = coalesce(:last_at, last_at_ms),
                    received_at_ms = :now
             WHERE id = :id",
            named_params! {
                ":seq": seq_column(self.head.seq), ":hash": self.head.hash.as_bytes(),
                ":announced": seq_column(batch.last_seq.max(self.head.seq)), ":parked": seq_column(self.parked.len() as u64),
                ":last_at": self.last_at.map(UtcMillis::get), ":now": now.get(), ":id": self.stream_id,
            },
        )?;
        for (item, total) in &batch.stock_totals {
            self.stock_total(*item, *total)?;
        }
        Ok(())
    }

    /// Joined by maximum: an older total takes nothing back.
    fn stock_total(&self, item: StockItemId, total: StockTotal) -> Result<(), StorageError> {
        self.tx.execute(
            "INSERT INTO stock_total (stream_id, stock_item, received, used, seq)
             VALUES (:stream, :item, :received, :used, :seq)
             ON CONFLICT (stream_id, stock_item) DO UPDATE SET
                received = max(received, excluded.received), used = max(used, excluded.used), seq = excluded.seq
             WHERE excluded.received > received OR excluded.used > used",
            named_params! {
                ":stream": self.stream_id, ":item": item.get(), ":received": seq_column(total.received),
                ":used": seq_column(total.used), ":seq": seq_column(self.head.seq),
            },
        )?;
        Ok(())
    }
}

fn stream_ensure(tx: &WriteTx<'_>, journal: &JournalId, now: UtcMillis) -> Result<i64, StorageError> {
    if let Some(id) = stream_id_fetch(tx, journal)? {
        return Ok(id);
    }
    let (author, incarnation, stream) = journal_columns(journal);
    counter!("hub_journals_opened_total").increment(1);
    tx.execute(
        "INSERT INTO journal_stream (author, incarnation, stream, seq, hash, announced_seq, received_at_ms)
         VALUES (:author, :incarnation, :stream, 0, :hash, 0, :now)",
        named_params! {
            ":author": author, ":incarnation": incarnation, ":stream": stream,
            ":hash": journal.genesis().hash.as_bytes(), ":now": now.get(),
        },
    )?;
    tx.query_one("SELECT last_insert_rowid() AS id", [], |row| row.get("id"))
}

fn journal_of(row: &Row<'_>) -> rusqlite::Result<Option<JournalId>> {
    Ok(journal_from_columns(row.get("author")?, row.get("incarnation")?, row.get("stream")?))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        seq: seq_from_column(row.get("seq")?),
        hash: hash_from_column(row.get_ref("hash")?.as_blob()?)?,
        bytes: row.get("event")?,
        parked: row.get("parked")?,
    })
}

fn stream_state(row: &Row<'_>) -> rusqlite::Result<Option<StreamState>> {
    let Some(journal) = journal_of(row)? else { return Ok(None) };
    Ok(Some(StreamState {
        journal,
        head: Head { seq: seq_from_column(row.get("seq")?), hash: hash_from_column(row.get_ref("hash")?.as_blob()?)? },
        announced_seq: seq_from_column(row.get("announced_seq")?),
        parked_events: seq_from_column(row.get("parked_events")?),
        last_at: row.get::<_, Option<i64>>("last_at_ms")?.map(UtcMillis::new),
        received_at: UtcMillis::new(row.get("received_at_ms")?),
        forked_at_seq: row.get::<_, Option<i64>>("forked_at_seq")?.map(seq_from_column),
    }))
}
