//! Approvals: somebody who may types their PIN at the till of somebody who may not.

use percolate_common::domain::staff::approvals::{APPROVAL_MS, Approval, ApprovalRejection, Given, redeem};
use percolate_common::domain::staff::roles::{Act, May, Role, may};
use percolate_common::time::UtcMillis;
use percolate_runtime::sqlite::WriteTx;
use serde::Serialize;
use utoipa::ToSchema;

use super::sign_in::{Claim, proven};
use super::{Person, Place, Shown, StaffRefusal, hashed, token};
use crate::app::App;
use crate::app::error::AppError;
use crate::store::staff::{self as store, ApprovalRow};

/// Names that a refusal says.
const APPROVERS_SAID_MAX: usize = 5;

/// Approvals that one request may show, with commas between them.
const APPROVALS_SHOWN_MAX: usize = 4;

/// What is to be approved.
#[derive(Clone)]
pub(crate) struct ApprovalAsked {
    pub(crate) act: Act,
    pub(crate) reason: String,
}

/// An approval.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ApprovalAnswer {
    /// What is shown with the act, as `Percolate-Approval`: a secret. It is good once, at this terminal.
    approval: String,
    /// For what.
    #[schema(value_type = String)]
    act: &'static str,
    /// Who has approved it, by number.
    approver: u32,
    /// When it ends, UTC milliseconds.
    expires_at_ms: i64,
}

/// Approves an act, once, at a place. A PIN that is right but whose role may not is no wrong try.
pub(crate) async fn approve(
    app: &App,
    place: Place,
    claim: Claim,
    asked: ApprovalAsked,
) -> Result<ApprovalAnswer, AppError> {
    let here = app.clone();
    let given = app.staff.checks.run(move || {
        let (token, giving, at) = (token(&here), here.clone(), place.text());
        proven(&here, &place, &claim, move |tx, person| {
            if may(person.role, asked.act) != May::Yes {
                return Ok(None);
            }
            let expires_at = UtcMillis::new(giving.clock.now().get().saturating_add(APPROVAL_MS));
            let row = ApprovalRow {
                hash: hashed(&token),
                act: asked.act.as_str().to_owned(),
                approver: person.id,
                reason: asked.reason,
                place: at,
                expires_at,
                is_used: false,
            };
            store::approval_insert(tx, &row)?;
            Ok(Some(ApprovalAnswer {
                approval: token,
                act: asked.act.as_str(),
                approver: person.id.get(),
                expires_at_ms: expires_at.get(),
            }))
        })
    });
    given.await?.ok_or_else(|| StaffRefusal::MayNotApprove.into())
}

/// Who could approve an act, by name.
fn approvers(tx: &WriteTx<'_>, act: Act) -> Result<Vec<String>, AppError> {
    let people = store::staff_list(tx)?.into_iter();
    let able = people.filter(|row| row.pin_hash.is_some() && may(row.role, act) == May::Yes);
    Ok(able.take(APPROVERS_SAID_MAX).map(|row| row.name).collect())
}

/// Whether there is anybody who could approve an act.
pub(crate) fn can_be_approved(tx: &WriteTx<'_>, act: Act) -> Result<bool, AppError> {
    Ok(!approvers(tx, act)?.is_empty())
}

/// Whether somebody may do something now, and by whose approval where they need one, which is used by it. Whoever has not signed in
/// may what a barista may. Whoever has the box's own token may everything on the box, and so may everybody in a shop of which
/// head office names nobody.
pub(crate) fn approved(
    app: &App,
    tx: &WriteTx<'_>,
    act: Act,
    person: Option<&Person>,
    shown: &Shown,
) -> Result<Option<Approval>, AppError> {
    let role = match (person, &shown.place) {
        (Some(person), _) => person.role,
        (None, Place::OnTheBox) => return Ok(None),
        (None, Place::Terminal(_)) => Role::Barista,
    };
    if may(role, act) == May::Yes || store::staff_list(tx)?.is_empty() {
        return Ok(None);
    }
    let Some(tokens) = &shown.approval else {
        return Err(StaffRefusal::ApprovalNeeded { act, by: approvers(tx, act)? }.into());
    };
    let now = app.clock.now();
    let mut refused = ApprovalRejection::OtherAct;
    for token in tokens.split(',').map(str::trim).take(APPROVALS_SHOWN_MAX) {
        match good_for(tx, token, act, (shown, now))? {
            Ok(row) => {
                store::approval_used(tx, &row.hash, now)?;
                return Ok(Some(Approval { by: row.approver, reason: row.reason }));
            }
            Err(ApprovalRejection::OtherAct) => {}
            Err(rejection) => refused = rejection,
        }
    }
    Err(StaffRefusal::Approval(refused).into())
}

/// The approval that a token stands for, if it is good for an act now.
fn good_for(
    tx: &WriteTx<'_>,
    token: &str,
    act: Act,
    (shown, now): (&Shown, UtcMillis),
) -> Result<Result<ApprovalRow, ApprovalRejection>, AppError> {
    let Some(row) = store::approval_fetch(tx, &hashed(token))? else { return Ok(Err(ApprovalRejection::Ended)) };
    let Ok(of) = row.act.parse::<Act>() else { return Ok(Err(ApprovalRejection::OtherAct)) };
    let is_here = row.place == shown.place.text();
    let given = Given { act: of, is_here, expires_at: row.expires_at, is_used: row.is_used };
    Ok(redeem(&given, act, now).map(|()| row))
}
