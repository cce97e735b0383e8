//! Twins of what is about the people of a shop.

use minicbor::{Decode, Encode};

use super::{from_bytes, to_bytes};
use crate::domain::staff::StaffLocked;
use crate::domain::staff::approvals::Approval;
use crate::ids::StaffId;
use crate::time::UtcMillis;
use crate::wire::WireError;

const LOCKED: &str = "lock of somebody";

#[derive(Encode, Decode)]
struct StaffLockedV1 {
    #[n(0)]
    staff: Option<u32>,
    #[n(1)]
    terminal: Option<String>,
    #[n(2)]
    wrong: u32,
    #[n(3)]
    until_ms: i64,
}

/// By whom something was approved, and why.
#[derive(Encode, Decode)]
pub(super) struct ApprovalV1 {
    #[n(0)]
    by: u32,
    #[n(1)]
    reason: String,
}

pub(super) fn approval_to_twin(approval: &Approval) -> ApprovalV1 {
    ApprovalV1 { by: approval.by.get(), reason: approval.reason.clone() }
}

pub(super) fn approval_from_twin(twin: ApprovalV1) -> Approval {
    Approval { by: StaffId::new(twin.by), reason: twin.reason }
}

pub(in crate::wire) fn encode_locked(locked: &StaffLocked) -> Result<Vec<u8>, WireError> {
    let twin = StaffLockedV1 {
        staff: locked.staff.map(StaffId::get),
        terminal: locked.terminal.as_ref().map(ToString::to_string),
        wrong: locked.wrong,
        until_ms: locked.until.get(),
    };
    to_bytes(&twin, LOCKED)
}

pub(in crate::wire) fn decode_locked(bytes: &[u8]) -> Result<StaffLocked, WireError> {
    let twin: StaffLockedV1 = from_bytes(bytes, LOCKED)?;
    let terminal = twin.terminal.map(|name| name.parse()).transpose();
    Ok(StaffLocked {
        staff: twin.staff.map(StaffId::new),
        terminal: terminal.map_err(|error| WireError::malformed(LOCKED, error))?,
        wrong: twin.wrong,
        until: UtcMillis::new(twin.until_ms),
    })
}
