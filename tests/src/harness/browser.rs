//! A real browser that a script drives: `tests/browser` says what is done and what must be seen, and asks this side to sell, to
//! stop a server and the like.

use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::skipped;

/// How long a script may take between two of its words: a page that never shows what it must fails by its own patience before.
const SILENT_MAX: Duration = Duration::from_secs(120);

/// The oldest Node.js that drives the browser.
const NODE_MAJOR_MIN: u32 = 20;

/// What a script says.
#[derive(Debug, PartialEq, Eq)]
pub enum Word {
    /// It wants this done, and to be told when it is.
    Please(String),
    /// It has seen this.
    Seen(String),
    /// It has come to its end.
    End,
}

/// A script at work.
#[derive(Debug)]
pub struct Browser {
    script: String,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("browser")
}

/// What is missing here for a browser to be driven.
fn missing() -> Option<String> {
    let said = StdCommand::new("node").arg("--version").output().ok();
    let version = said.and_then(|said| String::from_utf8(said.stdout).ok()).unwrap_or_default();
    let major = version.trim().strip_prefix('v').and_then(|it| it.split('.').next()?.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MAJOR_MIN) {
        return Some(format!("Node.js {NODE_MAJOR_MIN} or newer is not installed"));
    }
    if chromium().is_none() {
        return Some("no Chromium is installed: apt-get install chromium".to_owned());
    }
    (!scripts().join("node_modules/playwright-core").is_dir())
        .then(|| "tests/browser has no packages: scripts/setup.sh --servers".to_owned())
}

fn chromium() -> Option<&'static str> {
    ["/usr/bin/chromium", "/usr/bin/chromium-browser"].into_iter().find(|path| Path::new(path).is_file())
}

impl Browser {
    /// Starts a script with what it needs to know; nothing, and that is said, where no browser can be driven.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(script: &str, mut given: Value) -> Result<Option<Self>> {
        if let Some(why) = missing() {
            skipped(script, &why);
            return Ok(None);
        }
        given.as_object_mut().context("an object")?.insert("chromium".to_owned(), chromium().into());
        let mut child = Command::new("node")
            .arg(scripts().join(script))
            .arg(given.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().context("its input")?;
        let output = BufReader::new(child.stdout.take().context("its output")?).lines();
        Ok(Some(Self { script: script.to_owned(), child, input, output }))
    }

    /// What it says next.
    ///
    /// # Errors
    /// If it fails, or says nothing for a long time.
    pub async fn next(&mut self) -> Result<Word> {
        let line = tokio::time::timeout(SILENT_MAX, self.output.next_line()).await;
        let line = line.with_context(|| format!("{} says nothing", self.script))??;
        let Some(line) = line else {
            let ended = self.child.wait().await?;
            ensure!(ended.success(), "{} failed: {ended}", self.script);
            return Ok(Word::End);
        };
        match line.split_once(": ") {
            Some(("please", what)) => Ok(Word::Please(what.to_owned())),
            Some(("seen", what)) => Ok(Word::Seen(what.to_owned())),
            Some(_) | None => bail!("{} said {line}", self.script),
        }
    }

    /// Tells it that what it asked for is done.
    ///
    /// # Errors
    /// If it is gone.
    pub async fn done(&mut self, told: &Value) -> Result<()> {
        Ok(self.input.write_all(format!("{told}\n").as_bytes()).await?)
    }
}
