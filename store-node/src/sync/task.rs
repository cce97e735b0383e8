//! The exchange as a task: waits for the link, the database and the time, and gives the [`Exchange`] its turns.

use std::time::Duration;

use percolate_runtime::mqtt::{LinkEvent, Publisher};
use percolate_runtime::system::monotonic_now;
use percolate_runtime::tasks::blocking;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::exchange::{Exchange, Turn};
use super::outlook::Outlook;
use super::session::Machine;
use crate::app::{App, FOLLOW_EVERY};

/// Everything that the task owns.
#[derive(Debug)]
pub(crate) struct SyncTask {
    app: App,
    machine: Machine,
    publisher: Publisher,
}

impl SyncTask {
    pub(crate) const fn new(app: App, machine: Machine, publisher: Publisher) -> Self {
        Self { app, machine, publisher }
    }

    /// Exchanges until it is stopped.
    pub(crate) async fn run(self, mut events: mpsc::Receiver<LinkEvent>, stop: CancellationToken) {
        let mut commits = self.app.writer.commits();
        let mut exchange = self.exchange();
        let mut looked_at = Duration::ZERO;
        let mut outlook = Outlook::new(self.app.clone(), monotonic_now());
        loop {
            let now = monotonic_now();
            let wait = exchange.wait(now).min(outlook.wait(now));
            let unheard = (looked_at + FOLLOW_EVERY).saturating_sub(now);
            let grown = async {
                tokio::time::sleep(unheard).await;
                commits.changed().await
            };
            let turn = tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => match event {
                    Some(event) => {
                        outlook.heard(&event, monotonic_now());
                        Turn::Link(event)
                    }
                    None => return,
                },
                changed = grown => match changed {
                    Ok(()) => {
                        looked_at = monotonic_now();
                        Turn::Grown
                    }
                    Err(_closed) => return,
                },
                () = tokio::time::sleep(wait) => Turn::Due,
            };
            exchange = self.turn(exchange, turn).await;
            outlook.look(monotonic_now()).await;
        }
    }

    fn exchange(&self) -> Exchange {
        Exchange::new(self.app.clone(), self.machine.clone(), self.publisher.clone())
    }

    /// One turn, on a thread that may block.
    async fn turn(&self, mut exchange: Exchange, turn: Turn) -> Exchange {
        let turned = blocking(move || {
            let outcome = exchange.turn(turn, monotonic_now());
            (exchange, outcome)
        });
        match turned.await {
            Ok((exchange, Ok(()))) => exchange,
            Ok((exchange, Err(error))) => {
                failed(&error);
                exchange
            }
            Err(panicked) => {
                failed(&panicked);
                // What it knew is gone with it. If there is a link, the hub is greeted anew.
                let mut exchange = self.exchange();
                exchange.link_up(monotonic_now());
                exchange
            }
        }
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) {
    metrics::counter!("node_sync_failures_total").increment(1);
    tracing::error!(error, "the exchange with the hub failed: {error}");
}
