//! Routes of drawers and readings.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use percolate_common::domain::cash::decide::{Count, MoveCash};
use percolate_common::domain::cash::{CashMovementKind, CashReason, Denomination, ReadingNumber};
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::ids::{DrawerSessionId, StaffId};
use percolate_common::money::Minor;
use percolate_runtime::http::auth::{Actor, ActorKind};
use percolate_runtime::http::extract::{PathParams, QueryParams};
use percolate_runtime::http::problem::Problem;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::reads::read;
use super::sale_body::SaleBody;
use super::terminals::terminal_name;
use super::write_key::{WriteKey, request_key};
use super::writes::{answered, not_yours};
use crate::app::App;
use crate::app::drawers::{self, CashAnswer, DrawerAnswer};
use crate::app::error::AppError;
use crate::app::readings::{self, ClosedAnswer, CurrentAnswer, ReadingAnswer, UnmatchedAnswer};
use crate::app::staff::Shown;

/// Readings of a list.
const LIST_READINGS: u32 = 100;

/// A drawer to open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DrawerRequest {
    /// Name of the till.
    terminal: String,
    /// What is in it, counted.
    float_minor: i64,
    /// Who counted, by number.
    staff: Option<u32>,
}

fn drawer_id(text: &str) -> Result<DrawerSessionId, AppError> {
    text.parse().map_err(|_not_an_id| AppError::NotFound("drawer"))
}

/// Open a drawer with what somebody counted. A terminal has one at a time.
#[utoipa::path(post, path = "/v1/drawers", tag = "cash", request_body = DrawerRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each drawer; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 201, description = "Opened", body = DrawerAnswer),
        (status = 200, description = "Was opened before under this key", body = DrawerAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn open_drawer(
    State(app): State<App>,
    actor: Actor,
    shown: Shown,
    key: WriteKey,
    SaleBody(body): SaleBody<DrawerRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let DrawerRequest { terminal, float_minor, staff } = body.value;
    let terminal = terminal_name(&terminal, "/terminal")?;
    if actor.kind == ActorKind::Terminal && actor.name != terminal.to_string() {
        return Err(not_yours(&actor));
    }
    let (opening, float) = (app.clone(), (Minor::new(float_minor), staff.map(StaffId::new)));
    let open = move |tx: &WriteTx<'_>| drawers::open(&opening, tx, terminal, float, &key, &shown);
    let answer = app.writer.run("open_drawer", open).await?;
    Ok(answered(answer, StatusCode::CREATED))
}

/// Drawers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DrawersAnswer {
    /// By the moment at which they were opened.
    rows: Vec<DrawerAnswer>,
}

/// Drawers that are open, and those that were opened or counted on the present business day.
#[utoipa::path(get, path = "/v1/drawers", tag = "cash", responses(
    (status = 200, description = "The drawers", body = DrawersAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn drawers(State(app): State<App>, _actor: Actor) -> Result<Json<DrawersAnswer>, Problem> {
    Ok(Json(DrawersAnswer { rows: read(&app, drawers::list).await? }))
}

/// Which way cash moves.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CashWord {
    /// Put in.
    PayIn,
    /// Taken out and spent.
    PayOut,
    /// Taken to the safe.
    Drop,
    /// Opened without a sale: nothing moves.
    NoSale,
}

/// Why cash moves.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CashReasonWord {
    /// From the bank or to it.
    Bank,
    /// To have coins.
    Change,
    /// Bought for the shop.
    Supplies,
    /// A delivery is paid.
    Delivery,
    /// Tips are paid out.
    Tips,
    /// Something was booked wrongly before.
    Correction,
    /// Anything else.
    Other,
}

/// Cash to move.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CashRequest {
    /// Which way.
    kind: CashWord,
    /// How much; zero for `no_sale`.
    #[serde(default)]
    amount_minor: i64,
    /// Why.
    reason: CashReasonWord,
    /// Who, by number, if nobody has signed in.
    staff: Option<u32>,
    /// Who approved it, by number, where no approval is shown.
    approved_by: Option<u32>,
}

fn move_command(request: &CashRequest) -> MoveCash {
    let kind = match request.kind {
        CashWord::PayIn => CashMovementKind::PayIn,
        CashWord::PayOut => CashMovementKind::PayOut,
        CashWord::Drop => CashMovementKind::Drop,
        CashWord::NoSale => CashMovementKind::NoSale,
    };
    let reason = match request.reason {
        CashReasonWord::Bank => CashReason::Bank,
        CashReasonWord::Change => CashReason::Change,
        CashReasonWord::Supplies => CashReason::Supplies,
        CashReasonWord::Delivery => CashReason::Delivery,
        CashReasonWord::Tips => CashReason::Tips,
        CashReasonWord::Correction => CashReason::Correction,
        CashReasonWord::Other => CashReason::Other,
    };
    let (by, approval) = (request.staff.map(StaffId::new), request.approved_by.map(StaffId::new));
    MoveCash { kind, amount: Minor::new(request.amount_minor), reason, by, approval }
}

/// Put cash into a drawer, or take it out. More than should be there is taken out all the same, and marked.
#[utoipa::path(post, path = "/v1/drawers/{id}/movements", tag = "cash", request_body = CashRequest,
    params(("id" = String, Path, description = "The drawer's id"),
        ("Idempotency-Key" = String, Header, description = "New for each movement; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in"),
        ("Percolate-Approval" = Option<String>, Header,
            description = "An approval of `pay_out` or `no_sale`, where one is needed")),
    responses(
        (status = 201, description = "Booked", body = CashAnswer),
        (status = 200, description = "Was booked before under this key", body = CashAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn move_cash(
    State(app): State<App>,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<CashRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let (moved, moving) = ((drawer_id(&id)?, move_command(&body.value)), app.clone());
    let move_cash = move |tx: &WriteTx<'_>| drawers::move_cash(&moving, tx, moved, &key, &shown);
    let answer = app.writer.run("move_cash", move_cash).await?;
    Ok(answered(answer, StatusCode::CREATED))
}

/// So many coins or notes of one value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DenominationBody {
    /// What one is worth.
    value_minor: i64,
    /// How many.
    count: u32,
}

/// A count: either the sum, or coins and notes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CountRequest {
    /// The sum.
    counted_minor: Option<i64>,
    /// Coins and notes: up to 40 values.
    #[serde(default)]
    denominations: Vec<DenominationBody>,
    /// Who counted, by number.
    staff: Option<u32>,
}

/// Close a drawer by a count. Any count closes it; what should have been there is told in the answer, and not before.
#[utoipa::path(post, path = "/v1/drawers/{id}/close", tag = "cash", request_body = CountRequest,
    params(("id" = String, Path, description = "The drawer's id"),
        ("Idempotency-Key" = String, Header, description = "New for each count; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 201, description = "Closed", body = DrawerAnswer),
        (status = 200, description = "Was closed before under this key, or by this count", body = DrawerAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn close_drawer(
    State(app): State<App>,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<CountRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let CountRequest { counted_minor, denominations, staff } = body.value;
    let one = |one: DenominationBody| Denomination { value: Minor::new(one.value_minor), count: one.count };
    let denominations = denominations.into_iter().map(one).collect();
    let count = (Count { total: counted_minor.map(Minor::new), denominations }, staff.map(StaffId::new));
    let (session, closing) = (drawer_id(&id)?, app.clone());
    let close = move |tx: &WriteTx<'_>| drawers::close(&closing, tx, session, count, &key, &shown);
    let answer = app.writer.run("close_drawer", close).await?;
    Ok(answered(answer, StatusCode::CREATED))
}

/// What happened since the last closing reading (X). It is written nowhere.
#[utoipa::path(get, path = "/v1/readings/current", tag = "cash", responses(
    (status = 200, description = "The sums so far", body = CurrentAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn current_reading(State(app): State<App>, _actor: Actor) -> Result<Json<CurrentAnswer>, Problem> {
    Ok(Json(read(&app, readings::current).await?))
}

/// A day to close.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CloseRequest {
    /// Who closes it, by number.
    staff: Option<u32>,
}

/// Close the day (Z). Nothing has to be closed before: what is open is listed and goes on; what head office has not
/// acknowledged is listed and sent when it can be.
#[utoipa::path(post, path = "/v1/readings", tag = "cash", request_body = CloseRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each close; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in"),
        ("Percolate-Approval" = Option<String>, Header, description = "An approval of `close_day`, where one is needed")),
    responses(
        (status = 201, description = "Closed", body = ClosedAnswer),
        (status = 200, description = "Was closed before under this key", body = ClosedAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn close_day(
    State(app): State<App>,
    actor: Actor,
    shown: Shown,
    key: WriteKey,
    SaleBody(body): SaleBody<CloseRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let (by, closing) = (body.value.staff.map(StaffId::new), app.clone());
    // The box itself has no name of a till.
    let terminal: Option<TerminalName> = actor.name.parse().ok().filter(|_| actor.kind == ActorKind::Terminal);
    let close = move |tx: &WriteTx<'_>| readings::close(&closing, tx, (by, terminal.as_ref()), &key, &shown);
    let answer = app.writer.run("close_day", close).await?;
    Ok(answered(answer, StatusCode::CREATED))
}

/// Closing readings.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadingsAnswer {
    /// The newest first, at most 100.
    rows: Vec<ReadingAnswer>,
    /// Cards that no ticket counts now. They are part of no reading: a reading never changes.
    unmatched_cards: UnmatchedAnswer,
}

/// The latest closing readings.
#[utoipa::path(get, path = "/v1/readings", tag = "cash", responses(
    (status = 200, description = "The newest first", body = ReadingsAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn readings(State(app): State<App>, _actor: Actor) -> Result<Json<ReadingsAnswer>, Problem> {
    let list = |_: &App, tx: &ReadTx<'_>| {
        Ok(ReadingsAnswer { rows: readings::list(tx, LIST_READINGS)?, unmatched_cards: readings::unmatched(tx)? })
    };
    Ok(Json(read(&app, list).await?))
}

/// How a reading is written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadingQuery {
    /// `json` or `text`: lines of 42 columns for a printer. JSON if absent.
    format: Option<String>,
}

/// One closing reading. The same bytes for ever.
#[utoipa::path(get, path = "/v1/readings/{number}", tag = "cash",
    params(("number" = String, Path, description = "Its number, as in A-17"), ReadingQuery),
    responses(
        (status = 200, description = "The reading; as text if asked for",
            content((ReadingAnswer = "application/json"), (String = "text/plain"))),
        (status = "4XX", description = "Refused, or there is none", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn reading(
    State(app): State<App>,
    _actor: Actor,
    PathParams(number): PathParams<String>,
    QueryParams(query): QueryParams<ReadingQuery>,
) -> Result<Response, Problem> {
    let number: ReadingNumber = number.parse().map_err(|_none_of_ours| AppError::NotFound("reading"))?;
    match query.format.as_deref() {
        None | Some("json") => Ok(Json(read(&app, move |_, tx| readings::one(tx, &number)).await?).into_response()),
        Some("text") => {
            let text = read(&app, move |_, tx| readings::printed(tx, &number)).await?;
            Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
        }
        Some(other) => {
            let detail = format!("{other:?} is no format of readings: json and text are.");
            Err(Problem::new(StatusCode::BAD_REQUEST, "format_unknown", detail))
        }
    }
}
