//! The hub's end of the wire: what nodes send is committed and then acknowledged, what services say is sent down.
//!
//! Two tasks that only meet in the journal's database and in one bounded queue: if one fails, the other goes on.

pub mod downlink;
pub mod downlink_event;
pub mod http;
pub mod ingest;

mod apply;
mod audit;
mod greeting;
pub(crate) mod intake;
mod known;
mod lane_shares;
mod lanes;
mod mark;
mod message;
pub mod node_lanes;
pub(crate) mod outgoing;
mod present;
pub(crate) mod readers;
mod session;
pub(crate) mod shut_out;
pub mod store;
mod telling;
