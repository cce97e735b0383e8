//! The shop's server: started under systemd, or as a process of its own.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use percolate_common::identity::site_file::{SITE_FILE, plan_of};
use percolate_runtime::files::{FileError, disk_free_bytes, write_atomic};
use percolate_runtime::leftovers::holder;
use percolate_runtime::system::monotonic_now;
use rustix::fs::{Mode, OFlags};
use rustix::process::umask;

use super::error::UpError;
use super::modes;
use super::options::{PlaceOptions, ServiceKind};
use super::running::{LOOK_EVERY, Running, running, stop};
use crate::client::Node;

/// Longest wait for the server, from its start until it is ready.
const READY_MAX: Duration = Duration::from_secs(30);
/// Its log, where it runs as a process.
const LOG_FILE: &str = "log.txt";
/// What is read of the end of a log.
const LOG_BYTES: u64 = 4_096;
/// Room that the server keeps for closing the day, if nobody tells it otherwise: with less it sells nothing.
const DISK_RESERVE_BYTES: u64 = 64 * 1024 * 1024;
/// Where systemd is at work, this is there.
const SYSTEMD: &str = "/run/systemd/system";
/// The unit, where systemd runs it.
const UNIT: &str = "/etc/systemd/system/percolate-node.service";
const UNIT_NAME: &str = "percolate-node.service";
/// The unit's text; the program, the description, the data folder, the address and its user are filled in.
const UNIT_TEXT: &str = include_str!("../../../deploy/systemd/percolate-node.service");
/// The unit that loads the packet filter at each start of the machine, and its text.
const FILTER_UNIT: &str = "/etc/systemd/system/percolate-firewall.service";
const FILTER_UNIT_NAME: &str = "percolate-firewall.service";
const FILTER_UNIT_TEXT: &str = include_str!("../../../deploy/systemd/percolate-firewall.service");
/// Where the packet filter's program is.
const NFT: [&str; 2] = ["/usr/sbin/nft", "/sbin/nft"];

/// A link in a folder that the server can write is not followed.
const NO_LINK: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Whoever starts the server of a shop whose files are in place.
pub trait Start: Send {
    /// Starts it unless it runs as it should, and waits until it is ready. Tells whether it was started.
    fn start(self, place: &PlaceOptions) -> impl Future<Output = Result<(Node, bool), UpError>> + Send;
}

/// The box's own server, which outlives this program.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) kind: ServiceKind,
    /// The clock of a demo or a test.
    pub(super) clock: Option<String>,
}

impl Start for Own {
    async fn start(self, place: &PlaceOptions) -> Result<(Node, bool), UpError> {
        start(&Wanted { place, kind: self.kind, clock: self.clock.as_deref() }).await
    }
}

/// How it runs if nothing is said.
pub(super) fn kind(said: Option<ServiceKind>) -> ServiceKind {
    said.unwrap_or_else(|| {
        let systemd = Path::new(SYSTEMD).exists();
        if systemd { ServiceKind::Systemd } else { ServiceKind::Process }
    })
}

/// How the server is to run.
#[derive(Debug, Clone, Copy)]
struct Wanted<'w> {
    place: &'w PlaceOptions,
    kind: ServiceKind,
    /// The clock of a demo or a test.
    clock: Option<&'w str>,
}

/// Starts it unless it runs from the description that is installed, and waits until it is ready. Tells whether it was started.
async fn start(wanted: &Wanted<'_>) -> Result<(Node, bool), UpError> {
    let place = wanted.place;
    let site = place.config.join(SITE_FILE);
    let text = std::fs::read(&site).map_err(|source| UpError::Install(FileError::Read { path: site, source }))?;
    let held = settled(place).await?;
    if wanted.kind == ServiceKind::Systemd && (!Path::new(SYSTEMD).exists() || wanted.clock.is_some()) {
        return Err(UpError::Service("systemd is not at work here: say --service process".to_owned()));
    }
    let is_unit_new = wanted.kind == ServiceKind::Systemd && write_unit(place)?;
    if let Some(running) = held.as_ref().filter(|running| runs_so(running, place, &plan_of(&text)) && !is_unit_new)
        && matches!(running.node.client().ready().await, Ok(Ok(())))
    {
        return Ok((running.node.clone(), false));
    }
    let child = match wanted.kind {
        ServiceKind::Process => {
            // Nothing is stopped that cannot be started again.
            let program = program()?;
            if let Some(running) = held {
                stop(&place.data, running.pid).await?;
            }
            Some(spawn(wanted, &program)?)
        }
        ServiceKind::Systemd => {
            systemctl(&["daemon-reload"])?;
            systemctl(&["enable", UNIT_NAME])?;
            systemctl(&["stop", UNIT_NAME])?;
            // One that was started as a process before is none of systemd's.
            if let Some(running) = held {
                stop(&place.data, running.pid).await?;
            }
            modes::give(&place.config, &place.data)?;
            systemctl(&["start", UNIT_NAME])?;
            None
        }
    };
    ready(wanted, child).await.map(|node| (node, true))
}

/// Whether a server runs from the description that is installed, where it was said.
fn runs_so(running: &Running, place: &PlaceOptions, plan: &str) -> bool {
    running.plan.as_deref() == Some(plan) && (place.http.port() == 0 || running.address == place.http)
}

/// The server that is at work in the data folder, once it answers: one that was just started by a program that was killed
/// then is on its way. Somebody else there is refused.
async fn settled(place: &PlaceOptions) -> Result<Option<Running>, UpError> {
    let until = monotonic_now() + READY_MAX;
    loop {
        let Some(pid) = holder(&place.data) else { return Ok(None) };
        if let Some(running) = running(&place.data).await {
            return Ok(Some(running));
        }
        if monotonic_now() > until {
            return Err(UpError::Occupied { path: place.data.clone(), pid });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn unit(place: &PlaceOptions, program: &Path) -> String {
    UNIT_TEXT
        .replace("{program}", &program.display().to_string())
        .replace("{site}", &place.config.join(SITE_FILE).display().to_string())
        .replace("{config}", &place.config.display().to_string())
        .replace("{data}", &place.data.display().to_string())
        .replace("{http}", &place.http.to_string())
        .replace("{user}", modes::USER)
}

/// Writes the unit; tells whether it was another before.
fn write_unit(place: &PlaceOptions) -> Result<bool, UpError> {
    modes::user()?;
    let text = unit(place, &program()?);
    let is_new = std::fs::read(UNIT).ok().as_deref() != Some(text.as_bytes());
    if is_new {
        write_atomic(Path::new(UNIT), text.as_bytes())?;
    }
    Ok(is_new)
}

/// Has systemd load the packet filter's file at each start of the machine.
pub(super) fn filter_at_each_start(file: &Path) -> Result<(), UpError> {
    let Some(nft) = NFT.iter().find(|path| Path::new(path).exists()) else { return Ok(()) };
    let text = filter_unit(nft, file);
    if std::fs::read(FILTER_UNIT).ok().as_deref() != Some(text.as_bytes()) {
        write_atomic(Path::new(FILTER_UNIT), text.as_bytes())?;
        systemctl(&["daemon-reload"])?;
    }
    systemctl(&["enable", FILTER_UNIT_NAME])
}

fn filter_unit(nft: &str, file: &Path) -> String {
    FILTER_UNIT_TEXT.replace("{nft}", nft).replace("{file}", &file.display().to_string())
}

/// The server program: beside this one.
fn program() -> Result<PathBuf, UpError> {
    let own = std::env::current_exe().map_err(|error| UpError::Service(error.to_string()))?;
    let path = own.with_file_name("store-node");
    let missing = || UpError::Service(format!("{} is missing: keep the programs in one folder", path.display()));
    if path.exists() { Ok(path) } else { Err(missing()) }
}

fn spawn(wanted: &Wanted<'_>, program: &Path) -> Result<Child, UpError> {
    let failed = |error: std::io::Error| UpError::Service(error.to_string());
    let place = wanted.place;
    let log = place.data.join(LOG_FILE);
    let log =
        OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(NO_LINK).open(log).map_err(failed)?;
    let mut command = Command::new(program);
    command.arg("serve").arg("--site").arg(place.config.join(SITE_FILE)).arg("--data").arg(&place.data);
    command.arg("--http").arg(place.http.to_string());
    if let Some(clock) = wanted.clock {
        command.arg("--simulated-clock").arg(clock);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
    // What it makes is for nobody else, as under the unit. It outlives this program, and whoever interrupts that one does not
    // interrupt it.
    let before = umask(Mode::RWXG | Mode::RWXO);
    let child = command.process_group(0).spawn();
    umask(before);
    child.map_err(failed)
}

fn systemctl(words: &[&str]) -> Result<(), UpError> {
    let done = Command::new("systemctl").args(words).stdin(Stdio::null()).output();
    let done = done.map_err(|error| UpError::Service(format!("systemctl {}: {error}", words.join(" "))))?;
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    if done.status.success() { Ok(()) } else { Err(UpError::Service(format!("systemctl {}: {said}", words.join(" ")))) }
}

async fn ready(wanted: &Wanted<'_>, mut child: Option<Child>) -> Result<Node, UpError> {
    let data = &wanted.place.data;
    let log = match wanted.kind {
        ServiceKind::Process => data.join(LOG_FILE).display().to_string(),
        ServiceKind::Systemd => format!("journalctl -u {UNIT_NAME}"),
    };
    let until = monotonic_now() + READY_MAX;
    loop {
        let reason = match running(data).await {
            None => "it has not said where it listens".to_owned(),
            Some(Running { node, .. }) => match node.client().ready().await {
                Ok(Ok(())) => return Ok(node),
                Ok(Err(reason)) => reason,
                Err(error) => error.to_string(),
            },
        };
        room(data)?;
        if let Some(Ok(Some(status))) = child.as_mut().map(Child::try_wait) {
            let said = last_line(&data.join(LOG_FILE));
            return Err(UpError::NotReady { reason: format!("it ended at once ({status}): {said}"), log });
        }
        if monotonic_now() > until {
            return Err(UpError::NotReady { reason, log });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether the disk has the room without which the server does not sell.
pub(super) fn room(data: &Path) -> Result<(), UpError> {
    let there = data.ancestors().find(|path| path.is_dir()).unwrap_or(data);
    let free = disk_free_bytes(there).unwrap_or(u64::MAX);
    if free < DISK_RESERVE_BYTES { Err(UpError::DiskFull { free_mb: free / (1024 * 1024) }) } else { Ok(()) }
}

/// The last line of a log; empty if there is none.
fn last_line(path: &Path) -> String {
    let end = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = end().unwrap_or_default();
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn place() -> PlaceOptions {
        let http = "127.0.0.1:8080".parse().unwrap();
        PlaceOptions {
            config: "/etc/percolate".into(),
            data: "/var/lib/percolate".into(),
            http,
            https: None,
            rehearsal: false,
        }
    }

    fn analyzed(words: &[&str], name: &str, text: &str) -> Option<(bool, String)> {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let done = Command::new("systemd-analyze").args(words).arg(&path).output().ok()?;
        let said = [done.stdout, done.stderr].concat();
        Some((done.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    #[test]
    fn the_units_are_sound_and_the_servers_has_few_rights() {
        let program = Path::new("/bin/true");
        let text = unit(&place(), program);
        assert!(!text.lines().skip(1).any(|line| line.contains('{')), "a slot is not filled: {text}");
        assert!(text.contains("\nUser=percolate\n"), "{text}");
        let Some((_, said)) = analyzed(&["verify", "--man=no"], UNIT_NAME, &text) else {
            println!("SKIPPED: the_units_are_sound_and_the_servers_has_few_rights: systemd-analyze is not installed");
            return;
        };
        // It succeeds also where it complains.
        assert_eq!(said, "");
        let words = ["security", "--offline=true", "--threshold=20"];
        let (well, said) = analyzed(&words, UNIT_NAME, &text).unwrap();
        assert!(well, "{said}");
        let filter = filter_unit("/bin/true", Path::new("/etc/percolate/firewall.nft"));
        assert!(!filter.lines().skip(1).any(|line| line.contains('{')), "a slot is not filled: {filter}");
        assert_eq!(analyzed(&["verify", "--man=no"], FILTER_UNIT_NAME, &filter).unwrap().1, "");
        let wrong = text.replace("UMask", "UMusk");
        assert_ne!(analyzed(&["verify", "--man=no"], UNIT_NAME, &wrong).unwrap().1, "");
        let open: String =
            text.lines().filter(|line| !line.starts_with("SystemCall")).fold(String::new(), |a, b| a + b + "\n");
        let open = open.replace("User=percolate", "User=root").replace("CapabilityBoundingSet=", "");
        assert!(!analyzed(&words, UNIT_NAME, &open).unwrap().0);
    }

    #[test]
    fn a_log_is_told_by_its_last_line() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join(LOG_FILE);
        assert_eq!(last_line(&path), "");
        std::fs::write(&path, format!("{}first\n  last one \n\n", "x\n".repeat(9_000))).unwrap();
        assert_eq!(last_line(&path), "last one");
    }
}
