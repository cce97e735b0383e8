//! What has happened this morning, in order: shown on the board where there is one, told line by line elsewhere.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use percolate_common::time::Clock;

use super::clock::{DemoClock, wall_time};
use crate::screen::Progress;

/// One thing that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The time on the shops' walls.
    pub at: String,
    /// What.
    pub what: String,
    /// What it has cost, as far as it is known.
    pub cost: String,
}

impl Entry {
    /// The entry as it is told once it is over.
    fn line(&self, now: &str) -> String {
        let Self { at, what, cost } = self;
        if at == now { format!("  {at}  {what}: {cost}") } else { format!("  {now}  {what} at {at}: {cost}") }
    }
}

/// The time on the shops' walls.
#[derive(Clone)]
pub struct WallClock {
    /// The demo's time.
    pub clock: DemoClock,
    /// The hour at which the doors open.
    pub opens: u32,
    /// The machine's clock.
    pub machine: Arc<dyn Clock>,
}

impl std::fmt::Debug for WallClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WallClock").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl WallClock {
    /// Seconds since the doors opened.
    #[must_use]
    pub fn second(&self) -> i64 {
        self.clock.second(self.machine.now())
    }

    /// Hour and minute.
    #[must_use]
    pub fn time(&self) -> String {
        wall_time(self.opens, self.second())
    }
}

/// The diary.
#[derive(Debug)]
pub struct Diary {
    wall: WallClock,
    progress: Progress,
    entries: Mutex<Vec<Entry>>,
    on_board: AtomicBool,
}

/// An entry whose cost is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open(usize);

impl Diary {
    /// An empty diary.
    #[must_use]
    pub fn new(wall: WallClock, progress: Progress) -> Self {
        Self { wall, progress, entries: Mutex::default(), on_board: AtomicBool::new(false) }
    }

    /// Says whether a board shows the entries; else each is told as a line.
    pub fn set_on_board(&self, on_board: bool) {
        self.on_board.store(on_board, Ordering::Relaxed);
    }

    /// Something happens now.
    pub fn open(&self, what: &str) -> Open {
        let mut entries = self.lock();
        entries.push(Entry { at: self.wall.time(), what: what.to_owned(), cost: String::new() });
        Open(entries.len() - 1)
    }

    /// What it costs so far.
    pub fn cost(&self, Open(at): Open, cost: &str) {
        if let Some(entry) = self.lock().get_mut(at) {
            cost.clone_into(&mut entry.cost);
        }
    }

    /// What it has cost in the end.
    pub fn close(&self, open: Open, cost: &str) {
        self.cost(open, cost);
        let Some(entry) = self.lock().get(open.0).cloned() else { return };
        if !self.on_board.load(Ordering::Relaxed) {
            self.progress.say(&entry.line(&self.wall.time()));
        }
    }

    /// Something has happened.
    pub fn note(&self, what: &str, cost: &str) {
        let open = self.open(what);
        self.close(open, cost);
    }

    /// All entries.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_told_when_it_is_over_and_says_when_it_began() {
        let entry = Entry { at: "06:45".to_owned(), what: "line cut".to_owned(), cost: "46 sold".to_owned() };
        assert_eq!(entry.line("06:45"), "  06:45  line cut: 46 sold");
        assert_eq!(entry.line("07:45"), "  07:45  line cut at 06:45: 46 sold");
    }
}
