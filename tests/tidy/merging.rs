//! `docs/merging.md` says of each kind of fact how two of it are merged, and names tests that exist.

use std::collections::BTreeSet;

use crate::census::event::{FACTS, variants};
use crate::source::{Finding, Source};

const MERGING_PATH: &str = "docs/merging.md";

/// Facts about an open ticket: they are a table of their own within one event.
const WITHIN: &[(&str, &str)] = &[("OpenFact", "common/src/domain/tickets/open/mod.rs")];

/// Names in the first column of the page's tables, each with its line.
fn told(page: &Source) -> Vec<(usize, &str)> {
    let mut told = Vec::new();
    for (line, text) in page.lines() {
        let name = text.strip_prefix("| `").and_then(|rest| rest.split_once('`'));
        told.extend(name.map(|(name, _)| (line, name)));
    }
    told
}

/// Kinds of facts without a row, and rows without a kind.
fn unmerged(tree: &[Source], page: &Source) -> Vec<Finding> {
    let enums = FACTS.iter().chain(WITHIN);
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    for (name, path) in enums {
        let Some(source) = tree.iter().find(|source| source.path == *path) else { continue };
        kinds.extend(variants(source, name).into_iter().map(|(variant, _)| variant));
    }
    let told = told(page);
    let mut findings = Vec::new();
    for kind in &kinds {
        if !told.iter().any(|(_, name)| name == kind) {
            findings.push(page.finding(0, format!("`{kind}` has no row: say how two of it are merged")));
        }
    }
    for (line, name) in told {
        if !kinds.contains(name) {
            findings.push(page.finding(line, format!("`{name}` is no kind of fact any more")));
        }
    }
    findings
}

/// Tests that the page names and that are not there.
fn unproven(page: &Source, tests: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in page.lines() {
        let last = text.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        for test in last.split('`').skip(1).step_by(2).filter(|name| name.contains('_') && text.starts_with('|')) {
            if !tests.contains(test) {
                findings.push(page.finding(line, format!("the test `{test}` does not exist")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{MERGING_PATH, WITHIN, unmerged, unproven};
    use crate::census::event::{FACTS, variants};
    use crate::feature::test_names;
    use crate::source::{Source, TREE, assert_none};

    #[test]
    fn how_each_kind_of_fact_is_merged_is_published() {
        let page = TREE.iter().find(|source| source.path == MERGING_PATH).expect("docs/merging.md");
        for (name, path) in FACTS.iter().chain(WITHIN) {
            let source = TREE.iter().find(|source| source.path == *path).expect("where facts are written");
            assert!(!variants(source, name).is_empty(), "{name} is not in {path}");
        }
        assert_none(&unmerged(&TREE, page));
        assert_none(&unproven(page, &test_names(TREE.iter())));
    }

    #[test]
    fn a_kind_of_fact_without_a_row_and_a_row_without_one_are_caught() {
        let tree = [Source::new(
            "common/src/domain/event.rs",
            "pub enum Event {\n    /// A.\n    Sold(Sold),\n    /// B.\n    Lost(Lost),\n}\n",
        )];
        let found = |text: &str| unmerged(&tree, &Source::new(MERGING_PATH, text)).len();
        assert_eq!(found("| `Sold` | once |\n| `Lost` | once |\n"), 0);
        assert_eq!(found("| `Sold` | once |\n"), 1);
        assert_eq!(found("| `Sold` | once |\n| `Lost` | once |\n| `Gone` | never |\n"), 1);
    }

    #[test]
    fn a_test_that_is_not_there_is_caught() {
        let tests = BTreeSet::from(["a_sale_counts_once"]);
        let found = |row: &str| unproven(&Source::new(MERGING_PATH, row), &tests).len();
        assert_eq!(found("| `Sold` | once | both | `a_sale_counts_once` |\n"), 0);
        assert_eq!(found("| `Sold` | once | both | `a_sale_counts_once`, `a_sale_counts_twice` |\n"), 1);
        assert_eq!(found("| `Sold` | by `ticket_id` | both | |\n"), 0, "words of the other columns are no tests");
    }
}
