//! The node vouches for what it has written, while a session lasts: for the heads of its journals by its signature, and for
//! its stock by a digest that the hub compares with its own. First when the hub has everything, then from time to time
//! (docs/adr/0018-marks-and-guard-files.md).

use core::time::Duration;
use std::collections::BTreeMap;

use percolate_common::crdt::stock::StockDigest;
use percolate_common::journal::{Incarnation, JournalId};
use percolate_common::wire::session::{FromNode, LifeStock, MARK_LIVES_MAX, Mark, SignedHead};
use percolate_runtime::sqlite::ReadTx;

use super::session::{Machine, Session};
use super::totals::STOCK_STREAMS;
use crate::app::App;
use crate::app::error::AppError;
use crate::store::lives::{self, Life};
use crate::store::{journal, stock};

/// Time between two marks.
pub(super) const MARK_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// When a mark is due, and what was stated anew because of one.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Absent outside a session.
    due: Option<Duration>,
    /// The heads that were vouched for in this session, and those that are being: a signature costs more than all else here,
    /// so that what did not move is not signed again.
    vouched: BTreeMap<JournalId, u64>,
    /// When a life's totals were last stated anew.
    restated: BTreeMap<Incarnation, Duration>,
}

impl Marks {
    /// A session begins.
    pub(super) fn begin(&mut self, now: Duration) {
        self.due = Some(now);
        self.vouched.clear();
    }

    /// The session is over.
    pub(super) fn end(&mut self) {
        self.due = None;
    }

    /// Whether a life's totals are to be stated anew, now that the hub has others: once in a while. Where that does not
    /// help, the hub holds more than is true, and a person must look.
    fn restate(&mut self, incarnation: Incarnation, now: Duration) -> bool {
        let lately = self.restated.get(&incarnation).is_some_and(|at| now < *at + MARK_INTERVAL);
        if !lately {
            self.restated.insert(incarnation, now);
            self.due = self.due.map(|due| due.min(now));
        }
        !lately
    }
}

impl Session {
    /// When the next mark is due; one that has to wait until the hub has everything is not waited for.
    pub(super) fn mark_due(&self) -> Option<Duration> {
        self.marks.due.filter(|_| self.outbound.is_idle() && self.totals.is_settled())
    }

    /// The mark to send now, if one is due. Blocks.
    pub(crate) fn mark(&self, app: &App, machine: &Machine, now: Duration) -> Result<Option<FromNode>, AppError> {
        let Some(session) = self.greeting.session() else { return Ok(None) };
        if self.mark_due().is_none_or(|due| now < due) {
            return Ok(None);
        }
        app.readers.read(|tx| {
            let present = lives::present(tx)?;
            // One read transaction: the totals are those of exactly these heads.
            let Some(first) = self.life_stock(app, tx, present)? else { return Ok(None) };
            let mut stock = vec![first];
            for incarnation in self.totals.lives().filter(|incarnation| *incarnation != present.incarnation) {
                if let Some(life) = lives::find(tx, incarnation)?
                    && stock.len() < MARK_LIVES_MAX
                {
                    stock.extend(self.life_stock(app, tx, life)?);
                }
            }
            let mut heads = Vec::new();
            for head in journal::head_list(tx, present)? {
                let id = app.journal(present, head.stream);
                if self.marks.vouched.get(&id) != Some(&head.head.seq) {
                    heads.push(SignedHead::sign(&machine.key, &id, &head.head));
                }
            }
            Ok(Some(FromNode::Mark(Mark { session, heads, stock })))
        })
    }

    /// What a life's stock comes to, if the hub has all its journals.
    fn life_stock(&self, app: &App, tx: &ReadTx<'_>, life: Life) -> Result<Option<LifeStock>, AppError> {
        let mut seqs = [0; STOCK_STREAMS.len()];
        for (seq, stream) in seqs.iter_mut().zip(STOCK_STREAMS) {
            let id = app.journal(life, stream);
            *seq = journal::head_fetch(tx, life, &id)?.seq;
            if self.outbound.acked_seq(id) != Some(*seq) {
                return Ok(None);
            }
        }
        let [sales_seq, stock_seq] = seqs;
        let digest = StockDigest::of(stock::total_list(tx, life)?).number();
        Ok(Some(LifeStock { incarnation: life.incarnation.get(), sales_seq, stock_seq, digest }))
    }

    /// A mark has been handed to the link.
    pub(crate) fn marked(&mut self, app: &App, mark: &FromNode, now: Duration) {
        if let FromNode::Mark(mark) = mark {
            let own = mark.stock.first().map_or(0, |stock| stock.incarnation);
            for head in &mark.heads {
                let (author, incarnation) = (app.author(), Incarnation::new(own));
                let id = head.stream().map(|stream| JournalId { author, incarnation, stream });
                self.marks.vouched.extend(id.map(|id| (id, head.head().seq)));
            }
        }
        self.marks.due = Some(now + MARK_INTERVAL);
        metrics::counter!("node_marks_sent_total").increment(1);
    }

    /// The hub has other totals of a life for the same journals: it is told all of them once more.
    pub(super) fn totals_differ(&mut self, incarnation: Incarnation, now: Duration) {
        if self.totals.lives().all(|told| told != incarnation) {
            return;
        }
        metrics::counter!("node_stock_differs_total").increment(1);
        if self.marks.restate(incarnation, now) {
            tracing::warn!(%incarnation, "the hub has other stock totals than this box, and is told them again");
            self.totals.tell_again(incarnation);
        } else {
            tracing::error!(%incarnation, "the hub has other stock totals than this box, and keeps them: call support");
        }
    }
}
