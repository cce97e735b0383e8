//! The server around a router: request ids, limits, headers, listening and stopping.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use metrics::{counter, histogram};
use percolate_common::entropy::Entropy;
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use crate::files::{FileError, write_atomic};
use crate::http::problem::Problem;
use crate::http::tls::{HttpsLimits, TlsListener};
use crate::system::monotonic_now;
use crate::tasks::panic_text;
use crate::tls::Handshakes;

/// The largest body, in bytes, where a route says nothing else. At the limit: 413 `body_too_large`.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// The longest a request may take until its answer begins. At the limit: 503 `timeout`.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// How long open requests may go on after the server was told to stop; then they are cut off.
pub const GRACE: Duration = Duration::from_secs(5);

/// The name of the file that says where a server listens.
pub const ENDPOINTS_FILE: &str = "endpoints.json";

/// The longest request id that is taken from a caller, in characters.
const REQUEST_ID_LENGTH_MAX: usize = 64;

const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request that is being served: the caller's, or one made for it. In the extensions of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Where a request comes from; with [`axum::extract::ConnectInfo`] in its extensions. Not there without a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, PlainListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, PlainListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Connections as they come.
#[derive(Debug)]
struct PlainListener(TcpListener);

impl Listener for PlainListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let (connection, peer) = Listener::accept(&mut self.0).await;
        // Answers are small: waiting for more of them to fill a packet would be felt at the till.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(error = &error as &dyn Error, "could not set TCP_NODELAY");
        }
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The server could not listen or serve.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken or not ours.
    #[error("could not listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Accepting connections failed.
    #[error("the HTTP server failed")]
    Serve(#[source] io::Error),
}

/// A server that listens but does not serve yet.
#[derive(Debug)]
pub struct BoundServer {
    listening: Listening,
    address: SocketAddr,
}

/// What comes in: as it is, or after a handshake.
#[derive(Debug)]
enum Listening {
    Plain(PlainListener),
    Tls(Box<TlsListener>),
}

impl BoundServer {
    /// Listens. Port 0 takes a free one: [`BoundServer::address`] tells which.
    ///
    /// # Errors
    /// [`ServerError::Bind`].
    pub async fn bind(address: SocketAddr) -> Result<Self, ServerError> {
        let (listener, address) = listen(address).await?;
        Ok(Self { listening: Listening::Plain(PlainListener(listener)), address })
    }

    /// Listens for HTTPS. Nobody is served, or counted as a request, before the handshake is done.
    ///
    /// # Errors
    /// [`ServerError::Bind`].
    pub async fn bind_tls(
        address: SocketAddr,
        config: Arc<ServerConfig>,
        limits: HttpsLimits,
    ) -> Result<Self, ServerError> {
        let (listener, address) = listen(address).await?;
        let handshakes = Handshakes::new("https", listener, config, limits.handshakes);
        Ok(Self { listening: Listening::Tls(Box::new(TlsListener::new(handshakes, limits))), address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop; then takes no more, and gives what is open [`GRACE`] to end.
    ///
    /// # Errors
    /// [`ServerError::Serve`].
    pub async fn serve(self, router: Router, stop: CancellationToken) -> Result<(), ServerError> {
        match self.listening {
            Listening::Plain(listener) => serve_on(listener, router, stop).await,
            Listening::Tls(listener) => serve_on(*listener, router, stop).await,
        }
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

async fn serve_on<L>(listener: L, router: Router, stop: CancellationToken) -> Result<(), ServerError>
where
    L: Listener<Addr: fmt::Debug>,
    Peer: for<'a> Connected<IncomingStream<'a, L>>,
{
    let service = router.into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let cut = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = serving.into_future() => ended.map_err(ServerError::Serve),
        () = cut => Ok(()),
    }
}

/// Puts around a router what every server of ours has: problems for unknown paths and methods, request ids, time and
/// body limits, caught panics, security headers, a log line and metrics for each request.
///
/// A route with bodies of another size says `.layer(DefaultBodyLimit::max(…))` itself.
pub fn harden(router: Router, entropy: Arc<dyn Entropy>) -> Router {
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(limit_time))
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(from_fn(secure_headers))
        .layer(from_fn_with_state(entropy, observe))
}

/// Where a server listens, for whoever started it: `<data>/endpoints.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The HTTP server, as `host:port`.
    pub http: String,
    /// The HTTPS server for boxes, where the program has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<String>,
    /// The way to its MQTT broker, by certificate, where the program has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtts: Option<String>,
    /// The process.
    pub pid: u32,
}

impl Endpoints {
    /// Of this process.
    #[must_use]
    pub fn new(http: SocketAddr) -> Self {
        Self { http: http.to_string(), https: None, mqtts: None, pid: process::id() }
    }

    /// The same, with an HTTPS server beside it.
    #[must_use]
    pub fn with_https(self, https: Option<SocketAddr>) -> Self {
        Self { https: https.map(|address| address.to_string()), ..self }
    }

    /// The same, with a way to the broker by certificate.
    #[must_use]
    pub fn with_mqtts(self, mqtts: Option<SocketAddr>) -> Self {
        Self { mqtts: mqtts.map(|address| address.to_string()), ..self }
    }

    /// Writes the file: a reader sees the old one or the whole new one.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, data_dir: &Path) -> Result<(), FileError> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        write_atomic(&data_dir.join(ENDPOINTS_FILE), &text)
    }
}

async fn not_found(request: Request) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("There is nothing at {}. See /openapi.json.", request.uri().path()),
    )
}

async fn method_not_allowed(request: Request) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} cannot be asked with {}. See /openapi.json.", request.uri().path(), request.method()),
    )
}

async fn limit_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(REQUEST_TIME_MAX, next.run(request)).await.unwrap_or_else(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            "The answer took too long. If it was a write, try again with the same Idempotency-Key.",
        )
        .with_retry_after(1)
        .into_response()
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
fn answer_panic(panic: Box<dyn Any + Send>) -> Response {
    tracing::error!(panic = panic_text(&*panic), "a handler panicked");
    counter!("http_panics_total").increment(1);
    Problem::internal().into_response()
}

async fn secure_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        // A page says itself what it may load; anything else loads nothing.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Gives the request its id, logs and measures it, and writes the id into the answer.
async fn observe(State(entropy): State<Arc<dyn Entropy>>, mut request: Request, next: Next) -> Response {
    let start = monotonic_now();
    let id = request_id(&request, &*entropy);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(RequestId(id.clone()));

    let span = tracing::info_span!("request", request.id = %id, %method, route);
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let headers = std::mem::take(response.headers_mut());
        response = problem.with_request_id(&id).into_response();
        for (name, value) in &headers {
            response.headers_mut().entry(name).or_insert(value.clone());
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    let took = monotonic_now().saturating_sub(start);
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), duration_ms = took.as_millis(), "served"));
    measure(&method, route, response.status(), took);
    response
}

fn measure(method: &Method, route: String, status: StatusCode, took: Duration) {
    // Labels are from closed sets: matched routes, known methods, classes of status.
    let method = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD]
        .iter()
        .find(|known| *known == method)
        .map_or("other", |known| match *known {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::DELETE => "DELETE",
            _ => "HEAD",
        });
    let class = match status.as_u16() {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    };
    counter!("http_requests_total", "method" => method, "route" => route.clone(), "status" => class).increment(1);
    histogram!("http_request_seconds", "method" => method, "route" => route).record(took);
}

fn request_id(request: &Request, entropy: &dyn Entropy) -> String {
    let lawful = |id: &&str| {
        (1..=REQUEST_ID_LENGTH_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    request
        .headers()
        .get(REQUEST_ID_HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(lawful)
        .map_or_else(|| format!("{:016x}", entropy.next_u64()), str::to_owned)
}
