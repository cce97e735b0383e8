//! Routes of open tickets.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::tickets::TicketClass;
use percolate_common::domain::tickets::open::decide::CloseTicket;
use percolate_common::domain::tickets::open::{Terms, VoidReason};
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::ids::{LineId, StaffId, TicketId};
use percolate_common::money::Minor;
use percolate_common::paper::Receipts;
use percolate_runtime::http::auth::{Actor, ActorKind};
use percolate_runtime::http::extract::{PathParams, QueryParams};
use percolate_runtime::http::problem::Problem;
use percolate_runtime::sqlite::WriteTx;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use super::cart::{ConsumptionWord, DiscountBody, LineBody, discounts, label, lines, notes};
use super::error::refused;
use super::prints::ReceiptWord;
use super::reads::read;
use super::sale_body::SaleBody;
use super::terminals::terminal_name;
use super::write_key::{WriteKey, request_key};
use super::writes::{TenderBody, answered, not_yours, tenders};
use crate::app::App;
use crate::app::error::AppError;
use crate::app::open_tickets::{self as tickets, OpenTicketAnswer};
use crate::app::open_tickets::{ChangeOpen, CloseOpen, DivideOpen, MoveOpen, OpenNew, PayOpen, VoidOpen};
use crate::app::prints::Till;
use crate::app::staff::Shown;
use crate::app::ticket_answer::TicketAnswer;
use crate::store::open_tickets::{Label, Listed};

/// Longest name of a ticket, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 40;
/// Longest note of a ticket, in bytes.
const NOTE_BYTES_MAX: usize = 200;
/// Even parts that a rest is shown in.
const SPLIT_MAX: u32 = 50;

pub(super) fn ticket_id(text: &str) -> Result<TicketId, AppError> {
    text.parse().map_err(|_not_an_id| AppError::NotFound("open ticket"))
}

pub(super) fn menu(app: &App) -> Result<Arc<Catalog>, AppError> {
    app.present.catalog().ok_or(AppError::NoCatalog)
}

/// The terminal that somebody says; a till says its own.
fn own_terminal(actor: &Actor, text: &str) -> Result<TerminalName, Problem> {
    let terminal = terminal_name(text, "/terminal")?;
    if actor.kind == ActorKind::Terminal && actor.name != terminal.to_string() {
        return Err(not_yours(actor));
    }
    Ok(terminal)
}

pub(super) fn line_ids(texts: &[String]) -> Result<Vec<LineId>, Problem> {
    let parse = |(at, text): (usize, &String)| {
        text.parse().map_err(|error: percolate_common::ids::IdParseError| {
            refused(format!("/lines/{at}"), "unknown_line", &error.to_string())
        })
    };
    texts.iter().enumerate().map(parse).collect()
}

/// What holds for the whole ticket. It is said as a whole: what is left out is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TermsBody {
    /// Where it is eaten; away if nothing is said.
    #[serde(default)]
    consumption: ConsumptionWord,
    /// What is taken off the whole: up to 4.
    #[serde(default)]
    discounts: Vec<DiscountBody>,
    /// Why no tax is charged, if none is: up to 80 bytes.
    exempt_reason: Option<String>,
    /// Whether the charge for service is left out.
    #[serde(default)]
    without_service_charge: bool,
}

fn terms(body: Option<TermsBody>) -> Result<Option<Terms>, Problem> {
    let Some(body) = body else { return Ok(None) };
    Ok(Some(Terms {
        consumption: body.consumption.into(),
        discounts: discounts(body.discounts, "/terms")?,
        exempt: body.exempt_reason,
        without_service_charge: body.without_service_charge,
    }))
}

/// A ticket to open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenRequest {
    /// Name of the till.
    terminal: String,
    /// Its first lines, if any.
    #[serde(default)]
    lines: Vec<LineBody>,
    /// What holds for the whole.
    terms: Option<TermsBody>,
    /// What people call it, up to 40 bytes. It stays in the shop.
    name: Option<String>,
    /// What people note, up to 200 bytes. It stays in the shop.
    note: Option<String>,
    /// Practice: in no total, and without stock.
    #[serde(default)]
    training: bool,
}

/// What comes to a ticket.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeRequest {
    /// Lines that come.
    #[serde(default)]
    lines: Vec<LineBody>,
    /// What holds for the whole from now on.
    terms: Option<TermsBody>,
}

/// Why lines are taken off.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum VoidWord {
    /// Put in by mistake.
    Mistake,
    /// The guest wants it no more.
    Unwanted,
    /// There is none left.
    SoldOut,
    /// It was not good.
    Quality,
    /// Anything else.
    Other,
}

/// Lines to take off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VoidRequest {
    /// Which, by their ids.
    lines: Vec<String>,
    /// Why.
    reason: VoidWord,
}

/// Where a ticket goes, and what it is called; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveRequest {
    /// Put aside, or called back.
    held: Option<bool>,
    /// The terminal that has it from now on.
    terminal: Option<String>,
    /// The number of the person that has it from now on.
    staff: Option<u32>,
    /// What people call it.
    name: Option<String>,
    /// What people note.
    note: Option<String>,
}

/// Lines that go to another ticket.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DivideRequest {
    /// Which, by their ids; all if none are named.
    #[serde(default)]
    lines: Vec<String>,
    /// To which ticket; a new one if none is named.
    to: Option<String>,
}

/// A part to pay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PartRequest {
    /// Name of the till.
    terminal: String,
    /// What is handed over.
    tender: TenderBody,
    /// What of the ticket it pays, in minor units.
    part_minor: i64,
    /// What of it is for those who work there, in minor units.
    #[serde(default)]
    tip_minor: i64,
}

/// The last payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CloseTicketRequest {
    /// Name of the till.
    terminal: String,
    /// What the till has shown that the whole ticket comes to, in minor units.
    expected_total_minor: i64,
    /// How what is left is paid: up to 8; none if nothing is left.
    #[serde(default)]
    tenders: Vec<TenderBody>,
    /// What of it is for those who work there, in minor units.
    #[serde(default)]
    tip_minor: i64,
    /// Whether its receipt is printed; as the shop has decided if absent.
    receipt: Option<ReceiptWord>,
}

/// Nothing more to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AbandonRequest {}

/// Which tickets are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenQuery {
    /// `open` or `held`; both if absent.
    state: Option<String>,
    /// Those that a terminal has.
    terminal: Option<String>,
    /// Those that a person has, by number.
    staff: Option<u32>,
}

/// Open tickets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenTicketsAnswer {
    /// The oldest first, at most 200.
    rows: Vec<OpenTicketAnswer>,
    /// How many there are.
    count: u64,
}

/// Tickets that have not ended, whoever has them.
#[utoipa::path(get, path = "/v1/open-tickets", tag = "open tickets", params(OpenQuery), responses(
    (status = 200, description = "The oldest first", body = OpenTicketsAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn open_tickets(
    State(app): State<App>,
    _actor: Actor,
    QueryParams(query): QueryParams<OpenQuery>,
) -> Result<Json<OpenTicketsAnswer>, Problem> {
    let held = match query.state.as_deref() {
        None => None,
        Some("open") => Some(false),
        Some("held") => Some(true),
        Some(_) => return Err(refused("/state", "state_unknown", "open and held are known")),
    };
    let terminal = query.terminal.map(|text| terminal_name(&text, "/terminal")).transpose()?;
    let listed = Listed { held, terminal, staff: query.staff.map(StaffId::new) };
    let (rows, count) = read(&app, move |app, tx| tickets::list(app, tx, &listed)).await?;
    Ok(Json(OpenTicketsAnswer { rows, count }))
}

/// How a rest is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitQuery {
    /// In so many even parts, 2 to 50.
    split: Option<u32>,
}

/// One ticket that is open, or was.
#[utoipa::path(get, path = "/v1/open-tickets/{id}", tag = "open tickets",
    params(("id" = String, Path, description = "The ticket's id"), SplitQuery), responses(
    (status = 200, description = "The ticket as it is now", body = OpenTicketAnswer),
    (status = "4XX", description = "Refused, or there is none", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn open_ticket(
    State(app): State<App>,
    _actor: Actor,
    PathParams(id): PathParams<String>,
    QueryParams(query): QueryParams<SplitQuery>,
) -> Result<Json<OpenTicketAnswer>, Problem> {
    if query.split.is_some_and(|split| !(2..=SPLIT_MAX).contains(&split)) {
        return Err(refused("/split", "split_out_of_range", &format!("2 to {SPLIT_MAX} parts are expected")));
    }
    let id = ticket_id(&id)?;
    Ok(Json(read(&app, move |app, tx| tickets::one(app, tx, id, query.split)).await?))
}

/// Open a ticket. It is seen at every terminal, and is paid later.
#[utoipa::path(post, path = "/v1/open-tickets", tag = "open tickets", request_body = OpenRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each change; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 201, description = "Opened", body = OpenTicketAnswer),
        (status = 200, description = "Was done before under this key", body = OpenTicketAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn open(
    State(app): State<App>,
    actor: Actor,
    shown: Shown,
    key: WriteKey,
    SaleBody(body): SaleBody<OpenRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let request = body.value;
    let catalog = menu(&app)?;
    let asked = OpenNew {
        terminal: own_terminal(&actor, &request.terminal)?,
        class: if request.training { TicketClass::Training } else { TicketClass::Sale },
        notes: notes(&request.lines)?,
        lines: lines(request.lines)?,
        terms: terms(request.terms)?,
        label: Label {
            name: label(request.name, "/name", NAME_BYTES_MAX)?,
            note: label(request.note, "/note", NOTE_BYTES_MAX)?,
        },
    };
    let here = app.clone();
    let command = move |tx: &WriteTx<'_>| tickets::open(&here, tx, &catalog, asked, &key, &shown);
    Ok(answered(app.writer.run("open_ticket", command).await?, StatusCode::CREATED))
}

/// Add lines at what they cost now, or say what holds for the whole.
#[utoipa::path(post, path = "/v1/open-tickets/{id}/lines", tag = "open tickets", request_body = ChangeRequest,
    params(("id" = String, Path, description = "The ticket's id"),
        ("Idempotency-Key" = String, Header, description = "New for each change; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 201, description = "Added", body = OpenTicketAnswer),
        (status = 200, description = "Was done before under this key", body = OpenTicketAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn change(
    State(app): State<App>,
    _actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<ChangeRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let (catalog, id) = (menu(&app)?, ticket_id(&id)?);
    let notes = notes(&body.value.lines)?;
    let asked = ChangeOpen { lines: lines(body.value.lines)?, terms: terms(body.value.terms)?, notes };
    let here = app.clone();
    let command = move |tx: &WriteTx<'_>| tickets::change(&here, tx, &catalog, (id, asked), &key, &shown);
    Ok(answered(app.writer.run("change_open_ticket", command).await?, StatusCode::CREATED))
}

/// Take lines off. They are shown with the reason.
#[utoipa::path(post, path = "/v1/open-tickets/{id}/voids", tag = "open tickets", request_body = VoidRequest,
    params(("id" = String, Path, description = "The ticket's id"),
        ("Idempotency-Key" = String, Header, description = "New for each change; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in"),
        ("Percolate-Approval" = Option<String>, Header, description = "An approval of `void_sent`, where the kitchen has a line")),
    responses(
        (status = 201, description = "Taken off", body = OpenTicketAnswer),
        (status = 200, description = "Was done before under this key", body = OpenTicketAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn void(
    State(app): State<App>,
    _actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<VoidRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let (catalog, id) = (menu(&app)?, ticket_id(&id)?);
    let reason = match body.value.reason {
        VoidWord::Mistake => VoidReason::Mistake,
        VoidWord::Unwanted => VoidReason::Unwanted,
        VoidWord::SoldOut => VoidReason::SoldOut,
        VoidWord::Quality => VoidReason::Quality,
        VoidWord::Other => VoidReason::Other,
    };
    let asked = VoidOpen { lines: line_ids(&body.value.lines)?, reason };
    let here = app.clone();
    let command = move |tx: &WriteTx<'_>| tickets::void(&here, tx, &catalog, (id, asked), &key, &shown);
    Ok(answered(app.writer.run("void_lines", command).await?, StatusCode::CREATED))
}

/// Put a ticket aside, call it back, give it to another terminal or person, or name it.
#[utoipa::path(post, path = "/v1/open-tickets/{id}/moves", tag = "open tickets", request_body = MoveRequest,
    params(("id" = String, Path, description = "The ticket's id"),
        ("Idempotency-Key" = String, Header, description = "New for each change; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 201, description = "Moved", body = OpenTicketAnswer),
        (status = 200, description = "Was done before under this key", body = OpenTicketAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn hand_over(
    State(app): State<App>,
    _actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<MoveRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let (request, id) = (body.value, ticket_id(&id)?);
    let asked = MoveOpen {
        held: request.held,
        terminal: request.terminal.map(|text| terminal_name(&text, "/terminal")).transpose()?,
        staff: request.staff.map(StaffId::new),
        name: label(request.name, "/name", NAME_BYTES_MAX)?,
        note: label(request.note, "/note", NOTE_BYTES_MAX)?,
    };
    let here = app.clone();
    let command = move |tx: &WriteTx<'_>| tickets::hand_over(&here, tx, (id, asked), &key, &shown);
    Ok(answered(app.writer.run("move_open_ticket", command).await?, StatusCode::CREATED))
}

/// Bring lines to another ticket or to a new one: splitting by item, and merging. A ticket that is left with nothing ends. The
/// answer is the ticket that the lines went to.
#[utoipa::path(post, path = "/v1/open-tickets/{id}/divisions", tag = "open tickets", request_body = DivideRequest,
    params(("id" = String, Path, description = "The ticket's id"),
        ("Idempotency-Key" = String, Header, description = "New for each change; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 201, description = "Divided", body = OpenTicketAnswer),
        (status = 200, description = "Was done before under this key", body = OpenTicketAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn divide(
    State(app): State<App>,
    _actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<DivideRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let (catalog, id) = (menu(&app)?, ticket_id(&id)?);
    let asked =
        DivideOpen { lines: line_ids(&body.value.lines)?, to: body.value.to.as_deref().map(ticket_id).transpose()? };
    let here = app.clone();
    let command = move |tx: &WriteTx<'_>| tickets::divide(&here, tx, &catalog, (id, asked), &key, &shown);
    Ok(answered(app.writer.run("divide_ticket", command).await?, StatusCode::CREATED))
}

/// Pay a part before the end.
#[utoipa::path(post, path = "/v1/open-tickets/{id}/payments", tag = "open tickets", request_body = PartRequest,
    params(("id" = String, Path, description = "The ticket's id"),
        ("Idempotency-Key" = String, Header, description = "New for each change; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 201, description = "Paid", body = OpenTicketAnswer),
        (status = 200, description = "Was done before under this key", body = OpenTicketAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn pay(
    State(app): State<App>,
    actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<PartRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let (request, id) = (body.value, ticket_id(&id)?);
    let catalog = menu(&app)?;
    let tender = tenders(vec![request.tender])?.pop().ok_or_else(Problem::internal)?;
    let asked = PayOpen {
        terminal: own_terminal(&actor, &request.terminal)?,
        tender,
        amount: Minor::new(request.part_minor),
        tip: Minor::new(request.tip_minor),
    };
    let here = app.clone();
    let command = move |tx: &WriteTx<'_>| tickets::pay(&here, tx, &catalog, (id, asked), &key, &shown);
    Ok(answered(app.writer.run("pay_part", command).await?, StatusCode::CREATED))
}

/// Pay what is left: the ticket is sold. The answer comes after the sale is on the disk, and so does its receipt.
#[utoipa::path(post, path = "/v1/open-tickets/{id}/close", tag = "open tickets", request_body = CloseTicketRequest,
    params(("id" = String, Path, description = "The ticket's id"),
        ("Idempotency-Key" = String, Header, description = "New for each change; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 201, description = "Sold", body = TicketAnswer),
        (status = 200, description = "Was done before under this key", body = TicketAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn close(
    State(app): State<App>,
    actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<CloseTicketRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let (request, id) = (body.value, ticket_id(&id)?);
    let catalog = menu(&app)?;
    let command = CloseTicket {
        tenders: tenders(request.tenders)?,
        tip: Minor::new(request.tip_minor),
        shown: Minor::new(request.expected_total_minor),
    };
    let till = Till { name: own_terminal(&actor, &request.terminal)?, receipt: request.receipt.map(Receipts::from) };
    let asked = CloseOpen { till, command };
    let here = app.clone();
    let command = move |tx: &WriteTx<'_>| tickets::close(&here, tx, &catalog, (id, asked), &key, &shown);
    Ok(answered(app.writer.run("close_ticket", command).await?, StatusCode::CREATED))
}

/// End a ticket that nobody pays. Of one that was paid in part this is refused.
#[utoipa::path(post, path = "/v1/open-tickets/{id}/abandon", tag = "open tickets", request_body = AbandonRequest,
    params(("id" = String, Path, description = "The ticket's id"),
        ("Idempotency-Key" = String, Header, description = "New for each change; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in"),
        ("Percolate-Approval" = Option<String>, Header, description = "An approval of `void_sent`, where the kitchen has a line")),
    responses(
        (status = 201, description = "Ended", body = OpenTicketAnswer),
        (status = 200, description = "Was done before under this key", body = OpenTicketAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn abandon(
    State(app): State<App>,
    _actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<AbandonRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let id = ticket_id(&id)?;
    let here = app.clone();
    let command = move |tx: &WriteTx<'_>| tickets::abandon(&here, tx, id, &key, &shown);
    Ok(answered(app.writer.run("abandon_ticket", command).await?, StatusCode::CREATED))
}
