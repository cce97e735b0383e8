//! `provision menu revisions`, `rollout` and `undo`: what was published, and what of it is published again.

use percolate_common::time::UtcMillis;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::publish::{Asked, Ended, Published, carry_out, whom};
use super::{MenuRevisions, MenuRollout, MenuUndo, refused};
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
    published_at_ms: i64,
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
    let asked = Asked::again("/v1/catalog/rollout", &json!({ "revision": revision }), what, &[]);
    carry_out(&client, (&asked, published.revision), (options.yes, json), screen).await
}

/// Publishes again what an earlier revision said.
pub(super) async fn undo(options: &MenuUndo, json: bool, screen: &mut Screen) -> Result<Ended, Failure> {
    let client = options.hub.client()?;
    let published = Published::fetch(&client).await?;
    let MenuUndo { to, stores, .. } = options;
    let what = format!("Publish again what revision {to} said");
    let body = json!({ "to_revision": to, "stores": stores });
    let asked = Asked::again("/v1/catalog/undo", &body, what, stores);
    carry_out(&client, (&asked, published.revision), (options.yes, json), screen).await
}
