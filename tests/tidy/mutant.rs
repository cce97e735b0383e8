//! `.cargo/mutants.toml` names files that exist, and what it leaves out is explained in `docs/mutants.md`.

use crate::source::{Finding, Source};

const CONFIG_PATH: &str = ".cargo/mutants.toml";
const PAGE_PATH: &str = "docs/mutants.md";

/// The texts of a list in the configuration, each with its line; in single or double quotes.
fn listed<'s>(config: &'s Source, name: &str) -> Vec<(usize, &'s str)> {
    let head = format!("{name} = [");
    let below = config.lines().skip_while(|(_, text)| !text.starts_with(&head)).skip(1);
    let inside = below.take_while(|(_, text)| !text.starts_with(']'));
    let text = |(line, text): (usize, &'s str)| {
        let quoted = text.trim().trim_end_matches(',');
        let bare = ['\'', '"'].iter().find_map(|quote| quoted.strip_prefix(*quote)?.strip_suffix(*quote));
        bare.map(|bare| (line, bare))
    };
    inside.filter_map(text).collect()
}

/// First cells of the page's tables.
fn explained(page: &Source) -> Vec<(usize, &str)> {
    page.lines().filter_map(|(line, text)| Some((line, text.strip_prefix("| `")?.split_once("` |")?.0))).collect()
}

fn findings<'a>(config: &Source, page: &Source, paths: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let paths: Vec<&str> = paths.collect();
    let mut findings = Vec::new();
    for (line, glob) in listed(config, "examine_globs") {
        let start = glob.trim_end_matches("**");
        if !paths.iter().any(|path| path.starts_with(start)) {
            findings.push(config.finding(line, format!("`{glob}` names no file: it was moved or removed")));
        }
    }
    let left_out = listed(config, "exclude_re");
    let rows = explained(page);
    for (line, change) in &left_out {
        if !rows.iter().any(|(_, row)| row == change) {
            findings.push(config.finding(*line, format!("`{change}` has no row in {PAGE_PATH} that says why")));
        }
    }
    for (line, row) in rows {
        if !left_out.iter().any(|(_, change)| *change == row) {
            findings.push(page.finding(line, format!("`{row}` is not left out by {CONFIG_PATH}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{CONFIG_PATH, PAGE_PATH, findings};
    use crate::source::{Source, TREE, assert_none};

    #[test]
    fn what_mutants_leave_out_is_explained() {
        let page = |path: &str| TREE.iter().find(|source| source.path == path).expect("invariant: the file is there");
        assert_none(&findings(page(CONFIG_PATH), page(PAGE_PATH), TREE.iter().map(|source| source.path.as_str())));
    }

    #[test]
    fn a_file_that_is_gone_and_a_change_without_a_reason_are_caught() {
        let config =
            "examine_globs = [\n  \"common/src/a.rs\",\n  \"common/src/b/**\",\n]\nexclude_re = [\n  'in a::b$',\n]\n";
        let found = |page: &str, path: &str| {
            findings(
                &Source::new(CONFIG_PATH, config),
                &Source::new(PAGE_PATH, page),
                ["common/src/a.rs", path].into_iter(),
            )
            .len()
        };
        assert_eq!(found("| change | why |\n|---|---|\n| `in a::b$` | because |\n", "common/src/b/c.rs"), 0);
        assert_eq!(found("| `in a::b$` | because |\n", "common/src/c.rs"), 1);
        assert_eq!(found("", "common/src/b/c.rs"), 1);
        assert_eq!(found("| `in a::b$` | because |\n| `in c$` | because |\n", "common/src/b/c.rs"), 1);
    }
}
