//! A till's end of HTTP/1.1, written by hand: one request on one connection, so that a test can also hang up, send too
//! much, or not listen.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::in_time;

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By name in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    /// The body, which must be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The media type without its parameters.
    pub(crate) fn media_type(&self) -> &str {
        self.headers.get("content-type").map_or("", |value| value.split(';').next().unwrap_or("").trim())
    }

    /// The `code` of a problem.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_else(|| panic!("no problem: {self:?}")).to_owned()
    }

    /// The status and the `code` of a problem.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.code())
    }

    /// The body of a success.
    pub(crate) fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.json()
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    fn head(&self, address: SocketAddr, connection: &str) -> String {
        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: {connection}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head + "\r\n"
    }

    /// Sends it on a connection that stays open, and reads nothing yet.
    pub(crate) async fn send_on(&self, stream: &mut TcpStream) {
        let address = stream.peer_addr().unwrap();
        self.send_to(address, stream).await;
    }

    /// As [`Request::send_on`], whatever carries it there.
    pub(crate) async fn send_to(&self, address: SocketAddr, stream: &mut (impl AsyncWrite + Unpin)) {
        let head = self.head(address, "keep-alive");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&self.body).await.unwrap();
        stream.flush().await.unwrap();
    }

    /// Sends it over a connection that was made for it, and waits for the answer.
    pub(crate) async fn send_over(
        &self,
        address: SocketAddr,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
    ) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        stream.write_all(self.head(address, "close").as_bytes()).await.unwrap();
        let _sent = in_time(&what, async {
            stream.write_all(&self.body).await?;
            stream.flush().await
        })
        .await;
        let mut bytes = Vec::new();
        let ended = in_time(&what, stream.read_to_end(&mut bytes)).await;
        parse(&bytes).unwrap_or_else(|| panic!("no answer to {what}: {ended:?}"))
    }

    /// Sends it, and does not wait for the answer.
    pub(crate) async fn begin(&self, address: SocketAddr) -> Asked {
        let what = format!("{} {}", self.method, self.path);
        let mut stream = in_time(&what, TcpStream::connect(address)).await.unwrap();
        stream.write_all(self.head(address, "close").as_bytes()).await.unwrap();
        // A server that refuses a body need not read it: what it answers counts, not what was sent.
        let _sent = in_time(&what, stream.write_all(&self.body)).await;
        Asked { what, stream }
    }

    /// Sends it and waits for the answer.
    pub(crate) async fn send(&self, address: SocketAddr) -> Answer {
        self.begin(address).await.answer().await
    }
}

/// A request that was sent.
#[derive(Debug)]
pub(crate) struct Asked {
    what: String,
    stream: TcpStream,
}

impl Asked {
    /// Waits for the answer.
    pub(crate) async fn answer(mut self) -> Answer {
        let mut bytes = Vec::new();
        let ended = in_time(&self.what, self.stream.read_to_end(&mut bytes)).await;
        parse(&bytes).unwrap_or_else(|| panic!("no answer to {}: {ended:?}", self.what))
    }
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").map(|length| length.parse::<usize>().unwrap());
    if length.is_some_and(|length| length != body.len()) {
        return None;
    }
    Some(Answer { status, headers, text: body.to_owned() })
}
