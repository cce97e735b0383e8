//! The menus that tickets name: each revision as the catalog published it, from what it said up to there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use percolate_common::domain::catalog::{Catalog, CatalogEvent, Draft};
use percolate_common::domain::event::Event;
use percolate_common::wire::event;
use percolate_runtime::storage::{ReadTx, StorageError};

use super::store::books::{self, MenuPlace};

/// Revisions that are kept in memory; others are put together again from the table.
const MENUS_KEPT_MAX: usize = 50;

/// Revisions that were put together. A place of a journal never says anything else, so what is kept stays true.
#[derive(Debug, Default)]
pub(super) struct Menus(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// With when each was last asked for, counted in questions.
    menus: BTreeMap<MenuPlace, (u64, Option<Arc<Catalog>>)>,
    questions: u64,
}

impl Menus {
    /// The revision that was published at a place; nothing if nobody can sell by it.
    pub(super) fn at(&self, tx: &ReadTx<'_>, place: MenuPlace) -> Result<Option<Arc<Catalog>>, StorageError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.questions += 1;
        let now = kept.questions;
        if let Some((asked, menu)) = kept.menus.get_mut(&place) {
            *asked = now;
            return Ok(menu.clone());
        }
        let menu = put_together(tx, place)?.map(Arc::new);
        if kept.menus.len() >= MENUS_KEPT_MAX
            && let Some(oldest) = kept.menus.iter().min_by_key(|(_, (asked, _))| *asked).map(|(place, _)| *place)
        {
            kept.menus.remove(&oldest);
        }
        kept.menus.insert(place, (now, menu.clone()));
        Ok(menu)
    }

    /// Forgets all: what is folded anew may be another journal.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }
}

fn put_together(tx: &ReadTx<'_>, place: MenuPlace) -> Result<Option<Catalog>, StorageError> {
    let (mut draft, mut revision, mut after) = (Draft::default(), None, 0);
    loop {
        let page = books::menu_said_page(tx, place, after)?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, bytes) in &page {
            // What this program cannot read may have changed any price.
            let Some(Ok(Event::Catalog(said))) =
                bytes.as_deref().map(|bytes| event::decode(bytes).map(|recorded| recorded.event))
            else {
                return Ok(None);
            };
            draft.apply(&said);
            revision = if let CatalogEvent::RevisionPublished(revision) = said { Some(revision) } else { None };
        }
    }
    Ok(revision.and_then(|revision| draft.publish(revision).ok()))
}
