//! A disk whose flushes take as long as one says: a VFS of SQLite over the one that the system has.
//!
//! A program that registers it as the default and then does its usual work needs to know nothing of it: that is how the
//! store-node that ships is measured on a poor disk ([ADR 0017](../../docs/adr/0017-a-slow-disk-under-the-code-that-ships.md)).
//!
//! The only crate with `unsafe` code. It stays small because nothing is wrapped: the VFS is a twin of the system's with
//! another `xOpen`, and a file that it opens is the system's own file with another `xSync`. Locks, shared memory and
//! all else are the system's functions, called by SQLite itself.
#![expect(unsafe_code, reason = "a VFS is a table of C functions; each block says why it is sound")]
#![warn(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]

use std::ffi::{CStr, c_int};
use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::ffi;

/// Whether connections that name no VFS get this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// All of the process do, from now on.
    Default,
    /// Only those do that ask for it by name.
    Named,
}

/// Flushes that were asked for since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flushes {
    /// Of database files.
    pub database: u64,
    /// Of write-ahead logs.
    pub log: u64,
    /// Of anything else.
    pub other: u64,
}

/// SQLite has no default VFS, or would not take this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotRegistered;

impl fmt::Display for NotRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the VFS could not be registered")
    }
}

impl std::error::Error for NotRegistered {}

/// The slow disk. A clone is the same one.
#[derive(Debug, Clone)]
pub struct SlowDisk(Arc<State>);

#[derive(Debug, Default)]
struct State {
    flush_micros: AtomicU64,
    database: AtomicU64,
    log: AtomicU64,
    other: AtomicU64,
}

impl SlowDisk {
    /// Registers a VFS under `name`, whose flushes take `flush` longer than the system's. It is there until the process
    /// ends.
    ///
    /// # Errors
    /// [`NotRegistered`].
    pub fn register(name: &CStr, flush: Duration, standing: Standing) -> Result<Self, NotRegistered> {
        // SAFETY: a null pointer asks for the default VFS; the answer is null or lives as long as the process.
        let system = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        // SAFETY: see above; nobody changes a VFS after its registration but for `pNext`, which is not read here.
        let twin = unsafe { system.as_ref() }.copied().ok_or(NotRegistered)?;
        let disk = Self(Arc::new(State::default()));
        disk.set_flush(flush);
        // SQLite keeps both for as long as the process lives: they are never freed.
        let name = Box::leak(Box::<CStr>::from(name));
        let vfs = ffi::sqlite3_vfs { zName: name.as_ptr(), pNext: ptr::null_mut(), xOpen: Some(open), ..twin };
        let vfs = Box::leak(Box::new(Vfs { vfs, system, state: disk.0.clone(), tables: Mutex::default() }));
        // SAFETY: `vfs` begins with a complete `sqlite3_vfs` and is never moved or freed.
        let code = unsafe { ffi::sqlite3_vfs_register(&raw mut vfs.vfs, c_int::from(standing == Standing::Default)) };
        if code == ffi::SQLITE_OK { Ok(disk) } else { Err(NotRegistered) }
    }

    /// From now a flush takes this much longer than the system's.
    pub fn set_flush(&self, flush: Duration) {
        self.0.flush_micros.store(u64::try_from(flush.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was flushed so far.
    #[must_use]
    pub fn flushes(&self) -> Flushes {
        Flushes {
            database: self.0.database.load(Ordering::Relaxed),
            log: self.0.log.load(Ordering::Relaxed),
            other: self.0.other.load(Ordering::Relaxed),
        }
    }
}

impl State {
    fn counter(&self, kind: Kind) -> &AtomicU64 {
        match kind {
            Kind::Database => &self.database,
            Kind::Log => &self.log,
            Kind::Other => &self.other,
        }
    }

    /// Two flushes at the same time do not wait for each other, as those of different files on a good disk.
    #[expect(clippy::disallowed_methods, reason = "a slow disk does nothing but let its caller wait")]
    fn flush(&self, kind: Kind) {
        self.counter(kind).fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_micros(self.flush_micros.load(Ordering::Relaxed)));
    }
}

/// What a file is to SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Database,
    Log,
    Other,
}

impl Kind {
    const fn of(flags: c_int) -> Self {
        if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 {
            Self::Database
        } else if flags & ffi::SQLITE_OPEN_WAL != 0 {
            Self::Log
        } else {
            Self::Other
        }
    }
}

/// What SQLite is given as a VFS: it sees the first field, we come back to the rest by the same address.
#[repr(C)]
struct Vfs {
    vfs: ffi::sqlite3_vfs,
    system: *mut ffi::sqlite3_vfs,
    state: Arc<State>,
    tables: Mutex<Vec<&'static Table>>,
}

/// The functions of an open file: the system's, but for one. One table for each kind of file and locking.
#[repr(C)]
struct Table {
    methods: ffi::sqlite3_io_methods,
    system: *const ffi::sqlite3_io_methods,
    kind: Kind,
    state: Arc<State>,
}

impl Vfs {
    /// The table for a file of this kind.
    ///
    /// # Safety
    /// `system` points to the functions of an open file, which live as long as the process.
    unsafe fn table(&self, system: *const ffi::sqlite3_io_methods, kind: Kind) -> &'static Table {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.iter().find(|table| table.system == system && table.kind == kind) {
            return table;
        }
        // SAFETY: the caller's promise.
        let methods = ffi::sqlite3_io_methods { xSync: Some(sync), ..unsafe { *system } };
        let table: &'static Table = Box::leak(Box::new(Table { methods, system, kind, state: self.state.clone() }));
        tables.push(table);
        table
    }
}

/// Opens the system's file, and gives it the table with our `xSync`.
///
/// # Safety
/// Called by SQLite, with a VFS that [`SlowDisk::register`] made and a file with room for what the system opens.
unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives back the pointer of the registration: the first field of a `Vfs` that is never freed.
    let ours = unsafe { &*vfs.cast::<Vfs>() };
    // SAFETY: the system's VFS lives as long as the process.
    let system_open = unsafe { (*ours.system).xOpen };
    let Some(system_open) = system_open else { return ffi::SQLITE_CANTOPEN };
    // SAFETY: the arguments are SQLite's own, for the VFS that they are meant for: `szOsFile` is the system's.
    let code = unsafe { system_open(ours.system, name, file, flags, out_flags) };
    // SAFETY: SQLite made room for the file, and the system sets its methods, or null if it is not open.
    let methods = unsafe { (*file).pMethods };
    if code == ffi::SQLITE_OK && !methods.is_null() {
        // SAFETY: the file is open, so these are its functions; the tables of the system's VFS are constants.
        let table = unsafe { ours.table(methods, Kind::of(flags)) };
        // SAFETY: the file is open and SQLite does not use it before we return.
        unsafe { (*file).pMethods = &raw const table.methods };
    }
    code
}

/// Flushes, and takes its time.
///
/// # Safety
/// Called by SQLite, with a file that [`open`] opened.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: only `open` gives a file a table with this function: its methods are the first field of a `Table`.
    let table = unsafe { &*(*file).pMethods.cast::<Table>() };
    // SAFETY: the system's methods, which `open` found at this file, live as long as the process.
    let system_sync = unsafe { (*table.system).xSync };
    let Some(system_sync) = system_sync else { return ffi::SQLITE_IOERR_FSYNC };
    // SAFETY: the file is the system's own, and SQLite's argument goes with it.
    let code = unsafe { system_sync(file, flags) };
    table.state.flush(table.kind);
    code
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use rusqlite::{Connection, OpenFlags};

    use super::{Flushes, SlowDisk, Standing};

    const COMMITS: u32 = 40;

    fn open(path: &Path, vfs: &std::ffi::CStr) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        Connection::open_with_flags_and_vfs(path, flags, vfs).expect("opened")
    }

    fn in_wal_mode(path: &Path, vfs: &std::ffi::CStr) -> Connection {
        let connection = open(path, vfs);
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).expect("a mode");
        assert_eq!(mode, "wal", "shared memory is the system's");
        connection
            .execute_batch("PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS note (n INTEGER)")
            .expect("set");
        connection
    }

    fn count(connection: &Connection) -> u32 {
        connection.query_row("SELECT count(*) FROM note", [], |row| row.get(0)).expect("counted")
    }

    #[test]
    fn every_durable_commit_is_a_flush_of_the_log_and_what_was_written_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.db");
        let disk = SlowDisk::register(c"counted", Duration::from_micros(50), Standing::Named).expect("registered");
        let connection = in_wal_mode(&path, c"counted");
        let reader = open(&path, c"counted");
        let before = disk.flushes();
        for n in 0..COMMITS {
            connection.execute("INSERT INTO note (n) VALUES (?1)", [n]).expect("written");
            assert_eq!(count(&reader), n + 1, "the other connection shares its memory");
        }
        assert!(disk.flushes().log >= before.log + u64::from(COMMITS), "{:?} after {before:?}", disk.flushes());
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("copied");
        assert!(disk.flushes().database > before.database, "a checkpoint flushes the database");
        drop((connection, reader));
        // The system's own VFS finds the same file.
        let connection = open(&path, c"unix");
        assert_eq!(count(&connection), COMMITS);
    }

    #[test]
    fn without_synchronous_full_a_commit_is_no_flush() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = SlowDisk::register(c"relaxed", Duration::ZERO, Standing::Named).expect("registered");
        let connection = in_wal_mode(&folder.path().join("notes.db"), c"relaxed");
        connection.execute_batch("PRAGMA synchronous = NORMAL; INSERT INTO note (n) VALUES (1)").expect("written");
        let before = disk.flushes();
        connection.execute("INSERT INTO note (n) VALUES (2)", []).expect("written");
        assert_eq!(disk.flushes(), before, "the count sees what the mode promises");
    }

    #[test]
    fn a_disk_that_nobody_uses_has_flushed_nothing() {
        let disk = SlowDisk::register(c"unused", Duration::from_secs(60), Standing::Named).expect("registered");
        assert_eq!(disk.flushes(), Flushes::default());
    }
}
