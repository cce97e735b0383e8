//! Readings: X says what happened since the last Z, and Z closes a day. Both are folded from the journal, page by page; a Z is
//! one more entry of it, and is never changed. Nothing but a disk that is full keeps anybody from closing a day.

use percolate_common::domain::cash::reading::{Reading, ReadingSums};
use percolate_common::domain::cash::{
    CarriedDrawer, CountedDrawer, DRAWERS_TOLD_MAX, DayClosed, OPEN_TICKETS_TOLD_MAX, OpenTickets, ReadRange,
    ReadingNumber, slip,
};
use percolate_common::domain::event::{Event, Header};
use percolate_common::domain::staff::SignIn;
use percolate_common::domain::staff::approvals::Approval;
use percolate_common::domain::staff::roles::Act;
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::domain::tickets::tender::TenderKind;
use percolate_common::ids::StaffId;
use percolate_common::journal::{Origin, StreamKind};
use percolate_common::time::StoreCalendar;
use percolate_common::wire::event::{Recorded, decode};
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use serde::Serialize;
use utoipa::ToSchema;

use super::drawers::DrawerAnswer;
use super::error::AppError;
use super::staff::{self, Shown};
use super::tickets::{Answer, KIND_READING, RequestKey, give, given};
use super::{App, prints, tips};
use crate::store::cash::{self, Made, SalesEntry};
use crate::store::lives::{self, Life};
use crate::store::open_tickets::{self, Listed};
use crate::store::sales::Place;
use crate::store::{card_payments, journal, repair};

/// Entries that are read at once.
const PAGE_ENTRIES: u32 = 500;

/// Sums of a reading. Amounts are minor units.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SumsAnswer {
    /// Tickets; practice and what was brought in from other systems is in no sum.
    tickets: u64,
    /// Before tax.
    net_minor: i64,
    /// Tax.
    tax_minor: i64,
    /// What guests paid, less what they were given back.
    gross_minor: i64,
    /// What was given back, with tax; it is taken off every sum but the tickets and the discounts.
    refunds_minor: i64,
    /// The same, told in full.
    refunds: RefundsAnswer,
    /// What was taken off prices, in all.
    discounts_minor: i64,
    /// The same, by why.
    discounts: DiscountsAnswer,
    /// Charges for service, before tax; they are in the net.
    service_charges_minor: i64,
    /// For those who work there: in the tenders, and no revenue.
    tips_minor: i64,
    /// What cash was rounded by; below zero in the guests' favour.
    cash_rounding_minor: i64,
    /// By whoever sold or gave back.
    people: Vec<PersonAnswer>,
    /// By tax class.
    taxes: Vec<TaxSumAnswer>,
    /// By means of payment; cash less the change.
    tenders: Vec<TenderAnswer>,
    /// By hour on the shop's wall.
    hours: Vec<HourAnswer>,
    /// Cash of tickets that were sold where no drawer was open; it is in the tenders, too.
    no_drawer_cash_minor: i64,
    /// Put into drawers.
    paid_in_minor: i64,
    /// Taken out of drawers and spent.
    paid_out_minor: i64,
    /// Taken to the safe.
    dropped_minor: i64,
    /// How often a drawer was opened without a sale.
    no_sales: u64,
    /// Drawers that were counted.
    drawers_closed: u64,
    /// All their differences.
    difference_minor: i64,
}

/// What was given back.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct RefundsAnswer {
    /// How often.
    count: u64,
    net_minor: i64,
    tax_minor: i64,
    gross_minor: i64,
}

/// What was taken off prices.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct DiscountsAnswer {
    /// Somebody gave it.
    given_minor: i64,
    /// It was cheaper at that hour.
    happy_hours_minor: i64,
    /// It was part of a set.
    sets_minor: i64,
}

/// Somebody, or nobody who had signed in.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct PersonAnswer {
    /// By number; null for nobody.
    staff: Option<u32>,
    /// Tickets that they sold.
    tickets: u64,
    /// What guests paid them, less what they gave back.
    gross_minor: i64,
}

/// A tax class.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct TaxSumAnswer {
    tax_class: u32,
    base_minor: i64,
    tax_minor: i64,
}

/// A means of payment.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct TenderAnswer {
    kind: String,
    amount_minor: i64,
}

/// An hour on the shop's wall.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct HourAnswer {
    hour: u8,
    tickets: u64,
    gross_minor: i64,
}

/// A drawer that was counted.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct CountedAnswer {
    drawer: String,
    terminal: String,
    expected_minor: i64,
    counted_minor: i64,
    difference_minor: i64,
}

/// A drawer that stays open.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct CarriedAnswer {
    drawer: String,
    terminal: String,
}

/// Tickets that stay open.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct CarriedTicketsAnswer {
    /// How many.
    count: u64,
    /// The ids of the first 200 of them, the oldest first.
    tickets: Vec<String>,
}

/// Entries of one life's sales journal, both ends included.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RangeAnswer {
    /// Life, 16 hexadecimal digits.
    incarnation: String,
    /// The first entry.
    from_seq: u64,
    /// The last entry; one less than the first where there are none.
    to_seq: u64,
}

/// A closing reading, Z. It never changes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ReadingAnswer {
    /// Its number, as in `A-17`: gapless within a life of the box's database.
    number: String,
    /// Store number.
    store: u32,
    /// The business day that it was closed on, YYYY-MM-DD. Each ticket keeps its own.
    business_day: String,
    /// When it was closed, UTC milliseconds.
    at_ms: i64,
    /// By whom, by number.
    by: Option<u32>,
    /// Who approved it, by number, where that was needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_by: Option<u32>,
    /// What amounts are in.
    currency: String,
    /// The sums.
    sums: SumsAnswer,
    /// Drawers that were counted since the reading before; the first 200 of them.
    drawers: Vec<CountedAnswer>,
    /// Drawers that were open, and stayed so; the first 200 of them.
    carried_over: Vec<CarriedAnswer>,
    /// Tickets that were open, and stayed so.
    open_tickets: CarriedTicketsAnswer,
    /// What it covers: the present life's journal first.
    ranges: Vec<RangeAnswer>,
    /// Entries that came back into the range of an earlier reading, and count in this one.
    late: u64,
    /// The first 16 hexadecimal digits of the chain hash at the end of its first range.
    head: String,
}

/// What a close is answered.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ClosedAnswer {
    /// The reading.
    reading: ReadingAnswer,
    /// Cards that no ticket counted when the day was closed. They are in no sum, and no part of the reading.
    unmatched_cards: UnmatchedAnswer,
    /// What head office has not acknowledged yet. It is on this disk, keeps its business day, and is sent when it can be.
    unacknowledged: Vec<UnackedAnswer>,
}

/// Entries of one journal that head office has not acknowledged.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct UnackedAnswer {
    /// Life, 16 hexadecimal digits.
    incarnation: String,
    /// Which journal.
    #[schema(value_type = String)]
    stream: &'static str,
    /// The first of them.
    from_seq: u64,
    /// The last of them.
    to_seq: u64,
}

/// Payments by card that no ticket counts, or may come to that: those of `GET /v1/card-payments?state=unmatched`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct UnmatchedAnswer {
    /// How many.
    count: u64,
    /// What they come to.
    amount_minor: i64,
}

/// What happened since the last closing reading, X.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CurrentAnswer {
    /// Store number.
    store: u32,
    /// The present business day, YYYY-MM-DD.
    business_day: String,
    /// What amounts are in.
    currency: String,
    /// The sums.
    sums: SumsAnswer,
    /// Whether cash is left out of the means of payment: as long as a drawer is open, for whoever counts it is to know nothing.
    cash_withheld: bool,
    /// Cards that no ticket counts now. They are in no sum.
    unmatched_cards: UnmatchedAnswer,
    /// Drawers that are open. What should be in them is told when they are counted.
    open_drawers: Vec<DrawerAnswer>,
    /// What it covers.
    ranges: Vec<RangeAnswer>,
}

impl From<&ReadingSums> for SumsAnswer {
    fn from(sums: &ReadingSums) -> Self {
        let tax =
            |(class, sum): (&percolate_common::ids::TaxClassId, &percolate_common::domain::cash::reading::TaxSum)| {
                TaxSumAnswer { tax_class: class.get(), base_minor: sum.base, tax_minor: sum.tax }
            };
        let person = |(staff, sum): (&Option<StaffId>, &percolate_common::domain::cash::reading::HourSum)| {
            PersonAnswer { staff: staff.map(StaffId::get), tickets: sum.tickets, gross_minor: sum.gross }
        };
        let tender = |(kind, amount): (&String, &i64)| TenderAnswer { kind: kind.clone(), amount_minor: *amount };
        let hour = |(hour, sum): (&u8, &percolate_common::domain::cash::reading::HourSum)| HourAnswer {
            hour: *hour,
            tickets: sum.tickets,
            gross_minor: sum.gross,
        };
        Self {
            tickets: sums.tickets,
            net_minor: sums.net,
            tax_minor: sums.tax,
            gross_minor: sums.gross,
            refunds_minor: sums.refunds.gross,
            refunds: RefundsAnswer {
                count: sums.refunds.count,
                net_minor: sums.refunds.net,
                tax_minor: sums.refunds.tax,
                gross_minor: sums.refunds.gross,
            },
            discounts_minor: sums.discounts.all(),
            discounts: DiscountsAnswer {
                given_minor: sums.discounts.given,
                happy_hours_minor: sums.discounts.happy_hours,
                sets_minor: sums.discounts.sets,
            },
            service_charges_minor: sums.service_charges,
            tips_minor: sums.tips,
            cash_rounding_minor: sums.cash_rounding,
            people: sums.people.iter().map(person).collect(),
            taxes: sums.taxes.iter().map(tax).collect(),
            tenders: sums.tenders.iter().map(tender).collect(),
            hours: sums.hours.iter().map(hour).collect(),
            no_drawer_cash_minor: sums.no_drawer,
            paid_in_minor: sums.paid_in,
            paid_out_minor: sums.paid_out,
            dropped_minor: sums.dropped,
            no_sales: sums.no_sales,
            drawers_closed: sums.drawers_closed,
            difference_minor: sums.difference,
        }
    }
}

fn range_answer(range: &ReadRange) -> RangeAnswer {
    RangeAnswer { incarnation: range.incarnation.to_string(), from_seq: range.from, to_seq: range.to }
}

fn reading_answer(header: &Header, closed: &DayClosed) -> ReadingAnswer {
    let counted = |drawer: &CountedDrawer| CountedAnswer {
        drawer: drawer.session.to_string(),
        terminal: drawer.terminal.to_string(),
        expected_minor: drawer.expected.get(),
        counted_minor: drawer.counted.get(),
        difference_minor: drawer.counted.get().saturating_sub(drawer.expected.get()),
    };
    let carried = |drawer: &CarriedDrawer| CarriedAnswer {
        drawer: drawer.session.to_string(),
        terminal: drawer.terminal.to_string(),
    };
    ReadingAnswer {
        number: closed.number.to_string(),
        store: header.store.get(),
        business_day: header.business_day.to_string(),
        at_ms: header.at.get(),
        by: closed.by.map(StaffId::get),
        approved_by: closed.approval.as_ref().map(|approval| approval.by.get()),
        currency: closed.currency.to_string(),
        sums: SumsAnswer::from(&closed.sums),
        drawers: closed.drawers.iter().map(counted).collect(),
        carried_over: closed.carried.iter().map(carried).collect(),
        open_tickets: CarriedTicketsAnswer {
            count: closed.open_tickets.count,
            tickets: closed.open_tickets.first.iter().map(ToString::to_string).collect(),
        },
        ranges: closed.ranges.iter().map(range_answer).collect(),
        late: closed.late,
        head: closed.head.to_string(),
    }
}

/// What is in no closing reading yet.
struct Unread {
    reading: Reading,
    /// The present life's first.
    ranges: Vec<ReadRange>,
    late: Vec<Place>,
}

/// Folds what is in no closing reading yet, a page at a time.
fn unread(app: &App, tx: &ReadTx<'_>) -> Result<Unread, AppError> {
    let present = lives::present(tx)?;
    let mut all = lives::list(tx)?;
    all.sort_by_key(|life| (*life != present, life.number));
    let repaired = all.len() > 1;
    let mut reading = Reading::default();
    let mut ranges = Vec::new();
    for life in all {
        let head = journal::head_fetch(tx, life, &app.journal(life, StreamKind::Sales))?.seq;
        let (end, _) = cash::reading_end(tx, life.incarnation)?;
        if head <= end && life != present {
            continue;
        }
        let range = ReadRange { incarnation: life.incarnation, from: end + 1, to: head.max(end) };
        fold(app, tx, (life, range), repaired, &mut reading)?;
        ranges.push(range);
    }
    let late = cash::late_list(tx)?;
    for at in &late {
        for entry in cash::entry_list(tx, at.life, (at.seq, at.seq), 1)? {
            add(app, tx, &mut reading, &entry)?;
        }
    }
    Ok(Unread { reading, ranges, late })
}

fn fold(
    app: &App,
    tx: &ReadTx<'_>,
    (life, range): (Life, ReadRange),
    repaired: bool,
    reading: &mut Reading,
) -> Result<(), AppError> {
    let mut from = range.from;
    loop {
        let page = cash::entry_list(tx, life.number, (from, range.to), PAGE_ENTRIES)?;
        let Some(last) = page.last() else { return Ok(()) };
        from = last.seq + 1;
        for entry in &page {
            if !repaired || counts_here(tx, Place { life: life.number, seq: entry.seq }, entry)? {
                add(app, tx, reading, entry)?;
            }
        }
    }
}

/// What a newer program wrote, it counts itself.
fn add(app: &App, tx: &ReadTx<'_>, reading: &mut Reading, entry: &SalesEntry) -> Result<(), AppError> {
    if let Ok(Recorded { header, event, .. }) = decode(&entry.event) {
        reading.add(app.calendar.local_hour(header.at), &event);
        if let Event::TipAdjusted(fact) = &event {
            reading.tip(&tips::moves_on_arrival(tx, fact)?);
        }
    }
    Ok(())
}

/// Whether an event that may stand in the journals of several lives counts at this place: where it was first written if that
/// is here, unless it was written again; and not if a reading that was made here has it from there.
fn counts_here(tx: &ReadTx<'_>, at: Place, entry: &SalesEntry) -> Result<bool, AppError> {
    let Some(origin) = percolate_common::wire::event::origin(&entry.event).unwrap_or_default() else {
        return Ok(!repair::origin_is_known(tx, entry.hash.event_id())?);
    };
    // A reading that was made elsewhere had another event at that place.
    let (_, made) = cash::reading_end(tx, origin.incarnation)?;
    if origin.seq <= made || stands_at_origin(tx, &origin)? {
        return Ok(false);
    }
    Ok(repair::origin_place(tx, origin.id)?.is_none_or(|place| place == at))
}

fn stands_at_origin(tx: &ReadTx<'_>, origin: &Origin) -> Result<bool, AppError> {
    let Some(life) = lives::find(tx, origin.incarnation)? else { return Ok(false) };
    let first = journal::entry_with_hash(tx, life, StreamKind::Sales, origin.seq)?;
    Ok(first.is_some_and(|(_, hash)| hash.event_id() == origin.id))
}

/// What head office has not acknowledged of any journal.
fn unacknowledged(app: &App, tx: &ReadTx<'_>) -> Result<Vec<UnackedAnswer>, AppError> {
    let mut answers = Vec::new();
    for life in lives::list(tx)? {
        for stream in StreamKind::UP {
            let last = journal::head_fetch(tx, life, &app.journal(life, stream))?.seq;
            let acked = journal::acked_fetch(tx, life, stream)?;
            if acked < last {
                answers.push(UnackedAnswer {
                    incarnation: life.incarnation.to_string(),
                    stream: stream.as_str(),
                    from_seq: acked + 1,
                    to_seq: last,
                });
            }
        }
    }
    Ok(answers)
}

/// Who closes the day, and by whose approval. Where people must sign in, whoever may not close it alone needs one at a till, unless
/// there is nobody who could give it; where they need not, a close waits for nobody.
fn closer(
    app: &App,
    tx: &WriteTx<'_>,
    said: Option<StaffId>,
    shown: &Shown,
) -> Result<(Option<StaffId>, Option<Approval>), AppError> {
    let person = staff::seller(app, tx, shown)?;
    let approval = match app.staff.policy.sign_in {
        SignIn::Required if staff::can_be_approved(tx, Act::CloseDay)? => {
            staff::approved(app, tx, Act::CloseDay, person.as_ref(), shown)?
        }
        SignIn::Required | SignIn::Optional => None,
    };
    Ok((person.map(|person| person.id).or(said), approval))
}

/// Cards that no ticket counts now.
pub(crate) fn unmatched(tx: &ReadTx<'_>) -> Result<UnmatchedAnswer, AppError> {
    let (count, amount_minor) = card_payments::unmatched_now(tx)?;
    Ok(UnmatchedAnswer { count, amount_minor })
}

/// Closes the day.
pub(crate) fn close(
    app: &App,
    tx: &WriteTx<'_>,
    (said, terminal): (Option<StaffId>, Option<&TerminalName>),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    if let Some(answer) = given(app, tx, key, KIND_READING)? {
        return Ok(answer);
    }
    let (by, approval) = closer(app, tx, said, shown)?;
    app.check_files()?;
    let stamp = app.stamp(tx)?;
    let Unread { reading, ranges, late } = unread(app, tx)?;
    let open = cash::drawer_list(tx, None)?.into_iter().map(|row| row.drawer);
    let carried = open.map(|drawer| CarriedDrawer { session: drawer.session, terminal: drawer.terminal });
    let mut first_open = open_tickets::live_list(tx, &Listed::default())?;
    first_open.truncate(OPEN_TICKETS_TOLD_MAX);
    let head = journal::head_fetch(tx, stamp.life, &app.journal(stamp.life, StreamKind::Sales))?;
    let closed = DayClosed {
        number: cash::reading_next(tx, &lives::label_fetch(tx, stamp.life)?)?,
        ranges,
        late: late.len() as u64,
        currency: app.identity.described.currency,
        sums: reading.sums,
        drawers: reading.drawers,
        carried: carried.take(DRAWERS_TOLD_MAX).collect(),
        open_tickets: OpenTickets { count: open_tickets::live_count(tx)?, first: first_open },
        head: head.hash.short(),
        by,
        approval,
    };
    let written = app.record(tx, &stamp, &Event::DayClosed(closed.clone()))?;
    let at = Place { life: stamp.life.number, seq: written.seq };
    cash::reading_insert(tx, &closed, at, Made::Here)?;
    for place in late {
        cash::late_remove(tx, place)?;
    }
    let (reading, header, closed) = at_place(tx, at)?;
    let unmatched_cards = unmatched(tx)?;
    let cards = (unmatched_cards.count, unmatched_cards.amount_minor);
    prints::closed(app, tx, &stamp, (&header, &closed, cards), terminal)?;
    let answer = ClosedAnswer { reading, unmatched_cards, unacknowledged: unacknowledged(app, tx)? };
    give(tx, key, KIND_READING, &answer)
}

/// The reading at a place of the sales journals, and what it is made from.
pub(super) fn at_place(tx: &ReadTx<'_>, at: Place) -> Result<(ReadingAnswer, Header, DayClosed), AppError> {
    let bytes = journal::entry_fetch(tx, at.life, StreamKind::Sales, at.seq)?;
    let recorded = bytes.and_then(|bytes| decode(&bytes).ok()).ok_or(AppError::NotFound("reading"))?;
    let Event::DayClosed(closed) = recorded.event else { return Err(AppError::NotFound("reading")) };
    Ok((reading_answer(&recorded.header, &closed), recorded.header, closed))
}

fn find(tx: &ReadTx<'_>, number: &ReadingNumber) -> Result<Place, AppError> {
    cash::reading_place(tx, number)?.ok_or(AppError::NotFound("reading"))
}

/// One closing reading.
pub(crate) fn one(tx: &ReadTx<'_>, number: &ReadingNumber) -> Result<ReadingAnswer, AppError> {
    Ok(at_place(tx, find(tx, number)?)?.0)
}

/// One closing reading as lines for a printer.
pub(crate) fn printed(tx: &ReadTx<'_>, number: &ReadingNumber) -> Result<String, AppError> {
    let (_, header, closed) = at_place(tx, find(tx, number)?)?;
    let calendar = StoreCalendar::new(&header.zone, 0).ok();
    let local = calendar.map(|calendar| calendar.local_text(header.at)).unwrap_or_default();
    Ok(slip::lines(&header, &closed, &local))
}

/// The latest closing readings, newest first.
pub(crate) fn list(tx: &ReadTx<'_>, limit: u32) -> Result<Vec<ReadingAnswer>, AppError> {
    cash::reading_list(tx, limit)?.into_iter().map(|place| Ok(at_place(tx, place)?.0)).collect()
}

/// What happened since the last closing reading.
pub(crate) fn current(app: &App, tx: &ReadTx<'_>) -> Result<CurrentAnswer, AppError> {
    let Unread { reading, ranges, .. } = unread(app, tx)?;
    let open = cash::drawer_list(tx, None)?;
    // What should be in a drawer is told to nobody before its count.
    let cash_withheld = !open.is_empty();
    let mut sums = SumsAnswer::from(&reading.sums);
    sums.tenders.retain(|tender| !cash_withheld || tender.kind != TenderKind::Cash.as_str());
    Ok(CurrentAnswer {
        store: app.identity.store.get(),
        business_day: app.calendar.business_day(app.stamp(tx)?.at).to_string(),
        currency: app.identity.described.currency.to_string(),
        sums,
        cash_withheld,
        unmatched_cards: unmatched(tx)?,
        open_drawers: open.iter().map(DrawerAnswer::from).collect(),
        ranges: ranges.iter().map(range_answer).collect(),
    })
}
