//! The menu that came with the box: it sells from it before it has ever met its hub.

use percolate_common::journal::{AuthorId, Service, StreamKind};
use percolate_common::wire::WireError;
use percolate_common::wire::envelope::Batch;

use super::App;
use super::catalog::{Received, receive};
use super::error::AppError;

/// Why a frame of the bundle was not taken.
#[derive(Debug, thiserror::Error)]
enum BundleFrameError {
    #[error("the frame cannot be read")]
    Wire(#[from] WireError),
    #[error("the database failed")]
    App(#[from] AppError),
    #[error("it is of {0}, which is no journal of the menu")]
    OtherJournal(String),
    #[error("it does not continue what is held: {0:?}")]
    NotContinued(Received),
}

/// Takes the frames over as if the hub had sent them: the same bytes make the same journal, so that at the first session
/// the hub has nothing to send. What is held already is a repeat. A frame that cannot be taken is told of, and the box
/// sells what it has. Blocks.
pub(crate) fn take_in(app: &App, frames: &[Vec<u8>]) {
    let mut failures = frames.iter().filter_map(|frame| take_one(app, frame).err());
    if let Some(error) = failures.next() {
        let others = failures.count();
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a frame of the bundle's menu is not taken, and {others} others are not: {error}"
        );
    }
}

fn take_one(app: &App, frame: &[u8]) -> Result<(), BundleFrameError> {
    let batch = Batch::decode(frame)?;
    let id = batch.journal;
    // A bundle brings the menu, and no journal of a node: those come back from the hub alone.
    if id.author != AuthorId::service(Service::Catalog) || id.stream != StreamKind::Catalog {
        return Err(BundleFrameError::OtherJournal(id.to_string()));
    }
    match app.writer.run_blocking("take_in", move |tx| receive(tx, &batch))? {
        Received::Held(_) => Ok(()),
        other @ (Received::Gap(_) | Received::Forked | Received::Unwanted) => {
            Err(BundleFrameError::NotContinued(other))
        }
    }
}
