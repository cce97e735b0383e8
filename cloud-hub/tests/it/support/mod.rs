//! What the tests stand on: events, a node made by hand, a hub in a scratch folder, waiting with a deadline.

pub(crate) mod copies;
pub(crate) mod events;
pub(crate) mod hub;
pub(crate) mod node;
pub(crate) mod process;

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
