//! How the shop stands to head office, as `/v1/node` and the feed say it.

use percolate_common::journal::JournalId;
use percolate_common::time::UtcMillis;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::catalog::Unread;
use crate::app::outage::{HubState, Unsent};

/// How the shop stands to head office. It sells on in any case, and tries on by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HubAnswer {
    /// `connected`; `no_lan`, `no_internet`, `hub_unreachable` or `refused` in an outage, by its cause; `not_draining` while
    /// head office is reached and takes nothing in; `not_enrolled` on a box that was not let in yet; `starting` before the first
    /// try.
    #[schema(value_type = String)]
    state: &'static str,
    /// Since when, UTC milliseconds.
    since_ms: i64,
    /// What whoever is in the shop does about it; null where all is well.
    #[schema(value_type = Option<String>)]
    advice: Option<&'static str>,
    /// Entries of the journals that head office has not acknowledged.
    unsent: u64,
    /// How old the oldest of them is, in milliseconds; null if there is none.
    oldest_unsent_age_ms: Option<i64>,
}

impl HubAnswer {
    pub(super) fn new(app: &App, unsent: &Unsent) -> Self {
        let (state, since) = app.present.hub();
        Self {
            state: state.as_str(),
            since_ms: since.get(),
            advice: state.advice(),
            unsent: unsent.events,
            oldest_unsent_age_ms: unsent.age_ms(app.clock.now()),
        }
    }
}

/// Entries of one of head office's journals that this box holds and cannot read: its program is older. It sells by what it can
/// read, and a newer program reads them at its start.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnreadAnswer {
    /// Life of the journal, 16 hexadecimal digits.
    incarnation: String,
    /// Which.
    #[schema(value_type = String)]
    stream: &'static str,
    /// How many.
    count: u64,
    /// The sequence number of the first.
    first_seq: u64,
    /// Since when this start of the program knows of it, UTC milliseconds.
    since_ms: i64,
}

impl UnreadAnswer {
    fn new((journal, (unread, since)): (JournalId, (Unread, UtcMillis))) -> Self {
        Self {
            incarnation: journal.incarnation.to_string(),
            stream: journal.stream.as_str(),
            count: unread.count,
            first_seq: unread.first_seq,
            since_ms: since.get(),
        }
    }

    /// Of all journals.
    pub(super) fn all(app: &App) -> Vec<Self> {
        app.present.unread().into_iter().map(Self::new).collect()
    }
}

/// The data of the feed's event `hub`.
pub(super) fn told((state, since): (HubState, UtcMillis)) -> String {
    format!("{{\"state\":\"{}\",\"since_ms\":{}}}", state.as_str(), since.get())
}
