//! The liveness census: everything that the project names is used by somebody, and everything that is used has a name.
//!
//! The lists are made from the sources: event types, routes, metrics and error codes. A zero that no line of
//! [`EXPLAINED`] explains fails the test. `make census` prints the tables.

mod code;
pub(crate) mod event;
mod function;
mod route;
mod scan;
mod series;

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Finding, Source};

/// Something that must be alive.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// What kind of thing: the table it stands in.
    kind: &'static Kind,
    name: String,
    /// Where it is written.
    path: String,
    line: usize,
    /// How often each column of its table has it.
    counts: Vec<usize>,
}

/// A table.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    name: &'static str,
    columns: &'static [&'static str],
    need: Need,
    /// What to do about a zero.
    advice: &'static str,
}

/// Which zeros are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// No column may be zero.
    Every,
    /// One column must not be zero.
    Any,
}

/// A zero that is right: kind, name, column, and why.
type Explained = (&'static str, &'static str, &'static str, &'static str);

/// Zeros that are right. A line that explains nothing any more is a finding, too.
const EXPLAINED: &[Explained] = &[
    (
        "events",
        "Event::SeriesOpened",
        "read",
        "who reads a journal sees that a series was begun, and that a number which is missing was never given; \
         receipts carry their series, so that no program needs it",
    ),
    (
        "events",
        "Event::LifeBegan",
        "read",
        "it says in the journal itself why a life began; what the hub does about lives it hears in the greeting",
    ),
    (
        "events",
        "Event::StaffLocked",
        "read",
        "it says in the journal itself that PINs or badges were guessed at, where, and how often: for whoever looks into it",
    ),
    ("routes", "hub  POST /v1/identity/devices/*/acceptances", "callers", UP),
    ("routes", "hub  POST /v1/identity/bundle-fetches", "callers", UP),
    ("routes", "hub  POST /v1/identity/enrolments", "callers", BOTH_ENDS),
    ("routes", "hub  POST /v1/identity/renewals", "callers", BOTH_ENDS),
    (NOT_NAMED, "cloud-hub/src/hub.rs http_address", "callers", IN_PROCESS),
    (NOT_NAMED, "cloud-hub/src/hub.rs ended_tasks", "callers", IN_PROCESS),
    (NOT_NAMED, "cloud-hub/src/inline.rs project", "callers", SIMULATED),
    (NOT_NAMED, "cloud-hub/src/inline.rs wake", "callers", SIMULATED),
    (NOT_NAMED, "common/runtime/src/tls/client.rs is_hub_of", "callers", ENROLMENT),
    (
        NOT_NAMED,
        "common/runtime/src/totp.rs code_at",
        "callers",
        "the app on somebody's phone makes codes; here these are tests",
    ),
    (NOT_NAMED, "common/src/domain/catalog/rules.rs ", "callers", MACRO),
    (NOT_NAMED, "provisioning/src/up/mod.rs put_on_box", "callers", IN_PROCESS),
    (NOT_NAMED, "store-node/src/inline.rs wake", "callers", SIMULATED),
    (NOT_NAMED, "store-node/src/node.rs http_address", "callers", IN_PROCESS),
    (NOT_NAMED, "store-node/src/node.rs ended_tasks", "callers", IN_PROCESS),
];

const NOT_NAMED: &str = "public functions that nothing names";
const MACRO: &str = "a macro makes several of it, each with a name of its own, which pricing asks";
const IN_PROCESS: &str = "whoever runs the server within a process of their own asks it; here these are tests";
const ENROLMENT: &str = "it is the ground of enrolment, which the hub and the node build upon it";
const BOTH_ENDS: &str = "a box asks it, by the path that both ends take from common/runtime/src/enrolment.rs";
const UP: &str = "a box that is brought up asks it";
const SIMULATED: &str = "the simulator drives the server by it";

impl Row {
    /// The columns whose zero needs an explanation.
    fn zeros(&self) -> Vec<&'static str> {
        let zeros = self.kind.columns.iter().zip(&self.counts).filter(|(_, count)| **count == 0);
        let zeros: Vec<&'static str> = zeros.map(|(column, _)| *column).collect();
        match self.kind.need {
            Need::Every => zeros,
            Need::Any if zeros.len() == self.kind.columns.len() => vec!["callers"],
            Need::Any => Vec::new(),
        }
    }
}

/// Rows of one kind that are counted by their names.
struct Table {
    kind: &'static Kind,
    rows: BTreeMap<String, Row>,
}

impl Table {
    fn new(kind: &'static Kind) -> Self {
        Self { kind, rows: BTreeMap::new() }
    }

    /// Counts one more in a column; the first place of a name is its place.
    fn count(&mut self, name: &str, (source, line): (&Source, usize), column: usize) {
        let row = self.rows.entry(name.to_owned()).or_insert_with(|| Row {
            kind: self.kind,
            name: name.to_owned(),
            path: source.path.clone(),
            line,
            counts: vec![0; self.kind.columns.len()],
        });
        if let Some(count) = row.counts.get_mut(column) {
            *count += 1;
        }
    }

    fn rows(self) -> Vec<Row> {
        self.rows.into_values().collect()
    }
}

fn rows(tree: &[Source]) -> Vec<Row> {
    let all = [event::rows, route::rows, series::rows, code::rows, function::rows];
    all.into_iter().flat_map(|of_kind| of_kind(tree)).collect()
}

fn unexplained(rows: &[Row], explained: &[Explained]) -> Vec<Finding> {
    let finding = |path: &str, line, text| Finding { path: path.to_owned(), line, text };
    let mut findings = Vec::new();
    let mut used: BTreeSet<usize> = BTreeSet::new();
    for row in rows {
        for column in row.zeros() {
            let is_it = |(kind, name, of, _): &Explained| (*kind, *name, *of) == (row.kind.name, &row.name, column);
            match explained.iter().position(is_it) {
                Some(at) => drop(used.insert(at)),
                None => findings.push(finding(
                    &row.path,
                    row.line,
                    format!("{} `{}`: {column} is 0. {}", row.kind.name, row.name, row.kind.advice),
                )),
            }
        }
    }
    for (at, (kind, name, column, _)) in explained.iter().enumerate() {
        if !used.contains(&at) {
            let text = format!("{kind} `{name}`: {column} is explained, but is no zero: take the explanation away");
            findings.push(finding("tests/tidy/census/mod.rs", 0, text));
        }
    }
    findings
}

/// The tables as text.
fn tables(rows: &[Row], explained: &[Explained]) -> String {
    let mut text = String::new();
    for of_kind in rows.chunk_by(|one, other| one.kind == other.kind) {
        let Some(kind) = of_kind.first().map(|row| row.kind) else { continue };
        let heads: Vec<String> = kind.columns.iter().map(|column| format!("{column:>10}")).collect();
        text.push_str(&format!("\n{:<62}{}\n", format!("{} ({})", kind.name, of_kind.len()), heads.concat()));
        for row in of_kind {
            let counts: Vec<String> = row.counts.iter().map(|count| format!("{count:>10}")).collect();
            text.push_str(&format!("  {:<60}{}\n", row.name, counts.concat()));
            for (.., why) in explained.iter().filter(|(kind, name, ..)| (*kind, *name) == (row.kind.name, &row.name)) {
                text.push_str(&format!("      {why}\n"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{EXPLAINED, Kind, Need, Row, rows, tables, unexplained};
    use crate::source::{TREE, assert_none};

    #[test]
    fn everything_that_is_named_is_alive() {
        let rows = rows(&TREE);
        println!("{}", tables(&rows, EXPLAINED));
        assert_none(&unexplained(&rows, EXPLAINED));
    }

    #[test]
    fn the_census_finds_what_there_is() {
        let rows = rows(&TREE);
        let count = |kind: &str| rows.iter().filter(|row| row.kind.name == kind).count();
        // Fewer would mean that the sources are no longer read as they are written.
        for (kind, least) in [("events", 13), ("routes", 25), ("metrics", 50), ("error codes", 60)] {
            assert!(count(kind) >= least, "{} {kind}, and {least} were there once", count(kind));
        }
    }

    static EVERY: Kind = Kind { name: "things", columns: &["made", "read"], need: Need::Every, advice: "Do it." };
    static ANY: Kind = Kind { name: "doors", columns: &["page", "day"], need: Need::Any, advice: "Knock." };

    fn row(kind: &'static Kind, counts: [usize; 2]) -> Row {
        Row { kind, name: "x".to_owned(), path: "a.rs".to_owned(), line: 3, counts: counts.to_vec() }
    }

    #[test]
    fn a_zero_is_caught_unless_it_is_explained() {
        let texts = |rows: &[Row], explained: &[super::Explained]| -> Vec<String> {
            unexplained(rows, explained).into_iter().map(|finding| finding.text).collect()
        };
        assert!(texts(&[row(&EVERY, [1, 2]), row(&ANY, [0, 1])], &[]).is_empty());
        assert_eq!(texts(&[row(&EVERY, [1, 0])], &[]), ["things `x`: read is 0. Do it."]);
        assert_eq!(texts(&[row(&ANY, [0, 0])], &[]), ["doors `x`: callers is 0. Knock."]);
        let explained = [("things", "x", "read", "because")];
        assert!(texts(&[row(&EVERY, [1, 0])], &explained).is_empty());
        assert_eq!(texts(&[row(&EVERY, [0, 0])], &explained).len(), 1);
    }

    #[test]
    fn an_explanation_that_explains_nothing_is_caught() {
        let explained = [("things", "x", "read", "because"), ("things", "gone", "made", "because")];
        assert_eq!(unexplained(&[row(&EVERY, [1, 1])], &explained).len(), 2);
    }
}
