//! A HAProxy of a test's own, set up as `deploy/haproxy` says, in front of processes. It ends with the test, however that
//! ends. Everything is done by `scripts/haproxy.sh`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::eventually;

/// What the script ends with where HAProxy is not installed.
const MISSING: i32 = 2;

/// A HAProxy.
#[derive(Debug)]
pub struct Balancer {
    address: String,
    stats: String,
    /// Ends it when its input ends, and that ends with this process at the latest; nothing if it is somebody else's.
    _holder: Option<Child>,
}

impl Balancer {
    /// Starts one in front of these processes, as in `ingest-1` and its address. Where HAProxy is not installed there is
    /// none, and a line says that the test is skipped.
    ///
    /// # Errors
    /// If it does not start.
    #[expect(clippy::print_stdout, reason = "the test runner collects these lines and counts them")]
    pub fn start(processes: &[(&str, String)]) -> Result<Option<Self>> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/haproxy.sh");
        let words = processes.iter().map(|(name, address)| format!("{name}={address}"));
        let mut hold = Command::new(script);
        // In a group of its own, so that it outlives a runner which kills this test's group, and then tidies up.
        hold.arg("hold").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut holder = hold.spawn()?;
        let mut folder = String::new();
        BufReader::new(holder.stdout.take().context("its output")?).read_line(&mut folder)?;
        if folder.is_empty() {
            if holder.wait()?.code() == Some(MISSING) {
                println!("SKIPPED: no HAProxy is installed (scripts/setup.sh --servers)");
                return Ok(None);
            }
            bail!("HAProxy did not start");
        }
        Ok(Some(Self { _holder: Some(holder), ..Self::of(Path::new(folder.trim()))? }))
    }

    /// One that somebody else has started, by its folder.
    ///
    /// # Errors
    /// If it is none.
    pub fn of(folder: &Path) -> Result<Self> {
        let address = |name: &str| Ok::<_, std::io::Error>(format!("127.0.0.1:{}", read(folder, name)?));
        Ok(Self { address: address("port")?, stats: address("stats-port")?, _holder: None })
    }

    /// Where it takes requests.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until it has a process, as in `ingest-1`, for ready or not.
    ///
    /// # Errors
    /// If that never happens.
    pub async fn has(&self, process: &str, ready: bool) -> Result<()> {
        eventually(&format!("HAProxy to have {process} for ready: {ready}"), || async {
            let page = reqwest::get(format!("http://{}/;csv", self.stats)).await?.text().await?;
            let row = page.lines().map(|line| line.split(',').collect::<Vec<_>>());
            let row = row.into_iter().find(|row| row.get(1) == Some(&process)).context("no such process")?;
            // Until it has asked for the first time it says "no check" or the like.
            let state = *row.get(17).context("its state")?;
            ensure!(state == if ready { "UP" } else { "DOWN" }, "{process} is {state}");
            Ok(())
        })
        .await
    }
}

fn read(folder: &Path, name: &str) -> std::io::Result<String> {
    Ok(fs::read_to_string(folder.join(name))?.trim().to_owned())
}
