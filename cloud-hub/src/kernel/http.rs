//! HTTP for services: the router that carries its own description.

use utoipa_axum::router::OpenApiRouter;

/// Routes with their descriptions and their state: `OpenApiRouter::new().routes(routes!(handler)).with_state(state)`.
///
/// Paths are whole, as in `/v1/reporting/sales`.
pub type ServiceRouter = OpenApiRouter;
