//! Whether a shop can sell on a machine: a word, a sentence and what to do for each thing that is looked at.
//!
//! All checks run side by side, each for a bounded time. What cannot be found out is a WARN that says so, never a PASS.

mod code;
mod disk;
mod equipment;
mod host;
mod hub;
mod lan;
mod net;
mod software;

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use percolate_common::identity::acceptance::{CheckOutcomeV1, CheckV1};
use percolate_common::identity::bundle::BundleV1;
use percolate_common::identity::site_file::SITE_FILE;
use percolate_common::time::UtcMillis;
use percolate_runtime::tasks::blocking;
use serde_json::{Value, json};
use tokio::time::timeout;

pub use code::Code;

use crate::screen::Screen;
use crate::table::Tone;
use crate::up::options::PlaceOptions;

/// The longest that one check may take.
const CHECK_MAX: Duration = Duration::from_secs(2);

/// What is looked at.
#[derive(Debug)]
pub struct Ground {
    /// Where the shop is to be.
    pub place: PlaceOptions,
    /// From what, if that is known.
    pub bundle: Option<BundleV1>,
    /// What the machine's clock says.
    pub now: UtcMillis,
}

impl Ground {
    /// Whether a shop was installed here before: what is wrong now does not keep it from selling.
    fn is_installed(&self) -> bool {
        self.place.config.join(SITE_FILE).exists()
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub code: Code,
    /// How it is.
    pub outcome: CheckOutcomeV1,
    /// What was found.
    pub sentence: String,
    /// What to do; empty if nothing is.
    pub fix: &'static str,
}

impl Check {
    fn new(code: Code, outcome: CheckOutcomeV1, sentence: impl Into<String>, fix: &'static str) -> Self {
        let fix = if outcome == CheckOutcomeV1::Pass { "" } else { fix };
        Self { code, outcome, sentence: sentence.into(), fix }
    }

    fn pass(code: Code, sentence: impl Into<String>) -> Self {
        Self::new(code, CheckOutcomeV1::Pass, sentence, "")
    }

    fn warn(code: Code, sentence: impl Into<String>, fix: &'static str) -> Self {
        Self::new(code, CheckOutcomeV1::Warn, sentence, fix)
    }

    fn fail(code: Code, sentence: impl Into<String>, fix: &'static str) -> Self {
        Self::new(code, CheckOutcomeV1::Fail, sentence, fix)
    }

    /// On a machine that is no shop's some things only have to be said.
    fn eased(self, ground: &Ground) -> Self {
        match self.outcome {
            CheckOutcomeV1::Fail if ground.place.rehearsal => Self { outcome: CheckOutcomeV1::Warn, ..self },
            CheckOutcomeV1::Fail | CheckOutcomeV1::Warn | CheckOutcomeV1::Pass => self,
        }
    }

    /// As it stands in an acceptance.
    #[must_use]
    pub fn kept(&self) -> CheckV1 {
        CheckV1 { code: self.code.as_str().to_owned(), outcome: self.outcome, detail: self.sentence.clone() }
    }

    /// As a program reads it.
    #[must_use]
    pub fn object(&self) -> Value {
        let code = self.code.as_str();
        json!({ "code": code, "outcome": word(self.outcome), "sentence": self.sentence, "fix": self.fix })
    }
}

const fn word(outcome: CheckOutcomeV1) -> &'static str {
    match outcome {
        CheckOutcomeV1::Pass => "PASS",
        CheckOutcomeV1::Warn => "WARN",
        CheckOutcomeV1::Fail => "FAIL",
    }
}

/// A number in one of three ranges: fine from here on, lawful from there on, and below that not.
fn from_below(value: u64, (fine, lawful): (u64, u64)) -> CheckOutcomeV1 {
    if value >= fine {
        CheckOutcomeV1::Pass
    } else if value >= lawful {
        CheckOutcomeV1::Warn
    } else {
        CheckOutcomeV1::Fail
    }
}

/// What another program says; none if it is not there, or the machine cannot start it.
fn asked(program: &str, words: &[&str]) -> Option<Output> {
    Command::new(program).args(words).stdin(Stdio::null()).output().ok()
}

/// Looks on a thread that may block, for as long as a check may take.
async fn looked(ground: &Arc<Ground>, code: Code, look: fn(&Ground) -> Check) -> Check {
    let ground = ground.clone();
    match timeout(CHECK_MAX, blocking(move || look(&ground))).await {
        Ok(Ok(check)) => check,
        Ok(Err(_)) | Err(_) => {
            Check::warn(code, "It could not be found out within 2 s.", "Look at it by hand, or run this again.")
        }
    }
}

/// All of them, in the order in which they are shown.
pub async fn checks(ground: Ground) -> Vec<Check> {
    let ground = &Arc::new(ground);
    let machine = async {
        let (memory, free, flush) = tokio::join!(
            looked(ground, Code::CpuMemory, |_| host::memory()),
            looked(ground, Code::DiskFree, disk::free),
            looked(ground, Code::DiskFlush, disk::flush),
        );
        let (rtc, zone, name) = (host::clock_rtc(ground), host::zone(ground), host::hostname());
        (vec![memory.eased(ground), free.eased(ground), flush.eased(ground)], vec![rtc, zone, name])
    };
    let shop = async {
        let (address, taken, port, printer, firewall, encryption, software) = tokio::join!(
            looked(ground, Code::Address, |_| lan::address()),
            looked(ground, Code::AddressTaken, |_| lan::taken()),
            net::port(ground),
            looked(ground, Code::Printer, equipment::printer),
            looked(ground, Code::Firewall, |_| equipment::firewall()),
            looked(ground, Code::Encryption, equipment::encryption),
            looked(ground, Code::Software, software::software),
        );
        let there = vec![printer, equipment::terminals(ground), firewall, encryption, equipment::ups()];
        (vec![address, taken, port], there, vec![software, software::certificate(ground)])
    };
    let ((first, then), (lan, there, last), (hub, hub_says)) = tokio::join!(machine, shop, hub::checks(ground));
    let clock = host::clock(ground, hub_says);
    [first, vec![clock], then, lan, hub, there, last].concat()
}

/// Shows them to a person: those that are well in one line, the others one by one with what to do.
///
/// # Errors
/// If the output is gone.
pub fn show(checks: &[Check], screen: &mut Screen) -> std::io::Result<()> {
    for check in checks {
        let tone = match check.outcome {
            CheckOutcomeV1::Pass => Tone::Good,
            CheckOutcomeV1::Warn => Tone::Waiting,
            CheckOutcomeV1::Fail => Tone::Bad,
        };
        let mark = screen.paint.tone(word(check.outcome), tone);
        screen.line(&format!("  {mark}   {:14}  {}", check.code.as_str(), check.sentence))?;
        if !check.fix.is_empty() {
            screen.line(&format!("                         {}", check.fix))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_passes_warns_or_fails() {
        for (value, outcome) in [
            (20, CheckOutcomeV1::Pass),
            (19, CheckOutcomeV1::Warn),
            (5, CheckOutcomeV1::Warn),
            (4, CheckOutcomeV1::Fail),
        ] {
            assert_eq!(from_below(value, (20, 5)), outcome, "{value}");
        }
    }

    #[tokio::test]
    async fn all_is_looked_at_side_by_side_and_each_says_what_it_found() {
        let dir = tempfile::TempDir::new().unwrap();
        let http = "127.0.0.1:0".parse().unwrap();
        let (config, data) = (dir.path().join("etc"), dir.path().join("data"));
        let place = PlaceOptions { config, data, http, https: None, rehearsal: true };
        let from = percolate_runtime::system::monotonic_now();
        let found = checks(Ground { place, bundle: None, now: UtcMillis::new(1_796_000_000_000) }).await;
        let took = percolate_runtime::system::monotonic_now() - from;
        println!("{} checks in {} ms", found.len(), took.as_millis());
        let codes: Vec<_> = found.iter().map(|check| check.code).collect();
        // Without a bundle nobody knows where head office is.
        let of_hub = [Code::Dns, Code::HubHttps, Code::HubMqtt, Code::Mtu, Code::Bandwidth];
        let instead = [Code::ClockBeforeBundle, Code::ClockFarAhead, Code::CaptivePortal, Code::HubNotProven];
        let expected: Vec<_> =
            Code::ALL.into_iter().filter(|code| !of_hub.contains(code) && !instead.contains(code)).collect();
        assert_eq!(codes, expected);
        for check in found {
            assert!(check.sentence.len() > 10 && check.sentence.ends_with('.'), "{check:?}");
            assert_eq!(check.fix.is_empty(), check.outcome == CheckOutcomeV1::Pass, "{check:?}");
        }
        assert!(!dir.path().join("data").exists(), "nothing is made by looking");
    }
}
