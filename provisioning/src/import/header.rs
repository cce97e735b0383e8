//! The first line: which column stands where. Columns are found by name; their order and further columns do not matter.

use super::record::{Fields, QuoteError};

/// A column that an import reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Id of the line.
    TransactionId,
    /// Local date.
    TransactionDate,
    /// Local time, to the second.
    TransactionTime,
    /// How many.
    TransactionQty,
    /// The shop's number in the old system.
    StoreId,
    /// The product's number.
    ProductId,
    /// Price of one.
    UnitPrice,
    /// The product's category.
    ProductCategory,
    /// The product's name.
    ProductDetail,
}

impl Column {
    /// All of them, in the order of the published format.
    pub const ALL: [Self; 9] = [
        Self::TransactionId,
        Self::TransactionDate,
        Self::TransactionTime,
        Self::TransactionQty,
        Self::StoreId,
        Self::ProductId,
        Self::UnitPrice,
        Self::ProductCategory,
        Self::ProductDetail,
    ];

    /// The name in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransactionId => "transaction_id",
            Self::TransactionDate => "transaction_date",
            Self::TransactionTime => "transaction_time",
            Self::TransactionQty => "transaction_qty",
            Self::StoreId => "store_id",
            Self::ProductId => "product_id",
            Self::UnitPrice => "unit_price",
            Self::ProductCategory => "product_category",
            Self::ProductDetail => "product_detail",
        }
    }
}

/// The columns that a quarantine file has in front. An import ignores them, so that a corrected file can be imported.
pub const QUARANTINE_COLUMNS: [&str; 4] =
    ["quarantine_row", "quarantine_column", "quarantine_code", "quarantine_reason"];

/// A first line that is not the header of this format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not text.
    #[error("the first line is not UTF-8 text: name a CSV file, plain or gzip")]
    NotText,
    /// Absurdly long.
    #[error("the first line does not end: name a CSV file with line breaks")]
    TooLong,
    /// Quotes that do not add up.
    #[error("the header cannot be read")]
    Quotes(#[from] QuoteError),
    /// Columns that are needed.
    #[error("the header lacks {}{}: the first line must name the columns", columns.join(", "), hint(*separator))]
    Missing {
        /// Which.
        columns: Vec<&'static str>,
        /// What else seems to separate the columns.
        separator: Option<char>,
    },
    /// A column that is there twice.
    #[error("the header names {column} twice: remove or rename one of the two columns")]
    Twice {
        /// Which.
        column: &'static str,
    },
}

fn hint(separator: Option<char>) -> String {
    match separator {
        None => String::new(),
        Some('\t') => " (its columns seem to be separated by tabs; commas are expected)".to_owned(),
        Some(other) => format!(" (its columns seem to be separated by {other:?}; commas are expected)"),
    }
}

/// Where each column stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    names: Vec<String>,
    positions: [usize; Column::ALL.len()],
    own_start: usize,
}

impl Header {
    /// Reads the first line.
    ///
    /// # Errors
    /// [`HeaderError`] if a column is missing or there twice, or the line is no header at all.
    pub fn read(line: &[u8]) -> Result<Self, HeaderError> {
        let text = std::str::from_utf8(line).map_err(|_not_text| HeaderError::NotText)?;
        if text.contains('\0') {
            return Err(HeaderError::NotText);
        }
        let mut fields = Fields::default();
        fields.read(text)?;
        let names: Vec<String> = fields.iter().map(|name| name.trim().to_owned()).collect();
        let mut positions = [0; Column::ALL.len()];
        let mut missing = Vec::new();
        for (position, column) in positions.iter_mut().zip(Column::ALL) {
            let mut found = names.iter().enumerate().filter(|(_, name)| name.eq_ignore_ascii_case(column.as_str()));
            match (found.next(), found.next()) {
                (Some((at, _)), None) => *position = at,
                (None, _) => missing.push(column.as_str()),
                (Some(_), Some(_)) => return Err(HeaderError::Twice { column: column.as_str() }),
            }
        }
        if !missing.is_empty() {
            let separator = [';', '\t', '|'].into_iter().find(|c| names.len() == 1 && text.contains(*c));
            return Err(HeaderError::Missing { columns: missing, separator });
        }
        let own_start = if names.iter().zip(QUARANTINE_COLUMNS).filter(|(name, front)| name == front).count()
            == QUARANTINE_COLUMNS.len()
        {
            QUARANTINE_COLUMNS.len()
        } else {
            0
        };
        Ok(Self { names, positions, own_start })
    }

    /// How many fields a row has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no column; never so for a header that was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A column's field of a row, without blanks around it.
    #[must_use]
    pub fn field<'a>(&self, fields: &'a Fields, column: Column) -> &'a str {
        let position = self.positions.get(column as usize).copied().unwrap_or(usize::MAX);
        fields.get(position).unwrap_or_default().trim()
    }

    /// How many columns of an earlier quarantine stand in front of the file's own.
    #[must_use]
    pub fn own_start(&self) -> usize {
        self.own_start
    }

    /// The names of the file's own columns, as they are spelt there.
    pub fn own_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().skip(self.own_start).map(String::as_str)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The header of the published format.
    pub(in crate::import) const PUBLISHED: &str = "transaction_id,transaction_date,transaction_time,transaction_qty,\
        store_id,store_location,product_id,unit_price,product_category,product_type,product_detail";

    #[test]
    fn columns_are_found_by_name_in_any_order_and_further_ones_are_ignored() {
        let mut names: Vec<&str> = PUBLISHED.split(',').rev().collect();
        names.insert(3, "loyalty_card");
        names[0] = " Product_Detail ";
        let header = Header::read(names.join(",").as_bytes()).unwrap();
        let mut fields = Fields::default();
        fields.read("Ethiopia Rg,Brewed,Coffee,x,3.00,32,Here,5, 2 ,07:06:11,2023-01-01,1").unwrap();
        assert_eq!(header.len(), 12);
        let read = Column::ALL.map(|column| header.field(&fields, column).to_owned());
        assert_eq!(read, ["1", "2023-01-01", "07:06:11", "2", "5", "32", "3.00", "Coffee", "Ethiopia Rg"]);
    }

    #[test]
    fn every_missing_column_is_named_and_a_double_one_too() {
        let without = PUBLISHED.replace("transaction_id,", "").replace("unit_price,", "");
        let columns = vec!["transaction_id", "unit_price"];
        assert_eq!(Header::read(without.as_bytes()), Err(HeaderError::Missing { columns, separator: None }));
        let double = format!("{PUBLISHED},store_id");
        assert_eq!(Header::read(double.as_bytes()), Err(HeaderError::Twice { column: "store_id" }));
        let semicolons = PUBLISHED.replace(',', ";");
        let refusal = Header::read(semicolons.as_bytes()).unwrap_err();
        assert!(refusal.to_string().contains("separated by ';'"), "{refusal}");
    }

    #[test]
    fn what_is_no_header_is_refused() {
        assert_eq!(Header::read(b"\xFF\xFE\x00"), Err(HeaderError::NotText));
        assert_eq!(Header::read(b"a\0b"), Err(HeaderError::NotText));
        assert!(matches!(Header::read(b"\"open"), Err(HeaderError::Quotes(_))));
    }

    #[test]
    fn the_columns_of_an_earlier_quarantine_are_not_the_files_own() {
        let again = format!("{},{PUBLISHED}", QUARANTINE_COLUMNS.join(","));
        let header = Header::read(again.as_bytes()).unwrap();
        assert_eq!(header.own_names().collect::<Vec<_>>().join(","), PUBLISHED);
        assert_eq!(Header::read(PUBLISHED.as_bytes()).unwrap().own_start(), 0);
    }
}
