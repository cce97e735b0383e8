//! What people see, in a real browser: head office's page, the page by which a tablet becomes a till, and the kitchen's screen.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use system_tests::books::{any_item, text, ticket};
use system_tests::harness::browser::{Browser, Word};
use system_tests::harness::head_office::{HeadOffice, NewBox};
use system_tests::harness::{Client, Hub, Node, NodeSpec, eventually, program};

/// An espresso, on the demo's menu.
const ESPRESSO: u32 = 101;

/// Runs `provision` with these words; what it said.
fn provision(words: &[&str]) -> Result<Value> {
    let done = Command::new(program("provision")?).args(words).arg("--json").stdin(Stdio::null()).output()?;
    let said = String::from_utf8(done.stdout)?;
    ensure!(done.status.success(), "{words:?}: {said} {}", String::from_utf8_lossy(&done.stderr));
    Ok(serde_json::from_str(said.lines().last().unwrap_or("null"))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn head_office_is_seen_by_who_was_invited_and_its_figures_grow() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut hub = Hub::start(scratch.path()).await?;
    let shop = Node::start(scratch.path(), NodeSpec::store(1), &hub.door(), &[]).await?;
    let name = text(&shop.client.get("/v1/node").await?, "/store/name")?;
    shop.client.post("/v1/tickets", "first", &ticket("T1", any_item(&shop).await?, 1)).await?;
    shop.client.post("/v1/readings", "close", &json!({})).await?;
    shop.all_acked().await?;
    let at = format!("http://{},{}", hub.client.address(), scratch.path().join("hub/token").display());
    let invited = provision(&["user", "invite", "ann", "--grant", "owner@chain", "--hub", &at])?;
    let endpoints: Value = serde_json::from_slice(&std::fs::read(scratch.path().join("hub/endpoints.json"))?)?;
    let given = json!({
        "url": format!("https://{}/", text(&endpoints, "/https")?), "name": "ann", "shop": name,
        "invitation": text(&invited, "/invitation")?,
    });
    let Some(mut browser) = Browser::start("office.mjs", given)? else { return Ok(()) };
    let mut seen = 0;
    loop {
        match browser.next().await? {
            Word::Seen(_) => seen += 1,
            Word::End => break,
            Word::Please(what) => match what.as_str() {
                "sell" => {
                    let sale = ticket("T1", any_item(&shop).await?, 1);
                    let sold = shop.client.post("/v1/tickets", "while-looked-at", &sale).await?;
                    browser.done(&json!({"receipt": text(&sold, "/receipt")?})).await?;
                }
                "stop the hub" => {
                    hub.kill()?;
                    browser.done(&Value::Null).await?;
                }
                "start the hub" => {
                    hub.restart().await?;
                    browser.done(&Value::Null).await?;
                }
                other => bail!("nobody can {other}"),
            },
        }
    }
    ensure!(seen == 7, "it has seen {seen} things of 7");
    Ok(())
}

/// A shop's box that is up and serves over HTTPS; where it does.
async fn box_up(scratch: &Path) -> Result<(HeadOffice, NewBox, String)> {
    let office = HeadOffice::open(scratch).await?;
    office.plan(42, "Harbour")?;
    let shop = NewBox::new(scratch, "box");
    let up = shop.up(&office.bundle(42, &[])?, &["--https", "127.0.0.1:0"])?;
    ensure!(up.exit == 0, "{up:?}");
    let data = shop.folder.join("data");
    let https = eventually("the box to serve over HTTPS", || async {
        let endpoints: Value = serde_json::from_slice(&std::fs::read(data.join("endpoints.json"))?)?;
        text(&endpoints, "/https")
    })
    .await?;
    Ok((office, shop, format!("https://{https}")))
}

/// Gives out a code at the box, and the link that it shows for it.
fn code_shown(shop: &NewBox, url: &str, words: &[&str]) -> Result<Value> {
    let data = shop.folder.join("data").to_string_lossy().into_owned();
    let given = provision(&[&["terminal", "pair", "--data", &data], words].concat())?;
    // The box knows no name of its own here: the link's code is what a device needs of it.
    Ok(json!({"link": format!("{url}/pair#{}", text(&given, "/code")?)}))
}

fn revoke(shop: &NewBox, name: &str) -> Result<()> {
    let data = shop.folder.join("data").to_string_lossy().into_owned();
    let revoked = provision(&["terminal", "revoke", "--name", name, "--data", &data])?;
    ensure!(text(&revoked, "/state").context("a state")? == "revoked", "{revoked}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tablet_is_made_a_till_on_the_page_of_its_box() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (_office, shop, url) = box_up(scratch.path()).await?;
    let given = json!({"url": format!("{url}/pair")});
    let Some(mut browser) = Browser::start("pair.mjs", given)? else { return Ok(()) };
    let mut seen = 0;
    loop {
        match browser.next().await? {
            Word::Seen(_) => seen += 1,
            Word::End => break,
            Word::Please(what) => match what.as_str() {
                "show a code" => browser.done(&code_shown(&shop, &url, &["--name", "T9"])?).await?,
                "revoke it" => {
                    revoke(&shop, "T9")?;
                    browser.done(&Value::Null).await?;
                }
                other => bail!("nobody can {other}"),
            },
        }
    }
    ensure!(seen == 3, "it has seen {seen} things of 3");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kitchen_makes_what_its_screen_shows_and_is_told_when_the_line_is_lost() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (_office, shop, url) = box_up(scratch.path()).await?;
    let till = shop.client()?;
    let Some(mut browser) = Browser::start("kitchen.mjs", json!({"url": url}))? else { return Ok(()) };
    let mut seen = 0;
    loop {
        match browser.next().await? {
            Word::Seen(_) => seen += 1,
            Word::End => break,
            Word::Please(what) => match what.as_str() {
                "show a code" => {
                    browser.done(&code_shown(&shop, &url, &["--name", "K1", "--kind", "kitchen"])?).await?;
                }
                "sell practice" => {
                    let body = json!({
                        "terminal": "T1", "currency": "USD", "lines": [{"item": ESPRESSO, "quantity": 1}], "training": true,
                        "tenders": [{"kind": "cash", "amount_minor": 2_000}],
                    });
                    browser.done(&till.post("/v1/tickets", "practice", &body).await?).await?;
                }
                "sell for Ann" => {
                    let lines = json!([{"item": ESPRESSO, "quantity": 2, "note": "no sugar"}]);
                    browser.done(&sold_for(&till, "Ann", &lines).await?).await?;
                }
                "sell for Ben" => {
                    browser.done(&sold_for(&till, "Ben", &json!([{"item": ESPRESSO, "quantity": 1}])).await?).await?;
                }
                "revoke it" => {
                    revoke(&shop, "K1")?;
                    browser.done(&Value::Null).await?;
                }
                other => bail!("nobody can {other}"),
            },
        }
    }
    ensure!(seen == 7, "it has seen {seen} things of 7");
    Ok(())
}

/// Sells to somebody by name.
async fn sold_for(till: &Client, name: &str, lines: &Value) -> Result<Value> {
    let body = json!({
        "terminal": "T1", "currency": "USD", "lines": lines, "name": name,
        "tenders": [{"kind": "cash", "amount_minor": 2_000}],
    });
    till.post("/v1/tickets", name, &body).await
}
