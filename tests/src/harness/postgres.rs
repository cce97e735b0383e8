//! A PostgreSQL server of a test's own, to be hurt. It ends with the test, however that ends. Everything is done by
//! `scripts/postgres.sh`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// What the script ends with where PostgreSQL is not installed.
const MISSING: i32 = 2;

/// A server.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    /// Ends it when its input ends, and that ends with this process at the latest.
    holder: Child,
}

impl Postgres {
    /// Starts one, with its files in a folder on a disk of its own if one is named, which must be empty and below folders that
    /// anybody may pass. Where PostgreSQL is not installed there is none, and a line says that the test is skipped.
    ///
    /// # Errors
    /// If it does not start.
    #[expect(clippy::print_stdout, reason = "the test runner collects these lines and counts them")]
    pub fn start(data: Option<&Path>) -> Result<Option<Self>> {
        let mut hold = script();
        // In a group of its own, so that it outlives a runner which kills this test's group, and then tidies up.
        hold.arg("hold").args(data).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut holder = hold.spawn()?;
        let mut folder = String::new();
        BufReader::new(holder.stdout.take().context("its output")?).read_line(&mut folder)?;
        if folder.is_empty() {
            if holder.wait()?.code() == Some(MISSING) {
                println!("SKIPPED: no PostgreSQL server is installed (scripts/setup.sh --servers)");
                return Ok(None);
            }
            bail!("PostgreSQL did not start");
        }
        Ok(Some(Self { folder: PathBuf::from(folder.trim()), holder }))
    }

    /// How its superuser connects to it, without a database.
    #[must_use]
    pub fn connection(&self) -> String {
        format!("host={} user=percolate", self.folder.display())
    }

    /// Whether its first process runs.
    ///
    /// # Errors
    /// If nobody knows its number.
    pub fn runs(&self) -> Result<bool> {
        let pid = fs::read_to_string(self.folder.join("pid"))?;
        let status = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("status")).unwrap_or_default();
        Ok(status.starts_with("Name:\tpostgres\n") && !status.contains("\nState:\tZ"))
    }

    /// What it has written into its log.
    ///
    /// # Errors
    /// If that cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join("log"))?)
    }

    /// SIGKILL for its first process; the others end with that.
    ///
    /// # Errors
    /// If it was not running.
    pub fn kill(&self) -> Result<()> {
        let status = script().arg("kill").arg(&self.folder).status()?;
        ensure!(status.success(), "it could not be killed: {status}");
        Ok(())
    }

    /// Starts it on what it has kept, after it has ended.
    ///
    /// # Errors
    /// If it runs, or does not start.
    pub fn again(&self) -> Result<()> {
        let status = script().arg("again").arg(&self.folder).status()?;
        ensure!(status.success(), "it did not start again: {status}");
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        // Its disk may be unmounted next.
        self.holder.wait().map(drop).unwrap_or_default();
    }
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/postgres.sh"))
}
