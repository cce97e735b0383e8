//! Opening, adding, taking off, handing over, dividing, abandoning.

use percolate_common::domain::catalog::Catalog;
use percolate_common::domain::pricing::cart::CartLine;
use percolate_common::domain::tickets::TicketClass;
use percolate_common::domain::tickets::open::decide::{self, Asking};
use percolate_common::domain::tickets::open::fold::OpenTicket;
use percolate_common::domain::tickets::open::{OpenFact, Standing, Terms, TicketOpened, VoidReason};
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::ids::{LineId, StaffId, TicketId};
use percolate_runtime::sqlite::WriteTx;

use super::super::error::AppError;
use super::super::staff::{self, Shown};
use super::super::tickets::{Answer, RequestKey};
use super::super::{App, kitchen};
use super::{
    KIND_ABANDON, KIND_CHANGE, KIND_DIVIDE, KIND_MOVE, KIND_OPEN, KIND_VOID, answer, answered_before, fetch, keep,
    write,
};
use crate::store::open_tickets::{self as store, Label};

/// A ticket to open.
#[derive(Debug, Clone)]
pub(crate) struct OpenNew {
    pub(crate) terminal: TerminalName,
    pub(crate) class: TicketClass,
    pub(crate) lines: Vec<CartLine>,
    pub(crate) terms: Option<Terms>,
    pub(crate) label: Label,
    /// Notes of the lines, in their order.
    pub(crate) notes: Vec<Option<String>>,
}

/// Lines to add, and what holds for the whole.
#[derive(Debug, Clone)]
pub(crate) struct ChangeOpen {
    pub(crate) lines: Vec<CartLine>,
    pub(crate) terms: Option<Terms>,
    /// Notes of the lines, in their order.
    pub(crate) notes: Vec<Option<String>>,
}

/// Lines to take off.
#[derive(Debug, Clone)]
pub(crate) struct VoidOpen {
    pub(crate) lines: Vec<LineId>,
    pub(crate) reason: VoidReason,
}

/// Where a ticket goes, and what it is called; what is not said stays as it is.
#[derive(Debug, Clone)]
pub(crate) struct MoveOpen {
    pub(crate) held: Option<bool>,
    pub(crate) terminal: Option<TerminalName>,
    pub(crate) staff: Option<StaffId>,
    pub(crate) name: Option<String>,
    pub(crate) note: Option<String>,
}

/// Lines that go to another ticket, or to a new one.
#[derive(Debug, Clone)]
pub(crate) struct DivideOpen {
    /// None are all.
    pub(crate) lines: Vec<LineId>,
    pub(crate) to: Option<TicketId>,
}

/// Opens a ticket.
pub(crate) fn open(
    app: &App,
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    command: OpenNew,
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    let author = app.author().number();
    let before = match answered_before(app, tx, key, KIND_OPEN) {
        // It was opened under this key, came back from the hub, and was sold: the key is a sale's, too.
        Err(AppError::KeyReused) => {
            let known = store::by_key(tx, TicketId::sold(0, author, &key.text).key_part())?;
            Some(known.filter(|_| !was_kept(tx, key)).ok_or(AppError::KeyReused)?)
        }
        other => other?,
    };
    if let Some(id) = before {
        return answer(app, tx, id, true);
    }
    if let Some(id) = store::by_key(tx, TicketId::sold(0, author, &key.text).key_part())? {
        // It came back from the hub; from now on the key belongs to this request.
        keep(tx, key, KIND_OPEN, id)?;
        return answer(app, tx, id, true);
    }
    let by = staff::seller(app, tx, shown)?.map(|seller| seller.id);
    app.check_reserve()?;
    let stamp = app.stamp(tx)?;
    let id = TicketId::sold(stamp.at.get(), author, &key.text);
    let OpenNew { terminal, class, lines, terms, label, notes } = command;
    let opened = OpenFact::Opened(TicketOpened { id, class, terminal, by });
    let mut ticket = OpenTicket::new(id);
    ticket.add(&opened);
    let mut facts = vec![opened];
    if !lines.is_empty() || terms.is_some() {
        let asking = Asking { author, key: &key.text, by };
        let changed = decide::change(&ticket, catalog, (&lines, terms), asking, &app.moment(stamp.at))?;
        kitchen::note(tx, changed.as_ref(), &notes)?;
        facts.extend(changed);
    }
    write(app, tx, &stamp, facts)?;
    store::label_put(tx, id, &label)?;
    app.terminals.note(tx, stamp.at)?;
    keep(tx, key, KIND_OPEN, id)?;
    answer(app, tx, id, false)
}

/// Whether an answer was kept under a key.
fn was_kept(tx: &WriteTx<'_>, key: &RequestKey) -> bool {
    crate::store::sales::answer_fetch(tx, &key.key_hash).is_ok_and(|kept| kept.is_some())
}

/// Looks for what was answered before, and else decides what happens to a ticket now, and writes it.
fn command(
    app: &App,
    tx: &WriteTx<'_>,
    (id, kind): (TicketId, i64),
    (key, shown): (&RequestKey, &Shown),
    decide: impl FnOnce(
        &OpenTicket,
        Asking<'_>,
        &percolate_common::domain::catalog::look_up::Moment,
    ) -> Result<Vec<OpenFact>, AppError>,
) -> Result<Answer, AppError> {
    if let Some(id) = answered_before(app, tx, key, kind)? {
        return answer(app, tx, id, true);
    }
    let by = staff::seller(app, tx, shown)?.map(|seller| seller.id);
    app.check_reserve()?;
    let ticket = fetch(tx, id)?;
    let stamp = app.stamp(tx)?;
    let asking = Asking { author: app.author().number(), key: &key.text, by };
    let facts = decide(&ticket, asking, &app.moment(stamp.at))?;
    // Of lines that went elsewhere, the ticket is shown that has them now.
    let went =
        facts.iter().find_map(|fact| if let OpenFact::Divided(divided) = fact { Some(divided.to) } else { None });
    let shown_id = went.unwrap_or(id);
    write(app, tx, &stamp, facts)?;
    app.terminals.note(tx, stamp.at)?;
    keep(tx, key, kind, shown_id)?;
    answer(app, tx, shown_id, false)
}

/// Adds lines to a ticket, and says what holds for the whole.
pub(crate) fn change(
    app: &App,
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    (id, asked): (TicketId, ChangeOpen),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    command(app, tx, (id, KIND_CHANGE), (key, shown), |ticket, asking, moment| {
        let fact = decide::change(ticket, catalog, (&asked.lines, asked.terms.clone()), asking, moment)?;
        kitchen::note(tx, fact.as_ref(), &asked.notes)?;
        Ok(fact.into_iter().collect())
    })
}

/// Takes lines off a ticket. Those that the kitchen has need somebody who may, or who approves it.
pub(crate) fn void(
    app: &App,
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    (id, asked): (TicketId, VoidOpen),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    command(app, tx, (id, KIND_VOID), (key, shown), |ticket, asking, moment| {
        let fact = decide::void(ticket, catalog, (&asked.lines, asked.reason), asking.by, moment)?;
        let Some(OpenFact::Changed(mut changed)) = fact else { return Ok(Vec::new()) };
        changed.approval = kitchen::void_approved(app, tx, changed.voided.iter().map(|(line, _)| *line), shown)?;
        Ok(vec![OpenFact::Changed(changed)])
    })
}

/// Puts a ticket aside, calls it back, hands it over, or names it.
pub(crate) fn hand_over(
    app: &App,
    tx: &WriteTx<'_>,
    (id, asked): (TicketId, MoveOpen),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    command(app, tx, (id, KIND_MOVE), (key, shown), |ticket, asking, _moment| {
        let now = ticket.standing().ok_or(AppError::NotFound("open ticket"))?;
        let standing = Standing {
            held: asked.held.unwrap_or(now.held),
            terminal: asked.terminal.clone().unwrap_or(now.terminal),
            staff: asked.staff.or(now.staff),
        };
        let fact = decide::hand_over(ticket, standing, asking.by)?;
        let label = store::row_fetch(tx, id)?.map(|row| row.label).unwrap_or_default();
        let said = Label {
            name: asked.name.clone().or_else(|| label.name.clone()),
            note: asked.note.clone().or_else(|| label.note.clone()),
        };
        if said != label {
            store::label_put(tx, id, &said)?;
            kitchen::renamed(tx, id)?;
        }
        Ok(fact.into_iter().collect())
    })
}

/// Brings lines to another ticket, or to a new one; a ticket that is left with nothing ends.
pub(crate) fn divide(
    app: &App,
    tx: &WriteTx<'_>,
    catalog: &Catalog,
    (id, asked): (TicketId, DivideOpen),
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    command(app, tx, (id, KIND_DIVIDE), (key, shown), |ticket, asking, moment| {
        let mut facts = Vec::new();
        let to = match asked.to {
            Some(other) => fetch(tx, other)?,
            None => {
                let standing = ticket.standing().ok_or(AppError::NotFound("open ticket"))?;
                let new = TicketId::sold(app.stamp(tx)?.at.get(), asking.author, asking.key);
                let terminal = standing.terminal;
                let opened =
                    OpenFact::Opened(TicketOpened { id: new, class: ticket.class(), terminal, by: standing.staff });
                let mut to = OpenTicket::new(new);
                to.add(&opened);
                facts.push(opened);
                to
            }
        };
        let divided = decide::divide((ticket, &to), catalog, &asked.lines, asking, moment)?;
        let mut after = ticket.clone();
        after.add(&divided);
        facts.push(divided);
        if after.lines().is_empty() && after.payments.is_empty() {
            facts.extend(decide::abandon(&after, asking.by)?);
        }
        Ok(facts)
    })
}

/// Ends a ticket that nobody pays. Where the kitchen has lines of it, it is as if these were taken off.
pub(crate) fn abandon(
    app: &App,
    tx: &WriteTx<'_>,
    id: TicketId,
    key: &RequestKey,
    shown: &Shown,
) -> Result<Answer, AppError> {
    command(app, tx, (id, KIND_ABANDON), (key, shown), |ticket, asking, _moment| {
        let Some(OpenFact::Abandoned(mut abandoned)) = decide::abandon(ticket, asking.by)? else {
            return Ok(Vec::new());
        };
        abandoned.approval = kitchen::void_approved(app, tx, ticket.lines().iter().map(|line| line.id), shown)?;
        Ok(vec![OpenFact::Abandoned(abandoned)])
    })
}
