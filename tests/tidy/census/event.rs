//! Every event type is written by somebody and read by somebody.

use super::scan::{divide, line_of, places, product_text};
use super::{Kind, Need, Row};
use crate::lexer::is_word;
use crate::source::Source;

static KIND: Kind = Kind {
    name: "events",
    columns: &["written", "read"],
    need: Need::Every,
    advice: "Shipping code must make it, and a program must do something with what it says; what nobody needs goes, \
             or say in tests/tidy/census/mod.rs why the zero is right.",
};

/// The enums of facts, and where they stand.
pub(crate) const FACTS: &[(&str, &str)] =
    &[("Event", "common/src/domain/event.rs"), ("CatalogEvent", "common/src/domain/catalog/mod.rs")];

/// Where facts are only carried: their twins on the wire.
const CARRIERS: &[&str] = &["common/src/wire/"];

/// Whose code ships.
const SHIPPED: &[&str] = &["common/src/", "store-node/src/", "cloud-hub/src/", "provisioning/src/"];

/// What one mention of a variant does.
#[derive(Debug, PartialEq, Eq)]
enum Use {
    Written,
    /// A pattern that takes what is inside.
    Read,
    /// A pattern that passes over it.
    Passed,
}

pub(super) fn rows(tree: &[Source]) -> Vec<Row> {
    let ships = |source: &&Source| {
        SHIPPED.iter().any(|place| source.path.starts_with(place))
            && !CARRIERS.iter().any(|place| source.path.starts_with(place))
    };
    let texts: Vec<String> = tree.iter().filter(ships).map(product_text).collect();
    let mut rows = Vec::new();
    for (name, path) in FACTS {
        let Some(source) = tree.iter().find(|source| source.path == *path) else { continue };
        for (variant, line) in variants(source, name) {
            let mention = format!("{name}::{variant}");
            let uses: Vec<Use> = texts.iter().flat_map(|text| uses(text, &mention)).collect();
            let count = |wanted: &Use| uses.iter().filter(|found| *found == wanted).count();
            let counts = vec![count(&Use::Written), count(&Use::Read)];
            rows.push(Row { kind: &KIND, name: mention, path: source.path.clone(), line, counts });
        }
    }
    rows
}

/// The variants of an enum, each with its line.
pub(crate) fn variants(source: &Source, name: &str) -> Vec<(String, usize)> {
    let text = product_text(source);
    let head = format!("enum {name} {{");
    let Some(at) = text.find(&head) else { return Vec::new() };
    let from = at + head.len();
    let body = text.get(from..).unwrap_or_default();
    let end = divide(body).1;
    let lines = body.get(..end).unwrap_or_default().lines().enumerate();
    let variant = |(at, line): (usize, &str)| {
        let word: String = line.trim_start().chars().take_while(|c| is_word(*c)).collect();
        word.starts_with(char::is_uppercase).then(|| (word, line_of(&text, from) + at))
    };
    lines.filter_map(variant).collect()
}

fn uses(text: &str, mention: &str) -> Vec<Use> {
    let whole = places(text, mention).filter(|at| {
        let after = text.get(at + mention.len()..).and_then(|s| s.chars().next());
        !after.is_some_and(is_word)
    });
    whole.map(|at| use_of(text.get(at + mention.len()..).unwrap_or_default())).collect()
}

/// What a mention does, by what follows it: a pattern is followed by an arrow, another pattern, a condition, or the value
/// that it is matched with.
fn use_of(after: &str) -> Use {
    let Some(inside) = after.strip_prefix('(') else { return Use::Written };
    let (parts, end) = divide(inside);
    let rest = inside.get(end + 1..).unwrap_or_default().trim_start_matches(')').trim_start();
    let is_value = rest.starts_with("==") || rest.starts_with("||");
    let is_pattern = !is_value && ["=", "|", "if "].iter().any(|next| rest.starts_with(next));
    match parts.as_slice() {
        _ if !is_pattern => Use::Written,
        ["_"] => Use::Passed,
        _ => Use::Read,
    }
}

#[cfg(test)]
mod tests {
    use super::{Use, rows, uses, variants};
    use crate::source::Source;

    #[test]
    fn writing_reading_and_passing_over_are_told_apart() {
        let found = |text: &str| uses(text, "Event::Sold");
        assert_eq!(found("record(tx, &Event::Sold(sold))?;"), [Use::Written]);
        assert_eq!(found("let event = Event::Sold(sold);"), [Use::Written]);
        assert_eq!(found("said.map(Event::Sold).collect()"), [Use::Written]);
        assert_eq!(found("vec![Event::Sold(Sold { a: 1 })]"), [Use::Written]);
        assert_eq!(found("Event::Sold(sold) if sold.real => 1,"), [Use::Read]);
        assert_eq!(found("Event::Sold(sold) => 1,"), [Use::Read]);
        assert_eq!(found("let Ok(Event::Sold(sold)) = decode() else {"), [Use::Read]);
        assert_eq!(found("if let Event::Sold(sold) = &event\n    && sold.real"), [Use::Read]);
        assert_eq!(found("Event::Sold(_)\n            | Event::Other(_) => {}"), [Use::Passed]);
        assert_eq!(found("CatalogEvent::Sold(x) => 1, Event::SoldOut(x) => 1"), []);
    }

    #[test]
    fn an_event_that_nobody_reads_has_a_zero() {
        let tree = [
            Source::new(
                "common/src/domain/event.rs",
                "pub enum Event {\n    /// A.\n    Sold(Sold),\n    /// B.\n    Lost(Lost),\n}\n",
            ),
            Source::new("store-node/src/app/a.rs", "fn a() { put(Event::Sold(s)); put(Event::Lost(l)); }"),
            Source::new("cloud-hub/src/b.rs", "fn b() { match e { Event::Sold(s) => s, Event::Lost(_) => {} } }"),
            Source::new("common/src/wire/event.rs", "fn c() { match e { Event::Lost(l) => l } }"),
            Source::new("tests/e2e/a.rs", "fn c() { match e { Event::Lost(l) => l } }"),
        ];
        assert_eq!(variants(&tree[0], "Event"), [("Sold".to_owned(), 3), ("Lost".to_owned(), 5)]);
        let counts: Vec<_> = rows(&tree).into_iter().map(|row| row.counts).collect();
        assert_eq!(counts, [[1, 1], [1, 0]]);
    }
}
