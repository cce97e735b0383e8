//! Words that do not belong: unfinished work, silenced lints, the machine it was written on.
//!
//! The words are written here in two halves, so that this file passes its own rules.

use crate::lexer::has_word;
use crate::source::{Finding, Source};

/// Marks of unfinished work, searched in every file, comments and tests included.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("for", " now"),
    concat!("For", " now"),
    concat!("#[ig", "nore"),
];

/// Starts of absolute paths that exist on somebody's machine only.
const MACHINE_ROOTS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Hosts of package registries: which one is used is the machine's business, and lock files already say it.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("registry.npm", "js"),
    concat!("npm", "mirror"),
    concat!("deb.debian", ".org"),
    concat!("rsproxy", ".cn"),
];

fn is_lock_file(source: &Source) -> bool {
    matches!(source.path.rsplit('/').next(), Some("Cargo.lock" | "package-lock.json"))
}

fn is_prose(source: &Source) -> bool {
    source.path.ends_with(".md") || source.path == "LICENSE"
}

fn unfinished(source: &Source) -> Vec<Finding> {
    if is_lock_file(source) || is_prose(source) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, text) in source.lines() {
        for word in UNFINISHED.iter().filter(|w| text.contains(**w)) {
            findings.push(source.finding(line, format!("`{word}`: finish it, or open an issue and leave no mark")));
        }
        let promise = concat!("TO", "DO");
        if has_word(text, promise) && !text.contains(concat!("TO", "DO(#")) {
            findings
                .push(source.finding(line, format!("`{promise}` carries the number of its issue: `{promise}(#12)`")));
        }
    }
    findings
}

/// What a merge leaves where two sides differ, at the start of a line.
const MERGE_MARKS: &[&str] = &["<<<<<<< ", ">>>>>>> "];

fn unmerged(source: &Source) -> Vec<Finding> {
    let marked = source.lines().filter(|(_, text)| MERGE_MARKS.iter().any(|mark| text.starts_with(mark)));
    marked.map(|(line, _)| source.finding(line, "two sides of a merge: decide")).collect()
}

fn silenced_lints(source: &Source) -> Vec<Finding> {
    let marks = [concat!("#[al", "low("), concat!("#![al", "low("), concat!(", al", "low(")];
    let silenced = source.bare().lines().enumerate();
    silenced
        .filter(|(_, text)| text.contains("#[") || text.contains("#!["))
        .filter(|(_, text)| marks.iter().any(|mark| text.contains(mark)))
        .map(|(at, _)| source.finding(at + 1, "say `#[expect(lint, reason = \"...\")]`: it goes away with its cause"))
        .collect()
}

fn machine_paths(source: &Source) -> Vec<Finding> {
    if is_lock_file(source) {
        return Vec::new();
    }
    let hits = source.lines().filter(|(_, text)| MACHINE_ROOTS.iter().any(|root| names_path(text, root)));
    hits.map(|(line, _)| source.finding(line, "a path of one machine; make it relative or an argument")).collect()
}

/// Whether `text` holds `root` at the start of a path, with a name after it.
fn names_path(text: &str, root: &str) -> bool {
    text.match_indices(root).any(|(at, _)| {
        let before = text.get(..at).and_then(|s| s.chars().next_back());
        let after = text.get(at + root.len()..).and_then(|s| s.chars().next());
        !before.is_some_and(|c| c.is_alphanumeric() || "_.-}".contains(c))
            && after.is_some_and(|c| c.is_ascii_lowercase())
    })
}

fn registry_hosts(source: &Source) -> Vec<Finding> {
    if source.path.ends_with("Cargo.lock") {
        return Vec::new();
    }
    let hits = source.lines().filter(|(_, text)| REGISTRY_HOSTS.iter().any(|host| text.contains(host)));
    hits.map(|(line, _)| source.finding(line, "the host of a package registry; configure it outside the project"))
        .collect()
}

/// What `expect` says is why it cannot fail.
fn unexplained_expects(source: &Source) -> Vec<Finding> {
    let hits = source.product_code().filter(|(_, text)| {
        text.match_indices(".expect(\"")
            .any(|(at, call)| !text.get(at + call.len()..).is_some_and(|s| s.starts_with("invariant: ")))
    });
    hits.map(|(line, _)| {
        source.finding(line, "`expect(\"invariant: ...\")` states why it cannot fail; else return an error")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{machine_paths, registry_hosts, silenced_lints, unexplained_expects, unfinished, unmerged};
    use crate::source::{assert_clean, count};

    #[test]
    fn nothing_is_left_unfinished() {
        assert_clean(unfinished);
    }

    #[test]
    fn unfinished_work_is_caught() {
        for sample in super::UNFINISHED {
            assert_eq!(count(unfinished, "common/src/a.rs", &format!("// {sample}")), 1, "{sample}");
        }
        assert_eq!(count(unfinished, "store-node/migrations/0001_a.sql", concat!("-- TO", "DO later")), 1);
        assert_eq!(count(unfinished, "common/src/a.rs", concat!("// TO", "DO(#12): later")), 0);
    }

    #[test]
    fn every_merge_is_decided() {
        assert_clean(unmerged);
        assert_eq!(count(unmerged, "README.md", "a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n"), 2);
    }

    #[test]
    fn no_lint_is_silenced() {
        assert_clean(silenced_lints);
    }

    #[test]
    fn a_silenced_lint_is_caught() {
        assert_eq!(count(silenced_lints, "a/src/b.rs", concat!("#[al", "low(dead_code)]\nfn a() {}")), 1);
        assert_eq!(count(silenced_lints, "a/src/b.rs", concat!("#![al", "low(dead_code)]")), 1);
        assert_eq!(count(silenced_lints, "a/src/b.rs", concat!("#[cfg_attr(test, al", "low(dead_code))]")), 1);
        assert_eq!(count(silenced_lints, "a/src/b.rs", concat!("let x = \"#[al", "low(a)]\";")), 0);
    }

    #[test]
    fn no_file_names_a_machine() {
        assert_clean(machine_paths);
    }

    #[test]
    fn a_machine_path_is_caught() {
        for root in super::MACHINE_ROOTS {
            assert_eq!(count(machine_paths, "README.md", &format!("see {root}main/x")), 1, "{root}");
            assert_eq!(count(machine_paths, "README.md", &format!("see docs{root}main/x")), 0, "{root}");
        }
    }

    #[test]
    fn no_file_names_a_registry() {
        assert_clean(registry_hosts);
    }

    #[test]
    fn a_registry_host_is_caught() {
        for host in super::REGISTRY_HOSTS {
            assert_eq!(count(registry_hosts, "deny.toml", &format!("allow = [\"https://{host}/index\"]")), 1, "{host}");
        }
    }

    #[test]
    fn every_expect_names_its_invariant() {
        assert_clean(unexplained_expects);
    }

    #[test]
    fn an_unexplained_expect_is_caught() {
        assert_eq!(count(unexplained_expects, "a/src/b.rs", "x.expect(\"should work\");"), 1);
        assert_eq!(count(unexplained_expects, "a/src/b.rs", "x.expect(\"invariant: checked above\");"), 0);
    }
}
