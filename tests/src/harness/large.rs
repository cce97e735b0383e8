//! A large hub: processes of its parts, a database of its own on the tests' PostgreSQL server, and a broker that is not its own.
//! At a mosquitto all come by certificates of a chain that is founded first; at a cluster of RMQTT brokers by accounts.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};
use own_mosquitto::Mosquitto;
use own_rmqtt::Cluster;
use percolate_runtime::postgres::Admin;
use tokio::sync::OnceCell;

use super::enrol::{Door, found_chain};
use super::process::{HUB as PROGRAM, Server, text};
use super::{Client, Node, NodeSpec, demo_menu, program, skipped};

/// Where the tests' own server is: `scripts/postgres.sh start` says.
const SERVER: &str = "PERCOLATE_TEST_POSTGRES";

/// A broker that is not the hub's.
pub trait Broker {
    /// Where a client finds it, as programs take it.
    fn addresses(&self) -> String;

    /// How the hub comes to it, as `cloud-hub serve` takes it, if its certificate is in this folder.
    fn access(&self, papers: &Path) -> [String; 2];
}

impl Broker for Mosquitto {
    fn addresses(&self) -> String {
        self.address().to_string()
    }

    fn access(&self, papers: &Path) -> [String; 2] {
        ["--hub-identity".to_owned(), path(papers)]
    }
}

impl Broker for Cluster {
    fn addresses(&self) -> String {
        self.addresses()
    }

    fn access(&self, _no_certificate: &Path) -> [String; 2] {
        ["--broker-password-file".to_owned(), path(&self.password_file("hub"))]
    }
}

/// The folder of a small hub in that of a test; a large one has its CA from there, whether there is such a hub or not.
const HUB: &str = "hub";

/// The CA's folder in there.
const CA: &str = "ca";

/// Founds a chain in a test's folder, unless there is one, and starts a mosquitto with a certificate of it. Where there is no
/// mosquitto, a line says that the test is skipped.
///
/// # Errors
/// If its certificate cannot be made, or it does not start.
pub fn mosquitto(scratch: &Path) -> Result<Option<Mosquitto>> {
    found_chain(&scratch.join(HUB), None)?;
    Ok(Mosquitto::start(&make_papers("broker-identity", scratch)?)?)
}

/// Makes the certificate by which the hub of that chain comes to the broker. Tells in which folder it is.
///
/// # Errors
/// If it cannot be made.
pub fn hub_papers(scratch: &Path) -> Result<PathBuf> {
    make_papers("hub-identity", scratch)
}

/// Makes a certificate for a program that is no box, in a folder of its own.
fn make_papers(of: &str, scratch: &Path) -> Result<PathBuf> {
    let (ca, out) = (scratch.join(HUB).join(CA), scratch.join(of));
    let mut command = Command::new(program("provision")?);
    let done = command.args(["chain", of, "--ca"]).arg(&ca).arg("--out").arg(&out).output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(out)
}

/// What the processes of a large hub stand on.
#[derive(Debug)]
pub struct Ground<B = Mosquitto> {
    scratch: PathBuf,
    /// The chain's broker.
    pub broker: B,
    /// The server without a database.
    server: String,
    database: String,
    /// The process that plans shops and enrols their boxes, once there is a shop.
    identity: OnceCell<Replica>,
}

impl Ground {
    /// Founds a chain, makes the database and starts a mosquitto. Where the servers are missing there is none, and a line says
    /// that the test is skipped.
    ///
    /// # Errors
    /// If one of them cannot be made.
    pub async fn new(test: &str, scratch: &Path) -> Result<Option<Self>> {
        let Some(mosquitto) = mosquitto(scratch)? else { return Ok(None) };
        hub_papers(scratch)?;
        Self::behind(mosquitto, test, scratch).await
    }

    /// The process that plans shops and enrols their boxes. It is started when it is first asked for, since it reads a journal
    /// that another process must have made.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn identity(&self) -> Result<&Replica> {
        let ca = path(&self.scratch.join(HUB).join(CA));
        let words = ["--ca", &ca, "--https", "127.0.0.1:0"];
        self.identity.get_or_try_init(|| self.start("identity", "identity", &words)).await
    }

    /// Where a box meets its hub, at the chain's broker or a line that leads there.
    ///
    /// # Errors
    /// If the process that enrols boxes does not come up.
    pub async fn door(&self, broker: &str) -> Result<Door> {
        Ok(Door::at(&self.identity().await?.client, broker))
    }

    /// Starts a shop whose box enrols itself and comes to a broker, the chain's or a line that leads there, and waits until it
    /// sells.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn shop(&self, store: u32, broker: &str) -> Result<Node> {
        let door = self.door(broker).await?;
        let shop = Node::start(&self.scratch, NodeSpec::store(store), &door, &["--hub-retry-s-max", "1"]).await?;
        shop.ready().await?;
        Ok(shop)
    }
}

impl Ground<Cluster> {
    /// Starts a shop that comes with its account to a broker, the chain's or another one, and waits until it sells.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn shop(&self, store: u32, broker: &str) -> Result<Node> {
        let spec = NodeSpec::store(store);
        let password = path(&self.broker.password_file(&format!("n{}", spec.node)));
        let extra = ["--hub-password-file", &password, "--hub-retry-s-max", "1"];
        let shop = Node::start_with_account(&self.scratch, spec, broker, &extra).await?;
        shop.ready().await?;
        Ok(shop)
    }
}

impl<B: Broker> Ground<B> {
    /// Makes the database for a hub behind a broker. Where there is no server there is none, and a line says that the test is
    /// skipped.
    ///
    /// # Errors
    /// If it cannot be made.
    #[expect(clippy::disallowed_methods, reason = "the tests' runner says where its server is; no program reads it")]
    pub async fn behind(broker: B, test: &str, scratch: &Path) -> Result<Option<Self>> {
        let Ok(server) = std::env::var(SERVER) else {
            skipped(test, "there is no PERCOLATE_TEST_POSTGRES; scripts/postgres.sh start makes a server");
            return Ok(None);
        };
        Self::on(broker, &server, scratch).await.map(Some)
    }

    /// The same on a server that is named as libpq does it, without a database.
    ///
    /// # Errors
    /// If the database cannot be made.
    pub async fn on(broker: B, server: &str, scratch: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = server.to_owned();
        let database = format!("e_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        std::fs::write(scratch.join("token"), "a token that all processes share")?;
        let ground = Self { scratch: scratch.to_owned(), broker, server, database, identity: OnceCell::new() };
        let (admin, own, secrets) = (ground.admin("postgres"), ground.admin(&ground.database), scratch.join("secrets"));
        let name = ground.database.clone();
        tokio::task::spawn_blocking(move || prepare(&admin, &own, &name, &secrets)).await??;
        Ok(ground)
    }

    /// Starts a process of these parts, as in `ingest` or `catalog,reporting`, in a folder of its own.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start(&self, name: &str, parts: &str, extra: &[&str]) -> Result<Replica> {
        let (data, arguments) = self.arguments(name, parts, extra);
        self.started(PROGRAM, &data, arguments).await
    }

    /// As [`Ground::start`], by another program that takes the same arguments.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start_by(&self, program: &'static str, name: &str, parts: &str) -> Result<Replica> {
        let (data, arguments) = self.arguments(name, parts, &[]);
        self.started(program, &data, arguments).await
    }

    async fn started(&self, program: &'static str, data: &Path, arguments: Vec<String>) -> Result<Replica> {
        let mut server = serve((program, data), "127.0.0.1:0", &arguments)?;
        let http = text(&server.endpoints().await?, "http")?;
        Ok(Replica { server, client: Client::new(&http, &self.scratch)?, program, arguments })
    }

    /// As [`Ground::start`], for a process that reaches the database at another address: through a line of the test's own.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start_apart(&self, name: &str, parts: &str, database: SocketAddr) -> Result<Replica> {
        let (data, mut arguments) = self.arguments(name, parts, &[]);
        let place = arguments.iter().position(|word| word == "--postgres").context("--postgres")? + 1;
        let there = arguments.get_mut(place).context("the database")?;
        *there = format!("{there} host={} port={}", database.ip(), database.port());
        self.started(PROGRAM, &data, arguments).await
    }

    /// The socket of the database's server.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        let folder = self.server.split_whitespace().find_map(|word| word.strip_prefix("host="))?;
        Some(Path::new(folder).join(".s.PGSQL.5432"))
    }

    /// Tries to start such a process where it is to refuse that, and gives what it says.
    ///
    /// # Errors
    /// If it ends well. If it serves, this waits for ever.
    pub async fn refused(&self, name: &str, parts: &str) -> Result<String> {
        let (data, arguments) = self.arguments(name, parts, &[]);
        serve((PROGRAM, &data), "127.0.0.1:0", &arguments)?.refused().await
    }

    fn arguments(&self, name: &str, parts: &str, extra: &[&str]) -> (PathBuf, Vec<String>) {
        let data = self.scratch.join(name);
        let (secrets, token) = (self.scratch.join("secrets"), self.scratch.join("token"));
        let words = [
            ("--profile", "large".to_owned()),
            ("--only", parts.to_owned()),
            ("--data", path(&data)),
            ("--postgres", self.admin(&self.database)),
            ("--secrets", path(&secrets)),
            ("--broker", self.broker.addresses()),
            ("--token", path(&token)),
            ("--drain-s", "1".to_owned()),
        ];
        let mut arguments: Vec<String> = words.into_iter().flat_map(|(word, value)| [word.to_owned(), value]).collect();
        arguments.extend(self.broker.access(&self.scratch.join("hub-identity")));
        if parts.contains("catalog") {
            arguments.extend(["--menu".to_owned(), path(&demo_menu())]);
        }
        arguments.extend(extra.iter().map(|word| (*word).to_owned()));
        (data, arguments)
    }

    /// Lets nobody write a table, as in `journal.chain`, until what is given back is dropped.
    ///
    /// # Errors
    /// If the table cannot be locked.
    pub async fn hold(&self, table: &str) -> Result<Held> {
        let (admin, table) = (self.admin(&self.database), table.to_owned());
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (tell, told) = tokio::sync::oneshot::channel();
        let holder = std::thread::spawn(move || {
            let held = Admin::connect(&admin).and_then(|mut session| {
                session.batch("BEGIN")?;
                session.batch(&format!("LOCK TABLE {table} IN EXCLUSIVE MODE"))?;
                Ok(session)
            });
            let _nobody_waits = tell.send(held.as_ref().map(|_session| ()).map_err(Clone::clone));
            let _dropped = released.recv();
        });
        told.await??;
        Ok(Held { _release: release, _holder: holder })
    }

    /// Starts to move a small hub's chain here, and waits until it says that it is at a step.
    ///
    /// # Errors
    /// If it ends before, or cannot be started.
    pub async fn moving(&self, from: &Path, step: &str) -> Result<Child> {
        let words = ["--data", &path(from), "--postgres", &self.admin(&self.database), "--secrets"];
        let mut command = Command::new(program("cloud-hub")?);
        command.arg("move-to-large").args(words).arg(self.scratch.join("secrets"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("its log")?).lines();
        let wanted = step.to_owned();
        let said = tokio::task::spawn_blocking(move || {
            let mut said = String::new();
            while let Some(Ok(line)) = lines.next() {
                said.push_str(&line);
                said.push('\n');
                if line.contains(&wanted) {
                    // What it says from now on is read and forgotten, so that it never waits for us.
                    std::thread::spawn(move || lines.for_each(drop));
                    return Ok(());
                }
            }
            Err(said)
        });
        said.await?.map_err(|said| anyhow::anyhow!("it never said {step:?}:\n{said}"))?;
        Ok(child)
    }

    /// Does something in the hub's database, as whoever owns the server.
    ///
    /// # Errors
    /// If the server does not do it.
    pub async fn admin_batch(&self, sql: &str) -> Result<()> {
        let (admin, sql) = (self.admin(&self.database), sql.to_owned());
        Ok(tokio::task::spawn_blocking(move || Admin::connect(&admin)?.batch(&sql)).await??)
    }

    /// Ends all sessions of the hub with its database, in the middle of whatever they do; tells how many those were.
    ///
    /// # Errors
    /// If the server does not do it.
    pub async fn end_sessions(&self) -> Result<usize> {
        let (admin, name) = (self.admin("postgres"), self.database.clone());
        let ended = tokio::task::spawn_blocking(move || {
            let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity";
            Admin::connect(&admin)?.texts(&format!("{end} WHERE datname = '{name}'"))
        });
        Ok(ended.await??.len())
    }
}

/// A table that nobody can write.
#[derive(Debug)]
pub struct Held {
    _release: std::sync::mpsc::Sender<()>,
    _holder: std::thread::JoinHandle<()>,
}

impl<B> Ground<B> {
    fn admin(&self, database: &str) -> String {
        // The last of two words for one thing counts.
        format!("{} dbname={database}", self.server)
    }
}

impl<B> Drop for Ground<B> {
    fn drop(&mut self) {
        let (admin, name) = (self.admin("postgres"), self.database.clone());
        let dropped =
            std::thread::spawn(move || Admin::connect(&admin)?.batch(&format!("DROP DATABASE {name} WITH (FORCE)")));
        // The server itself ends soon after.
        let _left_behind = dropped.join();
    }
}

/// Roles belong to the whole server: one test at a time sees to them.
fn prepare(admin: &str, own: &str, database: &str, secrets: &Path) -> Result<()> {
    let mut admin = Admin::connect(admin)?;
    admin.batch("SELECT pg_advisory_lock(1)")?;
    admin.batch(&format!("CREATE DATABASE {database} TEMPLATE template0"))?;
    let mut command = Command::new(program("cloud-hub")?);
    let done =
        command.args(["prepare-postgres", "--new-passwords", "--admin", own, "--secrets"]).arg(secrets).output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// A process of a large hub.
#[derive(Debug)]
pub struct Replica {
    server: Server,
    /// Asks it over HTTP.
    pub client: Client,
    program: &'static str,
    arguments: Vec<String>,
}

impl Replica {
    /// SIGKILL.
    ///
    /// # Errors
    /// If it was not running.
    pub fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// If it was not running, or does not end well.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.stop().await
    }

    /// Starts it again on the same port.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        self.server = serve((self.program, self.server.data()), self.client.address(), &self.arguments)?;
        self.server.endpoints().await.map(drop)
    }

    /// The number of its process.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pid(&self) -> Result<u32> {
        self.server.pid()
    }

    /// A metric of it.
    ///
    /// # Errors
    /// If it is not there.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let answer = self.client.try_get("/metrics").await?;
        let line = answer.text.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
        Ok(line.rsplit(' ').next().context("a value")?.parse()?)
    }
}

fn serve((program, data): (&str, &Path), http: &str, arguments: &[String]) -> Result<Server> {
    let arguments: Vec<String> = ["--http", http].map(str::to_owned).into_iter().chain(arguments.to_vec()).collect();
    Server::start(&[program, "serve"], data, &arguments)
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
