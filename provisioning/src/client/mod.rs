//! The servers, asked over HTTP: plain JSON on this machine, with a token, a deadline, and errors that say who refused what.

mod error;
mod hub;
mod node;
mod retry;

pub use error::ClientError;
pub use hub::{Completeness, Hub, Journal, Measures, SalesReport, SalesRow, Through};
pub use node::{DayBooks, Imported, Node, NodeState, RejectedRow, Sold, Stock, StockRow, StoreState, StreamState};
pub use retry::retry;

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
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
        Ok(Self { address: address.to_owned(), authorization, http })
    }

    /// The server's host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the server answers at all.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if it says nothing.
    pub async fn answers(&self) -> Result<(), ClientError> {
        self.send(Method::GET, "/livez", None).await.map(drop)
    }

    /// Whether the server says that it is ready, or what it says instead.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if it says nothing.
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
        let response = self.send(Method::POST, path, Some((key, body))).await?;
        self.read(path, response).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        write: Option<(&str, Vec<u8>)>,
    ) -> Result<reqwest::Response, ClientError> {
        let mut request = self.http.request(method, format!("http://{}{path}", self.address));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some((key, body)) = write {
            request = request.header("Idempotency-Key", key).header(CONTENT_TYPE, "application/json").body(body);
        }
        request.send().await.map_err(|source| self.unreachable(path, source))
    }

    async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        response: reqwest::Response,
    ) -> Result<Answer<T>, ClientError> {
        let status = response.status();
        let replayed = response.headers().get("idempotent-replay").is_some_and(|value| value == "true");
        let text = response.bytes().await.map_err(|source| self.unreachable(path, source))?;
        if !status.is_success() {
            return Err(ClientError::refused(&self.address, path, status.as_u16(), &text));
        }
        let body = serde_json::from_slice(&text).map_err(|source| ClientError::Unexpected {
            address: self.address.clone(),
            path: path.to_owned(),
            source,
        })?;
        Ok(Answer { body, replayed })
    }

    fn unreachable(&self, path: &str, source: reqwest::Error) -> ClientError {
        ClientError::Unreachable { address: self.address.clone(), path: path.to_owned(), source }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::node::tests::demo_catalog;
}
