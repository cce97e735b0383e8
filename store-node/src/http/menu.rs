//! The menu as tills read it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use percolate_common::domain::catalog::barcode;
use percolate_common::wire::menu::MenuV1;
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::QueryParams;
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::refused;
use crate::app::App;
use crate::app::error::AppError;

/// The menu that is sold here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CatalogAnswer {
    /// Which revision.
    revision: u32,
    /// What it says.
    #[serde(flatten)]
    menu: MenuV1,
}

/// The menu that is sold.
#[utoipa::path(get, path = "/v1/catalog", tag = "catalog", responses(
    (status = 200, description = "The menu", body = CatalogAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn catalog(State(app): State<App>, _actor: Actor) -> Result<Json<CatalogAnswer>, Problem> {
    let catalog = app.present.catalog().ok_or(AppError::NoCatalog)?;
    let menu = MenuV1::new(catalog.revision.currency, &catalog.content);
    Ok(Json(CatalogAnswer { revision: catalog.revision.number, menu }))
}

/// What was scanned.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ScanQuery {
    /// 8, 12, 13 or 14 digits, or a GS1 Digital Link.
    #[param(example = "9506000134352")]
    code: String,
}

/// The item that was scanned.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScanAnswer {
    /// Its number.
    item: u32,
    /// Its lot, where the code says it.
    lot: Option<String>,
}

/// The item with a barcode on its package.
#[utoipa::path(get, path = "/v1/catalog/scan", tag = "catalog", params(ScanQuery), responses(
    (status = 200, description = "The item", body = ScanAnswer),
    (status = "4XX", description = "Refused, or no item has it", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn scan(
    State(app): State<App>,
    _actor: Actor,
    QueryParams(query): QueryParams<ScanQuery>,
) -> Result<Json<ScanAnswer>, Problem> {
    let scanned = barcode::scan(&query.code);
    let scanned = scanned.map_err(|error| refused("?code", "barcode_invalid", &error.to_string()))?;
    let catalog = app.present.catalog().ok_or(AppError::NoCatalog)?;
    let item = catalog.item_by_barcode(scanned.gtin).ok_or_else(|| {
        let said = format!("No item of the menu has the barcode {}.", scanned.gtin);
        Problem::new(StatusCode::NOT_FOUND, "unknown_barcode", said)
    })?;
    Ok(Json(ScanAnswer { item: item.get(), lot: scanned.lot }))
}
