//! What a person sees while the morning goes by: the board, drawn again and again, or a line for each hour.

use std::convert::Infallible;
use std::time::Duration;

use percolate_common::money::{Currency, Minor};
use percolate_common::time::BusinessDay;
use tokio::time::{MissedTickBehavior, interval};

use super::act::Stage;
use super::board::{Board, COLUMNS, Light, ROWS, ShopRow};
use super::clock::phase;
use super::pulse::{LastPulse, ShopPulse};
use super::rush::PlannedClass;
use crate::figures::{counted, money, signed};
use crate::screen::{Canvas, Progress};

/// Pause between two drawings, in milliseconds: four a second.
const DRAW_EVERY_MS: u64 = 250;

/// Days of the week, from the one on which 1970 began.
const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// What is shown, and how long the morning is.
#[derive(Debug)]
pub struct Show<'s> {
    /// The chain.
    pub stage: &'s Stage,
    /// The business day.
    pub day: BusinessDay,
    /// How long the doors are open, in seconds of the demo's day.
    pub open_s: i64,
    /// What amounts are in.
    pub currency: Currency,
}

impl Show<'_> {
    /// Shows it until the work is done.
    pub async fn during<T>(&self, progress: &Progress, work: impl Future<Output = T>) -> T {
        let mut canvas = progress.canvas((COLUMNS, ROWS));
        self.stage.diary.set_on_board(canvas.is_some());
        let pulse = LastPulse::default();
        let outcome = match &mut canvas {
            Some(canvas) => {
                let day = self.day.to_string();
                tokio::select! {
                    outcome = work => outcome,
                    never = pulse.run(self.stage, &day) => match never {},
                    never = self.draw(canvas, &pulse) => match never {},
                }
            }
            None => tokio::select! {
                outcome = work => outcome,
                never = self.tell_hours(progress) => match never {},
            },
        };
        if let Some(canvas) = &mut canvas {
            canvas.clear();
        }
        self.stage.diary.set_on_board(false);
        outcome
    }

    async fn draw(&self, canvas: &mut Canvas, pulse: &LastPulse) -> Infallible {
        let mut ticks = interval(Duration::from_millis(DRAW_EVERY_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let lines = self.board(pulse).lines(canvas.paint, canvas.rows());
            canvas.draw(&lines);
        }
    }

    fn board(&self, pulse: &LastPulse) -> Board {
        let (pulse, stage) = (pulse.get(), self.stage);
        let second = stage.wall.second();
        let copies = stage.copies().clone();
        let row = |(at, shop): (usize, &super::shops::Shop)| {
            let store = shop.store.id;
            let seen = pulse.shops.get(&store).copied().unwrap_or_default();
            let is_cut = stage.links.get(at).is_some_and(|link| !link.is_up());
            let planned = stage
                .plan
                .get(at)
                .map_or(0, |rush| rush.tickets.iter().filter(|ticket| ticket.class == PlannedClass::Sale).count());
            ShopRow {
                name: shop.store.name.clone(),
                light: shop_light(seen, is_cut),
                planned: signed(planned),
                sold: stage.tally.in_store(store).sold.tickets,
                there: pulse.there.get(&store).copied().unwrap_or(0),
                is_copied: copies.iter().any(|copy| copy.shop.store.id == store && !copy.retired),
            }
        };
        Board {
            day: spoken(self.day),
            time: stage.wall.time(),
            phase: phase(stage.wall.opens, second).to_owned(),
            over_per_mille: second.clamp(0, self.open_s) * 1_000 / self.open_s.max(1),
            lost: pulse.lost,
            doubled: pulse.doubled,
            shops: stage.shops.iter().enumerate().map(row).collect(),
            office: if pulse.office_answers { Light::Up } else { Light::Down },
            journal: pulse.journal,
            behind: pulse.behind,
            diary: stage.diary.entries(),
        }
    }

    /// A line for each hour that begins.
    async fn tell_hours(&self, progress: &Progress) -> Infallible {
        let mut ticks = interval(Duration::from_millis(DRAW_EVERY_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut hour_told = -1;
        loop {
            ticks.tick().await;
            let second = self.stage.wall.second().min(self.open_s);
            let hour = second.div_euclid(3_600);
            if hour > hour_told {
                hour_told = hour;
                let total = self.stage.tally.total().sold;
                let amount = money(Minor::new(total.total_minor), self.currency);
                let tickets = counted(total.tickets, "ticket", "tickets");
                let doing = phase(self.stage.wall.opens, second);
                progress.say(&format!("  {}  {doing}: {tickets}, {amount} with tax", self.stage.wall.time()));
            }
        }
    }
}

fn shop_light(seen: ShopPulse, is_cut: bool) -> Light {
    match (seen.answers, is_cut, seen.is_linked) {
        (false, ..) => Light::Down,
        (true, true, _) => Light::Cut,
        (true, false, false) => Light::Alone,
        (true, false, true) => Light::Up,
    }
}

/// A day as people say it: `Monday 23 November`.
fn spoken(day: BusinessDay) -> String {
    let weekday = usize::try_from(day.days().rem_euclid(7)).ok().and_then(|at| WEEKDAYS.get(at)).copied();
    let text = day.to_string();
    let mut parts = text.split('-').skip(1).filter_map(|part| part.parse::<usize>().ok());
    let month = parts.next().and_then(|month| MONTHS.get(month.saturating_sub(1))).copied();
    let date = parts.next().unwrap_or_default();
    format!("{} {date} {}", weekday.unwrap_or_default(), month.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_said_as_people_say_it() {
        let spoken = ["1970-01-01", "2026-11-23", "2024-02-29"].map(|day| spoken(day.parse().unwrap()));
        assert_eq!(spoken, ["Thursday 1 January", "Monday 23 November", "Thursday 29 February"]);
    }

    #[test]
    fn a_shop_that_sells_without_the_head_office_is_cut_and_one_that_is_silent_is_down() {
        let seen = |answers, is_linked| ShopPulse { answers, is_linked, kept: 0 };
        assert_eq!(shop_light(seen(true, true), false), Light::Up);
        assert_eq!(shop_light(seen(true, true), true), Light::Cut, "the line is cut before the box knows");
        assert_eq!(shop_light(seen(true, false), false), Light::Alone, "it is the head office that is not there");
        assert_eq!(shop_light(seen(false, false), false), Light::Down);
    }
}
