//! `provision up` on a box that somebody has meddled with: it takes nobody for its server who is not, stops no stranger, says
//! READY of the plan that is installed alone, and names what is wrong.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use percolate_common::time::Clock as _;
use percolate_runtime::system::SystemClock;
use serde_json::{Value, json};
use system_tests::books::text;
use system_tests::harness::head_office::{HeadOffice, NewBox};
use system_tests::harness::tech::Tech;

const STORE: u32 = 42;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// No process has this number: it is beyond what Linux gives.
const NOBODY: u32 = 4_194_305;

fn server(shop: &NewBox) -> Result<(u64, Value)> {
    let endpoints: Value = serde_json::from_slice(&fs::read(shop.folder.join("data/endpoints.json"))?)?;
    Ok((endpoints.get("pid").and_then(Value::as_u64).context("a process")?, endpoints))
}

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_plan_before_is_started_again_by_whoever_comes_next() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let office = HeadOffice::open(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    let shop = NewBox::new(scratch.path(), "box");
    let up = shop.up(&office.bundle(STORE, &[])?, &[])?;
    ensure!(up.exit == 0 && up.says("link") == "linked", "{up:?}");
    let (first, _) = server(&shop)?;

    // The program ends between the description and the server: here because there is no server beside it to start.
    office.plan(STORE, "Harbour South")?;
    let later = office.bundle(STORE, &[])?;
    let lone = scratch.path().join("lone/provision");
    fs::create_dir_all(lone.parent().context("a folder")?)?;
    let tech = Tech::at(&shop.folder)?;
    fs::copy(&tech.program, &lone)?;
    let broken = Tech { program: lone, ..tech }.up(&later, &[])?;
    ensure!(broken.exit == 10 && broken.says("code") == "service_failed", "{broken:?}");
    ensure!(server(&shop)?.0 == first && text(&shop.state().await?, "/store/name")? == "Harbour", "it sells meanwhile");

    let again = shop.up(&later, &[])?;
    ensure!(again.exit == 0 && again.says("outcome") == "ready", "{again:?}");
    let state = shop.state().await?;
    ensure!(text(&state, "/store/name")? == "Harbour South" && server(&shop)?.0 != first, "{state}");
    let (second, _) = server(&shop)?;
    ensure!(shop.up(&later, &[])?.exit == 0 && server(&shop)?.0 == second, "it was started again for nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_server_left_leads_to_no_stranger() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut office = HeadOffice::open(scratch.path()).await?;
    for (store, name) in [(STORE, "Harbour"), (43, "Station")] {
        office.plan(store, name)?;
    }
    let (bundle, other_bundle) = (office.bundle(STORE, &[])?, office.bundle(43, &[])?);
    office.hub.kill()?;
    let (shop, other) = (NewBox::new(scratch.path(), "box"), NewBox::new(scratch.path(), "other"));
    ensure!(shop.up(&bundle, &[])?.exit == 0 && other.up(&other_bundle, &[])?.exit == 0, "both are up");
    shop.kill()?;

    // The number has become a stranger's, and at the address answers another shop.
    let mut stranger = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn()?;
    let (other_pid, said) = server(&other)?;
    let forged = json!({ "http": said.get("http"), "pid": stranger.id() });
    fs::write(shop.folder.join("data/endpoints.json"), forged.to_string())?;
    fs::write(shop.folder.join("data/lock"), stranger.id().to_string())?;
    // A port that somebody else has is not the shop's own because such a file is there.
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let tech = Tech { http: taken.local_addr()?.to_string(), ..Tech::at(&shop.folder)? };
    let refused = tech.up(&bundle, &[])?;
    ensure!(refused.exit == 7 && refused.found("ports", "FAIL"), "{refused:?}");

    let up = shop.up(&bundle, &[])?;
    let lives = stranger.try_wait()?.is_none();
    stranger.kill()?;
    stranger.wait()?;
    ensure!(up.exit == 0 && lives, "{up:?}");
    ensure!(text(&shop.state().await?, "/store/name")? == "Harbour", "its own server");
    ensure!(server(&other)?.0 == other_pid && text(&other.state().await?, "/store/name")? == "Station", "the other's");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_and_chain_of_a_box_stay_as_they_were_installed() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut office = HeadOffice::open(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    let bundle = office.bundle(STORE, &[])?;
    office.hub.kill()?;
    let shop = NewBox::new(scratch.path(), "box");
    let up = shop.up(&bundle, &[])?;
    ensure!(up.exit == 0 && up.says("link") == "no_line_yet", "{up:?}");
    // Its server goes on working, and its database with it.
    let files = || -> Result<Vec<_>> {
        Ok(shop.files()?.into_iter().filter(|(name, _)| !name.starts_with("data/node.db")).collect())
    };
    let before = files()?;
    let tech = Tech::at(&shop.folder)?;
    let elsewhere = |name: &str| scratch.path().join(name);
    for tech in [Tech { config: elsewhere("etc"), ..tech.clone() }, Tech { data: elsewhere("data"), ..tech.clone() }] {
        let refused = tech.up(&bundle, &[])?;
        ensure!(refused.exit == 10 && refused.says("code") == "box_other_folders", "{refused:?}");
        ensure!(refused.says("sentence").contains("box/") && refused.says("fix").len() > 10, "{refused:?}");
    }
    ensure!(!elsewhere("data").exists() && !elsewhere("etc/site.json").exists(), "something was half installed");
    let refused = tech.up(&bundle, &["--chain", "0000-0000-0000-0000-0000"])?;
    ensure!(refused.exit == 8 && refused.says("code") == "box_other_chain", "{refused:?}");
    ensure!(before == files()?, "the box was changed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_or_too_open_on_a_box_is_mended_or_named() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut office = HeadOffice::open(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    let bundle = office.bundle(STORE, &[])?;
    office.hub.kill()?;
    let shop = NewBox::new(scratch.path(), "box");
    ensure!(shop.up(&bundle, &[])?.exit == 0, "it is up");
    let (config, data) = (shop.folder.join("etc"), shop.folder.join("data"));
    let modes = || -> Result<[u32; 4]> {
        Ok([
            mode(&data)?,
            mode(&data.join("node.db"))?,
            mode(&data.join("node-key.pem"))?,
            mode(&config.join("site.json"))?,
        ])
    };
    ensure!(modes()? == [0o700, 0o600, 0o600, 0o600], "{:?}", modes()?);

    // Open to others, and with drafts of programs that died.
    let drafts = [config.join(format!("site.json.{NOBODY}.new")), data.join(format!("identity/code.{NOBODY}.new"))];
    for draft in &drafts {
        fs::write(draft, "half")?;
    }
    for (path, open) in [(data.clone(), 0o755), (data.join("node.db"), 0o644), (data.join("node-key.pem"), 0o644)] {
        fs::set_permissions(path, Permissions::from_mode(open))?;
    }
    let again = shop.up(&bundle, &[])?;
    ensure!(again.exit == 0 && modes()? == [0o700, 0o600, 0o600, 0o600], "{:?} {again:?}", modes()?);
    ensure!(!drafts.iter().any(|draft| draft.exists()), "drafts are left");

    // Damaged: named, with what to do, and nothing else is touched.
    for (path, code) in [
        (config.join("site.json"), "box_damaged"),
        (config.join("chain.key"), "box_damaged"),
        (data.join("node-key.pem"), "key_damaged"),
    ] {
        let whole = fs::read(&path)?;
        fs::write(&path, "{ not what provision has written")?;
        let refused = shop.up(&bundle, &[])?;
        ensure!(refused.exit == 10 && refused.says("code") == code, "{refused:?}");
        ensure!(refused.says("sentence").contains(&*path.to_string_lossy()), "{refused:?}");
        ensure!(refused.says("fix").contains("ove that file away") || code == "key_damaged", "{refused:?}");
        fs::write(&path, &whole)?;
    }
    fs::remove_file(config.join("site.json"))?;
    let anew = shop.up(&bundle, &[])?;
    ensure!(anew.exit == 0 && config.join("site.json").exists(), "{anew:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_never_set_or_is_far_ahead_keeps_a_shop_from_selling() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut office = HeadOffice::open(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    office.plan(43, "Station")?;
    let (bundle, other_bundle) = (office.bundle(STORE, &[])?, office.bundle(43, &[])?);
    let now = SystemClock.now().get();
    let at = |ms: i64| format!("{ms},{now},1");
    // Where head office can be asked it says what the time is.
    let other = NewBox::new(scratch.path(), "other");
    let apart = other.up(&other_bundle, &["--simulated-clock", &at(now + 10 * 60 * 1_000)])?;
    ensure!(apart.exit == 0 && apart.found("clock", "WARN"), "{apart:?}");
    ensure!(apart.check("clock").is_some_and(|[_, sentence, _]| sentence.contains("Head office")), "{apart:?}");
    let right = other.up(&other_bundle, &["--simulated-clock", &at(now + 60 * 1_000)])?;
    ensure!(right.exit == 0 && right.found("clock", "PASS"), "{right:?}");
    office.hub.kill()?;
    let shop = NewBox::new(scratch.path(), "box");
    for (ms, code) in
        [(0, "clock_before_bundle"), (now - 2 * DAY_MS, "clock_before_bundle"), (now + 400 * DAY_MS, "clock_far_ahead")]
    {
        let refused = shop.up(&bundle, &["--simulated-clock", &at(ms)])?;
        ensure!(refused.exit == 7 && refused.says("code") == "preflight_failed", "{refused:?}");
        ensure!(refused.found(code, "FAIL") && refused.says("sentence").contains(code), "{code}: {refused:?}");
        let [_, sentence, fix] = refused.check(code).context("the check")?;
        ensure!(ms != 0 || sentence.contains("1970"), "{sentence}");
        ensure!(fix.contains("date -s"), "{fix}");
        let left: Vec<_> = shop.files()?.into_keys().filter(|name| !name.starts_with("etc/up/")).collect();
        ensure!(left.is_empty(), "half installed: {left:?}");
    }
    // The code has ended, perhaps; the shop sells.
    let late = shop.up(&bundle, &["--simulated-clock", &at(now + 30 * DAY_MS)])?;
    ensure!(late.exit == 0 && late.found("clock", "WARN"), "{late:?}");
    // A box that sells already is not kept from it by a clock that is wrong now.
    let later = shop.up(&bundle, &["--simulated-clock", &at(now + 400 * DAY_MS)])?;
    ensure!(later.exit == 0 && later.found("clock_far_ahead", "WARN"), "{later:?}");
    Ok(())
}
