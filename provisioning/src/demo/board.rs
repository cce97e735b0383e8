//! The live board: the chain's state as lines of a terminal. Pure, and never larger than it is told.

use super::diary::Entry;
use crate::figures::{grouped, signed};
use crate::table::{Paint, Tone};

/// The size that the board is made for, in columns and rows; a smaller terminal sees less of the diary.
pub const COLUMNS: usize = 100;
/// See [`COLUMNS`].
pub const ROWS: usize = 30;

/// Widths of the columns, and of the bars.
const NAME: usize = 20;
const BAR: usize = 27;
const DAY_BAR: usize = 60;
const WHAT: usize = 30;

/// How a shop or the head office is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Light {
    /// It works.
    Up,
    /// It works, and its line is cut.
    Cut,
    /// It works, and does not reach the head office.
    Alone,
    /// It does not answer.
    Down,
}

/// One shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopRow {
    /// Its name.
    pub name: String,
    /// How it is.
    pub light: Light,
    /// Sales that it had planned.
    pub planned: i64,
    /// Sales that its tills were answered.
    pub sold: i64,
    /// Sales of it that are in the reports.
    pub there: i64,
    /// Whether a copy of its box runs.
    pub is_copied: bool,
}

/// All that the board shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// The day, as people say it.
    pub day: String,
    /// The time on the shops' walls.
    pub time: String,
    /// What goes on at that time.
    pub phase: String,
    /// How much of the morning is over, in per mille.
    pub over_per_mille: i64,
    /// Tickets that a till was answered and its box does not have.
    pub lost: i64,
    /// Tickets in the reports that no till has asked for.
    pub doubled: i64,
    /// The shops.
    pub shops: Vec<ShopRow>,
    /// How the head office is.
    pub office: Light,
    /// Entries of all journals that it holds.
    pub journal: u64,
    /// Entries that it has still to count.
    pub behind: u64,
    /// What has happened.
    pub diary: Vec<Entry>,
}

impl Board {
    /// The board as at most so many lines.
    #[must_use]
    pub fn lines(&self, paint: Paint, rows: usize) -> Vec<String> {
        let mut lines = vec![self.title(paint), self.day_bar(paint), String::new(), self.totals(paint), String::new()];
        lines.extend(self.shops.iter().map(|shop| shop_line(shop, paint)));
        lines.push(self.office_line(paint));
        let room = rows.saturating_sub(lines.len() + 1);
        let skipped = self.diary.len().saturating_sub(room);
        if room > 0 {
            lines.push(String::new());
            lines.extend(self.diary.iter().skip(skipped).map(|entry| entry_line(entry, paint)));
        }
        lines.truncate(rows);
        lines
    }

    fn title(&self, paint: Paint) -> String {
        let name = paint.tone("Bytes & Brews", Tone::Strong);
        let (time, phase) = (paint.tone(&self.time, Tone::Strong), paint.tone(&self.phase, Tone::Soft));
        format!("  {name}  {}  {time}  {phase}", self.day)
    }

    fn day_bar(&self, paint: Paint) -> String {
        let over = part(DAY_BAR, self.over_per_mille, 1_000);
        format!("  {}{}", "━".repeat(over), paint.tone(&"─".repeat(DAY_BAR - over), Tone::Soft))
    }

    fn totals(&self, paint: Paint) -> String {
        let sum = |figure: fn(&ShopRow) -> i64| self.shops.iter().map(figure).sum::<i64>();
        let strong = |figure: i64| paint.tone(&grouped(figure), Tone::Strong);
        let fault = |figure: i64| paint.tone(&grouped(figure), if figure == 0 { Tone::Good } else { Tone::Bad });
        let soft = |word: &str| paint.tone(word, Tone::Soft);
        format!(
            "  {} {}     {} {}     {} {}     {} {}",
            soft("sold"),
            strong(sum(|shop| shop.sold)),
            soft("at head office"),
            strong(sum(|shop| shop.there)),
            soft("lost"),
            fault(self.lost),
            soft("doubled"),
            fault(self.doubled),
        )
    }

    fn office_line(&self, paint: Paint) -> String {
        let reports = match (self.office, self.behind) {
            (Light::Down | Light::Cut | Light::Alone, _) => "the shops sell on without it".to_owned(),
            (Light::Up, 0) => "reports up to date".to_owned(),
            (Light::Up, behind) => format!("reports {} behind", grouped(signed(behind))),
        };
        let journal = format!("journal {}", grouped(signed(self.journal)));
        format!("  {:<NAME$}  {}  {journal:<BAR$}  {reports}", "Head office", light(self.office, paint))
    }
}

fn light(light: Light, paint: Paint) -> String {
    match light {
        Light::Up => paint.tone("● up   ", Tone::Good),
        Light::Cut => paint.tone("○ cut  ", Tone::Waiting),
        Light::Alone => paint.tone("○ alone", Tone::Waiting),
        Light::Down => paint.tone("✕ down ", Tone::Bad),
    }
}

/// So many of `width` cells as `figure` is of `whole`.
fn part(width: usize, figure: i64, whole: i64) -> usize {
    let cells = i64::try_from(width).unwrap_or(i64::MAX);
    let share = figure.clamp(0, whole.max(0)).saturating_mul(cells) / whole.max(1);
    usize::try_from(share).unwrap_or(0).min(width)
}

fn shop_line(shop: &ShopRow, paint: Paint) -> String {
    let whole = shop.planned.max(shop.sold);
    let sold = part(BAR, shop.sold, whole);
    let there = part(BAR, shop.there, whole).min(sold);
    let bar = [
        "━".repeat(there),
        paint.tone(&"━".repeat(sold - there), Tone::Waiting),
        paint.tone(&"─".repeat(BAR - sold), Tone::Soft),
    ]
    .concat();
    let waiting = shop.sold - shop.there;
    let waiting = if waiting > 0 {
        paint.tone(&format!("{:>6} waiting", grouped(waiting)), Tone::Waiting)
    } else {
        String::new()
    };
    let name = if shop.is_copied { format!("{} ×2", shop.name) } else { shop.name.clone() };
    let (sold, there) = (grouped(shop.sold), grouped(shop.there));
    let line = format!("  {name:<NAME$}  {}  {bar} {sold:>6} sold {there:>6} there{waiting}", light(shop.light, paint));
    line.trim_end().to_owned()
}

fn entry_line(entry: &Entry, paint: Paint) -> String {
    let at = paint.tone(&entry.at, Tone::Soft);
    let line = format!("  {at}  {:<WHAT$}  {}", entry.what, entry.cost);
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;

    use super::*;

    fn shop(name: &str, light: Light, sold: i64, there: i64) -> ShopRow {
        ShopRow { name: name.to_owned(), light, planned: 200, sold, there, is_copied: false }
    }

    fn board() -> Board {
        let entry = |at: &str, what: &str, cost: &str| Entry {
            at: at.to_owned(),
            what: what.to_owned(),
            cost: cost.to_owned(),
        };
        Board {
            day: "Monday 23 November".to_owned(),
            time: "08:47".to_owned(),
            phase: "the rush".to_owned(),
            over_per_mille: 500,
            lost: 0,
            doubled: 0,
            shops: vec![
                shop("Virginia-Highland", Light::Up, 112, 112),
                shop("Midtown", Light::Cut, 120, 77),
                shop("Peachtree & Lenox", Light::Down, 60, 60),
            ],
            office: Light::Up,
            journal: 2_408,
            behind: 3,
            diary: vec![
                entry("08:12", "Midtown: line cut", "43 sold offline"),
                entry("08:47", "Peachtree & Lenox: box killed", ""),
            ],
        }
    }

    #[test]
    fn the_board_shows_the_morning_at_a_glance() {
        let expected = "  \
  Bytes & Brews  Monday 23 November  08:47  the rush
  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━──────────────────────────────

  sold 292     at head office 249     lost 0     doubled 0

  Virginia-Highland     ● up     ━━━━━━━━━━━━━━━────────────    112 sold    112 there
  Midtown               ○ cut    ━━━━━━━━━━━━━━━━───────────    120 sold     77 there    43 waiting
  Peachtree & Lenox     ✕ down   ━━━━━━━━───────────────────     60 sold     60 there
  Head office           ● up     journal 2,408                reports 3 behind

  08:12  Midtown: line cut               43 sold offline
  08:47  Peachtree & Lenox: box killed";
        assert_eq!(board().lines(Paint::new(false), ROWS).join("\n"), expected);
    }

    #[test]
    fn ten_shops_and_a_long_diary_fit_a_terminal_and_the_latest_is_seen() {
        let mut board = board();
        board.shops = vec![shop("Virginia-Highland", Light::Down, 29_600, 0); 10];
        board.diary = (0..40).map(|n| Entry { what: format!("event {n}"), ..board.diary[0].clone() }).collect();
        for paint in [Paint::new(false), Paint::new(true)] {
            let lines = board.lines(paint, ROWS);
            assert!(lines.len() <= ROWS, "{} rows", lines.len());
            assert!(lines.last().unwrap().contains("event 39"), "{lines:#?}");
            let widest = lines.iter().map(|line| measure_text_width(line)).max().unwrap();
            assert!(widest <= COLUMNS, "{widest} columns");
        }
        assert_eq!(board.lines(Paint::new(false), 12).len(), 12, "a small terminal sees the shops");
    }

    #[test]
    fn bars_are_full_at_the_end_and_never_longer() {
        for (figure, whole, cells) in [(0, 200, 0), (100, 200, 13), (200, 200, 27), (300, 200, 27), (0, 0, 0)] {
            assert_eq!(part(BAR, figure, whole), cells, "{figure} of {whole}");
        }
    }

    #[test]
    fn trouble_is_told_where_it_is() {
        let mut board = board();
        (board.office, board.lost, board.shops[0].is_copied) = (Light::Down, 2, true);
        let text = board.lines(Paint::new(false), ROWS).join("\n");
        assert!(text.contains("the shops sell on without it") && text.contains("lost 2"), "{text}");
        assert!(text.contains("  Virginia-Highland ×2  "), "{text}");
        let coloured = board.lines(Paint::new(true), ROWS).join("\n");
        assert!(coloured.contains("\u{1b}["));
    }
}
