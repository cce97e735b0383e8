//! Routes of paper.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use percolate_common::paper::Receipts;
use percolate_runtime::http::auth::{Actor, ActorKind};
use percolate_runtime::http::extract::{JsonBody, PathParams, QueryParams};
use percolate_runtime::http::problem::Problem;
use percolate_runtime::sqlite::WriteTx;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{refused, sentence};
use super::reads::read;
use super::sale_body::SaleBody;
use super::terminals::terminal_name;
use super::write_key::{WriteKey, request_key};
use super::writes::{answered, not_yours};
use crate::app::App;
use crate::app::error::AppError;
use crate::app::prints::{self, Paper, PrintAnswer, PrintRefusal};
use crate::store::prints::{PrintState, WhichJobs};

/// Jobs of a list.
const LIST_PRINTS: u32 = 500;

/// Whether a receipt is printed.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReceiptWord {
    /// It is.
    Print,
    /// It is not.
    None,
}

impl From<ReceiptWord> for Receipts {
    fn from(word: ReceiptWord) -> Self {
        match word {
            ReceiptWord::Print => Self::Print,
            ReceiptWord::None => Self::None,
        }
    }
}

/// How a refusal looks.
pub(super) fn refusal(refusal: &PrintRefusal) -> Problem {
    let text = refusal.to_string();
    match refusal {
        PrintRefusal::NoPrinter(_) => Problem::new(StatusCode::CONFLICT, "printer_missing", sentence(&text)),
        PrintRefusal::Imported => refused("", "receipt_unknown", &text),
        PrintRefusal::Over(..) => Problem::new(StatusCode::CONFLICT, "print_over", sentence(&text)),
        PrintRefusal::Sending(_) => Problem::new(StatusCode::CONFLICT, "print_sending", sentence(&text)),
    }
}

/// Which jobs.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StateWord {
    /// All that are not over.
    Waiting,
    /// Waits for its turn.
    Queued,
    /// On its way to the printer.
    Sending,
    /// Waits for a person.
    Held,
    /// The printer has said that it is done.
    Printed,
    /// Ended by a person.
    Cancelled,
    /// A drawer that would have opened too late.
    Expired,
    /// The latest of all.
    All,
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PrintQuery {
    /// `waiting`, one of the states, or `all`; what waits if nothing is said.
    state: Option<StateWord>,
}

/// Jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PrintsAnswer {
    /// What waits in its order; of what is over the latest first.
    rows: Vec<PrintAnswer>,
}

/// What is to be printed, and what was, up to 500.
#[utoipa::path(get, path = "/v1/prints", tag = "printing", params(PrintQuery), responses(
    (status = 200, description = "The jobs", body = PrintsAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn prints(
    State(app): State<App>,
    _actor: Actor,
    QueryParams(query): QueryParams<PrintQuery>,
) -> Result<Json<PrintsAnswer>, Problem> {
    let which = match query.state {
        None | Some(StateWord::Waiting) => WhichJobs::Waiting,
        Some(StateWord::Queued) => WhichJobs::In(PrintState::Queued),
        Some(StateWord::Sending) => WhichJobs::In(PrintState::Sending),
        Some(StateWord::Held) => WhichJobs::In(PrintState::Held),
        Some(StateWord::Printed) => WhichJobs::In(PrintState::Printed),
        Some(StateWord::Cancelled) => WhichJobs::In(PrintState::Cancelled),
        Some(StateWord::Expired) => WhichJobs::In(PrintState::Expired),
        Some(StateWord::All) => WhichJobs::All,
    };
    Ok(Json(PrintsAnswer { rows: read(&app, move |app, tx| prints::list(app, tx, which, LIST_PRINTS)).await? }))
}

/// A paper to print once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PrintRequest {
    /// Name of the till, at whose printer.
    terminal: String,
}

/// Prints a paper once more, at the printer of the till that asks.
async fn once_more(
    app: &App,
    actor: &Actor,
    (paper, key): (Paper, &WriteKey),
    body: JsonBody<PrintRequest>,
) -> Result<Response, Problem> {
    let key = request_key(key, &body);
    let terminal = terminal_name(&body.value.terminal, "/terminal")?;
    if actor.kind == ActorKind::Terminal && actor.name != terminal.to_string() {
        return Err(not_yours(actor));
    }
    let here = app.clone();
    let print = move |tx: &WriteTx<'_>| prints::again(&here, tx, (&terminal, &paper), &key);
    Ok(answered(app.writer.run("print_again", print).await?, StatusCode::CREATED))
}

/// Print a ticket's receipt once more. It says that it is a copy, and which; unless none was printed before.
#[utoipa::path(post, path = "/v1/tickets/{id}/prints", tag = "printing", request_body = PrintRequest,
    params(("id" = String, Path, description = "The ticket's id"),
        ("Idempotency-Key" = String, Header, description = "New for each copy; the same when you try again")),
    responses(
        (status = 201, description = "Will be printed", body = PrintAnswer),
        (status = 200, description = "Was asked for before under this key", body = PrintAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn print_again(
    State(app): State<App>,
    actor: Actor,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<PrintRequest>,
) -> Result<Response, Problem> {
    let ticket = id.parse().map_err(|_not_an_id| AppError::NotFound("ticket"))?;
    once_more(&app, &actor, (Paper::Ticket(ticket), &key), body).await
}

/// Print the receipt of a refund once more. It says that it is a copy, and which; unless none was printed before.
#[utoipa::path(post, path = "/v1/refunds/{id}/prints", tag = "printing", request_body = PrintRequest,
    params(("id" = String, Path, description = "The refund's id"),
        ("Idempotency-Key" = String, Header, description = "New for each copy; the same when you try again")),
    responses(
        (status = 201, description = "Will be printed", body = PrintAnswer),
        (status = 200, description = "Was asked for before under this key", body = PrintAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn print_refund_again(
    State(app): State<App>,
    actor: Actor,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<PrintRequest>,
) -> Result<Response, Problem> {
    let refund = id.parse().map_err(|_not_an_id| AppError::NotFound("refund"))?;
    once_more(&app, &actor, (Paper::Refund(refund), &key), body).await
}

/// Print the slip of a closing reading once more. It says that it is a copy, and which; unless none was printed before.
#[utoipa::path(post, path = "/v1/readings/{number}/prints", tag = "printing", request_body = PrintRequest,
    params(("number" = String, Path, description = "The reading's number, as in A-17"),
        ("Idempotency-Key" = String, Header, description = "New for each copy; the same when you try again")),
    responses(
        (status = 201, description = "Will be printed", body = PrintAnswer),
        (status = 200, description = "Was asked for before under this key", body = PrintAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn print_reading_again(
    State(app): State<App>,
    actor: Actor,
    PathParams(number): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<PrintRequest>,
) -> Result<Response, Problem> {
    let reading = number.parse().map_err(|_none_of_ours| AppError::NotFound("reading"))?;
    once_more(&app, &actor, (Paper::Reading(reading), &key), body).await
}

/// Nothing more to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PrintChange {}

fn number(text: &str) -> Result<i64, AppError> {
    text.parse().map_err(|_not_a_number| AppError::NotFound("print"))
}

/// Try a job again, now. One that is held goes on; its paper says that the same may lie there already.
#[utoipa::path(post, path = "/v1/prints/{id}/retry", tag = "printing", request_body = PrintChange,
    params(("id" = String, Path, description = "The job's number"),
        ("Idempotency-Key" = String, Header, description = "New for each try; the same when you try again")),
    responses(
        (status = 200, description = "Will be tried", body = PrintAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn retry(
    State(app): State<App>,
    _actor: Actor,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<PrintChange>,
) -> Result<Response, Problem> {
    let (key, number, here) = (request_key(&key, &body), number(&id)?, app.clone());
    let answer = app.writer.run("retry_print", move |tx| prints::retry(&here, tx, number, &key)).await?;
    app.printers.all.iter().for_each(|printer| printer.wanted.notify_one());
    Ok(answered(answer, StatusCode::OK))
}

/// End a job that nobody wants any more.
#[utoipa::path(post, path = "/v1/prints/{id}/cancel", tag = "printing", request_body = PrintChange,
    params(("id" = String, Path, description = "The job's number"),
        ("Idempotency-Key" = String, Header, description = "New for each job; the same when you try again")),
    responses(
        (status = 200, description = "Ended", body = PrintAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn cancel(
    State(app): State<App>,
    _actor: Actor,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<PrintChange>,
) -> Result<Response, Problem> {
    let (key, number, here) = (request_key(&key, &body), number(&id)?, app.clone());
    let answer = app.writer.run("cancel_print", move |tx| prints::cancel(&here, tx, number, &key)).await?;
    Ok(answered(answer, StatusCode::OK))
}
