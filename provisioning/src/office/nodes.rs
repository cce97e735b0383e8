//! `provision node`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::question::confirmed;
use super::{NodeRevoke, moment, refused, tell};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::table::{Cell, Side, Table};

#[derive(Debug, Deserialize)]
struct Devices {
    rows: Vec<Device>,
}

#[derive(Debug, Deserialize)]
struct Device {
    node: u32,
    serial: String,
    state: String,
    not_after_ms: i64,
    store: Option<u32>,
    name: Option<String>,
    reason: Option<String>,
    heard_at_ms: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Revoked {
    certificates: u64,
}

pub(super) async fn list(client: &Client, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let devices: Value = client.get("/v1/identity/devices").await.map_err(refused)?;
    let read: Devices =
        serde_json::from_value(devices.clone()).map_err(|error| Failure::new(Exit::ServerFailed, error))?;
    let columns =
        ["box", "shop", "state", "until", "last heard", "certificate", "why"].map(|title| (title, Side::Left));
    let mut table = Table::new(&columns);
    for Device { node, serial, state, not_after_ms, store, name, reason, heard_at_ms } in read.rows {
        let shop = store.map_or_else(|| "-".to_owned(), |store| format!("{store} {}", name.unwrap_or_default()));
        let cells = [
            format!("n{node}"),
            shop,
            state,
            moment(Some(not_after_ms)),
            moment(heard_at_ms),
            serial,
            reason.unwrap_or_default(),
        ];
        table.row(cells.into_iter().map(Cell::from).collect());
    }
    let lines = table.render(screen.paint);
    tell(screen, json, &devices, &lines)
}

pub(super) async fn revoke(options: &NodeRevoke, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let question = format!("Shut box n{} out, for ever? Its shop sells on, and nothing of it arrives.", options.node);
    if !confirmed(screen, &question, options.yes || json)? {
        tell(screen, json, &Value::Null, "Nothing was done.\n")?;
        return Ok(Exit::Interrupted);
    }
    let path = format!("/v1/identity/devices/{}/revocation", options.node);
    let body = json!({ "reason": options.reason }).to_string().into_bytes();
    let Revoked { certificates } = options.hub.client()?.put(&path, body).await.map_err(refused)?.body;
    let object = json!({ "outcome": "revoked", "node": options.node, "certificates": certificates });
    let lines = match certificates {
        0 => format!("Box n{} was shut out before.\n", options.node),
        _ => format!(
            "Box n{} is shut out. Its shop sells on. For a box in its place: provision store bundle --replace\n",
            options.node
        ),
    };
    tell(screen, json, &object, &lines)
}
