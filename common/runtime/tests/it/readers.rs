//! Readers beside the writer.

use std::sync::mpsc;
use std::thread;

use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::storage::{ReadTx, StorageError};

use crate::notes::{all, committed, fresh, insert};

#[test]
fn a_read_is_one_snapshot_while_the_writer_goes_on() {
    let (_dir, mut database) = fresh();
    let pool = ReadPool::open(database.place(), 2).unwrap();
    pool.read(|tx| {
        assert!(all(tx)?.is_empty());
        database.write("note", |tx| insert(tx, "meanwhile"))?;
        assert!(all(tx)?.is_empty(), "still the same snapshot");
        assert_eq!(committed(&pool), ["meanwhile"], "another reader sees it");
        Ok::<_, StorageError>(())
    })
    .unwrap();
    assert_eq!(committed(&pool), ["meanwhile"]);
}

#[test]
fn a_reader_cannot_write() {
    let (_dir, database) = fresh();
    let pool = ReadPool::open(database.place(), 1).unwrap();
    let refused =
        pool.read(|tx: &ReadTx<'_>| tx.query_one("INSERT INTO note (text) VALUES ('x') RETURNING 1", &[], |_| Ok(())));
    assert!(matches!(refused, Err(StorageError::WriteInRead { .. })), "{refused:?}");
}

#[test]
fn a_reader_comes_back_after_an_error_and_after_a_panic() {
    let (_dir, mut database) = fresh();
    let pool = ReadPool::open(database.place(), 1).unwrap();
    let failed =
        pool.read(|tx: &ReadTx<'_>| tx.query_one("SELECT text FROM note LIMIT 1", &[], |row| row.take::<String>()));
    assert!(matches!(failed, Err(StorageError::Query(_))));
    let unlucky = pool.clone();
    let panicked =
        thread::spawn(move || unlucky.read(|_: &ReadTx<'_>| -> Result<(), StorageError> { panic!("as planned") }));
    assert!(panicked.join().is_err());
    database.write("note", |tx| insert(tx, "new")).unwrap();
    assert_eq!(committed(&pool), ["new"], "and not with the old snapshot");
}

#[test]
fn a_caller_waits_for_a_reader() {
    let (_dir, database) = fresh();
    let pool = ReadPool::open(database.place(), 1).unwrap();
    let (entered, is_entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let holder = pool.clone();
    let holding = thread::spawn(move || {
        holder.read(|_: &ReadTx<'_>| {
            entered.send(()).unwrap();
            may_leave.recv().unwrap();
            Ok::<_, StorageError>(())
        })
    });
    is_entered.recv().unwrap();
    let waiter = pool.clone();
    let waiting = thread::spawn(move || waiter.read(all));
    leave.send(()).unwrap();
    assert!(waiting.join().unwrap().unwrap().is_empty());
    holding.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_read_from_a_task_answers_and_its_panic_is_an_error() {
    let (_dir, mut database) = fresh();
    let pool = ReadPool::open(database.place(), 1).unwrap();
    database.write("note", |tx| insert(tx, "x")).unwrap();
    assert_eq!(pool.read_async(all).await.unwrap(), ["x"]);
    let panicked = pool.read_async(|_| -> Result<(), StorageError> { panic!("as planned") }).await;
    assert!(matches!(panicked, Err(StorageError::Panicked { name: "read" })), "{panicked:?}");
    assert_eq!(pool.read_async(all).await.unwrap(), ["x"]);
}
