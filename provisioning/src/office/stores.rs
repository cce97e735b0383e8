//! `provision store`.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use percolate_common::entropy::Entropy as _;
use percolate_common::identity::bundle::BundleV1;
use percolate_common::time::UtcMillis;
use percolate_runtime::files::write_secret;
use percolate_runtime::seal::{Known, open};
use percolate_runtime::system::OsEntropy;
use serde::Deserialize;
use serde_json::{Value, json};

use super::question::confirmed;
use super::sheet::Sheet;
use super::{StoreBundle, StoreDelete, moment, refused, tell};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::table::{Cell, Side, Table};

#[derive(Debug, Deserialize)]
struct Shops {
    rows: Vec<ShopRow>,
}

#[derive(Debug, Deserialize)]
struct ShopRow {
    store: u32,
    site: Site,
    bundles: u64,
    enrolled_until_ms: Option<i64>,
    code_ends_at_ms: Option<i64>,
    heard_at_ms: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Site {
    node: u32,
    name: String,
    zone: String,
}

pub(super) async fn list(client: &Client, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let shops: Value = client.get("/v1/identity/stores").await.map_err(refused)?;
    let read: Shops = serde_json::from_value(shops.clone()).map_err(|error| Failure::new(Exit::ServerFailed, error))?;
    let columns = [
        ("shop", Side::Right),
        ("name", Side::Left),
        ("box", Side::Right),
        ("zone", Side::Left),
        ("bundles", Side::Right),
        ("stick until", Side::Left),
        ("enrolled until", Side::Left),
        ("last heard", Side::Left),
    ];
    let mut table = Table::new(&columns);
    for ShopRow { store, site, bundles, enrolled_until_ms, code_ends_at_ms, heard_at_ms } in read.rows {
        let (stick, enrolled) = (moment(code_ends_at_ms), moment(enrolled_until_ms));
        let (node, bundles) = (format!("n{}", site.node), bundles.to_string());
        let cells = [store.to_string(), site.name, node, site.zone, bundles, stick, enrolled, moment(heard_at_ms)];
        table.row(cells.into_iter().map(Cell::from).collect());
    }
    let lines = table.render(screen.paint);
    tell(screen, json, &shops, &lines)
}

pub(super) async fn delete(options: &StoreDelete, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let store = options.store;
    let question = format!("Forget shop {store}, and end its sticks?");
    if !confirmed(screen, &question, options.yes || json)? {
        tell(screen, json, &Value::Null, "Nothing was done.\n")?;
        return Ok(Exit::Interrupted);
    }
    options.hub.client()?.take_away(&format!("/v1/identity/stores/{store}")).await.map_err(refused)?;
    tell(screen, json, &json!({ "outcome": "forgotten", "store": store }), &format!("Shop {store} is forgotten.\n"))
}

/// Whether a shop has a box that is let in.
#[derive(Debug, Deserialize)]
struct Stands {
    enrolled_until_ms: Option<i64>,
}

/// A code that nobody gets to see would end the one before it for nothing. What is no file is not replaced by one.
fn can_be_written(out: &Path) -> Result<(), Failure> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let tried = tempfile::NamedTempFile::new_in(folder).map(drop);
    let other = out.exists() && !out.is_file();
    let reason = match tried {
        Err(error) => error.to_string(),
        Ok(()) if other => "it is there, and no file".to_owned(),
        Ok(()) => return Ok(()),
    };
    let said = anyhow!("{} cannot be written, and no bundle was made: {reason}", out.display());
    Err(Failure::new(Exit::Failed, said))
}

pub(super) async fn bundle(options: &StoreBundle, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    can_be_written(&options.out)?;
    options.sheet.as_deref().map_or(Ok(()), can_be_written)?;
    let purpose = if options.replace { "replace" } else { "new" };
    let key = format!("bundle-{:016x}{:016x}", OsEntropy.next_u64(), OsEntropy.next_u64());
    let body = json!({ "purpose": purpose }).to_string().into_bytes();
    let client = options.hub.client()?;
    let store = options.store;
    let has_box = client.get::<Stands>(&format!("/v1/identity/stores/{store}")).await.map_err(refused)?;
    let has_box = has_box.enrolled_until_ms.is_some() && !options.replace;
    let made = client.file_by_post(&format!("/v1/identity/stores/{store}/bundles"), &key, body).await;
    let (headers, file) = made.map_err(refused)?;
    let said = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        let missing = || Failure::new(Exit::ServerFailed, anyhow!("the hub's answer says no {name}"));
        value.map(str::to_owned).ok_or_else(missing)
    };
    let made = (said("percolate-code")?, said("percolate-chain")?);
    let (sheet, warning) = of_file(&file, made, options).map_err(|error| Failure::new(Exit::ServerFailed, error))?;
    let failed = |error: anyhow::Error| Failure::new(Exit::Failed, error);
    write_secret(&options.out, &file).map_err(|error| failed(error.into()))?;
    if let Some(path) = &options.sheet {
        let page = sheet.html().map_err(|error| failed(error.into()))?;
        write_secret(path, page.as_bytes()).map_err(|error| failed(error.into()))?;
    }
    let notice = if has_box {
        format!(
            "WARN: shop {store} has a box. If this is for another one in its place, make the bundle with --replace.\n"
        )
    } else {
        String::new()
    };
    let object = json!({
        "outcome": "made", "has_box": has_box, "store": options.store, "bundle": sheet.bundle.to_string(),
        "file": options.out.display().to_string(), "bytes": file.len(), "code": sheet.code, "chain": sheet.fingerprint,
        "expires_ms": sheet.ends.get(), "hub": sheet.hub, "link": sheet.link(), "warning": warning,
        "sheet": options.sheet.as_ref().map(|path| path.display().to_string()),
    });
    let pattern =
        if options.qr { sheet.qr().map_err(|error| failed(error.into()))?.half_blocks() } else { String::new() };
    tell(screen, json, &object, &(in_words(&sheet, options, warning.as_deref(), &pattern) + &notice))
}

/// What the file says that was made, and what is odd about it.
fn of_file(
    file: &[u8],
    (code, fingerprint): (String, String),
    options: &StoreBundle,
) -> anyhow::Result<(Sheet, Option<String>)> {
    let sealed =
        open(file, Known::Fingerprint(fingerprint.parse()?)).context("the hub has sent no bundle of its own")?;
    let BundleV1 { chain, site, number, expires_at_ms, .. } = BundleV1::decode(sealed.content())?;
    let only_here = chain.https.iter().chain(&chain.mqtt).find(|address| is_only_here(address));
    let warning = only_here.map(|address| {
        format!("boxes are told to come to {address}, which each takes for itself: start the hub with --name HOST")
    });
    let name = options.out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let sheet = Sheet {
        store: site.store,
        shop: site.name,
        chain_name: chain.name,
        fingerprint,
        code,
        bundle: number,
        ends: UtcMillis::new(expires_at_ms),
        hub: chain.https.into_iter().next(),
        file: name,
        replaces: options.replace,
    };
    Ok((sheet, warning))
}

/// Whether an address, `HOST:PORT` or `https://HOST:PORT`, means the machine that reads it, and no other.
fn is_only_here(address: &str) -> bool {
    let place = address.strip_prefix("https://").unwrap_or(address);
    let host = place.rsplit_once(':').map_or(place, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

fn in_words(sheet: &Sheet, options: &StoreBundle, warning: Option<&str>, pattern: &str) -> String {
    let Sheet { store, shop, chain_name, fingerprint, code, bundle, hub, .. } = sheet;
    let (out, until) = (options.out.display(), sheet.until());
    let warning = warning.map_or_else(String::new, |warning| format!("WARN: {warning}.\n\n"));
    let page =
        options.sheet.as_ref().map_or_else(String::new, |path| format!("The sheet to print is {}.\n", path.display()));
    let by_code = hub
        .as_ref()
        .map_or_else(String::new, |hub| format!("  or with a line, and no stick: provision up --hub {hub} --code -\n"));
    format!(
        "{warning}Bundle {bundle} of shop {store} is in {out}. It holds secrets: hand it over, do not mail it.\n{page}\n  \
         shop      {store}, {shop}\n  chain     {fingerprint}, {chain_name}\n  code      {code}\n  until     {until}\n\n{pattern}\
         On the box: provision up {out} --chain {fingerprint}\n{by_code}",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_written_where_a_file_can_be_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.percolate");
        assert!(can_be_written(&file).is_ok());
        std::fs::write(&file, "an older one").unwrap();
        assert!(can_be_written(&file).is_ok());
        for other in [dir.path(), Path::new("/dev/null"), &dir.path().join("none/s.percolate")] {
            assert!(can_be_written(other).is_err(), "{}", other.display());
        }
    }

    #[test]
    fn an_address_that_every_machine_has_is_known() {
        for here in
            ["https://127.0.0.1:8444", "127.0.0.1:8883", "https://[::1]:8444", "https://localhost:1", "0.0.0.0:1"]
        {
            assert!(is_only_here(here), "{here}");
        }
        for elsewhere in ["https://hub.example:8444", "10.0.0.5:8883", "https://[2001:db8::1]:8444"] {
            assert!(!is_only_here(elsewhere), "{elsewhere}");
        }
    }
}
