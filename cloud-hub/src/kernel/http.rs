//! HTTP for services: routers that carry their own description, and the one router that the hub serves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

pub use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use percolate_common::entropy::Entropy;
use percolate_common::time::Clock;
use percolate_runtime::http::auth::TokenAuth;
use percolate_runtime::http::health::{self, Health};
use percolate_runtime::http::page::html_page;
use percolate_runtime::http::problem::Problem;
use percolate_runtime::http::server::harden;
use utoipa::openapi::response::{Response as Described, ResponseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr};
use utoipa::{IntoResponses, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::kernel::auth::Auth;
use crate::kernel::auth::http::{Guard, Way, guarded};

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
    /// The services' routes.
    pub services: Vec<ServiceRouter>,
    /// The token.
    pub token: TokenAuth,
    /// Who is signed in, where there is a chain's CA.
    pub people: Option<Auth>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
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

/// The routes, each behind the guard of its way in.
#[derive(Debug)]
pub struct Routers {
    /// For the hub's own machine: by the token.
    pub own_machine: Router,
    /// For HTTPS: by sessions.
    pub https: Router,
}

/// Puts the services' routes together with those of the server itself, all behind the table of routes, with all that a
/// server needs around them.
pub fn assemble(surface: Surface) -> Routers {
    let described = OpenApiRouter::with_openapi(Description::openapi());
    let (services, mut description) =
        surface.services.into_iter().fold(described, OpenApiRouter::merge).split_for_parts();
    let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    description.components.get_or_insert_default().add_security_scheme(TOKEN_SCHEME, scheme);
    let served = served(&description);
    let open = Open {
        page: with_nonces(OFFICE_PAGE),
        description: description.to_json().unwrap_or_default(),
        entropy: surface.entropy.clone(),
    };
    let pages = Router::new().route("/", get(office)).route("/openapi.json", get(openapi)).with_state(Arc::new(open));
    let all = services.merge(health::router(surface.health)).merge(pages);
    let behind = |way| {
        let guard = Guard {
            way,
            token: surface.token.clone(),
            people: surface.people.clone(),
            served: served.clone(),
            clock: surface.clock.clone(),
            tries: Mutex::default(),
        };
        harden(guarded(all.clone(), guard), surface.entropy.clone())
    };
    Routers { own_machine: behind(Way::OwnMachine), https: behind(Way::Https) }
}

/// The methods and paths that are described, and so answered.
fn served(description: &utoipa::openapi::OpenApi) -> BTreeSet<(String, String)> {
    let mut served = BTreeSet::new();
    for (path, item) in &description.paths.paths {
        let methods = [
            ("GET", &item.get),
            ("POST", &item.post),
            ("PUT", &item.put),
            ("DELETE", &item.delete),
            ("PATCH", &item.patch),
        ];
        for (method, _) in methods.into_iter().filter(|(_, operation)| operation.is_some()) {
            served.insert((method.to_owned(), path.clone()));
        }
    }
    served
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
