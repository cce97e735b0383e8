//! The writer's thread: who shares a commit, who is answered when, what a failure does to whom.
//!
//! A gate is a command that has begun and waits: what is queued meanwhile shares the next group, whatever the machine's
//! speed. All tests run on one thread, so that a caller that was counted has queued its command.

use std::cell::Cell;
use std::fs;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use percolate_runtime::checkpoint::CheckpointLimits;
use percolate_runtime::database::Database;
use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::storage::{StorageError, WriteTx};
use percolate_runtime::writer::{GROUP_COMMANDS_MAX, Writer, WriterOptions};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, yield_now};

use crate::notes::{NoteError, all, committed, fresh, hang_a_leaf_in_the_air, insert, options};

type Answer<T = ()> = Result<T, StorageError>;

struct Bench {
    _dir: TempDir,
    writer: Writer,
    pool: ReadPool,
    callers: LocalSet,
}

impl Bench {
    fn new() -> Self {
        let (dir, database) = fresh();
        Self::over(dir, database, WriterOptions::new("test"))
    }

    fn over(dir: TempDir, database: Database, options: WriterOptions) -> Self {
        let pool = ReadPool::open(database.place(), 1).unwrap();
        let writer = Writer::start(options, database).unwrap();
        Self { _dir: dir, writer, pool, callers: LocalSet::new() }
    }

    /// A caller in a task of its own. When this returns, its command is in the queue.
    async fn call<T, F>(&self, name: &'static str, f: F) -> oneshot::Receiver<Answer<T>>
    where
        F: FnOnce(&WriteTx<'_>) -> Answer<T> + Send + 'static,
        T: Send + 'static,
    {
        let (answer, receiver) = oneshot::channel();
        let writer = self.writer.clone();
        let looked_at = Rc::new(Cell::new(false));
        let looking = looked_at.clone();
        self.callers.spawn_local(async move {
            looking.set(true);
            drop(answer.send(writer.run(name, f).await));
        });
        self.callers
            .run_until(async {
                while !looked_at.get() {
                    yield_now().await
                }
            })
            .await;
        receiver
    }

    /// Waits for a caller's answer.
    async fn answer<T>(&self, receiver: oneshot::Receiver<Answer<T>>) -> Answer<T> {
        self.callers.run_until(receiver).await.unwrap()
    }

    async fn close_gate(&self) -> Gate {
        let (entered, is_entered) = oneshot::channel();
        let (leave, may_leave) = mpsc::channel();
        let answer = self
            .call("gate", move |_| {
                entered.send(()).unwrap();
                may_leave.recv().unwrap();
                Ok(())
            })
            .await;
        is_entered.await.unwrap();
        Gate { leave, answer }
    }

    async fn open(&self, gate: Gate) -> Answer {
        gate.leave.send(()).unwrap();
        self.answer(gate.answer).await
    }

    fn commits(&self) -> u64 {
        *self.writer.commits().borrow()
    }
}

struct Gate {
    leave: mpsc::Sender<()>,
    answer: oneshot::Receiver<Answer>,
}

#[tokio::test]
async fn callers_that_wait_at_the_same_time_share_one_commit() {
    let bench = Bench::new();
    let gate = bench.close_gate().await;
    let mut callers = Vec::new();
    for n in 0..200 {
        callers.push(bench.call("note", move |tx| insert(tx, &format!("{n:03}"))).await);
    }
    bench.open(gate).await.unwrap();
    for caller in callers {
        bench.answer(caller).await.unwrap();
    }
    assert_eq!(bench.commits(), 2, "one for the gate, one for 200 commands");
    assert_eq!(committed(&bench.pool).len(), 200);
}

#[tokio::test]
async fn a_group_has_a_largest_size() {
    let bench = Bench::new();
    let gate = bench.close_gate().await;
    let mut callers = Vec::new();
    for _ in 0..=GROUP_COMMANDS_MAX {
        callers.push(bench.call("note", |tx| insert(tx, "x")).await);
    }
    bench.open(gate).await.unwrap();
    for caller in callers {
        bench.answer(caller).await.unwrap();
    }
    assert_eq!(bench.commits(), 3);
}

#[tokio::test]
async fn nobody_is_answered_before_the_commit_of_the_group() {
    let bench = Bench::new();
    let first_gate = bench.close_gate().await;
    let mut early = bench.call("early", |tx| insert(tx, "early")).await;
    let mut refused = bench.call("refused", |tx| tx.execute("INSERT INTO no_such_table VALUES (1)", &[])).await;
    let (entered, is_entered) = oneshot::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let late = bench
        .call("late", move |tx| {
            entered.send(()).unwrap();
            may_leave.recv().unwrap();
            insert(tx, "late")
        })
        .await;
    bench.open(first_gate).await.unwrap();
    is_entered.await.unwrap();

    // The early command has run, the late one of the same group has not.
    for _ in 0..100 {
        bench.callers.run_until(yield_now()).await;
        assert!(early.try_recv().is_err(), "answered before its commit");
        assert!(refused.try_recv().is_err(), "a refusal may rest on what is not committed");
    }
    assert!(committed(&bench.pool).is_empty());

    leave.send(()).unwrap();
    bench.answer(early).await.unwrap();
    assert_eq!(committed(&bench.pool), ["early", "late"], "whoever is answered finds it committed");
    bench.answer(late).await.unwrap();
    assert!(bench.answer(refused).await.is_err());
}

#[tokio::test]
async fn every_answer_finds_its_write_committed() {
    let bench = Bench::new();
    let mut callers = Vec::new();
    for n in 0..300 {
        callers.push((format!("{n:03}"), bench.call("note", move |tx| insert(tx, &format!("{n:03}"))).await));
    }
    for (text, caller) in callers {
        bench.answer(caller).await.unwrap();
        assert!(committed(&bench.pool).contains(&text), "{text} was answered and is not there");
    }
}

#[tokio::test]
async fn a_refused_a_broken_and_a_panicking_command_fail_alone() {
    let bench = Bench::new();
    let gate = bench.close_gate().await;
    let first = bench.call("first", |tx| insert(tx, "first")).await;
    let broken = bench
        .call("broken", |tx| {
            insert(tx, "broken")?;
            tx.execute("INSERT INTO note (text) VALUES (NULL)", &[])
        })
        .await;
    let panicking = bench
        .call("panicking", |tx| -> Answer {
            insert(tx, "panicking")?;
            panic!("as planned");
        })
        .await;
    let last = bench.call("last", |tx| insert(tx, "last")).await;
    bench.open(gate).await.unwrap();
    bench.answer(first).await.unwrap();
    assert!(matches!(bench.answer(broken).await, Err(StorageError::Query(_))));
    assert!(matches!(bench.answer(panicking).await, Err(StorageError::Panicked { name: "panicking" })));
    bench.answer(last).await.unwrap();
    assert_eq!(committed(&bench.pool), ["first", "last"]);
    assert_eq!(bench.commits(), 2, "the gate's and one for all others");
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_all_and_the_next_group_works() {
    let bench = Bench::new();
    let gate = bench.close_gate().await;
    let good = bench.call("good", |tx| insert(tx, "good")).await;
    let hanging = bench.call("hanging", hang_a_leaf_in_the_air).await;
    let refused =
        bench.call("refused", |_| -> Answer { Err(StorageError::WriteInRead { statement: String::new() }) }).await;
    bench.open(gate).await.unwrap();
    for caller in [good, hanging, refused] {
        let answer = bench.answer(caller).await;
        assert!(matches!(answer, Err(StorageError::Query(_))), "{answer:?}");
    }
    assert!(committed(&bench.pool).is_empty());
    assert_eq!(bench.commits(), 1, "the gate's only");
    bench.writer.run("next", |tx| insert(tx, "next")).await.unwrap();
    assert_eq!(committed(&bench.pool), ["next"]);
    assert_eq!(bench.commits(), 2);
}

#[tokio::test]
async fn a_transaction_lost_on_the_way_fails_those_before_and_not_those_after() {
    let bench = Bench::new();
    let gate = bench.close_gate().await;
    let before = bench.call("before", |tx| insert(tx, "before")).await;
    let full = bench
        .call("full", |tx| {
            tx.sqlite()?.prepare_cached("PRAGMA max_page_count = 1")?.query_row([], |_| Ok(()))?;
            tx.execute("INSERT INTO note (text) VALUES (hex(zeroblob(100000)))", &[])
        })
        .await;
    let after = bench.call("after", |tx| insert(tx, "after")).await;
    bench.open(gate).await.unwrap();
    assert!(matches!(bench.answer(before).await, Err(StorageError::DiskFull(_))));
    assert!(matches!(bench.answer(full).await, Err(StorageError::DiskFull(_))));
    bench.answer(after).await.unwrap();
    assert_eq!(committed(&bench.pool), ["after"]);
}

#[tokio::test]
async fn while_the_database_cannot_be_opened_again_all_commands_are_told() {
    let (dir, database) = fresh();
    drop(database);
    let sound = Arc::new(AtomicBool::new(true));
    let opened = Arc::new(AtomicU32::new(0));
    let (answer, count) = (sound.clone(), opened.clone());
    let verify = move |_: &percolate_runtime::storage::ReadTx<'_>| {
        count.fetch_add(1, Ordering::SeqCst);
        let detail = "as planned".to_owned();
        answer.load(Ordering::SeqCst).then_some(()).ok_or(StorageError::Unsound { detail })
    };
    let database = options(dir.path()).verify(verify).open().unwrap();
    let bench = Bench::over(dir, database, WriterOptions::new("test"));
    sound.store(false, Ordering::SeqCst);
    bench.writer.run("hanging", hang_a_leaf_in_the_air).await.unwrap_err();
    for _ in 0..3 {
        let refused = bench.writer.run("note", |tx| insert(tx, "too early")).await;
        assert!(matches!(refused, Err(StorageError::Unsound { .. })), "{refused:?}");
    }
    assert_eq!(opened.load(Ordering::SeqCst), 4, "each group tried");
    sound.store(true, Ordering::SeqCst);
    bench.writer.run("note", |tx| insert(tx, "kept")).await.unwrap();
    assert_eq!(committed(&bench.pool), ["kept"]);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_does_nothing() {
    let (dir, database) = fresh();
    let options = WriterOptions { queue_commands_max: 2, ..WriterOptions::new("test") };
    let bench = Bench::over(dir, database, options);
    let gate = bench.close_gate().await;
    let first = bench.call("first", |tx| insert(tx, "first")).await;
    let second = bench.call("second", |tx| insert(tx, "second")).await;
    let refused = bench.writer.run("third", |tx| insert(tx, "third")).await;
    assert!(matches!(refused, Err(StorageError::QueueFull { queued: 2 })), "{refused:?}");
    bench.open(gate).await.unwrap();
    bench.answer(first).await.unwrap();
    bench.answer(second).await.unwrap();
    bench.writer.run("fourth", |tx| insert(tx, "fourth")).await.unwrap();
    assert_eq!(committed(&bench.pool), ["first", "fourth", "second"]);
}

#[tokio::test]
async fn commits_wake_a_watcher_and_a_group_that_kept_nothing_does_not() {
    let bench = Bench::new();
    let mut commits = bench.writer.commits();
    let refused: Result<(), NoteError> = bench.writer.run("refused", |_| Err(NoteError::Refused)).await;
    assert!(matches!(refused, Err(NoteError::Refused)));
    assert!(!commits.has_changed().unwrap());
    bench.writer.run("note", |tx| insert(tx, "kept")).await.unwrap();
    commits.changed().await.unwrap();
    assert_eq!(*commits.borrow_and_update(), 1);
    assert_eq!(committed(&bench.pool), ["kept"]);
}

#[tokio::test]
async fn a_stop_finishes_what_waits_checkpoints_and_takes_no_more() {
    let bench = Bench::new();
    let gate = bench.close_gate().await;
    let mut callers = Vec::new();
    for n in 0..20 {
        callers.push(bench.call("note", move |tx| insert(tx, &format!("{n:02}"))).await);
    }
    let stopper = bench.writer.clone();
    let stopping = thread::spawn(move || stopper.stop_blocking());
    // Once the writer refuses, the stop has begun, with twenty commands still waiting.
    loop {
        let mut probe = bench.call("probe", |_| Ok(())).await;
        match probe.try_recv() {
            Ok(Err(StorageError::Closed)) => break,
            Ok(Err(StorageError::QueueFull { .. })) | Err(_) => thread::yield_now(),
            Ok(other) => panic!("answered behind a closed gate: {other:?}"),
        }
    }
    bench.open(gate).await.unwrap();
    for caller in callers {
        bench.answer(caller).await.unwrap();
    }
    stopping.join().unwrap();
    assert_eq!(committed(&bench.pool).len(), 20);
    // All of it is in the file itself: a copy without the log has it.
    let copy = TempDir::new().unwrap();
    fs::copy(bench.pool.place().file().unwrap(), copy.path().join("notes.db")).unwrap();
    let mut copied = options(copy.path()).open().unwrap();
    assert_eq!(copied.write("list", |tx| all(tx)).unwrap().len(), 20);
    bench.writer.stop().await;
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_stop_its_command() {
    let bench = Bench::new();
    let gate = bench.close_gate().await;
    drop(bench.call("left", |tx| insert(tx, "left")).await);
    bench.open(gate).await.unwrap();
    bench.writer.run("last", |tx| insert(tx, "second")).await.unwrap();
    assert_eq!(committed(&bench.pool), ["left", "second"]);
}

#[test]
fn a_blocking_caller_is_answered_too() {
    let (_dir, database) = fresh();
    let pool = ReadPool::open(database.place(), 1).unwrap();
    let writer = Writer::start(WriterOptions::new("test"), database).unwrap();
    writer.run_blocking("note", |tx| insert(tx, "kept")).unwrap();
    assert_eq!(committed(&pool), ["kept"]);
    writer.stop_blocking();
    let refused = writer.run_blocking("note", |tx| insert(tx, "too late"));
    assert!(matches!(refused, Err(StorageError::Closed)), "{refused:?}");
}

#[test]
fn the_log_stays_bounded_under_unbroken_load() {
    let (dir, database) = fresh();
    let limits = CheckpointLimits { pages_between: 20, pages_long: 40, pages_max: 100 };
    let writer = Writer::start(WriterOptions { checkpoint: limits, ..WriterOptions::new("test") }, database).unwrap();
    let wal = dir.path().join("notes.db-wal");
    for n in 0..1_500 {
        writer.run_blocking("note", move |tx| insert(tx, &format!("{n:04} {}", "x".repeat(2_000)))).unwrap();
        // A page and its header, the pages of one commit above the limit, the header of the log, zeros laid out ahead.
        let bytes_max = (100 + 20) * (4_096 + 24) + 32 + 256 * 1_024;
        assert!(fs::metadata(&wal).unwrap().len() <= bytes_max, "after {n} commits: {:?}", fs::metadata(&wal));
    }
    writer.stop_blocking();
}

#[test]
fn a_log_begins_again_under_unbroken_load_before_it_is_full() {
    let (dir, database) = fresh();
    let limits = CheckpointLimits { pages_between: 20, pages_long: 40, pages_max: 1_000_000 };
    let writer = Writer::start(WriterOptions { checkpoint: limits, ..WriterOptions::new("test") }, database).unwrap();
    for n in 0..3_000 {
        writer.run_blocking("note", move |tx| insert(tx, &format!("{n:04} {}", "x".repeat(2_000)))).unwrap();
    }
    let bytes = fs::metadata(dir.path().join("notes.db-wal")).unwrap().len();
    assert!(bytes < 3_000 * 4_096 / 2, "never began again: {bytes} bytes");
    writer.stop_blocking();
}

#[test]
fn a_log_that_is_used_is_laid_out_ahead_and_read_without_the_zeros() {
    let (dir, database) = fresh();
    let (copies, sized) = (tempfile::tempdir().unwrap(), |name: &str| dir.path().join(name));
    let writer = Writer::start(WriterOptions::new("test"), database).unwrap();
    let mut written = 0;
    let ahead = 4_000 * 4_120;
    while fs::metadata(sized("notes.db-wal")).map_or(0, |log| log.len()) < ahead {
        assert!(written < 4_000, "never laid out");
        writer.run_blocking("note", move |tx| insert(tx, &format!("{written:05}"))).unwrap();
        written += 1;
    }
    // What a power cut would leave.
    for name in ["notes.db", "notes.db-wal"] {
        fs::copy(sized(name), copies.path().join(name)).unwrap();
    }
    writer.stop_blocking();
    let cut = options(copies.path()).open().unwrap();
    assert_eq!(committed(&ReadPool::open(cut.place(), 1).unwrap()).len(), written);
}
