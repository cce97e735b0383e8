//! One row: from its fields to a sold line, or to the reason why it cannot be one.

use percolate_common::domain::imports::{ImportRejection, ImportedLine, LegacyItem, check_line};
use percolate_common::money::{Currency, DecimalError, Minor};
use percolate_common::time::{BusinessDay, LocalTimeError, StoreCalendar};

use super::header::{Column, Header};
use super::lines::{Extent, LINE_BYTES_MAX};
use super::record::Fields;

/// Why a row was set aside: for programs, and stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultCode {
    /// Not UTF-8.
    NotText,
    /// Longer than a line may be.
    LineTooLong,
    /// Quotes that do not add up.
    QuoteMalformed,
    /// More or fewer fields than the header.
    ColumnCount,
    /// A text that is empty, too long or holds control characters.
    TextInvalid,
    /// Not a day.
    DateMalformed,
    /// Not a time of day.
    TimeMalformed,
    /// The clocks went forward over it.
    LocalTimeSkipped,
    /// Not a whole number.
    QuantityMalformed,
    /// Zero, negative or absurd.
    QuantityOutOfRange,
    /// Not an amount.
    PriceMalformed,
    /// A fraction of a cent.
    PriceTooFine,
    /// Negative or absurd.
    PriceOutOfRange,
    /// A shop that no `--map` names.
    StoreNotMapped,
    /// Another row has this id and other content.
    ConflictingRows,
    /// More lines at one second than a ticket can have.
    BasketTooLarge,
}

impl FaultCode {
    /// The code in the quarantine file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotText => "not_text",
            Self::LineTooLong => "line_too_long",
            Self::QuoteMalformed => "quote_malformed",
            Self::ColumnCount => "column_count",
            Self::TextInvalid => "text_invalid",
            Self::DateMalformed => "date_malformed",
            Self::TimeMalformed => "time_malformed",
            Self::LocalTimeSkipped => "local_time_skipped",
            Self::QuantityMalformed => "quantity_malformed",
            Self::QuantityOutOfRange => "quantity_out_of_range",
            Self::PriceMalformed => "price_malformed",
            Self::PriceTooFine => "price_too_fine",
            Self::PriceOutOfRange => "price_out_of_range",
            Self::StoreNotMapped => "store_not_mapped",
            Self::ConflictingRows => "conflicting_rows",
            Self::BasketTooLarge => "basket_too_large",
        }
    }
}

/// Why a row was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The column at fault; empty if it is the row as a whole.
    pub column: &'static str,
    /// For programs: one of [`FaultCode`], or what a store said.
    pub code: String,
    /// For people: what is wrong and what to do.
    pub reason: String,
}

impl Fault {
    /// A fault of one column, or of the row as a whole.
    pub(super) fn new(column: Option<Column>, code: FaultCode, reason: impl Into<String>) -> Self {
        Self { column: column.map_or("", Column::as_str), code: code.as_str().to_owned(), reason: reason.into() }
    }
}

/// A shop of the file and the store that takes its sales over.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Its number in the file.
    pub theirs: String,
    /// Its number here.
    pub store: u32,
    /// Its name here.
    pub name: String,
    /// Its zone and cut-over hour.
    pub calendar: StoreCalendar,
    /// What its prices are in.
    pub currency: Currency,
}

/// When a line was sold, in the shop's local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalMoment {
    /// The date.
    pub date: BusinessDay,
    /// Seconds since midnight on the shop's wall.
    pub second: u32,
}

impl LocalMoment {
    /// The date as `YYYY-MM-DD`.
    #[must_use]
    pub fn date_text(self) -> String {
        self.date.to_string()
    }

    /// The time as `HH:MM:SS`.
    #[must_use]
    pub fn time_text(self) -> String {
        format!("{:02}:{:02}:{:02}", self.second / 3_600, self.second / 60 % 60, self.second % 60)
    }
}

/// Reads rows; its buffers are used again from row to row.
#[derive(Debug)]
pub struct RowReader<'a> {
    header: &'a Header,
    shops: &'a [Shop],
    fields: Fields,
    line: ImportedLine,
}

/// A row that can be imported.
#[derive(Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Position of its shop among the shops.
    pub shop: usize,
    /// When it was sold.
    pub moment: LocalMoment,
    /// What was sold.
    pub line: &'a ImportedLine,
}

impl<'a> RowReader<'a> {
    /// A reader of rows under this header, for these shops.
    #[must_use]
    pub fn new(header: &'a Header, shops: &'a [Shop]) -> Self {
        let item = LegacyItem { id: String::new(), name: String::new(), category: String::new() };
        let line = ImportedLine { row: String::new(), item, quantity: 0, unit_price: Minor::ZERO };
        Self { header, shops, fields: Fields::default(), line }
    }

    /// The fields of the row that was read last; none if they could not be told apart.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Reads one row.
    ///
    /// # Errors
    /// [`Fault`] for the first thing that is wrong with it, from left to right in the published order of columns.
    pub fn read(&mut self, bytes: &[u8], extent: Extent) -> Result<Row<'_>, Fault> {
        self.divide(bytes, extent)?;
        let (header, fields) = (self.header, &self.fields);
        let field = |column| header.field(fields, column);
        let shop_at = self.shops.iter().position(|shop| shop.theirs == field(Column::StoreId));
        let Some((at, shop)) = shop_at.and_then(|at| self.shops.get(at).map(|shop| (at, shop))) else {
            let theirs = field(Column::StoreId);
            let reason = format!("shop {theirs:?} is not mapped to a store: add --map {theirs}=<store>");
            return Err(Fault::new(Some(Column::StoreId), FaultCode::StoreNotMapped, reason));
        };
        let moment = moment(&shop.calendar, field(Column::TransactionDate), field(Column::TransactionTime))?;
        let quantity = quantity(field(Column::TransactionQty))?;
        let unit_price = price(field(Column::UnitPrice), shop.currency)?;
        let line = &mut self.line;
        set(&mut line.row, header.field(fields, Column::TransactionId));
        set(&mut line.item.id, header.field(fields, Column::ProductId));
        set(&mut line.item.name, header.field(fields, Column::ProductDetail));
        set(&mut line.item.category, header.field(fields, Column::ProductCategory));
        (line.quantity, line.unit_price) = (quantity, unit_price);
        check_line(line).map_err(|rejection| refused(&rejection))?;
        Ok(Row { shop: at, moment, line: &self.line })
    }

    fn divide(&mut self, bytes: &[u8], extent: Extent) -> Result<(), Fault> {
        self.fields.clear();
        let whole_row = |code, reason: String| Fault::new(None, code, reason);
        if extent == Extent::Cut {
            let reason = format!("the line is longer than {LINE_BYTES_MAX} bytes; only its beginning is kept here");
            return Err(whole_row(FaultCode::LineTooLong, reason));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to() + 1;
            whole_row(FaultCode::NotText, format!("byte {at} of the line is not UTF-8: save the file as UTF-8"))
        })?;
        self.fields.read(text).map_err(|error| whole_row(FaultCode::QuoteMalformed, error.to_string()))?;
        if self.fields.len() != self.header.len() {
            let (given, expected) = (self.fields.len(), self.header.len());
            let reason = format!("the row has {given} columns, the header has {expected}: restore what is missing");
            return Err(whole_row(FaultCode::ColumnCount, reason));
        }
        Ok(())
    }
}

fn set(text: &mut String, value: &str) {
    text.clear();
    text.push_str(value);
}

fn moment(calendar: &StoreCalendar, date: &str, time: &str) -> Result<LocalMoment, Fault> {
    let day: BusinessDay = date
        .parse()
        .map_err(|error| Fault::new(Some(Column::TransactionDate), FaultCode::DateMalformed, format!("{error}")))?;
    let of_time = |code, reason: String| Fault::new(Some(Column::TransactionTime), code, reason);
    calendar.resolve_local(date, time).map_err(|error| match error {
        LocalTimeError::Malformed(_) => {
            let reason = format!("{time:?} is not a time of day: HH:MM:SS is expected, as in 07:06:11");
            of_time(FaultCode::TimeMalformed, reason)
        }
        LocalTimeError::Skipped(_) => {
            let reason = format!("{error} in {}: correct the time", calendar.zone_name());
            of_time(FaultCode::LocalTimeSkipped, reason)
        }
    })?;
    let part = |at: usize| time.get(at..at + 2).and_then(|two| two.parse::<u32>().ok()).unwrap_or(0);
    Ok(LocalMoment { date: day, second: part(0) * 3_600 + part(3) * 60 + part(6) })
}

fn quantity(text: &str) -> Result<u32, Fault> {
    let fault = |code, reason: String| Fault::new(Some(Column::TransactionQty), code, reason);
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let reason = format!("{text:?} is not a quantity: a whole number is expected, as in 2");
        return Err(fault(FaultCode::QuantityMalformed, reason));
    }
    text.parse().map_err(|_negative_or_huge| {
        let reason = format!("quantity {text} is out of range: 1 or more is expected; returns are not imported");
        fault(FaultCode::QuantityOutOfRange, reason)
    })
}

fn price(text: &str, currency: Currency) -> Result<Minor, Fault> {
    Minor::from_decimal(text, currency).map_err(|error| {
        let code = match &error {
            DecimalError::Malformed(_) => FaultCode::PriceMalformed,
            DecimalError::TooFine { .. } => FaultCode::PriceTooFine,
            DecimalError::OutOfRange(_) => FaultCode::PriceOutOfRange,
        };
        let more = if code == FaultCode::PriceOutOfRange { ": correct the price" } else { "" };
        Fault::new(Some(Column::UnitPrice), code, format!("{error}{more}"))
    })
}

fn refused(rejection: &ImportRejection) -> Fault {
    let text_column = |field: &str| Column::ALL.into_iter().find(|column| column.as_str() == field);
    let (column, code) = match rejection {
        ImportRejection::Quantity { .. } => (Some(Column::TransactionQty), FaultCode::QuantityOutOfRange),
        ImportRejection::Price { .. } => (Some(Column::UnitPrice), FaultCode::PriceOutOfRange),
        ImportRejection::Text { field, .. } => (text_column(field), FaultCode::TextInvalid),
        ImportRejection::LineCount(_) => (None, FaultCode::BasketTooLarge),
    };
    Fault::new(column, code, format!("{rejection}: correct it"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::header::tests::PUBLISHED;
    use super::*;

    /// Shops 3, 5 and 8 of the published file as stores 1, 2 and 3.
    pub(in crate::import) fn shops() -> Vec<Shop> {
        [("3", 1), ("5", 2), ("8", 3)]
            .into_iter()
            .map(|(theirs, store)| Shop {
                theirs: theirs.to_owned(),
                store,
                name: format!("Store {store}"),
                calendar: StoreCalendar::new("America/New_York", 4).unwrap(),
                currency: Currency::USD,
            })
            .collect()
    }

    fn header() -> Header {
        Header::read(PUBLISHED.as_bytes()).unwrap()
    }

    fn read(line: &[u8]) -> Result<(usize, LocalMoment, ImportedLine), Fault> {
        let (header, shops) = (header(), shops());
        let mut reader = RowReader::new(&header, &shops);
        reader.read(line, Extent::Whole).map(|row| (row.shop, row.moment, row.line.clone()))
    }

    fn fault(line: &str) -> (String, &'static str) {
        let fault = read(line.as_bytes()).unwrap_err();
        assert!(fault.reason.contains(": "), "says what to do: {}", fault.reason);
        (fault.code, fault.column)
    }

    #[test]
    fn a_published_row_is_read_exactly() {
        let line = b"1,2023-01-01,07:06:11,2,5,Lower Manhattan,32,3.00,Coffee,\"Gourmet, brewed\",Ethiopia Rg";
        let (shop, moment, line) = read(line).unwrap();
        assert_eq!((shop, moment.date_text(), moment.time_text()), (1, "2023-01-01".into(), "07:06:11".into()));
        assert_eq!((line.row.as_str(), line.quantity, line.unit_price.get()), ("1", 2, 300));
        let item = LegacyItem { id: "32".into(), name: "Ethiopia Rg".into(), category: "Coffee".into() };
        assert_eq!(line.item, item);
    }

    #[test]
    fn every_fault_has_its_code_and_its_column() {
        let row = |change: fn(&mut [&str])| {
            let mut fields = ["1", "2023-01-01", "07:06:11", "2", "5", "X", "32", "3.00", "Coffee", "Y", "Ethiopia"];
            change(&mut fields);
            fault(&fields.join(","))
        };
        let found = |code: &str, column| (code.to_owned(), column);
        assert_eq!(row(|f| f[1] = "2023-13-01"), found("date_malformed", "transaction_date"));
        assert_eq!(row(|f| f[1] = "01/02/2023"), found("date_malformed", "transaction_date"));
        assert_eq!(row(|f| f[2] = "7:06:11"), found("time_malformed", "transaction_time"));
        assert_eq!(row(|f| f[2] = "24:00:00"), found("time_malformed", "transaction_time"));
        let skipped = row(|f| (f[1], f[2]) = ("2023-03-12", "02:30:00"));
        assert_eq!(skipped, found("local_time_skipped", "transaction_time"));
        assert_eq!(row(|f| f[3] = "-1"), found("quantity_out_of_range", "transaction_qty"));
        assert_eq!(row(|f| f[3] = "0"), found("quantity_out_of_range", "transaction_qty"));
        assert_eq!(row(|f| f[3] = "99999999999"), found("quantity_out_of_range", "transaction_qty"));
        assert_eq!(row(|f| f[3] = "2.0"), found("quantity_malformed", "transaction_qty"));
        assert_eq!(row(|f| f[3] = ""), found("quantity_malformed", "transaction_qty"));
        assert_eq!(row(|f| f[4] = "77"), found("store_not_mapped", "store_id"));
        assert_eq!(row(|f| f[6] = " "), found("text_invalid", "product_id"));
        assert_eq!(row(|f| f[7] = "$3"), found("price_malformed", "unit_price"));
        assert_eq!(row(|f| f[7] = "3.105"), found("price_too_fine", "unit_price"));
        assert_eq!(row(|f| f[7] = "-3.00"), found("price_out_of_range", "unit_price"));
        assert_eq!(row(|f| f[7] = "99999999999999999999"), found("price_out_of_range", "unit_price"));
        assert_eq!(row(|f| f[10] = "a\tb"), found("text_invalid", "product_detail"));
        assert_eq!(row(|f| f[0] = ""), found("text_invalid", "transaction_id"));
        assert_eq!(row(|f| f[10] = "\"open"), found("quote_malformed", ""));
    }

    #[test]
    fn a_row_that_cannot_be_divided_is_a_fault_of_the_whole_row() {
        assert_eq!(fault("10,2023-01-01,07:00:00,1"), ("column_count".to_owned(), ""));
        let not_text = read(b"1,2023-01-01,07:06:11,2,5,X,32,3.00,Caf\xE9,Y,Z").unwrap_err();
        assert!(not_text.code == "not_text" && not_text.reason.starts_with("byte 40 "), "{not_text:?}");
        let (header, shops) = (header(), shops());
        let cut = RowReader::new(&header, &shops).read(b"1,2", Extent::Cut).unwrap_err();
        assert_eq!(cut.code, "line_too_long");
    }

    #[test]
    fn a_repeated_local_time_is_no_fault() {
        let line = b"4,2023-11-05,01:30:00,1,8,Hell's Kitchen,57,3.10,Tea,Chai,Spicy Lg";
        assert_eq!(read(line).unwrap().1.time_text(), "01:30:00");
    }
}
