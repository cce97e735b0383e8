//! A disk of its own, in memory, of a few megabytes: it can really be full, and a file on it can really be read-only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Unmounted when it is dropped.
pub(crate) struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// Nothing where mounting is not allowed: the caller says so and leaves.
    pub(crate) fn mount(bytes: u32) -> Option<Self> {
        let disk = Self { dir: TempDir::new().unwrap() };
        let size = format!("size={bytes}");
        mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], disk.path()).then_some(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Fills it to the last page, and gives the file that does.
    pub(crate) fn fill(&self) -> PathBuf {
        let ballast = self.path().join("ballast");
        let mut content = Vec::new();
        let mut size = 1 << 20;
        while size > 0 {
            content.resize(content.len() + size, 1);
            if fs::write(&ballast, &content).is_err() {
                content.truncate(content.len() - size);
                size /= 2;
            }
        }
        // What failed was truncated, and is written as far as there is room.
        drop(fs::write(&ballast, vec![1; content.len() + 4_096]));
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}

/// A file that can only be read, whoever opens it, as long as this lives.
pub(crate) struct ReadOnly {
    file: PathBuf,
}

impl ReadOnly {
    /// Nothing where mounting is not allowed: the caller says so and leaves.
    pub(crate) fn make(file: &Path) -> Option<Self> {
        let itself = file.to_str()?;
        let bound = mount(&["--bind", itself], file).then(|| Self { file: file.to_owned() })?;
        assert!(mount(&["-o", "remount,bind,ro"], file));
        Some(bound)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.file).status());
    }
}

fn mount(arguments: &[&str], on: &Path) -> bool {
    Command::new("mount").args(arguments).arg(on).output().is_ok_and(|output| output.status.success())
}
