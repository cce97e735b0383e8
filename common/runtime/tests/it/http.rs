//! HTTP around a router, through a real socket where it matters.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{Method, Request, Response, StatusCode};
use axum::routing::{get, post};
use percolate_common::entropy::SeededEntropy;
use percolate_runtime::files::read_text;
use percolate_runtime::http::auth::{Actor, ActorKind, TokenAuth};
use percolate_runtime::http::extract::{IdempotencyKey, JsonBody, PathParams, QueryParams};
use percolate_runtime::http::health::{self, Check, Health};
use percolate_runtime::http::problem::Problem;
use percolate_runtime::http::server::{BODY_BYTES_MAX, BoundServer, Endpoints, harden};
use percolate_runtime::telemetry::install_metrics;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ticket {
    lines: Vec<Line>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    quantity: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: u32,
}

async fn sell(_key: IdempotencyKey, body: JsonBody<Ticket>) -> String {
    body.value.lines.iter().map(|line| line.quantity).sum::<u32>().to_string()
}

async fn panicking() {
    panic!("as planned");
}

fn app() -> Router {
    let router = Router::new()
        .route("/tickets", post(sell).get(|QueryParams(page): QueryParams<Page>| async move { page.limit.to_string() }))
        .route("/tickets/{number}", get(|PathParams(number): PathParams<u32>| async move { number.to_string() }))
        .route(
            "/imports",
            post(|body: JsonBody<Value>| async move { body.value.to_string().len().to_string() })
                .layer(DefaultBodyLimit::max(BODY_BYTES_MAX * 4)),
        )
        .route(
            "/taken",
            get(|| async { Problem::new(StatusCode::CONFLICT, "taken", "It is taken.").with_retry_after(3) }),
        )
        .route("/panic", get(panicking));
    harden(router, Arc::new(SeededEntropy::new(1)))
}

async fn ask(request: Request<Body>) -> Response<Body> {
    app().oneshot(request).await.unwrap()
}

async fn body(response: Response<Body>) -> Value {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()))
}

fn at(method: Method, uri: &str) -> Request<Body> {
    Request::builder().method(method).uri(uri).body(Body::empty()).unwrap()
}

fn ticket(content: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method(Method::POST)
        .uri("/tickets")
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header("idempotency-key", "k-1")
        .body(content.into())
        .unwrap()
}

/// Status, code, and the first of the errors.
async fn refusal(request: Request<Body>) -> (u16, String, Value) {
    let response = ask(request).await;
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let status = response.status().as_u16();
    let problem = body(response).await;
    assert_eq!(problem["request_id"], json!(id), "the answer and its header name the same request");
    assert_eq!(problem["status"], json!(status));
    assert!(problem["detail"].as_str().unwrap().ends_with('.'), "a sentence: {problem}");
    (status, problem["code"].as_str().unwrap().to_owned(), problem["errors"][0].clone())
}

#[tokio::test]
async fn a_good_request_is_answered_with_its_id_and_safe_headers() {
    let mut request = ticket(r#"{"lines":[{"quantity":2},{"quantity":3}]}"#);
    request.headers_mut().insert("x-request-id", "till-7.1".parse().unwrap());
    let response = ask(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-request-id"], "till-7.1");
    assert_eq!(response.headers()["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(body(response).await, json!(5));
}

#[tokio::test]
async fn a_request_id_that_could_harm_a_log_is_replaced() {
    for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
        let mut request = at(Method::GET, "/tickets/7");
        request.headers_mut().insert("x-request-id", bad.parse().unwrap());
        let response = ask(request).await;
        let id = response.headers()["x-request-id"].to_str().unwrap();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
}

#[tokio::test]
async fn each_bad_body_has_its_own_code_and_names_the_place() {
    for (content, status, code, pointer) in [
        ("{\"lines\":[", 400, "malformed_json", Value::Null),
        ("", 400, "malformed_json", Value::Null),
        ("{\"lines\":[]} x", 400, "malformed_json", Value::Null),
        ("{\"lines\":[{\"quantity\":1},{\"quantity\":-1}]}", 422, "invalid_body", json!("/lines/1/quantity")),
        ("{\"lines\":[{\"quantity\":1.5}]}", 422, "invalid_body", json!("/lines/0/quantity")),
        ("{\"lines\":[{\"quantity\":1,\"price\":0}]}", 422, "invalid_body", json!("/lines/0/price")),
        ("{\"lines\":[{}]}", 422, "invalid_body", json!("/lines/0")),
        ("[]", 422, "invalid_body", json!("")),
    ] {
        let (got_status, got_code, error) = refusal(ticket(content)).await;
        assert_eq!((got_status, got_code.as_str(), &error["pointer"]), (status, code, &pointer), "{content}");
    }
}

#[tokio::test]
async fn a_body_has_a_type_and_a_largest_size_and_a_route_may_raise_it() {
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "json"] {
        let mut request = ticket("{}");
        request.headers_mut().insert(CONTENT_TYPE, media_type.parse().unwrap());
        assert_eq!(refusal(request).await.1, "unsupported_media_type");
    }
    let large = format!("[\"{}\"]", "x".repeat(BODY_BYTES_MAX));
    let (status, code, _) = refusal(ticket(large.clone())).await;
    assert_eq!((status, code.as_str()), (413, "body_too_large"));
    let mut import = ticket(large.clone());
    *import.uri_mut() = "/imports".parse().unwrap();
    assert_eq!(body(ask(import).await).await, json!(large.len()));
}

#[tokio::test]
async fn a_write_needs_one_good_idempotency_key() {
    let mut request = ticket("{\"lines\":[]}");
    request.headers_mut().remove("idempotency-key");
    assert_eq!(refusal(request).await.1, "idempotency_key_missing");
    for bad in ["", "a b", "ä", &"x".repeat(129)] {
        let mut request = ticket("{\"lines\":[]}");
        request.headers_mut().insert("idempotency-key", bad.parse().unwrap());
        assert_eq!(refusal(request).await.1, "idempotency_key_invalid", "{bad:?}");
    }
    let mut request = ticket("{\"lines\":[]}");
    request.headers_mut().append("idempotency-key", "k-2".parse().unwrap());
    assert_eq!(refusal(request).await.1, "idempotency_key_invalid");
    assert_eq!(IdempotencyKey::parse(&"~".repeat(128)).unwrap().as_str().len(), 128);
}

#[tokio::test]
async fn two_bodies_are_the_same_when_their_bytes_are() {
    async fn hash(content: &'static str) -> [u8; 32] {
        use axum::extract::FromRequest;
        JsonBody::<Value>::from_request(ticket(content), &()).await.unwrap().hash
    }
    assert_eq!(hash("{\"a\":1}").await, hash("{\"a\":1}").await);
    assert_ne!(hash("{\"a\":1}").await, hash("{\"a\":2}").await);
}

#[tokio::test]
async fn queries_paths_and_methods_that_cannot_be_are_problems() {
    assert_eq!(body(ask(at(Method::GET, "/tickets?limit=9")).await).await, json!(9));
    for uri in ["/tickets", "/tickets?limit=x", "/tickets?limit=1&other=2"] {
        assert_eq!(refusal(at(Method::GET, uri)).await.1, "invalid_query", "{uri}");
    }
    assert_eq!(refusal(at(Method::GET, "/tickets/x")).await.1, "invalid_path");
    assert_eq!(refusal(at(Method::GET, "/nowhere")).await.1, "not_found");
    let response = ask(at(Method::DELETE, "/tickets")).await;
    assert_eq!(response.headers()["allow"], "POST,GET,HEAD");
    assert_eq!(body(response).await["code"], json!("method_not_allowed"));
}

#[tokio::test]
async fn a_panic_is_a_problem_that_shows_nothing() {
    let (status, code, _) = refusal(at(Method::GET, "/panic")).await;
    assert_eq!((status, code.as_str()), (500, "internal"));
    let response = ask(at(Method::GET, "/panic")).await;
    assert!(!body(response).await.to_string().contains("as planned"));
}

#[tokio::test]
async fn what_a_problem_puts_into_its_headers_stays_there() {
    let response = ask(at(Method::GET, "/taken")).await;
    assert_eq!(response.headers()["retry-after"], "3");
    assert_eq!(response.headers()["x-frame-options"], "DENY");
    assert_eq!(response.headers().get_all(CONTENT_TYPE).iter().count(), 1);
}

#[tokio::test]
async fn only_the_token_opens_and_it_stays_the_same() {
    let dir = TempDir::new().unwrap();
    let first = TokenAuth::open(dir.path(), &SeededEntropy::new(1)).unwrap();
    let file = dir.path().join("token");
    let token = read_text(&file).unwrap().unwrap();
    assert_eq!((token.len(), fs::metadata(&file).unwrap().permissions().mode() & 0o777), (64, 0o600));
    let again = TokenAuth::open(dir.path(), &SeededEntropy::new(2)).unwrap();
    for auth in [first, again] {
        let shown = |header: Option<String>| {
            let named = header.map(|header| (AUTHORIZATION, header.parse().unwrap()));
            auth.actor(&named.into_iter().collect())
        };
        let local = Actor { kind: ActorKind::LocalToken, name: "local".to_owned() };
        assert_eq!(shown(Some(format!("Bearer {token}"))), Some(local.clone()));
        assert_eq!(shown(Some(format!("bearer  {token} "))), Some(local));
        let wrong = [
            None,
            Some(String::new()),
            Some(token.clone()),
            Some(format!("Basic {token}")),
            Some("Bearer x".to_owned()),
            Some(format!("Bearer {}", &token[1..])),
            Some(format!("Bearer {token}x")),
        ];
        for header in wrong {
            assert_eq!(shown(header.clone()), None, "{header:?}");
        }
    }
    let refused = TokenAuth::refusal();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()[WWW_AUTHENTICATE], "Bearer");
    assert_eq!(body(refused).await["code"], json!("unauthorized"));
    fs::write(&file, "short").unwrap();
    assert!(TokenAuth::open(dir.path(), &SeededEntropy::new(1)).is_err());
}

#[tokio::test]
async fn ready_is_what_every_check_says_and_a_panicking_check_is_not_ready() {
    let well = Arc::new(AtomicBool::new(true));
    let seen = well.clone();
    let checks = Arc::new(move || {
        vec![Check { name: "disk", ok: seen.load(Ordering::SeqCst), detail: "as planned".to_owned() }]
    });
    let router = health::router(Health { checks, metrics: install_metrics().unwrap() });
    let ask = |uri: &'static str| router.clone().oneshot(at(Method::GET, uri));
    assert_eq!(ask("/livez").await.unwrap().status(), StatusCode::OK);
    assert_eq!(ask("/readyz").await.unwrap().status(), StatusCode::OK);
    well.store(false, Ordering::SeqCst);
    let unready = ask("/readyz").await.unwrap();
    assert_eq!(unready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        body(unready).await,
        json!({"ready": false, "checks": [{"name": "disk", "ok": false, "detail": "as planned"}]})
    );
    assert_eq!(ask("/livez").await.unwrap().status(), StatusCode::OK);
    assert_eq!(ask("/metrics").await.unwrap().headers()[CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    let broken =
        health::router(Health { checks: Arc::new(|| panic!("as planned")), metrics: install_metrics().unwrap() });
    assert_eq!(broken.oneshot(at(Method::GET, "/readyz")).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_hangs_is_waited_for_a_little_and_gathers_no_threads() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (released, looks) = (Mutex::new(released), Arc::new(AtomicU32::new(0)));
    let counted = looks.clone();
    let checks = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        // Until it is let go, and never again.
        let _ended = released.lock().unwrap().recv();
        vec![Check { name: "disk", ok: true, detail: "as planned".to_owned() }]
    });
    let router = health::router(Health { checks, metrics: install_metrics().unwrap() });
    let ask = || router.clone().oneshot(at(Method::GET, "/readyz"));
    let (first, second) = tokio::join!(ask(), ask());
    for answer in [first.unwrap(), second.unwrap()] {
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body(answer).await["checks"][0]["name"], "checks");
    }
    assert_eq!(looks.load(Ordering::SeqCst), 1, "the second did not look");
    drop(release);
    assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_server_takes_a_free_port_tells_it_serves_and_ends_when_told() {
    let server = BoundServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    assert_ne!(address.port(), 0);
    assert!(BoundServer::bind(address).await.is_err(), "it is taken");
    let dir = TempDir::new().unwrap();
    Endpoints::new(address).write(dir.path()).unwrap();
    let written: Endpoints = serde_json::from_slice(&fs::read(dir.path().join("endpoints.json")).unwrap()).unwrap();
    assert_eq!((written.http, written.mqtts, written.pid), (address.to_string(), None, std::process::id()));

    let stop = CancellationToken::new();
    let client = async {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(b"GET /tickets/7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        stop.cancel();
        answer
    };
    let both = async { tokio::join!(server.serve(app(), stop.clone()), client) };
    let (served, answer) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    served.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n7"), "{answer}");
    assert!(TcpStream::connect(address).await.is_err(), "it listens no more");
}
