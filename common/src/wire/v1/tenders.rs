//! Twins of the facts about payments.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::staff::{ApprovalV1, approval_from_twin, approval_to_twin};
use super::tickets::terminal;
use super::{from_bytes, to_bytes};
use crate::domain::tenders::card::{CardSettled, Settled};
use crate::domain::tenders::exchange::Exchange;
use crate::ids::{CardPaymentId, DrawerSessionId, RefundId, StaffId, TicketId};
use crate::money::Minor;
use crate::wire::WireError;

const SETTLED: &str = "settled card payment";

#[derive(Encode, Decode)]
#[cbor(index_only)]
enum SettledV1 {
    #[n(0)]
    Forwarded,
    #[n(1)]
    Lost,
    #[n(2)]
    Reversed,
    #[n(3)]
    Exchanged,
    #[n(4)]
    Credited,
    #[n(5)]
    Owed,
}

#[derive(Encode, Decode)]
struct ExchangeV1 {
    #[n(0)]
    cash: i64,
    #[n(1)]
    terminal: String,
    #[n(2)]
    drawer: Option<ByteArray<16>>,
    #[n(3)]
    by: Option<u32>,
    #[n(4)]
    approval: Option<ApprovalV1>,
}

#[derive(Encode, Decode)]
struct CardSettledV1 {
    #[n(0)]
    payment: ByteArray<16>,
    #[n(1)]
    amount: i64,
    #[n(2)]
    settled: SettledV1,
    #[n(3)]
    ticket: Option<ByteArray<16>>,
    #[n(4)]
    reference: Option<String>,
    #[n(5)]
    exchange: Option<ExchangeV1>,
    #[n(6)]
    refund: Option<ByteArray<16>>,
}

fn exchange_twin(exchange: &Exchange) -> ExchangeV1 {
    ExchangeV1 {
        cash: exchange.cash.get(),
        terminal: exchange.terminal.to_string(),
        drawer: exchange.drawer.map(|drawer| drawer.to_bytes().into()),
        by: exchange.by.map(StaffId::get),
        approval: exchange.approval.as_ref().map(approval_to_twin),
    }
}

fn exchange_of_twin(twin: ExchangeV1) -> Result<Exchange, WireError> {
    Ok(Exchange {
        cash: Minor::new(twin.cash),
        terminal: terminal(&twin.terminal, SETTLED)?,
        drawer: twin.drawer.map(|drawer| DrawerSessionId::from_bytes(*drawer)),
        by: twin.by.map(StaffId::new),
        approval: twin.approval.map(approval_from_twin),
    })
}

pub(in crate::wire) fn encode_settled(fact: &CardSettled) -> Result<Vec<u8>, WireError> {
    let twin = CardSettledV1 {
        payment: fact.payment.to_bytes().into(),
        amount: fact.amount.get(),
        settled: match fact.settled {
            Settled::Forwarded => SettledV1::Forwarded,
            Settled::Lost => SettledV1::Lost,
            Settled::Reversed => SettledV1::Reversed,
            Settled::Exchanged => SettledV1::Exchanged,
            Settled::Credited => SettledV1::Credited,
            Settled::Owed => SettledV1::Owed,
        },
        ticket: fact.ticket.map(|ticket| ticket.to_bytes().into()),
        reference: fact.reference.clone(),
        exchange: fact.exchange.as_ref().map(exchange_twin),
        refund: fact.refund.map(|refund| refund.to_bytes().into()),
    };
    to_bytes(&twin, SETTLED)
}

pub(in crate::wire) fn decode_settled(bytes: &[u8]) -> Result<CardSettled, WireError> {
    let twin: CardSettledV1 = from_bytes(bytes, SETTLED)?;
    Ok(CardSettled {
        payment: CardPaymentId::from_bytes(*twin.payment),
        amount: Minor::new(twin.amount),
        settled: match twin.settled {
            SettledV1::Forwarded => Settled::Forwarded,
            SettledV1::Lost => Settled::Lost,
            SettledV1::Reversed => Settled::Reversed,
            SettledV1::Exchanged => Settled::Exchanged,
            SettledV1::Credited => Settled::Credited,
            SettledV1::Owed => Settled::Owed,
        },
        ticket: twin.ticket.map(|ticket| TicketId::from_bytes(*ticket)),
        reference: twin.reference,
        exchange: twin.exchange.map(exchange_of_twin).transpose()?,
        refund: twin.refund.map(|refund| RefundId::from_bytes(*refund)),
    })
}

/// Specimens of what is said of cards, with their golden files.
#[cfg(test)]
pub(super) fn specimens(
    sale: crate::domain::tickets::TicketSold,
) -> [(&'static str, &'static str, crate::domain::event::Event); 5] {
    use crate::domain::event::Event;
    use crate::domain::staff::approvals::Approval;
    use crate::domain::tickets::TicketSold;
    use crate::domain::tickets::tender::{Tender, TenderKind};

    let payment = CardPaymentId::asked(1_795_000_000_000, 11, "card");
    let (last_four, reference) = ("0042".parse().ok(), Some("R 1".to_owned()));
    let external = TenderKind::CardExternal { reference: None, last_four };
    let card = TenderKind::Card { payment, reference: reference.clone(), last_four, stored: false };
    let (amount, ticket) = (Minor::new(600), Some(sale.id));
    let tenders = vec![Tender { kind: external, amount: Minor::new(53) }, Tender { kind: card, amount }];
    let settled =
        CardSettled { payment, amount, settled: Settled::Lost, ticket, reference, exchange: None, refund: None };
    let exchange = Exchange {
        cash: Minor::new(605),
        terminal: "T1".parse().unwrap(),
        drawer: Some(DrawerSessionId::opened(1_795_000_000_000, 11, "drawer")),
        by: Some(StaffId::new(7)),
        approval: Some(Approval { by: StaffId::new(9), reason: "late".to_owned() }),
    };
    let exchanged = CardSettled { settled: Settled::Exchanged, exchange: Some(exchange), ..settled.clone() };
    let account = crate::ids::HouseAccountId::new(3);
    let on_the_house = vec![Tender { kind: TenderKind::House { account }, amount: Minor::new(653) }];
    let refund = Some(RefundId::refunded(1_795_000_000_000, 11, "back"));
    let owed = CardSettled { amount: Minor::new(250), settled: Settled::Owed, refund, ..settled.clone() };
    [
        (
            "ticket_sold_by_card",
            include_str!("golden/ticket_sold_by_card.hex"),
            Event::TicketSold(TicketSold { tenders, ..sale.clone() }),
        ),
        ("card_exchanged", include_str!("golden/card_exchanged.hex"), Event::CardSettled(exchanged)),
        (
            "ticket_sold_on_the_house",
            include_str!("golden/ticket_sold_on_the_house.hex"),
            Event::TicketSold(TicketSold { tenders: on_the_house, ..sale }),
        ),
        ("card_settled", include_str!("golden/card_settled.hex"), Event::CardSettled(settled)),
        ("card_owed", include_str!("golden/card_owed.hex"), Event::CardSettled(owed)),
    ]
}
