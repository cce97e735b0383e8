//! Words on a screen.

/// Columns of what is printed.
pub const COLUMNS: usize = 100;

/// A text in lines of at most [`COLUMNS`], each after so many spaces; a word that is longer has a line of its own.
#[must_use]
pub fn wrapped(text: &str, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(format!("{:indent$}{word}", "")),
        }
    }
    lines.join("\n")
}

/// A number with commas between thousands.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Cents as dollars: `$1,234.50`, `-$0.05`.
#[must_use]
pub fn dollars(cents: i64) -> String {
    let (sign, unsigned) = (if cents < 0 { "-" } else { "" }, cents.unsigned_abs());
    format!("{sign}${}.{:02}", grouped(unsigned / 100), unsigned % 100)
}

/// A count with its word: `1 kill`, `2 kills`.
#[must_use]
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, counted, dollars, grouped, wrapped};

    #[test]
    fn figures_are_written_as_people_write_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([2_119_560, -5, 0].map(dollars), ["$21,195.60", "-$0.05", "$0.00"]);
        assert_eq!([counted(1, "kill", "kills"), counted(2_000, "kill", "kills")], ["1 kill", "2,000 kills"]);
    }

    #[test]
    fn no_line_is_longer_than_a_screen_and_no_word_is_lost() {
        let text = "one sentence of an audit, ".repeat(20);
        let lines = wrapped(&text, 4);
        assert!(lines.lines().all(|line| line.chars().count() <= COLUMNS));
        assert!(lines.lines().all(|line| line.starts_with("    ") && !line.starts_with("     ")), "{lines}");
        assert!(lines.split_whitespace().eq(text.split_whitespace()));
        let long = "x".repeat(200);
        assert_eq!(wrapped(&format!("a {long} b"), 2), format!("  a\n  {long}\n  b"));
    }
}
