//! How the shop stands to head office, as `/v1/node` and the feed say it.

use percolate_common::time::UtcMillis;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
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

/// The data of the feed's event `hub`.
pub(super) fn told((state, since): (HubState, UtcMillis)) -> String {
    format!("{{\"state\":\"{}\",\"since_ms\":{}}}", state.as_str(), since.get())
}
