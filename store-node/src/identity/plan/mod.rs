//! What to do next about the certificate, and how it stands: decided from what is known at one instant, by the box's clock.

use percolate_common::time::UtcMillis;
use percolate_runtime::enrolment::EnrolmentRefusal;
use percolate_runtime::tls::TlsTrouble;

use super::hub::Failure;

const SECOND_MS: i64 = 1_000;
const HOUR_MS: i64 = 60 * 60 * SECOND_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The wait where asking again soon changes nothing.
const FINAL_WAIT_MS: i64 = HOUR_MS;

/// How far the boxes of a chain are spread which were enrolled on one day.
pub(super) const SPREAD_MS_MAX: i64 = 2 * HOUR_MS;

/// Trials of a new certificate that may be refused: a hub of several processes hears of it within the second.
const TRIALS_MAX: u32 = 4;

/// How long a hub may not know the certificate before another is asked for: for the same reason.
const UNKNOWN_MS_MAX: i64 = 10 * SECOND_MS;

/// How much later than the floor the time must be for being written down.
const FLOOR_STEP_MS: i64 = DAY_MS;

/// From when and until when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    pub(super) not_before: UtcMillis,
    pub(super) not_after: UtcMillis,
}

/// How often something failed, and when it is tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tries {
    failures: u32,
    /// Since when it is waited, and how long.
    waits: Option<(UtcMillis, i64)>,
}

impl Tries {
    pub(super) const fn failures(self) -> u32 {
        self.failures
    }

    /// A clock that was set back does not make it wait for years.
    fn is_due(self, now: UtcMillis) -> bool {
        self.waits.is_none_or(|(since, wait_ms)| now < since || now.get().saturating_sub(since.get()) >= wait_ms)
    }

    fn again_in(&mut self, now: UtcMillis, wait_ms: i64) {
        *self = Self { failures: self.failures.saturating_add(1), waits: Some((now, wait_ms)) };
    }
}

/// What is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Of the certificate that is shown.
    pub(super) life: Option<Lifetime>,
    /// Whether there is one after it, which was not tried out yet.
    pub(super) has_new: bool,
    /// Whether a code lies there.
    pub(super) has_code: bool,
    /// What the link was told of a certificate when it was last down, and since when.
    pub(super) trouble: Option<(TlsTrouble, UtcMillis)>,
    /// This box's part of [`SPREAD_MS_MAX`].
    pub(super) spread_ms: i64,
    pub(super) enrolment: Tries,
    pub(super) renewal: Tries,
    pub(super) trial: Tries,
    /// What the hub last refused, while nothing has changed it.
    pub(super) refusal: Option<EnrolmentRefusal>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask for a certificate with the code.
    Enrol,
    /// Ask for the certificate after the present one.
    Renew,
    /// Make a connection by the new one.
    Try,
    /// Nothing, until something changes.
    Wait,
}

/// How it stands with the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    WaitsForCode,
    Enrolling,
    Refused,
    Enrolled,
    Renewing,
    Expired,
    Revoked,
    ClockAhead,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::WaitsForCode => "waits_for_code",
            Self::Enrolling => "enrolling",
            Self::Refused => "refused",
            Self::Enrolled => "enrolled",
            Self::Renewing => "renewing",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::ClockAhead => "clock_ahead",
        }
    }

    /// For whoever stands at the till.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::WaitsForCode => "The box sells, and has no way to head office: install its bundle with provision up.",
            Self::Enrolling => "The box sells, and asks head office to let it in.",
            Self::Refused => "The box sells, and head office does not let it in: it needs a new bundle.",
            Self::Enrolled => "The box is known at head office.",
            Self::Renewing => "The box is known at head office, and renews its certificate.",
            Self::Expired => "The box sells, and its certificate has ended: it asks head office for another.",
            Self::Revoked => "The box sells, and head office has shut it out: nothing that it sells arrives there.",
            Self::ClockAhead => "The box sells, and cannot believe head office, as its clock is ahead: set the clock.",
        }
    }
}

/// When the certificate is renewed: at two thirds of its life, and a little later by chance.
fn renewal_at(life: Lifetime, spread_ms: i64) -> UtcMillis {
    let lasts = life.not_after.get().saturating_sub(life.not_before.get());
    let spread_ms = spread_ms.min(lasts / 20);
    UtcMillis::new(life.not_before.get().saturating_add(lasts / 3 * 2).saturating_add(spread_ms))
}

impl Known {
    fn is_told(&self, trouble: TlsTrouble) -> bool {
        self.trouble.is_some_and(|(told, _since)| told == trouble)
    }

    fn is_revoked(&self) -> bool {
        self.is_told(TlsTrouble::WeAreRevoked) || self.refusal == Some(EnrolmentRefusal::CertificateRevoked)
    }

    fn has_ended(&self, now: UtcMillis) -> bool {
        self.is_told(TlsTrouble::WeAreExpired) || self.life.is_some_and(|life| now > life.not_after)
    }

    /// Whether another certificate is wanted.
    fn wants_renewal(&self, life: Lifetime, now: UtcMillis) -> bool {
        let unknown = self.trouble.is_some_and(|(told, since)| {
            let patient = now < since || now.get().saturating_sub(since.get()) >= UNKNOWN_MS_MAX;
            told == TlsTrouble::WeAreUnknown && patient
        });
        unknown || self.has_ended(now) || now >= renewal_at(life, self.spread_ms)
    }

    /// What to do now. A code that lies there is asked with, whatever there is: somebody brought it, or the box went out
    /// before it had removed it.
    pub(super) fn next(&self, now: UtcMillis) -> Step {
        if self.has_code && self.enrolment.is_due(now) {
            return Step::Enrol;
        }
        if self.has_new {
            return if self.trial.is_due(now) { Step::Try } else { Step::Wait };
        }
        // The way back of one who was shut out is a code; the link asks seldom whether it is let in again.
        let wanted = self.life.is_some_and(|life| self.wants_renewal(life, now));
        let asks = wanted && !self.is_told(TlsTrouble::WeAreRevoked) && self.renewal.is_due(now);
        if asks { Step::Renew } else { Step::Wait }
    }

    /// Whether a code that the hub refuses has done its work here already.
    pub(super) fn code_is_spent(&self, refusal: Option<EnrolmentRefusal>, now: UtcMillis) -> bool {
        let refused = matches!(
            refusal,
            Some(EnrolmentRefusal::CodeUsed | EnrolmentRefusal::CodeExpired | EnrolmentRefusal::CodeUnknown)
        );
        refused && self.life.is_some() && !self.has_ended(now) && !self.is_revoked()
    }

    /// How it stands.
    pub(super) fn state(&self, now: UtcMillis) -> State {
        let Some(life) = self.life else {
            return match (self.has_code, self.refusal) {
                (false, _) => State::WaitsForCode,
                (true, Some(_)) => State::Refused,
                (true, None) => State::Enrolling,
            };
        };
        if self.is_revoked() {
            State::Revoked
        } else if self.is_told(TlsTrouble::Expired) {
            // A hub renews its own certificate in time.
            State::ClockAhead
        } else if self.has_ended(now) {
            State::Expired
        } else if self.has_new || now >= renewal_at(life, self.spread_ms) {
            State::Renewing
        } else {
            State::Enrolled
        }
    }

    /// Takes note of how a step ended. `retry_ms` is the wait of one that may go better soon.
    pub(super) fn ended(&mut self, step: Step, ended: Result<(), &Failure>, now: UtcMillis, retry_ms: i64) {
        let wait_ms = match ended {
            Ok(()) => None,
            Err(failure) if failure.is_final() => Some(FINAL_WAIT_MS),
            Err(_) => Some(retry_ms),
        };
        match (step, wait_ms) {
            (Step::Wait, _) => {}
            (Step::Enrol, None) => {
                (self.enrolment, self.renewal, self.trial) = Default::default();
                (self.refusal, self.trouble, self.has_new) = (None, None, false);
            }
            (Step::Enrol, Some(wait_ms)) => self.enrolment.again_in(now, wait_ms),
            (Step::Renew, None) => {
                (self.trial, self.refusal, self.has_new) = (Tries::default(), None, true);
            }
            (Step::Renew, Some(wait_ms)) => self.renewal.again_in(now, wait_ms),
            (Step::Try, None) => {
                (self.renewal, self.trial) = Default::default();
                (self.trouble, self.has_new) = (None, false);
            }
            (Step::Try, Some(_)) => {
                let refused = matches!(ended, Err(Failure::NewRefused));
                self.trial.again_in(now, retry_ms);
                if refused && self.trial.failures() >= TRIALS_MAX {
                    // It stays beside, and the present one goes on, until another is asked for.
                    self.has_new = false;
                    self.renewal.again_in(now, FINAL_WAIT_MS);
                }
            }
        }
        if let Err(failure) = ended
            && let Some(refusal) = failure.refusal().filter(|_| failure.is_final())
        {
            self.refusal = Some(refusal);
        }
    }
}

/// What to write down as past: what the hub last agreed to, once a day.
pub(super) fn floor_to_write(written: Option<UtcMillis>, agreed: Option<UtcMillis>) -> Option<UtcMillis> {
    let next = written.map_or(i64::MIN, |written| written.get().saturating_add(FLOOR_STEP_MS));
    agreed.filter(|agreed| agreed.get() >= next)
}

#[cfg(test)]
mod tests;
