//! Shops and their bundles, for head office.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percolate_common::identity::bundle::PurposeV1;
use percolate_common::ids::StoreId;
use percolate_common::time::UtcMillis;
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::{IdempotencyKey, JsonBody, PathParams, QueryParams};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem;
use super::sites::Site;
use crate::identity::app::IdentityApp;
use crate::identity::differences::Difference;
use crate::identity::overview::Shop;
use crate::identity::plans::{Outcome, Planned};
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
pub(super) struct StoreRow {
    /// Its number.
    store: u32,
    /// What was planned.
    site: Site,
    /// How many bundles were made for it.
    bundles: u64,
    /// When it was planned first, in milliseconds since 1970.
    made_at_ms: i64,
    /// Until when its box is let in, in milliseconds since 1970; null if it has none that is enrolled.
    enrolled_until_ms: Option<i64>,
    /// Until when a box can be enrolled by the bundle that was made last; null if it was used, or has ended.
    code_ends_at_ms: Option<i64>,
    /// When its box was last heard; null if never.
    heard_at_ms: Option<i64>,
}

impl From<Shop> for StoreRow {
    fn from(shop: Shop) -> Self {
        let Shop { row, enrolled_until, code_until, heard_at } = shop;
        let ms = |at: Option<UtcMillis>| at.map(UtcMillis::get);
        Self {
            store: row.site.store,
            site: row.site.into(),
            bundles: row.bundles,
            made_at_ms: row.made_at.get(),
            enrolled_until_ms: ms(enrolled_until),
            code_ends_at_ms: ms(code_until),
            heard_at_ms: ms(heard_at),
        }
    }
}

/// Whether a plan is only looked at.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PlanQuery {
    /// Tell what the plan would change, or why it is refused, and plan nothing.
    #[serde(default)]
    check: bool,
}

/// What a plan changes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlanAnswer {
    /// `new`, `changed`, or `unchanged`.
    outcome: &'static str,
    /// What is otherwise than before, field by field.
    differences: Vec<FieldChange>,
}

/// A field that is otherwise than before.
#[derive(Debug, Serialize, ToSchema)]
struct FieldChange {
    /// Which, as in `till T1`.
    field: String,
    /// What it was, if it was there.
    before: Option<String>,
    /// What it is to be, if it stays.
    after: Option<String>,
}

impl From<Planned> for PlanAnswer {
    fn from(planned: Planned) -> Self {
        let outcome = match planned.outcome {
            Outcome::New => "new",
            Outcome::Changed => "changed",
            Outcome::Unchanged => "unchanged",
        };
        let change = |Difference { field, before, after }| FieldChange { field, before, after };
        Self { outcome, differences: planned.differences.into_iter().map(change).collect() }
    }
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
    let shops = app.shops().await.map_err(|error| problem(&error))?;
    Ok(Json(Stores { rows: shops.into_iter().map(StoreRow::from).collect() }))
}

/// Tells what is planned for a shop.
#[utoipa::path(get, path = "/v1/identity/stores/{store}", tag = "identity", security(("token" = [])),
    params(("store" = u32, Path, description = "The shop's number")),
    responses((status = 200, description = "The shop", body = StoreRow), Refused))]
pub(super) async fn fetch(
    _actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    PathParams(store): PathParams<u32>,
) -> Result<Json<StoreRow>, Problem> {
    let shop = app.shop(StoreId::new(store)).await.map_err(|error| problem(&error))?;
    Ok(Json(shop.into()))
}

/// Forgets a shop of which no box was ever enrolled or heard; its sticks are worth nothing any more. Bundles of a shop that is
/// planned under its number later are counted on.
#[utoipa::path(delete, path = "/v1/identity/stores/{store}", tag = "identity", security(("token" = [])),
    params(("store" = u32, Path, description = "The shop's number")),
    responses((status = 204, description = "It is forgotten"), Refused))]
pub(super) async fn delete(
    actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    PathParams(store): PathParams<u32>,
) -> Result<StatusCode, Problem> {
    app.forget(StoreId::new(store), actor.name).await.map_err(|error| problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Plans a shop, or plans it otherwise. Its next bundle says so. Tells what that changes; with `check=true` it only tells, and
/// plans nothing.
#[utoipa::path(put, path = "/v1/identity/stores/{store}", tag = "identity", security(("token" = [])),
    request_body = Site, params(("store" = u32, Path, description = "The shop's number"), PlanQuery),
    responses((status = 200, description = "It was planned before, or is only looked at", body = PlanAnswer),
        (status = 201, description = "It is new", body = PlanAnswer), Refused))]
pub(super) async fn put(
    actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    PathParams(store): PathParams<u32>,
    QueryParams(PlanQuery { check }): QueryParams<PlanQuery>,
    body: JsonBody<Site>,
) -> Result<(StatusCode, Json<PlanAnswer>), Problem> {
    let site = body.value.into_site(store);
    let planned = if check { app.check_plan(site).await } else { app.plan(site, actor.name).await };
    let planned = planned.map_err(|error| problem(&error))?;
    let is_made = planned.outcome == Outcome::New && !check;
    Ok((if is_made { StatusCode::CREATED } else { StatusCode::OK }, Json(planned.into())))
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
