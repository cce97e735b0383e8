//! One database of the hub: a file or a schema, its writer with group commit, and its readers.
//!
//! Each service has one of its own, and the journal is one. Nobody opens another's.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;

use percolate_common::journal::{AuthorId, Hash, Head, Incarnation, JournalId, StreamKind};
use percolate_runtime::changes::{Changed, Changes, Following};
use percolate_runtime::database::DatabaseOptions;
use percolate_runtime::follower::Follower;
use percolate_runtime::migrate;
use percolate_runtime::read_pool::ReadPool;
use percolate_runtime::storage::{ReadTx, Row, StorageError, WriteTx};
use percolate_runtime::tasks;
use percolate_runtime::writer::{Writer, WriterOptions};

use super::engine::{ChainServer, Engine, Schema};

/// How many reads of one database run at the same time; the others wait their turn.
const READERS: usize = 4;

/// A database of the hub. A clone is the same database.
#[derive(Debug, Clone)]
pub struct Db {
    name: &'static str,
    access: Access,
    readers: ReadPool,
    /// Told of by this process alone.
    changes: Changes,
}

/// Whose database it is.
#[derive(Debug, Clone)]
enum Access {
    /// Ours: we write it.
    Owner(Writer),
    /// Another process's on a server: we read it, and hear of its commits.
    Guest(Follower),
    /// A file that somebody else may be writing: we look at it, and hear of nothing.
    Looker,
}

impl Db {
    /// Opens a database, makes it if there is none, and brings it to the present schema. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] of any class.
    pub fn open(schema: &'static Schema, data_dir: &Path, engine: &Engine) -> Result<Self, StorageError> {
        let name = schema.name;
        let place = engine.place(name, data_dir)?;
        let database = DatabaseOptions::new(place.clone(), schema.migrations(&place)).open()?;
        let changes = database.changes();
        let (writer, readers) = match engine {
            Engine::Threads | Engine::Server(_) => {
                (Writer::start(WriterOptions::new(name), database)?, ReadPool::open(&place, READERS)?)
            }
            Engine::Inline(hook) => (Writer::inline(name, database, hook.clone()), ReadPool::open_inline(&place)?),
        };
        Ok(Self { name, access: Access::Owner(writer), readers, changes })
    }

    /// Opens a database that another process writes, as the role of a service that may read it. Blocks.
    ///
    /// # Errors
    /// [`StorageError::OlderDatabase`] if its owner has not brought it to the schema that this program reads: try again.
    pub fn open_reader(schema: &'static Schema, server: &ChainServer, service: &str) -> Result<Self, StorageError> {
        let server = server.schema(schema.name, service)?;
        let readers = ReadPool::open(&server.clone().into(), READERS)?;
        readers.read(|tx| migrate::check(tx, schema.postgres))?;
        let access = Access::Guest(Follower::start(&server)?);
        Ok(Self { name: schema.name, access, readers, changes: Changes::default() })
    }

    /// Opens a database file to look at it, whether or not a hub has it open. Blocks.
    ///
    /// # Errors
    /// [`StorageError::OlderDatabase`] if no hub of this version has brought it to the present schema.
    pub fn open_file(schema: &'static Schema, data_dir: &Path) -> Result<Self, StorageError> {
        let readers = ReadPool::open(&Engine::Threads.place(schema.name, data_dir)?, 1)?;
        readers.read(|tx| migrate::check(tx, schema.sqlite))?;
        Ok(Self { name: schema.name, access: Access::Looker, readers, changes: Changes::default() })
    }

    /// Whether it is on a server, where other processes may be at work, too.
    #[must_use]
    pub fn is_on_server(&self) -> bool {
        self.readers.place().server().is_some()
    }

    /// Whether this process writes it.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self.access, Access::Owner(_))
    }

    fn writer(&self, command: &'static str) -> Result<&Writer, StorageError> {
        match &self.access {
            Access::Owner(writer) => Ok(writer),
            Access::Guest(_) | Access::Looker => Err(StorageError::WriteInRead { statement: command.to_owned() }),
        }
    }

    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs a command and waits until it is durable; what was asked for first is done first.
    ///
    /// # Errors
    /// What `f` returns; [`StorageError`] if it cannot be made durable.
    pub async fn write<T, E, F>(&self, command: &'static str, f: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.writer(command)?.run(command, f).await
    }

    /// As [`Db::write`], for a thread that may block.
    ///
    /// # Errors
    /// As [`Db::write`].
    ///
    /// # Panics
    /// If called from an async task.
    pub fn write_blocking<T, E, F>(&self, command: &'static str, f: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.writer(command)?.run_blocking(command, f)
    }

    /// Reads one consistent snapshot. Blocks.
    ///
    /// # Errors
    /// What `f` returns; [`StorageError`] if no reader is free.
    pub fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&ReadTx<'_>) -> Result<T, E>,
        E: From<StorageError>,
    {
        self.readers.read(f)
    }

    /// Reads one consistent snapshot on a thread that may block.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn read_async<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnOnce(&ReadTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.readers.read_async(f).await
    }

    /// Waits for several commands of this database whose order matters: each is asked for before the next, and those
    /// that wait at the same time share one commit.
    pub async fn write_all<F: Future>(&self, commands: impl IntoIterator<Item = F>) -> Vec<F::Output> {
        let mut slots: Vec<_> = commands.into_iter().map(|command| Slot::Waiting(Box::pin(command))).collect();
        poll_fn(|context| {
            match &self.access {
                Access::Owner(writer) => writer.together(|| ask_each(&mut slots, context)),
                Access::Guest(_) | Access::Looker => ask_each(&mut slots, context),
            }
            Poll::Ready(())
        })
        .await;
        // All are asked for by now. They are answered together and in this order: whoever waited for all at once would look
        // at each of them at every answer.
        let mut outputs = Vec::with_capacity(slots.len());
        for slot in slots {
            outputs.push(match slot {
                Slot::Waiting(command) => command.await,
                Slot::Done(output) => output,
            });
        }
        outputs
    }

    /// Whether it can be written now, as far as that shows without writing. Blocks.
    ///
    /// # Errors
    /// [`StorageError`] says why not.
    pub fn probe(&self) -> Result<(), StorageError> {
        self.write_blocking("probe", |tx| tx.query_one("SELECT 1", &[], |row| row.take::<i64>())).map(drop)
    }

    /// A number that changes with every commit, whoever made it.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        match &self.access {
            Access::Owner(writer) => writer.commits(),
            Access::Guest(follower) => follower.commits(),
            Access::Looker => watch::channel(0).1,
        }
    }

    /// Journals that are written from now on; the first time, all.
    #[must_use]
    pub fn follow(&self) -> JournalsFollowed {
        let all_are_ours = self.is_ours() && !self.is_on_server();
        JournalsFollowed { following: all_are_ours.then(|| self.changes.follow()) }
    }

    /// Finishes what waits, checkpoints, and takes nothing more.
    pub async fn stop(&self) {
        match &self.access {
            Access::Owner(writer) => writer.stop().await,
            Access::Guest(follower) => {
                let follower = follower.clone();
                if tasks::blocking(move || follower.stop_blocking()).await.is_err() {
                    tracing::error!("stopping a follower panicked");
                }
            }
            Access::Looker => {}
        }
    }

    /// As [`Db::stop`], for a thread that may block.
    pub fn stop_blocking(&self) {
        match &self.access {
            Access::Owner(writer) => writer.stop_blocking(),
            Access::Guest(follower) => follower.stop_blocking(),
            Access::Looker => {}
        }
    }
}

/// What is written to the journals of a database. Where other processes write, too, nobody tells which.
#[derive(Debug)]
pub struct JournalsFollowed {
    following: Option<Following>,
}

impl JournalsFollowed {
    /// Which journals were written since this was asked last, at most; nothing if any may have been.
    #[must_use]
    pub fn take(&self) -> Option<BTreeSet<JournalId>> {
        match self.following.as_ref()?.take() {
            Changed::These(keys) => Some(keys.into_iter().filter_map(journal_of_columns).collect()),
            Changed::All => None,
        }
    }
}

/// The columns `author`, `incarnation` and `stream` of a journal.
#[must_use]
pub fn journal_columns(journal: &JournalId) -> (i64, i64, i64) {
    (i64::from(journal.author.number()), journal.incarnation.get().cast_signed(), i64::from(journal.stream.number()))
}

/// The journal that the next three cells name; nothing if a newer program wrote a stream that this one does not know.
///
/// # Errors
/// [`StorageError`] if they are not numbers.
pub fn journal_taken(row: &mut Row<'_>) -> Result<Option<JournalId>, StorageError> {
    Ok(journal_of_columns([row.take()?, row.take()?, row.take()?]))
}

fn journal_of_columns([author, incarnation, stream]: [i64; 3]) -> Option<JournalId> {
    Some(JournalId {
        author: AuthorId::from_number(u32::try_from(author).ok()?),
        incarnation: Incarnation::new(incarnation.cast_unsigned()),
        stream: StreamKind::from_number(u8::try_from(stream).ok()?)?,
    })
}

/// A sequence number as a column.
#[must_use]
pub fn seq_column(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// A sequence number from a column.
#[must_use]
pub fn seq_from_column(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// The entry that the next two cells name: its sequence number, and the chain's hash there.
///
/// # Errors
/// [`StorageError`] if they are of another kind.
pub fn head_taken(row: &mut Row<'_>) -> Result<Head, StorageError> {
    Ok(Head { seq: seq_from_column(row.take()?), hash: Hash::from_bytes(row.take()?) })
}

/// An incarnation from the next cell.
///
/// # Errors
/// [`StorageError`] if it is no number.
pub fn incarnation_taken(row: &mut Row<'_>) -> Result<Incarnation, StorageError> {
    Ok(Incarnation::new(row.take::<i64>()?.cast_unsigned()))
}

/// A command of several, and what became of it.
enum Slot<F: Future> {
    Waiting(Pin<Box<F>>),
    Done(F::Output),
}

/// Asks for every one of them.
fn ask_each<F: Future>(slots: &mut [Slot<F>], context: &mut Context<'_>) {
    for slot in slots {
        if let Slot::Waiting(command) = slot
            && let Poll::Ready(output) = command.as_mut().poll(context)
        {
            *slot = Slot::Done(output);
        }
    }
}
