//! Waiting until both sides hold the same: the head office everything that the shops wrote, and a box that was copied
//! everything that its copy did.

use std::collections::BTreeMap;
use std::time::Duration;

use percolate_runtime::system::monotonic_now;

use super::link::Link;
use super::shops::{Office, PATIENCE_MS, Shop, ShopsError, client_error};
use crate::audit;
use crate::client::retry;
use crate::exit::Failure;

/// How long there may be no headway before the books are compared as they are, in milliseconds.
const STALL_MS_MAX: u64 = 60_000;
/// Pause between two looks at how far it has got, in milliseconds.
const LOOK_EVERY_MS: u64 = 50;
/// How long a box may take to hear of its copy before their line blinks.
pub(super) const BLINK_AFTER: Duration = Duration::from_millis(1_500);
/// Pause between two readings of all journals of a box, in milliseconds.
const READ_EVERY_MS: u64 = 150;

/// Waits until the head office holds and counts everything that the shops have written, or makes no headway any more.
///
/// # Errors
/// [`ShopsError`] if a server is gone for good.
pub async fn settle(office: &Office, shops: &[Shop]) -> Result<(), ShopsError> {
    let stall = Duration::from_millis(STALL_MS_MAX);
    let mut deadline = monotonic_now() + stall;
    let mut least_left = u64::MAX;
    loop {
        let left = behind(office, shops).await?;
        if left == 0 {
            return Ok(());
        }
        if left < least_left {
            least_left = left;
            deadline = monotonic_now() + stall;
        }
        if monotonic_now() >= deadline {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
    }
}

/// Events that are written in a shop and not acknowledged, or not counted in the reports.
async fn behind(office: &Office, shops: &[Shop]) -> Result<u64, ShopsError> {
    let patience = Duration::from_millis(PATIENCE_MS);
    let mut left = 0;
    let mut written = BTreeMap::new();
    for shop in shops {
        let state = retry(patience, |_| shop.node.state()).await.map_err(client_error(&shop.store.name))?;
        for stream in &state.streams {
            left += stream.last_seq.saturating_sub(stream.acked_seq);
            written.insert((state.node, state.incarnation.clone(), stream.stream.clone()), stream.last_seq);
        }
    }
    let report = retry(patience, |_| office.hub.sales_by_store()).await.map_err(client_error("the head office"))?;
    for through in report.completeness.iter().flat_map(|mark| &mark.complete_through) {
        let key = (through.node, through.incarnation.clone(), through.stream.clone());
        left += written.get(&key).map_or(0, |last| last.saturating_sub(through.seq));
    }
    left += report.completeness.iter().map(|mark| mark.behind_events).sum::<u64>();
    Ok(left)
}

/// Waits until a box holds all that a copy of it wrote, as its audit says, or makes no headway any more. The head office
/// must hold it already. A box learns of a life that began after its greeting with its next one; so the line blinks, if
/// need be.
///
/// # Errors
/// [`Failure`] if a server is gone for good.
pub async fn unite(office: &Office, original: &Shop, link: &Link) -> Result<(), Failure> {
    let begin = monotonic_now();
    let mut blink = Some(link);
    loop {
        let audit = audit::of_store(&office.hub, &original.node).await?;
        let waited = monotonic_now().saturating_sub(begin);
        if audit.findings.is_empty() || waited >= Duration::from_millis(STALL_MS_MAX) {
            return Ok(());
        }
        if let Some(link) = blink.take_if(|_| waited >= BLINK_AFTER) {
            link.blink();
        }
        tokio::time::sleep(Duration::from_millis(READ_EVERY_MS)).await;
    }
}
