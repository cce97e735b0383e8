//! Watching that stock folded from the events and the authors' own totals agree.
//!
//! Totals travel ahead of the events of other streams, so that a difference means nothing until a store is complete,
//! and little until it was seen twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use metrics::gauge;
use percolate_common::crdt::stock::StockTotal;
use percolate_common::ids::{StockItemId, StoreId};
use percolate_common::journal::JournalId;
use percolate_runtime::storage::{ReadTx, StorageError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::reports::amount;
use super::store;
use super::{NAME, Reporting};
use crate::kernel::TaskFailure;
use crate::kernel::journal::{LifeTotal, StreamState, stock_total_list};
use crate::kernel::projection::position_list;

/// The shortest time between two looks.
const AUDIT_EVERY: Duration = Duration::from_secs(10);

/// Differences by store and item.
pub(super) type Differences = BTreeMap<(StoreId, StockItemId), i64>;

/// Looks after changes, until it is stopped.
pub(super) async fn run(reporting: Reporting, stop: CancellationToken) -> Result<(), TaskFailure> {
    let mut sources = Sources::of(&reporting);
    let mut seen = Differences::new();
    while !stop.is_cancelled() {
        sources.mark_seen();
        let (read, before) = (reporting.clone(), seen);
        let looked = percolate_runtime::tasks::blocking(move || look(&read, &before)).await;
        let looked = looked.unwrap_or(Err(StorageError::Panicked { name: "stock_audit" }));
        let (found, confirmed) = looked.map_err(|error| TaskFailure(Box::new(error)))?;
        gauge!("hub_stock_divergence").set(f64::from(confirmed));
        seen = found;
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(AUDIT_EVERY) => {}
        }
        if seen.is_empty() {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = sources.changed() => if changed.is_err() { break },
            }
        }
    }
    Ok(())
}

/// Whose commits call for another look: totals may come to the journal without an entry to fold.
struct Sources {
    figures: watch::Receiver<u64>,
    journal: watch::Receiver<u64>,
}

impl Sources {
    fn of(reporting: &Reporting) -> Self {
        Self { figures: reporting.db.commits(), journal: reporting.journal.commits() }
    }

    fn mark_seen(&mut self) {
        self.figures.mark_unchanged();
        self.journal.mark_unchanged();
    }

    /// Waits for a commit that was not marked as seen.
    async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        tokio::select! {
            changed = self.figures.changed() => changed,
            changed = self.journal.changed() => changed,
        }
    }
}

/// What differs now, and how much of it differed by the same amount before. Blocks.
pub(super) fn look(reporting: &Reporting, before: &Differences) -> Result<(Differences, u32), StorageError> {
    // The figures first: what the journal says after them shows whether they were complete.
    let (figures, positions, stores) = reporting.db.read(|tx| {
        let positions: BTreeMap<JournalId, u64> =
            position_list(tx, NAME)?.into_iter().map(|(journal, head)| (journal, head.seq)).collect();
        Ok::<_, StorageError>((Figures::read(tx)?, positions, stores_by_journal(tx)?))
    })?;
    let differences = figures.differences(&reporting.journal.db().read(stock_total_list)?, &stores);
    let incomplete = incomplete_stores(&reporting.journal.streams()?, &positions, &stores);
    let mut found: Differences =
        differences.into_iter().filter(|((place, _), _)| !incomplete.contains(place)).collect();
    // Of a store that is not complete nothing new is known.
    found.extend(before.iter().filter(|((place, _), _)| incomplete.contains(place)).map(|(key, by)| (*key, *by)));
    let confirmed = found.iter().filter(|(key, by)| before.get(key) == Some(*by)).count();
    Ok((found, u32::try_from(confirmed).unwrap_or(u32::MAX)))
}

/// Stock as it was folded.
struct Figures {
    folded: BTreeMap<(StoreId, StockItemId), StockTotal>,
    /// What the authors' totals count twice.
    doubled: BTreeMap<(StoreId, StockItemId), StockTotal>,
}

impl Figures {
    fn read(tx: &ReadTx<'_>) -> Result<Self, StorageError> {
        Ok(Self { folded: store::stock_fold_map(tx, None)?, doubled: store::stock_alias_map(tx, None)? })
    }

    /// Where they differ from the authors' totals, less what these count twice: by how much.
    fn differences(&self, totals: &[LifeTotal], stores: &BTreeMap<JournalId, StoreId>) -> Differences {
        let mut by: Differences = BTreeMap::new();
        let places: BTreeMap<_, _> =
            stores.iter().map(|(journal, place)| ((journal.author, journal.incarnation), *place)).collect();
        for LifeTotal { author, incarnation, item, total } in totals {
            if let Some(place) = places.get(&(*author, *incarnation)) {
                let sum = by.entry((*place, *item)).or_default();
                *sum = sum.saturating_add(net(*total));
            }
        }
        for (key, total) in self.folded.iter().chain(&self.doubled) {
            let sum = by.entry(*key).or_default();
            *sum = sum.saturating_sub(net(*total));
        }
        by.retain(|_, by| *by != 0);
        by
    }
}

fn net(total: StockTotal) -> i64 {
    amount(total.received).saturating_sub(amount(total.used))
}

fn stores_by_journal(tx: &ReadTx<'_>) -> Result<BTreeMap<JournalId, StoreId>, StorageError> {
    Ok(store::mark_map(tx)?.into_iter().filter_map(|(journal, mark)| Some((journal, mark.store?))).collect())
}

fn incomplete_stores(
    streams: &[StreamState],
    positions: &BTreeMap<JournalId, u64>,
    stores: &BTreeMap<JournalId, StoreId>,
) -> BTreeSet<StoreId> {
    let behind = streams
        .iter()
        .filter(|state| positions.get(&state.journal).copied().unwrap_or(0) < state.announced_seq.max(state.head.seq));
    // A journal of which nothing is folded yet belongs to the store of its author's other journals.
    let of_author = |state: &StreamState| {
        let own = stores.iter().find(|(journal, _store)| journal.author == state.journal.author);
        own.map(|(_journal, store)| *store)
    };
    behind.filter_map(of_author).collect()
}

#[cfg(test)]
mod tests {
    use percolate_common::domain::event::{ClockQuality, Event, Header};
    use percolate_common::domain::stock::{MovementLine, MovementReason, StockMoved};
    use percolate_common::hlc::Hlc;
    use percolate_common::ids::{MovementId, NodeId};
    use percolate_common::journal::{AuthorId, Head, Incarnation, StreamKind};
    use percolate_common::quantity::Quantity;
    use percolate_common::time::{BusinessDay, UtcMillis};
    use percolate_common::wire::envelope::Batch;
    use percolate_common::wire::event::encode;
    use tempfile::TempDir;

    use crate::kernel::db::Db;
    use crate::kernel::engine::Engine;
    use crate::kernel::journal::{Arrival, Journal, batch_apply, entry_list};
    use crate::kernel::projection::ProjectionRunner;
    use crate::reporting::SCHEMA;
    use crate::reporting::projection::SalesProjection;

    use super::*;

    const NOW: UtcMillis = UtcMillis::new(1_795_435_200_000);
    const BEANS: (StoreId, StockItemId) = (StoreId::new(1), StockItemId::new(7));

    /// Reports over a journal that holds what one node of store 1 received.
    struct Bench {
        _folder: TempDir,
        reporting: Reporting,
        runner: ProjectionRunner,
        head: Head,
        id: JournalId,
    }

    impl Bench {
        fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let journal = Journal::open(folder.path()).unwrap();
            let db = Db::open(&SCHEMA, folder.path(), &Engine::Threads).unwrap();
            let runner =
                ProjectionRunner::new(std::sync::Arc::new(SalesProjection::default()), journal.clone(), db.clone());
            let author = AuthorId::node(NodeId::new(11));
            let id = JournalId { author, incarnation: Incarnation::new(3), stream: StreamKind::Stock };
            Self { _folder: folder, reporting: Reporting { db, journal }, runner, head: id.genesis(), id }
        }

        /// The node receives so much and says that it has received `stated` since it began.
        async fn receive(&mut self, amount: i64, stated: u64) {
            let header = Header {
                store: BEANS.0,
                at: NOW,
                hlc: Hlc::default().tick(NOW),
                business_day: BusinessDay::from_days(20_780),
                clock: ClockQuality::Good,
                zone: "America/New_York".to_owned(),
            };
            let event = Event::StockMoved(StockMoved {
                id: MovementId::moved(0, 11, &self.head.seq.to_string()),
                reason: MovementReason::Received,
                lines: vec![MovementLine { stock_item: BEANS.1, quantity: Quantity::new(amount) }],
                by: None,
                approval: None,
            });
            let bytes = encode(&header, &event, None).unwrap();
            let arrival = Arrival::new(Batch {
                journal: self.id,
                seq_lo: self.head.seq + 1,
                hash_before: self.head.hash.short(),
                events: vec![bytes.clone()],
                stock_totals: vec![(BEANS.1, StockTotal { received: stated, used: 0 })],
                sent_at: NOW,
                session: 1,
                last_seq: self.head.seq + 1,
            });
            let taken: Result<_, StorageError> =
                self.reporting.journal.db().write("take", move |tx| batch_apply(tx, &arrival, NOW)).await;
            taken.unwrap();
            self.head = self.head.after(&bytes);
        }

        /// The last entry comes again, with what the node has received by then.
        async fn repeat(&self, stated: u64) {
            let (id, head) = (self.id, self.head);
            let arrival = self.reporting.journal.db().read(|tx| {
                let entries = entry_list(tx, &id, 0, 100)?;
                let before = entries.iter().rev().nth(1).map_or_else(|| id.genesis().hash, |entry| entry.hash);
                Ok::<_, StorageError>(Arrival::new(Batch {
                    journal: id,
                    seq_lo: head.seq,
                    hash_before: before.short(),
                    events: entries.into_iter().last().map(|entry| entry.bytes).into_iter().collect(),
                    stock_totals: vec![(BEANS.1, StockTotal { received: stated, used: 0 })],
                    sent_at: NOW,
                    session: 1,
                    last_seq: head.seq,
                }))
            });
            let arrival = arrival.unwrap();
            let taken: Result<_, StorageError> =
                self.reporting.journal.db().write("take", move |tx| batch_apply(tx, &arrival, NOW)).await;
            taken.unwrap();
        }

        async fn fold(&self) {
            self.runner.catch_up().await.unwrap();
        }

        async fn look(&self, before: &Differences) -> (Differences, u32) {
            let (reporting, before) = (self.reporting.clone(), before.clone());
            percolate_runtime::tasks::blocking(move || look(&reporting, &before)).await.unwrap().unwrap()
        }
    }

    #[tokio::test]
    async fn totals_that_agree_with_the_events_are_no_difference() {
        let mut bench = Bench::new();
        assert_eq!(bench.look(&Differences::new()).await, (Differences::new(), 0));
        bench.receive(500, 500).await;
        bench.receive(40, 540).await;
        bench.fold().await;
        assert_eq!(bench.look(&Differences::new()).await, (Differences::new(), 0));
    }

    #[tokio::test]
    async fn a_difference_counts_once_it_was_seen_twice_the_same() {
        let mut bench = Bench::new();
        bench.receive(500, 505).await;
        bench.fold().await;
        let five_too_many = Differences::from([(BEANS, 5)]);
        assert_eq!(bench.look(&Differences::new()).await, (five_too_many.clone(), 0), "it may still be on its way");
        assert_eq!(bench.look(&five_too_many).await, (five_too_many.clone(), 1));

        bench.receive(10, 518).await;
        bench.fold().await;
        let eight = Differences::from([(BEANS, 8)]);
        assert_eq!(bench.look(&five_too_many).await, (eight.clone(), 0), "another one than before");
        bench.receive(8, 518).await;
        bench.fold().await;
        assert_eq!(bench.look(&eight).await, (Differences::new(), 0), "it has come");
    }

    #[tokio::test]
    async fn totals_that_come_without_a_new_entry_are_seen_at_once() {
        let mut bench = Bench::new();
        bench.receive(500, 505).await;
        bench.fold().await;
        assert_eq!(bench.look(&Differences::new()).await.0, Differences::from([(BEANS, 5)]));
        bench.repeat(507).await;
        bench.fold().await;
        assert_eq!(bench.look(&Differences::new()).await.0, Differences::from([(BEANS, 7)]));
    }

    #[tokio::test]
    async fn a_difference_ends_with_totals_that_come_without_a_new_entry() {
        let mut bench = Bench::new();
        bench.receive(500, 495).await;
        bench.fold().await;
        let five_too_few = Differences::from([(BEANS, -5)]);
        assert_eq!(bench.look(&Differences::new()).await, (five_too_few.clone(), 0));
        bench.repeat(500).await;
        assert_eq!(bench.look(&five_too_few).await, (Differences::new(), 0));
    }

    #[tokio::test]
    async fn totals_that_come_without_a_new_entry_wake_the_watch() {
        let mut bench = Bench::new();
        bench.receive(500, 500).await;
        bench.fold().await;
        let mut sources = Sources::of(&bench.reporting);
        sources.mark_seen();
        bench.repeat(507).await;
        bench.fold().await;
        let woken = tokio::time::timeout(Duration::from_secs(5), sources.changed()).await;
        assert!(woken.is_ok(), "it sleeps on");
    }

    #[tokio::test]
    async fn of_a_store_that_is_not_complete_nothing_new_is_known() {
        let mut bench = Bench::new();
        bench.receive(500, 505).await;
        bench.fold().await;
        bench.receive(5, 505).await;
        assert_eq!(bench.look(&Differences::new()).await, (Differences::new(), 0), "an entry is still to be folded");
        let before = Differences::from([(BEANS, 9)]);
        assert_eq!(bench.look(&before).await, (before.clone(), 1), "what was known stays known");
        bench.fold().await;
        assert_eq!(bench.look(&before).await, (Differences::new(), 0));
    }
}
