//! The demo while somebody meddles with it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use system_tests::books::{list, number, text};
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

/// The processes of a demo's servers, killed with the test if they are left behind.
struct Processes {
    folder: PathBuf,
    all: Vec<Pid>,
}

impl Processes {
    /// Reads their numbers, once all of them serve.
    async fn of(folder: &Path, servers: &[&str]) -> Result<Self> {
        eventually("all servers to serve", || async {
            let pid = |server: &&str| -> Result<Pid> {
                let endpoints: Value =
                    serde_json::from_slice(&std::fs::read(folder.join(server).join("endpoints.json"))?)?;
                Pid::from_raw(i32::try_from(number(&endpoints, "/pid")?)?).context("a process number")
            };
            Ok(Self { folder: folder.to_owned(), all: servers.iter().map(pid).collect::<Result<_>>()? })
        })
        .await
    }

    /// Those that still run. One that has ended and that nobody has asked after has no command line.
    fn running(&self) -> Vec<Pid> {
        let command = |pid: &Pid| std::fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
        let folder = self.folder.to_string_lossy();
        self.all.iter().filter(|pid| command(pid).is_ok_and(|words| words.contains(&*folder))).copied().collect()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for pid in self.running() {
            kill_process(pid, Signal::KILL).unwrap_or_default();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_that_is_killed_leaves_no_server_behind_and_each_stops_in_order() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("demo");
    let mut demo = demo(&folder, &["--stores", "2", "--tickets", "400", "--seconds", "60"])?.spawn()?;
    let servers = ["hub", "store-01", "store-02"];
    let processes = Processes::of(&folder, &servers).await?;
    assert_eq!(processes.running().len(), servers.len());
    demo.kill().await?;
    eventually("the servers to end", || async {
        let left = processes.running();
        ensure!(left.is_empty(), "still there: {left:?}");
        Ok(())
    })
    .await?;
    for server in servers {
        let log = std::fs::read_to_string(folder.join(server).join("log.txt"))?;
        ensure!(log.contains("end of input"), "{server} was not told: {log}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_output_has_every_event_in_order_with_one_time_a_line() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let arguments = ["--stores", "2", "--tickets", "20", "--seconds", "4"];
    let output = demo(&scratch.path().join("demo"), &arguments)?.output().await?;
    assert_eq!(said(&output), "", "nothing went wrong");
    let text = String::from_utf8_lossy(&output.stdout);
    let places: Vec<Option<usize>> =
        ["Midtown: line cut\n", "Midtown: line cut, over: ", "had waited, delivered in", "Proven:"]
            .map(|event| text.find(event))
            .to_vec();
    ensure!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {text}");
    let is_time = |word: &&str| word.len() == 5 && word.replace(|c: char| c.is_ascii_digit(), "") == ":";
    let doubled = text.lines().find(|line| line.split_whitespace().filter(is_time).count() > 1);
    assert_eq!(doubled, None, "{text}");
    Ok(())
}
