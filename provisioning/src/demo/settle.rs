//! Waiting until both sides hold the same: the head office everything that the shops wrote, and a box that was copied
//! everything that its copy did.

use std::collections::BTreeMap;
use std::time::Duration;

use percolate_runtime::system::monotonic_now;

use super::link::Link;
use super::shops::{Office, PATIENCE_MS, Shop, ShopsError, client_error};
use crate::audit;
use crate::audit::finding::{Finding, Nature};
use crate::client::retry;
use crate::exit::Failure;

/// How long there may be no headway before the books are compared as they are, in milliseconds.
const STALL_MS_MAX: u64 = 60_000;
/// Pause between two looks at how far it has got, in milliseconds.
const LOOK_EVERY_MS: u64 = 50;
/// How long a box may take to hear of its copy before their line blinks.
pub(super) const BLINK_AFTER: Duration = Duration::from_millis(1_500);
/// What differs without a reason for so long is wrong; less, and it may be in the middle of being written.
const WRONG_AFTER: Duration = Duration::from_secs(2);
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

/// What the audits of a box say while it is waited for.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// Nothing is wrong, and nothing is on its way.
    United,
    /// Something is on its way, or has only just been seen.
    NotYet,
    /// It is wrong, and stays so.
    Wrong,
}

/// Tells what is wrong from what is on its way: what no delivery explains, and stays as it is.
#[derive(Debug, Default)]
struct Watch {
    unexplained: Vec<Finding>,
    since: Duration,
}

impl Watch {
    fn look(&mut self, findings: &[Finding], now: Duration) -> Seen {
        if findings.is_empty() {
            return Seen::United;
        }
        let unexplained = unexplained(findings);
        if unexplained != self.unexplained {
            (self.unexplained, self.since) = (unexplained, now);
        }
        let stays = now.saturating_sub(self.since) >= WRONG_AFTER;
        if stays && !self.unexplained.is_empty() { Seen::Wrong } else { Seen::NotYet }
    }
}

/// What is wrong whatever comes, and figures that differ while nothing is on its way.
fn unexplained(findings: &[Finding]) -> Vec<Finding> {
    let awaits = findings.iter().any(|found| found.nature == Nature::OnItsWay);
    let is_explained = |nature| match nature {
        Nature::OnItsWay => true,
        Nature::Follows => awaits,
        Nature::Wrong => false,
    };
    findings.iter().filter(|found| !is_explained(found.nature)).cloned().collect()
}

/// Waits until a box holds all that a copy of it wrote, as its audit says, or makes no headway any more. The head office
/// must hold it already. A box learns of a life that began after its greeting with its next one; so the line blinks, if
/// need be. What is wrong is not waited for.
///
/// What the audit found in the end; nothing if the box is united.
///
/// # Errors
/// [`Failure`] if a server is gone for good.
pub async fn unite(office: &Office, original: &Shop, link: &Link) -> Result<Vec<Finding>, Failure> {
    let begin = monotonic_now();
    let (mut blink, mut watch) = (Some(link), Watch::default());
    loop {
        let findings = audit::of_store(&office.hub, &original.node).await?.findings;
        let now = monotonic_now();
        let waited = now.saturating_sub(begin);
        match watch.look(&findings, now) {
            Seen::United => return Ok(Vec::new()),
            Seen::Wrong => return Ok(watch.unexplained),
            Seen::NotYet if waited >= Duration::from_millis(STALL_MS_MAX) => return Ok(findings),
            Seen::NotYet => {}
        }
        if let Some(link) = blink.take_if(|_| waited >= BLINK_AFTER) {
            link.blink();
        }
        tokio::time::sleep(Duration::from_millis(READ_EVERY_MS)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(100);

    fn found(nature: Nature) -> Finding {
        Finding { code: "code", nature, sentence: "A sentence.".to_owned(), follows: 0 }
    }

    /// What is seen of the same findings at once, and after a while.
    fn seen(natures: &[Nature]) -> [Seen; 2] {
        let findings: Vec<Finding> = natures.iter().copied().map(found).collect();
        let mut watch = Watch::default();
        [Duration::from_secs(1), LATER].map(|now| watch.look(&findings, now))
    }

    #[test]
    fn what_is_on_its_way_is_waited_for_and_what_is_wrong_is_not() {
        assert_eq!(seen(&[]), [Seen::United, Seen::United]);
        assert_eq!(seen(&[Nature::OnItsWay]), [Seen::NotYet, Seen::NotYet]);
        assert_eq!(seen(&[Nature::Wrong]), [Seen::NotYet, Seen::Wrong]);
        assert_eq!(seen(&[Nature::OnItsWay, Nature::Wrong]), [Seen::NotYet, Seen::Wrong], "it is wrong in any case");
    }

    #[test]
    fn figures_that_differ_are_wrong_only_where_nothing_is_on_its_way() {
        assert_eq!(seen(&[Nature::OnItsWay, Nature::Follows]), [Seen::NotYet, Seen::NotYet]);
        assert_eq!(seen(&[Nature::Follows]), [Seen::NotYet, Seen::Wrong]);
    }

    #[test]
    fn what_changes_is_still_on_its_way() {
        let mut watch = Watch::default();
        assert_eq!(watch.look(&[found(Nature::Follows)], Duration::from_secs(1)), Seen::NotYet);
        let other = Finding { sentence: "Another.".to_owned(), ..found(Nature::Follows) };
        assert_eq!(watch.look(std::slice::from_ref(&other), LATER), Seen::NotYet);
        assert_eq!(watch.look(&[other], LATER + WRONG_AFTER), Seen::Wrong);
    }
}
