//! What goes wrong.

use std::path::PathBuf;

use anyhow::Result;
use percolate_common::domain::event::{ClockQuality, Event as Fact, Header, StoreDescribed};
use percolate_common::hlc::Hlc;
use percolate_common::ids::StoreId;
use percolate_common::money::Currency;
use percolate_common::time::{BusinessDay, Clock as _};
use percolate_common::wire::event::encode;

use super::Profile;
use super::disk::{HubDisk, hub_heads, poison, ticket_ids};
use super::ground::image;
use super::reach::Met;
use super::shop::{ShopBox, node_of};
use super::world::{DAY, Event, HOUR, MINUTE, SECOND, World};

/// Boxes that one shop may have at a time: the original and its copies.
const BOXES_MAX: usize = 3;
/// Copies of disks that are kept.
const IMAGES_MAX: usize = 6;
/// Between two faults, at least and at most.
const FAULT_WAIT: (u64, u64) = (10 * MINUTE, 50 * MINUTE);
/// Between two copies of disks.
const BACKUP_WAIT: (u64, u64) = (HOUR, 4 * HOUR);
/// A process dies at one of so many next points of commits.
const POINTS_MAX: u64 = 40;
/// The files of the hub.
const HUB_FILES: [&str; 3] = ["journal.db", "catalog.db", "reporting.db"];
/// How far clocks go wrong: a day either way.
const SKEW_MAX_MS: u64 = DAY;

/// A copy of a box's disk.
#[derive(Debug, Clone)]
pub(super) struct Image {
    shop: usize,
    machine: u64,
    folder: PathBuf,
}

/// Something that can go wrong, and how often it does among the others.
#[derive(Debug, Clone, Copy)]
enum Fault {
    CutLine,
    LoseBroker,
    KillNode,
    NodeDiesAtCommit,
    KillHub,
    HubDiesAtCommit,
    PutNodeBack,
    Clone,
    Move,
    Replace,
    PutHubBack,
    WrongClock,
    Poison,
}

const fn weights(profile: Profile) -> &'static [(Fault, u64)] {
    match profile {
        Profile::Calm => &[],
        Profile::Mobile => &[(Fault::CutLine, 8), (Fault::LoseBroker, 2), (Fault::WrongClock, 1)],
        Profile::Crashes => &[
            (Fault::KillNode, 2),
            (Fault::NodeDiesAtCommit, 5),
            (Fault::KillHub, 2),
            (Fault::HubDiesAtCommit, 5),
            (Fault::LoseBroker, 1),
            (Fault::CutLine, 2),
        ],
        Profile::Disks => &[
            (Fault::PutNodeBack, 3),
            (Fault::Clone, 3),
            (Fault::Move, 2),
            (Fault::Replace, 1),
            (Fault::NodeDiesAtCommit, 4),
            (Fault::CutLine, 3),
        ],
        Profile::Office => &[
            (Fault::PutHubBack, 4),
            (Fault::HubDiesAtCommit, 4),
            (Fault::KillHub, 1),
            (Fault::NodeDiesAtCommit, 2),
            (Fault::CutLine, 3),
        ],
        Profile::Everything => &[
            (Fault::CutLine, 8),
            (Fault::LoseBroker, 2),
            (Fault::KillNode, 2),
            (Fault::NodeDiesAtCommit, 7),
            (Fault::KillHub, 2),
            (Fault::HubDiesAtCommit, 7),
            (Fault::PutNodeBack, 2),
            (Fault::Clone, 2),
            (Fault::Move, 1),
            (Fault::Replace, 1),
            (Fault::PutHubBack, 2),
            (Fault::WrongClock, 2),
            (Fault::Poison, 1),
        ],
    }
}

impl World {
    /// One thing goes wrong, and the next will.
    pub(super) fn fault(&mut self) -> Result<()> {
        if self.is_calm {
            return Ok(());
        }
        self.soon(FAULT_WAIT.0, FAULT_WAIT.1, Event::Fault);
        let weights = weights(self.plan.profile);
        let mut at = self.dice.below(weights.iter().map(|(_, weight)| weight).sum());
        let chosen = weights.iter().find(|(_, weight)| {
            let hit = at < *weight;
            at = at.saturating_sub(*weight);
            hit
        });
        let Some((fault, _)) = chosen else { return Ok(()) };
        let bx = self.dice.index(self.boxes.len());
        self.say(|| format!("{fault:?}, box {bx}"));
        match fault {
            Fault::CutLine => self.cut_line(bx),
            Fault::LoseBroker => return self.lose_broker(),
            Fault::KillNode => return self.kill_node(bx),
            Fault::NodeDiesAtCommit => self.node_dies(bx),
            Fault::KillHub => return self.kill_hub(),
            Fault::HubDiesAtCommit => self.hub_dies(),
            Fault::PutNodeBack => return self.put_node_back(),
            Fault::Clone => return self.clone_box(bx),
            Fault::Move => return self.move_box(bx),
            Fault::Replace => return self.replace_box(bx),
            Fault::PutHubBack => return self.put_hub_back(),
            Fault::WrongClock => self.wrong_clock(bx),
            Fault::Poison => return self.poison_box(bx),
        }
        Ok(())
    }

    fn cut_line(&mut self, bx: usize) {
        let until =
            if self.dice.per_mille(100) { self.dice.between(HOUR, 8 * HOUR) } else { self.dice.between(MINUTE, HOUR) };
        let until = self.now + until;
        let Some(found) = self.boxes.get_mut(bx) else { return };
        found.line_down_until = until;
        if let Some(open) = found.connection.as_mut().filter(|open| !open.dead) {
            open.dead = true;
            let connection = open.number;
            self.reach.met(Met::LineCut);
            self.soon(1, 45 * SECOND, Event::LinkLost { bx, connection });
        }
    }

    fn lose_broker(&mut self) -> Result<()> {
        if self.office.process.is_none() {
            return Ok(());
        }
        self.reach.met(Met::BrokerLost);
        self.broker_lost();
        self.office.inbox.clear();
        self.soon(SECOND, 10 * SECOND, Event::HubLink { up: true });
        self.hub_link(false)
    }

    fn kill_node(&mut self, bx: usize) -> Result<()> {
        if self.boxes.get(bx).is_some_and(|found| found.process.is_some()) {
            self.reach.met(Met::NodeKilled);
            self.box_down(bx)?;
        }
        Ok(())
    }

    fn node_dies(&self, bx: usize) {
        let points = u32::try_from(self.dice.between(1, POINTS_MAX)).unwrap_or(1);
        if let Some(running) = self.boxes.get(bx).and_then(|found| found.process.as_ref()) {
            running.death.plan(points);
        }
    }

    fn kill_hub(&mut self) -> Result<()> {
        if self.office.process.is_some() {
            self.reach.met(Met::HubKilled);
            self.hub_down()?;
        }
        Ok(())
    }

    fn hub_dies(&self) {
        let points = u32::try_from(self.dice.between(1, POINTS_MAX)).unwrap_or(1);
        if let Some(process) = &self.office.process {
            process.death.plan(points);
        }
    }

    /// Somebody copies a box's disk, and the hub's.
    pub(super) fn backup(&mut self) -> Result<()> {
        self.soon(BACKUP_WAIT.0, BACKUP_WAIT.1, Event::Backup);
        self.check_believed()?;
        let bx = self.dice.index(self.boxes.len());
        let to = self.folders.fresh();
        if let Some(found) = self.boxes.get(bx).filter(|found| found.folder.join("node.db").exists()) {
            image(&found.folder, &to, |_file| true)?;
            self.images.push(Image { shop: found.shop, machine: found.machine, folder: to });
        }
        if self.images.len() > IMAGES_MAX {
            let old = self.images.remove(0);
            std::fs::remove_dir_all(old.folder)?;
        }
        let to = self.folders.fresh();
        image(&self.office.folder, &to, |_file| true)?;
        self.office.images.push(to);
        if self.office.images.len() > IMAGES_MAX {
            std::fs::remove_dir_all(self.office.images.remove(0))?;
        }
        Ok(())
    }

    /// A disk is overwritten or thrown away: what only it held is gone.
    fn lose_disk(&mut self, bx: usize) -> Result<()> {
        let Some(found) = self.boxes.get(bx) else { return Ok(()) };
        if !found.folder.join("node.db").exists() {
            return Ok(());
        }
        let tickets = ticket_ids(&found.folder)?;
        let held = HubDisk::ticket_ids(&self.office.folder)?;
        self.model.disk_lost(tickets, &held);
        Ok(())
    }

    fn put_node_back(&mut self) -> Result<()> {
        let Some(old) = self.images.get(self.dice.index(self.images.len())).cloned() else { return Ok(()) };
        let boxes = self.boxes.iter().enumerate();
        let of_shop: Vec<_> = boxes.filter(|(_, found)| found.shop == old.shop).map(|(bx, _)| bx).collect();
        let Some(bx) = of_shop.get(self.dice.index(of_shop.len())).copied() else { return Ok(()) };
        self.reach.met(Met::NodePutBack);
        self.say(|| format!("box {bx} is put back"));
        self.box_down(bx)?;
        self.lose_disk(bx)?;
        let to = self.folders.fresh();
        image(&old.folder, &to, |_file| true)?;
        self.new_disk(bx, to)?;
        // What it sells before it hears of it is what makes a past of its own.
        let silent = if self.dice.per_mille(500) { self.dice.between(MINUTE, 2 * HOUR) } else { 0 };
        let until = self.now + silent;
        if let Some(found) = self.boxes.get_mut(bx) {
            found.machine = old.machine;
            found.line_down_until = until;
        }
        Ok(())
    }

    /// A box goes on with another disk.
    fn new_disk(&mut self, bx: usize, folder: PathBuf) -> Result<()> {
        let Some(found) = self.boxes.get_mut(bx) else { return Ok(()) };
        if found.folder.exists() {
            std::fs::remove_dir_all(&found.folder)?;
        }
        found.folder = folder;
        found.history += 1;
        found.told.clear();
        Ok(())
    }

    fn clone_box(&mut self, bx: usize) -> Result<()> {
        let Some(found) = self.boxes.get(bx) else { return Ok(()) };
        let (shop, machine, from) = (found.shop, found.machine, found.folder.clone());
        let boxes = self.boxes.iter().filter(|found| found.shop == shop).count();
        if boxes >= BOXES_MAX || !from.join("node.db").exists() {
            return Ok(());
        }
        self.reach.met(Met::Cloned);
        let to = self.folders.fresh();
        image(&from, &to, |_file| true)?;
        // Cloned images bring their machine's id along more often than not.
        let machine = if self.dice.per_mille(700) { machine } else { self.dice.fresh() };
        let copy = ShopBox::new(shop, to, machine, &self.world_ms);
        self.boxes.push(copy);
        let bx = self.boxes.len() - 1;
        self.say(|| format!("box {bx} is a copy"));
        self.soon(SECOND, 10 * MINUTE, Event::BoxStart(bx));
        Ok(())
    }

    /// Rather one that was not heard for a while: what it has to say is then said from elsewhere.
    fn move_box(&mut self, bx: usize) -> Result<()> {
        let silent = self.boxes.iter().position(|found| found.line_down_until > self.now && found.history > 0);
        let bx = silent.unwrap_or(bx);
        self.reach.met(Met::Moved);
        self.box_down(bx)?;
        if let Some(found) = self.boxes.get_mut(bx) {
            found.machine = self.dice.fresh();
        }
        Ok(())
    }

    fn replace_box(&mut self, bx: usize) -> Result<()> {
        self.reach.met(Met::Replaced);
        self.box_down(bx)?;
        self.lose_disk(bx)?;
        let to = self.folders.fresh();
        std::fs::create_dir_all(&to)?;
        self.new_disk(bx, to)?;
        if let Some(found) = self.boxes.get_mut(bx) {
            found.machine = self.dice.fresh();
        }
        Ok(())
    }

    fn put_hub_back(&mut self) -> Result<()> {
        let images = &self.office.images;
        let Some(old) = images.get(self.dice.index(images.len())).cloned() else { return Ok(()) };
        let whole = self.dice.per_mille(500);
        let chosen = if whole { 7 } else { self.dice.between(1, 6) };
        self.reach.met(if whole { Met::HubPutBackWhole } else { Met::HubPutBackInPart });
        self.say(|| format!("the hub's files {chosen:03b} are put back"));
        self.hub_down()?;
        let is_chosen = |name: &str| {
            HUB_FILES.iter().enumerate().any(|(bit, file)| chosen >> bit & 1 == 1 && name.starts_with(file))
        };
        let before = hub_heads(&self.office.folder)?;
        let to = self.folders.fresh();
        image(&self.office.folder, &to, |name| !is_chosen(name))?;
        image(&old, &to, is_chosen)?;
        std::fs::remove_dir_all(&self.office.folder)?;
        self.office.folder = to;
        if hub_heads(&self.office.folder)? != before {
            self.model.hub_put_back();
            self.watch.hub_put_back();
        }
        Ok(())
    }

    fn wrong_clock(&mut self, bx: usize) {
        let skew = self.dice.between(0, 2 * SKEW_MAX_MS);
        let right = self.dice.per_mille(500);
        if let (Some(found), Ok(skew), Ok(max)) = (self.boxes.get(bx), i64::try_from(skew), i64::try_from(SKEW_MAX_MS))
        {
            found.clock.set_skew_ms(if right { 0 } else { skew - max });
            self.reach.met(Met::ClockWrong);
        }
    }

    /// A newer program runs on the box for a moment, and writes something that this one does not know.
    fn poison_box(&mut self, bx: usize) -> Result<()> {
        let Some(found) = self.boxes.get(bx) else { return Ok(()) };
        let (shop, now) = (found.shop, found.clock.now());
        if found.process.is_none() {
            return Ok(());
        }
        self.box_down(bx)?;
        let header = Header {
            store: StoreId::new(1 + u32::try_from(shop)?),
            at: now,
            hlc: Hlc::default().tick(now),
            business_day: BusinessDay::from_days(20_000),
            clock: ClockQuality::Good,
            zone: "America/New_York".to_owned(),
        };
        let described = StoreDescribed {
            name: "Newer".to_owned(),
            zone: "America/New_York".to_owned(),
            cutover_hour: 4,
            currency: Currency::USD,
        };
        let mut bytes = encode(&header, &Fact::StoreDescribed(described), None)?;
        // An array, and then the number of the type in one byte: no type has the number 255.
        if let Some(number) = bytes.get_mut(2) {
            *number = 255;
        }
        let folder = self.boxes.get(bx).map(|found| found.folder.clone()).unwrap_or_default();
        let journal = poison(&folder, node_of(shop), &bytes)?;
        self.reach.met(Met::Poisoned);
        self.say(|| format!("{journal} is poisoned"));
        Ok(())
    }
}
