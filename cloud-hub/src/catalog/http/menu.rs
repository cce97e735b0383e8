//! The whole menu: what is for sale, another one in its place, and earlier ones again.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use percolate_common::ids::StoreId;
use percolate_common::wire::menu::MenuV1;
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::{JsonBody, QueryParams};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{invalid, person, problem, shops, sound_shops};
use crate::catalog::app::{CatalogApp, MenuLoaded, Publishing};
use crate::catalog::differences::{Difference, differences};
use crate::catalog::error::CatalogAppError;
use crate::catalog::menu::Menu;
use crate::kernel::http::Refused;

/// So long an answer waits until other services can see what was published. It is published all the same.
const HANDED_OVER_TIME_MAX: Duration = Duration::from_secs(5);

/// The whole menu that was published last.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PublishedMenu {
    /// Its revision; 0 before the first.
    revision: u32,
    /// For which shops it is; none is all.
    stores: Vec<u32>,
    /// What it says; null before the first.
    menu: Option<MenuV1>,
}

/// How a menu is published.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MenuQuery {
    /// Tell what the menu would change, or why it is refused, and publish nothing.
    #[serde(default)]
    check: bool,
    /// The revision that this is meant to take the place of; 0 before the first. Another one is refused.
    over: Option<u32>,
    /// For these shops alone, as `9,10`: all others go on with what they sell.
    stores: Option<String>,
}

/// How an earlier revision is published again.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AgainQuery {
    /// Tell what it would change, and publish nothing.
    #[serde(default)]
    check: bool,
    /// The revision that this is meant to take the place of. Another one is refused.
    over: Option<u32>,
}

/// What is published to all shops.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RolloutBody {
    /// The revision that some shops have tried.
    revision: u32,
}

/// What is published again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UndoBody {
    /// The revision whose content is published again, as the next revision.
    to_revision: u32,
    /// For these shops alone; none is all.
    #[serde(default)]
    stores: Vec<u32>,
}

/// What another menu changes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MenuAnswer {
    /// `new`, `changed`, or `unchanged`.
    outcome: &'static str,
    /// The revision that was published last; with `check=true`, before this.
    revision: u32,
    /// What is otherwise than before, field by field: for all shops, than what was published last for all.
    differences: Vec<MenuChange>,
}

/// A field of the menu that is otherwise than before.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MenuChange {
    /// Which, as in `item 101, price`.
    field: String,
    /// What it was, if it was there.
    before: Option<String>,
    /// What it is to be, if it stays.
    after: Option<String>,
}

impl From<Difference> for MenuChange {
    fn from(Difference { field, before, after }: Difference) -> Self {
        Self { field, before, after }
    }
}

/// Tells the whole menu that was published last, as it can be published.
#[utoipa::path(get, path = "/v1/catalog/menu", tag = "catalog", security(("token" = [])),
    responses((status = 200, description = "The menu", body = PublishedMenu), Refused))]
pub(super) async fn menu(_actor: Actor, State(app): State<Arc<CatalogApp>>) -> Json<PublishedMenu> {
    let state = app.state();
    let stores = state.published.iter().flat_map(|catalog| &catalog.revision.stores).map(|store| store.get()).collect();
    let menu = state.published.as_ref().map(|catalog| MenuV1::new(catalog.revision.currency, &catalog.content));
    Json(PublishedMenu { revision: state.revision(), stores, menu })
}

/// Publishes a menu, whole, in the place of the one that is for sale. Tells what that changes; with `check=true` it only tells,
/// and publishes nothing.
#[utoipa::path(put, path = "/v1/catalog/menu", tag = "catalog", security(("token" = [])),
    request_body = MenuV1, params(MenuQuery),
    responses((status = 200, description = "It is for sale, or is only looked at", body = MenuAnswer), Refused))]
pub(super) async fn put_menu(
    actor: Actor,
    State(app): State<Arc<CatalogApp>>,
    QueryParams(MenuQuery { check, over, stores }): QueryParams<MenuQuery>,
    body: JsonBody<MenuV1>,
) -> Result<Json<MenuAnswer>, Problem> {
    let stores = shops(stores.as_deref())?;
    let menu = Menu::sound(body.value).map_err(|faults| invalid(&faults))?;
    publish(&app, &menu, Publishing { stores, over, person: person(&actor) }, check).await
}

/// Publishes to all shops what some have tried, as the next revision.
#[utoipa::path(post, path = "/v1/catalog/rollout", tag = "catalog", security(("token" = [])),
    request_body = RolloutBody, params(AgainQuery),
    responses((status = 200, description = "It is for sale, or is only looked at", body = MenuAnswer), Refused))]
pub(super) async fn rollout(
    actor: Actor,
    State(app): State<Arc<CatalogApp>>,
    QueryParams(AgainQuery { check, over }): QueryParams<AgainQuery>,
    body: JsonBody<RolloutBody>,
) -> Result<Json<MenuAnswer>, Problem> {
    let menu = app.menu_of(body.value.revision).await.map_err(|error| problem(&error))?;
    publish(&app, &menu, Publishing { stores: Vec::new(), over, person: person(&actor) }, check).await
}

/// Publishes again what an earlier revision said, as the next revision.
#[utoipa::path(post, path = "/v1/catalog/undo", tag = "catalog", security(("token" = [])),
    request_body = UndoBody, params(AgainQuery),
    responses((status = 200, description = "It is for sale, or is only looked at", body = MenuAnswer), Refused))]
pub(super) async fn undo(
    actor: Actor,
    State(app): State<Arc<CatalogApp>>,
    QueryParams(AgainQuery { check, over }): QueryParams<AgainQuery>,
    body: JsonBody<UndoBody>,
) -> Result<Json<MenuAnswer>, Problem> {
    let UndoBody { to_revision, stores } = body.value;
    let stores = sound_shops(stores)?;
    let menu = app.menu_of(to_revision).await.map_err(|error| problem(&error))?;
    publish(&app, &menu, Publishing { stores, over, person: person(&actor) }, check).await
}

/// Publishes a menu, or only looks at it, and tells what it changes.
pub(super) async fn publish(
    app: &CatalogApp,
    menu: &Menu,
    how: Publishing,
    check: bool,
) -> Result<Json<MenuAnswer>, Problem> {
    let state = app.state();
    let before = state.revision();
    if how.over.is_some_and(|over| over != before) {
        return Err(problem(&CatalogAppError::Moved { published: before }));
    }
    app.check_currency(menu.currency, &how.stores).await.map_err(|error| problem(&error))?;
    let differences = told(app, menu, &how.stores);
    let last = state.published.as_ref().map(|catalog| &catalog.revision.stores);
    let mut answer = MenuAnswer {
        outcome: match last {
            None => "new",
            Some(stores) if differences.is_empty() && *stores == how.stores => "unchanged",
            Some(_) => "changed",
        },
        revision: before,
        differences,
    };
    if !check {
        // What was told is what is done: over another revision than that one nothing is published.
        let how = Publishing { over: Some(before), ..how };
        answer.revision = published(app, menu, &how).await.map_err(|error| problem(&error))?;
    }
    Ok(Json(answer))
}

/// What a menu would change in these shops; none said is all.
pub(super) fn told(app: &CatalogApp, menu: &Menu, stores: &[StoreId]) -> Vec<MenuChange> {
    differences(app.state().before(stores), menu).into_iter().map(MenuChange::from).collect()
}

/// Publishes a menu, and tells which revision is the last then.
async fn published(app: &CatalogApp, menu: &Menu, how: &Publishing) -> Result<u32, CatalogAppError> {
    let (revision, events) = match app.publish(menu, how).await? {
        MenuLoaded::Unchanged { revision } | MenuLoaded::Held { revision } | MenuLoaded::Superseded { revision } => {
            return Ok(revision);
        }
        MenuLoaded::Published { revision, events } => (revision, events),
    };
    let shops = how.stores.len();
    tracing::info!(revision, events, shops, person = how.person, "the menu was published as revision {revision}");
    match tokio::time::timeout(HANDED_OVER_TIME_MAX, app.handed_over()).await {
        Ok(handed_over) => handed_over?,
        Err(_elapsed) => tracing::warn!(revision, "the menu is not in the hub's journal yet"),
    }
    Ok(revision)
}
