//! Why the catalog service could not do what it was asked.

use percolate_common::domain::catalog::CatalogError;
use percolate_common::ids::StoreId;
use percolate_common::money::Currency;
use percolate_common::wire::event::EventError;
use percolate_runtime::storage::StorageError;

use crate::kernel::outbox::OutboxError;

/// Why the catalog service could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogAppError {
    /// The database failed.
    #[error("the catalog could not be read or written")]
    Storage(#[from] StorageError),
    /// The outbox cannot be used.
    #[error("the catalog's journal cannot be used")]
    Outbox(#[from] OutboxError),
    /// The menu cannot be sold.
    #[error("the menu cannot be published")]
    Menu(#[from] CatalogError),
    /// A shop sells in another currency than the menu's prices are in.
    #[error("the menu's prices are in {menus}, and shop {store} sells in {shops}")]
    Currency {
        /// The menu's.
        menus: Currency,
        /// Which shop; there may be others.
        store: StoreId,
        /// The shop's.
        shops: Currency,
    },
    /// Another process of the service published something in the meantime, again and again. Try again.
    #[error("another process keeps publishing menus: try again")]
    Stale,
    /// Somebody published another menu than the one that this was compared with.
    #[error("revision {published} of the menu was published meanwhile")]
    Moved {
        /// What is for sale now.
        published: u32,
    },
    /// No such revision was published, or what it said is lost.
    #[error("there is no revision {revision} of the menu")]
    UnknownRevision {
        /// Which one was asked for.
        revision: u32,
    },
    /// The service's own journal holds something that this program cannot read: it was written by a newer one.
    #[error("entry {seq} of the catalog's own journal cannot be read")]
    Unreadable {
        /// Which entry.
        seq: u64,
        /// Why not.
        #[source]
        source: EventError,
    },
}
