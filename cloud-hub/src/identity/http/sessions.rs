//! Signing in and out, and the invitation before that.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::JsonBody;
use percolate_runtime::http::problem::Problem;
use percolate_runtime::invitation::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem;
use super::users::GrantSaid;
use crate::identity::app::IdentityApp;
use crate::identity::error::IdentityError;
use crate::identity::users::{Redeemed, Session, Shown};
use crate::kernel::auth::http::{COOKIE_NAME, SessionHash, session_shown};
use crate::kernel::auth::roles::Scope;
use crate::kernel::http::Refused;

/// What somebody shows to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    /// Their name.
    name: String,
    /// Their password.
    password: String,
    /// The six digits that their app shows.
    code: String,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignIn")
    }
}

/// What somebody who was asked in chooses.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Redemption {
    /// The invitation, 64 hexadecimal digits.
    invitation: String,
    /// The password, 12 to 128 characters.
    password: String,
}

impl fmt::Debug for Redemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redemption")
    }
}

/// What is told once, for the app that shows codes.
#[derive(Serialize, ToSchema)]
pub(super) struct Secrets {
    /// The name to sign in with.
    name: String,
    /// A link that such an app takes.
    otpauth: String,
    /// The same to be typed.
    secret: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnSession {
    /// Who is signed in.
    name: String,
    /// When it ends at the latest, in milliseconds since 1970.
    ends_at_ms: i64,
    /// Whether any grant is for the whole chain.
    whole_chain: bool,
    /// What they may do.
    grants: Vec<GrantSaid>,
    /// The shops that smaller grants than the chain's reach.
    stores: Vec<u32>,
}

impl From<Session> for OwnSession {
    fn from(session: Session) -> Self {
        Self {
            name: session.name,
            ends_at_ms: session.ends_at.get(),
            whole_chain: session.grants.iter().any(|grant| grant.scope == Scope::Chain),
            grants: session.grants.into_iter().map(GrantSaid::from).collect(),
            stores: session.stores.into_iter().map(percolate_common::ids::StoreId::get).collect(),
        }
    }
}

/// Signs somebody in. Their browser gets a cookie that is worth something over HTTPS alone.
#[utoipa::path(post, path = "/v1/identity/sessions", tag = "identity", request_body = SignIn,
    responses((status = 201, description = "They are signed in", body = OwnSession), Refused))]
pub(super) async fn begin(
    State(app): State<Arc<IdentityApp>>,
    headers: HeaderMap,
    body: JsonBody<SignIn>,
) -> Result<Response, Problem> {
    let SignIn { name, password, code } = body.value;
    let shown = Shown { name, password, code, earlier: session_shown(&headers) };
    let (secret, session) = app.sign_in(shown).await.map_err(|error| problem(&error))?;
    let cookie = [(SET_COOKIE, cookie(&secret.to_text(), "")?)];
    Ok((StatusCode::CREATED, cookie, Json(OwnSession::from(session))).into_response())
}

/// Tells who is signed in.
#[utoipa::path(get, path = "/v1/identity/sessions/own", tag = "identity", security(("token" = [])),
    responses((status = 200, description = "The session", body = OwnSession), Refused))]
pub(super) async fn own(
    _actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    session: Option<Extension<SessionHash>>,
) -> Result<Json<OwnSession>, Problem> {
    let SessionHash(hash) = known(session)?;
    Ok(Json(app.own_session(hash).await.map_err(|error| problem(&error))?.into()))
}

/// Signs somebody out. The session is worth nothing from then on, whoever has its cookie.
#[utoipa::path(delete, path = "/v1/identity/sessions/own", tag = "identity", security(("token" = [])),
    responses((status = 204, description = "It has ended"), Refused))]
pub(super) async fn end(
    actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    session: Option<Extension<SessionHash>>,
) -> Result<Response, Problem> {
    let SessionHash(hash) = known(session)?;
    app.sign_out(hash, actor.name).await.map_err(|error| problem(&error))?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie("", "; Max-Age=0")?)]).into_response())
}

/// Takes an invitation up: sets a password, and tells once what an app needs to show codes.
#[utoipa::path(post, path = "/v1/identity/invitations/redemptions", tag = "identity", request_body = Redemption,
    responses((status = 201, description = "They can sign in now", body = Secrets), Refused))]
pub(super) async fn redeem(
    State(app): State<Arc<IdentityApp>>,
    body: JsonBody<Redemption>,
) -> Result<(StatusCode, Json<Secrets>), Problem> {
    let Redemption { invitation, password } = body.value;
    let secret = Secret::parse(&invitation).ok_or_else(|| problem(&IdentityError::InvitationUnknown))?;
    let Redeemed { name, totp, chain } = app.redeem(&secret, password).await.map_err(|error| problem(&error))?;
    let (otpauth, secret) = (totp.to_uri(&chain, &name), totp.to_text());
    Ok((StatusCode::CREATED, Json(Secrets { name, otpauth, secret })))
}

fn known(session: Option<Extension<SessionHash>>) -> Result<SessionHash, Problem> {
    session.map(|Extension(session)| session).ok_or_else(|| problem(&IdentityError::SessionUnknown))
}

/// The browser gives it up when it is closed; the hub ends it before that.
fn cookie(value: &str, ending: &str) -> Result<HeaderValue, Problem> {
    let text = format!("{COOKIE_NAME}={value}; Secure; HttpOnly; SameSite=Strict; Path=/{ending}");
    HeaderValue::from_str(&text).map_err(|_unprintable| Problem::internal())
}
