//! Gathers the facts from which it is told how the shop stands to head office: what the link says as it passes by, what the
//! machine knows of its network, and whether the journals drain.

use std::time::Duration;

use percolate_runtime::mqtt::{DownReason, LinkEvent};
use percolate_runtime::network::{OwnNetwork, Unreached};
use percolate_runtime::sqlite::ReadTx;

use crate::app::error::AppError;
use crate::app::outage::{Ended, Facts, HubState, Told, Unsent, judge, unsent};
use crate::app::{App, LinkState};

/// How often it is looked where nothing is heard. It costs a look at the ends of three journals.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What was gathered so far.
#[derive(Debug)]
pub(super) struct Outlook {
    app: App,
    heard: Heard,
    drain: Drain,
    /// The link as it was at the last look, and when that was.
    looked: Option<(LinkState, Duration)>,
}

/// What the link said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Broker { since: Duration },
    Ended(Ended),
}

impl Outlook {
    /// Nothing was tried yet.
    pub(super) fn new(app: App, now: Duration) -> Self {
        app.present.set_hub(HubState::Starting, app.clock.now());
        Self { app, heard: Heard::Nothing, drain: Drain { acked: 0, moved_at: now }, looked: None }
    }

    /// Takes note of what the link says.
    pub(super) fn heard(&mut self, event: &LinkEvent, now: Duration) {
        self.heard = match event {
            LinkEvent::Up => Heard::Broker { since: now },
            LinkEvent::Down { reason } => Heard::Ended(ended(reason)),
            LinkEvent::Message { .. } => return,
        };
        self.looked = None;
    }

    /// How long nothing is to be looked at, if nothing happens.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        self.looked.map_or(Duration::ZERO, |(_, at)| (at + LOOK_EVERY).saturating_sub(now))
    }

    /// Looks, if it is time or the link is not what it was, and tells what changed.
    pub(super) async fn look(&mut self, now: Duration) {
        let link = self.app.present.link();
        if self.looked.is_some_and(|(before, _)| before == link) && !self.wait(now).is_zero() {
            return;
        }
        self.looked = Some((link, now));
        let reading = self.app.clone();
        let look = move |tx: &ReadTx<'_>| Ok::<_, AppError>((unsent(&reading, tx)?, OwnNetwork::look()));
        let (unsent, network) = match self.app.readers.read_async(look).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "what is not sent cannot be read: {error}");
                return;
            }
        };
        let told = match self.heard {
            Heard::Nothing => Told::Nothing,
            Heard::Broker { since } => Told::Broker { unanswered: now.saturating_sub(since) },
            Heard::Ended(ended) => Told::Ended(ended),
        };
        let standing_still = self.drain.standing_still(&unsent, link, now);
        self.gauge(&unsent);
        if let Some(state) = judge(&Facts { link, told, network, standing_still }) {
            self.app.present.set_hub(state, self.app.clock.now());
        }
    }

    fn gauge(&self, unsent: &Unsent) {
        let age_s = unsent.age_ms(self.app.clock.now()).unwrap_or(0) / 1_000;
        let small = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        metrics::gauge!("node_events_unsent").set(small(unsent.events));
        metrics::gauge!("node_oldest_unsent_seconds").set(small(age_s.unsigned_abs()));
    }
}

/// Whether the journals drain while the hub is greeted.
#[derive(Debug)]
struct Drain {
    acked: u64,
    moved_at: Duration,
}

impl Drain {
    /// For how long something has been to be sent and nothing was acknowledged.
    fn standing_still(&mut self, unsent: &Unsent, link: LinkState, now: Duration) -> Duration {
        if link != LinkState::Up || unsent.events == 0 || unsent.acked != self.acked {
            (self.acked, self.moved_at) = (unsent.acked, now);
        }
        now.saturating_sub(self.moved_at)
    }
}

/// How the link ended, in as many words as are needed to name a cause.
const fn ended(reason: &DownReason) -> Ended {
    match reason {
        DownReason::Unreachable { why: Unreached::NoRoute, .. } => Ended::NoRoute,
        DownReason::Unreachable { why: Unreached::NoName, .. } => Ended::NoName,
        DownReason::Unreachable { why: Unreached::NoAnswer, .. } | DownReason::Silent => Ended::NoAnswer,
        DownReason::Unreachable { why: Unreached::NotServing, .. } | DownReason::Lost { .. } => Ended::HungUp,
        DownReason::Refused { .. } | DownReason::Certificate { .. } => Ended::Refused,
        DownReason::ReaderSlow => Ended::Ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p9_what_stands_still_is_measured_from_the_last_acknowledgement_of_a_session() {
        let second = Duration::from_secs;
        let mut drain = Drain { acked: 0, moved_at: second(0) };
        let waiting = |acked| Unsent { events: 3, acked, oldest: None };
        // Offline for an hour, and then greeted: the time before does not count.
        assert_eq!(drain.standing_still(&waiting(10), LinkState::Down, second(3_600)), second(0));
        assert_eq!(drain.standing_still(&waiting(10), LinkState::Up, second(3_602)), second(2));
        assert_eq!(drain.standing_still(&waiting(10), LinkState::Up, second(3_670)), second(70));
        // One acknowledgement is enough, and so is nothing to be sent.
        assert_eq!(drain.standing_still(&waiting(11), LinkState::Up, second(3_680)), second(0));
        assert_eq!(drain.standing_still(&waiting(11), LinkState::Up, second(3_690)), second(10));
        let done = Unsent { events: 0, ..waiting(11) };
        assert_eq!(drain.standing_still(&done, LinkState::Up, second(9_000)), second(0));
    }

    #[test]
    fn a_broker_that_refuses_is_told_from_one_that_is_not_there() {
        let unreachable = |why| DownReason::Unreachable { why, detail: String::new() };
        let detail = String::new;
        let reasons = [
            unreachable(Unreached::NoRoute),
            unreachable(Unreached::NoName),
            unreachable(Unreached::NoAnswer),
            unreachable(Unreached::NotServing),
            DownReason::Refused { detail: detail() },
            DownReason::Lost { detail: detail() },
            DownReason::Silent,
            DownReason::ReaderSlow,
        ];
        let expected = [
            Ended::NoRoute,
            Ended::NoName,
            Ended::NoAnswer,
            Ended::HungUp,
            Ended::Refused,
            Ended::HungUp,
            Ended::NoAnswer,
            Ended::Ours,
        ];
        assert_eq!(reasons.each_ref().map(ended), expected);
    }
}
