//! Whether a server lives, whether it can do its work, and its metrics. Open to all: they tell no business.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use crate::tasks;

/// One thing that must be so for the server to do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// What is checked: a fixed word.
    #[schema(value_type = String)]
    pub name: &'static str,
    /// Whether it is so.
    pub ok: bool,
    /// What was seen, for a person.
    pub detail: String,
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether every check is well.
    pub ready: bool,
    /// The checks.
    pub checks: Vec<Check>,
}

/// Looks at what must be so. It may block: it runs on a thread made for that.
pub type ReadyChecks = Arc<dyn Fn() -> Vec<Check> + Send + Sync>;

/// How long a look may take.
const LOOK_TIME_MAX: Duration = Duration::from_secs(2);

/// What the health routes show.
#[derive(Clone)]
pub struct Health {
    /// What `/readyz` looks at.
    pub checks: ReadyChecks,
    /// What `/metrics` prints.
    pub metrics: PrometheusHandle,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Health")
    }
}

/// `/livez`, `/readyz` and `/metrics`.
pub fn router(health: Health) -> Router {
    let looks = Looks { checks: health.checks.clone(), turn: Arc::default() };
    let ready = Router::new().route("/readyz", get(readyz)).with_state(looks);
    Router::new().route("/livez", get(livez)).route("/metrics", get(metrics)).with_state(health).merge(ready)
}

/// Looks at what must be so, for no longer than whoever asks waits, and only once at a time: what hangs must not gather
/// threads.
#[derive(Clone)]
struct Looks {
    checks: ReadyChecks,
    /// Held by the look that is under way.
    turn: Arc<Mutex<()>>,
}

impl Looks {
    async fn look(&self) -> Vec<Check> {
        let looked = tokio::time::timeout(LOOK_TIME_MAX, async {
            let (turn, checks) = (self.turn.clone().lock_owned().await, self.checks.clone());
            tasks::blocking(move || {
                let _until_it_ends = turn;
                checks()
            })
            .await
        });
        match looked.await {
            Ok(Ok(checks)) => checks,
            Ok(Err(tasks::Panicked)) => not_looked("a check panicked; see the log"),
            Err(_elapsed) => not_looked("nothing answered in time; see the log"),
        }
    }
}

fn not_looked(why: &str) -> Vec<Check> {
    vec![Check { name: "checks", ok: false, detail: why.to_owned() }]
}

async fn livez() -> &'static str {
    "ok"
}

async fn readyz(State(looks): State<Looks>) -> Response {
    let checks = looks.look().await;
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks })).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.metrics.render()).into_response()
}
