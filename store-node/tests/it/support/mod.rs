//! What the tests stand on: a node in a scratch folder, a hub played by hand, a chain whose
//! CA and door a test has in hand, readers of the node's books, waiting with
//! a deadline.

pub(crate) mod chain;
pub(crate) mod device;
pub(crate) mod disk;
pub(crate) mod door;
pub(crate) mod feed;
pub(crate) mod http;
pub(crate) mod hub;
pub(crate) mod installed;
pub(crate) mod journal;
pub(crate) mod menu;
pub(crate) mod mqtt;
pub(crate) mod node;
pub(crate) mod office;
pub(crate) mod paper;
pub(crate) mod people;
pub(crate) mod program;
pub(crate) mod schema;

use std::future::Future;
use std::time::Duration;

/// Nothing that a test waits for takes this long on a machine that works.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How often a condition that announces nothing is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Waits until `look` finds something.
pub(crate) async fn eventually<T, Fut: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> Fut) -> T {
    let mut ticks = tokio::time::interval(LOOK_AGAIN);
    in_time(what, async {
        loop {
            ticks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    })
    .await
}

/// Waits for something that must come.
pub(crate) async fn in_time<T>(what: &str, coming: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(DEADLINE, coming).await;
    came.unwrap_or_else(|_| panic!("{what} did not come within {DEADLINE:?}"))
}
