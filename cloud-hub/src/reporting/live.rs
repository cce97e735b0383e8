//! The chain as it trades: one picture of the day, sent whenever it changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::ids::StoreId;
use percolate_common::time::{BusinessDay, Clock};
use percolate_runtime::sqlite::{ReadTx, StorageError};
use serde::Serialize;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::Reporting;
use super::completeness::{CompletenessMark, Known, marks};
use super::measures::{Kind, Measures};
use super::reports::{ReportError, SalesSums};
use super::store::{self, Span};
use crate::kernel::TaskFailure;

/// Pictures are at least this far apart: four a second are plenty for eyes.
const TICK_MIN: Duration = Duration::from_millis(250);
/// A picture is sent this often even if nothing changes.
pub(super) const TICK_MAX: Duration = Duration::from_secs(15);
/// Items of the list of best sellers.
const TOP_ITEMS: usize = 8;
/// Receipts of the list of latest sales.
const RECENT_TICKETS: u32 = 12;
const HOURS: usize = 24;

/// One picture of the day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Tick {
    /// The hub's clock, UTC milliseconds.
    at_ms: i64,
    /// The newest business day that any store has sold on.
    business_day: Option<String>,
    /// IANA zone of the first store, for the page's clock.
    zone: Option<String>,
    /// What amounts are in; absent if stores differ.
    currency: Option<String>,
    /// All stores.
    totals: SalesSums,
    /// All stores by hour, 24 of them.
    hours: Vec<HourSums>,
    /// Each store.
    stores: Vec<StoreTick>,
    /// Best sellers of the day by value.
    top_items: Vec<TopItem>,
    /// Latest sales of the day, newest first.
    recent: Vec<RecentTicket>,
    /// Events that are known to exist and are not in this picture.
    projection_lag_events: u64,
}

/// One hour of the chain.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct HourSums {
    hour: usize,
    net_minor: i64,
    tickets: i64,
}

/// One store of the picture.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct StoreTick {
    store: u32,
    name: String,
    online: bool,
    tickets: i64,
    units: i64,
    net_minor: i64,
    total_minor: i64,
    last_receipt: Option<String>,
    last_at_ms: Option<i64>,
    through_seq: u64,
    behind_events: u64,
    /// Net by hour, 24 of them.
    hours: Vec<i64>,
}

/// A best seller.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct TopItem {
    key: String,
    label: String,
    units: i64,
    net_minor: i64,
}

/// A recent sale.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct RecentTicket {
    store: u32,
    name: String,
    receipt: Option<String>,
    at_ms: i64,
    total_minor: i64,
    units: i64,
}

impl Reporting {
    /// Reads one snapshot on a thread that may block, after what the journal holds.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&ReadTx<'_>, &Known) -> Result<T, ReportError> + Send + 'static,
    ) -> Result<T, ReportError> {
        let reporting = self.clone();
        self.db
            .read_async(move |tx| {
                let known = reporting.known()?;
                f(tx, &known)
            })
            .await
    }
}

/// Where the pictures come from.
#[derive(Clone)]
pub(super) struct Feed {
    reporting: Reporting,
    clock: Arc<dyn Clock>,
    latest: watch::Sender<Option<Arc<Tick>>>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl Feed {
    pub(super) fn new(reporting: Reporting, clock: Arc<dyn Clock>) -> Self {
        Self { reporting, clock, latest: watch::Sender::new(None) }
    }

    /// The day so far.
    pub(super) async fn picture(&self) -> Result<Tick, ReportError> {
        let at_ms = self.clock.now().get();
        self.reporting.read(move |tx, known| Ok(tick(tx, known, at_ms)?)).await
    }

    /// The day so far and then every later picture, each as JSON.
    pub(super) async fn pictures(&self) -> Result<impl Stream<Item = String> + use<>, ReportError> {
        let first = Arc::new(self.picture().await?);
        let later = WatchStream::from_changes(self.latest.subscribe());
        Ok(tokio_stream::once(Some(first)).chain(later).filter_map(|tick| serde_json::to_string(tick?.as_ref()).ok()))
    }

    /// Makes pictures while anybody looks, until it is stopped.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), TaskFailure> {
        let mut folded = self.reporting.db.commits();
        let mut journalled = self.reporting.journal.commits();
        while !stop.is_cancelled() {
            if self.latest.receiver_count() > 0 {
                let picture = self.picture().await.map_err(|error| TaskFailure(Box::new(error)))?;
                self.latest.send_replace(Some(Arc::new(picture)));
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(TICK_MIN) => {}
            }
            tokio::select! {
                () = stop.cancelled() => break,
                _folded = folded.changed() => {}
                _journalled = journalled.changed() => {}
                () = tokio::time::sleep(TICK_MAX) => {}
            }
        }
        Ok(())
    }
}

fn hours(tx: &ReadTx<'_>, scope: StoreId, span: Span) -> Result<Vec<Measures>, StorageError> {
    let mut hours = vec![Measures::default(); HOURS];
    for (key, measures) in store::rollup_by_key(tx, scope, Kind::Hour, span)? {
        if let Some(hour) = key.parse::<usize>().ok().and_then(|hour| hours.get_mut(hour)) {
            *hour = measures;
        }
    }
    Ok(hours)
}

fn day_sums(tx: &ReadTx<'_>, scope: StoreId, span: Span) -> Result<Measures, StorageError> {
    Ok(store::rollup_by_day(tx, scope, span)?.first().map(|(_day, sums)| *sums).unwrap_or_default())
}

fn store_tick(tx: &ReadTx<'_>, mark: &CompletenessMark, span: Span) -> Result<StoreTick, StorageError> {
    let place = StoreId::new(mark.store);
    let sums = day_sums(tx, place, span)?;
    let sales = mark.complete_through.iter().filter(|part| part.stream == "sales").map(|part| part.seq).max();
    Ok(StoreTick {
        store: mark.store,
        name: mark.name.clone(),
        online: mark.online,
        tickets: sums.tickets,
        units: sums.units,
        net_minor: sums.net,
        total_minor: sums.total,
        last_receipt: mark.receipt.clone(),
        last_at_ms: mark.at_ms,
        through_seq: sales.unwrap_or(0),
        behind_events: mark.behind_events,
        hours: hours(tx, place, span)?.iter().map(|sums| sums.net).collect(),
    })
}

fn top_items(tx: &ReadTx<'_>, span: Span) -> Result<Vec<TopItem>, StorageError> {
    let mut items = store::rollup_by_key(tx, StoreId::CHAIN, Kind::Item, span)?;
    items.sort_by(|(a_key, a), (b_key, b)| b.net.cmp(&a.net).then_with(|| a_key.cmp(b_key)));
    items.truncate(TOP_ITEMS);
    let mut top = Vec::with_capacity(items.len());
    for (key, sums) in items {
        let label = store::name_fetch(tx, &key)?.map_or_else(|| key.clone(), |(name, _unit)| name);
        top.push(TopItem { key, label, units: sums.units, net_minor: sums.net });
    }
    Ok(top)
}

fn recent(tx: &ReadTx<'_>, day: BusinessDay, names: &BTreeMap<u32, String>) -> Result<Vec<RecentTicket>, StorageError> {
    let tickets = store::ticket_recent(tx, day, RECENT_TICKETS)?;
    let line = |ticket: store::ListedTicket| RecentTicket {
        store: ticket.store.get(),
        name: names.get(&ticket.store.get()).cloned().unwrap_or_default(),
        receipt: ticket.receipt,
        at_ms: ticket.at.get(),
        total_minor: ticket.measures.total,
        units: ticket.measures.units,
    };
    Ok(tickets.into_iter().map(line).collect())
}

fn tick(tx: &ReadTx<'_>, known: &Known, at_ms: i64) -> Result<Tick, StorageError> {
    let marks = marks(tx, known, None)?;
    let described = store::store_list(tx)?;
    let newest = store::newest_day(tx)?;
    let day = newest.unwrap_or(BusinessDay::from_days(0));
    let span = Span { from: day, to: day };
    let names = marks.iter().map(|mark| (mark.store, mark.name.clone())).collect();
    let mut currencies: Vec<_> = described.iter().map(|row| row.currency.clone()).collect();
    currencies.dedup();
    let hour = |(hour, sums): (usize, &Measures)| HourSums { hour, net_minor: sums.net, tickets: sums.tickets };
    Ok(Tick {
        at_ms,
        business_day: newest.map(|day| day.to_string()),
        zone: described.first().map(|row| row.zone.clone()),
        currency: currencies.first().filter(|_| currencies.len() == 1).cloned(),
        totals: day_sums(tx, StoreId::CHAIN, span)?.into(),
        hours: hours(tx, StoreId::CHAIN, span)?.iter().enumerate().map(hour).collect(),
        stores: marks.iter().map(|mark| store_tick(tx, mark, span)).collect::<Result<_, _>>()?,
        top_items: top_items(tx, span)?,
        recent: recent(tx, day, &names)?,
        projection_lag_events: marks.iter().map(|mark| mark.behind_events).sum(),
    })
}
