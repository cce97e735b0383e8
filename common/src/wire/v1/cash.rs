//! Twins of the facts about cash.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::staff::{ApprovalV1, approval_from_twin, approval_to_twin};
use super::{currency, from_bytes, to_bytes};
use crate::domain::cash::reading::{DiscountSums, HourSum, ReadingSums, RefundSums, TaxSum};
use crate::domain::cash::{
    CarriedDrawer, CashMoved, CashMovementKind, CashReason, CountedDrawer, DayClosed, Denomination, DrawerClosed,
    DrawerOpened, OpenTickets, ReadRange, ReadingNumber,
};
use crate::domain::tickets::receipt::TerminalName;
use crate::ids::{CashMovementId, DrawerSessionId, StaffId, TaxClassId, TicketId};
use crate::journal::{Incarnation, ShortHash};
use crate::money::Minor;
use crate::wire::WireError;

const OPENED: &str = "opened drawer";
const MOVED: &str = "cash movement";
const CLOSED: &str = "closed drawer";
const DAY: &str = "closed day";

#[derive(Encode, Decode)]
struct DrawerOpenedV1 {
    #[n(0)]
    session: ByteArray<16>,
    #[n(1)]
    terminal: String,
    #[n(2)]
    float: i64,
    #[n(3)]
    by: Option<u32>,
}

#[derive(Encode, Decode)]
#[cbor(index_only)]
enum KindV1 {
    #[n(0)]
    PayIn,
    #[n(1)]
    PayOut,
    #[n(2)]
    Drop,
    #[n(3)]
    NoSale,
}

#[derive(Encode, Decode)]
#[cbor(index_only)]
enum ReasonV1 {
    #[n(0)]
    Bank,
    #[n(1)]
    Change,
    #[n(2)]
    Supplies,
    #[n(3)]
    Delivery,
    #[n(4)]
    Tips,
    #[n(5)]
    Correction,
    #[n(6)]
    Other,
}

#[derive(Encode, Decode)]
struct CashMovedV1 {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    session: ByteArray<16>,
    #[n(2)]
    kind: KindV1,
    #[n(3)]
    amount: i64,
    #[n(4)]
    reason: ReasonV1,
    #[n(5)]
    beyond_expected: bool,
    #[n(6)]
    by: Option<u32>,
    #[n(7)]
    approval: Option<u32>,
}

#[derive(Encode, Decode)]
struct DenominationV1 {
    #[n(0)]
    value: i64,
    #[n(1)]
    count: u32,
}

#[derive(Encode, Decode)]
struct DrawerClosedV1 {
    #[n(0)]
    session: ByteArray<16>,
    #[n(1)]
    terminal: String,
    #[n(2)]
    counted: i64,
    #[n(3)]
    denominations: Vec<DenominationV1>,
    #[n(4)]
    expected: i64,
    #[n(5)]
    by: Option<u32>,
}

#[derive(Encode, Decode)]
struct RangeV1 {
    #[n(0)]
    incarnation: u64,
    #[n(1)]
    from: u64,
    #[n(2)]
    to: u64,
}

#[derive(Encode, Decode)]
struct TaxV1 {
    #[n(0)]
    class: u32,
    #[n(1)]
    base: i64,
    #[n(2)]
    tax: i64,
}

#[derive(Encode, Decode)]
struct TenderV1 {
    #[n(0)]
    kind: String,
    #[n(1)]
    amount: i64,
}

#[derive(Encode, Decode)]
struct HourV1 {
    #[n(0)]
    hour: u8,
    #[n(1)]
    tickets: u64,
    #[n(2)]
    gross: i64,
}

#[derive(Encode, Decode)]
struct SumsV1 {
    #[n(0)]
    tickets: u64,
    #[n(1)]
    net: i64,
    #[n(2)]
    tax: i64,
    #[n(3)]
    gross: i64,
    #[n(4)]
    taxes: Vec<TaxV1>,
    #[n(5)]
    tenders: Vec<TenderV1>,
    #[n(6)]
    hours: Vec<HourV1>,
    #[n(7)]
    refunds: i64,
    #[n(8)]
    discounts: i64,
    #[n(9)]
    no_drawer: i64,
    #[n(10)]
    paid_in: i64,
    #[n(11)]
    paid_out: i64,
    #[n(12)]
    dropped: i64,
    #[n(13)]
    no_sales: u64,
    #[n(14)]
    drawers_closed: u64,
    #[n(15)]
    difference: i64,
    #[n(16)]
    refunded: Option<RefundsV1>,
    #[n(17)]
    happy_hours: Option<i64>,
    #[n(18)]
    sets: Option<i64>,
    #[n(19)]
    service_charges: Option<i64>,
    #[n(20)]
    tips: Option<i64>,
    #[n(21)]
    cash_rounding: Option<i64>,
    #[n(22)]
    people: Option<Vec<PersonV1>>,
}

#[derive(Encode, Decode)]
struct RefundsV1 {
    #[n(0)]
    count: u64,
    #[n(1)]
    net: i64,
    #[n(2)]
    tax: i64,
}

#[derive(Encode, Decode)]
struct PersonV1 {
    #[n(0)]
    staff: Option<u32>,
    #[n(1)]
    tickets: u64,
    #[n(2)]
    gross: i64,
}

#[derive(Encode, Decode)]
struct CountedV1 {
    #[n(0)]
    session: ByteArray<16>,
    #[n(1)]
    terminal: String,
    #[n(2)]
    expected: i64,
    #[n(3)]
    counted: i64,
}

#[derive(Encode, Decode)]
struct CarriedV1 {
    #[n(0)]
    session: ByteArray<16>,
    #[n(1)]
    terminal: String,
}

#[derive(Encode, Decode)]
struct DayClosedV1 {
    #[n(0)]
    series: String,
    #[n(1)]
    number: u64,
    #[n(2)]
    ranges: Vec<RangeV1>,
    #[n(3)]
    late: u64,
    #[n(4)]
    sums: SumsV1,
    #[n(5)]
    drawers: Vec<CountedV1>,
    #[n(6)]
    carried: Vec<CarriedV1>,
    #[n(7)]
    head: ByteArray<8>,
    #[n(8)]
    currency: String,
    #[n(9)]
    by: Option<u32>,
    #[n(10)]
    open_tickets: Option<OpenTicketsV1>,
    #[n(11)]
    approval: Option<ApprovalV1>,
}

#[derive(Encode, Decode)]
struct OpenTicketsV1 {
    #[n(0)]
    count: u64,
    #[n(1)]
    first: Vec<ByteArray<16>>,
}

fn terminal(text: &str, what: &'static str) -> Result<TerminalName, WireError> {
    text.parse().map_err(|error| WireError::malformed(what, error))
}

pub(in crate::wire) fn encode_opened(opened: &DrawerOpened) -> Result<Vec<u8>, WireError> {
    let twin = DrawerOpenedV1 {
        session: opened.session.to_bytes().into(),
        terminal: opened.terminal.to_string(),
        float: opened.float.get(),
        by: opened.by.map(StaffId::get),
    };
    to_bytes(&twin, OPENED)
}

pub(in crate::wire) fn decode_opened(bytes: &[u8]) -> Result<DrawerOpened, WireError> {
    let twin: DrawerOpenedV1 = from_bytes(bytes, OPENED)?;
    Ok(DrawerOpened {
        session: DrawerSessionId::from_bytes(*twin.session),
        terminal: terminal(&twin.terminal, OPENED)?,
        float: Minor::new(twin.float),
        by: twin.by.map(StaffId::new),
    })
}

pub(in crate::wire) fn encode_moved(moved: &CashMoved) -> Result<Vec<u8>, WireError> {
    let kind = match moved.kind {
        CashMovementKind::PayIn => KindV1::PayIn,
        CashMovementKind::PayOut => KindV1::PayOut,
        CashMovementKind::Drop => KindV1::Drop,
        CashMovementKind::NoSale => KindV1::NoSale,
    };
    let reason = match moved.reason {
        CashReason::Bank => ReasonV1::Bank,
        CashReason::Change => ReasonV1::Change,
        CashReason::Supplies => ReasonV1::Supplies,
        CashReason::Delivery => ReasonV1::Delivery,
        CashReason::Tips => ReasonV1::Tips,
        CashReason::Correction => ReasonV1::Correction,
        CashReason::Other => ReasonV1::Other,
    };
    let twin = CashMovedV1 {
        id: moved.id.to_bytes().into(),
        session: moved.session.to_bytes().into(),
        kind,
        amount: moved.amount.get(),
        reason,
        beyond_expected: moved.beyond_expected,
        by: moved.by.map(StaffId::get),
        approval: moved.approval.map(StaffId::get),
    };
    to_bytes(&twin, MOVED)
}

pub(in crate::wire) fn decode_moved(bytes: &[u8]) -> Result<CashMoved, WireError> {
    let twin: CashMovedV1 = from_bytes(bytes, MOVED)?;
    Ok(CashMoved {
        id: CashMovementId::from_bytes(*twin.id),
        session: DrawerSessionId::from_bytes(*twin.session),
        kind: match twin.kind {
            KindV1::PayIn => CashMovementKind::PayIn,
            KindV1::PayOut => CashMovementKind::PayOut,
            KindV1::Drop => CashMovementKind::Drop,
            KindV1::NoSale => CashMovementKind::NoSale,
        },
        amount: Minor::new(twin.amount),
        reason: match twin.reason {
            ReasonV1::Bank => CashReason::Bank,
            ReasonV1::Change => CashReason::Change,
            ReasonV1::Supplies => CashReason::Supplies,
            ReasonV1::Delivery => CashReason::Delivery,
            ReasonV1::Tips => CashReason::Tips,
            ReasonV1::Correction => CashReason::Correction,
            ReasonV1::Other => CashReason::Other,
        },
        by: twin.by.map(StaffId::new),
        approval: twin.approval.map(StaffId::new),
        beyond_expected: twin.beyond_expected,
    })
}

pub(in crate::wire) fn encode_closed(closed: &DrawerClosed) -> Result<Vec<u8>, WireError> {
    let one = |one: &Denomination| DenominationV1 { value: one.value.get(), count: one.count };
    let twin = DrawerClosedV1 {
        session: closed.session.to_bytes().into(),
        terminal: closed.terminal.to_string(),
        counted: closed.counted.get(),
        denominations: closed.denominations.iter().map(one).collect(),
        expected: closed.expected.get(),
        by: closed.by.map(StaffId::get),
    };
    to_bytes(&twin, CLOSED)
}

pub(in crate::wire) fn decode_closed(bytes: &[u8]) -> Result<DrawerClosed, WireError> {
    let twin: DrawerClosedV1 = from_bytes(bytes, CLOSED)?;
    let one = |one: DenominationV1| Denomination { value: Minor::new(one.value), count: one.count };
    Ok(DrawerClosed {
        session: DrawerSessionId::from_bytes(*twin.session),
        terminal: terminal(&twin.terminal, CLOSED)?,
        counted: Minor::new(twin.counted),
        denominations: twin.denominations.into_iter().map(one).collect(),
        expected: Minor::new(twin.expected),
        by: twin.by.map(StaffId::new),
    })
}

fn unless_zero(amount: i64) -> Option<i64> {
    (amount != 0).then_some(amount)
}

fn sums_to_twin(sums: &ReadingSums) -> SumsV1 {
    let RefundSums { count, net, tax, .. } = sums.refunds;
    let refunded = RefundsV1 { count, net, tax };
    let person = |(staff, sum): (&Option<StaffId>, &HourSum)| PersonV1 {
        staff: staff.map(StaffId::get),
        tickets: sum.tickets,
        gross: sum.gross,
    };
    SumsV1 {
        tickets: sums.tickets,
        net: sums.net,
        tax: sums.tax,
        gross: sums.gross,
        taxes: sums
            .taxes
            .iter()
            .map(|(class, sum)| TaxV1 { class: class.get(), base: sum.base, tax: sum.tax })
            .collect(),
        tenders: sums.tenders.iter().map(|(kind, amount)| TenderV1 { kind: kind.clone(), amount: *amount }).collect(),
        hours: sums
            .hours
            .iter()
            .map(|(hour, sum)| HourV1 { hour: *hour, tickets: sum.tickets, gross: sum.gross })
            .collect(),
        refunds: sums.refunds.gross,
        discounts: sums.discounts.given,
        no_drawer: sums.no_drawer,
        paid_in: sums.paid_in,
        paid_out: sums.paid_out,
        dropped: sums.dropped,
        no_sales: sums.no_sales,
        drawers_closed: sums.drawers_closed,
        difference: sums.difference,
        refunded: (sums.refunds.count > 0).then_some(refunded),
        happy_hours: unless_zero(sums.discounts.happy_hours),
        sets: unless_zero(sums.discounts.sets),
        service_charges: unless_zero(sums.service_charges),
        tips: unless_zero(sums.tips),
        cash_rounding: unless_zero(sums.cash_rounding),
        people: (!sums.people.is_empty()).then(|| sums.people.iter().map(person).collect()),
    }
}

fn sums_from_twin(twin: SumsV1) -> ReadingSums {
    let person =
        |person: PersonV1| (person.staff.map(StaffId::new), HourSum { tickets: person.tickets, gross: person.gross });
    let RefundsV1 { count, net, tax } = twin.refunded.unwrap_or(RefundsV1 { count: 0, net: 0, tax: 0 });
    let refunds = RefundSums { count, net, tax, gross: twin.refunds };
    let tax = |tax: TaxV1| (TaxClassId::new(tax.class), TaxSum { base: tax.base, tax: tax.tax });
    let hour = |hour: HourV1| (hour.hour, HourSum { tickets: hour.tickets, gross: hour.gross });
    ReadingSums {
        tickets: twin.tickets,
        net: twin.net,
        tax: twin.tax,
        gross: twin.gross,
        taxes: twin.taxes.into_iter().map(tax).collect(),
        tenders: twin.tenders.into_iter().map(|tender| (tender.kind, tender.amount)).collect(),
        hours: twin.hours.into_iter().map(hour).collect(),
        people: twin.people.unwrap_or_default().into_iter().map(person).collect(),
        refunds,
        discounts: DiscountSums {
            given: twin.discounts,
            happy_hours: twin.happy_hours.unwrap_or(0),
            sets: twin.sets.unwrap_or(0),
        },
        service_charges: twin.service_charges.unwrap_or(0),
        tips: twin.tips.unwrap_or(0),
        cash_rounding: twin.cash_rounding.unwrap_or(0),
        no_drawer: twin.no_drawer,
        paid_in: twin.paid_in,
        paid_out: twin.paid_out,
        dropped: twin.dropped,
        no_sales: twin.no_sales,
        drawers_closed: twin.drawers_closed,
        difference: twin.difference,
    }
}

pub(in crate::wire) fn encode_day(closed: &DayClosed) -> Result<Vec<u8>, WireError> {
    let range = |range: &ReadRange| RangeV1 { incarnation: range.incarnation.get(), from: range.from, to: range.to };
    let counted = |drawer: &CountedDrawer| CountedV1 {
        session: drawer.session.to_bytes().into(),
        terminal: drawer.terminal.to_string(),
        expected: drawer.expected.get(),
        counted: drawer.counted.get(),
    };
    let carried = |drawer: &CarriedDrawer| CarriedV1 {
        session: drawer.session.to_bytes().into(),
        terminal: drawer.terminal.to_string(),
    };
    let open = |open: &OpenTickets| OpenTicketsV1 {
        count: open.count,
        first: open.first.iter().map(|id| id.to_bytes().into()).collect(),
    };
    let twin = DayClosedV1 {
        series: closed.number.series.to_string(),
        number: closed.number.number,
        ranges: closed.ranges.iter().map(range).collect(),
        late: closed.late,
        sums: sums_to_twin(&closed.sums),
        drawers: closed.drawers.iter().map(counted).collect(),
        carried: closed.carried.iter().map(carried).collect(),
        head: (*closed.head.as_bytes()).into(),
        currency: closed.currency.to_string(),
        by: closed.by.map(StaffId::get),
        open_tickets: (closed.open_tickets.count > 0).then(|| open(&closed.open_tickets)),
        approval: closed.approval.as_ref().map(approval_to_twin),
    };
    to_bytes(&twin, DAY)
}

pub(in crate::wire) fn decode_day(bytes: &[u8]) -> Result<DayClosed, WireError> {
    let twin: DayClosedV1 = from_bytes(bytes, DAY)?;
    let range =
        |range: RangeV1| ReadRange { incarnation: Incarnation::new(range.incarnation), from: range.from, to: range.to };
    let counted = |drawer: CountedV1| {
        Ok(CountedDrawer {
            session: DrawerSessionId::from_bytes(*drawer.session),
            terminal: terminal(&drawer.terminal, DAY)?,
            expected: Minor::new(drawer.expected),
            counted: Minor::new(drawer.counted),
        })
    };
    let carried = |drawer: CarriedV1| {
        let session = DrawerSessionId::from_bytes(*drawer.session);
        Ok(CarriedDrawer { session, terminal: terminal(&drawer.terminal, DAY)? })
    };
    let open = |twin: OpenTicketsV1| OpenTickets {
        count: twin.count,
        first: twin.first.into_iter().map(|id| TicketId::from_bytes(*id)).collect(),
    };
    let series = twin.series.parse().map_err(|error| WireError::malformed(DAY, error))?;
    Ok(DayClosed {
        number: ReadingNumber { series, number: twin.number },
        ranges: twin.ranges.into_iter().map(range).collect(),
        late: twin.late,
        sums: sums_from_twin(twin.sums),
        drawers: twin.drawers.into_iter().map(counted).collect::<Result<_, WireError>>()?,
        carried: twin.carried.into_iter().map(carried).collect::<Result<_, WireError>>()?,
        head: ShortHash::from_bytes(*twin.head),
        currency: currency(&twin.currency, DAY)?,
        by: twin.by.map(StaffId::new),
        open_tickets: twin.open_tickets.map(open).unwrap_or_default(),
        approval: twin.approval.map(approval_from_twin),
    })
}
