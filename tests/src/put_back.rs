//! Head office's files, put back from an older copy.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::books::number;
use crate::harness::{Client, Hub, Node, demo_menu, eventually};

/// The hub's databases, each with a number in it that only grows while the hub works.
const DATABASES: [(&str, &str); 3] = [
    ("journal", "SELECT coalesce(sum(seq), 0) FROM journal_stream"),
    ("reporting", "SELECT coalesce(sum(seq), 0) FROM projection_position"),
    ("catalog", "SELECT count(*) FROM outbox_said"),
];

/// Endings of the files that make up a database.
const ENDINGS: [&str; 3] = ["db", "db-wal", "db-shm"];

/// What is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    Folder,
    /// The database of this name.
    Database(&'static str),
}

impl Part {
    fn databases(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        DATABASES.into_iter().filter(move |(name, _)| self == Self::Folder || self == Self::Database(name))
    }
}

/// Copies a stopped hub's folder, the chain's CA in it included.
///
/// # Errors
/// If a file cannot be copied.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &copy)?;
        } else {
            std::fs::copy(entry.path(), copy)?;
        }
    }
    Ok(())
}

/// How much a database holds.
#[expect(clippy::disallowed_methods, reason = "a file is looked at whose program does not run")]
fn held(folder: &Path, (name, query): (&str, &str)) -> Result<i64> {
    let database = Connection::open_with_flags(folder.join(format!("{name}.db")), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    Ok(database.query_row(query, [], |row| row.get(0))?)
}

/// Puts a part of a hub that does not run back to an older copy, and sees to it that something is lost by that.
///
/// # Errors
/// If a file cannot be replaced, or the copy holds no less.
pub fn put_back(copy: &Path, hub: &Path, part: Part) -> Result<()> {
    let mut before = Vec::new();
    for database in part.databases() {
        before.push(held(hub, database)?);
    }
    if part == Part::Folder {
        std::fs::remove_dir_all(hub)?;
        copy_folder(copy, hub)?;
    }
    for (name, _) in part.databases() {
        for ending in ENDINGS {
            let file = format!("{name}.{ending}");
            if hub.join(&file).exists() {
                std::fs::remove_file(hub.join(&file))?;
            }
            if copy.join(&file).exists() {
                std::fs::copy(copy.join(&file), hub.join(&file))?;
            }
        }
    }
    for (database, before) in part.databases().zip(before) {
        let now = held(hub, database)?;
        ensure!(now < before, "{}: the copy holds {now}, and {before} were there", database.0);
    }
    Ok(())
}

/// The demo's menu with another price of its first item, as a file in `folder`.
///
/// # Errors
/// If it cannot be written.
pub fn menu_with_price(folder: &Path, price_minor: i64) -> Result<PathBuf> {
    let mut menu: Value = serde_json::from_str(&std::fs::read_to_string(demo_menu())?)?;
    *menu.pointer_mut("/items/0/price_minor").context("an item's price")? = json!(price_minor);
    let path = folder.join(format!("menu-{price_minor}.json"));
    std::fs::write(&path, menu.to_string())?;
    Ok(path)
}

/// The revision for sale, and the price of its first item, as a hub or a node says.
async fn menu(client: &Client, path: &str, items: &str) -> Result<(i64, i64)> {
    let menu = client.get(path).await?;
    Ok((number(&menu, "/revision")?, number(&menu, &format!("{items}/0/price_minor"))?))
}

/// Waits until the hub and all nodes sell a menu with this price; tells its revision.
///
/// # Errors
/// If they do not.
pub async fn sold_everywhere(hub: &Hub, nodes: &[Node], price_minor: i64) -> Result<i64> {
    eventually("one menu everywhere", || async {
        let office = menu(&hub.client, "/v1/catalog/items", "/rows").await?;
        ensure!(office.1 == price_minor, "{office:?}, and not {price_minor}");
        for node in nodes {
            let shop = menu(&node.client, "/v1/catalog", "/items").await?;
            ensure!(shop == office, "{shop:?}, and not {office:?}");
        }
        Ok(office.0)
    })
    .await
}
