//! Twins of what a node says of itself.

use minicbor::{Decode, Encode};

use super::{currency, from_bytes, to_bytes};
use crate::domain::event::{LifeBegan, LifeReason, StoreDescribed};
use crate::journal::Incarnation;
use crate::wire::WireError;

const DESCRIBED: &str = "store description";
const BEGAN: &str = "beginning of a life";

#[derive(Encode, Decode)]
struct StoreDescribedV1 {
    #[n(0)]
    name: String,
    #[n(1)]
    zone: String,
    #[n(2)]
    cutover_hour: u8,
    #[n(3)]
    currency: String,
}

pub(in crate::wire) fn encode_described(described: &StoreDescribed) -> Result<Vec<u8>, WireError> {
    let twin = StoreDescribedV1 {
        name: described.name.clone(),
        zone: described.zone.clone(),
        cutover_hour: described.cutover_hour,
        currency: described.currency.to_string(),
    };
    to_bytes(&twin, DESCRIBED)
}

pub(in crate::wire) fn decode_described(bytes: &[u8]) -> Result<StoreDescribed, WireError> {
    let twin: StoreDescribedV1 = from_bytes(bytes, DESCRIBED)?;
    Ok(StoreDescribed {
        name: twin.name,
        zone: twin.zone,
        cutover_hour: twin.cutover_hour,
        currency: currency(&twin.currency, DESCRIBED)?,
    })
}

#[derive(Encode, Decode)]
struct LifeBeganV1 {
    #[n(0)]
    reason: u8,
    #[n(1)]
    parent: Option<u64>,
}

const REASONS: [(LifeReason, u8); 6] = [
    (LifeReason::New, 1),
    (LifeReason::Moved, 2),
    (LifeReason::Restored, 3),
    (LifeReason::Forked, 4),
    (LifeReason::Fenced, 5),
    (LifeReason::Operator, 6),
];

pub(in crate::wire) fn encode_began(began: LifeBegan) -> Result<Vec<u8>, WireError> {
    let reason = REASONS.into_iter().find(|(reason, _)| *reason == began.reason).map_or(0, |(_, number)| number);
    to_bytes(&LifeBeganV1 { reason, parent: began.parent.map(Incarnation::get) }, BEGAN)
}

pub(in crate::wire) fn decode_began(bytes: &[u8]) -> Result<LifeBegan, WireError> {
    let twin: LifeBeganV1 = from_bytes(bytes, BEGAN)?;
    let reason = REASONS.into_iter().find(|(_, number)| *number == twin.reason).map(|(reason, _)| reason);
    let reason = reason.ok_or_else(|| WireError::malformed(BEGAN, format!("reason {} is not known", twin.reason)))?;
    Ok(LifeBegan { parent: twin.parent.map(Incarnation::new), reason })
}
