//! A node in a scratch folder, with a clock that a test sets, asked over HTTP as a till asks.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use percolate_common::entropy::SeededEntropy;
use percolate_common::ids::NodeId;
use percolate_common::time::{Clock, UtcMillis};
use percolate_common::wire::session::Verdict;
use serde_json::{Value, json};
use store_node::config::{CardConfig, Config, LogWords, PrintConfig};
use store_node::{Node, StartError};
use tempfile::TempDir;

use super::feed::Listener;
use super::http::{Answer, Asked, Request};
use super::hub::TestHub;
use super::journal::Books;
use super::menu::MenuJournal;

/// The instant at which the tests' days begin: 2026-11-23 12:00 UTC, seven in the morning in Atlanta.
pub(crate) const NOON_MS: i64 = 1_795_435_200_000;

pub(crate) const STORE: u32 = 1;
pub(crate) const NODE: u32 = 11;

/// Nobody answers here.
const NOWHERE: &str = "127.0.0.1:1";

/// A clock that stands until it is set.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn at(now_ms: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(now_ms)))
    }

    pub(crate) fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }

    pub(crate) fn step(&self, by_ms: i64) {
        self.0.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UtcMillis {
        UtcMillis::new(self.0.load(Ordering::Relaxed))
    }
}

/// A node, and the folder in which it can be started again.
pub(crate) struct TestNode {
    node: Option<Node>,
    pub(crate) config: Config,
    pub(crate) clock: Arc<TestClock>,
    starts: u64,
    /// Removed with the test.
    _folder: TempDir,
}

impl TestNode {
    /// A node that is not started, and whose hub is nowhere.
    pub(crate) fn prepare() -> Self {
        let folder = TempDir::new().unwrap();
        Self {
            node: None,
            config: config(&folder.path().join("data"), NOWHERE),
            clock: TestClock::at(NOON_MS),
            starts: 0,
            _folder: folder,
        }
    }

    /// As [`TestNode::prepare`], with a hub that listens.
    pub(crate) async fn prepare_with_hub() -> (Self, TestHub) {
        let (mut node, hub) = (Self::prepare(), TestHub::listen().await);
        node.config.hub_mqtt = Some(hub.address().into());
        (node, hub)
    }

    /// Starts a node that never meets a hub.
    pub(crate) async fn lonely() -> Self {
        let mut node = Self::prepare();
        node.open().await;
        node
    }

    /// Starts a node that is in session with its hub, and has no menu.
    pub(crate) async fn in_session() -> (Self, TestHub) {
        let (mut node, mut hub) = Self::prepare_with_hub().await;
        node.open().await;
        hub.greet().await;
        (node, hub)
    }

    /// Starts a node that sells from the menu of its hub.
    pub(crate) async fn selling() -> (Self, TestHub) {
        let (mut node, mut hub) = Self::prepare_with_hub().await;
        node.open_selling(&mut hub).await;
        (node, hub)
    }

    /// Starts it, and has the hub send the menu.
    pub(crate) async fn open_selling(&mut self, hub: &mut TestHub) {
        self.open().await;
        hub.connect().await;
        hub.answer(Verdict::Welcome).await;
        hub.serve_menu(&MenuJournal::published()).await;
    }

    /// Starts it on its folder.
    pub(crate) async fn open(&mut self) {
        self.try_open().await.unwrap_or_else(|error| panic!("{}", chain(&error)));
    }

    /// Starts it on its folder, or tells why not.
    pub(crate) async fn try_open(&mut self) -> Result<(), StartError> {
        // Each start draws its own chance, as a process does.
        self.starts += 1;
        let entropy = Arc::new(SeededEntropy::new(self.starts));
        self.node = Some(Node::start_with(&self.config, self.clock.clone(), entropy).await?);
        Ok(())
    }

    /// Stops it in order, and checks all of its books.
    pub(crate) async fn stop(&mut self) -> Books {
        let node = self.node.take().unwrap();
        assert_eq!(node.ended_tasks(), Vec::<&str>::new(), "tasks ended by themselves");
        let report = node.stop().await;
        assert!(report.is_clean(), "not stopped in time: {:?}", report.unfinished);
        let books = self.books();
        books.check();
        books
    }

    /// Stops and starts it.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.open().await;
    }

    /// What is on its disk now.
    pub(crate) fn books(&self) -> Books {
        Books::read(&self.database(), NodeId::new(NODE))
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.config.data.join("node.db")
    }

    /// A till of the shop.
    pub(crate) fn till(&self) -> Till {
        let address = self.node.as_ref().expect("the node runs").http_address();
        Till::new(address, &self.config.data)
    }
}

/// What a node is told, with the tests' usual values.
pub(crate) fn config(data: &Path, hub_mqtt: &str) -> Config {
    Config {
        data: data.to_owned(),
        site: None,
        store: Some(STORE),
        node: Some(NODE),
        name: Some("Virginia-Highland".to_owned()),
        zone: Some("America/New_York".to_owned()),
        currency: Some("USD".to_owned()),
        cutover_hour: 4,
        http: "127.0.0.1:0".parse().unwrap(),
        hub_mqtt: Some(hub_mqtt.parse().unwrap()),
        https: None,
        hub_https: Vec::new(),
        hub_password_file: None,
        plain_network: false,
        guard: None,
        disk_reserve_bytes: 0,
        cards: CardConfig::default(),
        prints: PrintConfig::default(),
        simulated_clock: None,
        hub_retry_s_max: 15,
        stop_with_parent: false,
        log_format: LogWords::Human,
        log: "info".to_owned(),
    }
}

/// A file with a password and a mode.
pub(crate) fn password_file(folder: &Path, mode: u32) -> PathBuf {
    let path = folder.join(format!("password-{mode:o}"));
    fs::write(&path, "secret\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

/// An error and all its causes, as an operator reads them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A till: asks with the token.
#[derive(Debug, Clone)]
pub(crate) struct Till {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Till {
    /// A till of the node that has this address and data folder.
    pub(crate) fn new(address: SocketAddr, data: &Path) -> Self {
        let token = std::fs::read_to_string(data.join("token")).unwrap();
        Self { address, token: token.trim().to_owned() }
    }

    pub(crate) async fn send(&self, request: Request) -> Answer {
        self.with_token(request).send(self.address).await
    }

    fn with_token(&self, request: Request) -> Request {
        request.header("authorization", &format!("Bearer {}", self.token))
    }

    /// Gets, whatever the status.
    pub(crate) async fn ask(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path)).await
    }

    /// Gets what must be there.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ask(path).await.ok()
    }

    /// Gets without a token.
    pub(crate) async fn ask_openly(&self, path: &str) -> Answer {
        Request::new("GET", path).send(self.address).await
    }

    /// Writes under a key, whatever the status.
    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.send(Request::new("POST", path).header("idempotency-key", key).json(body)).await
    }

    /// A ticket as it was answered, without what of it can still be given back.
    pub(crate) async fn read(&self, ticket: &str) -> Value {
        let mut read = self.get(&format!("/v1/tickets/{ticket}")).await;
        assert!(read.as_object_mut().unwrap().remove("refundable").is_some(), "{read}");
        read
    }

    pub(crate) async fn sell(&self, key: &str, body: &Value) -> Answer {
        self.post("/v1/tickets", key, body).await
    }

    /// Asks to sell, and does not wait for the answer.
    pub(crate) async fn begin_sale(&self, key: &str, body: &Value) -> Asked {
        self.begin_post("/v1/tickets", key, body).await
    }

    /// Asks to write, and does not wait for the answer.
    pub(crate) async fn begin_post(&self, path: &str, key: &str, body: &Value) -> Asked {
        let request = Request::new("POST", path).header("idempotency-key", key).json(body);
        self.with_token(request).begin(self.address).await
    }

    /// Sells what must be sold, and gives the receipt number.
    pub(crate) async fn sold(&self, key: &str, body: &Value) -> String {
        let answer = self.sell(key, body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["receipt"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn move_stock(&self, key: &str, reason: &str, lines: &[(u32, i64)]) -> Answer {
        let lines: Vec<_> = lines.iter().map(|(item, much)| json!({"stock_item": item, "quantity": much})).collect();
        self.post("/v1/stock/movements", key, &json!({"reason": reason, "lines": lines})).await
    }

    /// The last sequence number of one of the node's journals.
    pub(crate) async fn last_seq(&self, stream: &str) -> u64 {
        self.stream(stream).await["last_seq"].as_u64().unwrap()
    }

    /// How far the node believes the hub to have a journal.
    pub(crate) async fn acked_seq(&self, stream: &str) -> u64 {
        self.stream(stream).await["acked_seq"].as_u64().unwrap()
    }

    async fn stream(&self, stream: &str) -> Value {
        let node = self.get("/v1/node").await;
        node["streams"].as_array().unwrap().iter().find(|row| row["stream"] == stream).unwrap().clone()
    }

    pub(crate) async fn listen(&self) -> Listener {
        Listener::open(self.address, &self.token).await
    }
}

/// A ticket that is paid with plenty of cash.
pub(crate) fn ticket(terminal: &str, lines: &[(u32, u32)]) -> Value {
    let lines: Vec<_> = lines.iter().map(|(item, quantity)| json!({"item": item, "quantity": quantity})).collect();
    json!({
        "terminal": terminal, "currency": "USD", "lines": lines,
        "tenders": [{"kind": "cash", "amount_minor": 1_000_000}],
    })
}

/// The same ticket as practice.
pub(crate) fn practice(mut body: Value) -> Value {
    body["training"] = json!(true);
    body
}

/// A line and basket of another system, for an import of one basket.
pub(crate) fn basket(local_date: &str, local_time: &str, rows: &[(&str, u32, i64)]) -> Value {
    let line = |(row, quantity, price): &(&str, u32, i64)| {
        json!({
            "row": row, "product_id": "32", "name": "Ethiopia Rg", "category": "Coffee",
            "quantity": quantity, "unit_price_minor": price,
        })
    };
    json!({"local_date": local_date, "local_time": local_time, "lines": rows.iter().map(line).collect::<Vec<_>>()})
}
