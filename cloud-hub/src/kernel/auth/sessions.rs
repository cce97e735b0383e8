//! Who is signed in. Looked up for every request, so that a session that has ended is worth nothing anywhere from then on.

use std::future::Future;
use std::time::Duration;

use percolate_common::ids::StoreId;
use percolate_common::time::UtcMillis;
use percolate_runtime::storage::StorageError;

use super::Auth;
use super::roles::{Grant, Place};
use super::store::people::{SessionRow, grant_list, place_fetch, session_fetch, session_seen};

/// A session of whom nothing was heard for so long has ended.
pub const IDLE_MS: i64 = 15 * 60 * 1_000;

/// A session ends after so long, whatever was heard.
pub const SESSION_MS: i64 = 12 * 60 * 60 * 1_000;

/// That something was heard is written down if the last time was so long ago: a write for every read would be too dear.
const SEEN_EVERY_MS: i64 = 15 * 1_000;

/// How often it is looked whether a session has ended by itself while an answer to it goes on.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Somebody who is signed in, what they may do, and where the shop is that they ask about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignedIn {
    pub(crate) session: SessionRow,
    pub(crate) grants: Vec<Grant>,
    pub(crate) place: Option<Place>,
}

impl SessionRow {
    /// Whether it has not ended by itself.
    #[must_use]
    pub fn is_alive(&self, now: UtcMillis) -> bool {
        now < self.ends_at && now.get() < self.seen_at.get().saturating_add(IDLE_MS)
    }
}

impl Auth {
    /// Whose session it is, by the hash of what a browser showed. That they asked is taken note of.
    pub(crate) async fn signed_in(
        &self,
        hash: [u8; 32],
        store: Option<StoreId>,
    ) -> Result<Option<SignedIn>, StorageError> {
        let now = self.clock.now();
        let found = self
            .db
            .read_async(move |tx| {
                let Some(session) = session_fetch(tx, &hash)?.filter(|session| session.is_alive(now)) else {
                    return Ok::<_, StorageError>(None);
                };
                let grants = grant_list(tx, session.user)?;
                let place = store.map(|store| place_fetch(tx, store)).transpose()?.flatten();
                Ok(Some(SignedIn { session, grants, place }))
            })
            .await?;
        let is_due = |found: &SignedIn| now.get() >= found.session.seen_at.get().saturating_add(SEEN_EVERY_MS);
        if found.as_ref().is_some_and(is_due) && self.db.is_ours() {
            self.db.write("session_seen", move |tx| session_seen(tx, &hash, now)).await?;
        }
        Ok(found)
    }

    /// Waits until a session has ended, or may not do the same as at first: for an answer that goes on and on.
    pub(crate) fn session_over(&self, hash: [u8; 32]) -> impl Future<Output = ()> + Send + use<> {
        let auth = self.clone();
        async move {
            let (mut commits, mut at_first) = (auth.db.commits(), None);
            loop {
                commits.mark_unchanged();
                let now = auth.clock.now();
                let found = auth.db.read_async(move |tx| {
                    let session = session_fetch(tx, &hash)?.filter(|session| session.is_alive(now));
                    session.map(|session| grant_list(tx, session.user)).transpose()
                });
                // What cannot be looked up is not believed to be.
                let Ok::<_, StorageError>(Some(grants)) = found.await else { return };
                if at_first.get_or_insert_with(|| grants.clone()) != &grants {
                    return;
                }
                if tokio::time::timeout(LOOK_EVERY, commits.changed()).await.is_ok_and(|changed| changed.is_err()) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_idle_and_in_the_end() {
        let session = |seen_at: i64| SessionRow {
            hash: [0; 32],
            user: 1,
            name: "ann".to_owned(),
            seen_at: UtcMillis::new(seen_at),
            ends_at: UtcMillis::new(SESSION_MS),
        };
        let alive = |seen_at, now| session(seen_at).is_alive(UtcMillis::new(now));
        assert!(alive(0, IDLE_MS - 1) && !alive(0, IDLE_MS));
        assert!(alive(SESSION_MS - 1, SESSION_MS - 1) && !alive(SESSION_MS - 1, SESSION_MS));
    }
}
