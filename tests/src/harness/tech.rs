//! A tech at a box, who types `provision up` as he likes: with folders, ports and programs of his choosing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use percolate_common::identity::bundle::BundleV1;
use percolate_runtime::pki::BUNDLE_KEY_FILE;
use percolate_runtime::seal::{Known, SealKey, open};
use serde_json::Value;

use super::head_office::Said;
use super::program;

/// What is typed.
#[derive(Debug, Clone)]
pub struct Tech {
    /// Words before the program's own, as those that enter a namespace.
    pub before: Vec<String>,
    /// The folder of the shop's description.
    pub config: PathBuf,
    /// The folder of its data.
    pub data: PathBuf,
    /// Where its tills find it.
    pub http: String,
    /// `provision`, or a copy of it elsewhere.
    pub program: PathBuf,
    /// Whether what is too small for a shop is taken all the same.
    pub rehearsal: bool,
}

impl Tech {
    /// At a box whose folders are `etc` and `data` in there.
    ///
    /// # Errors
    /// If the program was not built.
    pub fn at(folder: &Path) -> Result<Self> {
        Ok(Self {
            before: Vec::new(),
            config: folder.join("etc"),
            data: folder.join("data"),
            http: "127.0.0.1:0".to_owned(),
            program: program("provision")?,
            rehearsal: true,
        })
    }

    /// Brings it up.
    ///
    /// # Errors
    /// If the program cannot be run, or says nothing.
    pub fn up(&self, bundle: &Path, extra: &[&str]) -> Result<Said> {
        self.run(&[&["up", &bundle.to_string_lossy(), "--service", "process"], extra].concat())
    }

    /// Looks at the machine.
    ///
    /// # Errors
    /// If the program cannot be run, or says nothing.
    pub fn preflight(&self) -> Result<Said> {
        self.run(&["preflight"])
    }

    /// `provision` with these words and the box's folders, not yet started.
    ///
    /// # Errors
    /// If there is no program.
    pub fn command(&self, words: &[&str]) -> Result<Command> {
        let program = self.program.to_string_lossy().into_owned();
        let all: Vec<String> = self.before.iter().cloned().chain([program]).collect();
        let (first, rest) = all.split_first().context("a program")?;
        let mut command = Command::new(first);
        command.args(rest).args(words).arg("--json").stdin(Stdio::null());
        command.arg("--config").arg(&self.config).arg("--data").arg(&self.data).args(["--http", &self.http]);
        if self.rehearsal {
            command.arg("--rehearsal");
        }
        Ok(command)
    }

    /// Runs `provision` with these words and the box's folders.
    ///
    /// # Errors
    /// If the program cannot be run, or says nothing.
    pub fn run(&self, words: &[&str]) -> Result<Said> {
        let done = self.command(words)?.output()?;
        let text = String::from_utf8(done.stdout)?;
        let last = text.lines().last().unwrap_or("null");
        let object: Value =
            serde_json::from_str(last).with_context(|| format!("{last}; {}", String::from_utf8_lossy(&done.stderr)))?;
        Ok(Said { exit: done.status.code().unwrap_or(-1), object })
    }
}

/// A bundle like another, but for what is changed, sealed again by the same head office: for shops that its plans cannot say.
///
/// # Errors
/// If the bundle or the key cannot be read, or the new one not be written.
pub fn changed(bundle: &Path, hub_data: &Path, change: impl FnOnce(&mut BundleV1)) -> Result<PathBuf> {
    let key = SealKey::from_text(&std::fs::read_to_string(hub_data.join("ca").join(BUNDLE_KEY_FILE))?)?;
    let mut content = BundleV1::decode(open(&std::fs::read(bundle)?, Known::Key(key.public_key()))?.content())?;
    change(&mut content);
    let path = bundle.with_extension("changed.percolate");
    std::fs::write(&path, key.close(&content.encode()?)?)?;
    Ok(path)
}

impl Said {
    /// What a check found: its outcome, its sentence and what to do; none if there is no such check.
    #[must_use]
    pub fn check(&self, code: &str) -> Option<[String; 3]> {
        let checks = self.object.get("checks")?.as_array()?;
        let found = checks.iter().find(|check| check.get("code").and_then(Value::as_str) == Some(code))?;
        let text = |field: &str| found.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(["outcome", "sentence", "fix"].map(text))
    }

    /// How a step ended: `done`, `there` or `later`.
    ///
    /// # Errors
    /// If there is no such step.
    pub fn step(&self, name: &str) -> Result<String> {
        let steps = self.object.get("steps").and_then(Value::as_array).context("steps")?;
        let found = steps.iter().find(|step| step.get("step").and_then(Value::as_str) == Some(name));
        let outcome = found.and_then(|step| step.get("outcome")?.as_str()).with_context(|| name.to_owned())?;
        Ok(outcome.to_owned())
    }

    /// Whether a check has this outcome, with a sentence, and with something to do unless all is well.
    #[must_use]
    pub fn found(&self, code: &str, outcome: &str) -> bool {
        self.check(code).is_some_and(|[found, sentence, fix]| {
            found == outcome && sentence.len() > 10 && (outcome == "PASS" || fix.len() > 10)
        })
    }
}
