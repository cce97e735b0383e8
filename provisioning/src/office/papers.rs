//! `provision chain hub-identity` and `provision chain broker-identity`: certificates for programs that are no boxes.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::Context as _;
use percolate_common::identity::names::Principal;
use percolate_common::identity::pem::{Label, encode};
use percolate_common::identity::serial::Serial;
use percolate_common::time::{Clock as _, UtcMillis};
use percolate_runtime::files::{write_atomic, write_secret};
use percolate_runtime::pki::{Authority, SanName, Usage, Wanted, new_key};
use percolate_runtime::system::{OsEntropy, SystemClock};
use serde_json::json;

use super::{BrokerPapers, Papers, tell};
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// How long they hold, in milliseconds: a year.
const LIFE_MS: i64 = 365 * DAY_MS;
/// How long before now they begin to hold, in milliseconds: clocks differ.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

pub(super) fn hub(options: &Papers, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let name = "ingest".parse().map_err(|error| Failure::new(Exit::Failed, anyhow::Error::new(error)))?;
    let until = made(options, &Principal::Hub(name), (&[], Usage::Client)).map_err(failed)?;
    let out = options.out.display();
    let lines = format!(
        "The hub's certificate is in {out}, and holds until {until}.\nStart the hub with it: --hub-identity {out}\n",
    );
    tell(screen, json, &said(options, "hub", until), &lines)
}

pub(super) fn broker(options: &BrokerPapers, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let BrokerPapers { papers, names } = options;
    let until = made(papers, &Principal::Broker, (names, Usage::Server)).map_err(failed)?;
    let out = papers.out.display();
    let lines = format!(
        "The broker's certificate is in {out}, and holds until {until}.\n\
         Of mosquitto: cafile {out}/root.pem, certfile {out}/certificate.pem, keyfile {out}/key.pem\n",
    );
    tell(screen, json, &said(papers, "broker", until), &lines)
}

fn said(options: &Papers, of: &str, until: UtcMillis) -> serde_json::Value {
    json!({ "outcome": "made", "of": of, "folder": options.out.display().to_string(), "not_after_ms": until.get() })
}

fn failed(error: anyhow::Error) -> Failure {
    Failure::new(Exit::Failed, error)
}

/// Writes root, certificate and key; tells until when the certificate holds.
fn made(options: &Papers, principal: &Principal, (names, usage): (&[SanName], Usage)) -> anyhow::Result<UtcMillis> {
    let Papers { ca, out } = options;
    let authority = Authority::open(ca).with_context(|| format!("the chain's CA in {}", ca.display()))?;
    let (key, serial, now) = (new_key(&OsEntropy)?, Serial::draw(&OsEntropy), SystemClock.now().get());
    let (from, until) = (UtcMillis::new(now - DAY_MS), UtcMillis::new(now + LIFE_MS));
    let public_key = &key.public_key();
    let certificates =
        authority.issue(&Wanted { principal, public_key, addresses: names, serial: &serial, from, until, usage })?;
    let pem: String = certificates.iter().map(|der| encode(Label::Certificate, der)).collect::<Result<_, _>>()?;
    let root = std::fs::read(ca.join(ROOT_FILE)).with_context(|| format!("the chain's root in {}", ca.display()))?;
    DirBuilder::new().recursive(true).mode(0o700).create(out).with_context(|| format!("making {}", out.display()))?;
    put(&out.join(ROOT_FILE), &root)?;
    put(&out.join("certificate.pem"), pem.as_bytes())?;
    write_secret(&out.join("key.pem"), key.to_pem()?.as_bytes())?;
    Ok(until)
}

const ROOT_FILE: &str = "root.pem";

fn put(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    Ok(write_atomic(path, content)?)
}
