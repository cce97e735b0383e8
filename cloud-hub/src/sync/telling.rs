//! What the processes of a hub tell each other about who reads, as bytes: whichever process took in a node's word, the one
//! that has the downlink hears of it. Fields are only ever added, each with a number of its own.

use minicbor::{Decode, Encode};
use percolate_common::ids::NodeId;
use percolate_common::wire::session::Position;

use super::downlink_event::DownlinkEvent;

/// A [`DownlinkEvent`] on its way. That a link is up is nobody else's business.
#[derive(Debug, Encode, Decode)]
enum Told {
    #[n(0)]
    Welcomed {
        #[n(0)]
        node: u32,
        #[n(1)]
        session: u64,
        #[n(2)]
        replaces: Option<u64>,
        #[n(3)]
        positions: Vec<Position>,
    },
    #[n(1)]
    Acked {
        #[n(0)]
        node: u32,
        #[n(1)]
        session: u64,
        #[n(2)]
        position: Position,
    },
    #[n(2)]
    Resend {
        #[n(0)]
        node: u32,
        #[n(1)]
        session: u64,
        #[n(2)]
        position: Position,
    },
    #[n(3)]
    Gone {
        #[n(0)]
        node: u32,
        #[n(1)]
        sessions: Vec<u64>,
    },
}

/// An event as the others are told; nothing if they are not.
pub(super) fn encode(event: &DownlinkEvent) -> Option<Vec<u8>> {
    let told = match event.clone() {
        DownlinkEvent::LinkUp => return None,
        DownlinkEvent::Welcomed { node, session, replaces, positions } => {
            Told::Welcomed { node: node.get(), session, replaces, positions }
        }
        DownlinkEvent::Acked { node, session, position } => Told::Acked { node: node.get(), session, position },
        DownlinkEvent::Resend { node, session, position } => Told::Resend { node: node.get(), session, position },
        DownlinkEvent::Gone { node, sessions } => Told::Gone { node: node.get(), sessions },
    };
    minicbor::to_vec(told).ok()
}

/// What another process tells; nothing if a newer one says more than this one knows.
pub(super) fn decode(frame: &[u8]) -> Option<DownlinkEvent> {
    Some(match minicbor::decode(frame).ok()? {
        Told::Welcomed { node, session, replaces, positions } => {
            DownlinkEvent::Welcomed { node: NodeId::new(node), session, replaces, positions }
        }
        Told::Acked { node, session, position } => DownlinkEvent::Acked { node: NodeId::new(node), session, position },
        Told::Resend { node, session, position } => {
            DownlinkEvent::Resend { node: NodeId::new(node), session, position }
        }
        Told::Gone { node, sessions } => DownlinkEvent::Gone { node: NodeId::new(node), sessions },
    })
}

#[cfg(test)]
mod tests {
    use percolate_common::journal::{AuthorId, Incarnation, JournalId, StreamKind};

    use super::*;

    #[test]
    fn what_is_told_is_heard_and_nonsense_is_not() {
        let (node, session) = (NodeId::new(11), u64::MAX);
        let author = AuthorId::node(node);
        let journal = JournalId { author, incarnation: Incarnation::new(7), stream: StreamKind::Catalog };
        let position = Position::new(&journal, 5, journal.genesis().hash.short());
        for event in [
            DownlinkEvent::Welcomed { node, session, replaces: Some(3), positions: vec![position.clone()] },
            DownlinkEvent::Welcomed { node, session, replaces: None, positions: Vec::new() },
            DownlinkEvent::Acked { node, session, position: position.clone() },
            DownlinkEvent::Resend { node, session, position },
            DownlinkEvent::Gone { node, sessions: vec![1, 2] },
        ] {
            assert_eq!(decode(&encode(&event).unwrap()), Some(event));
        }
        assert_eq!(encode(&DownlinkEvent::LinkUp), None);
        assert_eq!(decode(b"nonsense"), None);
    }
}
