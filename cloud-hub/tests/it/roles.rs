//! Who may do what in the database of a large hub. Files have no roles: there is nothing to see then.

use cloud_hub::prepare::{Passwords, PrepareError, prepare};
use percolate_common::entropy::SeededEntropy;

use crate::support::ground::{Ground, as_admin, aside, connection_at, is_server};

/// Every table of a chain with every role and right that it may have, and whether it has it.
const RIGHTS: &str = "SELECT format('%s %s %s.%s', role, may, tables.schemaname, tables.tablename)
    FROM unnest(ARRAY['journal', 'catalog', 'identity', 'reporting']) AS role,
         unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS may,
         pg_tables AS tables
    WHERE tables.schemaname IN ('journal', 'catalog', 'identity', 'reporting')
      AND has_table_privilege('percolate_' || role, format('%I.%I', tables.schemaname, tables.tablename), may)
      AND has_schema_privilege('percolate_' || role, tables.schemaname, 'USAGE')
    ORDER BY 1";

/// What a service may do with a table of another.
fn is_lawful(right: &str) -> bool {
    let words: Vec<&str> = right.split(' ').collect();
    let [role, may, table] = words[..] else { panic!("{right}") };
    let (schema, table) = table.split_once('.').unwrap();
    match (role, may, schema) {
        _ if role == schema => true,
        (_, "SELECT", "journal") => true,
        // What a service says is copied from there.
        // Who takes in what boxes say lets them in.
        ("journal", "SELECT", "identity") => {
            ["auth_device", "auth_session", "auth_grant", "auth_place", "schema_migration"].contains(&table)
        }
        ("journal", "SELECT", "catalog") => ["outbox_life", "outbox_said", "schema_migration"].contains(&table),
        _ => false,
    }
}

#[test]
fn a_service_reads_the_journal_and_its_own_tables_and_writes_its_own_only() {
    if !is_server() {
        return;
    }
    let ground = Ground::new();
    // With tables for this quarter.
    drop(ground.journal());
    let name = aside(|| std::fs::read_to_string(ground.path().join("database")).unwrap());
    let rights = as_admin(&name, |admin| admin.texts(RIGHTS));
    let unlawful: Vec<_> = rights.iter().filter(|right| !is_lawful(right)).collect();
    assert_eq!(unlawful, Vec::<&String>::new());
    // It was looked at the right tables, and those who work have what they need.
    for needed in [
        "journal INSERT journal.journal_entry",
        "reporting SELECT journal.journal_entry",
        "catalog SELECT journal.journal_stream",
        "journal SELECT catalog.outbox_said",
        "reporting UPDATE reporting.rollup",
        "journal SELECT identity.auth_device",
        "journal SELECT identity.auth_session",
        "identity UPDATE identity.code",
    ] {
        assert!(rights.iter().any(|right| right == needed), "{needed} is not among {} rights", rights.len());
    }
    let quarters = rights.iter().filter(|right| right.starts_with("reporting SELECT journal.journal_entry_")).count();
    assert!(quarters >= 8, "the tables of a quarter can be read: {quarters}");
}

#[test]
fn passwords_of_a_chain_that_runs_are_not_changed_unless_that_is_said() {
    if !is_server() {
        return;
    }
    let ground = Ground::new();
    let (connection, secrets) = (connection_at(ground.path()), ground.path().join("other-secrets"));
    as_admin("postgres", move |admin| {
        // Roles are the whole server's: one test at a time sees to them.
        admin.batch("SELECT pg_advisory_lock(1)")?;
        admin.batch("ALTER ROLE percolate_catalog PASSWORD 'of somebody'")?;
        let prepared = |passwords| prepare(&connection, (Some(&secrets), passwords), &SeededEntropy::new(1));
        let refused = prepared(Passwords::Kept).unwrap_err();
        assert!(matches!(&refused, PrepareError::OtherPasswords { .. }) && !secrets.exists(), "{refused}");
        assert!(refused.to_string().contains("--new-passwords"), "{refused}");
        prepared(Passwords::New).unwrap();
        prepared(Passwords::Kept).unwrap();
        Ok(())
    });
}
