//! Twin of the fact that a tip was written down after the sale.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::tickets::terminal;
use super::{from_bytes, to_bytes};
use crate::domain::tickets::tips::{TipAdjusted, TipCard};
use crate::ids::{StaffId, TicketId, TipId};
use crate::money::Minor;
use crate::wire::WireError;

const ADJUSTED: &str = "adjusted tip";

#[derive(Encode, Decode)]
struct TipAdjustedV1 {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    ticket: ByteArray<16>,
    #[n(2)]
    turn: u32,
    #[n(3)]
    tender: u32,
    #[n(4)]
    card: CardV1,
    #[n(5)]
    sold: i64,
    #[n(6)]
    tip: i64,
    #[n(7)]
    seller: Option<u32>,
    #[n(8)]
    terminal: String,
    #[n(9)]
    by: Option<u32>,
}

#[derive(Encode, Decode)]
#[cbor(index_only)]
enum CardV1 {
    #[n(0)]
    External,
    #[n(1)]
    Driver,
}

pub(in crate::wire) fn encode_adjusted(fact: &TipAdjusted) -> Result<Vec<u8>, WireError> {
    let twin = TipAdjustedV1 {
        id: fact.id.to_bytes().into(),
        ticket: fact.ticket.to_bytes().into(),
        turn: fact.turn,
        tender: fact.tender,
        card: match fact.card {
            TipCard::External => CardV1::External,
            TipCard::Driver => CardV1::Driver,
        },
        sold: fact.sold.get(),
        tip: fact.tip.get(),
        seller: fact.seller.map(StaffId::get),
        terminal: fact.terminal.to_string(),
        by: fact.by.map(StaffId::get),
    };
    to_bytes(&twin, ADJUSTED)
}

pub(in crate::wire) fn decode_adjusted(bytes: &[u8]) -> Result<TipAdjusted, WireError> {
    let twin: TipAdjustedV1 = from_bytes(bytes, ADJUSTED)?;
    Ok(TipAdjusted {
        id: TipId::from_bytes(*twin.id),
        ticket: TicketId::from_bytes(*twin.ticket),
        turn: twin.turn,
        tender: twin.tender,
        card: match twin.card {
            CardV1::External => TipCard::External,
            CardV1::Driver => TipCard::Driver,
        },
        sold: Minor::new(twin.sold),
        tip: Minor::new(twin.tip),
        seller: twin.seller.map(StaffId::new),
        terminal: terminal(&twin.terminal, ADJUSTED)?,
        by: twin.by.map(StaffId::new),
    })
}

/// A specimen with its golden file.
#[cfg(test)]
pub(super) fn specimen() -> (&'static str, &'static str, crate::domain::event::Event) {
    let fact = TipAdjusted {
        id: TipId::adjusted(1_795_000_000_000, 11, "tip"),
        ticket: TicketId::sold(1_795_000_000_000, 11, "key"),
        turn: 2,
        tender: 1,
        card: TipCard::Driver,
        sold: Minor::new(50),
        tip: Minor::new(200),
        seller: Some(StaffId::new(7)),
        terminal: "T1".parse().unwrap(),
        by: Some(StaffId::new(8)),
    };
    ("tip_adjusted", include_str!("golden/tip_adjusted.hex"), crate::domain::event::Event::TipAdjusted(fact))
}
