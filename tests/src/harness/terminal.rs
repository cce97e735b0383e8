//! A program at a terminal: what is typed to it, and what is seen of it.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context as _, Result, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

use super::eventually;

/// The program that makes a terminal, of every Linux system's base.
const SCRIPT: &str = "script";

/// A terminal with a program in it, which is told that it is closed when this is dropped.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    input: ChildStdin,
    seen: PathBuf,
}

impl Terminal {
    /// Starts a program with arguments in a terminal; all that is seen is kept in a file in `scratch`. Nothing where the
    /// system cannot make a terminal.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn start(scratch: &Path, program: &Path, arguments: &[&str]) -> Result<Option<Self>> {
        if Command::new(SCRIPT).arg("--version").output().await.is_err() {
            return Ok(None);
        }
        let seen = scratch.join("terminal.txt");
        let program = program.to_string_lossy();
        let words = std::iter::once(&*program).chain(arguments.iter().copied());
        let command = words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let mut child = Command::new(SCRIPT)
            .args(["-qfec", &command])
            .arg(&seen)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().context("its input")?;
        Ok(Some(Self { child, input, seen }))
    }

    /// Types a line.
    ///
    /// # Errors
    /// If it has ended.
    pub async fn type_line(&mut self, line: &str) -> Result<()> {
        Ok(self.input.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// Everything that was seen so far.
    #[must_use]
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.seen).unwrap_or_default()).into_owned()
    }

    /// Waits until a text is seen behind what was seen before, and gives that part.
    ///
    /// # Errors
    /// If it never is; what was seen instead.
    pub async fn sees(&self, text: &str, before: &str) -> Result<String> {
        eventually(text, || async {
            let seen = self.seen();
            let new = seen.get(before.len()..).unwrap_or_default().to_owned();
            ensure!(new.contains(text), "{new}");
            Ok(new)
        })
        .await
    }

    /// Types a line at the prompt, waits for the next prompt, and gives what is seen between.
    ///
    /// # Errors
    /// If there is no prompt any more.
    pub async fn ask(&mut self, line: &str) -> Result<String> {
        let before = self.seen();
        self.type_line(line).await?;
        self.sees("\n> ", &before).await
    }

    /// Types a line that ends the program, and says how that ended.
    ///
    /// # Errors
    /// If it had ended before.
    pub async fn end(mut self, line: &str) -> Result<ExitStatus> {
        self.type_line(line).await?;
        Ok(self.child.wait().await?)
    }
}
