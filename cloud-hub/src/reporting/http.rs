//! The routes of reporting: all of them only read.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use percolate_common::ids::{StoreId, TicketId};
use percolate_common::time::{BusinessDay, Clock, UtcMillis};
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::{JsonBody, PathParams, QueryParams};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt as _};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::closings::{self, ClosingsReport};
use super::completeness::{CompletenessMark, marks};
use super::differences::{self, DifferencesReport, SettleError};
use super::live::{Feed, TICK_MAX, Tick};
use super::reports::{self, Dimension, Question, ReportError, SalesReport, StockReport};
use super::store::books::{Settlement, Which};
use super::store::{self, Span};
use super::{Reporting, export};
use crate::kernel::http::{Refused, ServiceRouter};
use crate::kernel::problem::storage_problem;

/// Tickets of one page if nothing is said.
const PAGE_TICKETS: u32 = 100;
/// Tickets of one page at most.
const PAGE_TICKETS_MAX: u32 = 1_000;

/// What the routes stand on.
#[derive(Clone)]
struct ReportingState {
    reporting: Reporting,
    feed: Feed,
    clock: Arc<dyn Clock>,
}

/// All routes under `/v1/reporting`.
pub(super) fn router(reporting: Reporting, feed: Feed, clock: Arc<dyn Clock>) -> ServiceRouter {
    OpenApiRouter::new()
        .routes(routes!(sales))
        .routes(routes!(stock))
        .routes(routes!(tickets))
        .routes(routes!(closings))
        .routes(routes!(differences))
        .routes(routes!(settle))
        .routes(routes!(stores))
        .routes(routes!(live))
        .with_state(ReportingState { reporting, feed, clock })
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::StoreUnknown(store) => Self::new(
                StatusCode::NOT_FOUND,
                "store_unknown",
                format!("Store {store} has never been heard of. GET /v1/reporting/stores lists the stores."),
            ),
            ReportError::MixedCurrencies => Self::new(
                StatusCode::CONFLICT,
                "mixed_currencies",
                "The stores sell in several currencies, which cannot be added up. Ask for one store.",
            ),
            ReportError::Storage(source) => storage_problem(&source),
            ReportError::Sum(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a report could not be added up");
                Self::internal()
            }
        }
    }
}

fn refused(parameter: &str, code: &'static str, detail: impl Into<String>) -> Problem {
    let detail = detail.into();
    Problem::new(StatusCode::BAD_REQUEST, code, detail.clone()).with_error(format!("?{parameter}"), code, detail)
}

fn day(parameter: &str, text: Option<&str>) -> Result<Option<BusinessDay>, Problem> {
    let parse = |text: &str| text.parse().map_err(|error| refused(parameter, "date_invalid", format!("{error}.")));
    text.map(parse).transpose()
}

fn store_number(text: &str) -> Result<StoreId, Problem> {
    text.parse().ok().filter(|store| *store != StoreId::CHAIN).ok_or_else(|| {
        refused("store", "store_invalid", format!("{text:?} is not a store number: 1 or more is expected."))
    })
}

fn days(from: Option<&str>, to: Option<&str>) -> Result<(Option<BusinessDay>, Option<BusinessDay>), Problem> {
    let (from, to) = (day("from", from)?, day("to", to)?);
    match (from, to) {
        (Some(first), Some(last)) if first > last => Err(refused(
            "to",
            "date_range_reversed",
            format!("{last} is before {first}: give the earlier day as from."),
        )),
        (from, to) => Ok((from, to)),
    }
}

fn dimension(text: &str) -> Result<Dimension, Problem> {
    Ok(match text {
        "store" => Dimension::Store,
        "day" => Dimension::Day,
        "month" => Dimension::Month,
        "hour" => Dimension::Hour,
        "item" => Dimension::Item,
        "category" => Dimension::Category,
        "tender" => Dimension::Tender,
        "person" => Dimension::Person,
        "tax" => Dimension::Tax,
        "tip" => Dimension::Tip,
        "house_account" => Dimension::HouseAccount,
        other => {
            return Err(refused(
                "by",
                "report_dimension_unknown",
                format!(
                    "There is no report by {other:?}: ask for by=store, day, month, hour, item, category, tender, \
                     person, tax, tip or house_account."
                ),
            ));
        }
    })
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

fn format_of(text: Option<&str>) -> Result<Format, Problem> {
    match text {
        None | Some("json") => Ok(Format::Json),
        Some("csv") => Ok(Format::Csv),
        Some(other) => {
            Err(refused("format", "format_unknown", format!("{other:?} is no format of reports: json and csv are.")))
        }
    }
}

fn csv(name: &str, text: String) -> Response {
    let file = format!("attachment; filename=\"{name}.csv\"");
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, file)];
    (headers, text).into_response()
}

/// What a sales report is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct SalesQuery {
    /// `store`, `day`, `month`, `hour`, `item`, `category`, `tender`, `person`, `tax`, `tip` or `house_account`.
    by: String,
    /// One store; all if absent.
    store: Option<String>,
    /// First business day, YYYY-MM-DD; from the beginning if absent.
    from: Option<String>,
    /// Last business day, YYYY-MM-DD; to the end if absent.
    to: Option<String>,
    /// `json` or `csv`; JSON if absent.
    format: Option<String>,
}

/// Sales by store, day, month, hour, item, category, means of payment, person or tax class; tips by person; house accounts.
#[utoipa::path(get, path = "/v1/reporting/sales", params(SalesQuery), tag = "reporting", security(("token" = [])),
    responses(
    (status = 200, description = "The report; as CSV if asked for",
     content((SalesReport = "application/json"), (String = "text/csv"))),
    Refused,
))]
async fn sales(
    _actor: Actor,
    State(state): State<ReportingState>,
    QueryParams(query): QueryParams<SalesQuery>,
) -> Result<Response, Problem> {
    let by = dimension(&query.by)?;
    let store = query.store.as_deref().map(store_number).transpose()?;
    let (from, to) = days(query.from.as_deref(), query.to.as_deref())?;
    let format = format_of(query.format.as_deref())?;
    let question = Question { by, store, from, to };
    let report = state.reporting.read(move |tx, known| reports::sales(tx, known, question)).await?;
    Ok(match format {
        Format::Json => Json(report).into_response(),
        Format::Csv => csv(&format!("sales-by-{}", query.by), export::sales(&report)),
    })
}

/// Which stock is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct StockQuery {
    /// One store; all if absent.
    store: Option<String>,
    /// `json` or `csv`; JSON if absent.
    format: Option<String>,
}

/// Stock on hand by store.
#[utoipa::path(get, path = "/v1/reporting/stock", params(StockQuery), tag = "reporting", security(("token" = [])),
    responses(
    (status = 200, description = "The report; as CSV if asked for",
     content((StockReport = "application/json"), (String = "text/csv"))),
    Refused,
))]
async fn stock(
    _actor: Actor,
    State(state): State<ReportingState>,
    QueryParams(query): QueryParams<StockQuery>,
) -> Result<Response, Problem> {
    let only = query.store.as_deref().map(store_number).transpose()?;
    let format = format_of(query.format.as_deref())?;
    let report = state.reporting.read(move |tx, known| reports::stock(tx, known, only)).await?;
    Ok(match format {
        Format::Json => Json(report).into_response(),
        Format::Csv => csv("stock", export::stock(&report)),
    })
}

/// Which tickets are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TicketsQuery {
    /// Store number.
    store: String,
    /// One business day, YYYY-MM-DD; all if absent.
    day: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// 1 to 1000; 100 if absent.
    limit: Option<u32>,
}

/// One ticket of the list.
#[derive(Debug, Serialize, ToSchema)]
struct TicketLine {
    /// Its id.
    ticket_id: String,
    /// Its receipt number; none if it was brought in from another system.
    receipt: Option<String>,
    /// Its business day.
    business_day: String,
    /// When it was paid, UTC milliseconds.
    at_ms: i64,
    /// Its sums.
    #[serde(flatten)]
    sums: reports::SalesSums,
}

/// A page of tickets.
#[derive(Debug, Serialize, ToSchema)]
struct TicketPage {
    /// Oldest first.
    tickets: Vec<TicketLine>,
    /// Give this as `after` for the next page; absent on the last.
    next: Option<String>,
    /// How complete the list is.
    completeness: Vec<CompletenessMark>,
}

type Cursor = (BusinessDay, UtcMillis, Vec<u8>);

fn cursor(text: Option<&str>) -> Result<Cursor, Problem> {
    let Some(text) = text else { return Ok((BusinessDay::from_days(i32::MIN), UtcMillis::new(i64::MIN), Vec::new())) };
    let parse = || {
        let mut parts = text.splitn(3, '_');
        let day = parts.next()?.parse().ok()?;
        let at = parts.next()?.parse().ok()?;
        let id: TicketId = parts.next()?.parse().ok()?;
        Some((BusinessDay::from_days(day), UtcMillis::new(at), id.to_bytes().to_vec()))
    };
    parse().ok_or_else(|| {
        refused("after", "cursor_invalid", "The cursor is not one of ours: give the next of the page before.")
    })
}

fn page_limit(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(PAGE_TICKETS);
    if (1..=PAGE_TICKETS_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(refused("limit", "limit_out_of_range", format!("Ask for 1 to {PAGE_TICKETS_MAX} tickets, not for {limit}.")))
}

/// A page from one ticket more than it holds, if there are so many.
fn page(mut rows: Vec<store::ListedTicket>, limit: u32, completeness: Vec<CompletenessMark>) -> TicketPage {
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > shown;
    rows.truncate(shown);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| format!("{}_{}_{}", row.day.days(), row.at.get(), row.id));
    let line = |row: store::ListedTicket| TicketLine {
        ticket_id: row.id.to_string(),
        receipt: row.receipt,
        business_day: row.day.to_string(),
        at_ms: row.at.get(),
        sums: row.measures.into(),
    };
    TicketPage { tickets: rows.into_iter().map(line).collect(), next, completeness }
}

/// The tickets behind a figure.
#[utoipa::path(get, path = "/v1/reporting/tickets", params(TicketsQuery), tag = "reporting", security(("token" = [])),
    responses(
    (status = 200, description = "A page of tickets", body = TicketPage),
    Refused,
))]
async fn tickets(
    _actor: Actor,
    State(state): State<ReportingState>,
    QueryParams(query): QueryParams<TicketsQuery>,
) -> Result<Json<TicketPage>, Problem> {
    let store = store_number(&query.store)?;
    let day = day("day", query.day.as_deref())?;
    let after = cursor(query.after.as_deref())?;
    let limit = page_limit(query.limit)?;
    let span = day.map_or_else(Span::default, |day| Span { from: day, to: day });
    let read = state.reporting.read(move |tx, known| {
        let completeness = marks(tx, known, Some(store))?;
        reports::known_store(&completeness, Some(store))?;
        Ok((store::ticket_list(tx, store, span, after, limit.saturating_add(1))?, completeness))
    });
    let (rows, completeness) = read.await?;
    Ok(Json(page(rows, limit, completeness)))
}

/// Of which days something is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DaysQuery {
    /// One store; all if absent.
    store: Option<String>,
    /// First business day, YYYY-MM-DD; from the beginning if absent.
    from: Option<String>,
    /// Last business day, YYYY-MM-DD; to the end if absent.
    to: Option<String>,
}

/// How shops closed their days: each closing reading as it was made, and whether reporting comes to the same.
#[utoipa::path(get, path = "/v1/reporting/closings", params(DaysQuery), tag = "reporting", security(("token" = [])),
    responses(
    (status = 200, description = "The latest 1000 readings, newest first", body = ClosingsReport),
    Refused,
))]
async fn closings(
    _actor: Actor,
    State(state): State<ReportingState>,
    QueryParams(query): QueryParams<DaysQuery>,
) -> Result<Json<ClosingsReport>, Problem> {
    let (store, span) = store_and_days(&query)?;
    Ok(Json(state.reporting.read(move |tx, known| closings::report(tx, known, store, span)).await?))
}

fn store_and_days(query: &DaysQuery) -> Result<(Option<StoreId>, Span), Problem> {
    let store = query.store.as_deref().map(store_number).transpose()?;
    let (from, to) = days(query.from.as_deref(), query.to.as_deref())?;
    let whole = Span::default();
    Ok((store, Span { from: from.unwrap_or(whole.from), to: to.unwrap_or(whole.to) }))
}

/// Which differences are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DifferencesQuery {
    /// One store; all if absent.
    store: Option<String>,
    /// First business day, YYYY-MM-DD; from the beginning if absent.
    from: Option<String>,
    /// Last business day, YYYY-MM-DD; to the end if absent.
    to: Option<String>,
    /// Only those that nobody has settled.
    #[serde(default)]
    open: bool,
}

/// The books: what of tickets did not come out the same when they were computed again, and which clocks were wrong.
#[utoipa::path(get, path = "/v1/reporting/differences", params(DifferencesQuery), tag = "reporting", security(("token" = [])),
    responses(
    (status = 200, description = "The first 1000 differences, oldest first", body = DifferencesReport),
    Refused,
))]
async fn differences(
    _actor: Actor,
    State(state): State<ReportingState>,
    QueryParams(DifferencesQuery { store, from, to, open }): QueryParams<DifferencesQuery>,
) -> Result<Json<DifferencesReport>, Problem> {
    let place = store_and_days(&DaysQuery { store, from, to })?;
    let which = if open { Which::Open } else { Which::All };
    Ok(Json(state.reporting.read(move |tx, known| differences::report(tx, known, place, which)).await?))
}

/// What is decided about the differences of a ticket.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettlementBody {
    /// Why they are there, and what became of it: 1 to 500 characters.
    reason: String,
}

/// What was settled.
#[derive(Debug, Serialize, ToSchema)]
struct Settled {
    /// Differences of the ticket that were open.
    differences: usize,
}

/// Characters of a reason.
const REASON_CHARS_MAX: usize = 500;

impl From<SettleError> for Problem {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::NothingDiffers(ticket) => Self::new(
                StatusCode::NOT_FOUND,
                "difference_unknown",
                format!("Ticket {ticket} has no differences. GET /v1/reporting/differences lists those that have."),
            ),
            SettleError::SettledBefore(ticket) => Self::new(
                StatusCode::CONFLICT,
                "difference_settled",
                format!("All differences of ticket {ticket} were settled before; what was decided stands."),
            ),
            SettleError::Storage(source) => storage_problem(&source),
        }
    }
}

/// Settles the differences of a ticket as they stand: they are known, and why. No figure and no ticket is changed by it.
#[utoipa::path(post, path = "/v1/reporting/differences/{ticket}/settlements", tag = "reporting",
    security(("token" = [])), request_body = SettlementBody, params(("ticket" = String, Path, description = "The ticket's id")),
    responses((status = 201, description = "They are settled", body = Settled), Refused))]
async fn settle(
    actor: Actor,
    State(state): State<ReportingState>,
    PathParams(ticket): PathParams<String>,
    body: JsonBody<SettlementBody>,
) -> Result<(StatusCode, Json<Settled>), Problem> {
    let ticket: TicketId = ticket.parse().map_err(|_malformed| {
        Problem::new(StatusCode::NOT_FOUND, "difference_unknown", "This is no id of a ticket of ours.")
    })?;
    let reason = body.value.reason.trim().to_owned();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
        let said = format!("Say why in 1 to {REASON_CHARS_MAX} characters, in one line.");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "reason_invalid", said).with_error(
            "/reason",
            "reason_invalid",
            "A reason is expected.",
        ));
    }
    let settlement = Settlement { who: actor.name, at: state.clock.now(), reason };
    let settled = state.reporting.db.write("difference_settle", move |tx| differences::settle(tx, ticket, &settlement));
    Ok((StatusCode::CREATED, Json(Settled { differences: settled.await? })))
}

/// The day so far, once.
#[utoipa::path(get, path = "/v1/reporting/stores", tag = "reporting", security(("token" = [])), responses(
    (status = 200, description = "The chain as it trades", body = Tick),
    Refused,
))]
async fn stores(_actor: Actor, State(state): State<ReportingState>) -> Result<Json<Tick>, Problem> {
    Ok(Json(state.feed.tick().await?))
}

/// The day so far, again and again: server-sent events named `tick`, on change and every 15 seconds.
#[utoipa::path(get, path = "/v1/reporting/live", tag = "reporting", security(("token" = [])), responses(
    (status = 200, description = "Events named `tick`", body = Tick, content_type = "text/event-stream"),
    Refused,
))]
async fn live(
    _actor: Actor,
    State(state): State<ReportingState>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    // Whoever follows before the first picture is made misses none after it.
    let later = WatchStream::from_changes(state.feed.follow());
    let first = Arc::new(state.feed.tick().await?);
    let events = tokio_stream::once(Some(first)).chain(later).filter_map(|tick| {
        let data = serde_json::to_string(tick?.as_ref()).ok()?;
        Some(Ok(Event::default().event("tick").data(data)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(TICK_MAX)))
}
