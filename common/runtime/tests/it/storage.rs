//! What is bound comes back as it was, in the order of the statement's text.

use std::error::Error as _;
use std::ops::ControlFlow;

use percolate_runtime::database::{Database, DatabaseOptions};
use percolate_runtime::migrate::Migration;
use percolate_runtime::params;
use percolate_runtime::storage::{StorageError, Value};
use tempfile::TempDir;

const MIGRATIONS: &[Migration] = &[Migration::new(
    1,
    "thing",
    "CREATE TABLE thing (id INTEGER PRIMARY KEY, number INTEGER, text TEXT, bytes BLOB) STRICT",
)];

fn fresh() -> (TempDir, Database) {
    let dir = TempDir::new().unwrap();
    let database = DatabaseOptions::new(dir.path().join("things.db"), MIGRATIONS).open().unwrap();
    (dir, database)
}

#[test]
fn each_kind_of_value_comes_back() {
    let (_dir, mut database) = fresh();
    let insert = "INSERT INTO thing (number, text, bytes) VALUES (?1, ?2, ?3) RETURNING id, bytes, text, number";
    for (number, text, bytes) in [(Some(i64::MIN), Some("é ''"), Some(&[0, 255][..])), (None, None, None)] {
        let told = database.write("insert", |tx| {
            tx.execute_one(insert, params![number, text, bytes], |row| {
                assert_eq!(row.left(), 4);
                let _id: i64 = row.take()?;
                Ok((row.take::<Option<Vec<u8>>>()?, row.take::<Option<String>>()?, row.take::<Option<i64>>()?))
            })
        });
        let told: Result<_, StorageError> = told;
        assert_eq!(told.unwrap(), (bytes.map(<[u8]>::to_vec), text.map(str::to_owned), number));
    }
}

#[test]
fn a_text_keeps_no_u0000() {
    let (_dir, mut database) = fresh();
    let kept: Result<String, StorageError> = database.write("insert", |tx| {
        tx.execute_one("INSERT INTO thing (text) VALUES (?1) RETURNING text", params!["a\0b"], |row| row.take())
    });
    assert_eq!(kept.unwrap(), "a\u{fffd}b");
}

#[test]
fn a_cell_of_another_kind_is_named() {
    let (_dir, mut database) = fresh();
    let failed: Result<(i64, u32), StorageError> =
        database.write("look", |tx| tx.query_one("SELECT 1, -1", &[], |row| Ok((row.take()?, row.take()?))));
    let Err(failed @ StorageError::Query(_)) = failed else { panic!("{failed:?}") };
    let cause = failed.source().unwrap().to_string();
    assert_eq!(cause, "cell 2 of the row is a number, and not the u32 that it was read as");
    let none: Result<i64, StorageError> =
        database.write("look", |tx| tx.query_one("SELECT id FROM thing LIMIT 1", &[], |row| row.take()));
    assert_eq!(none.unwrap_err().source().unwrap().to_string(), "the query found no row");
}

#[test]
fn rows_come_until_it_is_enough() {
    let (_dir, mut database) = fresh();
    let mut seen = Vec::new();
    let counted: Result<(), StorageError> = database.write("count", |tx| {
        for id in 1..=5_i64 {
            tx.execute("INSERT INTO thing (id) VALUES (?1)", params![id])?;
        }
        tx.query_while("SELECT id FROM thing ORDER BY id LIMIT 10", &[], |row| {
            seen.push(row.take::<i64>()?);
            Ok(if seen.len() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })
    });
    counted.unwrap();
    assert_eq!(seen, [1, 2, 3]);
}

#[test]
fn too_few_values_are_refused() {
    let (_dir, mut database) = fresh();
    let refused: Result<usize, StorageError> =
        database.write("few", |tx| tx.execute("INSERT INTO thing (id, number) VALUES (?1, ?2)", &[Value::Int(1)]));
    assert!(matches!(refused, Err(StorageError::Query(_))), "{refused:?}");
}
