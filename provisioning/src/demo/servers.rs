//! The demo's servers: programs of their own, started again when they end, and ended with the demo.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use percolate_runtime::system::monotonic_now;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::screen::Progress;

/// How long a server may take from its start until it listens, in milliseconds: machines are busy.
const START_MS_MAX: u64 = 60_000;
/// Pause between two looks at whether a server listens, or still lives, in milliseconds.
const LOOK_EVERY_MS: u64 = 50;
/// How often a server is started again before the demo gives up on it.
const RESTARTS_MAX: u32 = 20;
/// How long a server may take to stop in order, in milliseconds; then it is killed.
const STOP_MS_MAX: u64 = 10_000;
/// How much of a log's end is shown, in lines and in bytes.
const LOG_TAIL_LINES: usize = 8;
const LOG_TAIL_BYTES: u64 = 16 * 1024;
/// The log of a server, in its data folder.
const LOG_FILE: &str = "log.txt";
/// Where a server writes its addresses.
const ENDPOINTS_FILE: &str = "endpoints.json";

/// A server that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The program is not where it is looked for.
    #[error("{} is missing: build the whole workspace, and keep the three programs in one folder", path.display())]
    NoProgram {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It could not be started, or its files not be written.
    #[error("could not start {name}")]
    Start {
        /// Which server.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ended before it listened.
    #[error("{name} ended at its start with {status}; its log ends with:\n{log}")]
    EndedAtStart {
        /// Which server.
        name: String,
        /// How.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// It does not listen.
    #[error("{name} does not listen after {} s; its log ends with:\n{log}", START_MS_MAX / 1_000)]
    Silent {
        /// Which server.
        name: String,
        /// The end of its log.
        log: String,
    },
    /// It ends again and again.
    #[error("{name} has ended {RESTARTS_MAX} times; its log ends with:\n{log}")]
    KeepsEnding {
        /// Which server.
        name: String,
        /// The end of its log.
        log: String,
    },
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Endpoints {
    /// Host and port of its API.
    pub http: String,
    /// Host and port of its broker, if it has one.
    pub mqtt: Option<String>,
    /// Number of its process.
    pub pid: u32,
}

/// A program and its arguments. `{http}` and `{mqtt}` stand for addresses: free ports at first, then always the same.
#[derive(Debug, Clone)]
pub struct ServerSpec {
    /// What people call it.
    pub name: String,
    /// Which of our programs.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its data folder, which gets its log too.
    pub data: PathBuf,
    /// Where it shall answer HTTP.
    pub http: String,
    /// Where its broker shall listen.
    pub mqtt: String,
}

/// A server that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    spec: ServerSpec,
    child: Child,
    restarts: u32,
    /// Where it listens.
    pub endpoints: Endpoints,
}

impl Server {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start(mut spec: ServerSpec) -> Result<Self, ServerError> {
        let mut child = spawn(&spec)?;
        let endpoints = listening(&spec, &mut child).await?;
        spec.http.clone_from(&endpoints.http);
        if let Some(mqtt) = &endpoints.mqtt {
            spec.mqtt.clone_from(mqtt);
        }
        Ok(Self { spec, child, restarts: 0, endpoints })
    }

    /// Starts it again if it has ended; whether it had.
    fn revive(&mut self) -> Result<Option<ExitStatus>, ServerError> {
        let Ok(Some(status)) = self.child.try_wait() else { return Ok(None) };
        if self.restarts == RESTARTS_MAX {
            return Err(ServerError::KeepsEnding { name: self.spec.name.clone(), log: log_tail(&self.spec.data) });
        }
        self.restarts += 1;
        self.child = spawn(&self.spec)?;
        Ok(Some(status))
    }

    /// Ends it in order, or else at once.
    async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            kill_process(pid, Signal::TERM).unwrap_or_default();
        }
        if tokio::time::timeout(Duration::from_millis(STOP_MS_MAX), self.child.wait()).await.is_err() {
            self.child.kill().await.unwrap_or_default();
        }
    }
}

/// Looks after servers until told to stop, counts how often one was started again, then ends them all, the first one last.
///
/// # Errors
/// [`ServerError`] if one cannot be kept up; the others are ended then.
pub async fn keep_up(
    mut servers: Vec<Server>,
    (progress, restarts): (Progress, Arc<AtomicU64>),
    stop: CancellationToken,
) -> Result<(), ServerError> {
    let outcome = loop {
        let pause = Duration::from_millis(LOOK_EVERY_MS);
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            break Ok(());
        }
        if let Err(error) = revive_all(&mut servers, &progress, &restarts) {
            break Err(error);
        }
    };
    // Shops first: their last words still reach the hub. All at once, for each may take a moment.
    let hub = (!servers.is_empty()).then(|| servers.remove(0));
    let mut stopping = tokio::task::JoinSet::new();
    for server in servers {
        stopping.spawn(server.stop());
    }
    stopping.join_all().await;
    if let Some(hub) = hub {
        hub.stop().await;
    }
    outcome
}

fn revive_all(servers: &mut [Server], progress: &Progress, restarts: &AtomicU64) -> Result<(), ServerError> {
    for server in servers {
        if let Some(status) = server.revive()? {
            restarts.fetch_add(1, Ordering::Relaxed);
            let pid = server.child.id().unwrap_or_default();
            progress
                .say(&format!("  {} has ended ({status}); it was started again as process {pid}", server.spec.name));
        }
    }
    Ok(())
}

/// The programs lie beside this one.
fn program(name: &str) -> Result<PathBuf, ServerError> {
    let here = std::env::current_exe().unwrap_or_default();
    let path = here.with_file_name(name);
    if path.is_file() { Ok(path) } else { Err(ServerError::NoProgram { path }) }
}

fn spawn(spec: &ServerSpec) -> Result<Child, ServerError> {
    let program = program(spec.program)?;
    let started = || {
        std::fs::create_dir_all(&spec.data)?;
        // An older process's addresses must not be taken for this one's.
        match std::fs::remove_file(spec.data.join(ENDPOINTS_FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let log = OpenOptions::new().create(true).append(true).open(spec.data.join(LOG_FILE))?;
        let arguments =
            spec.arguments.iter().map(|word| word.replace("{http}", &spec.http).replace("{mqtt}", &spec.mqtt));
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the demo, which then ends its servers in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    };
    started().map_err(|source| ServerError::Start { name: spec.name.clone(), source })
}

async fn listening(spec: &ServerSpec, child: &mut Child) -> Result<Endpoints, ServerError> {
    let deadline = monotonic_now() + Duration::from_millis(START_MS_MAX);
    let name = || spec.name.clone();
    loop {
        let text = std::fs::read(spec.data.join(ENDPOINTS_FILE)).unwrap_or_default();
        match serde_json::from_slice::<Endpoints>(&text) {
            Ok(endpoints) if Some(endpoints.pid) == child.id() => return Ok(endpoints),
            Ok(_) | Err(_) => {}
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(ServerError::EndedAtStart { name: name(), status, log: log_tail(&spec.data) });
        }
        if monotonic_now() >= deadline {
            return Err(ServerError::Silent { name: name(), log: log_tail(&spec.data) });
        }
        tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
    }
}

/// The number of the process that serves from a folder now; it changes when a server is started again.
#[must_use]
pub fn present_pid(data: &Path) -> Option<u32> {
    let text = std::fs::read(data.join(ENDPOINTS_FILE)).ok()?;
    serde_json::from_slice::<Endpoints>(&text).ok().map(|endpoints| endpoints.pid)
}

fn log_tail(data: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(data.join(LOG_FILE)).and_then(|mut file| {
        use std::io::{Seek as _, SeekFrom};
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        file.read_to_end(&mut bytes)
    });
    if read.is_err() {
        return "(no log)".to_owned();
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(LOG_TAIL_LINES)).map(|line| format!("    {line}\n")).collect()
}
