//! Why identity did not do something.

use percolate_common::identity::bundle::BundleError;
use percolate_common::ids::{NodeId, StoreId};
use percolate_runtime::enrolment::EnrolmentRefusal;
use percolate_runtime::files::FileError;
use percolate_runtime::pki::PkiError;
use percolate_runtime::seal::CloseError;
use percolate_runtime::storage::StorageError;

use super::check::Fault;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The database failed.
    #[error("identity's database cannot be used")]
    Storage(#[from] StorageError),
    /// Nobody has planned this shop.
    #[error("no shop has the number {0}: plan it first (provision store create)")]
    StoreUnknown(StoreId),
    /// The shop's plan holds what no shop can have.
    #[error("the shop cannot be planned so: {}", .0.first().map_or("", |fault| fault.detail.as_str()))]
    Site(Vec<Fault>),
    /// Another shop has this box.
    #[error("box {node} is that of shop {store} already: give this shop a box of its own")]
    NodeTaken {
        /// The box.
        node: NodeId,
        /// The shop that has it.
        store: StoreId,
    },
    /// The shop has sold with another box.
    #[error("shop {store} has box {node}, for which bundles were made: a box keeps its number")]
    NodeFixed {
        /// The shop.
        store: StoreId,
        /// Its box.
        node: NodeId,
    },
    /// There is no menu that a box could sell from.
    #[error("no menu was published: start the hub with --menu FILE first")]
    MenuMissing,
    /// The same request was answered for another shop.
    #[error("this idempotency key asked for another bundle")]
    KeyReused,
    /// A bundle cannot be made.
    #[error("the bundle cannot be made")]
    Bundle(#[from] BundleError),
    /// A bundle cannot be sealed.
    #[error("the bundle cannot be sealed")]
    Seal(#[from] CloseError),
    /// A certificate cannot be made.
    #[error("the certificate cannot be made")]
    Pki(#[from] PkiError),
    /// A box is given nothing.
    #[error("the box is given no certificate: {}", .0.code())]
    Refused(EnrolmentRefusal),
    /// Nobody has such a box.
    #[error("no certificate was ever given to box {0}")]
    NodeUnknown(NodeId),
    /// The shop has a box.
    #[error(
        "shop {store} is in use: box {node} was enrolled, or has sold. Shut the box out instead (provision node revoke)"
    )]
    StoreInUse {
        /// The shop.
        store: StoreId,
        /// Its box.
        node: NodeId,
    },
    /// A key was given so many certificates that something must be wrong.
    #[error("the box was given certificate after certificate: it is given the next one later")]
    RenewedTooOften {
        /// How long it waits, in milliseconds.
        wait_ms: i64,
    },
    /// What was revoked cannot be written down where it is never forgotten.
    #[error("the list of what was revoked and used cannot be written")]
    RevokedList(#[source] std::io::Error),
    /// The first owner's invitation cannot be read.
    #[error("the first owner's invitation cannot be read")]
    OwnerFile(#[source] FileError),
    /// Somebody shows an invitation that is none, or none any more.
    #[error("the invitation is none, has ended, or was used")]
    InvitationUnknown,
    /// A password is too short or too long.
    #[error("the password is too short or too long")]
    PasswordUnfit,
    /// A password cannot be hashed.
    #[error("a password cannot be hashed")]
    Hashing,
    /// Somebody is not let in.
    #[error("name, password or code is wrong")]
    SignInWrong,
    /// Whoever asks has not signed in.
    #[error("there is no session: you came with the token, or have signed out")]
    SessionUnknown,
    /// Nobody has this name.
    #[error("nobody has this name: invite them first (provision user invite)")]
    UserUnknown,
    /// The acceptance is not what its box has signed.
    #[error("the acceptance is not one that the box has signed")]
    Acceptance,
}
