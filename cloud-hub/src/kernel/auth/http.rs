//! The guard before all routes: it looks up in the table who may ask, and lets nobody else through.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{ConnectInfo, FromRequestParts as _, MatchedPath, Query, RawPathParams, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method as Asked, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use percolate_common::ids::StoreId;
use percolate_common::time::Clock;
use percolate_runtime::http::auth::{Actor, ActorKind, TokenAuth};
use percolate_runtime::http::problem::Problem;
use percolate_runtime::http::server::Peer;
use percolate_runtime::invitation::Secret;
use tokio_stream::Stream;

use super::Auth;
use super::roles::{Grant, Target, may};
use super::sessions::SignedIn;
use super::table::{Cost, Method, Rule, TargetFrom, Who, rules_of};
use super::tries::Tries;
use crate::kernel::problem::storage_problem;

/// The cookie that holds a session: of this host and port alone, over TLS alone, and read by no script.
pub(crate) const COOKIE_NAME: &str = "__Host-percolate";

/// What a browser says of who has made it ask.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whoever has tried too often may come again after so many seconds.
const TRY_AGAIN_S: u32 = 60;

/// By which way somebody comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// On the hub's own machine, in the clear: by the token.
    OwnMachine,
    /// Over HTTPS: by a session.
    Https,
}

/// What the guard looks at.
pub(crate) struct Guard {
    pub(crate) way: Way,
    pub(crate) token: TokenAuth,
    /// Only where there are people: with a chain's CA.
    pub(crate) people: Option<Auth>,
    /// What is answered, so that a route without a row is told from a method that there is not.
    pub(crate) served: BTreeSet<(String, String)>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tries: Mutex<Tries>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("way", &self.way).finish_non_exhaustive()
    }
}

/// The session that somebody came with, for routes that end it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionHash(pub(crate) [u8; 32]);

/// Puts every route of `router` behind the guard.
pub(crate) fn guarded(router: Router, guard: Guard) -> Router {
    router.route_layer(from_fn_with_state(Arc::new(guard), check))
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match guard.judge(&mut parts).await {
        Ok(session) => {
            let response = next.run(Request::from_parts(parts, body)).await;
            match (session, &guard.people) {
                (Some(hash), Some(people)) => until_over(response, people, hash),
                (Some(_) | None, Some(_) | None) => response,
            }
        }
        Err(refusal) => *refusal,
    }
}

type Judged<T> = Result<T, Box<Response>>;

fn refused(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Box<Response> {
    Box::new(Problem::new(status, code, detail).into_response())
}

impl Guard {
    /// Whether this may be asked. Whoever asks stands in the request afterwards; the session is that of a person.
    async fn judge(&self, parts: &mut Parts) -> Judged<Option<[u8; 32]>> {
        let rule = self.rule(parts)?;
        if rule.method != Method::Get && is_of_another_site(&parts.headers) {
            return Err(origin_wrong());
        }
        match rule.who {
            Who::Anybody => Ok(None),
            Who::OwnMachine if self.way == Way::OwnMachine => Ok(None),
            Who::OwnMachine => {
                Err(refused(StatusCode::FORBIDDEN, "forbidden", "This is answered on the hub's own machine alone."))
            }
            Who::Proof(cost) => self.count(cost, parts).map(|()| None),
            Who::SignedIn | Who::Person(_, _) => self.admit(rule, parts).await,
        }
    }

    fn rule(&self, parts: &Parts) -> Judged<&'static Rule> {
        let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let asked = if parts.method == Asked::HEAD { &Asked::GET } else { &parts.method };
        if let Some(rule) = rules_of(path).find(|rule| rule.method.as_str() == asked.as_str()) {
            return Ok(rule);
        }
        let lawful: Vec<_> = rules_of(path).map(|rule| rule.method.as_str()).collect();
        if lawful.is_empty() || self.served.contains(&(asked.as_str().to_owned(), path.to_owned())) {
            tracing::error!(%asked, path, "a route has no row in the table of routes and is not answered");
            let said = "This is answered to nobody: it stands in no table of who may ask. Report it.";
            return Err(refused(StatusCode::FORBIDDEN, "route_unlisted", said));
        }
        let said = format!("{path} cannot be asked with {asked}. See /openapi.json.");
        let mut refusal = refused(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", said);
        if let Ok(lawful) = HeaderValue::from_str(&lawful.join(", ")) {
            refusal.headers_mut().insert(ALLOW, lawful);
        }
        Err(refusal)
    }

    fn count(&self, cost: Cost, parts: &Parts) -> Judged<()> {
        // In a test there may be no connection, and nobody to count.
        let Some(ConnectInfo(Peer(peer))) = parts.extensions.get::<ConnectInfo<Peer>>() else { return Ok(()) };
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.take(cost, SocketAddr::ip(peer), self.clock.now()) {
            return Ok(());
        }
        let said = "This address has tried too often. Wait a minute.";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", said);
        Err(Box::new(problem.with_retry_after(TRY_AGAIN_S).into_response()))
    }

    async fn admit(&self, rule: &Rule, parts: &mut Parts) -> Judged<Option<[u8; 32]>> {
        if self.way == Way::OwnMachine {
            let actor = self.token.actor(&parts.headers).ok_or_else(|| Box::new(TokenAuth::refusal()))?;
            parts.extensions.insert(actor);
            return Ok(None);
        }
        let store = named_store(rule, parts).await;
        let shown = session_shown(&parts.headers);
        let (Some(hash), Some(people)) = (shown, &self.people) else { return Err(signed_out()) };
        let found = people.signed_in(hash, store.named()).await;
        let found = found.map_err(|error| Box::new(storage_problem(&error).into_response()))?;
        let SignedIn { session, grants, place } = found.ok_or_else(signed_out)?;
        if rule.method != Method::Get && !is_of_this_site(&parts.headers) {
            return Err(origin_wrong());
        }
        permitted(rule, &grants, &store, store.target(place))?;
        parts.extensions.insert(Actor { kind: ActorKind::User { id: session.user }, name: session.name });
        parts.extensions.insert(SessionHash(hash));
        Ok(Some(hash))
    }
}

fn permitted(rule: &Rule, grants: &[Grant], store: &Named, target: Target) -> Judged<()> {
    let Who::Person(permission, from) = rule.who else { return Ok(()) };
    if may(grants, permission, target) {
        return Ok(());
    }
    let names_none = from == TargetFrom::QueryStore && *store == Named::Chain;
    if names_none && may(grants, permission, Target::Anywhere) {
        let said = "Name one of your stores with store=.";
        return Err(refused(StatusCode::FORBIDDEN, "store_not_named", said));
    }
    let said = format!("You may not {} here. An owner of the chain can change that.", permission.in_words());
    Err(refused(StatusCode::FORBIDDEN, "forbidden", said))
}

/// What a question is about, as it is named in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Chain,
    Anywhere,
    Store(StoreId),
    /// Something that is no shop, or several: for those alone who may ask about all.
    Unclear,
}

impl Named {
    const fn named(self) -> Option<StoreId> {
        match self {
            Self::Store(store) => Some(store),
            Self::Chain | Self::Anywhere | Self::Unclear => None,
        }
    }

    const fn target(self, place: Option<super::roles::Place>) -> Target {
        match self {
            Self::Chain | Self::Unclear => Target::Chain,
            Self::Anywhere => Target::Anywhere,
            Self::Store(store) => Target::Store(store, place),
        }
    }
}

/// Read by the same means as the routes read it, so that both see the same.
async fn named_store(rule: &Rule, parts: &mut Parts) -> Named {
    let from = match rule.who {
        Who::Person(_, from) => from,
        Who::Anybody | Who::OwnMachine | Who::Proof(_) | Who::SignedIn => TargetFrom::Anywhere,
    };
    match from {
        TargetFrom::Chain => Named::Chain,
        TargetFrom::Anywhere => Named::Anywhere,
        TargetFrom::QueryStore => {
            let Ok(Query(all)) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri) else {
                return Named::Unclear;
            };
            let mut stores = all.iter().filter(|(name, _)| name == "store").map(|(_, value)| value);
            match (stores.next(), stores.next()) {
                (None, _) => Named::Chain,
                (Some(one), None) => one.parse().map_or(Named::Unclear, Named::Store),
                (Some(_), Some(_)) => Named::Unclear,
            }
        }
        TargetFrom::PathStore => {
            let Ok(params) = RawPathParams::from_request_parts(parts, &()).await else { return Named::Unclear };
            let store = params.iter().find(|(name, _)| *name == "store").map(|(_, value)| value.parse());
            store.and_then(Result::ok).map_or(Named::Unclear, Named::Store)
        }
    }
}

/// The hash of the session that a browser shows; none if it shows several.
pub(crate) fn session_shown(headers: &HeaderMap) -> Option<[u8; 32]> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut shown = texts
        .flat_map(|text| text.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value);
    let value = shown.next().filter(|_| shown.next().is_none())?;
    Secret::parse(value).map(|secret| secret.hash())
}

/// Whether a browser says that a page of somebody else has made it ask.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none")
}

/// Whether a browser says that a page of ours has made it ask. An old one names the page's origin alone.
fn is_of_this_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin";
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text(ORIGIN).and_then(|origin| origin.strip_prefix("https://"));
    origin.is_some() && origin == text(HOST)
}

fn origin_wrong() -> Box<Response> {
    let said = "Another page has made the browser ask this. Open the office's own page, and do it there.";
    refused(StatusCode::FORBIDDEN, "origin_wrong", said)
}

fn signed_out() -> Box<Response> {
    refused(StatusCode::UNAUTHORIZED, "unauthorized", "Sign in first: you are not, or no longer.")
}

/// An answer that goes on and on does not outlive its session.
fn until_over(response: Response, people: &Auth, hash: [u8; 32]) -> Response {
    let goes_on = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    if !goes_on {
        return response;
    }
    let over = Box::pin(people.session_over(hash));
    response.map(|body| Body::from_stream(Until { body: body.into_data_stream(), over }))
}

struct Until {
    body: BodyDataStream,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Stream for Until {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.over.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => Pin::new(&mut self.body).poll_next(context),
        }
    }
}
