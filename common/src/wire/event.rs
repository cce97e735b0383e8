//! An event's bytes: made once by the author, and kept as they are by everybody.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::v1::{catalog, imports, ops, stock, tickets};
use super::{EVENT_BYTES_MAX, WireError};
use crate::domain::event::{ClockQuality, Event, Header};
use crate::hlc::Hlc;
use crate::ids::StoreId;
use crate::journal::EventId;
use crate::time::{BusinessDay, UtcMillis};

/// A fact with what is said about it, as read from a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What is said about it.
    pub header: Header,
    /// The fact.
    pub event: Event,
    /// Its id, where it differs from the derived one: after the repair of a fork.
    pub event_id: Option<EventId>,
}

/// Why an event was parked instead of read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not an event at all.
    #[error(transparent)]
    Malformed(#[from] WireError),
    /// Written by a newer program.
    #[error("event type {number} version {version} is not known to this program")]
    Unknown {
        /// Number of the type.
        number: u16,
        /// Version of the type.
        version: u8,
    },
}

#[derive(Encode, Decode)]
struct EventV1 {
    #[n(0)]
    number: u16,
    #[n(1)]
    version: u8,
    #[n(2)]
    hlc: u64,
    /// `at` less the clock's millisecond part: nearly always 0, and one byte then.
    #[n(3)]
    at_offset_ms: i64,
    #[n(4)]
    store: u32,
    #[n(5)]
    business_day: i32,
    #[n(6)]
    clock: u8,
    #[n(7)]
    zone: String,
    #[n(8)]
    payload: ByteVec,
    #[n(9)]
    event_id: Option<ByteArray<16>>,
}

/// The numbers of the event types; never used again for something else.
mod number {
    pub(super) const TICKET_SOLD: u16 = 1;
    pub(super) const SERIES_OPENED: u16 = 2;
    pub(super) const TICKET_IMPORTED: u16 = 3;
    pub(super) const IMPORT_AMENDED: u16 = 4;
    pub(super) const STOCK_MOVED: u16 = 16;
    pub(super) const STORE_DESCRIBED: u16 = 32;
    pub(super) const CATALOG: u16 = 48;
}

/// The version that every type is written in today.
const TYPE_VERSION: u8 = 1;

const fn clock_number(clock: ClockQuality) -> u8 {
    match clock {
        ClockQuality::Good => 0,
        ClockQuality::Unsynced => 1,
        ClockQuality::Suspect => 2,
    }
}

fn payload(event: &Event) -> Result<(u16, Vec<u8>), WireError> {
    Ok(match event {
        Event::TicketSold(sold) => (number::TICKET_SOLD, tickets::encode_sold(sold)?),
        Event::SeriesOpened(opened) => (number::SERIES_OPENED, tickets::encode_series(opened)?),
        Event::TicketImported(ticket) => (number::TICKET_IMPORTED, imports::encode_imported(ticket)?),
        Event::ImportAmended(amended) => (number::IMPORT_AMENDED, imports::encode_amended(amended)?),
        Event::StockMoved(moved) => (number::STOCK_MOVED, stock::encode_moved(moved)?),
        Event::StoreDescribed(described) => (number::STORE_DESCRIBED, ops::encode_described(described)?),
        Event::Catalog(event) => (number::CATALOG, catalog::encode(event)?),
    })
}

/// Makes an event's bytes. `event_id` is given only where it differs from the derived one.
///
/// # Errors
/// [`WireError::TooLarge`] above [`EVENT_BYTES_MAX`].
pub fn encode(header: &Header, event: &Event, event_id: Option<EventId>) -> Result<Vec<u8>, WireError> {
    let (number, payload) = payload(event)?;
    let twin = EventV1 {
        number,
        version: TYPE_VERSION,
        hlc: header.hlc.packed(),
        at_offset_ms: header.at.get().saturating_sub(header.hlc.millis().get()),
        store: header.store.get(),
        business_day: header.business_day.days(),
        clock: clock_number(header.clock),
        zone: header.zone.clone(),
        payload: payload.into(),
        event_id: event_id.map(|id| (*id.as_bytes()).into()),
    };
    let bytes = minicbor::to_vec(&twin).map_err(|error| WireError::malformed("event", error))?;
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(WireError::TooLarge { what: "event", bytes: bytes.len(), limit: EVENT_BYTES_MAX });
    }
    Ok(bytes)
}

/// Reads an event's bytes.
///
/// # Errors
/// [`EventError::Unknown`] for a type or version of a newer program, [`EventError::Malformed`] for anything else.
pub fn decode(bytes: &[u8]) -> Result<Recorded, EventError> {
    let twin: EventV1 = minicbor::decode(bytes).map_err(|error| WireError::malformed("event", error))?;
    let unknown = EventError::Unknown { number: twin.number, version: twin.version };
    if twin.version != TYPE_VERSION {
        return Err(unknown);
    }
    let payload = &twin.payload;
    let event = match twin.number {
        number::TICKET_SOLD => Event::TicketSold(tickets::decode_sold(payload)?),
        number::SERIES_OPENED => Event::SeriesOpened(tickets::decode_series(payload)?),
        number::TICKET_IMPORTED => Event::TicketImported(imports::decode_imported(payload)?),
        number::IMPORT_AMENDED => Event::ImportAmended(imports::decode_amended(payload)?),
        number::STOCK_MOVED => Event::StockMoved(stock::decode_moved(payload)?),
        number::STORE_DESCRIBED => Event::StoreDescribed(ops::decode_described(payload)?),
        number::CATALOG => Event::Catalog(catalog::decode(payload)?),
        _newer => return Err(unknown),
    };
    let hlc = Hlc::from_packed(twin.hlc);
    let header = Header {
        store: StoreId::new(twin.store),
        at: UtcMillis::new(hlc.millis().get().saturating_add(twin.at_offset_ms)),
        hlc,
        business_day: BusinessDay::from_days(twin.business_day),
        clock: match twin.clock {
            0 => ClockQuality::Good,
            1 => ClockQuality::Unsynced,
            _newer_doubt => ClockQuality::Suspect,
        },
        zone: twin.zone,
    };
    Ok(Recorded { header, event, event_id: twin.event_id.map(|id| EventId::from_bytes(*id)) })
}
