//! The lines that were set aside: where they stand, and why. They are corrected where they stand, and all is read again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Fault, Tables};
use crate::exit::Failure;
use crate::office::quarantine::{self, Mistake};

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

/// Writes it, or removes what was written before.
pub(super) fn write(folder: &Path, tables: &Tables) -> Result<SetAside, Failure> {
    let mistakes = tables.faults.iter().map(|fault| mistake(tables, fault)).collect();
    let Some(path) = quarantine::write(folder, mistakes)? else { return Ok(SetAside::default()) };
    let has_nobodys = tables.faults.iter().any(|fault| fault.store.is_none());
    Ok(SetAside { shops: tables.aside.clone(), lines: tables.faults.len(), path: Some(path), has_nobodys })
}

fn mistake(tables: &Tables, fault: &Fault) -> Mistake {
    let Fault { place, column, code, reason, store } = fault.clone();
    let shown = tables.texts.get(&(place.kind.file, place.row)).map_or("", String::as_str);
    let shown = if place.kind.is_shown { shown } else { "not shown: people's PINs stand in this file" };
    Mistake { file: place.kind.file, line: place.row, column, code, reason, store, content: shown.to_owned() }
}
