//! A copy of a shop's disk, as somebody makes who clones the box.

use std::io;
use std::path::Path;

use percolate_runtime::tasks;

use super::servers::{ENDPOINTS_FILE, LOG_FILE, Who};
use super::shops::Shop;
use super::till::TillBooks;

/// The files of a data folder that belong to the process which uses it, and are not copied: its lock, its addresses, its
/// log, and the memory that it shares with itself.
const OF_THE_PROCESS: [&str; 4] = ["lock", ENDPOINTS_FILE, LOG_FILE, "node.db-shm"];

/// A copy of a shop's box.
#[derive(Debug, Clone)]
pub struct BoxCopy {
    /// Which.
    pub who: Who,
    /// Its server; the store is the original's.
    pub shop: Shop,
    /// What its till has rung up.
    pub books: TillBooks,
    /// Whether it has been ended.
    pub retired: bool,
}

/// Copies a data folder, but for what belongs to the process that uses it. That process must stand still.
///
/// # Errors
/// If a file cannot be read or written.
pub async fn copy_disk(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (from.to_owned(), to.to_owned());
    tasks::blocking(move || copy_files(&from, &to)).await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if OF_THE_PROCESS.iter().any(|not| name == **not) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_files(&entry.path(), &to.join(name))?;
        } else {
            std::fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_on_the_disk_is_copied_and_what_belongs_to_the_process_is_not() {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        std::fs::create_dir(&from).unwrap();
        let files =
            ["node.db", "node.db-wal", "node.db-shm", "node-key.pem", "token", "lock", "endpoints.json", "log.txt"];
        for name in files {
            std::fs::write(from.join(name), name).unwrap();
        }
        std::fs::create_dir(from.join("identity")).unwrap();
        std::fs::write(from.join("identity/current.pem"), "a certificate").unwrap();
        copy_files(&from, &to).unwrap();
        let copied: BTreeSet<String> = std::fs::read_dir(&to)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(copied, ["identity", "node.db", "node.db-wal", "node-key.pem", "token"].map(str::to_owned).into());
        assert!(to.join("identity/current.pem").is_file());
        assert!(copy_files(&from, &to).is_err(), "a folder that is there already is not written over");
    }
}
