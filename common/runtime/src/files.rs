//! Files that must never be half there: atomic writes, secrets, the data folder and its lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// The name of the lock in a data folder.
pub(crate) const LOCK_FILE: &str = "lock";

/// Only the owner reads and writes.
const MODE_SECRET: u32 = 0o600;

/// The owner writes, everybody reads.
const MODE_PUBLIC: u32 = 0o644;

/// What those may do who are neither the owner nor in the group.
const MODE_OTHERS: u32 = 0o007;

/// From now on nobody but its owner may read or write what this process makes, whatever it asks for: databases and their logs
/// are made by a library. To be said before anything is made.
pub fn make_for_the_owner_alone() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// A failure of the file system: what was being done, and to which file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A folder could not be made.
    #[error("could not make the folder {path}")]
    MakeFolder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("could not write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file could not be read.
    #[error("could not read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another process uses the data folder.
    #[error("the data folder {path} is in use by process {pid}: stop it first, or choose another folder")]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The number of the process that holds it, or "unknown".
        pid: String,
    },
}

/// Why a secret is not taken from a file.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("could not read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A secret that others on this machine can read is none.
    #[error("{path} can be read by others (its mode is {mode:03o}): chmod o= {path}, or 600")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A secret is one line.
    #[error("{path} must hold one line, the secret, and nothing else")]
    NotOneLine {
        /// The file.
        path: PathBuf,
    },
}

/// A data folder that this process alone uses. The lock ends with the value, and with the process however that ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: File,
}

impl DataDir {
    /// Makes the folder if there is none, for its owner alone, and locks it.
    ///
    /// # Errors
    /// [`FileError::InUse`] if another process holds it; [`FileError`] if it cannot be made or written.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| FileError::MakeFolder { path: path.to_owned(), source })?;
        let lock_path = path.join(LOCK_FILE);
        let failed = |source| FileError::Write { path: lock_path.clone(), source };
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE_SECRET)
            // A link would lead to a file of somebody else's, which is about to be written over.
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&lock_path)
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FileError::InUse { path: path.to_owned(), pid: holder(&mut lock) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| write!(lock, "{}", process::id()))
            .map_err(failed)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // The system ends the lock with the file in any case; a clean end leaves no number behind.
        self.lock.set_len(0).unwrap_or_default();
    }
}

/// Bytes that an ordinary program may still write where `path` lies.
///
/// # Errors
/// If the file system cannot be asked.
pub fn disk_free_bytes(path: &Path) -> io::Result<u64> {
    let state = rustix::fs::statvfs(path)?;
    Ok(state.f_bavail.saturating_mul(state.f_frsize))
}

/// Replaces a file, or makes it: a reader sees the old content or the new, also after a power cut.
///
/// # Errors
/// [`FileError::Write`].
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write_with_mode(path, content, MODE_PUBLIC)
}

/// As [`write_atomic`], readable by its owner alone from the first byte on.
///
/// # Errors
/// [`FileError::Write`].
pub fn write_secret(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write_with_mode(path, content, MODE_SECRET)
}

/// Gives a whole file another name in its folder, in the place of what has that name: also after a power cut there is the
/// one or the other.
///
/// # Errors
/// [`FileError::Write`].
pub fn rename_durably(from: &Path, to: &Path) -> Result<(), FileError> {
    let renamed = fs::rename(from, to).and_then(|()| sync_folder_of(to));
    renamed.map_err(|source| FileError::Write { path: to.to_owned(), source })
}

/// Removes a file, if there is one: it does not come back with a power cut.
///
/// # Errors
/// [`FileError::Write`].
pub fn remove_durably(path: &Path) -> Result<(), FileError> {
    let removed = match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => sync_folder_of(path),
    };
    removed.map_err(|source| FileError::Write { path: path.to_owned(), source })
}

/// Reads a text file, or tells that there is none.
///
/// # Errors
/// [`FileError::Read`].
pub fn read_text(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Read { path: path.to_owned(), source }),
    }
}

/// Reads a secret that somebody put into a file, without the end of its line. A group may read the file, so that a service
/// can be given what it does not own; others may not.
///
/// # Errors
/// [`SecretError`].
pub fn read_secret(path: &Path) -> Result<String, SecretError> {
    let text = read_secret_text(path)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.chars().any(char::is_control) {
        return Err(SecretError::NotOneLine { path: path.to_owned() });
    }
    Ok(line.to_owned())
}

/// As [`read_secret`], where the secret has several lines, as a key in PEM.
///
/// # Errors
/// [`SecretError::Read`] and [`SecretError::Exposed`].
pub fn read_secret_text(path: &Path) -> Result<String, SecretError> {
    let failed = |source| SecretError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & MODE_OTHERS != 0 {
        return Err(SecretError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.read_to_string(&mut text) {
        Ok(_) if !text.is_empty() => text,
        Ok(_) | Err(_) => "unknown".to_owned(),
    }
}

fn write_with_mode(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    replace(path, content, mode).map_err(|source| FileError::Write { path: path.to_owned(), source })
}

fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let mut draft_name = name.to_owned();
    draft_name.push(format!(".{}.new", process::id()));
    let draft_path = path.with_file_name(draft_name);
    // What an earlier process of this number left is not ours to append to, and has perhaps another mode.
    match fs::remove_file(&draft_path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut draft = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft_path)?;
    draft.write_all(content)?;
    draft.sync_all()?;
    fs::rename(&draft_path, path)?;
    sync_folder_of(path)
}

/// What a folder lists is on the disk only when the folder is.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// How many files this process may have open at a time, connections among them. From now on it may have as many as the system
/// lets it have if it asks: services are started with a thousand.
#[must_use]
pub fn open_files_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let asked = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let most = if setrlimit(Resource::Nofile, asked).is_ok() { limit.maximum } else { limit.current };
    most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_and_no_draft_is_left() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("endpoints.json");
        write_atomic(&path, b"old").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_takes_the_place_of_another_and_is_removed_once() {
        let dir = TempDir::new().unwrap();
        let (new, current) = (dir.path().join("new"), dir.path().join("current"));
        fs::write(&new, "new").unwrap();
        fs::write(&current, "old").unwrap();
        rename_durably(&new, &current).unwrap();
        assert_eq!((new.exists(), read_text(&current).unwrap().as_deref()), (false, Some("new")));
        assert!(matches!(rename_durably(&new, &current), Err(FileError::Write { .. })));
        remove_durably(&current).unwrap();
        remove_durably(&current).unwrap();
        assert!(!current.exists());
        assert!(matches!(remove_durably(dir.path()), Err(FileError::Write { .. })));
    }

    #[test]
    fn a_secret_is_for_its_owner_alone() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "was readable").unwrap();
        write_secret(&path, b"secret").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(read_text(&path).unwrap().as_deref(), Some("secret"));
    }

    #[test]
    fn a_secret_is_one_line_that_others_cannot_read() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("password");
        let read = |content: &str, mode| {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            read_secret(&path)
        };
        for content in ["pa ss", "pa ss\n", "pa ss\r\n"] {
            assert_eq!(read(content, 0o640).unwrap(), "pa ss", "{content:?}");
        }
        for content in ["", "\n", "two\nlines\n", "end\n\n"] {
            assert!(matches!(read(content, 0o600), Err(SecretError::NotOneLine { .. })), "{content:?}");
        }
        for mode in [0o644, 0o604, 0o602] {
            let refused = read("secret", mode).unwrap_err();
            assert!(matches!(refused, SecretError::Exposed { mode: found, .. } if found == mode), "{refused}");
            assert!(!refused.to_string().contains("secret"));
        }
        assert!(matches!(read_secret(&dir.path().join("none")), Err(SecretError::Read { .. })));
    }

    #[test]
    fn a_missing_file_is_none_and_an_unreadable_one_an_error() {
        let dir = TempDir::new().unwrap();
        assert!(read_text(&dir.path().join("none")).unwrap().is_none());
        assert!(matches!(read_text(dir.path()), Err(FileError::Read { .. })));
        assert!(matches!(write_atomic(&dir.path().join("no/such/folder"), b""), Err(FileError::Write { .. })));
    }

    #[test]
    fn a_data_folder_is_private_and_has_one_user_who_is_named() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("a/b");
        let held = DataDir::open(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        let refusal = DataDir::open(&path).unwrap_err();
        assert!(matches!(&refusal, FileError::InUse { pid, .. } if *pid == process::id().to_string()), "{refusal}");
        drop(held);
        DataDir::open(&path).unwrap();
    }
}
