//! HTTP for services: routers that carry their own description, and the one router that the hub serves.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use percolate_common::entropy::Entropy;
use percolate_runtime::http::auth::{TokenAuth, require_token};
use percolate_runtime::http::health::{self, Health};
use percolate_runtime::http::page::html_page;
use percolate_runtime::http::problem::Problem;
use percolate_runtime::http::server::harden;
use percolate_runtime::storage::StorageError;
use utoipa::openapi::response::{Response as Described, ResponseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr};
use utoipa::{IntoResponses, OpenApi};
use utoipa_axum::router::OpenApiRouter;

/// Routes with their descriptions and their state: `OpenApiRouter::new().routes(routes!(handler)).with_state(state)`.
///
/// Paths are whole, as in `/v1/reporting/sales`. A description that needs the token says `security(("token" = []))`,
/// and every one says what it may be [`Refused`] with.
pub type ServiceRouter = OpenApiRouter;

/// The name of the token in descriptions.
const TOKEN_SCHEME: &str = "token";

/// What any operation may be answered with instead. In descriptions: `responses((status = 200, …), Refused)`.
#[derive(Debug)]
pub struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let problem = |said: &str| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            RefOr::T(ResponseBuilder::new().description(said).content("application/problem+json", content).build())
        };
        BTreeMap::from([
            ("4XX".to_owned(), problem("Refused: `code` and `errors` say what to change")),
            ("5XX".to_owned(), problem("Failed: try again; if it stays, report the request id")),
        ])
    }
}

/// The first page that a person sees.
const OFFICE_PAGE: &str = include_str!("../../web/office.html");

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Percolate cloud hub",
        description = "Journals, reports and the menu of a chain. \
            Every error is a problem document (RFC 9457) with a `code`.",
    ),
    components(schemas(Problem))
)]
struct Description;

/// What the hub's router is made of.
pub struct Surface {
    /// The services' routes, all behind the token.
    pub services: Vec<ServiceRouter>,
    /// What this program may be asked by another listener: described here, answered there.
    pub elsewhere: Option<utoipa::openapi::OpenApi>,
    /// The token.
    pub auth: TokenAuth,
    /// Health and metrics, open to all.
    pub health: Health,
    /// Chance, for request ids and the page's policy.
    pub entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surface").field("services", &self.services.len()).finish_non_exhaustive()
    }
}

/// The page and the merged description, made once.
struct Open {
    page: String,
    description: String,
    entropy: Arc<dyn Entropy>,
}

/// Puts the services' routes together, behind the token, beside the open ones, with all that a server needs around it.
pub fn assemble(surface: Surface) -> Router {
    let described = OpenApiRouter::with_openapi(Description::openapi());
    let (services, mut description) =
        surface.services.into_iter().fold(described, OpenApiRouter::merge).split_for_parts();
    if let Some(elsewhere) = surface.elsewhere {
        description.merge(elsewhere);
    }
    let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    description.components.get_or_insert_default().add_security_scheme(TOKEN_SCHEME, scheme);
    let open = Open {
        page: with_nonces(OFFICE_PAGE),
        description: description.to_json().unwrap_or_default(),
        entropy: surface.entropy.clone(),
    };
    let pages = Router::new().route("/", get(office)).route("/openapi.json", get(openapi)).with_state(Arc::new(open));
    let router = require_token(services, surface.auth).merge(health::router(surface.health)).merge(pages);
    harden(router, surface.entropy)
}

/// What a caller is told of a storage failure, which is logged here.
#[must_use]
pub fn storage_problem(error: &StorageError) -> Problem {
    tracing::error!(
        error.code = error.code(),
        error = error as &dyn std::error::Error,
        "a request met a storage failure"
    );
    Problem::from(error)
}

/// The page's own style and script may run under its policy; it has one element of each.
fn with_nonces(page: &str) -> String {
    page.replace("<style>", "<style nonce=\"{{nonce}}\">").replace("<script>", "<script nonce=\"{{nonce}}\">")
}

async fn office(State(open): State<Arc<Open>>) -> Response {
    html_page(&open.page, &*open.entropy)
}

async fn openapi(State(open): State<Arc<Open>>) -> Response {
    ([(CONTENT_TYPE, "application/json")], open.description.clone()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_and_style_of_the_page_gets_a_nonce() {
        let page = with_nonces(OFFICE_PAGE);
        for element in ["<script", "<style"] {
            let all = page.matches(element).count();
            let with_nonce = page.matches(&format!("{element} nonce=\"{{{{nonce}}}}\">")).count();
            assert!(all > 0 && all == with_nonce, "{element}: {with_nonce} of {all}");
        }
    }
}
