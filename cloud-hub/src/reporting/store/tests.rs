//! What SQLite does for a report: it searches, and reads no table through.

use percolate_runtime::storage::{StorageError, Value};
use tempfile::TempDir;

use crate::kernel::db::Db;
use crate::kernel::engine::Engine;
use crate::reporting::SCHEMA;

use super::TABLES;
use super::read::{
    NAME_FETCH, NEWEST_DAY, ROLLUP_BY_DAY, ROLLUP_BY_KEY, ROLLUP_STORES, ROLLUP_TOTAL, TICKET_LIST, TICKET_RECENT,
};

/// What SQLite says that it will do, a line a step.
fn plan(sql: &str) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let db = Db::open(&SCHEMA, folder.path(), &Engine::Threads).unwrap();
    let explained = format!("EXPLAIN QUERY PLAN {sql}");
    let bound = vec![Value::Null; sql.matches('?').count()];
    let steps: Result<Vec<String>, StorageError> = db.read(|tx| {
        tx.query_list(&explained, &bound, |row| {
            // Three numbers stand before the text.
            (0..3).try_for_each(|_| row.take::<i64>().map(drop))?;
            row.take()
        })
    });
    db.stop_blocking();
    steps.unwrap()
}

fn assert_steps(sql: &str, expected: &str) {
    let steps = plan(sql);
    assert!(steps.iter().any(|step| step.starts_with(expected)), "{expected:?} is not among {steps:#?}");
    for table in TABLES {
        assert!(!steps.iter().any(|step| step.starts_with(&format!("SCAN {table}"))), "{steps:#?}");
    }
}

#[test]
fn reports_search_the_rollups_by_primary_key_and_scan_no_table() {
    let by_days = "SEARCH rollup USING PRIMARY KEY (scope=? AND kind=? AND day>? AND day<?)";
    for sql in [ROLLUP_BY_KEY, ROLLUP_BY_DAY, ROLLUP_TOTAL] {
        assert_steps(sql, by_days);
        assert!(plan(sql).iter().all(|step| !step.contains("ticket")), "{sql}");
    }
    assert_steps(ROLLUP_STORES, "SEARCH rollup USING PRIMARY KEY (scope>?)");
    assert_steps(NEWEST_DAY, "SEARCH rollup USING PRIMARY KEY (scope=? AND kind=?)");
    assert_steps(NAME_FETCH, "SEARCH name USING PRIMARY KEY (key=?)");
}

#[test]
fn tickets_are_listed_by_index_and_never_sorted() {
    assert_steps(TICKET_LIST, "SEARCH ticket USING INDEX ticket_by_store (store=? AND day>? AND day<?)");
    assert_steps(TICKET_RECENT, "SEARCH ticket USING INDEX ticket_by_day (day=?)");
    for sql in [TICKET_LIST, TICKET_RECENT] {
        assert!(plan(sql).iter().all(|step| !step.contains("TEMP B-TREE")), "{:#?}", plan(sql));
    }
}

#[test]
fn a_scan_would_be_seen() {
    assert!(plan("SELECT sum(net_minor) FROM ticket").iter().any(|step| step.starts_with("SCAN ticket")));
}
