//! Tasks: started by name, stopped in order within a deadline, a panic in one reported and felt by no other.
//!
//! The only place that starts a task. Only a composition root calls it; no task starts another.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use metrics::counter;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::backoff;
use crate::system::monotonic_now;

/// A task that ran this long before it failed is restarted as if it had never failed, in milliseconds.
const HEALTHY_MS_MIN: u64 = 60_000;

/// The tasks of a process. They are stopped in the reverse order of their start: start first what others stand on.
///
/// ```no_run
/// # use std::time::Duration;
/// # use percolate_runtime::tasks::{TaskGroup, shutdown_signal};
/// # async fn example() -> std::io::Result<()> {
/// let tasks = TaskGroup::new();
/// tasks.spawn("sweeper", |stop| async move { stop.cancelled().await });
/// shutdown_signal().await?;
/// let report = tasks.stop(Duration::from_secs(10)).await;
/// assert!(report.is_clean(), "still running: {:?}", report.unfinished);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct TaskGroup {
    running: Mutex<Vec<Running>>,
}

#[derive(Debug)]
struct Running {
    name: &'static str,
    stop: CancellationToken,
    handle: JoinHandle<()>,
}

/// How a stop went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReport {
    /// The tasks that had not ended at the deadline and were cut off.
    pub unfinished: Vec<&'static str>,
}

impl StopReport {
    /// Whether every task ended by itself.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unfinished.is_empty()
    }
}

/// Blocking work panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("blocking work panicked")]
pub struct Panicked;

impl TaskGroup {
    /// A group without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task that ends when its token is cancelled. A panic in it is logged and counted.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<F, Fut>(&self, name: &'static str, start: F)
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = start(stop.clone());
        self.start(name, stop, async move {
            if let Err(panic) = caught(task).await {
                report_failure::<Infallible>(name, Failure::Panic(panic));
            }
        });
    }

    /// Starts a task that is made anew, after a growing wait, whenever it fails or panics. It is over when it returns
    /// `Ok`, or when its token is cancelled.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn_restarting<F, Fut, E>(&self, name: &'static str, mut start: F)
    where
        F: FnMut(CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Error + Send + 'static,
    {
        let stop = CancellationToken::new();
        let token = stop.clone();
        self.start(name, token, async move {
            let mut failures = 0;
            loop {
                let begin = monotonic_now();
                let failure = match caught(start(stop.clone())).await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => Failure::Error(error),
                    Err(panic) => Failure::Panic(panic),
                };
                report_failure(name, failure);
                if monotonic_now().saturating_sub(begin) >= Duration::from_millis(HEALTHY_MS_MIN) {
                    failures = 0;
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(backoff::delay(failures)) => {}
                }
                failures = failures.saturating_add(1);
                counter!("task_restarts_total", "task" => name).increment(1);
            }
        });
    }

    /// The tasks that have ended although nobody stopped the group.
    #[must_use]
    pub fn ended(&self) -> Vec<&'static str> {
        self.lock().iter().filter(|task| task.handle.is_finished()).map(|task| task.name).collect()
    }

    /// Stops the tasks one after another, the youngest first, all within `time_max`. A task that does not end is cut off
    /// and reported. It may use up half of the time that is left, so that those below it can still end well.
    pub async fn stop(&self, time_max: Duration) -> StopReport {
        let mut tasks = mem::take(&mut *self.lock());
        let over = monotonic_now().saturating_add(time_max);
        let mut unfinished = Vec::new();
        while let Some(task) = tasks.pop() {
            task.stop.cancel();
            let left = over.saturating_sub(monotonic_now());
            let share = if tasks.is_empty() { left } else { left / 2 };
            let mut handle = task.handle;
            if tokio::time::timeout(share, &mut handle).await.is_err() {
                let name = task.name;
                tracing::error!(task = name, "the task {name} did not end in time and was cut off");
                handle.abort();
                unfinished.push(name);
            }
        }
        StopReport { unfinished }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::disallowed_methods, reason = "the one lawful start of a task")]
    fn start(&self, name: &'static str, stop: CancellationToken, task: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(task);
        self.lock().push(Running { name, stop, handle });
    }
}

impl Drop for TaskGroup {
    fn drop(&mut self) {
        for task in self.running.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.handle.abort();
        }
    }
}

/// Runs work that blocks on a thread made for that, and waits for it.
///
/// # Errors
/// [`Panicked`] if the work panics.
pub async fn blocking<T, F>(work: F) -> Result<T, Panicked>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(error = &error as &dyn Error, "blocking work did not end well");
        Panicked
    })
}

/// The outcome of work that never waits, without an executor: for a simulation, whose databases answer at once.
///
/// ```
/// use percolate_runtime::tasks::ready_now;
/// assert_eq!(ready_now(async { 1 + 1 }), Some(2));
/// assert_eq!(ready_now(std::future::pending::<()>()), None);
/// ```
pub fn ready_now<F: Future>(work: F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(work).poll(&mut context) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

/// Waits for SIGINT or SIGTERM and tells which it was.
///
/// # Errors
/// If the handlers cannot be installed.
pub async fn shutdown_signal() -> io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    })
}

/// What tells a server to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopOn {
    /// SIGINT and SIGTERM.
    Signals,
    /// These, and the end of its input: the process that started it holds the other end, and has ended somehow.
    SignalsAndParent,
}

/// Waits for what tells a server to stop, and says what it was.
///
/// # Errors
/// If it cannot be listened to.
pub async fn told_to_stop(on: StopOn) -> io::Result<&'static str> {
    match on {
        StopOn::Signals => shutdown_signal().await,
        StopOn::SignalsAndParent => tokio::select! {
            signal = shutdown_signal() => signal,
            ended = end_of_input() => ended,
        },
    }
}

/// Waits for the end of the process's input, in a thread of its own, which ends with the process: an executor would wait
/// for a read that never comes back.
async fn end_of_input() -> io::Result<&'static str> {
    let (ended, is_over) = oneshot::channel::<()>();
    std::thread::Builder::new().name("input".to_owned()).spawn(move || {
        // An input that cannot be read is over, too.
        drop((io::copy(&mut io::stdin(), &mut io::sink()), ended));
    })?;
    is_over.await.unwrap_or_default();
    Ok("end of input")
}

/// As [`shutdown_signal`], and SIGHUP: for a program that belongs to a terminal, and ends when that is closed.
///
/// # Errors
/// If the handlers cannot be installed.
pub async fn shutdown_or_hangup_signal() -> io::Result<&'static str> {
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        told = shutdown_signal() => told,
        _ = hang_up.recv() => Ok("SIGHUP"),
    }
}

enum Failure<E> {
    Error(E),
    Panic(Box<dyn Any + Send>),
}

fn report_failure<E: Error + 'static>(name: &'static str, failure: Failure<E>) {
    let outcome = match failure {
        Failure::Error(error) => {
            tracing::error!(task = name, error = &error as &dyn Error, "the task {name} failed");
            "error"
        }
        Failure::Panic(panic) => {
            tracing::error!(task = name, panic = panic_text(&*panic), "the task {name} panicked");
            "panic"
        }
    };
    counter!("task_failures_total", "task" => name, "outcome" => outcome).increment(1);
}

/// The text of a panic, as far as it has one.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without text")
}

/// Awaits a future and catches its panic. The future is dropped right after it panicked, nothing of it is used again.
async fn caught<F: Future>(task: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut task = Box::pin(task);
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context))) {
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_youngest_task_stops_first_and_alone() {
        let tasks = TaskGroup::new();
        let (ended, mut order) = mpsc::channel(3);
        for name in ["base", "middle", "top"] {
            let ended = ended.clone();
            tasks.spawn(name, |stop| async move {
                stop.cancelled().await;
                ended.send(name).await.unwrap();
            });
        }
        assert!(tasks.stop(LONG).await.is_clean());
        drop(ended);
        let mut seen = Vec::new();
        while let Some(name) = order.recv().await {
            seen.push(name);
        }
        assert_eq!(seen, ["top", "middle", "base"]);
    }

    #[tokio::test]
    async fn a_task_that_does_not_end_is_named_and_cut_off_and_the_rest_still_stop() {
        let tasks = TaskGroup::new();
        let (token_seen, seen) = oneshot::channel();
        let (held, gone) = oneshot::channel::<()>();
        tasks.spawn("base", |stop| async move {
            stop.cancelled().await;
            token_seen.send(()).unwrap();
        });
        tasks.spawn("stubborn", |_| async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        let report = tasks.stop(Duration::from_millis(200)).await;
        assert_eq!(report.unfinished, ["stubborn"]);
        assert!(gone.await.is_err(), "the task was dropped");
        seen.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_seen_and_leaves_the_others_alone() {
        let tasks = TaskGroup::new();
        let (send, mut receive) = mpsc::channel(1);
        tasks.spawn("panicking", |_| async { panic!("as planned") });
        tasks.spawn("working", |stop| async move {
            send.send("alive").await.unwrap();
            stop.cancelled().await;
        });
        assert_eq!(receive.recv().await, Some("alive"));
        while tasks.ended() != ["panicking"] {
            tokio::task::yield_now().await;
        }
        assert!(tasks.stop(LONG).await.is_clean());
    }

    #[tokio::test]
    async fn a_failing_task_is_made_anew_after_a_growing_wait() {
        let tasks = TaskGroup::new();
        let starts = Arc::new(AtomicU32::new(0));
        let (send, mut times) = mpsc::channel(4);
        let counted = starts.clone();
        tasks.spawn_restarting("unsteady", move |_| {
            let start = counted.fetch_add(1, Ordering::SeqCst);
            let send = send.clone();
            async move {
                send.send(monotonic_now()).await.unwrap();
                match start {
                    0 => Err(io::Error::other("as planned")),
                    1 => panic!("as planned"),
                    _ => Ok(()),
                }
            }
        });
        let first = times.recv().await.unwrap();
        let second = times.recv().await.unwrap();
        let third = times.recv().await.unwrap();
        assert!(second - first >= Duration::from_millis(250));
        assert!(third - second >= Duration::from_millis(500));
        assert!(times.recv().await.is_none(), "Ok ends it");
    }

    #[tokio::test]
    async fn a_task_that_waits_to_be_made_anew_can_be_stopped() {
        let tasks = TaskGroup::new();
        let (send, mut failed) = mpsc::channel(1);
        tasks.spawn_restarting("failing", move |_| {
            let send = send.clone();
            async move {
                send.send(()).await.map_err(io::Error::other)?;
                Err::<(), _>(io::Error::other("as planned"))
            }
        });
        failed.recv().await.unwrap();
        assert!(tasks.stop(LONG).await.is_clean());
    }

    #[tokio::test]
    async fn blocking_work_answers_and_its_panic_is_an_error() {
        assert_eq!(blocking(|| 7).await, Ok(7));
        assert_eq!(blocking(|| panic!("as planned")).await, Err::<(), _>(Panicked));
    }
}
