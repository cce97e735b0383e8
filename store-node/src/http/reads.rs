//! Routes that read.

use axum::Json;
use axum::extract::State;
use percolate_common::ids::TicketId;
use percolate_common::journal::{JournalId, StreamKind};
use percolate_common::time::{BusinessDay, UtcMillis};
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::{PathParams, QueryParams};
use percolate_runtime::http::problem::Problem;
use percolate_runtime::sqlite::ReadTx;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::refused;
use super::hub_answer::{HubAnswer, UnreadAnswer};
use crate::app::audit::{self, AuditAnswer};
use crate::app::error::AppError;
use crate::app::outage::unsent;
use crate::app::present::ParkedThere;
use crate::app::prints::{self, PrinterAnswer};
use crate::app::reports::OneTicket;
use crate::app::reports::{self, DayAnswer, StockRow};
use crate::app::ticket_answer::TicketAnswer;
use crate::app::{App, Enrolment, Halted};
use crate::guard::GuardState;
use crate::store::lives::{self, Life};
use crate::store::{journal, repair};

/// Tickets of one page if nothing is said, and at most.
const PAGE_TICKETS: u32 = 100;
const PAGE_TICKETS_MAX: u32 = 1_000;

pub(super) async fn read<T: Send + 'static>(
    app: &App,
    f: impl FnOnce(&App, &ReadTx<'_>) -> Result<T, AppError> + Send + 'static,
) -> Result<T, Problem> {
    let reading = app.clone();
    Ok(app.readers.read_async(move |tx| f(&reading, tx)).await?)
}

/// Who this node is, and how far the hub has got with it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeAnswer {
    /// Node number.
    node: u32,
    /// Its store.
    store: StoreAnswer,
    /// Life of its database, 16 hexadecimal digits.
    incarnation: String,
    /// The same life, and how it began.
    life: LifeAnswer,
    /// Version of its program.
    #[schema(value_type = String)]
    version: &'static str,
    /// The hash (BLAKE3) of the description that it read at its start, 64 hexadecimal digits; null on a box that no bundle has
    /// made.
    plan: Option<String>,
    /// The menu that it sells; none before one has come.
    catalog_revision: Option<u32>,
    /// `up`, `down`, `refused`, or `not_enrolled` while it has no certificate and tries none.
    #[schema(value_type = String)]
    link: &'static str,
    /// How the shop stands to head office: in an outage its cause, and what waits to be sent.
    hub: HubAnswer,
    /// The hub's clock less its own, once compared.
    clock_skew_ms: Option<i64>,
    /// Its journals.
    streams: Vec<StreamAnswer>,
    /// What head office holds of its journals and cannot read yet, because its program is older than this one. Nothing is
    /// lost by that; it counts once head office is updated.
    parked: Vec<ParkedAnswer>,
    /// What it holds of head office's journals and cannot read, because its own program is older.
    unread: Vec<UnreadAnswer>,
    /// How far the repair of a fork is, while there is one; it goes on selling.
    repair: Option<RepairAnswer>,
    /// Why it has stopped sending, if it has; it goes on selling.
    halted: Option<Halted>,
    /// The file of `--guard` and whether it is kept; null without one. It sells on in any case.
    guard: Option<GuardState>,
    /// The certificate by which head office knows it; null on a box that no bundle has made. It sells on in any case.
    identity: Option<Enrolment>,
    /// Where terminals of the shop's network are served; null where they are not. It sells on the box in any case.
    https: Option<HttpsAnswer>,
    /// How it stands with its printers.
    printers: Vec<PrinterAnswer>,
}

/// How it stands with the server for the shop's network.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HttpsAnswer {
    /// `serves`, `waits_for_certificate`, `expired`, or `address_taken` where it could not listen.
    #[schema(value_type = String)]
    state: &'static str,
    /// Where it listens, as HOST:PORT.
    address: Option<String>,
    /// Where terminals are told to come, the first name first.
    urls: Vec<String>,
    /// The last instant at which the certificate holds that terminals are shown, UTC milliseconds; null without one.
    not_after_ms: Option<i64>,
}

fn https(app: &App) -> Option<HttpsAnswer> {
    let lan = app.present.lan().filter(|lan| lan.is_taken || lan.address.is_some())?;
    let until = app.present.lan_until();
    let state = match until {
        _ if lan.is_taken => "address_taken",
        None => "waits_for_certificate",
        Some(until) if until < app.clock.now() => "expired",
        Some(_) => "serves",
    };
    Some(HttpsAnswer {
        state,
        address: lan.address.map(|address| address.to_string()),
        urls: lan.urls.clone(),
        not_after_ms: until.map(UtcMillis::get),
    })
}

/// A life of the node's database: another one begins where two boxes might otherwise write the same journal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LifeAnswer {
    /// Which, 16 hexadecimal digits.
    incarnation: String,
    /// Why it began: `new`, `moved`, `restored`, `operator`, `forked` or `fenced`.
    reason: String,
    /// When it began, UTC milliseconds.
    since_ms: i64,
}

/// Entries of one journal that the hub cannot read yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ParkedAnswer {
    /// Life of the journal, 16 hexadecimal digits.
    incarnation: String,
    /// Which.
    #[schema(value_type = String)]
    stream: &'static str,
    /// How many.
    count: u64,
    /// The sequence numbers of the latest, at most 32.
    latest: Vec<u64>,
}

impl ParkedAnswer {
    fn new((journal, there): (JournalId, ParkedThere)) -> Self {
        Self {
            incarnation: journal.incarnation.to_string(),
            stream: journal.stream.as_str(),
            count: there.count,
            latest: there.latest.into_iter().collect(),
        }
    }
}

/// The hub held another past of this node's disk: what it lacked is written again in the present life.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RepairAnswer {
    /// Entries that are still to be written again.
    left: u64,
}

/// A store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoreAnswer {
    /// Store number.
    id: u32,
    /// What people call it.
    name: String,
    /// IANA zone.
    zone: String,
    /// Hour at which its trading day ends.
    cutover_hour: u8,
    /// What it sells in.
    currency: String,
}

/// One of the node's journals.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamAnswer {
    /// Which.
    #[schema(value_type = String)]
    stream: &'static str,
    /// Its last entry.
    last_seq: u64,
    /// The chain hash there, 64 hexadecimal digits.
    head: String,
    /// The last entry that the hub has committed.
    acked_seq: u64,
    /// When the oldest entry that it has not committed was recorded, UTC milliseconds.
    oldest_unacked_at_ms: Option<i64>,
}

fn stream_answer(app: &App, tx: &ReadTx<'_>, life: Life, stream: StreamKind) -> Result<StreamAnswer, AppError> {
    let head = journal::head_fetch(tx, life, &app.journal(life, stream))?;
    let acked_seq = journal::acked_fetch(tx, life, stream)?;
    let oldest =
        if acked_seq < head.seq { journal::entry_fetch(tx, life.number, stream, acked_seq + 1)? } else { None };
    let recorded = oldest.and_then(|bytes| percolate_common::wire::event::decode(&bytes).ok());
    Ok(StreamAnswer {
        stream: stream.as_str(),
        last_seq: head.seq,
        head: head.hash.to_string(),
        acked_seq,
        oldest_unacked_at_ms: recorded.map(|recorded| recorded.header.hlc.millis().get()),
    })
}

/// Who this node is, and how far the hub has got with it.
#[utoipa::path(get, path = "/v1/node", tag = "node", responses(
    (status = 200, description = "The node", body = NodeAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn node(State(app): State<App>, _actor: Actor) -> Result<Json<NodeAnswer>, Problem> {
    let (life, streams, left, (printers, unsent)) = read(&app, |app, tx| {
        let present = lives::present(tx)?;
        let lives::Beginning { reason, since_ms, .. } = lives::beginning(tx, present)?;
        let life = LifeAnswer { incarnation: present.incarnation.to_string(), reason, since_ms };
        let streams = StreamKind::UP.into_iter().map(|stream| stream_answer(app, tx, present, stream));
        let beside = (prints::standings(app, tx)?, unsent(app, tx)?);
        Ok((life, streams.collect::<Result<Vec<_>, _>>()?, repair::left(tx)?, beside))
    })
    .await?;
    let described = &app.identity.described;
    Ok(Json(NodeAnswer {
        node: app.identity.node.get(),
        store: StoreAnswer {
            id: app.identity.store.get(),
            name: described.name.clone(),
            zone: described.zone.clone(),
            cutover_hour: described.cutover_hour,
            currency: described.currency.to_string(),
        },
        incarnation: life.incarnation.clone(),
        life,
        version: env!("CARGO_PKG_VERSION"),
        plan: app.identity.plan.clone(),
        catalog_revision: app.present.catalog().map(|catalog| catalog.revision.number),
        link: app.present.link().as_str(),
        hub: HubAnswer::new(&app, &unsent),
        clock_skew_ms: app.present.skew_ms(),
        streams,
        parked: app.present.parked().into_iter().map(ParkedAnswer::new).collect(),
        unread: UnreadAnswer::all(&app),
        repair: (left > 0).then_some(RepairAnswer { left }),
        halted: app.present.halted(),
        guard: app.present.guard(),
        identity: app.present.enrolment(),
        https: https(&app),
        printers,
    }))
}

/// Which tickets are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketsQuery {
    /// One business day, YYYY-MM-DD; all if absent.
    day: Option<String>,
    /// The `next` of the page before.
    after: Option<u64>,
    /// 1 to 1000; 100 if absent.
    limit: Option<u32>,
}

/// A page of tickets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TicketPage {
    /// Oldest first.
    tickets: Vec<TicketAnswer>,
    /// Give this as `after` for the next page; absent on the last.
    next: Option<u64>,
}

pub(super) fn parse_day(text: &str, pointer: &str) -> Result<BusinessDay, Problem> {
    text.parse()
        .map_err(|error: percolate_common::time::DayParseError| refused(pointer, "date_invalid", &error.to_string()))
}

/// Tickets, oldest first.
#[utoipa::path(get, path = "/v1/tickets", tag = "tickets", params(TicketsQuery), responses(
    (status = 200, description = "A page of tickets", body = TicketPage),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn tickets(
    State(app): State<App>,
    _actor: Actor,
    QueryParams(query): QueryParams<TicketsQuery>,
) -> Result<Json<TicketPage>, Problem> {
    let day = query.day.as_deref().map(|text| parse_day(text, "?day")).transpose()?;
    let limit = query.limit.unwrap_or(PAGE_TICKETS).clamp(1, PAGE_TICKETS_MAX);
    let after = query.after.unwrap_or(0);
    let (tickets, end) = read(&app, move |app, tx| reports::tickets(app, tx, day, after, limit)).await?;
    let full = u32::try_from(tickets.len()).is_ok_and(|count| count == limit);
    let next = full.then_some(end);
    Ok(Json(TicketPage { tickets, next }))
}

/// One ticket.
#[utoipa::path(get, path = "/v1/tickets/{id}", tag = "tickets",
    params(("id" = String, Path, description = "The ticket's id")),
    responses(
        (status = 200, description = "The ticket", body = OneTicket),
        (status = "4XX", description = "Refused, or there is none", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn ticket(
    State(app): State<App>,
    _actor: Actor,
    PathParams(id): PathParams<String>,
) -> Result<Json<OneTicket>, Problem> {
    let id: TicketId = id.parse().map_err(|_not_an_id| AppError::NotFound("ticket"))?;
    Ok(Json(read(&app, move |app, tx| reports::ticket(app, tx, id)).await?))
}

/// Stock on hand.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StockAnswer {
    /// By item.
    rows: Vec<StockRow>,
}

/// Stock on hand.
#[utoipa::path(get, path = "/v1/stock", tag = "stock", responses(
    (status = 200, description = "Stock by item", body = StockAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn stock(State(app): State<App>, _actor: Actor) -> Result<Json<StockAnswer>, Problem> {
    let rows = read(&app, reports::stock).await?;
    Ok(Json(StockAnswer { rows }))
}

/// The present business day.
#[utoipa::path(get, path = "/v1/business-day", tag = "business days", responses(
    (status = 200, description = "The day so far", body = DayAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn business_day(State(app): State<App>, _actor: Actor) -> Result<Json<DayAnswer>, Problem> {
    Ok(Json(read(&app, reports::today).await?))
}

/// Any business day.
#[utoipa::path(get, path = "/v1/business-days/{day}", tag = "business days",
    params(("day" = String, Path, description = "YYYY-MM-DD")),
    responses(
        (status = 200, description = "The day", body = DayAnswer),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn any_business_day(
    State(app): State<App>,
    _actor: Actor,
    PathParams(day): PathParams<String>,
) -> Result<Json<DayAnswer>, Problem> {
    let day = parse_day(&day, "")?;
    Ok(Json(read(&app, move |app, tx| reports::day(app, tx, day)).await?))
}

/// The node's statement for an audit: all its journals read anew from the first entry, and what they come to.
#[utoipa::path(get, path = "/v1/audit", tag = "node", responses(
    (status = 200, description = "The statement", body = AuditAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn audit(State(app): State<App>, _actor: Actor) -> Result<Json<AuditAnswer>, Problem> {
    Ok(Json(read(&app, audit::statement).await?))
}
