//! What processes leave in folders: a lock that one of them holds, and drafts of files that were never finished.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::LOCK_FILE;

/// The end of a draft's name, after the number of its process.
const DRAFT: &str = ".new";

/// The process that holds a data folder's lock. A number that somebody has left there is not believed: the process must have
/// the file open, and locked. None also where that cannot be seen, as by another user.
#[must_use]
pub fn holder(data: &Path) -> Option<u32> {
    let path = fs::canonicalize(data.join(LOCK_FILE)).ok()?;
    let pid: u32 = fs::read_to_string(&path).ok()?.trim().parse().ok()?;
    let process = process(pid);
    let is_it = |file: &OsStr| fs::read_link(process.join("fd").join(file)).is_ok_and(|target| target == path);
    let is_locked = |file: &OsStr| {
        let said = fs::read_to_string(process.join("fdinfo").join(file)).unwrap_or_default();
        said.lines().any(|line| line.starts_with("lock:") && line.contains("FLOCK"))
    };
    let mut files = fs::read_dir(process.join("fd")).ok()?.flatten();
    files.any(|file| is_it(&file.file_name()) && is_locked(&file.file_name())).then_some(pid)
}

/// Removes the drafts in a folder that nobody finishes any more: those of processes that are gone, and of this one, which is
/// writing none. Tells which.
///
/// # Errors
/// If the folder cannot be read, or a draft not be removed.
pub fn remove_drafts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let author = path.file_name().and_then(OsStr::to_str).and_then(author_of);
        if author.is_some_and(|pid| pid == std::process::id() || !process(pid).exists()) {
            fs::remove_file(&path)?;
            removed.push(path);
        }
    }
    Ok(removed)
}

fn process(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

/// Who writes a draft, by its name.
fn author_of(name: &str) -> Option<u32> {
    let (_, pid) = name.strip_suffix(DRAFT)?.rsplit_once('.')?;
    pid.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::id;

    use tempfile::TempDir;

    use super::*;
    use crate::files::DataDir;

    /// No process has this number: it is beyond what Linux gives.
    const NOBODY: u32 = 4_194_305;

    #[test]
    fn who_holds_a_folder_is_told_by_the_lock_and_not_by_the_number_in_it() {
        let dir = TempDir::new().unwrap();
        assert_eq!(holder(dir.path()), None);
        let held = DataDir::open(dir.path()).unwrap();
        assert_eq!(holder(dir.path()), Some(id()));
        drop(held);
        assert_eq!(holder(dir.path()), None);
        // What a killed process has left, when its number is somebody else's: here our own.
        for number in [id().to_string(), NOBODY.to_string(), "unknown".to_owned()] {
            fs::write(dir.path().join(LOCK_FILE), &number).unwrap();
            assert_eq!(holder(dir.path()), None, "{number}");
        }
    }

    #[test]
    fn drafts_of_the_dead_are_removed_and_nothing_else() {
        let dir = TempDir::new().unwrap();
        let parent = std::os::unix::process::parent_id();
        let (dead, living) = (format!("site.json.{NOBODY}.new"), format!("token.{parent}.new"));
        let own = format!("code.{}.new", id());
        for name in [&dead, &living, &own, "a.new", "b.7", "site.json", ".new"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let mut removed = remove_drafts(dir.path()).unwrap();
        removed.sort();
        let mut expected = vec![dir.path().join(&dead), dir.path().join(&own)];
        expected.sort();
        assert_eq!(removed, expected);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
        assert!(remove_drafts(&dir.path().join("none")).is_err());
    }
}
