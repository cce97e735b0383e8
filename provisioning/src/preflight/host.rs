//! The machine: cores, memory, clock and zone.

use std::path::Path;

use percolate_common::identity::acceptance::CheckOutcomeV1;

use super::{Check, Ground, from_below};

/// Memory in KiB: what a shop's server needs is a twentieth of it.
const MEMORY_FINE_KIB: u64 = 1_000_000;
const MEMORY_LAWFUL_KIB: u64 = 500_000;
/// A clock that lies so far behind the bundle was never set.
const BEFORE_MS_MAX: i64 = 24 * 60 * 60 * 1_000;

pub(super) fn memory() -> Check {
    const CODE: &str = "cpu_memory";
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let outcome = match from_below(kib, (MEMORY_FINE_KIB, MEMORY_LAWFUL_KIB)) {
        CheckOutcomeV1::Pass if cores < 2 => CheckOutcomeV1::Warn,
        outcome @ (CheckOutcomeV1::Pass | CheckOutcomeV1::Warn | CheckOutcomeV1::Fail) => outcome,
    };
    let said = format!("{cores} cores and {} MB of memory; 2 and 1,000 are wanted.", kib / 1_000);
    Check::new(CODE, outcome, said, "Take another machine.")
}

pub(super) fn clock(ground: &Ground<'_>) -> Check {
    const CODE: &str = "clock";
    const FIX: &str = "Set it: date -s \"2026-11-29 14:00\", and replace the machine's battery if it forgets.";
    let said = format!("The clock says {}.", ground.now);
    let made_at = ground.bundle.map_or(i64::MIN, |bundle| bundle.made_at_ms);
    let is_before = ground.now.get() < made_at.saturating_sub(BEFORE_MS_MAX);
    if is_before {
        return Check::new("clock_before_bundle", CheckOutcomeV1::Fail, format!("{said} The bundle is younger."), FIX);
    }
    let outcome = if ground.now.get() < made_at { CheckOutcomeV1::Warn } else { CheckOutcomeV1::Pass };
    Check::new(CODE, outcome, said, FIX)
}

pub(super) fn zone(ground: &Ground<'_>) -> Check {
    let machine = std::fs::read_link("/etc/localtime").ok();
    let zone = machine.as_deref().and_then(zone_of).unwrap_or("UTC").to_owned();
    let wanted = ground.bundle.map(|bundle| bundle.site.zone.as_str());
    let outcome = if wanted.is_none_or(|wanted| wanted == zone) { CheckOutcomeV1::Pass } else { CheckOutcomeV1::Warn };
    let said = wanted.map_or_else(
        || format!("The machine's zone is {zone}."),
        |wanted| format!("The machine's zone is {zone}, the shop's is {wanted}, by which it books."),
    );
    Check::new(
        "zone",
        outcome,
        said,
        "Only logs are told by the machine's zone: timedatectl set-timezone, if you like.",
    )
}

/// The name of a zone by the path of its file.
fn zone_of(path: &Path) -> Option<&str> {
    path.to_str()?.split_once("/zoneinfo/").map(|(_, zone)| zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_told_by_its_file() {
        assert_eq!(zone_of(Path::new("/usr/share/zoneinfo/America/New_York")), Some("America/New_York"));
        assert_eq!(zone_of(Path::new("/etc/other")), None);
    }
}
