//! What an answer to a greeting means: the session begins, or the common past is asked for, or a contested life ends.

use core::time::Duration;
use std::collections::BTreeMap;

use percolate_common::domain::event::LifeReason;
use percolate_common::journal::{JournalId, StreamKind};
use percolate_common::time::UtcMillis;
use percolate_common::wire::WIRE_VERSION;
use percolate_common::wire::session::{ACK_PARKED_MAX, Position, Verdict, Welcome};

use super::session::Session;
use super::standing::{Contested, Relation, Standing, Survey, survey as survey_of};
use crate::app::error::AppError;
use crate::app::present::ParkedThere;
use crate::app::repair::{self, Contest};
use crate::app::{App, Halted, LinkState, life};
use crate::store::journal;

/// What was asked with the last greeting.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) number: u64,
    pub(super) incarnation: u64,
    pub(super) heads: BTreeMap<StreamKind, u64>,
    /// Contested journals whose common past was asked for.
    pub(super) about: Vec<JournalId>,
}

impl Session {
    /// Whether this answers the last greeting. A late answer to one before it is none.
    pub(super) fn is_answer(&self, welcome: &Welcome) -> bool {
        let answers = |given: Option<u64>, asked: fn(&Asked) -> u64| {
            given.is_none_or(|given| self.asked.as_ref().is_some_and(|last| asked(last) == given))
        };
        answers(welcome.number, |asked| asked.number) && answers(welcome.incarnation, |asked| asked.incarnation)
    }

    fn halt(&mut self, app: &App, code: &'static str, detail: &str) {
        tracing::error!(code, "sending has stopped: {detail}");
        metrics::counter!("node_sync_halts_total").increment(1);
        self.outbound.stop();
        app.present.set_link(LinkState::Refused);
        app.present.set_halted(Some(Halted { code, detail: detail.to_owned() }));
    }

    pub(super) fn welcomed(&mut self, app: &App, welcome: &Welcome, now: Duration) -> Result<(), AppError> {
        let reason = match &welcome.verdict {
            Verdict::Welcome => None,
            Verdict::Forked { .. } => Some(LifeReason::Forked),
            Verdict::Fenced => Some(LifeReason::Fenced),
            Verdict::WireVersion { min, max } => {
                let detail = format!(
                    "The hub reads wire versions {min} to {max}, this program writes {WIRE_VERSION}: update the box."
                );
                self.halt(app, "wire_version", &detail);
                return Ok(());
            }
            Verdict::Untrusted => {
                self.halt(app, "untrusted", "The hub does not believe this box's key. It sells on; call support.");
                return Ok(());
            }
        };
        app.present.set_skew(UtcMillis::new(welcome.hub_ms), app.clock.now());
        app.present.set_parked(parked_there(app, welcome));
        let mut survey = app.readers.read(|tx| survey_of(app, tx, &welcome.positions))?;
        if !survey.unknown.is_empty() {
            let (adopting, unknown) = (app.clone(), std::mem::take(&mut survey.unknown));
            app.writer.run_blocking("adopt", move |tx| life::adopt(&adopting, tx, &unknown))?;
            survey = app.readers.read(|tx| survey_of(app, tx, &welcome.positions))?;
        }
        let of_present = |standing: &&Standing| standing.life == survey.present;
        let contested =
            survey.standings.iter().filter(of_present).any(|standing| standing.relation != Relation::Behind);
        if contested || reason.is_some() {
            return self.life_contested(app, welcome, &survey, reason.unwrap_or(LifeReason::Forked), now);
        }
        if !self.settle_older(app, welcome, &survey, now)? {
            return Ok(());
        }
        let repaired = app.readers.read(|tx| survey_of(app, tx, &welcome.positions))?;
        self.open(app, welcome.session, repaired, now)
    }

    /// The present life has no future: it ends where both sides agree, once that is known.
    fn life_contested(
        &mut self,
        app: &App,
        welcome: &Welcome,
        survey: &Survey,
        reason: LifeReason,
        now: Duration,
    ) -> Result<(), AppError> {
        let asked = self.asked.as_ref();
        let settled = |standing: &&Standing| {
            let head_then = asked.and_then(|asked| asked.heads.get(&standing.id.stream)).copied().unwrap_or(u64::MAX);
            let head_is_held = welcome.agreed.iter().flatten().any(|position| {
                position.journal() == Some(standing.id) && position.seq() > 0 && position.seq() >= head_then
            });
            let was_asked = asked.is_some_and(|asked| asked.about.contains(&standing.id));
            standing.last == 0 || standing.relation == Relation::Behind || head_is_held || was_asked
        };
        let of_present = |standing: &&Standing| standing.life == survey.present;
        let open: Vec<_> = survey.standings.iter().filter(of_present).filter(|standing| !settled(standing)).collect();
        if !open.is_empty() {
            self.contested = open.iter().map(|standing| Contested { id: standing.id, held: standing.held }).collect();
            self.greet_again(now);
            return Ok(());
        }
        let contest = Contest {
            incarnation: survey.present.incarnation,
            streams: StreamKind::UP.to_vec(),
            held: held_alike(welcome),
            reason,
        };
        self.begin_repair(app, contest)?;
        app.present.set_halted(None);
        self.contested.clear();
        self.greet_again(now);
        Ok(())
    }

    fn begin_repair(&mut self, app: &App, contest: Contest) -> Result<(), AppError> {
        let repairing = app.clone();
        app.writer.run_blocking("repair_begin", move |tx| repair::begin(&repairing, tx, &contest))?;
        self.repairing = true;
        Ok(())
    }

    /// Older lives that the hub contests are repaired, too, once the common past is known; tells whether it is.
    fn settle_older(&mut self, app: &App, welcome: &Welcome, survey: &Survey, now: Duration) -> Result<bool, AppError> {
        let about = self.asked.as_ref().map(|asked| asked.about.clone()).unwrap_or_default();
        let mut lives: BTreeMap<_, Vec<StreamKind>> = BTreeMap::new();
        for id in about.iter().filter(|id| id.incarnation != survey.present.incarnation) {
            lives.entry(id.incarnation).or_default().push(id.stream);
        }
        let others = survey.standings.iter().filter(|standing| standing.relation == Relation::Other);
        let open: Vec<_> = others.filter(|standing| !lives.contains_key(&standing.id.incarnation)).collect();
        self.contested = open.iter().map(|standing| Contested { id: standing.id, held: standing.held }).collect();
        for (incarnation, streams) in lives {
            let contest = Contest { incarnation, streams, held: held_alike(welcome), reason: LifeReason::Forked };
            self.begin_repair(app, contest)?;
        }
        if self.contested.is_empty() {
            return Ok(true);
        }
        self.greet_again(now);
        Ok(false)
    }

    /// The session begins: each journal goes on where the hub says.
    fn open(&mut self, app: &App, session: u64, survey: Survey, now: Duration) -> Result<(), AppError> {
        let standings = survey.standings.clone();
        app.writer.run_blocking("positions", move |tx| {
            for Standing { life, id, held, .. } in standings.iter().filter(|one| one.relation == Relation::Behind) {
                if journal::acked_fetch(tx, *life, id.stream)? != *held {
                    journal::acked_set(tx, *life, id.stream, *held)?;
                }
            }
            Ok::<_, AppError>(())
        })?;
        self.leave();
        self.contested.clear();
        self.eager = 0;
        for Standing { id, last, held, relation, .. } in survey.standings {
            match relation {
                Relation::Behind => {
                    self.outbound.start(id, held, last, now);
                    self.totals.owe(id.incarnation);
                }
                Relation::Ahead => {
                    self.missing.insert(id, held);
                    self.asks.push_back(id);
                }
                Relation::Other => {}
            }
        }
        self.greeting.welcomed(session);
        self.marks.begin(now);
        app.present.set_halted(None);
        app.present.set_link(LinkState::Up);
        Ok(())
    }
}

/// What the hub cannot read of the node's journals.
fn parked_there(app: &App, welcome: &Welcome) -> BTreeMap<JournalId, ParkedThere> {
    let rows = welcome.parked.iter().flatten();
    rows.filter_map(|row| {
        let latest = row.latest().iter().rev().take(ACK_PARKED_MAX).copied().collect();
        Some((row.journal(app.author())?, ParkedThere { count: row.count(), latest }))
    })
    .collect()
}

/// The places of the node's journals of which the hub says that it holds them.
fn held_alike(welcome: &Welcome) -> Vec<Position> {
    let agreed = welcome.agreed.iter().flatten();
    agreed.chain(&welcome.positions).cloned().collect()
}
