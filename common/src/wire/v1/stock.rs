//! Twins of the stock facts.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::staff::{ApprovalV1, approval_from_twin, approval_to_twin};
use super::{from_bytes, to_bytes};
use crate::domain::stock::{MovementLine, MovementReason, StockMoved};
use crate::ids::{MovementId, StaffId, StockItemId};
use crate::quantity::Quantity;
use crate::wire::WireError;

const MOVED: &str = "stock movement";

#[derive(Encode, Decode)]
pub(super) struct LineV1 {
    #[n(0)]
    stock_item: u32,
    #[n(1)]
    quantity: i64,
}

#[derive(Encode, Decode)]
struct StockMovedV1 {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    reason: ReasonV1,
    #[n(2)]
    lines: Vec<LineV1>,
    #[n(3)]
    by: Option<u32>,
    #[n(4)]
    approval: Option<ApprovalV1>,
}

#[derive(Encode, Decode)]
#[cbor(index_only)]
enum ReasonV1 {
    #[n(0)]
    Received,
    #[n(1)]
    Wasted,
    #[n(2)]
    Adjusted,
}

pub(super) fn line_to_twin(line: &MovementLine) -> LineV1 {
    LineV1 { stock_item: line.stock_item.get(), quantity: line.quantity.get() }
}

pub(super) fn line_from_twin(twin: &LineV1) -> MovementLine {
    MovementLine { stock_item: StockItemId::new(twin.stock_item), quantity: Quantity::new(twin.quantity) }
}

pub(in crate::wire) fn encode_moved(moved: &StockMoved) -> Result<Vec<u8>, WireError> {
    let reason = match moved.reason {
        MovementReason::Received => ReasonV1::Received,
        MovementReason::Wasted => ReasonV1::Wasted,
        MovementReason::Adjusted => ReasonV1::Adjusted,
    };
    let twin = StockMovedV1 {
        id: moved.id.to_bytes().into(),
        reason,
        lines: moved.lines.iter().map(line_to_twin).collect(),
        by: moved.by.map(StaffId::get),
        approval: moved.approval.as_ref().map(approval_to_twin),
    };
    to_bytes(&twin, MOVED)
}

pub(in crate::wire) fn decode_moved(bytes: &[u8]) -> Result<StockMoved, WireError> {
    let twin: StockMovedV1 = from_bytes(bytes, MOVED)?;
    let reason = match twin.reason {
        ReasonV1::Received => MovementReason::Received,
        ReasonV1::Wasted => MovementReason::Wasted,
        ReasonV1::Adjusted => MovementReason::Adjusted,
    };
    Ok(StockMoved {
        id: MovementId::from_bytes(*twin.id),
        reason,
        lines: twin.lines.iter().map(line_from_twin).collect(),
        by: twin.by.map(StaffId::new),
        approval: twin.approval.map(approval_from_twin),
    })
}
