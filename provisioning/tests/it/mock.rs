//! A store-node that is only its answers: enough of HTTP/1.1 for one client, and the import's rules of the real one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What the node does besides its work.
#[derive(Debug, Default)]
pub(crate) struct Behaviour {
    /// Requests to answer with 503 before any import is taken.
    pub(crate) busy: u32,
    /// Imports to do and then not answer: the connection breaks.
    pub(crate) break_off: u32,
    /// Imports to take before all further ones are refused with 507; no limit if none.
    pub(crate) full_after: Option<u32>,
    /// Journal entries that the hub has not acknowledged yet; one fewer at each look.
    pub(crate) unacked: u64,
    /// Whether lines are lost: the answer tells of none.
    pub(crate) loses_a_line: bool,
}

/// What the node has.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Lines by row id, as they were sent.
    pub(crate) lines: BTreeMap<String, Value>,
    /// Local times of tickets.
    pub(crate) tickets: BTreeSet<String>,
    answers: BTreeMap<String, Value>,
    /// Requests of imports, answered or not.
    pub(crate) imports: u32,
}

#[derive(Debug)]
struct Inner {
    store: u32,
    token: String,
    behaviour: Mutex<Behaviour>,
    books: Mutex<Books>,
}

/// A node that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct MockNode {
    inner: Arc<Inner>,
    address: SocketAddr,
    _serving: JoinSet<()>,
}

struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl MockNode {
    pub(crate) async fn start(store: u32, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            store,
            token: format!("token-of-store-{store}"),
            behaviour: Mutex::new(behaviour),
            books: Mutex::default(),
        });
        let mut serving = JoinSet::new();
        let node = inner.clone();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, node.clone()));
            }
        });
        Self { inner, address, _serving: serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn token(&self) -> &str {
        &self.inner.token
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        *locked(&self.inner.behaviour) = behaviour;
    }

    pub(crate) fn books<T>(&self, look: impl FnOnce(&Books) -> T) -> T {
        look(&locked(&self.inner.books))
    }

    /// What the lines add up to: tickets, lines, units, cents.
    pub(crate) fn sums(&self) -> (usize, usize, i64, i64) {
        self.books(|books| {
            let number = |line: &Value, field: &str| line[field].as_i64().unwrap();
            let units = books.lines.values().map(|line| number(line, "quantity")).sum();
            let cents =
                books.lines.values().map(|line| number(line, "quantity") * number(line, "unit_price_minor")).sum();
            (books.tickets.len(), books.lines.len(), units, cents)
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

async fn converse(stream: TcpStream, node: Arc<Inner>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let Some((status, replayed, body)) = node.answer(&request) else { return };
        let replay = if replayed { "idempotent-replay: true\r\n" } else { "" };
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{replay}\r\n", body.len());
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { method, path, headers, body })
}

fn problem(status: u16, code: &str, detail: &str) -> Option<(u16, bool, Value)> {
    Some((status, false, json!({"status": status, "code": code, "detail": detail, "errors": []})))
}

impl Inner {
    /// Status, whether it is a repeated answer, and body; nothing if the connection breaks.
    fn answer(&self, request: &Request) -> Option<(u16, bool, Value)> {
        if request.headers.get("authorization") != Some(&format!("Bearer {}", self.token)) {
            return problem(401, "token_required", "Send the node's token.");
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/v1/node") => Some((200, false, self.state())),
            ("POST", "/v1/imports/baskets") => self.import(request),
            _ => problem(404, "not_found", "There is no such thing."),
        }
    }

    fn state(&self) -> Value {
        let mut behaviour = locked(&self.behaviour);
        behaviour.unacked = behaviour.unacked.saturating_sub(1);
        let acked = 100 - behaviour.unacked.min(100);
        json!({
            "node": self.store * 10 + 1, "incarnation": "0000000000000001",
            "store": {"id": self.store, "name": format!("Store {}", self.store), "zone": "America/New_York",
                "cutover_hour": 4, "currency": "USD"},
            "streams": [{"stream": "sales", "last_seq": 100, "head": "ab", "acked_seq": acked}],
        })
    }

    fn import(&self, request: &Request) -> Option<(u16, bool, Value)> {
        let (mut behaviour, mut books) = (locked(&self.behaviour), locked(&self.books));
        books.imports += 1;
        if behaviour.busy > 0 {
            behaviour.busy -= 1;
            return problem(503, "busy", "Too much at once. Try again.");
        }
        if let Some(left) = &mut behaviour.full_after {
            if *left == 0 {
                return problem(507, "disk_full", "Free space on the box.");
            }
            *left -= 1;
        }
        let key = request.headers.get("idempotency-key").cloned().unwrap_or_default();
        assert!(!key.is_empty(), "a write has a key");
        let known = books.answers.get(&key).cloned();
        let replayed = known.is_some();
        let mut answer = known.unwrap_or_else(|| books.take(&parsed(&request.body)));
        books.answers.insert(key, answer.clone());
        if behaviour.break_off > 0 {
            behaviour.break_off -= 1;
            return None;
        }
        if behaviour.loses_a_line {
            answer["lines_added"] = 0.into();
        }
        Some((200, replayed, answer))
    }
}

impl Books {
    fn take(&mut self, request: &Value) -> Value {
        let (mut created, mut amended, mut added, mut duplicate, mut rejected) = (0, 0, 0, 0, Vec::new());
        for basket in request["baskets"].as_array().unwrap() {
            let moment = format!("{} {}", basket["local_date"], basket["local_time"]);
            let mut new = 0;
            for line in basket["lines"].as_array().unwrap() {
                let row = line["row"].as_str().unwrap().to_owned();
                match self.lines.get(&row) {
                    Some(known) if known == line => duplicate += 1,
                    Some(_) => rejected.push(json!({"row": row, "code": "conflicting_row", "detail": "It is here."})),
                    None => {
                        self.lines.insert(row, line.clone());
                        new += 1;
                    }
                }
            }
            added += new;
            match (new > 0, self.tickets.insert(moment)) {
                (true, true) => created += 1,
                (true, false) => amended += 1,
                (false, _) => {}
            }
        }
        json!({"tickets_created": created, "tickets_amended": amended, "lines_added": added,
            "lines_duplicate": duplicate, "repeated_local_times": 0, "rejected": rejected})
    }
}
