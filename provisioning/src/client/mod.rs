//! The servers, asked over HTTP: plain JSON on this machine, with a token, a deadline, and errors that say who refused what.

mod error;
mod hub;
mod named;
mod node;
mod retry;

pub use error::{Cause, ClientError};
pub use hub::{Completeness, Hub, Journal, Measures, SalesReport, SalesRow, Through};
pub use named::named;
pub use node::{DayBooks, Imported, Node, NodeState, RejectedRow, Sold, Stock, StockRow, StoreState, StreamState};
pub use retry::retry;

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;

/// Longest wait for one answer, in milliseconds. A request that takes longer is asked again under the same key.
const ANSWER_MS_MAX: u64 = 30_000;
/// Longest wait for a connection, in milliseconds.
const CONNECT_MS_MAX: u64 = 5_000;

/// One server.
#[derive(Debug, Clone)]
pub struct Client {
    address: String,
    authorization: Option<String>,
    token_advice: Option<String>,
    http: reqwest::Client,
}

/// An answer of status 200 or 201.
#[derive(Debug)]
pub struct Answer<T> {
    /// What it says.
    pub body: T,
    /// Whether the server recognised the key and gave its earlier answer.
    pub replayed: bool,
}

impl Client {
    /// A client of the server at an address, `host:port`. A token is shown with every request.
    ///
    /// # Errors
    /// [`ClientError::Setup`] if the machine cannot make connections at all.
    pub fn new(address: &str, token: Option<&str>) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_millis(ANSWER_MS_MAX))
            .connect_timeout(Duration::from_millis(CONNECT_MS_MAX))
            .build()
            .map_err(ClientError::Setup)?;
        let authorization = token.map(|token| format!("Bearer {}", token.trim()));
        Ok(Self { address: address.to_owned(), authorization, token_advice: None, http })
    }

    /// Says this when the server refuses the token, for a person who named the token's file: the server's own words are for
    /// one who writes requests.
    #[must_use]
    pub fn with_token_advice(mut self, advice: String) -> Self {
        self.token_advice = Some(advice);
        self
    }

    /// The server's host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the server answers at all.
    ///
    /// # Errors
    /// [`ClientError::Silent`] or [`ClientError::Unreachable`] if it says nothing.
    pub async fn answers(&self) -> Result<(), ClientError> {
        self.send(Method::GET, "/livez", None).await.map(drop)
    }

    /// Whether the server says that it is ready, or what it says instead.
    ///
    /// # Errors
    /// [`ClientError::Silent`] or [`ClientError::Unreachable`] if it says nothing.
    pub async fn ready(&self) -> Result<Result<(), String>, ClientError> {
        let response = self.send(Method::GET, "/readyz", None).await?;
        let well = response.status().is_success();
        let body = response.bytes().await.map_err(|source| self.unreachable("/readyz", source))?;
        Ok(if well { Ok(()) } else { Err(error::not_ready_in_words(&body)) })
    }

    /// Gets JSON.
    ///
    /// # Errors
    /// [`ClientError`] if there is no answer, a refusal, or another shape than expected.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let response = self.send(Method::GET, path, None).await?;
        self.read(path, response).await.map(|answer| answer.body)
    }

    /// Posts JSON under an idempotency key.
    ///
    /// # Errors
    /// [`ClientError`] if there is no answer, a refusal, or another shape than expected.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        body: Vec<u8>,
    ) -> Result<Answer<T>, ClientError> {
        let response = self.send(Method::POST, path, Some((Some(key), body))).await?;
        self.read(path, response).await
    }

    /// Puts JSON where it says what is there from now on: the same again changes nothing.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: Vec<u8>) -> Result<Answer<T>, ClientError> {
        let response = self.send(Method::PUT, path, Some((None, body))).await?;
        self.read(path, response).await
    }

    /// Takes something away: the same again is refused, or changes nothing.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let response = self.send(Method::DELETE, path, None).await?;
        self.read(path, response).await.map(|answer| answer.body)
    }

    /// Posts JSON under an idempotency key, and is given a file, with what its headers say.
    ///
    /// # Errors
    /// [`ClientError`] if there is no answer, or a refusal.
    pub async fn file_by_post(
        &self,
        path: &str,
        key: &str,
        body: Vec<u8>,
    ) -> Result<(HeaderMap, Vec<u8>), ClientError> {
        let response = self.send(Method::POST, path, Some((Some(key), body))).await?;
        let headers = response.headers().clone();
        self.read_bytes(path, response).await.map(|bytes| (headers, bytes))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        write: Option<(Option<&str>, Vec<u8>)>,
    ) -> Result<reqwest::Response, ClientError> {
        let mut request = self.http.request(method, format!("http://{}{path}", self.address));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some((key, body)) = write {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
            if let Some(key) = key {
                request = request.header("Idempotency-Key", key);
            }
        }
        request.send().await.map_err(|source| self.unreachable(path, source))
    }

    async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        response: reqwest::Response,
    ) -> Result<Answer<T>, ClientError> {
        let replayed = response.headers().get("idempotent-replay").is_some_and(|value| value == "true");
        let text = self.read_bytes(path, response).await?;
        let body = serde_json::from_slice(&text).map_err(|source| ClientError::Unexpected {
            address: self.address.clone(),
            path: path.to_owned(),
            source,
        })?;
        Ok(Answer { body, replayed })
    }

    async fn read_bytes(&self, path: &str, response: reqwest::Response) -> Result<Vec<u8>, ClientError> {
        let status = response.status();
        let text = response.bytes().await.map_err(|source| self.unreachable(path, source))?;
        if !status.is_success() {
            let refused = ClientError::refused(&self.address, path, status.as_u16(), &text);
            return Err(refused.advised(self.token_advice.as_deref()));
        }
        Ok(text.into())
    }

    fn unreachable(&self, path: &str, source: reqwest::Error) -> ClientError {
        ClientError::unanswered(&self.address, path, source)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::error::Error as _;
    use std::net::TcpListener;

    use super::*;

    pub(crate) use super::node::tests::demo_catalog;

    #[tokio::test]
    async fn a_server_that_does_not_run_is_told_with_one_cause() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = gone.local_addr().unwrap().to_string();
        drop(gone);
        let error = Client::new(&address, None).unwrap().answers().await.unwrap_err();
        assert_eq!(error.to_string(), format!("nothing answers at {address}: is the server running?"));
        let cause = error.source().unwrap();
        assert_eq!((cause.to_string().as_str(), cause.source().is_none()), ("Connection refused (os error 111)", true));
        assert!(error.is_passing());
    }
}
