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

#[cfg(test)]
mod tests {
    use super::{COLUMNS, wrapped};

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
