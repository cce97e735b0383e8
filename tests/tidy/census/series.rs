//! Every metric stands on its page and is recorded somewhere; a description alone records nothing.

use super::{Kind, Need, Row, Table};
use crate::lexer::is_word;
use crate::source::Source;

const METRICS_PATH: &str = "docs/metrics.md";
const MACROS: &[&str] = &["counter!(", "gauge!(", "histogram!("];

static KIND: Kind = Kind {
    name: "metrics",
    columns: &["documented", "recorded"],
    need: Need::Every,
    advice: "Give it a row in docs/metrics.md, or record it where it happens; what is only described is always empty.",
};

pub(super) fn rows(tree: &[Source]) -> Vec<Row> {
    let mut table = Table::new(&KIND);
    for page in tree.iter().filter(|source| source.path == METRICS_PATH) {
        documented(page).for_each(|(line, name)| table.count(name, (page, line), 0));
    }
    for source in tree {
        recorded(source).iter().for_each(|(line, name)| table.count(name, (source, *line), 1));
    }
    table.rows()
}

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

/// What follows the first such macro; `describe_counter!` and its like record nothing.
fn after_macro(text: &str) -> Option<&str> {
    let whole = |at: &usize| !text.get(..*at).and_then(|s| s.chars().next_back()).is_some_and(is_word);
    let ends = MACROS.iter().filter_map(|name| {
        let first = text.match_indices(name).map(|(at, _)| at).find(whole);
        first.map(|at| at + name.len())
    });
    text.get(ends.min()?..)
}

#[cfg(test)]
mod tests {
    use super::{METRICS_PATH, recorded, rows};
    use crate::source::Source;

    #[test]
    fn a_metric_that_is_only_described_has_a_zero() {
        let tree = [
            Source::new(METRICS_PATH, "| name | what |\n|---|---|\n| `a_total` | a |\n| `b_total` | b |\n"),
            Source::new(
                "a/src/b.rs",
                "fn a() { counter!(\"a_total\"); describe_counter!(\"b_total\", \"b\"); counter!(\"c_total\"); }",
            ),
        ];
        let found: Vec<_> = rows(&tree).into_iter().map(|row| (row.name, row.counts)).collect();
        let expected = [("a_total", [1, 1]), ("b_total", [1, 0]), ("c_total", [0, 1])];
        assert_eq!(found, expected.map(|(name, counts)| (name.to_owned(), counts.to_vec())));
    }

    #[test]
    fn several_metrics_on_a_line_and_one_on_the_next_are_all_seen() {
        let text =
            "if x { counter!(\"a_total\") } else { counter!(\"b_total\", \"task\" => t) }; gauge!(\n  \"c_rows\"\n);";
        let names: Vec<String> = recorded(&Source::new("a/src/b.rs", text)).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a_total", "b_total", "c_rows"]);
    }
}
