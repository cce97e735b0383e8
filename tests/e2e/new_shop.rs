//! A tech brings up a new shop with one command: what it does, what it refuses, and that a kill anywhere changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use system_tests::books::{list, number, text};
use system_tests::harness::eventually;
use system_tests::harness::head_office::{HeadOffice, NewBox, Said};

const STORE: u32 = 42;
const NODE: u64 = 421;

/// Steps of `provision up`, as it says them.
const STEPS: usize = 11;

#[tokio::test(flavor = "multi_thread")]
async fn one_command_brings_a_new_shop_from_its_bundle_to_the_first_ticket() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let office = HeadOffice::open(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    let bundle = office.bundle(STORE, &[])?;
    let shop = NewBox::new(scratch.path(), "box");
    let up = shop.up(&bundle, &[])?;
    ensure!(up.exit == 0 && up.says("outcome") == "ready", "{up:?}");
    ensure!(up.says("identity") == "enrolled" && up.says("accepted") == "true", "{up:?}");
    println!("from the command to READY: {} ms; {}", up.says("took_ms"), up.says("steps"));
    let state = shop.state().await?;
    ensure!(number(&state, "/store/id")? == i64::from(STORE) && text(&state, "/store/name")? == "Harbour", "{state}");
    ensure!(office.devices()? == [(NODE, "allowed".to_owned())], "{:?}", office.devices());
    // The practice ticket was sent, and waits for nobody.
    let kitchen = shop.client()?.get("/v1/kitchen").await?;
    ensure!(number(&kitchen, "/queue_count")? == 0, "{kitchen}");
    let made = list(&kitchen, "/made")?;
    ensure!(made.len() == 1 && made.iter().all(|prep| prep.get("training") == Some(&Value::Bool(true))), "{kitchen}");

    // What it has recorded is at head office, through the door that asks for its certificate.
    eventually("all to be acknowledged", || async {
        let state = shop.state().await?;
        let open = list(&state, "/streams")?.iter().filter(|it| it.get("acked_seq") != it.get("last_seq")).count();
        ensure!(open == 0 && text(&state, "/link")? == "up", "{state}");
        Ok(())
    })
    .await?;

    // Once more changes nothing: the same ticket, the same certificate.
    let files = shop.files()?;
    let again = shop.up(&bundle, &[])?;
    ensure!(again.exit == 0 && again.says("receipt") == up.says("receipt"), "{again:?}");
    ensure!(office.devices()?.len() == 1, "{:?}", office.devices());
    let of_shop = |files: &BTreeMap<String, Vec<u8>>| {
        files
            .iter()
            .filter(|(name, _)| name.starts_with("etc/"))
            .map(|(n, b)| (n.clone(), b.clone()))
            .collect::<Vec<_>>()
    };
    ensure!(of_shop(&files) == of_shop(&shop.files()?) && of_shop(&files).len() > 3, "{:?}", files.keys());

    // Another one beside it is not let in: that it takes the place of the first must be meant.
    let beside = NewBox::new(scratch.path(), "beside");
    let second = beside.up(&office.bundle(STORE, &[])?, &[])?;
    ensure!(second.exit == 9 && second.says("outcome") == "ready_not_enrolled", "{second:?}");
    ensure!(second.says("identity_code") == "key_changed" && office.devices()?.len() == 1, "{second:?}");

    // A box in its place shuts it out.
    let other = NewBox::new(scratch.path(), "other");
    let placed = other.up(&office.bundle(STORE, &["--replace"])?, &[])?;
    ensure!(placed.exit == 0 && placed.says("identity") == "enrolled", "{placed:?}");
    let states: Vec<_> = office.devices()?.into_iter().map(|(_, state)| state).collect();
    ensure!(states.iter().filter(|state| *state == "revoked").count() == 1 && states.len() == 2, "{states:?}");
    // The one that was shut out is told so, however often it is brought up.
    let again = shop.up(&bundle, &[])?;
    let said = (again.exit, again.says("identity"), again.says("outcome"));
    ensure!(said == (9, "revoked".to_owned(), "ready_not_enrolled".to_owned()), "{again:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_in_the_place_of_another_prints_no_receipt_that_the_other_may_have_printed() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut office = HeadOffice::open(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    let (first, second) = (office.bundle(STORE, &[])?, office.bundle(STORE, &["--replace"])?);
    // Nobody tells it of the other box.
    office.hub.kill()?;
    let series = |up: &Said| up.says("receipt").rsplit_once('-').map(|(series, _)| series.to_owned());
    let (shop, other) = (NewBox::new(scratch.path(), "box"), NewBox::new(scratch.path(), "other"));
    let (up, placed) = (shop.up(&first, &[])?, other.up(&second, &[])?);
    ensure!(up.exit == 0 && placed.exit == 0, "{up:?} {placed:?}");
    ensure!(series(&up).as_deref() == Some("T1-TRN"), "{up:?}");
    ensure!(series(&placed).is_some_and(|series| series.starts_with("T1-TRNB")), "{placed:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_line_a_new_shop_sells_and_enrols_itself_later() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut office = HeadOffice::open(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    let bundle = office.bundle(STORE, &[])?;
    office.hub.kill()?;
    let shop = NewBox::new(scratch.path(), "box");
    let up = shop.up(&bundle, &[])?;
    ensure!(up.exit == 0 && up.says("outcome") == "ready" && up.says("identity") == "enrolling", "{up:?}");
    ensure!(!up.says("receipt").is_empty(), "{up:?}");
    Ok(())
}

/// What `up` says of a file, and that it leaves a box as it was.
fn refused(shop: &NewBox, bundle: &Path, (exit, code): (i32, &str), extra: &[&str]) -> Result<()> {
    let before = shop.files()?;
    let said = shop.up(bundle, extra)?;
    ensure!(said.exit == exit && said.says("code") == code, "{code} is expected: {said:?}");
    ensure!(said.says("sentence").len() > 10 && said.says("fix").len() > 10, "{said:?}");
    let changed = |files: &BTreeMap<String, Vec<u8>>| {
        files
            .iter()
            // The shop that is there sells on meanwhile, and writes what it hears.
            .filter(|(name, _)| !name.starts_with("etc/up/") && !name.starts_with("data/node.db") && *name != "data/log.txt")
            .map(|(n, h)| (n.clone(), h.clone()))
            .collect::<Vec<_>>()
    };
    ensure!(changed(&before) == changed(&shop.files()?), "something was half installed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_does_not_belong_on_a_box_is_refused_by_name_and_leaves_nothing() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let office = HeadOffice::open(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    office.plan(43, "Station")?;
    let (first, second) = (office.bundle(STORE, &[])?, office.bundle(STORE, &[])?);
    let station = office.bundle(43, &[])?;
    let shop = NewBox::new(scratch.path(), "box");
    refused(&shop, &scratch.path().join("none.percolate"), (8, "bundle_unreadable"), &[])?;
    refused(&shop, &station, (8, "bundle_other_store"), &["--store", "42"])?;
    refused(&shop, &first, (8, "bundle_other_chain"), &["--chain", "0000-0000-0000-0000-0000"])?;
    let whole = std::fs::read(&first)?;
    let file = scratch.path().join("bad.percolate");
    for length in [7, 113, 114, whole.len() - 1] {
        std::fs::write(&file, whole.get(..length).context("a part")?)?;
        refused(&shop, &file, (8, "bundle_truncated"), &[])?;
    }
    for place in (60..whole.len()).step_by(397) {
        let mut changed = whole.clone();
        *changed.get_mut(place).context("a byte")? ^= 1;
        std::fs::write(&file, changed)?;
        refused(&shop, &file, (8, "bundle_tampered"), &[])?;
    }
    std::fs::write(&file, b"a picture of a cup of coffee, and certainly no bundle of a store at all")?;
    refused(&shop, &file, (8, "bundle_none"), &[])?;

    let up = shop.up(&second, &[])?;
    ensure!(up.exit == 0, "{up:?}");
    refused(&shop, &first, (8, "bundle_older"), &[])?;
    refused(&shop, &station, (8, "box_other_store"), &[])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_killed_anywhere_and_runs_it_again_comes_to_the_same() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let office = HeadOffice::open(scratch.path()).await?;
    for step in 0..STEPS {
        let store = 50 + u32::try_from(step)?;
        office.plan(store, &format!("Shop {step}"))?;
        let bundle = office.bundle(store, &[])?;
        let shop = NewBox::new(scratch.path(), &format!("box-{step}"));
        ensure!(shop.up_killed_at(&bundle, step)?, "there is no step {step}");
        let up = eventually_up(&shop, &bundle).await?;
        ensure!(up.says("identity") == "enrolled" && up.says("accepted") == "true", "step {step}: {up:?}");
        let own: Vec<_> =
            office.devices()?.into_iter().filter(|(node, _)| *node == u64::from(store) * 10 + 1).collect();
        ensure!(own.len() == 1, "step {step}: {own:?}");
        ensure!(up.says("receipt") == "T1-TRN-1", "step {step}: a second practice ticket: {up:?}");
    }
    Ok(())
}

/// A server that was started just before the kill may still be on its way: its folder is in use until it is there.
async fn eventually_up(shop: &NewBox, bundle: &Path) -> Result<Said> {
    eventually("the box to come up", || async {
        let up = shop.up(bundle, &[])?;
        ensure!(up.exit == 0, "{up:?}");
        Ok(up)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_techs_at_one_box_do_not_undo_each_others_work() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let office = HeadOffice::open(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    let bundle = office.bundle(STORE, &[])?;
    let shop = NewBox::new(scratch.path(), "box");
    let lock = shop.folder.join("etc/up");
    let held = percolate_runtime::files::DataDir::open(&lock)?;
    refused(&shop, &bundle, (10, "up_running"), &[])?;
    drop(held);
    let up = shop.up(&bundle, &[])?;
    ensure!(up.exit == 0, "{up:?}");
    Ok(())
}
