//! A text as a pattern that a camera reads: in a terminal, and on paper.

use std::fmt;

use qrcodegen::{QrCode, QrCodeEcc};

/// What stays light around the pattern, in modules: the standard wants four.
const QUIET_MODULES: i32 = 4;

/// A pattern.
#[derive(Clone, PartialEq, Eq)]
pub struct Qr(QrCode);

impl fmt::Debug for Qr {
    /// What it says may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Qr").field("size", &self.0.size()).finish_non_exhaustive()
    }
}

/// A text that no pattern holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes are too many for a QR code")]
pub struct QrError {
    /// How long it is.
    bytes: usize,
}

impl Qr {
    /// The pattern of a text. A sixth of it may be dirty, and it is still read.
    ///
    /// # Errors
    /// [`QrError`] if the text is too long: some 2,300 bytes fit.
    pub fn of(text: &str) -> Result<Self, QrError> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium);
        code.map(Self).map_err(|_too_long| QrError { bytes: text.len() })
    }

    /// Half blocks, two modules one over the other. What is light is drawn, so it is right where letters are light on a dark
    /// ground: say so to the terminal. Ends with a line break.
    #[must_use]
    pub fn half_blocks(&self) -> String {
        let end = self.0.size() + QUIET_MODULES;
        let mut text = String::new();
        let mut y = -QUIET_MODULES;
        while y < end {
            text.extend((-QUIET_MODULES..end).map(|x| {
                match (self.is_dark(x, y), y + 1 >= end || self.is_dark(x, y + 1)) {
                    (false, false) => '█',
                    (false, true) => '▀',
                    (true, false) => '▄',
                    (true, true) => ' ',
                }
            }));
            text.push('\n');
            y += 2;
        }
        text
    }

    /// An SVG picture without a size of its own: black on white, one unit a module.
    #[must_use]
    pub fn svg(&self) -> String {
        let size = self.0.size();
        let side = size + 2 * QUIET_MODULES;
        let mut path = String::new();
        for y in 0..size {
            for x in (0..size).filter(|x| self.is_dark(*x, y)) {
                path.push_str(&format!("M{} {}h1v1h-1z", x + QUIET_MODULES, y + QUIET_MODULES));
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{path}\"/></svg>"
        )
    }

    /// Light outside.
    fn is_dark(&self, x: i32, y: i32) -> bool {
        self.0.get_module(x, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://harbour.lan:8443/pair#7K3M-9QXT";

    /// The modules as the half blocks show them; true is dark.
    fn shown(text: &str) -> Vec<Vec<bool>> {
        let halves = |light: [&'static str; 2]| {
            move |line: &str| line.chars().map(|c| !light.contains(&c.to_string().as_str())).collect::<Vec<bool>>()
        };
        let (upper, lower) = (halves(["█", "▀"]), halves(["█", "▄"]));
        text.lines().flat_map(|line| [upper(line), lower(line)]).collect()
    }

    #[test]
    fn the_terminal_and_the_picture_show_the_same_pattern() {
        let qr = Qr::of(LINK).unwrap();
        let (modules, svg) = (shown(&qr.half_blocks()), qr.svg());
        let side = modules[0].len();
        assert_eq!(side, usize::try_from(qr.0.size() + 2 * QUIET_MODULES).unwrap());
        let mut dark = 0;
        for (y, row) in modules.iter().take(side).enumerate() {
            for (x, is_dark) in row.iter().enumerate() {
                assert_eq!(svg.contains(&format!("M{x} {y}h1v1h-1z")), *is_dark, "module {x}, {y}");
                dark += usize::from(*is_dark);
            }
        }
        assert!(dark > 200, "{dark} dark modules");
        assert!(svg.contains(&format!("viewBox=\"0 0 {side} {side}\"")));
    }

    #[test]
    fn three_corners_have_the_finder_and_the_edge_is_light() {
        const FINDER: [u8; 7] = [0b111_1111, 0b100_0001, 0b101_1101, 0b101_1101, 0b101_1101, 0b100_0001, 0b111_1111];
        let qr = Qr::of(LINK).unwrap();
        let modules = shown(&qr.half_blocks());
        let side = modules[0].len();
        let quiet = usize::try_from(QUIET_MODULES).unwrap();
        for (left, top) in [(quiet, quiet), (side - quiet - 7, quiet), (quiet, side - quiet - 7)] {
            for (y, row) in FINDER.into_iter().enumerate() {
                let seen = modules[top + y][left..left + 7].iter().fold(0, |bits, dark| bits << 1 | u8::from(*dark));
                assert_eq!(seen, row, "row {y} of the finder at {left}, {top}");
            }
        }
        let is_edge = |at: usize| at < quiet || at >= side - quiet;
        for (y, row) in modules.iter().enumerate().take(side) {
            for (x, dark) in row.iter().enumerate().filter(|(x, _)| is_edge(*x) || is_edge(y)) {
                assert!(!dark, "dark at the edge {x}, {y}");
            }
        }
    }

    #[test]
    fn a_text_that_no_pattern_holds_is_refused() {
        assert_eq!(Qr::of(&"é".repeat(2_000)), Err(QrError { bytes: 4_000 }));
    }
}
