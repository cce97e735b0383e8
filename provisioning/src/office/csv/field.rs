//! A line as what the hub is told. What it means is the hub's to judge; here it is only read.

use serde_json::{Map, Value, json};

use super::table::{Column, Form, Kind, Line, STORE_COLUMN};

/// Minutes of a day.
const DAY_MINUTES: u64 = 24 * 60;
/// The days, from 1.
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Letters by which a day is known.
const DAY_LETTERS: usize = 3;
/// Characters of a cell that are shown.
const SHOWN_CHARS_MAX: usize = 40;

/// What was read of a line.
#[derive(Debug)]
pub(super) struct Read {
    /// Whose it is, if that can be read.
    pub(super) store: Option<u32>,
    pub(super) entry: Map<String, Value>,
    /// Column, code and reason of what cannot be read.
    pub(super) faults: Vec<(&'static str, &'static str, String)>,
}

/// Reads a line.
pub(super) fn read_row(kind: &'static Kind, line: &Line) -> Read {
    let mut read = Read { store: None, entry: Map::new(), faults: Vec::new() };
    let store = line.store.as_deref().unwrap_or_default();
    read.store = store.parse().ok().filter(|store| *store > 0);
    let Some(cells) = &line.cells else {
        read.faults.push((
            "",
            "column_count",
            "it has more or fewer cells than the header, or is no UTF-8 text".to_owned(),
        ));
        return read;
    };
    if read.store.is_none() {
        let said = format!("{}a shop has a number from 1", quoted(kind, store));
        read.faults.push((STORE_COLUMN, "malformed", said));
    }
    for (column, cell) in kind.columns.iter().zip(cells) {
        match value(column, cell) {
            Ok(Some(value)) => {
                read.entry.insert(column.field.to_owned(), value);
            }
            Ok(None) => {}
            Err(_) if cell.is_empty() => read.faults.push((column.name, "missing", "nothing stands there".to_owned())),
            Err(expected) => {
                let said = format!("{}{expected}", quoted(kind, cell));
                read.faults.push((column.name, "malformed", said));
            }
        }
    }
    after_midnight(&mut read.entry);
    read
}

/// What stands there, where that may be shown.
fn quoted(kind: &Kind, cell: &str) -> String {
    if !kind.is_shown {
        return String::new();
    }
    let start: String = cell.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{start:?}: ")
}

/// What a cell says, or what is expected there.
fn value(column: &Column, cell: &str) -> Result<Option<Value>, &'static str> {
    let some = |value: Option<Value>, expected| value.map(Some).ok_or(expected);
    match column.form {
        Form::Text if cell.is_empty() && column.needed => Err("a text is expected"),
        Form::Text => Ok(Some(json!(cell))),
        Form::Number if cell.is_empty() && !column.needed => Ok(None),
        Form::Number => some(number(cell).map(|number| json!(number)), "a whole number is expected"),
        Form::Quantity => {
            some(quantity(cell), "a whole number of the item's base unit is expected: pieces, mg or microlitres")
        }
        Form::Weekday => {
            some(weekday(cell).map(|day| json!(day)), "a day is expected: 1 is Monday, 7 is Sunday; or its name")
        }
        Form::Time => some(time(cell).map(|minute| json!(minute)), "a time is expected, from 00:00 to 24:00"),
        Form::Truth => some(truth(cell).map(|truth| json!(truth)), "yes or no is expected"),
        Form::Words => Ok(Some(json!(cell.split_whitespace().collect::<Vec<_>>()))),
        Form::Word if cell.is_empty() => Ok(None),
        Form::Word => Ok(Some(json!(cell))),
    }
}

/// Digits and nothing else; what is too large for the hub it says itself.
fn number(cell: &str) -> Option<u32> {
    let is_digits = !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
    cell.parse().ok().filter(|_| is_digits)
}

fn quantity(cell: &str) -> Option<Value> {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let is_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let read: i64 = cell.parse().ok().filter(|_| is_digits)?;
    Some(json!(read))
}

fn weekday(cell: &str) -> Option<u32> {
    if let Some(number) = number(cell) {
        return Some(number).filter(|number| *number <= u32::from(u8::MAX));
    }
    let typed = cell.to_ascii_lowercase();
    let at = DAYS.iter().position(|day| typed.len() >= DAY_LETTERS && day.starts_with(&typed))?;
    u32::try_from(at + 1).ok()
}

fn time(cell: &str) -> Option<u64> {
    let (hour, minute) = cell.split_once(':')?;
    let two = |text: &str| number(text).filter(|_| text.len() == 2).map(u64::from);
    // Midnight has a name at the end of a day, too.
    let hour = if hour.len() == 1 { number(hour).map(u64::from) } else { two(hour) }?;
    let minute = two(minute).filter(|minute| *minute < 60)?;
    Some(hour * 60 + minute).filter(|minutes| *minutes <= DAY_MINUTES)
}

fn truth(cell: &str) -> Option<bool> {
    match cell.to_ascii_lowercase().as_str() {
        "" | "0" | "no" | "false" => Some(false),
        "1" | "yes" | "true" => Some(true),
        _ => None,
    }
}

/// A shop that closes no later than it opens closes on the next day.
fn after_midnight(entry: &mut Map<String, Value>) {
    let minute = |field: &str| entry.get(field).and_then(Value::as_u64);
    let (Some(opens), Some(closes)) = (minute("opens_minute"), minute("closes_minute")) else { return };
    if closes <= opens {
        entry.insert("closes_minute".to_owned(), json!(closes + DAY_MINUTES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_days_and_truths_are_read_as_people_write_them() {
        let times = ["00:00", "6:30", "06:30", "23:59", "24:00"].map(time);
        assert_eq!(times, [Some(0), Some(390), Some(390), Some(1_439), Some(1_440)]);
        assert_eq!(["", "6", "24:01", "12:60", "1:2", "-1:00", "12:00:00"].map(time), [None; 7]);
        assert_eq!(["1", "7", "9", "Mon", "sunday", "THURS"].map(weekday), [1, 7, 9, 1, 7, 4].map(Some));
        assert_eq!(["", "M", "Mo", "someday", "300"].map(weekday), [None; 5]);
        assert_eq!(
            ["", "no", "Yes", "1", "maybe"].map(truth),
            [Some(false), Some(false), Some(true), Some(true), None]
        );
    }

    #[test]
    fn numbers_have_digits_alone_and_quantities_a_sign() {
        assert_eq!(["7", "+7", "7.0", "1e3", "", "4294967296"].map(number), [Some(7), None, None, None, None, None]);
        assert_eq!(quantity("-5"), Some(json!(-5)));
        assert_eq!(["1.5", "--5", "+5", "-", "99999999999999999999"].map(quantity), [None, None, None, None, None]);
    }

    #[test]
    fn a_shop_that_closes_after_midnight_closes_on_the_next_day() {
        let closed = |opens: u64, closes: u64| {
            let mut entry = Map::new();
            entry.insert("opens_minute".to_owned(), json!(opens));
            entry.insert("closes_minute".to_owned(), json!(closes));
            after_midnight(&mut entry);
            entry.get("closes_minute").and_then(Value::as_u64)
        };
        assert_eq!((closed(360, 1_320), closed(1_080, 120), closed(0, 0)), (Some(1_320), Some(1_560), Some(1_440)));
    }
}
