//! `provision audit`, run as a person would.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::books::{list, text};
use crate::harness::{Hub, Node, program};

/// The report; whether it is proven is what its exit code says, too.
///
/// # Errors
/// If there is no report, or the exit code says something else.
pub async fn audit(hub: &Hub, shops: &[Node]) -> Result<Value> {
    audit_at((hub.client.address(), hub.data()), shops).await
}

/// As [`audit`], of whatever answers for the hub there, with a token in that folder.
async fn audit_at((address, data): (&str, &Path), shops: &[Node]) -> Result<Value> {
    let mut command = Command::new(program("provision")?);
    let server = |address: &str, data: &Path| format!("http://{address},{}", data.join("token").display());
    command.args(["audit", "--json", "--hub", &server(address, data)]);
    for shop in shops {
        command.args(["--node", &server(shop.client.address(), shop.data())]);
    }
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let report: Value =
        serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let proven = text(&report, "/outcome")? == "proven";
    ensure!(output.status.success() == proven, "the exit code is not the outcome: {report}");
    Ok(report)
}

/// What it found: codes and sentences.
///
/// # Errors
/// As [`audit`].
pub async fn findings(hub: &Hub, shops: &[Node]) -> Result<Vec<(String, String)>> {
    let report = audit(hub, shops).await?;
    let mut findings = Vec::new();
    for store in list(&report, "/stores")? {
        for found in list(&store, "/findings")? {
            findings.push((text(&found, "/code")?, text(&found, "/sentence")?));
        }
    }
    Ok(findings)
}

/// All is proven: exit code 0, and nothing was found.
///
/// # Errors
/// If not.
pub async fn proven(hub: &Hub, shops: &[Node]) -> Result<()> {
    proven_at((hub.client.address(), hub.data()), shops).await
}

/// As [`proven`], of whatever answers for the hub there, with a token in that folder.
///
/// # Errors
/// If not.
pub async fn proven_at(hub: (&str, &Path), shops: &[Node]) -> Result<()> {
    let report = audit_at(hub, shops).await?;
    ensure!(text(&report, "/outcome")? == "proven", "not proven: {report}");
    Ok(())
}
