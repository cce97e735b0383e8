//! The runner: looks at what is ahead, folds it, and tries again what cannot be folded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use percolate_common::journal::JournalId;
use percolate_runtime::backoff;
use percolate_runtime::system::monotonic_now;
use tokio_util::sync::CancellationToken;

use super::fold::{Due, fold_slices, group_size, slice_list};
use super::positions::{position_list, position_map, positions_delete, state_list, stray_list};
use super::{Projection, ProjectionError, Slice};
use crate::kernel::db::{Db, JournalsFollowed};
use crate::kernel::headway::Headway;
use crate::kernel::journal::Journal;
use crate::kernel::unread;

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
                positions_delete(tx, projection.name())?;
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
        for state in heads.iter().filter(|state| self.projection.wants(state.journal.stream)) {
            let position = positions.get(&state.journal).copied().unwrap_or_else(|| state.journal.genesis());
            lag = lag.saturating_add(state.head.seq.saturating_sub(position.seq));
            let stall = watch.stalled.get(&state.journal);
            is_due |= state.head.seq > position.seq && stall.is_none_or(|stall| !stall.is_its_own);
            match stall {
                Some(stall) if now < stall.retry_at => {}
                Some(_) | None if state.head.seq > position.seq => {
                    due.push(Due { journal: state.journal, position, entries: state.head.seq - position.seq });
                }
                Some(_) | None => {}
            }
        }
        let show = |lag: u64, stalled: &Stalled| {
            gauge!("hub_projection_lag_events", "projection" => name).set(number(lag));
            gauge!("hub_projection_stalled_journals", "projection" => name).set(number(stalled.len() as u64));
        };
        show(lag, &watch.stalled);
        self.headway.looked(is_due, is_all.then(|| positions.values().map(|head| head.seq).sum()), now);
        // Every journal has its turn before any has its second: a long or a busy one holds up nobody.
        let mut failure = None;
        while !due.is_empty() && !stop.is_cancelled() {
            let group = due.drain(..group_size(&due)).collect();
            let (folded, failed) = self.fold(group, watch).await?;
            lag = lag.saturating_sub(folded);
            show(lag, &watch.stalled);
            failure = failure.or(failed);
        }
        Ok(failure)
    }

    /// Folds a slice of each. Tells how many entries that were, and the first failure.
    async fn fold(&self, due: Vec<Due>, watch: &mut Watch) -> Result<(u64, Option<ProjectionError>), ProjectionError> {
        let to_read = due.clone();
        let slices = self.journal.db().read_async(move |tx| slice_list(tx, &to_read)).await?;
        watch.unfinished.extend(due.iter().map(|due| due.journal));
        let whole = |(slice, due): &(Slice, Due)| (slice.journal, slice.entries.len() as u64 >= due.entries);
        let journals: Vec<_> = slices.iter().map(whole).collect();
        let (mut folded, mut first_failure) = (0, None);
        for ((journal, is_whole), outcome) in journals.into_iter().zip(self.fold_all(slices.into()).await) {
            match outcome {
                Ok(entries) => {
                    watch.stalled.remove(&journal);
                    if entries > 0 {
                        self.headway.moved(monotonic_now());
                    }
                    counter!("hub_projection_entries_total", "projection" => self.name()).increment(entries);
                    folded += entries;
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
        Ok((folded, first_failure))
    }

    /// Folds slices together, or each by itself if one of them cannot be folded: it is found so. Returns how many entries that
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
            // What befell the database would befall each of them, and a lock would be waited for as often.
            Err(ProjectionError::Storage(error)) if !error.is_of_the_command() => {
                slices.iter().map(|_| Err(error.clone().into())).collect()
            }
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

/// A count as a gauge takes it.
fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
