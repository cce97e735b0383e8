//! What happens in the shop, as it happens: server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use percolate_runtime::http::auth::Actor;
use percolate_runtime::http::problem::Problem;
use percolate_runtime::sqlite::ReadTx;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::gate::UntilRevoked;
use super::hub_answer::told;
use crate::app::error::AppError;
use crate::app::reports::{self, Told};
use crate::app::{App, FOLLOW_EVERY, Notice, kitchen, open_tickets};

/// Tickets that are read at one time.
const PAGE_TICKETS: u32 = 100;
/// Tickets that are counted at one time.
const PAGE_PLACES: u32 = 1_000;

fn event(notice: Notice) -> Event {
    match notice {
        Notice::Ticket(json) => Event::default().event("ticket").data(json),
        Notice::OpenTicket(json) => Event::default().event("open_ticket").data(json),
        Notice::Kitchen(json) => Event::default().event("kitchen").data(json),
        Notice::Catalog(revision) => Event::default().event("catalog").data(format!("{{\"revision\":{revision}}}")),
        Notice::Hub(state, since) => Event::default().event("hub").data(told((state, since))),
        Notice::Link(link) => Event::default().event("link").data(format!("{{\"link\":\"{}\"}}", link.as_str())),
    }
}

/// Events until whoever hears them may hear no more.
struct Until<S> {
    events: S,
    ended: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl<S: Stream + Unpin> Stream for Until<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if self.ended.as_mut().is_some_and(|ended| ended.as_mut().poll(context).is_ready()) {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.events).poll_next(context)
    }
}

/// Events named `ticket`, `open_ticket`, `kitchen`, `catalog`, `link`, `hub`, and `missed` for a listener that was too
/// slow. They end when the terminal that listens is revoked.
#[utoipa::path(get, path = "/v1/events", tag = "node", responses(
    (status = 200, description = "Server-sent events", content_type = "text/event-stream", body = String),
    (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn events(
    State(app): State<App>,
    _actor: Actor,
    until: Option<Extension<UntilRevoked>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let notices = BroadcastStream::new(app.present.listen());
    let events = notices.map(|notice| {
        let missed = |_too_slow| Event::default().event("missed").data("{}");
        Ok(notice.map_or_else(missed, event))
    });
    let ended = until.map(|Extension(UntilRevoked(ended))| Box::pin(ended.cancelled_owned()));
    Sse::new(Until { events, ended }).keep_alive(KeepAlive::default())
}

/// Tells the screens of each ticket once it is in the journal, whether or not the till that sold it still listens.
#[derive(Debug)]
pub(crate) struct Feed {
    app: App,
    /// How far was told.
    told: Told,
    /// How far was told of open tickets.
    told_open: Told,
    /// The last change of what is to be prepared that was told.
    told_kitchen: u64,
}

impl Feed {
    /// Begins after what was sold before.
    ///
    /// # Errors
    /// [`AppError`] if the journal cannot be read.
    pub(crate) async fn open(app: App) -> Result<Self, AppError> {
        let reading = app.clone();
        let last =
            move |tx: &ReadTx<'_>| Ok::<_, AppError>((reports::last_place(&reading, tx)?, kitchen::last_change(tx)?));
        let (told, told_kitchen) = app.readers.read_async(last).await?;
        Ok(Self { app, told, told_open: told, told_kitchen })
    }

    /// Follows the journal until it is stopped.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut commits = self.app.writer.commits();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = commits.changed() => if changed.is_err() { return },
            }
            if let Err(error) = self.tell().await {
                // The next commit tries again from the same place.
                tracing::error!(error = &error as &dyn std::error::Error, "the screens could not be told: {error}");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(FOLLOW_EVERY) => {}
            }
        }
    }

    async fn tell(&mut self) -> Result<(), AppError> {
        loop {
            let before = self.told;
            if self.app.present.is_heard() || !self.pass().await? {
                self.tell_page().await?;
            }
            if self.told == before {
                self.tell_open().await?;
                return self.tell_kitchen().await;
            }
        }
    }

    /// Tells of open tickets that changed. A screen that begins to listen reads the list after that.
    async fn tell_open(&mut self) -> Result<(), AppError> {
        loop {
            let (reading, before) = (self.app.clone(), self.told_open);
            let page = (PAGE_TICKETS, self.app.present.is_heard());
            let changed = move |tx: &ReadTx<'_>| open_tickets::changed_since(&reading, tx, before, page);
            let (tickets, told) = self.app.readers.read_async(changed).await?;
            self.told_open = told;
            for ticket in tickets {
                self.app.present.tell(Notice::OpenTicket(serde_json::to_string(&ticket).unwrap_or_default()));
                tokio::task::yield_now().await;
            }
            if told == before {
                return Ok(());
            }
        }
    }

    /// Tells of what is to be prepared, and how far it is. A screen that begins to listen reads the list after that.
    async fn tell_kitchen(&mut self) -> Result<(), AppError> {
        loop {
            let (before, is_heard) = (self.told_kitchen, self.app.present.is_heard());
            let changed = move |tx: &ReadTx<'_>| {
                if is_heard {
                    return kitchen::changed_since(tx, before, PAGE_TICKETS);
                }
                Ok((Vec::new(), kitchen::last_change(tx)?))
            };
            let (changed, told) = self.app.readers.read_async(changed).await?;
            self.told_kitchen = told;
            for prep in changed {
                self.app.present.tell(Notice::Kitchen(serde_json::to_string(&prep).unwrap_or_default()));
                tokio::task::yield_now().await;
            }
            if told == before {
                return Ok(());
            }
        }
    }

    /// Counts the tickets that nobody hears of: reading and writing each for no screen would cost as much as selling it.
    /// Says no, and has done nothing, if somebody began to listen.
    async fn pass(&mut self) -> Result<bool, AppError> {
        let (reading, before) = (self.app.clone(), self.told);
        let sold = move |tx: &ReadTx<'_>| reports::sold_count(&reading, tx, before, PAGE_PLACES);
        let (count, told) = self.app.readers.read_async(sold).await?;
        // Who began to listen meanwhile may have done so before the last of them was sold.
        let nobody = !self.app.present.is_heard();
        if nobody {
            metrics::counter!("node_tickets_total").increment(u64::try_from(count).unwrap_or(0));
            self.told = told;
        }
        Ok(nobody)
    }

    async fn tell_page(&mut self) -> Result<(), AppError> {
        let (reading, before) = (self.app.clone(), self.told);
        let sold = move |tx: &ReadTx<'_>| reports::sold(&reading, tx, before, PAGE_TICKETS);
        let (tickets, told) = self.app.readers.read_async(sold).await?;
        self.told = told;
        for ticket in tickets {
            metrics::counter!("node_tickets_total").increment(1);
            self.app.present.tell(Notice::Ticket(serde_json::to_string(&ticket).unwrap_or_default()));
            // A commit of many sales must not outrun a screen that listens.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}
