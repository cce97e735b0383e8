//! Who may sign in, what they may do and where, and what was done.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use percolate_common::identity::person::PersonName;
use percolate_common::ids::StoreId;
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::extract::{JsonBody, PathParams, QueryParams};
use percolate_runtime::http::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem;
use crate::identity::app::IdentityApp;
use crate::identity::error::IdentityError;
use crate::identity::store::What;
use crate::identity::users::Invited;
use crate::kernel::auth::roles::{Grant, Place, Role, Scope};
use crate::kernel::http::Refused;

/// Grants that one person has at most.
const GRANTS_MAX: usize = 100;
/// Lines of the list of what was done, if nothing is said, and at most.
const DOINGS: u32 = 100;
const DOINGS_MAX: u32 = 1_000;

/// What somebody is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RoleSaid {
    Owner,
    Planner,
    Auditor,
    Manager,
    Technician,
}

/// How far that reaches.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ScopeSaid {
    Chain,
    Region,
    District,
    Store,
}

/// What somebody may do, and where.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantSaid {
    /// What they are.
    role: RoleSaid,
    /// How far that reaches.
    scope: ScopeSaid,
    /// Which region, district or store; nothing for the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<u32>,
}

impl GrantSaid {
    fn into_grant(self) -> Option<Grant> {
        let role = match self.role {
            RoleSaid::Owner => Role::Owner,
            RoleSaid::Planner => Role::Planner,
            RoleSaid::Auditor => Role::Auditor,
            RoleSaid::Manager => Role::Manager,
            RoleSaid::Technician => Role::Technician,
        };
        let scope = match (self.scope, self.place) {
            (ScopeSaid::Chain, None) => Scope::Chain,
            (ScopeSaid::Region, Some(number)) => Scope::Region(number),
            (ScopeSaid::District, Some(number)) => Scope::District(number),
            (ScopeSaid::Store, Some(number)) => Scope::Store(StoreId::new(number)),
            (ScopeSaid::Chain, Some(_)) | (ScopeSaid::Region | ScopeSaid::District | ScopeSaid::Store, None) => {
                return None;
            }
        };
        Some(Grant { role, scope })
    }
}

impl From<Grant> for GrantSaid {
    fn from(grant: Grant) -> Self {
        let role = match grant.role {
            Role::Owner => RoleSaid::Owner,
            Role::Planner => RoleSaid::Planner,
            Role::Auditor => RoleSaid::Auditor,
            Role::Manager => RoleSaid::Manager,
            Role::Technician => RoleSaid::Technician,
        };
        let (scope, place) = match grant.scope {
            Scope::Chain => (ScopeSaid::Chain, None),
            Scope::Region(number) => (ScopeSaid::Region, Some(number)),
            Scope::District(number) => (ScopeSaid::District, Some(number)),
            Scope::Store(store) => (ScopeSaid::Store, Some(store.get())),
        };
        Self { role, scope, place }
    }
}

/// Everybody who may sign in, or might.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Users {
    /// By name.
    rows: Vec<UserLine>,
}

/// Somebody.
#[derive(Debug, Serialize, ToSchema)]
struct UserLine {
    /// The name to sign in with.
    name: String,
    /// `invited`, `active` or `disabled`.
    state: &'static str,
    /// What they may do.
    grants: Vec<GrantSaid>,
}

/// Who is asked in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Invitee {
    /// The name to sign in with: small letters, digits, dots, hyphens, underscores and @.
    name: String,
}

/// An invitation.
#[derive(Serialize, ToSchema)]
pub(super) struct Invitation {
    /// For whom it is.
    name: String,
    /// What they show: for them alone, by a way that nobody else reads.
    invitation: String,
    /// Until when, in milliseconds since 1970.
    expires_at_ms: i64,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invitation")
    }
}

/// What somebody may do from now on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Grants {
    /// All of it; nothing else is left of what was before.
    grants: Vec<GrantSaid>,
}

/// Somebody who cannot sign in any more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Disabled {
    /// Who.
    name: String,
}

/// Where a shop belongs.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceSaid {
    /// Its district.
    district: u32,
    /// Its region.
    region: u32,
}

/// Which lines are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DoingsQuery {
    /// The `next` of the page before.
    before: Option<i64>,
    /// 1 to 1000; 100 if absent.
    limit: Option<u32>,
}

/// What was done, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Doings {
    /// The lines.
    rows: Vec<DoingLine>,
    /// Give this as `before` for the next page; absent on the last.
    next: Option<i64>,
}

/// A line.
#[derive(Debug, Serialize, ToSchema)]
struct DoingLine {
    /// Its number.
    id: i64,
    /// When, in milliseconds since 1970.
    at_ms: i64,
    /// Who: a name, or `local` for whoever has the token.
    actor: String,
    /// What, as a word.
    what: &'static str,
    /// To what or whom.
    about: String,
}

/// Lists everybody who may sign in.
#[utoipa::path(get, path = "/v1/identity/users", tag = "identity", security(("token" = [])),
    responses((status = 200, description = "The people", body = Users), Refused))]
pub(super) async fn list(_actor: Actor, State(app): State<Arc<IdentityApp>>) -> Result<Json<Users>, Problem> {
    let users = app.users().await.map_err(|error| problem(&error))?;
    let rows = users.into_iter().map(|(user, grants)| UserLine {
        name: user.name,
        state: user.state.as_str(),
        grants: grants.into_iter().map(GrantSaid::from).collect(),
    });
    Ok(Json(Users { rows: rows.collect() }))
}

/// Asks somebody in. Asked again, the earlier invitation ends; whoever takes the new one up chooses another password.
#[utoipa::path(post, path = "/v1/identity/users", tag = "identity", security(("token" = [])), request_body = Invitee,
    responses((status = 201, description = "The invitation", body = Invitation), Refused))]
pub(super) async fn invite(
    actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    body: JsonBody<Invitee>,
) -> Result<(StatusCode, Json<Invitation>), Problem> {
    let name: PersonName = body.value.name.parse().map_err(|error| {
        let said = format!("{error}.");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "name_invalid", said)
    })?;
    let Invited { name, secret, expires_at } = app.invite(name, actor.name).await.map_err(|error| problem(&error))?;
    let (name, invitation, expires_at_ms) = (name.to_string(), secret.to_text(), expires_at.get());
    Ok((StatusCode::CREATED, Json(Invitation { name, invitation, expires_at_ms })))
}

/// Says what somebody may do from now on, in place of what they might before. It holds from their next request.
#[utoipa::path(put, path = "/v1/identity/users/{name}/grants", tag = "identity", security(("token" = [])),
    request_body = Grants, params(("name" = String, Path, description = "Whose")),
    responses((status = 200, description = "What they may do", body = Grants), Refused))]
pub(super) async fn grants(
    actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    PathParams(name): PathParams<String>,
    body: JsonBody<Grants>,
) -> Result<Json<Grants>, Problem> {
    let said = body.value;
    let read: Option<Vec<Grant>> = said.grants.iter().map(|grant| grant.into_grant()).collect();
    let grants = read.filter(|grants| grants.len() <= GRANTS_MAX).ok_or_else(|| {
        let told = format!(
            "At most {GRANTS_MAX} grants, each with the number of its region, district or store; that of the chain has none."
        );
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "grant_invalid", told)
    })?;
    app.grants_set(known(&name)?, grants, actor.name).await.map_err(|error| problem(&error))?;
    Ok(Json(said))
}

/// Somebody cannot sign in any more, and is signed out everywhere. Invited again, they can.
#[utoipa::path(delete, path = "/v1/identity/users/{name}", tag = "identity", security(("token" = [])),
    params(("name" = String, Path, description = "Who")),
    responses((status = 200, description = "They cannot", body = Disabled), Refused))]
pub(super) async fn disable(
    actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    PathParams(name): PathParams<String>,
) -> Result<Json<Disabled>, Problem> {
    let name = known(&name)?;
    app.disable(name.clone(), actor.name).await.map_err(|error| problem(&error))?;
    Ok(Json(Disabled { name: name.to_string() }))
}

/// Says to which district and region a shop belongs, and so who sees it.
#[utoipa::path(put, path = "/v1/identity/stores/{store}/place", tag = "identity", security(("token" = [])),
    request_body = PlaceSaid, params(("store" = u32, Path, description = "The shop's number")),
    responses((status = 200, description = "It belongs there", body = PlaceSaid), Refused))]
pub(super) async fn place(
    actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    PathParams(store): PathParams<u32>,
    body: JsonBody<PlaceSaid>,
) -> Result<Json<PlaceSaid>, Problem> {
    let PlaceSaid { district, region } = body.value;
    let done = app.place(StoreId::new(store), Place { district, region }, actor.name).await;
    done.map_err(|error| problem(&error))?;
    Ok(Json(body.value))
}

/// Lists who did what that not everybody may.
#[utoipa::path(get, path = "/v1/identity/doings", tag = "identity", security(("token" = [])), params(DoingsQuery),
    responses((status = 200, description = "A page of what was done", body = Doings), Refused))]
pub(super) async fn doings(
    _actor: Actor,
    State(app): State<Arc<IdentityApp>>,
    QueryParams(query): QueryParams<DoingsQuery>,
) -> Result<Json<Doings>, Problem> {
    let limit = query.limit.unwrap_or(DOINGS);
    if !(1..=DOINGS_MAX).contains(&limit) {
        let said = format!("Ask for 1 to {DOINGS_MAX} lines, not for {limit}.");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "limit_out_of_range", said));
    }
    let before = query.before.unwrap_or(i64::MAX);
    let read = app.doings(before, i64::from(limit).saturating_add(1)).await.map_err(|error| problem(&error))?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_more = read.len() > shown;
    let rows: Vec<DoingLine> = read
        .into_iter()
        .take(shown)
        .map(|row| DoingLine {
            id: row.id,
            at_ms: row.at.get(),
            actor: row.actor,
            what: row.what.map_or("unknown", What::as_str),
            about: row.about,
        })
        .collect();
    let next = rows.last().filter(|_| is_more).map(|row| row.id);
    Ok(Json(Doings { rows, next }))
}

/// Nobody has a name that is none.
fn known(name: &str) -> Result<PersonName, Problem> {
    name.parse().map_err(|_no_name| problem(&IdentityError::UserUnknown))
}
