//! Specimens of the facts of open tickets, and of what a sale and a close say of them.

use super::tests::{day_closed, sold};
use crate::domain::cash::{DayClosed, OpenTickets};
use crate::domain::catalog::rules::{Consumption, Reduction};
use crate::domain::event::Event;
use crate::domain::pricing::cart::{AskedDiscount, CartLine, DiscountAsked, Extra, InCombo};
use crate::domain::staff::approvals::Approval;
use crate::domain::tickets::open::{
    OpenFact, OpenLine, PaymentTaken, Said, Standing, Terms, TicketAbandoned, TicketChanged, TicketDivided,
    TicketMoved, TicketOpened, VoidReason,
};
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::domain::tickets::{PaymentBefore, SoldExtra, SoldLine, TicketClass, TicketDetails, TicketSold};
use crate::ids::{
    CategoryId, ComboId, DiscountId, DrawerSessionId, ItemId, LineId, ModifierId, PaymentId, StaffId, TaxClassId,
    TicketId,
};
use crate::money::{MicroRate, Minor};

const AT_MS: i64 = 1_795_000_000_000;

fn ticket(key: &str) -> TicketId {
    TicketId::sold(AT_MS, 11, key)
}

fn line(place: u32) -> OpenLine {
    let extra = Extra { modifier: ModifierId::new(7), count: 2 };
    let free = |reduction| AskedDiscount { what: DiscountAsked::Free(reduction), reason: Some("spilt".to_owned()) };
    OpenLine {
        id: LineId::asked(11, "key", place),
        place,
        asked: CartLine {
            item: ItemId::new(101),
            quantity: 2,
            extras: vec![extra],
            price: Some(Minor::new(280)),
            combo: Some(InCombo { combo: ComboId::new(3), instance: 1, slot: 0 }),
            discounts: vec![
                free(Reduction::Percent(MicroRate::new(100_000))),
                free(Reduction::Amount(Minor::new(20))),
                AskedDiscount { what: DiscountAsked::Menu(DiscountId::new(5)), reason: None },
            ],
        },
        listed: SoldLine {
            item: ItemId::new(101),
            category: CategoryId::new(1),
            tax_class: TaxClassId::new(1),
            quantity: 2,
            unit_price: Minor::new(380),
            total: Minor::new(760),
            menu_price: Some(Minor::new(300)),
            extras: vec![SoldExtra { modifier: ModifierId::new(7), count: 2, price: Minor::new(50) }],
            reductions: Vec::new(),
        },
    }
}

fn payment() -> PaymentTaken {
    PaymentTaken {
        id: PaymentId::taken(AT_MS, 11, "part"),
        ticket: ticket("open"),
        class: TicketClass::Sale,
        tender: Tender { kind: TenderKind::Cash, amount: Minor::new(500) },
        amount: Minor::new(400),
        tip: Minor::new(50),
        change: Minor::new(48),
        cash_rounding: Minor::new(2),
        terminal: "T1".parse().unwrap(),
        drawer: Some(DrawerSessionId::opened(AT_MS, 11, "drawer")),
        by: Some(StaffId::new(4)),
        approval: None,
    }
}

fn changed() -> TicketChanged {
    let terms = Terms {
        consumption: Consumption::DineIn,
        discounts: vec![AskedDiscount { what: DiscountAsked::Menu(DiscountId::new(5)), reason: None }],
        exempt: Some("charity".to_owned()),
        without_service_charge: true,
    };
    let reasons =
        [VoidReason::Mistake, VoidReason::Unwanted, VoidReason::SoldOut, VoidReason::Quality, VoidReason::Other];
    TicketChanged {
        id: ticket("open"),
        added: vec![line(0)],
        voided: (10..).zip(reasons).map(|(place, reason)| (LineId::asked(11, "key", place), reason)).collect(),
        terms: Some(Said { turn: 3, what: terms }),
        by: Some(StaffId::new(4)),
        approval: None,
    }
}

/// What the kitchen had was taken off, and left.
fn approved() -> [(&'static str, &'static str, Event); 2] {
    let approval = Some(Approval { by: StaffId::new(7), reason: "spilt".to_owned() });
    let voided = TicketChanged { added: Vec::new(), terms: None, approval: approval.clone(), ..changed() };
    let abandoned = TicketAbandoned { id: voided.id, by: voided.by, approval };
    [
        (
            "ticket_changed_with_an_approval",
            include_str!("golden/ticket_changed_with_an_approval.hex"),
            Event::OpenTicket(OpenFact::Changed(voided)),
        ),
        (
            "ticket_abandoned_with_an_approval",
            include_str!("golden/ticket_abandoned_with_an_approval.hex"),
            Event::OpenTicket(OpenFact::Abandoned(abandoned)),
        ),
    ]
}

pub(super) fn specimens() -> Vec<(&'static str, &'static str, Event)> {
    let (id, by) = (ticket("open"), Some(StaffId::new(4)));
    let terminal = || "T1".parse().unwrap();
    let standing = Said { turn: 4, what: Standing { held: true, terminal: terminal(), staff: by } };
    let divided =
        TicketDivided { from: id, to: ticket("other"), lines: vec![(LineId::asked(11, "key", 0), line(1))], by };
    let Event::TicketSold(sold) = sold() else { unreachable!("it is a sale") };
    let before = PaymentBefore { id: payment().id, amount: Minor::new(400) };
    let details = TicketDetails { payments_before: vec![before], was_open: true, ..TicketDetails::default() };
    let Event::DayClosed(day) = day_closed() else { unreachable!("it is a close") };
    let open_tickets = OpenTickets { count: 1, first: vec![id] };
    let mut all = vec![
        (
            "ticket_opened",
            include_str!("golden/ticket_opened.hex"),
            Event::OpenTicket(OpenFact::Opened(TicketOpened {
                id,
                class: TicketClass::Training,
                terminal: terminal(),
                by,
            })),
        ),
        ("ticket_changed", include_str!("golden/ticket_changed.hex"), Event::OpenTicket(OpenFact::Changed(changed()))),
        (
            "ticket_moved",
            include_str!("golden/ticket_moved.hex"),
            Event::OpenTicket(OpenFact::Moved(TicketMoved { id, standing, by })),
        ),
        ("ticket_divided", include_str!("golden/ticket_divided.hex"), Event::OpenTicket(OpenFact::Divided(divided))),
        (
            "ticket_abandoned",
            include_str!("golden/ticket_abandoned.hex"),
            Event::OpenTicket(OpenFact::Abandoned(TicketAbandoned { id, by, approval: None })),
        ),
        ("payment_taken", include_str!("golden/payment_taken.hex"), Event::OpenTicket(OpenFact::Paid(payment()))),
        (
            "ticket_sold_after_it_was_open",
            include_str!("golden/ticket_sold_after_it_was_open.hex"),
            Event::TicketSold(TicketSold { details, ..sold }),
        ),
        (
            "day_closed_over_open_tickets",
            include_str!("golden/day_closed_over_open_tickets.hex"),
            Event::DayClosed(DayClosed { open_tickets, ..day }),
        ),
    ];
    all.extend(approved());
    all
}
