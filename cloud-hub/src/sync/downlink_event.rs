//! What the processes and parts that take in what nodes say tell the downlink.

use percolate_common::ids::NodeId;
use percolate_common::wire::session::Position;

/// What the downlink must know, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownlinkEvent {
    /// Connected to the broker anew: what was on its way is lost.
    LinkUp,
    /// A node is in session, and has read the hub's journals so far.
    Welcomed {
        /// Which node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// The session that is over by this one.
        replaces: Option<u64>,
        /// How far it has read.
        positions: Vec<Position>,
    },
    /// A node has read further.
    Acked {
        /// Which node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// How far it has read.
        position: Position,
    },
    /// A node wants everything after a position again, of a journal of the hub or of its own past.
    Resend {
        /// Which node.
        node: NodeId,
        /// Its session.
        session: u64,
        /// What it holds.
        position: Position,
    },
    /// Sessions of a node are over.
    Gone {
        /// Which node.
        node: NodeId,
        /// Which sessions.
        sessions: Vec<u64>,
    },
}
