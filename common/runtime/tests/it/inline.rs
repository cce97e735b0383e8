//! Without threads: the same work on the caller's thread, and death at any commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::storage::StorageError;
use percolate_runtime::tasks::ready_now;
use percolate_runtime::writer::{CommitHook, CommitPoint, Go, Writer};

use crate::notes::{NoteError, all, committed, fresh, insert, options};

/// Dies at the n-th time that a point is passed, counted from 1; never for 0.
struct DieAt {
    point: CommitPoint,
    left: AtomicU32,
}

impl CommitHook for DieAt {
    fn at(&self, database: &'static str, point: CommitPoint) -> Go {
        assert_eq!(database, "test");
        if point != self.point || self.left.load(Ordering::Relaxed) == 0 {
            return Go::On;
        }
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 { Go::Die } else { Go::On }
    }
}

fn die_at(point: CommitPoint, time: u32) -> Arc<DieAt> {
    Arc::new(DieAt { point, left: AtomicU32::new(time) })
}

#[test]
fn a_task_is_answered_at_its_first_poll_and_finds_what_was_written() {
    let (_dir, database) = fresh();
    let pool = ReadPool::open_inline(database.place()).unwrap();
    let writer = Writer::inline("test", database, die_at(CommitPoint::BeforeCommit, 0));
    let commits = writer.commits();
    let written = async {
        writer.run("note", |tx| insert(tx, "first")).await?;
        let refused =
            writer.run("note", |tx| insert(tx, "refused").map_err(NoteError::from).and(Err(NoteError::Refused)));
        assert!(matches!(refused.await, Err::<(), _>(NoteError::Refused)));
        pool.read_async(all).await
    };
    assert_eq!(ready_now(written).unwrap().unwrap(), ["first"]);
    writer.run_blocking("note", |tx| insert(tx, "second")).unwrap();
    assert_eq!((committed(&pool), *commits.borrow()), (vec!["first".to_owned(), "second".to_owned()], 2));
    writer.stop_blocking();
    assert!(matches!(writer.run_blocking("note", |tx| insert(tx, "late")), Err(StorageError::Closed)));
}

#[test]
fn whoever_dies_before_the_commit_has_written_nothing_and_after_it_has_written_without_an_answer() {
    for (point, kept) in [(CommitPoint::BeforeCommit, vec!["0"]), (CommitPoint::AfterCommit, vec!["0", "1"])] {
        let (dir, database) = fresh();
        let writer = Writer::inline("test", database, die_at(point, 2));
        let outcomes: Vec<_> =
            (0..4).map(|n| writer.run_blocking("note", move |tx| insert(tx, &n.to_string()))).collect();
        assert!(outcomes[0].is_ok());
        assert!(outcomes[1..].iter().all(|outcome| matches!(outcome, Err(StorageError::Closed))), "{outcomes:?}");
        let mut after = options(dir.path()).open().unwrap();
        assert_eq!(after.write("all", |tx| all(tx)).unwrap(), kept, "{point:?}");
    }
}

#[test]
fn the_log_is_copied_by_the_way() {
    let (dir, database) = fresh();
    let writer = Writer::inline("test", database, die_at(CommitPoint::BeforeCommit, 0));
    for n in 0..2_500 {
        writer.run_blocking("note", move |tx| insert(tx, &format!("{n} {}", "x".repeat(3_000)))).unwrap();
    }
    let bytes = std::fs::metadata(dir.path().join("notes.db-wal")).unwrap().len();
    assert!(bytes < 2 * 1_000 * 4_120, "{bytes} bytes");
}

#[test]
fn what_is_asked_for_together_is_kept_together_and_dies_together() {
    for (time, kept) in [(0, vec!["0", "2", "alone"]), (1, vec![]), (2, vec!["0", "2"])] {
        let (dir, database) = fresh();
        let writer = Writer::inline("test", database, die_at(CommitPoint::BeforeCommit, time));
        let asked: Vec<_> = writer.together(|| {
            let ask = |n: u32| {
                let refused = if n == 1 { Err(NoteError::Refused) } else { Ok(()) };
                let mut asked = Box::pin(
                    writer.run("note", move |tx| insert(tx, &n.to_string()).map_err(NoteError::from).and(refused)),
                );
                assert!(ready_now(&mut asked).is_none(), "nobody is answered before the group is committed");
                asked
            };
            (0..3).map(ask).collect()
        });
        let outcomes: Vec<_> = asked.into_iter().map(|asked| ready_now(asked).unwrap()).collect();
        assert_eq!((outcomes[0].is_ok(), outcomes[1].is_ok(), outcomes[2].is_ok()), (time != 1, false, time != 1));
        assert_eq!(*writer.commits().borrow(), u64::from(time != 1));
        assert_eq!(writer.run_blocking("note", |tx| insert(tx, "alone")).is_ok(), time == 0);
        let mut after = options(dir.path()).open().unwrap();
        assert_eq!(after.write("all", |tx| all(tx)).unwrap(), kept, "{time}");
    }
}
