//! Projections: read models that a service folds from the journal, in its own database, at its own pace.
//!
//! A runner reads slices of journals that are ahead of the projection's position, and folds each slice in one
//! transaction of the service together with the new position: exactly once, whatever fails when. Positions are per
//! journal, so that a projection must not depend on the order **across** journals. A journal whose slice cannot be
//! folded is tried again after growing waits and holds up nobody else; ingest never waits for any of this.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use percolate_common::journal::{Head, JournalId, StreamKind};
use percolate_runtime::backoff;
use percolate_runtime::migrate::Migration;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};
use percolate_runtime::system::monotonic_now;
use tokio_util::sync::CancellationToken;

use crate::kernel::db::{Db, head_taken, journal_columns, journal_taken, seq_column};
use crate::kernel::journal::{Entry, Journal, entry_list, hash_fetch, stream_list};

/// Entries of one slice.
pub const SLICE_ENTRIES_MAX: usize = 1_000;

/// Slices, each of another journal, that are folded side by side and share a commit.
const SLICES_MAX: usize = 64;

/// Entries of all slices that share a commit: what one reading of many short slices, or of a few long ones, holds in memory.
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

    /// Folds consecutive entries of one journal. Parked entries are among them and must change nothing.
    ///
    /// # Errors
    /// [`ProjectionError`] if they cannot be folded: nothing of them is kept, and they come again.
    fn apply(&self, tx: &WriteTx<'_>, slice: &Slice) -> Result<(), ProjectionError>;

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
    pub entries: Vec<Entry>,
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
}

impl fmt::Debug for ProjectionRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectionRunner").field("projection", &self.projection.name()).finish_non_exhaustive()
    }
}

/// Journals whose slice could not be folded: how often in a row, and when to try again.
type Stalled = BTreeMap<JournalId, (u32, Duration)>;

/// A journal that is ahead of the projection.
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

/// What one pass did.
struct Pass {
    /// Whether there may be more to do at once.
    more: bool,
    /// The first failure.
    failure: Option<ProjectionError>,
}

impl ProjectionRunner {
    /// A runner of `projection`, whose tables and positions are in `db`; see [`migration`].
    #[must_use]
    pub fn new(projection: Arc<dyn Projection>, journal: Journal, db: Db) -> Self {
        Self { projection, journal, db }
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
        let mut commits = self.journal.commits();
        let mut stalled = Stalled::new();
        while !stop.is_cancelled() {
            commits.mark_unchanged();
            if self.pass(&mut stalled, &stop).await?.more {
                continue;
            }
            let retry_at = stalled.values().map(|(_, at)| *at).min();
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
        let mut stalled = Stalled::new();
        let (mut failure, to_the_end) = (None, CancellationToken::new());
        loop {
            let pass = self.pass(&mut stalled, &to_the_end).await?;
            failure = failure.or(pass.failure);
            if !pass.more {
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

    /// Forgets everything that was folded, and how far: the next pass begins at the first entry.
    ///
    /// # Errors
    /// [`ProjectionError`] if it cannot be written.
    pub async fn forget(&self) -> Result<(), ProjectionError> {
        let projection = self.projection.clone();
        self.db
            .write("projection_clear", move |tx| {
                projection.clear(tx)?;
                tx.execute("DELETE FROM projection_position WHERE projection = ?1", params![projection.name()])?;
                Ok::<_, ProjectionError>(())
            })
            .await
    }

    async fn pass(&self, stalled: &mut Stalled, stop: &CancellationToken) -> Result<Pass, ProjectionError> {
        let name = self.projection.name();
        let heads = self.journal.db().read_async(stream_list).await?;
        let positions = self.db.read_async(move |tx| position_map(tx, name)).await?;
        let now = monotonic_now();
        let mut lag = 0_u64;
        let mut due = Vec::new();
        let mut stalled_count = 0_u32;
        for state in heads.iter().filter(|state| self.projection.wants(state.journal.stream)) {
            let position = positions.get(&state.journal).copied().unwrap_or_else(|| state.journal.genesis());
            lag = lag.saturating_add(state.head.seq.saturating_sub(position.seq));
            match stalled.get(&state.journal) {
                Some((_, retry_at)) if now < *retry_at => stalled_count = stalled_count.saturating_add(1),
                Some(_) | None if state.head.seq > position.seq => {
                    due.push(Due { journal: state.journal, position, entries: state.head.seq - position.seq });
                }
                Some(_) | None => {}
            }
        }
        gauge!("hub_projection_lag_events", "projection" => name).set(number(lag));
        gauge!("hub_projection_stalled_journals", "projection" => name).set(f64::from(stalled_count));
        // Every journal has its turn before any has its second: a long or a busy one holds up nobody.
        let (more, mut failure) = (!due.is_empty(), None);
        while !due.is_empty() && !stop.is_cancelled() {
            let group = due.drain(..group_size(&due)).map(|due| (due.journal, due.position)).collect();
            failure = failure.or(self.fold(group, stalled).await?);
        }
        Ok(Pass { more, failure })
    }

    async fn fold(
        &self,
        due: Vec<(JournalId, Head)>,
        stalled: &mut Stalled,
    ) -> Result<Option<ProjectionError>, ProjectionError> {
        let slices = self.journal.db().read_async(move |tx| slice_list(tx, &due)).await?;
        let journals: Vec<_> = slices.iter().map(|(slice, _)| slice.journal).collect();
        let commands = slices.into_iter().map(|(slice, position)| {
            let projection = self.projection.clone();
            self.db.write("projection_apply", move |tx| fold_slice(tx, &*projection, &slice, position))
        });
        let mut first_failure = None;
        for (journal, outcome) in journals.into_iter().zip(self.db.write_all(commands).await) {
            match outcome {
                Ok(entries) => {
                    stalled.remove(&journal);
                    counter!("hub_projection_entries_total", "projection" => self.name()).increment(entries);
                }
                Err(error) => {
                    self.stall(stalled, journal, &error);
                    first_failure.get_or_insert(error);
                }
            }
        }
        Ok(first_failure)
    }

    fn stall(&self, stalled: &mut Stalled, journal: JournalId, error: &ProjectionError) {
        let failures = stalled.get(&journal).map_or(0, |(failures, _)| failures.saturating_add(1));
        stalled.insert(journal, (failures, monotonic_now() + backoff::delay(failures)));
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

fn position_map(tx: &ReadTx<'_>, projection: &str) -> Result<BTreeMap<JournalId, Head>, StorageError> {
    Ok(position_list(tx, projection)?.into_iter().collect())
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

fn slice_list(tx: &ReadTx<'_>, due: &[(JournalId, Head)]) -> Result<Vec<(Slice, Head)>, StorageError> {
    let mut slices = Vec::with_capacity(due.len());
    for (journal, position) in due {
        let entries = entry_list(tx, journal, position.seq, SLICE_ENTRIES_MAX)?;
        if !entries.is_empty() {
            slices.push((Slice { journal: *journal, entries }, *position));
        }
    }
    Ok(slices)
}

/// Folds a slice and moves the position, in one transaction. Returns how many entries that were.
fn fold_slice(
    tx: &WriteTx<'_>,
    projection: &dyn Projection,
    slice: &Slice,
    position: Head,
) -> Result<u64, ProjectionError> {
    let (author, incarnation, stream) = journal_columns(&slice.journal);
    let (Some(first), Some(last)) = (slice.entries.first(), slice.entries.last()) else { return Ok(0) };
    // The position first: whoever else folds the same slice waits here, and finds it folded.
    let moved = if position.seq == 0 {
        tx.execute(
            "INSERT INTO projection_position (projection, author, incarnation, stream, seq, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            params![projection.name(), author, incarnation, stream, seq_column(last.seq), last.hash.as_bytes()],
        )?
    } else {
        tx.execute(
            "UPDATE projection_position SET seq = ?6, hash = ?7
             WHERE projection = ?1 AND author = ?2 AND incarnation = ?3 AND stream = ?4 AND seq = ?5",
            params![
                projection.name(),
                author,
                incarnation,
                stream,
                seq_column(position.seq),
                seq_column(last.seq),
                last.hash.as_bytes()
            ],
        )?
    };
    if moved == 0 {
        // Folded already: by somebody else, or the commit before this one was kept although it seemed to fail.
        return Ok(0);
    }
    if position.after(&first.bytes).hash != first.hash {
        return Err(ProjectionError::Discontinued { journal: slice.journal, seq: first.seq });
    }
    projection.apply(tx, slice)?;
    Ok(slice.entries.len() as u64)
}

/// A count as a gauge takes it.
fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
