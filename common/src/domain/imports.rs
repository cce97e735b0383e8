//! Past sales of another system, brought in as they were.
//!
//! What the old system did not say is unknown, not zero: tax, tender and staff. An imported ticket has no receipt number
//! of ours and moves no stock.

use crate::ids::TicketId;
use crate::money::{Currency, Minor, MoneyOverflow};

/// What an imported line sold, in the old system's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyItem {
    /// Number or code of the product there.
    pub id: String,
    /// Name of the product there.
    pub name: String,
    /// Category of the product there.
    pub category: String,
}

/// A line of an imported ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedLine {
    /// Id of the row it came from, unique within the source.
    pub row: String,
    /// What was sold.
    pub item: LegacyItem,
    /// How many, 1 and up.
    pub quantity: u32,
    /// Price of one.
    pub unit_price: Minor,
}

impl ImportedLine {
    /// What the line came to.
    ///
    /// # Errors
    /// [`MoneyOverflow`] if that does not fit.
    pub fn total(&self) -> Result<Minor, MoneyOverflow> {
        self.unit_price.times(i64::from(self.quantity))
    }

    /// A hash over everything the line says and when it was sold, to tell the same row from another with its id.
    #[must_use]
    pub fn content_hash(&self, local: &str) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_derive_key("percolate 2026 content of an imported line");
        let price = self.unit_price.get().to_be_bytes();
        let quantity = self.quantity.to_be_bytes();
        for part in [
            local.as_bytes(),
            self.row.as_bytes(),
            self.item.id.as_bytes(),
            self.item.name.as_bytes(),
            self.item.category.as_bytes(),
            &quantity,
            &price,
        ] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut hash = [0_u8; 16];
        hash.copy_from_slice(hasher.finalize().as_bytes().split_at(16).0);
        hash
    }
}

/// A ticket of another system was brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketImported {
    /// Its id, derived from source, store and local time.
    pub id: TicketId,
    /// Which system or file it came from.
    pub source: String,
    /// What the amounts are in.
    pub currency: Currency,
    /// What was sold, in the order of the rows.
    pub lines: Vec<ImportedLine>,
}

/// Lines came later for a ticket that was imported before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportAmended {
    /// The ticket they belong to.
    pub id: TicketId,
    /// Which system or file they came from.
    pub source: String,
    /// What the amounts are in.
    pub currency: Currency,
    /// The lines that are new.
    pub lines: Vec<ImportedLine>,
}

/// Lines of one imported basket.
pub const IMPORT_LINES_MAX: usize = 200;
/// Units on one imported line.
pub const IMPORT_QUANTITY_MAX: u32 = 100_000;
/// Highest imported unit price, in minor units: 1,000,000.00 dollars.
pub const IMPORT_PRICE_MINOR_MAX: i64 = 100_000_000;
/// Bytes of any text of an imported line.
pub const IMPORT_TEXT_BYTES_MAX: usize = 200;

/// A line that cannot be brought in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportRejection {
    /// None, or too many.
    #[error("a basket has 1 to {IMPORT_LINES_MAX} lines, this one has {0}")]
    LineCount(usize),
    /// Zero or absurd.
    #[error("quantity {quantity} of row {row} is out of range: 1 to {IMPORT_QUANTITY_MAX} is expected")]
    Quantity {
        /// The row.
        row: String,
        /// What it says.
        quantity: u32,
    },
    /// Negative or absurd.
    #[error("unit price {price} of row {row} is out of range: 0 to {IMPORT_PRICE_MINOR_MAX} minor units is expected")]
    Price {
        /// The row.
        row: String,
        /// What it says.
        price: i64,
    },
    /// Empty where it must not be, or too long.
    #[error("{field} of row {row:?} is empty, longer than {IMPORT_TEXT_BYTES_MAX} bytes, or holds control characters")]
    Text {
        /// The row.
        row: String,
        /// Which text.
        field: &'static str,
    },
}

/// Checks one line's ranges.
///
/// # Errors
/// [`ImportRejection`] for the first value out of range.
pub fn check_line(line: &ImportedLine) -> Result<(), ImportRejection> {
    let texts = [
        ("transaction_id", &line.row, true),
        ("product_id", &line.item.id, true),
        ("product_detail", &line.item.name, false),
        ("product_category", &line.item.category, false),
    ];
    for (field, text, required) in texts {
        let bad = (required && text.trim().is_empty())
            || text.len() > IMPORT_TEXT_BYTES_MAX
            || text.chars().any(char::is_control);
        if bad {
            return Err(ImportRejection::Text { row: line.row.clone(), field });
        }
    }
    if !(1..=IMPORT_QUANTITY_MAX).contains(&line.quantity) {
        return Err(ImportRejection::Quantity { row: line.row.clone(), quantity: line.quantity });
    }
    if !(0..=IMPORT_PRICE_MINOR_MAX).contains(&line.unit_price.get()) {
        return Err(ImportRejection::Price { row: line.row.clone(), price: line.unit_price.get() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> ImportedLine {
        ImportedLine {
            row: "1".to_owned(),
            item: LegacyItem { id: "32".to_owned(), name: "Ethiopia Rg".to_owned(), category: "Coffee".to_owned() },
            quantity: 2,
            unit_price: Minor::new(300),
        }
    }

    #[test]
    fn content_hash_sees_every_field_and_no_field_runs_into_the_next() {
        let base = line().content_hash("2023-01-01 07:06:11");
        let changes: [fn(&mut ImportedLine); 6] = [
            |l| l.row.push('0'),
            |l| l.item.id.push('0'),
            |l| l.item.name.push('x'),
            |l| l.item.category.push('x'),
            |l| l.quantity += 1,
            |l| l.unit_price = Minor::new(301),
        ];
        for change in changes {
            let mut other = line();
            change(&mut other);
            assert_ne!(other.content_hash("2023-01-01 07:06:11"), base);
        }
        let mut shifted = line();
        shifted.row = "13".to_owned();
        shifted.item.id = "2".to_owned();
        assert_ne!(shifted.content_hash("2023-01-01 07:06:11"), base);
        assert_ne!(line().content_hash("2023-01-02 07:06:11"), base, "another moment is another sale");
    }

    #[test]
    fn lines_out_of_range_are_refused() {
        assert_eq!(check_line(&line()), Ok(()));
        let broken = |change: fn(&mut ImportedLine)| {
            let mut other = line();
            change(&mut other);
            check_line(&other)
        };
        assert_eq!(broken(|l| l.item.name = "x".repeat(IMPORT_TEXT_BYTES_MAX)), Ok(()));
        let long = "x".repeat(IMPORT_TEXT_BYTES_MAX + 1);
        let refused = |field| Err(ImportRejection::Text { row: "1".to_owned(), field });
        assert_eq!(
            check_line(&ImportedLine { item: LegacyItem { name: long, ..line().item }, ..line() }),
            refused("product_detail")
        );
        assert!(matches!(broken(|l| l.quantity = 0), Err(ImportRejection::Quantity { .. })));
        assert!(matches!(broken(|l| l.unit_price = Minor::new(-1)), Err(ImportRejection::Price { .. })));
        assert!(matches!(
            broken(|l| l.item.id = String::new()),
            Err(ImportRejection::Text { field: "product_id", .. })
        ));
        assert!(matches!(broken(|l| l.item.name = "x\u{7}".to_owned()), Err(ImportRejection::Text { .. })));
    }
}
