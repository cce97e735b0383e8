//! The demo's servers: programs of their own, each with a data folder and a log, and where they listen.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use percolate_runtime::system::monotonic_now;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::process::{Child, Command};

/// How long a server may take from its start until it listens, in milliseconds: machines are busy.
const START_MS_MAX: u64 = 60_000;
/// Pause between two looks at whether a server listens, or still lives, in milliseconds.
pub(super) const LOOK_EVERY_MS: u64 = 50;
/// A server that ran this long had started well, in milliseconds.
const HEALTHY_MS_MIN: u64 = 5_000;
/// How often in a row a server may end sooner than that before the demo gives up on it.
const EARLY_ENDS_MAX: u32 = 20;
/// How long a server may take to stop in order, in milliseconds; then it is killed.
const STOP_MS_MAX: u64 = 10_000;
/// How much of a log's end is shown, in lines and in bytes.
const LOG_TAIL_LINES: usize = 8;
const LOG_TAIL_BYTES: u64 = 16 * 1024;
/// The log of a server, in its data folder.
pub(super) const LOG_FILE: &str = "log.txt";
/// Where a server writes its addresses.
pub(super) const ENDPOINTS_FILE: &str = "endpoints.json";

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
    #[error("{name} has ended {EARLY_ENDS_MAX} times soon after its start; its log ends with:\n{log}")]
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
    /// Host and port of the way to its broker, if it has one.
    pub mqtts: Option<String>,
    /// Host and port at which boxes enrol, if they do there.
    pub https: Option<String>,
    /// Number of its process.
    pub pid: u32,
}

/// Which server of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The head office.
    Office,
    /// A shop's box, by the store's number.
    Shop(u32),
    /// A copy of a shop's box.
    Copy {
        /// The store's number.
        store: u32,
        /// Which copy, from 1.
        number: u32,
    },
}

/// An argument of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A word as it is.
    Word(String),
    /// Its data folder.
    Data,
    /// Where it shall answer HTTP.
    Http,
    /// Where boxes shall come to its broker.
    Mqtts,
    /// Where boxes shall enrol.
    Https,
}

/// Arguments that are words as they are.
pub(super) fn words(words: &[&str]) -> Vec<Argument> {
    words.iter().map(|word| Argument::Word((*word).to_owned())).collect()
}

/// A program and its arguments. Its addresses are free ports at first, then always the same.
#[derive(Debug, Clone)]
pub struct ServerSpec {
    /// Which server it is.
    pub who: Who,
    /// What people call it.
    pub name: String,
    /// Which of our programs.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// Its data folder, which gets its log too.
    pub data: PathBuf,
    /// Where it shall answer HTTP.
    pub http: String,
    /// Where boxes shall come to its broker.
    pub mqtts: String,
    /// Where boxes shall enrol.
    pub https: String,
}

impl ServerSpec {
    fn arguments(&self) -> impl Iterator<Item = &OsStr> {
        self.arguments.iter().map(|argument| match argument {
            Argument::Word(word) => word.as_ref(),
            Argument::Data => self.data.as_os_str(),
            Argument::Http => self.http.as_ref(),
            Argument::Mqtts => self.mqtts.as_ref(),
            Argument::Https => self.https.as_ref(),
        })
    }
}

/// A server that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    pub(super) spec: ServerSpec,
    child: Child,
    started: Duration,
    early_ends: u32,
    /// Where it listens.
    pub endpoints: Endpoints,
}

impl Server {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start(mut spec: ServerSpec) -> Result<Self, ServerError> {
        let started = monotonic_now();
        let mut child = spawn(&spec)?;
        let endpoints = listening(&spec, &mut child).await?;
        spec.http.clone_from(&endpoints.http);
        for (address, place) in [(&endpoints.mqtts, &mut spec.mqtts), (&endpoints.https, &mut spec.https)] {
            if let Some(address) = address {
                place.clone_from(address);
            }
        }
        Ok(Self { spec, child, started, early_ends: 0, endpoints })
    }

    /// The number of its present process; none once it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends a signal to its present process; one that has ended hears nothing.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            kill_process(pid, signal).unwrap_or_default();
        }
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Starts it again.
    pub(super) fn revive(&mut self) -> Result<(), ServerError> {
        let now = monotonic_now();
        self.early_ends = if now.saturating_sub(self.started) < Duration::from_millis(HEALTHY_MS_MIN) {
            self.early_ends + 1
        } else {
            0
        };
        if self.early_ends > EARLY_ENDS_MAX {
            return Err(ServerError::KeepsEnding { name: self.spec.name.clone(), log: log_tail(&self.spec.data) });
        }
        self.started = now;
        self.child = spawn(&self.spec)?;
        Ok(())
    }

    /// Ends it in order, or else at once.
    pub(super) async fn stop(mut self) {
        self.signal(Signal::TERM);
        // One that stands still would not hear it.
        self.signal(Signal::CONT);
        if tokio::time::timeout(Duration::from_millis(STOP_MS_MAX), self.child.wait()).await.is_err() {
            self.child.kill().await.unwrap_or_default();
        }
    }
}

/// The programs lie beside this one.
pub(super) fn program(name: &str) -> Result<PathBuf, ServerError> {
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
        Command::new(program)
            .args(spec.arguments())
            // However the demo ends, its end of this pipe is closed, and the server stops in order.
            .arg("--stop-with-parent")
            .stdin(Stdio::piped())
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

pub(super) fn log_tail(data: &Path) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_folder_is_called_changes_no_argument() {
        let spec = ServerSpec {
            who: Who::Office,
            name: "the head office".to_owned(),
            program: "cloud-hub",
            arguments: [
                words(&["--menu", "{http}/{data}"]),
                vec![Argument::Data, Argument::Http, Argument::Mqtts, Argument::Https],
            ]
            .concat(),
            data: PathBuf::from("{http}/{mqtts}/{data}"),
            http: "127.0.0.1:1".to_owned(),
            mqtts: "127.0.0.1:2".to_owned(),
            https: "127.0.0.1:3".to_owned(),
        };
        let arguments: Vec<&OsStr> = spec.arguments().collect();
        assert_eq!(
            arguments,
            ["--menu", "{http}/{data}", "{http}/{mqtts}/{data}", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]
        );
    }
}
