//! HTTPS from end to end: a server of ours behind a handshake, and who asks it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use percolate_common::entropy::SeededEntropy;
use percolate_runtime::http::caller::{CallError, Caller, HttpsAddress};
use percolate_runtime::http::problem::Problem;
use percolate_runtime::http::server::{BoundServer, harden};
use percolate_runtime::http::tls::HttpsLimits;
use percolate_runtime::tls::{Clients, Seen, TlsTrouble, server_config, unproven_config};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::chain::{NOW, Papers, TestChain, clock_at};

const DEADLINE: Duration = Duration::from_secs(20);
const LARGE: usize = 100_000;

async fn refuse() -> Problem {
    Problem::new(StatusCode::GONE, "code_expired", "The code ended on 3 May.")
}

async fn echo(body: Bytes) -> impl IntoResponse {
    (StatusCode::CREATED, [(header::HeaderName::from_static("percolate-proof"), "ab")], body)
}

fn routes() -> Router {
    let routes = Router::new()
        .route("/echo", post(echo))
        .route("/refuse", get(refuse))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/never", get(|| async { pending::<&'static str>().await }))
        .route("/portal", get(|| async { Redirect::to("http://portal.example/") }))
        .route("/last", get(|| async { ([(header::CONNECTION, "close")], "farewell") }))
        .route("/page", get(|| async { "<html>" }));
    harden(routes, Arc::new(SeededEntropy::new(1)))
}

/// Asks a server that shows `papers` while it runs.
async fn with_server<R>(chain: &TestChain, papers: Papers, asks: impl AsyncFnOnce(HttpsAddress) -> R) -> R {
    with_limits(HttpsLimits::default(), chain, papers, asks).await
}

async fn with_limits<R>(
    limits: HttpsLimits,
    chain: &TestChain,
    papers: Papers,
    asks: impl AsyncFnOnce(HttpsAddress) -> R,
) -> R {
    let config = server_config(papers.own_certificate(), &chain.roots(), Clients::None, clock_at(NOW)).unwrap();
    let server = BoundServer::bind_tls("127.0.0.1:0".parse().unwrap(), config, limits);
    let server = server.await.unwrap();
    let at = format!("https://localhost:{}", server.address().port()).parse().unwrap();
    let stop = CancellationToken::new();
    let asked = async {
        let answer = asks(at).await;
        stop.cancel();
        answer
    };
    let both = async { tokio::join!(server.serve(routes(), stop.clone()), asked) };
    let (served, answer) = tokio::time::timeout(DEADLINE, both).await.unwrap();
    served.unwrap();
    answer
}

#[tokio::test]
async fn a_question_is_answered_and_a_refusal_keeps_its_code() {
    let chain = TestChain::new(1);
    let caller = Caller::new(chain.client(None));
    with_server(&chain, chain.hub(), async |at| {
        let answer = caller.post(&at, "/echo", &json!({"a": [1, 2]})).await.unwrap();
        assert_eq!(answer.json::<Value>().unwrap(), json!({"a": [1, 2]}));
        assert_eq!((answer.status, &answer.headers["percolate-proof"]), (StatusCode::CREATED, &"ab".parse().unwrap()));

        let refused = caller.get(&at, "/refuse").await.unwrap_err();
        let CallError::Problem { status, code, detail } = refused else { panic!("{refused:?}") };
        assert_eq!((status, code.as_str()), (StatusCode::GONE, "code_expired"));
        assert_eq!(detail, "The code ended on 3 May.");
        let unknown = caller.get(&at, "/nothing").await.unwrap_err();
        assert!(matches!(&unknown, CallError::Problem { code, .. } if code == "not_found"), "{unknown:?}");
    })
    .await;
}

#[tokio::test]
async fn who_hangs_up_after_the_answer_has_answered() {
    let chain = TestChain::new(1);
    let caller = Caller::new(chain.client(None));
    with_server(&chain, chain.hub(), async |at| {
        // Which is seen first, the answer or the end, is chance.
        for _ in 0..50 {
            assert_eq!(caller.get(&at, "/last").await.unwrap().body, "farewell");
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_none_of_ours_is_told_apart() {
    let chain = TestChain::new(1);
    let caller = Caller::new(chain.client(None));
    with_server(&chain, chain.hub(), async |at| {
        let portal = caller.get(&at, "/portal").await.unwrap_err();
        assert!(matches!(portal, CallError::Foreign { .. }), "{portal:?}");
        let page = caller.get(&at, "/page").await.unwrap();
        assert!(matches!(page.json::<Value>(), Err(CallError::Foreign { .. })));
    })
    .await;
}

#[tokio::test]
async fn an_answer_has_its_size_and_its_time() {
    let chain = TestChain::new(1);
    with_server(&chain, chain.hub(), async |at| {
        let long = Duration::from_secs(600);
        let caller = |time, size| Caller::new(chain.client(None)).with_limits(time, size);
        assert_eq!(caller(long, LARGE).get(&at, "/large").await.unwrap().body.len(), LARGE);
        let refused = caller(long, LARGE - 1).get(&at, "/large").await.unwrap_err();
        assert!(matches!(refused, CallError::TooLarge), "{refused:?}");
        let refused = caller(Duration::from_millis(20), LARGE).get(&at, "/never").await.unwrap_err();
        assert!(matches!(refused, CallError::Slow), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn a_server_of_another_chain_is_asked_nothing() {
    let (chain, other) = (TestChain::new(1), TestChain::new(2));
    let caller = Caller::new(chain.client(None));
    with_server(&chain, other.hub(), async |at| {
        let refused = caller.get(&at, "/page").await.unwrap_err();
        assert!(matches!(refused, CallError::Certificate { trouble: TlsTrouble::UnknownIssuer }), "{refused:?}");
        // The first contact asks all the same, and sees that it is no hub of ours.
        let seen = Arc::new(Seen::default());
        let stranger = Caller::new(unproven_config(seen.clone(), clock_at(NOW)).unwrap());
        stranger.get(&at, "/page").await.unwrap();
        assert!(seen.is_hub_of(&other.roots(), &clock_at(NOW)));
        assert!(!seen.is_hub_of(&chain.roots(), &clock_at(NOW)));
    })
    .await;
}

/// A connection whose handshake is done, and on which nothing is asked.
async fn quiet(chain: &TestChain, at: &HttpsAddress) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(at.to_string().trim_start_matches("https://")).await.unwrap();
    let name = ServerName::try_from("hub.example").unwrap();
    TlsConnector::from(chain.client(None)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn who_says_nothing_on_an_open_connection_is_hung_up_on() {
    let chain = TestChain::new(1);
    let short = Duration::from_millis(50);
    let limits = HttpsLimits { first_max: short, idle_max: short, ..HttpsLimits::default() };
    with_limits(limits, &chain, chain.hub(), async |at| {
        let mut silent = quiet(&chain, &at).await;
        let mut half = quiet(&chain, &at).await;
        half.write_all(b"GET /page HTTP/1.1\r\n").await.unwrap();
        for stream in [&mut silent, &mut half] {
            let mut heard = Vec::new();
            // Hung up on, with or without a farewell; until then nothing ends this.
            drop(stream.read_to_end(&mut heard).await);
            assert_eq!(heard, b"");
        }
    })
    .await;
}

#[tokio::test]
async fn so_many_connections_are_open_and_the_next_waits_for_a_place() {
    let chain = TestChain::new(1);
    let long = Duration::from_secs(600);
    let limits = HttpsLimits { open_max: 2, first_max: long, idle_max: long, ..HttpsLimits::default() };
    with_limits(limits, &chain, chain.hub(), async |at| {
        let caller = Caller::new(chain.client(None));
        let mut taken = [quiet(&chain, &at).await, quiet(&chain, &at).await];
        for stream in &mut taken {
            // With an answer it is sure that the place is taken.
            stream.write_all(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"<html>") {
                heard.push(stream.read_u8().await.unwrap());
            }
        }
        let waiting = caller.get(&at, "/page");
        tokio::pin!(waiting);
        // Nothing comes of it while both places are taken.
        let early = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await;
        assert!(early.is_err(), "{early:?}");
        drop(taken);
        assert_eq!(waiting.await.unwrap().body, "<html>");
    })
    .await;
}

#[tokio::test]
async fn so_many_connections_of_one_address_are_open_and_the_next_is_closed() {
    let chain = TestChain::new(1);
    let long = Duration::from_secs(600);
    let limits = HttpsLimits { per_address_max: 2, first_max: long, idle_max: long, ..HttpsLimits::default() };
    with_limits(limits, &chain, chain.hub(), async |at| {
        let caller = Caller::new(chain.client(None));
        let taken = [quiet(&chain, &at).await, quiet(&chain, &at).await];
        assert!(matches!(caller.get(&at, "/page").await, Err(CallError::Unreachable(_))));
        drop(taken);
        while caller.get(&at, "/page").await.is_err() {}
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at: HttpsAddress = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    let caller = Caller::new(TestChain::new(1).client(None));
    let hung_up = async { drop(listener.accept().await.unwrap()) };
    let (refused, ()) = tokio::join!(caller.get(&at, "/"), hung_up);
    assert!(matches!(refused, Err(CallError::Unreachable(_))), "{refused:?}");
    drop(listener);
    let refused = caller.get(&at, "/").await;
    assert!(matches!(refused, Err(CallError::Unreachable(_))), "{refused:?}");
}
