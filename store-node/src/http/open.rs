//! What the routes without a token are described as. The runtime serves them; `router` serves the description itself.

use percolate_runtime::http::health::Readiness;

/// Whether the process lives.
#[utoipa::path(get, path = "/livez", tag = "open", security(()), responses(
    (status = 200, description = "It lives", body = String, content_type = "text/plain"),
))]
#[expect(dead_code, reason = "a description without a handler")]
pub(super) fn livez() {}

/// Whether the node can sell, and if not, why.
#[utoipa::path(get, path = "/readyz", tag = "open", security(()), responses(
    (status = 200, description = "It can sell", body = Readiness),
    (status = 503, description = "It cannot", body = Readiness),
))]
#[expect(dead_code, reason = "a description without a handler")]
pub(super) fn readyz() {}

/// Metrics, as Prometheus reads them.
#[utoipa::path(get, path = "/metrics", tag = "open", security(()), responses(
    (status = 200, description = "All metrics", body = String, content_type = "text/plain"),
))]
#[expect(dead_code, reason = "a description without a handler")]
pub(super) fn metrics() {}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "open", security(()), responses(
    (status = 200, description = "An OpenAPI document", body = Object),
))]
#[expect(dead_code, reason = "a description without a handler")]
pub(super) fn openapi() {}
