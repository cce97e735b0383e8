//! Where the demo's files are: a folder that is new or empty, can be written, and has room.

use std::io;
use std::path::{Path, PathBuf};

use percolate_runtime::files::disk_free_bytes;
use tempfile::TempDir;

use super::options::DemoOptions;
use crate::exit::{Exit, Failure};
use crate::figures::{grouped, signed};

const MEBIBYTE: u64 = 1024 * 1024;
/// What a shop's box keeps free for closing the day, in bytes: with less left on the disk it sells no more.
const RESERVE_BYTES: u64 = 64 * MEBIBYTE;
/// What a server writes when it sells little, in bytes: databases, their logs of changes, its own log.
const SERVER_BYTES: u64 = 12 * MEBIBYTE;
/// What a ticket comes to on both sides, in bytes.
const TICKET_BYTES: u64 = 48 * 1024;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It holds something.
    #[error("{} is not empty: name a new folder, for every demo is a new chain", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// It cannot be made, read or written.
    #[error("{}", in_words(path, source))]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is too little room.
    #[error(
        "the disk of {} has {} MB free, and this demo needs {} MB: make room there, name a folder on another disk with \
         --data, or run fewer shops with --stores",
        path.display(), grouped(signed(free_bytes / MEBIBYTE)), grouped(signed(needed_bytes.div_ceil(MEBIBYTE)))
    )]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// What is free.
        free_bytes: u64,
        /// What is needed.
        needed_bytes: u64,
    },
}

/// What to do about it.
fn in_words(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    #[expect(clippy::wildcard_enum_match_arm, reason = "the kinds of errors are the standard library's")]
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("{path} lies on a disk that can only be read: name a folder that can be written with --data")
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "{path} may not be written by this user: name another folder with --data, or ask for the right to it"
            )
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("there is no room left for {path}: make room, or name a folder on another disk with --data")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            format!("{path} is no folder: name a new or empty folder with --data")
        }
        _ => format!("{path} cannot be used: name another folder with --data"),
    }
}

impl FolderError {
    /// How the program ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotEmpty { .. } => Exit::Usage,
            Self::Unusable { .. } | Self::NoRoom { .. } => Exit::FolderUnusable,
        }
    }
}

/// Where the demo's files are.
#[derive(Debug)]
pub enum Folder {
    /// In a folder that was named.
    Kept(PathBuf),
    /// In a folder that is removed at the end.
    Scratch(TempDir),
}

impl Folder {
    /// Makes the folder, and makes sure that the demo can be played in it.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open(options: &DemoOptions) -> Result<Self, FolderError> {
        let folder = match &options.data {
            None => {
                let scratch = tempfile::Builder::new().prefix("percolate-demo-").tempdir();
                Self::Scratch(scratch.map_err(unusable(&std::env::temp_dir()))?)
            }
            Some(path) => {
                let failed = unusable(path);
                std::fs::create_dir_all(path).map_err(&failed)?;
                if std::fs::read_dir(path).map_err(&failed)?.next().is_some() {
                    return Err(FolderError::NotEmpty { path: path.clone() });
                }
                Self::Kept(path.canonicalize().map_err(&failed)?)
            }
        };
        let path = folder.path();
        drop(tempfile::tempfile_in(path).map_err(unusable(path))?);
        let free_bytes = disk_free_bytes(path).map_err(unusable(path))?;
        has_room(path, free_bytes, needed_bytes(options))?;
        Ok(folder)
    }

    /// What is said when all ends: what is kept, and what is not.
    #[must_use]
    pub fn farewell(&self, outcome: &Result<Exit, Failure>) -> String {
        let was_interrupted = outcome.as_ref().is_err_and(|failure| failure.exit == Exit::Interrupted);
        let fate = match self {
            Self::Kept(path) => format!("everything is kept in {}", path.display()),
            Self::Scratch(_) if was_interrupted => "nothing is kept".to_owned(),
            Self::Scratch(_) => "nothing is kept (--data DIR keeps all files and logs)".to_owned(),
        };
        let advice = match (outcome, self) {
            (Ok(Exit::Done), _) | (_, Self::Kept(_)) => "",
            (Ok(_) | Err(_), Self::Scratch(_)) if was_interrupted => "",
            (Ok(_) | Err(_), Self::Scratch(_)) => {
                "\n  to look into it, run it again with --data DIR and read the logs there"
            }
        };
        format!("  stopping the servers, the shops first; {fate}{advice}")
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Scratch(scratch) => scratch.path(),
        }
    }
}

fn unusable(path: &Path) -> impl Fn(io::Error) -> FolderError + use<> {
    let path = path.to_owned();
    move |source| FolderError::Unusable { path: path.clone(), source }
}

/// What a demo writes, and must be left free beside it: a head office, the shops, and a copy of one.
fn needed_bytes(options: &DemoOptions) -> u64 {
    let servers = options.stores.saturating_add(2).saturating_mul(SERVER_BYTES);
    let tickets = options.stores.saturating_mul(options.tickets).saturating_mul(TICKET_BYTES);
    RESERVE_BYTES.saturating_add(servers).saturating_add(tickets)
}

fn has_room(path: &Path, free_bytes: u64, needed_bytes: u64) -> Result<(), FolderError> {
    if free_bytes >= needed_bytes {
        return Ok(());
    }
    Err(FolderError::NoRoom { path: path.to_owned(), free_bytes, needed_bytes })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        options: DemoOptions,
    }

    fn options(words: &[&str]) -> DemoOptions {
        Command::parse_from(std::iter::once(&"demo").chain(words)).options
    }

    #[test]
    fn a_disk_that_is_too_small_is_told_with_what_is_needed_and_where() {
        let needed = needed_bytes(&options(&["--stores", "2", "--tickets", "64"]));
        assert_eq!(needed, 118 * MEBIBYTE);
        assert!(has_room(Path::new("/small"), needed, needed).is_ok());
        let error = has_room(Path::new("/small"), 8 * MEBIBYTE, needed).unwrap_err();
        let text = "the disk of /small has 8 MB free, and this demo needs 118 MB: make room there, name a folder on another \
                    disk with --data, or run fewer shops with --stores";
        assert_eq!((error.to_string().as_str(), error.exit().code()), (text, 6));
    }

    #[test]
    fn a_person_is_sent_to_the_logs_after_a_failure_and_not_after_an_interrupt() {
        let scratch = Folder::Scratch(tempfile::tempdir().unwrap());
        let ended = |exit| scratch.farewell(&Err(Failure::new(exit, anyhow::anyhow!("as planned"))));
        assert!(ended(Exit::ServerFailed).ends_with("run it again with --data DIR and read the logs there"));
        assert_eq!(ended(Exit::Interrupted), "  stopping the servers, the shops first; nothing is kept");
        let done = "  stopping the servers, the shops first; nothing is kept (--data DIR keeps all files and logs)";
        assert_eq!(scratch.farewell(&Ok(Exit::Done)), done);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_apart_from_one_that_is_not_empty() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let open = |path: &Path| Folder::open(&options(&["--data", &path.to_string_lossy()])).unwrap_err();
        let told = |error: FolderError| (error.to_string(), error.exit());
        let full =
            format!("{} is not empty: name a new folder, for every demo is a new chain", scratch.path().display());
        assert_eq!(told(open(scratch.path())), (full, Exit::Usage));
        let no_folder = format!("{} is no folder: name a new or empty folder with --data", file.display());
        assert_eq!(told(open(&file)), (no_folder, Exit::FolderUnusable));
        let of = |kind: io::ErrorKind| unusable(Path::new("/d"))(kind.into());
        let (text, exit) = told(of(io::ErrorKind::ReadOnlyFilesystem));
        assert_eq!(text, "/d lies on a disk that can only be read: name a folder that can be written with --data");
        assert_eq!(exit, Exit::FolderUnusable);
        assert!(of(io::ErrorKind::PermissionDenied).to_string().contains("may not be written by this user"));
    }
}
