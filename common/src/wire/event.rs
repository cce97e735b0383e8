//! An event's bytes: made once by the author, and kept as they are by everybody.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::v1::{cash, catalog, imports, open_tickets, ops, refunds, staff, stock, tenders, tickets, tips};
use super::{EVENT_BYTES_MAX, WireError};
use crate::domain::event::{ClockQuality, Event, Header};
use crate::domain::tickets::open::OpenFact;
use crate::hlc::Hlc;
use crate::ids::StoreId;
use crate::journal::{EventId, Hash, Incarnation, Origin};
use crate::time::{BusinessDay, UtcMillis};

/// A fact with what is said about it, as read from a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What is said about it.
    pub header: Header,
    /// The fact.
    pub event: Event,
    /// Where it was first written, if this is not the place: after the repair of a fork.
    pub origin: Option<Origin>,
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
    origin: Option<OriginV1>,
}

#[derive(Encode, Decode)]
struct OriginV1 {
    #[n(0)]
    incarnation: u64,
    #[n(1)]
    seq: u64,
    #[n(2)]
    id: ByteArray<16>,
}

impl From<Origin> for OriginV1 {
    fn from(origin: Origin) -> Self {
        Self { incarnation: origin.incarnation.get(), seq: origin.seq, id: (*origin.id.as_bytes()).into() }
    }
}

impl From<OriginV1> for Origin {
    fn from(twin: OriginV1) -> Self {
        let id = EventId::from_bytes(*twin.id);
        Self { incarnation: Incarnation::new(twin.incarnation), seq: twin.seq, id }
    }
}

/// The numbers of the event types; never used again for something else.
mod number {
    pub(super) const TICKET_SOLD: u16 = 1;
    pub(super) const SERIES_OPENED: u16 = 2;
    pub(super) const TICKET_IMPORTED: u16 = 3;
    pub(super) const IMPORT_AMENDED: u16 = 4;
    pub(super) const TICKET_OPENED: u16 = 5;
    pub(super) const TICKET_CHANGED: u16 = 6;
    pub(super) const TICKET_MOVED: u16 = 7;
    pub(super) const TICKET_DIVIDED: u16 = 8;
    pub(super) const TICKET_ABANDONED: u16 = 9;
    pub(super) const PAYMENT_TAKEN: u16 = 10;
    pub(super) const TICKET_REFUNDED: u16 = 11;
    pub(super) const TIP_ADJUSTED: u16 = 12;
    pub(super) const CARD_SETTLED: u16 = 13;
    pub(super) const STOCK_MOVED: u16 = 16;
    pub(super) const DRAWER_OPENED: u16 = 20;
    pub(super) const CASH_MOVED: u16 = 21;
    pub(super) const DRAWER_CLOSED: u16 = 22;
    pub(super) const DAY_CLOSED: u16 = 23;
    pub(super) const STORE_DESCRIBED: u16 = 32;
    pub(super) const LIFE_BEGAN: u16 = 33;
    pub(super) const STAFF_LOCKED: u16 = 40;
    pub(super) const CATALOG: u16 = 48;
}

/// Days since 1970-01-01 that a business day may be: the years 1 to 9999, and a day at either end for time zones.
const BUSINESS_DAYS: core::ops::RangeInclusive<i32> = -719_163..=2_932_897;

/// The version that every type is written in today.
const TYPE_VERSION: u8 = 1;

const fn clock_number(clock: ClockQuality) -> u8 {
    match clock {
        ClockQuality::Good => 0,
        ClockQuality::Unsynced => 1,
        ClockQuality::Suspect => 2,
    }
}

const fn open_number(fact: &OpenFact) -> u16 {
    match fact {
        OpenFact::Opened(_) => number::TICKET_OPENED,
        OpenFact::Changed(_) => number::TICKET_CHANGED,
        OpenFact::Moved(_) => number::TICKET_MOVED,
        OpenFact::Divided(_) => number::TICKET_DIVIDED,
        OpenFact::Abandoned(_) => number::TICKET_ABANDONED,
        OpenFact::Paid(_) => number::PAYMENT_TAKEN,
    }
}

fn payload(event: &Event) -> Result<(u16, Vec<u8>), WireError> {
    Ok(match event {
        Event::TicketSold(sold) => (number::TICKET_SOLD, tickets::encode_sold(sold)?),
        Event::SeriesOpened(opened) => (number::SERIES_OPENED, tickets::encode_series(opened)?),
        Event::TicketImported(ticket) => (number::TICKET_IMPORTED, imports::encode_imported(ticket)?),
        Event::ImportAmended(amended) => (number::IMPORT_AMENDED, imports::encode_amended(amended)?),
        Event::TicketRefunded(refund) => (number::TICKET_REFUNDED, refunds::encode_refunded(refund)?),
        Event::TipAdjusted(tip) => (number::TIP_ADJUSTED, tips::encode_adjusted(tip)?),
        Event::OpenTicket(fact) => (open_number(fact), open_tickets::encode(fact)?),
        Event::CardSettled(settled) => (number::CARD_SETTLED, tenders::encode_settled(settled)?),
        Event::StockMoved(moved) => (number::STOCK_MOVED, stock::encode_moved(moved)?),
        Event::DrawerOpened(opened) => (number::DRAWER_OPENED, cash::encode_opened(opened)?),
        Event::CashMoved(moved) => (number::CASH_MOVED, cash::encode_moved(moved)?),
        Event::DrawerClosed(closed) => (number::DRAWER_CLOSED, cash::encode_closed(closed)?),
        Event::DayClosed(closed) => (number::DAY_CLOSED, cash::encode_day(closed)?),
        Event::StoreDescribed(described) => (number::STORE_DESCRIBED, ops::encode_described(described)?),
        Event::LifeBegan(began) => (number::LIFE_BEGAN, ops::encode_began(*began)?),
        Event::StaffLocked(locked) => (number::STAFF_LOCKED, staff::encode_locked(locked)?),
        Event::Catalog(event) => (number::CATALOG, catalog::encode(event)?),
    })
}

/// Makes an event's bytes. `origin` is given only where it was first written elsewhere.
///
/// # Errors
/// [`WireError::TooLarge`] above [`EVENT_BYTES_MAX`].
pub fn encode(header: &Header, event: &Event, origin: Option<Origin>) -> Result<Vec<u8>, WireError> {
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
        origin: origin.map(OriginV1::from),
    };
    written(&twin)
}

fn written(twin: &EventV1) -> Result<Vec<u8>, WireError> {
    let bytes = minicbor::to_vec(twin).map_err(|error| WireError::malformed("event", error))?;
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(WireError::TooLarge { what: "event", bytes: bytes.len(), limit: EVENT_BYTES_MAX });
    }
    Ok(bytes)
}

/// Where an event was first written, if its bytes say so. Works for events that this program cannot otherwise read.
///
/// # Errors
/// [`WireError`] if the bytes are no event at all.
pub fn origin(bytes: &[u8]) -> Result<Option<Origin>, WireError> {
    let twin: EventV1 = minicbor::decode(bytes).map_err(|error| WireError::malformed("event", error))?;
    Ok(twin.origin.map(Origin::from))
}

/// Writes an event again, for another life of its author, recorded now. What happened, when, and on which business day
/// stays as it was, also in an event that this program cannot otherwise read; so does the place where it was first
/// written, which is `seq` and `hash` of the life `incarnation` unless the event had been written again before.
///
/// # Errors
/// [`WireError`] if the bytes are no event at all, or are too large with their origin.
pub fn reissue(
    bytes: &[u8],
    (incarnation, seq, hash): (Incarnation, u64, Hash),
    recorded: Hlc,
) -> Result<(Vec<u8>, Origin), WireError> {
    let mut twin: EventV1 = minicbor::decode(bytes).map_err(|error| WireError::malformed("event", error))?;
    let at_ms = Hlc::from_packed(twin.hlc).millis().get().saturating_add(twin.at_offset_ms);
    let origin = twin.origin.take().map_or(Origin { incarnation, seq, id: hash.event_id() }, Origin::from);
    twin.hlc = recorded.packed();
    twin.at_offset_ms = at_ms.saturating_sub(recorded.millis().get());
    twin.origin = Some(origin.into());
    Ok((written(&twin)?, origin))
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
        number::TICKET_REFUNDED => Event::TicketRefunded(refunds::decode_refunded(payload)?),
        number::TIP_ADJUSTED => Event::TipAdjusted(tips::decode_adjusted(payload)?),
        number::TICKET_OPENED => Event::OpenTicket(open_tickets::decode_opened(payload)?),
        number::TICKET_CHANGED => Event::OpenTicket(open_tickets::decode_changed(payload)?),
        number::TICKET_MOVED => Event::OpenTicket(open_tickets::decode_moved(payload)?),
        number::TICKET_DIVIDED => Event::OpenTicket(open_tickets::decode_divided(payload)?),
        number::TICKET_ABANDONED => Event::OpenTicket(open_tickets::decode_abandoned(payload)?),
        number::PAYMENT_TAKEN => Event::OpenTicket(open_tickets::decode_paid(payload)?),
        number::CARD_SETTLED => Event::CardSettled(tenders::decode_settled(payload)?),
        number::STOCK_MOVED => Event::StockMoved(stock::decode_moved(payload)?),
        number::DRAWER_OPENED => Event::DrawerOpened(cash::decode_opened(payload)?),
        number::CASH_MOVED => Event::CashMoved(cash::decode_moved(payload)?),
        number::DRAWER_CLOSED => Event::DrawerClosed(cash::decode_closed(payload)?),
        number::DAY_CLOSED => Event::DayClosed(cash::decode_day(payload)?),
        number::STORE_DESCRIBED => Event::StoreDescribed(ops::decode_described(payload)?),
        number::LIFE_BEGAN => Event::LifeBegan(ops::decode_began(payload)?),
        number::STAFF_LOCKED => Event::StaffLocked(staff::decode_locked(payload)?),
        number::CATALOG => Event::Catalog(catalog::decode(payload)?),
        _newer => return Err(unknown),
    };
    if !BUSINESS_DAYS.contains(&twin.business_day) {
        return Err(
            WireError::malformed("event", format!("business day {} is in no calendar", twin.business_day)).into()
        );
    }
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
    Ok(Recorded { header, event, origin: twin.origin.map(Origin::from) })
}
