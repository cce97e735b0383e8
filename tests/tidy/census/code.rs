//! Every code that a program is told stands in the tables of docs/errors.md, and is made somewhere.

use super::scan::{divide, is_code_word, line_of, literal, places, product_text};
use super::{Kind, Need, Row, Table};
use crate::source::Source;

const ERRORS_PATH: &str = "docs/errors.md";
/// The heading above the tables.
const HEADING: &str = "## Codes";

static KIND: Kind = Kind {
    name: "error codes",
    columns: &["documented", "made"],
    need: Need::Every,
    advice: "Codes are promises: add its row below `## Codes` in docs/errors.md, or take away the row of a code that \
             no program makes any more (and never use the word again).",
};

/// Where codes are made.
const PLACES: &[&str] = &["common/runtime/src/", "store-node/src/", "cloud-hub/src/", "provisioning/src/"];

/// Calls that make a code, and which argument it is.
const MAKERS: &[(&str, usize)] = &[
    ("Problem::new(", 1),
    ("Self::new(", 1),
    (".with_error(", 1),
    ("refused(", 1),
    ("reject(", 2),
    ("tenders(", 0),
    ("of_tender(", 2),
    ("wrong(", 0),
    ("on_its_way(", 0),
    ("follows(", 0),
    ("Some((", 0),
];

/// Functions of which every text is a code.
const FUNCTIONS: &[&str] = &["fn code(&self) -> &'static str", "fn rejection_code("];

/// The enum of reasons for setting a row aside: all texts of its words.
const WORDS: &[(&str, &str)] = &[("provisioning/src/import/row.rs", "fn as_str(self)")];

pub(super) fn rows(tree: &[Source]) -> Vec<Row> {
    let mut table = Table::new(&KIND);
    for page in tree.iter().filter(|source| source.path == ERRORS_PATH) {
        documented(page).for_each(|(line, name)| table.count(name, (page, line), 0));
    }
    for source in tree.iter().filter(|source| PLACES.iter().any(|place| source.path.starts_with(place))) {
        made(source).iter().for_each(|(line, name)| table.count(name, (source, *line), 1));
    }
    table.rows()
}

/// Codes in the first column of the tables below the heading.
fn documented(page: &Source) -> impl Iterator<Item = (usize, &str)> {
    let below = page.lines().skip_while(|(_, text)| *text != HEADING).skip(1);
    let section = below.take_while(|(_, text)| !text.starts_with("## "));
    section.filter_map(|(line, text)| Some((line, text.strip_prefix("| `")?.split_once('`')?.0)))
}

/// Codes that product code makes.
fn made(source: &Source) -> Vec<(usize, String)> {
    let text = product_text(source);
    let mut found = Vec::new();
    let mut add = |at: usize, word: &str| {
        if is_code_word(word) {
            found.push((line_of(&text, at), word.to_owned()));
        }
    };
    for (call, argument) in MAKERS {
        for at in places(&text, call) {
            let (parts, _) = divide(text.get(at + call.len()..).unwrap_or_default());
            let is_problem =
                *call != "Self::new(" || parts.first().is_some_and(|first| first.starts_with("StatusCode::"));
            if let Some(word) = parts.get(*argument).and_then(|part| literal(part)).filter(|_| is_problem) {
                add(at, word);
            }
        }
    }
    for at in places(&text, "code: \"") {
        let word = text.get(at..).and_then(|rest| rest.split('"').nth(1)).unwrap_or_default();
        add(at, word);
    }
    let words = WORDS.iter().filter(|(path, _)| *path == source.path).map(|(_, function)| *function);
    for function in FUNCTIONS.iter().copied().chain(words) {
        for at in places(&text, function) {
            let Some(open) = text.get(at..).and_then(|rest| rest.find('{')).map(|brace| at + brace + 1) else {
                continue;
            };
            let body = text.get(open..).unwrap_or_default();
            let body = body.get(..divide(body).1).unwrap_or_default();
            for (place, word) in body.split('"').enumerate().filter(|(place, _)| place % 2 == 1) {
                let before: usize = body.split('"').take(place).map(|part| part.len() + 1).sum();
                add(open + before, word);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{ERRORS_PATH, made, rows};
    use crate::source::Source;

    #[test]
    fn codes_are_found_however_they_are_made() {
        let text = r#"
            fn a() { Problem::new(StatusCode::NOT_FOUND, "a_a", format!("x, {y}")).with_error("/b", "b_b", "no"); }
            fn b() { refused(format!("/lines/{line}/quantity"), "c_c", &text); Self::new(StatusCode::OK, "d_d", "x"); }
            fn c() { Self::new(1, "not_one"); AppError::Field { pointer, code: "e_e", detail } }
            fn rejection_code(r: &R) -> &'static str { match r { R::A => "f_f", R::B { .. } => "g_g" } }
            fn d() { reject(done, &basket.lines, "h_h", &detail); unrefused("", "not_one"); refused("", code, "x"); }
            fn e() { return Some(("i_i", format!("{local} is in the future"))); }
        "#;
        let mut found: Vec<_> =
            made(&Source::new("store-node/src/a.rs", text)).into_iter().map(|(_, name)| name).collect();
        found.sort();
        assert_eq!(found, ["a_a", "b_b", "c_c", "d_d", "e_e", "f_f", "g_g", "h_h", "i_i"]);
    }

    #[test]
    fn a_code_without_a_row_and_a_row_without_a_code_have_a_zero() {
        let tree = [
            Source::new(
                ERRORS_PATH,
                "| `code` | x |\n\n## Codes\n\n| code | what |\n|---|---|\n| `a_a` | a |\n| `b_b` | b |\n\n## More\n| `c` | c |\n",
            ),
            Source::new(
                "cloud-hub/src/a.rs",
                "fn a() { refused(\"limit\", \"a_a\", x); refused(\"limit\", \"d_d\", x) }",
            ),
        ];
        let found: Vec<_> = rows(&tree).into_iter().map(|row| (row.name, row.counts)).collect();
        let expected = [("a_a", [1, 1]), ("b_b", [1, 0]), ("d_d", [0, 1])];
        assert_eq!(found, expected.map(|(name, counts)| (name.to_owned(), counts.to_vec())));
    }
}
