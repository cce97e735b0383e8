//! The lines that were set aside: where they stand, and why. They are corrected where they stand, and all is read again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use percolate_runtime::files::write_secret;
use serde_json::{Value, json};

use super::{Fault, Tables, path_in};
use crate::exit::{Exit, Failure};

/// The columns of the file that tells them.
const COLUMNS: [&str; 7] = ["file", "line", "column", "code", "reason", "store", "content"];

/// What was set aside.
#[derive(Debug, Default)]
pub(in crate::office) struct SetAside {
    shops: BTreeSet<u32>,
    lines: usize,
    path: Option<PathBuf>,
    /// Whether a line belongs to no shop that is known: then none is planned.
    has_nobodys: bool,
}

impl SetAside {
    pub(in crate::office) fn is_empty(&self) -> bool {
        self.lines == 0
    }

    pub(in crate::office) fn object(&self) -> Value {
        let path = self.path.as_ref().map(|path| path.display().to_string());
        json!({ "stores": self.shops, "lines": self.lines, "file": path })
    }

    /// Which shops are not planned, in a line.
    pub(in crate::office) fn shops_in_words(&self) -> String {
        let shops: Vec<_> = self.shops.iter().map(u32::to_string).collect();
        let why = if self.has_nobodys {
            " A line whose shop cannot be read may be any shop's, so that none is planned."
        } else {
            ""
        };
        format!("Set aside: shops {}.{why}\n", shops.join(", "))
    }

    /// What to do about it.
    pub(in crate::office) fn in_words(&self) -> String {
        let Some(path) = &self.path else { return String::new() };
        let path = path.display();
        format!("{} mistakes are listed in {path}. Correct them where they stand, and run this again.\n", self.lines)
    }
}

/// Writes it for its owner alone, or removes what was written before.
pub(super) fn write(folder: &Path, tables: &Tables) -> Result<SetAside, Failure> {
    let path = path_in(folder);
    if tables.faults.is_empty() {
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::new(Exit::Failed, error)),
            Ok(()) | Err(_) => Ok(SetAside::default()),
        };
    }
    let text = text(tables).map_err(|error| Failure::new(Exit::Failed, error))?;
    write_secret(&path, &text).map_err(|error| Failure::new(Exit::Failed, error))?;
    let has_nobodys = tables.faults.iter().any(|fault| fault.store.is_none());
    Ok(SetAside { shops: tables.aside.clone(), lines: tables.faults.len(), path: Some(path), has_nobodys })
}

/// What a table program would take for a formula is told apart by a quote before it.
fn inert(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn text(tables: &Tables) -> anyhow::Result<Vec<u8>> {
    let mut out = csv::WriterBuilder::new().from_writer(Vec::new());
    out.write_record(COLUMNS)?;
    let mut faults: BTreeMap<(&str, u64), Vec<&Fault>> = BTreeMap::new();
    for fault in &tables.faults {
        faults.entry((fault.place.kind.file, fault.place.row)).or_default().push(fault);
    }
    for ((file, row), fault) in faults.into_iter().flat_map(|(at, faults)| faults.into_iter().map(move |it| (at, it))) {
        let store = fault.store.map_or_else(String::new, |store| store.to_string());
        let shown = tables.texts.get(&(file, row)).map_or("", String::as_str);
        let shown = if fault.place.kind.is_shown { shown } else { "not shown: people's PINs stand in this file" };
        let shown = &inert(shown);
        out.write_record([file, &row.to_string(), &fault.column, &fault.code, &fault.reason, &store, shown])?;
    }
    Ok(out.into_inner()?)
}
