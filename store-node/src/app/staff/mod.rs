//! The people of the shop: they sign in, sign out, and approve for each other. All of it on this box, whatever the line does.

mod approvals;
mod checks;
mod load;
mod refusal;
mod sign_in;

pub(crate) use approvals::{ApprovalAnswer, ApprovalAsked, approve, approved, can_be_approved};
pub(crate) use checks::Checks;
pub(crate) use load::load;
pub(crate) use refusal::StaffRefusal;
pub(crate) use sign_in::{Claim, SessionAnswer, SignedInAnswer, Whom, current, sign_in, sign_out};

use percolate_common::domain::staff::roles::Role;
use percolate_common::domain::staff::{SignIn, StaffPolicy, Standing};
use percolate_common::domain::tickets::receipt::TerminalName;
use percolate_common::ids::StaffId;
use percolate_runtime::sqlite::{ReadTx, WriteTx};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::AppError;
use crate::store::staff::{self as store, SessionRow, StaffRow};

/// What the node holds in memory of its people.
#[derive(Debug, Default)]
pub(crate) struct Staff {
    pub(crate) policy: StaffPolicy,
    pub(crate) checks: Checks,
}

/// Where somebody stands who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// At a terminal that was paired.
    Terminal(TerminalName),
    /// On the box itself, with its own token.
    OnTheBox,
}

impl Place {
    /// As tables have it: the terminal's name, or nothing.
    fn text(&self) -> String {
        self.terminal().map(ToString::to_string).unwrap_or_default()
    }

    const fn terminal(&self) -> Option<&TerminalName> {
        match self {
            Self::Terminal(name) => Some(name),
            Self::OnTheBox => None,
        }
    }
}

/// What a request shows of people.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) place: Place,
    /// The token of whoever has signed in.
    pub(crate) person: Option<String>,
    /// The token of an approval.
    pub(crate) approval: Option<String>,
}

/// Somebody who has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) id: StaffId,
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// A person, as a list has them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StaffAnswer {
    /// Their number in the chain.
    staff: u32,
    /// What they are called at the till.
    name: String,
    /// `barista`, `lead` or `manager`.
    #[schema(value_type = String)]
    role: &'static str,
}

fn hashed(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

/// A new token: 256 bits by chance.
fn token(app: &App) -> String {
    let mut bytes = [0; 32];
    app.entropy.fill(&mut bytes);
    blake3::Hash::from_bytes(bytes).to_hex().to_string()
}

/// The people of the shop, by number.
pub(crate) fn list(tx: &ReadTx<'_>) -> Result<Vec<StaffAnswer>, AppError> {
    let answer = |row: StaffRow| StaffAnswer { staff: row.id.get(), name: row.name, role: row.role.as_str() };
    Ok(store::staff_list(tx)?.into_iter().map(answer).collect())
}

/// Whoever a request shows, and how it stands with them. A token counts at its own terminal only.
fn present(app: &App, tx: &ReadTx<'_>, shown: &Shown) -> Result<Option<(Person, SessionRow, Standing)>, AppError> {
    let Some(token) = &shown.person else { return Ok(None) };
    let row = store::session_fetch(tx, &hashed(token))?.filter(|row| row.place == shown.place.text());
    let row = row.ok_or(StaffRefusal::Ended)?;
    let standing = row.stay.standing(app.clock.now());
    if standing == Standing::Gone {
        return Err(StaffRefusal::Ended.into());
    }
    let StaffRow { id, name, role, .. } = store::staff_fetch(tx, row.staff)?.ok_or(StaffRefusal::Ended)?;
    Ok(Some((Person { id, name, role }, row, standing)))
}

/// Whoever does something now, if anybody has signed in: they are there, and that is written once in a while.
pub(crate) fn person(app: &App, tx: &WriteTx<'_>, shown: &Shown) -> Result<Option<Person>, AppError> {
    let Some((person, row, standing)) = present(app, tx, shown)? else { return Ok(None) };
    if standing == Standing::PresentUnwritten {
        store::session_seen(tx, &row.hash, app.clock.now())?;
    }
    Ok(Some(person))
}

/// As [`person`], for what a shop may want to be done by people only who have signed in. Whoever has the box's own token may do
/// everything on the box.
pub(crate) fn seller(app: &App, tx: &WriteTx<'_>, shown: &Shown) -> Result<Option<Person>, AppError> {
    let person = person(app, tx, shown)?;
    match (app.staff.policy.sign_in, &shown.place) {
        (SignIn::Required, Place::Terminal(_)) if person.is_none() => Err(StaffRefusal::Needed.into()),
        (SignIn::Required | SignIn::Optional, Place::Terminal(_) | Place::OnTheBox) => Ok(person),
    }
}

/// Somebody does something that changes nothing, as when they ask for a price.
pub(crate) async fn saw(app: &App, shown: Shown) -> Result<(), AppError> {
    if shown.person.is_none() {
        return Ok(());
    }
    let reading = (app.clone(), shown.clone());
    let there = app.readers.read_async(move |tx| present(&reading.0, tx, &reading.1)).await?;
    if there.is_none_or(|(_, _, standing)| standing != Standing::PresentUnwritten) {
        return Ok(());
    }
    let writing = app.clone();
    app.writer.run("saw_staff", move |tx| person(&writing, tx, &shown).map(drop)).await
}
