//! The catalog over HTTP: what is for sale, another menu in its place, and the one that is being written.

mod drafts;
mod menu;

use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use percolate_common::ids::StoreId;
use percolate_common::wire::menu::MenuFault;
use percolate_runtime::http::auth::{Actor, ActorKind};
use percolate_runtime::http::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::store::publication_list;
use crate::catalog::app::CatalogApp;
use crate::catalog::error::CatalogAppError;
use crate::kernel::http::{Refused, ServiceRouter};
use crate::kernel::problem::storage_problem;

/// Bytes of a menu: one with as many items as there may be, and what each takes from the stock room, is below it.
const MENU_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Mistakes of one menu that are named.
const FAULTS_MAX: usize = 1_000;
/// Shops that a menu may be tried in.
const STORES_MAX: usize = 10_000;

/// The routes of the service.
pub(super) fn router(app: Arc<CatalogApp>) -> ServiceRouter {
    let whole = OpenApiRouter::new()
        .routes(routes!(menu::menu, menu::put_menu))
        .routes(routes!(drafts::draft, drafts::put_draft, drafts::delete_draft))
        .layer(DefaultBodyLimit::max(MENU_BYTES_MAX));
    OpenApiRouter::new()
        .routes(routes!(revisions))
        .routes(routes!(items))
        .routes(routes!(menu::rollout))
        .routes(routes!(menu::undo))
        .routes(routes!(drafts::publish_draft))
        .merge(whole)
        .with_state(app)
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
    /// How many rules hold.
    rule_count: u32,
    /// For which shops; none is all.
    stores: Vec<u32>,
    /// The number of the person of the office who published it; null if it was not one, or if the hub was put back since.
    person: Option<u32>,
    /// The life of the service in which it was published.
    incarnation: String,
    /// The entry of that life's journal that published it: who has read the journal so far has it.
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
async fn revisions(_actor: Actor, State(app): State<Arc<CatalogApp>>) -> Result<Json<Revisions>, Problem> {
    let state = app.state();
    let people = app.db().read_async(publication_list).await.map_err(|error| storage_problem(&error))?;
    let rows = state.revisions.iter().map(|published| RevisionRow {
        revision: published.revision.number,
        currency: published.revision.currency.to_string(),
        item_count: published.revision.item_count,
        rule_count: published.revision.rule_count,
        stores: published.revision.stores.iter().map(|store| store.get()).collect(),
        person: people.get(&(published.said.journal.incarnation, published.said.seq)).copied(),
        incarnation: published.said.journal.incarnation.to_string(),
        seq: published.said.seq,
        published_at_ms: published.said.at.get(),
    });
    Ok(Json(Revisions { rows: rows.collect() }))
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

/// The shops that are named in a query, as `9,10`; none is all.
fn shops(text: Option<&str>) -> Result<Vec<StoreId>, Problem> {
    let named =
        text.map(|text| text.split(',').map(|store| store.trim().parse::<u32>()).collect::<Result<Vec<_>, _>>());
    match named.transpose() {
        Ok(named) => sound_shops(named.unwrap_or_default()),
        Err(_not_a_number) => {
            let said = "?stores: numbers of shops with commas between are expected, as 9,10.";
            Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_query", said))
        }
    }
}

/// Shops in their order, each once.
fn sound_shops(mut stores: Vec<u32>) -> Result<Vec<StoreId>, Problem> {
    stores.sort_unstable();
    stores.dedup();
    if stores.len() > STORES_MAX || stores.first() == Some(&StoreId::CHAIN.get()) {
        let said = format!("At most {STORES_MAX} shops can be named, and each has a number from 1.");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", said));
    }
    Ok(stores.into_iter().map(StoreId::new).collect())
}

/// The number of the person who asks, if it is one.
const fn person(actor: &Actor) -> Option<u32> {
    match actor.kind {
        ActorKind::User { id } => Some(id),
        ActorKind::LocalToken | ActorKind::Terminal => None,
    }
}

fn invalid(faults: &[MenuFault]) -> Problem {
    let said = format!("The menu has {} mistakes, and was not published.", faults.len());
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "menu_invalid", said);
    let named = faults.iter().take(FAULTS_MAX);
    named.fold(problem, |problem, fault| problem.with_error(fault.pointer(), fault.code(), fault.to_string()))
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
        CatalogAppError::Currency { .. } => {
            let said = format!("The menu cannot be sold there: {error}.");
            let field = error.to_string();
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "menu_invalid", said).with_error(
                "/currency",
                "not_the_shops",
                field,
            )
        }
        CatalogAppError::UnknownRevision { .. } => {
            Problem::new(StatusCode::NOT_FOUND, "unknown_revision", format!("{error}: look at the list of revisions."))
        }
        CatalogAppError::Outbox(_) | CatalogAppError::Unreadable { .. } => {
            tracing::error!(error = error as &dyn std::error::Error, "the catalog could not do what it was asked");
            Problem::internal()
        }
    }
}
