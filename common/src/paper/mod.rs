//! Paper: what stands on a receipt or a slip, how it is laid out, and what a printer is sent.
//!
//! A [`Document`] is made once, when something happens, and is kept as it is until it is printed: what is called otherwise
//! tomorrow is still called what it was called then. How wide the paper is, and whether it is a copy, is only known when it is
//! printed.

pub mod escpos;
mod letters;
pub mod receipt;
mod sheet;

use core::str::FromStr;

use serde::{Deserialize, Serialize};

use sheet::{Sheet, Style};

/// Characters of a line on paper of 80 mm, as most have it.
pub const COLUMNS_WIDE: u8 = 48;
/// Characters of a line on paper of 58 mm.
pub const COLUMNS_NARROW: u8 = 32;

/// Whether a sale prints its receipt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Receipts {
    /// It does.
    #[default]
    Print,
    /// It does not.
    None,
}

/// A word that says nothing of receipts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} says nothing of receipts: print or none is expected")]
pub struct ReceiptsUnknown(String);

impl FromStr for Receipts {
    type Err = ReceiptsUnknown;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "print" => Ok(Self::Print),
            "none" => Ok(Self::None),
            other => Err(ReceiptsUnknown(other.to_owned())),
        }
    }
}

/// Something that stands on paper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// In the middle, twice as wide and high.
    Large(String),
    /// In the middle.
    Centred(String),
    /// At the left and at the right, twice as high.
    Strong(String, String),
    /// At the left and at the right.
    Pair(String, String),
    /// A line across.
    Rule,
    /// An empty line.
    Blank,
}

/// What stands on one piece of paper, from the top. Kept as JSON; a later program may add kinds of blocks, and reads all these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Document(pub Vec<Block>);

/// What is only known when it is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// Which copy it is; 0 is the first paper.
    pub copy: u32,
    /// Whether the same may lie there already: the printer fell silent in the middle.
    pub duplicate: bool,
}

impl Document {
    /// The bytes that a printer is sent, for paper of so many characters a line.
    #[must_use]
    pub fn bytes(&self, columns: u8, marks: Marks) -> Vec<u8> {
        let mut sheet = Sheet::new(usize::from(columns));
        let mark = |sheet: &mut Sheet| {
            if marks.copy > 0 {
                sheet.middle(Style::Large, &format!("COPY {}", marks.copy));
            }
            if marks.duplicate {
                sheet.middle(Style::Large, "POSSIBLE DUPLICATE");
            }
        };
        mark(&mut sheet);
        for block in &self.0 {
            match block {
                Block::Large(text) => sheet.middle(Style::Large, text),
                Block::Centred(text) => sheet.middle(Style::Centred, text),
                Block::Strong(left, right) => sheet.pair(Style::Strong, left, right),
                Block::Pair(left, right) => sheet.pair(Style::Plain, left, right),
                Block::Rule => sheet.rule(),
                Block::Blank => sheet.blank(),
            }
        }
        mark(&mut sheet);
        sheet.bytes()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a person reads: large letters in angle brackets, high ones in bars.
    pub(crate) fn read(bytes: &[u8]) -> String {
        let mut text = String::from_utf8(bytes.to_vec()).unwrap();
        for (command, shown) in [
            (escpos::BEGIN, ""),
            (escpos::CENTRED, ""),
            (escpos::TO_THE_LEFT, ""),
            (escpos::LARGE, "<"),
            (escpos::HIGH, "|"),
            (escpos::END, "----"),
        ] {
            text = text.replace(std::str::from_utf8(command).unwrap(), shown);
        }
        text.replace(std::str::from_utf8(escpos::USUAL).unwrap(), "")
    }

    fn document() -> Document {
        let text = str::to_owned;
        Document(vec![
            Block::Large(text("Café Harbour")),
            Block::Centred(text("1 Pier")),
            Block::Rule,
            Block::Pair(text("2 x Flat white with a name that is long"), text("8.00")),
            Block::Pair(text("Café au lait"), String::new()),
            Block::Strong(text("TOTAL USD"), text("8.71")),
            Block::Blank,
        ])
    }

    #[test]
    fn the_bytes_are_as_they_were_agreed_with_the_printer() {
        let expected = b"\x1b@\x1bR\x00\x1bt\x00\
            \x1ba\x01\x1d!\x11Cafe Harbour\n\x1d!\x00\
            \x1ba\x011 Pier\n\
            \x1ba\x00--------------------------------\n\
            \x1ba\x002 x Flat white with a name that\n\
            \x1ba\x00is long                     8.00\n\
            \x1ba\x00Cafe au lait\n\
            \x1ba\x00\x1d!\x01TOTAL USD                   8.71\n\x1d!\x00\
            \x1ba\x00\n\
            \x1bd\x04\x1dVB\x00";
        let bytes = document().bytes(COLUMNS_NARROW, Marks::default());
        assert_eq!(bytes, expected, "{}", read(&bytes));
    }

    #[test]
    fn a_copy_and_a_possible_duplicate_say_so_at_both_ends() {
        let text = read(&document().bytes(COLUMNS_NARROW, Marks { copy: 2, duplicate: true }));
        let marks = "<COPY 2\n<POSSIBLE\n<DUPLICATE\n";
        assert!(text.starts_with(&format!("{marks}<Cafe Harbour\n")), "{text}");
        assert!(text.ends_with(&format!("{marks}----")), "{text}");
        let wide = read(&document().bytes(COLUMNS_WIDE, Marks { copy: 0, duplicate: true }));
        assert!(wide.starts_with("<POSSIBLE DUPLICATE\n<Cafe Harbour\n") && !wide.contains("COPY"), "{wide}");
    }

    #[test]
    fn a_document_is_kept_and_read_again() {
        let json = serde_json::to_string(&document()).unwrap();
        assert!(json.starts_with(r#"[{"large":"Café Harbour"},{"centred":"1 Pier"},"rule",{"pair":["2 x"#), "{json}");
        assert_eq!(serde_json::from_str::<Document>(&json).unwrap(), document());
    }
}
