//! Version 1 of the payloads: one twin a fact, frozen once a version is tagged, converted by hand.

pub(super) mod cash;
pub(super) mod catalog;
pub(super) mod imports;
pub(super) mod open_tickets;
pub(super) mod ops;
pub(super) mod refunds;
mod rules;
pub(super) mod staff;
pub(super) mod stock;
pub(super) mod tenders;
pub(super) mod tickets;
pub(super) mod tips;

#[cfg(test)]
mod open_ticket_tests;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod tests;

use super::WireError;
use crate::money::Currency;

fn to_bytes<T: minicbor::Encode<()>>(twin: &T, what: &'static str) -> Result<Vec<u8>, WireError> {
    minicbor::to_vec(twin).map_err(|error| WireError::malformed(what, error))
}

fn from_bytes<'b, T: minicbor::Decode<'b, ()>>(bytes: &'b [u8], what: &'static str) -> Result<T, WireError> {
    minicbor::decode(bytes).map_err(|error| WireError::malformed(what, error))
}

fn currency(text: &str, what: &'static str) -> Result<Currency, WireError> {
    text.parse().map_err(|error| WireError::malformed(what, error))
}
