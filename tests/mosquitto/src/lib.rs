//! A mosquitto of a test's own, set up as `deploy/mosquitto` says, with accounts, and with ways to hurt it. It ends with the
//! test, however that ends. Everything is done by `scripts/mosquitto.sh`.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What the script ends with where mosquitto is not installed.
const MISSING: i32 = 2;

/// A mosquitto.
#[derive(Debug)]
pub struct Mosquitto {
    folder: PathBuf,
    address: SocketAddr,
    /// Ends the broker when its input ends, and that ends with this process at the latest.
    _holder: Child,
}

impl Mosquitto {
    /// Starts one with an account for the hub and for each of these nodes, as in `n11`. Where mosquitto is not installed
    /// there is none, and a line says that the test is skipped.
    ///
    /// # Errors
    /// If it does not start.
    #[expect(clippy::print_stdout, reason = "the test runner collects these lines and counts them")]
    pub fn start(nodes: &[&str]) -> io::Result<Option<Self>> {
        // In a group of its own, so that it outlives a runner which kills this test's group, and then tidies up.
        let mut holder =
            script().arg("hold").args(nodes).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn()?;
        let mut folder = String::new();
        if let Some(output) = holder.stdout.take() {
            BufReader::new(output).read_line(&mut folder)?;
        }
        if folder.is_empty() {
            return match holder.wait()?.code() {
                Some(MISSING) => {
                    println!("SKIPPED: no mosquitto is installed (scripts/setup.sh --servers)");
                    Ok(None)
                }
                _ => Err(io::Error::other("mosquitto did not start")),
            };
        }
        let folder = PathBuf::from(folder.trim());
        let port = read(&folder, "port")?.parse().map_err(io::Error::other)?;
        Ok(Some(Self { folder, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), _holder: holder }))
    }

    /// Where it listens, also after it was killed and started again.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file with an account's password, as a program takes it.
    #[must_use]
    pub fn password_file(&self, account: &str) -> PathBuf {
        self.folder.join(format!("{account}.password"))
    }

    /// An account's password.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn password(&self, account: &str) -> io::Result<String> {
        read(&self.folder, &format!("{account}.password"))
    }

    /// Takes an account away, as an operator does.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn take_away(&self, account: &str) -> io::Result<()> {
        self.command("take-away", &[account])
    }

    /// It reads and sends nothing more, and hangs up on nobody.
    ///
    /// # Errors
    /// If it does not run.
    pub fn freeze(&self) -> io::Result<()> {
        self.command("freeze", &[])
    }

    /// SIGKILL. When this returns, it is gone.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&self) -> io::Result<()> {
        self.command("kill", &[])
    }

    /// Starts it on its port after it was killed. It knows nothing of the time before.
    ///
    /// # Errors
    /// If it does not start, or was not killed.
    pub fn again(&self) -> io::Result<()> {
        self.command("again", &[])
    }

    fn command(&self, word: &str, more: &[&str]) -> io::Result<()> {
        let status = script().arg(word).arg(&self.folder).args(more).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("mosquitto.sh {word} ended with {status}")))
        }
    }
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/mosquitto.sh"))
}

fn read(folder: &Path, name: &str) -> io::Result<String> {
    Ok(fs::read_to_string(folder.join(name))?.trim().to_owned())
}
