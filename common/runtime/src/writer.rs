//! The writer: one thread owns a database; what many callers ask for at the same time shares one flush.
//!
//! The thread takes what is waiting, at most [`GROUP_COMMANDS_MAX`] commands, runs each in a savepoint of its own and
//! commits once. There is no timer: a single caller waits for nobody. **No caller is answered before the COMMIT of its
//! group returned.** When it fails, all members are told so, the connection is closed, and the next group opens and
//! verifies it again.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::checkpoint::{CheckpointLimits, Checkpointer};
use crate::database::{Database, Group};
use crate::sqlite::{StorageError, WriteTx};
use crate::system::monotonic_now;
use crate::tasks;

/// How many commands may wait; at the limit a caller gets [`StorageError::QueueFull`] and nothing is done.
pub const QUEUE_COMMANDS_MAX: usize = 1_024;

/// How many commands share one commit at most; the others wait for the next.
pub const GROUP_COMMANDS_MAX: usize = 256;

/// A group that takes longer is logged, in milliseconds.
const SLOW_GROUP_MS: u64 = 500;

/// What a writer is given.
#[derive(Debug, Clone, Copy)]
pub struct WriterOptions {
    /// The database's name in threads, logs and metrics: one of a few fixed words.
    pub name: &'static str,
    /// How many commands may wait.
    pub queue_commands_max: usize,
    /// When to checkpoint.
    pub checkpoint: CheckpointLimits,
}

impl WriterOptions {
    /// The usual limits under a name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, queue_commands_max: QUEUE_COMMANDS_MAX, checkpoint: CheckpointLimits::default() }
    }
}

/// A handle on the thread that writes. A clone is the same writer.
///
/// ```no_run
/// # use percolate_runtime::{database::DatabaseOptions, sqlite::StorageError, writer::{Writer, WriterOptions}};
/// # use rusqlite::named_params;
/// # async fn example() -> Result<(), StorageError> {
/// let writer = Writer::start(WriterOptions::new("node"), DatabaseOptions::new("node.db", &[]).open()?)?;
/// let changed = writer.run("note", |tx| tx.execute("INSERT INTO note (text) VALUES (:text)", named_params! {":text": "hello"})).await?;
/// writer.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Writer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Absent once the writer is being stopped.
    queue: RwLock<Option<mpsc::Sender<Box<dyn Command>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    commits: watch::Receiver<u64>,
    queue_length: Gauge,
}

impl Writer {
    /// Starts the thread. Install the metrics recorder first: the writer keeps its metrics' handles.
    ///
    /// # Errors
    /// [`StorageError::Thread`] if the system gives no thread.
    pub fn start(options: WriterOptions, database: Database) -> Result<Self, StorageError> {
        let checkpointer = Checkpointer::start(options.name, database.path(), options.checkpoint)?;
        let (queue, inbox) = mpsc::channel(options.queue_commands_max.max(1));
        let (commit_sender, commits) = watch::channel(0);
        let worker = Worker {
            name: options.name,
            database,
            checkpointer,
            inbox,
            commits: commit_sender,
            metrics: Metrics::new(options.name),
        };
        let thread = Builder::new()
            .name(format!("writer-{}", options.name))
            .spawn(move || worker.run())
            .map_err(|error| StorageError::Thread(Arc::new(error)))?;
        let queue_length = gauge!("storage_queue_commands", "database" => options.name);
        Ok(Self {
            shared: Arc::new(Shared {
                queue: RwLock::new(Some(queue)),
                thread: Mutex::new(Some(thread)),
                commits,
                queue_length,
            }),
        })
    }

    /// Runs a command and waits until it is durable. After an error nothing of it is kept, unless the error is
    /// of the commit itself: see [`Group::commit`].
    ///
    /// A caller that stops waiting does not stop the command.
    ///
    /// # Errors
    /// What `f` returns; [`StorageError`] if the queue is full or closed, `f` panics, or the commit fails.
    pub async fn run<T, E, F>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let answer = self.enqueue(name, f)?;
        answer.await.unwrap_or_else(|_| Err(StorageError::Unanswered.into()))
    }

    /// As [`Writer::run`], for a thread that may block.
    ///
    /// # Errors
    /// As [`Writer::run`].
    ///
    /// # Panics
    /// If called from an async task.
    pub fn run_blocking<T, E, F>(&self, name: &'static str, f: F) -> Result<T, E>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let answer = self.enqueue(name, f)?;
        answer.blocking_recv().unwrap_or_else(|_| Err(StorageError::Unanswered.into()))
    }

    /// A number that changes with each commit that kept at least one command: what follows the journal waits for it.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.shared.commits.clone()
    }

    /// Takes no more commands, finishes those that wait, checkpoints and ends the thread.
    pub async fn stop(&self) {
        let writer = self.clone();
        if tasks::blocking(move || writer.stop_blocking()).await.is_err() {
            tracing::error!("stopping the writer panicked");
        }
    }

    /// As [`Writer::stop`], for a thread that may block.
    pub fn stop_blocking(&self) {
        drop(self.shared.queue.write().unwrap_or_else(PoisonError::into_inner).take());
        // Whoever else stops the writer waits here until the thread has ended.
        let mut thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer's thread panicked");
        }
    }

    fn enqueue<T, E, F>(&self, name: &'static str, f: F) -> Result<oneshot::Receiver<Result<T, E>>, StorageError>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let queue = self.shared.queue.read().unwrap_or_else(PoisonError::into_inner);
        let queue = queue.as_ref().ok_or(StorageError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let call = Box::new(Call { name, work: Some(f), outcome: None, reply });
        queue.try_send(call).map_err(|refusal| match refusal {
            TrySendError::Full(_) => StorageError::QueueFull { queued: queue.max_capacity() },
            TrySendError::Closed(_) => StorageError::Closed,
        })?;
        self.shared.queue_length.set(count(queue.max_capacity() - queue.capacity()));
        Ok(answer)
    }
}

/// What waits in the queue: a call without its types.
trait Command: Send {
    /// Does the work and keeps its outcome.
    fn run(&mut self, group: &mut Group<'_>);
    /// Answers the caller: with the outcome, or with what became of the group.
    fn answer(self: Box<Self>, group: Result<(), &StorageError>);
}

struct Call<T, E, F> {
    name: &'static str,
    work: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Command for Call<T, E, F>
where
    F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StorageError> + Send,
{
    fn run(&mut self, group: &mut Group<'_>) {
        self.outcome = self.work.take().map(|work| group.command(self.name, work));
    }

    fn answer(self: Box<Self>, group: Result<(), &StorageError>) {
        let outcome = match group {
            Ok(()) => self.outcome.unwrap_or_else(|| Err(StorageError::Unanswered.into())),
            Err(error) => Err(error.clone().into()),
        };
        // A caller that no longer waits is no failure: its command is done all the same.
        drop(self.reply.send(outcome));
    }
}

struct Worker {
    name: &'static str,
    database: Database,
    checkpointer: Checkpointer,
    inbox: mpsc::Receiver<Box<dyn Command>>,
    commits: watch::Sender<u64>,
    metrics: Metrics,
}

impl Worker {
    fn run(mut self) {
        // Commands are caught one by one. Should the thread itself panic, the others' commands must still go on.
        while catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            tracing::error!(database = self.name, "the writer of {} panicked outside a command and goes on", self.name);
        }
        self.checkpointer.stop();
    }

    /// Serves groups until the queue is closed and empty.
    fn serve(&mut self) {
        while let Some(first) = self.inbox.blocking_recv() {
            let mut waiting = VecDeque::from([first]);
            while waiting.len() < GROUP_COMMANDS_MAX
                && let Ok(next) = self.inbox.try_recv()
            {
                waiting.push_back(next);
            }
            self.metrics.queue_commands.set(count(self.inbox.len()));
            // More than one round only if a failure ended a transaction before the last of its commands ran.
            while !waiting.is_empty() {
                self.serve_group(&mut waiting);
            }
            self.checkpointer.after_commit(self.database.wal_pages());
            self.metrics.wal_pages.set(f64::from(self.database.wal_pages()));
        }
    }

    fn serve_group(&mut self, waiting: &mut VecDeque<Box<dyn Command>>) {
        let start = monotonic_now();
        let mut members = Vec::with_capacity(waiting.len());
        let ended = match self.database.group() {
            Err(error) => {
                members.extend(waiting.drain(..));
                Err(error)
            }
            Ok(mut group) => {
                while !group.is_lost()
                    && let Some(mut command) = waiting.pop_front()
                {
                    command.run(&mut group);
                    members.push(command);
                }
                let commit_start = monotonic_now();
                let ended = group.commit();
                self.metrics.commit_seconds.record(monotonic_now().saturating_sub(commit_start));
                ended
            }
        };
        self.metrics.group(members.len(), monotonic_now().saturating_sub(start), &ended);
        match &ended {
            Ok(0) => {}
            Ok(_) => self.commits.send_modify(|commits| *commits += 1),
            Err(error) => tracing::error!(
                database = self.name,
                commands = members.len(),
                error.code = error.code(),
                error = error as &dyn std::error::Error,
                "a group of the database {} was not kept",
                self.name
            ),
        }
        for command in members {
            command.answer(ended.as_ref().map(|_| ()));
        }
    }
}

struct Metrics {
    name: &'static str,
    commits: Counter,
    group_commands: Histogram,
    commit_seconds: Histogram,
    queue_commands: Gauge,
    wal_pages: Gauge,
}

impl Metrics {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            commits: counter!("storage_commits_total", "database" => name),
            group_commands: histogram!("storage_group_commands", "database" => name),
            commit_seconds: histogram!("storage_commit_seconds", "database" => name),
            queue_commands: gauge!("storage_queue_commands", "database" => name),
            wal_pages: gauge!("storage_wal_pages", "database" => name),
        }
    }

    fn group(&self, commands: usize, took: Duration, ended: &Result<u32, StorageError>) {
        self.group_commands.record(count(commands));
        match ended {
            Ok(0) => {}
            Ok(_) => self.commits.increment(1),
            Err(error) => {
                counter!("storage_groups_failed_total", "database" => self.name, "code" => error.code()).increment(1)
            }
        }
        if took > Duration::from_millis(SLOW_GROUP_MS) {
            tracing::warn!(database = self.name, commands, duration_ms = took.as_millis(), "a group took long");
        }
    }
}

fn count(length: usize) -> f64 {
    f64::from(u32::try_from(length).unwrap_or(u32::MAX))
}
