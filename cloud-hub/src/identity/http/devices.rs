//! The certificates of boxes, for head office.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use percolate_common::ids::NodeId;
use percolate_common::time::UtcMillis;
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::{JsonBody, PathParams};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem;
use crate::identity::app::IdentityApp;
use crate::identity::overview::Certified;
use crate::kernel::http::Refused;

/// Every certificate that was given to a box.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Devices {
    /// By box.
    rows: Vec<DeviceRow>,
}

/// A certificate of a box.
#[derive(Debug, Serialize, ToSchema)]
struct DeviceRow {
    /// Its box.
    node: u32,
    /// Its number, in hexadecimal digits.
    serial: String,
    /// `allowed`, `superseded` by a later one, or `revoked`.
    state: &'static str,
    /// Since when that is so, in milliseconds since 1970.
    changed_at_ms: i64,
    /// Until when it holds, in milliseconds since 1970.
    not_after_ms: i64,
    /// The shop that has the box; null if none is planned with it any more.
    store: Option<u32>,
    /// What that is called.
    name: Option<String>,
    /// Why it was revoked, if somebody has said so.
    reason: Option<String>,
    /// When the box was last heard, in milliseconds since 1970; null if never.
    heard_at_ms: Option<i64>,
}

/// Why a box is shut out.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Revocation {
    /// For people, as in `stolen`; at most 200 characters.
    reason: String,
}

/// What was revoked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revoked {
    /// How many certificates; 0 if the box was shut out before.
    certificates: usize,
}

/// Characters of a reason.
const REASON_CHARS_MAX: usize = 200;

/// Lists the certificates of boxes.
#[utoipa::path(get, path = "/v1/identity/devices", tag = "identity", security(("token" = [])),
    responses((status = 200, description = "The certificates", body = Devices), Refused))]
pub(super) async fn list(_actor: Actor, State(app): State<Arc<IdentityApp>>) -> Result<Json<Devices>, Problem> {
    let devices = app.devices().await.map_err(|error| problem(&error))?;
    let rows = devices.into_iter().map(|Certified { device, shop, reason, heard_at }| {
        let (store, name) = shop.map_or((None, None), |(store, name)| (Some(store.get()), Some(name)));
        DeviceRow {
            node: device.node.get(),
            serial: device.serial.to_string(),
            state: device.state.as_str(),
            changed_at_ms: device.changed_at.get(),
            not_after_ms: device.not_after.get(),
            store,
            name,
            reason,
            heard_at_ms: heard_at.map(UtcMillis::get),
        }
    });
    Ok(Json(Devices { rows: rows.collect() }))
}

/// Shuts a box out, for ever: its connection is cut, and no certificate of it is let in again. Asked again, nothing changes.
#[utoipa::path(put, path = "/v1/identity/devices/{node}/revocation", tag = "identity", security(("token" = [])),
    request_body = Revocation, params(("node" = u32, Path, description = "The box's number")),
    responses((status = 200, description = "The box is shut out", body = Revoked), Refused))]
pub(super) async fn revoke(
    actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    PathParams(node): PathParams<u32>,
    body: JsonBody<Revocation>,
) -> Result<Json<Revoked>, Problem> {
    let reason = body.value.reason;
    if reason.chars().count() > REASON_CHARS_MAX {
        let said = format!("Say why in at most {REASON_CHARS_MAX} characters.");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "reason_too_long", said));
    }
    let certificates = app.revoke(NodeId::new(node), reason, actor.name).await.map_err(|error| problem(&error))?;
    Ok(Json(Revoked { certificates }))
}
