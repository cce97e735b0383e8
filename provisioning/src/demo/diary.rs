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
    /// The entry as it is told when it begins.
    fn begun(&self) -> String {
        format!("  {}  {}", self.at, self.what)
    }

    /// The entry as it is told once it is over, if it was told when it began.
    fn over(&self, now: &str) -> String {
        format!("  {now}  {}, over: {}", self.what, self.cost)
    }

    /// The entry as it is told if it was over as it began.
    fn whole(&self) -> String {
        format!("{}: {}", self.begun(), self.cost)
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

    /// Something begins now.
    pub fn open(&self, what: &str) -> Open {
        let entry = Entry { at: self.wall.time(), what: what.to_owned(), cost: String::new() };
        self.tell(&entry.begun());
        self.add(entry)
    }

    fn add(&self, entry: Entry) -> Open {
        let mut entries = self.lock();
        entries.push(entry);
        Open(entries.len() - 1)
    }

    /// A line where no board shows the entries.
    fn tell(&self, line: &str) {
        if !self.on_board.load(Ordering::Relaxed) {
            self.progress.say(line);
        }
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
        let entry = self.lock().get(open.0).cloned();
        if let Some(entry) = entry {
            self.tell(&entry.over(&self.wall.time()));
        }
    }

    /// Something has happened.
    pub fn note(&self, what: &str, cost: &str) {
        let entry = Entry { at: self.wall.time(), what: what.to_owned(), cost: cost.to_owned() };
        self.tell(&entry.whole());
        self.add(entry);
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
    fn an_entry_is_told_when_it_begins_and_when_it_is_over_each_with_one_time() {
        let entry = Entry { at: "06:45".to_owned(), what: "line cut".to_owned(), cost: "46 sold".to_owned() };
        assert_eq!(entry.begun(), "  06:45  line cut");
        assert_eq!(entry.over("07:45"), "  07:45  line cut, over: 46 sold");
        assert_eq!(entry.whole(), "  06:45  line cut: 46 sold");
    }
}
