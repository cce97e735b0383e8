//! The catalog over HTTP: reading only; the menu comes from a file.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use percolate_runtime::http::auth::Actor;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::catalog::app::CatalogApp;
use crate::kernel::http::{Refused, ServiceRouter};

/// The routes of the service.
pub(super) fn router(app: Arc<CatalogApp>) -> ServiceRouter {
    OpenApiRouter::new().routes(routes!(revisions)).routes(routes!(items)).with_state(app)
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
