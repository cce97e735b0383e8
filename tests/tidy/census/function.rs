//! Public functions that no shipping code ever names: the compiler sees no dead code in what a package shows to others.

use std::collections::BTreeMap;

use super::scan::{line_of, product_text};
use super::{Kind, Need, Row};
use crate::lexer::is_word;
use crate::source::Source;

static KIND: Kind = Kind {
    name: "public functions that nothing names",
    columns: &["callers"],
    need: Need::Every,
    advice: "Only tests know it, or nobody: take it away, or say in tests/tidy/census/mod.rs whom it waits for.",
};

/// Whose code ships.
const SHIPPED: &[&str] = &["common/", "store-node/", "cloud-hub/", "provisioning/"];

/// How public functions are written.
const PUBLIC: &[&str] = &["pub fn ", "pub const fn ", "pub async fn "];

pub(super) fn rows(tree: &[Source]) -> Vec<Row> {
    let ships = |source: &&Source| source.is_rust() && SHIPPED.iter().any(|place| source.path.starts_with(place));
    let shipped: Vec<(&Source, String)> =
        tree.iter().filter(ships).map(|source| (source, product_text(source))).collect();
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for (source, _) in &shipped {
        for (_, line) in source.product_bare() {
            count_names(line, &mut named);
        }
    }
    let mut rows = Vec::new();
    for (source, text) in &shipped {
        for (name, line) in public_functions(text) {
            if named.get(name).copied().unwrap_or(0) == 0 {
                let name = format!("{} {name}", source.path);
                rows.push(Row { kind: &KIND, name, path: source.path.clone(), line, counts: vec![0] });
            }
        }
    }
    rows
}

/// Counts the words of a line, but for those that a function is given as its name.
fn count_names<'t>(line: &'t str, named: &mut BTreeMap<&'t str, usize>) {
    let mut before = "";
    for word in line.split(|c| !is_word(c)).filter(|word| !word.is_empty()) {
        if before != "fn" {
            *named.entry(word).or_default() += 1;
        }
        before = word;
    }
}

fn public_functions(text: &str) -> Vec<(&str, usize)> {
    let found = PUBLIC.iter().flat_map(|how| text.match_indices(how).map(|(at, _)| (at, at + how.len())));
    let named = found.filter_map(|(at, name_at)| {
        let name = text.get(name_at..)?.split(|c| !is_word(c)).next()?;
        Some((name, line_of(text, at)))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::rows;
    use crate::source::Source;

    #[test]
    fn a_public_function_that_only_tests_name_is_found() {
        let tree = [
            Source::new(
                "common/src/a.rs",
                "pub fn used() {}\npub const fn tested() {}\n#[cfg(test)]\nmod tests { fn t() { tested(); } }\n",
            ),
            Source::new(
                "store-node/src/b.rs",
                "pub(crate) fn own() { crate::used(); }\npub async fn spoken_of() {} // tested\n",
            ),
            Source::new("tests/e2e/c.rs", "fn c() { spoken_of(); tested(); }\n"),
        ];
        let found: Vec<_> = rows(&tree).into_iter().map(|row| (row.name, row.line)).collect();
        let expected = [("common/src/a.rs tested", 2), ("store-node/src/b.rs spoken_of", 2)];
        assert_eq!(found, expected.map(|(name, line)| (name.to_owned(), line)));
    }
}
