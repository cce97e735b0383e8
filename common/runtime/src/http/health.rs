//! Whether a server lives, whether it can do its work, and its metrics. Open to all: they tell no business.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
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
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn livez() -> &'static str {
    "ok"
}

async fn readyz(State(health): State<Health>) -> Response {
    let checks = tasks::blocking(move || (health.checks)()).await.unwrap_or_else(|tasks::Panicked| {
        vec![Check { name: "checks", ok: false, detail: "a check panicked; see the log".to_owned() }]
    });
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks })).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.metrics.render()).into_response()
}
