//! A shop as JSON has it.

use percolate_common::identity::site::{HoursV1, PrinterV1, SiteV1, StaffV1, StockV1, TerminalV1};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A shop. Lists that are left out are empty.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Site {
    /// The number of its box.
    #[schema(example = 421)]
    node: u32,
    /// Its name.
    #[schema(example = "Harbour")]
    name: String,
    /// Its time zone.
    #[schema(example = "America/New_York")]
    zone: String,
    /// Its currency.
    #[schema(example = "USD")]
    currency: String,
    /// The hour at which its business day changes, 0 to 12.
    cutover_hour: u8,
    /// When it is open.
    #[serde(default)]
    hours: Vec<Hours>,
    /// Names and addresses under which tills reach the box.
    #[serde(default)]
    lan_names: Vec<String>,
    /// Its tills.
    #[serde(default)]
    terminals: Vec<Terminal>,
    /// Its printers.
    #[serde(default)]
    printers: Vec<Printer>,
    /// Its people.
    #[serde(default)]
    staff: Vec<Staff>,
    /// What it has in stock at first.
    #[serde(default)]
    stock: Vec<Stock>,
    /// Whether selling needs that somebody has signed in: `optional`, as it is if nothing is said, or `required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sign_in: Option<String>,
    /// What badges are good for: `with_pin`, as it is if nothing is said, or `alone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    badge_use: Option<String>,
    /// What it takes on trust while its card terminal has no line: minor units of the largest payment, how many payments, minor units of
    /// all of them, and seconds that the oldest may wait. Nothing if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "5000 20 50000 86400")]
    card_forward: Option<String>,
    /// What stands on receipts below its name: where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "1 Pier, Harbour")]
    address: Option<String>,
    /// Whether sales print a receipt unless somebody says otherwise: `print`, as it is if nothing is said, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    receipts: Option<String>,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // People and what they type are in it.
        f.debug_struct("Site").field("node", &self.node).field("name", &self.name).finish_non_exhaustive()
    }
}

/// A span of a weekday in which a shop is open.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Hours {
    /// 1 is Monday, 7 Sunday.
    weekday: u8,
    /// Minutes after midnight.
    opens_minute: u16,
    /// Minutes after midnight; above 1,440 on the next day.
    closes_minute: u16,
}

/// A till.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Terminal {
    /// Its name, as on receipts.
    name: String,
    /// What it is: `counter` or `till`, which sells, or `kitchen`.
    kind: String,
    /// Whether it is for training.
    #[serde(default)]
    training: bool,
    /// The printer of its receipts, by name: the shop's first one that prints receipts if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    printer: Option<String>,
}

/// A printer.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Printer {
    /// Its name.
    name: String,
    /// What it prints: `receipt` or `kitchen`.
    kind: String,
    /// Where it is, as `HOST:PORT`.
    address: String,
    /// Characters of a line: 48, as it is if nothing is said, or 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<u8>,
}

/// Somebody who works there.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Staff {
    /// Their number.
    id: u32,
    /// Their name.
    name: String,
    /// What they are: `barista`, `lead` or `manager`, or another word for these.
    role: String,
    /// What they type to sign in. Never told again.
    #[serde(default, skip_serializing, deserialize_with = "pin")]
    pin: Option<String>,
    /// What their badge says. Never told again.
    #[serde(default, skip_serializing, deserialize_with = "badge")]
    badge: Option<String>,
}

/// Reads what somebody types.
fn pin<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<String>, D::Error> {
    secret(deserializer, "a PIN is a text of digits, in quotation marks")
}

/// Reads what somebody's badge says.
fn badge<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<String>, D::Error> {
    secret(deserializer, "a badge is a text, in quotation marks")
}

/// Reads what nobody is told. Whatever stands there instead, no answer repeats it.
fn secret<'d, D: Deserializer<'d>>(deserializer: D, expected: &'static str) -> Result<Option<String>, D::Error> {
    let said = serde_json::Value::deserialize(deserializer)?;
    match said {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::String(text) => Ok(Some(text)),
        serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => Err(D::Error::custom(expected)),
    }
}

/// How much of something is there at first.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Stock {
    /// The number of the stock item.
    item: u32,
    /// How much, in the item's unit.
    quantity: i64,
}

impl Site {
    pub(super) fn into_site(self, store: u32) -> SiteV1 {
        SiteV1 {
            store,
            node: self.node,
            name: self.name,
            zone: self.zone,
            currency: self.currency,
            cutover_hour: self.cutover_hour,
            hours: self.hours.into_iter().map(hours_v1).collect(),
            lan_names: self.lan_names,
            terminals: self.terminals.into_iter().map(terminal_v1).collect(),
            printers: self.printers.into_iter().map(printer_v1).collect(),
            staff: self.staff.into_iter().map(staff_v1).collect(),
            stock: self.stock.into_iter().map(|Stock { item, quantity }| StockV1 { item, quantity }).collect(),
            sign_in: self.sign_in,
            badge_use: self.badge_use,
            card_forward: self.card_forward,
            address: self.address,
            receipts: self.receipts,
        }
    }
}

impl From<SiteV1> for Site {
    fn from(site: SiteV1) -> Self {
        Self {
            node: site.node,
            name: site.name,
            zone: site.zone,
            currency: site.currency,
            cutover_hour: site.cutover_hour,
            hours: site.hours.into_iter().map(hours).collect(),
            lan_names: site.lan_names,
            terminals: site.terminals.into_iter().map(terminal).collect(),
            printers: site.printers.into_iter().map(printer).collect(),
            staff: site.staff.into_iter().map(staff).collect(),
            stock: site.stock.into_iter().map(|StockV1 { item, quantity }| Stock { item, quantity }).collect(),
            sign_in: site.sign_in,
            badge_use: site.badge_use,
            card_forward: site.card_forward,
            address: site.address,
            receipts: site.receipts,
        }
    }
}

const fn hours_v1(Hours { weekday, opens_minute, closes_minute }: Hours) -> HoursV1 {
    HoursV1 { weekday, opens_minute, closes_minute }
}

const fn hours(HoursV1 { weekday, opens_minute, closes_minute }: HoursV1) -> Hours {
    Hours { weekday, opens_minute, closes_minute }
}

fn terminal_v1(Terminal { name, kind, training, printer }: Terminal) -> TerminalV1 {
    TerminalV1 { name, kind, training, printer }
}

fn terminal(TerminalV1 { name, kind, training, printer }: TerminalV1) -> Terminal {
    Terminal { name, kind, training, printer }
}

fn printer_v1(Printer { name, kind, address, columns }: Printer) -> PrinterV1 {
    PrinterV1 { name, kind, address, columns }
}

fn printer(PrinterV1 { name, kind, address, columns }: PrinterV1) -> Printer {
    Printer { name, kind, address, columns }
}

fn staff_v1(Staff { id, name, role, pin, badge }: Staff) -> StaffV1 {
    StaffV1 { id, name, role, pin, badge }
}

fn staff(StaffV1 { id, name, role, .. }: StaffV1) -> Staff {
    Staff { id, name, role, pin: None, badge: None }
}
