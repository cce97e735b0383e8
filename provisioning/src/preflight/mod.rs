//! Whether a shop can sell on a machine: a word, a sentence and what to do for each thing that is looked at.

mod disk;
mod host;
mod net;

use percolate_common::identity::acceptance::{CheckOutcomeV1, CheckV1};
use percolate_common::identity::bundle::BundleV1;
use percolate_common::time::UtcMillis;
use serde_json::{Value, json};

use crate::screen::Screen;
use crate::table::Tone;
use crate::up::options::PlaceOptions;

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'g> {
    /// Where the shop is to be.
    pub place: &'g PlaceOptions,
    /// From what, if that is known.
    pub bundle: Option<&'g BundleV1>,
    /// What the machine's clock says.
    pub now: UtcMillis,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name, for programs and for the telephone.
    pub code: &'static str,
    /// How it is.
    pub outcome: CheckOutcomeV1,
    /// What was found.
    pub sentence: String,
    /// What to do; empty if nothing is.
    pub fix: &'static str,
}

impl Check {
    fn new(code: &'static str, outcome: CheckOutcomeV1, sentence: impl Into<String>, fix: &'static str) -> Self {
        let fix = if outcome == CheckOutcomeV1::Pass { "" } else { fix };
        Self { code, outcome, sentence: sentence.into(), fix }
    }

    /// On a machine that is no shop's some things only have to be said.
    fn eased(self, ground: &Ground<'_>) -> Self {
        match self.outcome {
            CheckOutcomeV1::Fail if ground.place.rehearsal => Self { outcome: CheckOutcomeV1::Warn, ..self },
            CheckOutcomeV1::Fail | CheckOutcomeV1::Warn | CheckOutcomeV1::Pass => self,
        }
    }

    /// As it stands in an acceptance.
    #[must_use]
    pub fn kept(&self) -> CheckV1 {
        CheckV1 { code: self.code.to_owned(), outcome: self.outcome, detail: self.sentence.clone() }
    }

    /// As a program reads it.
    #[must_use]
    pub fn object(&self) -> Value {
        json!({ "code": self.code, "outcome": word(self.outcome), "sentence": self.sentence, "fix": self.fix })
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

/// All of them, in the order in which they are shown.
pub async fn checks(ground: &Ground<'_>) -> Vec<Check> {
    let mut checks = vec![host::memory().eased(ground), disk::free(ground).eased(ground)];
    checks.extend([disk::flush(ground).eased(ground), host::clock(ground), host::zone(ground)]);
    checks.push(net::port(ground));
    checks.extend(net::hub(ground).await);
    checks
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
        screen.line(&format!("  {mark}   {:12}  {}", check.code, check.sentence))?;
        if !check.fix.is_empty() {
            screen.line(&format!("                       {}", check.fix))?;
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
}
