//! The catalog over HTTP: what is for sale, and another menu in its place.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::{JsonBody, QueryParams};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::differences::{Difference, differences};
use super::file::MenuFile;
use super::menu::{Fault, Menu};
use crate::catalog::app::{CatalogApp, CatalogAppError, MenuLoaded};
use crate::kernel::http::{Refused, ServiceRouter, storage_problem};

/// Bytes of a menu: one with as many items as there may be, and what each takes from the stock room, is below it.
const MENU_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Mistakes of one menu that are named.
const FAULTS_MAX: usize = 1_000;
/// So long an answer waits until other services can see what was published. It is published all the same.
const HANDED_OVER_TIME_MAX: Duration = Duration::from_secs(5);

/// The routes of the service.
pub(super) fn router(app: Arc<CatalogApp>) -> ServiceRouter {
    let whole = OpenApiRouter::new().routes(routes!(menu, put_menu)).layer(DefaultBodyLimit::max(MENU_BYTES_MAX));
    OpenApiRouter::new().routes(routes!(revisions)).routes(routes!(items)).merge(whole).with_state(app)
}

/// Every revision of the menu.
#[derive(Debug, Serialize, ToSchema)]
struct Revisions {
    /// The first one first.
    rows: Vec<RevisionRow>,
}

/// A published revision of the menu.
#[derive(Debug, Serialize, ToSchema)]
struct RevisionRow {
    /// 1 and up.
    revision: u32,
    /// What its prices are in.
    #[schema(example = "USD")]
    currency: String,
    /// How many items are for sale.
    item_count: u32,
    /// The entry of the catalog's journal that published it.
    seq: u64,
    /// When it was published, in milliseconds since 1970.
    published_at_ms: i64,
}

/// What is for sale.
#[derive(Debug, Serialize, ToSchema)]
struct Items {
    /// The present revision; 0 before the first.
    revision: u32,
    /// What prices are in.
    currency: Option<String>,
    /// The items by number.
    rows: Vec<ItemRow>,
}

/// An item for sale.
#[derive(Debug, Serialize, ToSchema)]
struct ItemRow {
    /// Its number.
    item: u32,
    /// What people read.
    name: String,
    /// The number of its category.
    category: u32,
    /// What people read of its category.
    category_name: String,
    /// The number of its tax class.
    tax_class: u32,
    /// Its tax rate, in millionths.
    rate_micro: u32,
    /// Price of one before tax, in minor units.
    price_minor: i64,
    /// What one takes from the stock room.
    uses: Vec<UseRow>,
}

/// What one item takes from the stock room.
#[derive(Debug, Serialize, ToSchema)]
struct UseRow {
    /// The number of the stock item.
    stock_item: u32,
    /// What people read of it.
    name: String,
    /// What it is counted in.
    #[schema(example = "mg")]
    unit: &'static str,
    /// How much, in that unit.
    quantity: i64,
}

/// Lists the revisions of the menu.
#[utoipa::path(get, path = "/v1/catalog/revisions", tag = "catalog", security(("token" = [])),
    responses((status = 200, description = "The revisions", body = Revisions), Refused))]
async fn revisions(_actor: Actor, State(app): State<Arc<CatalogApp>>) -> Json<Revisions> {
    let state = app.state();
    let rows = state.revisions.iter().map(|published| RevisionRow {
        revision: published.revision.number,
        currency: published.revision.currency.to_string(),
        item_count: published.revision.item_count,
        seq: published.seq,
        published_at_ms: published.at.get(),
    });
    Json(Revisions { rows: rows.collect() })
}

/// Lists what is for sale.
#[utoipa::path(get, path = "/v1/catalog/items", tag = "catalog", security(("token" = [])),
    responses((status = 200, description = "The items", body = Items), Refused))]
async fn items(_actor: Actor, State(app): State<Arc<CatalogApp>>) -> Json<Items> {
    let state = app.state();
    let Some(catalog) = &state.published else { return Json(Items { revision: 0, currency: None, rows: Vec::new() }) };
    let content = &catalog.content;
    let rows = content.items.values().map(|item| ItemRow {
        item: item.id.get(),
        name: item.name.clone(),
        category: item.category.get(),
        category_name: content.categories.get(&item.category).map_or_else(String::new, |found| found.name.clone()),
        tax_class: item.tax_class.get(),
        rate_micro: content.tax_classes.get(&item.tax_class).map_or(0, |found| found.rate.get()),
        price_minor: item.price.get(),
        uses: item
            .uses
            .iter()
            .filter_map(|part| content.stock_items.get(&part.stock_item).map(|stock| (part, stock)))
            .map(|(part, stock)| UseRow {
                stock_item: stock.id.get(),
                name: stock.name.clone(),
                unit: stock.unit.as_str(),
                quantity: part.quantity.get(),
            })
            .collect(),
    });
    Json(Items {
        revision: catalog.revision.number,
        currency: Some(catalog.revision.currency.to_string()),
        rows: rows.collect(),
    })
}

/// The whole menu that is for sale.
#[derive(Debug, Serialize, ToSchema)]
struct PublishedMenu {
    /// The present revision; 0 before the first.
    revision: u32,
    /// What it says; null before the first.
    menu: Option<MenuFile>,
}

/// How another menu is published.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MenuQuery {
    /// Tell what the menu would change, or why it is refused, and publish nothing.
    #[serde(default)]
    check: bool,
    /// The revision that this is meant to take the place of; 0 before the first. Another one is refused.
    over: Option<u32>,
}

/// What another menu changes.
#[derive(Debug, Serialize, ToSchema)]
struct MenuAnswer {
    /// `new`, `changed`, or `unchanged`.
    outcome: &'static str,
    /// The revision that is for sale now; with `check=true`, the one that the menu was compared with.
    revision: u32,
    /// What is otherwise than before, field by field.
    differences: Vec<MenuChange>,
}

/// A field of the menu that is otherwise than before.
#[derive(Debug, Serialize, ToSchema)]
struct MenuChange {
    /// Which, as in `item 101, price`.
    field: String,
    /// What it was, if it was there.
    before: Option<String>,
    /// What it is to be, if it stays.
    after: Option<String>,
}

/// Tells the whole menu that is for sale, as it can be published.
#[utoipa::path(get, path = "/v1/catalog/menu", tag = "catalog", security(("token" = [])),
    responses((status = 200, description = "The menu", body = PublishedMenu), Refused))]
async fn menu(_actor: Actor, State(app): State<Arc<CatalogApp>>) -> Json<PublishedMenu> {
    let state = app.state();
    Json(PublishedMenu { revision: state.revision(), menu: state.published.as_ref().map(MenuFile::from) })
}

/// Publishes a menu, whole, in the place of the one that is for sale. Tells what that changes; with `check=true` it only tells,
/// and publishes nothing.
#[utoipa::path(put, path = "/v1/catalog/menu", tag = "catalog", security(("token" = [])),
    request_body = MenuFile, params(MenuQuery),
    responses((status = 200, description = "It is for sale, or is only looked at", body = MenuAnswer), Refused))]
async fn put_menu(
    actor: Actor,
    State(app): State<Arc<CatalogApp>>,
    QueryParams(MenuQuery { check, over }): QueryParams<MenuQuery>,
    body: JsonBody<MenuFile>,
) -> Result<Json<MenuAnswer>, Problem> {
    let menu = Menu::of_file(body.value).map_err(|faults| invalid(&faults))?;
    let before = app.state();
    if over.is_some_and(|over| over != before.revision()) {
        return Err(problem(&CatalogAppError::Moved { published: before.revision() }));
    }
    let differences = differences(before.published.as_ref(), &menu);
    let mut answer = MenuAnswer {
        outcome: match (&before.published, differences.is_empty()) {
            (None, _) => "new",
            (Some(_), true) => "unchanged",
            (Some(_), false) => "changed",
        },
        revision: before.revision(),
        differences: differences.into_iter().map(MenuChange::from).collect(),
    };
    if !check {
        // What was told is what is done: over another revision than that one nothing is published.
        answer.revision = publish(&app, &menu, answer.revision, &actor).await.map_err(|error| problem(&error))?;
    }
    Ok(Json(answer))
}

/// Publishes a menu over a revision, and tells which is for sale then.
async fn publish(app: &CatalogApp, menu: &Menu, over: u32, actor: &Actor) -> Result<u32, CatalogAppError> {
    let (revision, events) = match app.publish(menu, Some(over)).await? {
        MenuLoaded::Unchanged { revision } => return Ok(revision),
        MenuLoaded::Published { revision, events } => (revision, events),
    };
    tracing::info!(revision, events, actor = %actor.name, "the menu was published as revision {revision}");
    match tokio::time::timeout(HANDED_OVER_TIME_MAX, app.handed_over()).await {
        Ok(handed_over) => handed_over?,
        Err(_elapsed) => tracing::warn!(revision, "the menu is not in the hub's journal yet"),
    }
    Ok(revision)
}

impl From<Difference> for MenuChange {
    fn from(Difference { field, before, after }: Difference) -> Self {
        Self { field, before, after }
    }
}

fn invalid(faults: &[Fault]) -> Problem {
    let said = format!("The menu has {} mistakes, and was not published.", faults.len());
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "menu_invalid", said);
    let named = faults.iter().take(FAULTS_MAX);
    named.fold(problem, |problem, fault| problem.with_error(&fault.pointer, fault.code, &fault.detail))
}

/// What a caller is told.
fn problem(error: &CatalogAppError) -> Problem {
    match error {
        CatalogAppError::Storage(error) => storage_problem(error),
        CatalogAppError::Moved { .. } | CatalogAppError::Stale => {
            Problem::new(StatusCode::CONFLICT, "menu_moved", format!("{error}: look at it, and publish yours over it."))
        }
        CatalogAppError::Menu(error) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "menu_invalid", format!("The menu cannot be sold: {error}."))
        }
        CatalogAppError::Outbox(_) | CatalogAppError::Unreadable { .. } => {
            tracing::error!(error = error as &dyn std::error::Error, "the catalog could not do what it was asked");
            Problem::internal()
        }
    }
}
