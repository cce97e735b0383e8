//! Lines that fit the paper, and the commands around them.

use super::escpos;
use super::letters::plain;

/// How a line stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Centred,
    /// As high as two lines.
    Strong,
    /// In the middle, as high and wide as two.
    Large,
}

/// Lines, none of them wider than the paper.
#[derive(Debug)]
pub(super) struct Sheet {
    columns: usize,
    lines: Vec<(Style, String)>,
}

impl Sheet {
    pub(super) const fn new(columns: usize) -> Self {
        Self { columns, lines: Vec::new() }
    }

    /// A text in the middle, in as many lines as it needs.
    pub(super) fn middle(&mut self, style: Style, text: &str) {
        let width = if style == Style::Large { self.columns / 2 } else { self.columns };
        self.lines.extend(wrapped(&plain(text), width).into_iter().map(|line| (style, line)));
    }

    /// A word at the left and a figure at the right. What is too long for a line goes on in the next; no figure is cut.
    pub(super) fn pair(&mut self, style: Style, left: &str, right: &str) {
        let (left, right) = (plain(left), plain(right));
        let mut lines = wrapped(&left, self.columns);
        let fits = |line: &String| right.is_empty() || line.len() + 1 + right.len() <= self.columns;
        if !lines.last().is_some_and(fits) && right.len() <= self.columns / 2 {
            // A name is broken earlier rather than that its figure stands alone.
            let last = lines.pop().unwrap_or_default();
            lines.extend(wrapped(&last, self.columns - right.len() - 1));
        }
        let width = self.columns.saturating_sub(right.len());
        match lines.pop_if(|last| fits(last)) {
            Some(last) => lines.push(format!("{last:<width$}{right}").trim_end().to_owned()),
            None if right.len() <= self.columns => lines.push(format!("{right:>width$}", width = self.columns)),
            None => lines.extend(wrapped(&right, self.columns)),
        }
        self.lines.extend(lines.into_iter().map(|line| (style, line)));
    }

    pub(super) fn rule(&mut self) {
        self.lines.push((Style::Plain, "-".repeat(self.columns)));
    }

    pub(super) fn blank(&mut self) {
        self.lines.push((Style::Plain, String::new()));
    }

    /// What a printer is sent.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = escpos::BEGIN.to_vec();
        for (style, text) in &self.lines {
            let (place, size) = match style {
                Style::Plain => (escpos::TO_THE_LEFT, None),
                Style::Centred => (escpos::CENTRED, None),
                Style::Strong => (escpos::TO_THE_LEFT, Some(escpos::HIGH)),
                Style::Large => (escpos::CENTRED, Some(escpos::LARGE)),
            };
            bytes.extend_from_slice(place);
            bytes.extend_from_slice(size.unwrap_or_default());
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(b'\n');
            if size.is_some() {
                bytes.extend_from_slice(escpos::USUAL);
            }
        }
        bytes.extend_from_slice(escpos::END);
        bytes
    }
}

/// A text of ASCII in lines of that width, broken at blanks where there are any. Blanks at its start stay.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut rest = text.trim_end();
    while rest.len() > width {
        // A blank just behind the last letter that fits is as good.
        let room = rest.get(..=width).unwrap_or(rest);
        let at = room.rfind(' ').filter(|at| room.get(..*at).is_some_and(|head| !head.trim().is_empty()));
        let (head, tail) = rest.split_at(at.unwrap_or(width));
        lines.push(head.trim_end().to_owned());
        rest = tail.trim_start();
    }
    lines.push(rest.to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_broken_at_blanks_and_figures_are_whole() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("one two", 7), ["one two"]);
        assert_eq!(wrapped("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrapped("  + a very long extra", 12), ["  + a very", "long extra"]);
        assert_eq!(wrapped("", 5), [""]);
        let mut sheet = Sheet::new(12);
        sheet.pair(Style::Plain, "twelve chars", "1.00");
        sheet.pair(Style::Plain, "left", "a right that is long");
        let lines: Vec<&str> = sheet.lines.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(lines, ["twelve", "chars   1.00", "left", "a right that", "is long"]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_no_figure_is_lost(left in "\\PC{0,120}", right in "[0-9.-]{0,24}", wide in any::<bool>()) {
            let columns = if wide { 48 } else { 32 };
            let mut sheet = Sheet::new(columns);
            sheet.middle(Style::Large, &left);
            sheet.middle(Style::Centred, &left);
            let before = sheet.lines.len();
            sheet.pair(Style::Plain, &left, &right);
            for (style, line) in &sheet.lines {
                let width = if *style == Style::Large { columns / 2 } else { columns };
                prop_assert!(line.len() <= width, "{line:?}");
                prop_assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line:?}");
            }
            prop_assert!(sheet.lines.iter().skip(before).any(|(_, line)| line.ends_with(&right)), "{:?}", sheet.lines);
        }
    }
}
