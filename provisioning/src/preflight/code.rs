//! The names of all checks, and of what they may find instead. docs/preflight.md says of each what it is about.

/// What is looked at, or found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Cores and memory.
    CpuMemory,
    /// Room on the disk.
    DiskFree,
    /// How long a flush takes.
    DiskFlush,
    /// The clock.
    Clock,
    /// The clock is younger than the bundle.
    ClockBeforeBundle,
    /// The clock is a year ahead of the bundle, or more.
    ClockFarAhead,
    /// The clock that goes on without power.
    ClockRtc,
    /// The machine's time zone.
    Zone,
    /// The machine's name.
    Hostname,
    /// Its address in the shop's network.
    Address,
    /// Whether somebody else has it, too.
    AddressTaken,
    /// The tills' port.
    Ports,
    /// Whether head office's names lead anywhere.
    Dns,
    /// Whether head office answers.
    HubHttps,
    /// Whether its broker can be reached.
    HubMqtt,
    /// Another answers in head office's place, and says so.
    CaptivePortal,
    /// Another answers in head office's place.
    HubNotProven,
    /// Whether large packets come through.
    Mtu,
    /// How much comes through.
    Bandwidth,
    /// The shop's printers.
    Printer,
    /// The shop's tills.
    Terminals,
    /// The packet filter.
    Firewall,
    /// Whether the disk is encrypted.
    Encryption,
    /// What carries the machine over a power cut.
    Ups,
    /// The programs, as the bundle names them.
    Software,
    /// The box's certificate.
    Certificate,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::CpuMemory,
        Self::DiskFree,
        Self::DiskFlush,
        Self::Clock,
        Self::ClockBeforeBundle,
        Self::ClockFarAhead,
        Self::ClockRtc,
        Self::Zone,
        Self::Hostname,
        Self::Address,
        Self::AddressTaken,
        Self::Ports,
        Self::Dns,
        Self::HubHttps,
        Self::HubMqtt,
        Self::CaptivePortal,
        Self::HubNotProven,
        Self::Mtu,
        Self::Bandwidth,
        Self::Printer,
        Self::Terminals,
        Self::Firewall,
        Self::Encryption,
        Self::Ups,
        Self::Software,
        Self::Certificate,
    ];

    /// Its word, for programs and for the telephone.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CpuMemory => "cpu_memory",
            Self::DiskFree => "disk_free",
            Self::DiskFlush => "disk_flush",
            Self::Clock => "clock",
            Self::ClockBeforeBundle => "clock_before_bundle",
            Self::ClockFarAhead => "clock_far_ahead",
            Self::ClockRtc => "clock_rtc",
            Self::Zone => "zone",
            Self::Hostname => "hostname",
            Self::Address => "address",
            Self::AddressTaken => "address_taken",
            Self::Ports => "ports",
            Self::Dns => "dns",
            Self::HubHttps => "hub_https",
            Self::HubMqtt => "hub_mqtt",
            Self::CaptivePortal => "captive_portal",
            Self::HubNotProven => "hub_not_proven",
            Self::Mtu => "mtu",
            Self::Bandwidth => "bandwidth",
            Self::Printer => "printer",
            Self::Terminals => "terminals",
            Self::Firewall => "firewall",
            Self::Encryption => "encryption",
            Self::Ups => "ups",
            Self::Software => "software",
            Self::Certificate => "certificate",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_page_of_the_checks_has_each_of_them_and_no_other() {
        let words: BTreeSet<&str> = Code::ALL.map(Code::as_str).into();
        // One word for each arm above: none is left out of the list.
        let arms = include_str!("code.rs").lines().filter(|line| line.contains(" => \"")).count();
        assert_eq!((words.len(), arms), (Code::ALL.len(), Code::ALL.len()));
        let page = include_str!("../../../docs/preflight.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let documented: BTreeSet<&str> = rows.map(|(word, _)| word).collect();
        assert_eq!(documented, words);
        for line in page.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            assert!(cells.len() == 7 && cells[2..6].iter().all(|cell| !cell.is_empty()), "{line}");
        }
    }
}
