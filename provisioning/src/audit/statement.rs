//! What both sides state of their books. Only the fields that are used here; further ones are ignored.

use serde::Deserialize;

/// A shop's statement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NodeStatement {
    /// Node number.
    pub node: u32,
    /// Store number.
    pub store: u32,
    /// The key that its heads are signed with, in hexadecimal digits.
    pub public_key: String,
    /// Its journals.
    pub journals: Vec<NodeJournal>,
    /// Its stock, as it goes by and as its journals come to.
    pub stock: Vec<Stock>,
    /// Its days, the same.
    pub days: Vec<Day>,
    /// Its series of receipts.
    pub receipts: Vec<Series>,
    /// Its drawers; an older program states none.
    #[serde(default)]
    pub drawers: Vec<Drawer>,
    /// Its closing readings; an older program states none.
    #[serde(default)]
    pub readings: Vec<Readings>,
}

/// A drawer in the shop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Drawer {
    /// Its id.
    pub drawer: String,
    /// What should be in it, as the shop goes by.
    pub kept_minor: i64,
    /// The same, as its journals come to.
    pub folded_minor: i64,
    /// The difference that was told when it was counted.
    pub difference_minor: Option<i64>,
}

/// The closing readings of one life.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Readings {
    /// The letters of the life.
    pub series: String,
    /// The last number.
    pub last: u64,
    /// The first number that is missing.
    pub gap_at: Option<u64>,
    /// Numbers that two readings carry.
    pub doubled: Vec<u64>,
    /// The first reading that does not begin where the one before it ended.
    pub discontinued_at: Option<u64>,
}

/// A journal, read anew, on either side.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Journal {
    /// The life that wrote it.
    pub incarnation: String,
    /// Which.
    pub stream: String,
    /// How many entries there are.
    pub entries: u64,
    /// The last entry's number, as this side goes by.
    pub last_seq: u64,
    /// The chain hash there, as this side goes by.
    pub head: String,
    /// The chain hash that all entries together come to.
    pub computed_head: String,
    /// The first number that is missing.
    pub gap_at: Option<u64>,
    /// The first entry that is not the one that its hash was made from.
    pub broken_at: Option<u64>,
}

/// A journal in the shop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NodeJournal {
    /// What was found.
    #[serde(flatten)]
    pub read: Journal,
    /// The shop's signature over its head, in hexadecimal digits.
    pub signature: String,
}

/// A stock item in the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Stock {
    /// Its number.
    pub stock_item: u32,
    /// On hand, as the shop goes by.
    pub on_hand: i64,
    /// On hand, as the journals come to.
    pub folded: i64,
}

/// A business day in the shop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Day {
    /// YYYY-MM-DD.
    pub day: String,
    /// As the shop goes by.
    pub kept: Sums,
    /// As the journals come to.
    pub folded: Sums,
}

/// Sums of a day, practice apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Sums {
    /// Tickets.
    pub tickets: i64,
    /// Lines.
    pub lines: i64,
    /// Pieces.
    pub units: i64,
    /// Before tax.
    pub net_minor: i64,
    /// Tax.
    pub tax_minor: i64,
    /// With tax.
    pub total_minor: i64,
}

/// A series of receipts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Series {
    /// Terminal and series.
    pub series: String,
    /// The last number.
    pub last: u64,
    /// The first number that is missing.
    pub gap_at: Option<u64>,
    /// Numbers that two tickets carry.
    pub doubled: Vec<u64>,
}

/// The hub's statement on a node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HubStatement {
    /// The node's journals as they are held.
    pub journals: Vec<HubJournal>,
    /// The keys that its lives introduced themselves with.
    pub keys: Vec<Key>,
    /// Stock totals that are not what the entries of their life come to.
    pub stock_apart: Vec<TotalApart>,
}

/// A life's total of a stock item at the hub, as it is kept and as the entries come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct TotalApart {
    /// Which stock item.
    pub stock_item: u32,
    /// What came in, as it is kept.
    pub received: u64,
    /// What went out, as it is kept.
    pub used: u64,
    /// What came in by the entries.
    pub folded_received: u64,
    /// What went out by the entries.
    pub folded_used: u64,
}

/// A journal at the hub.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HubJournal {
    /// What was found.
    #[serde(flatten)]
    pub read: Journal,
    /// Entries that could not be read.
    pub parked: u64,
}

/// A key of a life.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Key {
    /// Which life.
    pub incarnation: String,
    /// The public key, in hexadecimal digits.
    pub public_key: String,
}

/// A node as the hub lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KnownNode {
    /// Node number.
    pub node: u32,
    /// The store that it serves.
    pub store: u32,
}
