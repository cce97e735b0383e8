//! Answers on their way to the network: what does not fit into the link's queue waits here, in order, up to a limit.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use percolate_common::wire::topic::Topic;
use percolate_runtime::mqtt::{PublishError, Publisher};

/// Answers that wait at most; beyond it they are dropped and counted, and the nodes ask again.
const WAITING_FRAMES_MAX: usize = 8_192;

/// How long to wait before a full queue is tried again.
pub(crate) const RETRY: Duration = Duration::from_millis(5);

/// Answers that the link has not taken yet.
#[derive(Debug)]
pub(crate) struct Outgoing {
    publisher: Publisher,
    waiting: VecDeque<(String, Bytes)>,
}

impl Outgoing {
    pub(crate) fn new(publisher: Publisher) -> Self {
        Self { publisher, waiting: VecDeque::new() }
    }

    /// Gives a frame to the link, after those that wait.
    pub(crate) fn send(&mut self, topic: Topic, frame: Vec<u8>) {
        if self.waiting.len() >= WAITING_FRAMES_MAX {
            counter!("hub_answers_dropped_total", "reason" => "full").increment(1);
            return;
        }
        self.waiting.push_back((topic.to_string(), Bytes::from(frame)));
        self.flush();
    }

    /// Whether something waits: call [`Outgoing::flush`] after [`RETRY`].
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Gives to the link what it takes.
    pub(crate) fn flush(&mut self) {
        while let Some((topic, frame)) = self.waiting.front() {
            match self.publisher.try_publish(topic, frame.clone(), false) {
                Err(PublishError::Full) => return,
                Err(PublishError::Down) => return self.clear(),
                Err(error @ PublishError::TooLarge { .. }) => {
                    tracing::error!(%topic, error = &error as &dyn std::error::Error, "an answer could not be sent");
                }
                Ok(()) => {}
            }
            self.waiting.pop_front();
        }
    }

    /// The connection is gone: nobody waits for these answers any more.
    pub(crate) fn clear(&mut self) {
        counter!("hub_answers_dropped_total", "reason" => "down").increment(self.waiting.len() as u64);
        self.waiting.clear();
    }
}
