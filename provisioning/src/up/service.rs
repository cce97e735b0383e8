//! The shop's server: started under systemd, or as a process of its own.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use percolate_common::identity::site_file::SITE_FILE;
use percolate_runtime::files::write_atomic;
use percolate_runtime::http::server::{ENDPOINTS_FILE, Endpoints};
use percolate_runtime::system::monotonic_now;

use super::error::UpError;
use super::options::{PlaceOptions, ServiceKind};
use crate::client::{Client, Node};

/// Longest wait for the server, from its start until it is ready.
const READY_MAX: Duration = Duration::from_secs(30);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Its log, where it runs as a process.
const LOG_FILE: &str = "log.txt";
/// Where systemd is at work, this is there.
const SYSTEMD: &str = "/run/systemd/system";
/// The unit, where systemd runs it.
const UNIT: &str = "/etc/systemd/system/percolate-node.service";
const UNIT_NAME: &str = "percolate-node.service";
/// The unit's text; the program, the description, the data folder and the address are filled in.
const UNIT_TEXT: &str = include_str!("../../../deploy/systemd/percolate-node.service");

/// Whoever starts the server of a shop whose files are in place.
pub trait Start: Send {
    /// Starts it unless it runs as it should, and waits until it is ready. Tells whether it was started.
    fn start(self, place: &PlaceOptions, is_new: bool) -> impl Future<Output = Result<(Node, bool), UpError>> + Send;
}

impl Start for ServiceKind {
    async fn start(self, place: &PlaceOptions, is_new: bool) -> Result<(Node, bool), UpError> {
        start(place, self, is_new).await
    }
}

/// How it runs if nothing is said.
pub(super) fn kind(said: Option<ServiceKind>) -> ServiceKind {
    said.unwrap_or_else(|| {
        let systemd = Path::new(SYSTEMD).exists();
        if systemd { ServiceKind::Systemd } else { ServiceKind::Process }
    })
}

/// Starts it unless it runs, and waits until it is ready. Tells whether it was started.
async fn start(place: &PlaceOptions, kind: ServiceKind, is_new: bool) -> Result<(Node, bool), UpError> {
    let running = running(&place.data).await;
    if let (Some(node), false) = (&running, is_new) {
        return Ok((node.clone(), false));
    }
    match kind {
        ServiceKind::Process => {
            if let Some(pid) = pid(&place.data).filter(|_| running.is_some()) {
                stop(pid).await?;
            }
            spawn(place)?;
        }
        ServiceKind::Systemd => {
            if !Path::new(SYSTEMD).exists() {
                return Err(UpError::Service("systemd is not at work here: say --service process".to_owned()));
            }
            let program = program()?;
            write_atomic(Path::new(UNIT), unit(place, &program).as_bytes())?;
            systemctl(&["daemon-reload"])?;
            systemctl(&["enable", UNIT_NAME])?;
            systemctl(&["restart", UNIT_NAME])?;
        }
    }
    ready(place, kind).await.map(|node| (node, true))
}

fn unit(place: &PlaceOptions, program: &Path) -> String {
    UNIT_TEXT
        .replace("{program}", &program.display().to_string())
        .replace("{site}", &place.config.join(SITE_FILE).display().to_string())
        .replace("{config}", &place.config.display().to_string())
        .replace("{data}", &place.data.display().to_string())
        .replace("{http}", &place.http.to_string())
}

/// The server program: beside this one.
fn program() -> Result<PathBuf, UpError> {
    let own = std::env::current_exe().map_err(|error| UpError::Service(error.to_string()))?;
    let path = own.with_file_name("store-node");
    let missing = || UpError::Service(format!("{} is missing: keep the programs in one folder", path.display()));
    if path.exists() { Ok(path) } else { Err(missing()) }
}

fn spawn(place: &PlaceOptions) -> Result<(), UpError> {
    let failed = |error: std::io::Error| UpError::Service(error.to_string());
    let log = place.data.join(LOG_FILE);
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(log).map_err(failed)?;
    let mut command = Command::new(program()?);
    command.arg("serve").arg("--site").arg(place.config.join(SITE_FILE)).arg("--data").arg(&place.data);
    command.arg("--http").arg(place.http.to_string());
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
    // It outlives this program, and whoever interrupts that one does not interrupt it.
    command.process_group(0).spawn().map(drop).map_err(failed)
}

fn systemctl(words: &[&str]) -> Result<(), UpError> {
    let done = Command::new("systemctl").args(words).stdin(Stdio::null()).output();
    let done = done.map_err(|error| UpError::Service(format!("systemctl {}: {error}", words.join(" "))))?;
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    if done.status.success() { Ok(()) } else { Err(UpError::Service(format!("systemctl {}: {said}", words.join(" ")))) }
}

/// The server that runs in a data folder, if one does and is ready.
async fn running(data: &Path) -> Option<Node> {
    let node = node(data)?;
    matches!(node.client().ready().await, Ok(Ok(()))).then_some(node)
}

fn endpoints(data: &Path) -> Option<Endpoints> {
    serde_json::from_slice(&std::fs::read(data.join(ENDPOINTS_FILE)).ok()?).ok()
}

fn pid(data: &Path) -> Option<u32> {
    endpoints(data).map(|endpoints| endpoints.pid)
}

fn node(data: &Path) -> Option<Node> {
    let endpoints = endpoints(data)?;
    let token = std::fs::read_to_string(data.join("token")).ok()?;
    Client::new(&endpoints.http, Some(&token)).ok().map(Node::new)
}

async fn stop(pid: u32) -> Result<(), UpError> {
    use rustix::process::{Pid, Signal, kill_process, test_kill_process};
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(number) = number else { return Ok(()) };
    kill_process(number, Signal::TERM).map_err(|error| UpError::Service(error.to_string()))?;
    let until = monotonic_now() + READY_MAX;
    while test_kill_process(number).is_ok() {
        if monotonic_now() > until {
            return Err(UpError::Service(format!("process {pid} does not stop")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn ready(place: &PlaceOptions, kind: ServiceKind) -> Result<Node, UpError> {
    let until = monotonic_now() + READY_MAX;
    loop {
        let reason = match node(&place.data) {
            None => "it has not said where it listens".to_owned(),
            Some(node) => match node.client().ready().await {
                Ok(Ok(())) => return Ok(node),
                Ok(Err(reason)) => reason,
                Err(error) => error.to_string(),
            },
        };
        if monotonic_now() > until {
            let log = match kind {
                ServiceKind::Process => place.data.join(LOG_FILE).display().to_string(),
                ServiceKind::Systemd => format!("journalctl -u {UNIT_NAME}"),
            };
            return Err(UpError::NotReady { reason, log });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
