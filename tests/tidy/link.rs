//! Links between our own pages lead somewhere.

use std::collections::BTreeSet;

use crate::source::{Finding, Source};

/// Targets of `[text](target)` in one line, without their anchors.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let after = text.split("](").skip(1);
    after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.split('#').next().unwrap_or_default())
}

/// `target` as seen from the folder of `page`; `None` when it leaves the project.
fn resolve(page: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn dead_links(source: &Source, known: &BTreeSet<&str>) -> Vec<Finding> {
    if !source.path.ends_with(".md") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, text) in source.lines() {
        for target in targets(text).filter(|t| !t.is_empty() && !t.contains(':')) {
            let alive = resolve(&source.path, target).is_some_and(|path| known.contains(path.as_str()));
            if !alive {
                findings.push(source.finding(line, format!("the link `{target}` leads nowhere")));
            }
        }
    }
    findings
}

/// Every file and every folder that holds one.
fn places<'a>(paths: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut places = BTreeSet::new();
    for path in paths {
        places.insert(path);
        places.extend(path.match_indices('/').filter_map(|(at, _)| path.get(..at)));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::{dead_links, places};
    use crate::source::{Source, TREE, assert_clean, count};

    #[test]
    fn links_between_pages_lead_somewhere() {
        let known = places(TREE.iter().map(|s| s.path.as_str()));
        assert_clean(|source| dead_links(source, &known));
    }

    #[test]
    fn a_dead_link_is_caught() {
        let known = places(["docs/adr/0001-a.md", "README.md"].into_iter());
        let rule = |source: &Source| dead_links(source, &known);
        assert_eq!(
            count(rule, "docs/logging.md", "[a](adr/0001-a.md#why) [b](../README.md) [c](adr/) [d](https://e.org)"),
            0
        );
        assert_eq!(count(rule, "docs/logging.md", "[a](adr/0002-b.md)"), 1);
        assert_eq!(count(rule, "README.md", "[a](../outside.md)"), 1);
    }
}
