//! What waits in a shop for the head office while its line is cut, and its way there once that is mended.

use percolate_runtime::system::monotonic_now;

use super::act::{ActError, Stage, elapsed_ms, pause};
use super::cost::duration;
use crate::figures::counted;

/// What a shop has sold and the reports do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Backlog {
    /// The most that waited at once.
    waited: i64,
    /// What the reports must have, so that all of it is there.
    due: i64,
}

impl Backlog {
    fn new(sold: i64, there: i64) -> Self {
        Self { waited: (sold - there).max(0), due: sold }
    }

    /// Looks again: more may wait now than before. Whether all of it is there.
    fn look(&mut self, sold: i64, there: i64) -> bool {
        if sold - there > self.waited {
            *self = Self::new(sold, there);
        }
        there >= self.due
    }
}

/// What waited, and how long it took from the mending until all of it was in the reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// How many tickets.
    pub waited: i64,
    /// How long, in milliseconds.
    pub there_ms: u64,
}

impl Delivered {
    /// In words.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self.waited {
            0 => "nothing had waited".to_owned(),
            waited => {
                let tickets = counted(waited, "ticket", "tickets");
                format!("{tickets} had waited, delivered in {}", duration(self.there_ms))
            }
        }
    }
}

impl Stage {
    /// Mends a shop's line and waits until all that waited behind it is in the reports; tells again and again how much
    /// still waits, for the shop sells on.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn mend_line(&self, at: usize, told: impl Fn(i64)) -> Result<Delivered, ActError> {
        let (store, link) = (self.shop(at)?.store.id, self.link(at)?);
        let sold = || self.tally.in_store(store).sold.tickets;
        let before = sold();
        let mut backlog = Backlog::new(before, self.in_reports(store).await.unwrap_or(before));
        link.mend();
        let begin = monotonic_now();
        loop {
            let sold = sold();
            if let Some(there) = self.in_reports(store).await {
                told((sold - there).max(0));
                if backlog.look(sold, there) {
                    return Ok(Delivered { waited: backlog.waited, there_ms: elapsed_ms(begin) });
                }
            }
            self.patient(begin, "what waited behind the line that was cut")?;
            pause().await;
        }
    }

    /// A store's tickets in the reports; nothing while head office does not answer.
    async fn in_reports(&self, store: u32) -> Option<i64> {
        let report = self.office.hub.sales_by_store().await.ok()?;
        let key = store.to_string();
        Some(report.rows.iter().find(|row| row.key == key).map_or(0, |row| row.sums.tickets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waited_is_the_most_that_waited_and_it_is_there_when_the_last_of_it_is() {
        let mut backlog = Backlog::new(146, 100);
        assert_eq!((backlog.waited, backlog.look(200, 100)), (46, false), "it sells on before the first is delivered");
        assert!(!backlog.look(314, 100));
        assert!(!backlog.look(320, 200), "a part is there");
        assert!(!backlog.look(330, 313));
        assert!(backlog.look(340, 314), "what is sold since is on a line that works");
        let delivered = Delivered { waited: backlog.waited, there_ms: 410 };
        assert_eq!(delivered.in_words(), "214 tickets had waited, delivered in 0.4 s");
    }

    #[test]
    fn nothing_waits_where_all_is_there() {
        let mut backlog = Backlog::new(100, 100);
        assert_eq!((backlog.look(100, 101), backlog.waited), (true, 0), "a sale counts before its till has the answer");
    }
}
