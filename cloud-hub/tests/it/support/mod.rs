//! What the tests stand on: events, a node made by hand, a guest of a broker, a mosquitto, a hub in a scratch folder, reports
//! over a journal, a chain that trades at random with the ledger of what it did, bodies held against their description,
//! somebody's hand in the tables, the engine that it all runs on, a door with those who come through it, MQTT
//! by hand, the office as a browser asks it, the program itself, waiting with a deadline.

pub(crate) mod chain;
pub(crate) mod copies;
pub(crate) mod desk;
pub(crate) mod door;
pub(crate) mod enrolled;
pub(crate) mod events;
pub(crate) mod ground;
pub(crate) mod guest;
pub(crate) mod hand;
pub(crate) mod hub;
pub(crate) mod ledger;
pub(crate) mod life;
pub(crate) mod mosquitto;
pub(crate) mod node;
pub(crate) mod office;
pub(crate) mod packet;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod schema;
pub(crate) mod trade;

use std::future::Future;
use std::time::Duration;

/// Nothing that a test waits for takes this long on a machine that works.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How often a condition that announces nothing is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits until `look` finds something.
pub(crate) async fn eventually<T, Fut: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> Fut) -> T {
    let mut ticks = tokio::time::interval(LOOK_AGAIN);
    let found = tokio::time::timeout(DEADLINE, async {
        loop {
            ticks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what} did not happen within {DEADLINE:?}"))
}
