//! Shops and their bundles, for head office.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percolate_common::identity::bundle::PurposeV1;
use percolate_common::ids::StoreId;
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::{IdempotencyKey, JsonBody, PathParams};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem;
use super::sites::Site;
use crate::identity::app::IdentityApp;
use crate::kernel::http::Refused;

/// The code of a bundle, for its sheet of paper.
const CODE: HeaderName = HeaderName::from_static("percolate-code");
/// When the code ends, in milliseconds since 1970.
const EXPIRES: HeaderName = HeaderName::from_static("percolate-expires-ms");
/// Which bundle of its shop it is.
const NUMBER: HeaderName = HeaderName::from_static("percolate-bundle");
/// By which a tech knows whose bundle it is.
const FINGERPRINT: HeaderName = HeaderName::from_static("percolate-chain");

/// The shops that were planned.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stores {
    /// By number.
    rows: Vec<StoreRow>,
}

/// A shop that was planned.
#[derive(Debug, Serialize, ToSchema)]
struct StoreRow {
    /// Its number.
    store: u32,
    /// What was planned.
    site: Site,
    /// How many bundles were made for it.
    bundles: u64,
    /// When it was planned first, in milliseconds since 1970.
    made_at_ms: i64,
}

/// What a bundle is for.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct BundleAsked {
    /// Whether a box is to be shut out with whose certificates the shop sold until now: `new` or `replace`.
    purpose: Purpose,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Purpose {
    New,
    Replace,
}

/// Lists the shops that were planned.
#[utoipa::path(get, path = "/v1/identity/stores", tag = "identity", security(("token" = [])),
    responses((status = 200, description = "The shops", body = Stores), Refused))]
pub(super) async fn list(_actor: Actor, State(app): State<Arc<IdentityApp>>) -> Result<Json<Stores>, Problem> {
    let sites = app.sites().await.map_err(|error| problem(&error))?;
    let rows = sites.into_iter().map(|row| StoreRow {
        store: row.site.store,
        site: Site::from(row.site),
        bundles: row.bundles,
        made_at_ms: row.made_at.get(),
    });
    Ok(Json(Stores { rows: rows.collect() }))
}

/// Plans a shop, or plans it otherwise. Its next bundle says so.
#[utoipa::path(put, path = "/v1/identity/stores/{store}", tag = "identity", security(("token" = [])),
    request_body = Site, params(("store" = u32, Path, description = "The shop's number")),
    responses((status = 200, description = "It was planned before", body = Site),
        (status = 201, description = "It is new", body = Site), Refused))]
pub(super) async fn put(
    actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    PathParams(store): PathParams<u32>,
    body: JsonBody<Site>,
) -> Result<(StatusCode, Json<Site>), Problem> {
    let site = body.value;
    let is_new = app.plan(site.clone().into_site(store), actor.name).await.map_err(|error| problem(&error))?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(site)))
}

/// Makes a bundle for a shop: the file for the stick, with what goes on its sheet in the headers. Ends the shop's earlier
/// codes that were not used. The same key gets the same code again.
#[utoipa::path(post, path = "/v1/identity/stores/{store}/bundles", tag = "identity", security(("token" = [])),
    request_body = BundleAsked,
    params(("store" = u32, Path, description = "The shop's number"),
        ("Idempotency-Key" = String, Header, description = "The same key gets the same code again")),
    responses((status = 201, description = "The file", content_type = "application/octet-stream", body = Vec<u8>,
        headers(("Percolate-Code" = String, description = "The code, as it is typed"),
            ("Percolate-Expires-Ms" = i64, description = "When the code ends, in milliseconds since 1970"),
            ("Percolate-Bundle" = u64, description = "Which bundle of its shop it is"),
            ("Percolate-Chain" = String, description = "The chain's fingerprint, for the sheet"))), Refused))]
pub(super) async fn bundle(
    actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    PathParams(store): PathParams<u32>,
    key: IdempotencyKey,
    body: JsonBody<BundleAsked>,
) -> Result<Response, Problem> {
    let purpose = match body.value.purpose {
        Purpose::New => PurposeV1::New,
        Purpose::Replace => PurposeV1::Replace,
    };
    let asked = (StoreId::new(store), purpose);
    let made = app.bundle(asked, key.as_str().to_owned(), actor.name).await.map_err(|error| problem(&error))?;
    let text = |value: String| HeaderValue::from_str(&value).map_err(|_unprintable| Problem::internal());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        // The file holds a secret.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CODE, text(made.code)?),
        (EXPIRES, text(made.expires_at.get().to_string())?),
        (NUMBER, text(made.number.to_string())?),
        (FINGERPRINT, text(made.fingerprint)?),
    ];
    Ok((StatusCode::CREATED, headers, made.file).into_response())
}
