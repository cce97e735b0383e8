//! Who is connected, as one of several processes hears it: all hear it of all nodes, and the one that has a node's lane writes it
//! down, so that none waits for another's lock.

use std::collections::{BTreeMap, BTreeSet};

use percolate_common::ids::NodeId;
use percolate_common::wire::session::Presence;
use percolate_common::wire::topic::lane_of;
use tokio::sync::watch;

use super::apply::Input;
use super::message::Message;

/// What was heard last of each node, and which nodes are this process's to write of.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// Its lanes; none where there is but one process, which writes of all.
    lanes: Option<watch::Receiver<BTreeSet<u8>>>,
    held: BTreeSet<u8>,
    heard: BTreeMap<NodeId, Presence>,
}

impl Present {
    pub(super) fn new(lanes: Option<watch::Receiver<BTreeSet<u8>>>) -> Self {
        let held = lanes.as_ref().map(|lanes| lanes.borrow().clone()).unwrap_or_default();
        Self { lanes, held, heard: BTreeMap::new() }
    }

    /// What is to be done of what was heard: nothing of who comes and goes on others' lanes.
    pub(super) fn own(&mut self, input: Input) -> Option<Input> {
        let (Some(_), Input::Message(Message::Presence(node, presence))) = (&self.lanes, &input) else {
            return Some(input);
        };
        let is_own = self.held.contains(&lane_of(*node));
        self.heard.insert(*node, presence.clone());
        is_own.then_some(input)
    }

    /// Waits until it has lanes that it had not, and tells what was heard of their nodes: nobody may have written it down.
    pub(super) async fn gained(&mut self) -> Vec<Input> {
        let Some(lanes) = &mut self.lanes else { return std::future::pending().await };
        if lanes.changed().await.is_err() {
            // Nobody will have other lanes any more.
            return std::future::pending().await;
        }
        let now = lanes.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.held, now);
        let is_new = |node: &NodeId| self.held.contains(&lane_of(*node)) && !before.contains(&lane_of(*node));
        let of_those = self.heard.iter().filter(|(node, _)| is_new(node));
        of_those.map(|(node, presence)| Input::Message(Message::Presence(*node, presence.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(node: u32) -> Input {
        Input::Message(Message::Presence(NodeId::new(node), Presence { boot: 7, online: true }))
    }

    fn nodes(inputs: &[Input]) -> Vec<u32> {
        let node = |input: &Input| match input {
            Input::Message(Message::Presence(node, _)) => Some(node.get()),
            Input::Message(_) | Input::LinkUp | Input::Sweep { .. } | Input::Count => None,
        };
        inputs.iter().filter_map(node).collect()
    }

    #[test]
    fn one_process_writes_of_all() {
        let mut present = Present::default();
        assert!(present.own(said(11)).is_some() && present.own(Input::Count).is_some());
    }

    #[tokio::test]
    async fn of_several_the_one_that_has_the_lane_writes_and_whoever_gets_it_later_writes_what_was_heard() {
        let (tell, lanes) = watch::channel(BTreeSet::from([lane_of(NodeId::new(11))]));
        let mut present = Present::new(Some(lanes));
        assert_ne!(lane_of(NodeId::new(11)), lane_of(NodeId::new(21)));
        assert!(present.own(said(11)).is_some());
        assert!(present.own(said(21)).is_none());
        assert!(present.own(Input::Count).is_some(), "what is not about who comes and goes is everybody's");
        tell.send_modify(|lanes| lanes.extend([lane_of(NodeId::new(21))]));
        assert_eq!(nodes(&present.gained().await), [21], "and of those that it had nothing is new");
        assert!(present.own(said(21)).is_some());
        tell.send_replace(BTreeSet::new());
        assert_eq!(nodes(&present.gained().await), [0; 0]);
        assert!(present.own(said(11)).is_none());
    }
}
