//! A closing reading as lines of text, for a printer of receipts.

use crate::domain::event::Header;
use crate::money::{Currency, Minor};

use super::DayClosed;

/// Columns of a line.
pub const SLIP_COLUMNS: usize = 42;

/// Digits of a drawer's id that tell it on paper.
const SESSION_DIGITS: usize = 8;

struct Slip {
    /// What stands at the left, and at the right.
    lines: Vec<(String, String)>,
    currency: Currency,
}

/// A word at the left and a figure at the right. What is too long for a line goes on in the next.
fn line(text: &mut String, left: &str, right: &str) {
    let room = SLIP_COLUMNS.saturating_sub(right.chars().count() + 1);
    if left.chars().count() > room {
        text.push_str(&left.chars().take(SLIP_COLUMNS).collect::<String>());
        text.push('\n');
        return line(text, "", right);
    }
    let width = SLIP_COLUMNS - right.chars().count();
    text.push_str(format!("{left:<width$}{right}").trim_end());
    text.push('\n');
}

impl Slip {
    fn line(&mut self, left: &str, right: &str) {
        self.lines.push((left.to_owned(), right.to_owned()));
    }

    fn money(&mut self, left: &str, amount: i64) {
        let amount = Minor::new(amount).to_decimal(self.currency);
        self.line(left, &amount);
    }

    fn heading(&mut self, text: &str) {
        self.line("", "");
        self.line(text, "");
    }
}

/// The lines of a reading. The same for ever: they name nothing that could be called otherwise tomorrow.
#[must_use]
pub fn lines(header: &Header, closed: &DayClosed, local: &str) -> String {
    let mut text = String::new();
    for (left, right) in pairs(header, closed, local) {
        line(&mut text, &left, &right);
    }
    text
}

/// What stands at the left and at the right of each line of a reading, for paper of any width.
#[must_use]
pub fn pairs(header: &Header, closed: &DayClosed, local: &str) -> Vec<(String, String)> {
    let currency = closed.currency;
    let mut slip = Slip { lines: Vec::new(), currency };
    let sums = &closed.sums;
    slip.line("CLOSING READING", &closed.number.to_string());
    slip.line("Store", &header.store.to_string());
    slip.line("Business day", &header.business_day.to_string());
    slip.line("Closed at", local);
    slip.line("Currency", currency.as_str());
    slip.heading("SALES");
    slip.line("Tickets", &sums.tickets.to_string());
    slip.money("Sold", sums.gross.saturating_add(sums.refunds.gross));
    slip.money(&format!("Given back  {}", sums.refunds.count), sums.refunds.gross);
    slip.money("With tax", sums.gross);
    slip.money("Tax", sums.tax);
    slip.money("Before tax", sums.net);
    slip.money("of this charged for service", sums.service_charges);
    slip.money("Discounts given", sums.discounts.given);
    slip.money("Happy hours", sums.discounts.happy_hours);
    slip.money("Sets", sums.discounts.sets);
    slip.heading("TAX BY CLASS");
    for (class, sum) in &sums.taxes {
        slip.money(&format!("Class {class} on {}", Minor::new(sum.base).to_decimal(currency)), sum.tax);
    }
    slip.heading("PAID BY");
    for (kind, amount) in &sums.tenders {
        slip.money(kind, *amount);
    }
    slip.money("of this cash at no drawer", sums.no_drawer);
    slip.money("of this tips", sums.tips);
    slip.money("of this rounding", sums.cash_rounding);
    slip.heading("DRAWERS");
    slip.money("Paid in", sums.paid_in);
    slip.money("Paid out", sums.paid_out);
    slip.money("To the safe", sums.dropped);
    slip.line("Opened without a sale", &sums.no_sales.to_string());
    slip.line("Counted", &sums.drawers_closed.to_string());
    slip.money("Difference", sums.difference);
    for drawer in &closed.drawers {
        let session: String = drawer.session.to_string().chars().take(SESSION_DIGITS).collect();
        slip.line(&format!("{} {session}", drawer.terminal), "");
        slip.money("  should be", drawer.expected.get());
        slip.money("  counted", drawer.counted.get());
        slip.money("  difference", drawer.counted.get().saturating_sub(drawer.expected.get()));
    }
    for drawer in &closed.carried {
        slip.line(&format!("{} stays open", drawer.terminal), "");
    }
    if closed.open_tickets.count > 0 {
        slip.line("Tickets that stay open", &closed.open_tickets.count.to_string());
    }
    slip.heading("BY HOUR");
    for (hour, sum) in &sums.hours {
        slip.money(&format!("{hour:02}:00  {}", sum.tickets), sum.gross);
    }
    slip.heading("BY PERSON");
    for (person, sum) in &sums.people {
        let person = person.map_or_else(|| "nobody".to_owned(), |person| person.to_string());
        slip.money(&format!("{person}  {}", sum.tickets), sum.gross);
    }
    slip.heading("ENTRIES");
    for range in &closed.ranges {
        slip.line(&range.incarnation.to_string(), &format!("{}-{}", range.from, range.to));
    }
    if closed.late > 0 {
        slip.line("Came back late", &closed.late.to_string());
    }
    slip.line("Head", &closed.head.to_string());
    slip.lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_paper_and_no_figure_is_cut() {
        let mut slip = Slip { lines: Vec::new(), currency: Currency::USD };
        slip.line(&"x".repeat(60), "12.00");
        slip.money("Tax", -5);
        slip.heading("END");
        let mut text = String::new();
        for (left, right) in slip.lines {
            line(&mut text, &left, &right);
        }
        let expected = format!("{}\n{:>42}\n{:<37}-0.05\n\nEND\n", "x".repeat(42), "12.00", "Tax");
        assert_eq!(text, expected);
    }
}
