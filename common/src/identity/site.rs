//! A shop as head office describes it, for the box that will serve it.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::bundle::{BundleError, TEXT_CHARS_MAX, decoded, encoded};

const WHAT: &str = "site";

/// Spans of opening hours: several a day, and each day of the week.
pub const HOURS_MAX: usize = 50;
/// Names and addresses of the box in its shop's network.
pub const LAN_NAMES_MAX: usize = 16;
/// Tills of a shop.
pub const TERMINALS_MAX: usize = 64;
/// Printers of a shop.
pub const PRINTERS_MAX: usize = 32;
/// People of a shop.
pub const STAFF_MAX: usize = 500;
/// Entries of the opening stock.
pub const STOCK_MAX: usize = 5_000;
/// What a printer prints that prints receipts.
pub const RECEIPT_KIND: &str = "receipt";
/// What printers there are: those for receipts, and those in a kitchen.
pub const PRINTER_KINDS: [&str; 2] = [RECEIPT_KIND, "kitchen"];
/// What terminals there are: a till under two names, and a kitchen's screen.
pub const TERMINAL_KINDS: [&str; 3] = ["counter", "till", "kitchen"];

/// Whether a word is one of those that there are, whatever its capitals.
#[must_use]
pub fn is_kind(word: &str, kinds: &[&str]) -> bool {
    kinds.iter().any(|kind| word.trim().eq_ignore_ascii_case(kind))
}

/// A span of time in which a shop is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct HoursV1 {
    /// The day: 1 is Monday, 7 is Sunday.
    #[n(0)]
    pub weekday: u8,
    /// When it opens, in minutes after midnight of the shop's own clock.
    #[n(1)]
    pub opens_minute: u16,
    /// When it closes, in the same minutes; beyond 1,440 on the next day.
    #[n(2)]
    pub closes_minute: u16,
}

/// A till.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct TerminalV1 {
    /// Its name, as on receipts.
    #[n(0)]
    pub name: String,
    /// What it is: one of [`TERMINAL_KINDS`].
    #[n(1)]
    pub kind: String,
    /// Whether it is for training alone.
    #[n(2)]
    pub training: bool,
    /// The name of the printer of its receipts; the shop's first one that prints receipts if it is not said.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub printer: Option<String>,
}

/// A printer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct PrinterV1 {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// What it prints: one of [`PRINTER_KINDS`].
    #[n(1)]
    pub kind: String,
    /// Where it is in the shop's network, as `HOST:PORT`.
    #[n(2)]
    pub address: String,
    /// Characters of a line: 48, as it is if it is not said, or 32.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<u8>,
}

/// Somebody who works there.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct StaffV1 {
    /// Their number in the chain.
    #[n(0)]
    pub id: u32,
    /// What they are called at the till.
    #[n(1)]
    pub name: String,
    /// What they do there, as head office calls it.
    #[n(2)]
    pub role: String,
    /// What they type, if they were given one.
    #[n(3)]
    pub pin: Option<String>,
    /// What their badge says, if they were given one.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<String>,
}

impl core::fmt::Debug for StaffV1 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StaffV1").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How much of something is there when the shop opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct StockV1 {
    /// What, by its number in the catalog.
    #[n(0)]
    pub item: u32,
    /// How much, in the item's base unit.
    #[n(1)]
    pub quantity: i64,
}

/// A shop.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct SiteV1 {
    /// Its number.
    #[n(0)]
    pub store: u32,
    /// The number of its box.
    #[n(1)]
    pub node: u32,
    /// Its name, for people.
    #[n(2)]
    pub name: String,
    /// Its time zone, as in `America/New_York`.
    #[n(3)]
    pub zone: String,
    /// Its currency, as in `USD`.
    #[n(4)]
    pub currency: String,
    /// The hour at which its business day changes, by its own clock.
    #[n(5)]
    pub cutover_hour: u8,
    /// When it is open.
    #[n(6)]
    pub hours: Vec<HoursV1>,
    /// Names and addresses under which tills reach the box.
    #[n(7)]
    pub lan_names: Vec<String>,
    /// Its tills.
    #[n(8)]
    pub terminals: Vec<TerminalV1>,
    /// Its printers.
    #[n(9)]
    pub printers: Vec<PrinterV1>,
    /// Its people.
    #[n(10)]
    pub staff: Vec<StaffV1>,
    /// What it has in stock at first.
    #[n(11)]
    pub stock: Vec<StockV1>,
    /// Whether selling needs that somebody has signed in: `optional` or `required`; optional if it is not said.
    #[n(12)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<String>,
    /// What badges are good for: `with_pin` or `alone`; with a PIN if it is not said.
    #[n(13)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge_use: Option<String>,
    /// What it takes on trust while its card terminal has no line, as [`ForwardLimits`](crate::domain::tenders::forward) are written;
    /// nothing if it is not said.
    #[n(14)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_forward: Option<String>,
    /// What stands on receipts below its name: where it is.
    #[n(15)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether sales print a receipt unless somebody says otherwise: `print` or `none`; they do if it is not said.
    #[n(16)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<String>,
}

impl SiteV1 {
    /// Writes it, to be kept by itself.
    ///
    /// # Errors
    /// [`BundleError`] if it is more than [`SiteV1::decode`] takes.
    pub fn encode(&self) -> Result<Vec<u8>, BundleError> {
        self.check()?;
        encoded(self, WHAT)
    }

    /// Reads what [`SiteV1::encode`] wrote.
    ///
    /// # Errors
    /// [`BundleError`] if it is malformed, or more than is taken.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let site: Self = decoded(bytes, WHAT)?;
        site.check()?;
        Ok(site)
    }

    /// Whether no text and no list is longer than is taken. What they say is checked by who acts upon it.
    ///
    /// # Errors
    /// [`BundleError::TooMany`] names the first that is.
    pub fn check(&self) -> Result<(), BundleError> {
        bound("characters of the shop's name", self.name.chars().count(), TEXT_CHARS_MAX)?;
        bound_texts("characters of the zone or currency", [&self.zone, &self.currency])?;
        bound("opening hours", self.hours.len(), HOURS_MAX)?;
        bound("names of the box", self.lan_names.len(), LAN_NAMES_MAX)?;
        bound_texts("characters of a name of the box", &self.lan_names)?;
        bound("tills", self.terminals.len(), TERMINALS_MAX)?;
        let of_tills = self.terminals.iter().flat_map(|till| [&till.name, &till.kind].into_iter().chain(&till.printer));
        bound_texts("characters of a till", of_tills)?;
        bound("printers", self.printers.len(), PRINTERS_MAX)?;
        bound_texts("characters of a printer", self.printers.iter().flat_map(|p| [&p.name, &p.kind, &p.address]))?;
        bound("people", self.staff.len(), STAFF_MAX)?;
        bound_texts("characters of what is said of signing in", self.sign_in.iter().chain(&self.badge_use))?;
        let of_staff =
            self.staff.iter().flat_map(|one| [&one.name, &one.role].into_iter().chain(&one.pin).chain(&one.badge));
        bound_texts("characters of somebody's entry", of_staff)?;
        bound_texts("characters of what is said of cards", &self.card_forward)?;
        bound_texts("characters of what is said of receipts", self.address.iter().chain(&self.receipts))?;
        bound("entries of the stock", self.stock.len(), STOCK_MAX)
    }
}

pub(super) fn bound(what: &'static str, found: usize, limit: usize) -> Result<(), BundleError> {
    if found <= limit { Ok(()) } else { Err(BundleError::TooMany { what, found, limit }) }
}

pub(super) fn bound_texts<'t>(
    what: &'static str,
    texts: impl IntoIterator<Item = &'t String>,
) -> Result<(), BundleError> {
    texts.into_iter().try_for_each(|text| bound(what, text.chars().count(), TEXT_CHARS_MAX))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What is too much, and how it comes about.
    type Change<'c> = (&'static str, &'c dyn Fn(&mut SiteV1));

    pub(in crate::identity) fn site() -> SiteV1 {
        SiteV1 {
            store: 42,
            node: 142,
            name: "Harbour".to_owned(),
            zone: "America/New_York".to_owned(),
            currency: "USD".to_owned(),
            cutover_hour: 4,
            hours: vec![HoursV1 { weekday: 1, opens_minute: 360, closes_minute: 1_500 }],
            lan_names: vec!["box.shop.example".to_owned(), "192.168.7.20".to_owned()],
            terminals: vec![TerminalV1 {
                name: "T1".to_owned(),
                kind: "counter".to_owned(),
                training: false,
                printer: Some("P1".to_owned()),
            }],
            printers: vec![PrinterV1 {
                name: "P1".to_owned(),
                kind: "receipt".to_owned(),
                address: "p:9100".to_owned(),
                columns: Some(32),
            }],
            staff: vec![StaffV1 {
                id: 7,
                name: "Ann".to_owned(),
                role: "lead".to_owned(),
                pin: Some("2468".to_owned()),
                badge: Some("04A224B9".to_owned()),
            }],
            stock: vec![StockV1 { item: 3, quantity: -5 }],
            sign_in: Some("required".to_owned()),
            badge_use: None,
            card_forward: None,
            address: Some("1 Pier, Harbour".to_owned()),
            receipts: None,
        }
    }

    #[test]
    fn every_list_and_text_of_a_site_has_its_bound() {
        assert_eq!(site().check(), Ok(()));
        let long = || "x".repeat(TEXT_CHARS_MAX + 1);
        let changes: [Change<'_>; 23] = [
            ("characters of the shop's name", &|s| s.name = long()),
            ("characters of the zone or currency", &|s| s.zone = long()),
            ("characters of the zone or currency", &|s| s.currency = long()),
            ("opening hours", &|s| s.hours = vec![s.hours[0]; HOURS_MAX + 1]),
            ("names of the box", &|s| s.lan_names = vec![String::new(); LAN_NAMES_MAX + 1]),
            ("characters of a name of the box", &|s| s.lan_names = vec![long()]),
            ("tills", &|s| s.terminals = vec![s.terminals[0].clone(); TERMINALS_MAX + 1]),
            ("characters of a till", &|s| s.terminals[0].name = long()),
            ("characters of a till", &|s| s.terminals[0].kind = long()),
            ("characters of a till", &|s| s.terminals[0].printer = Some(long())),
            ("printers", &|s| s.printers = vec![s.printers[0].clone(); PRINTERS_MAX + 1]),
            ("characters of a printer", &|s| s.printers[0].address = long()),
            ("people", &|s| s.staff = vec![s.staff[0].clone(); STAFF_MAX + 1]),
            ("characters of somebody's entry", &|s| s.staff[0].name = long()),
            ("characters of somebody's entry", &|s| s.staff[0].role = long()),
            ("characters of somebody's entry", &|s| s.staff[0].pin = Some(long())),
            ("characters of somebody's entry", &|s| s.staff[0].badge = Some(long())),
            ("characters of what is said of signing in", &|s| s.sign_in = Some(long())),
            ("characters of what is said of signing in", &|s| s.badge_use = Some(long())),
            ("characters of what is said of cards", &|s| s.card_forward = Some(long())),
            ("characters of what is said of receipts", &|s| s.address = Some(long())),
            ("characters of what is said of receipts", &|s| s.receipts = Some(long())),
            ("entries of the stock", &|s| s.stock = vec![s.stock[0]; STOCK_MAX + 1]),
        ];
        for (name, change) in changes {
            let mut changed = site();
            change(&mut changed);
            let outcome = changed.check();
            assert!(matches!(outcome, Err(BundleError::TooMany { what, .. }) if what == name), "{name}: {outcome:?}");
        }
    }

    #[test]
    fn what_somebody_types_is_not_shown() {
        let shown = format!("{:?}", site().staff);
        assert!(!["2468", "04A224B9", "Ann"].iter().any(|word| shown.contains(word)), "{shown}");
    }
}
