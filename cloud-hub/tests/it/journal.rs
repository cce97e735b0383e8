//! The journal by itself: whatever the order and the number of the batches, it ends the same (I5).

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use cloud_hub::kernel::journal::{
    Arrival, Journal, Outcome, Receipt, batch_apply, entry_list, hash_fetch, stock_total_list,
};
use percolate_common::entropy::{Entropy, SeededEntropy};
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Incarnation, JournalId, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_runtime::storage::StorageError;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::support::events::{NOON_MS, Written, from_the_future};
use crate::support::ground::{Ground, end_sessions, is_server};

fn written(node: u32, stream: StreamKind, events: u64) -> Written {
    let author = AuthorId::node(NodeId::new(node));
    let mut journal = Written::new(JournalId { author, incarnation: Incarnation::new(7), stream });
    journal.write(events / 2);
    journal.push(from_the_future(journal.id, events));
    journal.write(events - events / 2 - 1);
    journal
}

/// Three journals of two authors, one of them with totals, each with an entry that is parked.
fn journals() -> Vec<Written> {
    vec![written(11, StreamKind::Sales, 12), written(11, StreamKind::Ops, 5), written(21, StreamKind::Sales, 8)]
}

fn apply(journal: &Journal, batch: Batch) -> Receipt {
    let arrival = Arrival::new(batch);
    let applied = journal.db().write_blocking("apply", move |tx| batch_apply(tx, &arrival, UtcMillis::new(NOON_MS)));
    applied.unwrap_or_else(|error: StorageError| panic!("{error}"))
}

/// Everything that the journal holds, as text; the order in which journals were first seen is not part of it.
fn digest(journal: &Journal) -> String {
    let streams = journal.streams().unwrap();
    let content = journal.db().read(|tx| {
        streams
            .iter()
            .map(|state| {
                let entries = entry_list(tx, &state.journal, 0, 1_000)?;
                let id = state.journal;
                let totals = stock_total_list(tx)?.into_iter();
                let own = totals.filter(|of| (of.author, of.incarnation) == (id.author, id.incarnation));
                Ok((state.clone(), entries, own.map(|of| (of.item, of.total)).collect::<Vec<_>>()))
            })
            .collect::<Result<Vec<_>, StorageError>>()
    });
    let held: Vec<_> = content
        .unwrap()
        .into_iter()
        .map(|(state, entries, totals)| {
            let mut totals = totals;
            totals.sort();
            (state.journal, state.head, state.parked_events, state.announced_seq, state.last_at, entries, totals)
        })
        .collect();
    format!("{held:?}")
}

/// A batch by three numbers: which journal, from where, how many entries.
fn some_batch(journals: &[Written], (which, from, count): (usize, u64, u64)) -> Batch {
    let journal = &journals[which % journals.len()];
    let last = journal.head().seq;
    let lo = from % last + 1;
    journal.batch(lo, (lo + count % 6).min(last), 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, rng_seed: RngSeed::Fixed(5), ..ProptestConfig::default() })]

    #[test]
    fn any_permutation_and_repetition_of_batches_ends_the_same(
        schedule in prop::collection::vec((0_usize..3, any::<u64>(), any::<u64>()), 0..60),
    ) {
        let journals = journals();
        let in_order = {
            let folder = Ground::new();
            let journal = folder.journal();
            journals.iter().for_each(|j| drop(apply(&journal, j.batch(1, j.head().seq, 1))));
            digest(&journal)
        };
        let folder = Ground::new();
        let journal = folder.journal();
        for step in schedule {
            let receipt = apply(&journal, some_batch(&journals, step));
            let forked = matches!(receipt.outcome, Outcome::Forked { .. });
            prop_assert!(!forked, "an author's own batches never contradict each other");
            let author = &journals[step.0 % journals.len()];
            let at = usize::try_from(receipt.head.seq).unwrap();
            prop_assert_eq!(receipt.head, author.heads[at], "what is held is always a beginning of the journal");
        }
        // What a sender does in the end: everything after what is held, in order, some of it twice.
        for author in journals.iter().rev() {
            for lo in 1..=author.head().seq {
                apply(&journal, author.batch(lo, (lo + 1).min(author.head().seq), 1));
            }
        }
        prop_assert_eq!(digest(&journal), in_order);
    }
}

#[test]
fn a_total_of_an_older_batch_takes_nothing_back() {
    let folder = Ground::new();
    let journal = folder.journal();
    let mut author = written(11, StreamKind::Sales, 4);
    let early = author.batch(1, 2, 1);
    author.write(6);
    apply(&journal, author.batch(1, 1, 1));
    let total = || journal.db().read(stock_total_list).unwrap();
    let newest = total();
    assert!(early.stock_totals[0].1.used < newest[0].total.used, "the early batch has smaller totals");
    assert!(matches!(apply(&journal, early).outcome, Outcome::Appended { entries: 1, .. }));
    assert_eq!(total(), newest);
}

#[test]
fn totals_that_come_later_are_taken_with_the_last_batch_and_with_no_other() {
    let folder = Ground::new();
    let journal = folder.journal();
    let author = written(11, StreamKind::Sales, 6);
    let total = || journal.db().read(stock_total_list).unwrap().iter().map(|of| of.total).collect::<Vec<_>>();
    apply(&journal, Batch { stock_totals: Vec::new(), ..author.batch(1, 6, 1) });
    assert_eq!(apply(&journal, author.batch(2, 4, 1)).outcome, Outcome::Repeated);
    assert_eq!(total(), [], "totals of the fourth entry are none of the sixth");
    let last = author.batch(5, 6, 1);
    assert_eq!(apply(&journal, last.clone()).outcome, Outcome::Repeated);
    assert_eq!(total(), [last.stock_totals[0].1]);
}

#[test]
fn what_is_held_survives_a_new_start_to_the_byte() {
    let folder = Ground::new();
    let author = written(11, StreamKind::Sales, 9);
    let before = {
        let journal = folder.journal();
        apply(&journal, author.batch(1, 9, 1));
        let held = digest(&journal);
        journal.db().stop_blocking();
        held
    };
    let journal = folder.journal();
    assert_eq!(digest(&journal), before);
    let id = author.id;
    let entries = journal.db().read(|tx| entry_list(tx, &id, 0, 100)).unwrap();
    assert_eq!(entries.into_iter().map(|entry| entry.bytes).collect::<Vec<_>>(), author.events);
    assert_eq!(apply(&journal, author.batch(4, 9, 1)).outcome, Outcome::Repeated);
}

/// Applies a batch until it is known to be kept: an answer that got lost in a broken connection says nothing.
fn apply_in_the_end(journal: &Journal, batch: &Batch) -> Receipt {
    loop {
        let arrival = Arrival::new(batch.clone());
        let now = UtcMillis::new(NOON_MS);
        match journal.db().write_blocking("apply", move |tx| batch_apply(tx, &arrival, now)) {
            Ok(receipt) => return receipt,
            Err(StorageError::Unreachable(_) | StorageError::Conflict(_) | StorageError::TransactionLost) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Several processes write the same journals, each with a connection of its own, and connections break in the middle.
#[test]
fn several_writers_of_the_same_journals_end_the_same_although_their_connections_break() {
    const WRITERS: u64 = 3;
    let journals = journals();
    let in_order = {
        let ground = Ground::new();
        let journal = ground.journal();
        journals.iter().for_each(|author| drop(apply(&journal, author.batch(1, author.head().seq, 1))));
        digest(&journal)
    };
    let ground = Ground::new();
    let writers: Vec<_> = (0..WRITERS).map(|_| ground.journal()).collect();
    let (busy, applied) = (AtomicU64::new(WRITERS), AtomicU64::new(0));
    let (done, ended) = thread::scope(|scope| {
        let working = writers.iter().zip(1_u64..).map(|(journal, number)| {
            let (journals, busy, applied) = (&journals, &busy, &applied);
            scope.spawn(move || {
                let entropy = SeededEntropy::new(number);
                for _ in 0..60 {
                    let which = usize::try_from(entropy.next_u64() % 3).unwrap();
                    let batch = some_batch(journals, (which, entropy.next_u64(), entropy.next_u64()));
                    let outcome = apply_in_the_end(journal, &batch).outcome;
                    assert!(!matches!(outcome, Outcome::Forked { .. }), "{outcome:?}");
                    applied.fetch_add(1, Ordering::SeqCst);
                }
                for author in journals {
                    (1..=author.head().seq).for_each(|lo| drop(apply_in_the_end(journal, &author.batch(lo, lo, 1))));
                }
                busy.fetch_sub(1, Ordering::SeqCst);
            })
        });
        let working: Vec<_> = working.collect();
        let (mut ended, mut next) = (0, 10);
        while busy.load(Ordering::SeqCst) > 0 {
            if applied.load(Ordering::SeqCst) >= next {
                ended += end_sessions(ground.path());
                next += 20;
            }
            thread::yield_now();
        }
        (working.into_iter().all(|writer| writer.join().is_ok()), ended)
    });
    assert!(done);
    assert_eq!(ended > 0, is_server(), "{ended} connections were broken");
    assert_eq!(digest(&writers[0]), in_order);
}

/// The hub's clock goes through a year while an author writes: on a server its entries come to lie in several tables.
#[test]
fn entries_of_several_quarters_are_read_as_one_journal() {
    let (ground, files) = (Ground::new(), Ground::of_files());
    let (journal, beside) = (ground.journal(), files.journal());
    let author = written(11, StreamKind::Sales, 40);
    let month_ms = 30 * 24 * 60 * 60 * 1_000;
    for (step, lo) in (1..=author.head().seq).step_by(3).enumerate() {
        let batch = author.batch(lo, (lo + 2).min(author.head().seq), 1);
        // The clock is set back now and then: no entry goes back to an earlier quarter.
        let months = i64::try_from(if step % 5 == 4 { step - 4 } else { step }).unwrap();
        for journal in [&journal, &beside] {
            let (arrival, now) = (Arrival::new(batch.clone()), UtcMillis::new(NOON_MS + months * month_ms));
            let applied = journal.db().write_blocking("apply", move |tx| batch_apply(tx, &arrival, now));
            let receipt: Receipt = applied.unwrap_or_else(|error: StorageError| panic!("{error:?}"));
            assert_eq!(receipt.head, author.heads[usize::try_from(receipt.head.seq).unwrap()]);
        }
    }
    for after in [0, 1, 7, 19, 38, 39, 40, 1_000] {
        for limit in [1, 5, 100] {
            let read = |journal: &Journal| {
                let read: Result<_, StorageError> = journal.db().read(|tx| entry_list(tx, &author.id, after, limit));
                read.unwrap()
            };
            assert_eq!(read(&journal), read(&beside), "after {after}, {limit} at most");
        }
    }
    for (seq, head) in author.heads.iter().enumerate().skip(1) {
        let hash = journal.db().read(|tx| hash_fetch(tx, &author.id, seq as u64));
        assert_eq!(hash.unwrap_or_else(|error: StorageError| panic!("{error:?}")), Some(head.hash));
    }
    assert_eq!(digest(&journal), digest(&beside));
    if is_server() {
        let count = "SELECT count(*) FROM journal_span";
        let spans: Result<i64, StorageError> = journal.db().read(|tx| tx.query_one(count, &[], |row| row.take()));
        assert_eq!(spans.unwrap(), 5);
    }
}
