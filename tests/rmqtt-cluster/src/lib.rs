//! A cluster of three RMQTT brokers of a test's own, with accounts, and with ways to hurt its members. Their program is built
//! by `make rmqtt`, in a workspace of its own. They end with the test, however that ends.

mod member;
mod port;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use member::Member;

/// Where the program of a member is.
const PROGRAM: &str = "PERCOLATE_TEST_RMQTT";

/// How many members there are: the fewest of which one may die.
pub const MEMBERS: usize = 3;

/// A cluster.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Member>,
    folder: TempDir,
    asked: AtomicUsize,
}

impl Cluster {
    /// Starts one with an account for the hub and for each of these nodes, as in `n11`. Where its program was not built there
    /// is none, and a line says that the test is skipped.
    ///
    /// # Errors
    /// If it does not start.
    #[expect(clippy::disallowed_methods, reason = "the tests' runner says where the program is; no program reads it")]
    #[expect(clippy::print_stdout, reason = "the test runner collects these lines and counts them")]
    pub fn start(nodes: &[&str]) -> io::Result<Option<Self>> {
        let Some(program) = std::env::var_os(PROGRAM) else {
            println!("SKIPPED: no cluster of RMQTT brokers is built, whose program {PROGRAM} names (make rmqtt)");
            return Ok(None);
        };
        let folder = TempDir::new()?;
        for account in ["hub"].iter().chain(nodes) {
            let path = password_path(&folder, account);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            writeln!(file, "{}", password()?)?;
        }
        let ports = port::free(MEMBERS)?;
        let list: Vec<_> =
            ports.iter().map(|[clients, messages, raft]| format!("{clients}:{messages}:{raft}")).collect();
        let mut members = Vec::new();
        // The first begins the cluster; whoever comes before it has nobody to join.
        for (number, [clients, ..]) in (1..).zip(ports) {
            members.push(Member::start((program.as_ref(), folder.path()), (number, &list.join(",")), clients)?);
        }
        Ok(Some(Self { members, folder, asked: AtomicUsize::new(0) }))
    }

    /// Where a member takes clients, also after it was killed and started again.
    ///
    /// # Errors
    /// If there is no such member.
    pub fn address(&self, member: usize) -> io::Result<SocketAddr> {
        Ok(self.members.get(member).ok_or_else(none)?.address())
    }

    /// All members, as programs take them. Each time another one is the first, which programs try first: so clients are
    /// spread.
    #[must_use]
    pub fn addresses(&self) -> String {
        let first = self.asked.fetch_add(1, Ordering::Relaxed) % self.members.len();
        let (before, from) = self.members.split_at(first);
        from.iter().chain(before).map(|member| member.address().to_string()).collect::<Vec<_>>().join(",")
    }

    /// The file with an account's password, as a program takes it.
    #[must_use]
    pub fn password_file(&self, account: &str) -> PathBuf {
        password_path(&self.folder, account)
    }

    /// An account's password.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn password(&self, account: &str) -> io::Result<String> {
        Ok(fs::read_to_string(self.password_file(account))?.trim().to_owned())
    }

    /// How many clients are connected to a member.
    ///
    /// # Errors
    /// If there is no such member, or the system does not say.
    pub fn connections(&self, member: usize) -> io::Result<usize> {
        port::connections(self.address(member)?)
    }

    /// A member reads and sends nothing more, and hangs up on nobody.
    ///
    /// # Errors
    /// If it does not run.
    pub fn freeze(&mut self, member: usize) -> io::Result<()> {
        self.member(member)?.freeze()
    }

    /// SIGKILL. When this returns, it is gone, and was ended by nothing else.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&mut self, member: usize) -> io::Result<()> {
        self.member(member)?.kill()
    }

    /// Starts a member on its ports after it was killed, and waits until it is one again. It knows nothing of the time before.
    ///
    /// # Errors
    /// If it does not start, or was not killed.
    pub fn again(&mut self, member: usize) -> io::Result<()> {
        self.member(member)?.again()
    }

    fn member(&mut self, member: usize) -> io::Result<&mut Member> {
        self.members.get_mut(member).ok_or_else(none)
    }
}

fn none() -> io::Error {
    io::Error::other("there is no such member")
}

fn password_path(folder: &TempDir, account: &str) -> PathBuf {
    folder.path().join(format!("{account}.password"))
}

/// One that nobody thinks of.
fn password() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
