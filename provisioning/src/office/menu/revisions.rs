//! `provision menu revisions`, `shops`, `rollout` and `undo`: what was published, who has it, and what of it is published again.

use percolate_common::time::UtcMillis;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::publish::{Asked, Ended, Published, carry_out, whom};
use super::{MenuRevisions, MenuRollout, MenuShops, MenuUndo, refused};
use crate::exit::{Exit, Failure};
use crate::office::tell;
use crate::screen::Screen;
use crate::table::{Cell, Side, Table};

#[derive(Debug, Deserialize)]
struct Revisions {
    rows: Vec<Row>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    revision: u32,
    item_count: u32,
    rule_count: u32,
    stores: Vec<u32>,
    person: Option<u32>,
    incarnation: String,
    seq: u64,
    published_at_ms: i64,
}

impl Row {
    /// Whether a shop's box has it, and sells by it unless it has a later one.
    fn is_at(&self, node: &NodeRow) -> bool {
        let is_read = |down: &DownRow| {
            down.author == "catalog" && down.incarnation == self.incarnation && down.acked_seq >= self.seq
        };
        (self.stores.is_empty() || self.stores.contains(&node.store)) && node.down.iter().any(is_read)
    }
}

#[derive(Debug, Deserialize)]
struct Nodes {
    rows: Vec<NodeRow>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct NodeRow {
    node: u32,
    store: u32,
    online: bool,
    down: Vec<DownRow>,
}

/// How far a box has read a journal of the hub.
#[derive(Debug, Deserialize)]
struct DownRow {
    author: String,
    incarnation: String,
    acked_seq: u64,
}

/// Shows which revision each shop has: the last of those for it that its box has acknowledged.
pub(super) async fn shops(options: &MenuShops, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let client = options.hub.client()?;
    let Revisions { rows: revisions } = client.get("/v1/catalog/revisions").await.map_err(refused)?;
    let columns =
        [("shop", Side::Right), ("box", Side::Right), ("connected", Side::Left), ("sells by revision", Side::Right)];
    let (mut table, mut objects, mut cursor) = (Table::new(&columns), Vec::new(), String::new());
    loop {
        let page: Nodes = client.get(&format!("/v1/sync/nodes?limit=1000{cursor}")).await.map_err(refused)?;
        for node in &page.rows {
            let revision = revisions.iter().filter(|row| row.is_at(node)).map(|row| row.revision).max();
            let NodeRow { node, store, online, .. } = node;
            let shown = revision.map_or_else(|| "-".to_owned(), |revision| revision.to_string());
            let connected = if *online { "yes" } else { "no" }.to_owned();
            let cells = [store.to_string(), node.to_string(), connected, shown];
            table.row(cells.into_iter().map(Cell::from).collect());
            objects.push(json!({ "store": store, "node": node, "online": online, "revision": revision }));
        }
        let Some(next) = page.next else { break };
        cursor = format!("&after={next}");
    }
    tell(screen, json, &json!({ "shops": objects }), &table.render(screen.paint))
}

/// Shows every revision.
pub(super) async fn show(options: &MenuRevisions, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let Revisions { rows } = options.hub.client()?.get("/v1/catalog/revisions").await.map_err(refused)?;
    let columns = [
        ("revision", Side::Right),
        ("published", Side::Left),
        ("items", Side::Right),
        ("rules", Side::Right),
        ("for", Side::Left),
        ("by person", Side::Right),
    ];
    let mut table = Table::new(&columns);
    for row in &rows {
        let person = row.person.map_or_else(|| "-".to_owned(), |person| person.to_string());
        let cells = [
            row.revision.to_string(),
            UtcMillis::new(row.published_at_ms).to_string(),
            row.item_count.to_string(),
            row.rule_count.to_string(),
            whom(&row.stores),
            person,
        ];
        table.row(cells.into_iter().map(Cell::from).collect());
    }
    let lines = if rows.is_empty() { "No menu was published yet.\n".to_owned() } else { table.render(screen.paint) };
    tell(screen, json, &json!({ "revisions": rows }), &lines)
}

/// Publishes to all shops what some have tried.
pub(super) async fn rollout(options: &MenuRollout, json: bool, screen: &mut Screen) -> Result<Ended, Failure> {
    let client = options.hub.client()?;
    let published = Published::fetch(&client).await?;
    if published.stores.is_empty() && options.revision.is_none() {
        let said = "no shops try a menu: the revision that was published last is for all";
        return Err(Failure::new(Exit::ServerFailed, anyhow::anyhow!(said)));
    }
    let revision = options.revision.unwrap_or(published.revision);
    let what = format!("Publish what revision {revision} says");
    let asked = Asked::by_post("/v1/catalog/rollout", &json!({ "revision": revision }), what, &[]);
    carry_out(&client, (&asked, published.revision), (options.yes, json), screen).await
}

/// Publishes again what an earlier revision said.
pub(super) async fn undo(options: &MenuUndo, json: bool, screen: &mut Screen) -> Result<Ended, Failure> {
    let client = options.hub.client()?;
    let published = Published::fetch(&client).await?;
    let MenuUndo { to, stores, .. } = options;
    let what = format!("Publish again what revision {to} said");
    let body = json!({ "to_revision": to, "stores": stores });
    let asked = Asked::by_post("/v1/catalog/undo", &body, what, stores);
    carry_out(&client, (&asked, published.revision), (options.yes, json), screen).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_has_what_is_for_it_and_was_read() {
        let revision = |stores: &[u32], seq| Row {
            revision: 1,
            item_count: 1,
            rule_count: 0,
            stores: stores.to_vec(),
            person: None,
            incarnation: "7".to_owned(),
            seq,
            published_at_ms: 0,
        };
        let down = |author: &str, incarnation: &str, acked_seq| DownRow {
            author: author.to_owned(),
            incarnation: incarnation.to_owned(),
            acked_seq,
        };
        let node = |down| NodeRow { node: 91, store: 9, online: true, down: vec![down] };
        assert!(revision(&[], 10).is_at(&node(down("catalog", "7", 10))));
        assert!(revision(&[9], 10).is_at(&node(down("catalog", "7", 11))));
        assert!(!revision(&[8], 10).is_at(&node(down("catalog", "7", 11))), "for others");
        assert!(!revision(&[], 10).is_at(&node(down("catalog", "7", 9))), "not yet read");
        assert!(!revision(&[], 10).is_at(&node(down("catalog", "8", 99))), "of another life");
        assert!(!revision(&[], 10).is_at(&node(down("identity", "7", 99))), "another service's");
    }
}
