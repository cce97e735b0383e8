//! The page by which a printer shows that it prints, as ESC/POS: what all receipt printers understand, in letters that all of
//! them have.

/// Characters of a line on the narrowest paper.
const LINE_CHARS: usize = 32;

/// As it was switched on; letters of the United States, and the code page that every printer begins with.
const BEGIN: &[u8] = &[0x1b, b'@', 0x1b, b'R', 0, 0x1b, b't', 0];
const CENTRED: &[u8] = &[0x1b, b'a', 1];
const TO_THE_LEFT: &[u8] = &[0x1b, b'a', 0];
const LARGE: &[u8] = &[0x1d, b'!', 0x11];
const USUAL: &[u8] = &[0x1d, b'!', 0];
/// Four empty lines, and a cut that leaves the page hanging.
const END: &[u8] = &[0x1b, b'd', 4, 0x1d, b'V', 66, 0];

/// What stands on it.
#[derive(Debug, Clone)]
pub(super) struct Page<'p> {
    /// The shop's name.
    pub(super) shop: &'p str,
    /// The printer's name.
    pub(super) printer: &'p str,
    /// The first ticket's receipt number.
    pub(super) receipt: &'p str,
    /// What the shop's wall shows.
    pub(super) local_time: &'p str,
    /// By which zone.
    pub(super) zone: &'p str,
}

impl Page<'_> {
    /// The bytes that a printer is given.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut page = [BEGIN, CENTRED, LARGE].concat();
        // Large letters are twice as wide.
        lines(self.shop, LINE_CHARS / 2, &mut page);
        page.extend_from_slice(USUAL);
        lines("This printer works.", LINE_CHARS, &mut page);
        page.push(b'\n');
        page.extend_from_slice(TO_THE_LEFT);
        for (name, text) in [
            ("Printer", self.printer),
            ("Practice ticket", self.receipt),
            ("Printed", self.local_time),
            ("Zone", self.zone),
        ] {
            lines(&format!("{name}: {text}"), LINE_CHARS, &mut page);
        }
        page.extend_from_slice(END);
        page
    }
}

/// Writes a text in lines of that width.
fn lines(text: &str, width: usize, page: &mut Vec<u8>) {
    let letters: Vec<u8> = text.chars().map(plain).collect();
    for line in letters.chunks(width) {
        page.extend_from_slice(line);
        page.push(b'\n');
    }
}

/// A letter that every printer has: accents are left out, and what has no such letter is a question mark. No character is a
/// command, whoever has named the shop.
fn plain(letter: char) -> u8 {
    match letter {
        ' '..='~' => u8::try_from(letter).unwrap_or(b'?'),
        'À'..='Å' => b'A',
        'Ç' => b'C',
        'È'..='Ë' => b'E',
        'Ì'..='Ï' => b'I',
        'Ñ' => b'N',
        'Ò'..='Ö' | 'Ø' => b'O',
        'Ù'..='Ü' => b'U',
        'à'..='å' => b'a',
        'ç' => b'c',
        'è'..='ë' => b'e',
        'ì'..='ï' => b'i',
        'ñ' => b'n',
        'ò'..='ö' | 'ø' => b'o',
        'ù'..='ü' => b'u',
        '\u{2018}' | '\u{2019}' => b'\'',
        '\u{2013}' | '\u{2014}' => b'-',
        _ => b'?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(shop: &str) -> Vec<u8> {
        let local_time = "2026-11-29 12:42:00";
        Page { shop, printer: "Bar", receipt: "T1-TRN-1", local_time, zone: "America/New_York" }.bytes()
    }

    #[test]
    fn the_page_is_as_it_was_agreed_with_the_printer() {
        let expected =
            b"\x1b@\x1bR\x00\x1bt\x00\x1ba\x01\x1d!\x11Cafe Harbour\n\x1d!\x00This printer works.\n\n\x1ba\x00\
            Printer: Bar\nPractice ticket: T1-TRN-1\nPrinted: 2026-11-29 12:42:00\nZone: America/New_York\n\
            \x1bd\x04\x1dVB\x00";
        assert_eq!(page("Caf\u{e9} Harbour"), expected);
    }

    #[test]
    fn no_name_is_a_command_or_too_wide() {
        let nasty = "\u{1b}@\u{1d}V\u{0}\u{10}\u{4}\n\r\u{7f}\u{a0}\u{20ac}咖啡 & a name that is much longer than the paper is wide";
        let bytes = page(nasty);
        let inside = bytes.strip_prefix(&[BEGIN, CENTRED, LARGE].concat()[..]).unwrap();
        let until = inside.windows(USUAL.len()).position(|part| part == USUAL).unwrap();
        for line in inside[..until].split(|byte| *byte == b'\n') {
            assert!(line.len() <= LINE_CHARS / 2 && line.iter().all(|byte| (0x20..0x7f).contains(byte)), "{line:?}");
        }
    }
}
