//! The node's side of a session: introduce itself until it is answered.

use core::time::Duration;

use super::backoff::Backoff;

/// Wait for an answer before the first repetition.
pub const HELLO_RETRY: Duration = Duration::from_secs(5);
/// Longest wait between repetitions.
pub const HELLO_RETRY_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// No connection.
    Down,
    /// Connected; a greeting is due at this time.
    Due { at: Duration },
    /// In session.
    Welcomed { session: u64 },
}

/// Whether a node is in session with the hub, and when it should greet.
#[derive(Debug, Clone)]
pub struct Greeting {
    state: State,
    backoff: Backoff,
}

impl Default for Greeting {
    fn default() -> Self {
        Self { state: State::Down, backoff: Backoff::new(HELLO_RETRY, HELLO_RETRY_MAX) }
    }
}

impl Greeting {
    /// The link is up: greet at once.
    pub fn connected(&mut self, now: Duration) {
        self.backoff.succeeded();
        self.state = State::Due { at: now };
    }

    /// The link is down.
    pub fn disconnected(&mut self) {
        self.state = State::Down;
    }

    /// The hub does not know the session (any more): greet again, with growing waits if that goes on.
    ///
    /// An answer to another session than the present one is late, and means nothing.
    pub fn refused(&mut self, session: u64, now: Duration) {
        if self.session() == Some(session) {
            self.state = State::Due { at: now };
        }
    }

    /// There is more to be asked: greet again, without waiting.
    pub fn again(&mut self, now: Duration) {
        if self.state != State::Down {
            self.state = State::Due { at: now };
        }
    }

    /// The hub has answered.
    pub fn welcomed(&mut self, session: u64) {
        self.backoff.succeeded();
        if self.state != State::Down {
            self.state = State::Welcomed { session };
        }
    }

    /// Whether a greeting is to be sent now; asks again later if it is not answered.
    pub fn take_due(&mut self, now: Duration) -> bool {
        match self.state {
            State::Due { at } if at <= now => {
                self.state = State::Due { at: now + self.backoff.after_failure() };
                true
            }
            State::Due { .. } | State::Down | State::Welcomed { .. } => false,
        }
    }

    /// When to look again.
    #[must_use]
    pub const fn next_due(&self) -> Option<Duration> {
        match self.state {
            State::Due { at } => Some(at),
            State::Down | State::Welcomed { .. } => None,
        }
    }

    /// The session, while there is one.
    #[must_use]
    pub const fn session(&self) -> Option<u64> {
        match self.state {
            State::Welcomed { session } => Some(session),
            State::Down | State::Due { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn greets_at_once_and_again_until_answered() {
        let mut greeting = Greeting::default();
        assert!(!greeting.take_due(S(0)), "not without a link");
        greeting.connected(S(1));
        assert!(greeting.take_due(S(1)));
        assert!(!greeting.take_due(S(5)));
        assert!(greeting.take_due(S(6)));
        assert!(!greeting.take_due(S(15)), "the wait has doubled");
        greeting.welcomed(42);
        assert_eq!(greeting.session(), Some(42));
        assert!(!greeting.take_due(S(1_000)));
    }

    #[test]
    fn it_says_when_to_look_again() {
        let mut greeting = Greeting::default();
        assert_eq!(greeting.next_due(), None, "not without a link");
        greeting.connected(S(1));
        assert_eq!(greeting.next_due(), Some(S(1)));
        assert!(greeting.take_due(S(1)));
        assert_eq!(greeting.next_due(), Some(S(1) + HELLO_RETRY));
        greeting.welcomed(42);
        assert_eq!(greeting.next_due(), None, "not while in session");
    }

    #[test]
    fn a_refused_session_greets_again_but_a_late_refusal_does_nothing() {
        let mut greeting = Greeting::default();
        greeting.connected(S(0));
        greeting.welcomed(2);
        greeting.refused(1, S(3));
        assert_eq!(greeting.session(), Some(2));
        greeting.refused(2, S(3));
        assert_eq!(greeting.session(), None);
        assert!(greeting.take_due(S(3)));
    }

    #[test]
    fn asking_again_greets_at_once_but_not_without_a_link() {
        let mut greeting = Greeting::default();
        greeting.again(S(0));
        assert!(!greeting.take_due(S(0)));
        greeting.connected(S(0));
        assert!(greeting.take_due(S(0)));
        greeting.welcomed(2);
        greeting.again(S(1));
        assert_eq!(greeting.session(), None);
        assert!(greeting.take_due(S(1)));
    }

    #[test]
    fn an_answer_after_the_link_went_down_opens_nothing() {
        let mut greeting = Greeting::default();
        greeting.connected(S(0));
        greeting.disconnected();
        greeting.welcomed(2);
        assert_eq!(greeting.session(), None);
    }
}
