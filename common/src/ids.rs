//! Names of things: one type for each, so that a store can never be passed where a node is meant.

use core::fmt;
use core::str::FromStr;

use uuid::Uuid;

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {expected}")]
pub struct IdParseError {
    kind: &'static str,
    text: String,
    expected: &'static str,
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// Wraps a number; any value is a well-formed id.
            #[must_use]
            pub const fn new(value: u32) -> Self {
                Self(value)
            }

            /// The number itself.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self).map_err(|_not_a_number| IdParseError {
                    kind: $kind,
                    text: text.to_owned(),
                    expected: "a whole number from 0 to 4294967295",
                })
            }
        }
    };
}

number_id!(
    /// One shop of the chain; 1 and up. Zero stands for the chain itself.
    StoreId, "store id");
number_id!(
    /// One store-node box, as enrolled by the hub; 1 to 2^31 - 1.
    NodeId, "node id");
number_id!(
    /// Something on the menu, numbered by the catalog service.
    ItemId, "item id");
number_id!(
    /// A group of the menu, numbered by the catalog service.
    CategoryId, "category id");
number_id!(
    /// A class of tax, numbered by the catalog service.
    TaxClassId, "tax class id");
number_id!(
    /// Something that is counted in the stock room, numbered by the catalog service.
    StockItemId, "stock item id");
number_id!(
    /// A thing of the menu that comes in sizes, numbered by the catalog service.
    ProductId, "product id");
number_id!(
    /// A group of extras, numbered by the catalog service.
    ModifierGroupId, "modifier group id");
number_id!(
    /// An extra, numbered by the catalog service.
    ModifierId, "modifier id");
number_id!(
    /// A set of items at one price, numbered by the catalog service.
    ComboId, "combo id");
number_id!(
    /// Where one set of tax rates holds, numbered by the catalog service.
    JurisdictionId, "jurisdiction id");
number_id!(
    /// A discount that is on the menu, numbered by the catalog service.
    DiscountId, "discount id");
number_id!(
    /// A rule of prices, taxes, happy hours or service charges, numbered by the catalog service within its kind.
    RuleId, "rule id");
number_id!(
    /// A person of the chain, numbered by head office.
    StaffId, "staff id");
number_id!(
    /// An account that a house lets somebody run up, as the catalog numbers it.
    HouseAccountId, "house account id");

impl StoreId {
    /// The chain itself, where a fact belongs to no single shop.
    pub const CHAIN: Self = Self(0);
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps the 16 bytes of a UUID.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 bytes of the UUID.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self).map_err(|_not_a_uuid| IdParseError {
                    kind: $kind,
                    text: text.to_owned(),
                    expected: "a UUID like 0190b2c4-7e5d-7c3a-9f00-0123456789ab",
                })
            }
        }
    };
}

uuid_id!(
    /// A ticket: UUIDv7 for a sale at the till, UUIDv8 for an imported one.
    TicketId, "ticket id");
uuid_id!(
    /// A movement of stock that is not a sale.
    MovementId, "movement id");
uuid_id!(
    /// A drawer from its float to its count.
    DrawerSessionId, "drawer id");
uuid_id!(
    /// Cash that came into a drawer or left it other than by a sale.
    CashMovementId, "cash movement id");
uuid_id!(
    /// Money that was given back.
    RefundId, "refund id");
uuid_id!(
    /// A payment that was taken for a ticket before its end.
    PaymentId, "payment id");
uuid_id!(
    /// A payment by card that was asked for at the counter.
    CardPaymentId, "card payment id");
uuid_id!(
    /// A tip that was written down after the sale.
    TipId, "tip id");
uuid_id!(
    /// What one station is to prepare of one sending of a ticket.
    PrepId, "prep ticket id");

/// Domain separation of the hashes that ids are derived from.
const SOLD_CONTEXT: &str = "percolate 2026 id of a sold ticket";
const MOVED_CONTEXT: &str = "percolate 2026 id of a stock movement";
const OPENED_CONTEXT: &str = "percolate 2026 id of an opened drawer";
const CARD_CONTEXT: &str = "percolate 2026 id of a card payment";
const CREDIT_CONTEXT: &str = "percolate 2026 id of money back on a card";
const CASH_CONTEXT: &str = "percolate 2026 id of a cash movement";
const REFUNDED_CONTEXT: &str = "percolate 2026 id of a refund";
const PAID_CONTEXT: &str = "percolate 2026 id of a payment";
/// Context of the derived part of [`TipId::adjusted`].
const TIP_CONTEXT: &str = "percolate 2026 id of an adjusted tip";
const PREP_CONTEXT: &str = "percolate 2026 id of a prep ticket";
const LINE_CONTEXT: &str = "percolate 2026 id of a line of a ticket";
const IMPORTED_CONTEXT: &str = "percolate 2026 id of an imported ticket";

/// 48 bits of milliseconds, then the version and the derived bits of a UUIDv7.
fn version_7(at_ms: i64, derived: blake3::Hash) -> [u8; 16] {
    let mut random = [0_u8; 10];
    random.copy_from_slice(derived.as_bytes().split_at(10).0);
    let ms = u64::try_from(at_ms).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid().into_bytes()
}

fn derived_from_key(context: &str, author: u32, key: &str) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(&author.to_be_bytes());
    hasher.update(key.as_bytes());
    hasher.finalize()
}

fn second_half(bytes: [u8; 16]) -> [u8; 8] {
    let mut half = [0_u8; 8];
    half.copy_from_slice(bytes.split_at(8).1);
    half
}

impl TicketId {
    /// The id of a sale: UUIDv7 whose random part is derived from the author and the idempotency key, so that the
    /// key travels with the ticket: through restores too, for the life of the author's database does not matter.
    #[must_use]
    pub fn sold(at_ms: i64, author: u32, key: &str) -> Self {
        Self::from_bytes(version_7(at_ms, derived_from_key(SOLD_CONTEXT, author, key)))
    }

    /// The part of a sale's id that its key alone decides; the same for every ticket that was sold under the key.
    #[must_use]
    pub fn key_part(self) -> [u8; 8] {
        second_half(self.to_bytes())
    }

    /// The id of an imported ticket: UUIDv8 from the source, the store and the basket's local date and time.
    ///
    /// Rows of one second are one basket: they make the same ticket on whatever box, in whatever portions and order
    /// they are imported.
    #[must_use]
    pub fn imported(source: &str, store: StoreId, local: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(IMPORTED_CONTEXT);
        for part in [source.as_bytes(), &store.get().to_be_bytes(), local.as_bytes()] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(hasher.finalize().as_bytes().split_at(16).0);
        Self::from_bytes(uuid::Builder::from_custom_bytes(bytes).into_uuid().into_bytes())
    }
}

impl DrawerSessionId {
    /// The id of a drawer that is opened, derived as [`TicketId::sold`] is.
    #[must_use]
    pub fn opened(at_ms: i64, author: u32, key: &str) -> Self {
        Self::from_bytes(version_7(at_ms, derived_from_key(OPENED_CONTEXT, author, key)))
    }

    /// The part that the key alone decides, as of a ticket.
    #[must_use]
    pub fn key_part(self) -> [u8; 8] {
        second_half(self.to_bytes())
    }
}

impl CashMovementId {
    /// The id of a cash movement, derived as [`TicketId::sold`] is.
    #[must_use]
    pub fn moved(at_ms: i64, author: u32, key: &str) -> Self {
        Self::from_bytes(version_7(at_ms, derived_from_key(CASH_CONTEXT, author, key)))
    }

    /// The part that the key alone decides, as of a ticket.
    #[must_use]
    pub fn key_part(self) -> [u8; 8] {
        second_half(self.to_bytes())
    }
}

impl RefundId {
    /// The id of a refund, derived as [`TicketId::sold`] is.
    #[must_use]
    pub fn refunded(at_ms: i64, author: u32, key: &str) -> Self {
        Self::from_bytes(version_7(at_ms, derived_from_key(REFUNDED_CONTEXT, author, key)))
    }

    /// The part that the key alone decides, as of a ticket.
    #[must_use]
    pub fn key_part(self) -> [u8; 8] {
        second_half(self.to_bytes())
    }
}

impl TipId {
    /// The id of a tip that is adjusted, derived as [`TicketId::sold`] is.
    #[must_use]
    pub fn adjusted(at_ms: i64, author: u32, key: &str) -> Self {
        Self::from_bytes(version_7(at_ms, derived_from_key(TIP_CONTEXT, author, key)))
    }

    /// The part that the key alone decides, as of a ticket.
    #[must_use]
    pub fn key_part(self) -> [u8; 8] {
        second_half(self.to_bytes())
    }
}

impl PaymentId {
    /// The id of a payment, derived as [`TicketId::sold`] is.
    #[must_use]
    pub fn taken(at_ms: i64, author: u32, key: &str) -> Self {
        Self::from_bytes(version_7(at_ms, derived_from_key(PAID_CONTEXT, author, key)))
    }

    /// The part that the key alone decides, as of a ticket.
    #[must_use]
    pub fn key_part(self) -> [u8; 8] {
        second_half(self.to_bytes())
    }
}

impl CardPaymentId {
    /// The id of a payment that is asked for, derived as [`TicketId::sold`] is.
    #[must_use]
    pub fn asked(at_ms: i64, author: u32, key: &str) -> Self {
        Self::from_bytes(version_7(at_ms, derived_from_key(CARD_CONTEXT, author, key)))
    }

    /// The id under which a card terminal is asked to give so much of a payment back as a refund says: the same for whoever reads the
    /// refund, so that it is given back once.
    #[must_use]
    pub fn credited(refund: RefundId, payment: Self) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CREDIT_CONTEXT);
        hasher.update(&refund.to_bytes());
        hasher.update(&payment.to_bytes());
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(hasher.finalize().as_bytes().split_at(16).0);
        Self::from_bytes(uuid::Builder::from_custom_bytes(bytes).into_uuid().into_bytes())
    }

    /// The part that the key alone decides, as of a ticket.
    #[must_use]
    pub fn key_part(self) -> [u8; 8] {
        second_half(self.to_bytes())
    }
}

impl PrepId {
    /// The id of what a station is to prepare of a ticket: UUIDv8. A sending is known by its first line; a ticket that is sold in one
    /// step has one sending, and its lines have no ids.
    #[must_use]
    pub fn of(ticket: TicketId, station: &str, sending: Option<LineId>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(PREP_CONTEXT);
        hasher.update(&ticket.to_bytes());
        hasher.update(&sending.map_or([0; 8], LineId::to_bytes));
        hasher.update(station.as_bytes());
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(hasher.finalize().as_bytes().split_at(16).0);
        Self::from_bytes(uuid::Builder::from_custom_bytes(bytes).into_uuid().into_bytes())
    }
}

/// A line of an open ticket: whoever asks for it again under the same key asks for the same line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId([u8; 8]);

impl LineId {
    /// The id of a line that is asked for at this place of a request.
    #[must_use]
    pub fn asked(author: u32, key: &str, place: u32) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(LINE_CONTEXT);
        hasher.update(&author.to_be_bytes());
        hasher.update(&place.to_be_bytes());
        hasher.update(key.as_bytes());
        let mut bytes = [0_u8; 8];
        bytes.copy_from_slice(hasher.finalize().as_bytes().split_at(8).0);
        let id = Self(bytes);
        // Written out it has a letter in so many digits that nobody takes it for the number of a card.
        if id.to_string().split(|letter: char| !letter.is_ascii_digit()).any(|digits| digits.len() > 12) {
            bytes[4] |= 0xa0;
        }
        Self(bytes)
    }

    /// Wraps 8 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The 8 bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl FromStr for LineId {
    type Err = IdParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "16 hexadecimal digits in small letters";
        let refused = || IdParseError { kind: "line id", text: text.to_owned(), expected };
        let parsed =
            u64::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes())).map_err(|_none| refused())?;
        if parsed.to_string() == text { Ok(parsed) } else { Err(refused()) }
    }
}

impl MovementId {
    /// The id of a stock movement, derived as [`TicketId::sold`] is.
    #[must_use]
    pub fn moved(at_ms: i64, author: u32, key: &str) -> Self {
        Self::from_bytes(version_7(at_ms, derived_from_key(MOVED_CONTEXT, author, key)))
    }

    /// The part that the key alone decides, as of a ticket.
    #[must_use]
    pub fn key_part(self) -> [u8; 8] {
        second_half(self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sold_ticket_id_is_version_7_and_carries_the_key() {
        let first = TicketId::sold(1_700_000_000_000, 11, "key-1");
        assert_eq!(Uuid::from_bytes(first.to_bytes()).get_version_num(), 7);
        assert_eq!(first, TicketId::sold(1_700_000_000_000, 11, "key-1"));
        assert_ne!(first, TicketId::sold(1_700_000_000_000, 11, "key-2"));
        assert_ne!(first, TicketId::sold(1_700_000_000_000, 12, "key-1"));
        let later = TicketId::sold(1_700_000_000_001, 11, "key-1");
        assert_eq!(first.key_part(), later.key_part());
        assert_ne!(first.key_part(), TicketId::sold(1_700_000_000_000, 11, "key-2").key_part());
        assert!(first < later, "ids sort by time");
    }

    #[test]
    fn imported_ticket_id_is_version_8_and_depends_on_every_part() {
        let id = TicketId::imported("maven", StoreId::new(3), "114301");
        assert_eq!(Uuid::from_bytes(id.to_bytes()).get_version_num(), 8);
        assert_ne!(id, TicketId::imported("maven", StoreId::new(4), "114301"));
        assert_ne!(id, TicketId::imported("other", StoreId::new(3), "114301"));
        assert_ne!(id, TicketId::imported("maven", StoreId::new(3), "114302"));
    }

    #[test]
    fn ids_round_trip_through_text_and_refuse_nonsense() {
        let id = TicketId::sold(1, 2, "k");
        assert_eq!(id.to_string().parse::<TicketId>(), Ok(id));
        assert_eq!("17".parse::<StoreId>(), Ok(StoreId::new(17)));
        assert!("x".parse::<StoreId>().unwrap_err().to_string().contains("store id"));
    }
}
