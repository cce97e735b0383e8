//! Somebody who asks all the time, whatever dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use crate::harness::Client;

/// A reader, who asks for the same things again and again, one after the other.
#[derive(Debug)]
pub struct Reader {
    task: JoinSet<Result<()>>,
    is_over: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
}

impl Reader {
    /// Starts to ask each of these for its path.
    #[must_use]
    pub fn start(asked: Vec<(Client, &'static str)>) -> Self {
        let (is_over, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut task = JoinSet::new();
        task.spawn(read_on(asked, is_over.clone(), answers.clone()));
        Self { task, is_over, answers }
    }

    /// Ends it, and gives how many answers there were.
    ///
    /// # Errors
    /// If one of the answers was not well.
    pub async fn end(mut self) -> Result<usize> {
        self.is_over.store(true, Ordering::SeqCst);
        self.task.join_next().await.context("the reader")??.context("a read failed while something died")?;
        Ok(self.answers.load(Ordering::SeqCst))
    }
}

async fn read_on(
    asked: Vec<(Client, &'static str)>,
    is_over: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
) -> Result<()> {
    while !is_over.load(Ordering::SeqCst) {
        for (client, path) in &asked {
            client.get(path).await?;
            answers.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}
