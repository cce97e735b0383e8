//! What can go wrong with a command: refusals, which are the caller's, and failures, which are ours.

use percolate_common::domain::cash::decide::DrawerRejection;
use percolate_common::domain::pricing::PricingRejection;
use percolate_common::domain::stock::MovementRejection;
use percolate_common::domain::tenders::card::PaymentRejection;
use percolate_common::domain::tickets::decide::TicketRejection;
use percolate_common::domain::tickets::open::decide::OpenRejection;
use percolate_common::domain::tickets::refund::RefundRejection;
use percolate_common::domain::tickets::tips::TipRejection;
use percolate_common::wire::WireError;
use percolate_runtime::password::PasswordError;
use percolate_runtime::storage::StorageError;
use percolate_runtime::tasks::Panicked;

use super::owed::OwedRefusal;
use super::prints::PrintRefusal;
use super::staff::StaffRefusal;

/// Why a command was not done. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    /// The database failed.
    #[error("the database failed")]
    Storage(#[from] StorageError),
    /// A fact cannot be written as an event.
    #[error("the event cannot be written")]
    Event(#[from] WireError),
    /// A ticket is refused.
    #[error("the ticket is refused")]
    Ticket(#[from] TicketRejection),
    /// Nothing is given back.
    #[error("nothing is given back")]
    Refund(#[from] RefundRejection),
    /// What is owed of a refund stays as it is.
    #[error("nothing is paid out")]
    Owed(#[from] OwedRefusal),
    /// The ticket is of another system, which alone knows how it was paid.
    #[error("the ticket was brought in from another system")]
    RefundUnknown,
    /// A tip stays as it is.
    #[error("the tip stays as it is")]
    Tip(#[from] TipRejection),
    /// Lines cannot be priced.
    #[error("the lines cannot be priced")]
    Pricing(#[from] PricingRejection),
    /// A movement of stock is refused.
    #[error("the movement is refused")]
    Movement(#[from] MovementRejection),
    /// A payment by card stays as it is.
    #[error("the payment stays as it is")]
    Payment(PaymentRejection),
    /// There is nobody to ask for money.
    #[error("there is no card terminal")]
    NoCardTerminal,
    /// Something about a drawer is refused.
    #[error("the drawer stays as it is")]
    Drawer(#[from] DrawerRejection),
    /// Something about paper is refused.
    #[error("nothing is printed")]
    Print(#[from] PrintRefusal),
    /// Something about an open ticket is refused.
    #[error("the open ticket stays as it is")]
    OpenTicket(#[from] OpenRejection),
    /// The body names something that it must not.
    #[error("{detail}")]
    Field {
        /// Where.
        pointer: String,
        /// For programs.
        code: &'static str,
        /// For a person.
        detail: String,
    },
    /// The key has been used for another body.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Nothing can be sold before a menu has come.
    #[error("no menu has been received yet")]
    NoCatalog,
    /// So many codes wait for their terminals that no other one is given out.
    #[error("too many pairings are open")]
    PairingsFull,
    /// Somebody is not signed in, or may not.
    #[error(transparent)]
    Staff(#[from] StaffRefusal),
    /// A PIN cannot be hashed.
    #[error("a PIN cannot be hashed")]
    Pin(#[from] PasswordError),
    /// Work on another thread did not end well.
    #[error("work on another thread did not end well")]
    Panicked(#[from] Panicked),
    /// Only the reserve is left on the disk.
    #[error("{free} bytes are left on the disk")]
    DiskReserve {
        /// What is left.
        free: u64,
    },
    /// The database's files are no longer where they were: what is written would be lost with the process.
    #[error("the files of the database are gone from {folder}")]
    FilesGone {
        /// Where they were.
        folder: String,
    },
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The database belongs to another store or node.
    #[error("this database belongs to {what} {theirs}, not to {what} {ours}: point --data at the right folder")]
    OtherNode {
        /// Store or node.
        what: &'static str,
        /// Whose it is.
        theirs: String,
        /// Who asks.
        ours: String,
    },
}
