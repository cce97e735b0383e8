//! ESC/POS, as far as all receipt printers understand it: what stands around text, and what a printer is asked.
//!
//! Source: Epson, ESC/POS Command Reference (read 2026-11).

use core::fmt;

/// As it was switched on; letters of the United States, and the code page that every printer begins with.
pub const BEGIN: &[u8] = &[0x1b, b'@', 0x1b, b'R', 0, 0x1b, b't', 0];
/// What follows stands in the middle.
pub const CENTRED: &[u8] = &[0x1b, b'a', 1];
/// What follows stands at the left.
pub const TO_THE_LEFT: &[u8] = &[0x1b, b'a', 0];
/// Letters twice as wide and high.
pub const LARGE: &[u8] = &[0x1d, b'!', 0x11];
/// Letters twice as high.
pub const HIGH: &[u8] = &[0x1d, b'!', 0x01];
/// Letters as they are.
pub const USUAL: &[u8] = &[0x1d, b'!', 0];
/// Four empty lines, and a cut that leaves the paper hanging.
pub const END: &[u8] = &[0x1b, b'd', 4, 0x1d, b'V', 66, 0];
/// Opens the drawer that is plugged into the printer: 50 ms of current, and half a second without.
pub const KICK: &[u8] = &[0x1b, b'p', 0, 25, 250];
/// It says nothing unasked.
pub const QUIET: &[u8] = &[0x1d, b'a', 0];

/// What a printer is asked. It answers each with one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// How it is; answered at once, whatever it prints.
    Printer,
    /// Why it prints nothing, if so; answered at once.
    Standstill,
    /// Whether there is paper; answered at once.
    Paper,
    /// Answered when all that came before it is printed.
    Done,
}

impl Question {
    /// The bytes that ask.
    #[must_use]
    pub const fn bytes(self) -> [u8; 3] {
        match self {
            Self::Printer => [0x10, 0x04, 1],
            Self::Standstill => [0x10, 0x04, 2],
            Self::Paper => [0x10, 0x04, 4],
            Self::Done => [0x1d, b'r', 1],
        }
    }

    /// Whether a byte answers it: those that answer at once have bits 1 and 4 set, and the other one does not.
    #[must_use]
    pub const fn is_answered_by(self, byte: u8) -> bool {
        match self {
            Self::Printer | Self::Standstill | Self::Paper => byte & 0x93 == 0x12,
            Self::Done => byte & 0x90 == 0,
        }
    }
}

/// Why a printer prints nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// There is no paper in it.
    PaperOut,
    /// Its cover is open.
    CoverOpen,
    /// It needs somebody: the cutter is stuck, or it is too hot.
    Faulty,
    /// It is offline, and says no more.
    Offline,
}

impl Trouble {
    /// What the answers to [`Question::Printer`], [`Question::Standstill`] and [`Question::Paper`] say; nothing if it prints.
    #[must_use]
    pub const fn of(printer: u8, standstill: u8, paper: u8) -> Option<Self> {
        if standstill & 0x04 != 0 {
            return Some(Self::CoverOpen);
        }
        if paper & 0x60 != 0 || standstill & 0x20 != 0 {
            return Some(Self::PaperOut);
        }
        if standstill & 0x40 != 0 {
            return Some(Self::Faulty);
        }
        if printer & 0x08 != 0 { Some(Self::Offline) } else { None }
    }

    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaperOut => "paper_out",
            Self::CoverOpen => "cover_open",
            Self::Faulty => "printer_error",
            Self::Offline => "offline",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PaperOut => "it has no paper",
            Self::CoverOpen => "its cover is open",
            Self::Faulty => "it needs somebody to look at it",
            Self::Offline => "it is offline",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printer_says_what_keeps_it_from_printing() {
        assert_eq!(Trouble::of(0x12, 0x12, 0x12), None);
        // Near its end, paper is still paper.
        assert_eq!(Trouble::of(0x12, 0x12, 0x1e), None);
        assert_eq!(Trouble::of(0x1a, 0x32, 0x72), Some(Trouble::PaperOut));
        assert_eq!(Trouble::of(0x1a, 0x32, 0x12), Some(Trouble::PaperOut));
        assert_eq!(Trouble::of(0x1a, 0x16, 0x12), Some(Trouble::CoverOpen));
        // Behind an open cover no paper is seen.
        assert_eq!(Trouble::of(0x1a, 0x36, 0x72), Some(Trouble::CoverOpen));
        assert_eq!(Trouble::of(0x1a, 0x52, 0x12), Some(Trouble::Faulty));
        assert_eq!(Trouble::of(0x1a, 0x12, 0x12), Some(Trouble::Offline));
        let words = [Trouble::PaperOut, Trouble::CoverOpen, Trouble::Faulty, Trouble::Offline].map(Trouble::as_str);
        assert_eq!(words, ["paper_out", "cover_open", "printer_error", "offline"]);
    }

    #[test]
    fn no_answer_to_one_question_passes_for_that_to_the_other() {
        for byte in 0..=u8::MAX {
            assert!(!(Question::Paper.is_answered_by(byte) && Question::Done.is_answered_by(byte)), "{byte}");
        }
        assert!(Question::Printer.is_answered_by(0x12) && Question::Standstill.is_answered_by(0x7e));
        assert!(Question::Done.is_answered_by(0x00) && Question::Done.is_answered_by(0x0f));
        assert_eq!(Question::Printer.bytes(), [0x10, 4, 1]);
    }
}
