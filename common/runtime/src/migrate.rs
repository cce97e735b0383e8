//! Migrations: numbered, checksummed, forward only, all that are missing in one transaction.
//!
//! A database to which another text was applied under the same number is refused, and so is one that is newer than the
//! program, unless all that came since [expands](Migration::expanding) it only: then a service is rolled from one version to
//! the next while the older one is at work beside it, and may be rolled back.

use std::cmp::Ordering;

use crate::connection::Connection;
use crate::params;
use crate::storage::{EngineKind, ReadTx, StorageError, WriteTx};

/// One step of a schema. Never edited once it was released: write the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its place: 1, 2, 3 …
    pub number: u32,
    /// The name of its file without number and ending.
    pub name: &'static str,
    /// What it does, as SQL without transaction statements.
    pub sql: &'static str,
    /// Whether programs that do not know it can go on.
    pub expands: bool,
}

impl Migration {
    /// ```
    /// use percolate_runtime::migrate::Migration;
    /// const MIGRATIONS: &[Migration] = &[Migration::new(1, "note", "CREATE TABLE note (text TEXT NOT NULL) STRICT")];
    /// ```
    #[must_use]
    pub const fn new(number: u32, name: &'static str, sql: &'static str) -> Self {
        Self { number, name, sql, expands: false }
    }

    /// The same step, which only adds what older programs need not know: a table, a column that may be left out, an index.
    /// They go on to read and write the database.
    #[must_use]
    pub const fn expanding(self) -> Self {
        Self { expands: true, ..self }
    }

    fn checksum(&self) -> [u8; 32] {
        blake3::hash(self.sql.as_bytes()).into()
    }
}

/// How often it is tried while another process does the same.
const TRIES_MAX: u32 = 5;

const TABLE_SQLITE: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    number   INTEGER PRIMARY KEY CHECK (number >= 1),
    name     TEXT NOT NULL,
    checksum BLOB NOT NULL CHECK (length(checksum) = 32),
    oldest   INTEGER
) STRICT";

/// Where an earlier program made it, the table has no such column.
const OLDEST: &str = "ALTER TABLE schema_migration ADD COLUMN oldest INTEGER";

/// Of several processes that start at once, one migrates, and the others wait for it.
const TABLE_POSTGRES: &str = r#"CREATE TABLE IF NOT EXISTS schema_migration (
    number   INTEGER PRIMARY KEY CHECK (number >= 1),
    name     TEXT COLLATE "C" NOT NULL,
    checksum BYTEA NOT NULL CHECK (length(checksum) = 32),
    oldest   INTEGER
);
LOCK TABLE schema_migration IN EXCLUSIVE MODE"#;

/// Checks that a database has the schema that a program reads, which another program brings it to. Changes nothing.
///
/// # Errors
/// [`StorageError::OlderDatabase`] if that program has not done so yet; [`StorageError::NewerDatabase`];
/// [`StorageError::MigrationEdited`].
pub fn check(tx: &ReadTx<'_>, migrations: &[Migration]) -> Result<(), StorageError> {
    let known = migrations.last().map_or(0, |last| last.number);
    let table = match tx.engine() {
        EngineKind::Sqlite => "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'schema_migration')",
        EngineKind::Postgres => {
            "SELECT EXISTS (SELECT 1 FROM pg_tables
                            WHERE schemaname = current_schema() AND tablename = 'schema_migration')"
        }
    };
    if !tx.query_one(table, &[], |row| row.take())? {
        return Err(StorageError::OlderDatabase { found: 0, known });
    }
    let found = highest(tx)?;
    match found.cmp(&known) {
        Ordering::Less => Err(StorageError::OlderDatabase { found, known }),
        Ordering::Greater if oldest(tx, found)? > known => Err(StorageError::NewerDatabase { found, known }),
        Ordering::Greater | Ordering::Equal => {
            migrations.iter().try_for_each(|migration| is_applied(tx, migration).map(drop))
        }
    }
}

fn highest(tx: &ReadTx<'_>) -> Result<u32, StorageError> {
    tx.query_one("SELECT coalesce(max(number), 0) FROM schema_migration", &[], |row| row.take())
}

/// The oldest schema whose programs can go on with the one that is `found`.
fn oldest(tx: &ReadTx<'_>, found: u32) -> Result<u32, StorageError> {
    let noted: Option<Option<u32>> =
        tx.query_optional("SELECT oldest FROM schema_migration WHERE number = ?1", params![found], |row| row.take())?;
    Ok(noted.flatten().unwrap_or(found))
}

/// Applies what is missing and tells how many migrations that were. Either all of it happens or nothing.
///
/// Taking the write lock also shows a file that cannot be written, before anybody relies on it.
pub(crate) fn migrate(connection: &Connection, migrations: &[Migration]) -> Result<u32, StorageError> {
    check_order(migrations)?;
    let mut outcome = try_migrate(connection, migrations);
    for _ in 1..TRIES_MAX {
        if !matches!(outcome, Err(StorageError::Conflict(_))) {
            break;
        }
        outcome = try_migrate(connection, migrations);
    }
    outcome
}

fn try_migrate(connection: &Connection, migrations: &[Migration]) -> Result<u32, StorageError> {
    connection.begin()?;
    let outcome = migrate_in_txn(connection, migrations);
    let ended = match outcome {
        Ok(applied) if applied > 0 => connection.commit(),
        Ok(_) | Err(_) if connection.has_lost() => Ok(()),
        Ok(_) | Err(_) => connection.roll_back(),
    };
    // What failed first is what the caller hears of; the connection is closed after an error.
    outcome.and_then(|applied| ended.map(|()| applied))
}

fn check_order(migrations: &[Migration]) -> Result<(), StorageError> {
    for (place, migration) in (1..).zip(migrations) {
        if migration.number != place {
            return Err(StorageError::MigrationOrder { number: migration.number, place });
        }
    }
    Ok(())
}

fn migrate_in_txn(connection: &Connection, migrations: &[Migration]) -> Result<u32, StorageError> {
    let tx = connection.writing();
    connection.batch(match tx.engine() {
        EngineKind::Sqlite => TABLE_SQLITE,
        EngineKind::Postgres => TABLE_POSTGRES,
    })?;
    if !has_oldest(&tx)? {
        connection.batch(OLDEST)?;
    }
    let found = highest(&tx)?;
    let known = migrations.last().map_or(0, |last| last.number);
    let mut oldest = oldest(&tx, found)?;
    if found > known && oldest > known {
        return Err(StorageError::NewerDatabase { found, known });
    }
    let mut applied = 0;
    for migration in migrations {
        if !is_applied(&tx, migration)? {
            if !migration.expands {
                oldest = migration.number;
            }
            apply(connection, &tx, migration, oldest)?;
            applied += 1;
        }
    }
    Ok(applied)
}

fn has_oldest(tx: &ReadTx<'_>) -> Result<bool, StorageError> {
    let column = match tx.engine() {
        EngineKind::Sqlite => {
            "SELECT EXISTS (SELECT 1 FROM pragma_table_info('schema_migration') WHERE name = 'oldest')"
        }
        EngineKind::Postgres => {
            "SELECT EXISTS (SELECT 1 FROM pg_attribute
                            WHERE attrelid = 'schema_migration'::regclass AND attname = 'oldest')"
        }
    };
    tx.query_one(column, &[], |row| row.take())
}

fn is_applied(tx: &ReadTx<'_>, migration: &Migration) -> Result<bool, StorageError> {
    let row: Option<(String, [u8; 32])> = tx.query_optional(
        "SELECT name, checksum FROM schema_migration WHERE number = ?1",
        params![migration.number],
        |row| Ok((row.take()?, row.take()?)),
    )?;
    match row {
        None => Ok(false),
        Some((name, checksum)) if name == migration.name && checksum == migration.checksum() => Ok(true),
        Some((applied, _)) => {
            Err(StorageError::MigrationEdited { number: migration.number, applied, known: migration.name })
        }
    }
}

fn apply(connection: &Connection, tx: &WriteTx<'_>, migration: &Migration, oldest: u32) -> Result<(), StorageError> {
    connection.batch(migration.sql)?;
    if connection.has_lost() {
        return Err(StorageError::TransactionLost);
    }
    tx.execute(
        "INSERT INTO schema_migration (number, name, checksum, oldest) VALUES (?1, ?2, ?3, ?4)",
        params![migration.number, migration.name, &migration.checksum(), oldest],
    )?;
    tracing::info!(migration.number, migration.name, "migration {} applied", migration.number);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::connection::Place;

    const ONE: Migration = Migration::new(1, "note", "CREATE TABLE note (text TEXT NOT NULL) STRICT");
    const TWO: Migration = Migration::new(2, "author", "ALTER TABLE note ADD COLUMN author TEXT");

    fn fresh() -> (TempDir, Connection) {
        let dir = TempDir::new().unwrap();
        let connection = Place::from(dir.path().join("test.db")).open_writer().unwrap();
        (dir, connection)
    }

    fn tables(connection: &Connection) -> Vec<String> {
        let list = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name LIMIT 100";
        connection.reading().query_list(list, &[], |row| row.take()).unwrap()
    }

    #[test]
    fn only_what_is_missing_is_applied() {
        let (_dir, connection) = fresh();
        assert_eq!(migrate(&connection, &[ONE]).unwrap(), 1);
        assert_eq!(migrate(&connection, &[ONE, TWO]).unwrap(), 1);
        assert_eq!(migrate(&connection, &[ONE, TWO]).unwrap(), 0);
        connection.batch("INSERT INTO note (text, author) VALUES ('x', 'y')").unwrap();
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_of_the_steps_before_it() {
        let (_dir, connection) = fresh();
        let broken = Migration::new(2, "broken", "CREATE TABLE half (id INTEGER); CREATE TABLE note (text TEXT)");
        assert!(matches!(migrate(&connection, &[ONE, broken]), Err(StorageError::Query(_))));
        assert!(tables(&connection).is_empty());
        assert_eq!(migrate(&connection, &[ONE, TWO]).unwrap(), 2);
    }

    #[test]
    fn a_step_that_ends_the_transaction_is_an_error() {
        let (_dir, connection) = fresh();
        let committing = Migration::new(1, "sly", "CREATE TABLE sly (id INTEGER); COMMIT");
        assert!(matches!(migrate(&connection, &[committing]), Err(StorageError::TransactionLost)));
    }

    #[test]
    fn a_newer_database_is_refused_untouched() {
        let (_dir, connection) = fresh();
        migrate(&connection, &[ONE, TWO]).unwrap();
        let refusal = migrate(&connection, &[ONE]);
        assert!(matches!(refusal, Err(StorageError::NewerDatabase { found: 2, known: 1 })), "{refusal:?}");
        assert_eq!(migrate(&connection, &[ONE, TWO]).unwrap(), 0);
    }

    const MORE: Migration = Migration::new(3, "more", "CREATE TABLE more (text TEXT NOT NULL) STRICT").expanding();

    #[test]
    fn an_older_program_goes_on_where_the_schema_was_only_expanded() {
        let (_dir, connection) = fresh();
        migrate(&connection, &[ONE, TWO]).unwrap();
        assert_eq!(migrate(&connection, &[ONE, TWO, MORE]).unwrap(), 1);
        assert_eq!(migrate(&connection, &[ONE, TWO]).unwrap(), 0);
        check(&connection.reading(), &[ONE, TWO]).unwrap();
        // One that does not know what came before the last expansion is refused as ever.
        let refusal = check(&connection.reading(), &[ONE]);
        assert!(matches!(refusal, Err(StorageError::NewerDatabase { found: 3, known: 1 })), "{refusal:?}");
        // Another text under a number that both know is still another text.
        let edited = Migration { sql: "ALTER TABLE note ADD COLUMN writer TEXT", ..TWO };
        assert!(matches!(migrate(&connection, &[ONE, edited]), Err(StorageError::MigrationEdited { number: 2, .. })));
        // What changes the schema for older programs ends it.
        let narrow = Migration::new(4, "narrow", "ALTER TABLE note DROP COLUMN author");
        migrate(&connection, &[ONE, TWO, MORE, narrow]).unwrap();
        let refusal = migrate(&connection, &[ONE, TWO, MORE]);
        assert!(matches!(refusal, Err(StorageError::NewerDatabase { found: 4, known: 3 })), "{refusal:?}");
    }

    #[test]
    fn what_an_earlier_program_noted_without_saying_who_can_go_on_is_taken_strictly() {
        let (_dir, connection) = fresh();
        migrate(&connection, &[ONE, TWO]).unwrap();
        connection.batch("ALTER TABLE schema_migration DROP COLUMN oldest").unwrap();
        assert_eq!(migrate(&connection, &[ONE, TWO]).unwrap(), 0);
        assert!(matches!(migrate(&connection, &[ONE]), Err(StorageError::NewerDatabase { found: 2, known: 1 })));
        assert_eq!(migrate(&connection, &[ONE, TWO, MORE]).unwrap(), 1);
        assert_eq!(migrate(&connection, &[ONE, TWO]).unwrap(), 0);
        assert!(matches!(migrate(&connection, &[ONE]), Err(StorageError::NewerDatabase { found: 3, known: 1 })));
    }

    #[test]
    fn an_edited_or_renamed_migration_is_refused() {
        let (_dir, connection) = fresh();
        migrate(&connection, &[ONE]).unwrap();
        for edited in
            [Migration { sql: "CREATE TABLE other (id INTEGER)", ..ONE }, Migration { name: "renamed", ..ONE }]
        {
            let refusal = migrate(&connection, &[edited]);
            assert!(matches!(refusal, Err(StorageError::MigrationEdited { number: 1, .. })), "{refusal:?}");
        }
    }

    #[test]
    fn migrations_out_of_order_are_refused() {
        let (_dir, connection) = fresh();
        for list in [&[TWO][..], &[ONE, ONE], &[ONE, TWO, Migration { number: 4, ..TWO }]] {
            assert!(matches!(migrate(&connection, list), Err(StorageError::MigrationOrder { .. })));
        }
        assert!(tables(&connection).is_empty());
    }
}
