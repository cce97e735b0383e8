//! Twins of the ticket facts.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::stock::{LineV1 as StockLineV1, line_from_twin, line_to_twin};
use super::{currency, from_bytes, to_bytes};
use crate::domain::catalog::rules::{Consumption, TaxBasis};
use crate::domain::staff::approvals::Approval;
use crate::domain::tenders::card::LastFour;
use crate::domain::tickets::receipt::{ReceiptNumber, Series, TerminalName};
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::domain::tickets::{
    ApprovedAct, GivenDiscount, LineReduction, PaymentBefore, ReductionCause, SeriesOpened, ServiceCharged, SoldExtra,
    SoldLine, TaxLine, TicketClass, TicketDetails, TicketSold, Totals,
};
use crate::ids::{
    CardPaymentId, CategoryId, ComboId, DiscountId, DrawerSessionId, HouseAccountId, ItemId, ModifierId, PaymentId,
    RuleId, StaffId, TaxClassId, TicketId,
};
use crate::money::{MicroRate, Minor};
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
    details: Option<DetailsV1>,
    #[n(16)]
    sold_by: Option<u32>,
    #[n(17)]
    drawer: Option<ByteArray<16>>,
}

/// What most tickets have none of; as a map, so that what is not said takes no byte.
#[derive(Encode, Decode, Default, PartialEq, Eq)]
#[cbor(map)]
struct DetailsV1 {
    #[n(0)]
    dine_in: Option<bool>,
    #[n(1)]
    discounts: Option<Vec<DiscountV1>>,
    #[n(2)]
    service_charge: Option<ChargeV1>,
    #[n(3)]
    tax_by_line: Option<bool>,
    #[n(4)]
    exempt: Option<String>,
    #[n(5)]
    tip: Option<i64>,
    #[n(6)]
    cash_rounding: Option<i64>,
    #[n(7)]
    approvals: Option<Vec<ApprovedV1>>,
    #[n(8)]
    payments_before: Option<Vec<PaymentBeforeV1>>,
    #[n(9)]
    was_open: Option<bool>,
}

#[derive(Encode, Decode, PartialEq, Eq)]
struct ApprovedV1 {
    #[n(0)]
    act: String,
    #[n(1)]
    by: u32,
    #[n(2)]
    reason: String,
}

#[derive(Encode, Decode, PartialEq, Eq)]
struct PaymentBeforeV1 {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    amount: i64,
}

#[derive(Encode, Decode, PartialEq, Eq)]
struct DiscountV1 {
    #[n(0)]
    discount: Option<u32>,
    #[n(1)]
    line: Option<u32>,
    #[n(2)]
    reason: Option<String>,
    #[n(3)]
    amount: i64,
    #[n(4)]
    approval: bool,
}

#[derive(Encode, Decode, PartialEq, Eq)]
struct ChargeV1 {
    #[n(0)]
    rule: u32,
    #[n(1)]
    tax_class: Option<u32>,
    #[n(2)]
    amount: i64,
}

#[derive(Encode, Decode)]
pub(super) struct SoldLineV1 {
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
    #[n(6)]
    extras: Option<Vec<ExtraV1>>,
    #[n(7)]
    reductions: Option<Vec<ReductionV1>>,
    #[n(8)]
    menu_price: Option<i64>,
}

#[derive(Encode, Decode)]
struct ExtraV1 {
    #[n(0)]
    modifier: u32,
    #[n(1)]
    count: u32,
    #[n(2)]
    price: i64,
}

#[derive(Encode, Decode)]
struct ReductionV1 {
    #[n(0)]
    cause: CauseV1,
    #[n(1)]
    amount: i64,
}

#[derive(Encode, Decode)]
enum CauseV1 {
    #[n(0)]
    Combo(#[n(0)] u32),
    #[n(1)]
    HappyHour(#[n(0)] u32),
    #[n(2)]
    Given(#[n(0)] u32),
}

#[derive(Encode, Decode)]
pub(super) struct TaxLineV1 {
    #[n(0)]
    tax_class: u32,
    #[n(1)]
    base: i64,
    #[n(2)]
    tax: i64,
    #[n(3)]
    rate_micro: Option<u32>,
}

#[derive(Encode, Decode)]
pub(super) struct TenderV1 {
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
        #[n(1)]
        last_four: Option<u16>,
    },
    #[n(2)]
    Card {
        #[n(0)]
        payment: ByteArray<16>,
        #[n(1)]
        reference: Option<String>,
        #[n(2)]
        last_four: Option<u16>,
        #[n(3)]
        stored: bool,
    },
    #[n(3)]
    House(#[n(0)] u32),
}

#[derive(Encode, Decode)]
struct SeriesOpenedV1 {
    #[n(0)]
    terminal: String,
    #[n(1)]
    series: String,
}

pub(super) fn terminal(text: &str, what: &'static str) -> Result<TerminalName, WireError> {
    text.parse().map_err(|error| WireError::malformed(what, error))
}

pub(super) fn series(text: &str, what: &'static str) -> Result<Series, WireError> {
    text.parse().map_err(|error| WireError::malformed(what, error))
}

pub(super) fn tender_to_twin(tender: &Tender) -> TenderV1 {
    let digits = |last_four: &Option<LastFour>| last_four.map(LastFour::get);
    let kind = match &tender.kind {
        TenderKind::Cash => TenderKindV1::Cash,
        TenderKind::CardExternal { reference, last_four } => {
            TenderKindV1::CardExternal { reference: reference.clone(), last_four: digits(last_four) }
        }
        TenderKind::Card { payment, reference, last_four, stored } => TenderKindV1::Card {
            payment: payment.to_bytes().into(),
            reference: reference.clone(),
            last_four: digits(last_four),
            stored: *stored,
        },
        TenderKind::House { account } => TenderKindV1::House(account.get()),
    };
    TenderV1 { kind, amount: tender.amount.get() }
}

pub(super) fn tender_from_twin(twin: TenderV1) -> Result<Tender, WireError> {
    let digits =
        |number: Option<u16>| number.map(LastFour::new).transpose().map_err(|error| WireError::malformed(SOLD, error));
    let kind = match twin.kind {
        TenderKindV1::Cash => TenderKind::Cash,
        TenderKindV1::CardExternal { reference, last_four } => {
            TenderKind::CardExternal { reference, last_four: digits(last_four)? }
        }
        TenderKindV1::Card { payment, reference, last_four, stored } => TenderKind::Card {
            payment: CardPaymentId::from_bytes(*payment),
            reference,
            last_four: digits(last_four)?,
            stored,
        },
        TenderKindV1::House(account) => TenderKind::House { account: HouseAccountId::new(account) },
    };
    Ok(Tender { kind, amount: Minor::new(twin.amount) })
}

pub(super) fn tax_to_twin(line: &TaxLine) -> TaxLineV1 {
    TaxLineV1 {
        tax_class: line.tax_class.get(),
        base: line.base.get(),
        tax: line.tax.get(),
        rate_micro: Some(line.rate.get()),
    }
}

pub(super) fn tax_from_twin(line: &TaxLineV1) -> TaxLine {
    TaxLine {
        tax_class: TaxClassId::new(line.tax_class),
        rate: MicroRate::new(line.rate_micro.unwrap_or(0)),
        base: Minor::new(line.base),
        tax: Minor::new(line.tax),
    }
}

pub(super) fn sold_line_to_twin(line: &SoldLine) -> SoldLineV1 {
    let extra =
        |extra: &SoldExtra| ExtraV1 { modifier: extra.modifier.get(), count: extra.count, price: extra.price.get() };
    let reduction = |reduction: &LineReduction| {
        let cause = match reduction.cause {
            ReductionCause::Combo(id) => CauseV1::Combo(id.get()),
            ReductionCause::HappyHour(id) => CauseV1::HappyHour(id.get()),
            ReductionCause::Given(at) => CauseV1::Given(at),
        };
        ReductionV1 { cause, amount: reduction.amount.get() }
    };
    SoldLineV1 {
        item: line.item.get(),
        category: line.category.get(),
        tax_class: line.tax_class.get(),
        quantity: line.quantity,
        unit_price: line.unit_price.get(),
        total: line.total.get(),
        extras: some(line.extras.iter().map(extra).collect()),
        reductions: some(line.reductions.iter().map(reduction).collect()),
        menu_price: line.menu_price.map(Minor::get),
    }
}

pub(super) fn sold_line_from_twin(twin: SoldLineV1) -> SoldLine {
    let extra = |twin: ExtraV1| SoldExtra {
        modifier: ModifierId::new(twin.modifier),
        count: twin.count,
        price: Minor::new(twin.price),
    };
    let reduction = |twin: ReductionV1| {
        let cause = match twin.cause {
            CauseV1::Combo(id) => ReductionCause::Combo(ComboId::new(id)),
            CauseV1::HappyHour(id) => ReductionCause::HappyHour(RuleId::new(id)),
            CauseV1::Given(at) => ReductionCause::Given(at),
        };
        LineReduction { cause, amount: Minor::new(twin.amount) }
    };
    SoldLine {
        item: ItemId::new(twin.item),
        category: CategoryId::new(twin.category),
        tax_class: TaxClassId::new(twin.tax_class),
        quantity: twin.quantity,
        unit_price: Minor::new(twin.unit_price),
        total: Minor::new(twin.total),
        menu_price: twin.menu_price.map(Minor::new),
        extras: twin.extras.unwrap_or_default().into_iter().map(extra).collect(),
        reductions: twin.reductions.unwrap_or_default().into_iter().map(reduction).collect(),
    }
}

/// A list that takes no byte if it is empty.
pub(super) fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

pub(super) fn amount(minor: Minor) -> Option<i64> {
    (minor != Minor::ZERO).then_some(minor.get())
}

fn details_to_twin(details: &TicketDetails) -> Option<DetailsV1> {
    let discount = |given: &GivenDiscount| DiscountV1 {
        discount: given.discount.map(DiscountId::get),
        line: given.line,
        reason: given.reason.clone(),
        amount: given.amount.get(),
        approval: given.approval,
    };
    let charge = |charge: &ServiceCharged| ChargeV1 {
        rule: charge.rule.get(),
        tax_class: charge.tax_class.map(TaxClassId::get),
        amount: charge.amount.get(),
    };
    let approved = |one: &ApprovedAct| ApprovedV1 {
        act: one.act.as_str().to_owned(),
        by: one.approval.by.get(),
        reason: one.approval.reason.clone(),
    };
    let before =
        |before: &PaymentBefore| PaymentBeforeV1 { id: before.id.to_bytes().into(), amount: before.amount.get() };
    let twin = DetailsV1 {
        dine_in: (details.consumption == Consumption::DineIn).then_some(true),
        discounts: some(details.discounts.iter().map(discount).collect()),
        service_charge: details.service_charge.as_ref().map(charge),
        tax_by_line: (details.tax_basis == TaxBasis::Line).then_some(true),
        exempt: details.exempt.clone(),
        tip: amount(details.tip),
        cash_rounding: amount(details.cash_rounding),
        approvals: some(details.approvals.iter().map(approved).collect()),
        payments_before: some(details.payments_before.iter().map(before).collect()),
        was_open: details.was_open.then_some(true),
    };
    (twin != DetailsV1::default()).then_some(twin)
}

fn details_from_twin(twin: Option<DetailsV1>) -> Result<TicketDetails, WireError> {
    let twin = twin.unwrap_or_default();
    let discount = |given: DiscountV1| GivenDiscount {
        discount: given.discount.map(DiscountId::new),
        line: given.line,
        reason: given.reason,
        amount: Minor::new(given.amount),
        approval: given.approval,
    };
    let charge = |charge: ChargeV1| ServiceCharged {
        rule: RuleId::new(charge.rule),
        tax_class: charge.tax_class.map(TaxClassId::new),
        amount: Minor::new(charge.amount),
    };
    let approved = |one: ApprovedV1| {
        let act = one.act.parse().map_err(|error| WireError::malformed(SOLD, error))?;
        Ok(ApprovedAct { act, approval: Approval { by: StaffId::new(one.by), reason: one.reason } })
    };
    let before =
        |twin: PaymentBeforeV1| PaymentBefore { id: PaymentId::from_bytes(*twin.id), amount: Minor::new(twin.amount) };
    Ok(TicketDetails {
        consumption: if twin.dine_in == Some(true) { Consumption::DineIn } else { Consumption::TakeAway },
        discounts: twin.discounts.unwrap_or_default().into_iter().map(discount).collect(),
        service_charge: twin.service_charge.map(charge),
        tax_basis: if twin.tax_by_line == Some(true) { TaxBasis::Line } else { TaxBasis::Ticket },
        exempt: twin.exempt,
        tip: Minor::new(twin.tip.unwrap_or(0)),
        cash_rounding: Minor::new(twin.cash_rounding.unwrap_or(0)),
        approvals: twin.approvals.unwrap_or_default().into_iter().map(approved).collect::<Result<_, _>>()?,
        payments_before: twin.payments_before.unwrap_or_default().into_iter().map(before).collect(),
        was_open: twin.was_open == Some(true),
    })
}

pub(in crate::wire) fn encode_sold(sold: &TicketSold) -> Result<Vec<u8>, WireError> {
    let twin = TicketSoldV1 {
        id: sold.id.to_bytes().into(),
        training: sold.class == TicketClass::Training,
        terminal: sold.receipt.terminal.to_string(),
        series: sold.receipt.series.to_string(),
        number: sold.receipt.number,
        currency: sold.currency.to_string(),
        catalog_revision: sold.catalog_revision,
        lines: sold.lines.iter().map(sold_line_to_twin).collect(),
        taxes: sold.taxes.iter().map(tax_to_twin).collect(),
        net: sold.totals.net.get(),
        tax: sold.totals.tax.get(),
        total: sold.totals.total.get(),
        tenders: sold.tenders.iter().map(tender_to_twin).collect(),
        change: sold.change.get(),
        stock_effects: sold.stock_effects.iter().map(line_to_twin).collect(),
        details: details_to_twin(&sold.details),
        sold_by: sold.sold_by.map(StaffId::get),
        drawer: sold.drawer.map(|drawer| drawer.to_bytes().into()),
    };
    to_bytes(&twin, SOLD)
}

pub(in crate::wire) fn decode_sold(bytes: &[u8]) -> Result<TicketSold, WireError> {
    let twin: TicketSoldV1 = from_bytes(bytes, SOLD)?;
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
        lines: twin.lines.into_iter().map(sold_line_from_twin).collect(),
        taxes: twin.taxes.iter().map(tax_from_twin).collect(),
        totals: Totals { net: Minor::new(twin.net), tax: Minor::new(twin.tax), total: Minor::new(twin.total) },
        tenders: twin.tenders.into_iter().map(tender_from_twin).collect::<Result<_, _>>()?,
        change: Minor::new(twin.change),
        stock_effects: twin.stock_effects.iter().map(line_from_twin).collect(),
        details: details_from_twin(twin.details)?,
        sold_by: twin.sold_by.map(StaffId::new),
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
