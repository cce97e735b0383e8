//! Signing in and out. Every try is judged in its turn: a look at the lock, the PIN, and what comes of it, in one.

use percolate_common::domain::event::Event;
use percolate_common::domain::staff::lockout::Lockout;
use percolate_common::domain::staff::{BadgeUse, IDLE_MS_MAX, StaffLocked, Standing, Stay};
use percolate_common::ids::StaffId;
use percolate_common::time::UtcMillis;
use percolate_runtime::password::KeptPassword;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use serde::Serialize;
use utoipa::ToSchema;

use super::load::badge_hash;
use super::{Person, Place, Shown, StaffRefusal, hashed, present, token};
use crate::app::App;
use crate::app::error::AppError;
use crate::store::staff::{self as store, SessionRow, StaffRow};

/// How long ended sessions and approvals are remembered, in milliseconds.
const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1_000;

/// Who somebody says they are, and by what they show it.
#[derive(Clone)]
pub(crate) struct Claim {
    pub(crate) whom: Whom,
    pub(crate) pin: Option<String>,
}

/// Who somebody says they are.
#[derive(Clone)]
pub(crate) enum Whom {
    /// The one of this number.
    Staff(StaffId),
    /// The one of this badge.
    Badge(String),
}

/// What whoever has signed in is given, once.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SignedInAnswer {
    /// What they show from now on at this terminal, as `Percolate-Staff`: a secret.
    token: String,
    /// Their number in the chain.
    staff: u32,
    /// What they are called at the till.
    name: String,
    /// `barista`, `lead` or `manager`.
    #[schema(value_type = String)]
    role: &'static str,
    /// After how long they are signed out who do nothing, in milliseconds.
    idle_ms: i64,
}

/// Somebody who has signed in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SessionAnswer {
    /// Their number in the chain.
    staff: u32,
    /// What they are called at the till.
    name: String,
    /// `barista`, `lead` or `manager`.
    #[schema(value_type = String)]
    role: &'static str,
    /// Since when, UTC milliseconds.
    signed_in_at_ms: i64,
    /// When they did something last, UTC milliseconds, to half a minute.
    seen_at_ms: i64,
    /// After how long they are signed out who do nothing, in milliseconds.
    idle_ms: i64,
}

/// Whose wrong tries are counted: those of the first, and locks of all are looked at.
struct Subjects {
    person: Option<StaffId>,
    texts: Vec<String>,
}

fn of_person(id: StaffId) -> String {
    format!("p{id}")
}

fn of_place(place: &Place) -> String {
    format!("t{}", place.text())
}

/// Who is meant, and whose tries these are. Whoever names somebody tries for that person, wherever they stand; a badge that is
/// nobody's is tried by its place. So that no lock says whose a badge is, a badge waits for the locks of both.
fn meant(app: &App, tx: &ReadTx<'_>, place: &Place, claim: &Claim) -> Result<(Option<StaffRow>, Subjects), AppError> {
    let row = match &claim.whom {
        Whom::Staff(id) => store::staff_fetch(tx, *id)?,
        Whom::Badge(badge) => store::staff_by_badge(tx, &badge_hash(app, badge))?,
    };
    let person = row.as_ref().map(|row| row.id);
    let texts = match (&claim.whom, person) {
        (Whom::Staff(_), Some(id)) => vec![of_person(id)],
        (Whom::Badge(_), Some(id)) => vec![of_person(id), of_place(place)],
        (Whom::Staff(_) | Whom::Badge(_), None) => vec![of_place(place)],
    };
    Ok((row, Subjects { person, texts }))
}

/// Refuses while a lock holds. A lock that a clock has left behind is moved to it first.
fn wait_for_locks(app: &App, subjects: &Subjects, now: UtcMillis) -> Result<(), AppError> {
    let texts = subjects.texts.clone();
    let locks = app.readers.read(move |tx| {
        let locks = texts.into_iter().map(|text| Ok((store::lockout_fetch(tx, &text)?, text)));
        locks.collect::<Result<Vec<_>, AppError>>()
    })?;
    let mut left_ms = None;
    for (lockout, text) in locks {
        let Some(lockout) = lockout else { continue };
        let there = lockout.now(now);
        if there != lockout {
            app.writer
                .run_blocking("move_lockout", move |tx| Ok::<_, AppError>(store::lockout_put(tx, &text, &there)?))?;
        }
        left_ms = left_ms.max(there.left_ms(now));
    }
    left_ms.map_or(Ok(()), |left_ms| Err(StaffRefusal::Locked { left_ms }.into()))
}

/// One more wrong try. What locks is told to head office.
fn count_wrong(app: &App, tx: &WriteTx<'_>, place: &Place, subjects: &Subjects) -> Result<(), AppError> {
    let Some(subject) = subjects.texts.first() else { return Ok(()) };
    let lockout = Lockout::after_wrong(store::lockout_fetch(tx, subject)?, app.clock.now());
    store::lockout_put(tx, subject, &lockout)?;
    if lockout.locks() {
        let staff = subjects.person;
        let (wrong, until) = (lockout.wrong, lockout.until);
        tracing::warn!(subject, wrong, "wrong tries have locked somebody out");
        let locked = StaffLocked { staff, terminal: place.terminal().cloned(), wrong, until };
        let stamp = app.stamp(tx)?;
        app.record(tx, &stamp, &Event::StaffLocked(locked))?;
    }
    Ok(())
}

fn is_right(app: &App, row: Option<&StaffRow>, claim: &Claim) -> bool {
    match (row, &claim.pin, &claim.whom) {
        (row, Some(pin), Whom::Staff(_) | Whom::Badge(_)) => {
            // Nobody's takes as long as somebody's.
            let kept = row.and_then(|row| row.pin_hash.clone()).map_or_else(KeptPassword::nobodys, KeptPassword::kept);
            kept.fits(pin)
        }
        (Some(_), None, Whom::Badge(_)) => app.staff.policy.badge_use == BadgeUse::Alone,
        (Some(_), None, Whom::Staff(_)) | (None, None, Whom::Staff(_) | Whom::Badge(_)) => false,
    }
}

/// Judges a try, and does `then` for whoever is right, in the transaction that takes their wrong tries away. Blocks.
pub(super) fn proven<T: Send + 'static>(
    app: &App,
    place: &Place,
    claim: &Claim,
    then: impl FnOnce(&WriteTx<'_>, StaffRow) -> Result<T, AppError> + Send + 'static,
) -> Result<T, AppError> {
    let (row, subjects) = app.readers.read(|tx| meant(app, tx, place, claim))?;
    wait_for_locks(app, &subjects, app.clock.now())?;
    let right = is_right(app, row.as_ref(), claim);
    let (judging, place) = (app.clone(), place.clone());
    let judged = app.writer.run_blocking("judge_sign_in", move |tx| {
        let Some(row) = row.filter(|_| right) else {
            count_wrong(&judging, tx, &place, &subjects)?;
            return Ok(None);
        };
        judging.check_files()?;
        subjects.texts.iter().try_for_each(|subject| store::lockout_clear(tx, subject))?;
        store::lockout_clear(tx, &of_place(&place))?;
        then(tx, row).map(Some)
    })?;
    judged.ok_or_else(|| StaffRefusal::Wrong.into())
}

/// Signs somebody in at a place. Whoever else has signed in there stays so; what they had open there themselves ends.
pub(crate) async fn sign_in(app: &App, place: Place, claim: Claim) -> Result<SignedInAnswer, AppError> {
    let here = app.clone();
    app.staff
        .checks
        .run(move || {
            let (token, beginning, at) = (token(&here), here.clone(), place.text());
            proven(&here, &place, &claim, move |tx, person| {
                let now = beginning.clock.now();
                store::forget(tx, UtcMillis::new(now.get().saturating_sub(REMEMBERED_MS)))?;
                store::sessions_end(tx, person.id, Some(&at), now)?;
                let stay = Stay { seen_at: now, has_ended: false };
                let row = SessionRow { hash: hashed(&token), staff: person.id, place: at, started_at: now, stay };
                store::session_insert(tx, &row)?;
                Ok(SignedInAnswer {
                    token,
                    staff: person.id.get(),
                    name: person.name,
                    role: person.role.as_str(),
                    idle_ms: IDLE_MS_MAX,
                })
            })
        })
        .await
}

fn answer((person, row, _): (Person, SessionRow, Standing)) -> SessionAnswer {
    SessionAnswer {
        staff: person.id.get(),
        name: person.name,
        role: person.role.as_str(),
        signed_in_at_ms: row.started_at.get(),
        seen_at_ms: row.stay.seen_at.get(),
        idle_ms: IDLE_MS_MAX,
    }
}

/// Who has signed in. That somebody looks is no sign that they do something.
pub(crate) fn current(app: &App, tx: &ReadTx<'_>, shown: &Shown) -> Result<SessionAnswer, AppError> {
    present(app, tx, shown)?.map(answer).ok_or_else(|| StaffRefusal::Needed.into())
}

/// Signs somebody out.
pub(crate) fn sign_out(app: &App, tx: &WriteTx<'_>, shown: &Shown) -> Result<SessionAnswer, AppError> {
    let there = present(app, tx, shown)?.ok_or(StaffRefusal::Needed)?;
    store::session_end(tx, &there.1.hash, app.clock.now())?;
    Ok(answer(there))
}
