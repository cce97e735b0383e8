//! The API without a server: requests are answered at once, on the caller's thread, as whoever holds the token.

use std::sync::OnceLock;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use percolate_runtime::http::auth::{Actor, ActorKind};
use percolate_runtime::tasks::ready_now;
use tower::Service as _;

use super::router::routes;
use crate::app::App;

/// Answers of the API to its own program are read up to here, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The routes of one node.
#[derive(Debug)]
pub(crate) struct Direct {
    router: Router,
}

/// A request to the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DirectRequest<'r> {
    pub(crate) post: bool,
    pub(crate) path: &'r str,
    /// The idempotency key, where one is needed.
    pub(crate) key: Option<&'r str>,
    /// JSON; empty for none.
    pub(crate) body: &'r str,
}

impl Direct {
    pub(crate) fn new(app: App) -> Self {
        // Describing all routes takes longer than a shop's whole start.
        static ROUTES: OnceLock<Router<App>> = OnceLock::new();
        let routes = ROUTES.get_or_init(|| routes().0).clone();
        Self { router: routes.with_state(app) }
    }

    /// The status and the body of the answer.
    pub(crate) fn ask(&self, asked: DirectRequest<'_>) -> (u16, String) {
        let mut request = Request::new(Body::from(asked.body.to_owned()));
        *request.method_mut() = if asked.post { Method::POST } else { Method::GET };
        if let Ok(uri) = asked.path.parse() {
            *request.uri_mut() = uri;
        }
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        if let Some(Ok(key)) = asked.key.map(str::parse) {
            headers.insert("idempotency-key", key);
        }
        let _none = request.extensions_mut().insert(Actor { kind: ActorKind::LocalToken, name: "direct".to_owned() });
        let mut router = self.router.clone();
        let answered = ready_now(async move {
            let Ok(response) = router.call(request).await;
            let status = response.status().as_u16();
            (status, to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.unwrap_or_default())
        });
        let (status, body) = answered.unwrap_or((StatusCode::SERVICE_UNAVAILABLE.as_u16(), bytes::Bytes::new()));
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}
