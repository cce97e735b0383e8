//! A mosquitto of a test's own, set up as `deploy/mosquitto` says, with certificates of the test's chain, and with ways to hurt
//! it. It ends with the test, however that ends. Everything is done by `scripts/mosquitto.sh`.

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
    /// Starts one with the certificates in a folder: `root.pem`, `certificate.pem` and `key.pem`, and `chain.crl`
    /// if it is to be told who is shut out. Where mosquitto is not installed there is none, and a line says that the test is
    /// skipped.
    ///
    /// # Errors
    /// If it does not start.
    #[expect(clippy::print_stdout, reason = "the test runner collects these lines and counts them")]
    pub fn start(papers: &Path) -> io::Result<Option<Self>> {
        // In a group of its own, so that it outlives a runner which kills this test's group, and then tidies up.
        let mut holder =
            script().arg("hold").arg(papers).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn()?;
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

    /// Gives it another list of who is shut out, in a file `chain.crl`, as an operator does. It must have started with one.
    ///
    /// # Errors
    /// If it does not run, or there is no such file.
    pub fn shut_out(&self, crl: &Path) -> io::Result<()> {
        self.command("shut-out", &[crl])
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

    fn command(&self, word: &str, more: &[&Path]) -> io::Result<()> {
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
