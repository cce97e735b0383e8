//! The chain as it trades: one picture of the day, made again whenever it changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use percolate_common::ids::StoreId;
use percolate_common::time::{BusinessDay, Clock, UtcMillis};
use percolate_runtime::storage::{ReadTx, StorageError};
use percolate_runtime::system::monotonic_now;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::Reporting;
use super::completeness::{CompletenessMark, Known, marks};
use super::measures::{Kind, Measures};
use super::reports::{self, ReportError, SalesSums};
use super::store::{self, Span, StoreRow};
use crate::kernel::TaskFailure;

/// Pictures are at least this far apart: four a second are plenty for eyes.
pub(super) const TICK_MIN: Duration = Duration::from_millis(250);
/// A picture is sent this often even if nothing changes.
pub(super) const TICK_MAX: Duration = Duration::from_secs(15);
/// Items of the list of best sellers.
const TOP_ITEMS: usize = 8;
/// Receipts of the list of latest sales.
const RECENT_TICKETS: u32 = 12;
/// Hours of the day.
const HOURS: usize = 24;

/// The day so far, as of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Tick {
    /// The hub's clock, UTC milliseconds.
    pub(super) at_ms: i64,
    /// What there is to see.
    #[serde(flatten)]
    pub(super) picture: Picture,
}

/// The day so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Picture {
    /// The newest business day that any store has sold on.
    pub(super) business_day: Option<String>,
    /// IANA zone of the first store, for the page's clock.
    pub(super) zone: Option<String>,
    /// What amounts are in. Absent if stores differ: amounts of the whole chain are 0 then, those of a store are right.
    pub(super) currency: Option<String>,
    /// All stores.
    pub(super) totals: SalesSums,
    /// All stores by hour on the shop's wall, 24 of them.
    pub(super) hours: Vec<HourSums>,
    /// Each store.
    pub(super) stores: Vec<StoreTick>,
    /// Best sellers of the day by value.
    pub(super) top_items: Vec<TopItem>,
    /// Latest sales of the day, newest first.
    pub(super) recent: Vec<RecentTicket>,
    /// Events that are known to exist and are not in this picture.
    pub(super) projection_lag_events: u64,
}

/// One hour of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct HourSums {
    /// 0 to 23.
    pub(super) hour: usize,
    /// Before tax.
    pub(super) net_minor: i64,
    /// Tickets.
    pub(super) tickets: i64,
}

/// One store of the picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct StoreTick {
    /// Store number.
    pub(super) store: u32,
    /// Store name; empty until its node has described it.
    pub(super) name: String,
    /// What its amounts are in.
    pub(super) currency: Option<String>,
    /// Whether a node of the store is connected.
    pub(super) online: bool,
    /// Since when none is, by the hub's clock, UTC milliseconds; absent while one is, and if none ever was.
    pub(super) away_since_ms: Option<i64>,
    /// Tickets of the day.
    pub(super) tickets: i64,
    /// Pieces.
    pub(super) units: i64,
    /// Before tax.
    pub(super) net_minor: i64,
    /// With tax.
    pub(super) total_minor: i64,
    /// The last receipt that is counted.
    pub(super) last_receipt: Option<String>,
    /// When the last counted event happened, UTC milliseconds.
    pub(super) last_at_ms: Option<i64>,
    /// Last counted event of its sales.
    pub(super) through_seq: u64,
    /// Events that are known to exist and are not counted yet.
    pub(super) behind_events: u64,
    /// Events that are held, but that this program cannot read: they are in no figure.
    pub(super) parked_events: u64,
    /// Net by hour, 24 of them.
    pub(super) hours: Vec<i64>,
}

/// A best seller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct TopItem {
    /// What programs know it by.
    pub(super) key: String,
    /// What people read.
    pub(super) label: String,
    /// Pieces.
    pub(super) units: i64,
    /// Before tax.
    pub(super) net_minor: i64,
}

/// A recent sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct RecentTicket {
    /// Store number.
    pub(super) store: u32,
    /// Store name.
    pub(super) name: String,
    /// Its receipt number; none if it was brought in from another system.
    pub(super) receipt: Option<String>,
    /// When it was paid, UTC milliseconds.
    pub(super) at_ms: i64,
    /// With tax.
    pub(super) total_minor: i64,
    /// Pieces.
    pub(super) units: i64,
}

impl Reporting {
    /// Reads one snapshot on a thread that may block, after what the journal holds.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&ReadTx<'_>, &Known) -> Result<T, ReportError> + Send + 'static,
    ) -> Result<T, ReportError> {
        let reporting = self.clone();
        let read = percolate_runtime::tasks::blocking(move || {
            let known = reporting.known()?;
            reporting.db.read(|tx| f(tx, &known))
        });
        read.await.unwrap_or_else(|_panicked| Err(StorageError::Panicked { name: "report" }.into()))
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

    /// Follows the pictures from the next one on.
    pub(super) fn follow(&self) -> watch::Receiver<Option<Arc<Tick>>> {
        self.latest.subscribe()
    }

    /// Makes a picture.
    pub(super) async fn tick(&self) -> Result<Tick, ReportError> {
        let at_ms = self.clock.now().get();
        let picture = self.reporting.read(picture).await?;
        Ok(Tick { at_ms, picture })
    }

    /// Makes pictures while anybody looks, until it is stopped.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), TaskFailure> {
        let mut folded = self.reporting.db.commits();
        let mut journalled = self.reporting.journal.commits();
        let mut sent_at = Duration::ZERO;
        while !stop.is_cancelled() {
            if self.latest.receiver_count() > 0 {
                self.send(&mut sent_at).await.map_err(|error| TaskFailure(Box::new(error)))?;
            } else {
                // Who looks next must not be spared a picture because somebody has seen it before.
                self.latest.send_replace(None);
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(TICK_MIN) => {}
            }
            let rest = (sent_at + TICK_MAX).saturating_sub(monotonic_now()).max(TICK_MIN);
            tokio::select! {
                () = stop.cancelled() => break,
                changed = folded.changed() => if changed.is_err() { break },
                changed = journalled.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(rest) => {}
            }
        }
        Ok(())
    }

    /// Sends a picture if it differs from the one before, or that is long ago.
    async fn send(&self, sent_at: &mut Duration) -> Result<(), ReportError> {
        let tick = self.tick().await?;
        let seen = self.latest.borrow().as_ref().is_some_and(|latest| latest.picture == tick.picture);
        let now = monotonic_now();
        if !seen || now >= *sent_at + TICK_MAX {
            self.latest.send_replace(Some(Arc::new(tick)));
            *sent_at = now;
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

/// When the last node of a store went away.
fn away_since(known: &Known, place: StoreId) -> Option<UtcMillis> {
    let changes = known.nodes.iter().filter(|node| node.store == place).filter_map(|node| node.online_changed_at);
    changes.max()
}

fn store_tick(
    (tx, known): (&ReadTx<'_>, &Known),
    mark: &CompletenessMark,
    described: &[StoreRow],
    span: Span,
) -> Result<StoreTick, StorageError> {
    let place = StoreId::new(mark.store);
    let sums = store::rollup_total(tx, place, span)?.unwrap_or_default();
    let sales = mark.complete_through.iter().filter(|part| part.stream == "sales").map(|part| part.seq).max();
    Ok(StoreTick {
        store: mark.store,
        name: mark.name.clone(),
        currency: described.iter().find(|row| row.store == place).map(|row| row.currency.clone()),
        online: mark.online,
        away_since_ms: away_since(known, place).filter(|_| !mark.online).map(UtcMillis::get),
        tickets: sums.tickets,
        units: sums.units,
        net_minor: sums.net,
        total_minor: sums.total,
        last_receipt: mark.receipt.clone(),
        last_at_ms: mark.at_ms,
        through_seq: sales.unwrap_or(0),
        behind_events: mark.behind_events,
        parked_events: mark.parked_events,
        hours: hours(tx, place, span)?.iter().map(|sums| sums.net).collect(),
    })
}

fn top_items(tx: &ReadTx<'_>, span: Span) -> Result<Vec<TopItem>, StorageError> {
    let mut items = store::rollup_by_key(tx, StoreId::CHAIN, Kind::Item, span)?;
    reports::best_first(&mut items);
    let item = |(key, sums): (String, Measures)| {
        Ok(TopItem { label: reports::label(tx, &key)?, key, units: sums.units, net_minor: sums.net })
    };
    items.into_iter().take(TOP_ITEMS).map(item).collect()
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

/// What there is to see in one snapshot.
pub(super) fn picture(tx: &ReadTx<'_>, known: &Known) -> Result<Picture, ReportError> {
    let marks = marks(tx, known, None)?;
    let described = store::store_list(tx)?;
    let newest = store::newest_day(tx)?;
    let day = newest.unwrap_or(BusinessDay::from_days(0));
    let span = Span { from: day, to: day };
    let names = marks.iter().map(|mark| (mark.store, mark.name.clone())).collect();
    let chain = store::rollup_total(tx, StoreId::CHAIN, span)?.unwrap_or_default();
    let hour = |(hour, sums): (usize, &Measures)| HourSums { hour, net_minor: sums.net, tickets: sums.tickets };
    let mut picture = Picture {
        business_day: newest.map(|day| day.to_string()),
        zone: described.first().map(|row| row.zone.clone()),
        currency: None,
        totals: chain.into(),
        hours: hours(tx, StoreId::CHAIN, span)?.iter().enumerate().map(hour).collect(),
        stores: marks.iter().map(|mark| store_tick((tx, known), mark, &described, span)).collect::<Result<_, _>>()?,
        top_items: top_items(tx, span)?,
        recent: recent(tx, day, &names)?,
        projection_lag_events: marks.iter().fold(0, |sum, mark| mark.behind_events.saturating_add(sum)),
    };
    match reports::currency(tx, None) {
        Ok(currency) => picture.currency = currency,
        Err(ReportError::MixedCurrencies) => without_chain_amounts(&mut picture),
        Err(error) => return Err(error),
    }
    Ok(picture)
}

/// Dollars and euros do not add up.
fn without_chain_amounts(picture: &mut Picture) {
    let SalesSums { net_minor, tax_minor, total_minor, .. } = &mut picture.totals;
    [net_minor, tax_minor, total_minor].into_iter().for_each(|amount| *amount = 0);
    picture.hours.iter_mut().for_each(|hour| hour.net_minor = 0);
    picture.top_items.iter_mut().for_each(|item| item.net_minor = 0);
}
