//! Every route has a caller: a command, the office's page, or the day in the life.

use std::collections::BTreeMap;

use super::scan::{divide, line_of, literal, places, product_text};
use super::{Kind, Need, Row};
use crate::source::Source;

static KIND: Kind = Kind {
    name: "routes",
    columns: &["commands", "page", "day"],
    need: Need::Any,
    advice: "Nobody asks it: give it a step in tests/day, a command or a page, or take it away.",
};

/// The servers, and what they both serve.
const SERVERS: &[(&str, &str)] =
    &[("store-node/src/", "shop"), ("cloud-hub/src/", "hub"), ("common/runtime/src/", "both")];

pub(super) fn rows(tree: &[Source]) -> Vec<Row> {
    let commands = callers(tree, |path| path.starts_with("provisioning/src/"), product_text);
    let page = callers(
        tree,
        |path| ["cloud-hub/web/", "store-node/web/"].iter().any(|place| path.starts_with(place)),
        |source| source.text.clone(),
    );
    let in_day = |path: &str| {
        ["tests/day/", "tests/src/harness/", "tests/src/books.rs", "tests/src/audit.rs"]
            .iter()
            .any(|place| path.starts_with(place))
    };
    let day = callers(tree, in_day, |source| source.text.clone());
    let mut rows = BTreeMap::new();
    for source in tree {
        let Some((_, server)) = SERVERS.iter().find(|(place, _)| source.path.starts_with(place)) else { continue };
        for (route, line) in routes(source) {
            let counts = [&commands, &page, &day].map(|of| of.get(&route).copied().unwrap_or(0)).to_vec();
            let name = format!("{server:<4} {} {}", route.0, route.1);
            let row = Row { kind: &KIND, name: name.clone(), path: source.path.clone(), line, counts };
            rows.entry(name).or_insert(row);
        }
    }
    served_once(rows)
}

/// What both servers serve is one row, also where one of them describes it again.
fn served_once(rows: BTreeMap<String, Row>) -> Vec<Row> {
    let of_both: Vec<String> = rows.keys().filter_map(|name| name.strip_prefix("both ").map(str::to_owned)).collect();
    let again =
        |name: &str| !name.starts_with("both ") && of_both.iter().any(|route| name.ends_with(&format!(" {route}")));
    rows.into_iter().filter(|(name, _)| !again(name)).map(|(_, row)| row).collect()
}

type Route = (&'static str, String);

/// Parameters in a path, however they are written, are one sign.
fn bare(path: &str) -> String {
    let mut bare = String::new();
    let mut depth = 0_usize;
    for c in path.split('?').next().unwrap_or_default().chars() {
        match c {
            '{' => {
                depth += 1;
                bare.push('*');
            }
            '}' => depth = depth.saturating_sub(1),
            '$' => {}
            _ if depth > 0 => {}
            c => bare.push(c),
        }
    }
    bare
}

/// Routes that a file declares: by their description, or by hand.
fn routes(source: &Source) -> Vec<(Route, usize)> {
    let text = product_text(source);
    let mut found = Vec::new();
    for (opening, path_at) in [("#[utoipa::path(", 1), (".route(", 0)] {
        for at in places(&text, opening) {
            let (parts, _) = divide(text.get(at + opening.len()..).unwrap_or_default());
            let path = parts.get(path_at).map(|part| part.trim_start_matches("path = "));
            let Some(path) = path.and_then(literal) else { continue };
            let how = if path_at == 1 { parts.first() } else { parts.get(1) };
            let method = if how.is_some_and(|how| how.starts_with("post")) { "POST" } else { "GET" };
            found.push(((method, bare(path)), line_of(&text, at)));
        }
    }
    found
}

/// How often each route is asked for in some files.
fn callers(
    tree: &[Source],
    is_caller: impl Fn(&str) -> bool,
    read: impl Fn(&Source) -> String,
) -> BTreeMap<Route, usize> {
    let mut callers = BTreeMap::new();
    for source in tree.iter().filter(|source| is_caller(&source.path)) {
        for route in asked(&read(source)) {
            *callers.entry(route).or_default() += 1;
        }
    }
    callers
}

/// Paths in quotes, each with the method that stands before it in its statement.
fn asked(text: &str) -> Vec<Route> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('/') {
        let before = text.get(..at).unwrap_or_default();
        let Some(quote) = before.chars().next_back().filter(|c| ['"', '\'', '`'].contains(c)) else { continue };
        let Some((path, _)) = text.get(at..).and_then(|rest| rest.split_once(quote)) else { continue };
        if path.contains(char::is_whitespace) && !path.contains("${") {
            continue;
        }
        let statement = before.rsplit(';').next().unwrap_or_default();
        let [get, post] = ["get(", "post("].map(|call| statement.rfind(call));
        // A single stroke is a path only where somebody asks for it.
        if path == "/" && get.is_none() {
            continue;
        }
        found.push((if post > get { "POST" } else { "GET" }, bare(path)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{asked, bare, routes, rows};
    use crate::source::Source;

    #[test]
    fn routes_are_read_from_descriptions_and_by_hand() {
        let text = "#[utoipa::path(get, path = \"/v1/a/{id}\", tag = \"a\")]\nfn a() {}\n\
            #[utoipa::path(post, path = \"/v1/b\")]\nfn b() {}\nfn c() { r.route(\"/livez\", get(livez)) }";
        let found = routes(&Source::new("store-node/src/http/a.rs", text));
        let found: Vec<_> = found.iter().map(|((method, path), line)| (*method, path.as_str(), *line)).collect();
        assert_eq!(found, [("GET", "/v1/a/*", 1), ("POST", "/v1/b", 3), ("GET", "/livez", 5)]);
    }

    #[test]
    fn callers_are_known_by_path_and_method() {
        assert_eq!(bare("/v1/a/{}/b/${c.d}?e={f}"), "/v1/a/*/b/*");
        let asked = |text: &str| asked(text).into_iter().map(|(m, p)| format!("{m} {p}")).collect::<Vec<_>>();
        assert_eq!(
            asked("client.post(\"/v1/a\", key); client.get(&format!(\"/v1/b/{id}\"))"),
            ["POST /v1/a", "GET /v1/b/*"]
        );
        assert_eq!(asked("await ask('/v1/c'); await ask(`/v1/d?x=${y ? `&z` : ''}`)"), ["GET /v1/c", "GET /v1/d"]);
        assert_eq!(asked("text.trim_end_matches('/'); client.try_get(\"/\")"), ["GET /"]);
    }

    #[test]
    fn a_route_that_nobody_asks_has_a_zero_in_every_column() {
        let tree = [
            Source::new(
                "cloud-hub/src/x/http.rs",
                "#[utoipa::path(get, path = \"/v1/x\")] fn x() {}\n\
                #[utoipa::path(get, path = \"/v1/y\")] fn y() {}",
            ),
            Source::new("tests/day/main.rs", "fn a() { client.get(\"/v1/x\") }"),
            Source::new("tests/e2e/main.rs", "fn a() { client.get(\"/v1/y\") }"),
        ];
        let found: Vec<_> = rows(&tree).into_iter().map(|row| (row.name, row.counts)).collect();
        assert_eq!(found, [("hub  GET /v1/x".to_owned(), vec![0, 0, 1]), ("hub  GET /v1/y".to_owned(), vec![0, 0, 0])]);
    }
}
