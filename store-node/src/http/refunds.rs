//! The route by which money is given back.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use percolate_common::domain::tickets::refund::{Asked, AskedLine, RefundReason, RefundRejection, RefundTicket};
use percolate_common::ids::{RefundId, TicketId};
use percolate_common::paper::Receipts;
use percolate_runtime::http::auth::{Actor, ActorKind};
use percolate_runtime::http::extract::PathParams;
use percolate_runtime::http::problem::Problem;
use percolate_runtime::sqlite::WriteTx;
use serde::Deserialize;
use utoipa::ToSchema;

use super::error::{refused, sentence};
use super::prints::ReceiptWord;
use super::sale_body::SaleBody;
use super::terminals::terminal_name;
use super::write_key::{WriteKey, request_key};
use super::writes::{TenderBody, answered, not_yours, tenders};
use crate::app::drawers::CashAnswer;
use crate::app::error::AppError;
use crate::app::owed::{self, OwedRefusal};
use crate::app::prints::Till;
use crate::app::refunds::{self, RefundAnswer};
use crate::app::staff::Shown;
use crate::app::{App, card_refunds};

/// What is to be given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefundRequest {
    /// Name of the till: the receipt is of its series, and cash comes from its drawer.
    terminal: String,
    /// Why.
    reason: RefundWord,
    /// Pieces of lines. The whole ticket if absent, with its tip: all that was not given back yet.
    lines: Option<Vec<RefundLineBody>>,
    /// Of a whole ticket: whether all of it goes back to the stock room.
    #[serde(default)]
    restock: bool,
    /// By which means: by those that it was paid by if there are none, and by none more than was paid by it.
    #[serde(default)]
    tenders: Vec<TenderBody>,
    /// Whether a receipt of it is printed; as the shop has decided if absent.
    receipt: Option<ReceiptWord>,
}

/// Pieces of a line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefundLineBody {
    /// Position of the line on its ticket, from 0.
    line: u32,
    /// How many.
    quantity: u32,
    /// Whether they go back to the stock room. Most food is thrown away.
    #[serde(default)]
    restock: bool,
}

/// Why money goes back.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RefundWord {
    /// It should not have been sold: the whole of it, on the day that it was sold.
    Void,
    /// It was not good.
    Quality,
    /// It was something else than the guest wanted.
    Wrong,
    /// The guest did not get it.
    NotServed,
    /// Anything else.
    Other,
}

/// How a refusal looks.
pub(super) fn refusal(rejection: &RefundRejection) -> Problem {
    let text = rejection.to_string();
    match rejection {
        RefundRejection::Empty => refused("/lines", "line_count", &text),
        RefundRejection::Line { at, .. } => refused(format!("/lines/{at}/line"), "refund_line", &text),
        RefundRejection::TooMany { at, .. } => refused(format!("/lines/{at}/quantity"), "refund_too_many", &text),
        RefundRejection::NothingLeft => refused("", "refund_nothing_left", &text),
        RefundRejection::Void => refused("/reason", "refund_void", &text),
        RefundRejection::TenderSum { .. } => refused("/tenders", "refund_sum", &text),
        RefundRejection::TenderKind { .. } | RefundRejection::Tenders => refused("/tenders", "refund_tender", &text),
        RefundRejection::Reference { tender } => {
            refused(format!("/tenders/{tender}/reference"), "reference_invalid", &text)
        }
        RefundRejection::Overflow(_) => refused("/lines", "amount_out_of_range", &text),
    }
}

/// How it looks that nothing is paid out.
pub(super) fn owed_refusal(refusal: &OwedRefusal) -> Problem {
    let text = sentence(&refusal.to_string());
    match refusal {
        OwedRefusal::NotOwed => Problem::new(StatusCode::CONFLICT, "refund_not_owed", text),
        OwedRefusal::PaidOut => Problem::new(StatusCode::CONFLICT, "refund_paid_out", text),
        OwedRefusal::NoDrawer(_) => Problem::new(StatusCode::CONFLICT, "drawer_missing", text),
    }
}

fn ask(body: RefundRequest) -> Result<RefundTicket, Problem> {
    let line = |body: RefundLineBody| AskedLine { line: body.line, quantity: body.quantity, restock: body.restock };
    let what = match body.lines {
        Some(lines) => Asked::Lines(lines.into_iter().map(line).collect()),
        None => Asked::Whole { restock: body.restock },
    };
    let reason = match body.reason {
        RefundWord::Void => RefundReason::Void,
        RefundWord::Quality => RefundReason::Quality,
        RefundWord::Wrong => RefundReason::Wrong,
        RefundWord::NotServed => RefundReason::NotServed,
        RefundWord::Other => RefundReason::Other,
    };
    Ok(RefundTicket { reason, what, tenders: tenders(body.tenders)? })
}

/// Give money back for a ticket, or for pieces of it. More than was sold cannot be given back, whatever the line does.
#[utoipa::path(post, path = "/v1/tickets/{id}/refunds", tag = "tickets", request_body = RefundRequest,
    params(("id" = String, Path, description = "The ticket's id"),
        ("Idempotency-Key" = String, Header, description = "New for each refund; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in"),
        ("Percolate-Approval" = Option<String>, Header, description = "An approval of `refund`, where one is needed")),
    responses(
        (status = 201, description = "Given back", body = RefundAnswer),
        (status = 200, description = "Was given back before under this key", body = RefundAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn refund_ticket(
    State(app): State<App>,
    actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<RefundRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let ticket: TicketId = id.parse().map_err(|_not_an_id| AppError::NotFound("ticket"))?;
    let terminal = terminal_name(&body.value.terminal, "/terminal")?;
    if actor.kind == ActorKind::Terminal && actor.name != terminal.to_string() {
        return Err(not_yours(&actor));
    }
    let till = Till { name: terminal, receipt: body.value.receipt.map(Receipts::from) };
    let ask = ask(body.value)?;
    let catalog = app.present.catalog().ok_or(AppError::NoCatalog)?;
    let giving = app.clone();
    let give_back =
        move |tx: &WriteTx<'_>| refunds::give_back(&giving, tx, &catalog, (&till, ticket, &ask), &key, &shown);
    let answer = app.writer.run("refund", give_back).await?;
    card_refunds::ask_of_ticket(&app, ticket).await?;
    Ok(answered(answer, StatusCode::CREATED))
}

/// What is owed, to be paid out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OwedRequest {
    /// Name of the till: the cash comes from the drawer that is open at it.
    terminal: String,
}

/// Pay out in cash what a guest is owed of a refund, because no card took it: all of it, and once.
#[utoipa::path(post, path = "/v1/refunds/{id}/pay-out", tag = "cash", request_body = OwedRequest,
    params(("id" = String, Path, description = "The refund's id"),
        ("Idempotency-Key" = String, Header, description = "New for each pay-out; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in"),
        ("Percolate-Approval" = Option<String>, Header, description = "An approval of `pay_out`, where one is needed")),
    responses(
        (status = 201, description = "Paid out", body = CashAnswer),
        (status = 200, description = "Was paid out before under this key", body = CashAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn pay_out_owed(
    State(app): State<App>,
    actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<OwedRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let refund: RefundId = id.parse().map_err(|_not_an_id| AppError::NotFound("refund"))?;
    let terminal = terminal_name(&body.value.terminal, "/terminal")?;
    if actor.kind == ActorKind::Terminal && actor.name != terminal.to_string() {
        return Err(not_yours(&actor));
    }
    let paying = app.clone();
    let pay_out = move |tx: &WriteTx<'_>| owed::pay_out(&paying, tx, (&terminal, refund), &key, &shown);
    Ok(answered(app.writer.run("pay_out_owed", pay_out).await?, StatusCode::CREATED))
}
