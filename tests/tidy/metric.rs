//! `docs/metrics.md` lists every metric, and nothing that is not one.

use std::collections::BTreeSet;

use crate::source::{Finding, Source};

const METRICS_PATH: &str = "docs/metrics.md";
const MACROS: &[&str] = &["counter!(", "gauge!(", "histogram!("];

/// Names in the first column of the page's tables.
fn documented(page: &Source) -> impl Iterator<Item = (usize, &str)> {
    page.lines().filter_map(|(line, text)| {
        let (name, _) = text.strip_prefix("| `")?.split_once('`')?;
        Some((line, name.split('{').next().unwrap_or(name)))
    })
}

/// Text literals that stand first in a metric's macro, in product code.
fn recorded(source: &Source) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    let mut wanted = false;
    for (line, text) in source.product_code() {
        let mut rest = text;
        while let Some(next) = if wanted { Some(rest) } else { after_macro(rest) } {
            let argument = next.trim_start();
            wanted = argument.is_empty();
            if wanted {
                break;
            }
            let literal = argument.strip_prefix('"').and_then(|a| a.split_once('"'));
            names.extend(literal.map(|(name, _)| (line, name.to_owned())));
            rest = argument;
        }
    }
    names
}

fn after_macro(text: &str) -> Option<&str> {
    let ends = MACROS.iter().filter_map(|name| text.find(name).map(|at| at + name.len()));
    text.get(ends.min()?..)
}

fn undocumented<'a>(page: &Source, tree: impl Iterator<Item = &'a Source>) -> Vec<Finding> {
    let sources: Vec<&Source> = tree.collect();
    let known: BTreeSet<&str> = documented(page).map(|(_, name)| name).collect();
    let mut findings = Vec::new();
    for source in &sources {
        let unknown = recorded(source).into_iter().filter(|(_, name)| !known.contains(name.as_str()));
        findings
            .extend(unknown.map(|(line, name)| source.finding(line, format!("`{name}` has no row in {METRICS_PATH}"))));
    }
    for (line, name) in documented(page) {
        let literal = format!("\"{name}\"");
        if !sources.iter().any(|source| source.product_code().any(|(_, text)| text.contains(&literal))) {
            findings.push(page.finding(line, format!("`{name}` is recorded nowhere")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{METRICS_PATH, recorded, undocumented};
    use crate::source::{Source, TREE, assert_none};

    #[test]
    fn metrics_and_their_page_agree() {
        let page = TREE.iter().find(|s| s.path == METRICS_PATH).expect(METRICS_PATH);
        assert_none(&undocumented(page, TREE.iter()));
    }

    #[test]
    fn a_difference_is_caught_both_ways() {
        let page =
            Source::new(METRICS_PATH, "| name | what |\n|---|---|\n| `a_total{task}` | a |\n| `b_seconds` | b |\n");
        let code = Source::new("a/src/b.rs", "counter!(\"a_total\", \"task\" => t); gauge!(\n  \"c_rows\"\n);");
        let texts: Vec<String> = undocumented(&page, [code].iter()).into_iter().map(|f| f.text).collect();
        assert_eq!(texts, ["`c_rows` has no row in docs/metrics.md", "`b_seconds` is recorded nowhere"]);
    }

    #[test]
    fn several_metrics_on_a_line_are_all_seen() {
        let code = Source::new("a/src/b.rs", "if x { counter!(\"a_total\") } else { counter!(\"b_total\") }");
        let names: Vec<String> = recorded(&code).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a_total", "b_total"]);
    }
}
