//! Just enough of Rust's lexical rules to tell code from comments and text, and to read paths.

/// What remains of a source file when some of its characters are turned into blanks; line numbers stay.
#[derive(Debug)]
pub(crate) struct Layers {
    /// Without comments; literals are kept.
    pub(crate) code: String,
    /// Without comments and without the insides of string and character literals.
    pub(crate) bare: String,
}

/// Splits Rust source into its layers.
pub(crate) fn layers(text: &str) -> Layers {
    let mut out = Layers { code: String::with_capacity(text.len()), bare: String::with_capacity(text.len()) };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kind, len) = token(rest, first, out.bare.chars().next_back());
        let (taken, left) = rest.split_at(len);
        match kind {
            Kind::Code => {
                out.code.push_str(taken);
                out.bare.push_str(taken);
            }
            Kind::Literal => {
                out.code.push_str(taken);
                blank(&mut out.bare, taken);
            }
            Kind::Comment => {
                blank(&mut out.code, taken);
                blank(&mut out.bare, taken);
            }
        }
        rest = left;
    }
    out
}

enum Kind {
    Code,
    Literal,
    Comment,
}

fn blank(out: &mut String, taken: &str) {
    out.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
}

/// The kind and the length in bytes of the token that `rest` starts with.
fn token(rest: &str, first: char, before: Option<char>) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment_len(rest));
    }
    if first == '"' {
        return (Kind::Literal, quoted_len(rest, '"'));
    }
    if !before.is_some_and(is_word) {
        let prefix = usize::from(matches!(first, 'b' | 'c'));
        if let Some(len) = rest.get(prefix..).and_then(raw_string_len) {
            return (Kind::Literal, prefix + len);
        }
    }
    if first == '\'' {
        return char_literal_len(rest).map_or((Kind::Code, 1), |len| (Kind::Literal, len));
    }
    (Kind::Code, first.len_utf8())
}

fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let Some(tail) = rest.get(at..) else {
            at += 1;
            continue;
        };
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Length of a literal that starts and ends with `quote` and may hold escapes.
fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// Length of `r"..."` or `r#"..."#` with any number of hashes, if that is what `rest` starts with.
fn raw_string_len(rest: &str) -> Option<usize> {
    let after_r = rest.strip_prefix('r')?;
    let inner = after_r.trim_start_matches('#');
    let hashes = after_r.len() - inner.len();
    let body = inner.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(1 + hashes + 1 + end)
}

/// Length of a character literal; `None` for a lifetime.
fn char_literal_len(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return Some(quoted_len(rest, '\''));
    }
    let (at, second) = chars.next()?;
    (second == '\'').then_some(at + 1)
}

/// Whether `c` may be part of an identifier.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `line` holds `word` with no letter, digit or underscore on either side.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|s| s.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|s| s.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// A path such as `std::env::args` and the line it stands on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// Counted from 1.
    pub(crate) line: usize,
    /// Segments joined by `::`; `use` trees are expanded, so each leaf is a mention of its own.
    pub(crate) path: String,
    /// Whether it stands in a `use` declaration.
    pub(crate) import: bool,
}

/// All paths of two segments or more, and all imports, in `bare` code.
pub(crate) fn mentions(bare: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut tokens = Tokens { rest: bare, line: 1 }.peekable();
    while let Some((line, token)) = tokens.next() {
        if token == "use" {
            let mut tree: Vec<(usize, &str)> = Vec::new();
            while let Some(next) = tokens.next_if(|(_, t)| *t != ";") {
                tree.push(next);
            }
            expand("", &mut tree.into_iter().peekable(), &mut found);
        } else if token.chars().next().is_some_and(is_word) {
            let mut path = token.to_owned();
            while tokens.next_if(|(_, t)| *t == "::").is_some() {
                let Some((_, next)) = tokens.next_if(|(_, t)| t.chars().next().is_some_and(is_word)) else { break };
                path.push_str("::");
                path.push_str(next);
            }
            if path.contains("::") {
                found.push(Mention { line, path, import: false });
            }
        }
    }
    found
}

/// Reads one `use` tree up to its end, `,` or `}`, and adds its leaves to `found`.
fn expand<'a, I>(prefix: &str, tokens: &mut std::iter::Peekable<I>, found: &mut Vec<Mention>)
where
    I: Iterator<Item = (usize, &'a str)>,
{
    let mut path = prefix.to_owned();
    let mut last_line = None;
    while let Some((line, token)) = tokens.next_if(|(_, t)| *t != "," && *t != "}") {
        match token {
            "::" if path.is_empty() => {}
            "::" => path.push_str("::"),
            "as" => {
                tokens.next();
            }
            "{" => {
                while tokens.peek().is_some_and(|(_, t)| *t != "}") {
                    expand(&path, tokens, found);
                    tokens.next_if(|(_, t)| *t == ",");
                }
                tokens.next();
                return;
            }
            _ => {
                path.push_str(token);
                last_line = Some(line);
            }
        }
    }
    if let Some(line) = last_line {
        found.push(Mention { line, path, import: true });
    }
}

/// Words, `::` and single other characters, each with its line.
struct Tokens<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let trimmed = self.rest.trim_start();
        let skipped = self.rest.len() - trimmed.len();
        self.line += self.rest.get(..skipped)?.matches('\n').count();
        let first = trimmed.chars().next()?;
        let len = if is_word(first) {
            trimmed.find(|c| !is_word(c)).unwrap_or(trimmed.len())
        } else if trimmed.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, rest) = trimmed.split_at_checked(len)?;
        self.rest = rest;
        Some((self.line, token))
    }
}

#[cfg(test)]
mod tests {
    use super::{has_word, layers, mentions};

    #[test]
    fn comments_and_literals_are_told_from_code() {
        let sample = "let a = \"// not a comment \\\" f32\"; // f64 here\nlet b = '\"'; /* f32 /* nested */ */ let c = r#\"\"f32\"#;";
        let split = layers(sample);
        assert!(split.code.contains("not a comment") && !split.code.contains("f64") && !split.code.contains("nested"));
        assert!(!split.bare.contains("f32") && split.bare.contains("let c ="));
        assert_eq!(split.bare.lines().count(), 2);
    }

    #[test]
    fn lifetimes_are_not_characters() {
        let split = layers("fn f<'a>(x: &'a str) -> char { 'x' } // end");
        assert!(split.bare.contains("&'a str") && !split.bare.contains("'x'") && !split.bare.contains("end"));
    }

    #[test]
    fn use_trees_are_expanded() {
        let sample = "use std::{env, time::{Instant as I, SystemTime}};\nfn f() { tokio::spawn(g::<u8>()) }";
        let paths: Vec<(usize, String, bool)> =
            mentions(sample).into_iter().map(|m| (m.line, m.path, m.import)).collect();
        let expected = [
            (1, "std::env", true),
            (1, "std::time::Instant", true),
            (1, "std::time::SystemTime", true),
            (2, "tokio::spawn", false),
        ];
        assert_eq!(paths, expected.map(|(line, path, import)| (line, path.to_owned(), import)));
    }

    #[test]
    fn words_have_edges() {
        assert!(has_word("x: f64,", "f64") && !has_word("xf64", "f64") && !has_word("f64_bits", "f64"));
    }
}
