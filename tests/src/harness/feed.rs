//! A listener to server-sent events that notes all it hears, until it is dropped or the server ends.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::task::JoinSet;

use super::Client;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: Value,
}

/// A listener.
#[derive(Debug)]
pub struct Feed {
    heard: Arc<Mutex<Vec<Told>>>,
    _task: JoinSet<Result<()>>,
}

impl Feed {
    /// Listens from now on: when this returns the server has answered, and nothing later is missed.
    ///
    /// # Errors
    /// If the server does not answer with a feed.
    pub async fn open(client: &Client, path: &str) -> Result<Self> {
        let response = client.listen(path).await?;
        ensure!(response.status().as_u16() == 200, "{path}: {}", response.status());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        task.spawn(listen(response, heard.clone()));
        Ok(Self { heard, _task: task })
    }

    /// What was heard so far, oldest first.
    #[must_use]
    pub fn heard(&self) -> Vec<Told> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn listen(mut response: reqwest::Response, heard: Arc<Mutex<Vec<Told>>>) -> Result<()> {
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        text.extend_from_slice(&chunk);
        // An event ends with an empty line; what comes after it may be half of the next.
        while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            if let Some(told) = read(&String::from_utf8_lossy(&event))? {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(told);
            }
        }
    }
    Ok(())
}

/// One event; none if it is a comment that keeps the line alive.
fn read(event: &str) -> Result<Option<Told>> {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let (Some(name), Some(data)) = (field("event:"), field("data:")) else { return Ok(None) };
    let value = serde_json::from_str(data).with_context(|| format!("the event {name} is no JSON: {data}"))?;
    Ok(Some(Told { name: name.to_owned(), value }))
}
