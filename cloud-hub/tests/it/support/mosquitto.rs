//! A mosquitto of a test's own, set up as `deploy/mosquitto` says. It ends with the test, however that ends.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use percolate_runtime::broker::Credentials;

use super::eventually;
use super::node::Door;

/// What the script ends with where mosquitto is not installed.
const MISSING: i32 = 2;

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/mosquitto.sh"))
}

pub(crate) struct Mosquitto {
    folder: PathBuf,
    address: SocketAddr,
    /// Ends the broker when its input ends, and it does with this process.
    _holder: Child,
}

impl Mosquitto {
    /// Starts one with accounts for the hub and for n11, n12 and n21. Where there is none, the test says so and gives up.
    pub(crate) fn start() -> Option<Self> {
        // In a group of its own, so that it outlives a runner which kills this test's group, and then tidies up.
        let mut holder = script()
            .args(["hold", "n12"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let folder = first_line(&mut holder);
        if folder.is_empty() {
            assert_eq!(holder.wait().unwrap().code(), Some(MISSING), "mosquitto did not start");
            println!("SKIPPED: no mosquitto is installed (scripts/setup.sh --servers)");
            return None;
        }
        let folder = PathBuf::from(folder.trim());
        let port: u16 = read(&folder, "port").parse().unwrap();
        Some(Self { folder, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), _holder: holder })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The account's password.
    pub(crate) fn password(&self, account: &str) -> String {
        read(&self.folder, &format!("{account}.password"))
    }

    /// The way in with an account.
    pub(crate) fn door(&self, account: &str) -> Door {
        self.door_with(Some(Credentials::new(account, &self.password(account))))
    }

    /// The way in as somebody, or as nobody.
    pub(crate) fn door_with(&self, credentials: Option<Credentials>) -> Door {
        Door { brokers: self.address.into(), credentials }
    }

    /// Takes an account away, as an operator does.
    pub(crate) fn take_away(&self, account: &str) {
        let passwords = self.folder.join("percolate.passwords");
        let taken = Command::new("mosquitto_passwd").arg("-D").arg(passwords).arg(account).status().unwrap();
        assert!(taken.success());
        self.signal("-HUP");
    }

    /// SIGSTOP: it reads and sends nothing more, and nobody is hung up on.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGKILL. When it returns, nobody listens there any more.
    pub(crate) async fn kill(&self) {
        self.signal("-KILL");
        eventually("the end of mosquitto", || async { TcpStream::connect(self.address).err() }).await;
    }

    fn signal(&self, signal: &str) {
        let pid = read(&self.folder, "pid");
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success(), "mosquitto did not run");
    }

    /// Starts it on its port after it was killed. It knows nothing of the time before.
    pub(crate) fn again(&self) {
        let before = read(&self.folder, "pid");
        assert!(script().arg("again").arg(&self.folder).status().unwrap().success(), "mosquitto did not start again");
        assert_ne!(read(&self.folder, "pid"), before, "it is another process");
    }
}

/// What a process prints first; nothing if it ends without a word.
fn first_line(process: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap().trim().to_owned()
}
