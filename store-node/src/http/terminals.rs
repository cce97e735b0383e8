//! Routes by which terminals are paired, listed and revoked.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percolate_common::domain::terminals::{Redemption, TerminalKind};
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::identity::pairing::PairingCode;
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::{IdempotencyKey, PathParams};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{pairing, refused};
use super::sale_body::SaleBody;
use super::write_key::{WriteKey, request_key};
use crate::app::App;
use crate::app::error::AppError;
use crate::app::terminals::{self, Outcome, PairedAnswer, PairingAnswer, TerminalAnswer};

/// The longest description that a device gives of itself, in characters.
const DEVICE_CHARS_MAX: usize = 80;
/// The shortest key by which a terminal asks to be paired, in characters: nobody must guess it who has seen the code.
const KEY_CHARS_MIN: usize = 32;

/// A terminal to be paired.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PairingRequest {
    /// Its name, as on receipts: 1 to 8 capital letters and digits, as in `T1`. Whatever was paired under it is revoked once this
    /// one is.
    name: String,
    /// What it is for.
    #[serde(default)]
    kind: KindWord,
}

/// What a terminal is for.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum KindWord {
    /// Sells, under its own name.
    #[default]
    Till,
    /// Shows tickets, and sells nothing.
    Kitchen,
}

fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
    response
}

/// Give out a code that pairs a terminal: it counts for ten minutes and bears five wrong ones.
#[utoipa::path(post, path = "/v1/terminals/pairings", tag = "terminals", request_body = PairingRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each pairing; the same when you try again")),
    responses(
        (status = 201, description = "It waits for its terminal", body = PairingAnswer),
        (status = 200, description = "Was asked for before under this key", body = PairingAnswer),
        (status = "4XX", description = "Refused, nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn pair(
    State(app): State<App>,
    _actor: Actor,
    key: WriteKey,
    SaleBody(body): SaleBody<PairingRequest>,
) -> Result<Response, Problem> {
    let key = request_key(&key, &body);
    let name = terminal_name(&body.value.name, "/name")?;
    let kind = match body.value.kind {
        KindWord::Till => TerminalKind::Till,
        KindWord::Kitchen => TerminalKind::Kitchen,
    };
    let pairing = app.clone();
    let opened = app.writer.run("open_pairing", move |tx| terminals::open_pairing(&pairing, tx, (name, kind), &key));
    Ok(match opened.await? {
        (answer, true) => replayed(Json(answer).into_response()),
        (answer, false) => (StatusCode::CREATED, Json(answer)).into_response(),
    })
}

pub(super) fn terminal_name(text: &str, pointer: &str) -> Result<TerminalName, Problem> {
    text.parse().map_err(|error: percolate_common::domain::tickets::receipt::ReceiptParseError| {
        refused(pointer, "terminal_name_invalid", &error.to_string())
    })
}

/// A code that somebody typed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedemptionRequest {
    /// The code; small letters, spaces and hyphens do not matter.
    code: String,
    /// What the terminal is, for whoever reads the list: up to 80 characters.
    device: String,
}

/// Pair this terminal by a code. The token is answered once, and kept nowhere: whoever lost the answer asks again under the
/// same key within a minute.
#[utoipa::path(post, path = "/v1/pairings/redemptions", tag = "terminals", security(()), request_body = RedemptionRequest,
    params(("Idempotency-Key" = String, Header, description = "32 characters by chance or more; the same when you try again")),
    responses(
        (status = 201, description = "Paired", body = PairedAnswer),
        (status = 200, description = "Was paired before under this key", body = PairedAnswer),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn redeem(
    State(app): State<App>,
    key: IdempotencyKey,
    SaleBody(body): SaleBody<RedemptionRequest>,
) -> Result<Response, Problem> {
    if key.as_str().len() < KEY_CHARS_MIN {
        let text = format!("the Idempotency-Key of a pairing needs {KEY_CHARS_MIN} characters by chance");
        return Err(refused("", "pairing_key_short", &text));
    }
    let RedemptionRequest { code, device } = body.value;
    let device = device.trim().to_owned();
    if device.chars().count() > DEVICE_CHARS_MAX || device.chars().any(char::is_control) {
        let text = format!("up to {DEVICE_CHARS_MAX} characters without control characters are expected");
        return Err(refused("/device", "device_invalid", &text));
    }
    let code: PairingCode = code.parse().map_err(|error: percolate_common::identity::pairing::PairingCodeError| {
        refused("/code", "pairing_mistyped", &error.to_string())
    })?;
    let pairing_app = app.clone();
    let redeem = move |tx: &percolate_runtime::sqlite::WriteTx<'_>| {
        terminals::redeem(&pairing_app, tx, (&code, &device), key.as_str())
    };
    match app.writer.run::<_, AppError, _>("redeem_pairing", redeem).await? {
        Outcome::Paired(answer, Redemption::First) => {
            tracing::info!(terminal = answer.terminal, kind = answer.kind, "terminal {} is paired", answer.terminal);
            Ok((StatusCode::CREATED, Json(answer)).into_response())
        }
        Outcome::Paired(answer, Redemption::Again) => Ok(replayed(Json(answer).into_response())),
        Outcome::Refused(rejection) => Err(pairing(rejection)),
    }
}

/// The shop's terminals.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TerminalsAnswer {
    /// One of each name.
    rows: Vec<TerminalAnswer>,
}

/// The terminals, and when each asked last.
#[utoipa::path(get, path = "/v1/terminals", tag = "terminals", responses(
    (status = 200, description = "All of them, by name", body = TerminalsAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn terminals(State(app): State<App>, _actor: Actor) -> Result<Json<TerminalsAnswer>, Problem> {
    let reading = app.clone();
    let rows = app.readers.read_async(move |tx| terminals::list(&reading, tx)).await?;
    Ok(Json(TerminalsAnswer { rows }))
}

/// Revoke the terminal of a name: its next request is refused, and it hears nothing more. Once more changes nothing.
#[utoipa::path(delete, path = "/v1/terminals/{name}", tag = "terminals",
    params(("name" = String, Path, description = "Its name, as on receipts")),
    responses(
        (status = 200, description = "It is revoked", body = TerminalAnswer),
        (status = "4XX", description = "Refused, or there is none", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn revoke(
    State(app): State<App>,
    _actor: Actor,
    PathParams(name): PathParams<String>,
) -> Result<Json<TerminalAnswer>, Problem> {
    let name = terminal_name(&name, "")?;
    let revoking = app.clone();
    let said = name.to_string();
    let answer = app.writer.run("revoke_terminal", move |tx| terminals::revoke(&revoking, tx, &name)).await?;
    tracing::info!(terminal = said, "terminal {said} is revoked");
    Ok(Json(answer))
}
