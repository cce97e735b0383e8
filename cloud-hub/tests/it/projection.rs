//! The runner: exactly once whatever fails, rebuilt to the same, and nobody waits for a journal that cannot be folded.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud_hub::kernel::db::Db;
use cloud_hub::kernel::engine::Schema;
use cloud_hub::kernel::journal::{Arrival, Journal, batch_apply};
use cloud_hub::kernel::projection::{self, Projection, ProjectionError, ProjectionRunner, Slice, position_list};
use cloud_hub::kernel::unread;
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Incarnation, JournalId, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_runtime::migrate::Migration;
use percolate_runtime::params;
use percolate_runtime::storage::{StorageError, WriteTx};
use percolate_runtime::tasks::TaskGroup;

use crate::durability::bare;
use crate::support::events::{NOON_MS, Written, from_the_future};
use crate::support::eventually;
use crate::support::ground::Ground;
use crate::support::node::TestNode;

static SCHEMA: Schema = Schema {
    name: "counting",
    sqlite: &[
        Migration::new(
            1,
            "count",
            "CREATE TABLE folded (node INTEGER PRIMARY KEY, entries INTEGER, seqs INTEGER, parked INTEGER) STRICT",
        ),
        projection::migration(2),
        unread::migration(3),
    ],
    postgres: &[
        Migration::new(
            1,
            "count",
            "CREATE TABLE folded (node BIGINT PRIMARY KEY, entries BIGINT, seqs BIGINT, parked BIGINT)",
        ),
        projection::migration_postgres(2),
        unread::migration_postgres(3),
    ],
};

/// Counts entries and adds up their numbers by author; panics when it is told to.
#[derive(Debug, Default)]
struct Counting {
    /// Panics left, after having written.
    panics: AtomicU32,
    /// Fails every slice of node 21.
    refuse_21: AtomicBool,
    /// So many times what befalls is the database's.
    befalls: AtomicU32,
    /// Whose slices were folded, in order.
    turns: Mutex<Vec<u32>>,
}

impl Counting {
    fn turn_of(&self, node: u32) {
        self.turns.lock().unwrap().push(node);
    }
}

impl Projection for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn wants(&self, stream: StreamKind) -> bool {
        stream == StreamKind::Sales
    }

    fn apply(&self, tx: &WriteTx<'_>, slices: &[&Slice]) -> Result<(), ProjectionError> {
        for slice in slices {
            let node = slice.journal.author.as_node().unwrap().get();
            self.turn_of(node);
            for entry in &slice.entries {
                tx.execute(
                    "INSERT INTO folded VALUES (?1, 1, ?2, ?3)
                     ON CONFLICT (node) DO UPDATE SET entries = folded.entries + 1, seqs = folded.seqs + ?2,
                        parked = folded.parked + ?3",
                    params![node, entry.seq.cast_signed(), entry.recorded.is_none()],
                )?;
            }
            if self.refuse_21.load(Ordering::SeqCst) && node == 21 {
                return Err(ProjectionError::Entry { journal: slice.journal, seq: 1, what: "as planned" });
            }
        }
        let one_less = |left: u32| left.checked_sub(1);
        if self.befalls.try_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Err(StorageError::TransactionLost.into());
        }
        if self.panics.try_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            panic!("as planned");
        }
        Ok(())
    }

    fn clear(&self, tx: &WriteTx<'_>) -> Result<(), ProjectionError> {
        tx.execute("DELETE FROM folded", &[])?;
        Ok(())
    }
}

struct Bench {
    _folder: Ground,
    journal: Journal,
    db: Db,
    counting: Arc<Counting>,
    runner: ProjectionRunner,
}

impl Bench {
    fn new() -> Self {
        let folder = Ground::new();
        let journal = folder.journal();
        Self::over(journal, folder)
    }

    /// The projection's database in `folder`, whoever writes the journal.
    fn over(journal: Journal, folder: Ground) -> Self {
        let db = folder.database(&SCHEMA);
        let counting = Arc::new(Counting::default());
        let runner = ProjectionRunner::new(counting.clone(), journal.clone(), db.clone());
        Self { _folder: folder, journal, db, counting, runner }
    }

    async fn append(&self, author: &Written, seq_lo: u64) {
        let mut lo = seq_lo;
        while lo <= author.head().seq {
            let hi = (lo + 199).min(author.head().seq);
            let arrival = Arrival::new(author.batch(lo, hi, 1));
            let now = UtcMillis::new(NOON_MS);
            let applied: Result<_, StorageError> =
                self.journal.db().write("append", move |tx| batch_apply(tx, &arrival, now)).await;
            applied.unwrap();
            lo = hi + 1;
        }
    }

    /// (node, entries, sum of their numbers, parked) of each author, and the positions.
    async fn folded(&self) -> (Vec<(u32, u64, u64, u64)>, Vec<u64>) {
        self.db
            .read_async(|tx| {
                let rows =
                    tx.query_list("SELECT node, entries, seqs, parked FROM folded ORDER BY node", &[], |row| {
                        Ok((
                            row.take()?,
                            row.take::<i64>()?.cast_unsigned(),
                            row.take::<i64>()?.cast_unsigned(),
                            row.take::<i64>()?.cast_unsigned(),
                        ))
                    })?;
                let positions = position_list(tx, "counting")?.into_iter().map(|(_, head)| head.seq).collect();
                Ok::<_, StorageError>((rows, positions))
            })
            .await
            .unwrap()
    }
}

fn author(node: u32, stream: StreamKind, events: u64) -> Written {
    let author = AuthorId::node(NodeId::new(node));
    let mut journal = Written::new(JournalId { author, incarnation: Incarnation::new(3), stream });
    journal.write(events - 1);
    journal.push(from_the_future(journal.id, events));
    journal
}

fn sum_to(n: u64) -> u64 {
    n * (n + 1) / 2
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_is_folded_once_although_folding_panics() {
    let bench = Bench::new();
    // More than two slices of one journal.
    let mut sales = author(11, StreamKind::Sales, 2_300);
    bench.append(&sales, 1).await;
    bench.append(&author(11, StreamKind::Ops, 5), 1).await;
    bench.counting.panics.store(2, Ordering::SeqCst);

    let tasks = TaskGroup::new();
    let runner = bench.runner.clone();
    tasks.spawn_restarting("counting", move |stop| runner.clone().run(stop));
    let folded = |count: u64| {
        let bench = &bench;
        async move {
            eventually("the projection", || async {
                Some(bench.folded().await).filter(|(rows, _)| rows.first().is_some_and(|row| row.1 >= count))
            })
            .await
        }
    };
    assert_eq!(folded(2_300).await, (vec![(11, 2_300, sum_to(2_300), 1)], vec![2_300]));
    assert_eq!(bench.counting.panics.load(Ordering::SeqCst), 0, "both panics have happened");

    // It still follows: what comes later is folded without anybody asking.
    sales.write(7);
    bench.append(&sales, 2_301).await;
    assert_eq!(folded(2_307).await, (vec![(11, 2_307, sum_to(2_307), 1)], vec![2_307]));

    // So is a journal that nobody had heard of, of more than one slice, and one beside it.
    bench.append(&author(7, StreamKind::Sales, 1_200), 1).await;
    bench.append(&author(9, StreamKind::Sales, 1), 1).await;
    let all = eventually("the new journals", || async {
        Some(bench.folded().await.1).filter(|positions| positions.iter().sum::<u64>() == 2_307 + 1_201)
    });
    assert_eq!(all.await, [1_200, 1, 2_307]);
    assert!(tasks.stop(Duration::from_secs(5)).await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_is_told_which_journals_were_written() {
    let bench = Bench::new();
    let (sales, ops) = (author(11, StreamKind::Sales, 3), author(21, StreamKind::Ops, 2));
    bench.append(&sales, 1).await;
    let followed = bench.journal.db().follow();
    assert_eq!(followed.take(), None, "what was there before is for the follower to look at");
    bench.append(&ops, 1).await;
    // On a server others write, too, and nobody tells which.
    let told = |journals: &[JournalId]| {
        (!bench.journal.db().is_on_server()).then(|| journals.iter().copied().collect::<BTreeSet<_>>())
    };
    assert_eq!(followed.take(), told(&[ops.id]));
    bench.append(&ops, 1).await;
    assert_eq!(followed.take(), told(&[]), "a repetition writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_cannot_be_folded_holds_up_no_other_and_is_folded_later() {
    let bench = Bench::new();
    bench.counting.refuse_21.store(true, Ordering::SeqCst);
    bench.append(&author(21, StreamKind::Sales, 4), 1).await;
    bench.append(&author(31, StreamKind::Sales, 6), 1).await;
    let tasks = TaskGroup::new();
    let runner = bench.runner.clone();
    tasks.spawn_restarting("counting", move |stop| runner.clone().run(stop));
    let rows = |count: usize| {
        let bench = &bench;
        async move {
            eventually("the projection", || async { Some(bench.folded().await.0).filter(|rows| rows.len() == count) })
                .await
        }
    };
    assert_eq!(rows(1).await, [(31, 6, sum_to(6), 1)], "nothing of the failed slice is kept");
    bench.counting.refuse_21.store(false, Ordering::SeqCst);
    assert_eq!(rows(2).await, [(21, 4, sum_to(4), 1), (31, 6, sum_to(6), 1)]);
    assert!(tasks.stop(Duration::from_secs(5)).await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_befalls_the_database_is_not_tried_again_with_each_journal() {
    let bench = Bench::new();
    bench.append(&author(21, StreamKind::Sales, 4), 1).await;
    bench.append(&author(31, StreamKind::Sales, 6), 1).await;
    bench.counting.befalls.store(1, Ordering::SeqCst);
    let failed = bench.runner.catch_up().await.unwrap_err();
    assert!(matches!(failed, ProjectionError::Storage(StorageError::TransactionLost)), "{failed}");
    assert_eq!(*bench.counting.turns.lock().unwrap(), [21, 31]);
    assert_eq!(bench.folded().await.0, []);

    bench.counting.refuse_21.store(true, Ordering::SeqCst);
    bench.runner.catch_up().await.unwrap_err();
    assert_eq!(bench.counting.turns.lock().unwrap()[2..], [21, 21, 31], "together as far as it goes, then one by one");
    bench.counting.refuse_21.store(false, Ordering::SeqCst);
    bench.runner.catch_up().await.unwrap();
    assert_eq!(bench.folded().await.0, [(21, 4, sum_to(4), 1), (31, 6, sum_to(6), 1)]);
}

/// More journals than share a commit, and the first ones have more than one slice.
#[tokio::test(flavor = "multi_thread")]
async fn every_journal_has_its_turn_before_any_has_its_second() {
    let bench = Bench::new();
    let nodes: Vec<u32> = (1..=80).map(|store| store * 10 + 1).collect();
    for node in &nodes {
        let events = if *node < 200 { 1_100 } else { 2 };
        bench.append(&author(*node, StreamKind::Sales, events), 1).await;
    }
    bench.runner.catch_up().await.unwrap();
    let turns = bench.counting.turns.lock().unwrap().clone();
    let first: BTreeSet<u32> = turns.iter().copied().take(nodes.len()).collect();
    assert_eq!(first, nodes.iter().copied().collect(), "{turns:?}");
    assert_eq!(bench.folded().await.0.len(), nodes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_projection_is_the_same() {
    let bench = Bench::new();
    let mut sales = author(11, StreamKind::Sales, 1_500);
    bench.append(&sales, 1).await;
    bench.append(&author(21, StreamKind::Sales, 30), 1).await;
    bench.runner.catch_up().await.unwrap();
    sales.write(40);
    bench.append(&sales, 1_501).await;
    bench.runner.catch_up().await.unwrap();
    let grown = bench.folded().await;
    assert_eq!(grown.1, [1_540, 30]);

    bench.runner.rebuild().await.unwrap();
    assert_eq!(bench.folded().await, grown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_with_another_past_is_not_folded_onto_the_old_one() {
    let bench = Bench::new();
    bench.append(&author(11, StreamKind::Sales, 10), 1).await;
    bench.runner.catch_up().await.unwrap();
    let before = bench.folded().await;

    // The journal was lost and holds other entries now, and more of them.
    let other = Bench::new();
    let mut another_past = Written::new(author(11, StreamKind::Sales, 1).id);
    (0..12).for_each(|n| another_past.push(from_the_future(another_past.id, n + 5)));
    other.append(&another_past, 1).await;
    let runner = ProjectionRunner::new(bench.counting.clone(), other.journal.clone(), bench.db.clone());
    let refused = runner.catch_up().await.unwrap_err();
    assert!(matches!(refused, ProjectionError::Discontinued { seq: 11, .. }), "{refused}");
    assert_eq!(bench.folded().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_folded_of_a_journal_that_was_put_back_is_folded_anew() {
    let bench = Bench::new();
    let whole = author(11, StreamKind::Sales, 10);
    bench.append(&whole, 1).await;
    bench.append(&author(21, StreamKind::Sales, 4), 1).await;
    bench.runner.catch_up().await.unwrap();
    assert!(!bench.runner.reconcile().await.unwrap(), "all that was folded is there");
    let before = bench.folded().await;

    // An older image of the journal.
    let other = Bench::new();
    let mut older = whole.clone();
    older.events.truncate(6);
    older.heads.truncate(7);
    other.append(&older, 1).await;
    let runner = ProjectionRunner::new(bench.counting.clone(), other.journal.clone(), bench.db.clone());
    assert!(runner.reconcile().await.unwrap());
    assert_eq!(bench.folded().await, (vec![], vec![]));
    runner.catch_up().await.unwrap();
    assert_eq!(bench.folded().await, (vec![(11, 6, sum_to(6), 0)], vec![6]));
    assert!(!runner.reconcile().await.unwrap());

    // What nodes send again ends where it was.
    other.append(&whole, 7).await;
    other.append(&author(21, StreamKind::Sales, 4), 1).await;
    runner.catch_up().await.unwrap();
    assert_eq!(bench.folded().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_always_panics_holds_up_no_acknowledgement() {
    let bare = bare().await;
    let bench = Bench::over(bare.journal.clone(), Ground::new());
    bench.counting.panics.store(u32::MAX, Ordering::SeqCst);
    let tasks = TaskGroup::new();
    let runner = bench.runner.clone();
    tasks.spawn_restarting("counting", move |stop| runner.clone().run(stop));

    let mut node = TestNode::in_session(11, bare.way()).await;
    node.sales.write(60);
    for lo in (1..=60).step_by(20) {
        node.send(&node.sales.batch(lo, lo + 19, node.session)).await;
        node.sales_acked(lo + 19).await;
    }
    eventually("a panic", || async { (bench.counting.panics.load(Ordering::SeqCst) < u32::MAX).then_some(()) }).await;
    assert_eq!(bench.folded().await.0, [], "nothing of a slice that panicked is kept");

    bench.counting.panics.store(0, Ordering::SeqCst);
    let all =
        eventually("the projection", || async { Some(bench.folded().await.0).filter(|rows| !rows.is_empty()) }).await;
    assert_eq!(all, [(11, 60, sum_to(60), 0)]);
    assert!(tasks.stop(Duration::from_secs(5)).await.is_clean());
}
