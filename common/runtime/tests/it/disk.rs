//! A disk that is really full, and a file that really cannot be written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use percolate_runtime::params;
use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::storage::{StorageError, WriteTx};
use percolate_runtime::writer::{Writer, WriterOptions};
use tempfile::TempDir;

use crate::notes::{committed, insert, options};

/// A file system of its own, in memory, of a few megabytes. Unmounted when it is dropped.
struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// Nothing where mounting is not allowed: the caller says so and leaves.
    fn mount(bytes: u32) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(dir.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self { dir })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn remount(&self, option: &str) {
        let status =
            Command::new("mount").args(["-o", &format!("remount,{option}")]).arg(self.path()).status().unwrap();
        assert!(status.success(), "remount {option}");
    }

    fn fill(&self) -> PathBuf {
        let ballast = self.path().join("ballast");
        let mut size = 1 << 20;
        let mut content = Vec::new();
        while size > 0 {
            content.resize(content.len() + size, 1);
            if fs::write(&ballast, &content).is_err() {
                content.truncate(content.len() - size);
                size /= 2;
            }
        }
        // The last page that fitted; what failed was truncated and is written as far as there is room.
        drop(fs::write(&ballast, vec![1; content.len() + 4_096]));
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}

fn insert_large(tx: &WriteTx<'_>, text: &str) -> Result<(), StorageError> {
    tx.execute("INSERT INTO note (text) VALUES (?1 || hex(zeroblob(50000)))", params![text])?;
    Ok(())
}

#[test]
fn a_full_disk_is_named_keeps_nothing_half_and_is_over_when_there_is_space() {
    let Some(disk) = SmallDisk::mount(4 << 20) else {
        println!("SKIPPED: a full disk needs the right to mount a tmpfs");
        return;
    };
    let database = options(disk.path()).open().unwrap();
    let pool = ReadPool::open(database.place(), 1).unwrap();
    let writer = Writer::start(WriterOptions::new("test"), database).unwrap();
    writer.run_blocking("before", |tx| insert(tx, "before")).unwrap();

    let ballast = disk.fill();
    let mut refused = 0;
    for n in 0..5 {
        let answer = writer.run_blocking("full", move |tx| {
            insert(tx, &format!("half {n}"))?;
            insert_large(tx, "other half ")
        });
        assert!(matches!(answer, Err(StorageError::DiskFull(_))), "{answer:?}");
        refused += 1;
    }
    assert_eq!(refused, 5, "the disk was full in fact");
    assert_eq!(committed(&pool), ["before"]);

    fs::remove_file(ballast).unwrap();
    writer.run_blocking("after", |tx| insert(tx, "between")).unwrap();
    assert_eq!(committed(&pool), ["before", "between"]);
    writer.stop_blocking();
}

#[test]
fn a_read_only_disk_is_named_keeps_nothing_and_is_over_when_it_can_be_written() {
    let Some(disk) = SmallDisk::mount(4 << 20) else {
        println!("SKIPPED: a read-only disk needs the right to mount a tmpfs");
        return;
    };
    let mut database = options(disk.path()).open().unwrap();
    database.write("before", |tx| insert(tx, "before")).unwrap();
    drop(database);
    disk.remount("ro");
    let refused = options(disk.path()).open();
    assert!(matches!(refused, Err(StorageError::ReadOnly(_))), "{refused:?}");
    disk.remount("rw");
    let database = options(disk.path()).open().unwrap();
    let pool = ReadPool::open(database.place(), 1).unwrap();
    assert_eq!(committed(&pool), ["before"]);
}
