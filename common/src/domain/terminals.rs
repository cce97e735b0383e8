//! Terminals of a shop: what they may be, and when a code pairs one with its box.

use core::str::FromStr;

use crate::time::UtcMillis;

/// How long a code waits, in milliseconds; after that it pairs nobody.
pub const PAIRING_MS: i64 = 10 * 60 * 1_000;
/// Wrong codes that one pairing bears; after them it pairs nobody.
pub const PAIRING_TRIES_MAX: u32 = 5;
/// How long whoever lost the answer may ask for it again, in milliseconds.
pub const REPLAY_MS: i64 = 60 * 1_000;

/// What a terminal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminalKind {
    /// Sells, under its own name.
    Till,
    /// Shows tickets, and sells nothing.
    Kitchen,
}

/// A text that names no kind of terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a terminal is a till or a kitchen")]
pub struct TerminalKindError;

impl TerminalKind {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Till => "till",
            Self::Kitchen => "kitchen",
        }
    }
}

impl FromStr for TerminalKind {
    type Err = TerminalKindError;

    fn from_str(text: &str) -> Result<Self, TerminalKindError> {
        [Self::Till, Self::Kitchen].into_iter().find(|kind| kind.as_str() == text).ok_or(TerminalKindError)
    }
}

/// A pairing as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairing {
    /// Until when its code counts.
    pub expires_at: UtcMillis,
    /// Wrong codes so far.
    pub tries: u32,
    /// When and by which request it paired a terminal, if it did.
    pub redeemed: Option<Redeemed>,
}

/// When a code was used, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redeemed {
    /// When.
    pub at: UtcMillis,
    /// The hash of the request's key: whoever asks by the same is the same.
    pub by: [u8; 32],
}

/// Somebody shows a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Whether it is the code of the pairing that it names.
    pub is_right: bool,
    /// The hash of the request's key.
    pub by: [u8; 32],
}

/// What comes of a code that is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redemption {
    /// A terminal is paired.
    First,
    /// It was, and is told so once more.
    Again,
}

/// Why a code pairs nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairingRejection {
    /// Nobody gave out such a code. A try that counts, where it names a pairing.
    #[error("nobody gave out this code: compare it with the box's screen once more")]
    Unknown,
    /// Too many wrong ones were shown for this pairing.
    #[error("wrong codes were typed too often: have the box give out another one")]
    TriedTooOften,
    /// Its time is over.
    #[error("the code has ended: have the box give out another one")]
    Expired,
    /// It paired another terminal, or this one too long ago.
    #[error("the code was used: have the box give out another one")]
    Used,
}

/// Decides what a code does. Whoever has shown the wrong one is not told how the pairing stands.
///
/// # Errors
/// [`PairingRejection`] says why it pairs nobody.
pub fn redeem(pairing: &Pairing, shown: &Shown, now: UtcMillis) -> Result<Redemption, PairingRejection> {
    if pairing.tries >= PAIRING_TRIES_MAX {
        return Err(PairingRejection::TriedTooOften);
    }
    if !shown.is_right {
        return Err(PairingRejection::Unknown);
    }
    match pairing.redeemed {
        Some(redeemed) => {
            let is_soon = now.get().saturating_sub(redeemed.at.get()) < REPLAY_MS;
            if redeemed.by == shown.by && is_soon { Ok(Redemption::Again) } else { Err(PairingRejection::Used) }
        }
        None if now >= pairing.expires_at => Err(PairingRejection::Expired),
        None => Ok(Redemption::First),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: Pairing = Pairing { expires_at: UtcMillis::new(PAIRING_MS), tries: 0, redeemed: None };
    const RIGHT: Shown = Shown { is_right: true, by: [1; 32] };

    fn at(pairing: Pairing, shown: Shown, now_ms: i64) -> Result<Redemption, PairingRejection> {
        redeem(&pairing, &shown, UtcMillis::new(now_ms))
    }

    #[test]
    fn a_code_counts_until_its_end() {
        assert_eq!(at(WAITS, RIGHT, PAIRING_MS - 1), Ok(Redemption::First));
        assert_eq!(at(WAITS, RIGHT, PAIRING_MS), Err(PairingRejection::Expired));
    }

    #[test]
    fn a_wrong_code_tells_nothing_and_after_five_the_right_one_is_too_late() {
        let wrong = Shown { is_right: false, ..RIGHT };
        assert_eq!(at(WAITS, wrong, PAIRING_MS), Err(PairingRejection::Unknown));
        let tried = |tries| Pairing { tries, ..WAITS };
        assert_eq!(at(tried(PAIRING_TRIES_MAX - 1), RIGHT, 0), Ok(Redemption::First));
        assert_eq!(at(tried(PAIRING_TRIES_MAX), RIGHT, 0), Err(PairingRejection::TriedTooOften));
    }

    #[test]
    fn who_lost_the_answer_is_answered_again_for_a_minute_and_nobody_else_is() {
        let used = Pairing { redeemed: Some(Redeemed { at: UtcMillis::new(1_000), by: [1; 32] }), ..WAITS };
        assert_eq!(at(used, RIGHT, 1_000 + REPLAY_MS - 1), Ok(Redemption::Again));
        assert_eq!(at(used, RIGHT, 1_000 + REPLAY_MS), Err(PairingRejection::Used));
        assert_eq!(at(used, Shown { by: [2; 32], ..RIGHT }, 1_001), Err(PairingRejection::Used));
    }

    #[test]
    fn kinds_have_one_word_each() {
        for kind in [TerminalKind::Till, TerminalKind::Kitchen] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("bar".parse::<TerminalKind>(), Err(TerminalKindError));
    }
}
