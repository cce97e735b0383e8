//! Outboxes: what a service says, written in the service's transactions, and the relay that copies it into the hub's
//! journal by the same code that takes in the nodes'.
//!
//! A service acts on its own commit and never waits for the relay. The relay keeps no position of its own: how far it
//! has got is what the hub's journal holds.
//!
//! A service's life is one run of the program that said something. The first word of a run begins a journal of its own,
//! and what earlier runs said is never continued. After the hub was restored from an older backup it cannot know what
//! it had said since; so it must not write there, and whatever nodes hold more of an earlier life is its true
//! continuation, to be taken back. See docs/adr/0014-a-hub-service-lives-one-run.md.

use std::sync::Arc;

use metrics::{counter, gauge};
use percolate_common::domain::event::{ClockQuality, Event, Header};
use percolate_common::entropy::Entropy;
use percolate_common::hlc::Hlc;
use percolate_common::ids::StoreId;
use percolate_common::journal::{AuthorId, Head, Incarnation, JournalId, Service, StreamKind};
use percolate_common::time::{BusinessDay, Clock, UtcMillis};
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::{BODY_BYTES_MAX, WireError, event};
use percolate_runtime::migrate::Migration;
use percolate_runtime::params;
use percolate_runtime::storage::{EngineKind, ReadTx, StorageError, WriteTx};
use tokio_util::sync::CancellationToken;

use crate::kernel::db::{Db, head_taken, incarnation_taken, seq_column, seq_from_column};
use crate::kernel::journal::{Arrival, Entry, Journal, Outcome, author_stream_list, batch_apply, stream_fetch};

/// Entries that are copied in one transaction.
const RELAY_ENTRIES_MAX: i64 = 500;

/// Lives that one service may have: a run a day that says something, for a life of the hub.
pub const LIVES_MAX: usize = 10_000;

/// The hub's services keep no trading day: theirs is the calendar day of this zone.
const ZONE: &str = "UTC";

/// A calendar day of that zone, in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// The migrations of an outbox in a file, to stand in a service's list in this order, the first under this number.
#[must_use]
pub const fn migrations(number: u32) -> [Migration; 3] {
    [
        Migration::new(number, "outbox", include_str!("../../migrations/kernel/outbox.sql")),
        Migration::new(number + 1, "outbox_lives", include_str!("../../migrations/kernel/outbox_lives.sql")),
        Migration::new(
            number + 2,
            "outbox_side_by_side",
            include_str!("../../migrations/kernel/outbox_side_by_side.sql"),
        ),
    ]
}

/// The same on a server.
#[must_use]
pub const fn migration_postgres(number: u32) -> Migration {
    Migration::new(number, "outbox", include_str!("../../migrations/kernel/postgres/outbox.sql"))
}

/// Why an outbox cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// A database failed.
    #[error("the outbox could not be read or written")]
    Storage(#[from] StorageError),
    /// An event cannot be written as bytes.
    #[error("an event could not be encoded")]
    Wire(#[from] WireError),
    /// The outbox and the hub's journal hold different pasts of one life: one of the two was changed by hand.
    #[error("the outbox {journal} contradicts the hub's journal at entry {seq}: one of the two was changed")]
    Forked {
        /// Which journal.
        journal: JournalId,
        /// Where they differ, at the latest.
        seq: u64,
    },
    /// There is no database row for the outbox.
    #[error("the outbox {journal} has not begun")]
    Unopened {
        /// Which journal.
        journal: JournalId,
    },
}

/// A service's own journals of one stream. A clone is the same outbox.
#[derive(Debug, Clone)]
pub struct Outbox {
    journal_id: JournalId,
}

impl Outbox {
    /// The outbox of this run in a service's database: see [`migrations`]. Nothing is written
    /// before the first word.
    ///
    /// # Errors
    /// [`OutboxError::Storage`] if a database cannot be read.
    pub async fn open(
        db: &Db,
        (service, stream): (Service, StreamKind),
        hub: &Journal,
        entropy: &dyn Entropy,
    ) -> Result<Self, OutboxError> {
        let author = AuthorId::service(service);
        let mut known = db.read_async(move |tx| life_list(tx, author, stream)).await?;
        let held = hub.db().read_async(move |tx| author_stream_list(tx, author, LIVES_MAX)).await?;
        known.extend(held.into_iter().map(|state| state.journal));
        loop {
            let journal_id = JournalId { author, incarnation: Incarnation::new(entropy.next_u64()), stream };
            if !known.contains(&journal_id) {
                return Ok(Self { journal_id });
            }
        }
    }

    /// The journal that this run writes; it is empty until something is said.
    #[must_use]
    pub const fn journal_id(&self) -> JournalId {
        self.journal_id
    }
}

/// Says something: appends events to the journal of this run, in the service's transaction. `after` is the latest clock
/// reading of whatever was said before, here or elsewhere.
///
/// # Errors
/// [`OutboxError`] if an event is too large or the database fails.
pub fn append(
    tx: &WriteTx<'_>,
    journal: &JournalId,
    events: &[Event],
    after: Hlc,
    now: UtcMillis,
) -> Result<Head, OutboxError> {
    life_ensure(tx, journal, now)?;
    let (mut head, hlc) = head_fetch(tx, journal)?;
    let mut hlc = hlc.max(after);
    for said in events {
        hlc = hlc.tick(now);
        let bytes = event::encode(&header(hlc, now), said, None)?;
        head = head.after(&bytes);
        entry_insert(tx, journal, head, &bytes)?;
    }
    head_update(tx, journal, head, hlc)?;
    Ok(head)
}

/// What the service has said in one of its lives after `after_seq`, in order, at most 500 entries at a time.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn said_list(tx: &ReadTx<'_>, journal: &JournalId, after_seq: u64) -> Result<Vec<Entry>, StorageError> {
    tx.query_list(
        "SELECT seq, hash, event FROM outbox_said
         WHERE stream = ?1 AND incarnation = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4",
        params![
            journal.stream.number(),
            journal.incarnation.get().cast_signed(),
            seq_column(after_seq),
            RELAY_ENTRIES_MAX
        ],
        |row| {
            let Head { seq, hash } = head_taken(row)?;
            Ok(Entry { seq, hash, bytes: row.take()?, parked: false, alias: false })
        },
    )
}

/// Keeps other processes of the service from saying something until the transaction ends.
///
/// # Errors
/// [`StorageError::Conflict`] if another one takes too long.
pub fn outbox_lock(tx: &WriteTx<'_>) -> Result<(), StorageError> {
    match tx.engine() {
        EngineKind::Sqlite => Ok(()),
        EngineKind::Postgres => tx.execute("LOCK TABLE outbox_life IN SHARE ROW EXCLUSIVE MODE", &[]).map(drop),
    }
}

/// How far every life of the service reaches in its own database, in order.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn life_heads(
    tx: &ReadTx<'_>,
    author: AuthorId,
    stream: StreamKind,
) -> Result<Vec<(JournalId, u64)>, StorageError> {
    let mut heads =
        tx.query_list("SELECT incarnation, seq FROM outbox_life WHERE stream = ?1", params![stream.number()], |row| {
            let incarnation = incarnation_taken(row)?;
            Ok((JournalId { author, incarnation, stream }, seq_from_column(row.take()?)))
        })?;
    heads.sort_unstable();
    Ok(heads)
}

/// Every life in which the service has said something.
fn life_list(tx: &ReadTx<'_>, author: AuthorId, stream: StreamKind) -> Result<Vec<JournalId>, StorageError> {
    tx.query_list(
        "SELECT incarnation FROM outbox_life WHERE stream = ?1 ORDER BY created_at_ms, incarnation",
        params![stream.number()],
        |row| Ok(JournalId { author, incarnation: incarnation_taken(row)?, stream }),
    )
}

/// Begins a life, unless it has begun. Its clock goes on from those of all others.
fn life_ensure(tx: &WriteTx<'_>, journal: &JournalId, now: UtcMillis) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO outbox_life (stream, incarnation, seq, hash, hlc, created_at_ms)
         VALUES (?1, ?2, 0, ?3, (SELECT coalesce(max(hlc), 0) FROM outbox_life WHERE stream = ?1), ?4)
         ON CONFLICT (stream, incarnation) DO NOTHING",
        params![
            journal.stream.number(),
            journal.incarnation.get().cast_signed(),
            journal.genesis().hash.as_bytes(),
            now.get()
        ],
    )?;
    Ok(())
}

/// Copies an outbox into the hub's journal. A clone is another handle on the same.
#[derive(Clone)]
pub struct Relay {
    /// The service's database, whoever writes it.
    db: Db,
    author: AuthorId,
    stream: StreamKind,
    hub: Journal,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("author", &self.author).field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Relay {
    /// A relay of what a service says in a stream, from its database into `hub`.
    #[must_use]
    pub fn new(db: Db, (service, stream): (Service, StreamKind), hub: Journal, clock: Arc<dyn Clock>) -> Self {
        Self { db, author: AuthorId::service(service), stream, hub, clock }
    }

    /// Follows the outbox until it is stopped.
    ///
    /// # Errors
    /// [`OutboxError`]: run it again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), OutboxError> {
        let mut commits = self.db.commits();
        while !stop.is_cancelled() {
            commits.mark_unchanged();
            self.catch_up().await?;
            tokio::select! {
                () = stop.cancelled() => {}
                changed = commits.changed() => if changed.is_err() { return Ok(()) },
            }
        }
        Ok(())
    }

    /// Copies everything that was said, in whichever life, and is not yet held.
    ///
    /// # Errors
    /// [`OutboxError`] if a database fails or the two hold different pasts; nothing of the failed part is copied.
    pub async fn catch_up(&self) -> Result<(), OutboxError> {
        let (author, stream) = (self.author, self.stream);
        for life in self.db.read_async(move |tx| life_list(tx, author, stream)).await? {
            self.copy(life).await?;
        }
        Ok(())
    }

    async fn copy(&self, id: JournalId) -> Result<(), OutboxError> {
        let stream = id.stream.as_str();
        loop {
            let held = self.hub.db().read_async(move |tx| stream_fetch(tx, &id)).await?;
            let held = held.map_or_else(|| id.genesis(), |state| state.head);
            let said = self.db.read_async(move |tx| said_list(tx, &id, held.seq)).await?;
            gauge!("hub_relay_lag_events", "stream" => stream)
                .set(f64::from(u32::try_from(said.len()).unwrap_or(u32::MAX)));
            if said.first().is_some_and(|first| held.after(&first.bytes).hash != first.hash) {
                return Err(OutboxError::Forked { journal: id, seq: held.seq });
            }
            let Some(batch) = batch(id, held, said, self.clock.now()) else { return Ok(()) };
            let now = self.clock.now();
            let arrival = Arrival::new(batch);
            let receipt = self.hub.db().write("relay", move |tx| batch_apply(tx, &arrival, now)).await?;
            match receipt.outcome {
                Outcome::Appended { entries, .. } => {
                    counter!("hub_relay_entries_total", "stream" => stream).increment(entries);
                }
                Outcome::Repeated | Outcome::Gap => {}
                Outcome::Forked { seq } => return Err(OutboxError::Forked { journal: id, seq }),
            }
        }
    }
}

/// Entries as the batch that any author would send; one body at a time.
fn batch(journal: JournalId, held: Head, said: Vec<Entry>, now: UtcMillis) -> Option<Batch> {
    let last_seq = said.last()?.seq;
    let mut bytes = 0;
    let fits = |event: &Vec<u8>| {
        bytes += event.len();
        bytes <= BODY_BYTES_MAX
    };
    Some(Batch {
        journal,
        seq_lo: held.seq + 1,
        hash_before: held.hash.short(),
        events: said.into_iter().map(|entry| entry.bytes).take_while(fits).collect(),
        stock_totals: Vec::new(),
        sent_at: now,
        session: 0,
        last_seq,
    })
}

fn header(hlc: Hlc, now: UtcMillis) -> Header {
    let days = now.get().div_euclid(DAY_MS);
    Header {
        store: StoreId::CHAIN,
        at: now,
        hlc,
        business_day: BusinessDay::from_days(i32::try_from(days).unwrap_or(0)),
        clock: ClockQuality::Good,
        zone: ZONE.to_owned(),
    }
}

/// What was said in a life, and the latest reading of its clock.
fn head_fetch(tx: &ReadTx<'_>, journal: &JournalId) -> Result<(Head, Hlc), OutboxError> {
    let head = tx.query_optional(
        "SELECT seq, hash, hlc FROM outbox_life WHERE stream = ?1 AND incarnation = ?2",
        params![journal.stream.number(), journal.incarnation.get().cast_signed()],
        |row| Ok((head_taken(row)?, Hlc::from_packed(row.take::<i64>()?.cast_unsigned()))),
    )?;
    head.ok_or(OutboxError::Unopened { journal: *journal })
}

fn entry_insert(tx: &WriteTx<'_>, journal: &JournalId, head: Head, bytes: &[u8]) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO outbox_said (stream, incarnation, seq, event, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            journal.stream.number(),
            journal.incarnation.get().cast_signed(),
            seq_column(head.seq),
            bytes,
            head.hash.as_bytes()
        ],
    )?;
    Ok(())
}

fn head_update(tx: &WriteTx<'_>, journal: &JournalId, head: Head, hlc: Hlc) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE outbox_life SET seq = ?3, hash = ?4, hlc = ?5 WHERE stream = ?1 AND incarnation = ?2",
        params![
            journal.stream.number(),
            journal.incarnation.get().cast_signed(),
            seq_column(head.seq),
            head.hash.as_bytes(),
            hlc.packed().cast_signed()
        ],
    )?;
    Ok(())
}
