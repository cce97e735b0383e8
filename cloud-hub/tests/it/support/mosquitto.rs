//! A mosquitto of a test's own, which takes those of the test's chain.

use std::path::Path;
use std::process::Stdio;

use own_mosquitto::Mosquitto;
use percolate_common::identity::names::Principal;
use percolate_runtime::pki::Usage;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::DEADLINE;
use super::chain::{Papers, TestChain};
use super::node::Door;

/// The list of who is shut out, in the broker's folder.
const CRL: &str = "chain.crl";

/// What lets a program of mosquitto's be skipped.
const CLIENTS: &str = "/usr/bin/mosquitto_pub";

/// Starts one with a certificate of the chain, and a list of the shut out on which nobody stands yet, below a folder. Where there
/// is none, the test has said so and gives up.
pub(crate) fn start(chain: &TestChain, folder: &Path) -> Option<Mosquitto> {
    let papers = folder.join("broker-identity");
    let life = (chain.day(-1), chain.day(90));
    chain.write(&chain.issue(&Principal::Broker, Usage::Server, life), &papers);
    chain.write_crl(&[], 0, &papers.join(CRL));
    Mosquitto::start(&papers).expect("mosquitto starts where it is installed")
}

/// A mosquitto with a chain of its own.
pub(crate) struct MosquittoGround {
    pub(crate) mosquitto: Mosquitto,
    pub(crate) chain: TestChain,
    folder: TempDir,
}

impl MosquittoGround {
    pub(crate) fn start() -> Option<Self> {
        let (chain, folder) = (TestChain::of_today(1), TempDir::new().unwrap());
        let mosquitto = start(&chain, folder.path())?;
        Some(Self { mosquitto, chain, folder })
    }

    /// The way in with these papers, or with none.
    pub(crate) fn way(&self, papers: Option<&Papers>) -> Door {
        Door { tls: Some(self.chain.link_tls(papers)), ..self.mosquitto.address().port().into() }
    }

    /// Gives the broker the list of who is shut out, which is the one after so many seconds.
    pub(crate) fn shut_out(&self, shut_out: &[&Papers], seconds: i64) {
        let path = self.folder.path().join(CRL);
        self.chain.write_crl(shut_out, seconds, &path);
        self.mosquitto.shut_out(&path).unwrap();
    }

    /// One of mosquitto's own programs, as somebody with these papers runs it.
    pub(crate) fn client(&self, program: &str, papers: &Papers, id: &str) -> Command {
        let folder = self.folder.path().join(id);
        self.chain.write(papers, &folder);
        // Line by line, although nobody's terminal reads it.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", program]);
        // The name in the broker's certificate is the same for every chain, and not the host's.
        command.args(["-h", "127.0.0.1", "-p", &self.mosquitto.address().port().to_string(), "--insecure", "-i", id]);
        command.arg("--cafile").arg(folder.join("root.pem")).arg("--cert").arg(folder.join("certificate.pem"));
        command.arg("--key").arg(folder.join("key.pem")).stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// Whether mosquitto's own programs are there; else a line says that the test is skipped.
pub(crate) fn has_clients() -> bool {
    let has = Path::new(CLIENTS).exists();
    if !has {
        println!("SKIPPED: no mosquitto_pub is installed (scripts/setup.sh --servers)");
    }
    has
}

/// A `mosquitto_sub` that runs.
pub(crate) struct Hearer {
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Hearer {
    /// It has subscribed when this returns.
    pub(crate) async fn start(mut command: Command, filters: &[&str]) -> Self {
        command.args(["-q", "1", "-v", "-d"]);
        for filter in filters {
            command.args(["-t", filter]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        loop {
            let line = lines.next_line().await.unwrap().expect("it runs");
            if line.starts_with("Subscribed") {
                return Self { lines, _child: child };
            }
        }
    }

    /// All that it hears up to a line with these words, in `TOPIC WORDS`.
    pub(crate) async fn heard_until(mut self, end: &str) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let line = tokio::time::timeout(DEADLINE, self.lines.next_line()).await.expect("it hears something");
            let line = line.unwrap().expect("it runs");
            if line.ends_with(end) {
                return heard;
            }
            if line.starts_with("percolate/") {
                heard.push(line);
            }
        }
    }
}
