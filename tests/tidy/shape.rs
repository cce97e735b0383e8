//! Sizes: a file is one idea, a line fits a screen.

use crate::source::{Finding, Source};

/// Lines of a file at which a reader wants to divide it; printed, never a failure.
const FILE_LINES_SOFT: usize = 400;
/// Lines of a file that are too many.
const FILE_LINES_MAX: usize = 600;
/// Characters of a line of code.
const LINE_CHARS_MAX: usize = 140;

/// Files that are written by hand as code. A page is not: it is one file, so that a server can serve it alone.
fn is_code(source: &Source) -> bool {
    let name = source.path.rsplit('/').next().unwrap_or_default();
    let by_hand = [".rs", ".ts", ".tsx", ".svelte", ".css", ".sql", ".sh", ".toml", ".py"];
    name == "Makefile" || name == "run" || by_hand.iter().any(|end| name.ends_with(end))
}

fn file_length(source: &Source) -> Vec<Finding> {
    let lines = source.lines().count();
    if !is_code(source) || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![source.finding(lines, format!("{lines} lines; at most {FILE_LINES_MAX}, so divide the room"))]
}

fn line_length(source: &Source) -> Vec<Finding> {
    if !is_code(source) {
        return Vec::new();
    }
    let long = source.lines().filter(|(_, text)| text.chars().count() > LINE_CHARS_MAX);
    long.map(|(line, _)| source.finding(line, format!("longer than {LINE_CHARS_MAX} characters"))).collect()
}

#[cfg(test)]
mod tests {
    use super::{FILE_LINES_MAX, FILE_LINES_SOFT, LINE_CHARS_MAX, file_length, is_code, line_length};
    use crate::source::{TREE, assert_clean, count};

    #[test]
    fn no_file_is_too_long() {
        for source in TREE.iter().filter(|s| is_code(s)) {
            let lines = source.lines().count();
            if lines > FILE_LINES_SOFT {
                println!("soft limit: {} has {lines} lines; {FILE_LINES_SOFT} are enough for one idea", source.path);
            }
        }
        assert_clean(file_length);
    }

    #[test]
    fn a_long_file_is_caught() {
        assert_eq!(count(file_length, "a/src/b.rs", &"//\n".repeat(FILE_LINES_MAX)), 0);
        assert_eq!(count(file_length, "a/src/b.rs", &"//\n".repeat(FILE_LINES_MAX + 1)), 1);
        assert_eq!(count(file_length, "docs/b.md", &"x\n".repeat(FILE_LINES_MAX + 1)), 0);
    }

    #[test]
    fn no_line_is_too_long() {
        assert_clean(line_length);
    }

    #[test]
    fn a_long_line_is_caught() {
        assert_eq!(count(line_length, "a/src/b.rs", &"é".repeat(LINE_CHARS_MAX)), 0);
        assert_eq!(count(line_length, "scripts/a.sh", &"é".repeat(LINE_CHARS_MAX + 1)), 1);
    }
}
