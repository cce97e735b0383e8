//! A small client: JSON in, status and JSON out.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::Value;

/// How long an answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Content type, without parameters.
    pub content_type: String,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.text).with_context(|| format!("not JSON: {}", self.text))
    }

    /// The `code` of a problem; empty if the body is none.
    #[must_use]
    pub fn code(&self) -> String {
        let body = self.json().unwrap_or_default();
        body.get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    token: String,
    http: reqwest::Client,
}

impl Client {
    /// A client for the server whose data folder is `data`.
    ///
    /// # Errors
    /// If the server's token cannot be read.
    pub fn new(address: &str, data: &Path) -> Result<Self> {
        let token = std::fs::read_to_string(data.join("token")).context("the server's token")?;
        let http = reqwest::Client::builder().timeout(ANSWER_TIME_MAX).build()?;
        Ok(Self { base: format!("http://{address}"), token: token.trim().to_owned(), http })
    }

    /// The same server, asked with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The same server, asked through a relay at another address.
    ///
    /// # Errors
    /// If no client can be made.
    pub fn through(&self, address: &str) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(ANSWER_TIME_MAX).build()?;
        Ok(Self { base: format!("http://{address}"), token: self.token.clone(), http })
    }

    /// The address and port.
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// The bearer token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sends a request with any body.
    ///
    /// # Errors
    /// If there was no answer at all.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await.with_context(|| format!("asking {path}"))?;
        let status = response.status().as_u16();
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
        let content_type = content_type.split(';').next().unwrap_or("").trim().to_owned();
        Ok(Answer { status, content_type, text: response.text().await? })
    }

    /// Asks for a file, under an idempotency key.
    ///
    /// # Errors
    /// On any status but 200 and 201.
    pub async fn file(&self, path: &str, key: &str, body: &Value) -> Result<Vec<u8>> {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let response = request.header("idempotency-key", key).json(body).send().await?;
        let status = response.status();
        let bytes = response.bytes().await?;
        ensure!(status.is_success(), "POST {path}: {status} {}", String::from_utf8_lossy(&bytes));
        Ok(bytes.into())
    }

    /// Asks for a feed, which may go on for ever.
    ///
    /// # Errors
    /// If there was no answer at all.
    pub async fn listen(&self, path: &str) -> Result<reqwest::Response> {
        let request = reqwest::Client::new().get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        request.send().await.with_context(|| format!("listening to {path}"))
    }

    /// Gets a path, whatever the status.
    ///
    /// # Errors
    /// If there was no answer at all.
    pub async fn try_get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    /// Gets JSON with status 200.
    ///
    /// # Errors
    /// On any other status.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.try_get(path).await?;
        ensure!(answer.status == 200, "GET {path}: {} {}", answer.status, answer.text);
        answer.json()
    }

    /// Posts JSON under an idempotency key, whatever the status.
    ///
    /// # Errors
    /// If there was no answer at all.
    pub async fn try_post(&self, path: &str, key: &str, body: &Value) -> Result<Answer> {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        self.send(Method::POST, path, &headers, body.to_string().into_bytes()).await
    }

    /// Puts JSON and takes any success.
    ///
    /// # Errors
    /// On any status but 200 and 201.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        let headers = [("content-type", "application/json")];
        let answer = self.send(Method::PUT, path, &headers, body.to_string().into_bytes()).await?;
        ensure!(matches!(answer.status, 200 | 201), "PUT {path}: {} {}", answer.status, answer.text);
        answer.json()
    }

    /// Posts JSON and takes any success.
    ///
    /// # Errors
    /// On any status but 200 and 201.
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Value> {
        let answer = self.try_post(path, key, body).await?;
        ensure!(matches!(answer.status, 200 | 201), "POST {path}: {} {}", answer.status, answer.text);
        answer.json()
    }
}
