//! Decision records: numbered without gaps, each with the three sections that make it one.

use crate::source::{Finding, Source};

const FOLDER: &str = "docs/adr/";
const SECTIONS: &[&str] = &["## Context", "## Decision", "## Consequences"];

fn number(source: &Source) -> Option<usize> {
    source.path.strip_prefix(FOLDER)?.split_once('-')?.0.parse().ok()
}

fn records<'a>(tree: impl Iterator<Item = &'a Source>) -> Vec<&'a Source> {
    tree.filter(|s| s.path.starts_with(FOLDER) && s.path.ends_with(".md") && !s.path.ends_with("/README.md")).collect()
}

/// `tree` is in the order of paths.
fn broken_records<'a>(tree: impl Iterator<Item = &'a Source>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, record) in records(tree).into_iter().enumerate() {
        let expected = at + 1;
        if number(record) != Some(expected) {
            findings.push(record.finding(1, format!("records are numbered without gaps; this place is {expected:04}")));
        }
        let title = record.lines().next().is_some_and(|(_, text)| text.starts_with(&format!("# {expected:04} ")));
        if !title {
            findings.push(record.finding(1, format!("the title starts with `# {expected:04} `")));
        }
        let absent = SECTIONS.iter().filter(|section| !record.lines().any(|(_, text)| text == **section));
        findings.extend(absent.map(|section| record.finding(1, format!("`{section}` is missing"))));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{broken_records, records};
    use crate::source::{Source, TREE, assert_none};

    #[test]
    fn records_are_numbered_and_whole() {
        assert!(!records(TREE.iter()).is_empty());
        assert_none(&broken_records(TREE.iter()));
    }

    #[test]
    fn a_broken_record_is_caught() {
        let whole = "# 0001 A\n\n## Context\n\n## Decision\n\n## Consequences\n";
        let found = |path: &str, text: &str| broken_records([Source::new(path, text)].iter()).len();
        assert_eq!(found("docs/adr/0001-a.md", whole), 0);
        assert_eq!(found("docs/adr/0002-a.md", whole), 1);
        assert_eq!(found("docs/adr/0001-a.md", "# A\n\n## Context\n\n## Consequences\n"), 2);
    }
}
