//! Decisions, at chosen instants.

use std::io;

use percolate_runtime::http::caller::CallError;

use super::*;
use crate::identity::member::Unfit;

const NOW: UtcMillis = UtcMillis::new(1_795_000_000_000);
const RETRY_MS: i64 = 1_500;

fn later(ms: i64) -> UtcMillis {
    UtcMillis::new(NOW.get() + ms)
}

/// One that was enrolled now, for 90 days.
fn life() -> Lifetime {
    Lifetime { not_before: later(-DAY_MS), not_after: later(90 * DAY_MS) }
}

fn enrolled() -> Known {
    Known { life: Some(life()), ..Known::default() }
}

fn refused(refusal: EnrolmentRefusal) -> Failure {
    Failure::Refused { refusal, detail: "no".to_owned() }
}

fn unreachable() -> Failure {
    CallError::Unreachable(Box::new(io::Error::other("no line"))).into()
}

#[test]
fn a_box_without_code_and_certificate_waits_for_a_code() {
    let mut known = Known::default();
    assert_eq!((known.next(NOW), known.state(NOW)), (Step::Wait, State::WaitsForCode));
    known.has_code = true;
    assert_eq!((known.next(NOW), known.state(NOW)), (Step::Enrol, State::Enrolling));
}

#[test]
fn what_may_go_better_is_asked_again_soon_and_what_will_not_within_the_hour() {
    let mut known = Known { has_code: true, ..Known::default() };
    known.ended(Step::Enrol, Err(&unreachable()), NOW, RETRY_MS);
    assert_eq!((known.next(later(RETRY_MS - 1)), known.next(later(RETRY_MS))), (Step::Wait, Step::Enrol));
    assert_eq!(known.state(NOW), State::Enrolling);
    assert_eq!(known.next(later(-1)), Step::Enrol, "a clock that was set back");
    for refusal in [EnrolmentRefusal::CodeUsed, EnrolmentRefusal::CodeExpired, EnrolmentRefusal::CodeUnknown] {
        known.ended(Step::Enrol, Err(&refused(refusal)), NOW, RETRY_MS);
        assert_eq!(
            (known.next(later(HOUR_MS - 1)), known.next(later(HOUR_MS))),
            (Step::Wait, Step::Enrol),
            "{refusal:?}"
        );
        assert_eq!(known.state(NOW), State::Refused);
    }
    known.ended(Step::Enrol, Err(&refused(EnrolmentRefusal::TooManyTries)), NOW, RETRY_MS);
    assert_eq!(known.next(later(RETRY_MS)), Step::Enrol);
    known.ended(Step::Enrol, Ok(()), NOW, RETRY_MS);
    known.life = Some(life());
    known.has_code = false;
    assert_eq!((known.next(NOW), known.state(NOW)), (Step::Wait, State::Enrolled));
}

#[test]
fn a_certificate_is_renewed_at_two_thirds_and_a_little_later_by_chance() {
    let known = |spread_ms| Known { spread_ms, ..enrolled() };
    let due = later(-DAY_MS + 91 * DAY_MS / 3 * 2);
    for spread_ms in [0, HOUR_MS, SPREAD_MS_MAX - 1] {
        let due = UtcMillis::new(due.get() + spread_ms);
        let early = UtcMillis::new(due.get() - 1);
        assert_eq!(
            (known(spread_ms).next(early), known(spread_ms).next(due)),
            (Step::Wait, Step::Renew),
            "{spread_ms}"
        );
        assert_eq!(known(spread_ms).state(early), State::Enrolled);
        assert_eq!(known(spread_ms).state(due), State::Renewing);
    }
    let short = Lifetime { not_before: NOW, not_after: later(HOUR_MS) };
    let known = Known { life: Some(short), spread_ms: SPREAD_MS_MAX - 1, ..Known::default() };
    assert_eq!(known.next(later(HOUR_MS - 1)), Step::Renew, "chance never outlasts a short one");
}

#[test]
fn a_new_certificate_is_tried_before_it_is_relied_upon() {
    let due = life().not_after;
    let mut known = enrolled();
    assert_eq!(known.next(due), Step::Renew);
    known.ended(Step::Renew, Ok(()), due, RETRY_MS);
    assert_eq!((known.next(due), known.state(due)), (Step::Try, State::Renewing));
    // Nobody was there: that says nothing of it, however often.
    for _ in 0..20 {
        known.ended(Step::Try, Err(&Failure::NewUntried), due, RETRY_MS);
        assert_eq!(known.next(due), Step::Wait);
    }
    assert_eq!(known.next(UtcMillis::new(due.get() + RETRY_MS)), Step::Try);
    known.ended(Step::Try, Ok(()), due, RETRY_MS);
    known.life = Some(Lifetime { not_before: due, not_after: UtcMillis::new(due.get() + 90 * DAY_MS) });
    assert_eq!((known.next(due), known.state(due)), (Step::Wait, State::Enrolled));
}

#[test]
fn a_new_certificate_that_is_refused_again_and_again_is_asked_for_anew_after_an_hour() {
    let due = life().not_after;
    let mut known = enrolled();
    known.ended(Step::Renew, Ok(()), due, RETRY_MS);
    for tried in 1..TRIALS_MAX {
        known.ended(Step::Try, Err(&Failure::NewRefused), due, RETRY_MS);
        assert_eq!(known.next(UtcMillis::new(due.get() + RETRY_MS)), Step::Try, "{tried}");
    }
    known.ended(Step::Try, Err(&Failure::NewRefused), due, RETRY_MS);
    assert_eq!(known.next(UtcMillis::new(due.get() + HOUR_MS - 1)), Step::Wait);
    assert_eq!(known.next(UtcMillis::new(due.get() + HOUR_MS)), Step::Renew);
}

#[test]
fn a_box_that_has_ended_asks_at_once_by_whichever_clock() {
    let after = UtcMillis::new(life().not_after.get() + 1);
    assert_eq!((enrolled().next(after), enrolled().state(after)), (Step::Renew, State::Expired));
    let mut told = Known { trouble: Some((TlsTrouble::WeAreExpired, NOW)), ..enrolled() };
    assert_eq!((told.next(NOW), told.state(NOW)), (Step::Renew, State::Expired));
    told.ended(Step::Renew, Err(&refused(EnrolmentRefusal::RenewalTooLate)), NOW, RETRY_MS);
    assert_eq!((told.next(later(HOUR_MS - 1)), told.next(later(HOUR_MS))), (Step::Wait, Step::Renew));
    told.has_code = true;
    assert_eq!(told.next(NOW), Step::Enrol, "a new code is the way back");
}

#[test]
fn a_hub_that_knows_no_such_certificate_is_given_a_moment() {
    let known = Known { trouble: Some((TlsTrouble::WeAreUnknown, NOW)), ..enrolled() };
    assert_eq!((known.next(NOW), known.next(later(UNKNOWN_MS_MAX - 1))), (Step::Wait, Step::Wait));
    assert_eq!(known.next(later(UNKNOWN_MS_MAX)), Step::Renew);
    assert_eq!(known.state(NOW), State::Enrolled);
}

#[test]
fn who_was_shut_out_asks_for_nothing_until_there_is_a_code() {
    let mut known = Known { trouble: Some((TlsTrouble::WeAreRevoked, NOW)), ..enrolled() };
    let long_after = later(100 * DAY_MS);
    assert_eq!((known.next(long_after), known.state(long_after)), (Step::Wait, State::Revoked));
    known.has_code = true;
    assert_eq!(known.next(long_after), Step::Enrol);
    known.ended(Step::Enrol, Ok(()), NOW, RETRY_MS);
    known.has_code = false;
    assert_eq!(known.state(NOW), State::Enrolled);
    let mut known = enrolled();
    known.ended(Step::Renew, Err(&refused(EnrolmentRefusal::CertificateRevoked)), NOW, RETRY_MS);
    assert_eq!(known.state(NOW), State::Revoked);
}

#[test]
fn a_hub_whose_certificate_has_ended_says_that_the_clock_is_ahead() {
    let known = Known { trouble: Some((TlsTrouble::Expired, NOW)), ..enrolled() };
    assert_eq!((known.next(NOW), known.state(NOW)), (Step::Wait, State::ClockAhead));
}

#[test]
fn a_code_is_spent_only_where_it_is_not_needed() {
    let used = Some(EnrolmentRefusal::CodeUsed);
    assert!(enrolled().code_is_spent(used, NOW));
    assert!(!enrolled().code_is_spent(Some(EnrolmentRefusal::ProofWrong), NOW));
    assert!(!enrolled().code_is_spent(None, NOW));
    assert!(!enrolled().code_is_spent(used, later(91 * DAY_MS)), "the certificate has ended");
    assert!(!Known::default().code_is_spent(used, NOW), "there is none");
    let revoked = Known { trouble: Some((TlsTrouble::WeAreRevoked, NOW)), ..enrolled() };
    assert!(!revoked.code_is_spent(used, NOW));
}

#[test]
fn what_is_not_this_boxs_is_not_asked_for_at_once_again() {
    let mut known = Known { has_code: true, ..Known::default() };
    known.ended(Step::Enrol, Err(&Unfit::OtherKey.into()), NOW, RETRY_MS);
    assert_eq!((known.next(later(RETRY_MS)), known.next(later(HOUR_MS))), (Step::Wait, Step::Enrol));
    assert_eq!(known.state(NOW), State::Enrolling, "the hub refused nothing");
}

#[test]
fn the_time_is_noted_once_a_day() {
    assert_eq!(floor_to_write(None, None), None);
    assert_eq!(floor_to_write(None, Some(NOW)), Some(NOW));
    assert_eq!(floor_to_write(Some(NOW), Some(later(DAY_MS - 1))), None);
    assert_eq!(floor_to_write(Some(NOW), Some(later(DAY_MS))), Some(later(DAY_MS)));
    assert_eq!(floor_to_write(Some(NOW), Some(later(-DAY_MS))), None);
}

#[test]
fn every_failure_has_its_word() {
    let certificate = |trouble| Failure::Call(CallError::Certificate { trouble });
    for (failure, code, last) in [
        (refused(EnrolmentRefusal::CodeUsed), "code_used", true),
        (refused(EnrolmentRefusal::ProofWrong), "proof_wrong", false),
        (Failure::NotProven, "hub_not_proven", false),
        (certificate(TlsTrouble::UnknownIssuer), "hub_not_proven", false),
        (certificate(TlsTrouble::NoTls), "hub_not_ours", false),
        (certificate(TlsTrouble::Expired), "clock_ahead", false),
        (unreachable(), "hub_unreachable", false),
        (Unfit::Count.into(), "certificate_unfit", true),
    ] {
        assert_eq!((failure.code(), failure.is_final()), (code, last), "{failure}");
    }
}
