//! Readers: a few connections that cannot write, each read in one consistent snapshot, never waiting for the writer.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::connection::{Connection, Place};
use crate::storage::{ReadTx, StorageError};
use crate::system::monotonic_now;
use crate::tasks;

/// How long a caller waits for a free reader before it gets [`StorageError::ReadersBusy`], in milliseconds.
pub const READER_WAIT_MS_MAX: u64 = 5_000;

/// How long to wait before a server that cannot be reached is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// Some connections that only read. A clone shares them.
#[derive(Debug, Clone)]
pub struct ReadPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    place: Place,
    /// Whether even a task reads on its own thread: in a simulation, which has only one.
    inline: bool,
    /// A place without a connection is opened by whoever takes it.
    idle: Mutex<Vec<Option<Connection>>>,
    freed: Condvar,
}

impl ReadPool {
    /// Opens `readers` connections to a database that exists already: open the writer's first. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] if it cannot be opened.
    pub fn open(place: &Place, readers: usize) -> Result<Self, StorageError> {
        let idle = (0..readers.max(1)).map(|_| place.open_reader().map(Some)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            shared: Arc::new(Shared {
                place: place.clone(),
                inline: false,
                idle: Mutex::new(idle),
                freed: Condvar::new(),
            }),
        })
    }

    /// One connection, and all reading on the caller's thread, tasks included: for a simulation.
    ///
    /// # Errors
    /// [`StorageError`] if the file cannot be opened.
    pub fn open_inline(place: &Place) -> Result<Self, StorageError> {
        let idle = Mutex::new(vec![place.open_reader().map(Some)?]);
        Ok(Self { shared: Arc::new(Shared { place: place.clone(), inline: true, idle, freed: Condvar::new() }) })
    }

    /// Where the database is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.shared.place
    }

    /// Reads in one consistent snapshot. Blocks: from an async task use [`ReadPool::read_async`].
    ///
    /// ```no_run
    /// # use percolate_runtime::{read_pool::ReadPool, storage::StorageError};
    /// # fn example(pool: &ReadPool) -> Result<i64, StorageError> {
    /// pool.read(|tx| tx.query_one("SELECT count(*) FROM ticket", &[], |row| row.take()))
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `f` returns; [`StorageError`] if the snapshot cannot be taken or no reader becomes free.
    pub fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&ReadTx<'_>) -> Result<T, E>,
        E: From<StorageError>,
    {
        let mut loan = self.borrow_reader()?;
        f(&loan.begin()?.reading())
    }

    /// Reads in one consistent snapshot on a thread that may block.
    ///
    /// # Errors
    /// As [`ReadPool::read`]; [`StorageError::Panicked`] if `f` panics.
    pub async fn read_async<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&ReadTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        if self.shared.inline {
            return self.read(f);
        }
        let pool = self.clone();
        match tasks::blocking(move || pool.read(f)).await {
            Ok(outcome) => outcome,
            Err(tasks::Panicked) => Err(StorageError::Panicked { name: "read" }.into()),
        }
    }

    fn borrow_reader(&self) -> Result<Loan<'_>, StorageError> {
        let shared = &*self.shared;
        let idle = shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut idle, _) = shared
            .freed
            .wait_timeout_while(idle, Duration::from_millis(READER_WAIT_MS_MAX), |idle| idle.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let place = idle.pop().ok_or(StorageError::ReadersBusy { wait_ms: READER_WAIT_MS_MAX })?;
        drop(idle);
        Ok(Loan { shared, connection: place })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let idle = std::mem::take(self.idle.get_mut().unwrap_or_else(PoisonError::into_inner));
        if matches!(self.place, Place::Server(_)) {
            // Leaving a server blocks, which a thread that runs tasks must not.
            drop(std::thread::spawn(move || drop(idle)));
        }
    }
}

/// A reader in use. It goes back by itself, its snapshot ended, also when the reading code panics.
struct Loan<'p> {
    shared: &'p Shared,
    connection: Option<Connection>,
}

impl Loan<'_> {
    /// Begins a snapshot. A server that is not there is waited for a little: it may be starting again.
    fn begin(&mut self) -> Result<&Connection, StorageError> {
        let until = monotonic_now() + Duration::from_millis(READER_WAIT_MS_MAX);
        loop {
            match self.try_begin() {
                Ok(connection) => return Ok(self.connection.insert(connection)),
                Err(StorageError::Unreachable(_)) if monotonic_now() < until => std::thread::park_timeout(TRY_AGAIN),
                Err(error) => return Err(error),
            }
        }
    }

    fn try_begin(&mut self) -> Result<Connection, StorageError> {
        if let Some(connection) = self.connection.take() {
            match connection.begin_read() {
                Ok(()) => return Ok(connection),
                // It was broken while nobody used it.
                Err(StorageError::Unreachable(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let connection = self.shared.place.open_reader()?;
        connection.begin_read()?;
        Ok(connection)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        // A connection that cannot end its transaction is dropped; the next caller opens another in its place.
        let place = self.connection.take().filter(Connection::end_read);
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).push(place);
        self.shared.freed.notify_one();
    }
}
