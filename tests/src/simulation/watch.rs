//! A witness beside the line: what both sides say, and what they may say given what they said before.

use std::collections::BTreeMap;

use anyhow::Result;
use percolate_common::ids::NodeId;
use percolate_common::journal::{AuthorId, JournalId};
use percolate_common::wire::envelope::Batch;
use percolate_common::wire::session::{Ack, FromHub, FromNode, Verdict, Welcome};
use percolate_common::wire::topic::Topic;

use super::ground::Frame;
use super::oracle::{Oracle, violation};
use super::reach::{Met, Reach};

/// A life of a node as the hub has last welcomed it.
#[derive(Debug, Clone, Copy)]
struct Standing {
    session: u64,
    boot: u64,
}

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Watch {
    lives: BTreeMap<(NodeId, u64), Standing>,
    /// The life that each node last greeted with.
    greeted: BTreeMap<NodeId, u64>,
    /// How far the hub has said that it holds each journal.
    acked: BTreeMap<JournalId, u64>,
    /// The hub was put back: what it once knew of sessions is not known here.
    blind: bool,
}

impl Watch {
    /// The hub was put back to an older copy: what it acknowledged since may be gone with the copy.
    pub(super) fn hub_put_back(&mut self) {
        self.blind = true;
        self.acked.clear();
    }

    /// Whether the hub was put back in this world.
    pub(super) const fn is_blind(&self) -> bool {
        self.blind
    }

    /// How far the hub has said that it holds journals.
    pub(super) const fn acked(&self) -> &BTreeMap<JournalId, u64> {
        &self.acked
    }

    fn is_live(&self, node: NodeId, session: u64) -> bool {
        self.lives.iter().any(|((of, _), standing)| *of == node && standing.session == session)
    }

    /// The hub says something.
    pub(super) fn hub_says(&mut self, frame: &Frame, reach: &mut Reach) -> Result<()> {
        match frame.topic.parse() {
            Ok(Topic::DownSession(node)) => match FromHub::decode(&frame.payload)? {
                FromHub::Welcome(welcome) => self.welcomed(node, &welcome, reach),
                FromHub::Ack(ack) => return self.acknowledged(node, &ack, reach),
                FromHub::Resend(_) => reach.met(Met::HubAsked),
                // It asks for a greeting; whether the session is over by it is the hub's to know.
                FromHub::Rehello { .. } => reach.met(Met::Rehello),
                FromHub::Contested { .. } => reach.met(Met::Contested),
                FromHub::TotalsDiffer { incarnation, .. } => {
                    let text =
                        format!("the hub found the stock of {incarnation:016x} of {node} other than it was stated");
                    return Err(violation(Oracle::Totals, text));
                }
            },
            Ok(Topic::Down(_)) => {
                let batch = Batch::decode(&frame.payload)?;
                if batch.journal.author.as_node().is_some() {
                    reach.met(Met::TakenBack);
                }
            }
            Ok(Topic::AllDown(_) | Topic::Up(..) | Topic::UpSession(_) | Topic::Presence(_) | Topic::HubDownlink)
            | Err(_) => {}
        }
        Ok(())
    }

    fn welcomed(&mut self, node: NodeId, welcome: &Welcome, reach: &mut Reach) {
        let Some(incarnation) = welcome.incarnation else { return };
        let key = (node, incarnation);
        match welcome.verdict {
            Verdict::Welcome => {
                reach.met(Met::Welcome);
                self.lives.insert(key, Standing { session: welcome.session, boot: welcome.boot });
                return;
            }
            Verdict::Forked { .. } => reach.met(Met::Forked),
            Verdict::Fenced => reach.met(Met::Fenced),
            Verdict::WireVersion { .. } | Verdict::Untrusted => {}
        }
        if let Some(standing) = self.lives.get_mut(&key).filter(|standing| standing.boot == welcome.boot) {
            standing.session = 0;
        }
    }

    fn acknowledged(&mut self, node: NodeId, ack: &Ack, reach: &mut Reach) -> Result<()> {
        let Some(journal) = ack.position.journal() else { return Ok(()) };
        if ack.parked.as_ref().is_some_and(|parked| !parked.is_empty()) {
            reach.met(Met::Parked);
        }
        if journal.author == AuthorId::node(node) && !self.blind && !self.is_live(node, ack.session) {
            let text = format!("the hub acknowledged {journal} in the session {:x}, which is over", ack.session);
            return Err(violation(Oracle::Session, text));
        }
        let held = self.acked.entry(journal).or_default();
        *held = (*held).max(ack.position.seq());
        Ok(())
    }

    /// A node says something.
    pub(super) fn node_says(&mut self, frame: &Frame, reach: &mut Reach) -> Result<()> {
        match frame.topic.parse() {
            Ok(Topic::UpSession(node)) => match FromNode::decode(&frame.payload)? {
                FromNode::Hello(hello) => {
                    self.greeted.insert(node, hello.incarnation);
                    if hello.marks.is_some() {
                        reach.met(Met::Marks);
                    }
                }
                FromNode::Resend(_) => reach.met(Met::NodeAsked),
                FromNode::Ack(_) => {}
                FromNode::Mark(_) => reach.met(Met::Vouched),
            },
            Ok(Topic::Up(node, _)) => {
                let batch = Batch::decode(&frame.payload)?;
                if batch.journal.author.as_node().is_none() {
                    reach.met(Met::GivenBack);
                } else if self.greeted.get(&node) != Some(&batch.journal.incarnation.get()) {
                    reach.met(Met::OlderLifeSent);
                }
                if !batch.stock_totals.is_empty() {
                    reach.met(Met::Totals);
                }
            }
            Ok(
                Topic::Presence(_) | Topic::Down(..) | Topic::DownSession(_) | Topic::AllDown(_) | Topic::HubDownlink,
            )
            | Err(_) => {}
        }
        Ok(())
    }

    /// A frame reaches the hub.
    pub(super) fn at_hub(&self, frame: &Frame, reach: &mut Reach) -> Result<()> {
        if let Ok(Topic::Up(node, _)) = frame.topic.parse() {
            let batch = Batch::decode(&frame.payload)?;
            if !self.blind && !self.is_live(node, batch.session) {
                reach.met(Met::StaleBatch);
            }
        }
        Ok(())
    }
}
