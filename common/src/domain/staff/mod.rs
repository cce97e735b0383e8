//! The people of a shop: who may do what at the till, who approves, and how long wrong tries keep somebody out.

pub mod approvals;
pub mod lockout;
pub mod roles;

use core::str::FromStr;

use crate::domain::tickets::receipt::TerminalName;
use crate::ids::StaffId;
use crate::time::UtcMillis;

/// How long somebody stays signed in who does nothing, in milliseconds.
pub const IDLE_MS_MAX: i64 = 10 * 60 * 1_000;
/// How seldom it is written down that somebody did something, in milliseconds: what is read writes little.
pub const SEEN_EVERY_MS: i64 = 30 * 1_000;

/// Wrong tries have locked somebody out, or a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffLocked {
    /// Who, if the tries named somebody.
    pub staff: Option<StaffId>,
    /// Where; none on the box itself.
    pub terminal: Option<TerminalName>,
    /// How many tries were wrong since the last right one.
    pub wrong: u32,
    /// Until when nothing is tried.
    pub until: UtcMillis,
}

/// Whether a shop's tills sell for somebody who has not signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignIn {
    /// They do.
    #[default]
    Optional,
    /// They do not.
    Required,
}

/// What a badge is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BadgeUse {
    /// It says who somebody is; their PIN is typed, too.
    #[default]
    WithPin,
    /// It signs in by itself.
    Alone,
}

/// What a shop has decided about signing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StaffPolicy {
    /// Whether selling needs it.
    pub sign_in: SignIn,
    /// What badges are good for.
    pub badge_use: BadgeUse,
}

/// A text that is none of the words for a shop's decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("one of {expected} is expected")]
pub struct StaffWordError {
    expected: &'static str,
}

impl FromStr for SignIn {
    type Err = StaffWordError;

    fn from_str(text: &str) -> Result<Self, StaffWordError> {
        match text {
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _other => Err(StaffWordError { expected: "optional, required" }),
        }
    }
}

impl FromStr for BadgeUse {
    type Err = StaffWordError;

    fn from_str(text: &str) -> Result<Self, StaffWordError> {
        match text {
            "with_pin" => Ok(Self::WithPin),
            "alone" => Ok(Self::Alone),
            _other => Err(StaffWordError { expected: "with_pin, alone" }),
        }
    }
}

/// A person's time at a till.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// When it was written that they did something.
    pub seen_at: UtcMillis,
    /// Whether they have signed out.
    pub has_ended: bool,
}

/// How it stands with somebody who has signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They are there, and it was written of late.
    Present,
    /// They are there, and it is time to write that.
    PresentUnwritten,
    /// They are signed out, or did nothing for too long.
    Gone,
}

impl Stay {
    /// How it stands. A clock that was set back by more than what goes unwritten ends it: nobody stays in by that, and a PIN
    /// is typed soon.
    #[must_use]
    pub const fn standing(&self, now: UtcMillis) -> Standing {
        let idle_ms = now.get().saturating_sub(self.seen_at.get());
        if self.has_ended || idle_ms >= IDLE_MS_MAX || idle_ms < -SEEN_EVERY_MS {
            Standing::Gone
        } else if idle_ms >= SEEN_EVERY_MS {
            Standing::PresentUnwritten
        } else {
            Standing::Present
        }
    }
}

/// How few and how many characters a badge says.
pub const BADGE_CHARS: core::ops::RangeInclusive<usize> = 8..=64;

/// Whether a text can be what a badge says: letters, digits and signs without blanks.
#[must_use]
pub fn is_badge(text: &str) -> bool {
    BADGE_CHARS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_who_does_nothing_for_ten_minutes_is_gone_and_is_not_brought_back_by_a_clock() {
        let at = |idle_ms| {
            Stay { seen_at: UtcMillis::new(1_000_000), has_ended: false }.standing(UtcMillis::new(1_000_000 + idle_ms))
        };
        assert_eq!((at(0), at(SEEN_EVERY_MS - 1)), (Standing::Present, Standing::Present));
        assert_eq!((at(SEEN_EVERY_MS), at(IDLE_MS_MAX - 1)), (Standing::PresentUnwritten, Standing::PresentUnwritten));
        assert_eq!(at(IDLE_MS_MAX), Standing::Gone);
        assert_eq!((at(-SEEN_EVERY_MS), at(-SEEN_EVERY_MS - 1)), (Standing::Present, Standing::Gone));
        let ended = Stay { seen_at: UtcMillis::new(5), has_ended: true };
        assert_eq!(ended.standing(UtcMillis::new(5)), Standing::Gone);
    }

    #[test]
    fn a_shops_decisions_have_one_word_each_and_what_says_nothing_changes_nothing() {
        assert_eq!(("optional".parse(), "required".parse()), (Ok(SignIn::Optional), Ok(SignIn::Required)));
        assert_eq!(("with_pin".parse(), "alone".parse()), (Ok(BadgeUse::WithPin), Ok(BadgeUse::Alone)));
        assert!("Required".parse::<SignIn>().is_err() && "".parse::<BadgeUse>().is_err());
        let policy = StaffPolicy { sign_in: SignIn::Optional, badge_use: BadgeUse::WithPin };
        assert_eq!(StaffPolicy::default(), policy);
    }

    #[test]
    fn a_badge_is_eight_to_sixty_four_signs_without_blanks() {
        assert!(is_badge("04A224B9") && is_badge(&"x".repeat(64)));
        for text in ["04A224B", "", "04A2 24B9", "04A224B\u{e9}", &"x".repeat(65)] {
            assert!(!is_badge(text), "{text}");
        }
    }
}
