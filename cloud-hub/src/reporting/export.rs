//! Reports as CSV: for spreadsheets, which must not be given formulas.

use std::fmt::Write as _;

use super::completeness::CompletenessMark;
use super::reports::{SalesReport, SalesSums};

/// A text cell: quoted where it must be, and never one that a spreadsheet would run.
fn cell(text: &str) -> String {
    let runs = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let safe = if runs { format!("'{text}") } else { text.to_owned() };
    if safe.contains([',', '"', '\n', '\r']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

fn sums(sums: &SalesSums) -> String {
    let SalesSums { tickets, lines, units, net_minor, tax_minor, total_minor, tax_unknown_tickets } = sums;
    format!("{tickets},{lines},{units},{net_minor},{tax_minor},{total_minor},{tax_unknown_tickets}")
}

/// A comment line that says how complete a store's figures are.
fn mark_line(mark: &CompletenessMark) -> String {
    let mut line = format!("# store {} {}: ", mark.store, mark.name.replace(['\n', '\r'], " "));
    let state = if mark.behind_events == 0 { "complete" } else { "incomplete" };
    let _infallible = write!(line, "{state} through");
    for part in &mark.complete_through {
        let _infallible = write!(line, " {} {}", part.stream, part.seq);
    }
    let receipt = mark.receipt.as_deref().unwrap_or("none");
    let at = mark.at_ms.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let _infallible = write!(line, "; receipt {receipt}; at_ms {at}; behind_events {}", mark.behind_events);
    line
}

/// A sales report as CSV: header, rows, a total, and comment lines with the completeness of each store.
pub(crate) fn sales(report: &SalesReport) -> String {
    let mut text =
        String::from("key,label,tickets,lines,units,net_minor,tax_minor,total_minor,tax_unknown_tickets\r\n");
    for row in &report.rows {
        let _infallible = write!(text, "{},{},{}\r\n", cell(&row.key), cell(&row.label), sums(&row.sums));
    }
    let _infallible = write!(text, "total,Total,{}\r\n", sums(&report.totals));
    for mark in &report.completeness {
        let _infallible = write!(text, "{}\r\n", mark_line(mark));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        assert_eq!(cell("Latte"), "Latte");
        assert_eq!(cell("Beans, 12 oz"), "\"Beans, 12 oz\"");
        assert_eq!(cell("a \"b\""), "\"a \"\"b\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("@x,y"), "\"'@x,y\"");
    }
}
