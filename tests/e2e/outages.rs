//! Outages on a machine with a network of its own: cables and routes are real, and the cause is what its kernel says.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use system_tests::books::{number, text};
use system_tests::harness::netns::Lab;
use system_tests::harness::{eventually, program};

/// Where head office would be.
const HUB: &str = "203.0.113.9";

/// A shop's server on a machine of the lab.
struct Shop<'a> {
    lab: &'a Lab,
    data: PathBuf,
    child: Child,
}

impl Drop for Shop<'_> {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        let _ended = self.child.wait();
    }
}

impl<'a> Shop<'a> {
    fn start(lab: &'a Lab, scratch: &Path) -> Result<Self> {
        let data = scratch.join("n11");
        std::fs::create_dir_all(&data)?;
        let log = std::fs::File::create(scratch.join("log.txt"))?;
        let words = lab.enter("box");
        let (first, rest) = words.split_first().context("words")?;
        let mut command = Command::new(first);
        command.args(rest).arg(program("store-node")?).args([
            "serve",
            "--http",
            "127.0.0.1:0",
            "--hub-retry-s-max",
            "1",
        ]);
        command.args([
            "--store",
            "1",
            "--node",
            "11",
            "--name",
            "Harbour",
            "--zone",
            "America/New_York",
            "--currency",
            "USD",
        ]);
        command.args(["--hub-mqtt", &format!("{HUB}:1883")]).arg("--data").arg(&data);
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Self { lab, data, child })
    }

    /// What it says of head office, asked on its machine.
    fn hub(&self) -> Result<Value> {
        let endpoints: Value = serde_json::from_slice(&std::fs::read(self.data.join("endpoints.json"))?)?;
        let (address, token) = (text(&endpoints, "/http")?, std::fs::read_to_string(self.data.join("token"))?);
        let answer = self.lab.on("box", || {
            let mut stream = TcpStream::connect(&address)?;
            let head = format!(
                "GET /v1/node HTTP/1.1\r\nhost: box\r\nconnection: close\r\nauthorization: Bearer {}",
                token.trim()
            );
            stream.write_all(format!("{head}\r\n\r\n").as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        })?;
        let (_, body) = answer.split_once("\r\n\r\n").context("a body")?;
        let node: Value = serde_json::from_str(body).with_context(|| answer.clone())?;
        node.get("hub").cloned().context("how it stands to head office")
    }

    async fn says(&self, state: &str) -> Result<Value> {
        eventually(state, || async {
            let hub = self.hub()?;
            ensure!(text(&hub, "/state")? == state, "{hub}");
            Ok(hub)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cable_that_is_out_a_dead_line_and_a_dead_hub_are_told_apart_by_the_machine_itself() -> Result<()> {
    const TEST: &str = "a_cable_that_is_out_a_dead_line_and_a_dead_hub_are_told_apart_by_the_machine_itself";
    let Some(mut lab) = Lab::new(TEST, &[]) else { return Ok(()) };
    for name in ["box", "router"] {
        lab.machine(name)?;
    }
    lab.wire(("box", "lan0"), ("router", "lan0"))?;
    lab.address("router", "lan0", &["192.168.7.1/24"])?;
    // A router whose line is dead says so of everything beyond it.
    lab.on("router", || Ok(std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?))?;
    lab.run("router", &["ip", "route", "add", "unreachable", "default"])?;

    let scratch = tempfile::tempdir()?;
    let shop = Shop::start(&lab, scratch.path())?;
    let nowhere = shop.says("no_lan").await?;
    ensure!(number(&nowhere, "/unsent")? > 0, "it has described itself: {nowhere}");

    lab.address("box", "lan0", &["192.168.7.20/24"])?;
    lab.run("box", &["ip", "route", "add", "default", "via", "192.168.7.1"])?;
    let silent = shop.says("no_internet").await?;
    ensure!(text(&silent, "/advice")?.contains("it is off, or the line to it"), "{silent}");

    lab.run("router", &["ip", "link", "set", "lan0", "down"])?;
    shop.says("no_lan").await?;
    lab.run("router", &["ip", "link", "set", "lan0", "up"])?;
    shop.says("no_internet").await?;

    // Somebody is at head office's address, and serves nothing.
    lab.address("router", "lo", &[&format!("{HUB}/32")])?;
    let out = shop.says("hub_unreachable").await?;
    ensure!(text(&out, "/advice")?.contains("tell head office"), "{out}");
    Ok(())
}
