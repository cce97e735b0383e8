//! Reports as CSV (RFC 4180): for spreadsheets, which must not be given formulas.
//!
//! After the rows come comment lines: what was asked for, and how complete each store's part is.

use std::fmt::Write as _;

use percolate_common::time::UtcMillis;

use super::completeness::CompletenessMark;
use super::reports::{RowSums, SalesReport, SalesSums, StockReport};

/// A text cell: quoted where it must be, and never one that a spreadsheet would run.
fn cell(text: &str) -> String {
    let runs = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let safe = if runs { format!("'{text}") } else { text.to_owned() };
    if safe.contains([',', '"', '\n', '\r']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

fn record(text: &mut String, cells: &[&str]) {
    text.push_str(&cells.join(","));
    text.push_str("\r\n");
}

/// A comment is one field of one line, whatever a name holds: nothing in it needs quotes.
fn comment(text: &mut String, words: &str) {
    let plain = |c: char| match c {
        ',' => ';',
        '"' => '\'',
        c if c.is_control() => ' ',
        c => c,
    };
    text.push_str("# ");
    text.extend(words.chars().map(plain));
    text.push_str("\r\n");
}

/// What a row has none of is an empty cell.
fn row_sums(sums: &RowSums) -> String {
    let RowSums { tickets, lines, units, net_minor, tax_minor, total_minor, tax_unknown_tickets } = sums;
    let or_empty = |amount: &Option<i64>| amount.map(|amount| amount.to_string()).unwrap_or_default();
    let (tax, total) = (or_empty(tax_minor), or_empty(total_minor));
    format!("{tickets},{lines},{units},{net_minor},{tax},{total},{tax_unknown_tickets}")
}

fn sums(sums: &SalesSums) -> String {
    let SalesSums { tickets, lines, units, net_minor, tax_minor, total_minor, tax_unknown_tickets } = sums;
    format!("{tickets},{lines},{units},{net_minor},{tax_minor},{total_minor},{tax_unknown_tickets}")
}

/// How complete a store's figures are.
fn mark(text: &mut String, mark: &CompletenessMark) {
    let mut words = format!("store {} complete through", mark.store);
    if mark.complete_through.is_empty() {
        words.push_str(" nothing yet");
    }
    for part in &mark.complete_through {
        let _infallible = write!(words, " {} {} (n{} {})", part.stream, part.seq, part.node, part.incarnation);
    }
    let receipt = mark.receipt.as_deref().unwrap_or("none");
    let at = mark.at_ms.map_or_else(|| "unknown".to_owned(), |at| UtcMillis::new(at).to_string());
    let (behind, parked) = (mark.behind_events, mark.parked_events);
    let _infallible = write!(words, "; receipt {receipt}; at {at}; behind_events {behind}; parked_events {parked}");
    if !mark.name.is_empty() {
        let _infallible = write!(words, "; {}", mark.name);
    }
    comment(text, &words);
}

/// A sales report: header, rows, a total, comments.
pub(crate) fn sales(report: &SalesReport) -> String {
    let mut text = String::new();
    let header = "key,label,tickets,lines,units,net_minor,tax_minor,total_minor,tax_unknown_tickets";
    record(&mut text, &[header]);
    for row in &report.rows {
        record(&mut text, &[&cell(&row.key), &cell(&row.label), &row_sums(&row.sums)]);
    }
    record(&mut text, &["total", "Total", &sums(&report.totals)]);
    let or = |value: Option<&str>, none: &str| value.unwrap_or(none).to_owned();
    let store = report.store.map_or_else(|| "all".to_owned(), |store| store.to_string());
    let (from, to) = (or(report.from.as_deref(), "the beginning"), or(report.to.as_deref(), "the end"));
    let currency = or(report.currency.as_deref(), "unknown");
    comment(&mut text, &format!("currency {currency}; store {store}; from {from}; to {to}"));
    report.completeness.iter().for_each(|part| mark(&mut text, part));
    text
}

/// A stock report: header, rows, comments.
pub(crate) fn stock(report: &StockReport) -> String {
    let mut text = String::new();
    record(&mut text, &["store,stock_item,name,unit,on_hand,received,used"]);
    for row in &report.rows {
        let amounts = format!("{},{},{}", row.on_hand, row.received, row.used);
        let place = format!("{},{}", row.store, row.stock_item);
        record(&mut text, &[&place, &cell(&row.name), &cell(&row.unit), &amounts]);
    }
    report.completeness.iter().for_each(|part| mark(&mut text, part));
    text
}

#[cfg(test)]
mod tests {
    use super::{cell, comment};

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (text, expected) in [
            ("Latte", "Latte"),
            ("Beans, 12 oz", "\"Beans, 12 oz\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x,y", "\"'@x,y\""),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("1-1", "1-1"),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_comment_stays_one_field_on_one_line() {
        let mut text = String::new();
        comment(&mut text, "store 1; Joe's, \"the\r\nbest\"");
        assert_eq!(text, "# store 1; Joe's; 'the  best'\r\n");
    }
}
