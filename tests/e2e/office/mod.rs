//! Head office plans shops from what it has, and a box is brought up by the code on its sheet alone.

mod interceptor;
mod menu;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use percolate_runtime::http::caller::HttpsAddress;
use serde_json::{Value, json};
use system_tests::harness::head_office::{HeadOffice, NewBox};
use system_tests::harness::program;

use interceptor::{Interceptor, Root};

const STORE: u32 = 42;
const DIGITS: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Runs `provision`, with nobody at a terminal.
fn provision(words: &[&str]) -> Result<Output> {
    Ok(Command::new(program("provision")?).args(words).stdin(Stdio::null()).output()?)
}

/// How it ended, and the object that it wrote.
fn told(words: &[&str]) -> Result<(i32, Value)> {
    let done = provision(&[words, &["--json"]].concat())?;
    let text = String::from_utf8(done.stdout)?;
    let last = text.lines().last().unwrap_or("null");
    let object =
        serde_json::from_str(last).with_context(|| format!("{last}; {}", String::from_utf8_lossy(&done.stderr)))?;
    Ok((done.status.code().unwrap_or(-1), object))
}

/// A head office, and how its server is named.
async fn head_office(scratch: &Path) -> Result<(HeadOffice, String)> {
    let office = HeadOffice::open(scratch).await?;
    let named = format!("http://{},{}", office.hub.client.address(), shown(&scratch.join("hub/token")));
    Ok((office, named))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What became of each shop.
fn outcomes(object: &Value) -> BTreeMap<u64, String> {
    let stores = object.get("stores").and_then(Value::as_array).into_iter().flatten();
    stores.filter_map(|it| Some((it.get("store")?.as_u64()?, it.get("outcome")?.as_str()?.to_owned()))).collect()
}

fn are(pairs: &[(u64, &str)]) -> BTreeMap<u64, String> {
    pairs.iter().map(|(store, outcome)| (*store, (*outcome).to_owned())).collect()
}

/// What is planned, by shop.
fn planned(named: &str) -> Result<BTreeMap<u64, Value>> {
    let (exit, object) = told(&["store", "list", "--hub", named])?;
    ensure!(exit == 0, "{object}");
    let rows = object.get("rows").and_then(Value::as_array).context("rows")?.iter();
    Ok(rows.filter_map(|row| Some((row.get("store")?.as_u64()?, row.get("site")?.clone()))).collect())
}

const STORES_CSV: &str = "store,node,name,zone,currency,cutover_hour,lan_names\n\
    42,421,Harbour,America/New_York,USD,4,192.168.7.20\n\
    43,431,Station,America/Chicago,USD,3,\n\
    44,441,Mall,Mars/Olympus,USD,4,\n\
    45,451,Zoo,UTC,USD,4,hub.percolate.internal\n\
    46,461,Pier,UTC,EUR,4,\n\
    47,471,Airport,UTC,USD,4,\n\
    48,481,Campus,UTC,USD,4,\n";
const HOURS_CSV: &str = "store,weekday,opens,closes\n42,Mon,06:30,22:00\n42,Sat,18:00,02:00\n48,9,06:00,22:00\n";
const STAFF_CSV: &str = "store,id,name,role,pin\n42,7,Ann,lead,2468\n47,8,Ben,barista,13x5\n";
const STOCK_CSV: &str = "store,item,quantity\n42,1,5000\n43,1,-3\n";

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_an_old_system_become_shops_and_a_shop_with_a_bad_line_is_set_aside_whole() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (_office, named) = head_office(scratch.path()).await?;
    let folder = scratch.path().join("old");
    std::fs::create_dir(&folder)?;
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text);
    for (name, text) in
        [("stores.csv", STORES_CSV), ("hours.csv", HOURS_CSV), ("staff.csv", STAFF_CSV), ("stock.csv", STOCK_CSV)]
    {
        write(name, text)?;
    }
    let words = ["store", "create", "--from-csv", &shown(&folder), "--hub", &named];
    let (exit, object) = told(&words)?;
    ensure!(exit == 3 && object["outcome"] == "rows_set_aside", "{object}");
    ensure!(outcomes(&object) == are(&[(42, "new")]), "{object}");
    ensure!(object["set_aside"]["stores"] == json!([43, 44, 45, 46, 47, 48]), "{object}");
    let list = std::fs::read_to_string(folder.join("quarantine.csv"))?;
    for line in [
        "hours.csv,4,weekday,out_of_range",
        "staff.csv,3,pin,malformed",
        "stock.csv,3,quantity,out_of_range",
        "stores.csv,4,zone,unknown",
        "stores.csv,5,lan_names,taken",
        "stores.csv,6,currency,not_the_menus",
    ] {
        ensure!(list.lines().any(|it| it.starts_with(line)), "{line} in {list}");
    }
    ensure!(list.lines().count() == 7, "{list}");
    ensure!(!list.contains("13x5") && !object.to_string().contains("13x5") && !object.to_string().contains("2468"));
    // What the hub holds is what another reader finds in the files.
    let harbour = json!({
        "node": 421, "name": "Harbour", "zone": "America/New_York", "currency": "USD", "cutover_hour": 4,
        "hours": [{"weekday": 1, "opens_minute": 390, "closes_minute": 1_320},
            {"weekday": 6, "opens_minute": 1_080, "closes_minute": 1_560}],
        "lan_names": ["192.168.7.20"], "terminals": [], "printers": [],
        "staff": [{"id": 7, "name": "Ann", "role": "lead"}], "stock": [{"item": 1, "quantity": 5_000}],
    });
    ensure!(planned(&named)? == BTreeMap::from([(42, harbour)]), "{:?}", planned(&named));

    // Corrected where it stands, all of it is read again, and what is planned stays as it is.
    write(
        "stores.csv",
        &STORES_CSV.replace("Mars/Olympus", "UTC").replace("hub.percolate.internal", "").replace("EUR", "USD"),
    )?;
    write("hours.csv", &HOURS_CSV.replace("48,9", "48,7"))?;
    write("staff.csv", &STAFF_CSV.replace("13x5", "1355"))?;
    write("stock.csv", &STOCK_CSV.replace("-3", "3"))?;
    let (exit, object) = told(&words)?;
    let new = [43, 44, 45, 46, 47, 48].map(|store| (store, "new"));
    ensure!(exit == 0 && outcomes(&object) == are(&[&[(42, "unchanged")], &new[..]].concat()), "{object}");
    ensure!(planned(&named)?.len() == 7 && !folder.join("quarantine.csv").exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_like_another_is_planned_once_somebody_has_seen_what_it_has() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (_office, named) = head_office(scratch.path()).await?;
    let file = scratch.path().join("shops.json");
    let template = scratch.path().join("template.json");
    let kind = json!({
        "zone": "America/New_York", "currency": "USD", "cutover_hour": 4,
        "hours": [{"weekday": 1, "opens_minute": 360, "closes_minute": 1_320}],
        "terminals": [{"name": "T1", "kind": "counter", "training": false}], "printers": [],
        "stock": [{"item": 1, "quantity": 7}],
    });
    std::fs::write(&template, kind.to_string())?;
    let shown_template = shown(&template);
    let words = "store create --store 42 --node 421 --name Harbour --template";
    let of_template: Vec<&str> = words.split(' ').chain([shown_template.as_str(), "--hub", &named]).collect();
    // Where nobody is asked, nothing is done.
    let done = provision(&of_template)?;
    let (out, err) = (String::from_utf8(done.stdout)?, String::from_utf8(done.stderr)?);
    ensure!(done.status.code() == Some(2) && err.contains("--yes"), "{out}{err}");
    ensure!(out.contains("open on Monday  06:00-22:00") && planned(&named)?.is_empty(), "{out}");
    let done = provision(&[&of_template[..], &["--yes"]].concat())?;
    ensure!(done.status.code() == Some(0) && planned(&named)?.len() == 1, "{done:?}");

    // What belongs to one shop alone is not taken over by another that is like it.
    let mut harbour = kind.clone();
    harbour["staff"] = json!([{"id": 7, "name": "Ann", "role": "lead", "pin": "2468"}]);
    harbour["lan_names"] = json!(["192.168.7.20"]);
    for (field, value) in [("store", json!(STORE)), ("node", json!(421)), ("name", json!("Harbour"))] {
        harbour[field] = value;
    }
    std::fs::write(&file, harbour.to_string())?;
    let (exit, object) = told(&["store", "create", &shown(&file), "--hub", &named])?;
    ensure!(exit == 0 && outcomes(&object) == are(&[(42, "changed")]), "{object}");
    let words = "store create --clone 42 --store 43 --node 431 --name Pier --zone America/Chicago --hub";
    let cloned: Vec<&str> = words.split(' ').chain([named.as_str()]).collect();
    let (exit, object) = told(&cloned)?;
    ensure!(exit == 0 && outcomes(&object) == are(&[(43, "new")]), "{object}");
    let note = "Like shop 42, but for: box n431, name \"Pier\" (\"Harbour\"), \
                zone \"America/Chicago\" (\"America/New_York\")";
    ensure!(object["notes"][0] == note, "{object}");
    let mut expected = kind;
    for (field, value) in [
        ("node", json!(431)),
        ("name", json!("Pier")),
        ("zone", json!("America/Chicago")),
        ("staff", json!([])),
        ("lan_names", json!([])),
    ] {
        expected[field] = value;
    }
    ensure!(planned(&named)?.get(&43) == Some(&expected), "{:?}", planned(&named));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_one_bad_shop_plans_nothing() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (_office, named) = head_office(scratch.path()).await?;
    let file = scratch.path().join("shops.json");
    let shop = |store: u32, zone: &str| {
        let node = store * 10 + 1;
        json!({"store": store, "node": node, "name": "Shop", "zone": zone, "currency": "USD", "cutover_hour": 4})
    };
    std::fs::write(&file, json!([shop(42, "UTC"), shop(43, "Mars/Olympus"), shop(44, "UTC")]).to_string())?;
    let done = provision(&["store", "create", &shown(&file), "--hub", &named])?;
    let err = String::from_utf8(done.stderr)?;
    ensure!(done.status.code() == Some(4) && err.contains("shop 43, /zone"), "{err}");
    ensure!(planned(&named)?.is_empty(), "{:?}", planned(&named));
    std::fs::write(&file, json!([shop(42, "UTC"), shop(43, "UTC")]).to_string())?;
    let done = provision(&["store", "create", &shown(&file), "--hub", &named])?;
    ensure!(done.status.code() == Some(0) && planned(&named)?.len() == 2, "{done:?}");
    Ok(())
}

/// Where the hub is asked over HTTPS.
fn https(scratch: &Path) -> Result<HttpsAddress> {
    let endpoints: Value = serde_json::from_slice(&std::fs::read(scratch.join("hub/endpoints.json"))?)?;
    Ok(format!("https://{}", endpoints.get("https").and_then(Value::as_str).context("https")?).parse()?)
}

/// Brings a box up by a code, at some address.
fn up(shop: &NewBox, hub: &HttpsAddress, how: &[&str]) -> Result<(i32, Value)> {
    let (config, data) = (shown(&shop.folder.join("etc")), shown(&shop.folder.join("data")));
    let at = hub.to_string();
    let words = [
        "up",
        "--hub",
        &at,
        "--config",
        &config,
        "--data",
        &data,
        "--http",
        "127.0.0.1:0",
        "--service",
        "process",
        "--rehearsal",
    ];
    told(&[&words[..], how].concat())
}

/// A bundle of the shop: its file, and what was said of it.
fn bundle(scratch: &Path, named: &str) -> Result<(PathBuf, Value)> {
    let (file, sheet) = (scratch.join("store-042.percolate"), scratch.join("sheet.html"));
    let words = ["store", "bundle", "--store", "42", "--out", &shown(&file), "--sheet", &shown(&sheet), "--hub", named];
    let (exit, object) = told(&words)?;
    ensure!(exit == 0, "{object}");
    Ok((file, object))
}

fn text(object: &Value, field: &str) -> String {
    object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_comes_up_by_the_code_on_its_sheet_alone() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (office, named) = head_office(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    let (stick, made) = bundle(scratch.path(), &named)?;
    let code = text(&made, "code");
    // The sheet has what a tech needs, and is its owner's alone. That boxes are told to come to themselves is said.
    let sheet = scratch.path().join("sheet.html");
    let page = std::fs::read_to_string(&sheet)?;
    ensure!(page.contains(&code) && page.contains(&text(&made, "chain")) && page.contains("<svg"), "{page}");
    ensure!(std::fs::metadata(&sheet)?.permissions().mode() & 0o777 == 0o600);
    ensure!(text(&made, "warning").contains("--name"), "{made}");
    ensure!(text(&made, "link") == format!("percolate:{}#{code}", https(scratch.path())?), "{made}");

    let hub = https(scratch.path())?;
    let shop = NewBox::new(scratch.path(), "box");
    // Every digit that is mistyped is found before anybody is asked.
    let digits: Vec<char> = code.chars().collect();
    for (at, digit) in digits.iter().enumerate().filter(|(_, digit)| **digit != '-') {
        let other = DIGITS.chars().find(|other| other != digit).context("another digit")?;
        let typed: String =
            digits.iter().enumerate().map(|(place, it)| if place == at { other } else { *it }).collect();
        let (exit, said) = up(&shop, &hub, &["--code", &typed])?;
        ensure!((exit, text(&said, "code").as_str()) == (8, "code_mistyped"), "{typed}: {said}");
    }
    let (exit, said) = up(&shop, &hub, &["--code", "7K3M-9QXT-W2F5-HB82"])?;
    ensure!((exit, text(&said, "code").as_str()) == (9, "code_unknown"), "{said}");
    let nowhere: HttpsAddress = "https://127.0.0.1:9".parse()?;
    let (exit, said) = up(&shop, &nowhere, &["--code", &code])?;
    ensure!((exit, text(&said, "code").as_str()) == (9, "hub_unreachable"), "{said}");
    ensure!(shop.files()?.keys().all(|name| name == "etc/up/lock"), "{:?}", shop.files()?.keys());

    let file = scratch.path().join("code");
    std::fs::write(&file, &code)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
    let (exit, ready) = up(&shop, &hub, &["--code-file", &shown(&file)])?;
    ensure!(exit == 0 && text(&ready, "outcome") == "ready" && text(&ready, "identity") == "enrolled", "{ready}");
    let files = shop.files()?;
    ensure!(files.get("etc/up/fetched.percolate") == Some(&std::fs::read(&stick)?), "it is the file of the stick");
    // Once more changes nothing, although the code is used; and so does the stick, whose bundle it is.
    let (exit, again) = up(&shop, &hub, &["--code", &code.to_lowercase()])?;
    ensure!(exit == 0 && again["receipt"] == ready["receipt"], "{again}");
    let by_stick = shop.up(&stick, &[])?;
    ensure!(by_stick.exit == 0 && by_stick.says("receipt") == text(&ready, "receipt"), "{by_stick:?}");
    let of_shop = |files: &BTreeMap<String, Vec<u8>>| {
        files
            .iter()
            .filter(|(name, _)| name.starts_with("etc/"))
            .map(|(n, b)| (n.clone(), b.clone()))
            .collect::<Vec<_>>()
    };
    ensure!(of_shop(&files) == of_shop(&shop.files()?));
    // Another box gets nothing for it.
    let (exit, said) = up(&NewBox::new(scratch.path(), "other"), &hub, &["--code", &code])?;
    ensure!((exit, text(&said, "code").as_str()) == (9, "code_used"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_undone_is_asked_for_and_a_shop_that_never_was_is_forgotten() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (office, named) = head_office(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    let (_, made) = bundle(scratch.path(), &named)?;
    let (data, safe) = (shown(&scratch.path().join("hub")), shown(&scratch.path().join("safe")));
    let (exit, chain) = told(&["chain", "init", "--name", "Bytes & Brews", "--data", &data, "--out", &safe])?;
    ensure!(exit == 0 && chain["fingerprint"] == made["chain"], "{chain}: {made}");
    let revoke = ["node", "revoke", "--node", "n421", "--reason", "stolen", "--hub", &named];
    for words in [&revoke[..], &["store", "delete", "--store", "42", "--hub", &named]] {
        let done = provision(words)?;
        let err = String::from_utf8(done.stderr)?;
        ensure!(done.status.code() == Some(2) && err.contains("--yes"), "{err}");
    }
    ensure!(planned(&named)?.len() == 1);
    let done = provision(&[&revoke[..], &["--yes"]].concat())?;
    ensure!(done.status.code() == Some(0), "{done:?}");
    let done = provision(&["store", "delete", "--store", "42", "--yes", "--hub", &named])?;
    ensure!(done.status.code() == Some(0) && planned(&named)?.is_empty(), "{done:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_reads_the_line_is_found_and_never_sees_the_code() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (office, named) = head_office(scratch.path()).await?;
    office.plan(STORE, "Harbour")?;
    let (_, made) = bundle(scratch.path(), &named)?;
    let code = text(&made, "code");
    for root in [Root::True, Root::His] {
        let interceptor = Interceptor::start(https(scratch.path())?, root).await?;
        let shop = NewBox::new(scratch.path(), &format!("box-{root:?}"));
        let at = interceptor.address.clone();
        let typed = code.clone();
        let (exit, said) = tokio::task::block_in_place(|| up(&shop, &at, &["--code", &typed]))?;
        ensure!((exit, text(&said, "code").as_str()) == (9, "hub_not_proven"), "{root:?}: {said}");
        let heard = interceptor.heard().to_lowercase();
        ensure!(heard.contains("get /v1/identity/chain") && heard.contains("certificate"), "{heard}");
        ensure!(heard.contains("post /v1/identity/bundle-fetches") == (root == Root::His), "{root:?}: {heard}");
        for form in [code.clone(), code.replace('-', "")] {
            ensure!(!heard.contains(&form.to_lowercase()), "{root:?}: the code travelled");
        }
        ensure!(shop.files()?.keys().all(|name| name == "etc/up/lock"), "{:?}", shop.files()?.keys());
    }
    // Without him it comes up by the same code.
    let shop = NewBox::new(scratch.path(), "box");
    let (exit, ready) = up(&shop, &https(scratch.path())?, &["--code", &code])?;
    ensure!(exit == 0 && text(&ready, "identity") == "enrolled", "{ready}");
    Ok(())
}
