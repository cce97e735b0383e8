//! What is done to reporting, by somebody's hand in its database: nothing is put into the program for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;

use cloud_hub::kernel::db::Db;
use cloud_hub::reporting;
use percolate_runtime::storage::StorageError;
use tempfile::TempDir;

use crate::support::ground::{is_server, opened};

/// A hand in the tables of reporting, with the rights that its role has.
pub(super) struct Hand(Db);

impl Hand {
    pub(super) fn open(data: &Path) -> Self {
        Self(opened(data, |data, engine| Db::open(&reporting::SCHEMA, data, engine)).unwrap())
    }

    pub(super) async fn close(self) {
        self.0.stop().await;
    }

    /// Every ticket that is written is refused, whoever writes it, after `rows` rows were counted.
    pub(super) async fn refuse_tickets(&self, rows: u32) {
        if is_server() {
            self.change(&format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN PERFORM count(*) FROM generate_series(1, {rows}); RAISE ''as planned''; END'"
            ))
            .await;
            self.change("CREATE TRIGGER refuse BEFORE INSERT ON ticket FOR EACH ROW EXECUTE FUNCTION refuse()").await;
        } else {
            self.change(&format!(
                "CREATE VIEW refuse_rows AS WITH RECURSIVE counted (n) AS
                 (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {rows}) SELECT n FROM counted"
            ))
            .await;
            self.change(
                "CREATE TRIGGER refuse BEFORE INSERT ON ticket BEGIN
                 SELECT raise(ABORT, 'as planned') FROM (SELECT count(*) AS n FROM refuse_rows) WHERE n > 0; END",
            )
            .await;
        }
    }

    pub(super) async fn let_tickets_in(&self) {
        if is_server() {
            self.change("DROP FUNCTION refuse() CASCADE").await;
        } else {
            self.change("DROP TRIGGER refuse").await;
            self.change("DROP VIEW refuse_rows").await;
        }
    }

    /// Takes the right to insert from reporting's role.
    pub(super) async fn revoke_insert(&self) {
        self.change("REVOKE INSERT ON ALL TABLES IN SCHEMA reporting FROM percolate_reporting").await;
    }

    pub(super) async fn grant_insert(&self) {
        self.change("GRANT INSERT ON ALL TABLES IN SCHEMA reporting TO percolate_reporting").await;
    }

    /// Takes the lock that whoever folds needs, and keeps it.
    pub(super) fn lock(&self) -> Lock {
        let (db, (locked, is_locked), (release, released)) = (self.0.clone(), mpsc::channel(), mpsc::channel::<()>());
        let holder = std::thread::spawn(move || {
            let held: Result<usize, StorageError> = db.write_blocking("lock", move |tx| {
                let rows = tx.execute("UPDATE projection_position SET seq = seq", &[])?;
                locked.send(rows).unwrap();
                // Ends with the lock's owner, however that ends.
                let _ended = released.recv();
                Ok(rows)
            });
            held.unwrap();
        });
        let rows = is_locked.recv().unwrap();
        assert!(rows > 0, "there is nothing to lock");
        Lock { release, holder }
    }

    async fn change(&self, sql: &str) {
        let sql = sql.to_owned();
        let changed: Result<usize, StorageError> = self.0.write("hand", move |tx| tx.execute(&sql, &[])).await;
        changed.unwrap();
    }
}

/// A lock that is held.
pub(super) struct Lock {
    release: mpsc::Sender<()>,
    holder: JoinHandle<()>,
}

impl Lock {
    /// Gives it back; it was held until now.
    pub(super) fn release(self) {
        assert!(!self.holder.is_finished(), "the lock was lost before it was given back");
        drop(self.release);
        self.holder.join().unwrap();
    }
}

/// A disk of its own, in memory: it can really be full. Unmounted when it is dropped.
pub(super) struct OwnDisk(TempDir);

impl OwnDisk {
    /// Nothing where mounting is not allowed: the caller says so and leaves.
    pub(super) fn mount(bytes: u32) -> Option<Self> {
        let disk = Self(TempDir::new().unwrap());
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.0.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(disk)
    }

    /// Takes a database that nobody has open; a link leads to it from where it was.
    pub(super) fn take(&self, database: &Path) {
        let here = self.0.path().join(database.file_name().unwrap());
        std::fs::copy(database, &here).unwrap();
        std::fs::remove_file(database).unwrap();
        std::os::unix::fs::symlink(&here, database).unwrap();
    }

    /// Fills it to the last page, and gives the file that does.
    pub(super) fn fill(&self) -> PathBuf {
        let ballast = self.0.path().join("ballast");
        let filled =
            std::fs::File::create(&ballast).and_then(|mut file| std::io::copy(&mut std::io::repeat(1), &mut file));
        assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
        ballast
    }
}

impl Drop for OwnDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}
