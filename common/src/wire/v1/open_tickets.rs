//! Twins of the facts of open tickets.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::staff::{ApprovalV1, approval_from_twin, approval_to_twin};
use super::tickets::{
    SoldLineV1, TenderV1, sold_line_from_twin, sold_line_to_twin, some, tender_from_twin, tender_to_twin, terminal,
};
use super::{from_bytes, to_bytes};
use crate::domain::catalog::rules::{Consumption, Reduction};
use crate::domain::pricing::cart::{AskedDiscount, CartLine, DiscountAsked, Extra, InCombo};
use crate::domain::tickets::TicketClass;
use crate::domain::tickets::open::{
    OpenFact, OpenLine, PaymentTaken, Said, Standing, Terms, TicketAbandoned, TicketChanged, TicketDivided,
    TicketMoved, TicketOpened, VoidReason,
};
use crate::ids::{ComboId, DiscountId, DrawerSessionId, ItemId, LineId, ModifierId, PaymentId, StaffId, TicketId};
use crate::money::{MicroRate, Minor};
use crate::wire::WireError;

const OPENED: &str = "opened ticket";
const CHANGED: &str = "changed ticket";
const MOVED: &str = "moved ticket";
const DIVIDED: &str = "divided ticket";
const ABANDONED: &str = "abandoned ticket";
const PAID: &str = "taken payment";

#[derive(Encode, Decode)]
struct OpenedV1 {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    training: bool,
    #[n(2)]
    terminal: String,
    #[n(3)]
    by: Option<u32>,
}

#[derive(Encode, Decode)]
struct ExtraV1 {
    #[n(0)]
    modifier: u32,
    #[n(1)]
    count: u32,
}

#[derive(Encode, Decode)]
struct ComboV1 {
    #[n(0)]
    combo: u32,
    #[n(1)]
    instance: u32,
    #[n(2)]
    slot: u32,
}

#[derive(Encode, Decode)]
enum DiscountAskedV1 {
    #[n(0)]
    Menu(#[n(0)] u32),
    #[n(1)]
    Percent(#[n(0)] u32),
    #[n(2)]
    Amount(#[n(0)] i64),
}

#[derive(Encode, Decode)]
struct DiscountV1 {
    #[n(0)]
    what: DiscountAskedV1,
    #[n(1)]
    reason: Option<String>,
}

/// What was asked for; what is not said takes no byte.
#[derive(Encode, Decode)]
#[cbor(map)]
struct AskedV1 {
    #[n(0)]
    extras: Option<Vec<ExtraV1>>,
    #[n(1)]
    price: Option<i64>,
    #[n(2)]
    combo: Option<ComboV1>,
    #[n(3)]
    discounts: Option<Vec<DiscountV1>>,
}

#[derive(Encode, Decode)]
struct LineV1 {
    #[n(0)]
    id: ByteArray<8>,
    #[n(1)]
    place: u32,
    #[n(2)]
    asked: AskedV1,
    /// Item and quantity are what was asked for.
    #[n(3)]
    listed: SoldLineV1,
}

#[derive(Encode, Decode)]
enum ReasonV1 {
    #[n(0)]
    Mistake,
    #[n(1)]
    Unwanted,
    #[n(2)]
    SoldOut,
    #[n(3)]
    Quality,
    #[n(4)]
    Other,
}

#[derive(Encode, Decode)]
struct VoidV1 {
    #[n(0)]
    line: ByteArray<8>,
    #[n(1)]
    reason: ReasonV1,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct TermsV1 {
    #[n(0)]
    turn: u32,
    #[n(1)]
    dine_in: Option<bool>,
    #[n(2)]
    discounts: Option<Vec<DiscountV1>>,
    #[n(3)]
    exempt: Option<String>,
    #[n(4)]
    without_service_charge: Option<bool>,
}

#[derive(Encode, Decode)]
struct ChangedV1 {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    added: Vec<LineV1>,
    #[n(2)]
    voided: Vec<VoidV1>,
    #[n(3)]
    terms: Option<TermsV1>,
    #[n(4)]
    by: Option<u32>,
    #[n(5)]
    approval: Option<ApprovalV1>,
}

#[derive(Encode, Decode)]
struct MovedV1 {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    turn: u32,
    #[n(2)]
    held: bool,
    #[n(3)]
    terminal: String,
    #[n(4)]
    staff: Option<u32>,
    #[n(5)]
    by: Option<u32>,
}

#[derive(Encode, Decode)]
struct WentV1 {
    #[n(0)]
    was: ByteArray<8>,
    #[n(1)]
    line: LineV1,
}

#[derive(Encode, Decode)]
struct DividedV1 {
    #[n(0)]
    from: ByteArray<16>,
    #[n(1)]
    to: ByteArray<16>,
    #[n(2)]
    lines: Vec<WentV1>,
    #[n(3)]
    by: Option<u32>,
}

#[derive(Encode, Decode)]
struct AbandonedV1 {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    by: Option<u32>,
    #[n(2)]
    approval: Option<ApprovalV1>,
}

#[derive(Encode, Decode)]
struct PaidV1 {
    #[n(0)]
    id: ByteArray<16>,
    #[n(1)]
    ticket: ByteArray<16>,
    #[n(2)]
    training: bool,
    #[n(3)]
    tender: TenderV1,
    #[n(4)]
    amount: i64,
    #[n(5)]
    tip: i64,
    #[n(6)]
    change: i64,
    #[n(7)]
    cash_rounding: i64,
    #[n(8)]
    terminal: String,
    #[n(9)]
    drawer: Option<ByteArray<16>>,
    #[n(10)]
    by: Option<u32>,
    #[n(11)]
    approval: Option<ApprovalV1>,
}

const fn class(training: bool) -> TicketClass {
    if training { TicketClass::Training } else { TicketClass::Sale }
}

fn discount_to_twin(asked: &AskedDiscount) -> DiscountV1 {
    let what = match asked.what {
        DiscountAsked::Menu(id) => DiscountAskedV1::Menu(id.get()),
        DiscountAsked::Free(Reduction::Percent(rate)) => DiscountAskedV1::Percent(rate.get()),
        DiscountAsked::Free(Reduction::Amount(amount)) => DiscountAskedV1::Amount(amount.get()),
    };
    DiscountV1 { what, reason: asked.reason.clone() }
}

fn discount_from_twin(twin: DiscountV1) -> AskedDiscount {
    let what = match twin.what {
        DiscountAskedV1::Menu(id) => DiscountAsked::Menu(DiscountId::new(id)),
        DiscountAskedV1::Percent(rate) => DiscountAsked::Free(Reduction::Percent(MicroRate::new(rate))),
        DiscountAskedV1::Amount(amount) => DiscountAsked::Free(Reduction::Amount(Minor::new(amount))),
    };
    AskedDiscount { what, reason: twin.reason }
}

fn line_to_twin(line: &OpenLine) -> LineV1 {
    let asked = &line.asked;
    let extra = |extra: &Extra| ExtraV1 { modifier: extra.modifier.get(), count: extra.count };
    let combo = |combo: InCombo| ComboV1 { combo: combo.combo.get(), instance: combo.instance, slot: combo.slot };
    LineV1 {
        id: line.id.to_bytes().into(),
        place: line.place,
        asked: AskedV1 {
            extras: some(asked.extras.iter().map(extra).collect()),
            price: asked.price.map(Minor::get),
            combo: asked.combo.map(combo),
            discounts: some(asked.discounts.iter().map(discount_to_twin).collect()),
        },
        listed: sold_line_to_twin(&line.listed),
    }
}

fn line_from_twin(twin: LineV1) -> OpenLine {
    let extra = |twin: ExtraV1| Extra { modifier: ModifierId::new(twin.modifier), count: twin.count };
    let combo = |twin: ComboV1| InCombo { combo: ComboId::new(twin.combo), instance: twin.instance, slot: twin.slot };
    let listed = sold_line_from_twin(twin.listed);
    OpenLine {
        id: LineId::from_bytes(*twin.id),
        place: twin.place,
        asked: CartLine {
            item: ItemId::new(listed.item.get()),
            quantity: listed.quantity,
            extras: twin.asked.extras.unwrap_or_default().into_iter().map(extra).collect(),
            price: twin.asked.price.map(Minor::new),
            combo: twin.asked.combo.map(combo),
            discounts: twin.asked.discounts.unwrap_or_default().into_iter().map(discount_from_twin).collect(),
        },
        listed,
    }
}

fn terms_to_twin(said: &Said<Terms>) -> TermsV1 {
    let terms = &said.what;
    TermsV1 {
        turn: said.turn,
        dine_in: (terms.consumption == Consumption::DineIn).then_some(true),
        discounts: some(terms.discounts.iter().map(discount_to_twin).collect()),
        exempt: terms.exempt.clone(),
        without_service_charge: terms.without_service_charge.then_some(true),
    }
}

fn terms_from_twin(twin: TermsV1) -> Said<Terms> {
    let what = Terms {
        consumption: if twin.dine_in == Some(true) { Consumption::DineIn } else { Consumption::TakeAway },
        discounts: twin.discounts.unwrap_or_default().into_iter().map(discount_from_twin).collect(),
        exempt: twin.exempt,
        without_service_charge: twin.without_service_charge == Some(true),
    };
    Said { turn: twin.turn, what }
}

fn encode_opened(opened: &TicketOpened) -> Result<Vec<u8>, WireError> {
    let twin = OpenedV1 {
        id: opened.id.to_bytes().into(),
        training: opened.class == TicketClass::Training,
        terminal: opened.terminal.to_string(),
        by: opened.by.map(StaffId::get),
    };
    to_bytes(&twin, OPENED)
}

fn encode_changed(changed: &TicketChanged) -> Result<Vec<u8>, WireError> {
    let void = |(line, reason): &(LineId, VoidReason)| VoidV1 {
        line: line.to_bytes().into(),
        reason: match reason {
            VoidReason::Mistake => ReasonV1::Mistake,
            VoidReason::Unwanted => ReasonV1::Unwanted,
            VoidReason::SoldOut => ReasonV1::SoldOut,
            VoidReason::Quality => ReasonV1::Quality,
            VoidReason::Other => ReasonV1::Other,
        },
    };
    let twin = ChangedV1 {
        id: changed.id.to_bytes().into(),
        added: changed.added.iter().map(line_to_twin).collect(),
        voided: changed.voided.iter().map(void).collect(),
        terms: changed.terms.as_ref().map(terms_to_twin),
        by: changed.by.map(StaffId::get),
        approval: changed.approval.as_ref().map(approval_to_twin),
    };
    to_bytes(&twin, CHANGED)
}

fn encode_moved(moved: &TicketMoved) -> Result<Vec<u8>, WireError> {
    let Said { turn, what: standing } = &moved.standing;
    let twin = MovedV1 {
        id: moved.id.to_bytes().into(),
        turn: *turn,
        held: standing.held,
        terminal: standing.terminal.to_string(),
        staff: standing.staff.map(StaffId::get),
        by: moved.by.map(StaffId::get),
    };
    to_bytes(&twin, MOVED)
}

fn encode_divided(divided: &TicketDivided) -> Result<Vec<u8>, WireError> {
    let went = |(was, line): &(LineId, OpenLine)| WentV1 { was: was.to_bytes().into(), line: line_to_twin(line) };
    let twin = DividedV1 {
        from: divided.from.to_bytes().into(),
        to: divided.to.to_bytes().into(),
        lines: divided.lines.iter().map(went).collect(),
        by: divided.by.map(StaffId::get),
    };
    to_bytes(&twin, DIVIDED)
}

fn encode_paid(paid: &PaymentTaken) -> Result<Vec<u8>, WireError> {
    let twin = PaidV1 {
        id: paid.id.to_bytes().into(),
        ticket: paid.ticket.to_bytes().into(),
        training: paid.class == TicketClass::Training,
        tender: tender_to_twin(&paid.tender),
        amount: paid.amount.get(),
        tip: paid.tip.get(),
        change: paid.change.get(),
        cash_rounding: paid.cash_rounding.get(),
        terminal: paid.terminal.to_string(),
        drawer: paid.drawer.map(|drawer| drawer.to_bytes().into()),
        by: paid.by.map(StaffId::get),
        approval: paid.approval.as_ref().map(approval_to_twin),
    };
    to_bytes(&twin, PAID)
}

pub(in crate::wire) fn encode(fact: &OpenFact) -> Result<Vec<u8>, WireError> {
    match fact {
        OpenFact::Opened(opened) => encode_opened(opened),
        OpenFact::Changed(changed) => encode_changed(changed),
        OpenFact::Moved(moved) => encode_moved(moved),
        OpenFact::Divided(divided) => encode_divided(divided),
        OpenFact::Abandoned(abandoned) => {
            let approval = abandoned.approval.as_ref().map(approval_to_twin);
            let twin = AbandonedV1 { id: abandoned.id.to_bytes().into(), by: abandoned.by.map(StaffId::get), approval };
            to_bytes(&twin, ABANDONED)
        }
        OpenFact::Paid(paid) => encode_paid(paid),
    }
}

pub(in crate::wire) fn decode_opened(bytes: &[u8]) -> Result<OpenFact, WireError> {
    let twin: OpenedV1 = from_bytes(bytes, OPENED)?;
    Ok(OpenFact::Opened(TicketOpened {
        id: TicketId::from_bytes(*twin.id),
        class: class(twin.training),
        terminal: terminal(&twin.terminal, OPENED)?,
        by: twin.by.map(StaffId::new),
    }))
}

pub(in crate::wire) fn decode_changed(bytes: &[u8]) -> Result<OpenFact, WireError> {
    let twin: ChangedV1 = from_bytes(bytes, CHANGED)?;
    let void = |twin: VoidV1| {
        let reason = match twin.reason {
            ReasonV1::Mistake => VoidReason::Mistake,
            ReasonV1::Unwanted => VoidReason::Unwanted,
            ReasonV1::SoldOut => VoidReason::SoldOut,
            ReasonV1::Quality => VoidReason::Quality,
            ReasonV1::Other => VoidReason::Other,
        };
        (LineId::from_bytes(*twin.line), reason)
    };
    Ok(OpenFact::Changed(TicketChanged {
        id: TicketId::from_bytes(*twin.id),
        added: twin.added.into_iter().map(line_from_twin).collect(),
        voided: twin.voided.into_iter().map(void).collect(),
        terms: twin.terms.map(terms_from_twin),
        by: twin.by.map(StaffId::new),
        approval: twin.approval.map(approval_from_twin),
    }))
}

pub(in crate::wire) fn decode_moved(bytes: &[u8]) -> Result<OpenFact, WireError> {
    let twin: MovedV1 = from_bytes(bytes, MOVED)?;
    let what =
        Standing { held: twin.held, terminal: terminal(&twin.terminal, MOVED)?, staff: twin.staff.map(StaffId::new) };
    Ok(OpenFact::Moved(TicketMoved {
        id: TicketId::from_bytes(*twin.id),
        standing: Said { turn: twin.turn, what },
        by: twin.by.map(StaffId::new),
    }))
}

pub(in crate::wire) fn decode_divided(bytes: &[u8]) -> Result<OpenFact, WireError> {
    let twin: DividedV1 = from_bytes(bytes, DIVIDED)?;
    let went = |twin: WentV1| (LineId::from_bytes(*twin.was), line_from_twin(twin.line));
    Ok(OpenFact::Divided(TicketDivided {
        from: TicketId::from_bytes(*twin.from),
        to: TicketId::from_bytes(*twin.to),
        lines: twin.lines.into_iter().map(went).collect(),
        by: twin.by.map(StaffId::new),
    }))
}

pub(in crate::wire) fn decode_abandoned(bytes: &[u8]) -> Result<OpenFact, WireError> {
    let twin: AbandonedV1 = from_bytes(bytes, ABANDONED)?;
    let (id, by) = (TicketId::from_bytes(*twin.id), twin.by.map(StaffId::new));
    Ok(OpenFact::Abandoned(TicketAbandoned { id, by, approval: twin.approval.map(approval_from_twin) }))
}

pub(in crate::wire) fn decode_paid(bytes: &[u8]) -> Result<OpenFact, WireError> {
    let twin: PaidV1 = from_bytes(bytes, PAID)?;
    Ok(OpenFact::Paid(PaymentTaken {
        id: PaymentId::from_bytes(*twin.id),
        ticket: TicketId::from_bytes(*twin.ticket),
        class: class(twin.training),
        tender: tender_from_twin(twin.tender)?,
        amount: Minor::new(twin.amount),
        tip: Minor::new(twin.tip),
        change: Minor::new(twin.change),
        cash_rounding: Minor::new(twin.cash_rounding),
        terminal: terminal(&twin.terminal, PAID)?,
        drawer: twin.drawer.map(|drawer| DrawerSessionId::from_bytes(*drawer)),
        by: twin.by.map(StaffId::new),
        approval: twin.approval.map(approval_from_twin),
    }))
}
