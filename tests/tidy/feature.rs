//! `docs/features.md` says of each row how it is shown; a test it names exists.

use std::collections::BTreeSet;

use crate::source::{Finding, Source};

const FEATURES_PATH: &str = "docs/features.md";

/// Groups of the table, in order.
const GROUPS: &str = "abcdefgh";

/// One row: what it is, and how it is shown.
struct Row<'a> {
    line: usize,
    group: char,
    name: &'a str,
    shown_by: &'a str,
}

/// Rows of all tables that stand below a heading `## (x) ...`.
fn rows(source: &Source) -> Vec<Row<'_>> {
    let mut group = None;
    let mut rows = Vec::new();
    for (line, text) in source.lines() {
        if let Some(heading) = text.strip_prefix("## ") {
            group = heading.strip_prefix('(').and_then(|h| h.chars().next());
        }
        let cells: Vec<&str> = text.split('|').map(str::trim).collect();
        if let (Some(group), ["", name, shown_by, ""]) = (group, cells.as_slice())
            && !name.starts_with("---")
            && *shown_by != "shown by"
        {
            rows.push(Row { line, group, name, shown_by });
        }
    }
    rows
}

/// Names of functions in test code.
pub(crate) fn test_names<'a>(tree: impl Iterator<Item = &'a Source>) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for source in tree.filter(|s| s.is_rust()) {
        let mut attribute = false;
        for text in source.bare().lines().map(str::trim) {
            if text.starts_with("#[") {
                attribute |= ["#[test]", "#[tokio::test"].iter().any(|mark| text.starts_with(mark));
            } else if attribute && !text.is_empty() {
                let name =
                    text.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')).map(|(name, _)| name.trim());
                names.extend(name);
                attribute = false;
            }
        }
    }
    names
}

fn unproven_rows(source: &Source, tests: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in rows(source) {
        let named: Vec<&str> = row.shown_by.split('`').skip(1).step_by(2).collect();
        if named.is_empty() && !["missing", "simulated"].contains(&row.shown_by) {
            findings
                .push(source.finding(row.line, format!("`{}`: name a test, or say simulated or missing", row.name)));
        }
        for test in named.iter().filter(|t| !tests.contains(*t)) {
            findings.push(
                source.finding(row.line, format!("`{}` names the test `{test}`, which does not exist", row.name)),
            );
        }
    }
    findings
}

fn missing_groups(source: &Source) -> Vec<Finding> {
    let present: BTreeSet<char> = rows(source).iter().map(|row| row.group).collect();
    let absent = GROUPS.chars().filter(|group| !present.contains(group));
    absent.map(|group| source.finding(0, format!("group ({group}) has no rows"))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FEATURES_PATH, missing_groups, test_names, unproven_rows};
    use crate::source::{Source, TREE, assert_none};

    #[test]
    fn every_feature_names_a_test_that_exists() {
        let source = TREE.iter().find(|s| s.path == FEATURES_PATH).expect("docs/features.md");
        assert_none(&missing_groups(source));
        assert_none(&unproven_rows(source, &test_names(TREE.iter())));
    }

    #[test]
    fn a_row_without_proof_is_caught() {
        let tests = BTreeSet::from(["a_sale_is_kept"]);
        let found = |shown_by: &str| {
            let text = format!("## (a) Selling\n\n| what | shown by |\n|---|---|\n| Selling | {shown_by} |\n");
            unproven_rows(&Source::new(FEATURES_PATH, &text), &tests).len()
        };
        assert_eq!(found("`a_sale_is_kept`"), 0);
        assert_eq!(found("missing"), 0);
        assert_eq!(found("simulated: `a_sale_is_kept`"), 0);
        assert_eq!(found("`a_sale_is_lost`, `a_sale_is_kept`"), 1);
        assert_eq!(found("done"), 1);
        assert_eq!(found(""), 1);
    }

    #[test]
    fn a_lost_group_is_caught() {
        let source = Source::new(FEATURES_PATH, "## (a) Selling\n\n| x | missing |\n");
        assert_eq!(missing_groups(&source).len(), 7);
    }

    #[test]
    fn only_tests_count_as_tests() {
        let text = "fn no() {}\n#[test]\nfn yes() {}\n#[tokio::test(flavor = \"a\")]\n#[x]\nasync fn also() {}\n\
            // #[test]\nfn not() {}\n";
        let source = Source::new("a/src/b.rs", text);
        assert_eq!(test_names([source].iter()), BTreeSet::from(["yes", "also"]));
    }
}
