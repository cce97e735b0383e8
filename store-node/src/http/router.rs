//! The route table.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Json, Router};
use percolate_common::entropy::Entropy;
use percolate_runtime::http::health::{self, Health};
use percolate_runtime::http::server::{BoundServer, harden};
use percolate_runtime::tasks::TaskGroup;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as OpenApiDocument;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::gate::Gate;
use super::table::Way;
use super::{
    card_payments, cash, feed, kitchen, menu, open, open_tickets, pair, prints, reads, refunds, staff, terminals, tips,
    writes,
};
use crate::app::App;

/// Largest body of an import, in bytes.
const IMPORT_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The name of the token in the description.
const TOKEN_SCHEME: &str = "token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Percolate store-node",
        description = "One shop. Send `Authorization: Bearer` with the token that the terminal was given when it was paired, or \
            on the box itself with the token of the data folder; and with writes an `Idempotency-Key`. Whoever has signed in at the \
            terminal is told by `Percolate-Staff`. Every error is a problem \
            document (RFC 9457) with a `code`.",
    ),
    paths(open::livez, open::readyz, open::metrics, open::openapi),
    security(("token" = []))
)]
struct Description;

/// Everything that the node serves to those who come by one way.
pub(crate) fn router((app, gate): (App, Gate), way: Way, health: Health, entropy: Arc<dyn Entropy>) -> Router {
    let (api, mut document) = routes();
    let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document.components.get_or_insert_default().add_security_scheme(TOKEN_SCHEME, scheme);
    let document = Arc::new(document);
    let description = Router::new().route("/openapi.json", get(move || async move { Json((*document).clone()) }));
    let all = api.with_state(app).merge(description).merge(health::router(health));
    harden(gate.before(all, way), entropy)
}

/// Serves until the node stops.
pub(crate) fn serve(tasks: &TaskGroup, name: &'static str, server: BoundServer, router: Router) {
    tasks.spawn(name, |stop| async move {
        if let Err(error) = server.serve(router, stop).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the {name} server failed");
        }
    });
}

/// What the shop may be asked, and its description.
pub(super) fn routes() -> (Router<App>, OpenApiDocument) {
    let imports = OpenApiRouter::new()
        .routes(routes!(writes::import_baskets))
        .layer(DefaultBodyLimit::max(IMPORT_BODY_BYTES_MAX));
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(reads::node))
        .routes(routes!(menu::catalog))
        .routes(routes!(menu::scan))
        .routes(routes!(writes::quote))
        .routes(routes!(reads::tickets, writes::sell_ticket))
        .routes(routes!(reads::ticket))
        .routes(routes!(refunds::refund_ticket))
        .routes(routes!(refunds::pay_out_owed))
        .routes(routes!(tips::adjust_tip))
        .routes(routes!(reads::stock))
        .routes(routes!(writes::move_stock))
        .routes(routes!(reads::business_day))
        .routes(routes!(reads::any_business_day))
        .routes(routes!(tips::day_tips))
        .routes(routes!(reads::audit))
        .routes(routes!(cash::drawers, cash::open_drawer))
        .routes(routes!(cash::move_cash))
        .routes(routes!(cash::close_drawer))
        .routes(routes!(cash::readings, cash::close_day))
        .routes(routes!(cash::current_reading))
        .routes(routes!(cash::reading))
        .routes(routes!(open_tickets::open_tickets, open_tickets::open))
        .routes(routes!(open_tickets::open_ticket))
        .routes(routes!(open_tickets::change))
        .routes(routes!(open_tickets::void))
        .routes(routes!(open_tickets::hand_over))
        .routes(routes!(open_tickets::divide))
        .routes(routes!(open_tickets::pay))
        .routes(routes!(open_tickets::close))
        .routes(routes!(open_tickets::abandon))
        .routes(routes!(kitchen::send))
        .routes(routes!(kitchen::look))
        .routes(routes!(kitchen::bump))
        .routes(routes!(kitchen::recall))
        .routes(routes!(kitchen::page))
        .routes(routes!(card_payments::payments, card_payments::pay))
        .routes(routes!(card_payments::payment))
        .routes(routes!(card_payments::reverse))
        .routes(routes!(card_payments::assign))
        .routes(routes!(prints::prints))
        .routes(routes!(prints::print_again))
        .routes(routes!(prints::print_refund_again))
        .routes(routes!(prints::print_reading_again))
        .routes(routes!(prints::retry))
        .routes(routes!(prints::cancel))
        .routes(routes!(feed::events))
        .routes(routes!(terminals::pair))
        .routes(routes!(terminals::redeem))
        .routes(routes!(terminals::terminals))
        .routes(routes!(terminals::revoke))
        .routes(routes!(staff::people))
        .routes(routes!(staff::sign_in))
        .routes(routes!(staff::current, staff::sign_out))
        .routes(routes!(staff::approve))
        .routes(routes!(pair::page))
        .routes(routes!(pair::root))
        .merge(imports)
        .split_for_parts()
}
