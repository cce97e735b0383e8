//! Reading calls and literals out of Rust without comments.

use crate::lexer::is_word;
use crate::source::Source;

/// Product code without comments as one text; lines that are no product code are blank.
pub(super) fn product_text(source: &Source) -> String {
    let mut text = String::new();
    let mut at = 1;
    for (line, code) in source.product_code() {
        while at < line {
            text.push('\n');
            at += 1;
        }
        text.push_str(code);
    }
    text
}

/// The line, from 1, of a place in a text.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.get(..at).unwrap_or_default().matches('\n').count()
}

/// Where `word` stands in `text` with no word before it.
pub(super) fn places<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text.get(..*at).and_then(|s| s.chars().next_back());
        !word.starts_with(is_word) || !before.is_some_and(|c| is_word(c) || c == ':')
    })
}

/// Divides what stands between brackets at its commas; `inside` begins behind the opening one. Also tells how long it
/// was, without the closing one.
pub(super) fn divide(inside: &str) -> (Vec<&str>, usize) {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_usize);
    let mut chars = inside.char_indices().peekable();
    let mut end = inside.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => skip_literal(&mut chars),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => {
                end = at;
                break;
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(inside.get(from..at).unwrap_or_default().trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    let last = inside.get(from..end).unwrap_or_default().trim();
    if !last.is_empty() {
        parts.push(last);
    }
    (parts, end)
}

fn skip_literal(chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>) {
    while let Some((_, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '"' => return,
            _ => {}
        }
    }
}

/// What stands in the quotes, if `text` is one literal.
pub(super) fn literal(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('"')).then_some(inner)
}

/// Whether a text looks like a code: small letters and underscores.
pub(super) fn is_code_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::{divide, line_of, literal, places, product_text};
    use crate::source::Source;

    #[test]
    fn arguments_are_divided_at_their_own_commas() {
        let text = "format!(\"/a,{x}\", y), \"code\", Some((1, 2)), \"a \\\" ) b\") + other(3)";
        let (parts, end) = divide(text);
        assert_eq!(parts, ["format!(\"/a,{x}\", y)", "\"code\"", "Some((1, 2))", "\"a \\\" ) b\""]);
        assert_eq!(&text[end..], ") + other(3)");
        assert_eq!(divide("a,\n b,\n)").0, ["a", "b"]);
        assert_eq!(divide(")").0, [""; 0]);
    }

    #[test]
    fn words_are_found_whole_and_with_their_line() {
        let text = "a\nrefused(x)\nun_refused(y)\n.with_error(z)";
        assert_eq!(places(text, "refused(").map(|at| line_of(text, at)).collect::<Vec<_>>(), [2]);
        assert_eq!(places(text, ".with_error(").map(|at| line_of(text, at)).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn a_literal_is_one_text_in_quotes() {
        assert_eq!(literal("\"a_b\""), Some("a_b"));
        assert_eq!((literal("a"), literal("\"a\" + \"b\"")), (None, None));
    }

    #[test]
    fn lines_stay_where_they_were() {
        let source = Source::new("a/src/b.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n}\nfn c() {}\n");
        assert_eq!(product_text(&source), "fn a() {}\n\n\n\nfn c() {}");
    }
}
