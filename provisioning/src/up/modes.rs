//! Who may read what lies in a shop's folders: its server alone. What is more open than that is mended, and said.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use percolate_common::identity::site_file::{MENU_FILE, SITE_FILE};
use percolate_runtime::http::server::ENDPOINTS_FILE;

use super::error::UpError;

/// Whose server it is, where systemd runs it.
pub(super) const USER: &str = "percolate";

/// The owner writes, everybody looks in.
pub(super) const PUBLIC: u32 = 0o755;
/// The owner alone.
pub(super) const PRIVATE: u32 = 0o700;
/// A file that everybody reads.
const MODE_READ: u32 = 0o644;
/// All that others may do.
const OF_OTHERS: u32 = 0o077;

/// Makes a folder, or sees to it that it is one, and that others may do no more in it than `mode` says. A link is not
/// followed: what it leads to is not the shop's. Tells whether something had to be mended.
pub(super) fn folder(path: &Path, mode: u32) -> Result<bool, UpError> {
    let failed = |source| UpError::Folder { path: path.to_owned(), source };
    // Those above it are passed through by whoever owns something in it.
    let above = path.parent().unwrap_or(path);
    DirBuilder::new().recursive(true).mode(PUBLIC).create(above).map_err(failed)?;
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let found = fs::symlink_metadata(path).map_err(failed)?;
    if !found.is_dir() {
        return Err(failed(Error::from(ErrorKind::NotADirectory)));
    }
    if !is_ours(found.uid()) {
        return Err(failed(Error::other("it is another user's: take it away, or name another folder")));
    }
    let present = found.permissions().mode() & 0o7777;
    let is_open = present & OF_OTHERS & !mode != 0;
    if is_open {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    }
    Ok(is_open)
}

/// Whether what has this owner is ours: whoever runs this, or the shop's own user where that is root.
fn is_ours(owner: u32) -> bool {
    let own = rustix::process::geteuid().as_raw();
    owner == own || (own == 0 && id("-u").is_ok_and(|user| user == owner))
}

/// Takes from others what they may do with the files of a folder that only its server reads. Tells with which.
pub(super) fn files(folder: &Path) -> Result<Vec<String>, UpError> {
    let mut mended = Vec::new();
    for (path, metadata) in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mode = metadata.permissions().mode() & 0o7777;
        // Tools on this machine look into this one for where the server listens.
        if metadata.is_file() && name != ENDPOINTS_FILE && mode & OF_OTHERS != 0 {
            let closed = Permissions::from_mode(mode & !OF_OTHERS);
            fs::set_permissions(&path, closed).map_err(|source| UpError::Folder { path: path.clone(), source })?;
            mended.push(name);
        }
    }
    mended.sort();
    Ok(mended)
}

fn entries(folder: &Path) -> Result<Vec<(PathBuf, fs::Metadata)>, UpError> {
    let failed = |source| UpError::Folder { path: folder.to_owned(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // A file that has gone meanwhile, as one that the server was writing, is nobody's.
        if let Ok(metadata) = fs::symlink_metadata(entry.path()) {
            entries.push((entry.path(), metadata));
        }
    }
    Ok(entries)
}

/// The user whose server it is; made if there is none.
pub(super) fn user() -> Result<(), UpError> {
    if id("-u").is_ok() {
        return Ok(());
    }
    let words = ["-r", "-s", "/usr/sbin/nologin", "-d", "/nonexistent", "-M", USER];
    let made = Command::new("useradd").args(words).stdin(Stdio::null()).output();
    let made = made.map_err(|error| UpError::Service(format!("useradd: {error}")))?;
    let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
    if made.status.success() { Ok(()) } else { Err(UpError::Service(format!("useradd {USER}: {said}"))) }
}

/// Gives the shop's description and all of its data to the user. Links are given, not what they lead to.
pub(super) fn give(config: &Path, data: &Path) -> Result<(), UpError> {
    let (user, group) = (id("-u")?, id("-g")?);
    let give = |path: &Path| {
        lchown(path, Some(user), Some(group)).map_err(|source| UpError::Folder { path: path.to_owned(), source })
    };
    give(&config.join(SITE_FILE))?;
    // Whatever root's files are like on this machine: these two the user must come to.
    for (path, mode) in [(config.to_owned(), PUBLIC), (config.join(MENU_FILE), MODE_READ)] {
        let opened = fs::set_permissions(&path, Permissions::from_mode(mode));
        opened.map_err(|source| UpError::Folder { path, source })?;
    }
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        give(&folder)?;
        for (path, metadata) in entries(&folder)? {
            if metadata.is_dir() { folders.push(path) } else { give(&path)? }
        }
    }
    Ok(())
}

fn id(which: &str) -> Result<u32, UpError> {
    let said = Command::new("id").args([which, USER]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let said = said.map_err(|error| UpError::Service(format!("id: {error}")))?;
    let number = String::from_utf8_lossy(&said.stdout).trim().parse().ok();
    number.filter(|_| said.status.success()).ok_or_else(|| UpError::Service(format!("there is no user {USER}")))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_too_open_is_closed_and_told() {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("data");
        assert!(!folder(&data, 0o700).unwrap());
        for (name, open) in [("node.db", 0o644), ("node.db-wal", 0o640), ("token", 0o600), (ENDPOINTS_FILE, 0o644)] {
            fs::write(data.join(name), "x").unwrap();
            fs::set_permissions(data.join(name), Permissions::from_mode(open)).unwrap();
        }
        fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
        assert!(folder(&data, 0o700).unwrap());
        assert_eq!(files(&data).unwrap(), ["node.db", "node.db-wal"]);
        let modes = ["", "node.db", "node.db-wal", "token", ENDPOINTS_FILE].map(|name| mode(&data.join(name)));
        assert_eq!(modes, [0o700, 0o600, 0o600, 0o600, 0o644]);
        assert!(!folder(&data, 0o700).unwrap() && files(&data).unwrap().is_empty());
        // Everybody may look into the folder of the description; nobody else writes into it.
        fs::set_permissions(&data, Permissions::from_mode(0o777)).unwrap();
        assert!(folder(&data, 0o755).unwrap());
        assert_eq!(mode(&data), 0o755);
    }

    #[test]
    fn a_link_in_the_place_of_a_folder_is_not_followed() {
        let dir = TempDir::new().unwrap();
        std::os::unix::fs::symlink("/tmp", dir.path().join("identity")).unwrap();
        assert_eq!(folder(&dir.path().join("identity"), 0o700).unwrap_err().code(), "install_failed");
    }
}
