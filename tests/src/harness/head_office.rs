//! A head office that plans shops and makes bundles, and boxes that are brought up from them: by the programs that people run.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};

use super::{Hub, program};

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub exit: i32,
    /// The object that it wrote.
    pub object: Value,
}

impl Said {
    /// A field of the object, as text; empty if it is not there.
    #[must_use]
    pub fn says(&self, field: &str) -> String {
        match self.object.get(field) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }
}

/// A head office with a chain of its own.
#[derive(Debug)]
pub struct HeadOffice {
    scratch: PathBuf,
    /// Its server.
    pub hub: Hub,
}

impl HeadOffice {
    /// Founds a chain, and starts its hub.
    ///
    /// # Errors
    /// If one of them fails.
    pub async fn open(scratch: &Path) -> Result<Self> {
        let (data, safe) = (scratch.join("hub"), scratch.join("safe"));
        let words = ["chain", "init", "--name", "Bytes & Brews", "--data", &path(&data), "--out", &path(&safe)];
        let founded = provision(&words)?;
        ensure!(founded.exit == 0 && founded.says("outcome") == "founded", "{founded:?}");
        let hub = Hub::start(scratch).await?;
        Ok(Self { scratch: scratch.to_owned(), hub })
    }

    fn named(&self) -> String {
        format!("http://{},{}", self.hub.client.address(), path(&self.scratch.join("hub/token")))
    }

    /// Plans a shop.
    ///
    /// # Errors
    /// If it is refused.
    pub fn plan(&self, store: u32, name: &str) -> Result<()> {
        let file = self.scratch.join(format!("shop-{store}.json"));
        let shop = json!({
            "store": store, "node": store * 10 + 1, "name": name, "zone": "America/New_York", "currency": "USD",
            "cutover_hour": 4, "stock": [{"item": 1, "quantity": 5_000}],
        });
        std::fs::write(&file, shop.to_string())?;
        let planned = provision(&["store", "create", &path(&file), "--hub", &self.named()])?;
        ensure!(planned.exit == 0, "{planned:?}");
        Ok(())
    }

    /// Makes a bundle of a shop; tells where it is.
    ///
    /// # Errors
    /// If it is refused.
    pub fn bundle(&self, store: u32, extra: &[&str]) -> Result<PathBuf> {
        let count = std::fs::read_dir(&self.scratch)?.count();
        let file = self.scratch.join(format!("store-{store}-{count}.percolate"));
        let (store, out, hub) = (store.to_string(), path(&file), self.named());
        let mut words = vec!["store", "bundle", "--store", &store, "--out", &out, "--hub", &hub];
        words.extend(extra);
        let made = provision(&words)?;
        ensure!(made.exit == 0, "{made:?}");
        Ok(file)
    }

    /// The certificates of boxes, with their states.
    ///
    /// # Errors
    /// If they cannot be had.
    pub fn devices(&self) -> Result<Vec<(u64, String)>> {
        let listed = provision(&["node", "list", "--hub", &self.named()])?;
        let rows = crate::books::list(&listed.object, "/rows")?.clone();
        let row = |row: &Value| Some((row.get("node")?.as_u64()?, row.get("state")?.as_str()?.to_owned()));
        rows.iter().map(|it| row(it).context("a row")).collect()
    }
}

/// A box on which a shop is brought up.
#[derive(Debug)]
pub struct NewBox {
    /// Its folders are in there.
    pub folder: PathBuf,
}

impl NewBox {
    /// One without anything on it.
    #[must_use]
    pub fn new(scratch: &Path, name: &str) -> Self {
        Self { folder: scratch.join(name) }
    }

    fn words(&self, bundle: &Path) -> Vec<String> {
        let (config, data) = (path(&self.folder.join("etc")), path(&self.folder.join("data")));
        let words = ["up", &path(bundle), "--config", &config, "--data", &data, "--http", "127.0.0.1:0", "--service"];
        words.iter().chain(&["process", "--rehearsal"]).map(|word| (*word).to_owned()).collect()
    }

    /// Brings it up.
    ///
    /// # Errors
    /// If the program cannot be run.
    pub fn up(&self, bundle: &Path, extra: &[&str]) -> Result<Said> {
        let words = self.words(bundle);
        provision(&words.iter().map(String::as_str).chain(extra.iter().copied()).collect::<Vec<_>>())
    }

    /// Brings it up, and kills the program when it begins with a step, counted from 0. Tells whether there was such a step.
    ///
    /// # Errors
    /// If the program cannot be run.
    pub fn up_killed_at(&self, bundle: &Path, step: usize) -> Result<bool> {
        let mut command = Command::new(program("provision")?);
        command.args(self.words(bundle)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stderr = BufReader::new(child.stderr.take().context("its words")?);
        let begun = stderr.lines().map_while(Result::ok).filter(|line| line.ends_with("...")).nth(step);
        child.kill()?;
        child.wait()?;
        Ok(begun.is_some())
    }

    /// What its server said at `/v1/node`, asked as a till would.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn state(&self) -> Result<Value> {
        self.client()?.get("/v1/node").await
    }

    /// Asks its server, as whoever stands at the box.
    ///
    /// # Errors
    /// If it has none.
    pub fn client(&self) -> Result<super::Client> {
        let data = self.folder.join("data");
        let endpoints: Value = serde_json::from_slice(&std::fs::read(data.join("endpoints.json"))?)?;
        super::Client::new(&crate::books::text(&endpoints, "/http")?, &data)
    }

    /// What lies in its folders.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut files = BTreeMap::new();
        for folder in ["etc", "etc/up", "data", "data/identity"] {
            let Ok(entries) = std::fs::read_dir(self.folder.join(folder)) else { continue };
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    let mut bytes = Vec::new();
                    std::fs::File::open(entry.path())?.read_to_end(&mut bytes)?;
                    let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                    files.insert(name, bytes);
                }
            }
        }
        Ok(files)
    }

    fn pid(&self) -> Option<Pid> {
        let endpoints = std::fs::read(self.folder.join("data/endpoints.json")).ok()?;
        let endpoints: Value = serde_json::from_slice(&endpoints).ok()?;
        Pid::from_raw(i32::try_from(endpoints.get("pid")?.as_i64()?).ok()?)
    }

    /// Kills its server.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&self) -> Result<()> {
        Ok(kill_process(self.pid().context("its server")?, Signal::KILL)?)
    }
}

impl Drop for NewBox {
    fn drop(&mut self) {
        // A server that was started just before a kill may not have said yet who it is: it is asked for until it has.
        if let Some(pid) = self.pid().filter(|pid| test_kill_process(*pid).is_ok()) {
            kill_process(pid, Signal::KILL).unwrap_or_default();
        }
    }
}

/// Runs `provision` with these words and `--json`.
fn provision(words: &[&str]) -> Result<Said> {
    let done = Command::new(program("provision")?).args(words).arg("--json").stdin(Stdio::null()).output()?;
    let text = String::from_utf8(done.stdout)?;
    let last = text.lines().last().unwrap_or("null");
    let object =
        serde_json::from_str(last).with_context(|| format!("{last}; {}", String::from_utf8_lossy(&done.stderr)))?;
    Ok(Said { exit: done.status.code().unwrap_or(-1), object })
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
