//! The demo's prompt, as a person uses it at a terminal.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use system_tests::books::number;
use system_tests::harness::{Terminal, program, skipped};

/// A demo of two shops that waits at its prompt; nothing where there can be no terminal.
async fn at_its_prompt(scratch: &Path) -> Result<Option<Terminal>> {
    let folder = scratch.join("demo");
    let arguments =
        ["demo", "--calm", "--stores", "2", "--tickets", "5", "--seconds", "1", "--data", &folder.to_string_lossy()];
    let terminal = Terminal::start(scratch, &program("provision")?, &arguments).await?;
    if let Some(terminal) = &terminal {
        terminal.sees("\n> ", "").await?;
    } else {
        skipped("demo_prompt", "there is no `script` to make a terminal with");
    }
    Ok(terminal)
}

#[tokio::test]
async fn head_office_can_be_killed_while_a_line_is_cut() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let Some(mut terminal) = at_its_prompt(scratch.path()).await? else { return Ok(()) };
    terminal.ask("cut 2").await?;
    terminal.ask("sell 2").await?;
    let killed = terminal.ask("kill office").await?;
    ensure!(killed.contains("head office: back") && killed.contains("but Midtown: line cut"), "{killed}");
    let cloned = terminal.ask("clone 2").await?;
    ensure!(cloned.contains("mend 2 first"), "{cloned}");
    let mended = terminal.ask("mend 2").await?;
    ensure!(mended.contains("tickets had waited, delivered in"), "{mended}");
    let audited = terminal.ask("audit").await?;
    ensure!(audited.contains("Proven:"), "{audited}");
    ensure!(terminal.end("quit").await?.success(), "all is well in the end");
    Ok(())
}

#[tokio::test]
async fn an_audit_of_a_head_office_that_stands_still_says_so_and_the_prompt_goes_on() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let Some(mut terminal) = at_its_prompt(scratch.path()).await? else { return Ok(()) };
    let endpoints: Value = serde_json::from_slice(&std::fs::read(scratch.path().join("demo/hub/endpoints.json"))?)?;
    let office = Pid::from_raw(i32::try_from(number(&endpoints, "/pid")?)?).context("a process number")?;
    kill_process(office, Signal::STOP)?;
    let held = terminal.ask("audit").await;
    kill_process(office, Signal::CONT)?;
    let held = held?;
    for text in
        ["at most 30 s", "nothing is proven", "the head office at 127.0.0.1:", "says nothing for 5 s", "kill -CONT"]
    {
        ensure!(held.contains(text), "no {text:?}: {held}");
    }
    let audited = terminal.ask("audit").await?;
    ensure!(audited.contains("Proven:"), "{audited}");
    ensure!(terminal.end("quit").await?.success(), "all is well in the end");
    Ok(())
}
