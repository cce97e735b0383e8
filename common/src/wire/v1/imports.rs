//! Twins of the import facts.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::{currency, from_bytes, to_bytes};
use crate::domain::imports::{ImportAmended, ImportedLine, LegacyItem, TicketImported};
use crate::ids::TicketId;
use crate::money::Minor;
use crate::wire::WireError;

const IMPORTED: &str = "imported ticket";
const AMENDED: &str = "amended import";

/// Both facts have one form: a ticket and lines.
#[derive(Encode, Decode)]
struct ImportV1 {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    source: String,
    #[n(2)]
    currency: String,
    #[n(3)]
    lines: Vec<LineV1>,
}

#[derive(Encode, Decode)]
struct LineV1 {
    #[n(0)]
    row: String,
    #[n(1)]
    item: String,
    #[n(2)]
    name: String,
    #[n(3)]
    category: String,
    #[n(4)]
    quantity: u32,
    #[n(5)]
    unit_price: i64,
}

fn line_to_twin(line: &ImportedLine) -> LineV1 {
    LineV1 {
        row: line.row.clone(),
        item: line.item.id.clone(),
        name: line.item.name.clone(),
        category: line.item.category.clone(),
        quantity: line.quantity,
        unit_price: line.unit_price.get(),
    }
}

fn line_from_twin(twin: LineV1) -> ImportedLine {
    ImportedLine {
        row: twin.row,
        item: LegacyItem { id: twin.item, name: twin.name, category: twin.category },
        quantity: twin.quantity,
        unit_price: Minor::new(twin.unit_price),
    }
}

pub(in crate::wire) fn encode_imported(ticket: &TicketImported) -> Result<Vec<u8>, WireError> {
    let lines = ticket.lines.iter().map(line_to_twin).collect();
    to_bytes(
        &ImportV1 {
            id: ticket.id.to_bytes().into(),
            source: ticket.source.clone(),
            currency: ticket.currency.to_string(),
            lines,
        },
        IMPORTED,
    )
}

pub(in crate::wire) fn decode_imported(bytes: &[u8]) -> Result<TicketImported, WireError> {
    let twin: ImportV1 = from_bytes(bytes, IMPORTED)?;
    Ok(TicketImported {
        id: TicketId::from_bytes(*twin.id),
        source: twin.source,
        currency: currency(&twin.currency, IMPORTED)?,
        lines: twin.lines.into_iter().map(line_from_twin).collect(),
    })
}

pub(in crate::wire) fn encode_amended(amended: &ImportAmended) -> Result<Vec<u8>, WireError> {
    let lines = amended.lines.iter().map(line_to_twin).collect();
    to_bytes(
        &ImportV1 {
            id: amended.id.to_bytes().into(),
            source: amended.source.clone(),
            currency: amended.currency.to_string(),
            lines,
        },
        AMENDED,
    )
}

pub(in crate::wire) fn decode_amended(bytes: &[u8]) -> Result<ImportAmended, WireError> {
    let twin: ImportV1 = from_bytes(bytes, AMENDED)?;
    Ok(ImportAmended {
        id: TicketId::from_bytes(*twin.id),
        source: twin.source,
        currency: currency(&twin.currency, AMENDED)?,
        lines: twin.lines.into_iter().map(line_from_twin).collect(),
    })
}
