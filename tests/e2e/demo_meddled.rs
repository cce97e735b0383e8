//! The demo while somebody meddles with it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;
use serde_json::Value;
use system_tests::books::{list, text};
use system_tests::harness::{eventually, program};
use tokio::process::Command;

fn demo(folder: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program("provision")?);
    command.args(["demo", "--exit", "--data", &folder.to_string_lossy()]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}

/// Lowers the total of a shop's first sale as soon as it has one, and leaves its journal as it was.
#[expect(clippy::disallowed_methods, reason = "whoever tampers does not go through the program")]
async fn lower_first_sale(file: PathBuf) -> Result<()> {
    eventually("a sale to tamper with", || async {
        ensure!(file.exists(), "no shop yet");
        let change = "UPDATE ticket SET total_minor = total_minor - 100 WHERE seq = (SELECT min(seq) FROM ticket WHERE class = 1)";
        let changed = Connection::open(&file)?.execute(change, [])?;
        ensure!(changed == 1, "no sale yet");
        Ok(())
    })
    .await
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_audit_finds_in_the_cloned_shop_is_said_at_once_and_in_its_own_words() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("demo");
    let arguments = ["--stores", "3", "--tickets", "40", "--seconds", "8", "--json"];
    let running = demo(&folder, &arguments)?.spawn()?.wait_with_output();
    let (output, tampered) = tokio::join!(running, lower_first_sale(folder.join("store-03").join("node.db")));
    tampered?;
    let (output, finding) = (output?, "the shop's totals are not what its journals come to");
    let said = said(&output);
    let report: Value = serde_json::from_slice(&output.stdout).with_context(|| said.clone())?;
    assert_eq!(output.status.code(), Some(5), "{report}");
    let before = said.split("comparing the books").next().context("events")?;
    ensure!(before.contains("Inman Park: audit") && before.contains(finding), "not before the books: {said}");
    let stores = list(&report, "/audit/stores")?;
    let findings = list(stores.get(2).context("the third store")?, "/findings")?;
    let first = findings.first().with_context(|| report.to_string())?;
    assert_eq!(text(first, "/code")?, "day_differs_from_journal");
    Ok(())
}
