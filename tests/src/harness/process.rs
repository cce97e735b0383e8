//! Servers as processes of their own, killed with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::enrol::{Door, found_chain};
use super::{Client, demo_menu, eventually, program};

/// A process that does not outlive its owner.
#[derive(Debug)]
pub(super) struct Server {
    child: Option<Child>,
    data: PathBuf,
}

impl Server {
    /// Starts a program with words of its own before the server's.
    pub(super) fn start(program_words: &[&str], data: &Path, arguments: &[String]) -> Result<Self> {
        let (name, words) = program_words.split_first().context("a program")?;
        std::fs::create_dir_all(data)?;
        let endpoints = data.join("endpoints.json");
        if endpoints.exists() {
            std::fs::remove_file(&endpoints)?;
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(data.join("log.txt"))?;
        let child = Command::new(program(name)?)
            .args(words)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { child: Some(child), data: data.to_owned() })
    }

    /// Waits for the addresses that the server writes once it listens.
    pub(super) async fn endpoints(&mut self) -> Result<Value> {
        let path = self.data.join("endpoints.json");
        let pid = self.child.as_ref().map(Child::id);
        eventually("the server to listen", || async {
            let text = std::fs::read_to_string(&path).with_context(|| self.log_tail())?;
            let value: Value = serde_json::from_str(&text)?;
            ensure!(value.get("pid").and_then(Value::as_u64) == pid.map(u64::from), "an older process's addresses");
            Ok(value)
        })
        .await
    }

    /// Waits for the end of a program that is to refuse to serve, and gives the end of its log.
    pub(super) async fn refused(mut self) -> Result<String> {
        let Some(mut child) = self.child.take() else { bail!("not running") };
        let status = tokio::task::spawn_blocking(move || child.wait()).await??;
        ensure!(!status.success(), "it ended well, and was to refuse");
        Ok(self.log_tail())
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("not running")?.id())
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.data.join("log.txt")).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(15).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// SIGKILL, at once: the process has no say.
    pub(super) fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { bail!("not running") };
        child.kill()?;
        let status = child.wait()?;
        ensure!(!status.success(), "it was to be killed, but had ended by itself");
        Ok(())
    }

    /// SIGTERM, and waits for its orderly end.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { bail!("not running") };
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM)?;
        let status = tokio::task::spawn_blocking(move || child.wait()).await??;
        ensure!(status.success(), "it did not end in order: {status}\n{}", self.log_tail());
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _already_gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

pub(super) fn text(value: &Value, field: &str) -> Result<String> {
    Ok(value.get(field).and_then(Value::as_str).with_context(|| format!("{field} in {value}"))?.to_owned())
}

/// A free port of this machine.
const ANY_PORT: &str = "127.0.0.1:0";

/// The hub with its broker.
#[derive(Debug)]
pub struct Hub {
    server: Server,
    /// Asks it over HTTP.
    pub client: Client,
    /// Where boxes come to its broker, and where they enrol.
    doors: (String, String),
    program: &'static str,
    menu: Option<PathBuf>,
    extra: Vec<String>,
}

/// The program of a hub, as it ships.
pub(super) const HUB: &str = "cloud-hub";

impl Hub {
    /// Founds a chain and starts its hub on free ports, with the demo's menu, in `<scratch>/hub`.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start(scratch: &Path) -> Result<Self> {
        Self::start_with(scratch, Some(demo_menu()), &[]).await
    }

    /// As [`Hub::start`], with another menu or none, and with `extra` arguments, which it keeps when it is started again.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start_with(scratch: &Path, menu: Option<PathBuf>, extra: &[&str]) -> Result<Self> {
        Self::start_of(HUB, scratch, menu, extra).await
    }

    /// As [`Hub::start`], by another program that takes the same arguments.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start_by(program: &'static str, scratch: &Path, menu: Option<PathBuf>) -> Result<Self> {
        Self::start_of(program, scratch, menu, &[]).await
    }

    async fn start_of(program: &'static str, scratch: &Path, menu: Option<PathBuf>, extra: &[&str]) -> Result<Self> {
        let data = scratch.join("hub");
        let extra: Vec<String> = extra.iter().map(|word| (*word).to_owned()).collect();
        let mut simulated = extra.iter().skip_while(|word| *word != "--simulated-clock").skip(1);
        found_chain(&data, simulated.next().map(String::as_str))?;
        let any = (ANY_PORT, (ANY_PORT, ANY_PORT));
        let mut server = Self::serve((program, &data), any, menu.as_deref(), &extra)?;
        let endpoints = server.endpoints().await?;
        let doors = (text(&endpoints, "mqtts")?, text(&endpoints, "https")?);
        let client = Client::new(&text(&endpoints, "http")?, &data)?;
        Ok(Self { server, client, doors, program, menu, extra })
    }

    fn serve(
        (program, data): (&'static str, &Path),
        (http, (mqtts, https)): (&str, (&str, &str)),
        menu: Option<&Path>,
        extra: &[String],
    ) -> Result<Server> {
        let data_text = data.to_string_lossy();
        let mut words = vec!["serve", "--data", &data_text, "--http", http, "--mqtts", mqtts, "--https", https];
        let menu = menu.map(Path::to_string_lossy);
        if let Some(menu) = &menu {
            words.extend(["--menu", menu]);
        }
        let mut arguments: Vec<String> = words.into_iter().map(str::to_owned).collect();
        arguments.extend_from_slice(extra);
        Server::start(&[program], data, &arguments)
    }

    /// Where boxes come to its broker.
    #[must_use]
    pub fn mqtts(&self) -> &str {
        &self.doors.0
    }

    /// How boxes come to it.
    #[must_use]
    pub fn door(&self) -> Door {
        Door { hub: self.client.clone(), mqtts: self.mqtts().to_owned() }
    }

    /// The menu file that it is started with from now; none lets the published menu stand.
    pub fn set_menu(&mut self, menu: Option<PathBuf>) {
        self.menu = menu;
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// If it was not running, or does not end well.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.stop().await
    }

    /// SIGKILL: broker and all that it held in memory are gone with it.
    ///
    /// # Errors
    /// If it was not running.
    pub fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Starts it again on the same data and the same ports.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        let addresses = (self.client.address(), (self.mqtts(), self.doors.1.as_str()));
        self.server = Self::serve((self.program, &self.server.data), addresses, self.menu.as_deref(), &self.extra)?;
        self.server.endpoints().await.map(drop)
    }

    /// Tries to start it again where it is to refuse that, and gives what it says.
    ///
    /// # Errors
    /// If it ends well. If it serves, this waits for ever.
    pub async fn refused(&self) -> Result<String> {
        let any = (ANY_PORT, (ANY_PORT, ANY_PORT));
        Self::serve((self.program, &self.server.data), any, None, &self.extra)?.refused().await
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.server.data
    }

    /// The number of its process.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pid(&self) -> Result<u32> {
        self.server.pid()
    }
}

/// What a store is called and numbered.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    /// Store number.
    pub store: u32,
    /// Node number.
    pub node: u32,
    /// Store name.
    pub name: String,
    /// The hour at which its day ends.
    pub cutover_hour: u8,
    /// Names under which terminals find its box; it has a certificate for them.
    pub lan_names: Vec<String>,
}

impl NodeSpec {
    /// Store `n` with its first box.
    #[must_use]
    pub fn store(n: u32) -> Self {
        Self { store: n, node: n * 10 + 1, name: format!("Store {n}"), cutover_hour: 4, lan_names: Vec::new() }
    }
}

/// A store-node.
#[derive(Debug)]
pub struct Node {
    server: Server,
    /// Asks it over HTTP.
    pub client: Client,
    /// Who it is.
    pub spec: NodeSpec,
    program: &'static [&'static str],
    arguments: Vec<String>,
}

/// The program of a store, as it ships.
const NODE: &[&str] = &["store-node"];

impl Node {
    /// Starts a store of the hub's chain on a free port in `<scratch>/n<node>`, with `extra` arguments. It enrols itself.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start(scratch: &Path, spec: NodeSpec, hub: &Door, extra: &[&str]) -> Result<Self> {
        Self::start_by(NODE, scratch, spec, hub, extra).await
    }

    /// As [`Node::start`], by another program that takes the same arguments after its own.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start_by(
        program: &'static [&'static str],
        scratch: &Path,
        spec: NodeSpec,
        hub: &Door,
        extra: &[&str],
    ) -> Result<Self> {
        let data = scratch.join(format!("n{}", spec.node));
        let site = hub.equip(&spec, &data).await?;
        let fixed = ["--site", &site.to_string_lossy(), "--hub-mqtt", &hub.mqtts];
        Self::serve(program, (data, spec), &[&fixed, extra].concat()).await
    }

    /// Starts a store that comes with an account to a broker that asks for no certificate, or to none at all.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start_with_account(scratch: &Path, spec: NodeSpec, broker: &str, extra: &[&str]) -> Result<Self> {
        let data = scratch.join(format!("n{}", spec.node));
        let (store, node, name) = (spec.store.to_string(), spec.node.to_string(), spec.name.clone());
        let who = ["--store", &store, "--node", &node, "--name", &name];
        let place = ["--zone", "America/New_York", "--currency", "USD", "--hub-mqtt", broker];
        Self::serve(NODE, (data, spec), &[&who[..], &place, extra].concat()).await
    }

    async fn serve(
        program: &'static [&'static str],
        (data, spec): (PathBuf, NodeSpec),
        words: &[&str],
    ) -> Result<Self> {
        let arguments = |http: &str| {
            let fixed = ["serve", "--data", &data.to_string_lossy(), "--http", http].map(str::to_owned);
            fixed.into_iter().chain(words.iter().map(|word| (*word).to_owned())).collect::<Vec<_>>()
        };
        let mut server = Server::start(program, &data, &arguments("127.0.0.1:0"))?;
        let http = text(&server.endpoints().await?, "http")?;
        let client = Client::new(&http, &data)?;
        Ok(Self { server, client, program, arguments: arguments(&http), spec })
    }

    /// Waits until it can sell.
    ///
    /// # Errors
    /// If it never can.
    pub async fn ready(&self) -> Result<()> {
        eventually("the store to be ready", || async {
            let answer = self.client.try_get("/readyz").await?;
            ensure!(answer.status == 200, "{}", answer.text);
            Ok(())
        })
        .await
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// If it was not running.
    pub fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Starts it again on the same data and the same port.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        self.launch()?;
        self.server.endpoints().await.map(drop)
    }

    /// As [`Node::restart`], without waiting for anything.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn launch(&mut self) -> Result<()> {
        let data = self.server.data.clone();
        self.server = Server::start(self.program, &data, &self.arguments)?;
        Ok(())
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// If it was not running, or does not end well.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.stop().await
    }

    /// The number of its process.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pid(&self) -> Result<u32> {
        self.server.pid()
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.server.data
    }

    /// Waits until the hub has acknowledged everything that it wrote.
    ///
    /// # Errors
    /// If that never happens.
    pub async fn all_acked(&self) -> Result<Value> {
        eventually("the hub to have acknowledged everything", || async {
            let node = self.client.get("/v1/node").await?;
            let streams = node.get("streams").and_then(Value::as_array).context("streams")?;
            let behind = streams.iter().any(|stream| stream.get("last_seq") != stream.get("acked_seq"));
            ensure!(!behind, "behind: {streams:?}");
            Ok(node)
        })
        .await
    }
}
