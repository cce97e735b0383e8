//! Projections: read models that a service folds from the journal, in its own database, at its own pace.
//!
//! A runner looks at the journals that were written, reads slices of those that are ahead of the projection's position,
//! and folds slices of many journals in one transaction of the service together with the new positions: exactly once, whatever
//! fails when. If they cannot be folded together, each is folded by itself. Positions are per journal, so that a projection must
//! not depend on the order **across** journals. A journal whose slice cannot be folded is tried again after growing waits and
//! holds up nobody else; ingest never waits for any of this.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use percolate_common::journal::{Head, JournalId, StreamKind};
use percolate_common::wire::event::{self, Recorded};
use percolate_runtime::backoff;
use percolate_runtime::migrate::Migration;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};
use percolate_runtime::system::monotonic_now;
use percolate_runtime::writer::GROUP_COMMANDS_MAX;
use tokio_util::sync::CancellationToken;

use crate::kernel::db::{Db, JournalsFollowed, head_taken, journal_columns, journal_taken, seq_column};
use crate::kernel::headway::Headway;
use crate::kernel::journal::{Entry, Journal, StreamState, entry_list, hash_fetch, stream_fetch, stream_list};
use crate::kernel::unread;

/// Entries of one slice.
pub const SLICE_ENTRIES_MAX: usize = 1_000;

/// Slices, each of another journal, that are folded together: no more than a writer takes for one commit, should each have to be
/// folded by itself.
const SLICES_MAX: usize = GROUP_COMMANDS_MAX;

/// Entries of all slices that are folded together: what one reading of many short slices, or of a few long ones, holds in memory.
const ENTRIES_MAX: u64 = 16_000;

/// Positions that one projection may have: as many as there may be journals.
const POSITIONS_MAX: i64 = 100_000;

/// The table of positions in a file, to stand in a service's list of migrations under any number.
#[must_use]
pub const fn migration(number: u32) -> Migration {
    Migration::new(number, "projection", include_str!("../../migrations/kernel/projection.sql"))
}

/// The same on a server.
#[must_use]
pub const fn migration_postgres(number: u32) -> Migration {
    Migration::new(number, "projection", include_str!("../../migrations/kernel/postgres/projection.sql"))
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

/// Carries a journal into a projection. A clone is another handle on the same.
#[derive(Clone)]
pub struct ProjectionRunner {
    projection: Arc<dyn Projection>,
    journal: Journal,
    db: Db,
    headway: Headway,
}

impl fmt::Debug for ProjectionRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectionRunner").field("projection", &self.projection.name()).finish_non_exhaustive()
    }
}

/// A journal whose slice could not be folded.
#[derive(Debug, Clone, Copy)]
struct Stall {
    /// How often in a row.
    failures: u32,
    /// When it is tried again.
    retry_at: Duration,
    /// Whether it is what this journal says that cannot be folded, whatever others say.
    is_its_own: bool,
}

type Stalled = BTreeMap<JournalId, Stall>;

/// What a runner looks at.
struct Watch {
    /// The journals that were written since the last pass.
    written: JournalsFollowed,
    /// Journals of which more was due than the last pass folded.
    unfinished: BTreeSet<JournalId>,
    stalled: Stalled,
}

impl Watch {
    /// The journals that may be ahead; nothing if that may be any.
    fn take(&mut self) -> Option<BTreeSet<JournalId>> {
        let mut journals = self.written.take();
        if let Some(journals) = &mut journals {
            journals.append(&mut self.unfinished);
            journals.extend(self.stalled.keys());
        }
        self.unfinished.clear();
        journals
    }
}

/// A journal that is ahead of the projection.
#[derive(Clone, Copy)]
struct Due {
    journal: JournalId,
    /// How far it is folded.
    position: Head,
    /// How many entries it is ahead.
    entries: u64,
}

/// How many of them, from the first on, are folded in one commit: at least one.
fn group_size(due: &[Due]) -> usize {
    let slice_max = u64::try_from(SLICE_ENTRIES_MAX).unwrap_or(u64::MAX);
    let mut entries = 0;
    let fits = |due: &&Due| {
        entries += due.entries.min(slice_max);
        entries <= ENTRIES_MAX
    };
    due.iter().take(SLICES_MAX).take_while(fits).count().max(1)
}

impl ProjectionRunner {
    /// A runner of `projection`, whose tables and positions are in `db`; see [`migration`].
    #[must_use]
    pub fn new(projection: Arc<dyn Projection>, journal: Journal, db: Db) -> Self {
        Self { projection, journal, db, headway: Headway::default() }
    }

    /// How it gets on in this process.
    #[must_use]
    pub const fn headway(&self) -> &Headway {
        &self.headway
    }

    /// The projection's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.projection.name()
    }

    /// Follows the journal until it is stopped.
    ///
    /// # Errors
    /// [`ProjectionError`] if a database cannot be read: run it again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ProjectionError> {
        self.read_again().await?;
        let mut commits = self.journal.commits();
        let mut watch = self.watch();
        while !stop.is_cancelled() {
            commits.mark_unchanged();
            self.pass(&mut watch, &stop).await?;
            if !watch.unfinished.is_empty() {
                continue;
            }
            let retry_at = watch.stalled.values().map(|stall| stall.retry_at).min();
            let wait = retry_at.map_or(Duration::MAX, |at| at.saturating_sub(monotonic_now()));
            tokio::select! {
                () = stop.cancelled() => {}
                changed = commits.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep(wait), if retry_at.is_some() => {}
            }
        }
        Ok(())
    }

    /// Folds everything that the journal holds now.
    ///
    /// # Errors
    /// [`ProjectionError`] of the first journal that cannot be folded; the others are folded all the same.
    pub async fn catch_up(&self) -> Result<(), ProjectionError> {
        let mut watch = self.watch();
        let (mut failure, to_the_end) = (None, CancellationToken::new());
        loop {
            failure = failure.or(self.pass(&mut watch, &to_the_end).await?);
            if watch.unfinished.is_empty() {
                return failure.map_or(Ok(()), Err);
            }
        }
    }

    /// Forgets everything and folds the whole journal anew.
    ///
    /// # Errors
    /// As [`ProjectionRunner::catch_up`].
    pub async fn rebuild(&self) -> Result<(), ProjectionError> {
        self.forget().await?;
        self.catch_up().await
    }

    /// Forgets everything if the journal is not the one that was folded: it was restored to an earlier state, or to
    /// another past. Tells whether it was so. Call it before anybody may write the journal: what was folded beyond its
    /// end would have to be told from what came there anew, with aliases decided otherwise.
    ///
    /// # Errors
    /// [`ProjectionError`] if a database cannot be read or written.
    pub async fn reconcile(&self) -> Result<bool, ProjectionError> {
        let name = self.projection.name();
        let positions = self.db.read_async(move |tx| position_list(tx, name)).await?;
        let strays = self.journal.db().read_async(move |tx| stray_list(tx, &positions)).await?;
        let Some(journal) = strays.first() else { return Ok(false) };
        counter!("hub_projection_refolds_total", "projection" => name).increment(1);
        tracing::warn!(
            projection = name, %journal, journals = strays.len(),
            "the projection {name} has folded what the journal does not hold, first of {journal}: all is folded anew"
        );
        self.forget().await?;
        Ok(true)
    }

    /// Forgets everything if this program can read something that an older one has passed over. Tells whether it was so.
    ///
    /// # Errors
    /// [`ProjectionError`] if a database cannot be read or written.
    pub async fn read_again(&self) -> Result<bool, ProjectionError> {
        let (name, mut after) = (self.projection.name(), None);
        loop {
            let (entries, last) = self.db.read_async(move |tx| unread::page(tx, name, after)).await?;
            let Some(last) = last else { return Ok(false) };
            after = Some(last);
            if let Some((journal, seq)) = self.journal.db().read_async(move |tx| unread::readable(tx, &entries)).await?
            {
                counter!("hub_projection_refolds_total", "projection" => name).increment(1);
                tracing::info!(
                    projection = name, %journal, seq,
                    "the projection {name} can read what was passed over, first entry {seq} of {journal}: all is folded anew"
                );
                self.forget().await?;
                return Ok(true);
            }
        }
    }

    /// Forgets everything that was folded, and how far: the next run begins at the first entry.
    ///
    /// # Errors
    /// [`ProjectionError`] if it cannot be written.
    pub async fn forget(&self) -> Result<(), ProjectionError> {
        let projection = self.projection.clone();
        self.db
            .write("projection_clear", move |tx| {
                projection.clear(tx)?;
                unread::clear(tx, projection.name())?;
                tx.execute("DELETE FROM projection_position WHERE projection = ?1", params![projection.name()])?;
                Ok::<_, ProjectionError>(())
            })
            .await
    }

    fn watch(&self) -> Watch {
        Watch { written: self.journal.db().follow(), unfinished: BTreeSet::new(), stalled: Stalled::new() }
    }

    /// Looks at what may be ahead and folds of each journal at most one slice. Tells the first failure.
    async fn pass(
        &self,
        watch: &mut Watch,
        stop: &CancellationToken,
    ) -> Result<Option<ProjectionError>, ProjectionError> {
        let name = self.projection.name();
        let journals: Option<Arc<[_]>> = watch.take().map(|journals| journals.into_iter().collect());
        let is_all = journals.is_none();
        let (ahead, folded) = (journals.clone(), journals);
        let heads = self.journal.db().read_async(move |tx| state_list(tx, ahead.as_deref())).await?;
        let positions = self.db.read_async(move |tx| position_map(tx, name, folded.as_deref())).await?;
        let now = monotonic_now();
        let (mut lag, mut is_due) = (0_u64, false);
        let mut due = Vec::new();
        let mut stalled_count = 0_u32;
        for state in heads.iter().filter(|state| self.projection.wants(state.journal.stream)) {
            let position = positions.get(&state.journal).copied().unwrap_or_else(|| state.journal.genesis());
            lag = lag.saturating_add(state.head.seq.saturating_sub(position.seq));
            let stall = watch.stalled.get(&state.journal);
            is_due |= state.head.seq > position.seq && stall.is_none_or(|stall| !stall.is_its_own);
            match stall {
                Some(stall) if now < stall.retry_at => stalled_count = stalled_count.saturating_add(1),
                Some(_) | None if state.head.seq > position.seq => {
                    due.push(Due { journal: state.journal, position, entries: state.head.seq - position.seq });
                }
                Some(_) | None => {}
            }
        }
        gauge!("hub_projection_lag_events", "projection" => name).set(number(lag));
        gauge!("hub_projection_stalled_journals", "projection" => name).set(f64::from(stalled_count));
        self.headway.looked(is_due, is_all.then(|| positions.values().map(|head| head.seq).sum()), now);
        // Every journal has its turn before any has its second: a long or a busy one holds up nobody.
        let mut failure = None;
        while !due.is_empty() && !stop.is_cancelled() {
            let group = due.drain(..group_size(&due)).collect();
            failure = failure.or(self.fold(group, watch).await?);
        }
        Ok(failure)
    }

    async fn fold(&self, due: Vec<Due>, watch: &mut Watch) -> Result<Option<ProjectionError>, ProjectionError> {
        let to_read = due.clone();
        let slices = self.journal.db().read_async(move |tx| slice_list(tx, &to_read)).await?;
        watch.unfinished.extend(due.iter().map(|due| due.journal));
        let whole = |(slice, due): &(Slice, Due)| (slice.journal, slice.entries.len() as u64 >= due.entries);
        let journals: Vec<_> = slices.iter().map(whole).collect();
        let mut first_failure = None;
        for ((journal, is_whole), outcome) in journals.into_iter().zip(self.fold_all(slices.into()).await) {
            match outcome {
                Ok(entries) => {
                    watch.stalled.remove(&journal);
                    if entries > 0 {
                        self.headway.moved(monotonic_now());
                    }
                    counter!("hub_projection_entries_total", "projection" => self.name()).increment(entries);
                    if is_whole && entries > 0 {
                        watch.unfinished.remove(&journal);
                    }
                }
                Err(error) => {
                    self.stall(&mut watch.stalled, journal, &error);
                    watch.unfinished.remove(&journal);
                    first_failure.get_or_insert(error);
                }
            }
        }
        Ok(first_failure)
    }

    /// Folds slices together, or each by itself if that fails: what cannot be folded is found so. Returns how many entries that
    /// were, slice by slice.
    async fn fold_all(&self, slices: Arc<[(Slice, Due)]>) -> Vec<Result<u64, ProjectionError>> {
        let command = |range: Range<usize>| {
            let (projection, slices) = (self.projection.clone(), slices.clone());
            self.db.write("projection_apply", move |tx| {
                fold_slices(tx, &*projection, slices.get(range).unwrap_or_default())
            })
        };
        match command(0..slices.len()).await {
            Ok(entries) => entries.into_iter().map(Ok).collect(),
            Err(error) if slices.len() < 2 => vec![Err(error)],
            Err(_) => {
                let alone = self.db.write_all((0..slices.len()).map(|at| command(at..at + 1))).await;
                alone.into_iter().map(|folded| folded.map(|entries| entries.iter().sum())).collect()
            }
        }
    }

    fn stall(&self, stalled: &mut Stalled, journal: JournalId, error: &ProjectionError) {
        let failures = stalled.get(&journal).map_or(0, |stall| stall.failures.saturating_add(1));
        let is_its_own = match error {
            ProjectionError::Storage(_) => false,
            ProjectionError::Discontinued { .. } | ProjectionError::Entry { .. } => true,
        };
        stalled.insert(journal, Stall { failures, retry_at: monotonic_now() + backoff::delay(failures), is_its_own });
        counter!("hub_projection_failures_total", "projection" => self.name()).increment(1);
        tracing::error!(
            projection = self.name(),
            %journal,
            error = error as &dyn std::error::Error,
            "the projection {} could not fold {journal} and will try again",
            self.name()
        );
    }
}

/// How far a projection has folded each journal.
///
/// # Errors
/// [`StorageError`] if the query fails.
pub fn position_list(tx: &ReadTx<'_>, projection: &str) -> Result<Vec<(JournalId, Head)>, StorageError> {
    let rows = tx.query_list(
        "SELECT author, incarnation, stream, seq, hash FROM projection_position WHERE projection = ?1
         ORDER BY author, incarnation, stream LIMIT ?2",
        params![projection, POSITIONS_MAX],
        |row| Ok((journal_taken(row)?, head_taken(row)?)),
    )?;
    Ok(rows.into_iter().filter_map(|(journal, head)| Some((journal?, head))).collect())
}

/// How far these journals reach, or all.
fn state_list(tx: &ReadTx<'_>, journals: Option<&[JournalId]>) -> Result<Vec<StreamState>, StorageError> {
    let Some(journals) = journals else { return stream_list(tx) };
    journals.iter().filter_map(|journal| stream_fetch(tx, journal).transpose()).collect()
}

/// How far these journals are folded, or all.
fn position_map(
    tx: &ReadTx<'_>,
    projection: &str,
    journals: Option<&[JournalId]>,
) -> Result<BTreeMap<JournalId, Head>, StorageError> {
    let Some(journals) = journals else { return Ok(position_list(tx, projection)?.into_iter().collect()) };
    let mut positions = BTreeMap::new();
    for journal in journals {
        positions.extend(position_fetch(tx, projection, journal)?.map(|head| (*journal, head)));
    }
    Ok(positions)
}

fn position_fetch(tx: &ReadTx<'_>, projection: &str, journal: &JournalId) -> Result<Option<Head>, StorageError> {
    let (author, incarnation, stream) = journal_columns(journal);
    tx.query_optional(
        "SELECT seq, hash FROM projection_position
         WHERE projection = ?1 AND author = ?2 AND incarnation = ?3 AND stream = ?4",
        params![projection, author, incarnation, stream],
        head_taken,
    )
}

/// Journals that do not hold what was folded of them.
fn stray_list(tx: &ReadTx<'_>, positions: &[(JournalId, Head)]) -> Result<Vec<JournalId>, StorageError> {
    let mut strays = Vec::new();
    for (journal, folded) in positions {
        if hash_fetch(tx, journal, folded.seq)? != Some(folded.hash) {
            strays.push(*journal);
        }
    }
    Ok(strays)
}

fn slice_list(tx: &ReadTx<'_>, due: &[Due]) -> Result<Vec<(Slice, Due)>, StorageError> {
    let mut slices = Vec::with_capacity(due.len());
    for due in due {
        let entries = entry_list(tx, &due.journal, due.position.seq, SLICE_ENTRIES_MAX)?;
        slices.extend(Slice::read(due.journal, due.position, entries).map(|slice| (slice, *due)));
    }
    Ok(slices)
}

/// Folds slices and moves the positions, in one transaction. Returns how many entries of each that were.
fn fold_slices(
    tx: &WriteTx<'_>,
    projection: &dyn Projection,
    slices: &[(Slice, Due)],
) -> Result<Vec<u64>, ProjectionError> {
    let (mut entries, mut moved) = (Vec::with_capacity(slices.len()), Vec::with_capacity(slices.len()));
    for (slice, due) in slices {
        // The position first: whoever else folds the same slice waits here, and finds it folded.
        if !position_move(tx, projection.name(), slice, due.position)? {
            // Folded already: by somebody else, or the commit before this one was kept although it seemed to fail.
            entries.push(0);
            continue;
        }
        if !slice.continues {
            let seq = due.position.seq + 1;
            return Err(ProjectionError::Discontinued { journal: slice.journal, seq });
        }
        for entry in slice.entries.iter().filter(|entry| entry.recorded.is_none()) {
            unread::keep(tx, projection.name(), &(slice.journal, entry.seq))?;
        }
        entries.push(slice.entries.len() as u64);
        moved.push(slice);
    }
    if !moved.is_empty() {
        projection.apply(tx, &moved)?;
    }
    Ok(entries)
}

/// Moves a position to the end of a slice, and tells whether it was there.
fn position_move(tx: &WriteTx<'_>, projection: &str, slice: &Slice, from: Head) -> Result<bool, StorageError> {
    let (author, incarnation, stream) = journal_columns(&slice.journal);
    let (seq, hash) = (seq_column(slice.last.seq), slice.last.hash.as_bytes());
    let moved = if from.seq == 0 {
        tx.execute(
            "INSERT INTO projection_position (projection, author, incarnation, stream, seq, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            params![projection, author, incarnation, stream, seq, hash],
        )?
    } else {
        tx.execute(
            "UPDATE projection_position SET seq = ?6, hash = ?7
             WHERE projection = ?1 AND author = ?2 AND incarnation = ?3 AND stream = ?4 AND seq = ?5",
            params![projection, author, incarnation, stream, seq_column(from.seq), seq, hash],
        )?
    };
    Ok(moved > 0)
}

/// A count as a gauge takes it.
fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
