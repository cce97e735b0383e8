//! Whether somebody who wants to sign in is who they say: decided from what is kept of them, what they show, and the time.

use percolate_common::time::UtcMillis;

use super::store::{UserRow, UserState};

/// So many wrong tries are free.
const TRIES_FREE: u32 = 5;
/// After those nothing is taken for so long, and for twice as long after each further one.
const LOCK_MS: i64 = 60 * 1_000;
/// At most so long.
const LOCK_MS_MAX: i64 = 60 * 60 * 1_000;

/// What became of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is they. The step of their code is used up.
    Right { step: i64 },
    /// It is wrong, and that is kept.
    Wrong { failures: u32, locked_until: UtcMillis },
    /// Nothing is taken of them: they are locked, or cannot sign in at all.
    NotTaken,
}

/// Judges a try. Whether the password fits was found out before, as it takes long.
pub(super) fn judge(user: &UserRow, fits: bool, code: &str, now: UtcMillis) -> Judgement {
    let Some(credentials) = user.credentials.as_ref().filter(|_| user.state == UserState::Active) else {
        return Judgement::NotTaken;
    };
    if now < user.locked_until {
        return Judgement::NotTaken;
    }
    match credentials.totp.step_of(code, now, user.totp_step).filter(|_| fits) {
        Some(step) => Judgement::Right { step },
        None => {
            let failures = user.failures.saturating_add(1);
            Judgement::Wrong { failures, locked_until: UtcMillis::new(locked_until(failures, now)) }
        }
    }
}

fn locked_until(failures: u32, now: UtcMillis) -> i64 {
    let Some(doubled) = failures.checked_sub(TRIES_FREE) else { return 0 };
    let wait = LOCK_MS.saturating_mul(1_i64.checked_shl(doubled.min(16)).unwrap_or(i64::MAX)).min(LOCK_MS_MAX);
    now.get().saturating_add(wait)
}

#[cfg(test)]
mod tests {
    use percolate_common::entropy::SeededEntropy;
    use percolate_runtime::password::KeptPassword;
    use percolate_runtime::totp::TotpSecret;

    use super::*;
    use crate::identity::store::Credentials;

    const NOON: UtcMillis = UtcMillis::new(1_795_000_000_000);

    fn later(minutes: i64) -> UtcMillis {
        UtcMillis::new(NOON.get() + minutes * 60_000)
    }

    fn user() -> UserRow {
        UserRow {
            id: 1,
            name: "ann".to_owned(),
            credentials: Some(Credentials {
                password: KeptPassword::nobodys(),
                totp: TotpSecret::draw(&SeededEntropy::new(1)),
            }),
            totp_step: 0,
            failures: 0,
            locked_until: UtcMillis::new(0),
            state: UserState::Active,
        }
    }

    fn code(user: &UserRow, now: UtcMillis) -> String {
        user.credentials.as_ref().unwrap().totp.code_at(now)
    }

    #[test]
    fn both_must_be_right_and_a_code_is_good_once() {
        let mut ann = user();
        let code = code(&ann, NOON);
        let Judgement::Right { step } = judge(&ann, true, &code, NOON) else { panic!() };
        let once = Judgement::Wrong { failures: 1, locked_until: UtcMillis::new(0) };
        assert_eq!(judge(&ann, false, &code, NOON), once);
        assert_eq!(judge(&ann, true, "", NOON), once);
        ann.totp_step = step;
        assert_eq!(judge(&ann, true, &code, NOON), once, "it was used");
    }

    #[test]
    fn the_fifth_wrong_try_locks_for_a_minute_and_each_further_one_for_twice_as_long() {
        let mut ann = user();
        let mut now = NOON;
        let mut waits = Vec::new();
        for _ in 0..13 {
            let Judgement::Wrong { failures, locked_until } = judge(&ann, false, "000000", now) else { panic!() };
            waits.push((locked_until.get() - now.get()).max(0) / 60_000);
            (ann.failures, ann.locked_until) = (failures, locked_until);
            if now < locked_until {
                // Meanwhile not even what is right is taken, and nothing counts.
                assert_eq!(judge(&ann, true, &code(&ann, now), now), Judgement::NotTaken);
            }
            now = now.max(locked_until);
        }
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert!(matches!(judge(&ann, true, &code(&ann, now), now), Judgement::Right { .. }));
    }

    #[test]
    fn who_is_invited_or_disabled_cannot_sign_in() {
        for state in [UserState::Invited, UserState::Disabled] {
            let ann = UserRow { state, ..user() };
            assert_eq!(judge(&ann, true, &code(&ann, NOON), NOON), Judgement::NotTaken, "{state:?}");
        }
        let new = UserRow { credentials: None, ..user() };
        assert_eq!(judge(&new, true, "", later(1)), Judgement::NotTaken);
    }
}
