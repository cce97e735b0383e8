//! The lanes of nodes that this process of several takes in: what one node says comes to one process, as long as nobody comes
//! or goes, so that none waits for another's lock or for what another was given.
//!
//! Leases tell who has which. They are a convenience: two that hear the same lane get some of it each, a lane that nobody
//! hears is sent again by its nodes, and whoever takes something in locks its author.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use metrics::gauge;
use percolate_common::wire::topic::{LANES, lane_subscription};
use percolate_runtime::mqtt::Publisher;
use percolate_runtime::storage::StorageError;
use percolate_runtime::system::monotonic_now;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::lane_shares::{Decision, decide};
use super::store::{LANE_LEASE_MS, lanes_give, lanes_held, lanes_join, lanes_leave, lanes_take};
use crate::kernel::db::Db;
use crate::kernel::duty::RENEW_EVERY;

/// How often each looks what the others have.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// How soon again while the link is not up, or not all was granted yet.
const SOON: Duration = Duration::from_millis(20);

/// How long a lane that was given back is heard on: the others have looked twice by then.
pub const HEARD_ON: Duration = Duration::from_millis(1_000);

/// The lanes of one process. A clone is the same process's.
#[derive(Debug, Clone)]
pub struct NodeLanes {
    db: Db,
    publisher: Publisher,
    me: u64,
    leaving: CancellationToken,
    /// Whether it is known what others have, and its own lanes are heard.
    settled: watch::Sender<bool>,
    /// Its lanes.
    held: watch::Sender<BTreeSet<u8>>,
}

/// What it has now.
#[derive(Debug, Default)]
struct Having {
    lanes: BTreeSet<u8>,
    /// Given back and heard on, until when by the monotonic clock.
    given: BTreeMap<u8, Duration>,
    /// When its lease was renewed; never while it is no member.
    renewed: Option<Duration>,
}

impl Having {
    fn lapse(&mut self) {
        *self = Self { lanes: BTreeSet::new(), given: std::mem::take(&mut self.given), renewed: None };
    }

    fn give(&mut self, lanes: &BTreeSet<u8>, now: Duration) {
        for lane in lanes {
            if self.lanes.remove(lane) {
                self.given.insert(*lane, now + HEARD_ON);
            }
        }
    }

    fn has_lapsed(&self, now: Duration) -> bool {
        let lease = Duration::from_millis(LANE_LEASE_MS.unsigned_abs());
        self.renewed.is_some_and(|renewed| renewed + lease <= now)
    }

    fn is_due(&self, now: Duration) -> bool {
        self.renewed.is_none_or(|renewed| renewed + RENEW_EVERY <= now)
    }

    /// What to subscribe to.
    fn filters(&mut self, now: Duration) -> BTreeSet<String> {
        let Self { lanes, given, renewed: _ } = self;
        given.retain(|lane, until| now < *until && !lanes.contains(lane));
        lanes.iter().chain(given.keys()).map(|lane| lane_subscription(*lane)).collect()
    }
}

impl NodeLanes {
    /// The lanes of the process that calls itself `me` among the others, heard over a link. `leaving` says that it is about
    /// to stop. No two of them may be called the same.
    #[must_use]
    pub fn new(db: Db, publisher: Publisher, me: u64, leaving: CancellationToken) -> Self {
        let ((settled, _), (held, _)) = (watch::channel(false), watch::channel(BTreeSet::new()));
        Self { db, publisher, me, leaving, settled, held }
    }

    /// Whether it has its place among the others, and hears what it has.
    #[must_use]
    pub fn settled(&self) -> watch::Receiver<bool> {
        self.settled.subscribe()
    }

    /// The lanes that it has.
    #[must_use]
    pub fn held(&self) -> watch::Receiver<BTreeSet<u8>> {
        self.held.subscribe()
    }

    /// Has its share until it is stopped, or about to stop; gives all back then, and hears on for a moment.
    ///
    /// # Errors
    /// [`StorageError`] if its lanes could not be given back: they are free when their lease has run out.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StorageError> {
        let mut having = Having::default();
        while !stop.is_cancelled() && !self.leaving.is_cancelled() {
            let looked = self.look(&mut having).await;
            if let Err(error) = looked {
                tracing::warn!(error = &error as &dyn std::error::Error, "the lanes of nodes could not be looked at");
            }
            self.hear(&mut having);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.leaving.cancelled() => {}
                () = tokio::time::sleep(if self.publisher.hears_all() { LOOK_EVERY } else { SOON }) => {}
            }
        }
        let (me, all) = (self.me, having.lanes.clone());
        having.give(&all, monotonic_now());
        let left = self.db.write("lanes", move |tx| lanes_leave(tx, me)).await;
        self.hear(&mut having);
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(HEARD_ON) => self.hear(&mut having),
        }
        left
    }

    /// Compares what it has with what all have, and takes, renews and gives back.
    async fn look(&self, having: &mut Having) -> Result<(), StorageError> {
        let begin = monotonic_now();
        if having.has_lapsed(begin) {
            having.lapse();
        }
        // Who hears nothing has nothing: others have it when the lease has run out.
        if !self.publisher.is_up() {
            return Ok(());
        }
        let me = self.me;
        let seen = self.db.read_async(lanes_held).await?;
        having.lanes.retain(|lane| seen.holders.get(lane) == Some(&me));
        let Decision { take, give } = decide(&seen, me);
        if take.is_empty() && give.is_empty() && !having.is_due(begin) {
            return Ok(());
        }
        let wanted: BTreeSet<u8> =
            (0..LANES).filter(|lane| take.contains(lane) || seen.holders.get(lane) == Some(&me)).collect();
        let wanted: BTreeSet<u8> = wanted.difference(&give).copied().collect();
        let (is_new, given) = (!seen.members.contains(&me), give.clone());
        let taken = self.db.write("lanes", move |tx| {
            if is_new {
                lanes_join(tx, me)?;
            }
            lanes_give(tx, me, &given)?;
            lanes_take(tx, me, &wanted)
        });
        let taken = taken.await?;
        having.give(&give, monotonic_now());
        having.lanes = taken;
        having.renewed = Some(begin);
        Ok(())
    }

    fn hear(&self, having: &mut Having) {
        if let Err(error) = self.publisher.hear(having.filters(monotonic_now())) {
            // It is said again at the next look.
            tracing::debug!(error = &error as &dyn std::error::Error, "the lanes of nodes could not be subscribed to");
        }
        self.settled.send_replace(having.renewed.is_some() && self.publisher.hears_all());
        self.held.send_if_modified(|held| {
            let is_other = *held != having.lanes;
            held.clone_from(&having.lanes);
            is_other
        });
        gauge!("hub_lanes_held").set(f64::from(u32::try_from(having.lanes.len()).unwrap_or(u32::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn what_is_given_back_is_heard_on_for_a_moment_and_what_lapsed_is_not() {
        let mut having = Having { lanes: BTreeSet::from([1, 2, 3]), given: BTreeMap::new(), renewed: Some(NOW) };
        having.give(&BTreeSet::from([2, 9]), NOW);
        let of = |lanes: &[u8]| lanes.iter().map(|lane| lane_subscription(*lane)).collect::<BTreeSet<_>>();
        assert_eq!(having.filters(NOW), of(&[1, 2, 3]));
        assert_eq!(having.filters(NOW + HEARD_ON), of(&[1, 3]));
        having.lapse();
        assert_eq!(having.filters(NOW), of(&[]));
    }

    #[test]
    fn a_lane_that_is_taken_again_is_not_given_up_later() {
        let mut having = Having { lanes: BTreeSet::from([1]), given: BTreeMap::new(), renewed: Some(NOW) };
        having.give(&BTreeSet::from([1]), NOW);
        having.lanes.insert(1);
        assert_eq!(having.filters(NOW).len(), 1);
        assert_eq!(having.filters(NOW + HEARD_ON).len(), 1);
    }

    #[test]
    fn a_lease_is_renewed_in_time_or_has_lapsed() {
        let having = Having { renewed: Some(NOW), ..Having::default() };
        assert!(!having.is_due(NOW) && having.is_due(NOW + RENEW_EVERY) && Having::default().is_due(NOW));
        assert!(!having.has_lapsed(NOW + RENEW_EVERY) && having.has_lapsed(NOW + Duration::from_secs(10)));
    }
}
