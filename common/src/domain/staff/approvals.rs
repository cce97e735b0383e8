//! Somebody who may approves what another is about to do: once, here, and soon.

use super::roles::Act;
use crate::ids::StaffId;
use crate::time::UtcMillis;

/// How long an approval is good for, in milliseconds.
pub const APPROVAL_MS: i64 = 2 * 60 * 1_000;
/// The longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 80;
/// How far a clock may be set back before an approval ends by it, in milliseconds.
const SET_BACK_MS_MAX: i64 = 30 * 1_000;

/// By whom something was approved, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who.
    pub by: StaffId,
    /// Why, in their words.
    pub reason: String,
}

/// An approval as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// What it is for.
    pub act: Act,
    /// Whether it was given at the terminal that asks.
    pub is_here: bool,
    /// When it ends.
    pub expires_at: UtcMillis,
    /// Whether it was used.
    pub is_used: bool,
}

/// An approval that is good for nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalRejection {
    /// It is for something else.
    #[error("the approval is for something else")]
    OtherAct,
    /// It was given at another terminal.
    #[error("the approval was given at another terminal")]
    OtherTerminal,
    /// It was used.
    #[error("the approval was used: each is good once")]
    Used,
    /// It has ended, or a clock that was set back says that it has not begun.
    #[error("the approval has ended: each is good for two minutes")]
    Ended,
}

/// Whether an approval is good for an act now.
///
/// # Errors
/// [`ApprovalRejection`] says why not.
pub fn redeem(given: &Given, act: Act, now: UtcMillis) -> Result<(), ApprovalRejection> {
    let left_ms = given.expires_at.get().saturating_sub(now.get());
    if !given.is_here {
        Err(ApprovalRejection::OtherTerminal)
    } else if given.act != act {
        Err(ApprovalRejection::OtherAct)
    } else if given.is_used {
        Err(ApprovalRejection::Used)
    } else if left_ms <= 0 || left_ms > APPROVAL_MS + SET_BACK_MS_MAX {
        Err(ApprovalRejection::Ended)
    } else {
        Ok(())
    }
}

/// Whether a text can be a reason: it says something, on one line.
#[must_use]
pub fn is_reason(text: &str) -> bool {
    let is_short = text.chars().count() <= REASON_CHARS_MAX;
    is_short && text.chars().any(char::is_alphanumeric) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: Given =
        Given { act: Act::Refund, is_here: true, expires_at: UtcMillis::new(APPROVAL_MS), is_used: false };

    fn at(given: Given, act: Act, now_ms: i64) -> Result<(), ApprovalRejection> {
        redeem(&given, act, UtcMillis::new(now_ms))
    }

    #[test]
    fn an_approval_is_good_once_here_for_its_act_and_for_two_minutes() {
        assert_eq!((at(GIVEN, Act::Refund, 0), at(GIVEN, Act::Refund, APPROVAL_MS - 1)), (Ok(()), Ok(())));
        assert_eq!(at(GIVEN, Act::Refund, APPROVAL_MS), Err(ApprovalRejection::Ended));
        assert_eq!(at(GIVEN, Act::Discount, 0), Err(ApprovalRejection::OtherAct));
        assert_eq!(at(Given { is_used: true, ..GIVEN }, Act::Refund, 0), Err(ApprovalRejection::Used));
        assert_eq!(at(Given { is_here: false, ..GIVEN }, Act::Refund, 0), Err(ApprovalRejection::OtherTerminal));
        assert_eq!(at(GIVEN, Act::Refund, -SET_BACK_MS_MAX), Ok(()));
        assert_eq!(at(GIVEN, Act::Refund, -SET_BACK_MS_MAX - 1), Err(ApprovalRejection::Ended), "a clock set back");
    }

    #[test]
    fn a_reason_says_something_on_one_line() {
        assert!(is_reason("spilt") && is_reason(&"x".repeat(REASON_CHARS_MAX)));
        for text in ["", " ", "...", "a\nb", &"x".repeat(REASON_CHARS_MAX + 1)] {
            assert!(!is_reason(text), "{text:?}");
        }
    }
}
