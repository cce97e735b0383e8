//! Twins of what a node says of itself.

use minicbor::{Decode, Encode};

use super::{currency, from_bytes, to_bytes};
use crate::domain::event::StoreDescribed;
use crate::wire::WireError;

const DESCRIBED: &str = "store description";

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
