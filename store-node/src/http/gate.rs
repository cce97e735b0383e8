//! The gate before all routes: finds out who asks, and asks the table whether they may.

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use percolate_common::time::Clock;
use percolate_runtime::http::auth::{Actor, ActorKind, TokenAuth, bearer, unknown_asker};
use percolate_runtime::http::problem::Problem;
use percolate_runtime::http::server::Peer;
use tokio_util::sync::CancellationToken;

use super::table::{Asker, Verdict, Way, Who, may, who};
use super::tries::Tries;
use crate::app::{App, Terminals};

/// Ends when the terminal that asks is revoked; in the extensions of its requests.
#[derive(Debug, Clone)]
pub(super) struct UntilRevoked(pub(super) CancellationToken);

/// What is needed to tell who asks. A clone is the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    auth: TokenAuth,
    terminals: Arc<Terminals>,
    clock: Arc<dyn Clock>,
    tries: Arc<Tries>,
}

impl Gate {
    pub(crate) fn new(auth: TokenAuth, app: &App) -> Self {
        Self { auth, terminals: app.terminals.clone(), clock: app.clock.clone(), tries: Arc::default() }
    }

    /// Puts the routes of `router` behind the gate, for those who come by one way.
    pub(super) fn before(self, router: Router, way: Way) -> Router {
        router.route_layer(from_fn_with_state(Arc::new((self, way)), pass))
    }

    /// Finds out who asks, and leaves word of it with the request.
    fn asker(&self, request: &mut Request, way: Way) -> Asker {
        if let Some(actor) = self.auth.actor(request.headers()).filter(|_| way == Way::Loopback) {
            request.extensions_mut().insert(actor);
            return Asker::Local;
        }
        let Some(known) = bearer(request.headers()).and_then(|token| self.terminals.by_token(token)) else {
            return Asker::Nobody;
        };
        if known.is_revoked() {
            return Asker::Revoked;
        }
        known.saw(self.clock.now());
        let extensions = request.extensions_mut();
        extensions.insert(Actor { kind: ActorKind::Terminal, name: known.name.to_string() });
        extensions.insert(UntilRevoked(known.ended.clone()));
        Asker::Terminal(known.kind)
    }

    /// Counts the try of whoever shows a pairing code.
    fn count(&self, request: &Request) -> Option<Problem> {
        let ConnectInfo(Peer(peer)) = request.extensions().get::<ConnectInfo<Peer>>()?;
        let wait_ms = self.tries.count(peer.ip().to_canonical(), self.clock.now()).err()?;
        tracing::warn!(%peer, "pairing codes are tried too often");
        let wait_s = u32::try_from(wait_ms / 1_000).unwrap_or(0).saturating_add(1);
        let detail =
            "From this address codes were tried too often. Wait a minute, and compare the code with the box's screen.";
        Some(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", detail).with_retry_after(wait_s))
    }
}

async fn pass(State(gate): State<Arc<(Gate, Way)>>, mut request: Request, next: Next) -> Response {
    let (gate, way) = &*gate;
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let Some(who) = who(request.method().as_str(), path) else {
        tracing::error!(method = %request.method(), path, "a route stands in no row of the table: it is a defect, and refused");
        return unlisted().into_response();
    };
    let asker = gate.asker(&mut request, *way);
    let refused = match may(who, asker, *way) {
        Verdict::Yes if who == Who::Pairing => gate.count(&request).map(IntoResponse::into_response),
        Verdict::Yes => None,
        Verdict::Unknown => Some(unknown_asker(unknown(*way))),
        Verdict::Revoked => Some(unknown_asker(revoked())),
        Verdict::OtherKind => Some(other_kind().into_response()),
        Verdict::OnTheBoxOnly => Some(on_the_box_only().into_response()),
    };
    match refused {
        Some(refused) => refused,
        None => next.run(request).await,
    }
}

fn unknown(way: Way) -> Problem {
    let detail = match way {
        Way::Loopback => {
            "Send the header Authorization: Bearer with the token from the file \"token\" in the server's data folder, or with \
             the one that this terminal was given when it was paired."
        }
        Way::Network => {
            "Send the header Authorization: Bearer with the token that this terminal was given when it was paired. To pair it, \
             open /pair."
        }
    };
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

fn revoked() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "terminal_revoked",
        "This terminal was revoked, or another one was paired under its name. To pair it anew, open /pair.",
    )
}

fn other_kind() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "terminal_not_allowed",
        "A terminal of this kind may not do this: a kitchen screen shows tickets, and a till sells.",
    )
}

fn on_the_box_only() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "on_the_box_only", "This is answered on the box itself only, to its own token.")
}

fn unlisted() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "route_unlisted",
        "Nobody has said who may ask this, so that nobody may. It is a defect: report it.",
    )
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use percolate_common::entropy::SeededEntropy;
    use percolate_common::time::UtcMillis;
    use tower::Service as _;

    use super::*;

    #[derive(Debug)]
    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> UtcMillis {
            UtcMillis::new(1_795_435_200_000)
        }
    }

    #[tokio::test]
    async fn a_route_without_a_row_is_refused_to_everybody() {
        let folder = tempfile::tempdir().unwrap();
        let auth = TokenAuth::open(folder.path(), &SeededEntropy::new(1)).unwrap();
        let token = std::fs::read_to_string(folder.path().join("token")).unwrap();
        let gate = Gate { auth, terminals: Arc::default(), clock: Arc::new(Noon), tries: Arc::default() };
        let router =
            Router::new().route("/v1/forgotten", get(|| async { "secret" })).route("/livez", get(|| async { "ok" }));
        for way in [Way::Loopback, Way::Network] {
            let mut router = gate.clone().before(router.clone(), way);
            let mut asked = |path: &str| {
                let request = Request::builder().uri(path).header("authorization", format!("Bearer {token}"));
                router.call(request.body(Body::empty()).unwrap())
            };
            let refused = asked("/v1/forgotten").await.unwrap();
            assert_eq!(refused.status(), StatusCode::FORBIDDEN);
            assert_eq!(refused.extensions().get::<Problem>().unwrap().code(), "route_unlisted");
            assert_eq!(asked("/livez").await.unwrap().status(), StatusCode::OK);
        }
    }
}
