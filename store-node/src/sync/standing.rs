//! How the node's own journals, of all its lives, stand to what the hub says that it holds of them.

use percolate_common::journal::{Incarnation, JournalId, StreamKind};
use percolate_common::wire::session::{Position, WELCOME_POSITIONS_MAX};
use percolate_runtime::sqlite::ReadTx;

use crate::app::App;
use crate::app::error::AppError;
use crate::store::lives::{self, Life};
use crate::store::{journal, repair};

/// A journal, and how it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) id: JournalId,
    pub(super) life: Life,
    /// How far it reaches here.
    pub(super) last: u64,
    /// How far the hub holds it.
    pub(super) held: u64,
    pub(super) relation: Relation,
}

/// What the two sides are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// The hub holds the beginning of what is here.
    Behind,
    /// The hub holds more than there is here.
    Ahead,
    /// The hub holds something else.
    Other,
}

/// All journals of all lives that are not being repaired.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) present: Life,
    pub(super) standings: Vec<Standing>,
    /// Lives that the hub knows and this database does not: it was replaced.
    pub(super) unknown: Vec<Incarnation>,
}

/// Compares.
pub(super) fn survey(app: &App, tx: &ReadTx<'_>, positions: &[Position]) -> Result<Survey, AppError> {
    let present = lives::present(tx)?;
    let (lives, repaired) = (lives::list(tx)?, repair::life_list(tx)?);
    // The hub lists those that it heard of last. Of what it does not list, it holds what it once acknowledged, as far as is
    // known here; where that is not so, it says so when more is offered.
    let all_listed = positions.len() < WELCOME_POSITIONS_MAX;
    let mut standings = Vec::new();
    for life in lives.iter().filter(|life| !repaired.contains(&life.number)) {
        for stream in StreamKind::UP {
            let id = app.journal(*life, stream);
            let position = positions.iter().find(|position| position.journal() == Some(id));
            let mut standing = standing(tx, id, *life, position)?;
            if position.is_none() && !all_listed {
                standing.held = journal::acked_fetch(tx, *life, stream)?.min(standing.last);
            }
            standings.push(standing);
        }
    }
    let theirs = positions.iter().filter_map(Position::journal).filter(|id| id.author == app.author());
    let mut unknown: Vec<_> = theirs.map(|id| id.incarnation).collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown.retain(|incarnation| lives.iter().all(|life| life.incarnation != *incarnation));
    Ok(Survey { present, standings, unknown })
}

fn standing(tx: &ReadTx<'_>, id: JournalId, life: Life, position: Option<&Position>) -> Result<Standing, AppError> {
    let last = journal::head_fetch(tx, life, &id)?.seq;
    let held = position.map_or(0, Position::seq);
    let relation = match position {
        Some(position) if held <= last => {
            let own = journal::hash_at(tx, life, &id, held)?;
            if own.map(|hash| hash.short()) == Some(position.hash()) { Relation::Behind } else { Relation::Other }
        }
        Some(_) => Relation::Ahead,
        None => Relation::Behind,
    };
    Ok(Standing { id, life, last, held, relation })
}

/// A journal that is contested, and how far the hub holds it: the common past is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contested {
    pub(super) id: JournalId,
    pub(super) held: u64,
}

/// The places to ask about: what the hub has acknowledged, and the end of what both may hold, less 0, 1, 2, 4, 8 …
pub(super) fn marks(tx: &ReadTx<'_>, contested: &[Contested]) -> Result<Vec<Position>, AppError> {
    let mut marks = Vec::new();
    for Contested { id, held } in contested {
        let Some(life) = lives::find(tx, id.incarnation)? else { continue };
        let top = journal::head_fetch(tx, life, id)?.seq.min(*held);
        let steps = std::iter::successors(Some(1_u64), |step| step.checked_mul(2)).take_while(|step| *step < top);
        let mut places: Vec<u64> = std::iter::once(0).chain(steps).map(|step| top.saturating_sub(step)).collect();
        places.push(journal::acked_fetch(tx, life, id.stream)?);
        places.sort_unstable();
        places.dedup();
        for seq in places.into_iter().filter(|seq| *seq > 0) {
            if let Some(hash) = journal::hash_at(tx, life, id, seq)? {
                marks.push(Position::new(id, seq, hash.short()));
            }
        }
    }
    Ok(marks)
}
