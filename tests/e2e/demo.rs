//! The demo as a person runs it: the command, its exit code, and what it says.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use system_tests::harness::large::mosquitto;
use system_tests::harness::{Postgres, eventually, program, skipped};

use system_tests::books::{list, number, text};

fn demo(folder: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program("provision")?);
    command.args(["demo", "--exit", "--data", &folder.to_string_lossy()]).args(arguments).stdin(Stdio::null());
    Ok(command)
}

/// Runs a demo to its end, in a thread that may block, while `meanwhile` happens.
async fn run<F: Future<Output = Result<()>>>(mut command: Command, meanwhile: F) -> Result<Output> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
    let happened = meanwhile.await;
    let output = ended.await??;
    happened.with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(output)
}

fn verdict(output: &Output) -> Result<Value> {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).with_context(|| format!("no JSON; {said}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_ends_with_a_verdict_and_leaves_no_process_behind() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("{http} is the name of a folder, and so is {data}");
    let arguments = ["--calm", "--stores", "3", "--tickets", "40", "--seconds", "2", "--json"];
    let output = run(demo(&folder, &arguments)?, async { Ok(()) }).await?;
    let report = verdict(&output)?;
    ensure!(output.status.success(), "{report}");
    assert_eq!(text(&report, "/outcome")?, "agree");
    assert_eq!(number(&report, "/totals/tills/tickets")?, 120);
    for who in ["store_says", "hub_says"] {
        assert_eq!(report.pointer(&format!("/totals/{who}")), report.pointer("/totals/tills"), "{report}");
    }
    ensure!(number(&report, "/rush/resent_tickets")? >= 3, "every shop sends something twice: {report}");
    let stores = list(&report, "/stores")?;
    assert_eq!(stores.len(), 3);
    for store in &stores {
        let sales =
            list(store, "/journals")?.into_iter().find(|pair| text(pair, "/stream").is_ok_and(|s| s == "sales"));
        let sales = sales.with_context(|| store.to_string())?;
        assert_eq!(sales.get("store"), sales.get("hub"), "chain heads");
        ensure!(number(store, "/training_tickets")? > 0, "practice happened: {store}");
    }
    for server in ["hub", "store-01", "store-02", "store-03"] {
        let endpoints: Value = serde_json::from_slice(&std::fs::read(folder.join(server).join("endpoints.json"))?)?;
        let process = format!("/proc/{}/cmdline", number(&endpoints, "/pid")?);
        let still = std::fs::read_to_string(process).unwrap_or_default();
        ensure!(!still.contains(&*folder.to_string_lossy()), "{server} still runs");
    }
    let again = demo(&folder, &arguments)?.output()?;
    assert_eq!(again.status.code(), Some(2), "a folder that is not empty is refused");
    Ok(())
}

/// Kills the process that serves from a folder once it has sold something.
async fn kill_in_the_rush(folder: &Path, server: &str) -> Result<()> {
    let pid = in_the_rush(folder, server).await?;
    Ok(rustix::process::kill_process(pid, rustix::process::Signal::KILL)?)
}

/// The number of the process that serves from a folder, once it has sold something.
async fn in_the_rush(folder: &Path, server: &str) -> Result<rustix::process::Pid> {
    let data = folder.join(server);
    eventually("a server in the middle of its work", || async {
        let endpoints: Value = serde_json::from_slice(&std::fs::read(data.join("endpoints.json"))?)?;
        let address = text(&endpoints, "/http")?;
        let token = std::fs::read_to_string(data.join("token"))?;
        let metrics = reqwest::Client::new().get(format!("http://{address}/metrics")).bearer_auth(token.trim()).send();
        let metrics = metrics.await?.text().await?;
        let sells = metrics.lines().any(|line| {
            let value = |name: &str| line.strip_prefix(name)?.trim().parse::<u64>().ok();
            value("node_tickets_total ")
                .or(value("hub_ingest_events_total{stream=\"sales\"} "))
                .is_some_and(|n| n >= 10)
        });
        ensure!(sells, "{server} has nothing to do yet");
        let pid = i32::try_from(number(&endpoints, "/pid")?)?;
        rustix::process::Pid::from_raw(pid).context("a process number")
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_killed_during_the_demo_are_started_again_and_the_books_agree() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("demo");
    let arguments = ["--calm", "--stores", "2", "--tickets", "150", "--seconds", "6", "--json"];
    let kills = async {
        kill_in_the_rush(&folder, "hub").await?;
        kill_in_the_rush(&folder, "store-01").await
    };
    let output = run(demo(&folder, &arguments)?, kills).await?;
    let report = verdict(&output)?;
    ensure!(output.status.success(), "{report}");
    assert_eq!(number(&report, "/rush/server_restarts")?, 2, "the kills were seen");
    assert_eq!(number(&report, "/totals/hub_says/tickets")?, 300);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_of_a_large_head_office_killed_during_the_demo_changes_no_book() -> Result<()> {
    let (scratch, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let Some(server) = Postgres::start(None)? else { return Ok(()) };
    // Whether there is one at all.
    let Some(_mosquitto) = mosquitto(elsewhere.path())? else { return Ok(()) };
    let folder = scratch.path().join("demo");
    let database = format!("{} dbname=postgres", server.connection());
    let arguments =
        ["--calm", "--stores", "2", "--tickets", "150", "--seconds", "15", "--json", "--postgres", &database];
    let kills = async {
        in_the_rush(&folder, "hub").await?;
        server.kill()?;
        ensure!(!server.runs()?, "the database's server runs");
        server.again()?;
        kill_in_the_rush(&folder, "hub").await?;
        kill_in_the_rush(&folder, "store-01").await
    };
    let output = run(demo(&folder, &arguments)?, kills).await?;
    let report = verdict(&output)?;
    ensure!(output.status.success(), "{report}");
    assert_eq!((text(&report, "/outcome")?, text(&report, "/audit/outcome")?), ("agree".into(), "proven".into()));
    assert_eq!(number(&report, "/rush/server_restarts")?, 2, "the kills were seen");
    assert_eq!(number(&report, "/totals/hub_says/tickets")?, 300);
    Ok(())
}

/// An act of the morning by its kind.
fn act(report: &Value, kind: &str) -> Result<Value> {
    let acts = list(report, "/acts")?;
    let found = acts.iter().find(|act| text(act, "/kind").is_ok_and(|found| found == kind));
    found.cloned().with_context(|| format!("no {kind} among {acts:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_morning_loses_and_doubles_nothing_and_every_trouble_really_came() -> Result<()> {
    bad_morning(8, &[], |_said| false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_morning_of_a_large_head_office_loses_and_doubles_nothing() -> Result<()> {
    let Some(server) = Postgres::start(None)? else { return Ok(()) };
    let database = format!("{} dbname=postgres", server.connection());
    // Its head office takes longer to open and to come back.
    bad_morning(20, &["--postgres", &database], |said| {
        let is_missing = said.contains("apt-get install mosquitto");
        if is_missing {
            skipped("a large head office", "no mosquitto is installed (scripts/setup.sh --servers)");
        }
        is_missing
    })
    .await
}

/// The morning of so many seconds with all its troubles, unless what the demo says at its end is that it cannot be played here.
async fn bad_morning(seconds: u32, more: &[&str], cannot: impl Fn(&str) -> bool) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("demo");
    let seconds = seconds.to_string();
    let arguments = ["--stores", "4", "--tickets", "60", "--seconds", &seconds, "--json"];
    let output = run(demo(&folder, &[&arguments, more].concat())?, async { Ok(()) }).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && cannot(&said) {
        return Ok(());
    }
    let report = verdict(&output)?;
    ensure!(output.status.success(), "{report}\n{said}");
    assert_eq!((text(&report, "/outcome")?, text(&report, "/audit/outcome")?), ("agree".into(), "proven".into()));
    assert_eq!(list(&report, "/acts")?.len(), 4, "{report}");

    let cut = act(&report, "line_cut")?;
    ensure!(number(&cut, "/store")? == 2 && number(&cut, "/cost/sold_offline")? > 0, "it sold without a line: {cut}");
    ensure!(number(&cut, "/cost/waited")? > 0, "what was sold waited: {cut}");
    let killed = act(&report, "shop_killed")?;
    ensure!(
        number(&killed, "/store")? == 4 && number(&killed, "/cost/taps_repeated")? > 0,
        "a tap was in vain: {killed}"
    );
    let office = act(&report, "office_killed")?;
    ensure!(number(&office, "/cost/sold_meanwhile")? > 0, "the shops sold without a head office: {office}");
    assert_eq!(number(&report, "/rush/server_restarts")?, 2, "a box and the head office were started again");
    let cloned = act(&report, "disk_cloned")?;
    let copied = number(&cloned, "/cost/sold_by_copy")?;
    ensure!(copied > 0 && text(&cloned, "/cost/lives/0")? != text(&cloned, "/cost/lives/1")?, "told apart: {cloned}");

    assert_eq!(number(&report, "/totals/tills/tickets")?, 240 + copied, "the copy's sales are in the books");
    for who in ["store_says", "hub_says"] {
        assert_eq!(report.pointer(&format!("/totals/{who}")), report.pointer("/totals/tills"), "{report}");
    }
    for what in ["Midtown: line cut", "Old Fourth Ward: box killed", "head office: killed", "Inman Park: disk cloned"] {
        ensure!(said.contains(what), "a line for {what}: {said}");
    }
    let log = std::fs::read_to_string(folder.join("store-02").join("log.txt"))?;
    for text in [&*said, &log] {
        ensure!(!text.contains('\u{1b}'), "no colours and no cursor where no terminal is: {text}");
    }
    Ok(())
}
