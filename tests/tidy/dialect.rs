//! One text for all engines: what the hub's statements do not say, because an engine does not understand it, or
//! understands something else. See docs/design/large-profile.md, 2.2.

use crate::lexer::{has_word, is_word};
use crate::room::is_sql_place;
use crate::source::{Finding, Source};

/// Words of one engine, and what to say instead.
const WORDS: &[(&str, &str)] = &[
    ("last_insert_rowid", "say RETURNING"),
    ("rowid", "name the key"),
    ("PRAGMA", "it is the runtime's business"),
    ("FILTER", "say CASE"),
    ("substr", "cut it in Rust"),
    ("GLOB", "compare in Rust"),
    ("LIMIT -1", "say LIMIT 1000000"),
    ("INSERT OR", "say ON CONFLICT"),
];

/// Comparisons and sums, in which a bare column beside `excluded` is ambiguous to some.
const OPERATORS: &[&str] = &["+", "-", "<", ">", "<>", "<=", ">="];

fn dialect(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("cloud-hub/src/") || !is_sql_place(&source.path) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, text) in source.product_code() {
        let foreign = WORDS.iter().filter(|(word, _)| has_word(text, word));
        findings.extend(foreign.map(|(word, instead)| source.finding(line, format!("`{word}`: {instead}"))));
        for (found, why) in [
            (names_parameter(text), "bind by position: ?1, ?2"),
            (takes_larger(text), "scalar max and min are SQLite's: say CASE"),
            (sums_bare(text), "a sum is a decimal to PostgreSQL: say CAST(sum(...) AS BIGINT)"),
            (upserts_bare(text), "name the table of the column that stands beside excluded"),
            (compares_by_is(text), "IS compares values in SQLite only: it is for NULL"),
        ] {
            if found {
                findings.push(source.finding(line, why));
            }
        }
    }
    findings
}

/// Whether `text` binds by name, as in `WHERE id = :id`.
fn names_parameter(text: &str) -> bool {
    [" :", "(:"].iter().any(|start| {
        text.match_indices(start).any(|(at, _)| text[at + start.len()..].starts_with(|c: char| c.is_ascii_lowercase()))
    })
}

/// Where a function of SQL is called: what stands before, and after the bracket.
fn calls<'a>(text: &'a str, function: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let ends = text.match_indices(function).map(|(at, call)| (at, at + call.len()));
    let split = ends.map(|(at, end)| (&text[..at], &text[end..]));
    split.filter(|(before, _)| !before.ends_with(|c: char| is_word(c) || c == '.' || c == ':'))
}

fn takes_larger(text: &str) -> bool {
    let arguments = ["max(", "min("].into_iter().flat_map(|function| calls(text, function));
    arguments.into_iter().any(|(_, after)| after.split(')').next().is_some_and(|inside| inside.contains(',')))
}

fn sums_bare(text: &str) -> bool {
    calls(text, "sum(").any(|(before, _)| !before.ends_with("CAST("))
}

fn upserts_bare(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_matches(['(', ')', ',', '"', '-'])).collect();
    let operators = text.split_whitespace().enumerate().filter(|(_, word)| OPERATORS.contains(word));
    let is_bare = |word: &str| word.starts_with(|c: char| c.is_ascii_lowercase()) && !word.contains('.');
    operators.into_iter().any(|(at, _)| {
        let (before, after) = (words.get(at.wrapping_sub(1)), words.get(at + 1));
        let (Some(before), Some(after)) = (before, after) else { return false };
        let pair = [(before, after), (after, before)];
        pair.iter().any(|(one, other)| one.starts_with("excluded.") && is_bare(other))
    })
}

fn compares_by_is(text: &str) -> bool {
    text.match_indices(" IS ").any(|(at, word)| {
        let after = &text[at + word.len()..];
        !after.strip_prefix("NOT ").unwrap_or(after).starts_with("NULL")
    })
}

#[cfg(test)]
mod tests {
    use super::dialect;
    use crate::source::{assert_clean, count};

    #[test]
    fn the_hubs_statements_are_for_all_engines() {
        assert_clean(dialect);
    }

    #[test]
    fn what_one_engine_says_is_caught() {
        for text in [
            "SELECT last_insert_rowid()",
            "DELETE FROM t WHERE rowid = ?1",
            "SELECT a FROM t LIMIT -1 OFFSET ?1",
            "INSERT OR IGNORE INTO t (a) VALUES (?1)",
            "SELECT a FROM t WHERE b = :b",
            "INSERT INTO t (a) VALUES (:a)",
            "UPDATE t SET a = max(a, ?1)",
            "SELECT sum(a) FROM t",
            "SET a = a + excluded.a",
            "WHERE excluded.seq > seq",
            "WHERE (-excluded.rank, excluded.name) < (-rank, name)",
            "WHERE a IS ?1",
            "WHERE a IS NOT ?1",
        ] {
            let code = format!("const A: &str = \"{text}\";");
            assert_eq!(count(dialect, "cloud-hub/src/reporting/store/read.rs", &code), 1, "{text}");
            assert_eq!(count(dialect, "store-node/src/store/sales.rs", &code), 0, "{text}");
        }
    }

    #[test]
    fn what_all_say_is_lawful() {
        for text in [
            "SELECT max(a), CAST(sum(b) AS BIGINT) FROM t WHERE c IS NOT NULL AND d IS NULL LIMIT ?1",
            "ON CONFLICT (a) DO UPDATE SET b = t.b + excluded.b, c = excluded.c WHERE excluded.c > t.c",
            "WHERE (-excluded.rank, excluded.name) < (-t.rank, t.name)",
        ] {
            let code = format!("const A: &str = \"{text}\"; fn f() {{ g::max(a, b); sums.iter().sum() }}");
            assert_eq!(count(dialect, "cloud-hub/src/reporting/store/read.rs", &code), 0, "{text}");
        }
    }
}
