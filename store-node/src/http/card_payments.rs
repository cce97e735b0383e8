//! Routes of payments by card.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percolate_common::ids::{CardPaymentId, TicketId};
use percolate_common::money::Minor;
use percolate_runtime::http::auth::{Actor, ActorKind};
use percolate_runtime::http::extract::{PathParams, QueryParams};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::reads::read;
use super::sale_body::SaleBody;
use super::terminals::terminal_name;
use super::write_key::{WriteKey, request_key};
use super::writes::{answered, not_yours};
use crate::app::App;
use crate::app::card_payments::{self, Asked, PaymentAnswer};
use crate::app::error::AppError;
use crate::app::exchanges::{self, ExchangeAnswer};
use crate::app::staff::Shown;
use crate::store::card_payments::Which;

/// Payments of a list.
const LIST_PAYMENTS: u32 = 500;

/// A payment to ask for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PaymentRequest {
    /// Name of the till.
    terminal: String,
    /// How much, in minor units.
    amount_minor: i64,
    /// Practice: nobody is charged.
    #[serde(default)]
    training: bool,
}

fn payment_id(text: &str) -> Result<CardPaymentId, AppError> {
    text.parse().map_err(|_not_an_id| AppError::NotFound("payment"))
}

/// Ask the card terminal for money. The answer says how it stands: `approved` and `stored` pay a ticket that names the payment in its
/// tender. After `asked` or `unknown` send the same again, under the same key: nobody is charged twice.
#[utoipa::path(post, path = "/v1/card-payments", tag = "cards", request_body = PaymentRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each payment; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 201, description = "Asked", body = PaymentAnswer),
        (status = 200, description = "Was asked before under this key: how it stands now", body = PaymentAnswer),
        (status = "4XX", description = "Refused, nobody was asked", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed; ask again under the same key", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn pay(
    State(app): State<App>,
    actor: Actor,
    shown: Shown,
    key: WriteKey,
    SaleBody(body): SaleBody<PaymentRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let PaymentRequest { terminal, amount_minor, training } = body.value;
    let terminal = terminal_name(&terminal, "/terminal")?;
    if actor.kind == ActorKind::Terminal && actor.name != terminal.to_string() {
        return Err(not_yours(&actor));
    }
    let asked = Asked { terminal, amount: Minor::new(amount_minor), training };
    let (answer, fresh) = card_payments::pay(&app, asked, key, shown).await?;
    let mut response = (if fresh { StatusCode::CREATED } else { StatusCode::OK }, Json(answer)).into_response();
    if !fresh {
        response.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Which payments.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WhichWord {
    /// Money that no ticket counts, or may come to that: match it by a sale, or give it back.
    Unmatched,
    /// Taken on trust.
    Stored,
    /// Declined after a ticket had counted them.
    Lost,
    /// Of which so much was to go back, and no card took it: the guest is owed it.
    Owed,
    /// The latest of all.
    All,
}

/// Which payments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PaymentQuery {
    /// `unmatched`, `stored`, `lost`, `owed` or `all`; all if nothing is said.
    state: Option<WhichWord>,
}

/// Payments.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaymentsAnswer {
    /// The oldest first; of all of them the latest.
    rows: Vec<PaymentAnswer>,
}

/// Payments by card, up to 500.
#[utoipa::path(get, path = "/v1/card-payments", tag = "cards", params(PaymentQuery), responses(
    (status = 200, description = "The payments", body = PaymentsAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn payments(
    State(app): State<App>,
    _actor: Actor,
    QueryParams(query): QueryParams<PaymentQuery>,
) -> Result<Json<PaymentsAnswer>, Problem> {
    let which = match query.state {
        Some(WhichWord::Unmatched) => Which::Unmatched,
        Some(WhichWord::Stored) => Which::Stored,
        Some(WhichWord::Lost) => Which::Lost,
        Some(WhichWord::Owed) => Which::Owed,
        Some(WhichWord::All) | None => Which::All,
    };
    Ok(Json(PaymentsAnswer {
        rows: read(&app, move |app, tx| card_payments::list(app, tx, which, LIST_PAYMENTS)).await?,
    }))
}

/// One payment, as it stands now.
#[utoipa::path(get, path = "/v1/card-payments/{id}", tag = "cards",
    params(("id" = String, Path, description = "The payment's id")),
    responses(
        (status = 200, description = "The payment", body = PaymentAnswer),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn payment(
    State(app): State<App>,
    _actor: Actor,
    PathParams(id): PathParams<String>,
) -> Result<Json<PaymentAnswer>, Problem> {
    let id = payment_id(&id)?;
    Ok(Json(read(&app, move |app, tx| card_payments::one(app, tx, id)).await?))
}

/// Give a payment back that no ticket counts. Asked again it is done once; until the card terminal has done it, it is `reversing`.
#[utoipa::path(post, path = "/v1/card-payments/{id}/reversal", tag = "cards",
    params(("id" = String, Path, description = "The payment's id"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in"),
        ("Percolate-Approval" = Option<String>, Header, description = "An approval of `refund`, where one is needed")),
    responses(
        (status = 200, description = "How it stands now", body = PaymentAnswer),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn reverse(
    State(app): State<App>,
    _actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
) -> Result<Json<PaymentAnswer>, Problem> {
    Ok(Json(card_payments::reverse(&app, payment_id(&id)?, shown).await?))
}

/// Which ticket counts a payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignRequest {
    /// Name of the till: cash comes out of its drawer.
    terminal: String,
    /// The ticket's id.
    ticket: String,
}

/// Count an approved payment for a ticket that was sold for cash: the guest gets the cash back, and the ticket's sums stay.
#[utoipa::path(post, path = "/v1/card-payments/{id}/ticket", tag = "cards", request_body = AssignRequest,
    params(("id" = String, Path, description = "The payment's id"),
        ("Idempotency-Key" = String, Header, description = "New for each; the same when you try again"),
        ("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in"),
        ("Percolate-Approval" = Option<String>, Header, description = "An approval of `refund`, where one is needed")),
    responses(
        (status = 201, description = "Counted: give the cash back", body = ExchangeAnswer),
        (status = 200, description = "Was counted before under this key", body = ExchangeAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn assign(
    State(app): State<App>,
    actor: Actor,
    shown: Shown,
    PathParams(id): PathParams<String>,
    key: WriteKey,
    SaleBody(body): SaleBody<AssignRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let id = payment_id(&id)?;
    let ticket: TicketId = body.value.ticket.parse().map_err(|_not_an_id| AppError::NotFound("ticket"))?;
    let terminal = terminal_name(&body.value.terminal, "/terminal")?;
    if actor.kind == ActorKind::Terminal && actor.name != terminal.to_string() {
        return Err(not_yours(&actor));
    }
    let catalog = app.present.catalog().ok_or(AppError::NoCatalog)?;
    let writing = app.clone();
    let assign = move |tx: &percolate_runtime::sqlite::WriteTx<'_>| {
        exchanges::assign(&writing, tx, &catalog, (&terminal, id, ticket), (&key, &shown))
    };
    Ok(answered(app.writer.run("assign_card", assign).await?, StatusCode::CREATED))
}
