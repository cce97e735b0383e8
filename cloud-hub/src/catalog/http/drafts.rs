//! The menu that is being written: kept with all its faults, and published when it has none.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use percolate_common::wire::menu::{MenuFault, MenuV1};
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::{JsonBody, QueryParams};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::menu::{MenuAnswer, MenuChange, publish, told};
use super::{FAULTS_MAX, invalid, person, shops};
use crate::catalog::app::{CatalogApp, Publishing};
use crate::catalog::menu::Menu;
use crate::catalog::store::{KeptDraft, draft_delete, draft_delete_of, draft_fetch, draft_set};
use crate::kernel::http::Refused;
use crate::kernel::problem::storage_problem;

/// The menu that is being written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DraftAnswer {
    /// As it was written.
    menu: MenuV1,
    /// The number of the person of the office who wrote it; null if it was not one.
    person: Option<u32>,
    /// When, in milliseconds since 1970.
    saved_at_ms: i64,
    /// The revision that was published last.
    revision: u32,
    /// What keeps it from being published.
    faults: Vec<FaultRow>,
    /// What it would change in all shops, as far as it can be read.
    differences: Vec<MenuChange>,
}

/// Something that keeps a menu from being published.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FaultRow {
    /// Where, as a JSON pointer.
    pointer: String,
    /// For programs.
    code: &'static str,
    /// For a person.
    detail: String,
}

/// How a draft is published.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PublishQuery {
    /// The revision that this is meant to take the place of; 0 before the first. Another one is refused.
    over: Option<u32>,
    /// For these shops alone, as `9,10`: all others go on with what they sell.
    stores: Option<String>,
}

/// Tells the menu that is being written, with its faults and with what it would change.
#[utoipa::path(get, path = "/v1/catalog/draft", tag = "catalog", security(("token" = [])),
    responses((status = 200, description = "The draft", body = DraftAnswer), Refused))]
pub(super) async fn draft(_actor: Actor, State(app): State<Arc<CatalogApp>>) -> Result<Json<DraftAnswer>, Problem> {
    let (kept, menu) = fetch(&app).await?;
    Ok(Json(answer(&app, &kept, menu)))
}

/// Keeps a menu that is being written, in the place of the one before. It may have faults; nobody sells by it.
#[utoipa::path(put, path = "/v1/catalog/draft", tag = "catalog", security(("token" = [])), request_body = MenuV1,
    responses((status = 200, description = "It is kept", body = DraftAnswer), Refused))]
pub(super) async fn put_draft(
    actor: Actor,
    State(app): State<Arc<CatalogApp>>,
    body: JsonBody<MenuV1>,
) -> Result<Json<DraftAnswer>, Problem> {
    let menu = serde_json::to_vec(&body.value).map_err(|error| unreadable(&error))?;
    let kept = KeptDraft { menu, person: person(&actor), saved_at: app.now() };
    let stored = kept.clone();
    app.db()
        .write("menu_draft_set", move |tx| draft_set(tx, &stored))
        .await
        .map_err(|error| storage_problem(&error))?;
    Ok(Json(answer(&app, &kept, body.value)))
}

/// Throws away the menu that is being written.
#[utoipa::path(delete, path = "/v1/catalog/draft", tag = "catalog", security(("token" = [])),
    responses((status = 204, description = "It is gone"), Refused))]
pub(super) async fn delete_draft(_actor: Actor, State(app): State<Arc<CatalogApp>>) -> Result<StatusCode, Problem> {
    let was_there = app.db().write("menu_draft_delete", draft_delete).await.map_err(|error| storage_problem(&error))?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(absent()) }
}

/// Publishes the menu that is being written, and throws it away.
#[utoipa::path(post, path = "/v1/catalog/draft/publish", tag = "catalog", security(("token" = [])), params(PublishQuery),
    responses((status = 200, description = "It is for sale", body = MenuAnswer), Refused))]
pub(super) async fn publish_draft(
    actor: Actor,
    State(app): State<Arc<CatalogApp>>,
    QueryParams(PublishQuery { over, stores }): QueryParams<PublishQuery>,
) -> Result<Json<MenuAnswer>, Problem> {
    let stores = shops(stores.as_deref())?;
    let (kept, menu) = fetch(&app).await?;
    let menu = Menu::sound(menu).map_err(|faults| invalid(&faults))?;
    let published = publish(&app, &menu, Publishing { stores, over, person: person(&actor) }, false).await?;
    // Whoever wrote another one meanwhile keeps it.
    app.db()
        .write("menu_draft_published", move |tx| draft_delete_of(tx, kept.saved_at))
        .await
        .map_err(|error| storage_problem(&error))?;
    Ok(published)
}

async fn fetch(app: &CatalogApp) -> Result<(KeptDraft, MenuV1), Problem> {
    let kept = app.db().read_async(draft_fetch).await.map_err(|error| storage_problem(&error))?;
    let kept = kept.ok_or_else(absent)?;
    let menu = serde_json::from_slice(&kept.menu).map_err(|error| unreadable(&error))?;
    Ok((kept, menu))
}

fn answer(app: &CatalogApp, kept: &KeptDraft, menu: MenuV1) -> DraftAnswer {
    let (currency, content, faults) = menu.clone().into_looked_at();
    let differences = told(app, &Menu { currency, content }, &[]);
    let row = |fault: &MenuFault| FaultRow {
        pointer: fault.pointer().to_owned(),
        code: fault.code(),
        detail: fault.to_string(),
    };
    let faults = faults.iter().take(FAULTS_MAX).map(row).collect();
    let revision = app.state().revision();
    DraftAnswer { menu, person: kept.person, saved_at_ms: kept.saved_at.get(), revision, faults, differences }
}

fn absent() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "draft_absent", "No menu is being written.")
}

fn unreadable(error: &serde_json::Error) -> Problem {
    tracing::error!(error = error as &dyn std::error::Error, "the draft of the menu cannot be read or written");
    Problem::internal()
}
