//! Twins of the ticket facts.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::stock::{LineV1 as StockLineV1, line_from_twin, line_to_twin};
use super::{currency, from_bytes, to_bytes};
use crate::domain::tickets::receipt::{ReceiptNumber, Series, TerminalName};
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::domain::tickets::{SeriesOpened, SoldLine, TaxLine, TicketClass, TicketSold, Totals};
use crate::ids::{CategoryId, DrawerSessionId, ItemId, TaxClassId, TicketId};
use crate::money::Minor;
use crate::wire::WireError;

const SOLD: &str = "sold ticket";
const SERIES: &str = "opened series";

#[derive(Encode, Decode)]
struct TicketSoldV1 {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    training: bool,
    #[n(2)]
    terminal: String,
    #[n(3)]
    series: String,
    #[n(4)]
    number: u64,
    #[n(5)]
    currency: String,
    #[n(6)]
    catalog_revision: u32,
    #[n(7)]
    lines: Vec<SoldLineV1>,
    #[n(8)]
    taxes: Vec<TaxLineV1>,
    #[n(9)]
    net: i64,
    #[n(10)]
    tax: i64,
    #[n(11)]
    total: i64,
    #[n(12)]
    tenders: Vec<TenderV1>,
    #[n(13)]
    change: i64,
    #[n(14)]
    stock_effects: Vec<StockLineV1>,
    #[n(15)]
    drawer: Option<ByteArray<16>>,
}

#[derive(Encode, Decode)]
struct SoldLineV1 {
    #[n(0)]
    item: u32,
    #[n(1)]
    category: u32,
    #[n(2)]
    tax_class: u32,
    #[n(3)]
    quantity: u32,
    #[n(4)]
    unit_price: i64,
    #[n(5)]
    total: i64,
}

#[derive(Encode, Decode)]
struct TaxLineV1 {
    #[n(0)]
    tax_class: u32,
    #[n(1)]
    base: i64,
    #[n(2)]
    tax: i64,
}

#[derive(Encode, Decode)]
struct TenderV1 {
    #[n(0)]
    kind: TenderKindV1,
    #[n(1)]
    amount: i64,
}

#[derive(Encode, Decode)]
enum TenderKindV1 {
    #[n(0)]
    Cash,
    #[n(1)]
    CardExternal {
        #[n(0)]
        reference: Option<String>,
    },
}

#[derive(Encode, Decode)]
struct SeriesOpenedV1 {
    #[n(0)]
    terminal: String,
    #[n(1)]
    series: String,
}

fn terminal(text: &str, what: &'static str) -> Result<TerminalName, WireError> {
    text.parse().map_err(|error| WireError::malformed(what, error))
}

fn series(text: &str, what: &'static str) -> Result<Series, WireError> {
    text.parse().map_err(|error| WireError::malformed(what, error))
}

fn tender_to_twin(tender: &Tender) -> TenderV1 {
    let kind = match &tender.kind {
        TenderKind::Cash => TenderKindV1::Cash,
        TenderKind::CardExternal { reference } => TenderKindV1::CardExternal { reference: reference.clone() },
    };
    TenderV1 { kind, amount: tender.amount.get() }
}

fn tender_from_twin(twin: TenderV1) -> Tender {
    let kind = match twin.kind {
        TenderKindV1::Cash => TenderKind::Cash,
        TenderKindV1::CardExternal { reference } => TenderKind::CardExternal { reference },
    };
    Tender { kind, amount: Minor::new(twin.amount) }
}

fn sold_line_to_twin(line: &SoldLine) -> SoldLineV1 {
    SoldLineV1 {
        item: line.item.get(),
        category: line.category.get(),
        tax_class: line.tax_class.get(),
        quantity: line.quantity,
        unit_price: line.unit_price.get(),
        total: line.total.get(),
    }
}

fn sold_line_from_twin(twin: &SoldLineV1) -> SoldLine {
    SoldLine {
        item: ItemId::new(twin.item),
        category: CategoryId::new(twin.category),
        tax_class: TaxClassId::new(twin.tax_class),
        quantity: twin.quantity,
        unit_price: Minor::new(twin.unit_price),
        total: Minor::new(twin.total),
    }
}

pub(in crate::wire) fn encode_sold(sold: &TicketSold) -> Result<Vec<u8>, WireError> {
    let tax =
        |line: &TaxLine| TaxLineV1 { tax_class: line.tax_class.get(), base: line.base.get(), tax: line.tax.get() };
    let twin = TicketSoldV1 {
        id: sold.id.to_bytes().into(),
        training: sold.class == TicketClass::Training,
        terminal: sold.receipt.terminal.to_string(),
        series: sold.receipt.series.to_string(),
        number: sold.receipt.number,
        currency: sold.currency.to_string(),
        catalog_revision: sold.catalog_revision,
        lines: sold.lines.iter().map(sold_line_to_twin).collect(),
        taxes: sold.taxes.iter().map(tax).collect(),
        net: sold.totals.net.get(),
        tax: sold.totals.tax.get(),
        total: sold.totals.total.get(),
        tenders: sold.tenders.iter().map(tender_to_twin).collect(),
        change: sold.change.get(),
        stock_effects: sold.stock_effects.iter().map(line_to_twin).collect(),
        drawer: sold.drawer.map(|drawer| drawer.to_bytes().into()),
    };
    to_bytes(&twin, SOLD)
}

pub(in crate::wire) fn decode_sold(bytes: &[u8]) -> Result<TicketSold, WireError> {
    let twin: TicketSoldV1 = from_bytes(bytes, SOLD)?;
    let tax = |line: TaxLineV1| TaxLine {
        tax_class: TaxClassId::new(line.tax_class),
        base: Minor::new(line.base),
        tax: Minor::new(line.tax),
    };
    Ok(TicketSold {
        id: TicketId::from_bytes(*twin.id),
        class: if twin.training { TicketClass::Training } else { TicketClass::Sale },
        receipt: ReceiptNumber {
            terminal: terminal(&twin.terminal, SOLD)?,
            series: series(&twin.series, SOLD)?,
            number: twin.number,
        },
        currency: currency(&twin.currency, SOLD)?,
        catalog_revision: twin.catalog_revision,
        lines: twin.lines.iter().map(sold_line_from_twin).collect(),
        taxes: twin.taxes.into_iter().map(tax).collect(),
        totals: Totals { net: Minor::new(twin.net), tax: Minor::new(twin.tax), total: Minor::new(twin.total) },
        tenders: twin.tenders.into_iter().map(tender_from_twin).collect(),
        change: Minor::new(twin.change),
        stock_effects: twin.stock_effects.iter().map(line_from_twin).collect(),
        drawer: twin.drawer.map(|drawer| DrawerSessionId::from_bytes(*drawer)),
    })
}

pub(in crate::wire) fn encode_series(opened: &SeriesOpened) -> Result<Vec<u8>, WireError> {
    to_bytes(&SeriesOpenedV1 { terminal: opened.terminal.to_string(), series: opened.series.to_string() }, SERIES)
}

pub(in crate::wire) fn decode_series(bytes: &[u8]) -> Result<SeriesOpened, WireError> {
    let twin: SeriesOpenedV1 = from_bytes(bytes, SERIES)?;
    Ok(SeriesOpened { terminal: terminal(&twin.terminal, SERIES)?, series: series(&twin.series, SERIES)? })
}
