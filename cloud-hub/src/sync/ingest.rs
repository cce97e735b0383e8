//! Ingest: what nodes send, in the order in which it came, is committed; then, and only then, it is answered.
//!
//! While one group is being committed the next one is read; what is done with a group is the intake's business.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::entropy::Entropy;
use percolate_common::ids::NodeId;
use percolate_common::time::{Clock, UtcMillis};
use percolate_runtime::mqtt::{LinkEvent, Publisher};
use percolate_runtime::system::monotonic_now;
use percolate_runtime::writer::GROUP_COMMANDS_MAX;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::apply::Input;
use super::downlink_event::DownlinkEvent;
pub use super::intake::Replicas;
use super::intake::{Committing, Intake, Judged, Waiting};
use super::message::Message;
use super::outgoing::{Outgoing, RETRY};
use super::present::Present;
use super::shut_out::ShutOut;
use crate::kernel::auth::keys::Keys;
use crate::kernel::journal::Journal;

/// Messages that are read ahead while a group is being committed, as many as a writer takes for one commit; beyond it the
/// link's own queue fills.
const READ_AHEAD_MAX: usize = GROUP_COMMANDS_MAX;

/// How long what is judged later waits for company.
const LATER: Duration = Duration::from_millis(5);

/// How long after a link came up those who are connected have said so.
const ROLL_AFTER: Duration = Duration::from_secs(30);

/// Ingest. A clone is another handle on the same queue, for a run after a failure.
#[derive(Clone)]
pub struct Ingest {
    intake: Intake,
    publisher: Publisher,
    /// The lanes of this process, where it is one of several.
    lanes: Option<watch::Receiver<BTreeSet<u8>>>,
    /// Held by the run that is under way.
    events: Arc<Mutex<mpsc::Receiver<LinkEvent>>>,
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest").finish_non_exhaustive()
    }
}

impl Ingest {
    /// Ingest of what `events` brings into `journal`.
    #[must_use]
    pub fn new(
        journal: Journal,
        time_and_chance: (Arc<dyn Clock>, Arc<dyn Entropy>),
        (publisher, events): (Publisher, mpsc::Receiver<LinkEvent>),
        downlink: mpsc::Sender<DownlinkEvent>,
        replicas: Replicas,
    ) -> Self {
        let intake = Intake::new(journal, time_and_chance, downlink, replicas);
        Self { intake, publisher, lanes: None, events: Arc::new(Mutex::new(events)) }
    }

    /// The same, which writes down who is connected only of nodes on the lanes that it has.
    #[must_use]
    pub(crate) fn with_lanes(self, lanes: watch::Receiver<BTreeSet<u8>>) -> Self {
        Self { lanes: Some(lanes), ..self }
    }

    /// The same, which takes nothing of boxes that are shut out; and what ends their sessions.
    #[must_use]
    pub(crate) fn with_keys(self, keys: Keys) -> (Self, ShutOut) {
        let intake = self.intake.with_keys(keys.clone());
        let shut_out = ShutOut::new(intake.clone(), keys, self.publisher.clone());
        (Self { intake, ..self }, shut_out)
    }

    /// Why the last group was not kept, by the code of its failure; nothing while all is well.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<&'static str>> {
        self.intake.trouble()
    }

    /// Takes what comes until it is stopped; what was taken is still committed and answered.
    ///
    /// # Errors
    /// Never: it fails by panic only, and is then run again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Infallible> {
        let events = self.events.clone();
        let mut events = events.lock().await;
        let mut outgoing = Outgoing::new(self.publisher.clone());
        let (mut waiting, mut later): (Vec<Waiting>, Vec<Waiting>) = (Vec::new(), Vec::new());
        let mut committing: Option<Committing> = None;
        let mut again_at = Duration::ZERO;
        let mut roll = Roll::default();
        let mut present = Present::new(self.lanes.clone());
        let mut open = true;
        loop {
            if committing.is_none() {
                if stop.is_cancelled() || !open {
                    waiting.append(&mut later);
                    if waiting.is_empty() {
                        return Ok(());
                    }
                }
                committing = (!waiting.is_empty()).then(|| self.intake.commit(std::mem::take(&mut waiting)));
            }
            tokio::select! {
                biased;
                judged = finished(&mut committing) => {
                    later.extend(self.intake.answer(judged, &mut outgoing));
                    again_at = monotonic_now() + LATER;
                }
                event = events.recv(), if open && waiting.len() < READ_AHEAD_MAX && !stop.is_cancelled() => match event {
                    Some(event) => {
                        roll.notice(&event, &self.intake);
                        let read = self.intake.read(event, &mut outgoing);
                        roll.confirm(read.as_ref());
                        waiting.extend(read.and_then(|input| present.own(input)).map(Waiting::from));
                    }
                    None => open = false,
                },
                () = tokio::time::sleep(RETRY), if outgoing.is_waiting() => outgoing.flush(),
                // What came in between may be what they wait for.
                () = tokio::time::sleep(again_at.saturating_sub(monotonic_now())), if !later.is_empty() => {
                    waiting.append(&mut later);
                }
                gained = present.gained() => waiting.extend(gained.into_iter().map(Waiting::from)),
                () = roll.is_due() => waiting.push(roll.called().into()),
                () = stop.cancelled(), if !stop.is_cancelled() => {}
            }
        }
    }
}

/// With several processes nobody forgets at a new link who is connected. Who has not said so again a while later is not:
/// the broker lost its retained messages, and with them the departures that it had not told.
#[derive(Debug, Default)]
struct Roll {
    /// When it is called, by the monotonic clock, and the moment at which the link came up.
    due: Option<(Duration, UtcMillis)>,
    confirmed: BTreeSet<NodeId>,
}

impl Roll {
    fn notice(&mut self, event: &LinkEvent, intake: &Intake) {
        if matches!(event, LinkEvent::Up) && intake.replicas() == Replicas::Several {
            *self = Self { due: Some((monotonic_now() + ROLL_AFTER, intake.now())), confirmed: BTreeSet::new() };
        }
    }

    fn confirm(&mut self, input: Option<&Input>) {
        if let (Some(_), Some(Input::Message(Message::Presence(node, presence)))) = (self.due, input)
            && presence.online
        {
            self.confirmed.insert(*node);
        }
    }

    async fn is_due(&self) {
        match self.due {
            Some((at, _)) => tokio::time::sleep(at.saturating_sub(monotonic_now())).await,
            None => std::future::pending().await,
        }
    }

    fn called(&mut self) -> Input {
        let before = self.due.take().map_or_else(UtcMillis::default, |(_, before)| before);
        Input::Sweep { before, confirmed: std::mem::take(&mut self.confirmed) }
    }
}

async fn finished(committing: &mut Option<Committing>) -> Vec<Judged> {
    match committing.as_mut() {
        Some(group) => {
            let answers = group.await;
            *committing = None;
            answers
        }
        None => std::future::pending().await,
    }
}
