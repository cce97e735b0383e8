//! Head office's desk for certificates, played by hand: it answers as a hub does, unless a test tells it to do otherwise.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use percolate_common::entropy::SeededEntropy;
use percolate_common::identity::certificate::Certificate;
use percolate_common::identity::code::Code;
use percolate_common::identity::request::Csr;
use percolate_common::journal::PublicKey;
use percolate_common::time::Clock as _;
use percolate_runtime::enrolment::{
    ENROLMENTS_PATH, EnrolmentAnswer, EnrolmentAsked, EnrolmentRefusal, Issued, Octets, RENEWALS_PATH, RenewalAsked,
    root_hash,
};
use percolate_runtime::http::problem::Problem;
use percolate_runtime::http::server::BoundServer;
use percolate_runtime::http::tls::HttpsLimits;
use percolate_runtime::pki::{Usage, new_key};
use percolate_runtime::tasks::TaskGroup;
use percolate_runtime::tls::{Clients, OwnCertificate, server_config};

use super::chain::{DAY_MS, TestChain, node};
use super::eventually;
use super::node::{NODE, STORE};

/// How long what it issues holds.
const LIFE_MS: i64 = 90 * DAY_MS;

/// What it does otherwise than a hub, with one question.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// Does all that it should, and its answer is lost on the way.
    Lose,
    /// Refuses.
    Refuse(u16, EnrolmentRefusal),
    /// Answers without knowing the code.
    ProveWrongly,
    /// Issues to another key.
    ForAnotherKey,
    /// Is not ready.
    Busy,
}

#[derive(Debug)]
struct Book {
    code: Code,
    used: Option<(PublicKey, Issued)>,
    manners: VecDeque<Manner>,
    /// Bodies of questions, as they came.
    asked: Vec<String>,
}

/// The desk.
pub(crate) struct Office {
    pub(crate) address: SocketAddr,
    desk: Desk,
    tasks: TaskGroup,
}

#[derive(Clone)]
struct Desk {
    chain: Arc<TestChain>,
    book: Arc<Mutex<Book>>,
}

impl Office {
    /// Opens a desk that shows a certificate and has given out a code.
    pub(crate) async fn open(chain: &Arc<TestChain>, shown: Arc<OwnCertificate>) -> Self {
        let book = Book { code: code(), used: None, manners: VecDeque::new(), asked: Vec::new() };
        let desk = Desk { chain: chain.clone(), book: Arc::new(Mutex::new(book)) };
        let config = server_config(shown, &chain.roots(), Clients::None, chain.tls_clock()).unwrap();
        let at = "127.0.0.1:0".parse().unwrap();
        let server = BoundServer::bind_tls(at, config, HttpsLimits::default()).await.unwrap();
        let address = server.address();
        let routes = Router::new().route(ENROLMENTS_PATH, post(enrol)).route(RENEWALS_PATH, post(renew));
        let router = routes.with_state(desk.clone());
        let tasks = TaskGroup::new();
        tasks.spawn("office", |stop| async move { server.serve(router, stop).await.unwrap() });
        Self { address, desk, tasks }
    }

    /// The next questions are met so.
    pub(crate) fn next(&self, manners: impl IntoIterator<Item = Manner>) {
        self.desk.book.lock().unwrap().manners.extend(manners);
    }

    /// Gives out another code, and knows no other.
    pub(crate) fn give_out(&self, code: Code) {
        let mut book = self.desk.book.lock().unwrap();
        (book.code, book.used) = (code, None);
    }

    /// The questions so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.desk.book.lock().unwrap().asked.clone()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn asked_times(&self, times: usize) {
        eventually("a question", || async { (self.asked().len() >= times).then_some(()) }).await;
    }

    pub(crate) async fn close(self) {
        assert!(self.tasks.stop(super::DEADLINE).await.is_clean());
    }
}

/// The code that a new desk has given out.
pub(crate) fn code() -> Code {
    Code::draw(&SeededEntropy::new(42))
}

impl Desk {
    /// Takes note of a question, and says how it is met.
    fn heard(&self, body: &Bytes) -> Option<Manner> {
        let mut book = self.book.lock().unwrap();
        book.asked.push(String::from_utf8(body.to_vec()).unwrap());
        book.manners.pop_front()
    }

    fn issue(&self, key: &PublicKey) -> Issued {
        let now = self.chain.clock.now().get();
        let of = |usage| {
            let issued = self.chain.certify(&node(), key, usage, (now - DAY_MS, now + LIFE_MS));
            issued.into_iter().map(Octets).collect()
        };
        let (certificates, lan_certificates) = (of(Usage::Client), of(Usage::Server));
        Issued { node: NODE, certificates, lan_certificates, not_after_ms: now + LIFE_MS }
    }
}

fn refuse(status: u16, refusal: EnrolmentRefusal) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    Problem::new(status, refusal.code(), "No, and this is why.").into_response()
}

/// Meets a question as a test wants it; nothing where it is to be answered.
fn met(manner: Option<&Manner>) -> Option<Response> {
    match manner? {
        Manner::Refuse(status, refusal) => Some(refuse(*status, *refusal)),
        Manner::Busy => Some(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "storage_busy", "Later.").into_response()),
        Manner::Lose | Manner::ProveWrongly | Manner::ForAnotherKey => None,
    }
}

fn answer<T: serde::Serialize>(manner: Option<&Manner>, body: T) -> Response {
    if matches!(manner, Some(Manner::Lose)) {
        let cut = tokio_stream::once(Err::<Bytes, _>(io::Error::other("the line is cut")));
        return Body::from_stream(cut).into_response();
    }
    (StatusCode::CREATED, Json(body)).into_response()
}

fn stranger() -> PublicKey {
    new_key(&SeededEntropy::new(4_711)).unwrap().public_key()
}

async fn enrol(State(desk): State<Desk>, body: Bytes) -> Response {
    let manner = desk.heard(&body);
    if let Some(response) = met(manner.as_ref()) {
        return response;
    }
    let asked: EnrolmentAsked = serde_json::from_slice(&body).unwrap();
    let own_root = root_hash(&desk.chain.root());
    let mut book = desk.book.lock().unwrap();
    let key = book.code.key();
    if asked.code_id.0 != book.code.id() {
        return refuse(404, EnrolmentRefusal::CodeUnknown);
    }
    if !asked.is_proven(&key, &own_root) {
        return refuse(403, EnrolmentRefusal::ProofWrong);
    }
    assert_eq!(asked.store, STORE);
    let csr = Csr::read(&asked.csr.0).unwrap();
    assert!(csr.is_signed());
    let issued = match &book.used {
        Some((used, issued)) if *used == csr.public_key => issued.clone(),
        Some(_) => return refuse(409, EnrolmentRefusal::CodeUsed),
        None if matches!(manner, Some(Manner::ForAnotherKey)) => desk.issue(&stranger()),
        None => {
            let issued = desk.issue(&csr.public_key);
            book.used = Some((csr.public_key, issued.clone()));
            issued
        }
    };
    let key = if matches!(manner, Some(Manner::ProveWrongly)) { [7; 32] } else { key };
    answer(manner.as_ref(), EnrolmentAnswer::new(issued, &asked, &key, &own_root))
}

async fn renew(State(desk): State<Desk>, body: Bytes) -> Response {
    let manner = desk.heard(&body);
    if let Some(response) = met(manner.as_ref()) {
        return response;
    }
    let asked: RenewalAsked = serde_json::from_slice(&body).unwrap();
    let csr = Csr::read(&asked.csr.0).unwrap();
    let before = Certificate::read(&asked.certificates[0].0).unwrap();
    assert!(csr.is_signed());
    assert_eq!(before.principal(&desk.chain.id), Some(node()));
    if csr.public_key != before.public_key {
        return refuse(403, EnrolmentRefusal::KeyChanged);
    }
    if desk.chain.clock.now().get() > before.not_after.get() + 30 * DAY_MS {
        return refuse(403, EnrolmentRefusal::RenewalTooLate);
    }
    let key = if matches!(manner, Some(Manner::ForAnotherKey)) { stranger() } else { csr.public_key };
    answer(manner.as_ref(), desk.issue(&key))
}
