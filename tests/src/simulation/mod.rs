//! The simulator: a chain of shops in one thread, on one line of time, with everything going wrong that a seed says.
//!
//! The nodes and the hub are the code that ships, on real database files; time, chance, the line between them, and the
//! moment at which a process dies are the simulator's. After some days nothing goes wrong any more, and then the books of
//! all must agree. The same seed and plan give the same world.

mod dice;
mod disk;
mod fault;
mod ground;
mod model;
mod office;
mod oracle;
mod reach;
mod shop;
mod trade;
mod traffic;
mod watch;
mod world;

use std::str::FromStr;

use anyhow::Result;

pub use ground::sweep;
pub use oracle::{Oracle, Violation};
pub use reach::{Met, Reach};

use oracle::violation;
use shop::ShopBox;
use world::{DAY, Event, HOUR, MINUTE, World};

/// How long the world may take to come to rest once nothing goes wrong any more.
const REST_MAX: u64 = 2 * HOUR;

/// How often everybody connects anew while it comes to rest.
const GREETINGS: u32 = 2;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Nothing.
    Calm,
    /// Lines: shops on mobile links.
    Mobile,
    /// Processes die, at commits and anywhere.
    Crashes,
    /// Disks of shops are put back, copied, moved, replaced.
    Disks,
    /// The hub's files are put back.
    Office,
    /// All of it, and more.
    Everything,
}

/// No such profile.
#[derive(Debug, thiserror::Error)]
#[error("there is no profile {0:?}: calm, mobile, crashes, disks, office and everything are known")]
pub struct ProfileParseError(String);

impl FromStr for Profile {
    type Err = ProfileParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "calm" => Self::Calm,
            "mobile" => Self::Mobile,
            "crashes" => Self::Crashes,
            "disks" => Self::Disks,
            "office" => Self::Office,
            "everything" => Self::Everything,
            _unknown => return Err(ProfileParseError(text.to_owned())),
        })
    }
}

/// A world to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// All chance comes from it.
    pub seed: u64,
    /// How long people trade and things go wrong.
    pub days: u32,
    /// Shops of the chain.
    pub stores: usize,
    /// What goes wrong.
    pub profile: Profile,
}

/// What came of a world.
#[derive(Debug)]
pub struct Outcome {
    /// What was met.
    pub reach: Reach,
    /// How long it was, in hours of its own time, up to the end or the violation.
    pub hours: u64,
    /// The promise that was broken, if one was, and what happened before.
    pub violation: Option<(Violation, Vec<String>)>,
}

/// Runs a world to its end.
///
/// # Errors
/// If the machine cannot: a full disk, say. A broken promise is an outcome.
pub fn run(plan: Plan) -> Result<Outcome> {
    let mut world = World::new(plan)?;
    let ended = world.live();
    let hours = world.now / HOUR;
    let reach = std::mem::take(&mut world.reach);
    let violation = match ended.map_err(|error| error.downcast::<Violation>()) {
        Ok(()) => None,
        Err(Ok(violation)) => Some((violation, world.log.iter().cloned().collect())),
        Err(Err(other)) => return Err(other.context(format!("seed {}", plan.seed))),
    };
    Ok(Outcome { reach, hours, violation })
}

impl World {
    fn live(&mut self) -> Result<()> {
        self.hub_start()?;
        self.publish_menu()?;
        for shop in 0..self.plan.stores {
            let (folder, machine) = (self.folders.fresh(), self.dice.fresh());
            std::fs::create_dir_all(&folder)?;
            let made = ShopBox::new(shop, folder, machine, &self.world_ms);
            self.boxes.push(made);
            self.box_start(shop)?;
        }
        self.plan_trade();
        self.after(MINUTE, Event::Project);
        self.after(MINUTE, Event::Nudge);
        self.after(HOUR / 2, Event::Backup);
        self.after(HOUR, Event::Fault);
        let end = u64::from(self.plan.days) * DAY;
        self.run_until(end)?;
        self.come_to_rest(end)?;
        self.check_all()
    }

    /// Nothing goes wrong any more, and everybody may speak.
    fn come_to_rest(&mut self, end: u64) -> Result<()> {
        self.say(|| "nothing goes wrong any more".to_owned());
        self.is_calm = true;
        for found in &mut self.boxes {
            found.line_down_until = 0;
        }
        self.after(1, Event::HubStart);
        for bx in 0..self.boxes.len() {
            self.after(1, Event::BoxStart(bx));
        }
        self.check_believed()?;
        // Boxes on copies of one disk hear of each other when they greet.
        for _greeting in 0..GREETINGS {
            self.run_until(self.now + 10 * MINUTE)?;
            self.broker_lost();
        }
        while self.now < end + REST_MAX {
            self.run_until(self.now + 5 * MINUTE)?;
            if self.unrest()?.is_none() {
                return self.project();
            }
        }
        let why = self.unrest()?.unwrap_or_else(|| "it went on for too long".to_owned());
        Err(violation(Oracle::Rest, why))
    }
}
