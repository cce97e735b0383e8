//! Twin of the fact that money was given back.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::staff::{ApprovalV1, approval_from_twin, approval_to_twin};
use super::stock::{LineV1 as StockLineV1, line_from_twin, line_to_twin};
use super::tickets::{
    TaxLineV1, TenderV1, amount, series, some, tax_from_twin, tax_to_twin, tender_from_twin, tender_to_twin, terminal,
};
use super::{currency, from_bytes, to_bytes};
use crate::domain::tickets::receipt::ReceiptNumber;
use crate::domain::tickets::refund::{RefundReason, RefundedLine, TicketRefunded};
use crate::domain::tickets::{TicketClass, Totals};
use crate::ids::{CategoryId, DrawerSessionId, ItemId, RefundId, StaffId, TaxClassId, TicketId};
use crate::money::Minor;
use crate::wire::WireError;

const REFUNDED: &str = "refund";

#[derive(Encode, Decode)]
struct TicketRefundedV1 {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    ticket: ByteArray<16>,
    #[n(2)]
    training: bool,
    #[n(3)]
    terminal: String,
    #[n(4)]
    series: String,
    #[n(5)]
    number: u64,
    #[n(6)]
    currency: String,
    #[n(7)]
    reason: ReasonV1,
    #[n(8)]
    lines: Vec<RefundedLineV1>,
    #[n(9)]
    taxes: Vec<TaxLineV1>,
    #[n(10)]
    net: i64,
    #[n(11)]
    tax: i64,
    #[n(12)]
    total: i64,
    #[n(13)]
    tenders: Vec<TenderV1>,
    #[n(14)]
    by: Option<u32>,
    #[n(15)]
    approval: Option<ApprovalV1>,
    #[n(16)]
    drawer: Option<ByteArray<16>>,
    #[n(17)]
    stock_effects: Option<Vec<StockLineV1>>,
    #[n(18)]
    service_charge: Option<i64>,
    #[n(19)]
    tip: Option<i64>,
    #[n(20)]
    cash_rounding: Option<i64>,
    #[n(21)]
    seller: Option<u32>,
}

#[derive(Encode, Decode)]
#[cbor(index_only)]
enum ReasonV1 {
    #[n(0)]
    Void,
    #[n(1)]
    Quality,
    #[n(2)]
    Wrong,
    #[n(3)]
    NotServed,
    #[n(4)]
    Other,
}

#[derive(Encode, Decode)]
struct RefundedLineV1 {
    #[n(0)]
    line: u32,
    #[n(1)]
    item: u32,
    #[n(2)]
    category: u32,
    #[n(3)]
    tax_class: u32,
    #[n(4)]
    quantity: u32,
    #[n(5)]
    net: i64,
    #[n(6)]
    restock: bool,
}

fn line_twin(line: &RefundedLine) -> RefundedLineV1 {
    RefundedLineV1 {
        line: line.line,
        item: line.item.get(),
        category: line.category.get(),
        tax_class: line.tax_class.get(),
        quantity: line.quantity,
        net: line.net.get(),
        restock: line.restock,
    }
}

fn line_of_twin(twin: &RefundedLineV1) -> RefundedLine {
    RefundedLine {
        line: twin.line,
        item: ItemId::new(twin.item),
        category: CategoryId::new(twin.category),
        tax_class: TaxClassId::new(twin.tax_class),
        quantity: twin.quantity,
        net: Minor::new(twin.net),
        restock: twin.restock,
    }
}

pub(in crate::wire) fn encode_refunded(refund: &TicketRefunded) -> Result<Vec<u8>, WireError> {
    let reason = match refund.reason {
        RefundReason::Void => ReasonV1::Void,
        RefundReason::Quality => ReasonV1::Quality,
        RefundReason::Wrong => ReasonV1::Wrong,
        RefundReason::NotServed => ReasonV1::NotServed,
        RefundReason::Other => ReasonV1::Other,
    };
    let twin = TicketRefundedV1 {
        id: refund.id.to_bytes().into(),
        ticket: refund.ticket.to_bytes().into(),
        training: refund.class == TicketClass::Training,
        terminal: refund.receipt.terminal.to_string(),
        series: refund.receipt.series.to_string(),
        number: refund.receipt.number,
        currency: refund.currency.to_string(),
        reason,
        lines: refund.lines.iter().map(line_twin).collect(),
        taxes: refund.taxes.iter().map(tax_to_twin).collect(),
        net: refund.totals.net.get(),
        tax: refund.totals.tax.get(),
        total: refund.totals.total.get(),
        tenders: refund.tenders.iter().map(tender_to_twin).collect(),
        by: refund.by.map(StaffId::get),
        approval: refund.approval.as_ref().map(approval_to_twin),
        drawer: refund.drawer.map(|drawer| drawer.to_bytes().into()),
        stock_effects: some(refund.stock_effects.iter().map(line_to_twin).collect()),
        service_charge: amount(refund.service_charge),
        tip: amount(refund.tip),
        cash_rounding: amount(refund.cash_rounding),
        seller: refund.seller.map(StaffId::get),
    };
    to_bytes(&twin, REFUNDED)
}

pub(in crate::wire) fn decode_refunded(bytes: &[u8]) -> Result<TicketRefunded, WireError> {
    let twin: TicketRefundedV1 = from_bytes(bytes, REFUNDED)?;
    let reason = match twin.reason {
        ReasonV1::Void => RefundReason::Void,
        ReasonV1::Quality => RefundReason::Quality,
        ReasonV1::Wrong => RefundReason::Wrong,
        ReasonV1::NotServed => RefundReason::NotServed,
        ReasonV1::Other => RefundReason::Other,
    };
    let money = |amount: Option<i64>| Minor::new(amount.unwrap_or(0));
    Ok(TicketRefunded {
        id: RefundId::from_bytes(*twin.id),
        ticket: TicketId::from_bytes(*twin.ticket),
        class: if twin.training { TicketClass::Training } else { TicketClass::Sale },
        receipt: ReceiptNumber {
            terminal: terminal(&twin.terminal, REFUNDED)?,
            series: series(&twin.series, REFUNDED)?,
            number: twin.number,
        },
        currency: currency(&twin.currency, REFUNDED)?,
        reason,
        lines: twin.lines.iter().map(line_of_twin).collect(),
        service_charge: money(twin.service_charge),
        taxes: twin.taxes.iter().map(tax_from_twin).collect(),
        totals: Totals { net: Minor::new(twin.net), tax: Minor::new(twin.tax), total: Minor::new(twin.total) },
        tip: money(twin.tip),
        cash_rounding: money(twin.cash_rounding),
        tenders: twin.tenders.into_iter().map(tender_from_twin).collect::<Result<_, _>>()?,
        stock_effects: twin.stock_effects.unwrap_or_default().iter().map(line_from_twin).collect(),
        by: twin.by.map(StaffId::new),
        seller: twin.seller.map(StaffId::new),
        approval: twin.approval.map(approval_from_twin),
        drawer: twin.drawer.map(|drawer| DrawerSessionId::from_bytes(*drawer)),
    })
}
