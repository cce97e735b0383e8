//! What a case found, as a table for a terminal and as a section of docs/benchmarks.md.
//!
//! Each case is kept as a file, so that cases can be run at different times; the page says when each was.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::figures::{median, ms};
use crate::machine::{commit, description, today};
use crate::probe::Measured;

/// Whether a goal was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Reached,
    Missed,
    /// A figure without a goal.
    Told,
}

impl Verdict {
    pub(crate) const fn of(reached: bool) -> Self {
        if reached { Self::Reached } else { Self::Missed }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Missed => "MISSED",
            Self::Told => "",
        }
    }
}

/// What a case found.
#[derive(Debug)]
pub(crate) struct Section {
    id: &'static str,
    title: &'static str,
    rows: Vec<[String; 4]>,
    notes: Vec<String>,
}

impl Section {
    pub(crate) const fn new(id: &'static str, title: &'static str) -> Self {
        Self { id, title, rows: Vec::new(), notes: Vec::new() }
    }

    /// A figure with its goal.
    pub(crate) fn row(&mut self, what: &str, figure: impl Into<String>, goal: &str, verdict: Verdict) {
        self.rows.push([what.to_owned(), figure.into(), goal.to_owned(), verdict.word().to_owned()]);
    }

    /// A figure without a goal.
    pub(crate) fn tell(&mut self, what: &str, figure: impl Into<String>) {
        self.row(what, figure, "", Verdict::Told);
    }

    /// A sentence.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// The disk and the machine around its runs.
    pub(crate) fn conditions<T>(&mut self, runs: &[Measured<T>]) {
        let of = |time: fn(&Measured<T>) -> u64| ms(median(runs.iter().map(time)));
        self.tell("F before, after (p50)", format!("{}, {}", of(|run| run.before.p50_us), of(|run| run.after.p50_us)));
        self.tell("F p99 before, after", format!("{}, {}", of(|run| run.before.p99_us), of(|run| run.after.p99_us)));
        let void = runs.iter().filter(|run| run.void).count();
        if void > 0 {
            let text = format!("{void} of {} runs are VOID: F moved by more than 30 % in every try", runs.len());
            self.row("F", text, "", Verdict::Missed);
        }
        let loads: Vec<&str> = runs.iter().map(|run| run.load.as_str()).collect();
        self.tell("runs; load average at the end of each", format!("{}; {}", runs.len(), loads.join(", ")));
    }
}

fn file_of(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.json"))
}

/// Keeps what a case found.
pub(crate) fn keep(folder: &Path, section: &Section, quick: bool) -> Result<()> {
    let Section { id, title, rows, notes } = section;
    let value = json!({
        "title": title, "rows": rows, "notes": notes, "day": today(), "commit": commit(), "quick": quick,
    });
    std::fs::write(file_of(folder, id), serde_json::to_vec_pretty(&value)?)?;
    Ok(())
}

/// The table for a terminal.
pub(crate) fn table(section: &Section) -> String {
    let mut text = format!("{}: {}\n", section.id, section.title);
    for [what, figure, goal, verdict] in &section.rows {
        let goal = if goal.is_empty() { String::new() } else { format!("goal {goal}: {verdict}") };
        let line = format!("  {what:<44} {figure:<34} {goal}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for note in &section.notes {
        text.push_str(&format!("  {note}\n"));
    }
    text
}

fn cell(value: &Value, at: usize) -> &str {
    value.get(at).and_then(Value::as_str).unwrap_or("")
}

fn texts<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    value.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The page of all cases that were kept, in the order of `ids`.
pub(crate) fn page(folder: &Path, ids: &[&str]) -> Result<String> {
    let mut page = String::from(HEAD);
    for (name, value) in description(folder)? {
        writeln!(page, "| {name} | {value} |")?;
    }
    page.push_str(RULES);
    for id in ids {
        let Ok(bytes) = std::fs::read(file_of(folder, id)) else { continue };
        let value: Value = serde_json::from_slice(&bytes).with_context(|| format!("the kept case {id}"))?;
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
        let quick = value.get("quick").and_then(Value::as_bool).unwrap_or(false);
        write!(page, "\n## {}\n\n{}, commit {}", text("title"), text("day"), text("commit"))?;
        writeln!(page, "{}.\n", if quick { ", a quick run" } else { "" })?;
        page.push_str("| what | figure | goal | |\n|---|---|---|---|\n");
        for row in value.get("rows").and_then(Value::as_array).into_iter().flatten() {
            writeln!(page, "| {} | {} | {} | {} |", cell(row, 0), cell(row, 1), cell(row, 2), cell(row, 3))?;
        }
        let notes: Vec<&str> = texts(&value, "notes").collect();
        if !notes.is_empty() {
            writeln!(page, "\n{}", notes.join("\n"))?;
        }
    }
    Ok(page)
}

const HEAD: &str = "# Benchmarks

Written by `make bench`; do not edit. What the figures are for, and what they are not: they compare one commit with the
next on one machine, and with the disk under both. They are not a promise about another machine.

To repeat: `make bench` (all cases, about half an hour on an idle machine), `make bench ARGS=\"sales offline\"` (some of
them), `make bench BENCH_QUICK=1` (few and short runs, to see that it works). Nothing else should run meanwhile.

| machine | |
|---|---|
";

const RULES: &str = "
How it is measured:

- The programs that ship, built with the release profile, as processes of their own; sales are HTTP requests on connections
  that are kept, each with its own idempotency key. The generator is one thread on the same cores; what it takes of them
  stands apart.
- F is the disk's own flush: 4 KiB appended and `fdatasync`, on the same file system, right before and right after each run.
  A run in which F moved by more than 30 % is done again, up to three times, and is then called void.
- Cases that belong together are interleaved (A B C A B C), and a figure is the median of its runs; of a ratio it is the
  median of the runs' ratios, so that it need not be the quotient of two figures of the page.
- Quiet is a machine on which nothing else runs.
- After each run the store is stopped, and the tickets in its file are compared with those that were answered, one by one:
  a run with a difference has no figure.
";

#[cfg(test)]
mod tests {
    use super::{Section, Verdict, keep, page, table};

    #[test]
    fn a_case_is_a_table_and_a_section() {
        let mut section = Section::new("x", "A case");
        section.row("sales a second", "1,000", "900", Verdict::of(true));
        section.tell("of which", "none");
        section.note("A sentence.");
        let text = table(&section);
        assert!(text.contains("sales a second") && text.contains("goal 900: reached"), "{text}");
        let folder = tempfile::tempdir().expect("a folder");
        keep(folder.path(), &section, false).expect("kept");
        let page = page(folder.path(), &["x", "absent"]).expect("a page");
        assert!(page.contains("## A case") && page.contains("| sales a second | 1,000 | 900 | reached |"), "{page}");
        assert!(page.contains("A sentence."));
    }
}
