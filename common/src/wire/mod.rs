//! What travels: frozen twins of the facts, envelopes, session messages and topics.
//!
//! CBOR with integer keys. Only optional fields may be added, at the end; numbers are never used again for something else.

pub mod envelope;
pub mod event;
pub mod menu;
pub mod session;
pub mod topic;
pub mod v1;

mod body;

/// The wire version that this program writes.
pub const WIRE_VERSION: u8 = 1;
/// The oldest wire version that this program reads.
pub const WIRE_VERSION_MIN: u8 = 1;

/// Largest frame, in bytes, that is ever published; brokers of clouds take 128 KiB at most.
pub const FRAME_BYTES_MAX: usize = 96 * 1024;
/// Largest body of a batch before compression, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Largest single event, in bytes: a batch must be able to hold it whole.
pub const EVENT_BYTES_MAX: usize = 60 * 1024;
/// Events of one batch.
pub const BATCH_EVENTS_MAX: u16 = 500;

/// Bytes that are no message of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not well-formed.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// Which message.
        what: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// Written by a newer or older program than this one can read.
    #[error("wire version {0} is not supported: {WIRE_VERSION_MIN} to {WIRE_VERSION} are")]
    Version(u8),
    /// Larger than may travel.
    #[error("{what} has {bytes} bytes, at most {limit} may travel")]
    TooLarge {
        /// Which message.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
}

impl WireError {
    pub(crate) fn malformed(what: &'static str, reason: impl core::fmt::Display) -> Self {
        Self::Malformed { what, reason: reason.to_string() }
    }
}
