//! A migration that was merged is never edited: shops have run it. `migrations.lock` holds the checksum of each.

use std::collections::BTreeMap;

use crate::source::{Finding, Source};

/// The list, beside this file: one `path checksum` a line.
const LOCK_PATH: &str = "tests/tidy/migrations.lock";

fn is_migration(path: &str) -> bool {
    path.contains("/migrations/") && path.ends_with(".sql")
}

fn checksum(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn locked(lock: &str) -> BTreeMap<&str, &str> {
    lock.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect()
}

/// Compares the migrations of `tree` with the list in it.
fn changed_migrations<'a>(tree: impl Iterator<Item = &'a Source> + Clone) -> Vec<Finding> {
    let whole = |text: String| Finding { path: LOCK_PATH.to_owned(), line: 0, text };
    let Some(lock) = tree.clone().find(|s| s.path == LOCK_PATH) else {
        return vec![whole("is missing".to_owned())];
    };
    let mut expected = locked(&lock.text);
    let mut findings = Vec::new();
    for source in tree.filter(|s| is_migration(&s.path)) {
        let actual = checksum(&source.text);
        match expected.remove(source.path.as_str()) {
            Some(known) if known == actual => {}
            Some(_) => {
                findings.push(source.finding(0, "was merged and may not change: write the next migration instead"))
            }
            None => findings.push(whole(format!("a new migration; add this line:\n{} {actual}", source.path))),
        }
    }
    findings.extend(expected.keys().map(|path| whole(format!("{path} was merged and is gone"))));
    findings
}

#[cfg(test)]
mod tests {
    use super::{LOCK_PATH, changed_migrations, checksum};
    use crate::source::{Source, TREE, assert_none};

    const PATH: &str = "store-node/migrations/0001_catalog.sql";

    fn findings(lock: &str, migrations: &[(&str, &str)]) -> Vec<String> {
        let mut tree = vec![Source::new(LOCK_PATH, lock)];
        tree.extend(migrations.iter().map(|(path, text)| Source::new(path, text)));
        changed_migrations(tree.iter()).into_iter().map(|f| f.text).collect()
    }

    #[test]
    fn merged_migrations_are_as_they_were() {
        assert_none(&changed_migrations(TREE.iter()));
    }

    #[test]
    fn the_lock_file_knows_what_it_lists() {
        let lock = format!("# header\n{PATH} {}\n", checksum("CREATE TABLE a;"));
        assert_eq!(findings(&lock, &[(PATH, "CREATE TABLE a;")]), Vec::<String>::new());
        assert!(findings(&lock, &[(PATH, "CREATE TABLE b;")]).concat().contains("may not change"));
        assert!(findings(&lock, &[]).concat().contains("is gone"));
    }

    #[test]
    fn a_new_migration_is_told_its_line() {
        let told = findings("# header\n", &[(PATH, "CREATE TABLE a;")]).concat();
        assert!(told.ends_with(&format!("{PATH} {}", checksum("CREATE TABLE a;"))), "{told}");
    }
}
