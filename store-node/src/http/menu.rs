//! The menu as tills read it.

use axum::Json;
use axum::extract::State;
use percolate_common::wire::menu::MenuV1;
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

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
