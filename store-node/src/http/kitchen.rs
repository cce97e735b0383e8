//! Routes of the kitchen, and its screen.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use percolate_common::domain::catalog::station::{Station, StationError};
use percolate_common::ids::PrepId;
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::{PathParams, QueryParams};
use percolate_runtime::http::page::html_page;
use percolate_runtime::http::problem::Problem;
use percolate_runtime::sqlite::WriteTx;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::error::refused;
use super::open_tickets::{line_ids, menu, ticket_id};
use super::pair::escaped;
use super::reads::read;
use super::sale_body::SaleBody;
use super::write_key::{WriteKey, request_key};
use super::writes::answered;
use crate::app::App;
use crate::app::error::AppError;
use crate::app::kitchen::{self, KitchenAnswer, PrepAnswer};
use crate::app::open_tickets::{self as tickets, OpenTicketAnswer};
use crate::app::staff::Shown;

const PAGE: &str = include_str!("../../web/kitchen.html");

/// The screen of a kitchen that was paired with the box. It shows what is to be prepared, and says what was made.
#[utoipa::path(get, path = "/kitchen", tag = "open", security(()), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html"),
))]
pub(super) async fn page(State(app): State<App>) -> Response {
    let page = PAGE.replace("{{zone}}", &escaped(app.calendar.zone_name()));
    html_page(&page.replace("{{shop}}", &escaped(&app.identity.described.name)), &*app.entropy)
}

/// Where something is prepared.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct KitchenQuery {
    /// At which station; at all if absent.
    #[param(example = "bar")]
    station: Option<String>,
}

/// What is to be prepared, the oldest first, and what was made last.
#[utoipa::path(get, path = "/v1/kitchen", tag = "kitchen", params(KitchenQuery), responses(
    (status = 200, description = "What is to be prepared", body = KitchenAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn look(
    State(app): State<App>,
    _actor: Actor,
    QueryParams(query): QueryParams<KitchenQuery>,
) -> Result<Json<KitchenAnswer>, Problem> {
    let station = query.station.map(|text| text.parse::<Station>()).transpose();
    let station = station.map_err(|error: StationError| refused("?station", "station_invalid", &error.to_string()))?;
    Ok(Json(read(&app, move |app, tx| kitchen::look(app, tx, station.as_ref())).await?))
}

/// In which turn somebody has seen a prep ticket.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SeenRequest {
    /// Its `turn`. If it has another one by now, nothing is done: look at the answer.
    turn: u32,
}

fn prep_id(text: &str) -> Result<PrepId, AppError> {
    text.parse().map_err(|_not_an_id| AppError::NotFound("prep ticket"))
}

/// It was made. Sent again, or by two screens at once, it is made once.
#[utoipa::path(post, path = "/v1/kitchen/{id}/bump", tag = "kitchen", request_body = SeenRequest,
    params(("id" = String, Path, description = "The prep ticket's id")), responses(
    (status = 200, description = "The prep ticket as it is now", body = PrepAnswer),
    (status = "4XX", description = "Refused, or there is none", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn bump(
    State(app): State<App>,
    _actor: Actor,
    PathParams(id): PathParams<String>,
    SaleBody(body): SaleBody<SeenRequest>,
) -> Result<Json<PrepAnswer>, Problem> {
    let (here, asked) = (app.clone(), (prep_id(&id)?, body.value.turn));
    let command = move |tx: &WriteTx<'_>| kitchen::bump(&here, tx, asked);
    Ok(Json(app.writer.run("bump", command).await?))
}

/// It was not made after all: it goes back to its place in the queue.
#[utoipa::path(post, path = "/v1/kitchen/{id}/recall", tag = "kitchen", request_body = SeenRequest,
    params(("id" = String, Path, description = "The prep ticket's id")), responses(
    (status = 200, description = "The prep ticket as it is now", body = PrepAnswer),
    (status = "4XX", description = "Refused, or there is none", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn recall(
    State(app): State<App>,
    _actor: Actor,
    PathParams(id): PathParams<String>,
    SaleBody(body): SaleBody<SeenRequest>,
) -> Result<Json<PrepAnswer>, Problem> {
    let (here, asked) = (app.clone(), (prep_id(&id)?, body.value.turn));
    let command = move |tx: &WriteTx<'_>| kitchen::recall(&here, tx, asked);
    Ok(Json(app.writer.run("recall", command).await?))
}

/// Lines that the kitchen is to have now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendRequest {
    /// Which, by their ids; all that were not sent if none are named. One of which nobody knows whether it was sent must be named.
    #[serde(default)]
    lines: Vec<String>,
}

/// Send lines of an open ticket to the kitchen. What was sent is sent no second time; what is not sent at the close is sent then.
#[utoipa::path(post, path = "/v1/open-tickets/{id}/send", tag = "open tickets", request_body = SendRequest,
    params(("id" = String, Path, description = "The ticket's id"),
        ("Idempotency-Key" = String, Header, description = "New for each change; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 201, description = "Sent", body = OpenTicketAnswer),
        (status = 200, description = "Was done before under this key", body = OpenTicketAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn send(
    State(app): State<App>,
    _actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<SendRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let (catalog, id) = (menu(&app)?, ticket_id(&id)?);
    let lines = line_ids(&body.value.lines)?;
    let here = app.clone();
    let command = move |tx: &WriteTx<'_>| tickets::send(&here, tx, &catalog, (id, &lines), &key, &shown);
    Ok(answered(app.writer.run("send_lines", command).await?, StatusCode::CREATED))
}
