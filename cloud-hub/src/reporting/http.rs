//! The routes of reporting.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use percolate_common::ids::{StoreId, TicketId};
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_runtime::http::extract::QueryParams;
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use tokio_stream::{Stream, StreamExt as _};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::completeness::{CompletenessMark, marks};
use super::live::Feed;
use super::reports::{self, Dimension, Question, ReportError, SalesReport, StockReport};
use super::store::{self, Span};
use super::{Reporting, export, live};
use crate::kernel::http::ServiceRouter;

/// Tickets of one page if nothing is said, and at most.
const PAGE_TICKETS: u32 = 100;
const PAGE_TICKETS_MAX: u32 = 1_000;

/// What the routes stand on.
#[derive(Debug, Clone)]
pub(super) struct ReportingState {
    pub(super) reporting: Reporting,
    pub(super) feed: Feed,
}

/// All routes under `/v1/reporting`.
pub(super) fn router(reporting: Reporting, feed: Feed) -> ServiceRouter {
    OpenApiRouter::new()
        .routes(routes!(sales))
        .routes(routes!(stock))
        .routes(routes!(tickets))
        .routes(routes!(stores))
        .routes(routes!(live_feed))
        .with_state(ReportingState { reporting, feed })
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
                StatusCode::UNPROCESSABLE_ENTITY,
                "mixed_currencies",
                "The stores sell in several currencies, which cannot be added up. Ask for one store.",
            ),
            ReportError::Storage(source) => {
                tracing::error!(error = &source as &dyn std::error::Error, "a report could not be read");
                Self::internal()
            }
        }
    }
}

fn refused(parameter: &str, code: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail.clone()).with_error(
        format!("?{parameter}"),
        code,
        detail,
    )
}

fn day(parameter: &str, text: Option<&str>) -> Result<Option<BusinessDay>, Problem> {
    let parse = |text: &str| text.parse().map_err(|error| refused(parameter, "date_invalid", format!("{error}.")));
    text.map(parse).transpose()
}

fn store_number(text: Option<&str>) -> Result<Option<StoreId>, Problem> {
    let parse = |text: &str| match text.parse::<StoreId>() {
        Ok(store) if store != StoreId::CHAIN => Ok(store),
        Ok(_) | Err(_) => {
            Err(refused("store", "store_invalid", format!("{text:?} is not a store number: 1 or more is expected.")))
        }
    };
    text.map(parse).transpose()
}

fn span(from: Option<&str>, to: Option<&str>) -> Result<(Option<BusinessDay>, Option<BusinessDay>), Problem> {
    let (from, to) = (day("from", from)?, day("to", to)?);
    if let (Some(first), Some(last)) = (from, to)
        && first > last
    {
        return Err(refused(
            "to",
            "date_range_reversed",
            format!("{last} is before {first}: give the earlier day as from."),
        ));
    }
    Ok((from, to))
}

/// What a sales report is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SalesQuery {
    /// `store`, `day`, `month`, `hour`, `item` or `category`.
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

fn dimension(text: &str) -> Result<Dimension, Problem> {
    Ok(match text {
        "store" => Dimension::Store,
        "day" => Dimension::Day,
        "month" => Dimension::Month,
        "hour" => Dimension::Hour,
        "item" => Dimension::Item,
        "category" => Dimension::Category,
        other => {
            let detail = format!(
                "Sales cannot be reported by {other:?}: by store, day, month, hour, item or category they can."
            );
            return Err(refused("by", "report_dimension_unknown", detail));
        }
    })
}

/// Sales by store, day, month, hour, item or category.
#[utoipa::path(get, path = "/v1/reporting/sales", params(SalesQuery), tag = "reporting", responses(
    (status = 200, description = "The report; as CSV if asked for", body = SalesReport),
    (status = "4XX", description = "The question cannot be answered", body = Problem, content_type = "application/problem+json"),
))]
async fn sales(
    State(state): State<ReportingState>,
    QueryParams(query): QueryParams<SalesQuery>,
) -> Result<Response, Problem> {
    let (from, to) = span(query.from.as_deref(), query.to.as_deref())?;
    let by = dimension(&query.by)?;
    let question = Question { by, store: store_number(query.store.as_deref())?, from, to };
    let csv = match query.format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(other) => {
            return Err(refused(
                "format",
                "format_unknown",
                format!("{other:?} is no format of reports: json and csv are."),
            ));
        }
    };
    let report = state.reporting.read(move |tx, known| reports::sales(tx, known, question)).await?;
    if !csv {
        return Ok(Json(report).into_response());
    }
    let file = format!("attachment; filename=\"sales-by-{}.csv\"", query.by);
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, file)];
    Ok((headers, export::sales(&report)).into_response())
}

/// Which stock is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StockQuery {
    /// One store; all if absent.
    store: Option<String>,
}

/// Stock on hand by store.
#[utoipa::path(get, path = "/v1/reporting/stock", params(StockQuery), tag = "reporting", responses(
    (status = 200, description = "The report", body = StockReport),
    (status = "4XX", description = "The question cannot be answered", body = Problem, content_type = "application/problem+json"),
))]
async fn stock(
    State(state): State<ReportingState>,
    QueryParams(query): QueryParams<StockQuery>,
) -> Result<Json<StockReport>, Problem> {
    let only = store_number(query.store.as_deref())?;
    let (report, diverged) = state.reporting.read(move |tx, known| reports::stock(tx, known, only)).await?;
    metrics::gauge!("hub_stock_divergence").set(f64::from(diverged));
    Ok(Json(report))
}

/// Which tickets are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketsQuery {
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
pub(super) struct TicketLine {
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
pub(super) struct TicketPage {
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
        refused(
            "after",
            "cursor_invalid",
            "The cursor is not one of ours: give the next of the page before.".to_owned(),
        )
    })
}

/// The tickets behind a figure.
#[utoipa::path(get, path = "/v1/reporting/tickets", params(TicketsQuery), tag = "reporting", responses(
    (status = 200, description = "A page of tickets", body = TicketPage),
    (status = "4XX", description = "The question cannot be answered", body = Problem, content_type = "application/problem+json"),
))]
async fn tickets(
    State(state): State<ReportingState>,
    QueryParams(query): QueryParams<TicketsQuery>,
) -> Result<Json<TicketPage>, Problem> {
    let store = store_number(Some(&query.store))?.unwrap_or(StoreId::CHAIN);
    let day = day("day", query.day.as_deref())?;
    let after = cursor(query.after.as_deref())?;
    let limit = query.limit.unwrap_or(PAGE_TICKETS).clamp(1, PAGE_TICKETS_MAX);
    let span = day.map_or_else(Span::default, |day| Span { from: day, to: day });
    let (rows, completeness) = state
        .reporting
        .read(move |tx, known| {
            let completeness = marks(tx, known, Some(store))?;
            reports::known_store(&completeness, Some(store))?;
            Ok::<_, ReportError>((store::ticket_list(tx, store, span, after, limit)?, completeness))
        })
        .await?;
    let full = u32::try_from(rows.len()).is_ok_and(|count| count == limit);
    let last = rows.last().filter(|_| full);
    let next = last.map(|row| format!("{}_{}_{}", row.day.days(), row.at.get(), row.id));
    let line = |row: store::ListedTicket| TicketLine {
        ticket_id: row.id.to_string(),
        receipt: row.receipt,
        business_day: row.day.to_string(),
        at_ms: row.at.get(),
        sums: row.measures.into(),
    };
    Ok(Json(TicketPage { tickets: rows.into_iter().map(line).collect(), next, completeness }))
}

/// The day so far, once.
#[utoipa::path(get, path = "/v1/reporting/stores", tag = "reporting", responses(
    (status = 200, description = "The chain as it trades", body = live::Tick),
    (status = "4XX", description = "The question cannot be answered", body = Problem, content_type = "application/problem+json"),
))]
async fn stores(State(state): State<ReportingState>) -> Result<Json<live::Tick>, Problem> {
    Ok(Json(state.feed.picture().await?))
}

/// The day so far, again and again: server-sent events named `tick`.
#[utoipa::path(get, path = "/v1/reporting/live", tag = "reporting", responses(
    (status = 200, description = "Events named `tick`", body = live::Tick, content_type = "text/event-stream"),
    (status = "4XX", description = "The question cannot be answered", body = Problem, content_type = "application/problem+json"),
))]
async fn live_feed(
    State(state): State<ReportingState>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let pictures = state.feed.pictures().await?;
    let events = pictures.map(|picture| Ok(Event::default().event("tick").data(picture)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(live::TICK_MAX)))
}
