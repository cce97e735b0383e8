//! The tables of each quarter on a server. They are made ahead of time, and by whoever comes first if they were not.

use percolate_common::time::UtcMillis;
use percolate_runtime::params;
use percolate_runtime::storage::{ReadTx, StorageError, WriteTx};

/// Quarters that are made ahead of the present one.
const AHEAD: i32 = 2;

/// Into how many tables the authors of a quarter are divided.
const PARTS: u32 = 8;

/// Makes the tables of the present quarter and of the next ones, where they are missing.
///
/// # Errors
/// [`StorageError`] if they cannot be made.
pub(super) fn quarters_ensure(tx: &WriteTx<'_>, now: UtcMillis) -> Result<(), StorageError> {
    (0..=AHEAD).try_for_each(|ahead| quarter_ensure(tx, now.quarter() + ahead))
}

/// Makes the tables of a quarter if they are missing. Attached when they are whole, so that nobody who writes another
/// quarter has to wait.
pub(super) fn quarter_ensure(tx: &WriteTx<'_>, quarter: i32) -> Result<(), StorageError> {
    let table = table(quarter);
    if exists(tx, &table)? {
        return Ok(());
    }
    // Of several who find it missing one makes it; the others wait, and look again.
    tx.execute("LOCK TABLE schema_migration IN EXCLUSIVE MODE", &[])?;
    if exists(tx, &table)? {
        return Ok(());
    }
    tx.execute(&format!("CREATE TABLE {table} (LIKE journal_entry INCLUDING ALL) PARTITION BY HASH (author)"), &[])?;
    for part in 0..PARTS {
        tx.execute(
            &format!(
                "CREATE TABLE {table}_{part} PARTITION OF {table} FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {part})"
            ),
            &[],
        )?;
    }
    tx.execute(
        &format!("ALTER TABLE journal_entry ATTACH PARTITION {table} FOR VALUES FROM ({quarter}) TO ({})", quarter + 1),
        &[],
    )?;
    tracing::info!(table, "the tables of a quarter were made: {table}");
    Ok(())
}

fn table(quarter: i32) -> String {
    format!("journal_entry_{}q{}", quarter.div_euclid(4), quarter.rem_euclid(4) + 1)
}

fn exists(tx: &ReadTx<'_>, table: &str) -> Result<bool, StorageError> {
    tx.query_one(
        "SELECT EXISTS (SELECT 1 FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace
                        WHERE space.nspname = current_schema() AND class.relname = CAST(?1 AS TEXT))",
        params![table],
        |row| row.take(),
    )
}
