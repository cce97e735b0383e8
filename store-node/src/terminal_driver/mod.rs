//! Card terminals: who asks for the money. A driver speaks to one, and is asked outside of any transaction.

mod simulated;

use std::future::Future;
use std::pin::Pin;

use percolate_common::domain::tenders::card::Outcome;
use percolate_common::ids::CardPaymentId;
use percolate_common::money::Minor;

pub(crate) use simulated::Simulated;

/// An answer that is on its way.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A card terminal. Whatever becomes of the box, a payment's id is what both sides know it by:
///
/// - asked for the same id again, it charges nobody twice, and tells what it said of it before;
/// - after [`Outcome::Offline`] it has read the card, and asks its provider when it is asked for the same id again;
/// - an answer that nobody waits for any more changes nothing: an inquiry tells it.
pub(crate) trait CardTerminal: Send + Sync {
    /// Asks for money.
    fn authorize(&self, id: CardPaymentId, amount: Minor) -> Answer<'_, Outcome>;

    /// Asks what became of a payment. One that it does not know it declines from then on, so that nothing that is still
    /// under way to it is charged later.
    fn inquire(&self, id: CardPaymentId) -> Answer<'_, Outcome>;

    /// Gives the money back, or forgets the card that waits for a line. Tells whether it is done; asked again, it does it once.
    fn reverse(&self, id: CardPaymentId) -> Answer<'_, bool>;

    /// Gives so much of an approved payment back, under an id of its own: asked for the same id again, it gives back once, and tells what
    /// it said of it before.
    fn refund(&self, id: CardPaymentId, of: CardPaymentId, amount: Minor) -> Answer<'_, Outcome>;
}
