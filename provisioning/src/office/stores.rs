//! `provision store`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use percolate_common::entropy::Entropy as _;
use percolate_runtime::files::write_secret;
use percolate_runtime::system::OsEntropy;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{StoreBundle, StoreCreate, refused, tell};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::table::{Cell, Side, Table};

/// A shop in a file: its number, and what the hub is told of it.
#[derive(Debug, Deserialize)]
struct ShopSaid {
    store: u32,
    #[serde(flatten)]
    site: serde_json::Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Shops {
    rows: Vec<ShopRow>,
}

#[derive(Debug, Deserialize)]
struct ShopRow {
    store: u32,
    site: Site,
    bundles: u64,
}

#[derive(Debug, Deserialize)]
struct Site {
    node: u32,
    name: String,
    zone: String,
}

/// What goes on a bundle's sheet of paper.
struct Sheet {
    code: String,
    chain: String,
    number: String,
    expires_ms: i64,
}

pub(super) async fn create(options: &StoreCreate, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let shops = read(options).map_err(|error| Failure::new(Exit::Usage, error))?;
    let client = options.hub.client()?;
    let (mut planned, mut lines) = (Vec::new(), String::new());
    for (store, site) in &shops {
        let path = format!("/v1/identity/stores/{store}");
        let body = serde_json::to_vec(site).map_err(|error| Failure::new(Exit::Failed, error))?;
        let put = client.put::<Value>(&path, body).await;
        put.map_err(refused)
            .map_err(|failure| Failure::new(failure.exit, failure.error.context(format!("shop {store}"))))?;
        planned.push(*store);
        let name = site.get("name").and_then(Value::as_str).unwrap_or_default();
        lines.push_str(&format!("Shop {store}, {name}, is planned.\n"));
    }
    lines.push_str("Next: provision store bundle --store N --out FILE\n");
    tell(screen, json, &json!({ "outcome": "planned", "stores": planned }), &lines)
}

/// The shops of a file, by number. Two with one number are a mistake.
fn read(options: &StoreCreate) -> anyhow::Result<BTreeMap<u32, serde_json::Map<String, Value>>> {
    let shown = options.file.display();
    let text = std::fs::read_to_string(&options.file).with_context(|| format!("could not read {shown}"))?;
    let said: Value = serde_json::from_str(&text).with_context(|| format!("{shown} is no JSON"))?;
    let list = said.as_array().cloned().unwrap_or_else(|| vec![said]);
    let mut shops = BTreeMap::new();
    for (place, shop) in list.into_iter().enumerate() {
        let ShopSaid { store, site } = serde_json::from_value(shop)
            .with_context(|| format!("shop {} of {shown} has no number: \"store\": 42", place + 1))?;
        anyhow::ensure!(shops.insert(store, site).is_none(), "{shown} has shop {store} twice");
    }
    anyhow::ensure!(!shops.is_empty(), "{shown} has no shops");
    Ok(shops)
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
    ];
    let mut table = Table::new(&columns);
    for ShopRow { store, site, bundles } in read.rows {
        let cells = [store.to_string(), site.name, format!("n{}", site.node), site.zone, bundles.to_string()];
        table.row(cells.into_iter().map(Cell::from).collect());
    }
    let lines = table.render(screen.paint);
    tell(screen, json, &shops, &lines)
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
    let purpose = if options.replace { "replace" } else { "new" };
    let key = format!("bundle-{:016x}{:016x}", OsEntropy.next_u64(), OsEntropy.next_u64());
    let body = json!({ "purpose": purpose }).to_string().into_bytes();
    let client = options.hub.client()?;
    let store = options.store;
    let made = client.file_by_post(&format!("/v1/identity/stores/{store}/bundles"), &key, body).await;
    let (headers, file) = made.map_err(refused)?;
    let said = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        let missing = || Failure::new(Exit::ServerFailed, anyhow!("the hub's answer says no {name}"));
        value.map(str::to_owned).ok_or_else(missing)
    };
    let sheet = Sheet {
        code: said("percolate-code")?,
        chain: said("percolate-chain")?,
        number: said("percolate-bundle")?,
        expires_ms: said("percolate-expires-ms")?
            .parse()
            .map_err(|error: std::num::ParseIntError| Failure::new(Exit::ServerFailed, error))?,
    };
    write_secret(&options.out, &file).map_err(|error| Failure::new(Exit::Failed, error))?;
    let object = json!({
        "outcome": "made", "store": options.store, "bundle": sheet.number, "file": options.out.display().to_string(),
        "bytes": file.len(), "code": sheet.code, "chain": sheet.chain, "expires_ms": sheet.expires_ms,
    });
    let Sheet { code, chain, number, expires_ms } = sheet;
    let ends = percolate_common::time::UtcMillis::new(expires_ms);
    let (store, out) = (options.store, options.out.display());
    let lines = format!(
        "Bundle {number} of shop {store} is in {out}. It holds secrets: hand it over, do not mail it.\n\n  \
         shop      {store}\n  chain     {chain}\n  code      {code}\n  until     {ends}\n\n\
         On the box: provision up {out} --chain {chain}\n",
    );
    tell(screen, json, &object, &lines)
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
}
