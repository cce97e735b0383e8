//! A payment by card at the counter: asked for, answered, perhaps late, and counted on one ticket.

use core::fmt;
use core::str::FromStr;

use crate::ids::{CardPaymentId, RefundId, TicketId};
use crate::money::Minor;

/// The last four digits of a card, all of it that anybody here may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastFour(u16);

/// A text that is not four digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the last four digits of a card are four digits, as in 0042")]
pub struct LastFourError;

impl LastFour {
    /// Takes a number of four digits.
    ///
    /// # Errors
    /// [`LastFourError`] above 9999.
    pub const fn new(number: u16) -> Result<Self, LastFourError> {
        if number > 9_999 { Err(LastFourError) } else { Ok(Self(number)) }
    }

    /// As a number; leading zeros are lost.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for LastFour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

impl FromStr for LastFour {
    type Err = LastFourError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 4 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(LastFourError);
        }
        text.parse().map(Self).map_err(|_no_number| LastFourError)
    }
}

/// How it stands with a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentState {
    /// It is written down, and the card terminal is being asked.
    Asked,
    /// The card terminal did not answer in time. It is asked what became of it.
    Unknown,
    /// The money is promised.
    Approved,
    /// No money comes.
    Declined,
    /// The card terminal had no line. It is taken on trust, and asked for later.
    Stored,
    /// It is being given back.
    Reversing,
    /// It was given back.
    Reversed,
}

impl PaymentState {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Asked, Self::Unknown, Self::Approved, Self::Declined, Self::Stored, Self::Reversing, Self::Reversed];

    /// Its word in the API and in the box's tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Unknown => "unknown",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Stored => "stored",
            Self::Reversing => "reversing",
            Self::Reversed => "reversed",
        }
    }

    /// Whether a ticket may count it.
    #[must_use]
    pub const fn pays(self) -> bool {
        match self {
            Self::Approved | Self::Stored => true,
            Self::Asked | Self::Unknown | Self::Declined | Self::Reversing | Self::Reversed => false,
        }
    }
}

impl FromStr for PaymentState {
    type Err = PaymentStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(PaymentStateError)
    }
}

/// A word that is no state of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a state of a payment that is known")]
pub struct PaymentStateError;

/// What a card terminal says of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The money is promised.
    Approved {
        /// The provider's own reference.
        reference: String,
        /// The end of the card's number, if it tells it.
        last_four: Option<LastFour>,
    },
    /// No money comes.
    Declined {
        /// Why, in its own words.
        reason: String,
    },
    /// It does not answer.
    TimedOut,
    /// It answers, and has no line to its provider.
    Offline,
}

/// How it stands with a payment once the card terminal has said something. What is settled stays so: an approval that
/// comes late finds a payment that is unknown, and nothing makes of a reversed one anything else. Whether a payment is stored is
/// decided by [`super::forward::decide_forward`].
#[must_use]
pub const fn heard(state: PaymentState, outcome: &Outcome) -> PaymentState {
    match (state, outcome) {
        (PaymentState::Asked | PaymentState::Unknown | PaymentState::Stored, Outcome::Approved { .. }) => {
            PaymentState::Approved
        }
        (PaymentState::Asked | PaymentState::Unknown | PaymentState::Stored, Outcome::Declined { .. }) => {
            PaymentState::Declined
        }
        (PaymentState::Asked, Outcome::TimedOut | Outcome::Offline) => PaymentState::Unknown,
        (
            PaymentState::Unknown
            | PaymentState::Stored
            | PaymentState::Approved
            | PaymentState::Declined
            | PaymentState::Reversing
            | PaymentState::Reversed,
            Outcome::TimedOut | Outcome::Offline,
        )
        | (
            PaymentState::Approved | PaymentState::Declined | PaymentState::Reversing | PaymentState::Reversed,
            Outcome::Approved { .. } | Outcome::Declined { .. },
        ) => state,
    }
}

/// A payment as a sale finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// How it stands.
    pub state: PaymentState,
    /// How much.
    pub amount: Minor,
    /// The ticket that counts it already.
    pub ticket: Option<TicketId>,
    /// Whether it was asked for practice.
    pub training: bool,
}

/// A payment that a ticket may not count, or that is not given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaymentRejection {
    /// Nobody asked for it here.
    #[error("payment {0} is not known here: ask for it first")]
    Unknown(CardPaymentId),
    /// No money is promised.
    #[error("payment {payment} is {}: a ticket counts what is approved or stored", .state.as_str())]
    NotApproved {
        /// Which.
        payment: CardPaymentId,
        /// How it stands.
        state: PaymentState,
    },
    /// It counts for another ticket.
    #[error("payment {payment} counts for ticket {ticket}, and for no second one")]
    Used {
        /// Which.
        payment: CardPaymentId,
        /// For which ticket.
        ticket: TicketId,
    },
    /// The tender says another amount.
    #[error("payment {payment} is of {of} minor units: a tender counts the whole of it")]
    Amount {
        /// Which.
        payment: CardPaymentId,
        /// Of how much it is.
        of: i64,
    },
    /// Practice is paid by practice, and real tickets by real payments.
    #[error("payment {0} is practice and the ticket is not, or the other way round")]
    Training(CardPaymentId),
    /// Named twice.
    #[error("payment {0} is named twice")]
    Twice(CardPaymentId),
}

/// Whether a ticket may count a payment, as so much.
///
/// # Errors
/// [`PaymentRejection`].
pub fn count(
    id: CardPaymentId,
    payment: Option<&Payment>,
    amount: Minor,
    training: bool,
) -> Result<(), PaymentRejection> {
    let payment = payment.ok_or(PaymentRejection::Unknown(id))?;
    if let Some(ticket) = payment.ticket {
        return Err(PaymentRejection::Used { payment: id, ticket });
    }
    if !payment.state.pays() {
        return Err(PaymentRejection::NotApproved { payment: id, state: payment.state });
    }
    if payment.training != training {
        return Err(PaymentRejection::Training(id));
    }
    if payment.amount != amount {
        return Err(PaymentRejection::Amount { payment: id, of: payment.amount.get() });
    }
    Ok(())
}

/// Whether a payment may be given back: one that a ticket counts is a refund of the ticket instead.
///
/// # Errors
/// [`PaymentRejection`].
pub const fn reverse(id: CardPaymentId, payment: &Payment) -> Result<(), PaymentRejection> {
    if let Some(ticket) = payment.ticket {
        return Err(PaymentRejection::Used { payment: id, ticket });
    }
    match payment.state {
        PaymentState::Approved
        | PaymentState::Stored
        | PaymentState::Unknown
        | PaymentState::Reversing
        | PaymentState::Reversed => Ok(()),
        PaymentState::Asked | PaymentState::Declined => {
            Err(PaymentRejection::NotApproved { payment: id, state: payment.state })
        }
    }
}

/// Whether so much of a payment that its ticket counts may go back, and how. What was taken on trust goes back whole or not at all:
/// nobody has charged it yet.
///
/// # Errors
/// [`PaymentRejection`].
pub fn give_back(id: CardPaymentId, payment: Option<&Payment>, amount: Minor) -> Result<Back, PaymentRejection> {
    let payment = payment.ok_or(PaymentRejection::Unknown(id))?;
    match payment.state {
        _practice if payment.training => Ok(Back::Nobody),
        PaymentState::Approved => Ok(Back::Credit),
        PaymentState::Stored if payment.amount == amount => Ok(Back::Forget),
        PaymentState::Stored
        | PaymentState::Asked
        | PaymentState::Unknown
        | PaymentState::Declined
        | PaymentState::Reversing
        | PaymentState::Reversed => Err(PaymentRejection::NotApproved { payment: id, state: payment.state }),
    }
}

/// How money goes back on a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// The card terminal gives it back.
    Credit,
    /// The card terminal forgets the card that waits for a line.
    Forget,
    /// It was practice, and nobody was charged.
    Nobody,
}

/// How it stands with money that goes back on a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreditState {
    /// The card terminal is asked, again and again, until it says something.
    Asked,
    /// It is back on the card.
    Credited,
    /// No card took it: the guest is owed it.
    Owed,
}

impl CreditState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Asked, Self::Credited, Self::Owed];

    /// Its word in the API and in the box's tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Credited => "credited",
            Self::Owed => "owed",
        }
    }

    /// How it stands once the card terminal has said something. What is settled stays so.
    #[must_use]
    pub const fn heard(self, outcome: &Outcome) -> Self {
        match (self, outcome) {
            (Self::Asked, Outcome::Approved { .. }) => Self::Credited,
            (Self::Asked, Outcome::Declined { .. }) => Self::Owed,
            (Self::Asked, Outcome::TimedOut | Outcome::Offline) => Self::Asked,
            (Self::Credited | Self::Owed, _) => self,
        }
    }
}

impl FromStr for CreditState {
    type Err = PaymentStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(PaymentStateError)
    }
}

/// What became of a payment after the sale that counts it, or of one that no sale counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// What was stored is approved.
    Forwarded,
    /// What was stored is declined: the shop has lost it.
    Lost,
    /// It was given back whole: no ticket counts it, or a refund has taken it off its ticket.
    Reversed,
    /// So much of it is back on the card. It was taken off when the refund was made.
    Credited,
    /// So much of it was to go back, and no card took it: the guest is owed it.
    Owed,
}

impl Settled {
    /// Its word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Lost => "lost",
            Self::Reversed => "reversed",
            Self::Credited => "credited",
            Self::Owed => "owed",
        }
    }
}

/// It became known what a payment came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardSettled {
    /// Which payment.
    pub payment: CardPaymentId,
    /// Of how much.
    pub amount: Minor,
    /// What became of it.
    pub settled: Settled,
    /// The ticket that counts it.
    pub ticket: Option<TicketId>,
    /// The provider's reference, once there is one.
    pub reference: Option<String>,
    /// The refund by which it was given back, if it was by one.
    pub refund: Option<RefundId>,
}

/// Means of payment under which sums stand.
const STORED: &str = "card_stored";
const CARD: &str = "card";
const LOST: &str = "card_lost";
const OWED: &str = "card_owed";

impl CardSettled {
    /// What it changes in sums by means of payment. What was taken on trust becomes money, or a loss that is shown; the ticket stays
    /// paid. What no card took back has not left, and is owed. A payment that no ticket counts is in no sum.
    #[must_use]
    pub fn moves(&self) -> Vec<(&'static str, Minor)> {
        let (from, to) = match self.settled {
            Settled::Forwarded => (STORED, CARD),
            Settled::Lost => (STORED, LOST),
            Settled::Owed => (OWED, CARD),
            Settled::Reversed | Settled::Credited => return Vec::new(),
        };
        if self.ticket.is_none() {
            return Vec::new();
        }
        vec![(from, Minor::new(self.amount.get().saturating_neg())), (to, self.amount)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPROVED: fn() -> Outcome = || Outcome::Approved { reference: "R1".to_owned(), last_four: None };
    const DECLINED: fn() -> Outcome = || Outcome::Declined { reason: "no funds".to_owned() };

    #[test]
    fn last_four_digits_are_four_digits() {
        assert_eq!("0042".parse::<LastFour>().map(|four| four.to_string()), Ok("0042".to_owned()));
        for bad in ["", "42", "00042", "4 42", "+042", "\u{664}\u{664}", "abcd"] {
            assert_eq!(bad.parse::<LastFour>(), Err(LastFourError), "{bad}");
        }
        assert_eq!((LastFour::new(9_999).map(LastFour::get), LastFour::new(10_000)), (Ok(9_999), Err(LastFourError)));
    }

    #[test]
    fn what_is_settled_stays_so_and_what_is_unknown_is_settled_by_a_late_answer() {
        use PaymentState::{Approved, Asked, Declined, Reversed, Reversing, Stored, Unknown};
        let table = |outcome: &Outcome| PaymentState::ALL.map(|state| heard(state, outcome));
        assert_eq!(PaymentState::ALL, [Asked, Unknown, Approved, Declined, Stored, Reversing, Reversed]);
        assert_eq!(table(&APPROVED()), [Approved, Approved, Approved, Declined, Approved, Reversing, Reversed]);
        assert_eq!(table(&DECLINED()), [Declined, Declined, Approved, Declined, Declined, Reversing, Reversed]);
        for silence in [Outcome::TimedOut, Outcome::Offline] {
            assert_eq!(table(&silence), [Unknown, Unknown, Approved, Declined, Stored, Reversing, Reversed]);
        }
    }

    #[test]
    fn what_goes_back_on_a_card_is_credited_once_and_what_was_taken_on_trust_goes_back_whole() {
        let id = CardPaymentId::asked(0, 1, "k");
        let payment = |state, training| Payment { state, amount: Minor::new(327), ticket: None, training };
        let back = |state, amount| give_back(id, Some(&payment(state, false)), Minor::new(amount));
        let refused = |state| Err(PaymentRejection::NotApproved { payment: id, state });
        for state in PaymentState::ALL {
            let (some, all) = match state {
                PaymentState::Approved => (Ok(Back::Credit), Ok(Back::Credit)),
                PaymentState::Stored => (refused(state), Ok(Back::Forget)),
                PaymentState::Asked
                | PaymentState::Unknown
                | PaymentState::Declined
                | PaymentState::Reversing
                | PaymentState::Reversed => (refused(state), refused(state)),
            };
            assert_eq!((back(state, 5), back(state, 327)), (some, all), "{state:?}");
            assert_eq!(give_back(id, Some(&payment(state, true)), Minor::new(5)), Ok(Back::Nobody));
        }
        assert_eq!(give_back(id, None, Minor::new(5)), Err(PaymentRejection::Unknown(id)));
        let table = |outcome: &Outcome| CreditState::ALL.map(|state| state.heard(outcome));
        use CreditState::{Asked, Credited, Owed};
        assert_eq!(table(&APPROVED()), [Credited, Credited, Owed]);
        assert_eq!(table(&DECLINED()), [Owed, Credited, Owed]);
        assert_eq!(table(&Outcome::TimedOut), CreditState::ALL);
        assert_eq!([Asked, Credited, Owed].map(|state| state.as_str().parse()), CreditState::ALL.map(Ok));
    }

    #[test]
    fn a_ticket_counts_a_payment_once_as_what_it_is() {
        let id = CardPaymentId::asked(0, 1, "k");
        let ticket = TicketId::sold(0, 1, "k");
        let (amount, training) = (Minor::new(327), false);
        let payment = |state| Payment { state, amount, ticket: None, training };
        assert_eq!(count(id, None, amount, false), Err(PaymentRejection::Unknown(id)));
        for state in PaymentState::ALL {
            let refused = PaymentRejection::NotApproved { payment: id, state };
            let expected = if state.pays() { Ok(()) } else { Err(refused) };
            assert_eq!(count(id, Some(&payment(state)), amount, false), expected);
        }
        let good = payment(PaymentState::Approved);
        assert_eq!(count(id, Some(&good), amount, true), Err(PaymentRejection::Training(id)));
        let more = Err(PaymentRejection::Amount { payment: id, of: 327 });
        assert_eq!(count(id, Some(&good), Minor::new(328), false), more);
        let used = Payment { ticket: Some(ticket), ..good };
        let refused = Err(PaymentRejection::Used { payment: id, ticket });
        assert_eq!((count(id, Some(&used), amount, false), reverse(id, &used)), (refused, refused));
        let reversible = PaymentState::ALL.map(|state| reverse(id, &payment(state)).is_ok());
        assert_eq!(reversible, [false, true, true, false, true, true, true]);
    }
}
