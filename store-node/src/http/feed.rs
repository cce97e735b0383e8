//! What happens in the shop, as it happens: server-sent events.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::problem::Problem;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt as _};

use crate::app::{App, Notice};

fn event(notice: Notice) -> Event {
    match notice {
        Notice::Ticket(json) => Event::default().event("ticket").data(json),
        Notice::Catalog(revision) => Event::default().event("catalog").data(format!("{{\"revision\":{revision}}}")),
        Notice::Link(link) => Event::default().event("link").data(format!("{{\"link\":\"{}\"}}", link.as_str())),
    }
}

/// Events named `ticket`, `catalog`, `link`, and `missed` for a listener that was too slow.
#[utoipa::path(get, path = "/v1/events", tag = "node", responses(
    (status = 200, description = "Server-sent events", content_type = "text/event-stream", body = String),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn events(
    State(app): State<App>,
    _actor: Actor,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let notices = BroadcastStream::new(app.present.notices.subscribe());
    let events = notices.map(|notice| {
        let missed = |_too_slow| Event::default().event("missed").data("{}");
        Ok(notice.map_or_else(missed, event))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}
