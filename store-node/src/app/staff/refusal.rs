//! Why somebody is not signed in, or may not.

use percolate_common::domain::staff::approvals::ApprovalRejection;
use percolate_common::domain::staff::roles::Act;

/// A refusal. Nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StaffRefusal {
    /// Nobody has this number or badge, or it is not their PIN: all look the same.
    #[error("nobody of this shop has this number or badge, or it is not their PIN")]
    Wrong,
    /// Wrong tries keep somebody out, or a terminal.
    #[error("wrong PINs or badges were tried too often: wait {} seconds", left_ms.saturating_add(999) / 1_000)]
    Locked {
        /// How long it lasts on.
        left_ms: i64,
    },
    /// So many tries wait for their turn that no other one is taken.
    #[error("so many sign in at once that this one finds no place to wait: try again")]
    Busy,
    /// Nobody has signed in, and somebody must.
    #[error("somebody must sign in first: send their token in the header Percolate-Staff")]
    Needed,
    /// Whoever had signed in is out, or the token is another terminal's.
    #[error("whoever had signed in at this terminal is out: they signed out, or did nothing for ten minutes")]
    Ended,
    /// Somebody who may must approve it.
    #[error("this needs an approval for {}; {}", act.as_str(), could(by))]
    ApprovalNeeded {
        /// What.
        act: Act,
        /// Who could, by name.
        by: Vec<String>,
    },
    /// The approval is good for nothing here.
    #[error(transparent)]
    Approval(#[from] ApprovalRejection),
    /// Whoever approves may not do it themselves.
    #[error("who approves this must be somebody who may do it without being approved")]
    MayNotApprove,
}

fn could(by: &[String]) -> String {
    match by {
        [] => "nobody of the shop who may has a PIN: ask head office".to_owned(),
        some => format!("it can be given by {}", some.join(", ")),
    }
}
