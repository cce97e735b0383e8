//! The route table.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Json, Router};
use percolate_common::entropy::Entropy;
use percolate_runtime::http::auth::{TokenAuth, require_token};
use percolate_runtime::http::health::{self, Health};
use percolate_runtime::http::server::harden;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as OpenApiDocument;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{feed, open, reads, writes};
use crate::app::App;

/// Largest body of an import, in bytes.
const IMPORT_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The name of the token in the description.
const TOKEN_SCHEME: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Percolate store-node",
        description = "One shop. Send `Authorization: Bearer` with the token of the data folder, and with writes an \
            `Idempotency-Key`. Every error is a problem document (RFC 9457) with a `code`.",
    ),
    paths(open::livez, open::readyz, open::metrics, open::openapi),
    security(("token" = []))
)]
struct Description;

/// Everything that the node serves.
pub(crate) fn router(app: App, auth: TokenAuth, health: Health, entropy: Arc<dyn Entropy>) -> Router {
    let (api, mut document) = routes();
    let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document.components.get_or_insert_default().add_security_scheme(TOKEN_SCHEME, scheme);
    let document = Arc::new(document);
    let description = Router::new().route("/openapi.json", get(move || async move { Json((*document).clone()) }));
    harden(require_token(api.with_state(app), auth).merge(description).merge(health::router(health)), entropy)
}

/// What needs somebody who asks, and its description.
pub(super) fn routes() -> (Router<App>, OpenApiDocument) {
    let imports = OpenApiRouter::new()
        .routes(routes!(writes::import_baskets))
        .layer(DefaultBodyLimit::max(IMPORT_BODY_BYTES_MAX));
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(reads::node))
        .routes(routes!(reads::catalog))
        .routes(routes!(writes::quote))
        .routes(routes!(reads::tickets, writes::sell_ticket))
        .routes(routes!(reads::ticket))
        .routes(routes!(reads::stock))
        .routes(routes!(writes::move_stock))
        .routes(routes!(reads::business_day))
        .routes(routes!(reads::any_business_day))
        .routes(routes!(reads::audit))
        .routes(routes!(feed::events))
        .merge(imports)
        .split_for_parts()
}
