//! The tables of the case.

use super::limits::{CORES, HUB_BYTES_MAX};
use super::{BACK_STORES, BACKLOG, LATE_US_MAX, PEAK_PER_SECOND, Phase, RUSH_EVERY, Return, STORES_MOST};
use crate::figures::{ms, thousands};
use crate::machine::load_average;
use crate::report::{Section, Verdict};

const RUSH_PERCENT_MAX: u64 = 25;
const BACK_US_MAX: u64 = 15_000_000;

/// Of both cores, in percent.
fn percent(cpu_us: u64, took_us: u64) -> u64 {
    cpu_us * 100 / (took_us * CORES).max(1)
}

fn mib(kib: u64) -> String {
    format!("{} MiB", kib / 1_024)
}

fn fits(kib: u64) -> Verdict {
    Verdict::of(kib * 1_024 <= HUB_BYTES_MAX)
}

fn stores(count: usize) -> String {
    thousands(count.try_into().unwrap_or(u64::MAX))
}

fn machine(section: &mut Section) {
    section.tell("load average at the end", load_average().unwrap_or_default());
}

pub(super) fn rush(quiet: &Phase, rush: &Phase) -> Section {
    let mut section = Section::new("stores-rush", "500 stores in their rush at one small hub");
    let share = percent(rush.hub_us, rush.took_us);
    let goal = format!("<= {RUSH_PERCENT_MAX} % of two cores");
    section.row("the hub's share of two cores", format!("{share} %"), &goal, Verdict::of(share <= RUSH_PERCENT_MAX));
    section.tell("the same while all are quiet", format!("{} %", percent(quiet.hub_us, quiet.took_us)));
    section.tell("ticket to report, p50", ms(rush.p50_us));
    section.row("ticket to report, p99", ms(rush.p99_us), "<= 1 s", Verdict::of(rush.p99_us <= LATE_US_MAX));
    section.row("the hub, resident at most", mib(rush.hub_peak_kib), "<= 2,048 MiB", fits(rush.hub_peak_kib));
    section.tell("tickets a second", format!("{}", rush.tickets * 1_000_000 / rush.took_us.max(1)));
    section.tell("tickets", thousands(rush.tickets));
    section.tell("the generator's share of two cores", format!("{} %", percent(rush.generator_us, rush.took_us)));
    machine(&mut section);
    section.note(format!(
        "Simulated stores in one process, with real chains, tickets priced by the domain from the hub's menu, and the \
         protocol of nodes over connections of their own. A store sells every {} s on average: 1,500 tickets a day, 15 % \
         of them in the peak hour, twice that in the worst minute. A ticket counts from the moment at which it was due; \
         its end is seen in the database of the reports every 20 ms.",
        RUSH_EVERY.as_secs()
    ));
    section.note(
        "Hub and generator are kept on the same two cores. What the hub may have of memory of its own (heap, stacks, all \
         that it writes and shares with nobody) is limited to 2 GiB; the page cache is not.",
    );
    section.note("At the end every store's tickets in the report are compared with what it sold.");
    section
}

pub(super) fn curve(steps: &[(Phase, Phase)], allowed: u64) -> Section {
    let mut section =
        Section::new("stores-curve", "More and more stores at one small hub, 5,000 tickets a second in all");
    for (quiet, peak) in steps {
        section.tell(
            &format!("{} stores", stores(peak.stores)),
            format!(
                "quiet: {} %; selling {} a second: hub {} %, generator {} %, p50 {}, p99 {}; resident {}, {} \
                 descriptors",
                percent(quiet.hub_us, quiet.took_us),
                thousands(peak.tickets * 1_000_000 / peak.took_us.max(1)),
                percent(peak.hub_us, peak.took_us),
                percent(peak.generator_us, peak.took_us),
                ms(peak.p50_us),
                ms(peak.p99_us),
                mib(peak.hub_kib),
                stores(peak.hub_descriptors),
            ),
        );
    }
    let held = |peak: &&Phase| peak.p99_us <= LATE_US_MAX && fits(peak.hub_peak_kib) == Verdict::Reached;
    let most = steps.iter().map(|(_, peak)| peak).filter(held).map(|peak| peak.stores).max().unwrap_or(0);
    let goal = format!(">= {} with p99 <= 1 s in 2 GiB", thousands(STORES_MOST.try_into().unwrap_or(u64::MAX)));
    section.row("most stores that it held", stores(most), &goal, Verdict::of(most >= STORES_MOST));
    machine(&mut section);
    section.note(format!(
        "One hub process; each step adds stores to those before. {} tickets a second are the worst minute of 40,000 busy \
         stores, all at once. Percentages are of two cores, which hub and generator share.",
        thousands(PEAK_PER_SECOND)
    ));
    section.note(format!(
        "What ends the curve: descriptors. A store costs the hub one, and some fifty are its own, and this machine allows a \
         process {}; the generator needs as many. The hub's broker takes 21,000 clients, itself among them. Memory: the \
         difference between two steps is what a store costs, its rows in the databases' caches included. Each store comes from \
         an address of its own. 40,000 stores are for a cluster of brokers, on the large profile.",
        thousands(allowed)
    ));
    section
}

pub(super) fn storm(all: &[Return]) -> Section {
    let mut section = Section::new("stores-return", "All stores come back at once after the hub was killed");
    for back in all {
        let of = stores(back.stores);
        section.tell(&format!("{of} stores, all in session"), ms(back.in_session_us));
        // The goal is for so many stores: for others the time says nothing of it.
        if back.stores == BACK_STORES {
            let (name, goal) = (format!("{of} stores, all tickets acknowledged"), "<= 15 s");
            section.row(&name, ms(back.acked_us), goal, Verdict::of(back.acked_us <= BACK_US_MAX));
        } else {
            section.tell(&format!("{of} stores, all tickets acknowledged"), ms(back.acked_us));
        }
        section.tell(&format!("{of} stores, all tickets in the reports"), ms(back.reported_us));
        section.tell(&format!("{of} stores, tickets"), thousands(back.tickets));
        section.tell(
            &format!("{of} stores, cores: hub, generator"),
            format!("{}, {}", ms(back.hub_us), ms(back.generator_us)),
        );
        section.tell(&format!("{of} stores, the hub resident at most"), mib(back.hub_peak_kib));
    }
    machine(&mut section);
    section.note(format!(
        "SIGKILL; each store sells {BACKLOG} more tickets; the hub is started again. Time counts from the moment at which \
         it listens and all stores connect, over mutual TLS, without the waits that nodes keep between two tries. No session of \
         TLS is resumed: whoever comes shows a certificate and is judged by it. Both ends of all handshakes are on the same \
         two cores. What a store signs for its greeting is signed before: a chain does that on as many machines as it has \
         stores."
    ));
    section
}
