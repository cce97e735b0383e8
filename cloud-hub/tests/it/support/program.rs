//! The hub's own program, small, on a clock that began at noon.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use percolate_common::time::Clock;
use percolate_runtime::system::SystemClock;

use super::events::NOON_MS;
use super::eventually;

/// The program itself, killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    /// Where its door is.
    pub(crate) port: u16,
}

impl Program {
    /// What its descriptors are.
    fn descriptors(&self) -> Vec<String> {
        let folder = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        // One may be closed while they are looked at.
        let links = folder.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        links.map(|link| link.to_string_lossy().into_owned()).collect()
    }

    /// How many sockets it has.
    pub(crate) fn sockets(&self) -> usize {
        self.descriptors().iter().filter(|link| link.starts_with("socket:")).count()
    }

    /// The ports at which it listens.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        const LISTENS: &str = "0A";
        let own = self.descriptors();
        let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", self.child.id())).unwrap();
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row[3] == LISTENS && own.contains(&format!("socket:[{}]", row[9])))
            .map(|row| u16::from_str_radix(row[1].rsplit(':').next().unwrap(), 16).unwrap())
            .collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SIGKILL: nothing is put in order.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// Serves on these folders, with its door at a port; 0 is any.
pub(crate) async fn serve((data, ca): (&Path, &Path), port: u16) -> Program {
    std::fs::remove_file(data.join("endpoints.json")).unwrap_or_default();
    let child = Command::new(env!("CARGO_BIN_EXE_cloud-hub"))
        .args(["serve", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--mqtts", &format!("127.0.0.1:{port}")])
        .args(["--log", "warn", "--simulated-clock", &format!("{NOON_MS},{},1", SystemClock.now().get()), "--data"])
        .arg(data)
        .arg("--ca")
        .arg(ca)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut program = Program { child, port };
    program.port = eventually("the hub's endpoints", || async {
        let text = std::fs::read(data.join("endpoints.json")).ok()?;
        let endpoints: serde_json::Value = serde_json::from_slice(&text).ok()?;
        endpoints["mqtts"].as_str()?.rsplit(':').next()?.parse().ok()
    })
    .await;
    program
}
