//! The world: one line of time on which everything happens, each thing at its moment and in its order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Result;

use super::dice::Dice;
use super::fault::Image;
use super::ground::{Folders, Frame, SimClock};
use super::model::Model;
use super::office::Office;
use super::reach::Reach;
use super::shop::ShopBox;
use super::watch::Watch;
use super::{Plan, Profile};

/// What happened last is shown with a violation: so many lines.
const LOG_LINES: usize = 60;

/// A second, in milliseconds.
pub(super) const SECOND: u64 = 1_000;
/// A minute.
pub(super) const MINUTE: u64 = 60 * SECOND;
/// An hour.
pub(super) const HOUR: u64 = 60 * MINUTE;
/// A day.
pub(super) const DAY: u64 = 24 * HOUR;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Event {
    /// A till asks.
    Till(usize),
    /// A box has waited long enough.
    BoxAlarm {
        bx: usize,
        alarm: u64,
    },
    /// The hub has.
    HubAlarm {
        alarm: u64,
    },
    /// A process tries to connect.
    Connect {
        bx: usize,
        process: u64,
    },
    /// A process notices that its connection is gone.
    LinkLost {
        bx: usize,
        connection: u64,
    },
    /// A frame arrives at the broker.
    ToHub {
        bx: usize,
        connection: u64,
        frame: Frame,
    },
    /// The broker says what a process left with it.
    Will(Frame),
    /// A frame arrives at a box.
    ToBox {
        bx: usize,
        connection: u64,
        frame: Frame,
    },
    /// The hub reads what has arrived.
    HubTurn,
    /// The hub's own connection to its broker is lost, or made.
    HubLink {
        up: bool,
    },
    /// Something that is down is started.
    BoxStart(usize),
    HubStart,
    /// The hub's minute timer, drawn out.
    Nudge,
    /// The reports catch up.
    Project,
    /// The office changes prices.
    Menu,
    /// Somebody copies disks.
    Backup,
    /// Something goes wrong.
    Fault,
}

/// Ordered by time, and by when it was planned.
struct Planned {
    at: u64,
    tie: u64,
    event: Event,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.tie) == (other.at, other.tie)
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.tie).cmp(&(other.at, other.tie))
    }
}

/// Everything there is.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) now: u64,
    pub(super) dice: Dice,
    pub(super) boxes: Vec<ShopBox>,
    pub(super) office: Office,
    pub(super) folders: Folders,
    pub(super) images: Vec<Image>,
    pub(super) model: Model,
    pub(super) reach: Reach,
    pub(super) watch: Watch,
    /// Nothing goes wrong any more.
    pub(super) is_calm: bool,
    /// Which menu is the newest.
    pub(super) edition: u32,
    pub(super) log: VecDeque<String>,
    pub(super) world_ms: Arc<AtomicI64>,
    queue: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    numbers: u64,
}

impl World {
    pub(super) fn new(plan: Plan) -> Result<Self> {
        let world_ms = Arc::new(AtomicI64::new(0));
        let mut folders = Folders::new()?;
        let office = Office {
            folder: folders.fresh(),
            clock: SimClock::new(world_ms.clone()),
            process: None,
            inbox: Vec::new(),
            turn_planned: false,
            alarm: 0,
            images: Vec::new(),
        };
        Ok(Self {
            plan,
            now: 0,
            dice: Dice::new(plan.seed),
            boxes: Vec::new(),
            office,
            folders,
            images: Vec::new(),
            model: Model::default(),
            reach: Reach::default(),
            watch: Watch::default(),
            is_calm: matches!(plan.profile, Profile::Calm),
            edition: 0,
            log: VecDeque::new(),
            world_ms,
            queue: BinaryHeap::new(),
            planned: 0,
            numbers: 0,
        })
    }

    /// Something will happen in so many milliseconds.
    pub(super) fn after(&mut self, wait: u64, event: Event) {
        self.planned += 1;
        self.queue.push(Reverse(Planned { at: self.now + wait, tie: self.planned, event }));
    }

    /// A number that nothing else of this world has.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// A wait of between two lengths.
    pub(super) fn soon(&mut self, low: u64, high: u64, event: Event) {
        let wait = self.dice.between(low, high);
        self.after(wait, event);
    }

    /// Notes what happened, for whoever must find out why.
    pub(super) fn say(&mut self, text: impl FnOnce() -> String) {
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        let (day, rest) = (self.now / DAY, self.now % DAY);
        let (hour, minute, second) = (rest / HOUR, rest % HOUR / MINUTE, rest % MINUTE / SECOND);
        self.log.push_back(format!("day {day} {hour:02}:{minute:02}:{second:02}.{:03} {}", rest % SECOND, text()));
    }

    /// Lets everything happen up to a moment.
    pub(super) fn run_until(&mut self, end: u64) -> Result<()> {
        while self.queue.peek().is_some_and(|next| next.0.at <= end) {
            let Some(Reverse(next)) = self.queue.pop() else { break };
            self.set_now(next.at);
            self.happen(next.event)?;
        }
        self.set_now(end);
        Ok(())
    }

    fn set_now(&mut self, now: u64) {
        self.now = self.now.max(now);
        self.world_ms.store(i64::try_from(self.now).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    fn happen(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Till(order) => self.till(order),
            Event::BoxAlarm { bx, alarm } => self.box_alarm(bx, alarm),
            Event::HubAlarm { alarm } => self.hub_alarm(alarm),
            Event::Connect { bx, process } => self.connect(bx, process),
            Event::LinkLost { bx, connection } => self.link_lost(bx, connection),
            Event::ToHub { bx, connection, frame } => {
                let is_open = self
                    .boxes
                    .get(bx)
                    .and_then(|found| found.connection)
                    .is_some_and(|open| open.number == connection && !open.dead);
                if is_open {
                    self.arrive_at_hub(frame);
                }
                Ok(())
            }
            Event::Will(frame) => {
                self.arrive_at_hub(frame);
                Ok(())
            }
            Event::ToBox { bx, connection, frame } => self.arrive_at_box(bx, connection, frame),
            Event::HubTurn => self.hub_turn(),
            Event::HubLink { up } => self.hub_link(up),
            Event::BoxStart(bx) => self.box_start(bx),
            Event::HubStart => self.hub_start(),
            Event::Nudge => self.nudge(),
            Event::Project => self.project(),
            Event::Menu => self.publish_menu(),
            Event::Backup => self.backup(),
            Event::Fault => self.fault(),
        }
    }
}
