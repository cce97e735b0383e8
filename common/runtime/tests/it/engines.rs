//! What a database promises, on each engine: the same functions run on a file and on a schema of a PostgreSQL server.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use percolate_runtime::changes::{Changed, Key};
use percolate_runtime::connection::Place;
use percolate_runtime::database::{Database, DatabaseOptions};
use percolate_runtime::migrate::Migration;
use percolate_runtime::params;
use percolate_runtime::postgres::Server;
use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};
use percolate_runtime::writer::{Writer, WriterOptions};
use tempfile::TempDir;

/// Where the tests' own server is: `scripts/postgres.sh start` says.
const SERVER: &str = "PERCOLATE_TEST_POSTGRES";

const SQLITE: &[Migration] = &[
    Migration::new(
        1,
        "thing",
        "CREATE TABLE thing (id INTEGER PRIMARY KEY, flag INTEGER, text TEXT, bytes BLOB) STRICT",
    ),
    Migration::new(
        2,
        "leaf",
        "CREATE TABLE leaf (thing INTEGER NOT NULL REFERENCES thing (id) DEFERRABLE INITIALLY DEFERRED) STRICT",
    ),
];

const POSTGRES: &[Migration] = &[
    Migration::new(
        1,
        "thing",
        r#"CREATE TABLE thing (id BIGINT PRIMARY KEY, flag SMALLINT, text TEXT COLLATE "C", bytes BYTEA)"#,
    ),
    Migration::new(
        2,
        "leaf",
        "CREATE TABLE leaf (thing BIGINT NOT NULL REFERENCES thing (id) DEFERRABLE INITIALLY DEFERRED)",
    ),
];

/// A place for a database, empty.
struct Ground {
    place: Place,
    migrations: &'static [Migration],
    _folder: Option<TempDir>,
}

impl Ground {
    fn sqlite() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        Some(Self { place: folder.path().join("things.db").into(), migrations: SQLITE, _folder: Some(folder) })
    }

    /// A schema of its own; none without a server.
    #[expect(clippy::disallowed_methods, reason = "the tests' runner says where its server is; no program reads it")]
    fn postgres() -> Option<Self> {
        static SCHEMAS: AtomicU32 = AtomicU32::new(0);
        let Ok(connection) = std::env::var(SERVER) else {
            println!("SKIPPED: there is no {SERVER}; scripts/postgres.sh start makes a server");
            return None;
        };
        let schema = format!("t_{}_{}", std::process::id(), SCHEMAS.fetch_add(1, Ordering::Relaxed));
        let mut public = DatabaseOptions::new(Server::new(&connection, "public").unwrap(), &[]).open().unwrap();
        public.write("make", |tx| tx.execute(&format!("CREATE SCHEMA {schema}"), &[])).unwrap();
        let place = Server::new(&connection, &schema).unwrap().into();
        Some(Self { place, migrations: POSTGRES, _folder: None })
    }

    fn open(&self) -> Database {
        DatabaseOptions::new(self.place.clone(), self.migrations).open().unwrap()
    }

    fn is_server(&self) -> bool {
        matches!(self.place, Place::Server(_))
    }
}

macro_rules! on_both_engines {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test]
            fn $test() {
                super::$test(&super::Ground::sqlite().unwrap());
            })*
        }
        mod on_postgres {
            $(#[test]
            fn $test() {
                if let Some(ground) = super::Ground::postgres() {
                    super::$test(&ground);
                }
            })*
        }
    };
}

on_both_engines!(
    what_is_bound_comes_back,
    many_rows_are_bound_at_once_on_a_server_only,
    a_number_that_does_not_fit_its_column_is_refused,
    a_failing_and_a_panicking_command_are_taken_back_alone,
    a_failure_that_a_command_hides_is_not_committed_in_silence,
    a_commit_that_fails_keeps_nothing_and_the_next_group_works,
    a_read_is_one_snapshot_and_cannot_write,
    texts_are_ordered_by_their_bytes,
    migrations_are_applied_once_and_in_order,
    several_processes_migrate_at_once,
    many_callers_share_commits,
    followers_are_told_what_was_touched_once_it_is_committed,
);

fn insert(tx: &WriteTx<'_>, id: i64, text: &str) -> Result<(), StorageError> {
    tx.execute("INSERT INTO thing (id, text) VALUES (?1, ?2)", params![id, text])?;
    Ok(())
}

fn ids(tx: &ReadTx<'_>) -> Result<Vec<i64>, StorageError> {
    tx.query_list("SELECT id FROM thing ORDER BY id LIMIT 10000", &[], |row| row.take())
}

fn what_is_bound_comes_back(ground: &Ground) {
    let mut database = ground.open();
    let insert = "INSERT INTO thing (id, flag, text, bytes) VALUES (?1, ?2, ?3, ?4) RETURNING bytes, text, flag, id";
    let rows = [(i64::MIN, Some(true), Some("é '' ?1"), Some(&[0, 255][..])), (i64::MAX, None, None, None)];
    for (id, flag, text, bytes) in rows {
        let told: Result<_, StorageError> = database.write("insert", |tx| {
            tx.execute_one(insert, params![id, flag, text, bytes], |row| {
                assert_eq!(row.left(), 4);
                let (bytes, text): (Option<Vec<u8>>, Option<String>) = (row.take()?, row.take()?);
                Ok((row.take::<Option<bool>>()?, row.take::<i64>()?, text, bytes))
            })
        });
        assert_eq!(told.unwrap(), (flag, id, text.map(str::to_owned), bytes.map(<[u8]>::to_vec)));
    }
    let nul = database.write("nul", |tx| {
        tx.execute_one(insert, params![1, true, "a\0b", None::<&[u8]>], |row| {
            row.take::<Option<Vec<u8>>>()?;
            row.take::<String>()
        })
    });
    assert_eq!(nul.unwrap(), "a\u{fffd}b");
}

fn many_rows_are_bound_at_once_on_a_server_only(ground: &Ground) {
    let mut database = ground.open();
    let bound = database.write("many", |tx| {
        let (ids, flags) = ([7, i64::MIN], [0_i64, 1]);
        let (texts, pieces) = ([Some("a\0b"), None], [&[1, 0][..], &[]]);
        tx.execute(
            "INSERT INTO thing (id, flag, text, bytes)
             SELECT * FROM unnest(?1::bigint[], ?2::smallint[], ?3::text[], ?4::bytea[])",
            params![&ids[..], &flags[..], &texts[..], &pieces[..]],
        )
    });
    if !ground.is_server() {
        assert!(matches!(bound, Err(StorageError::Query(_))), "{bound:?}");
        return;
    }
    assert_eq!(bound.unwrap(), 2);
    let pool = ReadPool::open(&ground.place, 1).unwrap();
    let held: Vec<(i64, bool, Option<String>, Vec<u8>)> = pool
        .read(|tx| {
            tx.query_list("SELECT id, flag, text, bytes FROM thing ORDER BY id", &[], |row| {
                Ok((row.take()?, row.take()?, row.take()?, row.take()?))
            })
        })
        .unwrap_or_else(|error: StorageError| panic!("{error}"));
    assert_eq!(held, [(i64::MIN, true, None, vec![]), (7, false, Some("a\u{fffd}b".to_owned()), vec![1, 0])]);
}

fn a_number_that_does_not_fit_its_column_is_refused(ground: &Ground) {
    let mut database = ground.open();
    let odd = database.write("odd", |tx| tx.execute("INSERT INTO thing (id, text) VALUES (?1, ?2)", params![1, 2]));
    assert_eq!(matches!(odd, Err(StorageError::Query(_))), ground.is_server(), "SQLite makes a text of it: {odd:?}");
    let wide = database.write("wide", |tx| tx.execute("INSERT INTO thing (id, flag) VALUES (2, ?1)", params![40_000]));
    assert_eq!(matches!(wide, Err(StorageError::Query(_))), ground.is_server(), "{wide:?}");
}

fn a_failing_and_a_panicking_command_are_taken_back_alone(ground: &Ground) {
    let mut database = ground.open();
    let pool = ReadPool::open(&ground.place, 1).unwrap();
    let mut group = database.group().unwrap();
    let early = group.command("early", |tx| {
        insert(tx, 1, "early")?;
        Err::<(), _>(StorageError::Closed)
    });
    assert!(matches!(early, Err(StorageError::Closed)));
    group.command("first", |tx| insert(tx, 2, "first")).unwrap();
    let twice = group.command("twice", |tx| insert(tx, 2, "twice"));
    assert!(matches!(twice, Err(StorageError::Query(_))), "{twice:?}");
    let panicked: Result<(), StorageError> = group.command("panicking", |tx| {
        insert(tx, 3, "panicked")?;
        panic!("as planned");
    });
    assert!(matches!(panicked, Err(StorageError::Panicked { .. })), "{panicked:?}");
    group.command("last", |tx| insert(tx, 4, "last")).unwrap();
    assert!(pool.read(ids).unwrap().is_empty(), "nothing is seen before the commit");
    assert_eq!(group.commit().unwrap(), 2);
    assert_eq!(pool.read(ids).unwrap(), [2, 4]);
}

fn a_failure_that_a_command_hides_is_not_committed_in_silence(ground: &Ground) {
    let mut database = ground.open();
    let hidden = database.write("hiding", |tx| {
        insert(tx, 1, "before")?;
        drop(insert(tx, 1, "fails"));
        Ok::<_, StorageError>(())
    });
    // SQLite takes back the statement, PostgreSQL the command: either way the caller is told what is kept.
    let kept = database.write("look", |tx| ids(tx)).unwrap();
    assert_eq!((hidden.is_ok(), kept.len()), if ground.is_server() { (false, 0) } else { (true, 1) });
}

fn a_commit_that_fails_keeps_nothing_and_the_next_group_works(ground: &Ground) {
    let mut database = ground.open();
    let mut group = database.group().unwrap();
    group.command("good", |tx| insert(tx, 1, "good")).unwrap();
    group.command("hanging", |tx| tx.execute("INSERT INTO leaf (thing) VALUES (404)", &[])).unwrap();
    let failed = group.commit();
    assert!(matches!(failed, Err(StorageError::Query(_))), "{failed:?}");
    database.write("next", |tx| insert(tx, 2, "next")).unwrap();
    assert_eq!(database.write("look", |tx| ids(tx)).unwrap(), [2]);
}

fn followers_are_told_what_was_touched_once_it_is_committed(ground: &Ground) {
    const FIRST: Key = [1, 0, 0];
    const SECOND: Key = [2, 0, 0];
    let these = |keys: &[Key]| Changed::These(keys.iter().copied().collect());
    let mut database = ground.open();
    let following = database.changes().follow();
    assert_eq!(following.take(), Changed::All);
    let touch = |tx: &WriteTx<'_>, id: i64, key: Key| {
        tx.touch(key);
        insert(tx, id, "touched")
    };
    let mut group = database.group().unwrap();
    group.command("first", |tx| touch(tx, 1, FIRST)).unwrap();
    group.command("second", |tx| touch(tx, 2, SECOND)).unwrap();
    assert_eq!(following.take(), these(&[]), "nobody is told before the commit");
    group.commit().unwrap();
    assert_eq!(following.take(), these(&[FIRST, SECOND]));

    drop(database.write("untouched", |tx| insert(tx, 3, "other")));
    assert_eq!(following.take(), these(&[]));
    let mut group = database.group().unwrap();
    group.command("first", |tx| touch(tx, 4, FIRST)).unwrap();
    group.command("hanging", |tx| tx.execute("INSERT INTO leaf (thing) VALUES (404)", &[])).unwrap();
    group.commit().unwrap_err();
    assert_eq!(following.take(), these(&[FIRST]), "a commit that failed may be found on the disk all the same");
}

fn a_read_is_one_snapshot_and_cannot_write(ground: &Ground) {
    let mut database = ground.open();
    let pool = ReadPool::open(&ground.place, 2).unwrap();
    pool.read(|tx| {
        assert!(ids(tx)?.is_empty());
        database.write("note", |tx| insert(tx, 1, "meanwhile"))?;
        assert!(ids(tx)?.is_empty(), "still the same snapshot");
        assert_eq!(pool.read(ids)?, [1], "another reader sees it");
        Ok::<_, StorageError>(())
    })
    .unwrap();
    let sly = "INSERT INTO thing (id) VALUES (2) RETURNING id";
    let refused = pool.read(|tx: &ReadTx<'_>| tx.query_one(sly, &[], |_| Ok(())));
    assert!(matches!(refused, Err(StorageError::WriteInRead { .. } | StorageError::ReadOnly(_))), "{refused:?}");
    assert_eq!(pool.read(ids).unwrap(), [1]);
}

fn texts_are_ordered_by_their_bytes(ground: &Ground) {
    let mut database = ground.open();
    for (id, text) in (1..).zip(["b", "a", "Z", "ä", "a b", "aa"]) {
        database.write("note", |tx| insert(tx, id, text)).unwrap();
    }
    let list = "SELECT text FROM thing ORDER BY text LIMIT 10";
    let texts: Vec<String> = database.write("look", |tx| tx.query_list(list, &[], |row| row.take())).unwrap();
    assert_eq!(texts, ["Z", "a", "a b", "aa", "b", "ä"]);
}

fn migrations_are_applied_once_and_in_order(ground: &Ground) {
    drop(ground.open());
    drop(ground.open());
    let older = DatabaseOptions::new(ground.place.clone(), &ground.migrations[..1]).open();
    assert!(matches!(older, Err(StorageError::NewerDatabase { found: 2, known: 1 })), "{older:?}");
    let edited = Box::leak(Box::new([Migration { sql: "CREATE TABLE other (id INTEGER)", ..ground.migrations[0] }]));
    let edited = DatabaseOptions::new(ground.place.clone(), [*edited, [ground.migrations[1]]].concat().leak()).open();
    assert!(matches!(edited, Err(StorageError::MigrationEdited { number: 1, .. })), "{edited:?}");
    assert!(ground.open().write("look", |tx| ids(tx)).unwrap().is_empty());
}

fn several_processes_migrate_at_once(ground: &Ground) {
    let together = Barrier::new(4);
    thread::scope(|scope| {
        for id in 0..4 {
            let together = &together;
            scope.spawn(move || {
                together.wait();
                ground.open().write("note", |tx| insert(tx, id, "here")).unwrap();
            });
        }
    });
    assert_eq!(ground.open().write("look", |tx| ids(tx)).unwrap(), [0, 1, 2, 3]);
}

fn many_callers_share_commits(ground: &Ground) {
    let writer = Writer::start(WriterOptions::new("test"), ground.open()).unwrap();
    thread::scope(|scope| {
        for id in 0..64 {
            let writer = writer.clone();
            scope.spawn(move || writer.run_blocking("note", move |tx| insert(tx, id, "x")).unwrap());
        }
    });
    assert!(*writer.commits().borrow() <= 64);
    writer.stop_blocking();
    assert_eq!(ReadPool::open(&ground.place, 1).unwrap().read(ids).unwrap().len(), 64);
}

/// The number of a server process, and a way to end it from outside.
fn end_backend(ground: &Ground, backend: i64) {
    let mut other = ground.open();
    let ended = other.write("end", |tx| {
        tx.query_one("SELECT pg_terminate_backend(CAST(?1 AS INTEGER))", params![backend], |row| row.take::<bool>())
    });
    assert!(ended.unwrap(), "the connection was not ended, so this test shows nothing");
}

fn backend(tx: &ReadTx<'_>) -> Result<i64, StorageError> {
    tx.query_one("SELECT CAST(pg_backend_pid() AS BIGINT)", &[], |row| row.take())
}

#[test]
fn a_connection_that_breaks_in_the_middle_of_a_group_loses_the_group_and_nothing_else() {
    let Some(ground) = Ground::postgres() else { return };
    let mut database = ground.open();
    let mut group = database.group().unwrap();
    let number = group.command("first", |tx| {
        insert(tx, 1, "first")?;
        backend(tx)
    });
    end_backend(&ground, number.unwrap());
    let broken = group.command("second", |tx| insert(tx, 2, "second"));
    assert!(matches!(broken, Err(StorageError::Unreachable(_))), "{broken:?}");
    assert!(group.is_lost());
    assert!(matches!(group.commit(), Err(StorageError::Unreachable(_))));
    database.write("next", |tx| insert(tx, 3, "next")).unwrap();
    assert_eq!(database.write("look", |tx| ids(tx)).unwrap(), [3]);
}

#[test]
fn a_reader_whose_connection_broke_is_replaced() {
    let Some(ground) = Ground::postgres() else { return };
    let mut database = ground.open();
    database.write("note", |tx| insert(tx, 1, "x")).unwrap();
    let pool = ReadPool::open(&ground.place, 1).unwrap();
    let broken = pool.read(|tx: &ReadTx<'_>| {
        end_backend(&ground, backend(tx)?);
        ids(tx)
    });
    assert!(matches!(broken, Err(StorageError::Unreachable(_))), "{broken:?}");
    assert_eq!(pool.read(ids).unwrap(), [1]);
}

#[test]
fn a_role_reads_and_writes_what_it_was_given_and_nothing_else() {
    let Some(ground) = Ground::postgres() else { return };
    let mut owner = ground.open();
    let Place::Server(server) = &ground.place else { panic!("a server") };
    let (schema, role) = (server.schema().to_owned(), format!("{}_reader", server.schema()));
    for right in [
        format!("CREATE ROLE {role} LOGIN"),
        format!("GRANT USAGE ON SCHEMA {schema} TO {role}"),
        format!("GRANT SELECT ON {schema}.thing TO {role}"),
    ] {
        owner.write("grant", |tx| tx.execute(&right, &[])).unwrap();
    }
    let as_role: Place = server.as_ref().clone().with_role(&role, None).into();
    let pool = ReadPool::open(&as_role, 1).unwrap();
    assert!(pool.read(ids).unwrap().is_empty());
    let leaves =
        pool.read(|tx: &ReadTx<'_>| tx.query_list("SELECT thing FROM leaf LIMIT 1", &[], |row| row.take::<i64>()));
    assert!(matches!(leaves, Err(StorageError::Denied(_))), "{leaves:?}");
    let mut sly = DatabaseOptions::new(as_role, &[]).open();
    assert!(matches!(sly, Err(StorageError::Denied(_))), "it may not even look for migrations: {sly:?}");
    sly = DatabaseOptions::new(server.as_ref().clone().with_role("nobody_at_all", None), &[]).open();
    assert!(matches!(sly, Err(StorageError::Denied(_))), "{sly:?}");
}

#[tokio::test]
async fn a_pool_of_a_server_may_be_left_on_a_thread_that_runs_tasks() {
    let Some(ground) = tokio::task::spawn_blocking(Ground::postgres).await.unwrap() else { return };
    let ground = Arc::new(ground);
    let opening = Arc::clone(&ground);
    let pool = tokio::task::spawn_blocking(move || {
        drop(opening.open());
        ReadPool::open(&opening.place, 2).unwrap()
    });
    let pool = pool.await.unwrap();
    assert!(pool.read_async(ids).await.unwrap().is_empty());
    drop(pool);
}
