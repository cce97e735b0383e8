//! The page by which a printer shows that it prints, as narrow as the narrowest paper.

use percolate_common::paper::{Block, COLUMNS_NARROW, Document, Marks};

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
        let mut blocks =
            vec![Block::Large(self.shop.to_owned()), Block::Centred("This printer works.".to_owned()), Block::Blank];
        let said = [
            ("Printer", self.printer),
            ("Practice ticket", self.receipt),
            ("Printed", self.local_time),
            ("Zone", self.zone),
        ];
        blocks.extend(said.map(|(name, text)| Block::Pair(format!("{name}: {text}"), String::new())));
        Document(blocks).bytes(COLUMNS_NARROW, Marks::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_as_it_was_agreed_with_the_printer() {
        let local_time = "2026-11-29 12:42:00";
        let shop = "Caf\u{e9} Harbour";
        let page = Page { shop, printer: "Bar", receipt: "T1-TRN-1", local_time, zone: "America/New_York" }.bytes();
        let expected = b"\x1b@\x1bR\x00\x1bt\x00\x1ba\x01\x1d!\x11Cafe Harbour\n\x1d!\x00\x1ba\x01This printer works.\n\
            \x1ba\x00\n\x1ba\x00Printer: Bar\n\x1ba\x00Practice ticket: T1-TRN-1\n\x1ba\x00Printed: 2026-11-29 12:42:00\n\
            \x1ba\x00Zone: America/New_York\n\x1bd\x04\x1dVB\x00";
        assert_eq!(page, expected);
    }
}
