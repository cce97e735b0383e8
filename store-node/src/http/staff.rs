//! Routes by which people sign in and out, and approve.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use percolate_common::domain::staff::approvals::{REASON_CHARS_MAX, is_reason};
use percolate_common::domain::staff::roles::{Act, ActError};
use percolate_common::domain::staff::{BadgeUse, SignIn};
use percolate_common::ids::StaffId;
use percolate_runtime::http::auth::{Actor, ActorKind};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::error::refused;
use super::sale_body::SaleBody;
use crate::app::App;
use crate::app::staff::{
    self, ApprovalAnswer, ApprovalAsked, Claim, Place, SessionAnswer, Shown, SignedInAnswer, StaffAnswer, Whom,
};

/// The header by which whoever has signed in is told, beside the terminal's token.
const STAFF_HEADER: &str = "percolate-staff";
/// The header that shows an approval.
const APPROVAL_HEADER: &str = "percolate-approval";

impl<S: Send + Sync> FromRequestParts<S> for Shown {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let actor = Actor::from_request_parts(parts, state).await?;
        let place = match (actor.kind, actor.name.parse()) {
            (ActorKind::Terminal, Ok(name)) => Place::Terminal(name),
            (ActorKind::LocalToken, _) => Place::OnTheBox,
            (ActorKind::Terminal, Err(_)) | (ActorKind::User { .. }, _) => return Err(Problem::internal()),
        };
        // What is no text is no token either, and is refused as one that nobody was given.
        let token = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default().to_owned());
        Ok(Self { place, person: token(STAFF_HEADER), approval: token(APPROVAL_HEADER) })
    }
}

/// Reads what somebody types or shows. Whatever stands there instead, no answer repeats it.
fn secret<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<String>, D::Error> {
    use serde::de::Error as _;
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::String(text) => Ok(Some(text)),
        serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => Err(D::Error::custom("a text in quotation marks is expected")),
    }
}

/// Whom a person says they are.
fn claim(app: &App, staff: Option<u32>, badge: Option<String>, pin: Option<String>) -> Result<Claim, Problem> {
    let whom = match (staff, badge) {
        (Some(id), None) => Whom::Staff(StaffId::new(id)),
        (None, Some(badge)) => Whom::Badge(badge),
        (Some(_), Some(_)) | (None, None) => {
            return Err(refused("", "person_unclear", "say who it is: either a number as staff, or a badge"));
        }
    };
    let is_enough = match &whom {
        Whom::Staff(_) => pin.is_some(),
        Whom::Badge(_) => pin.is_some() || app.staff.policy.badge_use == BadgeUse::Alone,
    };
    if !is_enough {
        return Err(refused("/pin", "pin_missing", "a PIN is needed: in this shop nobody is taken in without one"));
    }
    Ok(Claim { whom, pin })
}

/// Somebody who signs in: by number and PIN, by badge and PIN, or by a badge alone where the shop has decided so.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInRequest {
    /// Their number, as the list of people has it.
    staff: Option<u32>,
    /// What their badge says.
    #[serde(default, deserialize_with = "secret")]
    badge: Option<String>,
    /// What they type.
    #[serde(default, deserialize_with = "secret")]
    pin: Option<String>,
}

/// Sign in. The token counts at this terminal only, until whoever has it signs out or does nothing for ten minutes. Others who have
/// signed in here stay so: a till changes between them by their tokens.
#[utoipa::path(post, path = "/v1/sign-ins", tag = "people", request_body = SignInRequest, responses(
    (status = 201, description = "Signed in", body = SignedInAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn sign_in(
    State(app): State<App>,
    shown: Shown,
    SaleBody(body): SaleBody<SignInRequest>,
) -> Result<Response, Problem> {
    let SignInRequest { staff, badge, pin } = body.value;
    let claim = claim(&app, staff, badge, pin)?;
    let answer = staff::sign_in(&app, shown.place, claim).await?;
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Who has signed in with the token that is shown.
#[utoipa::path(get, path = "/v1/sign-ins/current", tag = "people",
    params(("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 200, description = "They are there", body = SessionAnswer),
        (status = "4XX", description = "Nobody is", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn current(State(app): State<App>, shown: Shown) -> Result<Json<SessionAnswer>, Problem> {
    let reading = app.clone();
    Ok(Json(app.readers.read_async(move |tx| staff::current(&reading, tx, &shown)).await?))
}

/// Sign out.
#[utoipa::path(delete, path = "/v1/sign-ins/current", tag = "people",
    params(("Percolate-Staff" = Option<String>, Header, description = "The token of whoever has signed in")),
    responses(
        (status = 200, description = "They were there, and are no longer", body = SessionAnswer),
        (status = "4XX", description = "Nobody was", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed, nothing was written", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn sign_out(State(app): State<App>, shown: Shown) -> Result<Json<SessionAnswer>, Problem> {
    let ending = app.clone();
    Ok(Json(app.writer.run("sign_out", move |tx| staff::sign_out(&ending, tx, &shown)).await?))
}

/// Something to be approved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalRequest {
    /// The number of whoever approves it.
    staff: Option<u32>,
    /// What their badge says.
    #[serde(default, deserialize_with = "secret")]
    badge: Option<String>,
    /// What they type.
    #[serde(default, deserialize_with = "secret")]
    pin: Option<String>,
    /// What is approved, as in `refund`.
    act: String,
    /// Why: up to 80 characters, and nobody's name. It stands in the books.
    reason: String,
}

/// Approve an act of somebody who may not do it alone: once, at this terminal, within two minutes.
#[utoipa::path(post, path = "/v1/approvals", tag = "people", request_body = ApprovalRequest, responses(
    (status = 201, description = "Approved", body = ApprovalAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn approve(
    State(app): State<App>,
    shown: Shown,
    SaleBody(body): SaleBody<ApprovalRequest>,
) -> Result<Response, Problem> {
    let ApprovalRequest { staff, badge, pin, act, reason } = body.value;
    let act: Act = act.parse().map_err(|error: ActError| refused("/act", "act_unknown", &error.to_string()))?;
    let reason = reason.trim().to_owned();
    if !is_reason(&reason) {
        let text = format!("a reason says something on one line, in at most {REASON_CHARS_MAX} characters");
        return Err(refused("/reason", "reason_unfit", &text));
    }
    let claim = claim(&app, staff, badge, pin)?;
    let answer = staff::approve(&app, shown.place, claim, ApprovalAsked { act, reason }).await?;
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// The people of the shop, and how they sign in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PeopleAnswer {
    /// `required` where tills sell for nobody who has not signed in, else `optional`.
    #[schema(value_type = String)]
    sign_in: &'static str,
    /// `alone` where a badge signs in by itself, else `with_pin`.
    #[schema(value_type = String)]
    badge_use: &'static str,
    /// All who are there, by number.
    rows: Vec<StaffAnswer>,
}

/// The people of the shop, to be tapped by whoever signs in.
#[utoipa::path(get, path = "/v1/staff", tag = "people", responses(
    (status = 200, description = "All who are there", body = PeopleAnswer),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn people(State(app): State<App>, _shown: Shown) -> Result<Json<PeopleAnswer>, Problem> {
    let policy = app.staff.policy;
    let rows = app.readers.read_async(staff::list).await?;
    let sign_in = match policy.sign_in {
        SignIn::Optional => "optional",
        SignIn::Required => "required",
    };
    let badge_use = match policy.badge_use {
        BadgeUse::WithPin => "with_pin",
        BadgeUse::Alone => "alone",
    };
    Ok(Json(PeopleAnswer { sign_in, badge_use, rows }))
}
