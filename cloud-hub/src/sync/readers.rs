//! Who reads the hub's journals, and what is due to each: everything that the downlink decides, whoever drives it.
//!
//! Each session of a node has a sender's machine of its own, since a copy of the node's disk may be in session too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metrics::{counter, gauge};
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, Head, JournalId, ShortHash, StreamKind};
use percolate_common::time::Clock;
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{Nudge, Position};
use percolate_common::wire::topic::Topic;
use percolate_runtime::mqtt::{PublishError, Publisher};
use percolate_runtime::storage::{ReadTx, StorageError};

use super::apply::is_own;
use super::downlink::DownlinkError;
use super::downlink_event::DownlinkEvent;
use super::lanes::{Lanes, ReaderId};
use super::outgoing::RETRY;
use crate::kernel::journal::{Journal, Portion, author_stream_list, hash_fetch, portion_read, stream_fetch};
use crate::kernel::outbox::LIVES_MAX;

/// What the downlink works with.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) journal: Journal,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) publisher: Publisher,
    /// The services whose journals nodes read.
    pub(crate) services: Arc<[AuthorId]>,
}

/// Everybody who reads, and what each is sent. Time is what whoever drives it says.
pub(crate) struct Readers {
    means: Means,
    now: Duration,
    readers: Lanes,
    /// How far the journals reach that are sent.
    heads: BTreeMap<JournalId, Head>,
    /// Journals of nodes that are being given back.
    given_back: BTreeSet<JournalId>,
    /// Events as they were read for one node, for the others that stand at the same place.
    read: BTreeMap<(JournalId, u64), Arc<Portion>>,
    /// The link took no more: try again soon.
    held_up: bool,
}

impl Readers {
    /// Begins without any reader. Nodes that are in session from a run before answer the nudges, if they are behind.
    ///
    /// # Errors
    /// As all that it does: [`DownlinkError`]. Begin anew then.
    pub(crate) async fn open(means: Means, now: Duration) -> Result<Self, DownlinkError> {
        let mut readers = Self {
            means,
            now,
            readers: Lanes::default(),
            heads: BTreeMap::new(),
            given_back: BTreeSet::new(),
            read: BTreeMap::new(),
            held_up: false,
        };
        readers.grow().await?;
        readers.nudge_all()?;
        Ok(readers)
    }

    /// Moves on to a moment: what is done next is done then.
    pub(crate) const fn at(&mut self, now: Duration) -> &mut Self {
        self.now = now;
        self
    }

    /// Looks how far the journals reach now; tells every node's machine and nudges all.
    pub(crate) async fn grow(&mut self) -> Result<(), DownlinkError> {
        let readers = &self.readers;
        self.given_back.retain(|journal| readers.iter().any(|lanes| lanes.acked_seq(*journal).is_some()));
        let (services, given_back) = (self.means.services.clone(), self.given_back.clone());
        self.heads.retain(|journal, _| services.contains(&journal.author) || given_back.contains(journal));
        let heads = self.means.journal.db().read_async(move |tx| head_list(tx, &services, &given_back)).await?;
        let now = self.now;
        for (journal, head) in heads {
            let before = self.heads.insert(journal, head);
            if before.is_some_and(|before| head.seq <= before.seq) {
                continue;
            }
            // A journal that was not there before, to nodes that were: from its beginning.
            if before.is_none() && self.is_followed(&journal) {
                self.readers.tell_all(|lanes| lanes.start(journal, 0, head.seq, now));
            }
            self.readers.tell_all(|lanes| lanes.appended(journal, head.seq, 0, now));
            self.nudge(&journal, head)?;
        }
        Ok(())
    }

    /// Takes in what ingest has to tell.
    pub(crate) async fn hear(&mut self, event: DownlinkEvent) -> Result<(), DownlinkError> {
        match event {
            DownlinkEvent::LinkUp => {
                let (heads, now) = (&self.heads, self.now);
                self.readers.tell_all(|lanes| {
                    for journal in heads.keys() {
                        let acked = lanes.acked_seq(*journal).unwrap_or(0);
                        lanes.resend_after(*journal, acked, now);
                    }
                });
                self.nudge_all()?;
            }
            DownlinkEvent::Welcomed { node, session, replaces, positions } => {
                replaces.into_iter().for_each(|replaced| self.readers.end((node, replaced)));
                self.readers.begin((node, session));
                let followed: Vec<_> = self.heads.keys().copied().filter(|journal| self.is_followed(journal)).collect();
                for journal in &followed {
                    let position = positions.iter().find(|position| position.journal().as_ref() == Some(journal));
                    let position = position.map_or((0, journal.genesis().hash.short()), |p| (p.seq(), p.hash()));
                    self.start((node, session), journal, position).await?;
                }
            }
            DownlinkEvent::Acked { node, session, position } => {
                let Some(journal) = self.readable(node, &position) else { return Ok(()) };
                let (reader, now) = ((node, session), self.now);
                self.readers.ensure(reader);
                if self.readers.get(reader).is_some_and(|lanes| lanes.acked_seq(journal).is_some()) {
                    self.readers.tell(reader, |lanes| lanes.acked(journal, position.seq(), now));
                } else {
                    self.start((node, session), &journal, (position.seq(), position.hash())).await?;
                }
            }
            DownlinkEvent::Resend { node, session, position } => {
                let Some(journal) = self.readable(node, &position) else { return Ok(()) };
                self.readers.ensure((node, session));
                self.start((node, session), &journal, (position.seq(), position.hash())).await?;
            }
            DownlinkEvent::Gone { node, sessions } => {
                sessions.into_iter().for_each(|session| self.readers.end((node, session)));
            }
        }
        gauge!("hub_downlink_readers").set(f64::from(u32::try_from(self.readers.len()).unwrap_or(u32::MAX)));
        Ok(())
    }

    /// The journal, if the node may read it: one of the hub's, or one of the node's own past.
    fn readable(&self, node: NodeId, position: &Position) -> Option<JournalId> {
        position.journal().filter(|journal| self.is_followed(journal) || is_own(node, journal))
    }

    /// Whether it is a journal that every node reads.
    fn is_followed(&self, journal: &JournalId) -> bool {
        self.means.services.contains(&journal.author) && StreamKind::DOWN.contains(&journal.stream)
    }

    /// Begins to send a journal to a node after its position, if the hub holds the same journal up to there.
    async fn start(
        &mut self,
        (node, session): ReaderId,
        journal: &JournalId,
        (seq, hash): (u64, ShortHash),
    ) -> Result<(), DownlinkError> {
        let (held, head) = self.held(journal, seq).await?;
        if head.is_none_or(|head| seq > head.seq) && seq > 0 {
            // The hub was restored. Ingest has asked for the rest, and nobody writes more of it.
            return Ok(());
        }
        if held.is_none_or(|held| held != hash) {
            counter!("hub_down_ahead_total", "stream" => journal.stream.as_str()).increment(1);
            tracing::error!(
                node.id = %node, %journal, seq,
                "n{node} holds {journal} up to entry {seq} otherwise than the hub: one of the two was changed"
            );
            return Ok(());
        }
        if let Some(head) = head.filter(|_| is_own(node, journal)) {
            self.given_back.insert(*journal);
            self.heads.insert(*journal, head);
        }
        let last = self.heads.get(journal).map_or(0, |head| head.seq);
        let now = self.now;
        self.readers.tell((node, session), |lanes| lanes.start(*journal, seq, last, now));
        Ok(())
    }

    /// What the hub holds of a journal at a place, and how far it reaches. Most nodes stand at the end of one that is sent
    /// to all, and that is known.
    async fn held(&self, journal: &JournalId, seq: u64) -> Result<(Option<ShortHash>, Option<Head>), StorageError> {
        if let Some(head) = self.heads.get(journal).filter(|head| head.seq == seq && self.is_followed(journal)) {
            return Ok((Some(head.hash.short()), Some(*head)));
        }
        let journal = *journal;
        let db = self.means.journal.db();
        db.read_async(move |tx| {
            let head = stream_fetch(tx, &journal)?.map(|state| state.head);
            Ok((hash_at(tx, &journal, seq)?, head))
        })
        .await
    }

    /// Sends to every node what is due to it, as far as the link takes it.
    pub(crate) async fn send_due(&mut self) -> Result<(), DownlinkError> {
        self.held_up = false;
        self.read.clear();
        let mut ready = self.readers.take_ready(self.now);
        while let Some(reader) = ready.first().copied() {
            while !self.held_up && self.send_next(reader).await? {}
            if self.held_up {
                self.readers.put_back(ready);
                return Ok(());
            }
            ready.pop_first();
        }
        Ok(())
    }

    /// Sends one batch to a node, if one is due.
    async fn send_next(&mut self, (node, session): ReaderId) -> Result<bool, DownlinkError> {
        let now = self.now;
        let reader = (node, session);
        let Some(send) = self.readers.step(reader, |lanes| lanes.next_send(now)).flatten() else { return Ok(false) };
        let journal = send.journal;
        let portion = self.portion(journal, send.seq_lo).await?;
        if portion.events.is_empty() {
            return Ok(false);
        }
        let batch = Batch {
            journal,
            seq_lo: send.seq_lo,
            hash_before: portion.hash_before,
            events: portion.events.clone(),
            stock_totals: Vec::new(),
            sent_at: self.means.clock.now(),
            session,
            last_seq: self.heads.get(&journal).map_or(0, |head| head.seq),
        };
        let topic = Topic::Down(node).to_string();
        match self.means.publisher.try_publish(&topic, Bytes::from(batch.encode()?), false) {
            Ok(()) => {
                counter!("hub_down_batches_total", "stream" => journal.stream.as_str()).increment(1);
                self.readers.step(reader, |lanes| lanes.sent(journal, batch.seq_hi(), now));
                Ok(true)
            }
            Err(PublishError::Full) => {
                self.held_up = true;
                Ok(false)
            }
            // Without a link nothing is due; when it is back, everything after the last acknowledgement is sent again.
            Err(PublishError::Down | PublishError::TooLarge { .. }) => {
                self.readers.step(reader, |lanes| lanes.sent(journal, batch.seq_hi(), now));
                Ok(true)
            }
        }
    }

    async fn portion(&mut self, journal: JournalId, seq_lo: u64) -> Result<Arc<Portion>, DownlinkError> {
        if let Some(portion) = self.read.get(&(journal, seq_lo)) {
            return Ok(portion.clone());
        }
        let db = self.means.journal.db();
        let portion = Arc::new(db.read_async(move |tx| portion_read(tx, &journal, seq_lo)).await?);
        self.read.insert((journal, seq_lo), portion.clone());
        Ok(portion)
    }

    /// When there is something to send, unless something happens before.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let again = self.held_up.then(|| self.now + RETRY);
        self.readers.next_due().into_iter().chain(again).min()
    }

    /// Tells all nodes how far the journals reach.
    pub(crate) fn nudge_all(&self) -> Result<(), DownlinkError> {
        self.heads.iter().filter(|(_, head)| head.seq > 0).try_for_each(|(journal, head)| self.nudge(journal, *head))
    }

    /// A nudge that is lost is no loss: the next one, or the next greeting, says the same. Of a node's own journal
    /// nobody else need hear.
    fn nudge(&self, journal: &JournalId, head: Head) -> Result<(), DownlinkError> {
        if !self.is_followed(journal) {
            return Ok(());
        }
        let nudge = Nudge { head: Position::new(journal, head.seq, head.hash.short()) };
        let topic = Topic::AllDown(journal.stream).to_string();
        if self.means.publisher.try_publish(&topic, Bytes::from(nudge.encode()?), false).is_ok() {
            counter!("hub_nudges_total", "stream" => journal.stream.as_str()).increment(1);
        }
        Ok(())
    }
}

/// Every journal of the services, and those others.
fn head_list(
    tx: &ReadTx<'_>,
    services: &[AuthorId],
    others: &BTreeSet<JournalId>,
) -> Result<Vec<(JournalId, Head)>, StorageError> {
    let mut heads = Vec::new();
    for service in services {
        let states = author_stream_list(tx, *service, LIVES_MAX)?;
        let down = states.into_iter().filter(|state| StreamKind::DOWN.contains(&state.journal.stream));
        heads.extend(down.map(|state| (state.journal, state.head)));
    }
    for journal in others {
        heads.extend(stream_fetch(tx, journal)?.map(|state| (*journal, state.head)));
    }
    Ok(heads)
}

fn hash_at(tx: &ReadTx<'_>, journal: &JournalId, seq: u64) -> Result<Option<ShortHash>, StorageError> {
    let hash = if seq == 0 { Some(journal.genesis().hash) } else { hash_fetch(tx, journal, seq)? };
    Ok(hash.map(|hash| hash.short()))
}
