//! Payments by card: written down, asked for outside of any transaction, and counted by one ticket.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use percolate_common::domain::event::{Event, Header};
use percolate_common::domain::staff::roles::Act;
use percolate_common::domain::tenders::card::{
    self, CardSettled, Outcome, Payment, PaymentRejection, PaymentState, Settled, heard,
};
use percolate_common::domain::tenders::forward::{ForwardLimits, decide_forward};
use percolate_common::domain::tickets::decide::{TENDER_MINOR_MAX, TicketRejection};
use percolate_common::domain::tickets::open::PaymentTaken;
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::domain::tickets::tender::{Tender, TenderKind};
use percolate_common::domain::tickets::{TicketClass, TicketSold};
use percolate_common::ids::{CardPaymentId, TicketId};
use percolate_common::money::Minor;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::card_refunds;
use super::error::AppError;
use super::owed::{self, OwedAnswer};
use super::staff::{self, Shown};
use super::tickets::{KIND_CARD, RequestKey, give, given};
use super::{App, Stamp, exchanges};
use crate::store::card_payments::{self as store, PaymentRow, Which};
use crate::store::sales;
use crate::terminal_driver::CardTerminal;

/// How long the card terminal is waited for: less than a request may take. Afterwards it is asked what became of it.
pub(super) const ASK_TIME_MAX: Duration = Duration::from_secs(25);
/// How often what is still to come is asked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Payments that are asked about in one go; the others come with the next.
pub(super) const WAITING_MAX: u32 = 100;
/// The reference of what is paid in practice.
const PRACTICE: &str = "PRACTICE";

/// The shop's card terminal.
#[derive(Clone, Default)]
pub(crate) struct Cards {
    pub(crate) terminal: Option<Arc<dyn CardTerminal>>,
    pub(crate) limits: ForwardLimits,
    /// Payments that somebody asks about now: nobody else does.
    asking: Arc<Mutex<BTreeSet<CardPaymentId>>>,
}

impl fmt::Debug for Cards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cards").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Somebody's turn to ask about a payment; it ends with this, also when nobody waits for the answer any more.
pub(super) struct Turn {
    asking: Arc<Mutex<BTreeSet<CardPaymentId>>>,
    id: CardPaymentId,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Cards {
    pub(crate) fn new(terminal: Option<Arc<dyn CardTerminal>>, limits: ForwardLimits) -> Self {
        Self { terminal, limits, ..Self::default() }
    }

    pub(super) fn turn(&self, id: CardPaymentId) -> Option<Turn> {
        let is_first = self.asking.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        is_first.then(|| Turn { asking: self.asking.clone(), id })
    }
}

/// A payment as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PaymentAnswer {
    /// Its id: a sale names it in its tender.
    payment: String,
    /// At which till.
    terminal: String,
    /// How much.
    amount_minor: i64,
    /// `asked`, `unknown` (no answer yet: ask again), `approved`, `declined`, `stored`, `reversing` or `reversed`.
    #[schema(value_type = String)]
    state: &'static str,
    /// Why it was declined.
    reason: Option<String>,
    /// The provider's own reference.
    reference: Option<String>,
    /// The end of the card's number.
    last_four: Option<String>,
    /// The ticket that counts it.
    ticket_id: Option<String>,
    /// Whether it is practice.
    training: bool,
    /// When it was asked for, UTC milliseconds.
    asked_at_ms: i64,
    /// For how long it has been taken on trust, in milliseconds; null if it is not.
    stored_for_ms: Option<i64>,
    /// What was to go back of it, and no card took; left out if there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    owed: Vec<OwedAnswer>,
}

fn answer(app: &App, row: &PaymentRow) -> PaymentAnswer {
    let waits = row.stored_at.filter(|_| row.payment.state == PaymentState::Stored);
    PaymentAnswer {
        payment: row.id.to_string(),
        terminal: row.terminal.clone(),
        amount_minor: row.payment.amount.get(),
        state: row.payment.state.as_str(),
        reason: row.reason.clone(),
        reference: row.reference.clone(),
        last_four: row.last_four.map(|digits| digits.to_string()),
        ticket_id: row.payment.ticket.map(|ticket| ticket.to_string()),
        training: row.payment.training,
        asked_at_ms: row.asked_at.get(),
        stored_for_ms: waits.map(|since| app.clock.now().get().saturating_sub(since.get()).max(0)),
        owed: Vec::new(),
    }
}

/// With what the guest is owed of it, or was.
fn with_owed(app: &App, tx: &ReadTx<'_>, row: &PaymentRow) -> Result<PaymentAnswer, AppError> {
    Ok(PaymentAnswer { owed: owed::of_payment(app, tx, row.id)?, ..answer(app, row) })
}

/// What a till asks for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) terminal: TerminalName,
    pub(crate) amount: Minor,
    pub(crate) training: bool,
}

/// Writes down that a payment is asked for, before anybody asks. Practice charges nobody, and is approved at once.
fn write_asked(
    app: &App,
    tx: &WriteTx<'_>,
    asked: &Asked,
    key: &RequestKey,
    shown: &Shown,
) -> Result<(PaymentRow, bool), AppError> {
    let author = app.author().number();
    let key_part = CardPaymentId::asked(0, author, &key.text).key_part();
    if given(app, tx, key, KIND_CARD)?.is_some() {
        let row = store::payment_by_key(tx, key_part)?.ok_or(AppError::NotFound("payment"))?;
        return Ok((row, false));
    }
    if let Some(row) = store::payment_by_key(tx, key_part)? {
        // It came back from the hub; from now on the key belongs to this request.
        if (row.payment.amount, row.payment.training) != (asked.amount, asked.training) {
            return Err(AppError::KeyReused);
        }
        give(tx, key, KIND_CARD, &row.id.to_string())?;
        return Ok((row, false));
    }
    staff::seller(app, tx, shown)?;
    if !(1..=TENDER_MINOR_MAX).contains(&asked.amount.get()) {
        return Err(AppError::Field {
            pointer: "/amount_minor".to_owned(),
            code: "tender_amount_out_of_range",
            detail: format!("a payment is of 1 to {TENDER_MINOR_MAX} minor units"),
        });
    }
    if app.cards.terminal.is_none() && !asked.training {
        return Err(AppError::NoCardTerminal);
    }
    app.check_reserve()?;
    let stamp = app.stamp(tx)?;
    let state = if asked.training { PaymentState::Approved } else { PaymentState::Asked };
    let row = PaymentRow {
        id: CardPaymentId::asked(stamp.at.get(), author, &key.text),
        terminal: asked.terminal.to_string(),
        asked_at: stamp.at,
        stored_at: None,
        reference: asked.training.then(|| PRACTICE.to_owned()),
        last_four: None,
        reason: None,
        payment: Payment { state, amount: asked.amount, ticket: None, training: asked.training },
    };
    store::payment_insert(tx, &row)?;
    give(tx, key, KIND_CARD, &row.id.to_string())?;
    Ok((row, true))
}

/// Writes what the card terminal has said.
fn write_heard(app: &App, tx: &WriteTx<'_>, id: CardPaymentId, outcome: &Outcome) -> Result<PaymentRow, AppError> {
    let mut row = store::payment_fetch(tx, id)?.ok_or(AppError::NotFound("payment"))?;
    let before = row.payment.state;
    let stamp = app.stamp(tx)?;
    let mut after = heard(before, outcome);
    match outcome {
        Outcome::Approved { reference, last_four } if after != before => {
            (row.reference, row.last_four) = (Some(reference.clone()), *last_four);
        }
        Outcome::Declined { reason } if after != before => row.reason = Some(reason.clone()),
        Outcome::Offline if before == PaymentState::Asked => {
            let stored = store::stored_now(tx)?;
            match decide_forward(&app.cards.limits, &stored, row.payment.amount, stamp.at) {
                Ok(()) => (after, row.stored_at) = (PaymentState::Stored, Some(stamp.at)),
                Err(limit) => {
                    after = PaymentState::Declined;
                    row.reason = Some(limit.to_string());
                    tracing::info!(limit = limit.as_str(), "a card is not taken on trust: {limit}");
                }
            }
        }
        Outcome::Approved { .. } | Outcome::Declined { .. } | Outcome::TimedOut | Outcome::Offline => {}
    }
    if after == before {
        return Ok(row);
    }
    row.payment.state = after;
    store::payment_put(tx, &row)?;
    if before == PaymentState::Stored && row.payment.ticket.is_some() {
        let settled = if after == PaymentState::Approved { Settled::Forwarded } else { Settled::Lost };
        write_settled(app, tx, &stamp, &row, settled)?;
    }
    Ok(row)
}

/// States what became of a payment, and books it.
fn write_settled(
    app: &App,
    tx: &WriteTx<'_>,
    stamp: &Stamp,
    row: &PaymentRow,
    settled: Settled,
) -> Result<(), AppError> {
    let fact = CardSettled {
        payment: row.id,
        amount: row.payment.amount,
        settled,
        ticket: row.payment.ticket,
        reference: row.reference.clone(),
        exchange: None,
        refund: None,
    };
    for (kind, amount) in fact.moves() {
        sales::tender_add(tx, app.calendar.business_day(stamp.at), kind, amount)?;
    }
    app.record(tx, stamp, &Event::CardSettled(fact))?;
    Ok(())
}

/// Asks the card terminal about a payment as it stands, and writes what it says. A turn that somebody else has is theirs.
async fn ask(app: &App, row: PaymentRow) -> Result<PaymentRow, AppError> {
    let (Some(terminal), Some(_turn)) = (&app.cards.terminal, app.cards.turn(row.id)) else { return Ok(row) };
    let (id, amount) = (row.id, row.payment.amount);
    let writing = app.clone();
    let in_time = |asked| async move { tokio::time::timeout(ASK_TIME_MAX, asked).await.unwrap_or(Outcome::TimedOut) };
    let outcome = match row.payment.state {
        PaymentState::Asked | PaymentState::Stored => in_time(terminal.authorize(id, amount)).await,
        PaymentState::Unknown => match in_time(terminal.inquire(id)).await {
            // Only a card that somebody holds out is taken on trust.
            Outcome::Offline | Outcome::TimedOut => Outcome::TimedOut,
            told @ (Outcome::Approved { .. } | Outcome::Declined { .. }) => told,
        },
        PaymentState::Reversing => {
            if !tokio::time::timeout(ASK_TIME_MAX, terminal.reverse(id)).await.unwrap_or(false) {
                return Ok(row);
            }
            return app.writer.run("card_reversed", move |tx| write_reversed(&writing, tx, id)).await;
        }
        PaymentState::Approved | PaymentState::Declined | PaymentState::Reversed => return Ok(row),
    };
    app.writer.run("card_heard", move |tx| write_heard(&writing, tx, id, &outcome)).await
}

/// Asks for a payment. The same key gives the same payment as it stands now, and charges nobody twice.
pub(crate) async fn pay(
    app: &App,
    asked: Asked,
    key: RequestKey,
    shown: Shown,
) -> Result<(PaymentAnswer, bool), AppError> {
    let writing = app.clone();
    let write = move |tx: &WriteTx<'_>| write_asked(&writing, tx, &asked, &key, &shown);
    let (row, fresh) = app.writer.run("ask_card", write).await?;
    let row = match row.payment.state {
        PaymentState::Asked | PaymentState::Unknown => ask(app, row).await?,
        PaymentState::Approved
        | PaymentState::Declined
        | PaymentState::Stored
        | PaymentState::Reversing
        | PaymentState::Reversed => row,
    };
    Ok((answer(app, &row), fresh))
}

/// Writes down that a payment is to be given back.
fn write_reversing(app: &App, tx: &WriteTx<'_>, id: CardPaymentId, shown: &Shown) -> Result<PaymentRow, AppError> {
    let mut row = store::payment_fetch(tx, id)?.ok_or(AppError::NotFound("payment"))?;
    card::reverse(id, &row.payment).map_err(AppError::Payment)?;
    if matches!(row.payment.state, PaymentState::Reversing | PaymentState::Reversed) {
        return Ok(row);
    }
    let person = staff::person(app, tx, shown)?;
    staff::approved(app, tx, Act::Refund, person.as_ref(), shown)?;
    row.payment.state = if row.payment.training { PaymentState::Reversed } else { PaymentState::Reversing };
    store::payment_put(tx, &row)?;
    Ok(row)
}

fn write_reversed(app: &App, tx: &WriteTx<'_>, id: CardPaymentId) -> Result<PaymentRow, AppError> {
    let mut row = store::payment_fetch(tx, id)?.ok_or(AppError::NotFound("payment"))?;
    if row.payment.state == PaymentState::Reversing {
        row.payment.state = PaymentState::Reversed;
        store::payment_put(tx, &row)?;
        let stamp = app.stamp(tx)?;
        write_settled(app, tx, &stamp, &row, Settled::Reversed)?;
    }
    Ok(row)
}

/// Gives a payment back that no ticket counts. Until the card terminal has done it, it is asked again and again.
pub(crate) async fn reverse(app: &App, id: CardPaymentId, shown: Shown) -> Result<PaymentAnswer, AppError> {
    let writing = app.clone();
    let row = app.writer.run("reverse_card", move |tx| write_reversing(&writing, tx, id, &shown)).await?;
    Ok(answer(app, &ask(app, row).await?))
}

/// One payment.
pub(crate) fn one(app: &App, tx: &ReadTx<'_>, id: CardPaymentId) -> Result<PaymentAnswer, AppError> {
    with_owed(app, tx, &store::payment_fetch(tx, id)?.ok_or(AppError::NotFound("payment"))?)
}

/// Payments.
pub(crate) fn list(app: &App, tx: &ReadTx<'_>, which: Which, limit: u32) -> Result<Vec<PaymentAnswer>, AppError> {
    store::payment_list(tx, which, limit)?.iter().map(|row| with_owed(app, tx, row)).collect()
}

/// Fills in what the payments that a sale names are, and refuses what it may not count.
pub(crate) fn fill_in(tx: &ReadTx<'_>, class: TicketClass, tenders: &mut [Tender]) -> Result<(), AppError> {
    let is_training = class == TicketClass::Training;
    let mut named = BTreeSet::new();
    for (at, tender) in tenders.iter_mut().enumerate() {
        let TenderKind::Card { payment: id, reference, last_four, stored } = &mut tender.kind else { continue };
        let row = store::payment_fetch(tx, *id)?;
        let may = card::count(*id, row.as_ref().map(|row| &row.payment), tender.amount, is_training);
        let may = if named.insert(*id) { may } else { Err(PaymentRejection::Twice(*id)) };
        may.map_err(|why| TicketRejection::Payment { tender: at, why })?;
        if let Some(row) = row {
            (*reference, *last_four) = (row.reference, row.last_four);
            *stored = row.payment.state == PaymentState::Stored;
        }
    }
    Ok(())
}

/// The payments that a ticket names are its own from now on.
pub(crate) fn count(tx: &WriteTx<'_>, ticket: TicketId, tenders: &[Tender]) -> Result<(), AppError> {
    for id in tenders.iter().filter_map(|tender| tender.kind.payment()) {
        store::payment_count(tx, id, ticket)?;
    }
    Ok(())
}

/// Books the payments of a ticket that came back from the hub: what was taken on trust is so again.
pub(crate) fn sale_returned(tx: &WriteTx<'_>, header: &Header, sold: &TicketSold) -> Result<(), AppError> {
    tenders_returned(tx, header, (sold.id, sold.class, &sold.receipt.terminal), &sold.tenders)
}

/// As [`sale_returned`], of a part of an open ticket.
pub(crate) fn part_returned(tx: &WriteTx<'_>, header: &Header, part: &PaymentTaken) -> Result<(), AppError> {
    tenders_returned(tx, header, (part.ticket, part.class, &part.terminal), std::slice::from_ref(&part.tender))
}

fn tenders_returned(
    tx: &WriteTx<'_>,
    header: &Header,
    (ticket, class, terminal): (TicketId, TicketClass, &TerminalName),
    tenders: &[Tender],
) -> Result<(), AppError> {
    for tender in tenders {
        let TenderKind::Card { payment, reference, last_four, stored } = &tender.kind else { continue };
        let row = PaymentRow {
            id: *payment,
            terminal: terminal.to_string(),
            asked_at: header.at,
            stored_at: stored.then_some(header.at),
            reference: reference.clone(),
            last_four: *last_four,
            reason: None,
            payment: Payment {
                state: if *stored { PaymentState::Stored } else { PaymentState::Approved },
                amount: tender.amount,
                ticket: Some(ticket),
                training: class == TicketClass::Training,
            },
        };
        store::payment_insert(tx, &row)?;
    }
    count(tx, ticket, tenders)
}

/// Books what became of a payment and came back from the hub.
pub(crate) fn settled_returned(tx: &WriteTx<'_>, header: &Header, settled: &CardSettled) -> Result<(), AppError> {
    let after = match settled.settled {
        Settled::Forwarded => PaymentState::Approved,
        Settled::Lost => PaymentState::Declined,
        Settled::Reversed => PaymentState::Reversed,
        Settled::Exchanged => return exchanges::returned(tx, header, settled),
        Settled::Credited | Settled::Owed => return card_refunds::settled_returned(tx, header, settled),
    };
    let Some(mut row) = store::payment_fetch(tx, settled.payment)? else { return Ok(()) };
    if row.payment.state == after {
        return Ok(());
    }
    row.payment.state = after;
    row.reference = settled.reference.clone().or(row.reference);
    store::payment_put(tx, &row)?;
    for (kind, amount) in settled.moves() {
        sales::tender_add(tx, header.business_day, kind, amount)?;
    }
    Ok(())
}

/// Asks for all that is still to come, once.
async fn look(app: &App) -> Result<(), AppError> {
    let waiting = app.readers.read_async(|tx| store::payment_list(tx, Which::Waiting, WAITING_MAX)).await?;
    for row in waiting {
        let before = row.payment.state;
        let row = if before == PaymentState::Asked { PaymentRow { payment: unasked(row.payment), ..row } } else { row };
        let row = ask(app, row).await?;
        if row.payment.state == before && before == PaymentState::Stored {
            // There is still no line: the others wait, too.
            return Ok(());
        }
    }
    card_refunds::look(app).await
}

/// Nobody waits for the answer to what was asked before: it is inquired, and never asked for again.
const fn unasked(payment: Payment) -> Payment {
    Payment { state: PaymentState::Unknown, ..payment }
}

/// Asks the card terminal, again and again, about all of which something is still to come.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = look(&app) => looked,
        };
        if let Err(error) = looked {
            tracing::warn!(error = &error as &dyn std::error::Error, "payments by card cannot be looked after");
        }
    }
}
