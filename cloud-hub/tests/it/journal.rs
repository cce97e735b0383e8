//! The journal by itself: whatever the order and the number of the batches, it ends the same (I5).

use cloud_hub::kernel::journal::{Arrival, Journal, Outcome, Receipt, batch_apply, entry_list, stock_total_list};
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Incarnation, JournalId, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_common::wire::envelope::Batch;
use percolate_runtime::storage::StorageError;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tempfile::TempDir;

use crate::support::events::{NOON_MS, Written, from_the_future};

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
            let folder = TempDir::new().unwrap();
            let journal = Journal::open(folder.path()).unwrap();
            journals.iter().for_each(|j| drop(apply(&journal, j.batch(1, j.head().seq, 1))));
            digest(&journal)
        };
        let folder = TempDir::new().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
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
    let folder = TempDir::new().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
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
    let folder = TempDir::new().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
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
    let folder = TempDir::new().unwrap();
    let author = written(11, StreamKind::Sales, 9);
    let before = {
        let journal = Journal::open(folder.path()).unwrap();
        apply(&journal, author.batch(1, 9, 1));
        let held = digest(&journal);
        journal.db().stop_blocking();
        held
    };
    let journal = Journal::open(folder.path()).unwrap();
    assert_eq!(digest(&journal), before);
    let id = author.id;
    let entries = journal.db().read(|tx| entry_list(tx, &id, 0, 100)).unwrap();
    assert_eq!(entries.into_iter().map(|entry| entry.bytes).collect::<Vec<_>>(), author.events);
    assert_eq!(apply(&journal, author.batch(4, 9, 1)).outcome, Outcome::Repeated);
}
