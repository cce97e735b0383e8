//! Asks a server of ours over HTTPS: one connection, one request.
//!
//! For those who ask seldom: a box that is enrolled, a certificate that is renewed. Nothing is kept open, nothing is
//! followed, nothing is tried again.

use std::error::Error;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::tls::{TlsTrouble, dial, trouble};

/// The largest answer that is read, in bytes, where a caller says nothing else. At the limit: [`CallError::TooLarge`].
pub const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The longest a call may take with all that belongs to it, where a caller says nothing else. At the limit:
/// [`CallError::Slow`].
pub const CALL_TIME_MAX: Duration = Duration::from_secs(10);

/// Where a server is asked: `https://HOST:PORT`; an IPv6 address stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsAddress {
    host: String,
    port: u16,
    name: ServerName<'static>,
}

/// A text that names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no server: https://HOST:PORT is expected")]
pub struct HttpsAddressError(String);

impl FromStr for HttpsAddress {
    type Err = HttpsAddressError;

    fn from_str(text: &str) -> Result<Self, HttpsAddressError> {
        let refused = || HttpsAddressError(text.to_owned());
        let place = text.strip_prefix("https://").ok_or_else(refused)?.trim_end_matches('/');
        let (host, port) = place.rsplit_once(':').ok_or_else(refused)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(refused)?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if bracketed.is_some_and(|bare| bare.parse::<std::net::Ipv6Addr>().is_err()) {
            return Err(refused());
        }
        let bare = bracketed.unwrap_or(host).to_owned();
        if bare.contains(':') && bracketed.is_none() {
            return Err(refused());
        }
        let name = ServerName::try_from(bare).map_err(|_no_name| refused())?;
        Ok(Self { host: host.to_owned(), port, name })
    }
}

impl fmt::Display for HttpsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}:{}", self.host, self.port)
    }
}

/// Why there is no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody could be reached there, or the connection broke.
    #[error("the server could not be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// Somebody is there, and the two certificates do not go together.
    #[error("the connection is not safe: {trouble}")]
    Certificate {
        /// What is wrong.
        trouble: TlsTrouble,
    },
    /// The answer did not come in time.
    #[error("the server did not answer in time")]
    Slow,
    /// The answer is larger than is read.
    #[error("the server's answer is too large")]
    TooLarge,
    /// The server refused, and said why.
    #[error("the server refused with {status}, {code}: {detail}")]
    Problem {
        /// The HTTP status.
        status: StatusCode,
        /// The problem's code, for programs.
        code: String,
        /// Its sentence, for a person.
        detail: String,
    },
    /// The answer is none of ours: something else answers there.
    #[error("what answers there is no server of ours: {detail}")]
    Foreign {
        /// What is wrong with the answer.
        detail: String,
    },
    /// The question could not be written.
    #[error("the question could not be written")]
    Question(#[source] Box<dyn Error + Send + Sync>),
}

/// An answer that is no refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status: 2xx.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// [`CallError::Foreign`] if it is none, or not of this form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| CallError::Foreign { detail: error.to_string() })
    }
}

/// What of a problem document is kept.
#[derive(Deserialize)]
struct ProblemSaid {
    code: String,
    #[serde(default)]
    detail: String,
}

/// Asks servers of ours.
#[derive(Debug, Clone)]
pub struct Caller {
    config: Arc<ClientConfig>,
    time_max: Duration,
    answer_bytes_max: usize,
}

impl Caller {
    /// A caller that believes whom `config` believes.
    #[must_use]
    pub fn new(config: Arc<ClientConfig>) -> Self {
        Self { config, time_max: CALL_TIME_MAX, answer_bytes_max: ANSWER_BYTES_MAX }
    }

    /// Takes larger answers, and waits longer for them: for a bundle.
    #[must_use]
    pub fn with_limits(mut self, time_max: Duration, answer_bytes_max: usize) -> Self {
        self.time_max = time_max;
        self.answer_bytes_max = answer_bytes_max;
        self
    }

    /// Asks for what is there.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get(&self, at: &HttpsAddress, path: &str) -> Result<Answer, CallError> {
        self.call(at, Method::GET, path, Bytes::new()).await
    }

    /// Asks with a question in JSON.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn post<Q>(&self, at: &HttpsAddress, path: &str, question: &Q) -> Result<Answer, CallError>
    where
        Q: Serialize + Sync + ?Sized,
    {
        let body = serde_json::to_vec(question).map_err(|error| CallError::Question(error.into()))?;
        self.call(at, Method::POST, path, body.into()).await
    }

    async fn call(&self, at: &HttpsAddress, method: Method, path: &str, body: Bytes) -> Result<Answer, CallError> {
        let host = format!("{}:{}", at.host, at.port);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &host)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| CallError::Question(error.into()))?;
        let answered = Box::pin(self.exchange(at, &host, request));
        tokio::time::timeout(self.time_max, answered).await.unwrap_or(Err(CallError::Slow))
    }

    async fn exchange(
        &self,
        at: &HttpsAddress,
        host: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, CallError> {
        let stream = dial(self.config.clone(), at.name.clone(), host).await.map_err(broken)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(of_hyper)?;
        let answered = async {
            let response = sender.send_request(request).await.map_err(of_hyper)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, self.answer_bytes_max).collect().await.map_err(of_body)?;
            Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        let mut answered = std::pin::pin!(answered);
        // The connection does not outlive the one answer. Who hangs up after it has still answered.
        let answer = tokio::select! {
            answer = &mut answered => answer?,
            ended = connection => match ended {
                Err(error) => return Err(of_hyper(error)),
                Ok(()) => answered.await?,
            },
        };
        if answer.status.is_success() { Ok(answer) } else { Err(refusal(&answer)) }
    }
}

/// A server of ours refuses with a problem document. Anything else is from somebody who sits in its place.
fn refusal(answer: &Answer) -> CallError {
    match serde_json::from_slice::<ProblemSaid>(&answer.body) {
        Ok(said) => CallError::Problem { status: answer.status, code: said.code, detail: said.detail },
        Err(_other) => CallError::Foreign { detail: format!("it answered with {}", answer.status) },
    }
}

fn broken(error: io::Error) -> CallError {
    match trouble(&error) {
        Some(trouble) => CallError::Certificate { trouble },
        None => CallError::Unreachable(error.into()),
    }
}

fn of_hyper(error: hyper::Error) -> CallError {
    match trouble(&error) {
        Some(trouble) => CallError::Certificate { trouble },
        None if error.is_parse() => CallError::Foreign { detail: error.to_string() },
        None => CallError::Unreachable(error.into()),
    }
}

fn of_body(error: Box<dyn Error + Send + Sync>) -> CallError {
    if error.is::<http_body_util::LengthLimitError>() {
        return CallError::TooLarge;
    }
    match error.downcast::<hyper::Error>() {
        Ok(error) => of_hyper(*error),
        Err(error) => CallError::Unreachable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for text in ["https://hub.example:8444", "https://192.168.7.2:1", "https://[::1]:8444"] {
            assert_eq!(text.parse::<HttpsAddress>().unwrap().to_string(), text);
        }
        assert_eq!("https://hub:1/".parse::<HttpsAddress>().unwrap().to_string(), "https://hub:1");
        for text in [
            "",
            "hub:8444",
            "http://hub:8444",
            "https://hub",
            "https://hub:",
            "https://hub:0",
            "https://hub:65536",
            "https://:1",
            "https://a b:1",
            "https://::1:8444",
            "https://[hub]:1",
            "https://[::1:1",
            "https://hub:1/x",
        ] {
            assert!(text.parse::<HttpsAddress>().is_err(), "{text}");
        }
    }
}
