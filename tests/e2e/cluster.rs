//! `make cluster`: a large hub in parts and replicas behind a load balancer, at which shops sell while one process of each kind
//! is killed, while nobody makes reports, and while the servers under it are killed; then it is stopped, and nothing is left.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use system_tests::audit::proven_at;
use system_tests::books::{any_item, counted_once_at, list, number, sell_each, store_totals, ticket};
use system_tests::harness::{Balancer, Client, Door, Node, NodeSpec, eventually, program};
use system_tests::reads::Reader;

/// What the script ends with where a server is not installed.
const MISSING: i32 = 2;

/// Processes that have the duties of their kind, as they were there first or as others were not.
const VICTIMS: [&str; 4] = ["ingest-1", "catalog-1", "reporting-1", "identity-1"];

/// Those that make the reports.
const REPORTING: [&str; 2] = ["reporting-1", "reporting-2"];

/// Sales of each shop.
const SALES: i64 = 8;

/// The same at a time while servers are killed.
const SALES_AT_A_TIME: usize = 3;

/// What people and programs ask for all the time.
const READS: [&str; 3] = ["/v1/reporting/sales?by=store", "/v1/catalog/revisions", "/v1/sync/streams"];

/// The script, and the folder of what it runs. It stops when its input ends, and that ends with this process at the latest.
struct Cluster {
    script: Child,
    folder: PathBuf,
}

impl Cluster {
    #[expect(clippy::print_stdout, reason = "the test runner collects these lines and counts them")]
    fn start() -> Result<Option<Self>> {
        let mut hold = script();
        // In a group of its own, so that it outlives a runner which kills this test's group, and then tidies up.
        let mut script = hold
            .arg("hold")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let mut folder = String::new();
        BufReader::new(script.stdout.take().context("its output")?).read_line(&mut folder)?;
        if folder.is_empty() {
            let output = script.wait_with_output()?;
            let said = String::from_utf8(output.stderr)?;
            if output.status.code() == Some(MISSING) {
                println!("SKIPPED: a server is not installed (scripts/setup.sh --servers): {}", said.trim());
                return Ok(None);
            }
            bail!("the cluster did not start: {said}");
        }
        Ok(Some(Self { script, folder: PathBuf::from(folder.trim()) }))
    }

    fn read(&self, path: &str) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join(path)).with_context(|| path.to_owned())?.trim().to_owned())
    }

    /// A shop that head office plans at the balancer's address, and whose box enrols itself at the process beside it.
    async fn shop(&self, scratch: &Path, store: u32, office: &Client) -> Result<Node> {
        let door = Door::at(office, &format!("127.0.0.1:{}", self.read("mosquitto/port")?));
        let shop = Node::start(scratch, NodeSpec::store(store), &door, &["--hub-retry-s-max", "1"]).await?;
        shop.ready().await?;
        Ok(shop)
    }

    /// SIGKILL. It must have been there, and is gone when this returns.
    async fn kill(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::KILL)?;
        let process = Path::new("/proc").join(self.read(&format!("{name}/pid"))?);
        eventually("it to be gone", || async {
            let status = fs::read_to_string(process.join("status")).unwrap_or_default();
            ensure!(status.is_empty() || status.contains("\nState:\tZ"), "{name} is there");
            Ok(())
        })
        .await
    }

    /// Asks one of the hub's processes, past the balancer.
    fn process(&self, name: &str) -> Result<Client> {
        let endpoints: serde_json::Value = serde_json::from_str(&self.read(&format!("{name}/endpoints.json"))?)?;
        Client::new(endpoints.get("http").and_then(serde_json::Value::as_str).context("http")?, &self.folder)
    }

    fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.read(&format!("{name}/pid"))?.parse()?).context("a process")?;
        Ok(kill_process(pid, signal)?)
    }

    async fn again(&self, name: &'static str) -> Result<()> {
        let mut command = script();
        command.arg("again").arg(&self.folder).arg(name);
        let status = tokio::task::spawn_blocking(move || command.status()).await??;
        ensure!(status.success(), "{name} did not start again");
        Ok(())
    }

    /// Folders of it and of the servers that it has started.
    fn folders(&self) -> Result<Vec<PathBuf>> {
        let mut folders = vec![self.folder.clone()];
        for server in ["postgres", "mosquitto", "haproxy"] {
            folders.push(fs::read_link(self.folder.join(server))?);
        }
        Ok(folders)
    }

    /// Ctrl-C; nothing may be left.
    async fn leaves_nothing(self, folders: &[PathBuf]) -> Result<()> {
        self.interrupt().await?;
        ensure!(processes_in(folders)?.is_empty(), "{:?}", processes_in(folders)?);
        let left: Vec<_> = folders.iter().filter(|folder| folder.exists()).collect();
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    }

    /// Ctrl-C.
    async fn interrupt(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.script), Signal::INT)?;
        let status = tokio::task::spawn_blocking(move || self.script.wait()).await??;
        ensure!(status.success(), "it did not stop in order: {status}");
        Ok(())
    }
}

fn script() -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/cluster.sh"));
    if let Some(target) = program("cloud-hub").ok().and_then(|hub| Some(hub.parent()?.parent()?.to_owned())) {
        command.env("CARGO_TARGET_DIR", target);
    }
    command
}

/// The command lines of processes that name one of these folders.
fn processes_in(folders: &[PathBuf]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        // Whoever ends in this moment has none.
        let words = fs::read(entry?.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&words).replace('\0', " ");
        if folders.iter().any(|folder| line.contains(&*folder.to_string_lossy())) {
            found.push(line);
        }
    }
    Ok(found)
}

/// A sale at each shop, which the hub has acknowledged when this returns.
async fn sell(shops: &[Node], key: &str) -> Result<()> {
    for shop in shops {
        shop.client.post("/v1/tickets", key, &ticket("T1", any_item(shop).await?, 2)).await?;
        shop.all_acked().await?;
    }
    Ok(())
}

/// Waits until the reports say what each shop says of itself.
async fn reports_agree(office: &Client, shops: &[Node]) -> Result<()> {
    for shop in shops {
        let own = store_totals(shop).await?;
        ensure!(own.0 == SALES, "{own:?}");
        eventually("the reports to say what the shop says", || async {
            let report = office.get(&format!("/v1/reporting/sales?by=day&store={}", shop.spec.store)).await?;
            let at = |name: &str| number(&report, &format!("/totals/{name}"));
            let here = (at("tickets")?, at("units")?, at("total_minor")?);
            ensure!(here == own, "{here:?} and {own:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_serves_through_the_death_of_one_of_each_and_leaves_nothing_behind() -> Result<()> {
    let Some(cluster) = Cluster::start()? else { return Ok(()) };
    let folders = cluster.folders()?;
    ensure!(processes_in(&folders)?.len() >= 11, "eight processes, and the servers: {:?}", processes_in(&folders)?);
    let balancer = Balancer::of(&cluster.folder.join("haproxy"))?;
    let office = Client::new(balancer.address(), &cluster.folder)?;
    let scratch = tempfile::tempdir()?;
    let shops = [cluster.shop(scratch.path(), 1, &office).await?, cluster.shop(scratch.path(), 2, &office).await?];
    sell(&shops, "all-well").await?;

    let readers = [(); 2].map(|()| Reader::start(READS.map(|path| (office.clone(), path)).to_vec()));
    for victim in VICTIMS {
        cluster.signal(victim, Signal::KILL)?;
        sell(&shops, &format!("without-{victim}")).await?;
    }
    for victim in VICTIMS {
        cluster.again(victim).await?;
    }
    sell(&shops, "all-again").await?;
    let mut reads = 0;
    for reader in readers {
        reads += reader.end().await?;
    }
    println!("{reads} reads were answered while one process of each kind was killed");

    for name in REPORTING {
        cluster.signal(name, Signal::STOP)?;
    }
    sell(&shops, "no-reports").await?;
    for name in REPORTING {
        balancer.has(name, false).await?;
    }
    let refused = office.try_get(READS[0]).await?;
    ensure!((refused.status, refused.code().as_str()) == (503, "balancer_none_ready"), "{refused:?}");
    sell(&shops, "still-no-reports").await?;
    office.get("/v1/sync/streams").await?;
    for name in REPORTING {
        cluster.signal(name, Signal::CONT)?;
    }
    reports_agree(&office, &shops).await?;

    let revisions = office.get("/v1/catalog/revisions").await?;
    let revisions = revisions.get("rows").and_then(serde_json::Value::as_array).context("rows")?.len();
    ensure!(revisions == 1, "two processes have the menu, and it was published {revisions} times");

    drop(shops);
    cluster.leaves_nothing(&folders).await
}

/// Shops, and the tickets that their tills were answered with.
struct Sellers {
    shops: [Node; 2],
    told: [BTreeSet<String>; 2],
}

impl Sellers {
    async fn sell(&mut self, key: &str) -> Result<()> {
        sell_each(&self.shops, &mut self.told, (SALES_AT_A_TIME, key)).await
    }

    async fn all_acked(&self) -> Result<()> {
        for shop in &self.shops {
            shop.all_acked().await?;
        }
        Ok(())
    }

    /// What was sold since the hub was last heard waits at each of them.
    async fn wait_with_it(&self) -> Result<()> {
        for shop in &self.shops {
            let streams = list(&shop.client.get("/v1/node").await?, "/streams")?;
            let waiting = streams
                .iter()
                .map(|stream| Ok(number(stream, "/last_seq")? - number(stream, "/acked_seq")?))
                .sum::<Result<i64>>()?;
            ensure!(waiting >= i64::try_from(SALES_AT_A_TIME)?, "only {waiting} wait: {streams:?}");
        }
        Ok(())
    }
}

/// Whoever asks the balancer is told that nobody there is ready.
async fn none_ready(office: &Client, path: &str) -> Result<()> {
    eventually("the balancer to know nobody who is ready", || async {
        let refused = office.try_get(path).await?;
        ensure!((refused.status, refused.code().as_str()) == (503, "balancer_none_ready"), "{refused:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_under_a_cluster_are_killed_in_turn_and_nothing_is_lost_or_doubled() -> Result<()> {
    let Some(cluster) = Cluster::start()? else { return Ok(()) };
    let folders = cluster.folders()?;
    let balancer = Balancer::of(&cluster.folder.join("haproxy"))?;
    let office = Client::new(balancer.address(), &cluster.folder)?;
    let scratch = tempfile::tempdir()?;
    let shops = [cluster.shop(scratch.path(), 1, &office).await?, cluster.shop(scratch.path(), 2, &office).await?];
    let mut sellers = Sellers { shops, told: Default::default() };
    sellers.sell("all-well").await?;
    sellers.all_acked().await?;

    // Without a broker nothing comes in, and whoever reads notices nothing.
    let [reports, menu, streams] = READS;
    let reader = Reader::start([reports, menu].map(|path| (office.clone(), path)).to_vec());
    cluster.kill("mosquitto").await?;
    sellers.sell("no-broker").await?;
    none_ready(&office, streams).await?;
    sellers.wait_with_it().await?;
    cluster.again("mosquitto").await?;
    sellers.all_acked().await?;
    println!("{} reads were answered while the broker was away", reader.end().await?);

    // Without a balancer nobody is answered at its address; the processes and the shops do not need it.
    let (process, other) = (cluster.process("reporting-2")?, cluster.process("catalog-2")?);
    let reader = Reader::start(vec![(process.clone(), reports), (other, menu)]);
    cluster.kill("haproxy").await?;
    ensure!(office.try_get(reports).await.is_err(), "somebody answers for the balancer");
    sellers.sell("no-balancer").await?;
    sellers.all_acked().await?;
    cluster.again("haproxy").await?;
    eventually("the balancer to answer", || office.get(reports)).await?;
    println!("{} reads were answered while the balancer was away", reader.end().await?);

    // Without a database a process says so once it has waited for it, and the balancer at once, as soon as it knows.
    cluster.kill("postgres").await?;
    sellers.sell("no-database").await?;
    let refused = process.try_get(reports).await?;
    ensure!((refused.status, refused.code().as_str()) == (503, "storage_unreachable"), "{refused:?}");
    for path in READS {
        none_ready(&office, path).await?;
    }
    sellers.wait_with_it().await?;
    cluster.again("postgres").await?;
    sellers.all_acked().await?;
    sellers.sell("all-again").await?;
    for (shop, told) in sellers.shops.iter().zip(&sellers.told) {
        counted_once_at(&office, shop, told).await?;
    }
    proven_at((balancer.address(), &cluster.folder), &sellers.shops).await?;
    let revisions = list(&office.get(menu).await?, "/rows")?.len();
    ensure!(revisions == 1, "the menu was published {revisions} times");

    drop(sellers);
    cluster.leaves_nothing(&folders).await
}
