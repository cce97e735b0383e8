//! The list of mistakes beside the tables of an old system: where each stands, and why it is one.

use std::path::{Path, PathBuf};

use percolate_runtime::files::write_secret;

use crate::exit::{Exit, Failure};

/// Its columns.
const COLUMNS: [&str; 7] = ["file", "line", "column", "code", "reason", "store", "content"];

/// A mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) file: &'static str,
    pub(super) line: u64,
    /// The column, where it is one.
    pub(super) column: String,
    pub(super) code: String,
    pub(super) reason: String,
    /// The shop that it is about, where it is about one.
    pub(super) store: Option<u32>,
    /// The line as it stands, where that may be shown.
    pub(super) content: String,
}

/// Where the mistakes are listed.
pub(super) fn path_in(folder: &Path) -> PathBuf {
    folder.join("quarantine.csv")
}

/// Writes them for their owner alone, by file and line; without any, removes what was written before.
pub(super) fn write(folder: &Path, mut mistakes: Vec<Mistake>) -> Result<Option<PathBuf>, Failure> {
    let path = path_in(folder);
    if mistakes.is_empty() {
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::new(Exit::Failed, error)),
            Ok(()) | Err(_) => Ok(None),
        };
    }
    mistakes.sort_by_key(|mistake| (mistake.file, mistake.line));
    let text = text(&mistakes).map_err(|error| Failure::new(Exit::Failed, error))?;
    write_secret(&path, &text).map_err(|error| Failure::new(Exit::Failed, error))?;
    Ok(Some(path))
}

/// What a table program would take for a formula is told apart by a quote before it.
fn inert(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn text(mistakes: &[Mistake]) -> anyhow::Result<Vec<u8>> {
    let mut out = csv::WriterBuilder::new().from_writer(Vec::new());
    out.write_record(COLUMNS)?;
    for Mistake { file, line, column, code, reason, store, content } in mistakes {
        let store = store.map_or_else(String::new, |store| store.to_string());
        out.write_record([file, line.to_string().as_str(), column, code, reason, &store, &inert(content)])?;
    }
    Ok(out.into_inner()?)
}
