//! A till of a new shop, by the programs that people run: paired on the box, let in over HTTPS, and revoked.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use percolate_common::time::UtcMillis;
use percolate_runtime::system::clock_from_option;
use percolate_runtime::tls::{Roots, TlsClock, dial, terminal_config};
use serde_json::{Value, json};
use system_tests::books::{list, text};
use system_tests::harness::head_office::{HeadOffice, NewBox};
use system_tests::harness::program;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const STORE: u32 = 42;
/// Under this name terminals find the box.
const NAME: &str = "localhost";

/// Runs `provision` with these words and `--json`; its exit code, and what it said.
fn provision(words: &[&str]) -> Result<(i32, Value)> {
    let done = Command::new(program("provision")?).args(words).arg("--json").stdin(Stdio::null()).output()?;
    let said = String::from_utf8(done.stdout)?;
    let object = serde_json::from_str(said.lines().last().unwrap_or("null"));
    let object = object.with_context(|| format!("{said}; {}", String::from_utf8_lossy(&done.stderr)))?;
    Ok((done.status.code().unwrap_or(-1), object))
}

/// A shop whose box has a name in its network.
fn plan(office: &HeadOffice, scratch: &Path, name: &str) -> Result<()> {
    let file = scratch.join("shop.json");
    let shop = json!({
        "store": STORE, "node": 421, "name": "Harbour", "zone": "America/New_York", "currency": "USD", "cutover_hour": 4,
        "lan_names": [name],
    });
    std::fs::write(&file, shop.to_string())?;
    let hub = format!("http://{},{}", office.hub.client.address(), scratch.join("hub/token").display());
    let (exit, said) = provision(&["store", "create", &file.to_string_lossy(), "--hub", &hub])?;
    ensure!(exit == 0, "{said}");
    Ok(())
}

/// What a person reads who pairs a terminal on the box.
fn shown_on_the_box(data: &str) -> Result<String> {
    let words = ["terminal", "pair", "--name", "T3", "--data", data];
    let done = Command::new(program("provision")?).args(words).stdin(Stdio::null()).output()?;
    let said = String::from_utf8(done.stdout)?;
    ensure!(done.status.success() && said.contains("/pair#") && said.contains('█'), "{said}");
    Ok(said)
}

/// A tablet in the shop. It believes the chain's root and the box's name, and nothing else.
struct Tablet {
    roots: Roots,
    /// Where the box listens.
    address: String,
    token: String,
}

impl Tablet {
    /// Asks; the status and the body of the answer.
    async fn ask(&self, asked: &str, key: &str, body: &str) -> Result<(u16, Value)> {
        let clock = Arc::new(TlsClock::new(clock_from_option(None)?, UtcMillis::new(0)));
        let mut stream = dial(terminal_config(&self.roots, clock)?, NAME.try_into()?, self.address.as_str()).await?;
        let Self { token, address, .. } = self;
        let head = format!(
            "{asked} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer {token}\r\nidempotency-key: {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.context("the end of the answer")?;
        let answer = String::from_utf8(answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("a head and a body")?;
        let status = head.split(' ').nth(1).context("a status")?.parse()?;
        Ok((status, serde_json::from_str(body)?))
    }

    async fn sell(&self, terminal: &str, key: &str) -> Result<(u16, Value)> {
        let sale = json!({
            "terminal": terminal, "currency": "USD", "lines": [{"item": 101, "quantity": 1}],
            "tenders": [{"kind": "cash", "amount_minor": 100_000}],
        });
        self.ask("POST /v1/tickets", key, &sale.to_string()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_paired_with_a_new_shop_sells_by_its_name_and_is_revoked() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let office = HeadOffice::open(scratch.path()).await?;
    plan(&office, scratch.path(), NAME)?;
    let bundle = office.bundle(STORE, &[])?;
    let shop = NewBox::new(scratch.path(), "box");
    let up = shop.up(&bundle, &["--https", "127.0.0.1:0"])?;
    ensure!(up.exit == 0 && up.says("identity") == "enrolled", "{up:?}");
    let data = shop.folder.join("data").to_string_lossy().into_owned();
    ensure!(text(&shop.state().await?, "/https/state")? == "serves", "{}", shop.state().await?);

    let (exit, given) = provision(&["terminal", "pair", "--name", "T1", "--data", &data])?;
    let code = text(&given, "/code")?;
    ensure!(exit == 0 && text(&given, "/link")?.starts_with(&format!("https://{NAME}:")), "{given}");
    let site: Value = serde_json::from_slice(&std::fs::read(shop.folder.join("etc/site.json"))?)?;
    let endpoints: Value = serde_json::from_slice(&std::fs::read(shop.folder.join("data/endpoints.json"))?)?;
    let mut tablet = Tablet {
        roots: Roots::from_pem(&text(&site, "/chain/root")?)?,
        address: text(&endpoints, "/https")?,
        token: String::new(),
    };
    let asked = json!({"code": code, "device": "a tablet"}).to_string();
    let (status, paired) = tablet.ask("POST /v1/pairings/redemptions", &"k".repeat(32), &asked).await?;
    ensure!(status == 201 && text(&paired, "/terminal")? == "T1", "{paired}");
    tablet.token = text(&paired, "/token")?;

    let (status, sold) = tablet.sell("T1", "first").await?;
    ensure!(status == 201 && text(&sold, "/receipt")? == "T1-A-1", "{sold}");
    let (status, refused) = tablet.sell("T2", "other").await?;
    ensure!((status, text(&refused, "/code")?.as_str()) == (403, "terminal_not_yours"), "{refused}");

    let (_, listed) = provision(&["terminal", "list", "--data", &data])?;
    let row = list(&listed, "/rows")?.first().context("a row")?.clone();
    ensure!(text(&row, "/name")? == "T1" && text(&row, "/device")? == "a tablet", "{row}");
    ensure!(row.get("seen_at_ms").is_some_and(Value::is_i64), "{row}");
    let (exit, revoked) = provision(&["terminal", "revoke", "--name", "T1", "--data", &data])?;
    ensure!(exit == 0 && text(&revoked, "/state")? == "revoked", "{revoked}");
    let (status, refused) = tablet.sell("T1", "second").await?;
    ensure!((status, text(&refused, "/code")?.as_str()) == (401, "terminal_revoked"), "{refused}");

    // Whoever pairs one is told if the box's name leads nowhere.
    let warns = |said: &str| said.contains("No terminal will find it there yet");
    let said = shown_on_the_box(&data)?;
    ensure!(!warns(&said), "{said}");
    plan(&office, scratch.path(), "nowhere.invalid")?;
    let up = shop.up(&office.bundle(STORE, &[])?, &["--https", "127.0.0.1:0"])?;
    ensure!(up.exit == 0, "{up:?}");
    let said = shown_on_the_box(&data)?;
    ensure!(warns(&said) && said.contains("https://nowhere.invalid:"), "{said}");
    Ok(())
}
