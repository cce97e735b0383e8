//! Golden bytes of every fact, and what happens when a newer program adds to one.

use crate::domain::cash::reading::{DiscountSums, HourSum, ReadingSums, RefundSums, TaxSum};
use crate::domain::cash::{
    CarriedDrawer, CashMoved, CashMovementKind, CashReason, CountedDrawer, DayClosed, Denomination, DrawerClosed,
    DrawerOpened, OpenTickets, ReadRange,
};
use crate::domain::catalog::rules::{Consumption, RuleKey, TaxBasis};
use crate::domain::catalog::{CatalogEvent, Category, Item, ItemDetails, Revision, StockItem, TaxClass, Use};
use crate::domain::event::{ClockQuality, Event, Header, LifeBegan, LifeReason, StoreDescribed};
use crate::domain::imports::{ImportAmended, ImportedLine, LegacyItem, TicketImported};
use crate::domain::staff::StaffLocked;
use crate::domain::staff::approvals::Approval;
use crate::domain::staff::roles::Act;
use crate::domain::stock::{MovementLine, MovementReason, StockMoved};
use crate::domain::tickets::refund::{RefundReason, RefundedLine, TicketRefunded};
use crate::domain::tickets::tender::{Tender, TenderKind};
use crate::domain::tickets::{
    ApprovedAct, GivenDiscount, LineReduction, ReductionCause, SeriesOpened, ServiceCharged, SoldExtra, SoldLine,
    TaxLine, TicketClass, TicketDetails, TicketSold, Totals,
};
use crate::hlc::Hlc;
use crate::ids::{
    CashMovementId, CategoryId, ComboId, DiscountId, DrawerSessionId, ItemId, ModifierId, MovementId, NodeId, RefundId,
    RuleId, StaffId, StockItemId, StoreId, TaxClassId, TicketId,
};
use crate::journal::{AuthorId, Incarnation, JournalId, Origin, ShortHash, StreamKind};
use crate::money::{Currency, MicroRate, Minor};
use crate::quantity::{Quantity, Unit};
use crate::time::{BusinessDay, UtcMillis};
use crate::wire::event::{EventError, Recorded, decode, encode, origin, reissue};

fn header() -> Header {
    let hlc = Hlc::default().tick(UtcMillis::new(1_795_000_000_000));
    Header {
        store: StoreId::new(1),
        at: hlc.millis(),
        hlc,
        business_day: BusinessDay::from_days(20_775),
        clock: ClockQuality::Good,
        zone: "America/New_York".to_owned(),
    }
}

pub(super) fn sold() -> Event {
    Event::TicketSold(plain_sale())
}

/// A sale with all that most sales have none of.
fn sold_with_everything() -> Event {
    let mut sale = plain_sale();
    let cause = |cause, amount| LineReduction { cause, amount: Minor::new(amount) };
    sale.lines[0].extras = vec![SoldExtra { modifier: ModifierId::new(7), count: 2, price: Minor::new(-50) }];
    sale.lines[0].menu_price = Some(Minor::new(350));
    sale.lines[0].reductions = vec![
        cause(ReductionCause::Combo(ComboId::new(3)), 20),
        cause(ReductionCause::HappyHour(RuleId::new(4)), 30),
        cause(ReductionCause::Given(0), 40),
    ];
    let tax_class = Some(TaxClassId::new(1));
    sale.details = TicketDetails {
        consumption: Consumption::DineIn,
        discounts: vec![GivenDiscount {
            discount: Some(DiscountId::new(5)),
            line: Some(0),
            reason: Some("spilt".to_owned()),
            amount: Minor::new(40),
            approval: true,
        }],
        service_charge: Some(ServiceCharged { rule: RuleId::new(6), tax_class, amount: Minor::new(90) }),
        tax_basis: TaxBasis::Line,
        exempt: Some("embassy".to_owned()),
        tip: Minor::new(100),
        cash_rounding: Minor::new(-2),
        approvals: vec![ApprovedAct {
            act: Act::Discount,
            approval: Approval { by: StaffId::new(2), reason: "spilt".to_owned() },
        }],
        payments_before: Vec::new(),
        was_open: false,
    };
    Event::TicketSold(sale)
}

fn plain_sale() -> TicketSold {
    TicketSold {
        id: TicketId::sold(1_795_000_000_000, 11, "key"),
        class: TicketClass::Sale,
        receipt: "T1-A-17".parse().unwrap(),
        currency: Currency::USD,
        catalog_revision: 3,
        lines: vec![SoldLine {
            item: ItemId::new(101),
            category: CategoryId::new(1),
            tax_class: TaxClassId::new(1),
            quantity: 2,
            unit_price: Minor::new(300),
            total: Minor::new(600),
            menu_price: None,
            extras: Vec::new(),
            reductions: Vec::new(),
        }],
        taxes: vec![TaxLine {
            tax_class: TaxClassId::new(1),
            rate: MicroRate::new(89_000),
            base: Minor::new(600),
            tax: Minor::new(53),
        }],
        totals: Totals { net: Minor::new(600), tax: Minor::new(53), total: Minor::new(653) },
        tenders: vec![
            Tender {
                kind: TenderKind::CardExternal { reference: Some("AUTH 1".to_owned()), last_four: None },
                amount: Minor::new(600),
            },
            Tender { kind: TenderKind::Cash, amount: Minor::new(100) },
        ],
        change: Minor::new(47),
        stock_effects: vec![MovementLine { stock_item: StockItemId::new(1), quantity: Quantity::new(-36_000) }],
        details: TicketDetails::default(),
        sold_by: Some(StaffId::new(7)),
        drawer: None,
    }
}

fn imported_line() -> ImportedLine {
    ImportedLine {
        row: "114301".to_owned(),
        item: LegacyItem { id: "45".to_owned(), name: "Peppermint Lg".to_owned(), category: "Tea".to_owned() },
        quantity: 1,
        unit_price: Minor::new(300),
    }
}

fn catalog_events() -> Vec<(&'static str, &'static str, Event)> {
    let item = Item {
        id: ItemId::new(101),
        name: "Espresso".to_owned(),
        category: CategoryId::new(1),
        tax_class: TaxClassId::new(1),
        price: Minor::new(300),
        uses: vec![Use { stock_item: StockItemId::new(1), quantity: Quantity::new(18_000) }],
        details: ItemDetails::default(),
    };
    let class = TaxClass { id: TaxClassId::new(1), name: "Prepared".to_owned(), rate: MicroRate::new(89_000) };
    let stock = StockItem { id: StockItemId::new(1), name: "Beans".to_owned(), unit: Unit::Milligram };
    let revision = Revision { number: 1, currency: Currency::USD, item_count: 1, rule_count: 0, stores: Vec::new() };
    [
        (
            "category_set",
            include_str!("golden/category_set.hex"),
            CatalogEvent::CategorySet(Category { id: CategoryId::new(1), name: "Espresso".to_owned(), station: None }),
        ),
        ("tax_class_set", include_str!("golden/tax_class_set.hex"), CatalogEvent::TaxClassSet(class)),
        ("stock_item_set", include_str!("golden/stock_item_set.hex"), CatalogEvent::StockItemSet(stock)),
        ("item_set", include_str!("golden/item_set.hex"), CatalogEvent::ItemSet(item)),
        ("item_retired", include_str!("golden/item_retired.hex"), CatalogEvent::ItemRetired(ItemId::new(101))),
        (
            "revision_published",
            include_str!("golden/revision_published.hex"),
            CatalogEvent::RevisionPublished(revision),
        ),
        (
            "rule_retired",
            include_str!("golden/rule_retired.hex"),
            CatalogEvent::RuleRetired(RuleKey::HappyHour(RuleId::new(4))),
        ),
        (
            "item_set_whole",
            include_str!("golden/item_set_whole.hex"),
            CatalogEvent::ItemSet(super::rule_tests::whole_item()),
        ),
        (
            "category_set_with_a_station",
            include_str!("golden/category_set_with_a_station.hex"),
            CatalogEvent::CategorySet(Category {
                id: CategoryId::new(1),
                name: "Espresso".to_owned(),
                station: Some("bar".parse().unwrap()),
            }),
        ),
        (
            "item_set_with_a_station",
            include_str!("golden/item_set_with_a_station.hex"),
            CatalogEvent::ItemSet(super::rule_tests::item_with_a_station()),
        ),
    ]
    .into_iter()
    .map(|(name, golden, event)| (name, golden, Event::Catalog(event)))
    .collect()
}

fn sold_into_a_drawer() -> Event {
    let Event::TicketSold(sold) = sold() else { unreachable!("it is a sale") };
    Event::TicketSold(TicketSold { drawer: Some(drawer()), ..sold })
}

fn drawer() -> DrawerSessionId {
    DrawerSessionId::opened(1_795_000_000_000, 11, "drawer")
}

pub(super) fn day_closed() -> Event {
    let sums = ReadingSums {
        tickets: 1,
        net: 600,
        tax: 53,
        gross: 653,
        taxes: [(TaxClassId::new(1), TaxSum { base: 600, tax: 53 })].into(),
        tenders: [("card_external".to_owned(), 600), ("cash".to_owned(), 53)].into(),
        hours: [(7, HourSum { tickets: 1, gross: 653 })].into(),
        no_drawer: 53,
        paid_in: 500,
        paid_out: 200,
        dropped: 4_000,
        no_sales: 1,
        drawers_closed: 1,
        difference: -135,
        ..ReadingSums::default()
    };
    Event::DayClosed(day_closed_with(sums))
}

fn day_closed_with(sums: ReadingSums) -> DayClosed {
    let terminal = || "T1".parse().unwrap();
    let (expected, counted) = (Minor::new(9_000), Minor::new(8_865));
    DayClosed {
        number: "A-17".parse().unwrap(),
        ranges: vec![ReadRange { incarnation: Incarnation::new(7), from: 121, to: 240 }],
        late: 0,
        currency: Currency::USD,
        sums,
        drawers: vec![CountedDrawer { session: drawer(), terminal: terminal(), expected, counted }],
        carried: vec![CarriedDrawer { session: drawer(), terminal: terminal() }],
        open_tickets: OpenTickets::default(),
        head: ShortHash::from_bytes([0xab; 8]),
        by: Some(StaffId::new(2)),
        approval: None,
    }
}

/// A reading with all that most have none of.
fn day_closed_with_everything() -> Event {
    let sums = ReadingSums {
        tickets: 3,
        people: [
            (None, HourSum { tickets: 1, gross: 653 }),
            (Some(StaffId::new(7)), HourSum { tickets: 2, gross: -100 }),
        ]
        .into(),
        refunds: RefundSums { count: 1, net: 300, tax: 27, gross: 327 },
        discounts: DiscountSums { given: 40, happy_hours: 30, sets: 20 },
        service_charges: 90,
        tips: 100,
        cash_rounding: -2,
        ..ReadingSums::default()
    };
    Event::DayClosed(day_closed_with(sums))
}

fn refunded() -> TicketRefunded {
    TicketRefunded {
        id: RefundId::refunded(1_795_000_000_000, 11, "key"),
        ticket: TicketId::sold(1_795_000_000_000, 11, "key"),
        class: TicketClass::Sale,
        receipt: "T1-A-18".parse().unwrap(),
        currency: Currency::USD,
        reason: RefundReason::Quality,
        lines: vec![RefundedLine {
            line: 0,
            item: ItemId::new(101),
            category: CategoryId::new(1),
            tax_class: TaxClassId::new(1),
            quantity: 1,
            net: Minor::new(300),
            restock: false,
        }],
        service_charge: Minor::ZERO,
        taxes: vec![TaxLine {
            tax_class: TaxClassId::new(1),
            rate: MicroRate::new(89_000),
            base: Minor::new(300),
            tax: Minor::new(27),
        }],
        totals: Totals { net: Minor::new(300), tax: Minor::new(27), total: Minor::new(327) },
        tip: Minor::ZERO,
        cash_rounding: Minor::ZERO,
        tenders: vec![Tender { kind: TenderKind::Cash, amount: Minor::new(327) }],
        stock_effects: Vec::new(),
        by: None,
        seller: None,
        approval: None,
        drawer: None,
    }
}

/// A refund with all that most have none of.
fn refunded_with_everything() -> TicketRefunded {
    let mut refund = refunded();
    refund.lines[0].restock = true;
    TicketRefunded {
        service_charge: Minor::new(45),
        tip: Minor::new(100),
        cash_rounding: Minor::new(-2),
        stock_effects: vec![MovementLine { stock_item: StockItemId::new(1), quantity: Quantity::new(18_000) }],
        by: Some(StaffId::new(7)),
        seller: Some(StaffId::new(8)),
        approval: Some(Approval { by: StaffId::new(9), reason: "cold".to_owned() }),
        drawer: Some(drawer()),
        ..refund
    }
}

fn cash_events() -> Vec<(&'static str, &'static str, Event)> {
    let by = Some(StaffId::new(4));
    let terminal = || "T1".parse().unwrap();
    let moved = CashMoved {
        id: CashMovementId::moved(1_795_000_000_000, 11, "key"),
        session: drawer(),
        kind: CashMovementKind::PayOut,
        amount: Minor::new(200),
        reason: CashReason::Supplies,
        by,
        approval: Some(StaffId::new(2)),
        beyond_expected: false,
    };
    let closed = DrawerClosed {
        session: drawer(),
        terminal: terminal(),
        counted: Minor::new(8_865),
        denominations: vec![Denomination { value: Minor::new(5), count: 1_773 }],
        expected: Minor::new(9_000),
        by,
    };
    let opened = DrawerOpened { session: drawer(), terminal: terminal(), float: Minor::new(10_000), by };
    let approval = Some(Approval { by: StaffId::new(9), reason: "end of the day".to_owned() });
    let approved = DayClosed { approval, ..day_closed_with(ReadingSums::default()) };
    vec![
        ("ticket_sold_into_a_drawer", include_str!("golden/ticket_sold_into_a_drawer.hex"), sold_into_a_drawer()),
        ("drawer_opened", include_str!("golden/drawer_opened.hex"), Event::DrawerOpened(opened)),
        ("cash_moved", include_str!("golden/cash_moved.hex"), Event::CashMoved(moved)),
        ("drawer_closed", include_str!("golden/drawer_closed.hex"), Event::DrawerClosed(closed)),
        ("day_closed", include_str!("golden/day_closed.hex"), day_closed()),
        ("day_closed_whole", include_str!("golden/day_closed_whole.hex"), day_closed_with_everything()),
        ("day_closed_approved", include_str!("golden/day_closed_approved.hex"), Event::DayClosed(approved)),
        ("ticket_refunded", include_str!("golden/ticket_refunded.hex"), Event::TicketRefunded(refunded())),
        (
            "ticket_refunded_whole",
            include_str!("golden/ticket_refunded_whole.hex"),
            Event::TicketRefunded(refunded_with_everything()),
        ),
    ]
}

/// One of every kind, with its golden file.
fn specimens() -> Vec<(&'static str, &'static str, Event)> {
    let id = TicketId::imported("maven", StoreId::new(3), "114301");
    let source = || "maven".to_owned();
    let mut all = vec![
        ("ticket_sold", include_str!("golden/ticket_sold.hex"), sold()),
        ("ticket_sold_whole", include_str!("golden/ticket_sold_whole.hex"), sold_with_everything()),
        (
            "series_opened",
            include_str!("golden/series_opened.hex"),
            Event::SeriesOpened(SeriesOpened { terminal: "T1".parse().unwrap(), series: "A".parse().unwrap() }),
        ),
        (
            "ticket_imported",
            include_str!("golden/ticket_imported.hex"),
            Event::TicketImported(TicketImported {
                id,
                source: source(),
                currency: Currency::USD,
                lines: vec![imported_line()],
            }),
        ),
        (
            "import_amended",
            include_str!("golden/import_amended.hex"),
            Event::ImportAmended(ImportAmended {
                id,
                source: source(),
                currency: Currency::USD,
                lines: vec![imported_line()],
            }),
        ),
        (
            "stock_moved",
            include_str!("golden/stock_moved.hex"),
            Event::StockMoved(StockMoved {
                id: MovementId::moved(1_795_000_000_000, 11, "key"),
                reason: MovementReason::Received,
                lines: vec![MovementLine { stock_item: StockItemId::new(1), quantity: Quantity::new(1_000_000) }],
                by: Some(StaffId::new(8)),
                approval: Some(Approval { by: StaffId::new(7), reason: "counted".to_owned() }),
            }),
        ),
        (
            "store_described",
            include_str!("golden/store_described.hex"),
            Event::StoreDescribed(StoreDescribed {
                name: "Virginia-Highland".to_owned(),
                zone: "America/New_York".to_owned(),
                cutover_hour: 4,
                currency: Currency::USD,
            }),
        ),
    ];
    let began = LifeBegan { parent: Some(Incarnation::new(7)), reason: LifeReason::Forked };
    all.push(("life_began", include_str!("golden/life_began.hex"), Event::LifeBegan(began)));
    let locked = StaffLocked {
        staff: Some(StaffId::new(7)),
        terminal: Some("T1".parse().unwrap()),
        wrong: 5,
        until: UtcMillis::new(1_795_000_030_000),
    };
    all.push(("staff_locked", include_str!("golden/staff_locked.hex"), Event::StaffLocked(locked)));
    all.extend(cash_events());
    all.extend(super::open_ticket_tests::specimens());
    all.extend(super::tenders::specimens(plain_sale()));
    all.push(super::tips::specimen());
    all.extend(catalog_events());
    let rule = |rule| Event::Catalog(CatalogEvent::RuleSet(Box::new(rule)));
    all.extend(super::rule_tests::rules().into_iter().map(|(name, golden, one)| (name, golden, rule(one))));
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn golden_bytes_of_every_fact() {
    // Goal: no released program ever meets bytes it cannot read. Method: freeze one specimen of each kind.
    let mut changed = Vec::new();
    for (name, golden, event) in specimens() {
        let bytes = encode(&header(), &event, None).unwrap();
        if hex(&bytes) != golden.trim() {
            changed.push(format!("{name} {}", hex(&bytes)));
        }
    }
    assert!(changed.is_empty(), "the wire has changed:\n{}", changed.join("\n"));
}

/// A place in an earlier life.
fn elsewhere() -> Origin {
    let journal = JournalId {
        author: AuthorId::node(NodeId::new(11)),
        incarnation: Incarnation::new(7),
        stream: StreamKind::Sales,
    };
    let head = journal.genesis().after(b"first");
    Origin { incarnation: journal.incarnation, seq: head.seq, id: head.hash.event_id() }
}

#[test]
fn an_event_that_is_written_again_tells_the_same_fact_and_where_it_was_first_written() {
    let mut past = header();
    past.at = UtcMillis::new(1_672_574_771_000);
    let first = encode(&past, &sold(), None).unwrap();
    let (later, latest) =
        (past.hlc.tick(UtcMillis::new(1_795_000_100_000)), past.hlc.tick(UtcMillis::new(1_796_000_000_000)));
    let head = JournalId {
        author: AuthorId::node(NodeId::new(11)),
        incarnation: Incarnation::new(7),
        stream: StreamKind::Sales,
    }
    .genesis()
    .after(&first);
    let (again, place) = reissue(&first, (Incarnation::new(7), head.seq, head.hash), later).unwrap();
    assert_eq!(place, Origin { incarnation: Incarnation::new(7), seq: 1, id: head.hash.event_id() });
    let expected = Recorded { header: Header { hlc: later, ..past.clone() }, event: sold(), origin: Some(place) };
    assert_eq!(decode(&again).unwrap(), expected);
    assert_eq!((origin(&first), origin(&again)), (Ok(None), Ok(Some(place))));
    // A second repair keeps the first place.
    let (third, kept) = reissue(&again, (Incarnation::new(8), 5, head.after(&again).hash), latest).unwrap();
    assert_eq!((kept, decode(&third).unwrap().header.at), (place, past.at));
}

#[test]
fn an_event_of_a_newer_program_can_be_written_again_too() {
    let mut newer = encode(&header(), &sold(), None).unwrap();
    newer[2] = 2;
    assert!(decode(&newer).is_err());
    let head = elsewhere();
    let genesis = JournalId {
        author: AuthorId::node(NodeId::new(11)),
        incarnation: Incarnation::new(7),
        stream: StreamKind::Sales,
    }
    .genesis();
    let (again, _) = reissue(&newer, (Incarnation::new(7), 1, genesis.after(&newer).hash), header().hlc).unwrap();
    assert!(matches!(decode(&again), Err(EventError::Unknown { number: 1, version: 2 })));
    assert_ne!(origin(&again).unwrap().unwrap().id, head.id);
    assert!(reissue(b"garbage", (Incarnation::new(7), 1, genesis.hash), header().hlc).is_err());
}

#[test]
fn every_fact_round_trips() {
    for (name, _golden, event) in specimens() {
        for origin in [None, Some(elsewhere())] {
            let bytes = encode(&header(), &event, origin).unwrap();
            let recorded = Recorded { header: header(), event: event.clone(), origin };
            assert_eq!(decode(&bytes).unwrap(), recorded, "{name}");
        }
    }
}

#[test]
fn a_sale_of_before_people_signed_in_and_rates_were_told_is_read() {
    let before: Vec<u8> = include_str!("golden/ticket_sold_by_nobody.hex")
        .trim()
        .as_bytes()
        .chunks(2)
        .map(|digits| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap())
        .collect();
    let mut expected = TicketSold { sold_by: None, ..plain_sale() };
    expected.taxes[0].rate = MicroRate::new(0);
    assert_eq!(decode(&before).unwrap().event, Event::TicketSold(expected));
}

#[test]
fn a_live_sale_is_small() {
    // What stands behind the wire budget: header and payload of a one-line sale.
    let bytes = encode(&header(), &sold(), None).unwrap();
    assert!(bytes.len() <= 150, "{} bytes", bytes.len());
}

#[test]
fn at_and_recording_time_may_differ() {
    let mut past = header();
    past.at = UtcMillis::new(1_672_574_771_000);
    let bytes = encode(&past, &sold(), None).unwrap();
    assert_eq!(decode(&bytes).unwrap().header, past);
}

#[test]
fn a_field_that_a_newer_program_added_is_skipped() {
    #[derive(minicbor::Encode)]
    struct SeriesOpenedNewer(#[n(0)] &'static str, #[n(1)] &'static str, #[n(2)] u32);
    let newer = minicbor::to_vec(SeriesOpenedNewer("T1", "A", 99)).unwrap();
    let read = super::tickets::decode_series(&newer).unwrap();
    assert_eq!(read, SeriesOpened { terminal: "T1".parse().unwrap(), series: "A".parse().unwrap() });
}

#[test]
fn a_business_day_that_is_in_no_calendar_is_not_read() {
    for (days, lawful) in [(-719_163, true), (2_932_897, true), (i32::MIN, false), (i32::MAX, false)] {
        let header = Header { business_day: BusinessDay::from_days(days), ..header() };
        let bytes = encode(&header, &sold(), None).unwrap();
        assert_eq!(decode(&bytes).is_ok(), lawful, "{days}");
    }
}

#[test]
fn an_unknown_type_or_version_is_told_from_garbage() {
    let bytes = encode(&header(), &sold(), None).unwrap();
    let mut newer_version = bytes.clone();
    // Array header, type number, type version: one byte each.
    newer_version[2] = 2;
    assert!(matches!(decode(&newer_version), Err(EventError::Unknown { number: 1, version: 2 })));
    let mut newer_type = bytes.clone();
    newer_type[1] = 19;
    assert!(matches!(decode(&newer_type), Err(EventError::Unknown { number: 19, version: 1 })));
    assert!(matches!(decode(&bytes[..bytes.len() - 1]), Err(EventError::Malformed(_))));
    assert!(matches!(decode(b"garbage"), Err(EventError::Malformed(_))));
}
