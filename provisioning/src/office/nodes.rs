//! `provision node`.

use percolate_common::time::UtcMillis;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{NodeRevoke, refused, tell};
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
}

#[derive(Debug, Deserialize)]
struct Revoked {
    certificates: u64,
}

pub(super) async fn list(client: &Client, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let devices: Value = client.get("/v1/identity/devices").await.map_err(refused)?;
    let read: Devices =
        serde_json::from_value(devices.clone()).map_err(|error| Failure::new(Exit::ServerFailed, error))?;
    let columns = [("box", Side::Right), ("state", Side::Left), ("until", Side::Left), ("certificate", Side::Left)];
    let mut table = Table::new(&columns);
    for Device { node, serial, state, not_after_ms } in read.rows {
        let cells = [format!("n{node}"), state, UtcMillis::new(not_after_ms).to_string(), serial];
        table.row(cells.into_iter().map(Cell::from).collect());
    }
    let lines = table.render(screen.paint);
    tell(screen, json, &devices, &lines)
}

pub(super) async fn revoke(options: &NodeRevoke, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
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
