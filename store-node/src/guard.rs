//! A note, on another disk than the database's, of how far the database was written. A database that knows less than its
//! note was put back from a copy: it begins a new life before it sells anything, even when nobody can be asked. Without a
//! note the hub notices the same at the next greeting.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percolate_common::journal::{Head, Incarnation, StreamKind};
use percolate_runtime::files::{FileError, read_text, write_atomic};
use percolate_runtime::sqlite::ReadTx;
use percolate_runtime::tasks::{Panicked, blocking};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::app::error::AppError;
use crate::causes::with_causes;
use crate::store::journal;
use crate::store::lives::{self, Life};

/// A larger file is no note.
const NOTE_BYTES_MAX: u64 = 4_096;

/// Time after a commit until it is noted; what is written in between can be lost by a copy without the note seeing it.
const NOTE_AFTER: Duration = Duration::from_secs(10);

/// How far a database was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// Whose database it was.
    node: u32,
    /// The life that was written, 16 hexadecimal digits.
    incarnation: String,
    /// The last entry of each of its journals.
    written: BTreeMap<String, u64>,
}

impl Note {
    fn new(node: u32, incarnation: Incarnation, heads: &[(StreamKind, Head)]) -> Self {
        let written = heads.iter().map(|(stream, head)| (stream.as_str().to_owned(), head.seq)).collect();
        Self { node, incarnation: incarnation.to_string(), written }
    }

    /// Whether a database was put back: the note's life is one that it has not come to yet, or is longer than it knows.
    fn is_ahead(&self, node: u32, lives: &[Incarnation], present: Incarnation, heads: &[(StreamKind, Head)]) -> bool {
        if self.node != node {
            return false;
        }
        if self.incarnation != present.to_string() {
            return lives.iter().all(|life| life.to_string() != self.incarnation);
        }
        let known = |stream: &str| heads.iter().find(|(of, _)| of.as_str() == stream).map_or(0, |(_, head)| head.seq);
        // What only a newer program knows cannot be compared.
        let mut comparable = self.written.iter().filter(|(stream, _)| stream.parse::<StreamKind>().is_ok());
        comparable.any(|(stream, seq)| *seq > known(stream))
    }
}

/// Whose note a file is, whatever else it says: the note of another program version is still that node's.
#[derive(Debug, Deserialize)]
struct Owner {
    node: u32,
}

/// How it stands with the guard file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct GuardState {
    /// Which file it is.
    path: String,
    /// `kept`, `failing` or `of_another_node`.
    #[schema(value_type = String)]
    state: &'static str,
    /// For a person: what it is good for, or why it is not kept and what to do.
    detail: String,
}

/// Why a note was not taken.
#[derive(Debug, thiserror::Error)]
enum GuardError {
    #[error("the database could not be read")]
    App(#[from] AppError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the note could not be made")]
    Json(#[from] serde_json::Error),
    #[error("{path} is the guard file of node {theirs}, and this is node {ours}: it is left as it is")]
    OfAnother { path: String, theirs: u32, ours: u32 },
    #[error("{path} is no guard file, but a folder, a device, a link to nowhere, or too large: it is left as it is")]
    NotOne { path: String },
    #[error("the note was not taken")]
    Panicked(#[from] Panicked),
}

impl GuardError {
    const fn state(&self) -> &'static str {
        match self {
            Self::OfAnother { .. } => "of_another_node",
            Self::App(_) | Self::File(_) | Self::Json(_) | Self::NotOne { .. } | Self::Panicked(_) => "failing",
        }
    }

    /// What a person does about it.
    fn remedy(&self) -> &'static str {
        match self {
            Self::NotOne { .. } => "Choose another file with --guard",
            Self::OfAnother { .. } => "Choose another file with --guard, or remove this one if that box is no more",
            Self::File(error) if is_missing(error) => "Make the folder, or choose another file with --guard",
            Self::File(_) => "Make it writable, or choose another file with --guard",
            Self::App(_) | Self::Json(_) | Self::Panicked(_) => "It is tried again after the next sale",
        }
    }

    /// The error, all its causes, and what to do.
    fn detail(&self) -> String {
        format!("{}. {}; the box sells on unguarded.", with_causes(self), self.remedy())
    }
}

fn is_missing(error: &FileError) -> bool {
    match error {
        FileError::MakeFolder { source, .. } | FileError::Write { source, .. } | FileError::Read { source, .. } => {
            source.kind() == io::ErrorKind::NotFound
        }
        FileError::InUse { .. } => false,
    }
}

/// The note that was left, if it can be read: one that cannot tells nothing, and the node serves without.
pub(crate) fn read(path: &Path) -> Option<Note> {
    let told = |error: &(dyn std::error::Error + 'static)| {
        let (path, causes) = (path.display(), with_causes(error));
        tracing::warn!("the guard file {path} does not tell whether the database was put back: {causes}");
    };
    let text = note_text(path).map_err(|error| told(&error)).ok()??;
    serde_json::from_str(&text).map_err(|error| told(&error)).ok()
}

/// What stands in a guard file. Nothing else is opened: a pipe would never end, and a device may be anything.
fn note_text(path: &Path) -> Result<Option<String>, GuardError> {
    let not_one = || GuardError::NotOne { path: path.display().to_string() };
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() || found.len() > NOTE_BYTES_MAX => Err(not_one()),
        Err(_nothing) if path.is_symlink() => Err(not_one()),
        Ok(_) | Err(_) => Ok(read_text(path)?),
    }
}

/// Whether this database, whose present life this is, knows less than the note.
pub(crate) fn is_put_back(app: &App, tx: &ReadTx<'_>, present: Life, note: &Note) -> Result<bool, AppError> {
    let lives: Vec<_> = lives::list(tx)?.into_iter().map(|life| life.incarnation).collect();
    Ok(note.is_ahead(app.identity.node.get(), &lives, present.incarnation, &heads(tx, present)?))
}

fn heads(tx: &ReadTx<'_>, life: Life) -> Result<Vec<(StreamKind, Head)>, AppError> {
    Ok(journal::head_list(tx, life)?.into_iter().map(|head| (head.stream, head.head)).collect())
}

/// Keeps the note true, a little behind what is written.
pub(crate) struct Guard {
    app: App,
    path: PathBuf,
}

impl Guard {
    pub(crate) const fn new(app: App, path: PathBuf) -> Self {
        Self { app, path }
    }

    /// Notes at the start, after commits, and at the end.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut commits = self.app.writer.commits();
        loop {
            self.note().await;
            tokio::select! {
                () = stop.cancelled() => break,
                changed = commits.changed() => if changed.is_err() { break },
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(NOTE_AFTER) => {}
            }
        }
        self.note().await;
    }

    /// Notes how far the database is written, and tells of it when that goes otherwise than the last time.
    pub(crate) async fn note(&self) {
        let (app, path) = (self.app.clone(), self.path.clone());
        let noted = blocking(move || write(&app, &path)).await.map_err(GuardError::from).and_then(|noted| noted);
        if noted.is_err() {
            metrics::counter!("node_guard_failures_total").increment(1);
        }
        let (state, detail) = match &noted {
            Ok(()) => ("kept", "It notes how far the database was written.".to_owned()),
            Err(error) => (error.state(), error.detail()),
        };
        let path = self.path.display().to_string();
        let now = GuardState { path: path.clone(), state, detail };
        let before = self.app.present.set_guard(now.clone());
        if before.as_ref() == Some(&now) {
            return;
        }
        match (noted, before) {
            (Err(_), _) => tracing::warn!("the guard file {path} is not kept: {}", now.detail),
            (Ok(()), Some(_)) => tracing::info!("the guard file {path} is kept again"),
            (Ok(()), None) => {}
        }
    }
}

fn write(app: &App, path: &Path) -> Result<(), GuardError> {
    let ours = app.identity.node.get();
    let owner = note_text(path)?.and_then(|text| serde_json::from_str::<Owner>(&text).ok());
    if let Some(Owner { node: theirs }) = owner.filter(|owner| owner.node != ours) {
        return Err(GuardError::OfAnother { path: path.display().to_string(), theirs, ours });
    }
    let note = app.readers.read(|tx| {
        let present = lives::present(tx)?;
        Ok::<_, AppError>(Note::new(ours, present.incarnation, &heads(tx, present)?))
    })?;
    // A link goes on pointing to the other disk: the file that it names is replaced, not the link.
    let named = std::fs::canonicalize(path).unwrap_or_else(|_new| path.to_owned());
    write_atomic(&named, &serde_json::to_vec(&note)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use percolate_common::journal::Hash;

    use super::*;

    fn heads(sales: u64, stock: u64) -> Vec<(StreamKind, Head)> {
        let head = |seq| Head { seq, hash: Hash::from_bytes([0; 32]) };
        vec![(StreamKind::Sales, head(sales)), (StreamKind::Stock, head(stock))]
    }

    #[test]
    fn a_database_that_knows_less_than_its_note_was_put_back() {
        let (first, second) = (Incarnation::new(7), Incarnation::new(8));
        let note = Note::new(11, first, &heads(100, 4));
        let put_back = |lives: &[Incarnation], present, now: &[_]| note.is_ahead(11, lives, present, now);
        assert!(!put_back(&[first], first, &heads(100, 4)), "just as it was");
        assert!(!put_back(&[first], first, &heads(101, 4)), "the note is always a little behind");
        assert!(put_back(&[first], first, &heads(99, 4)));
        assert!(put_back(&[first], first, &heads(101, 3)), "one journal is enough");
        assert!(!put_back(&[first, second], second, &heads(1, 0)), "a life that began after the note");
        assert!(put_back(&[second], second, &heads(500, 9)), "a life that this copy has not come to");
        let mut newer = note.clone();
        newer.written.insert("tides".to_owned(), 9);
        assert!(!newer.is_ahead(11, &[first], first, &heads(100, 4)), "a stream of a newer program");
        assert!(!note.is_ahead(12, &[second], second, &heads(1, 0)), "the note of another box");
    }

    #[test]
    fn a_note_survives_its_file() {
        let note = Note::new(11, Incarnation::new(7), &heads(100, 4));
        assert_eq!(serde_json::from_slice::<Note>(&serde_json::to_vec(&note).unwrap()).unwrap(), note);
    }
}
