//! Tables for a terminal or a file: columns aligned by what they hold, figures to the right, a rule over the totals.

use console::{Style, measure_text_width};

/// Blanks between two columns.
const GAP: &str = "  ";
/// Blanks before every line.
const INDENT: &str = "  ";

/// To which side a column leans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Figures.
    Right,
}

/// How a text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// A heading or a sum.
    Strong,
    /// Of less weight.
    Soft,
    /// All is well.
    Good,
    /// On its way.
    Waiting,
    /// Something differs.
    Bad,
}

/// Gives texts their tone where colours are shown, and leaves them alone elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    colours: bool,
}

impl Paint {
    /// Colours or none.
    #[must_use]
    pub const fn new(colours: bool) -> Self {
        Self { colours }
    }

    /// A text in its tone.
    #[must_use]
    pub fn tone(self, text: &str, tone: Tone) -> String {
        let style = Style::new().force_styling(self.colours);
        let style = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => style.bold(),
            Tone::Soft => style.dim(),
            Tone::Good => style.green(),
            Tone::Waiting => style.yellow(),
            Tone::Bad => style.red().bold(),
        };
        style.apply_to(text).to_string()
    }
}

/// One field of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: Tone::Plain }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl Cell {
    /// The same text in a tone.
    #[must_use]
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// A table under construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<(String, Side)>,
    rows: Vec<Vec<Cell>>,
    totals: Vec<Cell>,
}

impl Table {
    /// A table of these columns.
    #[must_use]
    pub fn new(columns: &[(&str, Side)]) -> Self {
        let columns = columns.iter().map(|(title, side)| ((*title).to_owned(), *side)).collect();
        Self { columns, rows: Vec::new(), totals: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Sets the last row, which stands below a rule.
    pub fn totals(&mut self, cells: Vec<Cell>) {
        self.totals = cells.into_iter().map(|cell| cell.tone(Tone::Strong)).collect();
    }

    /// The table as text that ends with a line break.
    #[must_use]
    pub fn render(&self, paint: Paint) -> String {
        let widths: Vec<usize> = (0..self.columns.len()).map(|at| self.width(at)).collect();
        let titles: Vec<Cell> =
            self.columns.iter().map(|(title, _)| Cell::from(title.as_str()).tone(Tone::Strong)).collect();
        let rule: Vec<Cell> = widths.iter().map(|width| Cell::from("─".repeat(*width)).tone(Tone::Soft)).collect();
        let mut text = self.line(&titles, &widths, paint);
        text.push_str(&self.line(&rule, &widths, paint));
        for row in &self.rows {
            text.push_str(&self.line(row, &widths, paint));
        }
        if !self.totals.is_empty() {
            text.push_str(&self.line(&rule, &widths, paint));
            text.push_str(&self.line(&self.totals, &widths, paint));
        }
        text
    }

    fn width(&self, at: usize) -> usize {
        let cells = self.rows.iter().chain([&self.totals]).filter_map(|row| row.get(at));
        let widest = cells.map(|cell| measure_text_width(&cell.text)).max().unwrap_or(0);
        let title = self.columns.get(at).map_or(0, |(title, _)| measure_text_width(title));
        widest.max(title)
    }

    fn line(&self, cells: &[Cell], widths: &[usize], paint: Paint) -> String {
        let mut line = String::from(INDENT);
        for (at, ((cell, width), (_, side))) in cells.iter().zip(widths).zip(&self.columns).enumerate() {
            if at > 0 {
                line.push_str(GAP);
            }
            let blanks = " ".repeat(width.saturating_sub(measure_text_width(&cell.text)));
            let text = paint.tone(&cell.text, cell.tone);
            match side {
                Side::Left => line.extend([text, blanks]),
                Side::Right => line.extend([blanks, text]),
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("Store", Side::Left), ("Sales", Side::Right), ("", Side::Left)]);
        table.row(vec!["Fünf Ecken".into(), "$1,000.00".into(), Cell::from("same").tone(Tone::Good)]);
        table.row(vec!["Ox".into(), "$5.00".into(), "same".into()]);
        table.totals(vec!["Two stores".into(), "$1,005.00".into()]);
        table
    }

    #[test]
    fn figures_stand_under_figures_and_no_line_ends_in_blanks() {
        let expected = "  \
  Store           Sales
  ──────────  ─────────  ────
  Fünf Ecken  $1,000.00  same
  Ox              $5.00  same
  ──────────  ─────────  ────
  Two stores  $1,005.00
";
        assert_eq!(table().render(Paint::new(false)), expected);
    }

    #[test]
    fn colours_change_no_width() {
        let coloured = table().render(Paint::new(true));
        assert!(coloured.contains("\u{1b}["), "{coloured:?}");
        let mut plain = String::new();
        let mut escape = false;
        for character in coloured.chars() {
            match character {
                '\u{1b}' => escape = true,
                'm' if escape => escape = false,
                _ if !escape => plain.push(character),
                _ => {}
            }
        }
        let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
        let expected = table().render(Paint::new(false));
        assert_eq!(trimmed, expected.lines().collect::<Vec<_>>());
    }
}
