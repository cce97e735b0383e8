//! Group commit without a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::storage::StorageError;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::notes::{NoteError, all, committed, fresh, hang_a_leaf_in_the_air, insert, options};

#[test]
fn a_write_is_committed_when_it_returns_and_an_error_keeps_nothing() {
    let (_dir, mut database) = fresh();
    let pool = ReadPool::open(database.place(), 1).unwrap();
    let length = database.write("note", |tx| {
        insert(tx, "kept")?;
        // A writing transaction is lent as a reading one.
        Ok::<_, StorageError>(all(tx)?.len())
    });
    assert_eq!(length.unwrap(), 1);
    assert_eq!(committed(&pool), ["kept"]);

    let refused: Result<(), NoteError> = database.write("note", |tx| {
        insert(tx, "refused")?;
        Err(NoteError::Refused)
    });
    assert!(matches!(refused, Err(NoteError::Refused)));
    assert_eq!(committed(&pool), ["kept"]);
}

#[test]
fn a_failing_and_a_panicking_command_are_rolled_back_alone() {
    let (_dir, mut database) = fresh();
    let pool = ReadPool::open(database.place(), 1).unwrap();
    let mut group = database.group().unwrap();
    group.command("first", |tx| insert(tx, "first")).unwrap();
    let refused: Result<(), NoteError> = group.command("refused", |tx| {
        insert(tx, "refused")?;
        Err(NoteError::Refused)
    });
    assert!(matches!(refused, Err(NoteError::Refused)));
    let broken = group.command("broken", |tx| tx.execute("INSERT INTO no_such_table VALUES (1)", &[]));
    assert!(matches!(broken, Err(StorageError::Query(_))), "{broken:?}");
    let panicked: Result<(), StorageError> = group.command("panicking", |tx| {
        insert(tx, "panicked")?;
        panic!("as planned");
    });
    assert!(matches!(panicked, Err(StorageError::Panicked { name: "panicking" })), "{panicked:?}");
    group.command("last", |tx| insert(tx, "last")).unwrap();

    assert!(committed(&pool).is_empty(), "nothing is seen before the commit");
    assert!(!group.is_lost());
    assert_eq!(group.commit().unwrap(), 2);
    assert_eq!(committed(&pool), ["first", "last"]);
}

#[test]
fn a_group_that_is_dropped_keeps_nothing_and_the_next_one_works() {
    let (_dir, mut database) = fresh();
    let mut group = database.group().unwrap();
    group.command("note", |tx| insert(tx, "dropped")).unwrap();
    drop(group);
    database.write("note", |tx| insert(tx, "kept")).unwrap();
    assert_eq!(database.write("list", |tx| all(tx)).unwrap(), ["kept"]);
}

#[test]
fn a_commit_that_fails_keeps_nothing_and_the_connection_is_opened_and_verified_again() {
    let (dir, _) = fresh();
    let verified = Arc::new(AtomicU32::new(0));
    let count = verified.clone();
    let mut database = options(dir.path())
        .verify(move |tx| {
            count.fetch_add(1, Ordering::SeqCst);
            all(tx).map(drop)
        })
        .open()
        .unwrap();
    let pool = ReadPool::open(database.place(), 1).unwrap();
    assert_eq!(verified.load(Ordering::SeqCst), 1);

    let mut group = database.group().unwrap();
    group.command("good", |tx| insert(tx, "good")).unwrap();
    group.command("hanging", hang_a_leaf_in_the_air).unwrap();
    let failed = group.commit();
    assert!(matches!(failed, Err(StorageError::Query(_))), "{failed:?}");
    assert!(committed(&pool).is_empty());
    assert_eq!(verified.load(Ordering::SeqCst), 1, "not before it is needed");

    database.write("next", |tx| insert(tx, "next")).unwrap();
    assert_eq!(verified.load(Ordering::SeqCst), 2);
    assert_eq!(committed(&pool), ["next"]);
}

#[test]
fn while_it_cannot_be_verified_every_write_is_told_and_afterwards_all_is_well() {
    let (dir, _) = fresh();
    let sound = Arc::new(AtomicBool::new(true));
    let answer = sound.clone();
    let mut database = options(dir.path())
        .verify(move |_| {
            let detail = "as planned".to_owned();
            answer.load(Ordering::SeqCst).then_some(()).ok_or(StorageError::Unsound { detail })
        })
        .open()
        .unwrap();
    sound.store(false, Ordering::SeqCst);
    let failed = database.write("hanging", hang_a_leaf_in_the_air);
    assert!(matches!(failed, Err(StorageError::Query(_))), "{failed:?}");
    for _ in 0..3 {
        let refused = database.write("note", |tx| insert(tx, "too early"));
        assert!(matches!(refused, Err(StorageError::Unsound { .. })), "{refused:?}");
    }
    sound.store(true, Ordering::SeqCst);
    database.write("note", |tx| insert(tx, "kept")).unwrap();
    assert_eq!(database.write("list", |tx| all(tx)).unwrap(), ["kept"]);
}

#[test]
fn an_unsound_database_is_not_opened() {
    let (dir, database) = fresh();
    drop(database);
    let refused = options(dir.path()).verify(|_| Err(StorageError::Unsound { detail: "as planned".to_owned() })).open();
    assert!(matches!(refused, Err(StorageError::Unsound { .. })));
    std::fs::write(dir.path().join("notes.db"), vec![7_u8; 8192]).unwrap();
    let refused = options(dir.path()).open();
    assert!(matches!(refused, Err(StorageError::Corrupt(_))), "{refused:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "holds the lock as another program would")]
fn a_file_that_another_one_is_making_is_waited_for() {
    let dir = TempDir::new().unwrap();
    let other = Connection::open(dir.path().join("notes.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; CREATE TABLE other (id INTEGER PRIMARY KEY) STRICT").unwrap();

    let (tell, told) = channel();
    let opening = options(dir.path());
    let opener = thread::spawn(move || tell.send(opening.open().map(drop)).unwrap());
    let early = told.recv_timeout(Duration::from_millis(50));
    assert!(matches!(early, Err(RecvTimeoutError::Timeout)), "{early:?}");
    other.execute_batch("COMMIT").unwrap();
    told.recv().unwrap().unwrap();
    opener.join().unwrap();
}

#[test]
fn a_database_that_ends_the_transaction_by_itself_fails_the_whole_group_with_the_cause() {
    let (_dir, mut database) = fresh();
    let pool = ReadPool::open(database.place(), 1).unwrap();
    let mut group = database.group().unwrap();
    group.command("early", |tx| insert(tx, "early")).unwrap();
    let full = group.command("large", |tx| {
        tx.sqlite()?.prepare_cached("PRAGMA max_page_count = 1")?.query_row([], |_| Ok(()))?;
        tx.execute("INSERT INTO note (text) VALUES (hex(zeroblob(100000)))", &[])
    });
    assert!(matches!(full, Err(StorageError::DiskFull(_))), "{full:?}");
    assert!(group.is_lost(), "the injected failure must end the transaction, else this test shows nothing");
    let late = group.command("late", |tx| insert(tx, "late"));
    assert!(matches!(late, Err(StorageError::DiskFull(_))), "{late:?}");
    assert!(matches!(group.commit(), Err(StorageError::DiskFull(_))));
    assert!(committed(&pool).is_empty());
    // The page limit went with the connection.
    database.write("next", |tx| insert(tx, "next")).unwrap();
    assert_eq!(committed(&pool), ["next"]);
}

#[test]
fn a_command_that_hides_the_lost_transaction_writes_nothing_of_its_own() {
    let (_dir, mut database) = fresh();
    let pool = ReadPool::open(database.place(), 1).unwrap();
    for ending in ["ROLLBACK", "COMMIT"] {
        let hidden = database.write("sly", |tx| {
            tx.execute(ending, &[])?;
            drop(insert(tx, "on its own"));
            Ok::<_, StorageError>(())
        });
        assert!(matches!(hidden, Err(StorageError::TransactionLost)), "{ending}: {hidden:?}");
        assert!(committed(&pool).is_empty());
    }
    database.write("next", |tx| insert(tx, "next")).unwrap();
}
