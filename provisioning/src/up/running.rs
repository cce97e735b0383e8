//! The server that is at work in a data folder: whether it is the shop's own, what it was started from, and its end.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use percolate_runtime::http::server::{ENDPOINTS_FILE, Endpoints};
use percolate_runtime::leftovers::holder;
use percolate_runtime::system::monotonic_now;
use serde::Deserialize;

use super::error::UpError;
use crate::client::{Client, Node};

/// Longest wait for a server that is to stop.
const STOPPED_MAX: Duration = Duration::from_secs(30);
/// How often it is looked.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A server of the shop.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) node: Node,
    /// Its process.
    pub(crate) pid: u32,
    /// Where its tills find it.
    pub(crate) address: SocketAddr,
    /// The hash of the description that it has read.
    pub(crate) plan: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Told {
    #[serde(default)]
    plan: Option<String>,
}

/// The server that is at work in a data folder, if it is the shop's: its process holds the folder's lock, and what answers at
/// the address that this very process has written there knows the folder's token. Files alone prove nothing; they outlive who
/// wrote them, and their process's number becomes somebody else's.
pub(crate) async fn running(data: &Path) -> Option<Running> {
    let pid = holder(data)?;
    let endpoints: Endpoints = serde_json::from_slice(&std::fs::read(data.join(ENDPOINTS_FILE)).ok()?).ok()?;
    let address: SocketAddr = endpoints.http.parse().ok()?;
    if endpoints.pid != pid || !address.ip().is_loopback() {
        return None;
    }
    let token = std::fs::read_to_string(data.join("token")).ok()?;
    let node = Node::new(Client::new(&endpoints.http, Some(&token)).ok()?);
    let told: Told = node.client().get("/v1/node").await.ok()?;
    Some(Running { node, pid, address, plan: told.plan })
}

/// Stops the process that holds a data folder, if it is still the one that is meant, and waits until the folder is free.
pub(super) async fn stop(data: &Path, pid: u32) -> Result<(), UpError> {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let failed = |error: rustix::io::Errno| UpError::Service(format!("stopping process {pid}: {error}"));
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    // What is held on to here is the process, and not its number, which may be given to another at any moment.
    let process = match pidfd_open(number, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    if holder(data) != Some(pid) {
        return Ok(());
    }
    pidfd_send_signal(process, Signal::TERM).map_err(failed)?;
    let until = monotonic_now() + STOPPED_MAX;
    while holder(data) == Some(pid) {
        if monotonic_now() > until {
            return Err(UpError::Service(format!("process {pid} does not stop")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
