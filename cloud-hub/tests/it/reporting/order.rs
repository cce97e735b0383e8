//! Invariant I5: in whatever order and however often batches come, and wherever folding stops in between, the reports'
//! tables end the same to the byte.

use percolate_common::journal::StreamKind;
use percolate_common::wire::envelope::Batch;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::support::desk::Desk;
use crate::support::trade::Trade;

/// A batch by some numbers: of which life and stream, from where, how many entries, how much later it was made.
type Step = (usize, usize, u64, u64, usize);

const STREAMS: [StreamKind; 3] = [StreamKind::Sales, StreamKind::Stock, StreamKind::Ops];

fn a_step() -> impl Strategy<Value = Step> {
    (0_usize..5, 0_usize..3, any::<u64>(), any::<u64>(), any::<usize>())
}

fn some_batch(trade: &Trade, (which, stream, from, count, later): Step) -> Option<Batch> {
    let life = &trade.lives[which % trade.lives.len()];
    let stream = STREAMS[stream % STREAMS.len()];
    let last = life.journal(stream).head().seq;
    let lo = from.checked_rem(last)? + 1;
    Some(life.batch(stream, (lo, (lo + count % 9).min(last)), 1, later % 60))
}

/// The tables after all batches in order, folded once.
async fn in_order(trade: &mut Trade) -> Vec<(&'static str, String)> {
    let desk = Desk::new().await;
    for batch in trade.batches() {
        desk.take(batch).await;
    }
    desk.fold().await;
    let digest = desk.digest().await;
    desk.leave().await;
    digest
}

/// The tables after a schedule, and then what a sender does in the end: everything after what is held, some of it
/// twice.
async fn out_of_order(trade: &mut Trade, schedule: &[(Step, bool)]) -> Vec<(&'static str, String)> {
    let desk = Desk::new().await;
    for (step, fold) in schedule {
        if let Some(batch) = some_batch(trade, *step) {
            desk.take(batch).await;
        }
        if *fold {
            desk.fold().await;
        }
    }
    for batch in trade.batches() {
        desk.take(batch.clone()).await;
        if trade.below(8) == 0 {
            desk.take(batch).await;
            desk.fold().await;
        }
    }
    desk.fold().await;
    let digest = desk.digest().await;
    desk.leave().await;
    digest
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(5),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_order_and_repetition_of_batches_gives_the_same_reports(
        seed in any::<u64>(),
        schedule in prop::collection::vec((a_step(), any::<bool>()), 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (expected, found) = runtime.block_on(async {
            let mut trade = Trade::new(seed, 60);
            let expected = in_order(&mut trade).await;
            (expected, out_of_order(&mut trade, &schedule).await)
        });
        prop_assert_eq!(found, expected);
    }
}
