//! Where words go: results to the output, what is going on to the error stream, as bars where a person looks on.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::table::Paint;

/// How often a bar moves by itself, in milliseconds.
const TICK_MS: u64 = 100;
const BAR: &str = "  {spinner} {prefix:22} {bar:28.cyan/dim} {msg}";
const SPINNER: &str = "  {spinner} {msg}";
const BAR_CHARACTERS: &str = "━━─";

/// The output, and how to write on it.
pub struct Screen {
    out: Box<dyn Write + Send>,
    /// Tells tones apart by colour, or not at all.
    pub paint: Paint,
    /// Whether a person looks at the output.
    pub is_terminal: bool,
    /// Where it is told what is going on.
    pub progress: Progress,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("is_terminal", &self.is_terminal).finish_non_exhaustive()
    }
}

impl Screen {
    /// The process's own output. Colours are shown on a terminal, unless `NO_COLOR` or its like is set.
    #[must_use]
    pub fn of_process() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let paint = Paint::new(is_terminal && console::colors_enabled());
        Self { out: Box::new(io::stdout()), paint, is_terminal, progress: Progress::of_process() }
    }

    /// An output that is written to somewhere else, without colours and bars.
    #[must_use]
    pub fn plain(out: Box<dyn Write + Send>, notes: Box<dyn Write + Send>) -> Self {
        Self { out, paint: Paint::new(false), is_terminal: false, progress: Progress::plain(notes) }
    }

    /// From now on what is going on is told as plain lines on the output, in the order in which it happens: for one that is
    /// kept. What told it before is given back.
    pub fn tell_on_output(&mut self) -> Progress {
        std::mem::replace(&mut self.progress, Progress::plain(Box::new(io::stdout())))
    }

    /// Writes a text, and makes sure that it is seen.
    ///
    /// # Errors
    /// If the output is gone; a reader that has gone away on purpose, as `head` does, is no error.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            outcome @ (Ok(()) | Err(_)) => outcome,
        }
    }

    /// Writes a line.
    ///
    /// # Errors
    /// As [`Screen::write`].
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.write(&format!("{text}\n"))
    }
}

/// What is going on: bars on a terminal, lines elsewhere.
#[derive(Clone)]
pub struct Progress {
    bars: Option<MultiProgress>,
    notes: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("bars", &self.bars.is_some()).finish_non_exhaustive()
    }
}

impl Progress {
    fn of_process() -> Self {
        let bars = io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars, notes: Arc::new(Mutex::new(Box::new(io::stderr()))) }
    }

    fn plain(notes: Box<dyn Write + Send>) -> Self {
        Self { bars: None, notes: Arc::new(Mutex::new(notes)) }
    }

    /// Whether bars are shown.
    #[must_use]
    pub fn has_bars(&self) -> bool {
        self.bars.is_some()
    }

    /// Tells something, above the bars if there are any. A listener that has gone away changes nothing.
    pub fn say(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| self.write(&format!("{text}\n"))),
            None => self.write(&format!("{text}\n")),
        }
    }

    /// Tells something where no bar shows it.
    pub fn say_without_bars(&self, text: &str) {
        if self.bars.is_none() {
            self.write(&format!("{text}\n"));
        }
    }

    /// Writes a text as it is.
    pub fn write(&self, text: &str) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.write_all(text.as_bytes()).and_then(|()| notes.flush()).unwrap_or_default();
    }

    /// A canvas for a picture of so many columns and rows that is drawn again and again; none where nobody looks on, or
    /// where the terminal is much too small for it.
    #[must_use]
    pub fn canvas(&self, (columns, rows): (usize, usize)) -> Option<Canvas> {
        self.bars.as_ref()?;
        let canvas = Canvas::new(Term::buffered_stderr());
        let (has_rows, has_columns) = canvas.size();
        (has_columns >= columns * 4 / 5 && has_rows >= rows * 2 / 3).then_some(canvas)
    }

    /// A bar of so many steps.
    #[must_use]
    pub fn bar(&self, prefix: &str, steps: u64) -> Bar {
        self.show(ProgressBar::new(steps).with_prefix(prefix.to_owned()), BAR)
    }

    /// A sign that something goes on whose length nobody knows.
    #[must_use]
    pub fn spinner(&self, message: &str) -> Bar {
        self.show(ProgressBar::new_spinner().with_message(message.to_owned()), SPINNER)
    }

    fn show(&self, bar: ProgressBar, template: &str) -> Bar {
        let Some(bars) = &self.bars else { return Bar(ProgressBar::hidden()) };
        let bar = bars.add(bar);
        let style = ProgressStyle::with_template(template).expect("invariant: the template is a constant");
        bar.set_style(style.progress_chars(BAR_CHARACTERS));
        bar.enable_steady_tick(Duration::from_millis(TICK_MS));
        Bar(bar)
    }
}

/// A part of the terminal that is drawn again and again, in place.
#[derive(Debug)]
pub struct Canvas {
    term: Term,
    /// How many lines are drawn.
    drawn: usize,
    /// Tells tones apart by colour, or not at all.
    pub paint: Paint,
}

impl Canvas {
    fn new(term: Term) -> Self {
        term.hide_cursor().unwrap_or_default();
        Self { term, drawn: 0, paint: Paint::new(console::colors_enabled_stderr()) }
    }

    fn size(&self) -> (usize, usize) {
        let (rows, columns) = self.term.size();
        (rows.into(), columns.into())
    }

    /// How many lines fit.
    #[must_use]
    pub fn rows(&self) -> usize {
        // The cursor stands below the last line.
        self.size().0.saturating_sub(1)
    }

    /// Draws lines over those of before. A listener that has gone away changes nothing.
    pub fn draw(&mut self, lines: &[String]) {
        self.try_draw(lines).unwrap_or_default();
    }

    fn try_draw(&mut self, lines: &[String]) -> io::Result<()> {
        let columns = self.size().1;
        self.term.move_cursor_up(self.drawn)?;
        for line in lines {
            self.term.clear_line()?;
            self.term.write_line(&console::truncate_str(line, columns, "…"))?;
        }
        self.term.clear_to_end_of_screen()?;
        self.drawn = lines.len();
        self.term.flush()
    }

    /// Leaves nothing of what was drawn.
    pub fn clear(&mut self) {
        self.draw(&[]);
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        self.term.show_cursor().and_then(|()| self.term.flush()).unwrap_or_default();
    }
}

/// A bar, gone when it is dropped.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// So many steps are done.
    pub fn at(&self, steps: u64) {
        self.0.set_position(steps);
    }

    /// What is going on now, in front of the bar.
    pub fn prefix(&self, text: &str) {
        self.0.set_prefix(text.to_owned());
    }

    /// What is going on now, behind the bar.
    pub fn message(&self, text: &str) {
        self.0.set_message(text.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn a_picture_is_drawn_over_the_one_of_before_and_the_cursor_comes_back() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("terminal");
        let open = || OpenOptions::new().create(true).truncate(false).read(true).append(true).open(&path).unwrap();
        let picture = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let mut canvas = Canvas::new(Term::read_write_pair(open(), open()));
        canvas.draw(&picture(&["first", "second"]));
        canvas.draw(&picture(&["third"]));
        canvas.clear();
        drop(canvas);
        let written = std::fs::read_to_string(&path).unwrap();
        let visible = written.replace('\u{1b}', "^").replace('\r', "<");
        let expected = "^[?25l<^[2Kfirst\n<^[2Ksecond\n<^[0J^[2A<^[2Kthird\n<^[0J^[1A<^[0J^[?25h";
        assert_eq!(visible, expected);
    }
}
