//! The machine: cores, memory, clocks, zone and name.

use std::fs::read_to_string;
use std::path::Path;

use percolate_common::identity::acceptance::CheckOutcomeV1;
use percolate_common::time::UtcMillis;

use super::{Check, Code, Ground, from_below};

/// Memory in KiB: what a shop's server needs is a twentieth of it.
const MEMORY_FINE_KIB: u64 = 1_000_000;
const MEMORY_LAWFUL_KIB: u64 = 500_000;
const MINUTE_MS: i64 = 60 * 1_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// A clock that lies so far behind the bundle was never set.
const BEFORE_MS_MAX: i64 = DAY_MS;
/// Nobody opens a shop from a bundle of last year: its code ended long ago, so it is the clock.
const AHEAD_MS_MAX: i64 = 366 * DAY_MS;
/// So far from head office's clock is near enough.
const APART_MS_MAX: i64 = 5 * MINUTE_MS;
/// The same for the clock that goes on without power: it is only believed until there is a line.
const RTC_APART_MS_MAX: i64 = 60 * MINUTE_MS;
/// The time that this clock had at the last start, or has now.
const RTC: &str = "/sys/class/rtc/rtc0/since_epoch";

pub(super) fn memory() -> Check {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let text = read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let outcome = match from_below(kib, (MEMORY_FINE_KIB, MEMORY_LAWFUL_KIB)) {
        CheckOutcomeV1::Pass if cores < 2 => CheckOutcomeV1::Warn,
        outcome @ (CheckOutcomeV1::Pass | CheckOutcomeV1::Warn | CheckOutcomeV1::Fail) => outcome,
    };
    let said = format!("{cores} cores and {} MB of memory; 2 and 1,000 are wanted.", kib / 1_000);
    Check::new(Code::CpuMemory, outcome, said, "Take another machine.")
}

/// The clock against the bundle, and against head office's where that has said its own.
pub(super) fn clock(ground: &Ground, hub_says: Option<UtcMillis>) -> Check {
    const FIX: &str = "Set it: date -s \"2026-11-29 14:00\", and replace the machine's battery if it forgets.";
    let now = ground.now.get();
    let said = format!("The clock says {}.", ground.now);
    let Some(bundle) = &ground.bundle else { return Check::pass(Code::Clock, said) };
    if now < bundle.made_at_ms.saturating_sub(BEFORE_MS_MAX) {
        return Check::fail(Code::ClockBeforeBundle, format!("{said} The bundle is younger."), FIX);
    }
    if now > bundle.made_at_ms.saturating_add(AHEAD_MS_MAX) {
        let outcome = if ground.is_installed() { CheckOutcomeV1::Warn } else { CheckOutcomeV1::Fail };
        let said = format!("{said} The bundle was made more than a year before.");
        return Check::new(Code::ClockFarAhead, outcome, said, FIX);
    }
    if let Some(hub) = hub_says.filter(|hub| (hub.get() - now).abs() > APART_MS_MAX) {
        return Check::warn(Code::Clock, format!("{said} Head office's says {hub}."), FIX);
    }
    if now < bundle.made_at_ms {
        return Check::warn(Code::Clock, format!("{said} The bundle is younger."), FIX);
    }
    if now > bundle.expires_at_ms && hub_says.is_none() {
        let ended = UtcMillis::new(bundle.expires_at_ms);
        return Check::warn(Code::Clock, format!("{said} By that the bundle's code ended at {ended}."), FIX);
    }
    Check::pass(Code::Clock, said)
}

pub(super) fn clock_rtc(ground: &Ground) -> Check {
    let told = read_to_string(RTC).ok().and_then(|text| text.trim().parse::<i64>().ok());
    rtc(told.map(|seconds| seconds.saturating_mul(1_000)), ground.now.get())
}

fn rtc(told_ms: Option<i64>, now_ms: i64) -> Check {
    const FIX: &str =
        "Replace the machine's battery. Without it the clock is wrong after each power cut until there is a line.";
    match told_ms {
        None => Check::warn(Code::ClockRtc, "The machine has no clock that goes on without power.", FIX),
        Some(told) if (told - now_ms).abs() > RTC_APART_MS_MAX => {
            let said = format!("The clock that goes on without power says {}.", UtcMillis::new(told));
            Check::warn(Code::ClockRtc, said, "hwclock --systohc, and replace the machine's battery if it forgets.")
        }
        Some(_) => Check::pass(Code::ClockRtc, "The clock that goes on without power is right."),
    }
}

pub(super) fn zone(ground: &Ground) -> Check {
    let machine = std::fs::read_link("/etc/localtime").ok();
    let zone = machine.as_deref().and_then(zone_of).unwrap_or("UTC").to_owned();
    let wanted = ground.bundle.as_ref().map(|bundle| bundle.site.zone.as_str());
    let outcome = if wanted.is_none_or(|wanted| wanted == zone) { CheckOutcomeV1::Pass } else { CheckOutcomeV1::Warn };
    let said = wanted.map_or_else(
        || format!("The machine's zone is {zone}."),
        |wanted| format!("The machine's zone is {zone}, the shop's is {wanted}, by which it books."),
    );
    let fix = "Only logs are told by the machine's zone: timedatectl set-timezone, if you like.";
    Check::new(Code::Zone, outcome, said, fix)
}

/// The name of a zone by the path of its file.
fn zone_of(path: &Path) -> Option<&str> {
    path.to_str()?.split_once("/zoneinfo/").map(|(_, zone)| zone)
}

pub(super) fn hostname() -> Check {
    named(read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim())
}

fn named(name: &str) -> Check {
    match name {
        "" | "(none)" | "localhost" | "localhost.localdomain" | "debian" | "raspberrypi" => Check::warn(
            Code::Hostname,
            format!("The machine is called {name:?}, as many are."),
            "Give it a name of its own, so that it is found in logs: hostnamectl set-hostname store-042.",
        ),
        name => Check::pass(Code::Hostname, format!("The machine is called {name}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_told_by_its_file() {
        assert_eq!(zone_of(Path::new("/usr/share/zoneinfo/America/New_York")), Some("America/New_York"));
        assert_eq!(zone_of(Path::new("/etc/other")), None);
    }

    #[test]
    fn a_battery_that_is_empty_or_not_there_is_told() {
        let now = 1_796_000_000_000;
        let outcomes =
            [None, Some(0), Some(now - RTC_APART_MS_MAX - 1), Some(now + 60_000)].map(|told| rtc(told, now).outcome);
        let [warn, pass] = [CheckOutcomeV1::Warn, CheckOutcomeV1::Pass];
        assert_eq!(outcomes, [warn, warn, warn, pass]);
    }

    #[test]
    fn a_name_that_all_have_is_none() {
        assert_eq!(named("store-042").outcome, CheckOutcomeV1::Pass);
        for name in ["", "(none)", "localhost", "debian"] {
            assert_eq!(named(name).outcome, CheckOutcomeV1::Warn, "{name:?}");
        }
    }
}
