//! An event that a later life of its author wrote again counts once, whichever writing comes first (F1, I11).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloud_hub::kernel::ServiceContext;
use cloud_hub::kernel::db::Db;
use cloud_hub::kernel::journal::{
    Arrival, Journal, LifeTotal, Outcome, Receipt, batch_apply, entry_list, stock_total_list,
};
use cloud_hub::kernel::projection::ProjectionRunner;
use cloud_hub::reporting;
use percolate_common::crdt::stock::StockTotal;
use percolate_common::domain::event::Event;
use percolate_common::domain::stock::{MovementLine, MovementReason, StockMoved};
use percolate_common::entropy::SeededEntropy;
use percolate_common::ids::{MovementId, StockItemId};
use percolate_common::journal::{EventId, JournalId, StreamKind};
use percolate_common::quantity::Quantity;
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::event;
use percolate_runtime::storage::StorageError;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::support::copies::{ids, image, sales_of_life, sell, write_again};
use crate::support::events::{BEANS_PER_TICKET, NOON_MS, Written, encoded, from_the_future};
use crate::support::ground::{Ground, opened};
use crate::support::hub::StandingClock;

/// A journal, and the reports over it.
struct Ledger {
    journal: Journal,
    db: Db,
    runner: ProjectionRunner,
    runtime: Runtime,
    _folder: Ground,
}

impl Ledger {
    fn new() -> Self {
        let folder = Ground::new();
        let journal = folder.journal();
        let context = ServiceContext {
            data_dir: folder.path().to_owned(),
            engine: folder.engine(),
            journal: journal.clone(),
            clock: Arc::new(StandingClock),
            entropy: Arc::new(SeededEntropy::new(9)),
        };
        let mut parts = opened(folder.path(), |_, _| reporting::parts(&context)).unwrap();
        Self {
            journal,
            db: parts.db,
            runner: parts.projections.remove(0),
            runtime: Runtime::new().unwrap(),
            _folder: folder,
        }
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn take(&self, batch: Batch) -> Receipt {
        let arrival = Arrival::new(batch);
        let now = UtcMillis::new(NOON_MS);
        let applied = self.journal.db().write_blocking("take", move |tx| batch_apply(tx, &arrival, now));
        applied.unwrap_or_else(|error: StorageError| panic!("{error}"))
    }

    fn take_all(&self, written: &Written) {
        if written.head().seq > 0 {
            self.take(written.batch(1, written.head().seq, 1));
        }
    }

    /// Of each entry of a journal, whether it is an alias.
    fn aliases(&self, written: &Written) -> Vec<bool> {
        let id = written.id;
        let entries: Result<_, StorageError> = self.journal.db().read(|tx| entry_list(tx, &id, 0, 1_000));
        entries.unwrap().into_iter().map(|entry| entry.alias).collect()
    }

    /// How often each event counts, over all journals.
    fn counts(&self) -> BTreeMap<EventId, usize> {
        let mut counts = BTreeMap::new();
        for state in self.journal.streams().unwrap() {
            let entries: Result<_, StorageError> =
                self.journal.db().read(|tx| entry_list(tx, &state.journal, 0, 1_000));
            for entry in entries.unwrap() {
                let origin = event::origin(&entry.bytes).unwrap();
                let id = origin.map_or_else(|| entry.hash.event_id(), |origin| origin.id);
                *counts.entry(id).or_default() += usize::from(!entry.alias);
            }
        }
        counts
    }

    /// Tickets of the chain's days, beans that left by the events, and by the totals less what they count twice.
    fn report(&self) -> (u64, u64, u64) {
        self.run(self.runner.catch_up()).unwrap();
        let sums: Result<(i64, i64, i64), StorageError> = self.db.read(|tx| {
            let number = |sql| tx.query_one(sql, &[], |row| row.take::<i64>());
            Ok((
                number("SELECT CAST(coalesce(sum(tickets), 0) AS BIGINT) FROM rollup WHERE scope = 0 AND kind = 1")?,
                number("SELECT CAST(coalesce(sum(used - received), 0) AS BIGINT) FROM stock_fold")?,
                number("SELECT CAST(coalesce(sum(used - received), 0) AS BIGINT) FROM stock_alias")?,
            ))
        });
        let totals = self.journal.db().read(stock_total_list).unwrap();
        let net = |of: &LifeTotal| i64::try_from(of.total.used).unwrap() - i64::try_from(of.total.received).unwrap();
        let joined: i64 = totals.iter().map(net).sum();
        let (tickets, folded, doubled) = sums.unwrap();
        (tickets.unsigned_abs(), folded.unsigned_abs(), (joined - doubled).unsigned_abs())
    }

    fn assert_sold(&self, tickets: u64) {
        let beans = tickets * BEANS_PER_TICKET;
        assert_eq!(self.report(), (tickets, beans, beans), "tickets, beans by events, beans on hand");
    }
}

/// Three sales, then two copies of the disk that sell apart; the second writes its own sales again in another life,
/// and one common sale too, because it cannot know better.
fn forked() -> (Written, Written) {
    let mut first = sales_of_life(1);
    sell(&mut first, 1..=3);
    let mut second = first.clone();
    sell(&mut first, 101..=102);
    sell(&mut second, 201..=203);
    let mut later = sales_of_life(2);
    write_again(&mut later, &second, 2);
    (first, later)
}

#[test]
fn what_is_written_again_in_vain_is_an_alias() {
    let ledger = Ledger::new();
    let (first, later) = forked();
    ledger.take_all(&first);
    let taken = ledger.take(later.batch(1, 4, 1));
    assert!(matches!(taken.outcome, Outcome::Appended { entries: 4, aliases: 1, .. }), "{taken:?}");
    assert_eq!(ledger.aliases(&later), [true, false, false, false]);
    assert_eq!(ledger.aliases(&first), [false; 5]);
    ledger.assert_sold(8);
}

#[test]
fn an_original_that_comes_after_it_was_written_again_is_the_alias() {
    let ledger = Ledger::new();
    let (first, later) = forked();
    ledger.take_all(&later);
    ledger.assert_sold(4);
    ledger.take_all(&first);
    assert_eq!(ledger.aliases(&later), [false; 4]);
    assert_eq!(ledger.aliases(&first), [false, false, true, false, false]);
    ledger.assert_sold(8);
}

#[test]
fn of_two_writings_again_one_counts_and_both_say_where_the_event_was_first() {
    let ledger = Ledger::new();
    let (_, later) = forked();
    let mut again = sales_of_life(3);
    write_again(&mut again, &later, 1);
    assert_eq!(ids(&again), ids(&later)[1..]);
    ledger.take_all(&again);
    ledger.take_all(&later);
    assert_eq!(ledger.aliases(&later), [false, true, true, true]);
    ledger.assert_sold(4);
}

#[test]
fn an_event_that_cannot_be_read_is_told_from_its_writing_again_all_the_same() {
    let ledger = Ledger::new();
    let mut first = sales_of_life(1);
    first.push(from_the_future(first.id, 1));
    let mut later = sales_of_life(2);
    write_again(&mut later, &first, 0);
    ledger.take_all(&first);
    let taken = ledger.take(later.batch(1, 1, 1));
    assert!(matches!(taken.outcome, Outcome::Appended { aliases: 1, .. }), "{taken:?}");
}

/// A journal of stock in a life, with one delivery of beans.
fn delivery(life: u64) -> Written {
    let mut journal = Written::new(JournalId { stream: StreamKind::Stock, ..sales_of_life(life).id });
    let moved = Event::StockMoved(StockMoved {
        id: MovementId::moved(NOON_MS, 11, "delivery"),
        reason: MovementReason::Received,
        lines: vec![MovementLine { stock_item: StockItemId::new(1), quantity: Quantity::new(5_000) }],
        by: None,
        approval: None,
    });
    let bytes = encoded(journal.id, 1, &moved);
    journal.push(bytes);
    journal
}

#[test]
fn a_movement_of_stock_that_is_written_again_is_on_hand_once() {
    let ledger = Ledger::new();
    let first = delivery(1);
    let mut later = Written::new(JournalId { stream: StreamKind::Stock, ..sales_of_life(2).id });
    write_again(&mut later, &first, 0);
    let total = vec![(StockItemId::new(1), StockTotal { received: 5_000, used: 0 })];
    for journal in [&first, &later] {
        ledger.take(Batch { stock_totals: total.clone(), ..journal.batch(1, 1, 1) });
        assert_eq!(ledger.report(), (0, 5_000, 5_000));
    }
    assert_eq!(ledger.aliases(&later), [true]);
}

#[test]
fn a_rebuild_comes_out_the_same_as_the_fold_that_went_along() {
    let ledger = Ledger::new();
    let (first, later) = forked();
    ledger.take_all(&image(&first, 2));
    ledger.take_all(&later);
    ledger.assert_sold(6);
    ledger.take_all(&first);
    ledger.assert_sold(8);
    ledger.run(ledger.runner.rebuild()).unwrap();
    ledger.assert_sold(8);
}

/// How copies of a disk went on.
#[derive(Debug, Clone)]
struct Story {
    common: u64,
    /// What the first and the second copy sold apart.
    apart: (u64, u64),
    /// By how much the second one knew too little of the common past.
    modesty: u64,
    /// What the later life sold itself.
    own: u64,
    /// An older image of the later life that was put back and written again in a third one, and what that one sold.
    again: Option<(u64, u64)>,
}

fn story() -> impl Strategy<Value = Story> {
    let again = prop::option::of((0_u64..8, 0_u64..3));
    (0_u64..5, (0_u64..5, 0_u64..5), 0_u64..5, 0_u64..3, again).prop_map(|(common, apart, modesty, own, again)| Story {
        common,
        apart,
        modesty,
        own,
        again,
    })
}

fn lives(story: &Story) -> (Vec<Written>, BTreeSet<EventId>) {
    let mut first = sales_of_life(1);
    sell(&mut first, 1..=story.common);
    let mut second = first.clone();
    sell(&mut first, 101..=100 + story.apart.0);
    sell(&mut second, 201..=200 + story.apart.1);
    let mut later = sales_of_life(2);
    write_again(&mut later, &second, story.common.saturating_sub(story.modesty));
    sell(&mut later, 301..=300 + story.own);
    let mut all = vec![first, later.clone()];
    let mut expected: BTreeSet<EventId> = all.iter().flat_map(ids).collect();
    if let Some((kept, sold)) = story.again {
        let mut third = sales_of_life(3);
        // Whoever copies the later life writes all of it again that it believes the hub not to hold.
        write_again(&mut third, &later, kept.min(later.head().seq));
        sell(&mut third, 401..=400 + sold);
        expected.extend(ids(&third));
        // An image of the later life may have been all that ever came.
        all[1] = if story.modesty.is_multiple_of(2) { later } else { image(&later, kept.min(later.head().seq)) };
        all.push(third);
    }
    (all, expected)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// I11: whatever the order and the number of the batches, each event counts exactly once.
    #[test]
    fn each_event_counts_exactly_once(
        story in story(),
        schedule in prop::collection::vec((0_usize..3, any::<u64>(), any::<u64>()), 0..40),
    ) {
        let ledger = Ledger::new();
        let (lives, expected) = lives(&story);
        for (which, from, count) in schedule {
            let life = &lives[which % lives.len()];
            let last = life.head().seq;
            if last > 0 {
                let lo = from % last + 1;
                ledger.take(life.batch(lo, (lo + count % 4).min(last), 1));
            }
        }
        lives.iter().for_each(|life| ledger.take_all(life));
        let counts = ledger.counts();
        prop_assert_eq!(counts.keys().copied().collect::<BTreeSet<_>>(), expected);
        prop_assert!(counts.values().all(|count| *count == 1), "{:?}", counts);
        let tickets = counts.len() as u64;
        let beans = tickets * BEANS_PER_TICKET;
        let report = ledger.report();
        prop_assert_eq!(report, (tickets, beans, beans));
    }
}
