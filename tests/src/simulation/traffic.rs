//! Processes and the line between them: who is connected, what is on its way, and what is lost.

use anyhow::Result;
use bytes::Bytes;
use percolate_common::wire::session::Presence;
use percolate_common::wire::topic::Topic;
use percolate_runtime::mqtt::{DownReason, LinkEvent};

use super::ground::Frame;
use super::oracle::{Oracle, violation};
use super::reach::Met;
use super::shop::{Connection, moment, node_of};
use super::world::{Event, HOUR, MINUTE, SECOND, World};

/// Times in a thousand that a frame is lost, comes twice, or comes late.
const LOST_PER_MILLE: u64 = 8;
const DOUBLED_PER_MILLE: u64 = 8;
const LATE_PER_MILLE: u64 = 20;
/// The longest that the way of a frame takes, in milliseconds.
const DELAY_MAX: u64 = 400;
/// What a late frame is late by, at most.
const LATE_MAX: u64 = 90 * SECOND;
/// Frames of one moment are read by the hub together.
const HUB_TURN_MAX: u64 = 15;
/// How long the dead stay down, at most.
const DOWN_MAX: u64 = 20 * MINUTE;
/// The hub's minute timer, drawn out: it says the same each time.
const NUDGE: u64 = 10 * MINUTE;

impl World {
    /// A box is started, if it is down.
    pub(super) fn box_start(&mut self, bx: usize) -> Result<()> {
        let (number, chance) = (self.number(), self.dice.fresh());
        let Some(found) = self.boxes.get_mut(bx).filter(|found| found.process.is_none()) else { return Ok(()) };
        found.start(number, chance)?;
        found.alarm += 1;
        self.say(|| format!("box {bx} starts"));
        self.check_told(bx)?;
        self.soon(100, 2 * SECOND, Event::Connect { bx, process: number });
        self.after_box(bx)
    }

    pub(super) fn hub_start(&mut self) -> Result<()> {
        if self.office.process.is_some() {
            return Ok(());
        }
        let chance = self.dice.fresh();
        self.office.start(chance, self.now)?;
        self.say(|| "the hub starts".to_owned());
        self.check_acked()?;
        self.after_hub()?;
        self.after(1, Event::HubLink { up: true });
        Ok(())
    }

    /// The hub's own connection to its broker.
    pub(super) fn hub_link(&mut self, up: bool) -> Result<()> {
        let now = moment(self.now);
        let Some(process) = &mut self.office.process else { return Ok(()) };
        let event = if up { LinkEvent::Up } else { LinkEvent::Down { reason: DownReason::Silent } };
        let outcome = process.hub.hear(vec![event], now);
        self.hub_did(&outcome)
    }

    pub(super) fn connect(&mut self, bx: usize, process: u64) -> Result<()> {
        let hub_is_up = self.office.process.is_some();
        let (now, number) = (self.now, self.number());
        let Some(found) = self.boxes.get_mut(bx) else { return Ok(()) };
        let Some(running) = found.process.as_mut().filter(|running| running.number == process) else { return Ok(()) };
        if found.connection.is_some() {
            return Ok(());
        }
        if !hub_is_up || now < found.line_down_until {
            self.soon(500, 20 * SECOND, Event::Connect { bx, process });
            return Ok(());
        }
        found.connection = Some(Connection { number, dead: false, up_at: now, down_at: now });
        running.mailbox.set_connected(true);
        let frame = presence(found.shop, running.node.boot(), true)?;
        let outcome = running.node.hear(LinkEvent::Up, moment(now));
        self.say(|| format!("box {bx} connects"));
        self.send_up(bx, &frame)?;
        self.box_did(bx, &outcome)
    }

    /// A process notices that its connection is gone, and so does the broker.
    pub(super) fn link_lost(&mut self, bx: usize, connection: u64) -> Result<()> {
        let now = moment(self.now);
        let Some(found) = self.boxes.get_mut(bx) else { return Ok(()) };
        if found.connection.is_none_or(|open| open.number != connection) {
            return Ok(());
        }
        found.connection = None;
        let shop = found.shop;
        let Some(running) = &mut found.process else { return Ok(()) };
        running.mailbox.set_connected(false);
        let (process, boot) = (running.number, running.node.boot());
        let outcome = running.node.hear(LinkEvent::Down { reason: DownReason::Silent }, now);
        self.will(shop, boot)?;
        self.soon(500, 10 * SECOND, Event::Connect { bx, process });
        self.box_did(bx, &outcome)
    }

    fn will(&mut self, shop: usize, boot: u64) -> Result<()> {
        let will = presence(shop, boot, false)?;
        self.soon(1, 30 * SECOND, Event::Will(will));
        Ok(())
    }

    /// After anything that a process of a box did.
    pub(super) fn box_did<E: std::error::Error>(&mut self, bx: usize, outcome: &Result<(), E>) -> Result<()> {
        let died = self.boxes.get(bx).and_then(|found| found.process.as_ref()).is_some_and(|p| p.death.has_come());
        if let Err(error) = outcome.as_ref().map_err(|error| source_text(error))
            && !died
        {
            return Err(violation(Oracle::Failed, format!("box {bx}: {error}")));
        }
        self.after_box(bx)
    }

    /// Takes what a box has said to the line, and lets it wait.
    pub(super) fn after_box(&mut self, bx: usize) -> Result<()> {
        let now = self.now;
        let Some(found) = self.boxes.get_mut(bx) else { return Ok(()) };
        let Some(running) = &found.process else { return Ok(()) };
        let frames = running.mailbox.take();
        let died = running.death.has_come();
        let wait = running.node.wait(moment(now));
        // Whoever dies may have said it just before.
        if !died || self.dice.per_mille(500) {
            for frame in frames {
                self.send_up(bx, &frame)?;
            }
        }
        if died {
            self.reach.met(Met::NodeDiedAtCommit);
            self.say(|| format!("box {bx} died at a commit"));
            return self.box_down(bx);
        }
        let Some(found) = self.boxes.get_mut(bx) else { return Ok(()) };
        found.alarm += 1;
        let alarm = found.alarm;
        let wait = u64::try_from(wait.as_millis())?.clamp(1, HOUR);
        self.after(wait, Event::BoxAlarm { bx, alarm });
        Ok(())
    }

    /// A box is killed, and will be started again.
    pub(super) fn box_down(&mut self, bx: usize) -> Result<()> {
        let fresh = self.folders.fresh();
        let Some(found) = self.boxes.get_mut(bx) else { return Ok(()) };
        let (shop, boot) = (found.shop, found.process.as_ref().map(|running| running.node.boot()));
        let was_connected = found.connection.is_some();
        found.kill(fresh)?;
        if let Some(boot) = boot.filter(|_| was_connected) {
            self.will(shop, boot)?;
        }
        self.soon(SECOND, self.down_max(), Event::BoxStart(bx));
        Ok(())
    }

    fn down_max(&self) -> u64 {
        if self.is_calm { MINUTE } else { DOWN_MAX }
    }

    pub(super) fn box_alarm(&mut self, bx: usize, alarm: u64) -> Result<()> {
        let now = moment(self.now);
        let Some(found) = self.boxes.get_mut(bx).filter(|found| found.alarm == alarm) else { return Ok(()) };
        let Some(running) = &mut found.process else { return Ok(()) };
        let outcome = running.node.wake(now);
        self.box_did(bx, &outcome)
    }

    pub(super) fn arrive_at_box(&mut self, bx: usize, connection: u64, frame: Frame) -> Result<()> {
        let now = moment(self.now);
        let Some(found) = self.boxes.get_mut(bx) else { return Ok(()) };
        if found.connection.is_none_or(|open| open.number != connection || open.dead) {
            return Ok(());
        }
        let Some(running) = &mut found.process else { return Ok(()) };
        let outcome = running.node.hear(LinkEvent::Message { topic: frame.topic, payload: frame.payload }, now);
        self.box_did(bx, &outcome)?;
        self.box_grown(bx)
    }

    /// What a process does when it sees its own commits.
    pub(super) fn box_grown(&mut self, bx: usize) -> Result<()> {
        let now = moment(self.now);
        let Some(running) = self.boxes.get_mut(bx).and_then(|found| found.process.as_mut()) else { return Ok(()) };
        let outcome = running.node.grown(now);
        self.box_did(bx, &outcome)
    }

    /// Puts a frame of a box on its way to the hub.
    fn send_up(&mut self, bx: usize, frame: &Frame) -> Result<()> {
        self.watch.node_says(frame, &mut self.reach)?;
        let Some(open) = self.boxes.get(bx).filter(|found| found.is_connected()).and_then(|found| found.connection)
        else {
            return Ok(());
        };
        for (wait, orderly) in self.ways() {
            let at = if orderly { (self.now + wait).max(open.up_at) } else { self.now + wait };
            if orderly && let Some(open) = self.boxes.get_mut(bx).and_then(|found| found.connection.as_mut()) {
                open.up_at = at;
            }
            let frame = frame.clone();
            self.after(at - self.now, Event::ToHub { bx, connection: open.number, frame });
        }
        Ok(())
    }

    fn send_down(&mut self, bx: usize, frame: &Frame) {
        let Some(open) = self.boxes.get(bx).filter(|found| found.is_connected()).and_then(|found| found.connection)
        else {
            return;
        };
        for (wait, orderly) in self.ways() {
            let at = if orderly { (self.now + wait).max(open.down_at) } else { self.now + wait };
            if orderly && let Some(open) = self.boxes.get_mut(bx).and_then(|found| found.connection.as_mut()) {
                open.down_at = at;
            }
            self.after(at - self.now, Event::ToBox { bx, connection: open.number, frame: frame.clone() });
        }
    }

    /// The ways that a frame takes: none if it is lost, two if it comes twice. Each with its time, and whether it keeps
    /// its place among the others.
    fn ways(&mut self) -> Vec<(u64, bool)> {
        let wait = self.dice.between(1, DELAY_MAX);
        if self.is_calm {
            return vec![(wait, true)];
        }
        if self.dice.per_mille(LOST_PER_MILLE) {
            self.reach.met(Met::FrameLost);
            return Vec::new();
        }
        let mut ways = if self.dice.per_mille(LATE_PER_MILLE) {
            self.reach.met(Met::FrameLate);
            vec![(self.dice.between(wait, LATE_MAX), false)]
        } else {
            vec![(wait, true)]
        };
        if self.dice.per_mille(DOUBLED_PER_MILLE) {
            self.reach.met(Met::FrameDoubled);
            ways.push((self.dice.between(wait, LATE_MAX), false));
        }
        ways
    }

    pub(super) fn arrive_at_hub(&mut self, frame: Frame) {
        if self.office.process.is_none() {
            return;
        }
        self.office.inbox.push(frame);
        if !std::mem::replace(&mut self.office.turn_planned, true) {
            self.soon(0, HUB_TURN_MAX, Event::HubTurn);
        }
    }

    pub(super) fn hub_turn(&mut self) -> Result<()> {
        self.office.turn_planned = false;
        let frames = std::mem::take(&mut self.office.inbox);
        for frame in &frames {
            self.watch.at_hub(frame, &mut self.reach)?;
        }
        let now = moment(self.now);
        let Some(process) = &mut self.office.process else { return Ok(()) };
        let message = |frame: Frame| LinkEvent::Message { topic: frame.topic, payload: frame.payload };
        let outcome = process.hub.hear(frames.into_iter().map(message).collect(), now);
        self.hub_did(&outcome)
    }

    pub(super) fn hub_did<E: std::error::Error>(&mut self, outcome: &Result<(), E>) -> Result<()> {
        let died = self.office.process.as_ref().is_some_and(|process| process.death.has_come());
        if let Err(error) = outcome.as_ref().map_err(|error| source_text(error))
            && !died
        {
            return Err(violation(Oracle::Failed, format!("the hub: {error}")));
        }
        self.after_hub()
    }

    /// Takes what the hub has said to the line, and lets it wait.
    pub(super) fn after_hub(&mut self) -> Result<()> {
        let Some(process) = &self.office.process else { return Ok(()) };
        let (frames, died, due) = (process.mailbox.take(), process.death.has_come(), process.hub.next_due());
        if !died || self.dice.per_mille(500) {
            for frame in frames {
                self.watch.hub_says(&frame, &mut self.reach)?;
                let readers = readers(&frame);
                for bx in 0..self.boxes.len() {
                    if readers.is_none_or(|shop| self.boxes.get(bx).is_some_and(|found| found.shop == shop)) {
                        self.send_down(bx, &frame);
                    }
                }
            }
        }
        if died {
            self.reach.met(Met::HubDiedAtCommit);
            self.say(|| "the hub died at a commit".to_owned());
            return self.hub_down();
        }
        self.office.alarm += 1;
        let alarm = self.office.alarm;
        if let Some(due) = due {
            let wait = u64::try_from(due.as_millis())?.saturating_sub(self.now).max(1);
            self.after(wait, Event::HubAlarm { alarm });
        }
        Ok(())
    }

    /// The hub is killed, its broker with it: everybody's connection is gone.
    pub(super) fn hub_down(&mut self) -> Result<()> {
        let fresh = self.folders.fresh();
        self.office.kill(fresh)?;
        self.broker_lost();
        self.soon(SECOND, self.down_max(), Event::HubStart);
        Ok(())
    }

    /// All connections to the broker break; the ends notice soon.
    pub(super) fn broker_lost(&mut self) {
        for bx in 0..self.boxes.len() {
            let open = self.boxes.get_mut(bx).and_then(|found| found.connection.as_mut());
            let Some(open) = open else { continue };
            open.dead = true;
            let connection = open.number;
            self.soon(1, 2 * SECOND, Event::LinkLost { bx, connection });
        }
    }

    pub(super) fn hub_alarm(&mut self, alarm: u64) -> Result<()> {
        let now = moment(self.now);
        let Some(process) = self.office.process.as_mut().filter(|_| self.office.alarm == alarm) else { return Ok(()) };
        let outcome = process.hub.wake(now);
        self.hub_did(&outcome)
    }

    pub(super) fn nudge(&mut self) -> Result<()> {
        self.after(NUDGE, Event::Nudge);
        let now = moment(self.now);
        let Some(process) = &mut self.office.process else { return Ok(()) };
        let outcome = process.hub.nudge(now);
        self.hub_did(&outcome)
    }

    pub(super) fn project(&mut self) -> Result<()> {
        self.soon(10 * SECOND, 10 * MINUTE, Event::Project);
        let Some(process) = &self.office.process else { return Ok(()) };
        let outcome = process.hub.project();
        self.hub_did(&outcome)
    }

    pub(super) fn publish_menu(&mut self) -> Result<()> {
        self.soon(4 * HOUR, 12 * HOUR, Event::Menu);
        self.edition += 1;
        let (edition, now) = (self.edition, moment(self.now));
        let Some(process) = &mut self.office.process else { return Ok(()) };
        let outcome = process.hub.load_menu(super::office::menu(edition), now).map(drop);
        if outcome.is_ok() {
            self.reach.met(Met::MenuPublished);
            self.say(|| format!("menu {edition} is published"));
        }
        self.hub_did(&outcome)
    }
}

/// What a node has said of itself to the broker.
fn presence(shop: usize, boot: u64, online: bool) -> Result<Frame> {
    let payload = Bytes::from(Presence { boot, online }.encode()?);
    Ok(Frame { topic: Topic::Presence(node_of(shop)).to_string(), payload })
}

/// The shop whose boxes hear a frame; all of them if none.
fn readers(frame: &Frame) -> Option<usize> {
    match frame.topic.parse() {
        Ok(Topic::Down(node) | Topic::DownSession(node)) => {
            Some(usize::try_from(node.get().saturating_sub(node_of(0).get())).unwrap_or(usize::MAX))
        }
        Ok(Topic::AllDown(_) | Topic::Up(..) | Topic::UpSession(_) | Topic::Presence(_) | Topic::HubDownlink)
        | Err(_) => None,
    }
}

/// An error with everything below it.
fn source_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(source) = below {
        text.push_str(": ");
        text.push_str(&source.to_string());
        below = source.source();
    }
    text
}
