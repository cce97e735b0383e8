//! The writer: one thread owns a database; what many callers ask for at the same time shares one flush.
//!
//! The thread takes what is waiting, and what comes while it works for as long as a flush takes, at most
//! [`GROUP_COMMANDS_MAX`] commands; it runs each in a savepoint of its own and commits once. A single caller waits for
//! nobody; many wait for each other where a flush is long (`company`). **No
//! caller is answered before the COMMIT of its group returned.** When it fails, all members are told so, the connection
//! is closed, and the next group opens and verifies it again.
//!
//! A simulation has no threads: [`Writer::inline`] does the same work on its caller's thread, and lets the process die
//! at any commit.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::checkpoint::{CheckpointLimits, Checkpointer};
use crate::company::{Company, LastGroup};
use crate::database::{Database, Group};
use crate::follower::Follower;
use crate::storage::{StorageError, WriteTx};
use crate::system::monotonic_now;
use crate::tasks;

/// How many commands may wait; at the limit a caller gets [`StorageError::QueueFull`] and nothing is done.
pub const QUEUE_COMMANDS_MAX: usize = 1_024;

/// How many commands share one commit at most; the others wait for the next.
pub const GROUP_COMMANDS_MAX: usize = 256;

/// Without a checkpointer the log is copied at this length, in pages.
const WAL_PAGES_INLINE: u32 = 1_000;

/// A group takes in who comes while it runs for no longer than this, however long the last flush took: somebody waits for
/// each of its members.
const OPEN_MAX: Duration = Duration::from_millis(50);

/// How often a group that waits for company looks.
const LOOK_EVERY: Duration = Duration::from_micros(50);

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
/// # use percolate_runtime::{database::DatabaseOptions, params, storage::StorageError, writer::{Writer, WriterOptions}};
/// # async fn example() -> Result<(), StorageError> {
/// let writer = Writer::start(WriterOptions::new("node"), DatabaseOptions::new("node.db", &[]).open()?)?;
/// let changed = writer.run("note", |tx| tx.execute("INSERT INTO note (text) VALUES (?1)", params!["hello"])).await?;
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
    doer: Doer,
    commits: watch::Receiver<u64>,
    groups: Arc<AtomicU64>,
}

/// Who does the work.
enum Doer {
    Thread {
        /// Absent once the writer is being stopped.
        queue: RwLock<Option<mpsc::Sender<Box<dyn Command>>>>,
        thread: Mutex<Option<JoinHandle<()>>>,
        queue_length: Gauge,
        /// Only on a server, where others write, too.
        follower: Option<Follower>,
    },
    /// The caller.
    Caller(Mutex<Caller>),
}

struct Caller {
    /// Absent once the writer is stopped, or dead.
    core: Option<Box<Core>>,
    /// What is asked for together, while it is.
    gathered: Option<VecDeque<Box<dyn Command>>>,
}

impl std::fmt::Debug for Doer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Thread { .. } => "Thread",
            Self::Caller(_) => "Caller",
        })
    }
}

/// A moment in the life of a group at which a process may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommitPoint {
    /// Everything is done but the commit.
    BeforeCommit,
    /// The group is durable, and nobody knows it yet.
    AfterCommit,
}

/// How it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// As always.
    On,
    /// The process is dead: nobody is answered, and nothing is written any more.
    Die,
}

/// Decides over life and death at each commit of a simulated process.
pub trait CommitHook: Send + Sync {
    /// Called at each point of each commit of the database with this name.
    fn at(&self, database: &'static str, point: CommitPoint) -> Go;
}

impl Writer {
    /// Starts the thread. Install the metrics recorder first: the writer keeps its metrics' handles.
    ///
    /// # Errors
    /// [`StorageError::Thread`] if the system gives no thread.
    pub fn start(options: WriterOptions, database: Database) -> Result<Self, StorageError> {
        // A server copies its log by itself.
        let server = database.place().server().cloned();
        let file = database.place().file();
        let checkpointer = file.map(|path| Checkpointer::start(options.name, path, options.checkpoint)).transpose()?;
        let (queue, inbox) = mpsc::channel(options.queue_commands_max.max(1));
        let (core, commits) = Core::new(options.name, database, None);
        let groups = Arc::clone(&core.groups);
        let follower = server.map(|server| Follower::start_for(&server, core.commits.clone())).transpose()?;
        let worker = Worker { core, checkpointer, inbox };
        let thread = Builder::new()
            .name(format!("writer-{}", options.name))
            .spawn(move || worker.run())
            .map_err(|error| StorageError::Thread(Arc::new(error)))?;
        let queue_length = gauge!("storage_queue_commands", "database" => options.name);
        let (queue, thread) = (RwLock::new(Some(queue)), Mutex::new(Some(thread)));
        let doer = Doer::Thread { queue, thread, queue_length, follower };
        Ok(Self { shared: Arc::new(Shared { doer, commits, groups }) })
    }

    /// A writer without a thread: each command is a group of its own, done on the caller's thread when it is asked for;
    /// see [`Writer::together`]. The write-ahead log is copied by the way, and `hook` may let the process die at each
    /// commit.
    #[must_use]
    pub fn inline(name: &'static str, database: Database, hook: Arc<dyn CommitHook>) -> Self {
        let (core, commits) = Core::new(name, database, Some(hook));
        let groups = Arc::clone(&core.groups);
        let caller = Caller { core: Some(Box::new(core)), gathered: None };
        Self { shared: Arc::new(Shared { doer: Doer::Caller(Mutex::new(caller)), commits, groups }) }
    }

    /// Lets what `ask` asks for be one group where there is no thread that finds it waiting at the same time. A writer
    /// with a thread needs no telling.
    pub fn together<T>(&self, ask: impl FnOnce() -> T) -> T {
        let Doer::Caller(caller) = &self.shared.doer else { return ask() };
        let lock = || caller.lock().unwrap_or_else(PoisonError::into_inner);
        lock().gathered = Some(VecDeque::new());
        let asked = ask();
        let mut caller = lock();
        let gathered = caller.gathered.take().unwrap_or_default();
        caller.serve(gathered);
        asked
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
        let mut answer = self.enqueue(name, f)?;
        let answered = match &self.shared.doer {
            Doer::Caller(_) => answer.try_recv().map_err(drop),
            Doer::Thread { .. } => answer.blocking_recv().map_err(drop),
        };
        answered.unwrap_or_else(|()| Err(StorageError::Unanswered.into()))
    }

    /// A number that changes with each commit that kept at least one command: what follows the journal waits for it. On a
    /// server it changes with those of other processes, too.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.shared.commits.clone()
    }

    /// The number of the group that is served, or was last: what is looked up once for all commands of a group is kept
    /// under it.
    #[must_use]
    pub fn group_number(&self) -> u64 {
        self.shared.groups.load(Ordering::Relaxed)
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
        match &self.shared.doer {
            Doer::Thread { queue, thread, follower, .. } => {
                if let Some(follower) = follower {
                    follower.stop_blocking();
                }
                drop(queue.write().unwrap_or_else(PoisonError::into_inner).take());
                // Whoever else stops the writer waits here until the thread has ended.
                let mut thread = thread.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(thread) = thread.take()
                    && thread.join().is_err()
                {
                    tracing::error!("the writer's thread panicked");
                }
            }
            Doer::Caller(caller) => drop(caller.lock().unwrap_or_else(PoisonError::into_inner).core.take()),
        }
    }

    fn enqueue<T, E, F>(&self, name: &'static str, f: F) -> Result<oneshot::Receiver<Result<T, E>>, StorageError>
    where
        F: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let call: Box<dyn Command> = Box::new(Call { name, work: Some(f), outcome: None, reply });
        match &self.shared.doer {
            Doer::Thread { queue, queue_length, .. } => {
                let queue = queue.read().unwrap_or_else(PoisonError::into_inner);
                let queue = queue.as_ref().ok_or(StorageError::Closed)?;
                queue.try_send(call).map_err(|refusal| match refusal {
                    TrySendError::Full(_) => StorageError::QueueFull { queued: queue.max_capacity() },
                    TrySendError::Closed(_) => StorageError::Closed,
                })?;
                queue_length.set(count(queue.max_capacity() - queue.capacity()));
            }
            Doer::Caller(caller) => {
                let mut caller = caller.lock().unwrap_or_else(PoisonError::into_inner);
                if caller.core.is_none() {
                    return Err(StorageError::Closed);
                }
                match &mut caller.gathered {
                    Some(gathered) => gathered.push_back(call),
                    None => caller.serve(VecDeque::from([call])),
                }
            }
        }
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
    core: Core,
    /// Only for a file.
    checkpointer: Option<Checkpointer>,
    inbox: mpsc::Receiver<Box<dyn Command>>,
}

/// What is done with a group, on whatever thread.
struct Core {
    name: &'static str,
    database: Database,
    commits: watch::Sender<u64>,
    groups: Arc<AtomicU64>,
    metrics: Metrics,
    last: LastGroup,
    /// Only in a simulation.
    hook: Option<Arc<dyn CommitHook>>,
    dead: bool,
}

impl Worker {
    fn run(mut self) {
        // Commands are caught one by one. Should the thread itself panic, the others' commands must still go on.
        while catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            let name = self.core.name;
            tracing::error!(database = name, "the writer of {name} panicked outside a command and goes on");
        }
        if let Some(checkpointer) = self.checkpointer {
            checkpointer.stop();
        }
    }

    /// Serves groups until the queue is closed and empty.
    fn serve(&mut self) {
        while let Some(first) = self.inbox.blocking_recv() {
            self.core.metrics.queue_commands.set(count(self.inbox.len()));
            let mut waiting = VecDeque::from([first]);
            let mut arrivals = Arrivals::new(&mut self.inbox, self.core.last);
            {
                let _held = self.checkpointer.as_ref().map(Checkpointer::hold_log);
                // More than one round only if a failure ended a transaction before the last of its commands ran.
                while !waiting.is_empty() {
                    self.core.serve_group(&mut waiting, |members| arrivals.next(members));
                }
            }
            self.core.last.callers += self.inbox.len();
            if let Some(checkpointer) = &mut self.checkpointer {
                checkpointer.after_commit(self.core.database.wal_pages());
            }
            self.core.metrics.wal_pages.set(f64::from(self.core.database.wal_pages()));
        }
    }
}

/// Commands that come while a group is open.
struct Arrivals<'i> {
    inbox: &'i mut mpsc::Receiver<Box<dyn Command>>,
    last: LastGroup,
    /// So many members are there already, or are expected: they are taken whatever the time.
    members: usize,
    /// After this, others who come wait for the next group.
    until: Duration,
    company: Option<Company>,
}

impl<'i> Arrivals<'i> {
    /// For a group that begins now, after another.
    fn new(inbox: &'i mut mpsc::Receiver<Box<dyn Command>>, last: LastGroup) -> Self {
        let waiting = inbox.len() + 1;
        let (members, open) = if last.is_worth_waiting() {
            (waiting.max(last.callers), last.commit.min(OPEN_MAX))
        } else {
            (waiting, Duration::ZERO)
        };
        Self { inbox, last, members, until: monotonic_now() + open, company: None }
    }

    /// The next command for a group that has so many members; none if it is time to flush.
    fn next(&mut self, members: usize) -> Option<Box<dyn Command>> {
        loop {
            if members >= GROUP_COMMANDS_MAX {
                return None;
            }
            let now = monotonic_now();
            if (now < self.until || members < self.members)
                && let Ok(next) = self.inbox.try_recv()
            {
                return Some(next);
            }
            if self.company.is_none() {
                self.company = self.last.company(members, now);
            }
            if !self.company.as_mut()?.waits(members, now) {
                return None;
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }
}

impl Caller {
    fn serve(&mut self, calls: VecDeque<Box<dyn Command>>) {
        let Some(core) = self.core.as_mut() else { return };
        core.serve_inline(calls);
        if core.dead {
            self.core = None;
        }
    }
}

impl Core {
    fn new(name: &'static str, database: Database, hook: Option<Arc<dyn CommitHook>>) -> (Self, watch::Receiver<u64>) {
        let (commits, receiver) = watch::channel(0);
        (
            Self {
                name,
                database,
                commits,
                groups: Arc::default(),
                metrics: Metrics::new(name),
                last: LastGroup::default(),
                hook,
                dead: false,
            },
            receiver,
        )
    }

    /// Groups as a thread makes them of what waits, and the copying of the log that it leaves to another.
    fn serve_inline(&mut self, mut calls: VecDeque<Box<dyn Command>>) {
        while !calls.is_empty() {
            let mut waiting: VecDeque<_> = calls.drain(..calls.len().min(GROUP_COMMANDS_MAX)).collect();
            while !waiting.is_empty() {
                self.serve_group(&mut waiting, |_members| None);
            }
        }
        if !self.dead && self.database.wal_pages() >= WAL_PAGES_INLINE {
            self.database.copy_log();
        }
    }

    /// Serves what waits, and what `arrives` once nothing waits any more.
    fn serve_group(
        &mut self,
        waiting: &mut VecDeque<Box<dyn Command>>,
        mut arrives: impl FnMut(usize) -> Option<Box<dyn Command>>,
    ) {
        self.groups.fetch_add(1, Ordering::Relaxed);
        let start = monotonic_now();
        let mut commit_time = Duration::ZERO;
        let mut members = Vec::with_capacity(waiting.len());
        let ended = match self.database.group() {
            Err(error) => {
                members.extend(waiting.drain(..));
                Err(error)
            }
            Ok(mut group) => {
                while !group.is_lost()
                    && let Some(mut command) = waiting.pop_front().or_else(|| arrives(members.len()))
                {
                    command.run(&mut group);
                    members.push(command);
                }
                let commit_start = monotonic_now();
                let (hook, dead, name) = (self.hook.as_ref(), &mut self.dead, self.name);
                let ended = commit(group, |point| {
                    // Without a hook, as in every real process, life goes on.
                    *dead |= hook.is_some_and(|hook| hook.at(name, point) == Go::Die);
                    !*dead
                });
                commit_time = monotonic_now().saturating_sub(commit_start);
                self.metrics.commit_seconds.record(commit_time);
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
        let callers = members.len();
        for command in members {
            command.answer(ended.as_ref().map(|_| ()));
        }
        self.last = LastGroup { ended_at: monotonic_now(), commit: commit_time, callers };
    }
}

/// Commits, unless the process dies before or right after.
fn commit(group: Group<'_>, mut lives: impl FnMut(CommitPoint) -> bool) -> Result<u32, StorageError> {
    if !lives(CommitPoint::BeforeCommit) {
        return Err(StorageError::Closed);
    }
    let ended = group.commit();
    if lives(CommitPoint::AfterCommit) { ended } else { Err(StorageError::Closed) }
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
