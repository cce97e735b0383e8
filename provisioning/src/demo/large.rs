//! What a large head office of the demo stands on: a PostgreSQL database that was named, and a mosquitto of the demo's own, which
//! ends with it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use percolate_common::entropy::Entropy as _;
use percolate_runtime::files::{FileError, write_secret};
use percolate_runtime::system::{OsEntropy, monotonic_now};
use percolate_runtime::tasks::TaskGroup;
use tokio::process::{Child, Command};

use super::servers::{Argument, LOG_FILE, LOOK_EVERY_MS, ServerError, log_tail, program, words};
use super::shops::ANY_PORT;

/// How mosquitto is set up, as it ships.
const SETTINGS: &str = include_str!("../../../deploy/mosquitto/percolate.conf");
/// Who may say and hear what.
const ACCESS_LIST: &str = include_str!("../../../deploy/mosquitto/percolate.acl");
/// Where those settings have their files.
const THERE: &str = "/etc/mosquitto/";

/// Where Debian has it, which is not on everybody's path.
const ON_PATH: &str = "PATH=$PATH:/usr/sbin:/usr/local/sbin";
/// It ends with its input, and so with whoever holds that, however he ends.
const HELD: &str =
    "mosquitto -c \"$0\" >\"$1\" 2>&1 </dev/null & broker=$!; cat >/dev/null; kill $broker; wait $broker";

/// Mosquitto cannot take a free port by itself: so many are tried.
const TRIES_MAX: u32 = 5;
/// How long it may take to start, in milliseconds.
const START_MS_MAX: u64 = 10_000;
/// How long the head office goes on before it stops, in seconds: nobody takes over from it.
const DRAIN_S: &str = "0";

/// Why there is nothing to stand on.
#[derive(Debug, thiserror::Error)]
pub enum LargeError {
    /// There is no broker to run.
    #[error("a large head office needs mosquitto, and it is not installed here: as root, apt-get install mosquitto")]
    NoMosquitto,
    /// A program of ours is missing.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A program could not be run.
    #[error("could not run {what}")]
    Run {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program says no.
    #[error("{what} says:\n{said}")]
    Refused {
        /// Which.
        what: &'static str,
        /// What it says.
        said: String,
    },
    /// The broker does not start.
    #[error("mosquitto does not start; its log ends with:\n{log}")]
    Broker {
        /// The end of its log.
        log: String,
    },
    /// A file cannot be written.
    #[error("could not use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A secret cannot be written.
    #[error("a secret could not be kept")]
    Secret(#[from] FileError),
    /// The database is somebody's.
    #[error("the database holds the journals of a chain: name an empty one of a server that has no other chain")]
    NotEmpty,
}

/// What a large head office stands on.
#[derive(Debug)]
pub struct Ground {
    /// Where the boxes come to the broker.
    pub broker: String,
    arguments: Vec<Argument>,
}

impl Ground {
    /// Makes the database ready and starts the broker, which ends with `tasks`. The chain is founded, with its CA in the data
    /// folder of the head office.
    ///
    /// # Errors
    /// [`LargeError`].
    pub async fn lay((folder, data): (&Path, &Path), database: &str, tasks: &TaskGroup) -> Result<Self, LargeError> {
        let (ca, secrets, token) = (data.join("ca"), folder.join("secrets"), data.join("token"));
        let (papers, hub_papers) = (folder.join("broker"), folder.join("hub-identity"));
        for (of, out) in [("broker-identity", &papers), ("hub-identity", &hub_papers)] {
            let making = ["chain", of, "--ca", &text(&ca), "--out", &text(out)];
            done("provision chain", Command::new(program("provision")?).args(making)).await?;
        }
        let preparing = ["--log", "warn", "prepare-postgres", "--admin", database, "--secrets", &text(&secrets)];
        done("cloud-hub prepare-postgres", Command::new(program("cloud-hub")?).args(preparing)).await?;
        write_secret(&token, format!("{:016x}{:016x}", OsEntropy.next_u64(), OsEntropy.next_u64()).as_bytes())?;
        let broker = start_broker(&papers, tasks).await?;
        let fixed = ["--profile", "large", "--postgres", database, "--broker", &broker, "--drain-s", DRAIN_S];
        let files = [("--secrets", &secrets), ("--hub-identity", &hub_papers), ("--ca", &ca), ("--token", &token)];
        let files: Vec<_> = files.into_iter().flat_map(|(word, path)| words(&[word, &text(path)])).collect();
        let arguments = [words(&fixed), files].concat();
        Ok(Self { broker, arguments })
    }

    /// What the head office is told of it.
    #[must_use]
    pub fn arguments(&self) -> Vec<Argument> {
        self.arguments.clone()
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Runs a program to its end. What it says is told if it does not end well.
async fn done(what: &'static str, command: &mut Command) -> Result<(), LargeError> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|source| LargeError::Run { what, source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(LargeError::Refused { what, said: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

/// Starts a mosquitto with the certificates in a folder, and gives its address.
async fn start_broker(papers: &Path, tasks: &TaskGroup) -> Result<String, LargeError> {
    let mut look = Command::new("sh");
    look.args(["-c", &format!("{ON_PATH}; command -v mosquitto")]).stdin(Stdio::null()).stdout(Stdio::null());
    let found = look.status().await.map_err(|source| LargeError::Run { what: "sh", source })?;
    if !found.success() {
        return Err(LargeError::NoMosquitto);
    }
    write(&papers.join("percolate.acl"), ACCESS_LIST)?;
    for _port in 0..TRIES_MAX {
        let address = free_address().map_err(|source| LargeError::Run { what: "mosquitto", source })?;
        write(&papers.join("percolate.conf"), &settings(&address, papers))?;
        if let Some(mut broker) = started(papers).await? {
            tasks.spawn("broker", |stop| async move {
                stop.cancelled().await;
                drop(broker.stdin.take());
                // One that does not end is cut off with its task.
                let _ended = broker.wait().await;
            });
            return Ok(address);
        }
    }
    Err(LargeError::Broker { log: log_tail(papers) })
}

/// A broker that runs; none if its port was taken meanwhile.
async fn started(papers: &Path) -> Result<Option<Child>, LargeError> {
    let log = papers.join(LOG_FILE);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{ON_PATH}; {HELD}")]).arg(papers.join("percolate.conf")).arg(&log);
    // Ctrl-C is for the demo, which then ends its servers in order.
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn();
    let broker = spawned.map_err(|source| LargeError::Run { what: "mosquitto", source })?;
    let deadline = monotonic_now() + Duration::from_millis(START_MS_MAX);
    loop {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        if said.lines().any(|line| line.ends_with(" running")) {
            return Ok(Some(broker));
        }
        if said.contains("Address already in use") {
            return Ok(None);
        }
        if said.contains("Error: ") || monotonic_now() >= deadline {
            return Err(LargeError::Broker { log: log_tail(papers) });
        }
        tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
    }
}

/// The settings that ship, with our port and our files. A mosquitto that root starts stays root's: its files are in a folder of
/// root's own.
fn settings(address: &str, papers: &Path) -> String {
    let port = address.rsplit(':').next().unwrap_or_default();
    let mut settings = String::new();
    for line in SETTINGS.lines() {
        if line.starts_with("listener ") {
            settings.push_str(&format!("listener {port} 127.0.0.1"));
        } else {
            let here = format!("{}/", papers.display());
            settings.push_str(&line.replace(&format!("{THERE}percolate/"), &here).replace(THERE, &here));
        }
        settings.push('\n');
    }
    settings + "user root\n"
}

fn free_address() -> std::io::Result<String> {
    Ok(TcpListener::bind(ANY_PORT)?.local_addr()?.to_string())
}

fn write(path: &Path, content: &str) -> Result<(), LargeError> {
    std::fs::write(path, content).map_err(|source| LargeError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_gets_the_settings_that_ship_with_a_port_and_files_of_its_own() {
        let settings = settings("127.0.0.1:4321", Path::new("/demo/broker"));
        for line in [
            "listener 4321 127.0.0.1",
            "cafile /demo/broker/root.pem",
            "keyfile /demo/broker/key.pem",
            "acl_file /demo/broker/percolate.acl",
            "require_certificate true",
            "user root",
        ] {
            assert!(settings.lines().any(|there| there == line), "{line}: {settings}");
        }
        let named = settings.lines().filter(|line| line.contains(THERE) && !line.starts_with('#'));
        assert_eq!(named.count(), 0, "{settings}");
    }
}
